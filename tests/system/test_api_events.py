"""/api/events: server-sent events of channels, tuners, viewers and warnings."""
import json
import socket

import media
from harness import PATIENCE, kill, wait_for
from lineup import LOOP, channel, line_up
from test_api import ask, good, new


class Events:
    """Reads the events of one connection."""

    def __init__(self, s, last=None, token=None):
        headers = {"Last-Event-ID": last} if last else {}
        if token:
            headers["X-Amps-Token"] = token
        self.stream = s.stream("/api/events", headers=headers).head()
        self.text = ""
        self.seen = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def more(self):
        """Reads one part; chunk sizes have no colon and are no field."""
        self.text += self.stream.read_some().decode()
        *whole, self.text = self.text.split("\n\n")
        for text in whole:
            fields = dict(line.split(": ", 1) for line in text.replace("\r\n", "\n").split("\n")
                          if ": " in line)
            if "data" in fields:
                self.seen.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))

    def find(self, kind, **members):
        """The first event of this kind with these members, read until it comes."""
        def matches(event):
            return event[1] == kind and members.items() <= event[2].items()
        while not any(map(matches, self.seen)):
            assert not self.stream.ended, self.seen
            self.more()
        return next(filter(matches, self.seen))


def test_channels_tuners_and_viewers_come_and_go(server):
    s = server(line_up(channel(1, media.film(), **LOOP), streaming={"idle_timeout": 0.5}))
    with Events(s) as events:
        assert events.stream.headers["content-type"] == "text/event-stream"
        made = good(ask(s, "POST", "/api/streams", new("New: \u00e9 \"quoted\"")), 201)
        events.find("channel", action="added", id=made["id"], name="New: \u00e9 \"quoted\"")
        good(ask(s, "PUT", f"/api/streams/{made['id']}", {"name": "Renamed"}))
        events.find("channel", action="changed", id=made["id"], name="Renamed")
        good(ask(s, "DELETE", f"/api/streams/{made['id']}"))
        events.find("channel", action="removed", id=made["id"])
        with s.stream("/stream/1") as viewer:
            viewer.read(1000)
            events.find("tuner", key="1", state="running", stream_id=1)
            started = events.find("viewer", action="started", stream_id=1)
        events.find("viewer", action="ended", id=started[2]["id"])
        events.find("tuner", key="1", state="idle")
    numbers = [number for number, _, _ in events.seen]
    assert numbers == sorted(set(numbers))


def test_any_worker_goes_on_behind_the_last_event(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts")), workers=2)
    with Events(s) as events:
        good(ask(s, "PUT", "/api/streams/1", {"name": "First"}))
        first = events.find("channel", name="First")[0]
    good(ask(s, "PUT", "/api/streams/1", {"name": "Missed"}))
    for _ in range(4):
        with Events(s, last=str(first)) as events:
            events.find("channel", name="Missed")
            assert all(number > first for number, _, _ in events.seen)
    pids = s.pids("amps-worker")
    for pid in pids:
        kill(pid)
    wait_for(lambda: not set(s.pids("amps-worker")) & set(pids) and s.is_ready(), 20, "new workers")
    with Events(s, last=str(first)) as events:
        events.find("channel", name="Missed")
    s.restart()
    good(ask(s, "PUT", "/api/streams/1", {"name": "Of the next run"}))
    with Events(s, last=str(first)) as events:
        events.find("channel", name="Of the next run")


def test_events_are_read_by_http_1_0_and_behind_a_number_of_the_future(server):
    s = server(line_up(channel(1, "http://127.0.0.1:1/1.ts")))
    pids = s.pids("amps-worker")
    with socket.create_connection((s.host, s.port), timeout=20 * PATIENCE) as old:
        old.sendall(b"GET /api/events HTTP/1.0\r\nLast-Event-ID: 18446744073709551615\r\n\r\n")
        text = b""

        def read_until(word):
            nonlocal text
            while word not in text:
                more = old.recv(65536)
                assert more, text
                text += more
        read_until(b"\r\n\r\n")
        good(ask(s, "PUT", "/api/streams/1", {"name": "By 1.0"}))
        read_until(b"By 1.0")
    head, _, events = text.partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower() and b"Connection: close" in head, head
    # the start of the server is no event of its channels
    assert events.startswith(b"retry:") and b'"added"' not in events, events
    assert s.pids("amps-worker") == pids


def test_a_viewer_gets_the_events_of_its_channels(server):
    auth = {"enabled": True, "token": "watch-secret", "admin_token": "admin-secret",
            "tokens": [{"name": "news", "token": "news-secret", "groups": ["News"]}]}
    s = server(line_up(channel(1, media.film(), group="News", **LOOP),
                       channel(2, "http://127.0.0.1:1/2.ts", group="Sports"), auth=auth))
    assert s.get("/api/events").status == 401
    with Events(s, token="news-secret") as events, Events(s, token="admin-secret") as all_events:
        good(ask(s, "PUT", "/api/streams/2", {"name": "Not seen"}, token="admin-secret"))
        with s.stream("/stream/1", headers={"X-Amps-Token": "news-secret"}) as viewer:
            viewer.read(1000)
            all_events.find("viewer", action="started")
        good(ask(s, "PUT", "/api/streams/1", {"name": "Seen"}, token="admin-secret"))
        events.find("channel", name="Seen")
        assert [event[1] for event in events.seen] == ["channel"]
        # the viewer's list has the channel no longer, whether it is gone or elsewhere
        good(ask(s, "PUT", "/api/streams/1", {"group": "Sports"}, token="admin-secret"))
        good(ask(s, "PUT", "/api/streams/1", {"group": "News"}, token="admin-secret"))
        gone = good(ask(s, "POST", "/api/streams", new("Gone", group="News"),
                        token="admin-secret"), 201)
        good(ask(s, "DELETE", f"/api/streams/{gone['id']}", token="admin-secret"))
        events.find("channel", action="removed", id=gone["id"])
        assert [e[2]["action"] for e in events.seen if e[2]["id"] == 1] == ["changed"] * 3
        all_events.find("channel", name="Not seen")
        # another token list ends the stream: the client asks again
        auth["tokens"] = []
        s.write_config(line_up(channel(1, media.film(), group="News", **LOOP), auth=auth))
        good(ask(s, "POST", "/api/reload", token="admin-secret"))
        while not events.stream.ended:
            events.more()
    assert s.get("/api/events", headers={"X-Amps-Token": "news-secret"}).status == 401
