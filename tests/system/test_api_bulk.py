"""The API and the command add whole playlists; the database is copied and judged; openapi.json
describes what the server does."""
import copy
import json
import os
import re
import socket
import sqlite3
import subprocess

import pytest

import npm
from harness import BIN, ROOT, serving
from lineup import channel, line_up
from origin import HttpOrigin
from test_api import ask, good, new, refused

M3U = """#EXTM3U
#EXTINF:-1 tvg-id="one.tv" tvg-logo="http://x/1.png" group-title="News",One
http://127.0.0.1:1/one.ts
#EXTINF:-1 tvg-chno="7",Two, and "more"
#EXTVLCOPT:http-user-agent=Box
http://127.0.0.1:1/two.ts
"""
MADE = [{"name": "One", "source": "http://127.0.0.1:1/one.ts", "ffmpeg_profile": "copy",
         "epg_id": "one.tv", "logo": "http://x/1.png", "group": "News"},
        {"name": 'Two, and "more"', "source": "http://127.0.0.1:1/two.ts", "ffmpeg_profile": "copy",
         "channel_number": "7", "input_options": {"user_agent": "Box"}}]


@pytest.fixture(scope="module")
def s():
    with serving(line_up(channel(1, "http://127.0.0.1:1/1.ts"))) as server:
        yield server


def without_ids(channels):
    return [{k: v for k, v in c.items() if k != "id"} for c in channels]


def test_a_playlist_is_imported(s):
    shown = good(ask(s, "POST", "/api/import?dry_run=1", {"m3u": M3U}))
    assert without_ids(shown) == MADE
    before = len(good(ask(s, "GET", "/api/streams")))
    made = good(ask(s, "POST", "/api/import", {"m3u": M3U}), 201)
    assert made == shown
    assert good(ask(s, "GET", "/api/streams"))[before:] == made


def test_a_playlist_that_is_wrong_adds_nothing(s):
    before = good(ask(s, "GET", "/api/streams"))
    answer = refused(ask(s, "POST", "/api/import", {"m3u": M3U, "profile": "none"}), 400, "none")
    assert {p["path"] for p in answer["problems"]} == {"[0].ffmpeg_profile", "[1].ffmpeg_profile"}
    refused(ask(s, "POST", "/api/import", {"m3u": "<html></html>"}), 400, "web page")
    for body in {}, {"m3u": 5}, {"m3u": "", "url": "http://x/"}, {"url": "file:///etc/passwd"}, [], \
            {"m3u": M3U, "profile": 5}, {"m3u": M3U, "profle": "copy"}:
        refused(ask(s, "POST", "/api/import", body), 400)
    assert good(ask(s, "POST", "/api/import", {"m3u": "#EXTM3U\n"})) == []
    assert good(ask(s, "GET", "/api/streams")) == before


def test_a_playlist_is_imported_from_a_url(s, tmp_path):
    (tmp_path / "list.m3u").write_text(M3U)
    with HttpOrigin(folder=str(tmp_path)) as origin:
        made = good(ask(s, "POST", "/api/import", {"url": origin.url("/list.m3u")}), 201)
        assert without_ids(made) == MADE
        (tmp_path / "local.m3u").write_text("#EXTM3U\n#EXTINF:-1,Mine\n/etc/passwd\n")
        answer = ask(s, "POST", "/api/import", {"url": origin.url("/local.m3u")})
        refused(answer, 400, "source", "local")
    refused(ask(s, "POST", "/api/import", {"url": "http://127.0.0.1:1/list.m3u"}), 400, "fetched")


def test_the_command_adds_a_playlist(s):
    path = os.path.join(s.folder, "list.m3u")
    with open(path, "w") as f:
        f.write(M3U)
    printed = s.amps("import", path, "--json")
    assert json.loads(printed.stdout) == MADE
    done = s.amps("import", path, "--apply")
    assert done.returncode == 0 and "added: 2" in done.stderr, done
    assert without_ids(good(ask(s, "GET", "/api/streams"))[-2:]) == MADE
    failed = s.amps("import", path, "--apply", "--profile", "none")
    assert failed.returncode == 1 and "unknown profile 'none'" in failed.stderr, failed


def test_a_backup_is_a_whole_database(s):
    copy = os.path.join(s.folder, "copy.db")
    good(ask(s, "POST", "/api/streams", new("In the backup")), 201)
    done = s.amps("backup", copy)
    assert done.returncode == 0, done
    with sqlite3.connect(copy) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM channel WHERE name = 'In the backup'").fetchone()[0]
    assert not [n for n in os.listdir(s.state) if "copy" in n]
    assert os.stat(copy).st_mode & 0o777 == 0o600
    os.chmod(copy, 0o644)
    assert s.amps("backup", copy).returncode == 0
    assert os.stat(copy).st_mode & 0o777 == 0o600
    assert s.amps("backup", "/proc/none/x").returncode == 1
    with open(copy, "rb") as f:
        before = f.read()
    failed = subprocess.run([os.path.join(BIN, "amps"), "backup", "--socket", "/nonexistent/socket",
                             copy], capture_output=True)
    assert failed.returncode != 0
    with open(copy, "rb") as f:
        assert f.read() == before
    assert [n for n in os.listdir(s.folder) if n.startswith("copy.db")] == ["copy.db"]


