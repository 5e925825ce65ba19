"""Transcoding in process: profiles, variants from one decoder, started and stopped on demand."""
import json
import signal
import subprocess
import time

import pytest

import media
from harness import kill, wait_for
from lineup import LOOP, channel, line_up
from origin import STUFFING, HttpOrigin, Paced
from ts import PACKET, Checker
from watcher import Watcher

PROFILES = {
    "copy": {"vcodec": "copy", "acodec": "copy", "format": "mpegts"},
    "tiny": {"vcodec": "libx264", "preset": "ultrafast", "vf": "scale=128:-2", "b:v": "100k",
             "g": 50, "acodec": "aac", "b:a": "32k", "ac": 1, "ar": 44100},
    "wide": {"vcodec": "libx264", "preset": "ultrafast", "s": "240x136", "b:v": "200k", "g": 25,
             "r": 10, "acodec": "copy"},
    "sound": {"vn": None, "acodec": "aac", "b:a": "64k"},
}
VARIANTS = [{"name": "tiny", "ffmpeg_profile": "tiny"},
            {"name": "HD+", "label": "High", "ffmpeg_profile": "wide"}]


def probe(data, tmp_path):
    path = tmp_path / "probe.ts"
    path.write_bytes(data)
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(path)],
        capture_output=True, text=True, check=True, timeout=60)
    return {x["codec_type"]: x for x in json.loads(done.stdout)["streams"]}


def config(source, **more):
    return line_up(channel(1, source, adaptive_bitrates=VARIANTS, **more),
                   ffmpeg_profiles=PROFILES, streaming={"idle_timeout": 1})


@pytest.mark.smoke
def test_outputs_follow_their_profile(server, tmp_path):
    s = server(line_up(channel(1, media.long_film(), profile="tiny", **LOOP),
                       ffmpeg_profiles=PROFILES))
    with s.stream("/stream/1.ts", timeout=30) as stream:
        data = stream.read_for(4)
    Checker(data).check().check_start()
    streams = probe(data, tmp_path)
    assert (streams["video"]["codec_name"], streams["video"]["width"],
            streams["video"]["height"]) == ("h264", 128, 72)
    assert (streams["audio"]["codec_name"], streams["audio"]["channels"],
            streams["audio"]["sample_rate"]) == ("aac", 1, "44100")


def test_audio_only(server, tmp_path):
    s = server(line_up(channel(1, media.long_film(), profile="sound", **LOOP),
                       ffmpeg_profiles=PROFILES))
    with s.stream("/stream/1.ts", timeout=30) as stream:
        data = stream.read(PACKET * 100)
    assert set(probe(data, tmp_path)) == {"audio"}


@pytest.mark.smoke
def test_audio_only_drops_the_picture_in_every_form(server, tmp_path):
    """Of a channel or of its profile, whatever else the profile says, and of its variants."""
    profiles = {"copy": PROFILES["copy"], "seen": {"c": "copy", "vn": False},
                "low": {"vcodec": "libx264", "acodec": "aac", "b:a": "64k"},
                "radio": {"vcodec": "libx264", "vf": "scale=128:-2", "acodec": "aac",
                          "b:a": "64k", "audio_only": True}}
    film = media.long_film()
    s = server(line_up(
        channel(1, film, **LOOP, audio_only=True,
                adaptive_bitrates=[{"name": "low", "ffmpeg_profile": "low"}]),
        channel(2, film, "seen", **LOOP, audio_only=True),
        channel(3, film, "radio", **LOOP), ffmpeg_profiles=profiles))
    assert s.amps("check", "--config", s.config_path, "--strict").returncode == 0
    for path in ("/stream/1.ts", "/stream/1.ts?variant=low", "/stream/2.ts", "/stream/3.ts",
                 "/audio/1", "/audio/3"):
        with s.stream(path, timeout=30) as stream:
            data = stream.read(PACKET * 60)
        assert set(probe(data, tmp_path)) == {"audio"}, path


