"""/epg.xml and /api/epg."""
import gzip
import html
import http.server
import json
import lzma
import os
import random
import re
import string
import subprocess
import threading
import time
import xml.etree.ElementTree as ET

import pytest

import media
import npm
import outside
from harness import ROOT, serving, wait_for
from lineup import channel, line_up
from test_api import ask, good

pytestmark = pytest.mark.slow
DTD = "/usr/share/xmltv/xmltv.dtd"


def validate(document, folder):
    """tv_validate_file and xmllint accept the document."""
    path = folder / "epg.xml"
    path.write_bytes(document)
    for command in (["tv_validate_file", "--dtd-file", DTD, str(path)],
                    ["xmllint", "--noout", "--dtdvalid", DTD, str(path)]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def own():
    """A server whose channels have programmes of their own."""
    with serving(line_up(
        channel(1, media.film(), name="One & <two>", logo="http://x/l.png?a&b", channel_number="1.1",
                tvg_name="One", group="News", epg_id="one.tv",
                next_programs=[{"title": "Late", "start": "2099-01-01T10:00:00Z"},
                               {"title": "Early \"x\" é", "start": "2099-01-01T08:00:00+01:00",
                                "description": "with\nlines"},
                               {"title": "Never", "start": "some day"}]),
        channel(2, media.film(), epg_id="two.tv", next_programs=[{"start": "2099-01-01"}]),
        channel(3, media.film()))) as server:
        yield server


@pytest.mark.smoke
def test_the_guide_of_next_programs_is_valid(own, tmp_path):
    answer = own.get("/epg.xml?ids=1,2")
    assert answer.headers["content-type"] == "application/xml"
    validate(answer.body, tmp_path)
    tv = ET.fromstring(answer.body)
    assert [c.get("id") for c in tv.iter("channel")] == ["one.tv", "two.tv"]
    assert [(p.get("start"), p.get("stop"), p.findtext("title")) for p in tv.iter("programme")] == [
        ("20990101070000 +0000", "20990101100000 +0000", "Early \"x\" é"),
        ("20990101100000 +0000", "20990101110000 +0000", "Late"),
        ("20990101000000 +0000", "20990101010000 +0000", "Channel 2")]


def test_the_packed_guide_is_the_same(own):
    plain = own.get("/epg.xml").body
    assert gzip.decompress(own.get("/epg.xml.gz").body) == plain
    coded = own.get("/epg.xml", {"Accept-Encoding": "gzip"})
    assert coded.headers["content-encoding"] == "gzip"
    assert gzip.decompress(coded.body) == plain


def test_conditional_requests(own):
    answer = wait_for(lambda: (a := own.get("/epg.xml")).headers.get("last-modified") and a)
    for name, field in (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified")):
        assert own.get("/epg.xml", {name: answer.headers[field]}).status == 304
    assert json.loads(own.get("/api/epg?ids=3").body) == [
        {"id": 3, "epg_id": "3", "name": "Channel 3", "group": None, "logo": None,
         "programs": []}]


def test_a_changed_guide_is_sent_to_who_asks_by_time():
    def config(group):
        return line_up(channel(1, media.film(), name="One", group="News"), auth={
            "enabled": True, "admin_token": "admin",
            "tokens": [{"name": "box", "token": "box", "groups": [group]}]})

    with serving(config("News")) as server:
        def steer(method, path, body=None):
            answer = server.request(method, path, {"Content-Type": "application/json",
                                                   "X-Amps-Token": "admin"}, body and json.dumps(body))
            assert answer.status == 200, answer.text

        def dated(since=None):
            return server.get("/epg.xml", {"X-Amps-Token": "box",
                                           **({"If-Modified-Since": since} if since else {})})

        def time_but(other=None):
            return wait_for(lambda: (t := dated().headers.get("last-modified")) != other and t)

        first = time_but()
        assert dated(first).status == 304
        # another one, and then the old one again, which is still kept
        for name in ("Uno", "One"):
            steer("PATCH", "/api/streams/1", {"name": name})
        assert dated(first).status == 200
        second = time_but(first)
        assert dated(second).status == 304
        # the same token, with other groups
        server.write_config(config("Films"))
        steer("POST", "/api/reload")
        answer = wait_for(lambda: (a := dated(second)).status == 200 and a)
        assert b"One" not in answer.body


# -- imported guides

def stamped(seconds, zone=" +0000"):
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds)) + zone


