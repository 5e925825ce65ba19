"""The slate in every form: viewers of each see it while nothing works, and the source afterwards."""
import concurrent.futures
import contextlib
import os
import subprocess
import tempfile
import threading

import pytest

import dash
import media
from cmaf import LowPlayer
from fmp4 import Mp4
from harness import wait_for
from hls import Player
from lineup import channel, line_up
from origin import HttpOrigin, Paced
from rtsp import AUTO
from test_slate import LONG, on_slate
from ts import Checker
from watcher import RtspWatcher, Watcher

WIDTH, HEIGHT = 32, 18
NEWEST = 150000   # bytes of a transport stream with several access points


class Tape(Checker):
    """A checker that keeps what has come."""

    def __init__(self):
        self.bytes = []
        super().__init__()

    def feed(self, data):
        self.bytes.append(data)
        return super().feed(data)

    def newest(self):
        return b"".join(self.bytes)[-NEWEST:]


class Mp4Tape(Mp4):
    """The same for fragments of MP4."""

    def take_fragment(self, data):
        keys = self.keys
        super().take_fragment(data)
        self.group = [*([] if self.keys > keys else self.group), data]

    def newest(self):
        return b"".join([self.init_bytes[-1], *self.group]) if self.init_bytes else b""


def pictures(data, folder):
    """All pictures of these bytes: small, grey."""
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as f:
        f.write(data)
    grey = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-threads", "1", "-i", f.name, "-an", "-fps_mode",
         "passthrough", "-vf", f"scale={WIDTH}:{HEIGHT}", "-pix_fmt", "gray", "-f", "rawvideo", "-"], capture_output=True, check=False).stdout
    size = WIDTH * HEIGHT
    return [grey[at:at + size] for at in range(0, len(grey) - size + 1, size)]


def is_slate(picture):
    """Half of it has one colour; the film's test picture has none that is so frequent."""
    return max(map(picture.count, set(picture))) > len(picture) / 2


def sees(viewer, slate, folder):
    """Is the newest picture that the viewer got the slate, or is it not?"""
    shown = pictures(viewer.newest(), folder)
    return bool(shown) and is_slate(shown[-1]) == slate


class Stream:
    """A viewer of a stream, who stays."""

    def __init__(self, watcher, tape):
        self.watcher, self.tape, self.name = watcher, tape, watcher.path
        self.newest = tape.newest


class Segments:
    """A player of a playlist, who takes the newest segments of pictures."""

    def __init__(self, name, newest):
        self.name, self.newest = name, newest


def newest_ts(player):
    return player.segment(player.media().segments[-1])


def newest_cmaf(player):
    whole = [s for s in player.media().segments if s.seconds is not None]
    return player.fetch(whole[-1].init) + player.fetch(whole[-1].url)


def newest_dash(player):
    pictures_of = [r for p in player.manifest().periods for r in p.pictures if r.segments]
    return player.get(pictures_of[-1].init) + player.get(pictures_of[-1].segments[-1].url)


class LiveHls:
    """A playlist in a folder to which a segment of two seconds comes every two."""

    def __init__(self, folder):
        self.folder, self.over = folder, threading.Event()
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", media.long_film(), "-t", "40",
                        "-c", "copy", "-f", "segment", "-segment_time", "2", "-muxdelay", "0",
                        os.path.join(folder, "%d.ts")], check=True)
        self.number = 4
        self.publish()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def publish(self):
        names = range(self.number - 4, self.number)
        text = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n" \
            f"#EXT-X-MEDIA-SEQUENCE:{names[0]}\n" + \
            "".join(f"#EXTINF:2.0,\n{n}.ts\n" for n in names)
        path = os.path.join(self.folder, "live.m3u8")
        with open(path + ".new", "w") as f:
            f.write(text)
        os.rename(path + ".new", path)

    def run(self):
        while not self.over.wait(2) and self.number < 20:
            self.number += 1
            self.publish()

    def close(self):
        self.over.set()
        self.thread.join()


def audience(server, stack):
    """One viewer of each form of channel 1."""
    def stay(path, checker):
        return stack.enter_context(Watcher(server, path, checker=checker))

    streams = [stay("/stream/1.ts", Tape), stay("/ws/1", Tape), stay("/stream/1?format=mp4", Mp4Tape),
               stay("/ws/1?format=mp4", Mp4Tape)]
    found = [Stream(w, w.checker) for w in streams]
    for tcp in (True, False):
        w = stack.enter_context(RtspWatcher(server, tcp, checker=Tape))
        found.append(Stream(w, w.checker.media))
    ts = Player(server, query="?segment_type=ts", agent="ts")
    low = LowPlayer(server, query="?segment_type=cmaf", agent="cmaf")
    mpd = dash.Player(server, agent="dash")
    return [*found, Segments("hls ts", lambda: newest_ts(ts)),
            Segments("cmaf", lambda: newest_cmaf(low)), Segments("dash", lambda: newest_dash(mpd))]


def wait_seen(viewers, slate, folder, what):
    left = list(viewers)

    def look():
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            seen = list(pool.map(lambda v: sees(v, slate, folder), left))
        left[:] = [v for v, is_seen in zip(left, seen) if not is_seen]
        return not left
    try:
        wait_for(look, 20, what)
    except AssertionError as e:
        raise AssertionError(f"{e}: {[v.name for v in left]}") from e


@pytest.mark.slow
def test_every_form_shows_the_slate_and_then_the_source(server, tmp_path):
    with HttpOrigin(Paced(media.long_film(), LONG)) as origin, contextlib.ExitStack() as stack:
        hls = HttpOrigin(folder=str(tmp_path))
        stack.enter_context(hls)
        stack.enter_context(contextlib.closing(LiveHls(str(tmp_path))))
        s = server(line_up(channel(1, origin.url(), output_format="ll-hls"),
                           channel(2, hls.url("/live.m3u8")),
                           streaming={"stall_timeout": 2}, hls={"segment_seconds": 1},
                           server=AUTO))
        bursty = stack.enter_context(Watcher(s, "/stream/2.ts", checker=Tape))
        viewers = audience(s, stack)
        later = [Stream(bursty, bursty.checker)]
        wait_seen(viewers + later, False, s.folder, "the film")
        hls.folder = None
        origin.mode = "refuse"
        origin.cut()
        wait_for(lambda: on_slate(s), 10, "the slate")
        wait_seen(viewers + later, True, s.folder, "the slate")
        hls.folder = str(tmp_path)
        origin.mode = "play"
        wait_for(lambda: s.tuner("1")["source_number"] == 1, 30, "the source again")
        wait_seen(viewers + later, False, s.folder, "the film again")
        for v in viewers + later:
            if isinstance(v, Stream):
                assert v.watcher.error is None and not v.watcher.ended, v.name
            if isinstance(getattr(v, "tape", None), Tape):
                v.tape.check()
        assert origin.playing.peak == 1