def test_mpeg2_with_b_frames(server, tmp_path):
    mpeg2 = {"vcodec": "mpeg2video", "b:v": "2000k", "g": 12, "bf": 2, "acodec": "copy"}
    s = server(line_up(channel(1, media.long_film(), profile="mpeg2", **LOOP),
                       ffmpeg_profiles={"mpeg2": mpeg2}))
    with s.stream("/stream/1.ts", timeout=30) as stream:
        data = stream.read_for(2)
    Checker(data).check().check_start()
    assert probe(data, tmp_path)["video"]["codec_name"] == "mpeg2video"
    pictures = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pict_type",
         "-of", "csv=p=0", str(tmp_path / "probe.ts")],
        capture_output=True, text=True, check=True, timeout=60).stdout
    assert "B" in pictures and pictures.count("I") >= 2, pictures


@pytest.mark.smoke
def test_all_variants_come_from_one_source_and_one_derive(server, tmp_path):
    with HttpOrigin(Paced(media.long_film(), 120, burst=2)) as origin:
        s = server(config(origin.url()))
        with s.stream("/stream/1.ts", timeout=30) as plain, \
                s.stream("/stream/1.ts?variant=tiny", timeout=30) as tiny, \
                s.stream("/stream/1.ts?variant=HD%2B", timeout=30) as wide:
            data = {"plain": plain.read_for(2), "tiny": tiny.read_for(2), "wide": wide.read_for(2)}
            tuner, = s.tuners()
            assert tuner["derive_pid"] not in (None, tuner["pid"])
            assert sorted(v for v in tuner["variants"] if v) == ["HD+", "tiny"]
            assert tuner["viewers"] == 3
        assert origin.total == 1
    widths = {}
    for name, got in data.items():
        Checker(got).check().check_start()
        widths[name] = probe(got, tmp_path)["video"]["width"]
    assert widths == {"plain": 320, "tiny": 128, "wide": 240}


def test_the_derive_job_ends_without_wanted_variants(server):
    s = server(config(media.long_film(), **LOOP))
    with Watcher(s, "/stream/1.ts") as plain:
        with s.stream("/stream/1.ts?variant=tiny", timeout=30) as tiny:
            tiny.read(PACKET)
            assert s.tuner("1")["derive_pid"]
        wait_for(lambda: s.tuner("1")["derive_pid"] is None, 10, "the derive job to end")
        plain.wait_more()
        checker = plain.stop().check()
        assert checker.marked == 0


def test_stop_of_a_variant_ends_only_that_variant(server):
    s = server(config(media.long_film(), **LOOP))
    with Watcher(s, "/stream/1.ts") as plain, \
            s.stream("/stream/1.ts?variant=tiny", timeout=30) as tiny:
        tiny.read(PACKET)
        assert s.amps("stop", "1/tiny").returncode == 0
        tiny.read_all()
        assert tiny.ended
        plain.wait_more()
        assert not plain.ended
        plain.stop().check()


def test_an_unwanted_encoder_ends_and_its_slot_is_used_again(server, tmp_path):
    """While the job runs for one variant, two others come one after the other."""
    three = [*VARIANTS, {"name": "half", "ffmpeg_profile": "half"}]
    half = {**PROFILES["wide"], "s": "320x180"}
    s = server(line_up(channel(1, media.long_film(), adaptive_bitrates=three, **LOOP),
                       ffmpeg_profiles={**PROFILES, "half": half}, streaming={"idle_timeout": 1}))
    with s.stream("/stream/1.ts?variant=tiny", timeout=30) as stays:
        stays.read(PACKET * 100)
        job = s.tuner("1")["derive_pid"]
        for name, width in (("HD%2B", 240), ("half", 320), ("HD%2B", 240)):
            with s.stream(f"/stream/1.ts?variant={name}", timeout=30) as stream:
                data = stream.read(PACKET * 300)
            assert probe(data, tmp_path)["video"]["width"] == width
            wait_for(lambda: s.tuner("1")["variants"] == ["tiny"], 10, "the variant to go")
        assert s.tuner("1")["derive_pid"] == job