def stamp(seconds, zone=" +0000"):
    return stamped(time.time() + seconds, zone)


def guide(*elements):
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tv SYSTEM "xmltv.dtd">\n<tv>\n'
            + "\n".join(elements) + "\n</tv>\n").encode()


def show(channel_id, start, stop, inner):
    return (f'<programme channel="{channel_id}" start="{stamp(start)}" stop="{stamp(stop)}">'
            f"{inner}</programme>")


FULL = ('<title lang="de">Jetzt &amp; hier</title><sub-title>Zwei</sub-title><desc>Alles "davon"'
        "</desc><credits><director>Di</director><actor role=\"r\">Al</actor></credits>"
        "<date>2020</date><category>News</category><category>Sport</category>"
        '<icon src="http://x/i.png"/><episode-num system="xmltv_ns">0.1.0/1</episode-num>'
        '<previously-shown start="20200101"/><new/><rating system="FSK"><value>12</value></rating>'
        "<star-rating><value>3/5</value></star-rating>")
FIRST = guide('<channel id="one.tv"><display-name>x</display-name></channel>',
              '<channel id="zwei"><display-name>DE: Channel Two HD</display-name></channel>',
              '<channel id="d1"><display-name>Double</display-name></channel>',
              '<channel id="d2"><display-name>DOUBLE</display-name></channel>',
              '<channel id="five.tv"/>',
              show("one.tv", 3600, 7200, "<title>Später</title>"),
              show("one.tv", -60, 3600, FULL),
              show("zwei", -60, 3600, "<title>Two</title>"),
              show("d1", -60, 3600, "<title>Double</title>"))


class Web(http.server.ThreadingHTTPServer):
    """Serves `document`, with validators; counts and keeps the requests."""

    def __init__(self, host="127.0.0.1"):
        super().__init__((host, 0), Handler)
        self.document, self.status, self.requests = FIRST, 200, []
        self.elsewhere = None   # where /elsewhere redirects to
        self.validator = "ETag"     # or Last-Modified
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}/guide.xml"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        web = self.server
        field, tag = (("If-None-Match", f'"{hash(web.document)}"') if web.validator == "ETag" else
                      ("If-Modified-Since", self.date_time_string(hash(web.document) % 10 ** 9)))
        status = 304 if self.headers.get(field) == tag else web.status
        if self.path == "/elsewhere":
            status = 302
        web.requests.append((status, self.headers))
        self.send_response(status)
        self.send_header("Location" if status == 302 else web.validator,
                         web.elsewhere if status == 302 else tag)
        body = web.document if status // 100 == 2 else b""
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def web():
    with Web() as server:
        yield server
        server.shutdown()


def importing(*sources, **more):
    return line_up(channel(1, media.film(), epg_id="one.tv"),
                   channel(2, media.film(), name="Channel Two"),
                   channel(3, media.film(), name="Double", next_programs=[
                       {"title": "Mine", "start": "2020-01-01T00:00:00Z"}]),
                   channel(4, media.film(), name="Two Times Nothing"),
                   channel(5, media.film(), name="Five", tvg_id="five.tv"),
                   epg={"sources": list(sources), **more})


def titles(s, query=""):
    tv = ET.fromstring(s.get("/epg.xml" + query).body)
    return [(p.get("channel"), p.findtext("title")) for p in tv.iter("programme")]


IMPORTED = [("3", "Mine"), ("one.tv", "Jetzt & hier"), ("one.tv", "Später"), ("2", "Two")]


