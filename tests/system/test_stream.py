"""GET /stream/ID: what a viewer gets, from the first byte to the last."""
import threading

import pytest

import media
from harness import wait_for
from lineup import LOOP, channel, line_up
from origin import HttpOrigin, Paced
from ts import PACKET, Checker, pid_of, split


def payload_of(path):
    """The file from its first PAT on: where the first viewer begins."""
    packets = split(open(path, "rb").read())
    first = next(i for i, p in enumerate(packets) if pid_of(p) == 0)
    return b"".join(packets[first:])


@pytest.mark.smoke
def test_starts_with_tables_and_a_random_access_point(server):
    s = server(line_up(channel(1, media.film(), **LOOP)))
    for _ in range(5):
        with s.stream("/stream/1.ts") as stream:
            data = stream.read(PACKET * 400)
            assert stream.status == 200
            assert stream.headers["content-type"] == "video/mp2t"
            assert "content-length" not in stream.headers
            assert stream.headers.get("access-control-allow-origin") == "*"
        Checker(data).check().check_start()


@pytest.mark.smoke
def test_a_copied_file_passes_through_byte_for_byte_and_ends(server):
    s = server(line_up(channel(1, media.short_film())))
    with s.stream("/stream/1.ts") as stream:
        data = stream.read_all()
    assert data == payload_of(media.short_film())


def test_stream_without_suffix_is_the_same(server):
    s = server(line_up(channel(1, media.short_film())))
    with s.stream("/stream/1") as stream:
        assert stream.head().headers["content-type"] == "video/mp2t"
        assert stream.read_all() == payload_of(media.short_film())


def test_an_ended_film_starts_again_with_the_next_request(server):
    s = server(line_up(channel(1, media.short_film())))
    for _ in range(3):
        with s.stream("/stream/1.ts") as stream:
            assert stream.read_all() == payload_of(media.short_film())


@pytest.mark.smoke
def test_viewers_share_one_source_and_each_gets_everything(server):
    with HttpOrigin(Paced(media.long_film(), 120, burst=2)) as origin:
        s = server(line_up(channel(1, origin.url())), workers=2)
        checkers = []

        def watch():
            with s.stream("/stream/1.ts") as stream:
                checkers.append(Checker(stream.read_for(4)))

        threads = [threading.Thread(target=watch) for _ in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(checkers) == 20
        for c in checkers:
            c.check().check_start()
            assert c.seconds() > 3
            assert c.marked == 0
        assert origin.total == 1
        assert len(s.tuners()) == 1


def test_bytes_of_two_viewers_are_the_same_bytes(server):
    s = server(line_up(channel(1, media.film(), **LOOP)))
    with s.stream("/stream/1.ts") as a, s.stream("/stream/1.ts") as b:
        one, two = a.read(400000), b.read(400000)
    # behind the tables of the join both are parts of the same ring
    needle = two[PACKET * 20:PACKET * 60]
    assert needle in one or one[PACKET * 20:PACKET * 60] in two


def test_a_viewer_that_leaves_does_not_affect_others(server):
    s = server(line_up(channel(1, media.film(), **LOOP)))
    with s.stream("/stream/1.ts") as stays:
        checker = Checker(stays.read(PACKET * 100))
        for _ in range(10):
            with s.stream("/stream/1.ts") as goes:
                goes.read(PACKET * 50)
            checker.feed(stays.read(PACKET * 100))
        checker.check()
    assert checker.marked == 0


def test_head_is_answered_at_once_without_a_tuner(server):
    s = server(line_up(channel(1, media.film(), **LOOP)))
    answer = s.request("HEAD", "/stream/1.ts")
    assert answer.status == 200
    assert answer.headers["content-type"].lower() == "video/mp2t"
    assert answer.body == b""
    assert s.tuners() == []


@pytest.mark.smoke
def test_an_unknown_channel_is_404(server):
    s = server(line_up(channel(1, media.film())))
    for path in ("/stream/2.ts", "/stream/2", "/stream/1.ts?variant=none", "/stream/x.ts",
                 "/stream/99999999999999999999.ts", "/stream/-1.ts", "/stream/"):
        answer = s.get(path)
        assert answer.status == 404, path
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.json["error"]
    assert s.tuners() == []


def test_a_missing_source_is_502_with_the_reason(server):
    s = server(line_up(channel(1, "/nonexistent/film.ts")))
    answer = s.refused("/stream/1.ts")
    assert answer.status == 502
    assert "no such file" in answer.json["error"].lower()
    assert "token" not in answer.text


def test_an_origin_that_refuses_is_502(server):
    with HttpOrigin(Paced(media.long_film(), 120)) as origin:
        origin.mode = "refuse"
        s = server(line_up(channel(1, origin.url())))
        answer = s.refused("/stream/1.ts")
        assert answer.status == 502, answer.text
        assert "503" in answer.json["error"] or "5XX" in answer.json["error"], answer.text


def test_a_silent_origin_is_504(server):
    with HttpOrigin(Paced(media.long_film(), 120)) as origin:
        origin.mode = "stall"
        s = server(line_up(channel(1, origin.url()), streaming={"start_timeout": 1}))
        answer = s.refused("/stream/1.ts")
        assert answer.status == 504, answer.text


def test_unsupported_channels_are_502_with_the_reason(server):
    s = server(line_up(channel(1, "carrier-pigeon://127.0.0.1/1")))
    answer = s.refused("/stream/1.ts")
    assert answer.status == 502
    assert "carrier-pigeon" in answer.json["error"]


@pytest.mark.once
def test_credentials_of_a_source_are_in_no_answer_and_no_log(server):
    with HttpOrigin(Paced(media.long_film(), 120)) as origin:
        origin.mode = "refuse"
        source = origin.url("/live.ts?token=geheim123").replace("http://", "http://joe:pa55word@")
        s = server(line_up(channel(1, source)))
        text = s.refused("/stream/1.ts").text
        text += s.amps("tuners").stdout + s.amps("tuners", "--json").stdout + s.log()
        assert "geheim123" not in text
        assert "pa55word" not in text


def test_an_idle_tuner_stops_and_starts_again(server):
    s = server(line_up(channel(1, media.film(), **LOOP), streaming={"idle_timeout": 0.5}))
    with s.stream("/stream/1.ts") as stream:
        stream.read(PACKET)
        assert s.tuner("1")["viewers"] == 1
    wait_for(lambda: not s.tuners(), 5, "the idle tuner to stop")
    with s.stream("/stream/1.ts") as stream:
        Checker(stream.read(PACKET * 200)).check().check_start()


def test_idle_timeout_0_never_stops(server):
    s = server(line_up(channel(1, media.film(), **LOOP), streaming={"idle_timeout": 0}))
    with s.stream("/stream/1.ts") as stream:
        stream.read(PACKET)
        pid = s.tuner("1")["pid"]
    wait_for(lambda: s.tuner("1")["viewers"] == 0, 5, "the viewer to be gone")
    with s.stream("/stream/1.ts") as stream:
        stream.read(PACKET)
    assert s.tuner("1")["pid"] == pid
