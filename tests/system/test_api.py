"""The REST API: channels and programmes are read, added, changed and deleted while the server runs."""
import contextlib
import http.client
import json
import os
import socket
import sqlite3
import time
from xml.etree import ElementTree

import pytest

import media
from harness import kill, serving, wait_for
from lineup import LOOP, channel, line_up

JSON = {"Content-Type": "application/json"}
BATCH_S = 0.020     # STORE_BATCH_MS of common/limits.h


def ask(s, method, path, body=None, headers=None, token=None):
    """Sends `body` as JSON; a text is sent as it is."""
    text = body if isinstance(body, (str, bytes)) or body is None else json.dumps(body)
    fields = dict(JSON) if body is not None else {}
    if token:
        fields["X-Amps-Token"] = token
    return s.request(method, path, {**fields, **(headers or {})}, text)


def good(answer, status=200):
    assert answer.status == status, (answer.status, answer.text)
    return answer.json


def refused(answer, status, *words):
    assert answer.status == status, (answer.status, answer.text)
    for word in words:
        assert word in answer.json["error"], answer.text
    return answer.json


def new(name="New", **more):
    return {"name": name, "source": "http://127.0.0.1:1/x.ts", "ffmpeg_profile": "copy", **more}


@pytest.fixture(scope="module")
def s():
    """Two workers, without authentication.  Tests leave their channels; each uses ids of its own."""
    with serving(line_up(channel(1, "http://127.0.0.1:1/1.ts", group="News"),
                         channel(2, "http://127.0.0.1:1/2.ts", group="Sports", epg_id=5,
                                 regions_allowed=["US"]),
                         channel(5, "http://127.0.0.1:1/5.ts")), workers=2) as server:
        yield server


# -- the behaviour of the older Amps

def test_get_lists_the_channels_as_defined(s):
    answer = ask(s, "GET", "/api/streams?ids=1,2,5")
    assert good(answer) == [
        {"id": 1, "name": "Channel 1", "source": "http://127.0.0.1:1/1.ts",
         "ffmpeg_profile": "copy", "group": "News"},
        {"id": 2, "name": "Channel 2", "source": "http://127.0.0.1:1/2.ts",
         "ffmpeg_profile": "copy", "group": "Sports", "epg_id": "5", "regions_allowed": ["US"]},
        {"id": 5, "name": "Channel 5", "source": "http://127.0.0.1:1/5.ts",
         "ffmpeg_profile": "copy"}]
    assert answer.headers["content-type"] == "application/json"
    assert "access-control-allow-origin" not in answer.headers


def test_post_answers_201_with_the_channel_and_the_next_id(s):
    first = good(ask(s, "POST", "/api/streams", new("First")), 201)
    assert first == {**new("First"), "id": first["id"]} and first["id"] > 5
    second = good(ask(s, "POST", "/api/streams", new("Second")), 201)
    assert second["id"] == first["id"] + 1
    assert good(ask(s, "GET", f"/api/streams/{first['id']}")) == first


def test_the_id_of_a_deleted_channel_is_not_given_again(s):
    first = good(ask(s, "POST", "/api/streams", new()), 201)["id"]
    good(ask(s, "DELETE", f"/api/streams/{first}"))
    assert good(ask(s, "POST", "/api/streams", new()), 201)["id"] == first + 1


def test_post_may_name_an_id(s):
    assert good(ask(s, "POST", "/api/streams", new(id=700)), 201)["id"] == 700
    refused(ask(s, "POST", "/api/streams", new(id=700)), 409, "id: 700")
    refused(ask(s, "POST", "/api/streams", new(id=1)), 409)
    assert good(ask(s, "POST", "/api/streams", new(id="701")), 201)["id"] == 701


@pytest.mark.parametrize("missing", ["name", "source", "ffmpeg_profile"])
def test_post_needs_name_source_and_profile(s, missing):
    entry = new()
    del entry[missing]
    answer = refused(ask(s, "POST", "/api/streams", entry), 400, missing)
    assert any(missing in p["message"] for p in answer["problems"])


def test_put_changes_the_given_fields_and_null_removes_one(s):
    entry = good(ask(s, "POST", "/api/streams", new(group="A", logo="http://x/l.png")), 201)
    path = f"/api/streams/{entry['id']}"
    changed = good(ask(s, "PUT", path, {"name": "Renamed", "group": None, "id": 99999}))
    assert changed == {**new("Renamed", logo="http://x/l.png"), "id": entry["id"]}
    assert good(ask(s, "GET", path)) == changed
    assert good(ask(s, "PATCH", path, {"group": "B"})) == {**changed, "group": "B"}


