"""Hooks: what happens in the server, told to URLs and commands of the operator."""
import contextlib
import http.server
import json
import socket
import threading

import pytest

import media
import proc
from harness import SANITIZED, free_port, wait_for
from lineup import LOOP, channel, line_up

pytestmark = pytest.mark.slow


class Receiver:
    """Takes events; `answers`: the statuses that it gives first."""

    def __init__(self, answers=()):
        self.events, self.answers, self.connections = [], list(answers), 0
        self.fields = {}
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                receiver.connections += 1
                super().setup()

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver.answers.pop(0) if receiver.answers else 204
                receiver.fields = dict(self.headers)
                if status < 300:
                    receiver.events.append(json.loads(body))
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?token=the-receivers-secret"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def kinds(self):
        return [e["event"] for e in self.events]


@contextlib.contextmanager
def unanswering():
    """A receiver that accepts connections and never answers."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(64)
        yield f"http://127.0.0.1:{s.getsockname()[1]}/"


def counted(s, what):
    name = f"amps_hook_events_{what}_total"
    return int(next(line.split()[1] for line in s.get("/metrics").text.splitlines()
                    if line.startswith(name + " ")))


@pytest.mark.smoke
def test_a_receiver_learns_of_channels_and_viewers(server, tmp_path):
    ended = tmp_path / "ended"
    with Receiver() as r:
        hooks = {name: r.url for name in ("channel_started", "channel_failed", "viewer_started")}
        hooks["viewer_ended"] = f"tee -a '{ended}'"
        s = server(line_up(channel(1, media.film(), **LOOP),
                           channel(2, f"http://127.0.0.1:{free_port()}/none.ts"), hooks=hooks,
                           auth={"enabled": True, "token": "the-shared-token", "tokens":
                                 [{"name": "box", "token": "the-token-of-the-box"}]}))
        with s.stream("/stream/1.ts?token=the-token-of-the-box") as viewer:
            viewer.read(188)
            wait_for(lambda: len(r.events) >= 2, 10, "two events")
            shown = s.viewers()[0]
        assert s.refused("/stream/2.ts?token=the-shared-token").status == 502
        wait_for(lambda: "channel_failed" in r.kinds() and ended.exists() and ended.read_text(), 10,
                 "the other events")
        by_kind = {e["event"]: e for e in r.events}
        started, failed = by_kind["channel_started"], by_kind["channel_failed"]
        assert (started["stream_id"], started["key"], started["state"]) == (1, "1", "running")
        assert failed["stream_id"] == 2 and "refused" in failed["error"].lower()
        # that of the other channel may have waited until it was seen, too
        begun = next(e for e in r.events if e["event"] == "viewer_started")
        assert begun["token_name"] == "box" and begun["number"] == 1 and begun["time"].endswith("Z")
        assert {k: begun[k] for k in ("id", "address", "stream_id", "variant", "protocol", "since")} \
            == {k: shown[k] for k in ("id", "address", "stream_id", "variant", "protocol", "since")}
        ends = ended.read_text().splitlines()
        gone = json.loads(ends[0])
        assert gone["event"] == "viewer_ended" and gone["id"] == begun["id"]
        assert r.fields["Content-Type"] == "application/json"
        wait_for(lambda: counted(s, "sent") == len(r.events) + len(ended.read_text().splitlines()))
        assert counted(s, "failed") == counted(s, "dropped") == 0
        assert "the-receivers-secret" not in s.log()


def test_an_answer_other_than_2xx_is_a_failure_and_an_event_is_tried_three_times(server):
    with Receiver([500, 302, 404, 503, 200]) as r:
        s = server(line_up(channel(1, media.film(), **LOOP), hooks={"viewer_started": r.url}))
        with s.stream("/stream/1.ts") as one, s.stream("/stream/1.ts") as two:
            assert one.read(188) and two.read(188)
            wait_for(lambda: counted(s, "sent") == 1 and counted(s, "failed") == 1, 20, "both ends")
        assert [e["number"] for e in r.events] == [2] and "the receiver answers 302" in s.log()
        assert "giving it up hook=viewer_started" in s.log()


def test_hooks_follow_a_reload_and_wrong_ones_are_refused(server):
    with Receiver() as r:
        s = server(line_up(channel(1, media.film(), **LOOP)))
        s.write_config(line_up(channel(1, media.film(), **LOOP),
                               hooks={"viewer_started": r.url, "viewer_ended": r.url}))
        assert s.amps("reload").returncode == 0
        with s.stream("/stream/1.ts") as viewer:
            viewer.read(188)
            wait_for(lambda: r.kinds() == ["viewer_started"], 10, "its start")
        wait_for(lambda: r.kinds() == ["viewer_started", "viewer_ended"], 10, "its end")
    for wrong in "ftp://x/", "sh -c 'x", 5, {"a": 1}, "http://a b/":
        s.write_config(line_up(channel(1, media.film()), hooks={"viewer_ended": wrong}))
        done = s.amps("check", "--config", s.config_path)
        assert done.returncode == (0 if wrong == 5 else 1), (wrong, done.stdout)


def churn(s, count, stays):
    """Viewers come and go together, and one that stays is served."""
    streams = [s.stream("/stream/1.ts") for _ in range(count)]
    for stream in streams:
        assert stream.head().status == 200
    wait_for(lambda: len(s.viewers()) == count + 1, 20, "all viewers")
    assert stays.read_for(1.1)      # longer than from one sample of the master to the next
    for stream in streams:
        stream.close()
    wait_for(lambda: len(s.viewers()) == 1, 20, "these viewers to end")


def check_unanswering(server, rounds, count):
    with unanswering() as url:
        s = server(line_up(channel(1, media.film(), **LOOP),
                           hooks={"viewer_started": url, "viewer_ended": "sleep 60"}), workers=2)
        with s.stream("/stream/1.ts") as viewer:
            assert viewer.read_for(1)
            churn(s, count, viewer)
            before = proc.pss_bytes([s.process.pid])
            for _ in range(rounds - 1):
                churn(s, count, viewer)
            # the queues hold 1,000 events each, of less than half a KiB
            if not SANITIZED:
                assert proc.pss_bytes([s.process.pid]) < before + (4 << 20)
            assert s.get("/readyz", timeout=2).status == 200
        assert counted(s, "sent") == 0
        assert counted(s, "dropped") >= 2 * (rounds * count - 1000) - 2 * count


def test_a_receiver_that_never_answers_disturbs_no_viewer(server):
    check_unanswering(server, 2, 40)


@pytest.mark.soak
@pytest.mark.limit(1800)
def test_100000_events_for_a_receiver_that_never_answers(server):
    check_unanswering(server, 200, 250)
