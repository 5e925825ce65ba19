"""`cushion`: the pauses of a source that delivers in bursts are not seen behind it."""
import contextlib

import pytest

import media
from lineup import channel, line_up
from origin import Bursts, HttpOrigin, Paced
from watch import Watch, assert_sound, assert_untouched

LONG = 120  # seconds of media.long_film()
EVEN = 1500  # ms: half of a pause of the source

pytestmark = pytest.mark.slow


def matroska():
    return media.make("bursts.mkv", "-i", media.long_film(), "-t", "60", "-c:v", "copy", "-c:a",
                      "aac", "-live", "1", "-f", "matroska")


def test_bursts_reach_viewers_evenly(server):
    """Three seconds of media every three seconds, from a transport stream and from Matroska; and
    the source of a third channel, which loses its connection, is opened again meanwhile."""
    with contextlib.ExitStack() as stack:
        def origin(play):
            return stack.enter_context(HttpOrigin(play))

        bursts = origin(Bursts(media.long_film(), LONG, 3))
        other = origin(Bursts(matroska(), 60, 3))
        lost = origin(Paced(media.long_film(), LONG, burst=6))
        s = server(line_up(channel(1, bursts.url(), cushion=4), channel(2, other.url(), cushion=4),
                           channel(3, lost.url(), cushion="4s")))
        w = stack.enter_context(Watch(s))
        ids = [w.open(f"/stream/{n}.ts", 1)[0] for n in (1, 2, 3)]
        w.wait_playing(ids)
        assert max(w.longest_gaps(ids, 7)) < EVEN
        lost.cut()
        assert max(w.longest_gaps(ids[:2], 5)) < EVEN
        assert_untouched(w.report(ids[:2]))
        # what was held reaches the viewer before anything of the next connection
        seen = w.wait(ids[2:], lambda v: v["marked"] > 0, 10, "the source that is opened again")
        assert_sound(seen)
        assert lost.total == 2 and seen[ids[2]]["dts_gap_ms"] <= 1200, seen
        assert bursts.total == other.total == 1
        assert s.tuner("1")["restarts"] == 0 and s.tuner("2")["restarts"] == 0
