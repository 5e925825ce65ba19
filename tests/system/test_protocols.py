"""Real senders of every kind on loopback, each played through the server without a word of
complaint from ffmpeg's decoder."""
import json
import os
import pty
import socket
import subprocess
import threading
import time
import tty

import pytest

import media
import secure
from harness import SANITIZED, free_port, wait_for
from lineup import LOOP, channel, line_up
from origin import HttpOrigin, Paced, UdpSender
from senders import FFMPEG, rtmp_server, rtsp_server, sender, vlc_server
from ts import Checker, pid_of, split
from watcher import Watcher

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("certificates"))
    secure.make_certificates(folder)
    return folder


def streams(s, path="/stream/1.ts"):
    """The codecs of a channel as ffprobe sees them, pictures with their width."""
    done = subprocess.run(["ffprobe", "-v", "error", "-show_streams", "-of", "json", s.url(path)],
                          capture_output=True, text=True, timeout=60 * (4 if SANITIZED else 1))
    return sorted(f"{x['codec_name']} {x.get('width', '')}".strip()
                  for x in json.loads(done.stdout)["streams"])


SECONDS = 60 if os.environ.get("AMPS_SOAK") else 3


def plays(s, seconds=SECONDS, path="/stream/1.ts"):
    """ffmpeg decodes so much of a channel without an error line."""
    wait_for(lambda: s.get("/readyz").status == 200, 10, "the server")
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", s.url(path),
                           "-t", str(seconds), "-f", "null", "-"],
                          capture_output=True, text=True, errors="replace",
                          timeout=(seconds + 40) * (4 if SANITIZED else 1))
    assert done.returncode == 0 and done.stderr == "", (done.stderr, s.tuner("1"))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp(server, transport):
    with rtsp_server() as url:
        s = server(line_up(channel(1, url, input_options={"rtsp_transport": transport})))
        plays(s)


def test_rtmp(server):
    with rtmp_server(media.long_film()) as url:
        s = server(line_up(channel(1, url, input_options={"rtmp_live": "live"})))
        plays(s)


@pytest.mark.parametrize("secret", [{}, {"passphrase": "twelve letters"}])
def test_srt_that_is_called(server, secret):
    port = free_port(socket.SOCK_DGRAM)
    words = [x for key, value in secret.items() for x in (f"-{key}", value)]
    with sender(media.long_film(), "-f", "mpegts", *words,
                f"srt://127.0.0.1:{port}?mode=listener"):
        s = server(line_up(channel(1, f"srt://127.0.0.1:{port}", input_options=secret)))
        plays(s)


def test_srt_that_calls(server):
    port = free_port(socket.SOCK_DGRAM)
    s = server(line_up(channel(1, f"srt://127.0.0.1:{port}?mode=listener")))
    with sender(media.long_film(), "-f", "mpegts", f"srt://127.0.0.1:{port}"):
        plays(s)


def test_rtp(server):
    port = free_port(socket.SOCK_DGRAM)
    s = server(line_up(channel(1, f"rtp://@:{port}")))
    with sender(media.long_film(), "-f", "rtp_mpegts", f"rtp://127.0.0.1:{port}"):
        plays(s)


def test_vlc_over_http(server):
    with vlc_server(media.long_film()) as url:
        s = server(line_up(channel(1, url)))
        plays(s)


def test_rtmps(server, certificates):
    ca = {"ca_file": certificates + "/ca.pem"}
    with rtmp_server(media.long_film()) as url:
        behind = int(url.split(":")[2].split("/")[0])
        with secure.tls_in_front_of(behind, certificates) as port:
            s = server(line_up(channel(1, f"rtmps://localhost:{port}/live/film",
                                       input_options=ca)))
            plays(s)


def test_tcp(server):
    port = free_port()
    with sender(media.long_film(), "-f", "mpegts", f"tcp://127.0.0.1:{port}?listen=1"):
        s = server(line_up(channel(1, f"tcp://127.0.0.1:{port}")))
        plays(s)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("film", ["live.ts", "film.mp4", "hls/index.m3u8"])
