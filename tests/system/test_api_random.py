"""Random writes by four clients while processes are killed and the database cannot be written:
whatever was answered with 2xx is there afterwards, and no change is half made."""
import contextlib
import http.client
import json
import os
import random
import sqlite3
import threading
import time

import pytest

from disk import fill, small_disk
from harness import kill, serving, wait_for
from lineup import channel, line_up
from test_api import ask, good, locked, new

CLIENTS = 4


class Client(threading.Thread):
    """Writes to ids of its own.  `may` has, for each id, the definitions that it may have now: the
    last one that was answered with 2xx, and those of later requests without a clear answer."""

    def __init__(self, s, number, count):
        super().__init__()
        self.s, self.count = s, count
        self.random = random.Random(number)
        self.ids = [1000 * (number + 1) + i for i in range(8)]
        self.may = {i: [None] for i in self.ids}
        self.answered = 0
        self.wrong = []

    def run(self):
        while self.answered < self.count and not self.wrong:
            self.write(self.random.choice(self.ids))

    def choose(self, i):
        """A request, and what comes of it for each definition that may be there."""
        name = "".join(self.random.choice("abc\u00e9\u05d0\U0001f600\"<&,") for _ in range(8))
        kind = self.random.choice(["add", "add", "change", "change", "programs", "delete"])
        if kind == "add":
            entry = new(name, id=i)
            return "POST", "/api/streams", entry, lambda was: entry if was is None else was
        path = f"/api/streams/{i}"
        if kind == "change":
            return "PUT", path, {"name": name}, lambda was: was and {**was, "name": name}
        if kind == "delete":
            return "DELETE", path, None, lambda was: None
        programs = [{"title": name}]
        return ("PUT", path + "/programs", programs,
                lambda was: was and {**was, "next_programs": programs})

    def write(self, i):
        method, path, body, effect = self.choose(i)
        try:
            answer = ask(self.s, method, path, body)
            status = answer.status
        except (OSError, http.client.HTTPException):
            status = 504    # it may have been made
            time.sleep(0.02)
        after = [effect(was) for was in self.may[i]]
        if status in (200, 201):
            self.may[i] = after
        elif status == 504:
            self.may[i] += [e for e in after if e not in self.may[i]]
            return
        elif status in (404, 409):
            there = status == 409
            self.may[i] = [e for e in self.may[i] if (e is not None) == there]
        elif status != 503:
            self.wrong.append((method, path, status, answer.text))
        if not self.may[i]:
            self.wrong.append((method, path, status, "answers contradict each other"))
        self.answered += status != 503


def kill_worker(s):
    kill(s.random.choice(s.pids("amps-worker")))


def kill_nursery(s):
    kill(s.nursery())


def kill_master(s):
    s.crash()
    s.start()


def stop_and_start(s):
    s.restart()


def is_not_writable(s):
    return s.ask("status")["database"] == "not writable"


def lock(s):
    with locked(s):
        wait_for(lambda: is_not_writable(s), 20, "the lock")


def fill_disk(s):
    ballast = os.path.join(s.state, "ballast")
    fill(ballast)
    wait_for(lambda: is_not_writable(s), 20, "the full disk")
    os.unlink(ballast)
    wait_for(lambda: not is_not_writable(s), 20, "room")


def write_in_trouble(s, count, steps):
    """The clients write, and the steps are spread over their writes."""
    s.random = random.Random(1)
    clients = [Client(s, n, count // CLIENTS) for n in range(CLIENTS)]
    for c in clients:
        c.start()
    try:
        for n, step in enumerate(steps, 1):
            due = count * n // (len(steps) + 1)
            wait_for(lambda: sum(c.answered for c in clients) >= due or any(c.wrong for c in clients),
                     120, "the clients")
            step(s)
    finally:
        for c in clients:
            c.join()
    assert [c.wrong for c in clients] == [[]] * CLIENTS
    check_all(s, clients)
    s.crash()
    s.start()
    check_all(s, clients)


def check_all(s, clients):
    """Each channel is as an answer said, and the catalog and the database are equal."""
    found = {c["id"]: c for c in good(ask(s, "GET", "/api/streams"))}
    for c in clients:
        for i, may in c.may.items():
            assert found.get(i) in may, (i, found.get(i), may)
    assert s.get("/playlist.m3u").text.count("#EXTINF") == len(found)
    with contextlib.closing(sqlite3.connect(os.path.join(s.state, "amps.db"))) as db:
        rows = db.execute("SELECT id, definition FROM channel WHERE deleted = 0").fetchall()
    assert {i: json.loads(text) for i, text in rows} == found


def test_every_answered_write_is_there_afterwards(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts")), workers=2)
    write_in_trouble(s, 200, [kill_worker, kill_nursery, kill_master, kill_worker, lock])


@pytest.mark.soak
@pytest.mark.limit(3600)
def test_two_thousand_writes_lose_nothing_while_everything_dies_and_the_disk_fills(tmp_path):
    state = os.path.join(tmp_path, "state")
    with small_disk(tmp_path, "16m"), \
            serving(line_up(channel(1, "http://127.0.0.1:1/1.ts")), workers=2, state=state) as s:
        write_in_trouble(s, 2000, [kill_worker, kill_master, fill_disk, stop_and_start, kill_nursery,
                                   lock, kill_master, kill_worker, fill_disk, stop_and_start,
                                   kill_master])
