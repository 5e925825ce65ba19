"""`watch: content`: a source that shows nothing makes way for another one."""
import contextlib
import json
import subprocess
import time

import pytest

import media
from harness import BIN, wait_for
from lineup import channel, line_up
from live import Film, Live
from origin import HttpOrigin, Paced
from proc import CONFINED, confinement
from reaped import tool
from trouble import packets
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
        jobs = [pid for pid, (_, line) in s.processes().items() if " watch" in line]
        assert [confinement(pid) for pid in jobs] == [CONFINED] * 3


# -- twenty faults, and an hour without one

FOUND_S = 10
SIZE = "s=320x180:r=25"
STILL = f"mandelbrot={SIZE},trim=end_frame=1,loop=-1:1,setpts=N/25/TB"
MOVES = f"testsrc2={SIZE}"
TEXT = "drawtext=text='Your account has expired':fontcolor=white:fontsize=20:x=40:y=80"
TONE, ZERO = "sine=f=440:r=48000", "anullsrc=r=48000"
MUSIC = "aevalsrc=exprs='.2*sin(2*PI*t*(220+110*floor(mod(2*t\\,4))))':s=48000"
H264 = ["-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-pix_fmt", "yuv420p"]
CODECS = {
    "h264 of constant rate": [*H264, "-b:v", "400k", "-maxrate", "400k", "-bufsize", "400k"],
    "h264 of constant quality": [*H264, "-crf", "24"],
    "mpeg2": ["-c:v", "mpeg2video", "-g", "12", "-b:v", "1M", "-maxrate", "1M", "-bufsize", "800k"],
    "hevc": ["-c:v", "libx265", "-pix_fmt", "yuv420p", "-preset", "ultrafast", "-b:v", "300k", "-x265-params",
             "log-level=error:keyint=25:min-keyint=25:open-gop=0"],
}
# what a source shows instead of its programme: picture, sound, what it is called
SHOWN = {
    "black": (f"color=black:{SIZE}", ZERO, ("black",)),
    "frozen": (STILL, MUSIC, ("frozen",)),
    "silent": (MOVES, ZERO, ("silent",)),
    "slate": (f"color=0x203040:{SIZE},{TEXT}", ZERO, ("frozen",)),
}


def encoded(path, picture, sound, seconds, codec):
    media.run("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-t", str(seconds), *CODECS[codec],
              "-threads", "2", "-c:a", "aac", "-f", "mpegts", "-y", str(path))
    return path


@pytest.mark.soak
def test_twenty_faults_are_found_within_ten_seconds(server, tmp_path):
    with contextlib.ExitStack() as stack:
        def film(picture, sound, codec):
            return Film(packets(encoded(tmp_path / "film.ts", picture, sound, 12, codec)))

        lives, channels = [], []
        backup = stack.enter_context(Live(Film(packets(media.long_film()))))
        for codec in CODECS:
            good = film(MOVES, MUSIC, codec)
            for name, (picture, sound, words) in SHOWN.items():
                live = stack.enter_context(Live(good, film(picture, sound, codec)))
                lives.append((f"{name}, {codec}", live, words))
                channels.append(channel(len(lives), live.url(), watch="content"))
            live = stack.enter_context(Live(good))
            lives.append((f"slow, {codec}", live, ()))
            channels.append(channel(len(lives), live.url(), sources=[backup.url()], watch="content"))
        s = server(line_up(*channels, streaming={"return_after": 0}))
        w = stack.enter_context(Watch(s))
        w.wait_playing([w.open(f"/stream/{n}.ts", 1)[0] for n in range(1, len(lives) + 1)])
        wait_for(lambda: all(t["content"] == "good" for t in s.tuners()), 30, "all to be watched")
        time.sleep(5)             # each has been heard
        begin, found = time.monotonic(), {}
        for _, live, words in lives:
            if words:
                live.change_film(1)
            else:
                live.speed = 0.6

        def look():
            now = {t["key"]: t for t in s.tuners()}
            for n, (name, _, words) in enumerate(lives, 1):
                t = now[str(n)]
                if name not in found and (t["content"] in words if words else t["restarts_slow"]):
                    found[name] = time.monotonic() - begin
            return len(found) == len(lives)

        with contextlib.suppress(AssertionError):
            wait_for(look, 20, "all faults")
        print({name: round(at, 1) for name, at in found.items()})
        late = {name: found.get(name) for name, _, _ in lives if found.get(name, 99) > FOUND_S}
        assert not late and len(lives) == 20, late


ROOM = "anoisesrc=a=0.0005:r=48000"
SCENES = {
    "night": (f"color=0x141418:{SIZE},noise=alls=5:allf=t", ROOM),
    "stars": (f"color=0x101010:{SIZE},drawbox=x=60:y=40:w=2:h=2:c=0xa0a0a0:t=fill,"
              "drawbox=x=200:y=120:w=2:h=2:c=0x808080:t=fill,noise=alls=4:allf=t", ROOM),
    "candle": (f"color=0x101012:{SIZE},drawbox=x=150:y=80:w=10:h=14:c=0xd08020:t=fill,"
               "hue=b='.3*random(0)',noise=alls=4:allf=t", ROOM),
    "camera on a house": (f"{STILL},noise=alls=5:allf=t", ROOM),
    "camera, birds": (f"{STILL},noise=alls=4:allf=t", MUSIC),
    "clock": (f"{STILL},drawtext=text='%{{pts\\:hms}}':fontsize=14:fontcolor=white:x=240:y=8", TONE),
    "presenter": (f"{STILL},drawbox=x='150+10*sin(3*t)':y=90:w=24:h=14:c=0xc09080:t=fill,"
                  "noise=alls=2:allf=t", MUSIC),
    "fades": (f"{MOVES},fade=out:100:25,fade=in:200:25,loop=-1:300,setpts=N/25/TB,"
              "noise=alls=3:allf=t", ROOM),
    "prayer": (f"{STILL},noise=alls=5:allf=t",
               f"{TONE},volume='if(lt(mod(t,12),6),.3,0)':eval=frame"),
    "silent film": (MOVES, ZERO),
    "slow pan": (f"mandelbrot=s=640x360:r=25,trim=end_frame=1,loop=-1:1,setpts=N/25/TB,"
                 "crop=320:180:x='mod(t*4,320)':y=90,noise=alls=2:allf=t", ROOM),
    "snow": (f"color=0x606468:{SIZE},noise=alls=12:allf=t+u", ROOM),
}


@pytest.mark.soak
@pytest.mark.limit(3600)
def test_an_hour_of_dark_quiet_and_still_scenes_has_no_fault(tmp_path):
    """Encoded, and judged faster than real time."""
    total, seconds, broken = 0.0, 3660 / len(SCENES), []
    for n, (name, (picture, sound)) in enumerate(SCENES.items()):
        codec = list(CODECS)[n % len(CODECS)]
        path = encoded(tmp_path / "scene.ts", picture, sound, seconds, codec)
        said = subprocess.run([tool(BIN, "content"), str(path)], capture_output=True, text=True,
                              check=True).stdout.splitlines()
        total += float(said[-1].split()[1])
        broken += [f"{name}, {codec}: {' '.join(x.split()[1:])}" for x in said
                   if x is not said[-1] or not x.endswith(" end")]
    assert broken == [] and total >= 3600, (total, broken)