def test_delete_returns_the_channel(s):
    entry = good(ask(s, "POST", "/api/streams", new()), 201)
    path = f"/api/streams/{entry['id']}"
    assert good(ask(s, "DELETE", path)) == {"message": "Stream deleted successfully",
                                            "stream": entry}
    for method, body in ("GET", None), ("PUT", {"name": "x"}), ("DELETE", None):
        refused(ask(s, method, path, body), 404)


def test_programmes_are_read_and_replaced(s):
    entry = good(ask(s, "POST", "/api/streams", new()), 201)
    path = f"/api/streams/{entry['id']}/programs"
    assert good(ask(s, "GET", path)) == []
    programs = [{"title": "News", "start": "2030-01-01T20:00:00Z", "description": "Of the day"},
                {"title": "Film"}]
    assert good(ask(s, "PUT", path, programs)) == programs
    assert good(ask(s, "GET", path)) == programs
    assert good(ask(s, "GET", f"/api/streams/{entry['id']}"))["next_programs"] == programs
    assert "#EXTREM:AMP-NEXT title=\"News\"" in s.get(f"/playlist.m3u?ids={entry['id']}").text
    refused(ask(s, "PUT", path, [{"start": "2030-01-01T20:00:00Z"}]), 400, "title")
    refused(ask(s, "PUT", path, {"title": "News"}), 400, "array")
    assert good(ask(s, "PUT", path, [])) == []
    refused(ask(s, "GET", "/api/streams/99999/programs"), 404)


# -- lists

def test_a_list_has_filters_and_pages(s):
    group = "Pages, and \"quotes\""
    ids = [good(ask(s, "POST", "/api/streams", new(f"Page {i}", group=group.replace(",", ""))),
                201)["id"] for i in range(4)]
    where = "/api/streams?group=%20PAGES%20and%20%22quotes%22"
    answer = ask(s, "GET", where)
    assert [c["id"] for c in good(answer)] == ids
    answer = ask(s, "GET", where + "&limit=2&offset=1")
    assert [c["id"] for c in good(answer)] == ids[1:3]
    assert answer.headers["x-total-count"] == "4"
    assert [c["id"] for c in good(ask(s, "GET", "/api/streams?q=pAGE%203"))] == ids[3:]
    assert good(ask(s, "GET", where + "&limit=0")) == []
    for wrong in "limit=-1", "limit=x", "offset=1.5", "q=%00":
        refused(ask(s, "GET", "/api/streams?" + wrong), 400, wrong.split("=")[0])


def test_a_region_filters_only_where_the_request_carries_one(s):
    assert len(good(ask(s, "GET", "/api/streams?ids=1,2"))) == 2
    assert [c["id"] for c in good(ask(s, "GET", "/api/streams?ids=1,2&region=DE"))] == [1]
    assert good(ask(s, "GET", "/api/streams/2?region=us"))["id"] == 2
    refused(ask(s, "GET", "/api/streams/2?region=DE"), 403, "region")


def test_a_long_list_is_sent_as_it_is_now_to_each_client(server):
    auth = {"enabled": True, "token": WATCHER, "admin_token": ADMIN, "tokens": [
        {"name": "grouped", "token": GROUPED, "groups": ["News"]}]}
    s = server(line_up(*(channel(i, f"http://127.0.0.1:1/{i}.ts", group="News" if i % 2 else "Sea")
                         for i in range(1, 2001)), auth=auth), workers=2)
    for change in {"name": "First"}, {"name": "Second"}:
        good(ask(s, "PUT", "/api/streams/1", change, token=ADMIN))
        for _ in range(2):
            all_of_them = good(ask(s, "GET", "/api/streams", token=ADMIN))
            assert len(all_of_them) == 2000 and "source" in all_of_them[0]
            assert all_of_them[0]["name"] == change["name"]
            assert good(ask(s, "GET", "/api/streams?offset=500", token=ADMIN)) == all_of_them[500:]
            seen = good(ask(s, "GET", "/api/streams", token=WATCHER))
            assert len(seen) == 2000 and "source" not in seen[0]
            seen = good(ask(s, "GET", "/api/streams", token=GROUPED))
            assert [c["id"] for c in seen] == list(range(1, 2001, 2))
    answer = ask(s, "GET", "/api/streams", token=ADMIN)
    assert answer.headers["x-total-count"] == "2000"
    assert ask(s, "GET", "/api/streams", headers={"If-None-Match": answer.headers["etag"]},
               token=ADMIN).status == 304


