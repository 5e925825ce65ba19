"""Requests that are wrong, or look wrong, each with its answers and the state of the connection after
them (RFC 9112, RFC 9110, RFC 3986).  Nothing is answered behind a broken request: every case has the
number of answers, so that a smuggled request would be detected."""
import json
import re
import socket
import time

import pytest

import media
from harness import PATIENCE, serving
from lineup import channel, line_up

H = b"Host: a\r\n"
OK = b"GET /healthz HTTP/1.1\r\n" + H
NEXT = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"    # 404 if it is ever seen


def line(text):
    return text + b"\r\n" + H + b"\r\n"


def target(path):
    return line(b"GET " + path + b" HTTP/1.1")


def field(text, rest=b""):
    return OK + text + b"\r\n\r\n" + rest


def host(text, version=b"1.1"):
    return b"GET /healthz HTTP/" + version + b"\r\nHost: " + text + b"\r\n\r\n"


# name: (bytes, the status of each answer, whether the connection stays open)
GOOD = {
    "plain": (field(b"X: y"), [200], True),
    "empty line before": (b"\r\n" + field(b"X: y"), [200], True),
    "empty value": (field(b"X:"), [200], True),
    "blanks around value": (field(b"X: \t y \t "), [200], True),
    "latin value": (field(b"X: caf\xe9"), [200], True),
    "http 1.0": (line(b"GET /healthz HTTP/1.0"), [200], False),
    "http 1.0 without host": (b"GET /healthz HTTP/1.0\r\n\r\n", [200], False),
    "http 1.0 kept alive":
        (b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", [200], True),
    "http 1.9": (line(b"GET /healthz HTTP/1.9"), [200], True),
    "connection close": (field(b"Connection: x, CLOSE"), [200], False),
    "absolute form": (line(b"GET http://a/healthz HTTP/1.1"), [200], True),
    "absolute form, other case": (line(b"GET HTTP://A/healthz HTTP/1.1"), [200], True),
    "asterisk form": (line(b"OPTIONS * HTTP/1.1"), [204], True),
    "query with slashes": (target(b"/healthz?a=/../b"), [200], True),
    "query with stray percent": (target(b"/healthz?a=%zz"), [200], True),
    "empty host": (host(b""), [200], True),
    "host with port": (host(b"[::1]:80"), [200], True),
    "upgrade is ignored":
        (field(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA"),
         [200], True),
    "expectation without body": (field(b"Expect: 100-continue"), [200], True),
    "pipelined": (field(b"X: y") * 3, [200] * 3, True),
    "body of no use": (field(b"Content-Length: 3", b"abc"), [200], False),
    "body that is not sent": (field(b"Expect: 100-continue\r\nContent-Length: 3"), [200], False),
    "length zero": (field(b"Content-Length: 0"), [200], True),
    "length with zeros": (field(b"Content-Length: 000"), [200], True),
    "unknown path": (target(b"/nothing"), [404], True),
    "unknown method": (line(b"BREW /healthz HTTP/1.1"), [405], True),
    "lower case method": (line(b"get /healthz HTTP/1.1"), [405], True),
    "trace": (line(b"TRACE /healthz HTTP/1.1"), [405], True),
}

LINE_ENDS = {
    "bare LF": (b"GET /healthz HTTP/1.1\nHost: a\n\n", [400], False),
    "bare LF behind a field": (OK + b"X: y\n\r\n", [400], False),
    "bare LF at the end": (OK + b"X: y\r\n\n", [400], False),
    "bare CR in the line": (b"GET /healthz HTTP/1.1\rHost: a\r\n\r\n", [400], False),
    "bare CR in a value": (field(b"X: y\rContent-Length: 5"), [400], False),
    "CR CR LF": (field(b"X: y\r"), [400], False),
    "LF CR": (OK + b"X: y\n\r\n\r", [400], False),
    "two empty lines before": (b"\r\n\r\n" + field(b"X: y"), [400], False),
    "LF before": (b"\n" + field(b"X: y"), [400], False),
    "blank before": (b" " + field(b"X: y"), [400], False),
    "bare LF that hides a request": (field(b"X: y\n\n" + NEXT), [400], False),
}

REQUEST_LINES = {
    "HTTP/0.9": (line(b"GET /healthz"), [400], False),
    "method alone": (line(b"GET"), [400], False),
    "no method": (line(b"/healthz HTTP/1.1"), [400], False),
    "two blanks": (line(b"GET  /healthz HTTP/1.1"), [400], False),
    "two blanks before the version": (line(b"GET /healthz  HTTP/1.1"), [400], False),
    "tab": (line(b"GET\t/healthz\tHTTP/1.1"), [400], False),
    "vertical tab": (line(b"GET\x0b/healthz HTTP/1.1"), [400], False),
    "blank at the end": (line(b"GET /healthz HTTP/1.1 "), [400], False),
    "blank in the path": (target(b"/health z"), [400], False),
    "method with a colon": (line(b"GET: /healthz HTTP/1.1"), [400], False),
    "method with a byte": (line(b"G\xffT /healthz HTTP/1.1"), [400], False),
    "HTTP/0.9 in words": (line(b"GET /healthz HTTP/0.9"), [505], False),
    "HTTP/2.0": (line(b"GET /healthz HTTP/2.0"), [505], False),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505], False),
    "http/1.1": (line(b"GET /healthz http/1.1"), [400], False),
    "HTTP/1": (line(b"GET /healthz HTTP/1"), [400], False),
    "HTTP/1.10": (line(b"GET /healthz HTTP/1.10"), [400], False),
    "HTTP/+1.1": (line(b"GET /healthz HTTP/+1.1"), [400], False),
    "HTTP/1,1": (line(b"GET /healthz HTTP/1,1"), [400], False),
    "version twice": (line(b"GET /healthz HTTP/1.1 HTTP/1.1"), [400], False),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", [400], False),
    "SOCKS": (b"\x05\x01\x00", [400], False),
    "RTSP": (b"OPTIONS rtsp://a/1 RTSP/1.0\r\nCSeq: 1\r\n\r\n", [400], False),
    "line over 8 KiB": (target(b"/" + b"a" * 9000), [414], False),
    "endless line": (b"a" * 40000, [414], False),
}

