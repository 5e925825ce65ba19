"""Lines for the control socket, each with its exact answer; the server answers the next good line on
the same connection, or on another if this one must end."""
import contextlib
import json
import re
import socket
import threading
import time
from pathlib import Path

import pytest

import media
from harness import PATIENCE, ROOT, SANITIZED, serving
from lineup import LOOP, channel, line_up
from watch import Residue, Watch, assert_untouched, memory_kb

LINE_MAX = 65536
PING = b'{"id":"next","method":"ping"}\n'
NOT_JSON = ("bad_request", "not a JSON object")
NO_OBJECT = ("bad_request", "a request is one JSON object a line")
BAD_ID = ("bad_request", '"id" must be a number or a text')
BAD_METHOD = ("bad_request", '"method" must be a text')
BAD_PARAMS = ("bad_request", '"params" must be an object')
UNKNOWN = ("unknown_method", "no such method")
KEY = ("bad_params", '"key" names a tuner, such as "5" or "5/sd"')
VIEWER = ("bad_params", '"viewer" is the id of a viewer')
TIMEOUT = ("bad_params", '"timeout" is a number of seconds from 0 to 3600')
NO_VIEWER = ("not_found", "no such viewer")
DEEP = 3000


def call(method, params=None, **more):
    return json.dumps({"id": 1, "method": method, "params": params or {}, **more}).encode()


def padded(n):
    """A good request of n bytes."""
    head = b'{"id":1,"method":"ping","x":"'
    return head + b"x" * (n - len(head) - 2) + b'"}'


