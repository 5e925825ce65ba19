"""overlap=true: a viewer with its own source connection, without an effect on others."""
import pytest

import media
from harness import wait_for
from lineup import LOOP, channel, line_up
from origin import HttpOrigin, Paced
from watcher import Watcher

pytestmark = pytest.mark.slow


def keys(s):
    return sorted(t["key"] for t in s.tuners())


def serve(server, origin, **more):
    """No idle time-out is short enough to explain an immediate end."""
    return server(line_up(channel(1, origin.url(), **more), streaming={"idle_timeout": 600}),
                  workers=2)


@pytest.mark.smoke
def test_an_overlap_viewer_has_its_own_source(server):
    with HttpOrigin(Paced(media.long_film(), 120, burst=1)) as origin:
        s = serve(server, origin)
        with Watcher(s, "/stream/1.ts") as shared, Watcher(s, "/stream/1.ts"):
            assert origin.total == 1
            pid = s.tuner("1")["pid"]
            with Watcher(s, "/stream/1?overlap=true") as first, \
                    Watcher(s, "/stream/1.ts?overlap=1") as second:
                assert keys(s) == ["1", "1#1", "1#2"]
                assert origin.playing.count() == 3
                assert len({s.tuner(key)["pid"] for key in keys(s)}) == 3
                assert len(s.viewers()) == 4
                for w in (first, second):
                    w.wait_more(100).stop().check().check_start()
            wait_for(lambda: origin.playing.count() == 1 and keys(s) == ["1"], 10, "their connections' end")
            shared.wait_more(100)
            assert s.tuner("1")["pid"] == pid and s.tuner("1")["restarts"] == 0
            assert shared.stop().check().marked == 0


def test_an_overlap_viewer_has_its_own_encoder(server):
    with HttpOrigin(Paced(media.long_film(), 120, burst=1)) as origin:
        s = serve(server, origin,
                  adaptive_bitrates=[{"name": "sd", "ffmpeg_profile": "small"}])
        with Watcher(s, "/stream/1.ts?variant=sd&overlap=true", timeout=30) as w:
            w.wait_more(100)
            tuner = s.tuner("1#1")
            assert tuner["derive_pid"] and tuner["variants"] == ["sd"]
            assert s.amps("stop", "1#1").returncode == 0
            wait_for(lambda: w.ended, 10, "the end")
            w.stop().check().check_start()
        wait_for(lambda: origin.playing.count() == 0 and keys(s) == [], 10, "its connection's end")


def test_an_overlap_viewer_survives_a_restart_and_a_reload(server):
    with HttpOrigin(Paced(media.long_film(), 120, burst=1)) as origin:
        s = serve(server, origin)
        with Watcher(s, "/stream/1.ts?overlap=true") as w:
            connections = origin.total
            origin.cut()
            wait_for(lambda: origin.total > connections, 20, "a new connection")
            w.wait_more(100, 20)
            s.write_config(line_up(channel(1, origin.url("/live.ts") + "?another"),
                                   streaming={"idle_timeout": 600}))
            assert s.amps("reload").returncode == 0
            wait_for(lambda: any("?another" in path for _, path, _ in origin.requests), 20,
                     "the other source")
            assert not w.ended
            w.stop().check()


def open_overlap(s, count, path="/stream/1.ts?overlap=true"):
    """That many answers, all of which have begun."""
    streams = [s.stream(path) for _ in range(count)]
    for stream in streams:
        assert stream.head().status == 200
    return streams


def close_all(streams):
    for stream in streams:
        stream.close()


def test_there_are_at_most_max_overlap(server):
    s = server(line_up(channel(1, media.film(), **LOOP), streaming={"max_overlap": 2}), workers=2)
    streams = open_overlap(s, 2)
    answer = s.refused("/stream/1.ts?overlap=true")
    assert answer.status == 503 and int(answer.headers["retry-after"]) > 0, answer.text
    assert "overlap" in answer.json["error"]
    text = s.get("/metrics").text
    assert "\namps_overlap_tuners 2\n" in text and "\namps_overlap_refused_total 1\n" in text
    with Watcher(s, "/stream/1.ts") as shared:
        shared.wait_more(50)
    close_all(streams)
    wait_for(lambda: s.get("/metrics").text.count("\namps_overlap_tuners 0\n"), 10, "their end")
    close_all(open_overlap(s, 1))


def test_an_address_has_at_most_eight(server):
    s = server(line_up(channel(1, media.film(), **LOOP)), workers=2)
    streams = open_overlap(s, 8)
    answer = s.refused("/stream/1.ts?overlap=true")
    assert answer.status == 429 and int(answer.headers["retry-after"]) > 0, answer.text
    close_all(streams)


def test_an_entry_of_tokens_has_at_most_four(server):
    s = server(line_up(channel(1, media.film(), **LOOP),
                       auth={"enabled": True, "token": "everybody",
                             "tokens": [{"name": "box", "token": "of-the-box"}]}), workers=2)
    streams = open_overlap(s, 4, "/stream/1.ts?overlap=true&token=of-the-box")
    answer = s.refused("/stream/1.ts?overlap=true&token=of-the-box")
    assert answer.status == 429 and "token" in answer.json["error"], answer.text
    streams += open_overlap(s, 1, "/stream/1.ts?overlap=true&token=everybody")
    close_all(streams)


def test_the_back_off_of_a_channel_applies_to_overlap(server):
    """Many requests for a source that fails: a few attempts, not one for each request."""
    with HttpOrigin() as origin:
        origin.mode = "refuse"
        s = server(line_up(channel(1, origin.url())), workers=2)
        for _ in range(40):
            assert s.refused("/stream/1.ts?overlap=true").status == 502
        assert 2 <= origin.total <= 12, origin.total


def test_an_invalid_overlap_value_is_400(server):
    s = server(line_up(channel(1, media.film())))
    assert s.refused("/stream/1.ts?overlap=perhaps").status == 400
    assert s.tuners() == []
