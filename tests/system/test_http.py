"""HTTP/1.1 at the edge: keep-alive, pipelining, strictness, deadlines, limits (RFC 9110, 9112)."""
import contextlib
import gzip
import http.client
import os
import re
import socket
import threading
import time

import pytest

import media
from harness import PATIENCE, wait_for
from lineup import LOOP, channel, line_up

HOST = b"Host: localhost\r\n"


def read_answer(s, rest=b"", head=False):
    """(status, headers, body, remaining bytes) of one answer on a socket."""
    while b"\r\n\r\n" not in rest:
        got = s.recv(65536)
        assert got, rest
        rest += got
    top, rest = rest.split(b"\r\n\r\n", 1)
    lines = top.decode().split("\r\n")
    headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
    n = 0 if head else int(headers["content-length"])
    while len(rest) < n:
        got = s.recv(65536)
        assert got
        rest += got
    return int(lines[0].split()[1]), headers, rest[:n], rest[n:]


def statuses(data):
    return [int(x) for x in re.findall(rb"(?:^|\n|\}|\r)HTTP/1\.1 (\d+) ", data)]


@pytest.mark.smoke
def test_a_connection_is_kept_for_further_requests(server):
    s = server(line_up(channel(1, media.film())))
    with socket.create_connection((s.host, s.port), 10 * PATIENCE) as c:
        for _ in range(50):
            c.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
            status, _, _, rest = read_answer(c)
            assert status == 200 and rest == b""


def test_pipelined_requests_are_answered_in_order(server):
    s = server(line_up(channel(1, media.film())))
    paths = [b"/healthz", b"/nosuch", b"/playlist.m3u", b"/stream/9.ts"] * 40
    with socket.create_connection((s.host, s.port), 20 * PATIENCE) as c:
        c.sendall(b"".join(b"GET " + p + b" HTTP/1.1\r\n" + HOST + b"\r\n" for p in paths))
        rest, got = b"", []
        for _ in paths:
            status, _, _, rest = read_answer(c, rest)
            got.append(status)
    assert got == [200, 404, 200, 404] * 40


def test_a_request_may_arrive_byte_by_byte(server):
    s = server(line_up())
    with socket.create_connection((s.host, s.port), 10 * PATIENCE) as c:
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n":
            c.sendall(bytes([byte]))
        assert read_answer(c)[0] == 200


def test_connection_close_and_http_1_0_end_the_connection(server):
    s = server(line_up())
    for request in (b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
                    b"GET /healthz HTTP/1.0\r\n\r\n"):
        answer = s.raw(request)
        assert answer.startswith(b"HTTP/1.1 200 ")


def test_http_1_0_without_host_plays(server):
    s = server(line_up(channel(1, media.short_film())))
    answer = s.raw(b"GET /stream/1.ts HTTP/1.0\r\n\r\n", timeout=20)
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200 ") and body[0] == 0x47 and len(body) > 100000
    assert b"chunked" not in head.lower()


