"""Outputs have what their source has: codecs, several audio streams with languages, subtitles, one
programme of several; passed through, from other containers, and transcoded."""
import concurrent.futures
import json
import re
import shutil
import subprocess

import pytest

import media
from harness import PATIENCE
from lineup import LOOP, channel, line_up
from origin import HttpOrigin
from trouble import seal
from ts import PACKET, Checker, pid_of, split, stamp

TELETEXT, SUBTITLES, PMT = 0x120, 0x121, 0x1000
ALL = "languages", ["aac fra", "ac3 eng", "mp2 deu", "mpeg2video"]
PROGRAMME_1 = {"input_options": {"programid": 1, "re": None, "stream_loop": -1}}


def probed(s, number):
    """A channel's streams, and ffprobe's other output."""
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-show_streams", "-of", "json", s.url(f"/stream/{number}.ts")],
        capture_output=True, text=True, timeout=60 * PATIENCE)
    return json.loads(done.stdout).get("streams", []), done.stderr


def streams(s, number):
    """The codecs of a channel as ffprobe sees them, with their languages."""
    found, words = probed(s, number)
    return sorted(f"{x['codec_name']} {x.get('tags', {}).get('language', '')}".strip()
                  for x in found), words


def decoded(s, number):
    """The streams that ffmpeg finds in a channel, and its messages for three seconds of it."""
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-v", "level+info", "-xerror",
         "-threads", "1", "-i", s.url(f"/stream/{number}.ts"), "-map", "0:v", "-map", "0:a", "-t",
         "3", "-f", "null", "-"], capture_output=True, text=True, errors="replace",
        timeout=100 * PATIENCE)
    found = re.findall(r"Stream #0:\d+\[0x\w+\](?:\((\w+)\))?: \w+: (\w+)", done.stderr)
    return (sorted(f"{codec} {language if language != 'und' else ''}".strip()
                   for language, codec in found), done.returncode,
            [x for x in done.stderr.splitlines() if "[error]" in x or "[fatal]" in x])


def containers(name, film, *more):
    """The same film as TS, Matroska and MP4 (where that can hold it)."""
    yield "passed through", film, LOOP
    yield "one programme", film, PROGRAMME_1
    yield "Matroska", media.make(f"{name}.mkv", "-i", film, "-map", "0", "-c", "copy"), LOOP
    if "MP4" in more:
        yield "MP4", media.make(f"{name}.mp4", "-i", film, "-map", "0", "-c", "copy"), LOOP


def cases():
    """(what, source, more keys, profile, expected streams)"""
    for film, name, expected, more in (
            (media.hevc_film(), "hevc-closed", ["ac3", "hevc"], ["MP4"]),
            (media.mpeg2_film(), "mpeg2", ["mp2", "mpeg2video"], ["MP4"]),
            (media.languages_film(), *ALL, [])):
        for what, path, keys in containers(name, film, *more):
            yield f"{name}, {what}", path, keys, "copy", expected
            if what in ("passed through", "Matroska"):
                yield f"{name}, {what}, transcoded", path, keys, "small", None


@pytest.mark.slow
def test_codecs_and_audio_streams(server):
    rows = list(cases())
    s = server(line_up(*(channel(n, path, profile, **keys)
                         for n, (_, path, keys, profile, _) in enumerate(rows, 1)),
                       streaming={"idle_timeout": 20 * PATIENCE, "start_timeout": 30 * PATIENCE}))

    def look(n):
        what, _, _, _, expected = rows[n - 1]
        found, code, complaints = decoded(s, n)
        if not expected:
            found, expected = [x.split()[0] for x in found], ["aac", "h264"]
        return [] if (found, code, complaints) == (expected, 0, []) else \
            [(what, found, code, complaints)]

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert [x for wrong in pool.map(look, range(1, len(rows) + 1)) for x in wrong] == []


@pytest.mark.smoke
@pytest.mark.parametrize("options,expected", [
    ({"vn": None}, ["aac fra", "ac3 eng", "mp2 deu"]),
    ({"an": None}, ["mpeg2video"]),
    ({"an": 0}, ["aac fra", "ac3 eng", "mp2 deu", "mpeg2video"])])
def test_an_input_without_some_of_its_streams(server, options, expected):
    s = server(line_up(channel(1, media.languages_film(),
                               input_options={"stream_loop": -1, "re": None, **options}),
                       streaming={"idle_timeout": 20 * PATIENCE}))
    assert streams(s, 1) == (expected, "")


