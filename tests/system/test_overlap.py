"""overlap=true: a viewer with a connection to the source of its own, which nobody else notices."""
import media
from harness import wait_for
from lineup import channel, line_up
from origin import HttpOrigin, Paced
from watcher import Watcher


def keys(s):
    return sorted(t["key"] for t in s.tuners())


def serve(server, origin, **more):
    """Nothing is idle soon enough to explain what ends at once."""
    return server(line_up(channel(1, origin.url(), **more), streaming={"idle_timeout": 600}),
                  workers=2)


def test_each_has_a_source_of_its_own_which_ends_with_it(server):
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


def test_an_encoded_one_is_made_for_it_alone(server):
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


def test_it_outlives_its_source_and_a_reload_like_any_other(server):
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


def test_what_is_no_answer_to_it_is_400(server):
    s = server(line_up(channel(1, media.film())))
    assert s.refused("/stream/1.ts?overlap=perhaps").status == 400
    assert s.tuners() == []