def test_a_list_without_variants(s):
    entry = good(ask(s, "POST", "/api/streams",
                     new(adaptive_bitrates=[{"name": "sd", "ffmpeg_profile": "small"}])), 201)
    where = f"/api/streams?ids={entry['id']}"
    assert good(ask(s, "GET", where)) == [entry]
    del entry["adaptive_bitrates"]
    assert good(ask(s, "GET", where + "&variants=false")) == [entry]


# -- refusals

WRONG = {
    "no JSON": ("{", 400), "nothing": ("", 400), "text behind": ("{} x", 400),
    "a list in a list": ([[]], 400), "a number": ("5", 400), "null": ("null", 400),
    "no entry": ([], 400),
    "duplicate keys": ('{"name": "a", "name": "b", "source": "x", "ffmpeg_profile": "copy"}', 400),
    "NaN": ('{"name": "a", "source": "x", "ffmpeg_profile": "copy", "group": NaN}', 400),
    "a thousand levels": ('{"x": ' + "[" * 1000 + "]" * 1000 + "}", 400),
    "no UTF-8": (b'{"name": "\xff\xfe"}', 400),
    "a NUL": ('{"name": "a\\u0000b", "source": "x", "ffmpeg_profile": "copy"}', 400),
    "a wrong type": (new(name=["a"]), 400),
    "an unknown profile": (new(ffmpeg_profile="none"), 400),
    "an unknown option": (new(input_options={"no_such_option": 1}), 400),
    "a wrong id": (new(id=-1), 400), "a fraction": (new(id=1.5), 400), "a true id": (new(id=True), 400),
    "an id that is too large": (new(id=2147483648), 400),
    "a huge object": (json.dumps(new(description="x" * 300000)), 413),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_body_changes_nothing(s, what):
    body, status = WRONG[what]
    before = s.ask("status")["generation"]
    refused(ask(s, "POST", "/api/streams", body), status)
    assert s.ask("status")["generation"] == before


@pytest.mark.parametrize("method, path", [("POST", "/api/streams"), ("POST", "/api/import"),
                                          ("POST", "/api/reload"), ("POST", "/api/probe"),
                                          ("PUT", "/api/streams/1/programs")])
def test_a_body_has_64_levels_at_most(s, method, path):
    deep = '{"x": ' + "[" * 64 + "]" * 64 + "}"
    refused(ask(s, method, path, deep), 400, "64 levels")
    assert "levels" not in ask(s, method, path, deep.replace("[]", "")).text


def test_all_problems_are_listed_with_their_fields(s):
    answer = refused(ask(s, "POST", "/api/streams",
                         new(name=[], ffmpeg_profile="none", next_programs=[{"title": []}],
                             regions_allowed=["nowhere"])), 400)
    paths = [p["path"] for p in answer["problems"]]
    for path in "name", "ffmpeg_profile", "next_programs[0]", "regions_allowed":
        assert any(p.startswith(path) for p in paths), answer


def test_a_body_must_be_declared_as_json(s):
    for kind in None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx":
        fields = {"Content-Type": kind} if kind else {"Content-Type": ""}
        refused(s.request("POST", "/api/streams", fields, json.dumps(new())), 415)
        refused(s.request("DELETE", "/api/streams/999", fields, "{}"), 415)
    fields = {"Content-Type": "Application/JSON; charset=utf-8"}
    good(s.request("POST", "/api/streams", fields, json.dumps(new())), 201)


def test_a_page_of_another_site_may_not_write(s):
    for origin in "http://evil.example", "null", f"http://{s.host}:1":
        refused(ask(s, "POST", "/api/streams", new(), {"Origin": origin}), 403)
        refused(ask(s, "DELETE", "/api/streams/1", headers={"Origin": origin}), 403)
        refused(ask(s, "POST", "/api/reload", headers={"Origin": origin}), 403)
    good(ask(s, "POST", "/api/streams", new(), {"Origin": f"http://{s.address}"}), 201)


def test_the_own_page_may_write_at_the_public_address_and_at_the_one_asked(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts"),
                       server={"public_url": "https://tv.example/amps"}))
    for origin in "https://tv.example", f"http://{s.address}":
        good(ask(s, "PUT", "/api/streams/1", {"name": "By a page"}, {"Origin": origin}))
    refused(ask(s, "PUT", "/api/streams/1", {"name": "x"}, {"Origin": "http://evil.example"}), 403)


def rebound(name, origin=True):
    """What a page sends whose own name points to this server."""
    return {"Host": name, **({"Origin": f"http://{name}"} if origin else {})}