def test_https_with_an_authority_of_its_own(server, certificates, host, film):
    media.mp4(), media.hls()
    with HttpOrigin(Paced(media.long_film(), 120, burst=1), folder=media.FOLDER) as origin, \
            secure.tls_in_front_of(origin.port, certificates) as port:
        s = server(line_up(channel(1, f"https://{host}:{port}/{film}",
                                   input_options={"ca_file": certificates + "/ca.pem"})))
        plays(s)


@pytest.mark.parametrize("film", ["live.ts", "film.mp4", "hls/index.m3u8"])
def test_https_from_nobody_we_know(server, certificates, film):
    media.mp4(), media.hls()
    with HttpOrigin(Paced(media.long_film(), 120, burst=1), folder=media.FOLDER) as origin, \
            secure.tls_in_front_of(origin.port, certificates) as port:
        url = f"https://localhost:{port}/{film}"
        s = server(line_up(channel(1, url), channel(2, url, input_options={"tls_verify": 0}),
                           streaming={"start_timeout": 5}))
        assert s.refused("/stream/1.ts").status == 502
        assert origin.requests == []
        plays(s, path="/stream/2.ts")


def test_a_playlist_cannot_avoid_the_check(server, certificates, tmp_path):
    """The playlist comes in the clear, what it names from a server nobody knows."""
    with HttpOrigin(folder=str(tmp_path)) as plain, HttpOrigin(folder=media.hls()) as behind, \
            secure.tls_in_front_of(behind.port, certificates) as port:
        text = open(os.path.join(media.hls(), "index.m3u8")).read()
        (tmp_path / "index.m3u8").write_text(text.replace("\ns0", f"\nhttps://localhost:{port}/s0"))
        url = plain.url("/index.m3u8")
        s = server(line_up(
            channel(1, url),
            channel(2, url, input_options={"ca_file": certificates + "/ca.pem"}),
            streaming={"start_timeout": 5}))
        assert s.refused("/stream/1.ts").status in (502, 504)
        assert behind.requests == []
        plays(s, path="/stream/2.ts")


def test_options_nobody_takes_are_named(server):
    media.mp4()
    with HttpOrigin(Paced(media.long_film(), 120, burst=1), folder=media.FOLDER) as origin:
        options = {"input_options": {"rtmp_live": "live", "user_agent": "box"}}
        s = server(line_up(channel(1, origin.url(), **options),
                           channel(2, origin.url("/film.mp4"), **options)))
        for number in (1, 2):
            with s.stream(f"/stream/{number}.ts") as stream:
                stream.read(188)
            wait_for(lambda: f"job[{number}]" in s.log() and "'rtmp_live'" in
                     s.log().split(f"job[{number}]", 1)[1], 5, "the warning")
        assert "'user_agent'" not in s.log()
        assert {h["User-Agent"] for _, _, h in origin.requests} == {"box"}


def test_mp4_over_http_without_ranges(server):
    media.mp4()
    with HttpOrigin(folder=media.FOLDER) as origin:
        origin.ranges = False
        s = server(line_up(channel(1, origin.url("/film.mp4"))))
        plays(s)


@pytest.mark.parametrize("kind", ["file", "http"])
def test_dash(server, kind):
    folder = media.dash()
    with HttpOrigin(folder=folder) as origin:
        s = server(line_up(channel(1, origin.url("/index.mpd") if kind == "http"
                                   else folder + "/index.mpd")))
        plays(s)


