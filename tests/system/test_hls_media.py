"""Segments: what happens to them when jobs, sources, the master or their folder fail."""
import os
import re
import subprocess

import pytest

import media
from disk import fill, small_disk
from harness import kill, wait_for
from hls import Player
from lineup import LOOP, channel, line_up


def config(root, *more, **sections):
    return line_up(channel(1, media.film(), **LOOP), *more, hls={"segment_seconds": 1},
                   **{"media_root": str(root), "streaming": {"idle_timeout": 30}, **sections})


def segment_job(s, key="1"):
    """The pid of the job that cuts segments."""
    for pid, (_, line) in s.processes().items():
        if line.startswith(f"amps-transcoder {key} segment"):
            return pid
    return None


def files(root):
    return sorted(os.path.join(at, name) for at, _, names in os.walk(root) for name in names)


def assert_goes_on(player, before, discontinuities=1):
    """Later playlists follow the one before: no number is missing, none comes twice, and what is listed
    can be fetched."""
    after = player.wait_media(lambda p: any(
        x.discontinuity and x.number > before.segments[-1].number for x in p.segments[:-1]), 30)
    known = {x.number: x for x in before.segments}
    assert after.number <= before.segments[-1].number + 1, "a gap in the numbers"
    for segment in after.segments:
        assert known.get(segment.number, segment) == segment
        player.segment(segment)
    assert sum(x.discontinuity for x in after.segments) == discontinuities
    assert after.target == before.target
    dates = [x.date for x in after.segments]
    assert dates == sorted(dates)
    return after


@pytest.mark.smoke
def test_a_killed_segment_job_costs_a_discontinuity(server, tmp_path):
    s = server(config(tmp_path), workers=2)
    player = Player(s)
    before = player.wait_media(lambda p: len(p.segments) >= 4)
    kill(segment_job(s))
    assert_goes_on(player, before)
    assert s.tuner("1")["state"] == "running"


@pytest.mark.smoke
def test_a_killed_source_job_costs_a_discontinuity(server, tmp_path):
    s = server(config(tmp_path))
    player = Player(s)
    before = player.wait_media(lambda p: len(p.segments) >= 4)
    kill(s.tuner("1")["pid"])
    assert_goes_on(player, before)


def with_low(root, film):
    variants = [{"name": "low", "ffmpeg_profile": "small"}]
    return line_up(channel(1, film, adaptive_bitrates=variants, **LOOP),
                   hls={"segment_seconds": 1}, media_root=str(root), streaming={"idle_timeout": 30})


def test_an_edited_source_costs_a_discontinuity(server, tmp_path):
    s = server(with_low(tmp_path, media.film()))
    player = Player(s)
    before = [player.wait_media(lambda p: len(p.segments) >= 4, variant=v) for v in (0, 1)]
    s.write_config(with_low(tmp_path, media.other_film()))
    assert s.amps("reload").returncode == 0
    after = []
    for v in (0, 1):
        first = before[v].segments[-1].number
        after.append(player.wait_media(lambda p: any(
            x.discontinuity and x.number > first for x in p.segments[:-1]), 40, variant=v))
    # the mark is at the same number in both
    marks = [{x.number for x in p.segments if x.discontinuity} for p in after]
    assert marks[0] == marks[1]


@pytest.mark.slow
def test_a_new_order_of_variants_changes_nothing(server, tmp_path):
    def ordered(names):
        variants = [{"name": x, "ffmpeg_profile": x} for x in names]
        wide = {"vcodec": "libx264", "preset": "ultrafast", "s": "320x180", "acodec": "aac"}
        return line_up(channel(1, media.film(), adaptive_bitrates=variants, **LOOP),
                       hls={"segment_seconds": 1}, media_root=str(tmp_path),
                       ffmpeg_profiles={"wide": wide})
    s = server(ordered(["small", "wide"]))
    player = Player(s)
    before = [player.wait_media(lambda p: len(p.segments) >= 2, variant=v) for v in (1, 2)]
    job = segment_job(s)
    s.write_config(ordered(["wide", "small"]))
    assert s.amps("reload").returncode == 0
    for v, width in (1, 160), (2, 320):
        last = before[v - 1].segments[-1]
        after = player.wait_media(lambda p: p.segments[-1].number > last.number + 1, variant=v)
        assert not any(x.discontinuity for x in after.segments)
        assert last in after.segments
        for segment in last, after.segments[-1]:
            done = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=width", "-of",
                                   "csv=p=0", "-"], input=player.segment(segment), check=True,
                                  capture_output=True)
            assert str(width) in done.stdout.decode().split()
    assert segment_job(s) == job


