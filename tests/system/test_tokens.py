"""Tokens: made, listed and revoked while the server runs; what they allow, and for how long."""
import datetime
import hashlib
import json
import pathlib
import re
import socket
import sqlite3
import time

import pytest

import media
from harness import kill, serving, wait_for
from hls import Player
from lineup import LOOP, channel, line_up
from rtsp import Rtsp
from test_api import ask, good, refused
from ws import WebSocket

ADMIN, SHARED = "the-token-of-the-admin", "the-shared-token"
HASHED = "the-token-that-is-hashed"

pytestmark = pytest.mark.slow


def auth(**more):
    return {"enabled": True, "token": SHARED, "admin_token": ADMIN, **more}


def sha256(token):
    return hashlib.sha256(token.encode()).hexdigest()


def make(s, name, **more):
    return good(ask(s, "POST", "/api/tokens", {"name": name, **more}, token=ADMIN), 201)


@pytest.fixture(scope="module")
def s():
    tokens = [{"name": "box", "token": "the-token-of-the-box", "groups": ["News"]},
              {"name": "hashed", "token_sha256": sha256(HASHED).upper()}]
    with serving(line_up(channel(1, media.film(), group="News", **LOOP),
                         channel(2, media.film(), group="Sports", **LOOP),
                         auth=auth(tokens=tokens)), workers=2) as server:
        yield server


@pytest.mark.smoke
def test_a_token_is_made_listed_used_and_revoked(s):
    made = make(s, "kitchen", groups=["News"], max_viewers=2, expires="2099-01-01T00:00:00Z")
    token = made.pop("token")
    assert len(token) == 40 and "token_sha256" not in made and made.pop("created")
    assert made == {"name": "kitchen", "role": "viewer", "groups": ["News"], "max_viewers": 2,
                    "expires": "2099-01-01T00:00:00Z"}
    listed = good(ask(s, "GET", "/api/tokens", token=ADMIN))
    assert [t["name"] for t in listed] == ["box", "hashed", "kitchen"]
    assert listed[2] == {**made, "made": True, "viewers": 0}
    text = s.get("/playlist.m3u", {"X-Amps-Token": token}).text
    assert "Channel 1" in text and "Channel 2" not in text and f"token={token}" in text
    with s.stream(f"/stream/1.ts?token={token}") as stream:
        assert stream.head().status == 200
        wait_for(lambda: good(ask(s, "GET", "/api/tokens", token=ADMIN))[2]["viewers"] == 1, 5,
                 "its viewer")
    refused(ask(s, "GET", "/stream/2.ts", token=token), 403, "group")
    refused(ask(s, "GET", "/api/status", token=token), 403)
    assert good(ask(s, "DELETE", "/api/tokens/kitchen", token=ADMIN)) == {"revoked": "kitchen"}
    assert s.get("/playlist.m3u", {"X-Amps-Token": token}).status == 401
    refused(ask(s, "DELETE", "/api/tokens/kitchen", token=ADMIN), 404)


def test_an_admin_token_administers_but_sets_no_command(s):
    token = make(s, "chief", role="admin")["token"]
    good(ask(s, "GET", "/api/status", token=token))
    refused(ask(s, "PUT", "/api/streams/1", {"custom_ffmpeg": "cat /x"}, token=token), 403)
    text = s.get("/playlist.m3u", {"X-Amps-Token": token}).text
    assert token not in text and f"token={SHARED}" in text
    good(ask(s, "DELETE", "/api/tokens/chief", token=token))


def test_of_a_token_sha256_the_client_has_the_token(s):
    assert f"token={HASHED}" in s.get("/playlist.m3u", {"X-Amps-Token": HASHED}).text
    assert s.get("/playlist.m3u", {"X-Amps-Token": sha256(HASHED)}).status == 401


@pytest.mark.parametrize("body, word", [
    ({}, "name"), ({"name": ""}, "name"), ({"name": "a/b"}, "slash"), ({"name": "x" * 64}, "name"),
    ({"name": "x", "role": "king"}, "role"), ({"name": "x", "token": "mine"}, "token"),
    ({"name": "x", "expires": "soon"}, "expires"), ({"name": "x", "max_viewers": -1}, "max_viewers"),
    ([], "object")])
def test_a_wrong_token_is_refused_with_the_reason(s, body, word):
    refused(ask(s, "POST", "/api/tokens", body, token=ADMIN), 400, word)