def test_a_page_whose_name_points_here_may_not_write(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts"),
                       server={"public_url": "https://tv.example/amps"}))
    for name, status in ("evil.example:80", 403), ("tv.example", 200), ("nas:5000", 200):
        assert ask(s, "PUT", "/api/streams/1", {"name": "x"}, rebound(name)).status == status, name
    refused(ask(s, "DELETE", "/api/streams/1", headers=rebound("evil.example")), 403, "allowed_hosts")
    # a program sends no Origin
    good(ask(s, "PUT", "/api/streams/1", {"name": "x"}, rebound("tv.dyn.example", origin=False)))
    good(ask(s, "GET", "/api/streams", headers=rebound("tv.dyn.example", origin=False)))


def test_allowed_hosts_are_the_only_names(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts"),
                       server={"allowed_hosts": ["tv.example"]}))
    for path in "/api/streams", "/api/status", "/api/events":
        refused(ask(s, "GET", path, headers={"Host": "evil.example"}), 403, "evil.example")
    for name in "tv.example:5000", "127.0.0.1", "localhost":
        good(ask(s, "GET", "/api/streams", headers={"Host": name}))
    assert s.request("GET", "/playlist.m3u", {"Host": "evil.example"}).status == 200
    s.write_config(line_up(channel(1, "http://127.0.0.1:1/1.ts"), server={"allowed_hosts": []}))
    assert s.amps("reload").returncode == 0
    good(ask(s, "GET", "/api/streams", headers={"Host": "evil.example"}))
    s.write_config(line_up(server={"allowed_hosts": ["http://tv.example"]}))
    assert "allowed_hosts" in s.amps("reload").stderr


def test_methods_and_addresses_that_are_not_there(s):
    assert ask(s, "POST", "/api/status", {}).status == 405
    assert ask(s, "POST", "/api/streams/1", {}).status == 405
    assert "PATCH" in ask(s, "OPTIONS", "/api/streams/1").headers["allow"]
    for path in "/api/streams/x", "/api/streams/-1", "/api/streams/99999999999", "/api/nothing":
        refused(ask(s, "GET", path), 404)


def test_a_body_arrives_in_pieces_and_chunks(s):
    body = json.dumps(new("Chunked")).encode()
    head = (f"POST /api/streams HTTP/1.1\r\nHost: {s.address}\r\nConnection: close\r\n"
            "Content-Type: application/json\r\n")
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7])
                       for i in range(0, len(body), 7)) + b"0\r\n\r\n"
    whole = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunked
    assert s.raw(whole).startswith(b"HTTP/1.1 201 ")
    with socket.create_connection((s.host, s.port), 20) as c:
        for byte in head.encode() + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body):
            c.sendall(bytes([byte]))
        assert c.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        for byte in body:
            c.sendall(bytes([byte]))
        assert c.recv(100).startswith(b"HTTP/1.1 201 ")


def test_requests_behind_a_body_are_answered_in_order(s):
    body = json.dumps(new("Pipelined")).encode()
    one = (f"POST /api/streams HTTP/1.1\r\nHost: {s.address}\r\nContent-Type: application/json\r\n"
           f"Content-Length: {len(body)}\r\n").encode()
    last = f"GET /healthz HTTP/1.1\r\nHost: {s.address}\r\nConnection: close\r\n\r\n".encode()
    answer = s.raw((one + b"\r\n" + body) * 2 + last)
    assert answer.count(b"HTTP/1.1 201 Created") == 2
    assert answer.count(b"HTTP/1.1 200 OK") == 1


# -- lost updates

def test_if_match_refuses_a_lost_update(s):
    entry = good(ask(s, "POST", "/api/streams", new()), 201)
    path = f"/api/streams/{entry['id']}"
    first = ask(s, "GET", path).headers["etag"]
    changed = ask(s, "PUT", path, {"name": "mine"}, {"If-Match": first})
    good(changed)
    assert changed.headers["etag"] == ask(s, "GET", path).headers["etag"] != first
    for method, where, body in (("PUT", path, {"name": "late"}), ("PATCH", path, {"name": "late"}),
                                ("PUT", path + "/programs", []), ("DELETE", path, None)):
        refused(ask(s, method, where, body, {"If-Match": first}), 412)
        refused(ask(s, method, where, body, {"If-Match": "W/" + changed.headers["etag"]}), 412)
    good(ask(s, "PUT", path, {"name": "any"}, {"If-Match": "*"}))
    now = ask(s, "GET", path + "/programs").headers["etag"]
    good(ask(s, "PUT", path + "/programs", [], {"If-Match": f'"x", {now}'}))
    refused(ask(s, "PUT", "/api/streams/99999", {"name": "x"}, {"If-Match": "*"}), 404)


