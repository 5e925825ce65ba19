"""The access log: a line for every request and viewer, without secrets, rotated without a loss, never
blocking."""
import json
import os
import re
import signal
import socket
import struct

import media
import pytest
from harness import kill, wait_for
from lineup import LOOP, channel, line_up
from watch import descriptors

LINE = re.compile(r'(?P<address>\S+) - (?P<name>\S+) \[(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\] '
                  r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?P<bytes>\d+) "-" '
                  r'"(?P<agent>(?:[^"\\]|\\.)*)" ms=(?P<ms>\d+)'
                  r'(?: channel=(?P<channel>\d+))?(?: variant=(?P<variant>\S+))?$')


class Log:
    """The complete lines of a file."""

    def __init__(self, path):
        self.path = str(path)

    def text(self):
        try:
            with open(self.path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def lines(self):
        text = self.text()
        assert text == "" or text.endswith("\n"), text[-300:]
        found = [LINE.match(line) for line in text.splitlines()]
        assert all(found), text
        return [line for line in found if "/readyz" not in line["request"]]

    def wait(self, count, timeout=10):
        return wait_for(lambda: len(self.lines()) >= count and self.lines(), timeout,
                        f"{count} lines in {self.path}")


def serve(server, path, *streams, section=None, **kwargs):
    return server(line_up(*(streams or [channel(1, media.film(), **LOOP)]),
                          server={"access_log": str(path), **(section or {})},
                          **kwargs.pop("sections", {})), **kwargs)


def dropped(s):
    found = re.findall(r"^amps_access_log_dropped_total\{.*\} (\d+)$", s.get("/metrics").text, re.M)
    return sum(int(n) for n in found)


def test_access_log_is_off_by_default(server):
    s = server(line_up(channel(1, media.film())))
    before = set(os.listdir(s.folder))
    assert s.get("/none").status == 404
    s.stop()
    assert set(os.listdir(s.folder)) <= before
    assert "GET /none" not in s.log()


@pytest.mark.smoke
def test_each_request_has_its_line(server, tmp_path):
    """Answered, refused, malformed, streamed, and abandoned before an answer."""
    log = Log(tmp_path / "access")
    s = serve(server, log.path, channel(1, media.film(), **LOOP,
                                        adaptive_bitrates=[{"name": "sd", "ffmpeg_profile": "small"}]),
              channel(2, "/none.ts"), sections={"streaming": {"start_timeout": 20}})
    body = s.get("/playlist.m3u", headers={"User-Agent": 'a "b" \\'}).body
    assert s.get("/none").status == 404
    assert b" 400 " in s.raw(b"GET /\x1b[2J X\r\n\r\n")
    assert s.refused("/stream/2").status == 502
    with s.stream("/stream/1?variant=sd") as viewer:
        assert viewer.head().status == 200
        viewer.read(20000)
    log.wait(5)
    etag = s.get("/playlist.m3u").headers["etag"]
    assert s.get("/playlist.m3u", headers={"If-None-Match": etag}).status == 304
    lines = log.wait(7)
    playlist, missing, malformed, broken, viewed, _, known = lines
    assert playlist["request"] == "GET /playlist.m3u HTTP/1.1"
    assert (playlist["status"], int(playlist["bytes"])) == ("200", len(body))
    assert playlist["agent"] == 'a \\"b\\" \\\\' and playlist["address"] == "127.0.0.1"
    assert (missing["status"], missing["name"], missing["channel"]) == ("404", "-", None)
    assert malformed["status"] == "400" and malformed["request"] == r"GET /\x1b[2J X"
    assert (broken["status"], broken["channel"]) == ("502", "2")
    assert (viewed["status"], viewed["channel"], viewed["variant"]) == ("200", "1", "sd")
    assert int(viewed["bytes"]) >= 20000 and int(viewed["ms"]) > 0
    assert (known["status"], known["bytes"]) == ("304", "0")
    assert os.stat(log.path).st_mode & 0o777 == 0o640


def test_a_client_that_leaves_unanswered_has_a_line(server, tmp_path):
    log = Log(tmp_path / "access")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        s = serve(server, log.path,
                  channel(1, f"http://127.0.0.1:{silent.getsockname()[1]}/live.ts"),
                  sections={"streaming": {"allow_private": True, "start_timeout": 4}})
        with s.stream("/stream/1") as viewer:
            wait_for(s.viewers, 10, "the viewer")
            viewer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert s.refused("/stream/1").status == 504
        left, late = log.wait(2)
    assert (left["status"], left["bytes"], left["channel"]) == ("499", "0", "1")
    assert (late["status"], late["channel"]) == ("504", "1") and int(late["ms"]) > 0


@pytest.mark.once
@pytest.mark.parametrize("form", ["text", "json"])
def test_tokens_are_hidden_and_named(server, tmp_path, form):
    secrets = shared, guest, wrong = "Shared-5ecret-Tok", "Guest-5ecret-Tok", "Wrong-5ecret-Tok"
    log = Log(tmp_path / "access")
    s = serve(server, log.path, section={"log_format": form},
              sections={"auth": {"enabled": True, "token": shared,
                                 "tokens": [{"name": "living room", "token": guest}]}})
    said = [("/playlist.m3u?token=" + guest, {}), ("/playlist.m3u?x=1&%74oke%6E=" + guest, {}),
            ("/playlist.m3u", {"X-Amps-Token": guest}),
            ("/playlist.m3u", {"Authorization": "Bearer " + guest})]
    for path, headers in said:
        assert s.get(path, headers=headers).status == 200
    assert s.get(f"/none?token={shared}&pw={wrong}&u={wrong}").status == 404
    for target in (f"/{guest}/1.ts", f"/none?unknown={guest}", "/none?unknown=Guest%2D5ecret-Tok"):
        assert s.get(target, headers={"User-Agent": f"player/{shared}"}).status == 401
    for separator in "?;&":
        assert s.get(f"/playlist.m3u?a=1{separator}token=x;{wrong}").status == 401
    s.raw(f"GET /playlist.m3u?token={guest} HTTP/9\r\nX-Amps-Token: {shared}\r\n\r\n".encode())
    with s.stream("/stream/1?token=" + guest) as viewer:
        assert viewer.head().status == 200
    wait_for(lambda: "/stream/1" in log.text(), 10, "the viewer's line")
    s.stop()
    text = log.text()
    assert not [secret for secret in secrets if secret in text + s.log()], text
    assert "Guest%2D5ecret" not in text and "/none?unknown=***" in text and "player/***" in text
    if form == "json":
        lines = [json.loads(line) for line in text.splitlines()]
        names = [line.get("token_name") for line in lines if "readyz" not in line.get("target", "")]
        assert names == ["living room"] * 4 + [None] * 8 + ["living room"]
        assert lines[-1]["channel"] == "1" and lines[-1]["status"] == 200
        assert lines[-2]["line"].startswith("GET /playlist.m3u?token=***")
    else:
        names = [line["name"] for line in log.lines()]
        assert names == [r"living\x20room"] * 4 + ["-"] * 8 + [r"living\x20room"]


def test_the_address_is_the_clients(server, tmp_path):
    log = Log(tmp_path / "access")
    s = serve(server, log.path, section={"trusted_proxies": ["127.0.0.0/8"]})
    s.get("/none", headers={"X-Forwarded-For": "6.6.6.6, 10.1.2.3, 127.0.0.9"})
    assert log.wait(1)[0]["address"] == "10.1.2.3"


@pytest.mark.smoke
def test_rotation_loses_no_line(server, tmp_path):
    """Renamed while requests continue: with SIGHUP, with a reload, and with one that is refused."""
    log = Log(tmp_path / "access")
    s = serve(server, log.path, workers=2)
    good, asked, old = open(s.config_path).read(), 0, []

    def ask(count):
        nonlocal asked
        for _ in range(count):
            assert s.get(f"/none/{asked}").status == 404
            asked += 1

    for how in ("signal", "reload", "refused"):
        ask(50)
        old.append(Log(tmp_path / how))
        os.rename(log.path, old[-1].path)
        ask(50)
        if how == "signal":
            s.process.send_signal(signal.SIGHUP)
        else:
            s.write_config(good if how == "reload" else "streams: 5\n")
            assert s.amps("reload").returncode == (how == "refused")
        wait_for(lambda: all(log.path in descriptors(pid) for pid in s.pids("amps-worker")), 10,
                 "each worker with another file")
    ask(50)
    s.write_config(good)
    s.stop()
    assert len(log.lines()) >= 50
    numbers = [int(line["request"].split()[1].rsplit("/")[-1])
               for each in [*old, log] for line in each.lines()]
    assert sorted(numbers) == list(range(asked))


def test_a_reload_turns_it_on_and_off(server, tmp_path):
    log = Log(tmp_path / "access")
    s = server(line_up(channel(1, media.film())))
    assert s.get("/none/1").status == 404
    s.write_config(line_up(channel(1, media.film()), server={"access_log": log.path}))
    assert s.amps("reload").returncode == 0
    wait_for(lambda: s.get("/none/2").status == 404 and log.lines(), 10, "a line")
    s.write_config(line_up(channel(1, media.film())))
    assert s.amps("reload").returncode == 0
    kill(s.pids("amps-worker")[0])  # the next worker has it too
    wait_for(s.is_ready, 10, "another worker")
    before = log.text()
    assert s.get("/none/3").status == 404
    s.stop()
    assert log.text() == before and "/none/1" not in before and "/none/3" not in before


def test_a_new_worker_writes_the_access_log(server, tmp_path):
    log = Log(tmp_path / "access")
    s = serve(server, log.path)
    worker = s.pids("amps-worker")
    kill(worker[0])
    wait_for(lambda: s.pids("amps-worker") not in ([], worker) and s.is_ready(), 10, "another worker")
    assert s.get("/none").status == 404
    assert log.wait(1)[0]["status"] == "404"


@pytest.mark.parametrize("form", ["text", "json"])
def test_access_log_lines_on_standard_error(server, form):
    s = serve(server, "-", section={"log_format": form})
    assert s.get("/none?token=5ecret").status == 404
    s.stop()
    line = next(line for line in s.log().splitlines() if "/none" in line)
    if form == "json":
        fields = json.loads(line)["fields"]
        assert (fields["target"], fields["status"]) == ("/none?token=***", 404)
        assert all(json.loads(each)["message"] for each in s.log().splitlines())
    else:
        head = re.match(r"\S+Z info +worker\[\d+\] ", line)
        assert head and LINE.match(line[head.end():])["status"] == "404"


def test_a_full_disk_loses_only_lines(server):
    s = serve(server, "/dev/full")
    with s.stream("/stream/1") as viewer:
        assert viewer.head().status == 200
        for _ in range(20):
            assert s.get("/none").status == 404
        wait_for(lambda: dropped(s) >= 20, 10, "the lost lines in /metrics")
        assert len(viewer.read(200000)) == 200000
    wait_for(lambda: "access log cannot be written" in s.log(), 5, "a word about it")
    assert s.log().count("access log cannot be written") == 1


def test_an_unread_fifo_blocks_no_request(server, tmp_path):
    """More lines than pipe and buffer hold; a late reader finds the first of them."""
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    s = serve(server, path)
    one = b"GET /" + b"n" * 900 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    with s.stream("/stream/1") as viewer:
        assert viewer.head().status == 200
        while dropped(s) == 0:
            answers = s.raw(one * 40 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert answers.count(b"HTTP/1.1 404") == 41
        assert len(viewer.read(200000)) == 200000
        pid = s.pids("amps-worker")
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK)) as reader:
            first = reader.readline()
    assert LINE.match(first.rstrip("\n")), first
    assert s.pids("amps-worker") == pid
    with s.stream("/stream/1") as viewer:
        assert viewer.head().status == 200


def test_a_file_that_cannot_be_opened_is_a_warning(server, tmp_path):
    os.symlink("/dev/null", tmp_path / "link")
    s = serve(server, tmp_path / "link")
    assert s.get("/none").status == 404
    assert re.search(r"warning master\[\d+\] the access log cannot be opened .* continuing without", s.log())
