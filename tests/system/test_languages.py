"""Sources with several sounds: each is a track of its own in HLS with low latency and in DASH."""
import re
import subprocess

import pytest

import dash
import media
from broken_ts import PMT_PID, packet, section
from cmaf import LowPlayer, decode
from fmp4 import Mp4
from harness import kill, wait_for
from hls import Player
from hls_rules import read_with_npm
from lineup import LOOP, channel, line_up
from ll_rules import LowLatencyCapture
from test_cmaf import all_tracks, capture, capture_fault
from test_hls_rules import Faults, Live, wait_segments
from test_mp4 import segment_job
from ts import NULL_PID, pid_of, split
from watcher import Watcher

SIZES = {"hls": {"segment_seconds": 1, "part_ms": 200}}
DASH = {"hls": {"segment_seconds": 2, "part_ms": 200}}
USUAL, ENGLISH, DESCRIPTION = range(3)  # sounds of sounds_film()
GERMAN_PID, ENGLISH_PID = 0x101, 0x102
EVERY = {"vcodec": "libx264", "preset": "ultrafast", "s": "160x90", "b:v": "100k", "g": 25,
         "map": ["0:v", "0:a:0", "0:a:1"], "acodec": "aac", "b:a": "48k", "format": "mpegts"}


def frames(number):
    """The bytes of this sound of the film."""
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", media.sounds_film(), "-map",
                           f"0:a:{number}", "-c", "copy", "-f", "adts", "-"],
                          capture_output=True, check=True, timeout=60)
    return done.stdout


def attributes(index):
    """[{attribute: value}] of the sounds of a multivariant playlist."""
    return [dict(re.findall(r'([A-Z-]+)="?([^",]*)', line))
            for line in re.findall(r"^#EXT-X-MEDIA:(.*)", index, re.M)]


def is_of(samples, data):
    """Are these the frames of that sound?  The first ones of a film that begins again are not judged."""
    return len(samples) > 40 and sum(x.data in data for _, x in samples) > len(samples) - 3


@pytest.mark.smoke
def test_each_sound_is_a_track_of_its_own(server, tmp_path):
    s = server(line_up(channel(1, media.sounds_film(), output_format="ll-hls", **LOOP), **SIZES,
                       streaming={"idle_timeout": 30}), workers=2)
    player = LowPlayer(s)
    told = attributes(player.index)
    assert [(x["NAME"], x["LANGUAGE"], x["DEFAULT"], x["CHANNELS"]) for x in told] == [
        ("Deutsch", "de", "YES", "2"), ("English", "en", "NO", "2"),
        ("Deutsch (audio description)", "de", "NO", "2")]
    assert {x["GROUP-ID"] for x in told} == {"sound"}
    assert [x.get("CHARACTERISTICS") for x in told] == [
        None, None, "public.accessibility.describes-video"]
    assert re.search(r'CODECS="avc1\.64....,mp4a\.40\.2"', player.index), player.index
    assert "lang" not in told[USUAL]["URI"]
    tracks = all_tracks(player)
    capture(tracks, 3)
    picture, *sounds = tracks
    assert len({t.sealed for t in tracks}) == 1
    assert all(sound.keys().keys() >= {n for n in picture.keys() if n >= min(sound.keys())}
               for sound in sounds)
    # each playlist reports all others, whichever worker answers
    for _ in range(4):
        for track in tracks:
            reports = re.findall(r'REPORT:URI="([^"]*)",LAST-MSN=(\d+)', player.media(track.variant).text)
            own = player.variants[track.variant].rsplit("/", 1)[1]
            others = {v.rsplit("/", 1)[1] for v in player.variants} - {own}
            assert {uri for uri, _ in reports} == others
            assert max(int(n) for _, n in reports) - min(int(n) for _, n in reports) <= 1
    for number, sound in enumerate(sounds):
        assert is_of(list(sound.samples()), frames(number)), number
        decode(sound.stream(), tmp_path)
    # what the source has not
    for wrong in "fra", "deu", "eng%22", "../eng", "", "e" * 40, "ENG":
        answer = s.get(player.variants[2].replace("lang=eng", f"lang={wrong}"))
        assert answer.status == 404 or wrong == "deu", (wrong, answer.text)


@pytest.mark.slow
def test_each_sound_keeps_the_rules_of_low_latency(server):
    live = Live(media.sounds_film(), 60)
    with live.origin:
        s = server(line_up(channel(1, live.origin.url(), output_format="ll-hls"), **DASH,
                           streaming={"idle_timeout": 30}), workers=2)
        player = Player(s)
        captures = [LowLatencyCapture(player, v) for v in range(len(player.lists))]
        assert len(captures) == 4
        for c in captures:
            c.start()
        wait_segments(captures, 2)
        Faults(s, [live], None, captures).kill_segment_job()
        wait_segments(captures, 2)
        for c in captures:
            c.finish()
    assert [(c.variant, x) for c in captures for x in c.broken] == []
    assert read_with_npm([player.index, *(t for c in captures for t in c.texts)]) == []


