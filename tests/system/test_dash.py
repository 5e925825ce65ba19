"""DASH of a running channel: manifests, segments that grow, sessions and their limits."""
import re
import subprocess
import threading
import time

import pytest

import media
from dash import Player
from harness import kill, serving, wait_for
from lineup import LOOP, channel, line_up

SIZES = {"hls": {"segment_seconds": 2, "part_ms": 200}}
AUTH = {"auth": {"enabled": True, "token": "shared", "tokens": [
    {"name": "one", "token": "first-token", "max_viewers": 1},
    {"name": "two", "token": "second-token"}]}}
SMALL = {"vcodec": "libx264", "preset": "ultrafast", "s": "160x90", "b:v": "100k", "g": 25,
         "acodec": "aac", "b:a": "48k", "format": "mpegts"}


def decode(tmp_path, *files):
    """What ffmpeg says to these bytes, one after the other."""
    path = tmp_path / "track.mp4"
    path.write_bytes(b"".join(files))
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", str(path), "-f",
                           "null", "-"], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def check_segments(tmp_path, player, some, listed):
    """These segments of some tracks are decodable."""
    # fetched at once: a player that asks for nothing for some seconds has gone
    files = [[player.get(url) for url in (t.init, *(x.url for x in t.segments[listed]))] for t in some]
    for track in files:
        assert decode(tmp_path, *track) == (0, "")


def tracks(manifest, period=-1):
    return manifest.periods[period].pictures + manifest.periods[period].sounds


@pytest.fixture(scope="module")
def live():
    """A channel with low latency, and a player of it that keeps it running."""
    with serving(line_up(channel(1, media.long_film(), output_format="dash", **LOOP), **SIZES)) as s:
        player = Player(s, agent="audience")
        player.wait_manifest(lambda m: m.low_latency, 40)
        over = threading.Event()

        def watch():
            while not over.wait(1):
                player.ask()
        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        yield s
        over.set()
        thread.join()


@pytest.mark.slow
def test_a_copied_channel_plays(live, tmp_path):
    player = Player(live)
    manifest = player.manifest()
    assert manifest.seconds("minimumUpdatePeriod") == 2
    assert manifest.seconds("timeShiftBufferDepth") == 60
    check_segments(tmp_path, player, tracks(manifest), slice(3))
    for track in tracks(manifest):
        assert track.attributes["codecs"].startswith(("avc1.", "mp4a.40"))
    # ffmpeg reads its first segment twice when it reads the manifest again
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-t", "2", "-i",
                           live.url("/dash/1/manifest.mpd"), "-f", "null", "-"],
                          capture_output=True, text=True, timeout=60)
    said = [x for x in done.stderr.splitlines() if "non monotonically increasing dts" not in x]
    assert (done.returncode, said) == (0, [])
    assert {v["protocol"] for v in live.viewers()} == {"dash"}


@pytest.mark.slow
def test_a_manifest_stays_true(live):
    player = Player(live)
    before = player.manifest()
    last = before.periods[-1].pictures[0].segments[-1].number
    after = player.wait_manifest(
        lambda m: m.periods[-1].pictures[0].segments[-1].number > last)
    assert [(p.name, p.start) for p in after.periods] == [(p.name, p.start) for p in before.periods]
    for old, new in zip(tracks(before), tracks(after)):
        assert (old.name, old.init) == (new.name, new.init)
        listed = {x.number: x for x in new.segments}
        # also those that were announced
        for segment in old.segments:
            assert listed[segment.number] == segment
    offset = int(after.periods[-1].pictures[0].template["presentationTimeOffset"])
    assert offset == round(after.periods[-1].start * 90000)


def read_chunks(stream):
    """[(time, bytes)] of the chunks, until the last one."""
    chunks, rest = [], b""
    while True:
        while b"\r\n" not in rest:
            more = stream.read_some()
            assert more, "broken off"
            rest += more
        size, rest = rest.split(b"\r\n", 1)
        at = time.monotonic()
        n = int(size, 16)
        while len(rest) < n + 2:
            more = stream.read_some()
            assert more, "broken off"
            rest += more
        assert rest[n:n + 2] == b"\r\n"
        if n == 0:
            return chunks
        chunks.append((at, rest[:n]))
        rest = rest[n + 2:]


def memory(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+) kB", f.read())[1])


