"""The status reports what is wrong with the database."""
import os
import sqlite3

import pytest

import media
from harness import wait_for
from lineup import LOOP, channel, line_up

pytestmark = pytest.mark.slow


def database(s):
    return s.ask("status")["database"]


def test_the_status_reports_an_unusable_database(server):
    s = server(line_up(channel(1, media.film(), **LOOP)))
    assert database(s) == "ok"
    lock = sqlite3.connect(os.path.join(s.state, "amps.db"), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    wait_for(lambda: database(s) == "not writable", 20, "the lock to be noticed")
    lock.execute("ROLLBACK")
    lock.close()
    wait_for(lambda: database(s) == "ok", 20, "the database to be well again")
    for name in os.listdir(s.state):
        if name.startswith("amps.db"):
            os.remove(os.path.join(s.state, name))
    wait_for(lambda: database(s) == "deleted", 20, "the loss to be noticed")
