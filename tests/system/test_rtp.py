"""RTP over UDP: packets out of order, twice, lost."""
import datetime
import json
import re

import pytest

import media
from harness import free_port, serving, wait_for
from lineup import channel, line_up
from origin import Paced, RtpPair, RtpSender
from ts import Checker
from watcher import Watcher


@pytest.fixture(scope="module")
def pair_server():
    with serving(line_up(channel(1, "http://127.0.0.1:1/1.ts"))) as s:
        yield s


def watch(s, seconds):
    checker = Checker()
    with s.stream("/stream/1.ts", timeout=30) as stream:
        while checker.seconds() < seconds:
            data = stream.read_some()
            assert data, "the stream ended"
            checker.feed(data)
    return checker


def test_check_knows_the_settings_of_rtp(server):
    s = server(line_up(*(channel(n + 1, f"{scheme}://127.0.0.1:{free_port()}",
                                 input_options={"reorder_queue_size": 50, "max_delay": 200000})
                         for n, scheme in enumerate(["rtp", "udp"]))))
    done = s.amps("check", "--config", s.config_path)
    assert done.returncode == 0 and "reorder" not in done.stdout + done.stderr, done


@pytest.mark.parametrize("scheme", ["rtp", "udp"])
def test_rtp_packets_are_reordered_without_duplicates(server, scheme):
    port = free_port()
    # a busy machine may delay the sender between two packets
    s = server(line_up(channel(1, f"{scheme}://127.0.0.1:{port}",
                               input_options={"max_delay": 3000000})))
    with RtpSender(Paced(media.rich_film(), 10), port, late=50, twice=70):
        checker = watch(s, 3).check()
    assert checker.marked == 0
    assert "RTP packets were lost or late" not in s.log()


def test_a_lost_rtp_packet_is_logged_and_skipped(server):
    port = free_port()
    s = server(line_up(channel(1, f"rtp://127.0.0.1:{port}")))
    with RtpSender(Paced(media.rich_film(), 10), port, lost=300):
        assert watch(s, 3).cc_errors, "nothing is missing"
        with Watcher(s, "/stream/1.ts"):    # while there is a viewer, the job runs
            wait_for(lambda: re.search(r"RTP packets were lost or late.*lost=[1-9]", s.log()), 20,
                     "the loss to be logged")
            wait_for(lambda: s.log().count("RTP packets were lost or late") > 1, 20,
                     "a second line")
    lines = [line for line in s.log().splitlines() if "RTP packets were lost or late" in line]
    assert "channel=1" in lines[0] or "job[1]" in lines[0], lines
    times = [datetime.datetime.fromisoformat(line.split("Z")[0]) for line in lines]
    gaps = [(b - a).total_seconds() for a, b in zip(times, times[1:])]
    assert min(gaps) >= 9.9, lines


def test_reordering_can_be_turned_off(server):
    port = free_port()
    s = server(line_up(channel(1, f"rtp://127.0.0.1:{port}",
                               input_options={"reorder_queue_size": 0})))
    with RtpSender(Paced(media.rich_film(), 10), port, late=50):
        assert watch(s, 2).cc_errors
        with Watcher(s, "/stream/1.ts"):
            wait_for(lambda: re.search(r"RTP packets were lost or late.*lost=[1-9]", s.log()), 20,
                     "those given up to be logged")


def pair_of(ports, **more):
    return {"pair": [f"rtp://127.0.0.1:{port}" for port in ports], **more}