# name: (line without its end, id of the answer, (code, message) or the result)
CASES = {
    # not JSON
    "words": (b"tuners", None, NOT_JSON),
    "an HTTP request": (b"GET /tuners HTTP/1.1\r", None, NOT_JSON),
    "control bytes": (b"\x01\x02\x7f\x1b[2J", None, NOT_JSON),
    "NUL": (b"\0", None, NOT_JSON),
    "NULs": (b"\0" * 1000, None, NOT_JSON),
    "NUL before a good one": (b"\0" + call("ping"), None, NOT_JSON),
    "NUL behind a good one": (call("ping") + b"\0", None, NOT_JSON),
    "blanks": (b"   \t", None, NOT_JSON),
    "byte order mark": (b"\xef\xbb\xbf" + call("ping"), None, NOT_JSON),
    "utf-16": (call("ping").decode().encode("utf-16-le"), None, NOT_JSON),
    "no utf-8": (b'{"id":1,"method":"\xff\xfe"}', None, NOT_JSON),
    "overlong utf-8": (b'{"id":1,"method":"\xc0\xaf"}', None, NOT_JSON),
    "half a character": (b'{"id":1,"method":"\xe2\x82"}', None, NOT_JSON),
    "lone surrogate": (b'{"id":1,"method":"\\ud800"}', None, NOT_JSON),
    "escaped NUL": (b'{"id":1,"method":"ping\\u0000"}', None, NOT_JSON),
    "NUL in a key": (b'{"id":1,"method\\u0000":"ping"}', None, NOT_JSON),
    # nearly JSON
    "not closed": (b'{"id":1,"method":"ping"', None, NOT_JSON),
    "text not closed": (b'{"id":1,"method":"pi', None, NOT_JSON),
    "comma too many": (b'{"id":1,"method":"ping",}', None, NOT_JSON),
    "single quotes": (b"{'id':1,'method':'ping'}", None, NOT_JSON),
    "keys without quotes": (b'{id:1,method:"ping"}', None, NOT_JSON),
    "comment": (b'{"id":1,"method":"ping"} // please', None, NOT_JSON),
    "two objects": (call("ping") + call("ping"), None, NOT_JSON),
    "two objects and a blank": (call("ping") + b" " + call("shutdown"), None, NOT_JSON),
    "key given twice": (b'{"id":1,"method":"ping","method":"shutdown"}', None, NOT_JSON),
    "id given twice": (b'{"id":1,"id":2,"method":"ping"}', None, NOT_JSON),
    "NaN": (b'{"id":NaN,"method":"ping"}', None, NOT_JSON),
    "number beyond 64 bits": (b'{"id":9223372036854775808,"method":"ping"}', None, NOT_JSON),
    "number of 10,000 digits":
        (b'{"id":' + b"9" * 10000 + b',"method":"ping"}', None, NOT_JSON),
    "number beyond all floats": (b'{"id":1e999,"method":"ping"}', None, NOT_JSON),
    "deep lists": (b"[" * DEEP + b"]" * DEEP, None, NOT_JSON),
    "deep lists without an end": (b"[" * 60000, None, NOT_JSON),
    "deep objects":
        (b'{"id":1,"method":"ping","params":' + b'{"a":' * DEEP + b"1" + b"}" * (DEEP + 1),
         None, NOT_JSON),
    # JSON, but not a request
    "list": (b"[]", None, NO_OBJECT),
    "list of requests": (b"[" + call("ping") + b"]", None, NO_OBJECT),
    "number": (b"5", None, NOT_JSON),
    "null": (b"null", None, NOT_JSON),
    "text": (b'"ping"', None, NOT_JSON),
    "id is a list": (b'{"id":[1],"method":"ping"}', None, BAD_ID),
    "id is an object": (b'{"id":{},"method":"ping"}', None, BAD_ID),
    "id is true": (b'{"id":true,"method":"ping"}', None, BAD_ID),
    "nothing in it": (b"{}", None, BAD_METHOD),
    "no method": (b'{"id":7}', 7, BAD_METHOD),
    "method is a number": (b'{"id":7,"method":5}', 7, BAD_METHOD),
    "method is null": (b'{"id":7,"method":null}', 7, BAD_METHOD),
    "method is a list": (b'{"id":"seven","method":["ping"]}', "seven", BAD_METHOD),
    "params are a list": (b'{"id":7,"method":"ping","params":[1]}', 7, BAD_PARAMS),
    "params are a text": (b'{"id":7,"method":"ping","params":"x"}', 7, BAD_PARAMS),
    "params are false": (b'{"id":7,"method":"ping","params":false}', 7, BAD_PARAMS),
    # unknown methods
    "unknown": (call("tuner"), 1, UNKNOWN),
    "empty method": (call(""), 1, UNKNOWN),
    "other case": (call("PING"), 1, UNKNOWN),
    "method with a blank": (call("ping "), 1, UNKNOWN),
    "method with a line end": (call("ping\n"), 1, UNKNOWN),
    "method of 60,000 bytes": (call("x" * 60000), 1, UNKNOWN),
    "format string": (call("%s%n%n"), 1, UNKNOWN),
    # wrong parameters
    "stop what": (call("stop"), 1, KEY),
    "stop a number": (call("stop", {"key": 1}), 1, KEY),
    "stop null": (call("stop", {"key": None}), 1, KEY),
    "stop a long name": (call("stop", {"key": "x" * 96}), 1, KEY),
    "stop a name of 60,000 bytes": (call("stop", {"key": "x" * 60000}), 1, KEY),
    "stop nobody": (call("stop", {"key": "9"}), 1, ("not_found", "no tuner 9 is running")),
    "stop an empty name": (call("stop", {"key": ""}), 1, ("not_found", "no tuner  is running")),
    "stop with dots":
        (call("stop", {"key": "../1"}), 1, ("not_found", "no tuner ../1 is running")),
    "stop with line ends":
        (call("stop", {"key": "1\n2"}), 1, ("not_found", "no tuner 1\n2 is running")),
    "kick whom": (call("kick"), 1, VIEWER),
    "kick zero": (call("kick", {"viewer": 0}), 1, VIEWER),
    "kick a negative": (call("kick", {"viewer": -1}), 1, VIEWER),
    "kick a fraction": (call("kick", {"viewer": 1.5}), 1, VIEWER),
    "kick a word": (call("kick", {"viewer": "me"}), 1, VIEWER),
    "kick a list": (call("kick", {"viewer": [1]}), 1, VIEWER),
    "kick a number beyond all":
        (call("kick", {"viewer": "99999999999999999999999"}), 1, VIEWER),
    "kick nobody": (call("kick", {"viewer": 2 ** 63 - 1}), 1, NO_VIEWER),
    "shutdown never": (call("shutdown", {"timeout": -1}), 1, TIMEOUT),
    "shutdown too late": (call("shutdown", {"timeout": 3600.1}), 1, TIMEOUT),
    "shutdown in words": (call("shutdown", {"timeout": "5"}), 1, TIMEOUT),
    "shutdown true": (call("shutdown", {"timeout": True}), 1, TIMEOUT),
    "shutdown beyond": (call("shutdown", {"timeout": 1e300}), 1, TIMEOUT),
    # odd, but right
    "no id": (b'{"method":"ping"}', None, "pong"),
    "null for an id": (b'{"id":null,"method":"ping"}', None, "pong"),
    "largest id": (b'{"id":9223372036854775807,"method":"ping"}', 2 ** 63 - 1, "pong"),
    "smallest id": (b'{"id":-9223372036854775808,"method":"ping"}', -2 ** 63, "pong"),
    "id with a fraction": (b'{"id":0.5,"method":"ping"}', 0.5, "pong"),
    "empty id": (b'{"id":"","method":"ping"}', "", "pong"),
    "id with line ends": (b'{"id":"a\\r\\nb","method":"ping"}', "a\r\nb", "pong"),
    "id of 60,000 bytes":
        (b'{"id":"' + b"i" * 60000 + b'","method":"ping"}', "i" * 60000, "pong"),
    "null for params": (b'{"id":1,"method":"ping","params":null}', 1, "pong"),
    "more members": (b'{"id":1,"method":"ping","jsonrpc":"2.0","x":[1]}', 1, "pong"),
    "method in escapes": (b'{"id":1,"method":"\\u0070ing"}', 1, "pong"),
    "CR before the line end": (call("ping") + b"\r", 1, "pong"),
    "blanks around": (b" \t " + call("ping") + b"  ", 1, "pong"),
    "empty lines before": (b"\n\n\n" + call("ping"), 1, "pong"),
    "the longest line": (padded(LINE_MAX), 1, "pong"),
}