def test_a_variant_with_its_own_source_has_its_own_tuner(server, tmp_path):
    s = server(line_up(channel(1, media.long_film(), adaptive_bitrates=[
        {"name": "other", "source": media.other_film()}], **LOOP)))
    with s.stream("/stream/1.ts?variant=other", timeout=30) as other:
        data = other.read(PACKET * 500)
        assert [t["key"] for t in s.tuners()] == ["1/other"]
    assert probe(data, tmp_path)["video"]["width"] == 480


def test_a_variant_continues_when_the_source_restarts(server):
    with HttpOrigin(Paced(media.long_film(), 120, burst=2)) as origin:
        s = server(config(origin.url()))
        with Watcher(s, "/stream/1.ts?variant=tiny", timeout=30) as w:
            w.wait_more(50, 30)
            derive = s.tuner("1")["derive_pid"]
            origin.cut()
            wait_for(lambda: origin.total == 2, 20, "a new connection")
            w.wait_more(100, 30)
            assert not w.ended
            assert s.tuner("1")["derive_pid"] == derive
            checker = w.stop()
            assert checker.sync_errors == 0 and checker.cc_errors == []
            assert checker.backwards == []


def test_an_edited_profile_restarts_only_the_derive_job(server):
    with HttpOrigin(Paced(media.long_film(), 120, burst=2)) as origin:
        s = server(config(origin.url()))
        with Watcher(s, "/stream/1.ts") as plain, \
                Watcher(s, "/stream/1.ts?variant=tiny", timeout=30) as tiny:
            tiny.wait_more(50, 30)
            derive = s.tuner("1")["derive_pid"]
            edited = config(origin.url())
            edited["ffmpeg_profiles"]["tiny"] = {**PROFILES["tiny"], "vf": "scale=96:-2"}
            s.write_config(edited)
            assert s.amps("reload").returncode == 0
            wait_for(lambda: s.tuner("1")["derive_pid"] not in (None, derive), 15, "a new derive")
            tiny.wait_more(50, 30)
            assert not tiny.ended and not plain.ended
            assert origin.total == 1
            checker = plain.stop().check()
            assert checker.marked == 0
            checker = tiny.stop().check()
            assert checker.marked > 0


def test_variants_in_the_playlist(server):
    s = server(config(media.film(), **LOOP))
    lines = s.get("/playlist.m3u").text.splitlines()
    assert [line.rsplit(",", 1)[1] for line in lines if line.startswith("#EXTINF")] == \
        ["Channel 1", "Channel 1 (TINY)", "Channel 1 (High)"]
    assert '#EXTREM:AMP-VARIANT name="tiny"' in lines
    links = [line for line in lines if line.startswith("http")]
    assert links[1].endswith("/stream/1.ts?variant=tiny")
    assert links[2].endswith("/stream/1.ts?variant=HD%2B")
    assert s.get("/playlist.m3u?variants=false").text.count("#EXTINF") == 1


def test_a_source_changes_codec_on_the_same_pids(server, tmp_path):
    """H.264 and AAC, then MPEG-2 and MP2: encoded and copied outputs continue."""
    both = tmp_path / "both.ts"
    mpeg2 = open(media.mpeg2_film(), "rb").read()
    both.write_bytes(open(media.film(), "rb").read() + 12 * mpeg2)    # two minutes of the second
    with HttpOrigin(Paced(both, 132, burst=40)) as origin:
        s = server(config(origin.url()))
        with Watcher(s, "/stream/1.ts?variant=tiny") as tiny, \
                Watcher(s, "/stream/1.ts?variant=HD%2B") as wide:
            for w in (tiny, wide):
                wait_for(lambda w=w: w.checker.seconds() > 18 or w.ended, 40,
                         "what follows the film")
                assert not w.ended
            with s.stream("/stream/1.ts?variant=HD%2B", timeout=30) as stream:
                streams = probe(stream.read_for(4), tmp_path)
            assert (streams["audio"]["codec_name"], streams["video"]["codec_name"]) == ("mp2", "h264")
            tiny.stop().check()
            wide.stop().check()