@pytest.mark.slow
def test_each_codec_of_sound_has_the_variants_for_itself(server):
    s = server(line_up(channel(1, media.languages_film(), output_format="ll-hls", **LOOP), **SIZES))
    player = LowPlayer(s)
    assert [(x["LANGUAGE"], x["GROUP-ID"]) for x in attributes(player.index)] == [
        ("de", "sound"), ("en", "sound-ac-3"), ("fr", "sound-mp4a.40.2")]
    streams = re.findall(r'CODECS="mp4v.61,(.*)",RES.*,AUDIO="(.*)"', player.index)
    assert streams == [("mp4a.6B", "sound"), ("ac-3", "sound-ac-3"),
                       ("mp4a.40.2", "sound-mp4a.40.2")]
    manifest = dash.Player(s).manifest()
    assert [(x.group.get("lang"), x.attributes["codecs"]) for x in manifest.periods[-1].sounds] == [
        ("de", "mp4a.6B"), ("en", "ac-3"), ("fr", "mp4a.40.2")]


@pytest.mark.slow
def test_a_manifest_has_a_set_for_each_sound(server, tmp_path):
    s = server(line_up(channel(1, media.sounds_film(), output_format="dash", **LOOP), **DASH,
                       streaming={"idle_timeout": 30}), workers=2)
    player = dash.Player(s)
    manifest = player.wait_manifest(lambda m: len(m.periods[-1].pictures[0].segments) > 4)
    for _ in range(4):
        sounds = player.manifest().periods[-1].sounds
        assert [x.group.get("lang") for x in sounds] == ["de", "en", "de"]
    sounds = manifest.periods[-1].sounds
    assert [x.group.find(dash.SPACE + "Label").text for x in sounds] == [
        "Deutsch", "English", "Deutsch (audio description)"]
    assert [x.group.find(dash.SPACE + "Role").get("value") for x in sounds] == [
        "main", "alternate", "alternate"]
    assert [x.group.find(dash.SPACE + "Accessibility") is None for x in sounds] == [
        True, True, False]
    assert len({x.group.get("id") for x in sounds}) == 3
    times = {x.number: (x.start, x.ticks) for x in manifest.periods[-1].pictures[0].segments}
    for sound in sounds:
        assert all(times[x.number] == (x.start, x.ticks) for x in sound.segments)
        whole = b"".join(player.get(x) for x in [sound.init, *(y.url for y in sound.segments[:3])])
        decode(whole, tmp_path)


@pytest.mark.slow
def test_variants_have_the_sounds_once(server):
    variants = [{"name": "low", "ffmpeg_profile": "every"}]
    s = server(line_up(channel(1, media.sounds_film(), "every", output_format="ll-hls",
                               adaptive_bitrates=variants, **LOOP),
                       ffmpeg_profiles={"every": EVERY}, **SIZES))
    player = LowPlayer(s)
    # those that the profile maps
    assert [x["LANGUAGE"] for x in attributes(player.index)] == ["de", "en"]
    assert (player.pictures, len(player.variants)) == (2, 4)
    capture(all_tracks(player), 2)
    manifest = dash.Player(s).manifest()
    assert len(manifest.periods[-1].pictures) == 2
    assert [x.group.get("lang") for x in manifest.periods[-1].sounds] == ["de", "en"]


class Losing(Live):
    """An origin that can lose a sound: its tables name it no more."""

    def __init__(self, film, total, pid):
        super().__init__(film, total)
        self.whole, self.less = self.data, self.without(pid)

    def without(self, lost):
        out = []
        for p in split(self.data):
            if pid_of(p) == PMT_PID:
                p = section(PMT_PID, self.table_without(p, lost), p[3] & 15)
            elif pid_of(p) == lost:
                p = packet(NULL_PID, b"", start=False)
            out.append(bytes(p))
        return b"".join(out)

    @staticmethod
    def table_without(p, lost):
        end = 5 + 3 + ((p[6] & 15) << 8 | p[7]) - 4
        at = 5 + 12 + ((p[15] & 15) << 8 | p[16])
        body = bytearray(p[5:at])
        body[5] ^= 2                    # another version
        while at < end:
            size = 5 + ((p[at + 3] & 15) << 8 | p[at + 4])
            if (p[at + 1] & 0x1f) << 8 | p[at + 2] != lost:
                body += p[at:at + size]
            at += size
        return body

    def lose(self):
        self.data = self.less

    def find(self):
        self.data = self.whole


