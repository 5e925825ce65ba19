"""Options of profiles: each of ffmpeg's is served or answered by name, and those that are served do
what they say."""
import json
import re
import subprocess
import time

import pytest

import media
from harness import BIN, wait_for
from lineup import LOOP, channel, line_up
from test_carried import with_subtitles
from ts import Checker
from watcher import Watcher

pytestmark = pytest.mark.slow

# Options of `ffmpeg -h long` that have an effect, with a value that is good.
SERVED = {
    "c": "libx264", "codec": "libx264", "vcodec": "libx264", "acodec": "aac", "scodec": "copy",
    "dcodec": "copy", "f": "mpegts", "map": "0:v", "metadata": "title=a", "disposition": "default",
    "streamid": "0:256", "filter": "null", "vf": "null", "af": "anull", "r": "25", "fpsmax": "30",
    "fps_mode": "cfr", "vsync": "1", "s": "640x360", "aspect": "16:9", "pix_fmt": "yuv420p",
    "sample_fmt": "fltp", "channel_layout": "stereo", "ch_layout": "stereo", "ar": "48000",
    "ac": "2", "vol": "256", "q": "5", "qscale": "5", "aq": "2", "ab": "128k", "b": "1M",
    "bsf": "null", "vbsf": "null", "absf": "null",
    "force_key_frames": "source", "hwaccel": "none",
    "vn": None, "an": None, "sn": None, "dn": None,
}


def judge(options):
    """{name: [(severity, message)]} of profiles with one option each."""
    request = [{"path": name, "kind": "profile", "options": [[name, value]]}
               for name, value in options.items()]
    done = subprocess.run([f"{BIN}/amps-transcoder", "--check-options"], check=True, text=True,
                          input=json.dumps(request), capture_output=True)
    found = {name: [] for name in options}
    for problem in json.loads(done.stdout)["problems"]:
        found[problem["path"].split(".")[0]].append((problem["severity"], problem["message"]))
    return found


def ffmpeg_options():
    """Those that `ffmpeg -h long` lists for files and streams."""
    text = subprocess.run(["ffmpeg", "-hide_banner", "-h", "long"], check=True, text=True,
                          capture_output=True).stdout
    text = text[text.index("Global options"):]
    return sorted(set(re.findall(r"^-([a-z]\w*)", text, re.M)))


@pytest.mark.smoke
def test_no_option_of_ffmpeg_is_lost():
    names = ffmpeg_options()
    assert len(names) > 100
    found = judge({name: SERVED.get(name, "1") for name in names})
    silent = {name for name, messages in found.items() if not messages}
    assert silent == set(SERVED) & set(names), silent ^ set(SERVED) & set(names)
    for name, messages in found.items():
        for severity, message in messages:
            assert severity == "error" or "has no effect here: " in message, (name, message)


def streams_of(data, tmp_path):
    path = tmp_path / "probe.ts"
    path.write_bytes(data)
    done = subprocess.run(["ffprobe", "-v", "error", "-show_streams", "-show_programs", "-of",
                           "json", str(path)], capture_output=True, text=True, check=True,
                          timeout=60)
    return json.loads(done.stdout)["streams"]


def serve(server, tmp_path, profile, source=None, **more):
    """The server with one channel of this profile, which `amps check` accepts."""
    s = server(line_up(channel(1, source or media.long_film(), "own", **LOOP, **more),
                       ffmpeg_profiles={"own": profile}))
    done = s.amps("check", "--config", s.config_path, "--strict")
    assert done.returncode == 0, done.stdout + done.stderr
    return s


def take(s, seconds=3, path="/stream/1.ts"):
    with s.stream(path, timeout=30) as stream:
        data = stream.read_for(seconds)
    Checker(data).check().check_start()
    return data


@pytest.mark.smoke
def test_each_sound_has_its_encoder_bit_rate_language_and_place(server, tmp_path):
    s = serve(server, tmp_path, {
        "vcodec": "copy", "map": ["0:v", "0:a:0", "0:a:1", "0:a:2"], "c:a": "aac", "b:a:0": "96k",
        "c:a:1": "mp2", "b:a:1": "192k", "ar:a:1": 44100, "c:a:2": "copy",
        "metadata:s:a:0": "language=nor", "metadata:s:a:1": "language=swe",
        "disposition:a:1": "default", "disposition:a:2": "hearing_impaired",
        "streamid": ["0:0x200", "2:0x300"]}, media.languages_film())
    streams = streams_of(take(s), tmp_path)
    sounds = [x for x in streams if x["codec_type"] == "audio"]
    assert [x["tags"]["language"] for x in sounds] == ["swe", "nor", "fra"], "the default is first"
    assert [x["codec_name"] for x in sounds] == ["mp2", "aac", "aac"]
    assert sounds[0]["bit_rate"] == "192000" and sounds[0]["sample_rate"] == "44100"
    assert sounds[2]["disposition"]["hearing_impaired"] == 1
    assert {x["codec_type"]: x["id"] for x in streams}["video"] == "0x200"
    assert sounds[0]["id"] == "0x300"
    with s.stream("/audio/1?lang=nor", timeout=30) as stream:
        assert stream.head().status == 200, "the profile's language is known"
        stream.read(1000)


