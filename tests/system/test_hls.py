"""HLS of a running channel: playlists, segments, sessions and their limits."""
import datetime
import gzip
import json
import os
import re
import stat
import subprocess

import pytest

import dash
import media
import ts
from harness import kill, wait_for
from hls import Player, parse_media
from lineup import LOOP, channel, line_up


def serving(server, *more, **kwargs):
    sections = kwargs.pop("sections", {})
    return server(line_up(channel(1, media.film(), **LOOP), *more, hls={"segment_seconds": 2},
                          **sections), **kwargs)


@pytest.mark.smoke
def test_a_copied_channel_plays(server):
    s = serving(server, workers=2)
    player = Player(s)
    assert "RESOLUTION=1280x720" in player.index and 'CODECS="avc1.64' in player.index
    playlist = player.wait_media(lambda p: len(p.segments) >= 4)
    assert playlist.target == 2 and not playlist.ended
    for segment in playlist.segments:
        assert round(segment.seconds) <= playlist.target
    checker = ts.Checker()
    for segment in playlist.segments:
        checker.feed(player.segment(segment))
    assert (checker.sync_errors, checker.cc_errors, checker.backwards) == (0, [], [])
    assert checker.first_video_is_random_access
    # what is listed does not change
    later = player.wait_media(lambda p: p.segments[-1].number > playlist.segments[-1].number)
    known = {x.number: x for x in playlist.segments}
    for segment in later.segments:
        if segment.number in known:
            assert segment == known[segment.number]


def test_ffmpeg_decodes_it_without_errors(server):
    s = serving(server)
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "warning", "-t", "5", "-i",
                           s.url("/hls/1/index.m3u8"), "-f", "null", "-"], capture_output=True,
                          text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.smoke
def test_a_session_is_one_viewer_on_all_workers(server):
    s = serving(server, workers=3)
    player = Player(s, agent="one")
    sent = 0
    for _ in range(4):
        for segment in player.media().segments[:2]:
            sent += len(player.segment(segment))
    viewers = s.viewers()
    assert [v["user_agent"] for v in viewers] == ["one"]
    assert (viewers[0]["protocol"], viewers[0]["stream_id"]) == ("hls", 1)
    wait_for(lambda: s.viewers()[0]["bytes"] == sent, 5, f"{sent} bytes")
    # a kicked one stays away, whichever worker it asks
    assert s.amps("kick", str(viewers[0]["id"])).returncode == 0
    wait_for(lambda: s.viewers() == [], 5, "no viewer")
    assert {player.ask().status for _ in range(6)} == {401}
    assert s.viewers() == []


def test_an_idle_session_ends_and_its_tuner_stops(server):
    s = serving(server, sections={"streaming": {"idle_timeout": 0.5}})
    player = Player(s)
    player.media()
    wait_for(lambda: s.viewers() == [], 20, "the session to end")
    wait_for(lambda: not s.pids("amps-transcoder") or s.tuner("1") is None, 20,
             "the tuner to stop")
    # a player that was paused goes on with the session it had
    assert player.media().segments
    assert len(s.viewers()) == 1


AUTH = {"auth": {"enabled": True, "token": "shared", "tokens": [
    {"name": "one", "token": "first-token", "max_viewers": 1},
    {"name": "two", "token": "second-token"}]}}


@pytest.mark.smoke
def test_tokens_begin_sessions_and_end_them(server):
    s = serving(server, sections=AUTH)
    assert s.get("/hls/1/index.m3u8").status == 401
    assert s.get("/hls/1.m3u8").status == 401
    player = Player(s, query="?token=second-token")
    assert "second-token" not in player.index
    playlist = player.media()
    assert "second-token" not in playlist.text and "s=" not in playlist.text
    player.segment(playlist.segments[0])
    config = line_up(channel(1, media.film(), **LOOP), hls={"segment_seconds": 2}, **AUTH)
    config["auth"]["tokens"] = config["auth"]["tokens"][:1]
    s.write_config(config)
    assert s.amps("reload").returncode == 0
    assert player.ask().status == 401
    answer = player.ask()
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_session_ends_with_its_token(server):
    def config(**limits):
        auth = {"enabled": True, "tokens": [{"name": "one", "token": "first-token", **limits}]}
        return line_up(channel(1, media.film(), **LOOP), hls={"segment_seconds": 2}, auth=auth)
    s = server(config())
    player = Player(s, query="?token=first-token")
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
    s.write_config(config(expires=end.isoformat(timespec="seconds").replace("+00:00", "Z")))
    assert s.amps("reload").returncode == 0

    def refused():
        return player.ask().status == 401
    wait_for(refused, 20, "the refusal")
    assert datetime.datetime.now(datetime.timezone.utc) >= end.replace(microsecond=0)