@pytest.mark.slow
def test_a_language_that_goes_and_comes_back_stops_no_playlist(server):
    live = Losing(media.sounds_film(), 60, ENGLISH_PID)
    with live.origin:
        s = server(line_up(channel(1, live.origin.url(), output_format="ll-hls"), **SIZES,
                           streaming={"idle_timeout": 30}))
        player = LowPlayer(s)
        viewer = dash.Player(s)
        tracks = all_tracks(player, regular=False)
        capture(tracks, 3)
        capture_fault(tracks, live.lose)
        lost = max(tracks[1 + ENGLISH].segments)
        # new viewers are not told of it, and those that it played for hear the usual sound
        assert [x["LANGUAGE"] for x in attributes(LowPlayer(s, agent="other").index)] == ["de", "de"]
        manifest = viewer.wait_manifest(lambda m: len(m.periods) > 1)
        assert [[x.group.get("lang") for x in p.sounds] for p in manifest.periods[-2:]] == [
            ["de", "de", "en"], ["de", "de"]]
        capture_fault(tracks, live.find)
        assert [x["LANGUAGE"] for x in attributes(LowPlayer(s, agent="third").index)] == [
            "de", "en", "de"]
        manifest = viewer.wait_manifest(lambda m: len(m.periods) > 2)
        assert [x.group.get("lang") for x in manifest.periods[-1].sounds] == ["de", "en", "de"]
    english = tracks[1 + ENGLISH]
    for number, sound in (lost, frames(USUAL)), (max(english.fragments), frames(ENGLISH)):
        assert all(x.data in sound for f in english.fragments[number] for x in f.samples)


@pytest.mark.slow
def test_the_usual_sound_comes_back(server):
    live = Losing(media.sounds_film(), 60, GERMAN_PID)
    with live.origin:
        s = server(line_up(channel(1, live.origin.url(), output_format="ll-hls"), **SIZES,
                           streaming={"idle_timeout": 30}))
        tracks = all_tracks(LowPlayer(s), regular=False)
        usual = tracks[1 + USUAL]
        capture(tracks, 3)
        capture_fault(tracks, live.lose)
        lost = max(usual.segments)
        capture_fault(tracks, live.find)
        assert [x["LANGUAGE"] for x in attributes(LowPlayer(s, agent="other").index)] == [
            "de", "en", "de"]
    for number, sound in (lost, frames(ENGLISH)), (max(usual.fragments), frames(USUAL)):
        assert all(x.data in sound for f in usual.fragments[number] for x in f.samples)


@pytest.mark.slow
def test_a_viewer_of_a_lost_language_outlives_the_job(server):
    live = Losing(media.sounds_film(), 60, ENGLISH_PID)
    with live.origin:
        s = server(line_up(channel(1, live.origin.url()), streaming={"idle_timeout": 30}))
        with Watcher(s, "/stream/1?format=mp4&lang=eng", checker=Mp4) as viewer:
            viewer.wait_more(20)
            live.lose()
            before = viewer.checker.seconds["vide"]
            wait_for(lambda: viewer.checker.seconds["vide"] > before + 3, 30, "the loss")
            kill(segment_job(s))
            viewer.wait_more(40, 30)
            viewer.stop()
            assert not viewer.ended


@pytest.mark.slow
def test_viewers_of_mp4_learn_which_languages_there_are(server):
    live = Losing(media.sounds_film(), 60, ENGLISH_PID)
    with live.origin:
        s = server(line_up(channel(1, live.origin.url()), streaming={"idle_timeout": 30}))
        with Watcher(s, "/stream/1?format=mp4", checker=Mp4) as viewer:
            def await_languages(*expected):
                wait_for(lambda: viewer.checker.languages == list(expected), 30, "the languages")

            await_languages(["deu", "eng"])
            live.lose()
            await_languages(["deu", "eng"], ["deu"])
            live.find()
            await_languages(["deu", "eng"], ["deu"], ["deu", "eng"])
            viewer.wait_more(20)
            assert viewer.stop().gaps == []


@pytest.mark.slow
def test_a_channel_without_a_picture_has_its_languages(server):
    film = media.make("sounds-vn.ts", "-i", media.sounds_film(), "-map", "0:a:0", "-map", "0:a:1",
                      "-c", "copy", "-f", "mpegts")
    s = server(line_up(channel(1, film, output_format="ll-hls", **LOOP), **SIZES))
    player = LowPlayer(s)
    told = attributes(player.index)
    assert [(x["LANGUAGE"], "URI" in x) for x in told] == [("de", False), ("en", True)]
    assert len(player.variants) == 2
    capture(all_tracks(player), 2)
    wait_for(lambda: len(dash.Player(s).manifest().periods[-1].sounds) == 2, 10, "both sounds")
