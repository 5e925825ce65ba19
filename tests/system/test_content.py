"""`watch: content`: a source that shows nothing makes way for another one."""
import contextlib
import json

import pytest

import media
from harness import wait_for
from lineup import channel, line_up
from origin import HttpOrigin, Paced
from watch import Watch, assert_sound

LONG = 120  # seconds of media.long_film()
CLIP = 20   # of the others

pytestmark = pytest.mark.slow


def clip(name, picture, sound):
    return media.make(f"{name}.ts", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-t",
                      str(CLIP), "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-b:v",
                      "300k", "-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "mpegts")


def slate_clip():
    """What a provider sends instead of a channel: one picture, with music."""
    return clip("expired", "mandelbrot=s=320x180:r=25,trim=end_frame=1,loop=-1:1,setpts=N/25/TB",
                "sine=f=440:r=48000")


def black_clip():
    return clip("nothing", "color=black:s=320x180:r=25", "anullsrc=r=48000")


def night_clip():
    """A dark and quiet scene: its camera has noise, and so has its room."""
    return clip("night", "color=0x141418:s=320x180:r=25,noise=alls=5:allf=t",
                "anoisesrc=a=0.0005:r=48000")


def shown(s, key):
    return (s.tuner(key) or {}).get("content")


def test_a_source_that_shows_nothing_makes_way(server):
    with contextlib.ExitStack() as stack:
        def origin(path, seconds=CLIP):
            return stack.enter_context(HttpOrigin(Paced(path, seconds)))

        expired, backup = origin(slate_clip()), origin(media.long_film(), LONG)
        alone, night = origin(black_clip()), origin(night_clip())
        s = server(line_up(
            channel(1, expired.url(), sources=[backup.url()], watch="content"),
            channel(2, alone.url(), watch="content"), channel(3, night.url(), watch="content"),
            channel(4, expired.url("/live.ts?again"), sources=[backup.url("/live.ts?again")]),
            streaming={"return_after": 0}))
        w = stack.enter_context(Watch(s))
        ids = [w.open(f"/stream/{n}.ts", 1)[0] for n in range(1, 5)]
        w.wait_playing(ids)
        for key in "123":
            wait_for(lambda k=key: shown(s, k) == "good", 10, "the watch to begin")
        wait_for(lambda: s.tuner("1")["source_number"] == 2, 15, "the other source")
        wait_for(lambda: shown(s, "2") == "black", 15, "the black picture to be found")
        said = json.loads(s.amps("why", "2", "--json").stdout)
        assert any("its picture is black" in line for line in said["now"]), said
        tuner = s.tuner("2")
        assert tuner["restarts"] == 0 and tuner["last_error"] == "its picture is black", tuner
        # it is not returned to, though it delivers
        w.wait(ids[:1], lambda v: v["marks"] == 1, 10, "the viewer to go on with a mark")
        w.wait_more(ids)
        assert_sound(w.report(ids[:1]))
        wait_for(lambda: shown(s, "1") == "good", 10, "the watch of the other source")
        assert s.tuner("1")["source_number"] == 2 and s.tuner("1")["switches"] == 1
        assert shown(s, "3") == "good" and s.tuner("3")["restarts"] == 0
        # without `watch` nothing is judged
        assert shown(s, "4") is None and s.tuner("4")["source_number"] == 1
        names = [line for _, line in s.processes().values() if " watch" in line]
        assert len(names) == 3, names