@pytest.fixture(scope="module")
def shared():
    """One server with a viewer that must not be affected by the socket."""
    with serving(line_up(channel(1, media.film(), **LOOP))) as s, Watch(s) as w:
        ids = w.open("/stream/1.ts", 3)
        w.wait_playing(ids)
        master = s.process.pid
        yield s
        w.wait_more(ids)
        assert_untouched(w.report())
        assert s.process.pid == master and s.process.poll() is None


class Client:
    def __init__(self, server):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10 * PATIENCE)
        self.sock.connect(server.socket_path)
        self.rest = b""

    def send(self, data):
        self.sock.sendall(data)

    def line(self):
        """The next answer, None at the end of the connection."""
        while b"\n" not in self.rest:
            try:
                got = self.sock.recv(65536)
            except ConnectionResetError:
                got = b""
            if not got:
                assert self.rest == b"", f"half an answer: {self.rest[:100]}"
                return None
            self.rest += got
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def is_open(self):
        self.send(PING)
        return self.line() == {"id": "next", "result": "pong"} and self.rest == b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def expected(number, outcome):
    if isinstance(outcome, str):
        return {"id": number, "result": outcome}
    return {"id": number, "error": {"code": outcome[0], "message": outcome[1]}}


def too_long():
    return expected(None, ("too_long", "a line has at most 65536 bytes"))


@pytest.mark.parametrize("name", CASES)
def test_every_line_is_answered(shared, name):
    line, number, outcome = CASES[name]
    assert b"\n" not in line.lstrip(b"\n") and len(line) <= LINE_MAX
    with Client(shared) as c:
        c.send(line + b"\n")
        assert c.line() == expected(number, outcome)
        assert c.is_open()


@pytest.mark.parametrize("name", ["one byte too many", "half a megabyte", "without an end",
                                  "behind a good one"])
def test_a_line_over_64_kib_ends_the_connection(shared, name):
    data = {"one byte too many": padded(LINE_MAX + 1) + b"\n",
            "half a megabyte": b"x" * 500_000 + b"\n" + PING,
            "without an end": b" " * (LINE_MAX + 1),
            "behind a good one": PING + padded(LINE_MAX + 1) + b"\n" + PING}[name]
    with Client(shared) as c:
        try:
            c.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # that is enough
        if data.startswith(PING):
            assert c.line()["result"] == "pong"
        assert c.line() == too_long()
        assert c.line() is None
    with Client(shared) as c:
        assert c.is_open()


def described(page):
    """The names in the first column of a document's tables."""
    cells = re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_the_document_has_each_method_and_error_code():
    said = described(Path(ROOT, "docs/control.md").read_text())
    code = "".join(p.read_text() for p in Path(ROOT, "amps-master").rglob("*.c"))
    methods = re.findall(r'\{"(\w+)", \.(?:run|report)\b', code)
    refusals = re.findall(r"\b(?:control_fail|refuse)\([^;]*;", code)
    codes = [c for call in refusals for c in re.findall(r'"([a-z_]+)"', call)]
    assert methods and codes and said == {*methods, *codes}