# what MPEG-TS can carry: pictures and sounds of a channel each
ENCODERS = [("libx265", ["libmp3lame", "ac3"]), ("mpeg2video", ["eac3", "libopus", "mp2"])]
NAMES = {"libx265": "hevc", "libmp3lame": "mp3", "libopus": "opus"}


def test_encoders(server, tmp_path):
    """As far as this FFmpeg has them."""
    known = subprocess.run(["ffmpeg", "-v", "error", "-encoders"], capture_output=True, text=True,
                           check=True).stdout
    here = [(video, [x for x in sounds if f" {x} " in known]) for video, sounds in ENCODERS
            if f" {video} " in known]
    assert here
    profiles = {}
    for video, sounds in here:
        profiles[video] = {"vcodec": video, "b:v": "400k", "map": ["0:v", *["0:a"] * len(sounds)],
                           **{f"c:a:{n}": name for n, name in enumerate(sounds)}}
    s = server(line_up(*[channel(n, media.long_film(), video, **LOOP)
                         for n, (video, _) in enumerate(here, 1)], ffmpeg_profiles=profiles))
    for n, (video, sounds) in enumerate(here, 1):
        found = [x["codec_name"] for x in streams_of(take(s, 2, f"/stream/{n}.ts"), tmp_path)]
        assert found == [NAMES.get(name, name) for name in [video, *sounds]]


def test_loudness_is_a_switch(server, tmp_path):
    s = serve(server, tmp_path, {"vcodec": "copy", "acodec": "aac", "loudness": -30})
    path = tmp_path / "loud.ts"
    path.write_bytes(take(s, 5))
    done = subprocess.run(["ffmpeg", "-nostdin", "-hide_banner", "-i", str(path), "-map", "0:a",
                           "-af", "ebur128", "-f", "null", "-"], capture_output=True, text=True)
    loudness = float(re.findall(r"I:\s+(-?[\d.]+) LUFS", done.stderr)[-1])
    assert abs(loudness + 30) < 2, loudness


def test_interlaced_pictures_are_made_whole(server, tmp_path):
    film = media.interlaced_film()
    s = serve(server, tmp_path, {"vcodec": "libx264", "preset": "ultrafast", "acodec": "copy",
                                 "deinterlace": True}, film)

    def interlaced(path):
        done = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries",
                               "frame=interlaced_frame", "-of", "csv=p=0", str(path)],
                              capture_output=True, text=True, check=True)
        return set(done.stdout.replace(",", "").split())

    assert interlaced(film) == {"1"}
    (tmp_path / "whole.ts").write_bytes(take(s))
    assert interlaced(tmp_path / "whole.ts") == {"0"}


def test_key_frames_by_expression(server, tmp_path):
    s = serve(server, tmp_path, {"vcodec": "libx264", "preset": "ultrafast", "acodec": "copy",
                                 "g": 500, "force_key_frames": "expr:not(mod(n,20))"})
    path = tmp_path / "keys.ts"
    path.write_bytes(take(s, 4))
    done = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries",
                           "packet=flags", "-of", "csv=p=0", str(path)], capture_output=True,
                          text=True, check=True)
    keys = [n for n, flags in enumerate(done.stdout.split()) if flags.startswith("K")]
    assert len(keys) >= 3 and {b - a for a, b in zip(keys, keys[1:])} == {20}, keys


def picture(*words):
    """A picture made by ffmpeg, whose file everybody may read."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, words)], check=True,
                   stdin=subprocess.DEVNULL)


def colour_at(path, tmp_path, area):
    """The mean (red, green, blue) of an area, "w:h:x:y", of a picture in the middle."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-ss", "1", "-i", str(path), "-frames:v", "1",
                           "-vf", f"crop={area},scale=1:1:flags=area", "-pix_fmt", "rgb24", "-f",
                           "rawvideo", "-"], capture_output=True, check=True)
    return tuple(done.stdout[:3])