def test_smuggled_requests_are_not_answered(server):
    s = server(line_up())
    answer = s.raw(b"GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n"
                   b"Connection: close\r\n\r\nGET /playlist.m3u HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.slow
def test_a_head_must_be_complete_by_its_deadline(server):
    s = server(line_up())
    begin = time.monotonic()
    with socket.create_connection((s.host, s.port), 30 * PATIENCE) as c:
        c.sendall(b"GET /healthz HTTP/1.1\r\n")
        over = threading.Event()

        def drip():
            try:
                while not over.is_set():
                    c.sendall(b"X: y\r\n")
                    time.sleep(0.3)
            except OSError:
                pass

        thread = threading.Thread(target=drip)
        thread.start()
        data = b""
        try:
            while True:
                got = c.recv(65536)
                if not got:
                    break
                data += got
        except ConnectionResetError:
            pass
        took = time.monotonic() - begin
        over.set()
        thread.join()
    assert took > 4.5
    assert data.startswith(b"HTTP/1.1 408 ")


def test_many_silent_connections_do_not_block_others(server):
    s = server(line_up())
    silent = [socket.create_connection((s.host, s.port), 10 * PATIENCE) for _ in range(300)]
    try:
        for _ in range(10):
            assert s.get("/healthz").status == 200
    finally:
        for c in silent:
            c.close()


def test_a_half_closed_client_still_gets_its_answer(server):
    s = server(line_up())
    with socket.create_connection((s.host, s.port), 10 * PATIENCE) as c:
        c.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        c.shutdown(socket.SHUT_WR)
        assert read_answer(c)[0] == 200


def test_head_has_the_headers_of_get(server):
    s = server(line_up(channel(1, media.film())))
    for path in ("/", "/healthz", "/playlist.m3u", "/metrics", "/nosuch"):
        with socket.create_connection((s.host, s.port), 10 * PATIENCE) as c:
            c.sendall(b"HEAD %s HTTP/1.1\r\n%s\r\n" % (path.encode(), HOST))
            head = read_answer(c, head=True)
            c.sendall(b"GET %s HTTP/1.1\r\n%s\r\n" % (path.encode(), HOST))
            get = read_answer(c)
        assert head[0] == get[0]
        assert head[1]["content-type"] == get[1]["content-type"]
        if path not in ("/metrics", "/"):
            assert head[1]["content-length"] == get[1]["content-length"]


@pytest.mark.smoke
def test_tokens_in_every_form(server):
    token = "s3cret-token-of-tests"
    s = server(line_up(channel(1, media.film()), auth={"enabled": True, "token": token}))
    answer = s.get("/playlist.m3u")
    assert answer.status == 401
    assert "www-authenticate" in answer.headers and answer.json["error"]
    assert s.refused("/stream/1.ts").status == 401
    assert s.get("/playlist.m3u", {"X-Amps-Token": token}).status == 200
    assert s.get("/playlist.m3u", {"Authorization": f"Bearer {token}"}).status == 200
    assert s.get(f"/playlist.m3u?token={token}").status == 200
    for wrong in (token + "x", token[:-1], "", "x" * 5000):
        assert s.get(f"/playlist.m3u?token={wrong}").status == 401
        assert s.get("/playlist.m3u", {"X-Amps-Token": wrong}).status == 401
    assert token not in s.log()
    assert s.tuners() == []


def more_tokens():
    return line_up(channel(1, media.film(), group="News", **LOOP),
                   channel(2, media.film(), group="Kids", **LOOP),
                   auth={"enabled": True, "token": "the-shared-token", "tokens": [
                       {"name": "living-room", "token": "living-room-token", "role": "viewer",
                        "max_viewers": 1, "groups": ["News"]},
                       {"name": "old", "token": "old-old-old-token", "role": "viewer",
                        "expires": "2020-01-01T00:00:00Z"}]})


def test_tokens_with_groups_and_expiry(server):
    s = server(more_tokens())
    text = s.get("/playlist.m3u?token=living-room-token").text
    assert "Channel 1" in text and "Channel 2" not in text
    assert s.refused("/stream/2.ts?token=living-room-token").status == 403
    assert s.get("/playlist.m3u?token=old-old-old-token").status == 401


def test_the_viewers_of_a_token_are_limited(server):
    s = server(more_tokens())
    with s.stream("/stream/1.ts?token=living-room-token") as one:
        one.read(188)
        refused = s.refused("/stream/1.ts?token=living-room-token")
        assert refused.status == 429
        assert "retry-after" in refused.headers


def test_max_viewers_answers_503_with_retry_after(server):
    s = server(line_up(channel(1, media.film(), **LOOP), server={"max_viewers": 1}))
    with s.stream("/stream/1.ts") as one:
        one.read(188)
        refused = s.refused("/stream/1.ts")
        assert refused.status == 503 and "retry-after" in refused.headers
    wait_for(lambda: not s.viewers(), 5, "the viewer to be gone")
    with s.stream("/stream/1.ts") as one:
        assert one.read(188)


@pytest.mark.smoke
def test_regions_hide_and_refuse(server):
    s = server(line_up(channel(1, media.film(), regions_allowed=["US", "CA"]),
                       channel(2, media.film(), regions_blocked=["CN"]),
                       channel(3, media.film())))
    assert s.request("HEAD", "/stream/1.ts").status == 403      # unknown region
    assert s.request("HEAD", "/stream/1.ts?region=us").status == 200
    assert s.request("HEAD", "/stream/1.ts?region=DE").status == 403
    assert s.request("HEAD", "/stream/2.ts").status == 200
    refused = s.refused("/stream/2.ts?region=cn")
    assert refused.status == 403 and refused.json["error"]
    for header in ("X-Amps-Region", "X-Region", "CF-IPCountry", "X-Appengine-Country"):
        assert s.request("HEAD", "/stream/1.ts", {header: "ca"}).status == 200
        text = s.get("/playlist.m3u", {header: "CN"}).text
        assert "Channel 2" not in text and "Channel 1" not in text and "Channel 3" in text
    # the query has precedence; an invalid code is skipped
    assert s.request("HEAD", "/stream/1.ts?region=DE", {"X-Region": "US"}).status == 403
    assert s.request("HEAD", "/stream/1.ts?region=USA", {"X-Region": "US"}).status == 200


def test_vary_names_every_header_of_a_region(server):
    s = server(line_up(channel(1, media.film())))
    varies = s.get("/playlist.m3u").headers["vary"].lower().replace(" ", "").split(",")
    for header in ("X-Amps-Region", "X-Region", "CF-IPCountry", "X-Appengine-Country"):
        assert header.lower() in varies, varies


@pytest.mark.smoke
def test_metrics_in_both_forms(server):
    s = server(line_up(channel(1, media.film(), **LOOP)), workers=2)
    with s.stream("/stream/1.ts") as stream:
        stream.read(188)
        answer = s.get("/metrics")
        assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain")
        for line in answer.text.splitlines():
            assert re.fullmatch(r"# (HELP|TYPE) \w+ .*|\w+(\{[^}]*\})? [-+.0-9eE]+|", line), line
        for request in (("/metrics?format=json", {}), ("/metrics", {"Accept": "application/json"})):
            figures = s.get(*request).json
            assert figures["stream_count"] == 1
            assert figures["active_ffmpeg_processes"] == 1
            assert figures["uptime_seconds"] >= 0


def test_the_page_contains_no_data(server):
    s = server(line_up(channel(1, media.film(), name="Geheimsender"),
                       auth={"enabled": True, "token": "a-token-of-the-page"}))
    for path in ("/", "/ui", "/watch/1"):
        answer = s.get(path)
        assert answer.status == 200 and answer.headers["content-type"].startswith("text/html")
        assert "Geheimsender" not in answer.text and "a-token-of" not in answer.text
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", answer.text)


@pytest.mark.smoke
def test_gzip_and_etag_of_the_playlist(server):
    s = server(line_up(*[channel(i, media.film()) for i in range(1, 200)]))
    plain = s.get("/playlist.m3u")
    packed = s.get("/playlist.m3u", {"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 3
    assert "accept-encoding" in packed.headers["vary"].lower()
    for answer, headers in ((plain, {}), (packed, {"Accept-Encoding": "gzip"})):
        tag = answer.headers["etag"]
        again = s.get("/playlist.m3u", {"If-None-Match": tag, **headers})
        assert again.status == 304 and again.body == b""
    refused = s.get("/playlist.m3u", {"Accept-Encoding": "gzip;q=0"})
    assert "content-encoding" not in refused.headers
    tag = plain.headers["etag"]
    s.write_config(line_up(channel(1, media.film())))
    assert s.amps("reload").returncode == 0
    changed = s.get("/playlist.m3u", {"If-None-Match": tag})
    assert changed.status == 200 and changed.headers["etag"] != tag


def test_ten_thousand_requests_leak_no_descriptor(server):
    s = server(line_up(channel(1, media.film())))
    worker, = s.pids("amps-worker")
    count = lambda: len(os.listdir(f"/proc/{worker}/fd"))  # noqa: E731
    before = count()
    for _ in range(20):
        with socket.create_connection((s.host, s.port), 10 * PATIENCE) as c:
            c.sendall((b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n") * 500)
            rest = b""
            for _ in range(500):
                status, _, _, rest = read_answer(c, rest)
                assert status == 200
    wait_for(lambda: count() <= before + 2, 5 * PATIENCE, "the descriptors to be closed")


def test_cors_is_on_for_media_and_their_errors_only(server):
    token = "the-token-of-a-page"
    s = server(line_up(channel(1, media.film(), **LOOP), channel(2, "/nowhere/film.ts"),
                       channel(3, media.film(), regions_allowed=["US"]),
                       auth={"enabled": True, "token": token, "tokens": [
                           {"name": "one", "token": "a-token-for-one", "max_viewers": 1}]}))
    given = {"X-Amps-Token": token}
    one = {"X-Amps-Token": "a-token-for-one"}

    def allowed(path, headers, status, method="GET"):
        with s.stream(path, headers=headers) if method == "GET" else \
                contextlib.nullcontext(s.request(method, path, headers)) as answer:
            if method == "GET":
                answer.head()
            assert answer.status == status, path
            return answer.headers.get("access-control-allow-origin")

    with s.stream("/stream/1.ts", headers=one) as stream:
        assert stream.head().headers["access-control-allow-origin"] == "*"
        for path, headers, status in (
                ("/playlist.m3u", given, 200), ("/stream/1.ts", given, 200),
                ("/playlist.m3u", {}, 401), ("/stream/1.ts", {}, 401),
                ("/stream/1.ts?join_ms=x", given, 400), ("/stream/3.ts", given, 403),
                ("/stream/9.ts", given, 404), ("/stream/1.ts", one, 429),
                ("/stream/2.ts", given, 502)):
            assert allowed(path, headers, status) == "*", (path, status)
        assert allowed("/stream/1.ts", given, 405, "DELETE") == "*"
        for path, status in (("/", 200), ("/healthz", 200), ("/metrics", 200), ("/none", 404)):
            assert allowed(path, given, status) is None, path
    asked = s.request("OPTIONS", "/stream/1.ts", {
        "Origin": "http://page", "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "x-amps-token"})
    assert asked.status == 204 and asked.headers["access-control-allow-origin"] == "*"
    assert "GET" in asked.headers["access-control-allow-methods"]
    assert "x-amps-token" in asked.headers["access-control-allow-headers"].lower()


def test_a_token_from_a_file(server, tmp_path):
    path = tmp_path / "credential"
    path.write_text("token-of-the-file\n")
    config = line_up(channel(1, media.film()), auth={"enabled": True, "token_file": str(path)})
    s = server(config)

    def status(token):
        return s.get("/playlist.m3u", {"X-Amps-Token": token}).status

    assert s.get("/playlist.m3u").status == 401
    assert (status("token-of-the-file"), status("token-of-the-file\n".strip() + "x")) == (200, 401)
    assert "token-of-the-file" not in s.log()
    assert not os.path.exists(os.path.join(s.state, "token")), "none is generated beside it"
    path.write_text("another-token\n")
    assert s.amps("reload").returncode == 0
    assert (status("another-token"), status("token-of-the-file")) == (200, 401)
    path.unlink()
    done = s.amps("reload")
    assert done.returncode == 1 and str(path) in done.stderr, done.stderr
    assert status("another-token") == 200


@pytest.mark.parametrize("trust, by_query, by_header", [
    (["query", "headers"], 200, 200), (["headers"], 403, 200), (["query"], 200, 403)])
def test_trusted_sources_of_a_region(server, trust, by_query, by_header):
    s = server(line_up(channel(1, media.film(), regions_allowed=["US"]), region={"trust": trust}))
    assert s.request("HEAD", "/stream/1.ts?region=US").status == by_query
    assert s.request("HEAD", "/stream/1.ts", {"X-Region": "US"}).status == by_header
    for path, headers, status in (("/playlist.m3u?region=US", {}, by_query),
                                  ("/playlist.m3u", {"X-Region": "US"}, by_header)):
        assert ("Channel 1" in s.get(path, headers).text) == (status == 200)


def get_from(s, address, path, headers):
    """The answer to a client with this address of loopback."""
    connection = http.client.HTTPConnection(s.host, s.port, timeout=20 * PATIENCE,
                                            source_address=(address, 0))
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_links_follow_only_a_trusted_proxy(server):
    config = line_up(channel(1, media.film(), regions_allowed=["US"]), channel(2, media.film()),
                     server={"trusted_proxies": ["127.0.0.9"]})
    s = server(config)
    said = {"Host": "inside:5000", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "tv.example",
            "X-Region": "US"}

    def links(address):
        return re.findall(r"^http.*", get_from(s, address, "/playlist.m3u", said), re.M)

    assert links("127.0.0.9") == ["https://tv.example/stream/1.ts?region=US",
                                  "https://tv.example/stream/2.ts?region=US"]
    assert links("127.0.0.1") == ["http://inside:5000/stream/2.ts"], "neither host nor region"
    config["server"]["public_url"] = "https://public.example/tv/"
    s.write_config(config)
    assert s.amps("reload").returncode == 0
    assert links("127.0.0.1") == ["https://public.example/tv/stream/2.ts"]
    assert links("127.0.0.9")[1] == "https://public.example/tv/stream/2.ts?region=US"