TARGETS = {
    "authority form": (line(b"CONNECT a:80 HTTP/1.1"), [400], False),
    "asterisk with GET": (line(b"GET * HTTP/1.1"), [400], False),
    "asterisk and more": (line(b"OPTIONS */x HTTP/1.1"), [400], False),
    "no slash": (target(b"healthz"), [400], False),
    "other scheme": (target(b"ftp://a/healthz"), [400], False),
    "file": (target(b"file:///etc/passwd"), [400], False),
    "absolute without host": (target(b"http:///healthz"), [400], False),
    "absolute with user": (target(b"http://u:p@a/healthz"), [400], False),
    "absolute for another host": (target(b"http://b/healthz"), [400], False),
    "absolute with another port": (target(b"http://a:81/healthz"), [400], False),
    "absolute with a bad port": (target(b"http://a:99999/healthz"), [400], False),
    "fragment": (target(b"/healthz#x"), [400], False),
    "fragment in the query": (target(b"/healthz?a#x"), [400], False),
    "NUL": (target(b"/health\0z"), [400], False),
    "encoded NUL": (target(b"/healthz%00"), [400], False),
    "encoded CR LF": (target(b"/healthz%0d%0aX:y"), [400], False),
    "encoded slash": (target(b"/stream%2f1.ts"), [400], False),
    "encoded delete": (target(b"/healthz%7f"), [400], False),
    "half an encoding": (target(b"/healthz%4"), [400], False),
    "no encoding": (target(b"/healthz%gg"), [400], False),
    "raw byte": (target(b"/healthz\xff"), [400], False),
    "backslash": (target(b"/..\\healthz"), [400], False),
    "quote": (target(b"/\"healthz"), [400], False),
    "above the root": (target(b"/../healthz"), [400], False),
    "above the root later": (target(b"/a/../../healthz"), [400], False),
    "above the root, encoded": (target(b"/%2e%2e/healthz"), [400], False),
    "above the root, half encoded": (target(b"/.%2E/healthz"), [400], False),
    "above the root, absolute": (target(b"http://a/../healthz"), [400], False),
    # decoded once and never resolved: these name nothing
    "encoded twice": (target(b"/%252e%252e/healthz"), [404], True),
    "encoded twice, slash": (target(b"/stream%252f1.ts"), [404], True),
    "encoded backslash": (target(b"/%5c..%5chealthz"), [404], True),
    "dot segments": (target(b"/a/../healthz"), [404], True),
    "dot": (target(b"/./healthz"), [404], True),
    "two slashes": (target(b"//healthz"), [404], True),
    "id encoded twice": (target(b"/stream/%2531.ts"), [404], True),
    "id with a sign": (target(b"/stream/+1.ts"), [404], True),
    "id in hexadecimal": (target(b"/stream/0x1.ts"), [404], True),
    "id beyond all numbers": (target(b"/stream/" + b"9" * 400 + b".ts"), [404], True),
    "overlong utf-8": (target(b"/stream/%c0%b1.ts"), [404], True),
    "variant with NUL": (target(b"/stream/1.ts?variant=a%00"), [400], True),
    "variant with CR LF": (target(b"/stream/1.ts?variant=%0d%0aX:y"), [400], True),
    "variant that is no text": (target(b"/stream/1.ts?variant=%ff"), [400], True),
    "join beyond its limit": (target(b"/stream/1.ts?join_ms=99999999999999999999"), [400], True),
}

