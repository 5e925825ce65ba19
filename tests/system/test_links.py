"""Signed links: one channel, until a time, without a token, in every form."""
import html
import os
import re
import stat
import time
import urllib.parse

import pytest

import media
from harness import serving, wait_for
from hls import Player
from lineup import LOOP, channel, line_up
from rtsp import Rtsp
from test_api import ask, good, refused

ADMIN, SHARED, BOX = "the-token-of-the-admin", "the-shared-token", "the-token-of-the-box"

pytestmark = pytest.mark.slow


def path_of(url):
    parts = urllib.parse.urlsplit(url)
    return f"{parts.path}?{parts.query}"


def link(s, number=1, **more):
    return good(ask(s, "POST", "/api/links", {"channel": number, **more}, token=ADMIN), 201)


def query(s, number=1, **more):
    return urllib.parse.urlsplit(link(s, number, **more)["url"]).query


@pytest.fixture(scope="module")
def s():
    tokens = [{"name": "box", "token": BOX, "groups": ["News"], "max_viewers": 1}]
    with serving(line_up(channel(1, media.film(), group="News", **LOOP),
                         channel(2, media.film(), group="Sports", **LOOP),
                         channel(3, media.film(), regions_allowed=["DE"], **LOOP),
                         server={"rtsp_port": "auto", "trusted_proxies": ["127.0.0.1"]},
                         auth={"enabled": True, "token": SHARED, "admin_token": ADMIN, "tokens": tokens}),
                 workers=2) as server:
        yield server


def opens(s, path):
    with s.stream(path) as stream:
        return stream.head().status


@pytest.mark.smoke
def test_a_link_opens_each_form_of_its_channel_and_nothing_else(s):
    q = query(s)
    for path in "/stream/1.ts", "/stream/1", "/stream/1?format=mp4&", "/audio/1":
        assert opens(s, path + ("" if "?" in path else "?") + q) == 200, path
    player = Player(s, query="?" + q)
    assert player.media().segments
    assert s.get(f"/hls/1.m3u8?{q}").status == 200
    mpd = s.get(f"/dash/1/manifest.mpd?{q}")
    assert mpd.status == 200
    location = re.search("<Location>(.*)</Location>", mpd.text)[1].replace("&amp;", "&")
    assert s.get("/dash/1/" + location).status == 200
    with Rtsp(s, f"/1?{q}") as r:
        assert r.play().status == 200
    for path in "/stream/2.ts", "/playlist.m3u", "/api/streams", "/epg.xml":
        assert s.get(f"{path}?{q}").status == 401, path
    refused(ask(s, "POST", f"/api/streams?{q}", {"name": "x"}), 401)


def test_a_link_that_was_changed_opens_nothing(s):
    q = query(s, ip="127.0.0.1", region="DE")
    assert opens(s, "/stream/1.ts?" + q) == 200
    fields = dict(urllib.parse.parse_qsl(q))
    for name, value in [("exp", str(int(fields["exp"]) + 1)), ("ip", "127.0.0.2"), ("region", "US"),
                        ("sig", "0" * 32), ("sig", fields["sig"][:-1]), ("by", "0" * 16)]:
        changed = urllib.parse.urlencode({**fields, name: value})
        assert s.get("/stream/1.ts?" + changed).status == 401, name
    for name in fields:
        left = urllib.parse.urlencode({k: v for k, v in fields.items() if k != name})
        assert s.get("/stream/1.ts?" + left).status == 401, name


def test_a_link_is_for_its_address_and_region(s):
    assert s.get("/stream/1.ts?" + query(s, ip="192.0.2.1")).status == 401
    assert s.get("/stream/3.ts?" + query(s, 3)).status == 403
    q = query(s, 3, region="DE")
    assert opens(s, "/stream/3.ts?" + q) == 200
    assert Player(s, number=3, query="?" + q).media().segments