@pytest.mark.smoke
def test_an_imported_guide_is_matched_and_served(server, web, tmp_path):
    s = server(importing({"url": web.url}))
    wait_for(lambda: titles(s) == IMPORTED, what="the guide")
    one = s.get("/epg.xml?ids=1").body
    validate(one, tmp_path)
    assert FULL in one.decode().replace("&quot;", '"')
    for query in ("", "?ids=2", "?ids=1,2", "?ids=4"):
        plain = s.get("/epg.xml" + query).body
        assert gzip.decompress(s.get("/epg.xml.gz" + query).body) == plain
    now = json.loads(s.get("/api/epg?now=true&ids=1").body)[0]["programs"]
    assert [p["title"] for p in now] == ["Jetzt & hier", "Später"]
    assert now[0]["description"] == 'Alles "davon"'
    assert '#EXTREM:AMP-NEXT title="Später" start="2' in s.get("/playlist.m3u?ids=1").text


def test_what_is_on_is_sent_again_when_it_is_over(server, web):
    s = server(importing({"url": web.url}))
    wait_for(lambda: titles(s) == IMPORTED, what="the guide")
    web.document = guide(show("one.tv", -60, 6, "<title>Then</title>"),
                         show("one.tv", 6, 3600, "<title>Soon</title>"))
    s.amps("epg", "refresh")

    def on(answer):
        return [p["title"] for p in json.loads(answer.body)[0]["programs"]]

    first = wait_for(lambda: (a := s.get("/api/epg?now=true&ids=1")).headers.get("last-modified")
                     and on(a) == ["Then", "Soon"] and a)
    since = {"If-Modified-Since": first.headers["last-modified"]}
    assert s.get("/api/epg?now=true&ids=1", since).status == 304
    whole = s.get("/api/epg?ids=1").headers["last-modified"]
    later = wait_for(lambda: (a := s.get("/api/epg?now=true&ids=1", since)).status == 200 and a)
    assert on(later) == ["Soon"]
    assert s.get("/api/epg?ids=1", {"If-Modified-Since": whole}).status == 304


def test_a_large_guide_is_sent_complete(server, tmp_path):
    """Words that cannot be packed make the packed pieces long, too."""
    noise = random.Random(7)
    words = ["".join(noise.choices(string.ascii_letters, k=8000)) for _ in range(60)]
    path = tmp_path / "guide.xml"
    path.write_bytes(guide(
        show("two", 0, 60, "<title>Short</title>"),
        *(show(name, 60 * i, 60 * i + 60, f"<title>{i}</title><desc>{w}</desc>")
          for name in ("one", "three") for i, w in enumerate(words))))
    s = server(line_up(*(channel(n, media.film(), epg_id=name)
                         for n, name in enumerate(("one", "two", "three"), 1)),
                       epg={"sources": [{"path": str(path)}]}))
    wait_for(lambda: len(titles(s)) == 121, what="the guide")
    texts = {"one": words, "two": [None], "three": words}
    for query, names in (("", ("one", "two", "three")), ("?ids=2,3", ("two", "three")),
                         ("?ids=1", ("one",))):
        plain = s.get("/epg.xml" + query).body
        tv = ET.fromstring(plain)
        assert [(p.get("channel"), p.findtext("desc")) for p in tv.iter("programme")] == [
            (name, text) for name in names for text in texts[name]]
        assert gzip.decompress(s.get("/epg.xml.gz" + query).body) == plain


def test_other_parsers_read_the_guide(server, web):
    s = server(importing({"url": web.url}))
    wait_for(lambda: titles(s) == IMPORTED, what="the guide")
    text = s.get("/epg.xml").text
    done = subprocess.run(["node", os.path.join(ROOT, "tests/system/read_xmltv.mjs"), npm.install()],
                          input=text, capture_output=True, text=True, check=True, timeout=60)
    tv = ET.fromstring(text)
    for read in json.loads(html.unescape(done.stdout.replace("&quot;", "'"))):
        assert read["channels"] == [[c.get("id"), [n.text for n in c.iter("display-name")]]
                                    for c in tv.iter("channel")]
        assert [(p["channel"], p["title"], stamped(p["start"]), stamped(p["stop"]))
                for p in read["programmes"]] == [
            (p.get("channel"), p.findtext("title"), p.get("start"), p.get("stop"))
            for p in tv.iter("programme")]
        full = read["programmes"][1]
        assert full["desc"] == ["Alles 'davon'"] and full["category"] == ["News", "Sport"]
        assert full["episode"] == [["xmltv_ns", "0.1.0/1"]] and full["icon"] == ["http://x/i.png"]
        assert full["director"] == ["Di"] and full["rating"] == [["FSK", "12"]] and full["isNew"]