@pytest.mark.smoke
def test_all_lines_at_once_are_answered_in_order(shared):
    with Client(shared) as c:
        everything = b"".join(line + b"\n" for line, _, _ in CASES.values())
        sender = threading.Thread(target=c.send, args=(everything,))
        sender.start()
        for name, (_, number, outcome) in CASES.items():
            assert c.line() == expected(number, outcome), name
        sender.join()
        assert c.is_open()


def test_lines_may_arrive_byte_by_byte(shared):
    with Client(shared) as c:
        for byte in call("ping") + b"\n" + b"{]\n":
            c.send(bytes([byte]))
        assert c.line() == expected(1, "pong")
        assert c.line() == expected(None, NOT_JSON)
        assert c.is_open()


def test_a_half_closed_client_gets_its_answers(shared):
    with Client(shared) as c:
        c.send(call("ping") + b"\n" + call("nothing") + b"\n" + b'{"half')
        c.sock.shutdown(socket.SHUT_WR)
        assert c.line() == expected(1, "pong")
        assert c.line() == expected(1, UNKNOWN)
        assert c.line() is None


def test_a_half_line_is_dropped_in_two_seconds(shared):
    with Client(shared) as silent, Client(shared) as c, Client(shared) as drip:
        begin = time.monotonic()
        c.send(call("ping")[:-1])
        while time.monotonic() - begin < 30 * PATIENCE:
            try:
                drip.send(b" ")  # a byte now and then does not help
            except (BrokenPipeError, ConnectionResetError):
                break
            time.sleep(0.1)
        assert 1.9 < time.monotonic() - begin < 30 * PATIENCE
        assert drip.line() is None and c.line() is None
        assert silent.is_open()  # it has not started a line: it may stay


def test_a_hundred_half_open_clients_delay_no_other(shared):
    """They reconnect whenever they are dropped, and each leaves a line unfinished."""
    residue = Residue(shared)
    stop = threading.Event()

    def reconnect():
        clients = []
        while not stop.is_set():
            while len(clients) < 100:
                c = socket.socket(socket.AF_UNIX)
                c.settimeout(1)
                # the queue may be full, or the server may have dropped the client
                with contextlib.suppress(OSError):
                    c.connect(shared.socket_path)
                    c.send(b'{"id":1,"method":"tun')
                clients.append(c)
            stop.wait(0.1)
            for c in clients[:20]:
                c.close()
            del clients[:20]
        for c in clients:
            c.close()

    def ask():
        """A client that is slow to send its line may be dropped for others, and reconnects; so does one
        that finds the queue full, which connect() with a time limit does not wait for."""
        while True:
            try:
                with Client(shared) as c:
                    c.send(call("tuners") + b"\n")
                    return c.line()
            except (BrokenPipeError, BlockingIOError):
                dropped.append(True)

    def median_ms():
        times = []
        for _ in range(40):
            begin = time.monotonic()
            answer = ask()
            times.append(time.monotonic() - begin)
            assert [t["key"] for t in answer["result"]] == ["1"]
            time.sleep(0.02)
        return sorted(times)[20] * 1000

    dropped = []
    idle = median_ms()
    thread = threading.Thread(target=reconnect)
    thread.start()
    try:
        beside = median_ms()
        assert shared.amps("tuners").returncode == 0
    finally:
        stop.set()
        thread.join()
    print(f"tuners: median {idle:.1f} ms alone, {beside:.1f} ms beside 100 half-open clients, "
          f"{len(dropped)} dropped")
    # a client behind them would wait for their deadline of two seconds
    assert beside < 20 * idle + 100 * PATIENCE
    residue.check()


def test_clients_that_do_not_read_delay_no_other(shared):
    deaf = [Client(shared) for _ in range(16)]
    try:
        for c in deaf:
            c.sock.setblocking(False)
            try:
                while True:
                    c.sock.send(call("status") + b"\n")
            except BlockingIOError:
                pass
        for _ in range(20):
            with Client(shared) as c:
                assert c.is_open()
    finally:
        for c in deaf:
            c.sock.close()


@pytest.mark.smoke
def test_thousands_of_bad_lines_leak_no_memory(shared):
    bad = [line for line, _, _ in CASES.values() if len(line) < 1000]
    master = shared.process.pid
    held = []
    for turn in range(4):
        with Client(shared) as c:
            for line in bad * 5:
                c.send(line + b"\n")
                assert c.line()
        held.append(memory_kb(master))
    steps = [b - a for a, b in zip(held, held[1:])]
    print(f"{5 * len(bad)} more bad lines, three times: {steps} KiB more")
    assert min(steps) < 32 or SANITIZED, f"each round leaves memory: {held} KiB"
