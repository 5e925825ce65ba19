"""All forms of one channel at once: one source connection, one tuner, one decode."""
import contextlib

import pytest

import dash
import hls
import media
from adts import Frames
from fmp4 import Mp4
from harness import kill, wait_for
from lineup import channel, line_up
from origin import HttpOrigin, Paced
from rtsp import AUTO
from ts import Checker
from watcher import RtspWatcher, Watcher

pytestmark = pytest.mark.slow

STREAMS = {"/stream/1.ts": Checker, "/ws/1": Checker, "/stream/1?format=mp4": Mp4,
           "/ws/1?format=mp4": Mp4, "/audio/1": Frames, "/stream/1.ts?variant=low": Checker,
           "/stream/1?format=mp4&variant=low": Mp4}


class Playlists:
    """HLS with both kinds of segments, and DASH."""

    def __init__(self, server):
        self.hls = [hls.Player(server, query=f"?segment_type={kind}", agent=kind)
                    for kind in ("ts", "cmaf")]
        self.dash = dash.Player(server, agent="dash")

    def newest(self):
        """What each lists last."""
        found = [player.media().segments for player in self.hls]
        return [segments[-1].number if segments else 0 for segments in found] + \
            [max(r.segments[-1].number for period in self.dash.manifest().periods
                 for r in period.pictures + period.sounds if r.segments)]

    def wait_more(self):
        before = self.newest()
        wait_for(lambda: all(new > old for new, old in zip(self.newest(), before)), 30,
                 "more segments")


@contextlib.contextmanager
def audience(server):
    with contextlib.ExitStack() as stack:
        yield [*(stack.enter_context(Watcher(server, path, checker=checker))
                 for path, checker in STREAMS.items()),
               *(stack.enter_context(RtspWatcher(server, tcp)) for tcp in (True, False))]


def job(server, name):
    return next(pid for pid, (_, line) in server.processes().items()
                if line.startswith(f"amps-transcoder 1{name}"))


def test_every_form_comes_from_one_source_and_outlives_each_process(server):
    with HttpOrigin(Paced(media.long_film(), 120)) as origin:
        s = server(line_up(channel(1, origin.url(), adaptive_bitrates=[
            {"name": "low", "ffmpeg_profile": "small"}]), hls={"segment_seconds": 1}, server=AUTO))
        with audience(s) as watchers:
            playlists = Playlists(s)
            for w in watchers:
                w.wait_more(30)
            playlists.wait_more()
            assert len(s.tuners()) == 1 and origin.playing.peak == 1 and origin.total == 1
            names = [line for _, line in s.processes().values() if "amps-transcoder 1" in line]
            assert len(names) == 3, "ingest, derive and segment"
            for name in (" segment", " derive", ""):
                kill(s.tuner("1")["pid"] if name == "" else job(s, name))
                for w in watchers:
                    w.wait_more(30, 30)
                playlists.wait_more()
                assert [(w.path, w.error) for w in watchers if w.ended] == [], f"behind{name}"
            assert origin.playing.peak == 1 and s.tuner("1")["restarts"] == 3
            for w in watchers:
                w.stop()
            for w in watchers:
                gaps = [kind for kind, _ in getattr(w.checker, "gaps", [])]
                # each process takes one piece of what it was at with it
                assert all(gaps.count(kind) <= 3 for kind in ("vide", "soun")), (w.path, w.checker.gaps)