def test_what_matched_is_shown(server, web):
    s = server(importing({"url": web.url}))
    wait_for(lambda: titles(s) == IMPORTED, what="the guide")
    rows = json.loads(s.get("/api/epg/match").body)
    assert rows == json.loads(s.amps("epg", "match", "--json").stdout)
    assert [(r["id"], r["how"], r["channel"]) for r in rows] == [
        (1, "id", "one.tv"), (2, "name", "zwei"), (3, "ambiguous", None), (4, "none", None),
        (5, "id", "five.tv")]
    assert [[x["id"] for x in r["suggestions"]] for r in rows] == [
        [], [], ["d1", "d2"], ["zwei"], []]
    source, = json.loads(s.amps("epg", "--json").stdout)
    assert (source["source"], source["state"], source["matched"], source["programmes"]) == (
        web.url, "ok", 3, 3)
    now = json.loads(s.amps("list", "--now", "--json").stdout)
    assert [(r["now"], r["next"]) for r in now] == [
        ("Jetzt & hier", "Später"), ("Two", None), (None, None), (None, None), (None, None)]
    before = len(web.requests)
    assert s.amps("epg", "refresh").returncode == 0
    wait_for(lambda: len(web.requests) > before, what="a request")
    assert s.amps("epg", "nonsense").returncode == 2


def test_a_new_channel_gets_its_guide(server, web):
    s = server(importing({"url": web.url}))
    wait_for(lambda: titles(s) == IMPORTED, what="the guide")
    good(ask(s, "POST", "/api/streams", {"name": "d 1", "epg_id": "d1", "source": media.film(),
                                         "ffmpeg_profile": "copy"}), 201)
    wait_for(lambda: ("d1", "Double") in titles(s), timeout=20, what="the new channel's guide")


def test_a_restart_serves_the_guide_at_once_and_asks_if_it_has_changed(server, web):
    s = server(importing({"url": web.url, "refresh": "1s"}))
    wait_for(lambda: titles(s) == IMPORTED, what="the guide")
    wait_for(lambda: web.requests[-1][0] == 304, what="a conditional request")
    web.status, web.document = 500, b"broken"
    s.restart()
    assert titles(s) == IMPORTED
    web.status, web.document = 200, guide(show("one.tv", 0, 60, "<title>Next day</title>"))
    wait_for(lambda: ("one.tv", "Next day") in titles(s), what="the next guide")


def test_a_guide_without_an_etag_is_asked_for_by_its_time(server, web):
    web.validator = "Last-Modified"
    s = server(importing({"url": web.url, "refresh": "1s"}))
    wait_for(lambda: titles(s) == IMPORTED, what="the guide")
    wait_for(lambda: web.requests[-1][0] == 304, what="a conditional request")
    assert "If-None-Match" not in web.requests[-1][1]
    assert titles(s) == IMPORTED
    web.document = guide(show("one.tv", 0, 60, "<title>Next day</title>"))
    wait_for(lambda: ("one.tv", "Next day") in titles(s), what="the next guide")


def test_a_file_is_read_again_when_its_time_or_size_is_another(server, tmp_path):
    path = tmp_path / "guide.xml"
    before = guide(show("one.tv", -60, 3600, "<title>Now</title>"))
    path.write_bytes(before)
    os.utime(path, (1e9, 1e9))
    s = server(importing({"path": str(path), "refresh": "1s"}))

    def import_again():
        """One import begins behind this call, and ends."""
        times = set()
        wait_for(lambda: times.add(json.loads(s.amps("epg", "--json").stdout)[0]["fetched"]) or
                 len(times) == 3, what="two imports")

    wait_for(lambda: ("one.tv", "Now") in titles(s), what="the guide")
    path.write_bytes(before.replace(b"Now", b"New"))
    os.utime(path, (1e9, 1e9))
    import_again()
    assert ("one.tv", "Now") in titles(s)
    os.utime(path, (1e9, 1e9 + 1))
    wait_for(lambda: ("one.tv", "New") in titles(s), what="the changed guide")