@pytest.mark.smoke
def test_filter_complex_puts_a_logo_and_text_over_the_picture(server, tmp_path):
    """The files that its filters name are readable to the job."""
    folder = tmp_path / "shared"
    folder.mkdir()
    picture("-f", "lavfi", "-i", "color=red:s=40x40:d=1", "-frames:v", "1", folder / "logo.png")
    (folder / "text").write_text("ON AIR")
    s = serve(server, tmp_path, {
        "vcodec": "libx264", "preset": "ultrafast", "acodec": "aac",
        "filter_complex": f"movie={folder}/logo.png[logo];[0:v]hue=s=0[grey];"
                          f"[grey][logo]overlay=W-w-10:10,drawtext=textfile={folder}/text:"
                          "fontcolor=white:box=1:boxcolor=blue:boxborderw=20:x=0:y=120[v];"
                          "[0:a]volume=0.5[s]",
        "map": ["[v]", "[s]"]})
    path = tmp_path / "logo.ts"
    path.write_bytes(take(s))
    assert [x["codec_name"] for x in streams_of(path.read_bytes(), tmp_path)] == ["h264", "aac"]
    red, green, blue = colour_at(path, tmp_path, "20:20:280:20")
    assert red > 180 and green < 80 and blue < 80, "the logo"
    red, green, blue = colour_at(path, tmp_path, "16:6:2:108")
    assert blue > 150 and red < 100 and green < 100, "the box of the text"
    red, green, blue = colour_at(path, tmp_path, "100:40:100:20")
    assert abs(red - green) < 12 and abs(green - blue) < 12, "the picture is grey"
    with s.stream("/audio/1", timeout=30) as stream:
        assert stream.head().status == 200
        stream.read(1000)


def test_filter_complex_takes_several_streams_and_makes_several(server, tmp_path):
    """What ffmpeg makes of one input: sound as a picture, two sounds in one, one in two."""
    s = serve(server, tmp_path, {
        "vcodec": "libx264", "preset": "ultrafast", "acodec": "aac",
        "filter_complex": "[0:a:2]showwaves=s=80x40,format=rgb24,lutrgb=r=255:g=0:b=0[w];"
                          "[0:v]hue=s=0,split[a][b];[b]scale=160:90[small];[a][w]overlay[v];"
                          "[0:a:0][0:a:1]amix[mix];[0:a:2]asplit[x][y]",
        "map": ["[v]", "[small]", "[mix]", "[x]", "[y]"]}, media.languages_film())
    path = tmp_path / "all.ts"
    path.write_bytes(take(s))
    streams = streams_of(path.read_bytes(), tmp_path)
    assert [x["codec_name"] for x in streams] == ["h264", "h264", "aac", "aac", "aac"]
    assert streams[1]["width"] == 160
    red, green, blue = colour_at(path, tmp_path, "60:30:10:5")
    assert red > 180 and green < 80 and blue < 80, "the picture made of sound"
    red, green, blue = colour_at(path, tmp_path, "40:40:100:80")
    assert abs(red - green) < 12 and abs(green - blue) < 12, "the picture below it"


def test_subtitles_do_not_hold_an_encoder_back(server, tmp_path):
    """They come every ten seconds; the output is as early as the one without them."""
    (tmp_path / "film.ts").write_bytes(
        with_subtitles(open(media.film(), "rb").read(), every=10.4, lead=0.34))
    small = {"vcodec": "libx264", "preset": "ultrafast", "s": "160x90", "acodec": "copy"}
    s = server(line_up(channel(1, str(tmp_path / "film.ts"), **LOOP, adaptive_bitrates=[
        {"name": "with", "ffmpeg_profile": "with"},
        {"name": "without", "ffmpeg_profile": "without"}]), ffmpeg_profiles={
            "with": {**small, "scodec": "copy"}, "without": small}))
    with Watcher(s, "/stream/1.ts?variant=with") as late, \
            Watcher(s, "/stream/1.ts?variant=without") as early:

        def newest(watcher):
            times = watcher.checker.pts.get(watcher.checker.video_pid, [])
            return max(times[-8:]) / 90000 if len(times) > 50 else None

        wait_for(lambda: newest(late) and newest(early), 20, "both to play")
        behind = [time.monotonic()]

        def level():
            """For three seconds now?  A subtitle lets all go that waits for it."""
            if newest(early) - newest(late) > 0.7:
                behind[0] = time.monotonic()
            return time.monotonic() - behind[0] > 3

        wait_for(level, 20, "the output with subtitles to be as early as the other")
