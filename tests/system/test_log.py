"""The server's log: one event per line, bounded, valid JSON, and without secrets."""
import base64
import json
import re
import socket
import subprocess

import pytest

import media
from harness import PATIENCE, kill, wait_for
from lineup import LOOP, channel, line_up
from origin import HttpOrigin
from test_api import ask, good, refused
from test_command import command

TEXT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error) +"
                  r"[a-z]+(\[[^]]*\])?\[\d+\] [^\x00-\x1f\x7f]+$")

pytestmark = pytest.mark.slow


@pytest.mark.smoke
def test_every_line_of_a_json_log_parses(server):
    with HttpOrigin() as origin:
        origin.mode = "refuse"
        s = server(line_up(channel(1, media.film(), **LOOP), channel(2, origin.url()),
                           channel(3, media.film(), profile="small", **LOOP),
                           server={"log_format": "json", "log_level": "debug"}))
        with s.stream("/stream/1") as one, s.stream("/stream/3") as three:
            assert one.head().status == three.head().status == 200
            one.read(100000), three.read(10000)
            assert s.refused("/stream/2").status == 502
            s.raw(b"GET /\x1b[2J\"\\ HTTP/1.1\r\n\r\n")
            kill(s.nursery())
            wait_for(s.nursery, 10, "another nursery")
        s.write_config("streams: 5\n")
        assert s.amps("reload").returncode == 1
        s.stop()
    lines = [json.loads(line) for line in s.log().splitlines()]
    for line in lines:
        assert set(line) == {"ts", "level", "program", "pid", "message", "fields"}, line
    programs = {line["program"] for line in lines}
    assert {"master", "worker", "job[1]", "job[2]", "job[3 derive]"} <= programs, programs
    libav = [line for line in lines if line["message"].startswith("libav: ")]
    assert libav and all(line["fields"]["channel"] in "123" for line in libav)
    lost = [line for line in lines if "trying again in" in line["message"]
            and line["fields"].get("channel") == "2"]
    assert lost and lost[0]["level"] == "warning"


def test_output_of_encoders_becomes_log_lines(server):
    """x265 prints to stderr directly."""
    h265 = {"vcodec": "libx265", "preset": "ultrafast", "s": "160x90", "acodec": "copy"}
    s = server(line_up(channel(1, media.film(), profile="h265", **LOOP),
                       ffmpeg_profiles={"h265": h265}, server={"log_level": "debug"}))
    with s.stream("/stream/1") as stream:
        assert stream.read(10000)
    s.stop()
    said = [line for line in s.log().splitlines() if "x265 [" in line or "encoded " in line]
    assert said and all(TEXT.match(line) and "debug" in line for line in said), said


def test_a_failed_start_is_in_the_json_log(server):
    s = server(line_up(channel(1, media.film()), server={"log_format": "json"}))
    other = server(line_up(channel(1, media.film()), server={"log_format": "json"}), ready=False,
                   args=["--port", str(s.port)])
    assert other.process.wait(20 * PATIENCE) == 1
    lines = [json.loads(line) for line in other.log().splitlines()]
    assert lines[-1]["level"] == "error" and "cannot start" in lines[-1]["message"], lines
    other.check_gone()


def test_frequent_lines_are_counted(server):
    """Three hundred requests at level debug: two hundred lines and a count, and other lines as usual."""
    s = server(line_up(channel(1, "/none.ts"), server={"log_level": "debug"}))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(s.socket_path)
        answers = client.makefile("r")
        for number in range(300):
            client.sendall(b'{"id": %d, "method": "ping"}\n' % number)
            assert json.loads(answers.readline())["id"] == number
    assert s.refused("/stream/1").status == 502
    log = s.log()
    assert log.count("a control client asks") == 200
    assert "the ingest job is lost" in log
    s.stop()
    lines = [line for line in s.log().splitlines() if "a control client asks" in line]
    # the start of the server has asked for its port
    more = 300 + sum("method=status" in line for line in lines) - 201
    assert len(lines) == 201 and lines[-1].endswith(f" ({more} more in the last 10 s)"), lines[-1]


