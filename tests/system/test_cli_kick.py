"""amps kick and amps stop end their target and nothing else."""
import pytest

import media
from harness import wait_for
from lineup import LOOP, channel, line_up
from watcher import Watcher

pytestmark = pytest.mark.slow


def viewer(s, agent):
    """The viewer with this user agent, as `amps viewers` shows it."""
    return wait_for(lambda: next((v for v in s.viewers() if v["user_agent"] == agent), None), 5,
                    f"the viewer {agent}")


@pytest.mark.smoke
def test_kick_ends_one_viewer(server):
    s = server(line_up(channel(1, media.film(), **LOOP)), workers=2)
    with s.stream("/stream/1.ts", headers={"User-Agent": "one"}) as one, \
            s.stream("/stream/1.ts", headers={"User-Agent": "two"}) as two:
        one.read(188 * 100)
        two.read(188 * 100)
        done = s.amps("kick", str(viewer(s, "one")["id"]))
        assert (done.returncode, done.stderr) == (0, "")
        one.read_all()
        wait_for(lambda: [v["user_agent"] for v in s.viewers()] == ["two"], 5, "one to be gone")
        pid = s.tuner("1")["pid"]
        assert len(two.read(188 * 2000)) == 188 * 2000
        assert s.tuner("1")["pid"] == pid
        again = s.amps("kick", "123456789")
        assert again.returncode == 1 and "no such viewer" in again.stderr


def test_stop_ends_a_tuner_until_the_next_request(server):
    s = server(line_up(channel(1, media.film(), **LOOP), channel(2, media.film(), **LOOP)))
    with s.stream("/stream/1.ts") as one, s.stream("/stream/2.ts") as two:
        one.read(188 * 100)
        two.read(188 * 100)
        pid = s.tuner("1")["pid"]
        done = s.amps("stop", "1")
        assert (done.returncode, done.stderr) == (0, "")
        one.read_all()
        wait_for(lambda: pid not in s.processes(), 5, "the tuner to end")
        assert len(two.read(188 * 2000)) == 188 * 2000
        with s.stream("/stream/1.ts") as again:
            assert len(again.read(188 * 100)) == 188 * 100
            assert s.tuner("1")["pid"] != pid


def test_stop_of_a_variant_leaves_the_others(server):
    s = server(line_up(channel(1, media.film(), **LOOP, adaptive_bitrates=[
        {"name": "sd", "ffmpeg_profile": "small"}])))
    with s.stream("/stream/1.ts") as own, s.stream("/stream/1.ts?variant=sd") as sd:
        own.read(188 * 100)
        sd.read(188 * 100)
        done = s.amps("stop", "1/sd")
        assert done.returncode == 0, done.stderr
        sd.read_all()
        assert len(own.read(188 * 2000)) == 188 * 2000


def test_stop_of_a_variant_that_is_a_copy_leaves_the_others(server):
    s = server(line_up(channel(1, media.long_film(), **LOOP, adaptive_bitrates=[
        {"name": "sd", "ffmpeg_profile": "copy"}, {"name": "hd", "ffmpeg_profile": "copy"}]),
        streaming={"idle_timeout": 1}), workers=2)
    with Watcher(s, "/stream/1.ts") as own, Watcher(s, "/stream/1.ts?variant=hd") as hd:
        none = s.amps("stop", "1/sd")
        assert none.returncode == 1 and "no tuner 1/sd is running" in none.stderr
        with s.stream("/stream/1.ts?variant=sd") as one, s.stream("/stream/1.ts?variant=sd") as two:
            one.read(188 * 100)
            two.read(188 * 100)
            pid = s.tuner("1")["pid"]
            done = s.amps("stop", "1/sd")
            assert (done.returncode, done.stderr) == (0, "")
            one.read_all()
            two.read_all()
            assert one.ended and two.ended
        for left in (own, hd):
            left.wait_more(packets=2000)
            assert not left.ended
        wait_for(lambda: sorted(v["variant"] or "" for v in s.viewers()) == ["", "hd"], 5,
                 "the viewers of sd to be gone")
        with s.stream("/stream/1.ts?variant=sd") as again:
            assert len(again.read(188 * 100)) == 188 * 100
        assert s.tuner("1")["pid"] == pid
        own.stop().check().check_start()
        hd.stop().check().check_start()
        assert own.checker.marked == hd.checker.marked == 0
    wait_for(lambda: not s.tuners(), 10, "the idle tuner to stop")


def test_a_channel_whose_last_viewers_are_stopped_by_variant_goes_idle(server):
    s = server(line_up(channel(1, media.long_film(), **LOOP, adaptive_bitrates=[
        {"name": "sd", "ffmpeg_profile": "copy"}]), streaming={"idle_timeout": 1}))
    with s.stream("/stream/1.ts?variant=sd") as sd:
        sd.read(188 * 100)
        assert s.amps("stop", "1/sd").returncode == 0
        sd.read_all()
        wait_for(lambda: not s.tuners(), 10, "the idle tuner to stop")
