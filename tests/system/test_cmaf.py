"""CMAF tracks of a running channel: what their boxes say, over variants, sources and faults."""
import concurrent.futures
import glob
import os
import re
import signal

import pytest

import media
from cmaf import LowPlayer, Track, decode
from dash import Player as DashPlayer
from dash import parse
from dash_rules import DashCapture
from harness import kill, wait_for
from lineup import LOOP, channel, line_up
from test_hls_rules import Faults, Live

SYNC = 0x47


def low(number, source, profile="copy", **more):
    return channel(number, source, profile, output_format="ll-hls", **LOOP, **more)


def serving(server, *channels, seconds=1, part_ms=200, **kwargs):
    return server(line_up(*channels, hls={"segment_seconds": seconds, "part_ms": part_ms},
                          streaming={"idle_timeout": 30}), **kwargs)


def capture(tracks, segments, timeout=30):
    """Reads all tracks until each has so many segments; fails if something is wrong with one."""
    def look():
        broken = [x for t in tracks for x in t.read(t.player.media(t.variant))]
        assert broken == []
        return all(len(t.segments) >= segments for t in tracks)
    wait_for(look, timeout, "the segments")


def all_tracks(player, **how):
    return [Track(player, v, **how) for v in range(len(player.variants))]


def aac_and_pictures(data):
    """{bytes: PTS in seconds} of the frames of AAC and of the pictures' last bytes in a transport
    stream, of those that come once."""
    pes, found, twice = {}, {}, set()

    def note(key, pts):
        twice.update({key} & found.keys())
        found[key] = pts

    def take(b):
        if len(b) < 14 or not b[7] & 0x80:
            return
        pts = ((b[9] >> 1 & 7) << 30 | b[10] << 22 | b[11] >> 1 << 15 | b[12] << 7 |
               b[13] >> 1) / 90000
        payload, frame = bytes(b[9 + b[8]:]), 0
        if b[3] & 0xe0 == 0xe0:
            note(payload[-64:], pts)
            return
        while len(payload) >= 7:
            size = (payload[3] & 3) << 11 | payload[4] << 3 | payload[5] >> 5
            note(payload[7:size], pts + frame * 1024 / 48000)
            payload, frame = payload[size:], frame + 1

    for at in range(0, len(data) - 187, 188):
        p = data[at:at + 188]
        assert p[0] == SYNC
        pid, begin = (p[1] & 0x1f) << 8 | p[2], 4 + (1 + p[4] if p[3] & 0x20 else 0)
        if p[1] & 0x40 and p[begin:begin + 3] == b"\0\0\1":
            take(pes.get(pid, b""))
            pes[pid] = bytearray()
        if pid in pes and p[3] & 0x10:
            pes[pid] += p[begin:]
    return {key: pts for key, pts in found.items() if key not in twice}


def test_two_variants_and_their_sound_are_judged(server, tmp_path):
    variants = [{"name": "low", "ffmpeg_profile": "small"}]
    s = serving(server, low(1, media.film(), adaptive_bitrates=variants))
    player = LowPlayer(s)
    assert (player.pictures, len(player.variants)) == (2, 3)
    # the first one already says what is in it
    assert re.search(r'CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=25.000',
                     player.index), player.index
    tracks = all_tracks(player)
    capture(tracks, 4)
    copied, encoded, sound = tracks
    assert {t.player.media(t.variant).target for t in tracks} == {1}
    assert [x.codec for t in tracks for _, x in t.inits.values()] == ["avc1", "avc1", "mp4a"]
    both = copied.keys().keys() & encoded.keys().keys()
    assert len(both) >= 3
    for number in both:
        assert copied.keys()[number] == encoded.keys()[number]
        dates = {t.segments[number].date for t in (copied, encoded)}
        assert len(dates) == 1
    for t in tracks:
        decode(t.stream(), tmp_path)
    # sound and pictures keep the distance of the source
    with open(media.film(), "rb") as file:
        source = aac_and_pictures(file.read())
    offsets = [[at - source[x.data[-64:] if t is copied else x.data] for at, x in t.samples()
                if (x.data[-64:] if t is copied else x.data) in source] for t in (copied, sound)]
    assert all(len(x) > 50 for x in offsets), [len(x) for x in offsets]
    # each time that the film begins again has its own
    for off in offsets[0]:
        assert min(abs(off - x) for x in offsets[1]) < .001


def capture_fault(tracks, fault, marked=True):
    """After this fault each track goes on with two more segments, the first of them marked."""
    before = [max(t.segments) for t in tracks]
    fault()

    def goes_on(track, last):
        begins = [n for n, s in track.segments.items()
                  if n > last and (s.discontinuity or not marked)]
        return begins and max(track.segments) >= min(begins) + 1

    def look():
        broken = [x for t in tracks for x in t.read(t.player.media(t.variant))]
        assert broken == []
        return all(map(goes_on, tracks, before))
    wait_for(look, 30, "the segments behind the fault")


def config_for(live, **sections):
    return line_up(channel(1, live.origin.url(), output_format="ll-hls"),
                   hls={"segment_seconds": 1, "part_ms": 200}, streaming={"idle_timeout": 30},
                   **sections)


def segment_job(server):
    return next(pid for pid, (_, line) in server.processes().items()
                if line.startswith("amps-transcoder 1 segment"))


