"""Every kind of source: how it ends, fails and recovers."""
import functools
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

import media
import senders
from harness import free_port, kill, wait_for
from lineup import LOOP, channel, line_up
from origin import HttpOrigin, Paced, UdpSender
from ts import PACKET, Checker
from watcher import Watcher


@functools.cache
def counts(path):
    """{codec: packets} of a file."""
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-count_packets", "-show_entries",
         "stream=codec_name,nb_read_packets", "-of", "csv=p=0", path],
        capture_output=True, text=True, check=True, timeout=60)
    return dict(line.strip(",").split(",")[:2] for line in done.stdout.split())


@pytest.mark.parametrize("kind", ["ts", "mp4", "mkv", "hls", "http ts", "http mp4", "http mkv",
                                  "http hls"])
def test_a_film_is_complete_and_ends(server, tmp_path, kind):
    files = {"ts": media.film, "mp4": media.mp4, "mkv": media.mkv,
             "hls": lambda: media.hls() + "/index.m3u8"}
    path = files[kind.split()[-1]]()
    with HttpOrigin(folder=media.FOLDER) as origin:
        source = origin.url(path[len(media.FOLDER):]) if kind.startswith("http") else path
        s = server(line_up(channel(1, source)))
        with s.stream("/stream/1.ts", timeout=40) as stream:
            data = stream.read_all()
        assert stream.ended
        Checker(data).check().check_start()
        (tmp_path / "got.ts").write_bytes(data)
        # a B-frame or two around the cut at the beginning may be missing, nothing else
        want, got = counts(media.film()), counts(str(tmp_path / "got.ts"))
        assert set(got) == {"h264", "aac"}
        for codec, packets in want.items():
            assert int(packets) - 3 <= int(got[codec]) <= int(packets) + 1, (codec, want, got)


@pytest.mark.parametrize("path", ["film", "mp4"])
def test_a_looped_film_has_monotonic_time(server, path):
    source = {"film": media.short_film, "mp4": media.mp4}[path]()
    s = server(line_up(channel(1, source, **LOOP)))
    with Watcher(s, "/stream/1.ts") as w:
        wait_for(lambda: w.checker.seconds() > 14, 30, "fourteen seconds of film")
        checker = w.stop().check()
    assert checker.video_gap() < 0.5


@pytest.mark.timing
@pytest.mark.waits
def test_re_and_files_are_paced_by_the_clock(server):
    s = server(line_up(channel(1, media.film(), **LOOP)))
    begin = time.monotonic()
    with Watcher(s, "/stream/1.ts") as w:
        wait_for(lambda: w.checker.seconds() > 6, 20, "six seconds of film")
        took = time.monotonic() - begin
    assert 4 < took < 8, took


@pytest.mark.smoke
def test_lavfi_generates_video(server):
    s = server(line_up(channel(
        1, "testsrc2=size=320x180:rate=25[out0];sine=frequency=440:sample_rate=48000[out1]",
        profile="small", input_options={"f": "lavfi"})))
    with Watcher(s, "/stream/1.ts") as w:
        wait_for(lambda: w.checker.seconds() > 3, 20, "three seconds of pictures")
        tuner = s.tuner("1")
        assert tuner["pid"] == tuner["derive_pid"]
        w.stop().check().check_start()


@pytest.mark.smoke
@pytest.mark.parametrize("container", ["mpegts", "matroska", "flv", "nut"])
def test_a_pipe(server, tmp_path, container):
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    film = media.long_film() if container == "mpegts" else media.mkv()
    with senders.sender(film, "-f", container, "-y", path, again=True):
        s = server(line_up(channel(1, path)))
        with Watcher(s, "/stream/1.ts") as w:
            wait_for(lambda: w.checker.seconds() > 4, 20, "four seconds of film")
            w.stop().check().check_start()


@pytest.mark.smoke
@pytest.mark.parametrize("url", [
    "udp://127.0.0.1:{}", "udp://203.0.113.7:{}", "udp://@:{}?localaddr=lo"])
def test_udp(server, url):
    port = free_port(socket.SOCK_DGRAM)
    with UdpSender(Paced(media.long_film(), 120), port):
        s = server(line_up(channel(1, url.format(port))))
        with Watcher(s, "/stream/1.ts") as w:
            wait_for(lambda: w.checker.seconds() > 4, 20, "four seconds of film")
            checker = w.stop().check()
            checker.check_start()
            assert checker.marked == 0


