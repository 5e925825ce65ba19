"""Contents and transport of sources: certificates, options, programmes, codecs, discontinuities.
(Every kind from its real sender: test_kinds.py.)"""
import contextlib
import json
import os
import socket
import subprocess

import pytest

import media
import secure
from ftp import FtpOrigin
from harness import PATIENCE, free_port, wait_for
from lineup import channel, line_up
from origin import HttpOrigin, Paced, UdpSender
from senders import FFMPEG, sender
from ts import Checker
from watcher import Watcher

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("certificates"))
    secure.make_certificates(folder)
    return folder


def free_pair():
    """An even port that is free together with the next: RTP and RTCP."""
    while True:
        port = free_port(socket.SOCK_DGRAM)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", port + 1))
                if port % 2 == 0:
                    return port


def streams(s, path="/stream/1.ts"):
    """The codecs of a channel as ffprobe sees them, pictures with their width."""
    done = subprocess.run(["ffprobe", "-v", "error", "-show_streams", "-of", "json", s.url(path)],
                          capture_output=True, text=True, timeout=60 * PATIENCE)
    return sorted(f"{x['codec_name']} {x.get('width', '')}".strip()
                  for x in json.loads(done.stdout)["streams"])


SECONDS = 60 if os.environ.get("AMPS_SOAK") else 3