def test_raw_video_and_audio(server):
    """Formats that cannot be probed are set with ffmpeg's options for an input."""
    pictures = media.make("raw.yuv", "-i", media.film(), "-t", "4", "-vf", "scale=160:90", "-r",
                          "10", "-pix_fmt", "rgb24", "-f", "rawvideo")
    sound = media.make("raw.pcm", "-i", media.film(), "-t", "4", "-ac", "2", "-ar", "32000", "-f",
                       "s16le")
    s = server(line_up(
        channel(1, pictures, "small", input_options={
            "f": "rawvideo", "s": "160x90", "r": 10, "pix_fmt": "rgb24", "stream_loop": -1}),
        channel(2, sound, "small", input_options={
            "f": "s16le", "ar": 32000, "ac": 2, "stream_loop": -1})))
    (picture,), words = probed(s, 1)
    assert (picture["codec_name"], picture["r_frame_rate"], words) == ("h264", "10/1", "")
    (tone,), words = probed(s, 2)
    assert (tone["codec_name"], tone["sample_rate"], tone["channels"], words) == (
        "aac", "32000", 2, "")
    assert "nothing in this source" not in s.log()


def subtitle(pid, count, pts):
    """One packet that holds a whole PES of teletext or DVB subtitles."""
    if pid == TELETEXT:
        data = b"\x10" + b"".join(bytes([2, 44, count & 255, 0xe4]) + b"\x15" * 42
                                  for _ in range(3))
    else:
        data = (b"\x20\x00" + bytes([0x0f, 0x10, 0, 1, 0, 127]) + bytes([count & 255]) * 127
                + b"\xff")
    time = bytes([0x21 | pts >> 29 & 14, pts >> 22 & 255, pts >> 14 & 254 | 1, pts >> 7 & 255,
                  pts << 1 & 254 | 1])
    head = 184 - len(data) - 14
    pes = b"\0\0\1\xbd" + (178).to_bytes(2, "big") + bytes([0x84, 0x80, 5 + head]) + time
    return (bytes([0x47, 0x40 | pid >> 8, pid & 255, 0x10 | count & 15]) + pes + b"\xff" * head
            + data)


def with_subtitles(film, every=0.5, lead=0.0):
    """The film with teletext and DVB subtitles in its tables, and a PES of each every so many
    seconds, sent `lead` seconds ahead of its time."""
    extra = (bytes([0x06, 0xe0 | TELETEXT >> 8, TELETEXT & 255, 0xf0, 7, 0x56, 5]) + b"deu\x09\x00"
             + bytes([0x06, 0xe0 | SUBTITLES >> 8, SUBTITLES & 255, 0xf0, 10, 0x59, 8])
             + b"eng\x10\x00\x01\x00\x01")
    return with_streams(film, extra, [TELETEXT, SUBTITLES], every, lead)


def with_streams(film, extra, pids, every=0.5, lead=0.0):
    """The film with more entries in its PMT and with PES packets of these PIDs."""
    out, count, due = [], 0, 0
    for packet in split(film):
        if pid_of(packet) == PMT:
            section = packet[5:8 + ((packet[6] & 15) << 8 | packet[7]) - 4] + extra
            length = len(section) + 4 - 3
            section = section[:1] + bytes([0xb0 | length >> 8, length & 255]) + section[3:]
            packet = bytearray((packet[:5] + section).ljust(PACKET, b"\xff"))
            seal(packet)
        out.append(bytes(packet))
        at = 5 + packet[4] if packet[3] & 0x20 else 4
        if pid_of(packet) != 0x100 or not packet[1] & 0x40:
            continue
        pts = stamp(packet[at + 9:at + 14])
        if pts >= due:
            due = pts + int(every * 90000)
            out += [subtitle(pid, count, pts + int(lead * 90000)) for pid in pids]
            count += 1
    return b"".join(out)


def texts(data, pid):
    """[(PTS, payload of a PES of this stream)]"""
    found = []
    for packet in split(data):
        payload = packet[5 + packet[4]:] if packet[3] & 0x20 else packet[4:]
        if pid_of(packet) == pid and packet[1] & 0x40 and payload[7] & 0x80:
            found.append((stamp(payload[9:14]), payload[9 + payload[8]:]))
    return found


def pid_of_kind(data, descriptor):
    """The PID of the stream with this descriptor in the tables."""
    for packet in split(data):
        s = packet[5:]
        if pid_of(packet) == PMT and packet[1] & 0x40 and s[0] == 2:
            at, end = 12 + ((s[10] & 15) << 8 | s[11]), ((s[1] & 15) << 8 | s[2]) - 1
            while at < end:
                if s[at + 5] == descriptor and s[at + 3] & 15 | s[at + 4]:
                    return (s[at + 1] & 31) << 8 | s[at + 2]
                at += 5 + ((s[at + 3] & 15) << 8 | s[at + 4])
    return None