def test_live_dash(server, tmp_path):
    with sender(media.long_film(), "-bsf:a", "aac_adtstoasc", "-tag:v", "avc1", "-tag:a", "mp4a",
                "-f", "dash", "-seg_duration", "1", "-window_size", "10",
                "-extra_window_size", "10", str(tmp_path / "index.mpd")), \
            HttpOrigin(folder=str(tmp_path)) as origin:
        wait_for(lambda: len(list(tmp_path.glob("chunk*"))) >= 8, 30, "the first segments")
        s = server(line_up(channel(1, origin.url("/index.mpd"))))
        plays(s)


def test_a_pipe(server, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    s = server(line_up(channel(1, str(tmp_path / "pipe"))))
    with sender(media.long_film(), "-f", "mpegts", "-y", str(tmp_path / "pipe")):
        plays(s)


def test_a_character_device(server):
    """A terminal in raw mode reads like the recorder device of a DVB adapter."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    stop = threading.Event()
    film = Paced(media.long_film(), 120)

    def send(piece):
        while piece and not stop.is_set():
            try:
                piece = piece[os.write(ours, piece):]
            except BlockingIOError:
                time.sleep(0.005)

    thread = threading.Thread(target=film.play, daemon=True, args=(send, stop.is_set))
    s = server(line_up(channel(1, os.ttyname(theirs))))
    thread.start()
    try:
        plays(s)
    finally:
        stop.set()
        thread.join()
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("size", [192, 204])
def test_longer_packets(server, tmp_path, size):
    film = open(media.film(), "rb").read()
    packets = [film[i:i + 188] for i in range(0, len(film), 188)]
    before, after = (b"\0\0\0\0", b"") if size == 192 else (b"", b"\xff" * 16)
    (tmp_path / "film.ts").write_bytes(b"".join(before + p + after for p in packets))
    s = server(line_up(channel(1, str(tmp_path / "film.ts"), **LOOP)))
    plays(s)


def test_multicast_comes_back_after_silence(server):
    port = free_port(socket.SOCK_DGRAM)
    sending = UdpSender(Paced(media.long_film(), 120), port)
    sending.address = ("239.255.77.8", port)
    sending.sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                            socket.inet_aton("127.0.0.1"))
    with sending:
        s = server(line_up(
            channel(1, f"udp://127.0.0.1@239.255.77.8:{port}?localaddr=lo"),
            channel(2, f"udp://127.0.0.9@239.255.77.8:{port}?localaddr=lo"),
            channel(3, f"udp://239.255.77.8:{port}", input_options={"localaddr": "127.0.0.1"}),
            channel(4, f"rtp://@239.255.77.8:{port}?localaddr=127.0.0.1&sources=127.0.0.1"),
            streaming={"stall_timeout": 0.5, "start_timeout": 3}))
        plays(s)
        assert s.refused("/stream/2.ts").status in (502, 504), "not the sender that was named"
        plays(s, path="/stream/3.ts")
        plays(s, path="/stream/4.ts")
        with Watcher(s, "/stream/1.ts") as w:
            w.wait_more(50)
            sending.paused = True
            wait_for(lambda: s.tuner("1")["state"] != "running", 10, "the stall to be noticed")
            sending.paused = False
            w.wait_more(100, 20)
            assert not w.ended


@pytest.mark.parametrize("film,expected", [
    ("hevc_film", ["ac3", "hevc 320"]),
    ("mpeg2_film", ["mp2", "mpeg2video 320"]),
    ("languages_film", ["aac", "ac3", "mp2", "mpeg2video 320"])])
def test_codecs_are_kept(server, film, expected):
    s = server(line_up(channel(1, getattr(media, film)(), **LOOP),
                       streaming={"idle_timeout": 20}))
    plays(s)
    assert streams(s) == expected


@pytest.mark.parametrize("kind", ["file", "udp"])
@pytest.mark.parametrize("programme,width", [(11, 320), (22, 480)])
def test_one_programme_of_several(server, kind, programme, width):
    port = free_port(socket.SOCK_DGRAM)
    with UdpSender(Paced(media.two_programmes(), 60), port):
        options = {"input_options": {"programid": programme}}
        if kind == "file":
            options["input_options"].update({"re": None, "stream_loop": -1})
        s = server(line_up(channel(1, media.two_programmes() if kind == "file"
                                   else f"udp://127.0.0.1:{port}", **options),
                           streaming={"idle_timeout": 20}))
        plays(s)
        assert streams(s) == ["aac", f"h264 {width}"]


def with_subtitles(film):
    """The film with teletext and DVB subtitles: the tables name them, a packet of each now and
    then."""
    out, at = [], 0
    counters = {0x120: 0, 0x121: 0}
    extra = (bytes([0x06, 0xe1, 0x20, 0xf0, 7, 0x56, 5]) + b"deu\x09\x00"
             + bytes([0x06, 0xe1, 0x21, 0xf0, 10, 0x59, 8]) + b"eng\x10\x00\x01\x00\x01")
    for packet in split(film):
        if pid_of(packet) == 0x1000:
            section = packet[5:8 + ((packet[6] & 15) << 8 | packet[7]) - 4] + extra
            length = len(section) + 4 - 3
            section = section[:1] + bytes([0xb0 | length >> 8, length & 255]) + section[3:]
            section += crc32(section).to_bytes(4, "big")
            packet = (packet[:5] + section).ljust(188, b"\xff")
        out.append(packet)
        at += 1
        if at % 50 == 0:
            for pid in counters:
                pes = b"\0\0\1\xbd" + (176).to_bytes(2, "big") + b"\x84\0\0"
                pes += (b"\x10" if pid == 0x120 else b"\x20\0") + b"\xff" * 184
                out.append(bytes([0x47, 0x40 | pid >> 8, pid & 255, 0x10 | counters[pid]])
                           + pes[:184])
                counters[pid] = (counters[pid] + 1) & 15
    return b"".join(out)


def crc32(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04c11db7 if crc & 1 << 31 else 0)) & 0xffffffff
    return crc


def test_teletext_and_subtitles_are_kept(server, tmp_path):
    film = with_subtitles(open(media.film(), "rb").read())
    (tmp_path / "film.ts").write_bytes(film)
    s = server(line_up(channel(1, str(tmp_path / "film.ts"), **LOOP)))
    with s.stream("/stream/1.ts") as stream:
        data = stream.read(1 << 20)
    pids = [pid_of(p) for p in split(data)]
    assert pids.count(0x120) > 50 and pids.count(0x121) > 50
    assert {"dvb_teletext", "dvb_subtitle"} <= {x.split()[0] for x in streams(s)}


def test_hls_with_discontinuities(server, tmp_path):
    """Two films in one playlist, each with a time of its own."""
    names = []
    for letter, film in (("a", media.long_film()), ("b", media.film())):
        subprocess.run([*FFMPEG, "-i", film, "-t", "4", "-c", "copy", "-f", "hls", "-hls_time", "2",
                        "-hls_list_size", "0", "-hls_segment_filename",
                        str(tmp_path / f"{letter}%03d.ts"), str(tmp_path / f"{letter}.m3u8")],
                       check=True)
        names.append([line for line in (tmp_path / f"{letter}.m3u8").read_text().splitlines()
                      if line.endswith(".ts") or line.startswith("#EXTINF")])
    (tmp_path / "index.m3u8").write_text("\n".join(
        ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:3", "#EXT-X-MEDIA-SEQUENCE:0",
         *names[0], "#EXT-X-DISCONTINUITY", *names[1], "#EXT-X-DISCONTINUITY", *names[0],
         "#EXT-X-ENDLIST", ""]))
    with HttpOrigin(folder=str(tmp_path)) as origin:
        s = server(line_up(channel(1, origin.url("/index.m3u8"))))
        with s.stream("/stream/1.ts", timeout=60) as stream:
            checker = Checker(stream.read_all()).check()
        assert 11 < checker.seconds() < 14
        assert checker.video_gap() < 0.5