def test_the_database_is_judged(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts")))
    words = ["check", "--config", s.config_path, "--database", "--state-dir", s.state]
    good_one = s.amps(*words)
    assert good_one.returncode == 0 and "is good" in good_one.stdout, good_one
    s.stop()
    path = os.path.join(s.state, "amps.db")
    with open(path, "r+b") as f:
        f.write(b"x" * 200)
    damaged = s.amps(*words)
    assert damaged.returncode == 1 and "damaged" in damaged.stdout and ".recover" in damaged.stdout
    with open(path, "wb"):
        pass
    empty = s.amps(*words)
    assert empty.returncode == 1 and "is empty" in empty.stdout, empty
    os.remove(path)
    gone = s.amps(*words)
    assert gone.returncode == 1 and "there is no database" in gone.stdout


def ask_with_file(s, method, fd):
    """One request on the control socket with a descriptor beside it."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(s.socket_path)
        line = json.dumps({"id": 1, "method": method}).encode() + b"\n"
        socket.send_fds(control, [line], [fd])
        return json.loads(control.makefile().readline())


def test_descriptors_that_could_make_the_server_wait_are_refused(s, tmp_path):
    (tmp_path / "list.json").write_text(json.dumps([new("Of a file")]))
    read, write = os.pipe()
    with open(tmp_path / "list.json", "r+b") as plain:
        for fd in read, write, plain.fileno():
            answer = ask_with_file(s, "import", fd)
            assert "sealed memfd" in answer["error"]["message"], answer
    assert ask_with_file(s, "backup", write)["error"]["code"] == "failed"
    os.close(read)
    os.close(write)
    assert good(ask(s, "GET", "/api/streams?q=Of%20a%20file")) == []


# -- openapi.json

@pytest.fixture(scope="module")
def described(s):
    return good(ask(s, "GET", "/api/openapi.json"))


def test_openapi_names_every_route_and_method(described):
    with open(os.path.join(ROOT, "amps-worker", "routes.c")) as f:
        rows = re.findall(r'\{"(/api/[^"*]+)", ([A-Z |]+), ', f.read())
    routes = {re.sub("<id>", "{}", path): {m.lower() for m in methods.split(" | ")}
              for path, methods in rows}
    for key in ("tuners", "why"):       # the key of a variant's tuner has a slash
        del routes[f"/api/{key}/{{}}/{{}}"]
    assert routes == {re.sub(r"\{\w+\}", "{}", path): set(entry) - {"parameters"}
                      for path, entry in described["paths"].items()}


def test_openapi_names_every_field(s, described):
    schemas = described["components"]["schemas"]
    entry = new(**{k: v for k, v in {
        "tvg_id": "a", "tvg_name": "b", "epg_id": "c", "logo": "http://x/y", "group": "g",
        "channel_number": "1", "description": "d", "program_feed": "http://x/f",
        "next_programs": [{"title": "t", "start": "2030-01-01T00:00:00Z",
                           "end": "2030-01-01T01:00:00Z", "description": "d"}],
        "regions_allowed": ["US"], "regions_blocked": ["CN"],
        "adaptive_bitrates": [{"name": "sd", "label": "SD", "ffmpeg_profile": "small"}],
        "output_format": "hls", "ll_hls": False, "audio_only": False, "slate": True,
        "input_options": {"re": None}, "input_args": []}.items()})
    made = good(ask(s, "POST", "/api/streams", entry), 201)
    assert set(made) <= set(schemas["Channel"]["properties"])
    assert set(made["next_programs"][0]) == set(schemas["Programme"]["properties"])
    # every field of the description is one of the server: none is reported as unknown
    with open(os.path.join(ROOT, "amps-master", "config", "config_check_stream.c")) as f:
        known = set(re.findall(r'FIELD\("(\w+)"', f.read()))
    with open(os.path.join(ROOT, "amps-master", "config", "config_check_input.c")) as f:
        known |= set(re.findall(r'FIELD\("(\w+)"', f.read()))
    assert set(schemas["Channel"]["properties"]) <= known
    status = good(ask(s, "GET", "/api/status"))
    assert set(status) == set(schemas["Status"]["properties"])
    assert set(status["workers"][0]) == set(schemas["Status"]["properties"]["workers"]["items"]["properties"])


def redocly(document, folder):
    """What Redocly finds wrong with the description: rule, and where."""
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    done = subprocess.run(["node", npm.path("@redocly", "cli", "bin", "cli.js"), "lint", str(path),
                           "--extends", "recommended-strict", "--format", "json"],
                          capture_output=True, text=True, timeout=100, cwd=folder,
                          env={**os.environ, "REDOCLY_TELEMETRY": "off",
                               "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"})
    found = json.loads(done.stdout)["problems"]
    assert done.returncode == (1 if found else 0), done
    return [(p["ruleId"], p["location"][0]["pointer"]) for p in found]


@pytest.mark.slow
def test_openapi_is_clean_for_redocly(described, tmp_path):
    assert redocly(described, tmp_path) == []
    # it would notice
    wrong = copy.deepcopy(described)
    del wrong["paths"]["/api/streams"]["get"]["operationId"]
    wrong["paths"]["/api/streams/{id}"]["get"]["responses"]["200"].pop("description")
    assert {rule for rule, _ in redocly(wrong, tmp_path)} == {"operation-operationId", "struct"}