SEGMENTS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:%d\n#EXTINF:%d,\n%s\n#EXT-X-ENDLIST\n"
MASTER = ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\nlow.m3u8\n"
          "#EXT-X-STREAM-INF:BANDWIDTH=900000\nindex.m3u8\n")


@pytest.mark.parametrize("way", ["passed through", "one programme", "HLS", "HLS over HTTP"])
def test_teletext_and_dvb_subtitles(server, tmp_path, way):
    (tmp_path / "film.ts").write_bytes(with_subtitles(open(media.film(), "rb").read()))
    shutil.copy(media.languages_film(), tmp_path / "low.ts")
    (tmp_path / "index.m3u8").write_text(SEGMENTS % (13, 12, "film.ts"))
    (tmp_path / "low.m3u8").write_text(SEGMENTS % (21, 20, "low.ts"))
    (tmp_path / "master.m3u8").write_text(MASTER)
    path = tmp_path / ("index.m3u8" if way == "HLS" else "film.ts")
    with HttpOrigin(folder=str(tmp_path)) as origin:
        keep_subtitles(server, origin.url("/master.m3u8") if way == "HLS over HTTP" else path, way)


@pytest.mark.parametrize("profile", [
    {"c": "copy", "map": 0},
    {"vcodec": "libx264", "preset": "ultrafast", "s": "160x90", "acodec": "aac", "scodec": "copy",
     "map": ["0:v", "0:a", "0:s?"]}])
def test_copied_subtitles_with_selected_or_encoded_streams(server, tmp_path, profile):
    (tmp_path / "film.ts").write_bytes(with_subtitles(open(media.film(), "rb").read()))
    keep_subtitles(server, tmp_path / "film.ts", "chosen", profile)


def test_a_subtitle_after_a_long_silence_does_not_shift_video(server, tmp_path):
    """Subtitles are sent ahead of their time and may pause for minutes."""
    film = open(media.film(), "rb").read()
    (tmp_path / "film.ts").write_bytes(with_subtitles(film, every=10.4, lead=0.34))
    profiles = {"chosen": {"c": "copy", "map": 0},
                "coded": {"vcodec": "libx264", "preset": "ultrafast", "s": "160x90", "bf": 0,
                          "acodec": "copy"}}
    numbers = {1: "chosen", 2: "coded"}
    s = server(line_up(*(channel(n, str(tmp_path / "film.ts"), name)
                         for n, name in numbers.items()), ffmpeg_profiles=profiles))
    streams = [s.stream(f"/stream/{n}.ts").head() for n in numbers]
    times = Checker(film)
    for stream, name in zip(streams, numbers.values()):
        got = Checker(stream.read_all()).check()
        assert got.seconds() > 11, name
        assert set(got.pts[got.video_pid]) <= set(times.pts[times.video_pid]), name
        assert got.shown_gap() < 0.05, name
        stream.close()


@pytest.mark.smoke
def test_languages_of_encoded_outputs(server):
    profile = {"vcodec": "libx264", "preset": "ultrafast", "s": "160x90", "acodec": "aac",
               "map": ["0:v", "0:a"]}
    s = server(line_up(channel(1, media.languages_film(), "mine", **LOOP),
                       ffmpeg_profiles={"mine": profile}))
    assert streams(s, 1) == (["aac deu", "aac eng", "aac fra", "h264"], "")


def keep_subtitles(server, path, way, profile=None):
    s = server(line_up(channel(1, str(path), "mine" if profile else "copy",
                               **(PROGRAMME_1 if way == "one programme" else LOOP)),
                       streaming={"idle_timeout": 20}, ffmpeg_profiles={"mine": profile or {}}))
    with s.stream("/stream/1.ts") as stream:
        # less than a round of the film
        data = stream.read(1 << 18 if profile and "preset" in profile else 2 << 20)
    found, words = streams(s, 1)
    assert ([x.replace(" und", "") for x in found], words) == (
        ["aac", "dvb_subtitle eng", "dvb_teletext deu", "h264"], "")
    for descriptor, first in ((0x56, b"\x10\x02\x2c"), (0x59, b"\x20\x00\x0f")):
        had = texts(data, pid_of_kind(data, descriptor))
        assert len(had) > 5, (descriptor, had)
        assert all(text.startswith(first) for _, text in had)
        steps = {(b[0] - a[0]) // 3600 for a, b in zip(had, had[1:])}
        assert steps <= set(range(9, 18)), steps
