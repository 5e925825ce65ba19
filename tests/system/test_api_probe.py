"""POST /api/probe: what a source is, found by a process of its own."""
import socket
import subprocess
import threading

import pytest

import media
from harness import SANITIZED, serving, wait_for
from lineup import channel, line_up
from origin import HttpOrigin, Paced
from test_api import ask, good, refused


@pytest.fixture(scope="module")
def s():
    # a source has a third of the time of its process, whose start is slow on a busy machine
    with serving(line_up(channel(1, "http://127.0.0.1:1/1.ts"),
                         streaming={"start_timeout": 5})) as server:
        yield server


def probe(s, source, **more):
    return ask(s, "POST", "/api/probe", {"source": source, **more})


def kinds(found):
    return [(stream["index"], stream["type"], stream["codec"]) for stream in found["streams"]]


def test_a_file_is_described(s):
    found = good(probe(s, media.film()))
    assert found["format"] == "mpegts" and found["live"] is False
    assert kinds(found) == [(0, "video", "h264"), (1, "audio", "aac")]
    video, audio = found["streams"]
    real = subprocess.run(["ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries",
                           "stream=width,height,sample_rate,channels:format=duration",
                           media.film()], capture_output=True, text=True, check=True)
    first, second, *_, duration = real.stdout.split()
    assert [video["width"], video["height"]] == [int(n) for n in first.split(",") if n]
    assert [audio["sample_rate"], audio["channels"]] == [int(n) for n in second.split(",") if n]
    assert abs(found["duration_seconds"] - float(duration)) < 0.5


def test_a_source_over_http_gets_its_options(s):
    with HttpOrigin(Paced(media.long_film(), 120, burst=5)) as origin:
        found = good(probe(s, origin.url(), input_options={"user_agent": "Prober"}))
        assert kinds(found) == [(0, "video", "h264"), (1, "audio", "aac")]
        assert found["live"] is True and "duration_seconds" not in found
        assert "Prober" in str(origin.requests)


@pytest.mark.parametrize("body, word", [
    ({}, "source"), ([], "object"), ({"source": ""}, "source"), ({"source": 5, "name": "x"}, "name"),
    ({"source": "http://x/", "custom_ffmpeg": "true"}, "custom_ffmpeg"),
    ({"source": "http://x/", "input_options": {"no_such_option": 1}}, "no_such_option"),
    ({"source": "v4l2:///dev/video0", "input_options": {"f": "v4l2"}}, "custom_ffmpeg"),
    ({"source": "testsrc", "input_options": {"f": "lavfi"}}, "lavfi")])
def test_what_could_be_no_source_is_refused(s, body, word):
    refused(ask(s, "POST", "/api/probe", body), 400, word)


def test_a_source_that_fails_says_why(s):
    refused(probe(s, "/missing/film.ts"), 502, "No such file")
    answer = refused(probe(s, "http://127.0.0.1:1/1.ts?token=hushhush"), 502, "refused")
    assert "hushhush" not in answer["error"] + s.log()
    with HttpOrigin() as origin:
        origin.mode = "refuse"
        refused(probe(s, origin.url()), 502)


def test_a_playlist_does_not_lead_inside(s, tmp_path):
    """As of a channel: a list of this machine may not read from it what it does not name itself."""
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n"
                                        "file:///etc/passwd\n#EXT-X-ENDLIST\n")
    refused(probe(s, str(tmp_path / "list.m3u8")), 502)


def test_silent_sources_end_in_time_and_few_are_probed_at_once(s):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    answers = []

    def run(listener):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        answers.append(probe(s, url))

    threads = [threading.Thread(target=run, args=(listener,)) for listener in listeners]
    for thread in threads:
        thread.start()
    held = [listener.accept()[0] for listener in listeners]
    answer = probe(s, media.film())
    refused(answer, 503, "probed")
    assert answer.headers["retry-after"]
    # options of channels are judged meanwhile
    good(ask(s, "POST", "/api/streams", {"name": "x", "source": "http://x/", "input_options":
                                         {"reconnect": 1}, "ffmpeg_profile": "copy"}), 201)
    held.pop().close()
    for thread in threads:
        thread.join()
    assert sorted(a.status for a in answers) == [502, 504, 504, 504], [a.text for a in answers]
    assert all("sent nothing within" in a.json["error"] for a in answers if a.status == 504), \
        [a.text for a in answers]
    for each in held + listeners:
        each.close()
    good(probe(s, media.film()))


def test_a_probe_has_the_limits_of_a_job(server):
    s = server(line_up(channel(1, "/missing.ts"), limits={"memory_mb": 300, "nice": 7}))

    def nice_probe():
        lines = subprocess.run(["ps", "-eo", "pid,ni,args"], capture_output=True, text=True,
                               check=True).stdout.splitlines()
        return next((line.split()[0] for line in lines
                     if line.endswith(" --probe") and line.split()[1] == "7"), None)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        thread = threading.Thread(target=lambda: probe(s, url))
        thread.start()
        connection = silent.accept()[0]
        pid = wait_for(nice_probe, 10, "a nice probe")
        with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
            [data] = [line.split() for line in limits if line.startswith("Max data size")]
        # the sanitizers reserve more than any limit
        assert SANITIZED or data[3:5] == [str(300 << 20)] * 2
        connection.close()
        thread.join()


def test_nothing_is_left_of_a_probe(s):
    good(probe(s, media.film()))
    wait_for(lambda: "--probe" not in subprocess.run(["ps", "-eo", "args"], capture_output=True,
                                                     text=True, check=True).stdout,
             10, "no probe")
    assert [c["id"] for c in good(ask(s, "GET", "/api/streams?q=probe"))] == []


def test_only_administrators_probe(server):
    s = server(line_up(channel(1, "/missing.ts"),
                       auth={"enabled": True, "token": "watcher", "admin_token": "boss"}))
    body = {"source": media.film()}
    refused(ask(s, "POST", "/api/probe", body, token="watcher"), 403)
    good(ask(s, "POST", "/api/probe", body, token="boss"))
    refused(s.request("POST", "/api/probe", {"X-Amps-Token": "boss"}, "{}"), 415)