@pytest.mark.smoke
def test_at_its_limit_a_token_changes_the_channel(server):
    s = serving(server, channel(2, media.film(), **LOOP), sections=AUTH, workers=2)
    token = {"X-Amps-Token": "first-token"}
    first = Player(s, headers=token, agent="box")
    # another device is a second viewer
    assert s.get("/hls/2/index.m3u8", {**token, "User-Agent": "phone"}).status == 429
    # the same one zaps
    second = Player(s, number=2, headers=token, agent="box")
    wait_for(lambda: [v["stream_id"] for v in s.viewers()] == [2], 5, "one viewer")
    wait_for(lambda: first.ask().status == 401, 5, "the first session to be over")
    assert second.media().segments
    # also to another form
    dash.Player(s, headers=token, agent="box")
    wait_for(lambda: [(v["stream_id"], v["protocol"]) for v in s.viewers()] == [(1, "dash")], 5, "one viewer")
    wait_for(lambda: second.ask().status == 401, 5, "the second session to be over")


def test_a_session_outlives_a_worker(server):
    s = serving(server, workers=2)
    player = Player(s)
    player.media()
    for pid in s.pids("amps-worker"):
        os.kill(pid, 9)
    wait_for(s.is_ready, 10, "new workers")
    assert player.wait_media(lambda p: p.segments).segments
    wait_for(lambda: len(s.viewers()) == 1, 5, "the session")


def test_urls_outlive_a_restart(server):
    s = serving(server)
    player = Player(s)
    player.wait_media(lambda p: len(p.segments) >= 3)
    kill(s.tuner("1")["pid"])
    before = player.wait_media(lambda p: any(x.discontinuity for x in p.segments[:-1]), 30)
    reached = before.discontinuities + sum(x.discontinuity for x in before.segments)
    s.restart()
    key = os.stat(os.path.join(s.state, "media.key"))
    assert stat.S_IMODE(key.st_mode) == 0o600
    # the session goes on, and so do the numbers
    after = player.wait_media(lambda p: p.segments, timeout=30)
    assert after.number > before.segments[-1].number
    assert after.discontinuities >= reached
    # hls.js iterates over an array with so many elements
    assert after.discontinuities < 100_000


