"""Random writes by four clients while processes are killed and the database is locked: whatever was
answered with 2xx is there afterwards, and no change is half made."""
import contextlib
import http.client
import json
import os
import random
import sqlite3
import threading
import time

from harness import kill, wait_for
from lineup import channel, line_up
from test_api import ask, good, locked, new

WRITES = int(os.environ.get("AMPS_API_WRITES", "200"))
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


def trouble(s, clients):
    """Kills and locks, spread over the writes."""
    def worker():
        kill(s.random.choice(s.pids("amps-worker")))

    def nursery():
        kill(s.nursery())

    def master():
        s.crash()
        s.start()

    def lock():
        with locked(s):
            wait_for(lambda: s.ask("status")["database"] == "not writable", 20, "the lock")

    steps = [worker, nursery, master, worker, lock]
    for n, step in enumerate(steps * max(1, WRITES // 1000)):
        due = WRITES * (n + 1) // (len(steps) * max(1, WRITES // 1000) + 1)
        wait_for(lambda: sum(c.answered for c in clients) >= due or any(c.wrong for c in clients),
                 60, "the clients")
        step()


def test_every_answered_write_is_there_afterwards(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts")), workers=2)
    s.random = random.Random(1)
    clients = [Client(s, n, WRITES // CLIENTS) for n in range(CLIENTS)]
    for c in clients:
        c.start()
    try:
        trouble(s, clients)
    finally:
        for c in clients:
            c.join()
    assert [c.wrong for c in clients] == [[]] * CLIENTS
    found = {c["id"]: c for c in good(ask(s, "GET", "/api/streams"))}
    for c in clients:
        for i, may in c.may.items():
            assert found.get(i) in may, (i, found.get(i), may)
    # catalog and database are equal
    names = s.get("/playlist.m3u").text
    assert names.count("#EXTINF") == len(found)
    with contextlib.closing(sqlite3.connect(os.path.join(s.state, "amps.db"))) as db:
        rows = db.execute("SELECT id, definition FROM channel WHERE deleted = 0").fetchall()
    assert {i: json.loads(text) for i, text in rows} == found
