"""The composition of the output streams: clocks often enough, tables and headers not more than
needed."""
import os

import pytest

import media
from lineup import LOOP, channel, line_up
from ts import Checker

pytestmark = pytest.mark.slow

PICTURE = {"vcodec": "libx264", "preset": "ultrafast", "s": "160x90", "b:v": "100k", "g": 50}
PROFILES = {
    "copy": {"vcodec": "copy", "acodec": "copy"},
    "slow": {**PICTURE, "r": 5, "acodec": "aac", "b:a": "48k"},
    "ten": {**PICTURE, "r": 10, "acodec": "aac", "b:a": "48k"},
    "uneven": {**PICTURE, "vf": "select='not(mod(n\\,25)*lt(mod(n\\,25)\\,5))'", "acodec": "copy"},
    "picture": {"vcodec": "libx264", "preset": "ultrafast", "s": "320x180", "b:v": "600k",
                "acodec": "aac", "b:a": "96k"},
    "radio": {"vn": None, "acodec": "aac", "b:a": "128k"},
}


def receive(server, source, profile, seconds):
    """So much of the stream, by its own time."""
    s = server(line_up(channel(1, source, profile, **LOOP), ffmpeg_profiles=PROFILES))
    checker, parts = Checker(), []
    with s.stream("/stream/1.ts", timeout=30) as stream:
        while checker.pcr is None or checker.pcr - first < seconds * 90000:
            parts.append(stream.read_some())
            assert parts[-1], "the stream ended"
            checker.feed(parts[-1])
            first = checker.pcr if len(parts) == 1 or first is None else first
    checker.check()
    assert checker.pcr_backwards == [] and checker.late == 0
    return checker, b"".join(parts)


@pytest.mark.parametrize("profile,gap", [("slow", 0.1), ("uneven", 0.1), ("ten", 0.042),
                                         ("radio", 0.1)])
def test_pcr_interval_with_rare_pictures(server, profile, gap):
    checker, _ = receive(server, media.long_film(), profile, 4)
    assert checker.pcr_gap <= gap


def test_pcr_interval_at_the_seam_of_a_loop(server):
    checker, _ = receive(server, media.short_mp4(), "copy", 7)
    assert checker.pcr_gap <= 0.042


@pytest.mark.parametrize("profile,more", [("picture", 1.02), ("radio", 1.1)])
def test_overhead_is_close_to_ffmpegs_muxer(server, tmp_path, profile, more):
    _, data = receive(server, media.long_film(), profile, 5)
    (tmp_path / "ours.ts").write_bytes(data)
    media.run("-i", str(tmp_path / "ours.ts"), "-c", "copy", "-f", "mpegts",
              str(tmp_path / "ffmpeg.ts"))
    other = os.path.getsize(tmp_path / "ffmpeg.ts")
    assert len(data) <= more * other, f"{len(data)} bytes, ffmpeg {other}"