def write_and_kill(server, folder):
    """The job ends after it has written something and before that is listed."""
    pid = segment_job(server)

    def grow():
        os.kill(pid, signal.SIGSTOP)
        files = glob.glob(f"{folder}/1/0/*.tmp")
        # both tracks are in the middle of a segment
        if len(files) < 2:
            os.kill(pid, signal.SIGCONT)
            return False
        for path in files:
            with open(path, "ab") as f:
                f.write(b"x" * 5000)
        return True
    wait_for(grow, 20, "segments that grow")
    kill(pid)


@pytest.mark.slow
def test_what_was_written_and_not_listed_is_not_served(server, tmp_path):
    live = Live(media.long_film(), 120)
    with live.origin:
        s = server(config_for(live, media_root=str(tmp_path)))
        tracks = all_tracks(LowPlayer(s), regular=False)
        capture(tracks, 3)
        before = {max(t.segments) for t in tracks}
        # each segment that is listed then is what its parts are
        capture_fault(tracks, lambda: write_and_kill(s, tmp_path))
        for t in tracks:
            assert min(n for n, x in t.segments.items() if x.discontinuity) - max(before) <= 3
            assert sorted(t.segments) == list(range(min(t.segments), max(t.segments) + 1))


def test_faults_cost_a_discontinuity_and_no_part(server):
    lives = [Live(media.long_film(), 120), Live(media.other_film(), 60)]
    with lives[0].origin, lives[1].origin:
        s = server(config_for(lives[0]))
        # a jump of the source leads into the middle of a group
        tracks = all_tracks(LowPlayer(s), regular=False)
        faults = Faults(s, lives, config_for, [])
        capture(tracks, 3)
        capture_fault(tracks, faults.kill_segment_job)
        capture_fault(tracks, faults.kill_source_job)
        capture_fault(tracks, faults.edit)
        marks = [sorted(n for n, x in t.segments.items() if x.discontinuity) for t in tracks]
        assert [len(m) for m in marks] == [3, 3]
        # where the pictures had begun a segment and the sound had not, the sound's mark is in that one
        assert all(p - n in (0, 1) for p, n in zip(*marks, strict=True)), marks
        # the source that was edited has pictures of another size, and an init segment of its own
        assert len(tracks[0].inits) == len(marks[0]) + 1
        # the source job joins what a jump separates; a hole of some pictures may be left, and a longer
        # one of sound, whose track then has a mark of its own
        capture_fault(tracks, faults.jump, marked=False)
    pictures, sound = tracks
    sizes = [pictures.init_of(pictures.segments[n]).size for n in sorted(pictures.segments)]
    assert (sizes[0], sizes[-1]) == ((320, 180), (480, 270))
    assert {x.codec for _, x in sound.inits.values()} == {"mp4a"}


SOURCES = [
    (media.hevc_film, r"hvc1\.1\.6\.L\d+\.90,ac-3", ["hvc1", "ac-3"]),
    (media.mpeg2_film, "mp4v.61,mp4a.6B", ["mp4v", "mp4a"]),
    (media.irregular_film, r"avc1\.42c0..", ["avc1"]),
    (media.slow_film, r"avc1\.64....,mp4a\.40\.2", ["avc1", "mp4a"]),
    (media.latm_film, r"avc1\.64....", ["avc1"]),
    (media.sound_film, "ec-3", ["ec-3"]),
]


@pytest.mark.slow
def test_other_codecs_and_sources_of_one_kind_play(server, tmp_path):
    s = serving(server, *(low(n, film()) for n, (film, _, _) in enumerate(SOURCES, 1)))
    with concurrent.futures.ThreadPoolExecutor(len(SOURCES)) as pool:
        players = list(pool.map(lambda n: LowPlayer(s, n), range(1, len(SOURCES) + 1)))
    tracks = [all_tracks(player, regular=False) for player in players]
    captures = [DashCapture(DashPlayer(s, n)) for n in range(1, len(SOURCES) + 1)]
    for dash in captures:
        dash.start()
    capture(sum(tracks, []), 2)
    for player, own, (_, codecs, kinds) in zip(players, tracks, SOURCES):
        assert re.search(f'CODECS="{codecs}"', player.index), player.index
        assert [x.codec for t in own for _, x in list(t.inits.values())[:1]] == kinds
        for t in own:
            decode(t.stream(), tmp_path)
    # DASH has the same, for players and parsers of its own
    wait_for(lambda: all(c.runs and all(len(run.segments) >= 2 for run in c.runs.values())
                         for c in captures), what="the segments of DASH")
    for dash, (_, codecs, kinds) in zip(captures, SOURCES):
        dash.finish()
        assert (dash.broken, dash.refused) == ([], 0)
        period = parse(dash.texts[-1], dash.player.path).periods[-1]
        assert re.fullmatch(codecs, ",".join(
            r.attributes["codecs"] for r in period.pictures + period.sounds)), dash.texts[-1]
        last, _ = list(dash.runs)[-1]   # a busy machine may break a source off
        assert sum(name == last for name, _ in dash.runs) == len(kinds)
    # sound that MP4 cannot carry is left out
    assert re.search(r"MP4 cannot carry this codec, .* channel=\d codec=aac_latm", s.log())