@pytest.mark.smoke
def test_a_segment_that_grows_comes_in_chunks(live):
    """Also to clients that read nothing meanwhile, which cost little memory."""
    pid, = live.pids("amps-worker")
    player = Player(live)
    before = memory(pid)
    # announced, not begun
    segment = player.manifest().periods[-1].pictures[0].segments[-1]
    slow = [live.stream(segment.url, rcvbuf=4096) for _ in range(100)]
    with live.stream(segment.url) as stream:
        assert stream.head().status == 200
        assert stream.headers["transfer-encoding"] == "chunked"
        assert stream.headers["access-control-allow-origin"] == "*"
        chunks = read_chunks(stream)
    assert len(chunks) > 4 and chunks[-1][0] - chunks[0][0] > 0.5, [len(x) for _, x in chunks]
    assert chunks[0][1][4:8] in (b"moof", b"styp")
    assert memory(pid) - before < 3000      # they all together have to get 10 MB
    whole = live.get(segment.url)
    assert whole.headers["content-length"] == str(len(whole.body))
    assert b"".join(x for _, x in chunks) == whole.body
    for stream in slow:
        if stream in slow[:5]:
            assert b"".join(x for _, x in read_chunks(stream)) == whole.body
        stream.close()


@pytest.mark.slow
def test_an_old_client_waits_until_a_growing_segment_is_whole(live):
    """Without chunks it could not tell an answer that was broken off from a complete one."""
    manifest = Player(live).manifest()
    # one grows, one has not begun
    for segment in manifest.periods[-1].sounds[0].segments[-2:]:
        answer = live.raw(f"GET {segment.url} HTTP/1.0\r\n\r\n".encode(), timeout=20)
        head, body = answer.split(b"\r\n\r\n", 1)
        assert b"chunked" not in head and f"\r\nContent-Length: {len(body)}\r\n".encode() in head
        assert body == live.get(segment.url).body


def test_wrong_addresses_are_refused(live):
    manifest = Player(live).manifest()
    url = manifest.periods[-1].pictures[0].segments[0].url
    last = manifest.periods[-1].pictures[0].segments[-1]
    init = manifest.periods[-1].pictures[0].init
    wrong = ["/dash", "/dash/", "/dash/1", "/dash/1/", "/dash/9/manifest.mpd", "/dash/1/x.mpd",
             "/dash/1/manifest.mpd/", "/dash/-1/manifest.mpd",
             "/dash/%31/manifest.mp", "/dash/1/Manifest.mpd", "/dash/1/manifest.mpd%00",
             url[:-1], url + "/", url.replace("/v", "/vp"), url.replace("/v", "/x"),
             url.replace("/v", "/v0"), url.replace("/v", "/"), url.replace(".m4s", ".ts"),
             url.replace(".m4s", ".tmp"), url.replace("/0/v", "/7/v"),
             url.replace("/0/v", "/99999999999/v"), url.replace("/0/v", "/../v"),
             last.url.replace(str(last.number), str(last.number + 9)),
             url.replace(url.rsplit("/v")[-1], "4294967295.m4s"), init.replace("/v", "/v1")]
    for path in wrong:
        answer = live.get(path)
        assert 400 <= answer.status < 500 and "error" in answer.json, (path, answer.status)
    for path in url, last.url, init:
        signature = re.search("~([0-9a-f]{32})/", path)[1]
        other = path.replace(signature, signature[::-1])
        assert live.get(other).status == 403, other
    for path, status in (("?variant=none", 404), ("?variant=%ff", 400), ("?s=", 401), ("?s=1", 401),
                         ("?s=" + 64 * "0", 401)):
        assert live.get("/dash/1/manifest.mpd" + path).status == status, path
    assert live.request("POST", "/dash/1/manifest.mpd").status == 405
    assert live.get(init).headers["cache-control"].endswith("immutable")


def test_head_starts_nothing(server):
    s = server(line_up(channel(1, media.film(), **LOOP), **SIZES))
    answer = s.request("HEAD", "/dash/1/manifest.mpd")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/dash+xml")
    assert s.tuners() == [] and s.viewers() == []
    answer = s.request("OPTIONS", "/dash/1/manifest.mpd")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, "*")


@pytest.mark.slow
def test_the_line_up_links_to_it(server):
    s = server(line_up(channel(1, media.film(), output_format="dash", **LOOP),
                       channel(2, media.film(), **LOOP)))
    links = [line.rsplit(str(s.port), 1)[1] for line in s.get("/playlist.m3u").text.splitlines()
             if line.startswith("http")]
    assert links == ["/dash/1/manifest.mpd", "/stream/2.ts"]
    assert s.get("/playlist.m3u?format=dash").text.count("/manifest.mpd") == 2