def test_a_session_of_a_link_for_one_address_stays_there(s):
    there, elsewhere = ({"X-Forwarded-For": f"192.0.2.{n}"} for n in (1, 2))
    q = query(s, ip="192.0.2.1")
    manifest = s.get(f"/dash/1/manifest.mpd?{q}", there, timeout=40).text
    location = html.unescape(re.search(r"<Location>([^<]*)", manifest)[1])
    for path in ("/dash/1/" + location, Player(s, query="?" + q, headers=there).lists[0]):
        assert s.get(path, there, timeout=40).status == 200
        assert s.get(path, elsewhere).status == 401


def test_a_viewer_ends_when_its_link_expires(s):
    q = query(s, ttl=12)
    with s.stream("/stream/1.ts?" + q) as stream:
        assert stream.head().status == 200
        player = Player(s, query="?" + q)
        end = int(dict(urllib.parse.parse_qsl(q))["exp"])
        stream.read_all()
        assert end <= time.time() < end + 1.5
    assert player.ask().status == 401
    assert s.get("/stream/1.ts?" + q).status == 401


def entries(s, token, more=""):
    text = s.get("/playlist.m3u?links=24h" + more, {"X-Amps-Token": token}).text
    return text, [line for line in text.splitlines() if line.startswith(("http", "rtsp"))]


def test_a_playlist_of_links_has_no_token(s):
    for token in ADMIN, SHARED, BOX:
        text, lines = entries(s, token)
        assert "token=" not in text and token not in text and lines
        assert opens(s, path_of(lines[0])) == 200
        wait_for(lambda: not s.viewers(), 10, "its end")
    _, lines = entries(s, SHARED, "&region=DE")
    assert len(lines) == 3 and opens(s, path_of(lines[2])) == 200
    refused(ask(s, "GET", "/playlist.m3u?links=soon", token=SHARED), 400, "24h")


def test_links_that_a_viewer_made_end_with_the_shared_token(server):
    def config(token):
        return line_up(channel(1, media.film(), **LOOP),
                       auth={"enabled": True, "token": token, "admin_token": ADMIN})
    s = server(config(SHARED))
    _, lines = entries(s, SHARED)
    path = path_of(lines[0])
    assert opens(s, path) == 200
    s.write_config(config("another-shared-token"))
    assert s.amps("reload").returncode == 0
    assert s.get(path).status == 401


def test_the_links_of_a_viewer_count_as_its_viewers(s):
    wait_for(lambda: not s.viewers(), 30, "the end of others")
    _, lines = entries(s, BOX)
    assert len(lines) == 1 and "&by=" in lines[0]
    with s.stream(path_of(lines[0])) as stream:
        assert stream.head().status == 200
        assert s.refused(path_of(lines[0])).status == 429
        assert s.refused(f"/stream/1.ts?token={BOX}").status == 429


@pytest.mark.parametrize("body, word", [
    ({}, "channel"), ({"channel": "x"}, "channel"), ({"channel": 1, "ttl": "soon"}, "ttl"),
    ({"channel": 1, "ttl": 0}, "ttl"), ({"channel": 1, "ttl": "400d"}, "ttl"),
    ({"channel": 1, "ip": "me"}, "ip"), ({"channel": 1, "region": "DEU"}, "region"), ([], "object")])
def test_a_wrong_link_is_refused_with_the_reason(s, body, word):
    refused(ask(s, "POST", "/api/links", body, token=ADMIN), 400, word)


def test_only_an_administrator_makes_links(s):
    refused(ask(s, "POST", "/api/links", {"channel": 1}, token=SHARED), 403)
    refused(ask(s, "POST", "/api/links", {"channel": 77}, token=ADMIN), 404)


def test_the_command_prints_a_link_that_outlives_a_restart(server):
    s = server(line_up(channel(1, media.film(), **LOOP), auth={"enabled": True, "token": SHARED}))
    done = s.amps("link", "--channel", "1", "--ttl", "1h")
    assert done.returncode == 0, done.stderr
    s.restart()
    assert opens(s, path_of(done.stdout.strip())) == 200
    assert stat.S_IMODE(os.stat(os.path.join(s.state, "link.key")).st_mode) == 0o600
    key = open(os.path.join(s.state, "link.key")).read().strip()
    assert key not in s.log()
    assert not re.search(r"sig=(?!\*\*\*)", s.log())
    assert s.amps("link").returncode == 2
    assert s.amps("link", "--channel", "77").returncode == 1