def test_a_pair_fills_what_each_leg_loses(server):
    """5% loss on each leg and a skew of 100 ms; then one leg alone, then the other."""
    ports = free_port(), free_port()
    s = server(line_up(channel(1, pair_of(ports, window_ms=1000))))
    with RtpPair(Paced(media.rich_film(), 10), ports) as sender, Watcher(s, "/stream/1.ts") as viewer:
        sender.lossy = True
        wait_for(lambda: s.tuner("1")["pair_filled"] > 60, 20, "packets to be filled")
        sender.lossy = False
        for alone in (0, 1):
            sender.both_run(150)
            sender.legs = {alone}
            lost = f"leg{2 - alone}_lost"       # of the other one
            before = s.tuner("1")[lost]
            wait_for(lambda: s.tuner("1")[lost] > before + 100, 20, "one leg to go on alone")
            sender.legs = {0, 1}
        sender.both_run(150)
        t = s.tuner("1")
        metrics = s.get("/metrics").text
        why = s.amps("why", "1").stdout
        viewer.stop()
    viewer.checker.check()
    assert viewer.checker.marked == 0 and t["pair_lost"] == 0 and t["cc_errors"] == 0, t
    assert t["leg1_lost"] > 100 and t["leg2_lost"] > 100
    assert t["pair_filled"] == t["leg1_lost"] + t["leg2_lost"]
    assert t["source"] == " + ".join(pair_of(ports)["pair"])
    assert re.search(r'amps_tuner_pair_filled_packets_total\{[^}]*\} [1-9]', metrics), metrics
    assert re.search(r"leg 1 lost \d+ RTP packets and leg 2 \d+: \d+ were filled", why), why
    assert "RTP packets were lost" not in s.log()


def test_a_pair_with_one_leg_that_cannot_be_opened_runs_from_the_other(server):
    port = free_port()
    s = server(line_up(channel(1, {"pair": ["rtp://192.0.2.1:1?localaddr=192.0.2.2", f"rtp://127.0.0.1:{port}"]})))
    with RtpSender(Paced(media.rich_film(), 10), port):
        watch(s, 1).check()
    assert "leg 1 of the pair cannot be opened" in s.log()


@pytest.mark.parametrize("source, words", [
    ({"pair": ["rtp://127.0.0.1:5000"]}, "must be a list of two rtp:// addresses"),
    ({"pair": "rtp://127.0.0.1:5000"}, "must be a list of two rtp:// addresses"),
    (pair_of([1, 2, 3]), "must be a list of two rtp:// addresses"),
    (pair_of([1, 1]), "both legs are the same address"),
    ({"pair": ["rtp://127.0.0.1:5000", "udp://127.0.0.1:5002"]}, "a leg of a pair must be an rtp:// address"),
    ({"pair": ["rtp://127.0.0.1:5000", "rtp://"]}, "names no host"),
    (pair_of([1, 2], window_ms=9), "10"),
    (pair_of([1, 2], window_ms=1001), "1000"),
    ({"window_ms": 100}, "'pair' is missing"),
])
def test_what_is_no_pair_is_refused(pair_server, source, words):
    entry = {"name": "A", "ffmpeg_profile": "copy"}
    headers = {"Content-Type": "application/json"}
    answer = pair_server.request("POST", "/api/streams", headers, json.dumps({**entry, "source": source}))
    assert answer.status == 400 and words in answer.json["error"], answer.text
    answer = pair_server.request("POST", "/api/streams", headers,
                                 json.dumps({**entry, "sources": [{"source": source}]}))
    assert answer.status == 400 and words in answer.json["error"], answer.text


@pytest.mark.parametrize("more", [{"use_yt_dlp": True}, {"input_options": {"f": "lavfi"}}])
def test_only_amps_itself_receives_a_pair(pair_server, more):
    answer = pair_server.request("POST", "/api/streams", {"Content-Type": "application/json"},
                                 json.dumps({"name": "A", "ffmpeg_profile": "copy", "source": pair_of([1, 2]), **more}))
    assert answer.status == 400 and "a pair is received as it is" in answer.json["error"], answer.text


def test_a_pair_goes_through_the_api_and_the_export_unchanged(pair_server):
    s, headers = pair_server, {"Content-Type": "application/json"}
    entry = {"name": "A", "source": pair_of([1, 2], window_ms=50), "ffmpeg_profile": "copy",
             "sources": [{"source": pair_of([3, 4])}]}
    made = s.request("POST", "/api/streams", headers, json.dumps(entry)).json
    assert {key: made[key] for key in entry} == entry
    changed = s.request("PATCH", f"/api/streams/{made['id']}", headers, '{"group": "News"}').json
    assert changed["source"] == entry["source"] and changed["sources"] == entry["sources"]
    exported = s.amps("config", "export")
    assert "window_ms: 50" in exported.stdout and "rtp://127.0.0.1:4" in exported.stdout, exported