@pytest.mark.smoke
def test_tokens_begin_sessions_and_a_kick_ends_them(server):
    config = line_up(channel(1, media.film(), **LOOP), channel(2, media.film()), **SIZES, **AUTH)
    s = server(config, workers=2)
    refused = s.get("/dash/1/manifest.mpd")
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, "*")
    player = Player(s, query="?token=second-token")
    # a player that ignores Location is the same viewer
    ignores = {"User-Agent": "player", "X-Amps-Token": "second-token"}
    for _ in range(4):
        manifest = player.manifest()
        assert s.get("/dash/1/manifest.mpd", ignores).status == 200
    assert "second-token" not in manifest.text
    viewer, = s.viewers()
    assert (viewer["protocol"], viewer["user_agent"]) == ("dash", "player")
    # another channel's session
    assert s.get(player.path.replace("/1/", "/2/")).status == 401
    assert s.amps("kick", str(viewer["id"])).returncode == 0
    wait_for(lambda: s.viewers() == [], 5, "no viewer")
    assert {player.ask().status for _ in range(4)} == {401}
    assert s.get("/dash/1/manifest.mpd", ignores).status == 401
    # so does the end of its token
    other = Player(s, query="?token=second-token", agent="other")
    config["auth"]["tokens"] = []
    s.write_config(config)
    assert s.amps("reload").returncode == 0
    assert other.ask().status == 401


@pytest.mark.slow
def test_at_its_limit_a_token_changes_the_channel_and_back(server):
    s = server(line_up(channel(1, media.film(), **LOOP), channel(2, media.film(), **LOOP), **SIZES,
                       **AUTH))
    token = {"X-Amps-Token": "first-token"}
    assert s.get("/dash/1/manifest.mpd", {**token, "User-Agent": "phone"}).status == 200
    before = Player(s, headers=token, agent="phone")
    assert s.get("/dash/2/manifest.mpd", {**token, "User-Agent": "box"}).status == 429
    Player(s, number=2, headers=token, agent="phone")
    assert [v["stream_id"] for v in s.viewers()] == [2]
    assert before.ask().status == 401
    again = Player(s, headers=token, agent="phone")
    assert again.path != before.path and again.ask().status == 200
    assert [v["stream_id"] for v in s.viewers()] == [1]


@pytest.mark.slow
def test_a_film_that_ends_is_not_begun_again_by_its_viewer(server):
    s = server(line_up(channel(1, media.short_film()), **SIZES))
    player = Player(s)
    # one ignores Location
    ignores = {"User-Agent": "player"}
    wait_for(lambda: "mediaPresentationDuration" in
             s.get("/dash/1/manifest.mpd", ignores).text, 40, "the end")
    wait_for(lambda: "the source has come to its end channel=1 job=segment" in s.log(), 10,
             "the end of the job")
    for _ in range(3):
        assert "mediaPresentationDuration" in s.get("/dash/1/manifest.mpd", ignores).text
    manifest = player.manifest()
    last = manifest.periods[-1].pictures[0].segments[-1]
    assert abs(manifest.seconds("mediaPresentationDuration") -
               (last.start + last.ticks) / 90000) < 0.01
    assert player.get(last.url) and manifest.root.get("minimumUpdatePeriod") is None


@pytest.mark.slow
def test_variants_have_the_same_times(server, tmp_path):
    low = [{"name": "low", "ffmpeg_profile": "small"}]
    s = server(line_up(channel(1, media.film(), adaptive_bitrates=low, **LOOP),
                       ffmpeg_profiles={"small": SMALL}, **SIZES))
    player = Player(s)
    manifest = player.wait_manifest(lambda m: len(m.periods[0].pictures[0].segments) > 3)
    high, small = manifest.periods[0].pictures
    assert [r.attributes["height"] for r in (high, small)] == ["720", "90"]
    times = {x.number: (x.start, x.ticks) for x in high.segments}
    assert all(times[x.number] == (x.start, x.ticks) for x in small.segments)
    check_segments(tmp_path, player, (high, small), slice(-3, -1))
    alone = Player(s, query="?variant=low", agent="other")
    assert [r.attributes["height"] for r in alone.manifest().periods[0].pictures] == ["90"]
    assert "variant=low" in alone.path


@pytest.mark.slow
def test_a_killed_job_begins_a_period(server, tmp_path):
    s = server(line_up(channel(1, media.film(), **LOOP), **SIZES))
    player = Player(s)
    before = player.wait_manifest(lambda m: len(m.periods[0].pictures[0].segments) > 2)
    kill(s.tuner("1")["pid"])
    after = player.wait_manifest(lambda m: len(m.periods) > 1 and
                                 len(m.periods[1].pictures[0].segments) > 2)
    old, new = after.periods
    assert (old.name, old.start) == (before.periods[0].name, before.periods[0].start)
    assert new.name != old.name and new.pictures[0].name != old.pictures[0].name
    last, first = old.pictures[0].segments[-1], new.pictures[0].segments[0]
    assert last.number < first.number and last.start + last.ticks <= first.start
    assert abs(new.start * 90000 - first.start) < 90
    check_segments(tmp_path, player, tracks(after), slice(2))