def test_multicast(server):
    port = free_port(socket.SOCK_DGRAM)
    sender = UdpSender(Paced(media.long_film(), 120), port)
    sender.address = ("239.255.77.7", port)
    sender.sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                           socket.inet_aton("127.0.0.1"))
    sender.sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    with sender:
        s = server(line_up(channel(1, f"udp://239.255.77.7:{port}?localaddr=127.0.0.1")))
        with Watcher(s, "/stream/1.ts") as w:
            wait_for(lambda: w.checker.seconds() > 3, 20, "three seconds of film")
            w.stop().check().check_start()


def test_unused_udp_settings_are_logged(server):
    port = free_port(socket.SOCK_DGRAM)
    url = f"udp://127.0.0.1:{port}?fifo_size=1000000&overrun_nonfatal=1&buffer_size=1000000000"
    options = {"timeout": 5000000, "reuse": 1}
    with UdpSender(Paced(media.two_programmes(), 60), port):
        s = server(line_up(channel(1, url, input_options=options),
                           channel(2, url, input_options={**options, "programid": 11})))
        for number in (1, 2):
            with Watcher(s, f"/stream/{number}.ts") as w:
                w.wait_more(100)
            s.amps("stop", str(number))
            named = re.findall(rf"\[{number}\].*nothing in this source takes the option '(\w+)'",
                               s.log())
            assert sorted(named) == ["fifo_size", "overrun_nonfatal", "timeout"], s.log()
        assert "instead of buffer_size=1000000000" in s.log()


def test_an_invalid_udp_setting_is_reported(server):
    s = server(line_up(channel(1, "udp://@:9?buffer_size=abc")))
    answer = s.refused("/stream/1.ts")
    assert answer.status == 502
    assert "buffer_size=abc: no number of bytes" in s.tuner("1")["last_error"], s.log()


def test_udp_continues_after_a_pause(server):
    port = free_port(socket.SOCK_DGRAM)
    with UdpSender(Paced(media.long_film(), 120), port) as sender:
        s = server(line_up(channel(1, f"udp://127.0.0.1:{port}"),
                           streaming={"stall_timeout": 0.5}))
        with Watcher(s, "/stream/1.ts") as w:
            w.wait_more(50)
            sender.paused = True
            wait_for(lambda: s.tuner("1")["state"] != "running", 10, "the stall to be noticed")
            sender.paused = False
            w.wait_more(100, 20)
            assert not w.ended
            checker = w.stop().check()
            assert checker.marked > 0 and checker.not_random_access_after_mark == 0


class MovingWindow:
    """A live playlist of four segments: those of a film appear in real time."""

    def __init__(self, folder, ended_at=None):
        self.path = folder / "hls" / "index.m3u8"
        shutil.copytree(media.hls(), folder / "hls")
        lines = self.path.read_text().splitlines()
        self.entries = [(lines[i], lines[i + 1]) for i, x in enumerate(lines)
                        if x.startswith("#EXTINF")][:ended_at]
        self.ended_at = ended_at
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.publish(4)

    def publish(self, n):
        first = max(0, n - 4)
        text = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2",
                f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        for info, name in self.entries[first:n]:
            text += [info, name]
        if n == self.ended_at:
            text += ["#EXT-X-ENDLIST"]
        self.path.with_suffix(".new").write_text("\n".join(text) + "\n")
        self.path.with_suffix(".new").rename(self.path)

    def run(self):
        for n in range(5, len(self.entries) + 1):
            if self.over.wait(2):
                return
            self.publish(n)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@pytest.mark.smoke
def test_live_hls(server, tmp_path):
    window = MovingWindow(tmp_path)
    with HttpOrigin(folder=str(tmp_path)) as origin:
        s = server(line_up(channel(1, origin.url("/hls/index.m3u8"))))
        with window, Watcher(s, "/stream/1.ts", timeout=40) as w:
            wait_for(lambda: w.checker.seconds() > 7, 40, "seven seconds of film")
            checker = w.stop().check()
            checker.check_start()


def test_a_live_hls_event_ends(server, tmp_path):
    """Its playlist gets an end: the last segments are played, and nothing twice."""
    window = MovingWindow(tmp_path, ended_at=6)
    with HttpOrigin(folder=str(tmp_path)) as origin:
        s = server(line_up(channel(1, origin.url("/hls/index.m3u8"))))
        with window, Watcher(s, "/stream/1.ts", timeout=40) as w:
            wait_for(lambda: w.ended, 40, "the end")
            checker = w.stop().check()
            checker.check_start()
            assert checker.marked == 0 and 9 < checker.seconds() < 12.5
        assert "job is lost" not in s.log()