def test_a_name_is_given_once(s):
    make(s, "twice")
    refused(ask(s, "POST", "/api/tokens", {"name": "twice"}, token=ADMIN), 409)
    refused(ask(s, "POST", "/api/tokens", {"name": "box"}, token=ADMIN), 409, "file")
    refused(ask(s, "DELETE", "/api/tokens/box", token=ADMIN), 409, "file")
    good(ask(s, "DELETE", "/api/tokens/twice", token=ADMIN))


def test_only_an_administrator_manages_tokens(s):
    for method, path, body in (("GET", "/api/tokens", None), ("POST", "/api/tokens", {"name": "x"}),
                               ("DELETE", "/api/tokens/box", None)):
        refused(ask(s, method, path, body, token=SHARED), 403)
        assert ask(s, method, path, body).status == 401


def test_the_command_makes_lists_and_revokes(s):
    done = s.amps("tokens", "create", "den", "--groups", "News,Sports", "--max-viewers", "1")
    token = done.stdout.strip()
    assert done.returncode == 0 and len(token) == 40
    listed = s.amps("tokens")
    assert "den" in listed.stdout and "News,Sports" in listed.stdout and token not in listed.stdout
    assert s.get("/playlist.m3u", {"X-Amps-Token": token}).status == 200
    exported = json.loads(s.amps("config", "export", "--json").stdout)["auth"]["tokens"]
    assert {"name": "den", "token_sha256": sha256(token), "role": "viewer", "max_viewers": 1,
            "groups": ["News", "Sports"], "expires": None} in exported
    again = s.amps("tokens", "create", "den")
    assert again.returncode == 1 and "there is a token of this name" in again.stderr
    assert s.amps("tokens", "revoke", "den").returncode == 0
    assert s.get("/playlist.m3u", {"X-Amps-Token": token}).status == 401
    for wrong in ("create",), ("tokens", "drop", "x"), ("create", "x", "--max-viewers", "many"):
        assert s.amps("tokens", *wrong).returncode == 2


def test_a_made_token_outlives_the_server_and_only_as_its_sha256(server):
    s = server(line_up(channel(1, media.film(), **LOOP), auth=auth()))
    token = make(s, "kept")["token"]
    s.restart()
    assert s.get("/playlist.m3u", {"X-Amps-Token": token}).status == 200
    assert token not in s.log()
    s.stop()
    for file in pathlib.Path(s.state).glob("amps.db*"):
        assert token.encode() not in file.read_bytes(), file
    with sqlite3.connect(f"file:{s.state}/amps.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT name, definition FROM token").fetchall()
    assert [name for name, _ in rows] == ["kept"]
    assert json.loads(rows[0][1])["token_sha256"] == sha256(token)


# -- limits

THREE = "token-of-the-three"


@pytest.fixture
def limited(server):
    """A server on which one viewer with another token keeps the channel running."""
    tokens = [{"name": "three", "token": THREE, "max_viewers": 3}]
    s = server(line_up(channel(1, media.film(), **LOOP), streaming={"idle_timeout": 60},
                       auth=auth(tokens=tokens)), workers=2)
    with s.stream(f"/stream/1.ts?token={SHARED}") as warm:
        assert warm.head().status == 200
        yield s