@pytest.mark.smoke
def test_playlists_and_segments_for_caches(server):
    s = serving(server)
    player = Player(s)
    playlist = player.wait_media(lambda p: len(p.segments) >= 4)
    url = playlist.segments[0].url
    first = s.get(url)
    assert first.headers["cache-control"].endswith("immutable")
    assert s.get(url, {"If-None-Match": first.headers["etag"]}).status == 304
    part = s.get(url, {"Range": "bytes=188-375"})
    assert (part.status, part.body) == (206, first.body[188:376])
    head = s.request("HEAD", url)
    assert (head.status, int(head.headers["content-length"])) == (200, len(first.body))
    # another viewer gets the same addresses
    assert Player(s, agent="other").media().segments[0].url == url
    packed = s.get(player.variants[0], {"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body).startswith(b"#EXTM3U\n")
    assert packed.headers["cache-control"] == "no-cache"


@pytest.mark.smoke
def test_head_starts_nothing(server):
    s = serving(server)
    for path in "/hls/1/index.m3u8", "/hls/1.m3u8":
        answer = s.request("HEAD", path)
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert s.tuners() == [] and s.viewers() == []


def test_the_single_playlist_for_old_boxes(server):
    s = serving(server)
    agent = {"User-Agent": "box"}
    for _ in range(3):
        answer = s.get("/hls/1.m3u8", agent)
        playlist = parse_media(answer.text, "/hls/1.m3u8")
        assert s.get(playlist.segments[-1].url, agent).status == 200
    assert len(s.viewers()) == 1


@pytest.mark.smoke
def test_the_line_up_links_to_it(server):
    s = server(line_up(channel(1, media.film(), output_format="hls", **LOOP),
                       channel(2, media.film(), output_format="ll-hls", **LOOP),
                       channel(3, media.film(), **LOOP)))
    links = [line.rsplit(str(s.port), 1)[1] for line in s.get("/playlist.m3u").text.splitlines()
             if line.startswith("http")]
    assert links == ["/hls/1/index.m3u8", "/hls/2/index.m3u8", "/stream/3.ts"]
    assert s.get("/playlist.m3u?format=ts").text.count("/stream/") == 3
    assert s.get("/playlist.m3u?format=hls").text.count("/index.m3u8") == 3
    assert s.get("/playlist.m3u?format=vhs").status == 400


def test_a_failure_names_its_reason(server, tmp_path):
    s = server(line_up(channel(1, str(tmp_path / "missing.ts"))))
    for path in "/hls/1/index.m3u8", "/hls/1.m3u8":
        answer = s.get(path)
        assert answer.status == 502 and "error" in answer.json
        assert answer.headers["access-control-allow-origin"] == "*"


WRONG = ["/hls", "/hls/", "/hls/1", "/hls/1/", "/hls/9.m3u8", "/hls/1/x", "/hls/1/0/1.ts",
         "/hls/1/~/0/1.ts", "/hls/1/~x/0/1.ts", "/hls/1/~x/0/", "/hls/01/index.m3u8/",
         "/hls/-1/index.m3u8", "/hls/1e0/index.m3u8", "/hls/4294967297/index.m3u8",
         "/hls/%31%2e/index.m3u8", "/hls/1/index.m3u", "/hls/1/Index.m3u8",
         "/hls/1/media.m3u8", "/hls/1/media.m3u8?s=", "/hls/1/media.m3u8?s=%00",
         "/hls/1/index.m3u8?variant=%ff", "/hls/1/index.m3u8?variant=../x",
         "/hls/1/index.m3u8?variant=" + "x" * 200]
UP = ["..", "%2e%2e", "%2E.", ".%2e", "..%2f..", "..%5c..", "%252e%252e", "..%252f", "%c0%ae%c0%ae",
      "....//", "..;", ".%00.", "%2e%2e%2f%2e%2e%2f", "..\\..", "~..", "%ef%bc%8e%ef%bc%8e"]
DEEP = [f"/hls/{at}" for up in UP for at in (
    f"{up}/etc/passwd", f"1/{up}/{up}/1.ts", f"1/~x/{up}/1.ts", f"1/~x/0/{up}.ts")]


@pytest.mark.smoke
def test_wrong_addresses_are_refused_at_once(server):
    s = serving(server)
    for path in WRONG + DEEP:
        answer = s.raw(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        status = int(answer.split()[1])
        assert 400 <= status < 500 and b"root:" not in answer, (path, answer[:200])
    assert s.tuners() == [] and s.viewers() == []


def test_signatures_of_other_channels_are_refused(server):
    s = serving(server, channel(2, media.film(), **LOOP))
    one, two = Player(s), Player(s, number=2)
    url = one.media().segments[0].url
    other = two.media().segments[0].url
    signature, foreign = url.split("~")[1].split("/")[0], other.split("~")[1].split("/")[0]
    assert s.get(url).status == 200
    assert s.get(url.replace(signature, foreign)).status == 403
    assert s.get(url.replace(signature, signature[::-1])).status == 403
    session = one.variants[0].split("s=")[1]
    assert s.get(f"/hls/2/media.m3u8?s={session}").status == 401


@pytest.mark.once
def test_the_access_log_hides_sessions_and_signatures(server, tmp_path):
    log = tmp_path / "access.log"
    s = serving(server, sections={"server": {"access_log": str(log)}})
    player = Player(s)
    playlist = player.media()
    player.segment(playlist.segments[0])
    session, signature = player.variants[0].split("s=")[1], playlist.segments[0].url.split("~")[1]

    def written():
        return log.exists() and ".ts" in log.read_text()
    wait_for(written, 10, "the log")
    text = log.read_text()
    assert session not in text and signature.split("/")[0] not in text
    assert "/hls/1/~***/0/" in text and "s=***" in text
    player = dash.Player(s)
    url = player.wait_manifest(lambda m: m.periods[-1].pictures[0].segments).periods[-1].pictures[0].segments[0].url
    assert s.get(url).status == 200
    wait_for(lambda: "/dash/1/~***/" in log.read_text(), 10, "the address of the segment")
    session, signature = player.path.split("s=")[1], url.split("~")[1].split("/")[0]
    assert session not in log.read_text() and signature not in log.read_text()


def test_variants_are_listed_and_play(server):
    variants = [{"name": "low / räum & <x>", "ffmpeg_profile": "small"}]
    s = server(line_up(channel(1, media.film(), adaptive_bitrates=variants, **LOOP),
                       hls={"segment_seconds": 2}))
    player = Player(s)
    assert player.index.count("#EXT-X-STREAM-INF") == 2
    # what its profile says
    assert 'CODECS="avc1.42c01e,mp4a.40.2",RESOLUTION=160x90' in player.index
    high, low = player.media(0), player.media(1)
    assert low.segments
    low = player.wait_media(lambda p: len(p.segments) >= 3, variant=1)
    high = player.wait_media(lambda p: len(p.segments) >= 3, variant=0)
    both = {x.number for x in low.segments} & {x.number for x in high.segments}
    assert both, "no number is in both"
    for number in both:
        a, b = (next(x for x in p.segments if x.number == number) for p in (high, low))
        assert abs(a.seconds - b.seconds) < 0.05 and a.date[:19] == b.date[:19]
    # what it is
    measured = [line for line in Player(s, agent="next").index.splitlines() if "160x90" in line]
    assert re.search(r'CODECS="avc1.42c0..,mp4a.40.2",RESOLUTION=160x90,FRAME-RATE=', measured[0])
    assert "AVERAGE-BANDWIDTH" in measured[0]
    data = player.segment(low.segments[-1])
    done = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of",
                           "json", "-"], input=data, capture_output=True, check=True)
    assert json.loads(done.stdout)["streams"][0]["width"] == 160
    assert "INDEPENDENT" not in high.text, "a source may have any distance of key frames"
    # that variant alone
    assert Player(s, query="?variant=low%20/%20r%C3%A4um%20%26%20%3Cx%3E").index.count(
        "#EXT-X-STREAM-INF") == 1


def test_segments_of_an_encoder_are_independent(server):
    steady = {"vcodec": "libx264", "preset": "ultrafast", "s": "160x90", "acodec": "aac"}
    s = server(line_up(channel(1, media.film(), profile="steady", **LOOP),
                       ffmpeg_profiles={"steady": steady}))
    player = Player(s)
    assert "#EXT-X-INDEPENDENT-SEGMENTS" in player.index
    playlist = player.wait_media(lambda p: len(p.segments) >= 3)
    assert "#EXT-X-INDEPENDENT-SEGMENTS" in playlist.text
    checker = ts.Checker()
    checker.feed(player.segment(playlist.segments[-1]))
    assert checker.first_video_is_random_access


def test_of_two_programmes_the_first_is_served(server):
    s = server(line_up(channel(1, media.two_programmes(), **LOOP), hls={"segment_seconds": 2}))
    player = Player(s)
    data = player.segment(player.wait_media(lambda p: p.segments).segments[0])
    done = subprocess.run(["ffprobe", "-v", "error", "-show_programs", "-of", "json", "-"],
                          input=data, capture_output=True, check=True)
    assert [p["program_num"] for p in json.loads(done.stdout)["programs"]] == [11]
    checker = ts.Checker()
    checker.feed(data)
    assert (checker.sync_errors, checker.cc_errors) == (0, [])


@pytest.mark.slow
def test_a_variant_with_a_source_of_its_own_plays_alone(server):
    own = [{"name": "a b", "source": media.other_film(), "ffmpeg_profile": "copy", **LOOP}]
    s = server(line_up(channel(1, media.film(), output_format="hls", adaptive_bitrates=own, **LOOP),
                       hls={"segment_seconds": 2}))
    text = s.get("/playlist.m3u").text
    links = [line.rsplit(str(s.port), 1)[1] for line in text.splitlines() if line.startswith("http")]
    assert links == ["/hls/1/index.m3u8", "/hls/1/index.m3u8?variant=a%20b"]
    # it is not cut where the channel is
    assert "variant=" not in Player(s).index
    player = Player(s, query="?variant=a%20b")
    assert player.index.count("#EXT-X-STREAM-INF") == 1 and "RESOLUTION=480x270" in player.index
    player.segment(player.wait_media(lambda p: p.segments).segments[0])