def test_an_unchanged_channel_is_304(s):
    answer = ask(s, "GET", "/api/streams/5")
    assert ask(s, "GET", "/api/streams/5",
               headers={"If-None-Match": answer.headers["etag"]}).status == 304
    head = ask(s, "HEAD", "/api/streams/5")
    assert head.headers["content-length"] == str(len(answer.body)) and head.body == b""


# -- lists of channels

def test_a_list_is_added_as_a_whole_or_not_at_all(s):
    entries = [new(f"Bulk {i}") for i in range(50)] + [new("Named", id=5000)]
    made = good(ask(s, "POST", "/api/streams", entries), 201)
    assert [c["name"] for c in made] == [c["name"] for c in entries]
    assert made[-1]["id"] == 5000 and len({c["id"] for c in made}) == 51
    before = s.ask("status")["channels"]
    wrong = [new("Good"), {"name": "Bad"}, new("Twice", id=6000), new("Twice", id=6000)]
    answer = refused(ask(s, "POST", "/api/streams", wrong), 409)
    assert {p["path"] for p in answer["problems"]} == {"[1]", "[3]"}
    assert s.ask("status")["channels"] == before
    refused(ask(s, "POST", "/api/streams", [new()] * 10001), 400, "10000")


NAMES = ['quotes " and \' and `', "commas, and; more", "a\nnewline\r\nand another", "<&> ]]>",
         "\U0001f600 emoji", "right \u202eto\u202c left \u05d0", "x" * 10000, "tab\tand \x01"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_strange_name_is_kept_in_json_and_breaks_neither_playlist_nor_guide(s, name):
    entry = good(ask(s, "POST", "/api/streams", new(name, group="Strange")), 201)
    assert good(ask(s, "GET", f"/api/streams/{entry['id']}"))["name"] == name
    lines = s.get(f"/playlist.m3u?ids={entry['id']}").text.splitlines()
    assert len([line for line in lines if line and not line.startswith("#")]) == 1
    assert len([line for line in lines if line.startswith("#EXTINF")]) == 1
    programme = {"title": name, "start": "2099-01-01T00:00:00Z", "end": "2099-01-01T01:00:00Z"}
    good(ask(s, "PUT", f"/api/streams/{entry['id']}/programs", [programme]))
    guide = ElementTree.fromstring(s.get(f"/epg.xml?ids={entry['id']}").body)
    shown = " ".join(name.replace("\x01", "").split())
    for text in (guide.find("channel/display-name").text, guide.find("programme/title").text):
        assert " ".join(text.split()) == shown


# -- what a change does

def test_every_worker_serves_a_change_once_it_is_answered(s):
    for i in range(20):
        entry = good(ask(s, "POST", "/api/streams", new(f"Seen {i}")), 201)
        for _ in range(4):      # connections go to both workers
            assert f"Seen {i}" in s.get(f"/playlist.m3u?ids={entry['id']}").text


def test_a_source_restarts_the_tuner_and_a_name_does_not(server):
    s = server(line_up(channel(1, media.film(), **LOOP)))
    with s.stream("/stream/1") as viewer:
        viewer.read(100000)
        first = s.tuner("1")["pid"]
        good(ask(s, "PUT", "/api/streams/1", {"name": "Renamed", "group": "G", "logo": "http://x/y"}))
        viewer.read(100000)
        assert s.tuner("1")["pid"] == first
        good(ask(s, "PUT", "/api/streams/1", {"source": media.rich_film()}))
        wait_for(lambda: s.tuner("1")["pid"] not in (first, None), 20, "another job")
        viewer.read(2000000)
        assert not viewer.ended
        good(ask(s, "DELETE", "/api/streams/1"))
        assert viewer.read_all() is not None and viewer.ended


def test_what_was_answered_survives_a_kill_of_every_process(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts"), channel(2, "http://127.0.0.1:1/2.ts")),
               workers=2)
    made = good(ask(s, "POST", "/api/streams", new("Kept")), 201)
    good(ask(s, "PUT", "/api/streams/1", {"name": "Changed"}))
    good(ask(s, "DELETE", "/api/streams/2"))
    s.crash()
    s.start()
    assert good(ask(s, "GET", "/api/streams")) == [
        {"id": 1, "name": "Changed", "source": "http://127.0.0.1:1/1.ts", "ffmpeg_profile": "copy"},
        made]
    for pid in s.pids("amps-worker"):
        kill(pid)
    wait_for(lambda: not set(s.pids("amps-worker")) & {pid} and s.is_ready(), 20, "new workers")
    assert len(good(ask(s, "GET", "/api/streams"))) == 2


# -- the file and the API

def test_a_changed_entry_of_the_file_wins_and_others_keep_their_changes(server):
    one, two = channel(1, "http://127.0.0.1:1/1.ts"), channel(2, "http://127.0.0.1:1/2.ts")
    s = server(line_up(one, two))
    good(ask(s, "PUT", "/api/streams/1", {"name": "By API"}))
    good(ask(s, "DELETE", "/api/streams/2"))
    good(ask(s, "POST", "/api/streams", new(id=9)), 201)
    assert s.amps("reload").stdout == "no channel changed\n"
    s.write_config(line_up({**one, "name": "By file"}, two))
    assert s.amps("reload").stdout == "changed   1  By file\n"
    assert [c["id"] for c in good(ask(s, "GET", "/api/streams"))] == [1, 9]
    report = good(ask(s, "POST", "/api/reload", {"discard_api_changes": 2}))
    assert report["added"] == [{"id": 2, "name": "Channel 2"}] and not report["removed"]
    good(ask(s, "PUT", "/api/streams/1", {"name": "Again"}))
    done = s.amps("reload", "--discard-api-changes")
    assert done.stdout == "changed   1  By file\nremoved   9  New\n", done
    assert "discarded" in s.log()
    assert s.amps("reload", "5").returncode == 2
    refused(ask(s, "POST", "/api/reload", {"discard_api_changes": "all"}), 400)


def test_the_export_has_the_changes_of_the_api(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts"), channel(2, "http://127.0.0.1:1/2.ts")))
    good(ask(s, "POST", "/api/streams", new("Added: <&> \U0001f600", group="NO")), 201)
    good(ask(s, "DELETE", "/api/streams/2"))
    exported = os.path.join(s.folder, "exported.yaml")
    with open(exported, "w") as f:
        f.write(s.amps("config", "export").stdout)
    checked = s.amps("check", "--config", exported)
    assert checked.returncode == 0, checked.stdout
    before = good(ask(s, "GET", "/api/streams"))
    with open(exported) as f:
        s.write_config(f.read())
    good(ask(s, "POST", "/api/reload", {"discard_api_changes": True}))
    assert good(ask(s, "GET", "/api/streams")) == before


def test_a_reload_names_channels_whose_profile_the_file_has_dropped(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts")))
    good(ask(s, "POST", "/api/streams", new(ffmpeg_profile="small")), 201)
    config = line_up(channel(1, "http://127.0.0.1:1/1.ts"))
    assert not good(ask(s, "POST", "/api/reload"))["warnings"]
    del config["ffmpeg_profiles"]["small"]
    s.write_config(config)
    warnings = good(ask(s, "POST", "/api/reload"))["warnings"]
    assert any("channel 2" in w and "'small'" in w for w in warnings), warnings


def test_a_refused_file_is_reported_by_the_api(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts")))
    s.write_config(line_up(channel(1, "http://127.0.0.1:1/1.ts", profile="none")))
    answer = refused(ask(s, "POST", "/api/reload"), 400)
    assert "ffmpeg_profile" in answer["problems"][0]["path"]


# -- reports

def test_reports_are_those_of_the_command(server):
    s = server(line_up(channel(1, media.film(), **LOOP), plugins=["old_plugin"]))
    with s.stream("/stream/1") as viewer:
        viewer.read(1000)
        wait_for(lambda: len(s.viewers()) == 1, what="the viewer")
        tuner, watched = good(ask(s, "GET", "/api/tuners"))[0], good(ask(s, "GET", "/api/viewers"))[0]
        assert tuner.keys() == s.tuners()[0].keys() and tuner["key"] == "1"
        assert watched.keys() == s.viewers()[0].keys() and watched["stream_id"] == 1
        assert good(ask(s, "GET", "/api/status")).keys() == s.ask("status").keys()
        assert "copy" in good(ask(s, "GET", "/api/profiles"))
        assert good(ask(s, "GET", "/api/plugins")) == {"loaded": [], "failed": ["old_plugin"]}
        good(ask(s, "DELETE", f"/api/viewers/{watched['id']}"))
        viewer.read_all()
        assert viewer.ended
    refused(ask(s, "DELETE", f"/api/viewers/{watched['id']}"), 404)
    wait_for(lambda: s.tuner("1") is None or good(ask(s, "DELETE", "/api/tuners/1")), what="the tuner")
    wait_for(lambda: ask(s, "DELETE", "/api/tuners/1").status == 404, what="its end")


# -- who may do what

ADMIN, WATCHER, GROUPED, SECOND = "admin-secret", "watch-secret", "group-secret", "second-secret"
SECRET = {"source": "http://user:pass@127.0.0.1:1/2.ts", "input_options": {"user_agent": "me"},
          "adaptive_bitrates": [{"name": "sd", "source": "http://127.0.0.1:1/sd.ts"}]}


@pytest.fixture(scope="module")
def guarded():
    auth = {"enabled": True, "token": WATCHER, "admin_token": ADMIN, "tokens": [
        {"name": "grouped", "token": GROUPED, "groups": ["News"]},
        {"name": "second", "token": SECOND, "role": "admin"}]}
    with serving(line_up(channel(1, "http://127.0.0.1:1/1.ts", group="News"),
                         channel(2, group="Sports", **SECRET), auth=auth)) as server:
        yield server


def test_a_viewer_sees_an_allow_list_of_its_groups(guarded):
    seen = good(ask(guarded, "GET", "/api/streams", token=WATCHER))
    assert seen == [{"id": 1, "name": "Channel 1", "group": "News"},
                    {"id": 2, "name": "Channel 2", "group": "Sports",
                     "adaptive_bitrates": [{"name": "sd"}]}]
    assert good(ask(guarded, "GET", "/api/streams/2", token=WATCHER)) == seen[1]
    assert good(ask(guarded, "GET", "/api/streams", token=GROUPED)) == seen[:1]
    assert good(ask(guarded, "GET", "/api/streams/1/programs", token=GROUPED)) == []
    for path in "/api/streams/2", "/api/streams/2/programs":
        refused(ask(guarded, "GET", path, token=GROUPED), 403)
    assert good(ask(guarded, "GET", "/api/streams?q=pass", token=WATCHER)) == []


def test_a_viewer_may_do_nothing_else(guarded):
    for method, path, body in (
            ("POST", "/api/streams", new()), ("PUT", "/api/streams/1", {"name": "x"}),
            ("PATCH", "/api/streams/1", {"name": "x"}), ("DELETE", "/api/streams/1", None),
            ("PUT", "/api/streams/1/programs", []), ("GET", "/api/status", None),
            ("GET", "/api/tuners", None), ("GET", "/api/viewers", None),
            ("GET", "/api/profiles", None), ("GET", "/api/plugins", None),
            ("POST", "/api/reload", {}), ("DELETE", "/api/viewers/1", None),
            ("DELETE", "/api/tuners/1", None), ("GET", "/api/nothing", None)):
        refused(ask(guarded, method, path, body, token=WATCHER), 403, "administrator")
        assert ask(guarded, method, path, body).status == 401
        assert ask(guarded, method, path, body, token="wrong").status == 401


def test_administrators_are_the_admin_token_and_tokens_of_that_role(guarded):
    for token in ADMIN, SECOND:
        assert good(ask(guarded, "GET", "/api/streams/2", token=token))["source"] == SECRET["source"]
        good(ask(guarded, "POST", "/api/streams", new(), token=token), 201)
        good(ask(guarded, "GET", "/api/status", token=token))


def test_commands_are_changed_by_the_admin_token_alone(guarded):
    command = {"name": "C", "source": "x", "custom_ffmpeg": "ffmpeg -i {source} -f mpegts -"}
    refused(ask(guarded, "POST", "/api/streams", command, token=SECOND), 403, "admin_token")
    entry = good(ask(guarded, "POST", "/api/streams", command, token=ADMIN), 201)
    path = f"/api/streams/{entry['id']}"
    good(ask(guarded, "PUT", path, {"name": "D"}, token=SECOND))
    for change in ({"custom_ffmpeg": "true"}, {"custom_ffmpeg": None, "ffmpeg_profile": "copy"},
                   {"adaptive_bitrates": [{"name": "v", "custom_ffmpeg": "true"}]}):
        refused(ask(guarded, "PUT", path, change, token=SECOND), 403, "admin_token")
    for shell in True, "yes", 1:
        answer = ask(guarded, "PUT", path, {"custom_ffmpeg": {"command": "true", "shell": shell}},
                     token=ADMIN)
        refused(answer, 403, "in the configuration file only")
    assert good(ask(guarded, "GET", path, token=ADMIN))["custom_ffmpeg"] == command["custom_ffmpeg"]


def test_without_an_admin_token_the_shared_token_changes_all_but_commands(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts"), auth={"enabled": True, "token": WATCHER}))
    good(ask(s, "POST", "/api/streams", new(), token=WATCHER), 201)
    answer = refused(ask(s, "PUT", "/api/streams/1", {"custom_ffmpeg": "true"}, token=WATCHER), 403)
    assert "has none" in answer["error"]
    # the token in a header does what an Origin is checked for without one
    good(ask(s, "PUT", "/api/streams/1", {"name": "x"}, {"Origin": "http://other.example"}, WATCHER))


# -- the database

@contextlib.contextmanager
def locked(s):
    with contextlib.closing(sqlite3.connect(os.path.join(s.state, "amps.db"),
                                            isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


def test_a_locked_database_refuses_writes_and_the_streams_go_on(server):
    s = server(line_up(channel(1, media.film(), **LOOP)))
    with s.stream("/stream/1") as viewer:
        viewer.read(1000)
        with locked(s):
            answer = ask(s, "PUT", "/api/streams/1", {"name": "x"})
            refused(answer, 503, "locked")
            assert "retry-after" in answer.headers
            viewer.read(100000)
        good(ask(s, "PUT", "/api/streams/1", {"name": "Later"}))
        assert "Later" in s.get("/playlist.m3u").text


def send(s, entry):
    """A request to add a channel, whose answer is read later."""
    connection = http.client.HTTPConnection(s.host, s.port, timeout=20)
    connection.request("POST", "/api/streams", json.dumps(entry), JSON)
    return connection


def test_writes_that_come_together_share_a_publication(server):
    s = server(line_up(), workers=1)
    before = s.ask("status")["generation"]
    with locked(s):
        sent = [send(s, new(f"Together {i}", id=100 + i)) for i in range(8)]
        sent.append(send(s, new(id=100)))
        good(ask(s, "GET", "/api/status"))      # the only worker has sent those writes before
        unlocked = time.monotonic()
    statuses = [c.getresponse().status for c in sent]
    took = time.monotonic() - unlocked
    for c in sent:
        c.close()
    assert sorted(statuses) == [201] * 8 + [409]
    # the write that met the lock, those up to the one that fails, the others; more if that takes long
    assert s.ask("status")["generation"] - before <= 3 + took // BATCH_S
    assert s.get("/playlist.m3u").text.count("#EXTINF") == 8
    s.crash()
    s.start()
    assert len(good(ask(s, "GET", "/api/streams"))) == 8


def test_a_deleted_database_refuses_writes(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts")))
    for name in os.listdir(s.state):
        if name.startswith("amps.db"):
            os.remove(os.path.join(s.state, name))
    refused(ask(s, "POST", "/api/streams", new()), 503, "deleted")
    assert "Channel 1" in s.get("/playlist.m3u").text


def test_a_start_without_the_earlier_database_is_reported(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts"), auth={"enabled": True}))
    s.stop()
    for name in os.listdir(s.state):
        if name.startswith("amps.db"):
            os.remove(os.path.join(s.state, name))
    s.restart()
    assert "is missing or empty, starting from the configuration file" in s.log()


# -- schedules

def test_a_scheduled_channel_is_listed_in_its_window_only(server):
    window = {"start": "2020-01-01T00:00:00Z"}
    later = {"start": "2090-01-01T00:00:00Z", "end": "2091-01-01T00:00:00Z"}
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts"), scheduled_streams=[
        channel(7, "http://127.0.0.1:1/7.ts", schedule=window),
        channel(8, "http://127.0.0.1:1/8.ts", schedule=later)]))
    assert [(c["id"], c.get("schedule")) for c in good(ask(s, "GET", "/api/streams"))] == [
        (1, None), (7, window)]
    refused(ask(s, "POST", "/api/streams", new(id=8)), 409, "scheduled")
    assert good(ask(s, "POST", "/api/streams", new()), 201)["id"] == 9
    good(ask(s, "PUT", "/api/streams/8", {"schedule": window}))
    assert [c["id"] for c in good(ask(s, "GET", "/api/streams"))] == [1, 7, 8, 9]
    for wrong, where in (({"start": "soon"}, "schedule.start"), ({"end": "soon"}, "schedule.end"),
                         ({**later, "end": later["start"]}, "schedule.end")):
        answer = ask(s, "PUT", "/api/streams/8", {"schedule": wrong})
        refused(answer, 400, where)
        assert [problem["path"] for problem in answer.json["problems"]] == [where]