@pytest.mark.smoke
def test_without_viewers_no_file_is_left(server, tmp_path):
    s = server(config(tmp_path, streaming={"idle_timeout": 0.5}))
    player = Player(s)
    player.wait_media(lambda p: len(p.segments) >= 3)
    assert files(tmp_path)
    wait_for(lambda: os.listdir(tmp_path) == [], 30, "the folder to be empty")
    wait_for(lambda: s.tuner("1") is None, 20, "the tuner to stop")


@pytest.mark.smoke
def test_a_start_removes_what_a_killed_server_left(server, tmp_path):
    (tmp_path / "notes.txt").write_text("not a segment")
    s = server(config(tmp_path))
    player = Player(s)
    before = player.wait_media(lambda p: len(p.segments) >= 3)
    s.crash()
    left = [x for x in files(tmp_path) if x.endswith(".ts")]
    assert len(left) >= 3
    s.start()
    assert files(tmp_path) == [str(tmp_path / "notes.txt")]
    after = Player(s).wait_media(lambda p: len(p.segments) >= 1)
    assert after.number > before.segments[-1].number


def start_fails(server, line_up):
    """What the log says of a start that must fail."""
    s = server(line_up, ready=False)
    wait_for(lambda: s.process.poll() is not None, 20, "the end of the server")
    assert s.process.returncode != 0
    return s.log()


@pytest.mark.smoke
@pytest.mark.parametrize("what", ["missing", "file"])
def test_a_media_root_that_cannot_be_used(server, tmp_path, what):
    root = tmp_path / "root"
    if what == "file":
        root.write_text("")
    reason = {"missing": "No such file or directory", "file": "Not a directory"}[what]
    assert re.search(rf"media_root {root} cannot be opened: {reason}", start_fails(server, config(root)))


@pytest.mark.slow
def test_a_media_root_that_cannot_be_written(server, tmp_path):
    with small_disk(tmp_path, "1m,ro"):
        log = start_fails(server, config(tmp_path))
    assert f"media_root {tmp_path} cannot be written: Read-only file system" in log


@pytest.mark.smoke
def test_a_media_root_has_one_server(server, tmp_path):
    server(config(tmp_path))
    log = start_fails(server, config(tmp_path))
    assert f"media_root {tmp_path} belongs to another running server" in log


def test_at_the_limit_playlists_are_short_and_new_channels_refused(server, tmp_path):
    s = server(config(tmp_path, channel(2, media.film(), **LOOP), media_limit_mb=1))
    player = Player(s)
    wait_for(lambda: sum(map(os.path.getsize, files(tmp_path))) > 3 << 19, 30, "the limit")
    assert s.get("/hls/2/index.m3u8").status == 503
    assert "media_limit_mb" in s.get("/hls/2/index.m3u8").json["error"]
    # what runs goes on, with fewer segments
    wait_for(lambda: "shortening playlists" in s.log(), 30, "the log")
    playlist = player.wait_media(lambda p: len(p.segments) >= 3)
    player.segment(playlist.segments[0])
    with s.stream("/stream/2.ts") as stream:
        assert len(stream.read(1 << 18)) == 1 << 18


@pytest.mark.slow
def test_the_limit_follows_a_reload_and_the_folder_does_not(server, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "root").mkdir()
    s = server(config(tmp_path / "root"))
    Player(s).wait_media(lambda p: len(p.segments) >= 3)
    s.write_config(config(tmp_path / "other", media_limit_mb=1))
    done = s.amps("reload")
    assert done.returncode == 0 and "media_root has changed" in done.stdout + done.stderr
    wait_for(lambda: "shortening playlists" in s.log(), 30, "the limit")
    assert files(tmp_path / "root") and not files(tmp_path / "other")


def test_a_full_disk_ends_segments_and_nothing_else(server, tmp_path):
    with small_disk(tmp_path, "16m"):
        s = server(config(tmp_path))
        with s.stream("/stream/1.ts") as viewer:
            player = Player(s)
            player.wait_media(lambda p: len(p.segments) >= 2)
            fill(tmp_path / "ballast")
            wait_for(lambda: player.ask().status == 503, 30, "the refusal")
            assert "full" in s.log()
            assert len(viewer.read(1 << 18)) == 1 << 18
            os.unlink(tmp_path / "ballast")
            wait_for(lambda: s.get("/hls/1/index.m3u8").status == 200, 30, "room")
            assert Player(s).wait_media(lambda p: p.segments).segments
        s.stop()
