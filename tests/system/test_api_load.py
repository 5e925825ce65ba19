"""Clients that take their answers slowly: what they hold of a worker is limited."""
import contextlib
import socket

import pytest

from harness import serving, wait_for
from lineup import channel, line_up
from test_api import ask, good, new, refused

MIB = 1 << 20


@pytest.fixture
def s():
    with serving(line_up(channel(1, "http://127.0.0.1:1/1.ts")), workers=1) as server:
        yield server


def slow(s, path, **headers):
    """A client that sends a request and reads nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", s.port))
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
    return sock


def test_bytes_of_answers_under_way_are_limited(s):
    good(ask(s, "POST", "/api/streams", [new(f"{i}", description="d" * 60000)
                                         for i in range(250)]), 201)
    size = len(ask(s, "GET", "/api/streams").text)
    assert size > 14 * MIB
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(slow(s, "/api/streams")) for _ in range(256 * MIB // size)]
        for client in clients:
            assert client.recv(12) == b"HTTP/1.1 200"
        answer = ask(s, "GET", "/api/streams")
        refused(answer, 503, "slowly")
        assert answer.headers["retry-after"]
        # small answers and changes go on
        good(ask(s, "GET", "/api/streams/1"))
        good(ask(s, "PUT", "/api/streams/1", {"name": "Changed"}))
    wait_for(lambda: ask(s, "GET", "/api/streams").status == 200, 10, "room for the list again")


def test_clients_of_events_are_limited_also_those_that_read_nothing(s):
    good(ask(s, "POST", "/api/streams", [new("n" * 200 + f"{i}") for i in range(1000)]), 201)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(slow(s, "/api/events", **{"Last-Event-ID": "1"}))
                   for _ in range(256)]
        for client in clients:
            assert client.recv(12) == b"HTTP/1.1 200"
        refused(ask(s, "GET", "/api/events"), 503, "too many clients")

    def is_admitted():
        with s.stream("/api/events") as again:
            return again.head().status == 200
    wait_for(is_admitted, 10, "room for a client again")
