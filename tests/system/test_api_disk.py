"""A full disk below the database: changes are refused with the reason, all else goes on."""
import os
import subprocess

import pytest

import media
from disk import fill, small_disk
from harness import serving, wait_for
from lineup import LOOP, channel, line_up
from test_api import ask, good, new, refused

pytestmark = pytest.mark.slow


def serving_from(folder, **options):
    return serving(line_up(channel(1, media.film(), **LOOP)), state=os.path.join(folder, "state"),
                   **options)


def fill_to_the_last_byte(s):
    """Also the room in the database's own files: changes are made until one finds none."""
    fill(os.path.join(s.state, "ballast"))
    for number in range(1000):
        answer = ask(s, "POST", "/api/streams", new(f"Filler {number}", description="x" * 60000))
        if answer.status != 201:
            return answer
    raise AssertionError("the disk has room for ever")


def test_changes_on_a_full_disk_are_refused_and_everything_else_goes_on(tmp_path):
    film = channel(1, media.film(), **LOOP)
    with small_disk(tmp_path, "16m"), serving_from(tmp_path, workers=2) as s, \
            s.stream("/stream/1") as viewer:
        viewer.read(100000)
        kept = good(ask(s, "POST", "/api/streams", new("Kept")), 201)
        refused(fill_to_the_last_byte(s), 503, "disk is full")
        channels = good(ask(s, "GET", "/api/streams"))
        path = f"/api/streams/{kept['id']}"
        for method, where, body in (("PUT", path, {"description": "y" * 60000}),
                                    ("POST", "/api/streams", [new("z" * 200)] * 500),
                                    ("PUT", path + "/programs", [{"title": "t" * 9000}] * 20)):
            answer = ask(s, method, where, body)
            refused(answer, 503, "disk is full")
            assert answer.headers["retry-after"]
        # a file as it was needs no room
        assert s.amps("reload").stdout == "no channel changed\n"
        s.write_config(line_up(film, *(channel(n, "http://x/", description="x" * 60000)
                                       for n in range(2000, 2010))))
        reload = s.amps("reload")
        assert reload.returncode == 1 and "disk is full" in reload.stderr, reload
        s.write_config(line_up(film))
        assert good(ask(s, "GET", "/api/streams")) == channels
        viewer.read(300000)
        with s.stream("/stream/1") as another:
            assert another.read(100000)
        os.unlink(os.path.join(s.state, "ballast"))
        good(ask(s, "PUT", path, {"description": "y" * 60000}))
        wait_for(lambda: s.ask("status")["database"] == "ok", 20, "the database to be well again")
        channels = good(ask(s, "GET", "/api/streams"))
        s.crash()
        s.start()
        assert good(ask(s, "GET", "/api/streams")) == channels


def test_a_start_on_a_full_disk_serves_what_was_stored(tmp_path):
    with small_disk(tmp_path, "16m"), serving_from(tmp_path) as s:
        kept = good(ask(s, "POST", "/api/streams", new("Kept")), 201)
        fill_to_the_last_byte(s)
        s.crash()
        # what is new in the file has no room either
        s.write_config(line_up(channel(1, media.film(), **LOOP),
                               *(channel(n, "http://x/", description="x" * 60000)
                                 for n in range(2000, 2010))))
        s.start(ready=False)
        wait_for(lambda: "serving what was stored before" in s.log(), 20, "the start")
        with s.stream("/stream/1") as viewer:
            assert viewer.read(100000)
        assert good(ask(s, "GET", f"/api/streams/{kept['id']}")) == kept
        refused(ask(s, "GET", "/api/streams/2000"), 404)
        refused(ask(s, "POST", "/api/streams", new("z" * 60000)), 503, "disk is full")
        os.unlink(os.path.join(s.state, "ballast"))
        wait_for(s.is_ready, 20, "the database to be well again")
        assert s.amps("reload").returncode == 0
        good(ask(s, "GET", "/api/streams/2000"))


def test_a_start_from_a_read_only_disk_says_so(tmp_path):
    with small_disk(tmp_path, "16m"):
        with serving_from(tmp_path) as s:
            good(ask(s, "POST", "/api/streams", new("Kept")), 201)
            s.stop()
            subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
            s.start(ready=False)
            wait_for(lambda: s.process.poll() is not None, 20, "the start to fail")
            assert s.process.returncode == 1
            assert s.log().splitlines()[-1].endswith(": Read-only file system")
            subprocess.run(["mount", "-o", "remount,rw", tmp_path], check=True)
            s.start()
            assert good(ask(s, "GET", "/api/streams?q=Kept"))