def plays(s, seconds=SECONDS, path="/stream/1.ts"):
    """ffmpeg decodes so much of a channel without an error line."""
    wait_for(lambda: s.get("/readyz").status == 200, 10, "the server")
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", s.url(path),
                           "-t", str(seconds), "-f", "null", "-"],
                          capture_output=True, text=True, errors="replace",
                          timeout=(seconds + 40) * PATIENCE)
    assert done.returncode == 0 and done.stderr == "", (done.stderr, s.tuner("1"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("film", ["live.ts", "film.mp4", "hls/index.m3u8"])
def test_https_with_a_private_authority(server, certificates, host, film):
    media.mp4(), media.hls()
    with HttpOrigin(Paced(media.long_film(), 120, burst=1), folder=media.FOLDER) as origin, \
            secure.tls_in_front_of(origin.port, certificates) as port:
        s = server(line_up(channel(1, f"https://{host}:{port}/{film}",
                                   input_options={"ca_file": certificates + "/ca.pem"})))
        plays(s)


@pytest.mark.parametrize("film", ["live.ts", "film.mp4", "hls/index.m3u8"])
def test_https_with_an_unknown_authority_is_refused(server, certificates, film):
    media.mp4(), media.hls()
    with HttpOrigin(Paced(media.long_film(), 120, burst=1), folder=media.FOLDER) as origin, \
            secure.tls_in_front_of(origin.port, certificates) as port:
        url = f"https://localhost:{port}/{film}"
        s = server(line_up(channel(1, url), channel(2, url, input_options={"tls_verify": 0}),
                           streaming={"start_timeout": 5}))
        assert s.refused("/stream/1.ts").status == 502
        assert origin.requests == []
        plays(s, path="/stream/2.ts")


def test_a_playlist_cannot_avoid_the_certificate_check(server, certificates, tmp_path):
    """The playlist comes over HTTP, its segments from a server with an unknown authority."""
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


LIVE = 'type="dynamic" availabilityStartTime="1970-01-01T00:00:00Z"'


@pytest.mark.parametrize("kind", ['type="static"', LIVE], ids=["finished", "live"])
@pytest.mark.parametrize("told", [{}, {"tls_verify": 0}, "ca"])
def test_a_dash_manifest_cannot_avoid_the_certificate_check(server, certificates, tmp_path, told, kind):
    """The manifest's authority is known, that of its segments only if the operator configured it."""
    media.dash()
    secure.make_certificates(str(tmp_path))
    with HttpOrigin(folder=str(tmp_path)) as manifests, HttpOrigin(folder=media.dash()) as behind, \
            secure.tls_in_front_of(manifests.port, certificates) as first, \
            secure.tls_in_front_of(behind.port, str(tmp_path)) as second:
        text = open(os.path.join(media.dash(), "index.mpd")).read()
        (tmp_path / "index.mpd").write_text(text.replace(
            "<Period", f"<BaseURL>https://localhost:{second}/</BaseURL><Period", 1).replace(
                'type="static"', kind))
        both = tmp_path / "both.pem"
        both.write_text(open(certificates + "/ca.pem").read()
                        + (tmp_path / "ca.pem").read_text())
        options = told if told != "ca" else {"ca_file": str(both)}
        s = server(line_up(
            channel(1, f"https://localhost:{first}/index.mpd",
                    input_options={"ca_file": certificates + "/ca.pem", **options}),
            streaming={"start_timeout": 5}))
        if told:
            with s.stream("/stream/1.ts") as stream:  # the live one has ended
                stream.read(100 * 188)
            assert behind.requests
        else:
            assert s.refused("/stream/1.ts").status in (502, 504)
            assert manifests.requests and behind.requests == []


def test_unused_options_are_logged(server):
    media.mp4()
    with HttpOrigin(Paced(media.long_film(), 120, burst=1), folder=media.FOLDER) as origin:
        options = {"input_options": {"rtmp_live": "live", "user_agent": "box"}}
        s = server(line_up(channel(1, origin.url(), **options),
                           channel(2, origin.url("/film.mp4"), **options),
                           channel(3, media.film(), input_options={
                               "rtmp_live": "live", "fflags": "+genpts", "probesize": "1M"})))
        for number in (1, 2, 3):
            with s.stream(f"/stream/{number}.ts") as stream:
                stream.read(188)
            wait_for(lambda: f"job[{number}]" in s.log() and "'rtmp_live'" in
                     s.log().split(f"job[{number}]", 1)[1], 5, "the warning")
        assert "'user_agent'" not in s.log()
        assert "'fflags'" not in s.log() and "'probesize'" not in s.log()
        assert {h["User-Agent"] for _, _, h in origin.requests} == {"box"}


def test_ftp(server):
    with FtpOrigin(media.film()) as origin:
        s = server(line_up(channel(1, origin.url())))
        plays(s)
        assert ("USER", "guest") in origin.asked and ("PASS", "door") in origin.asked
        assert "door" not in s.log()


def test_rist(server):
    """The sender calls."""
    address = f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    with sender(media.film(), "-f", "mpegts", f"rist://{address}"):
        s = server(line_up(channel(1, f"rist://@{address}")))
        plays(s)


def test_a_session_description_names_its_protocols(server, tmp_path):
    """A local .sdp file plays when its channel grants what it needs."""
    port, path = free_pair(), str(tmp_path / "camera.sdp")
    with sender(media.film(), "-an", "-f", "rtp", "-sdp_file", path, f"rtp://127.0.0.1:{port}"):
        wait_for(lambda: os.path.exists(path) and os.path.getsize(path), 10, "the description")
        s = server(line_up(channel(1, path),
                           channel(2, path, input_options={"protocol_whitelist": "file,udp,rtp"})))
        assert "whitelist" in s.refused("/stream/1.ts").json["error"]
        plays(s, path="/stream/2.ts")


def test_output_of_libraries_goes_to_the_log(server):
    """libsrt prints many lines about a wrong passphrase; the log must stay machine-readable."""
    port = free_port(socket.SOCK_DGRAM)
    with sender(media.film(), "-f", "mpegts",
                f"srt://127.0.0.1:{port}?mode=listener&passphrase=0123456789right", again=True):
        s = server(line_up(channel(1, f"srt://127.0.0.1:{port}?passphrase=0123456789wrong"),
                           server={"log_format": "json", "log_level": "debug"}))
        assert s.refused("/stream/1.ts").status in (502, 504)
    s.stop()
    lines = [json.loads(line) for line in s.log().splitlines()]
    assert any("libav: srt: " in line["message"] for line in lines)


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
            channel(4, f"rtp://@239.255.77.8:{port}?localaddr=127.0.0.1"
                    "&sources=127.0.0.9,127.0.0.1"),
            channel(5, f"udp://239.255.77.8:{port}?block=127.0.0.9,127.0.0.1&localaddr=lo"),
            streaming={"stall_timeout": 0.5, "start_timeout": 3}))
        plays(s)
        assert s.refused("/stream/2.ts").status == 504, "not the sender that was named"
        assert s.refused("/stream/5.ts").status == 504, "the sender is blocked"
        plays(s, path="/stream/3.ts")
        plays(s, path="/stream/4.ts")
        with Watcher(s, "/stream/1.ts") as w:
            w.wait_more(50)
            sending.paused = True
            wait_for(lambda: s.tuner("1")["state"] != "running", 10, "the stall to be noticed")
            sending.paused = False
            w.wait_more(100, 20)
            assert not w.ended


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


def test_hls_with_discontinuities(server, tmp_path):
    """Two films in one playlist, each with its own time base."""
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