def join_together(s, joins, left=1):
    """The statuses of requests that come at once; then all of them leave, and so many viewers are left."""
    sockets = [socket.create_connection(("127.0.0.1", s.port), timeout=20) for _ in range(joins)]
    for sock in sockets:
        sock.sendall(f"GET /stream/1.ts?token={THREE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    found = [int(sock.recv(4096).split()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    wait_for(lambda: len(s.viewers()) == left, 10, "the end of the round")
    return found


def check_rounds(s, rounds):
    for _ in range(rounds):
        found = join_together(s, 50)
        assert found.count(200) == 3 and found.count(429) == 47, found


@pytest.mark.smoke
def test_of_viewers_that_come_at_once_exactly_as_many_begin_as_the_token_may_have(limited):
    check_rounds(limited, 5)


@pytest.mark.soak
@pytest.mark.limit(600)
def test_50_joins_at_once_200_times(limited):
    check_rounds(limited, 200)


def test_a_limit_that_is_set_later_counts_the_viewers_before_it(server):
    def config(**box):
        return line_up(channel(1, media.film(), **LOOP),
                       auth=auth(tokens=[{"name": "box", "token": THREE, **box}]))
    s = server(config(), workers=2)
    streams = open_all(s, ["/stream/1.ts"] * 2, THREE)
    s.write_config(config(max_viewers=3))
    assert s.amps("reload").returncode == 0
    assert join_together(s, 20, left=2).count(200) == 1
    streams.pop().close()
    wait_for(lambda: len(s.viewers()) == 1, 10, "the end of one before the limit")
    assert join_together(s, 20).count(200) == 2
    streams.pop().close()


def wrong(s, token="a-wrong-token"):
    return s.get("/playlist.m3u", {"X-Amps-Token": token})


def test_only_wrong_tokens_of_an_address_are_refused_after_twenty(server):
    s = server(line_up(channel(1, media.film()), auth=auth()), workers=2)
    found = [wrong(s).status for _ in range(30)]
    assert found == [401] * 20 + [429] * 10
    answer = wrong(s)
    assert answer.headers["retry-after"] == "60" and "this address" in answer.json["error"]
    assert s.get("/playlist.m3u", {"X-Amps-Token": SHARED}).status == 200
    assert s.get("/playlist.m3u").status == 401
    lines = [line for line in s.log().splitlines() if "wrong tokens" in line]
    assert len(lines) == 1 and "address=127.0.0.1" in lines[0] and "a-wrong-token" not in s.log()


def test_sessions_count_with_streams(limited):
    players = [Player(limited, query=f"?token={THREE}", agent=f"box-{i}") for i in range(2)]
    with limited.stream(f"/stream/1.ts?token={THREE}") as third:
        assert third.head().status == 200
        for path in "/hls/1/index.m3u8", "/hls/1.m3u8", "/dash/1/manifest.mpd":
            answer = limited.get(f"{path}?token={THREE}", {"User-Agent": "another"})
            assert answer.status == 429 and answer.headers["retry-after"], path
        assert limited.refused(f"/stream/1.ts?token={THREE}").status == 429
        # a player that starts again takes its own place
        Player(limited, query=f"?token={THREE}", agent="box-0")
        wait_for(lambda: len(limited.viewers()) == 4, 5, "the end of its first session")
    wait_for(lambda: len(limited.viewers()) == 3, 5, "the end of the stream")
    assert limited.get(f"/hls/1.m3u8?token={THREE}", {"User-Agent": "another"}).status == 200
    assert players[1].media().segments


def test_the_places_of_a_worker_that_has_died_are_free(limited):
    streams = [limited.stream(f"/stream/1.ts?token={THREE}") for _ in range(3)]
    for stream in streams:
        assert stream.head().status == 200
    assert limited.refused(f"/stream/1.ts?token={THREE}").status == 429
    for pid in limited.pids("amps-worker"):
        kill(pid)
    wait_for(lambda: limited.is_ready() and not limited.viewers(), 10, "new workers")
    streams += [limited.stream(f"/stream/1.ts?token={THREE}") for _ in range(3)]
    for stream in streams[3:]:
        assert stream.head().status == 200
    for stream in streams:
        stream.close()


# -- the end of rights

def wait_end(s, left, seconds=1.5):
    """Viewers end within a second and what a look takes."""
    begin = time.monotonic()
    wait_for(lambda: len(s.viewers()) == left, 5, "the end of viewers")
    assert time.monotonic() - begin < seconds


def open_all(s, paths, token):
    streams = [s.stream(path + ("&" if "?" in path else "?") + f"token={token}") for path in paths]
    for stream in streams:
        assert stream.head().status == 200
    return streams


@pytest.mark.timing
@pytest.mark.waits
def test_the_viewers_of_a_token_end_with_it_in_every_form(server):
    s = server(line_up(channel(1, media.film(), **LOOP), server={"rtsp_port": "auto"}, auth=auth()),
               workers=2)
    token, kept = make(s, "gone")["token"], make(s, "kept")["token"]
    streams = open_all(s, ["/stream/1.ts", "/stream/1?format=mp4", "/audio/1", "/stream/1.ts?overlap=1"],
                       token)
    other = open_all(s, ["/stream/1.ts"], kept)[0]
    player = Player(s, query=f"?token={token}")
    location = re.search("<Location>(.*)</Location>",
                         s.get(f"/dash/1/manifest.mpd?token={token}").text)[1]
    with Rtsp(s, f"/1?token={token}") as over_tcp, Rtsp(s, f"/1?token={token}", tcp=False) as over_udp, \
            WebSocket(s, f"/ws/1?token={token}") as socket_viewer:
        assert over_tcp.play().status == 200 and over_udp.play().status == 200
        assert socket_viewer.read_some()
        wait_for(lambda: len(s.viewers()) == 10, 10, "all viewers")
        good(ask(s, "DELETE", "/api/tokens/gone", token=ADMIN))
        wait_end(s, 1)
        for stream in streams:
            stream.read_all()
            stream.close()
        while socket_viewer.read_some():
            pass
        assert player.ask().status == 401
        assert s.get("/dash/1/" + location.replace("&amp;", "&")).status == 401
    assert other.read(188)
    other.close()


@pytest.mark.timing
@pytest.mark.waits
def test_a_viewer_ends_when_its_token_no_longer_has_the_group_or_expires(server):
    def config(**box):
        tokens = [{"name": "box", "token": "token-of-the-box", **box},
                  {"name": "den", "token": "token-of-the-den", "groups": ["News"]}]
        return line_up(channel(1, media.film(), group="News", **LOOP), auth=auth(tokens=tokens))

    def after(seconds):
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        return end.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    s = server(config(expires=after(4)), workers=2)
    den = open_all(s, ["/stream/1.ts"], "token-of-the-den")
    box = open_all(s, ["/stream/1.ts"], "token-of-the-box")
    # an expiry that is extended ends nothing
    s.write_config(config(expires=after(6)))
    assert s.amps("reload").returncode == 0
    extended = time.monotonic()
    assert len(s.viewers()) == 2
    wait_for(lambda: len(s.viewers()) == 1, 10, "the end of the token")
    assert 4.5 < time.monotonic() - extended < 7.5
    box += open_all(s, ["/stream/1.ts"], "token-of-the-den")
    s.write_config(config(groups=["Sports"]))
    assert s.amps("reload").returncode == 0
    assert len(s.viewers()) == 2
    again = open_all(s, ["/stream/1.ts"], SHARED)
    box += again
    text = config()
    text["auth"]["tokens"][1]["groups"] = ["Sports"]
    s.write_config(text)
    assert s.amps("reload").returncode == 0
    wait_end(s, 1)
    for stream in den + box:
        stream.close()


@pytest.mark.timing
@pytest.mark.waits
def test_a_viewer_ends_when_its_region_is_no_longer_allowed(server):
    def config(**regions):
        return line_up(channel(1, media.film(), **LOOP, **regions))
    s = server(config(regions_allowed=["US", "CA"]), workers=2)
    streams = [s.stream("/stream/1.ts?region=" + region) for region in ("US", "CA")]
    for stream in streams:
        assert stream.head().status == 200
    player = Player(s, query="?region=US")
    s.write_config(config(regions_allowed=["CA"]))
    assert s.amps("reload").returncode == 0
    wait_end(s, 1)
    assert player.ask().status in (401, 403)
    streams[0].read_all()
    assert streams[1].read(188)
    for stream in streams:
        stream.close()


# -- secrets

def test_the_start_warns_of_tokens_that_every_user_can_read_and_shows_none(server):
    secrets = ["the-shared-secret", "the-admins-secret", "the-boxs-secret", "the-hooks-secret",
               "the-wrong-secret"]
    config = line_up(channel(1, media.film(), **LOOP),
                     hooks={"viewer_started": f"http://127.0.0.1:1/?key={secrets[3]}"},
                     auth=auth(token=secrets[0], admin_token=secrets[1],
                               tokens=[{"name": "box", "token": secrets[2]}]))
    s = server(config, workers=2)
    warning = "every user of this machine can read the file"
    assert warning not in s.log()
    s.stop()
    pathlib.Path(s.config_path).chmod(0o644)
    s.start()
    assert warning in s.log()
    shown = [s.amps("check", "--config", s.config_path).stdout]
    assert warning in shown[0]
    with s.stream(f"/stream/1.ts?token={secrets[2]}") as stream:
        assert stream.read(188)
        player = Player(s, query=f"?token={secrets[0]}")
        for path in "/playlist.m3u", "/stream/1.ts", "/api/status":
            shown += [s.get(f"{path}?token={secrets[4]}").text, str(s.get(path).headers)]
        wait_for(lambda: "hook=viewer_started" in s.log(), 10, "the failure of the hook")
        shown += [str(s.viewers()), str(s.tuners()), s.get("/metrics").text, s.amps("tokens").stdout,
                  str(good(ask(s, "GET", "/api/tokens", token=secrets[1]))), str(player.ask().headers)]
        for pid, (name, line) in s.processes().items():
            shown += [name, line, pathlib.Path(f"/proc/{pid}/comm").read_text()]
        # what other users of the machine can read
        for file in [*pathlib.Path(s.state).rglob("*"), *pathlib.Path(s.runtime).rglob("*")]:
            if file.is_file() and file.stat().st_mode & 0o004:
                shown.append(file.read_text(errors="replace"))
    shown.append(s.log())
    assert not [secret for secret in secrets for text in shown if secret in text]