def test_a_name_cannot_forge_a_line(server):
    s = server(line_up(channel(1, media.film()), server={"log_level": "debug"}))
    evil = "x\n2026-01-01T00:00:00.000Z error master[1] forged\x1b[2J"
    done = subprocess.run(["python3", "-c", f"""
import json, socket
s = socket.socket(socket.AF_UNIX)
s.connect({s.socket_path!r})
s.sendall(json.dumps({{"id": 1, "method": {evil!r}}}).encode() + b"\\n")
print(s.recv(4096).decode())"""], capture_output=True, text=True, timeout=20)
    assert "unknown_method" in done.stdout
    wait_for(lambda: "forged" in s.log(), 5, "the line")
    s.stop()
    lines = s.log().splitlines()
    banner = [line for line in lines if not TEXT.match(line)]
    assert all(line.startswith(("Amps ", "  url ", "  channels ", "  auth ", "  user ")) for line in banner), banner
    assert not any(line.startswith("2026-01-01T00:00:00.000Z") for line in lines)
    assert "\x1b" not in s.log()


@pytest.mark.once
@pytest.mark.smoke
def test_no_secret_is_logged_or_sent(server, tmp_path):
    """Tokens, credentials of sources and their headers, through good and failing paths."""
    shared, admin, guest = "Shared-5ecret-Tok", "Admin-5ecret-Tok", "Guest-5ecret-Tok"
    wrong, password, query = "Wrong-5ecret-Tok", "Pass-5ecret-" + "w" * 400, "Query-5ecret-Val"
    bearer = "Bearer-5ecret-Val"
    options = {"headers": f"Authorization: Bearer {bearer}\r\n", "cookies": "sid=Cookie-5ecret; path=/"}
    with HttpOrigin(folder=str(tmp_path)) as origin:
        origin.mode = "refuse"
        at = f"127.0.0.1:{origin.port}"
        (tmp_path / f"list.m3u8?password={query}&x=1").write_text(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n"
            f"http://user:{password}@{at}/gone.ts?token={query}\n#EXT-X-ENDLIST\n")
        (tmp_path / f"pw.m3u8?user={query}&pw={query}").write_text(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n"
            f"http://{at}/movie/Name-5ecret/{password}/77.ts?id=8&sid={query}\n#EXT-X-ENDLIST\n")
        sources = [f"http://user:{password}@{at}/live.ts?token={query}",
                   f"http://user:{password}@{at}/list.m3u8?password={query}&x=1",
                   f"http://user:{password}@127.0.0.1:1/a.ts?api_key={query}",
                   f"rtsp://user:{password}@127.0.0.1:1/a?sig={query}",
                   f"nonsense://user:{password}@{at}/a?token={query}",
                   f"http://{at}/live.ts?channel=5&u={query}&p={password}",
                   f"http://{at}/pw.m3u8?user={query}&pw={query}",
                   f"http://{at}/hdnts=exp=1~hmac={query}/live.ts?st={query}&jwt={query}",
                   f"http://{at}/live/Name-5ecret/{password}/123.ts",
                   f"http://127.0.0.1:1/Name-5ecret/{password}/123"]
        config = line_up(*[channel(i + 1, source, input_options=options)
                           for i, source in enumerate(sources)],
                         auth={"enabled": True, "token": shared, "admin_token": admin,
                               "tokens": [{"name": "guest", "token": guest}]},
                         server={"log_level": "debug"},
                         streaming={"allow_private": True, "start_timeout": 3})
        s = server(config)
        said = []
        asked = ((f"?token={shared}", {}), ("", {"X-Amps-Token": guest}),
                 ("", {"Authorization": f"Bearer {admin}"}))
        for number in range(1, len(sources) + 1):
            for path, headers in asked[:3 if number == 1 else 1]:
                with s.stream(f"/stream/{number}{path}", headers=headers) as viewer:
                    assert viewer.head().status >= 400
                    said.append(viewer.read_all().decode())
        for path in (f"/stream/1?token={wrong}", f"/none?token={wrong}"):
            answer = s.get(path)
            assert answer.status == 401
            said.append(answer.text)
        answer = s.get(f"/none?token={shared}")
        assert answer.status == 404
        said.append(answer.text)
        said.append(s.raw(f"GET /stream/1?token={shared} HTTP/1.1\nX-Amps-Token: {guest}\n\n".encode()).decode())
        said.append(s.get("/metrics").text)
        for command in ("tuners", "status", "viewers"):
            said += [s.amps(command, "--json").stdout, s.amps(command).stdout]
        said.append("\n".join(f"{comm} {line}" for comm, line in s.processes().values()))
        config["streams"][0]["source"] = {"a": sources[0]}
        config["auth"]["tokens"].append({"token": shared})
        s.write_config(config)
        done = s.amps("reload")
        assert done.returncode == 1
        said += [done.stdout, done.stderr]
        s.stop()
        said.append(s.log())
    text = "\n".join(said)
    basic = base64.b64encode(f"user:{password}".encode()).decode()
    assert re.search(r"libav: .*://[*]{3}@.*/gone\.ts", text), "libav names no URL"
    assert re.search(r"libav: .*/movie/[*]{3}/[*]{3}/77\.ts\?id=8&sid=[*]{3}", text)
    for shown in ("/live.ts?channel=5&u=***&p=***", "/hdnts=***/live.ts?st=***&jwt=***",
                  "/live/***/***/123.ts", "127.0.0.1:1/***/***/123"):
        assert shown in text, shown
    assert "trying again in" in text
    found = [line[:300] for line in text.splitlines()
             if "5ecret" in line or basic in line or "wwwwwwww" in line]
    assert found == []