def test_a_live_dash_event_ends(server, tmp_path):
    """Its manifest becomes static: the last segments are played, and nothing twice."""
    with HttpOrigin(folder=str(tmp_path)) as origin:
        s = server(line_up(channel(1, origin.url("/index.mpd"), input_options={
            "protocol_whitelist": "file,http,tcp"})))
        sender = subprocess.Popen(
            ["ffmpeg", "-nostdin", "-v", "error", "-re", "-i", media.long_film(), "-t", "16",
             "-c", "copy", "-bsf:a", "aac_adtstoasc", "-tag:v", "avc1", "-tag:a", "mp4a", "-f",
             "dash", "-seg_duration", "1", "-window_size", "20", str(tmp_path / "index.mpd")])
        try:
            wait_for(lambda: len(list(tmp_path.glob("chunk-stream0*"))) >= 4, 20, "segments")
            with Watcher(s, "/stream/1.ts", timeout=40) as w:
                wait_for(lambda: w.ended, 40, "the end")
                checker = w.stop().check()
                checker.check_start()
                assert 9 < checker.seconds() < 16.5
        finally:
            sender.kill()
            sender.wait()


def test_viewers_stay_when_the_origin_cuts(server):
    with HttpOrigin(Paced(media.long_film(), 120, burst=1)) as origin:
        s = server(line_up(channel(1, origin.url(), slate=False)))
        with Watcher(s, "/stream/1.ts") as w:
            w.wait_more(100)
            for cuts in range(1, 4):
                connections = origin.total
                origin.cut()
                wait_for(lambda: origin.total > connections, 20, "a new connection")
                w.wait_more(100, 20)
                assert not w.ended
            assert origin.playing.peak == 1, "two connections to the source at once"
            assert s.tuner("1")["restarts"] >= 3
            checker = w.stop().check()
            assert checker.marked > 0 and checker.not_random_access_after_mark == 0


def test_t_limits_a_live_source(server):
    with HttpOrigin(Paced(media.long_film(), 120, burst=1)) as origin:
        s = server(line_up(channel(1, origin.url(), input_options={"t": 3})))
        with Watcher(s, "/stream/1.ts") as w:
            wait_for(lambda: w.ended, 20, "the end")
            assert 2.5 < w.stop().check().seconds() < 3.5
        assert "job is lost" not in s.log() and origin.total == 1