def test_a_source_has_a_zone_and_a_shift(server, tmp_path):
    path = tmp_path / "guide.xml"
    begin = int(time.time()) + 12 * 3600
    path.write_bytes(guide(f'<programme channel="one.tv" start="{stamped(begin, "")}" '
                           f'stop="{stamped(begin + 60, "")}"><title>Bare</title></programme>'))
    s = server(importing({"path": str(path), "timezone": "Asia/Tokyo", "shift": -1.5}))
    wait_for(lambda: ("one.tv", "Bare") in titles(s), what="the guide")
    p, = ET.fromstring(s.get("/epg.xml?ids=1").body).iter("programme")
    # nine hours before UTC, and the shift
    assert (p.get("start"), p.get("stop")) == (stamped(begin - 37800), stamped(begin - 37740))


def test_more_days_are_kept_of_a_guide_that_has_not_changed(server, web):
    web.document = guide(show("one.tv", -60, 60, "<title>Today</title>"),
                         show("one.tv", 30 * 3600, 31 * 3600, "<title>Tomorrow</title>"))
    s = server(importing({"url": web.url}, keep_days=1))
    wait_for(lambda: ("one.tv", "Today") in titles(s), what="the guide")
    assert ("one.tv", "Tomorrow") not in titles(s)
    s.write_config(importing({"url": web.url}, keep_days=2))
    assert s.amps("reload").returncode == 0
    wait_for(lambda: ("one.tv", "Tomorrow") in titles(s), what="the guide of the next day")
    assert s.amps("epg", "refresh").returncode == 0
    wait_for(lambda: web.requests[-1][0] == 304, what="a conditional request")


@pytest.fixture
def machine():
    with outside.network():
        yield


@pytest.mark.parametrize("allowed", [False, True])
def test_a_guide_outside_leads_inside_only_where_that_is_allowed(machine, server, allowed):
    with Web("0.0.0.0") as web:
        web.elsewhere = f"http://{outside.PRIVATE}:{web.server_port}/guide.xml"
        s = server({**importing({"url": f"http://{outside.PUBLIC}:{web.server_port}/elsewhere"}),
                    "streaming": {"allow_private": allowed}})
        if allowed:
            wait_for(lambda: titles(s) == IMPORTED, what="the guide")
        else:
            wait_for(lambda: "the guide cannot be imported" in s.log(), what="a warning")
            assert "a redirect leads to an address inside this network" in s.log()
            assert all(status == 302 for status, _ in web.requests)
        web.shutdown()


def test_a_guide_inside_may_be_moved_inside(machine, server):
    with Web("0.0.0.0") as web:
        web.elsewhere = f"http://127.0.0.1:{web.server_port}/guide.xml"
        s = server(importing({"url": f"http://{outside.PRIVATE}:{web.server_port}/elsewhere"}))
        wait_for(lambda: titles(s) == IMPORTED, what="the guide")
        web.shutdown()


@pytest.mark.parametrize("document, why", [
    (FIRST[:-20], r"line \d+: .*"), (b"", "line 1: .*"), (guide(), "the guide has no programmes")],
    ids=["truncated", "nothing", "empty"])
def test_a_broken_guide_keeps_the_last_one_and_says_why(server, web, document, why):
    s = server(importing({"url": web.url + "?token=secret"}))
    wait_for(lambda: titles(s) == IMPORTED, what="the guide")
    web.document = document
    assert s.amps("reload").returncode == 0
    wait_for(lambda: "the guide cannot be imported" in s.log(), what="a warning")
    assert re.search(rf"cannot be imported \({why}\), keeping the last one", s.log())
    assert "secret" not in s.log()
    assert titles(s) == IMPORTED


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress], ids=["gzip", "xz"])
def test_packed_files_are_read(server, tmp_path, pack):
    path = tmp_path / "guide"
    path.write_bytes(pack(FIRST))
    s = server(importing({"path": str(path)}))
    wait_for(lambda: titles(s) == IMPORTED, what="the guide")