def test_a_viewer_learns_the_reason_but_not_the_source(server, tmp_path):
    with HttpOrigin() as origin:
        origin.mode = "refuse"
        s = server(line_up(channel(1, origin.url()), channel(2, str(tmp_path / "none.ts"))))
        host = origin.url().split("/")[2]
        for path in ("/stream/1", "/stream/1", "/stream/1", "/stream/1?overlap=true"):
            answer = s.refused(path)
            assert answer.status == 502 and "503" in answer.json["error"], answer.text
            assert host not in answer.text and "live.ts" not in answer.text, answer.text
        answer = s.refused("/stream/2")
        assert answer.status == 502 and "No such file" in answer.json["error"], answer.text
        assert "none.ts" not in answer.text and str(tmp_path) not in answer.text, answer.text
        # administrators see it
        assert host in s.tuner("1")["last_error"] and host in s.log()
        assert "none.ts" in s.tuner("2")["last_error"]


def texts(answer):
    return [line["line"] for line in good(answer)]


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_api_shows_the_last_lines(server, form):
    s = server(line_up(channel(1, "/missing.ts"), server={"log_format": form}))
    assert s.refused("/stream/1").status == 502
    lines = good(ask(s, "GET", "/api/log"))
    assert {line["level"] for line in lines} == {"info", "warning"}
    written = set(s.log().splitlines())
    assert all(line["line"] in written for line in lines), lines
    assert all(line["time"] in line["line"] for line in lines)
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    lost = [line for line in lines if "missing.ts" in line["line"]]
    assert lost and lost[0]["level"] == "warning"
    assert good(ask(s, "GET", "/api/log?level=warning")) == \
        [line for line in lines if line["level"] == "warning"]
    assert good(ask(s, "GET", "/api/log?q=MISSING.ts")) == lost
    assert good(ask(s, "GET", "/api/log?limit=2&level=info")) == lines[-2:]
    assert good(ask(s, "GET", "/api/log?limit=0")) == []
    refused(ask(s, "GET", "/api/log?level=loud"), 400, "level")
    refused(ask(s, "GET", "/api/log?limit=-1"), 400, "limit")
    refused(ask(s, "POST", "/api/log"), 405)


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_api_shows_the_lines_of_all_processes(server, form):
    """What the log file has, of workers, the nursery, jobs and commands, too, in the order of time."""
    words = ["/bin/sh", "-c", "echo This is what it says >&2; exec cat \"$0\"", "{source}"]
    s = server(line_up(channel(1, media.film(), profile="small", **LOOP),
                       command(9, media.film(), words),
                       server={"log_format": form, "log_level": "debug"}))
    for path in ("/stream/1", "/stream/9"):
        with s.stream(path) as stream:
            assert stream.read(10000)
    s.raw(b"GET /\x1b[2J\"\\ HTTP/1.1\r\n\r\n")
    names = ["master", "worker", "nursery", "job[1]", "job[1 derive]", "job[9]", "command[9]"]

    def is_all_there():
        shown, written = texts(ask(s, "GET", "/api/log")), s.log().splitlines()
        # lines of the start come before the server can keep them
        begin = next(i for i, line in enumerate(written) if "the nursery is ready" in line)
        return set(written[begin:]) - set(shown) == set() and \
            all(any(name in line for line in shown) for name in names)
    wait_for(is_all_there, 10, "all lines of the log file")
    lines = good(ask(s, "GET", "/api/log"))
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    assert len({line["line"] for line in lines} - set(s.log().splitlines())) == 0
    assert any("This is what it says" in line["line"] for line in lines)


def test_only_administrators_read_the_log(server):
    s = server(line_up(channel(1, "/missing.ts"),
                       auth={"enabled": True, "token": "watcher", "admin_token": "boss"}))
    refused(ask(s, "GET", "/api/log", token="watcher"), 403)
    assert texts(ask(s, "GET", "/api/log", token="boss"))