FIELDS = {
    "folded": (field(b"X: a\r\n b"), [400], False),
    "folded with a tab": (field(b"X: a\r\n\tb"), [400], False),
    "folded from the start": (b"GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n", [400], False),
    "empty name": (field(b": x"), [400], False),
    "blank before the colon": (field(b"X : y"), [400], False),
    "tab before the colon": (field(b"X\t: y"), [400], False),
    "no colon": (field(b"X"), [400], False),
    "name with a blank": (field(b"X Y: z"), [400], False),
    "name with a bracket": (field(b"X(: y"), [400], False),
    "name with a byte": (field(b"X\xe9: y"), [400], False),
    "NUL in a name": (field(b"X\0: y"), [400], False),
    "NUL in a value": (field(b"X: a\0b"), [400], False),
    "control in a value": (field(b"X: a\x08b"), [400], False),
    "delete in a value": (field(b"X: a\x7fb"), [400], False),
    "field over 16 KiB": (field(b"X: " + b"y" * 20000), [431], False),
    "65 fields": (OK + b"X: y\r\n" * 64 + b"\r\n", [431], False),
    "endless fields": (OK + b"X: y\r\n" * 20000, [431], False),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n", [400], False),
    "no host in 1.5": (b"GET /healthz HTTP/1.5\r\n\r\n", [400], False),
    "absolute form without a host field":
        (b"GET http://a/healthz HTTP/1.1\r\n\r\n", [400], False),
    "two hosts": (field(b"Host: b"), [400], False),
    "the same host twice": (field(b"host: a"), [400], False),
    "two hosts in 1.0": (b"GET /healthz HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", [400], False),
    "host list": (host(b"a, b"), [400], False),
    "host with user": (host(b"u@a"), [400], False),
    "host with path": (host(b"a/b"), [400], False),
    "host with blank": (host(b"a b"), [400], False),
    "host with quote": (host(b'a"><script>'), [400], False),
    "host with a bad port": (host(b"a:x"), [400], False),
    "host with a large port": (host(b"a:65536"), [400], False),
    "host with half a bracket": (host(b"[::1"), [400], False),
    "host of 400 bytes": (host(b"a" * 400), [400], False),
}