def test_each_stream_has_its_own_options(server, tmp_path):
    """Two sounds with different codecs, rates and languages; filters of the bit stream."""
    profile = {"map": ["0:v", "0:a:0", "0:a:1"], "vcodec": "libx264", "preset": "ultrafast",
               "s": "160x90", "sws_flags": "lanczos+accurate_rnd",
               "bsf:v": "h264_metadata=video_full_range_flag=1:colour_primaries=5",
               "c:a": "aac", "b:a": "128k", "c:a:1": "mp2", "b:a:1": "64k", "ar:a:1": 44100,
               "metadata:s:a:0": "language=nor", "metadata:s:a:1": "language=swe"}
    s = server(line_up(channel(1, media.languages_film(), profile="own", **LOOP),
                       ffmpeg_profiles={"own": profile}))
    with s.stream("/stream/1.ts", timeout=30) as stream:
        data = stream.read_for(3)
    Checker(data).check().check_start()
    path = tmp_path / "two.ts"
    path.write_bytes(data)
    done = subprocess.run(["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(path)],
                          capture_output=True, text=True, check=True, timeout=60)
    found = {x["tags"]["language"]: x for x in json.loads(done.stdout)["streams"]
             if x["codec_type"] == "audio"}
    assert set(found) == {"nor", "swe"}
    assert (found["nor"]["codec_name"], found["swe"]["codec_name"]) == ("aac", "mp2")
    assert (found["nor"]["sample_rate"], found["swe"]["sample_rate"]) == ("48000", "44100")
    assert found["swe"]["bit_rate"] == "64000"
    video, = [x for x in json.loads(done.stdout)["streams"] if x["codec_type"] == "video"]
    assert video["color_range"] == "pc" and video["color_primaries"] == "bt470bg", video


def test_a_bitstream_filter_works_on_a_copy(server, tmp_path):
    profile = {"vcodec": "copy", "acodec": "copy", "bsf:v": "h264_metadata=level=5.1"}
    s = server(line_up(channel(1, media.long_film(), profile="copied", **LOOP),
                       ffmpeg_profiles={"copied": profile}))
    with s.stream("/stream/1.ts", timeout=30) as stream:
        data = stream.read_for(2)
    Checker(data).check().check_start()
    assert probe(data, tmp_path)["video"]["level"] == 51


def test_an_encoder_that_skips_is_reported_until_it_keeps_up(server):
    """It is stopped for longer than the source's ring lasts, but not long enough to count as hung."""
    live = Paced(media.long_film(), 120)
    film = live.data[:len(live.data) // 3]
    live.data = b"".join(film[at:at + PACKET] + STUFFING * 29 for at in range(0, len(film), PACKET))
    live.rate *= 30
    with HttpOrigin(live) as origin:
        s = server(line_up(channel(1, origin.url(), profile="tiny"), ffmpeg_profiles=PROFILES,
                           streaming={"allow_private": True, "ring_seconds": 1}))

        def said():
            return s.tuner("1")["last_error"]

        with s.stream("/stream/1.ts", timeout=30) as stream:
            stream.read(PACKET * 50)
            assert said() is None
            for _ in range(4):
                job = s.tuner("1")["derive_pid"]
                kill(job, signal.SIGSTOP)
                time.sleep(3.5)
                kill(job, signal.SIGCONT)
                stream.read(PACKET * 50)
                if said() and "skipping ahead" in said():
                    break
            assert said() == "the encoder is too slow for the source, skipping ahead"
            wait_for(lambda: stream.read(PACKET) and said() is None, 20, "it to keep up")
            assert "the derive job keeps up again" in s.log()
