"""DASH of a running channel: manifests, segments that grow, sessions and their limits."""
import subprocess

import pytest

import media
from dash import Player
from lineup import LOOP, channel, line_up


def serving(server, *more, **kwargs):
    sections = kwargs.pop("sections", {})
    return server(line_up(channel(1, media.film(), **LOOP), *more,
                          hls={"segment_seconds": 2, "part_ms": 200}, **sections), **kwargs)


def decode(tmp_path, *files):
    """What ffmpeg says to these bytes, one after the other."""
    path = tmp_path / "track.mp4"
    path.write_bytes(b"".join(files))
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", str(path), "-f",
                           "null", "-"], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.smoke
def test_a_copied_channel_plays(server, tmp_path):
    s = serving(server)
    player = Player(s)
    manifest = player.wait_manifest(lambda m: len(m.periods[0].pictures[0].segments) >= 4)
    for track in manifest.periods[0].pictures + manifest.periods[0].sounds:
        files = [player.get(x.url) for x in track.segments[:3]]
        assert decode(tmp_path, player.get(track.init), *files) == (0, "")
    # ffmpeg reads its first segment twice when it reads the manifest again
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-t", "2", "-i",
                           s.url("/dash/1/manifest.mpd"), "-f", "null", "-"], capture_output=True,
                          text=True, timeout=60)
    said = [x for x in done.stderr.splitlines() if "non monotonically increasing dts" not in x]
    assert (done.returncode, said) == (0, [])
    assert {v["protocol"] for v in s.viewers()} == {"dash"}