def test_viewers_of_encoded_raw_sources_stay_when_the_connection_ends(server):
    """VP9 over TCP: the second connection (the first shows what it is) is closed in mid-film."""
    film, over, connections = Paced(media.vp9(), 20, burst=2), threading.Event(), []

    def play(connection):
        connections.append(time.monotonic())
        cut = time.monotonic() + (4 if len(connections) == 2 else 1000)
        with connection:
            try:
                film.play(connection.sendall, lambda: over.is_set() or time.monotonic() > cut)
            except OSError:     # it was only probed
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        def accept():
            while not over.is_set():
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                threading.Thread(target=play, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        s = server(line_up(channel(1, f"tcp://127.0.0.1:{listener.getsockname()[1]}", "small")))
        with Watcher(s, "/stream/1.ts", timeout=30) as w:
            wait_for(lambda: len(connections) > 2 or w.ended, 20, "another connection")
            w.wait_more(100, 30)
            assert not w.ended and s.tuner("1")["restarts"] >= 1
            w.stop()
        over.set()
        listener.shutdown(socket.SHUT_RDWR)


def test_a_killed_ingest_marks_every_pid(server):
    s = server(line_up(channel(1, media.long_film(), **LOOP)))
    with Watcher(s, "/stream/1.ts") as w:
        w.wait_more(200)
        for kills in range(1, 4):
            pid = wait_for(lambda: s.tuner("1")["pid"], 10, "an ingest")
            kill(pid)
            wait_for(lambda: w.checker.marked and s.tuner("1")["pid"] not in (None, pid)
                     and s.tuner("1")["restarts"] == kills, 20, "a new ingest")
            w.wait_more(200)
        checker = w.stop().check()
        assert checker.not_random_access_after_mark == 0


@pytest.mark.parametrize("trouble", ["stall", "garbage", "stuffing"])
def test_a_stalled_origin_is_closed_and_opened_again(server, trouble):
    with HttpOrigin(Paced(media.long_film(), 120, burst=1)) as origin:
        s = server(line_up(channel(1, origin.url()), streaming={"stall_timeout": 0.5}))
        with Watcher(s, "/stream/1.ts") as w:
            w.wait_more(100)
            origin.mode = trouble
            wait_for(lambda: s.tuner("1")["state"] != "running", 10, "the stall to be noticed")
            origin.mode = "refuse"
            origin.cut()
            wait_for(lambda: s.tuner("1")["last_error"], 10, "the refusal to be reported")
            origin.mode = "play"
            w.wait_more(100, 30)
            assert not w.ended
            w.stop().check()


def test_another_picture_size_after_a_restart(server):
    with HttpOrigin(Paced(media.long_film(), 120, burst=1)) as origin:
        s = server(line_up(channel(1, origin.url())))
        with Watcher(s, "/stream/1.ts") as w:
            w.wait_more(100)
            origin.live = Paced(media.other_film(), 60, burst=1)
            origin.cut()
            w.wait_more(200, 20)
            checker = w.stop().check()
            assert checker.marked > 0


def test_input_options_reach_the_source(server):
    with HttpOrigin(Paced(media.long_film(), 120, burst=1)) as origin:
        s = server(line_up(channel(1, origin.url(), input_options={
            "user_agent": "box/7", "headers": "X-Amps-Test: yes\r\n"})))
        with s.stream("/stream/1.ts") as stream:
            stream.read(PACKET)
        _, _, headers = origin.requests[0]
        assert headers["User-Agent"] == "box/7" and headers["X-Amps-Test"] == "yes"


@pytest.mark.smoke
def test_ss_and_t_cut_a_film(server):
    s = server(line_up(channel(1, media.mp4(), input_options={"ss": 4, "t": 4})))
    with s.stream("/stream/1.ts", timeout=30) as stream:
        checker = Checker(stream.read_all()).check()
    assert 2.5 < checker.seconds() < 5.5


def test_to_ends_a_film(server):
    s = server(line_up(channel(1, media.film(), input_options={"ss": 3, "to": 7}),
                       channel(2, media.film(), input_options={"ss": 7, "to": 3})))
    with s.stream("/stream/1.ts", timeout=30) as stream:
        checker = Checker(stream.read_all()).check()
    assert 2.5 < checker.seconds() < 5.5
    assert "no usable value" in s.refused("/stream/2.ts").json["error"]


def test_ss_and_t_cut_raw_sources(server):
    film = media.make("motion.mkv", "-i", media.film(), "-t", "12", "-c:v", "mjpeg", "-q:v", "10",
                      "-c:a", "copy")
    s = server(line_up(channel(1, film, "small", input_options={"ss": 4, "t": 4}),
                       channel(2, film, "small", input_options={"ss": 11, "stream_loop": 1})))
    for number, shortest, longest in ((1, 3.5, 5), (2, 1.5, 3)):
        with s.stream(f"/stream/{number}.ts", timeout=30) as stream:
            checker = Checker(stream.read_all()).check()
        assert shortest < checker.seconds() < longest, number


def test_codecs_that_ts_cannot_carry_are_refused_with_the_reason(server):
    film = media.make("motion.mkv", "-i", media.film(), "-t", "12", "-c:v", "mjpeg", "-q:v", "10",
                      "-c:a", "copy")
    s = server(line_up(channel(1, film, adaptive_bitrates=[{"name": "sd", "ffmpeg_profile": "small"}],
                               **LOOP), streaming={"idle_timeout": 1}))
    assert "mjpeg" in s.refused("/stream/1.ts").json["error"]
    with s.stream("/stream/1.ts?variant=sd", timeout=30) as stream:
        stream.read(PACKET)
    wait_for(lambda: not s.tuners(), 10, "the tuner to be idle")
    with s.stream("/stream/1.ts?variant=sd", timeout=30) as stream:
        stream.read(PACKET)
        refused = s.refused("/stream/1.ts")
    assert refused.status == 502 and "cannot carry" in refused.json["error"]
    wait_for(lambda: not s.tuners(), 20, "the tuner to be idle")
    assert s.refused("/stream/1.ts").status == 502
    assert s.tuners() == []


def test_a_source_without_media_format_is_502(server, tmp_path):
    (tmp_path / "x.ts").write_bytes(b"this is not a film\n" * 5000)
    s = server(line_up(channel(1, str(tmp_path / "x.ts"))))
    refused = s.refused("/stream/1.ts")
    assert refused.status == 502 and "Invalid data" in refused.json["error"], refused.text
    assert "x.ts" not in refused.text and "x.ts" in s.log()
