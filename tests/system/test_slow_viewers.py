"""Viewers that read slowly, stop or pause: others lose nothing, and what they lose is a clean,
marked cut."""
import pytest

import media
from harness import SANITIZED
from lineup import LOOP, channel, line_up
from trouble import TS_HEAD, Trouble, packets
from watch import STOPPED, Watch, assert_sound, assert_untouched, memory_kb

RATE = 16_000_000 // 8      # bytes a second of media.dense_film()
RING = 4 << 20              # the ring with ring_seconds 1
SMALL = 64 << 10            # a small receive buffer


def dense(**streaming):
    return line_up(channel(1, media.dense_film(), **LOOP),
                   streaming={"ring_seconds": 1, **streaming})


def bytes_of(watch, viewer):
    return watch.report([viewer])[viewer]["bytes"]


def wait_rings(watch, viewer, rings, timeout):
    """Until a fast viewer has seen the ring overwritten so many times."""
    start = bytes_of(watch, viewer)
    watch.wait([viewer], lambda v: v["bytes"] - start >= rings * RING, timeout,
               f"the ring to be overwritten {rings} times")


@pytest.mark.slow
@pytest.mark.heavy
def test_slow_readers_do_not_affect_fast_ones(server):
    s = server(dense(), workers=2)
    with Watch(s) as good, Watch(s) as bad:
        fast = good.open("/stream/1.ts", 50)
        good.wait_playing(fast)
        memory = sum(memory_kb(p) for p in s.pids("amps-worker"))
        half = bad.open("/stream/1.ts", 70, RATE // 2, SMALL)
        quarter = bad.open("/stream/1.ts", 70, RATE // 4, SMALL)
        stopped = bad.open("/stream/1.ts", 60, 10_000, SMALL)
        bad.wait_playing(half + quarter, 200, 30)
        bad.wait_playing(stopped, 1, 30)
        bad.rate(stopped, STOPPED)
        wait_rings(good, fast[0], 10, 60)
        grown = sum(memory_kb(p) for p in s.pids("amps-worker")) - memory
        assert_untouched(good.report())
        # they continue to read: what they get begins with a cut
        bad.rate(stopped, RATE // 2)
        bad.wait(stopped, lambda v: v["marks"] >= 1, 30, "the stopped ones to go on")
        bad.wait(half + quarter, lambda v: v["marks"] >= 2, 30, "the slow ones to be cut")
        bad.rate(half + quarter + stopped, -1)
        bad.wait_more(half + quarter + stopped, 5000, 30)
        seen = bad.report()
        assert_sound(seen)
        for v in seen.values():
            assert v["state"] == "body" and v["opened"] == 1 and v["ends"] == 0, v
        assert_untouched(good.report())
        assert s.tuner("1")["restarts"] == 0
        cuts = [v["marks"] for v in seen.values()]
        print(f"cuts of 200 slow viewers: {min(cuts)} to {max(cuts)}, of 50 fast ones: 0; worker "
              f"memory {grown} KiB more")
    assert grown <= 200 + 1024 or SANITIZED, f"{grown} KiB more for 200 slow viewers"


def test_slow_readers_are_dropped_if_configured(server):
    s = server(dense(slow_viewer="drop"))
    with Watch(s) as good, Watch(s) as bad:
        fast = good.open("/stream/1.ts", 5)
        good.wait_playing(fast)
        slow = bad.open("/stream/1.ts", 10, RATE // 4, SMALL)
        stopped = bad.open("/stream/1.ts", 10, 10_000, SMALL)
        bad.wait_playing(slow, 200)
        bad.wait_playing(stopped, 1)
        bad.rate(stopped, STOPPED)
        bad.wait(slow, lambda v: v["state"] == "ended", 30, "the slow ones to be dropped")
        bad.rate(stopped, -1)
        bad.wait(stopped, lambda v: v["state"] == "ended", 10, "the stopped ones to be dropped")
        seen = bad.report()
        assert_sound(seen)
        assert all(v["marked"] == 0 for v in seen.values())
        good.wait_more(fast)
        assert_untouched(good.report())
        assert len(s.viewers()) == 5
    assert "dropped a viewer: too slow channel=1" in s.log()


@pytest.mark.smoke
def test_a_paused_player_continues(server):
    s = server(dense())
    with Watch(s) as good, Watch(s) as w:
        fast = good.open("/stream/1.ts", 5)
        paused = w.open("/stream/1.ts", 5, rcvbuf=SMALL)
        good.wait_playing(fast)
        w.wait_playing(paused)
        w.rate(paused, STOPPED)
        wait_rings(good, fast[0], 3, 30)
        w.rate(paused, -1)
        w.wait(paused, lambda v: v["marks"] >= 1, 10, "the paused ones to go on")
        w.wait_more(paused, 5000)
        seen = w.report()
        assert_sound(seen)
        for v in seen.values():
            assert v["state"] == "body" and v["opened"] == 1, v
            assert v["marks"] >= 1 and v["pcr_leaps"] == 0, v
        assert_untouched(good.report())


def test_a_pause_shorter_than_the_ring_loses_nothing(server):
    """The source sends by the byte, not by the clock: half a ring in each pause, however long."""
    with Trouble(lambda peer: peer.send(TS_HEAD).portions(packets(media.dense_film()))) as origin:
        s = server(line_up(channel(1, origin.url()),
                           streaming={"ring_seconds": 1, "stall_timeout": 100}))
        with Watch(s) as good, Watch(s) as w:
            fast, paused = good.open("/stream/1.ts"), w.open("/stream/1.ts", 5, rcvbuf=SMALL)
            origin.allow(RING)
            good.wait_playing(fast)
            w.wait_playing(paused)
            for _ in range(3):
                w.rate(paused, STOPPED)
                start = bytes_of(good, fast[0])
                origin.allow(RING // 2)
                good.wait(fast, lambda v: v["bytes"] >= start + RING // 4, 20, "half a ring")
                seen = w.report(paused)
                w.rate(paused, -1)
                w.wait(paused, lambda v: v["bytes"] > seen[v["id"]]["bytes"] + RING // 4, 20,
                       "the paused ones to catch up")
            assert_untouched(w.report())
            assert_untouched(good.report())