# another parser might see the second request elsewhere: it must not be answered
BODIES = {
    "length and chunked":
        (field(b"Content-Length: 6\r\nTransfer-Encoding: chunked", b"0\r\n\r\n" + NEXT),
         [400], False),
    "chunked and length":
        (field(b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n" + NEXT),
         [400], False),
    "two lengths": (field(b"Content-Length: 0\r\nContent-Length: 5", NEXT), [400], False),
    "the same length twice":
        (field(b"Content-Length: 0\r\nContent-Length: 0", NEXT), [400], False),
    "list of lengths": (field(b"Content-Length: 0, 0", NEXT), [400], False),
    "length with a sign": (field(b"Content-Length: +0", NEXT), [400], False),
    "negative length": (field(b"Content-Length: -1", NEXT), [400], False),
    "hexadecimal length": (field(b"Content-Length: 0x0", NEXT), [400], False),
    "length with a fraction": (field(b"Content-Length: 0.0", NEXT), [400], False),
    "length with a blank": (field(b"Content-Length: 0 0", NEXT), [400], False),
    "length in quotes": (field(b'Content-Length: "0"', NEXT), [400], False),
    "no length": (field(b"Content-Length:", NEXT), [400], False),
    "length beyond 64 bits":
        (field(b"Content-Length: 18446744073709551617", NEXT), [400], False),
    "length beyond all": (field(b"Content-Length: " + b"9" * 300, NEXT), [400], False),
    "length over the limit": (field(b"Content-Length: 262145", NEXT), [413], False),
    "length of a terabyte": (field(b"Content-Length: 999999999999", NEXT), [413], False),
    "blank before the colon of length": (field(b"Content-Length : 5", NEXT), [400], False),
    "chunked twice": (field(b"Transfer-Encoding: chunked, chunked", NEXT), [400], False),
    "chunked in two fields":
        (field(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", NEXT), [400], False),
    "chunked and identity":
        (field(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", NEXT), [400], False),
    "chunked not last": (field(b"Transfer-Encoding: chunked, gzip", NEXT), [400], False),
    "identity": (field(b"Transfer-Encoding: identity", NEXT), [400], False),
    "gzip alone": (field(b"Transfer-Encoding: gzip", NEXT), [400], False),
    "gzip before chunked": (field(b"Transfer-Encoding: gzip, chunked", NEXT), [501], False),
    "xchunked": (field(b"Transfer-Encoding: xchunked", NEXT), [400], False),
    "chunked with a parameter": (field(b"Transfer-Encoding: chunked;a=b", NEXT), [400], False),
    "chunked in quotes": (field(b'Transfer-Encoding: "chunked"', NEXT), [400], False),
    "chunked behind a vertical tab":
        (field(b"Transfer-Encoding:\x0bchunked", NEXT), [400], False),
    "chunked behind a comma": (field(b"Transfer-Encoding: ,chunked", NEXT), [400], False),
    "no coding": (field(b"Transfer-Encoding:", NEXT), [400], False),
    "blank before the colon of coding":
        (field(b"Transfer-Encoding : chunked", NEXT), [400], False),
    "folded coding": (field(b"Transfer-Encoding:\r\n chunked", NEXT), [400], False),
    "chunked in 1.0":
        (b"GET /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT,
         [400], False),
    # no route accepts a body: the connection ends after the answer, whatever the chunks are
    "chunked": (field(b"Transfer-Encoding: chunked", b"0\r\n\r\n" + NEXT), [200], False),
    "chunk size in hexadecimal with 0x":
        (field(b"Transfer-Encoding: chunked", b"0x0\r\n\r\n" + NEXT), [200], False),
    "chunk size beyond 64 bits":
        (field(b"Transfer-Encoding: chunked", b"f" * 17 + b"\r\n" + NEXT), [200], False),
    "chunk extension":
        (field(b"Transfer-Encoding: chunked", b"0;a=\"\r\n\r\n" + NEXT), [200], False),
    "trailer": (field(b"Transfer-Encoding: chunked", b"0\r\nHost: b\r\n\r\n" + NEXT),
                [200], False),
    "body in a HEAD":
        (b"HEAD /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n" + NEXT,
         [404], False),
    "body in an OPTIONS":
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n" + NEXT, [204], False),
    "body where the method is wrong":
        (b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n" + NEXT,
         [405], False),
    "garbage behind a good one": (field(b"X: y", b"\x00\x01\x02" + NEXT), [200, 400], False),
    "text behind a good one": (field(b"X: y", b"hello\r\n\r\n" + NEXT), [200, 400], False),
    "broken between good ones":
        (field(b"X: y") + field(b"X : y") + NEXT, [200, 400], False),
}

CASES = {**GOOD, **LINE_ENDS, **REQUEST_LINES, **TARGETS, **FIELDS, **BODIES}
PROBE = b"GET /the-next-one HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def shared():
    with serving(line_up(channel(1, media.film()))) as s:
        yield s


def answer(c, rest, head):
    """(status, fields, body, remaining bytes) of the next answer."""
    while b"\r\n\r\n" not in rest:
        got = c.recv(65536)
        assert got, f"the connection ended in an answer: {rest!r}"
        rest += got
    top, rest = rest.split(b"\r\n\r\n", 1)
    lines = top.decode().split("\r\n")
    status = int(re.fullmatch(r"HTTP/1\.1 (\d{3}) [A-Za-z ]+", lines[0])[1])
    fields = {k.lower(): v for k, v in (x.split(": ", 1) for x in lines[1:])}
    n = 0 if head or status == 204 else int(fields["content-length"])
    while len(rest) < n:
        got = c.recv(65536)
        assert got, "the connection ended in a body"
        rest += got
    return status, fields, rest[:n], rest[n:]


def exchange(s, data, statuses, stays):
    with socket.create_connection((s.host, s.port), 10 * PATIENCE) as c:
        try:
            c.sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            pass  # refused before it was complete
        rest = b""
        for i, expected in enumerate(statuses):
            status, fields, body, rest = answer(c, rest, data.startswith(b"HEAD"))
            assert status == expected, (status, body)
            if status >= 400 and body:
                assert fields["content-type"].startswith("application/json")
                assert json.loads(body)["error"]
            if status == 405:
                assert "GET" in fields["allow"]
            last = i == len(statuses) - 1
            assert (fields.get("connection") == "close") == (last and not stays)
        if stays:
            c.sendall(PROBE)
            status, _, _, rest = answer(c, rest, False)
            assert status == 404 and rest == b""
        else:
            assert rest == b"" and c.recv(100) == b"", "more comes behind the last answer"


@pytest.mark.parametrize("name", CASES)
def test_every_request_is_answered(shared, name):
    exchange(shared, *CASES[name])


@pytest.mark.smoke
def test_the_answer_does_not_depend_on_how_the_bytes_arrive(shared):
    """The same cases, cut at every place."""
    for name, (data, statuses, stays) in CASES.items():
        if len(data) > 2000 or len(statuses) > 1:
            continue
        end = data.index(b"\r\n\r\n") if b"\r\n\r\n" in data else len(data)
        for at in {1, 2, data.find(b"\r") + 1, end, end + 2} & set(range(1, len(data))):
            with socket.create_connection((shared.host, shared.port), 10 * PATIENCE) as c:
                c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                c.sendall(data[:at])
                try:
                    c.sendall(data[at:])
                except (ConnectionResetError, BrokenPipeError):
                    pass
                assert answer(c, b"", data.startswith(b"HEAD"))[0] == statuses[0], (name, at)


def test_an_unfinished_request_is_408_and_silence_is_closed(shared):
    """Half heads, and a silent connection that owes a body: none stays beyond the deadline."""
    halves = [b"GET /\r\n", b"\r", b"\r\n", OK, OK + b"\r", OK + b"X"]
    begin = time.monotonic()
    clients = []
    for half in halves + [b""]:
        c = socket.create_connection((shared.host, shared.port), 20 * PATIENCE)
        c.sendall(half)
        clients.append(c)
    for c, half in zip(clients, halves):
        status, fields, body, rest = answer(c, b"", False)
        assert status == 408 and fields["connection"] == "close" and rest == b"", half
        assert c.recv(1) == b"" and json.loads(body)["error"]
    assert clients[-1].recv(1) == b""
    assert time.monotonic() - begin > 4.5   # each read above ends long before the test's deadline
    for c in clients:
        c.close()
