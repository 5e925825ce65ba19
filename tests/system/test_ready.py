"""/readyz: whether the server is ready, and why not."""
import os
import re
import shutil
import sqlite3

import pytest

import media
from harness import wait_for
from lineup import LOOP, channel, line_up

pytestmark = pytest.mark.slow


def reason(s):
    """Why the server is not ready; None if it is."""
    answer = s.get("/readyz")
    if answer.status == 200:
        return None
    assert answer.status == 503 and "retry-after" in answer.headers
    return answer.json["error"]


def database(s):
    return os.path.join(s.state, "amps.db")


def ready_metric(s):
    return re.search(r"^amps_ready (\d)$", s.get("/metrics").text, re.M)[1]


def test_a_locked_database_is_reported_until_it_is_free(server):
    config = line_up(channel(1, media.film(), **LOOP))
    s = server(config)
    other = sqlite3.connect(database(s), isolation_level=None)
    with s.stream("/stream/1.ts") as stream:
        stream.read(188)
        other.execute("BEGIN IMMEDIATE")
        assert wait_for(lambda: reason(s), 20, "the lock to be noticed") == \
            "the database is locked by another process"
        assert ready_metric(s) == "0"
        assert s.get("/healthz").status == 200
        config["streams"].append(channel(2, media.film()))
        s.write_config(config)
        done = s.amps("reload")
        assert done.returncode == 1 and "locked by another process" in done.stderr
        assert [c["id"] for c in s.ask("list")] == [1]
        other.execute("ROLLBACK")
        other.close()
        wait_for(lambda: reason(s) is None, 20, "the database to be written again")
        assert ready_metric(s) == "1"
        assert len(stream.read(188 * 500)) == 188 * 500
    assert s.amps("reload").returncode == 0
    assert [c["id"] for c in s.ask("list")] == [1, 2]
    assert re.search(r"error .*database cannot be written .*locked", s.log())
    assert "the database can be written again" in s.log()


def test_a_moved_database_is_reported(server):
    s = server(line_up(channel(1, media.film())))
    shutil.move(database(s), database(s) + ".away")
    assert wait_for(lambda: reason(s), 20, "the move to be noticed") == \
        "the database file was moved or deleted"
    shutil.move(database(s) + ".away", database(s))
    wait_for(lambda: reason(s) is None, 20, "the database to be back")


def test_a_start_and_a_missing_worker_are_not_ready(server):
    s = server(line_up(), ready=False)

    def asked():
        if not s.port and not s.learn_port():
            return "no answer"
        try:
            return reason(s) or "ready"
        except OSError:
            return "no answer"

    seen = [asked()]
    wait_for(lambda: seen.append(asked()) or seen[-1] == "ready", 20, "the server to be ready")
    assert set(seen) <= {"no answer", "the server is starting", "ready"}, seen
