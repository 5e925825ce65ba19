"""What viewers see when their ring is replaced: sources that fail, films that loop and end, rings that
grow, reloads."""
import re
import signal
import threading
import time

import pytest

import media
from harness import kill, wait_for
from lineup import LOOP, channel, line_up
from logs import assert_waited, job_retries
from trouble import TS_HEAD, Trouble, other_pids, packets
from ts import Checker
from watch import Watch, assert_sound, assert_untouched

LONG = 120  # seconds of media.long_film()


def endless(data, total=LONG):
    return lambda peer: peer.send(TS_HEAD).play(data, 1e9, total)


def part(data, first, total=LONG):
    """The film from the first tables after that second on."""
    at = int(len(data) * first / total) // 188 * 188
    while data[at + 1] & 0x1f or data[at + 2]:
        at += 188
    return data[at:]


def assert_stayed(report, cuts):
    assert_sound(report)
    for v in report.values():
        assert v["state"] == "body" and v["opened"] == 1, v
        assert v["marks"] == cuts, v


# -- sources that fail

@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_source_that_breaks_off(server, end):
    film = packets(media.long_film())

    def breaks(peer):
        peer.send(TS_HEAD).play(film, 3, LONG)
        if end == "reset":
            peer.reset()

    with Trouble(breaks, breaks, breaks, endless(film)) as origin:
        s = server(line_up(channel(1, origin.url())))
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 3)
            w.wait(ids, lambda v: v["marks"] == 3, 30, "three cuts")
            w.wait_more(ids)
            assert_stayed(w.report(), 3)
            assert s.tuner("1")["restarts"] == 3
            assert "connection" in s.tuner("1")["last_error"] or end == "reset"
        assert origin.connections.peak == 1, "two connections to the source at once"


def test_a_restart_in_the_middle_of_a_group_is_marked_and_has_new_tables(server):
    """The part before the first decodable picture is left out, and with it the first clock of the new
    job."""
    film = packets(media.long_film())

    def breaks(peer):
        peer.send(TS_HEAD).play(film, 3, LONG)

    with Trouble(breaks, endless(part(film, 40.4), LONG - 40.4)) as origin:
        s = server(line_up(channel(1, origin.url())))
        with s.stream("/stream/1.ts", timeout=30) as stream:
            checker = Checker()
            while not checker.marked or checker.dts[checker.video_pid][-1] < since + 90000:
                data = stream.read_some()
                assert data, "the viewer was disconnected"
                checker.feed(data)
                since = checker.dts[checker.video_pid][-1] if not checker.marked else since
        checker.check()
        assert checker.pcr_leaps == [] and checker.pcr_backwards == [], checker.pcr_leaps
        assert len(checker.pmt_versions) == 2, checker.pmt_versions


def test_a_restarted_encoder_has_new_tables(server):
    s = server(line_up(channel(1, media.long_film(), "small", **LOOP)))
    with s.stream("/stream/1.ts", timeout=30) as stream:
        checker = Checker(stream.read(100000))
        kill(s.tuner("1")["derive_pid"])
        wait_for(lambda: checker.feed(stream.read_some()).marked and
                 len(checker.pmt_versions) > 1, 20, "other tables")
    checker.check()
    assert checker.pcr_leaps == [] and len(checker.pmt_versions) == 2, checker.pmt_versions


def test_a_source_that_stalls_is_closed_after_two_seconds(server):
    film = packets(media.long_film())

    def stalls(peer):
        peer.send(TS_HEAD).play(film, 3, LONG).hold()

    with Trouble(stalls, endless(film)) as origin:
        s = server(line_up(channel(1, origin.url(), slate=False)))
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 3)
            w.wait(ids, lambda v: v["marks"] == 1, 20, "the cut")
            w.wait_more(ids)
            assert_stayed(w.report(), 1)
            assert "nothing that can be played for 2000 ms" in s.tuner("1")["last_error"]
            assert [delay for _, delay in job_retries(s, "1")] == [0]
        assert origin.held > 1.9
        assert origin.connections.peak == 1


def counter(data, last):
    """The first or last continuity counter of the picture (PID 256)."""
    found = [data[i + 3] & 15 for i in range(0, len(data), 188)
             if (data[i + 1] & 31) << 8 | data[i + 2] == 256 and data[i + 3] & 16]
    return found[-1 if last else 0]


@pytest.mark.parametrize("first,second", [(10, 80), (80, 10)])
def test_a_source_whose_clock_jumps(server, first, second):
    """In the middle of a connection: one discontinuity, time continues, no new job."""
    film = packets(media.long_film())

    def jumps(peer):
        one, two = part(film, first), part(film, second)
        until = len(part(film, first + 3))
        one = one[:len(one) - until]
        # the counter goes on, so that only the times tell where the seam is
        while (counter(two, False) - counter(one[-188 * 500:], True)) % 16 != 1:
            one = one[:-188]
        peer.send(TS_HEAD).play(one, 3, 3)
        peer.play(two, 1e9, LONG - second, burst=0)

    with Trouble(jumps) as origin:
        s = server(line_up(channel(1, origin.url())))
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 3)
            w.wait_playing(ids, 50)
            pid = s.tuner("1")["pid"]
            w.wait(ids, lambda v: v["seconds"] > 6, 20, "six seconds of film")
            seen = w.report()
            for v in seen.values():
                for name in ("sync", "cc", "backwards", "pcr_backwards", "bad_starts"):
                    assert v[name] == 0, f"{name}: {v}"
                assert v["state"] == "body" and v["opened"] == 1, v
                assert v["marked"] == 1, v
                assert v["dts_gap_ms"] < 1500, v
            tuner = s.tuner("1")
            assert tuner["pid"] == pid and len(origin.times) == 1
            assert tuner["clock_jumps"] == 1, tuner
            assert re.search(r'^amps_tuner_clock_jumps_total\{[^}]*\} 1$', s.get("/metrics").text, re.M)


@pytest.mark.parametrize("where", ["connection", "middle"])
def test_a_source_with_other_pids_and_another_codec(server, where):
    film = packets(media.long_film())
    other = other_pids(packets(media.mpeg2_film()), 0x100)

    def first(peer):
        until = len(film) - len(part(film, 3))
        peer.send(TS_HEAD).play(film[:until], 3, 3)
        if where == "middle":
            peer.play(other, 1e9, 10, burst=0)

    with Trouble(first, endless(other, 10)) as origin:
        s = server(line_up(channel(1, origin.url())))
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 3)
            w.wait_playing(ids, 50)
            w.wait(ids, lambda v: 0x200 in v["videos"], 20, "the other pictures")
            w.wait_more(ids)
            seen = w.report()
            assert_sound(seen)
            for v in seen.values():
                assert v["state"] == "body" and v["opened"] == 1, v
            w.wait_playing(w.open("/stream/1.ts", 2))
            assert_sound(w.report())


REFUSALS = {
    "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "403": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "429": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\nContent-Length: 0\r\n"
           b"Connection: close\r\n\r\n",
    "no text": b"HTTP/1.1 410 Gone \xff\xfe\xc3( for ever\r\nContent-Length: 0\r\n"
               b"Connection: close\r\n\r\n",
    "html": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html><body>"
            + b"<p>Subscription expired. GGG</p>\n" * 5000,
    "empty": b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nContent-Length: 0\r\n"
             b"Connection: close\r\n\r\n",
    "noise": TS_HEAD + bytes((i * i * 7919 >> 3) & 0xff for i in range(300000)),
    "nothing": b"",
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_source_without_media(server, kind):
    with Trouble(lambda peer: peer.send(REFUSALS[kind])) as origin:
        s = server(line_up(channel(1, origin.url()), streaming={"start_timeout": 60}))
        answer = s.get("/stream/1.ts", timeout=60)
        assert answer.status == 502, answer.text
        assert answer.json["error"].startswith("the source"), answer.text
        if kind in ("404", "403", "429"):
            assert kind in answer.json["error"], answer.text
        assert b"expired" not in answer.body


def test_a_page_whose_connection_stays_open_is_refused_at_once(server):
    with Trouble(lambda peer: peer.send(TS_HEAD + b"<html><p>Gone</p></html>\n").hold()) as origin:
        s = server(line_up(channel(1, origin.url()), streaming={"start_timeout": 60}))
        answer = s.get("/stream/1.ts", timeout=20)
        assert answer.status == 502 and "a web page (HTML)" in answer.json["error"], answer.text


def test_a_source_that_redirects_for_ever(server):
    def redirect(peer):
        peer.send(f"HTTP/1.1 302 Found\r\nLocation: {peer.origin.url('/again')}\r\n"
                  "Content-Length: 0\r\nConnection: close\r\n\r\n".encode())

    with Trouble(redirect) as origin:
        s = server(line_up(channel(1, origin.url()), streaming={"start_timeout": 60}))
        answer = s.get("/stream/1.ts", timeout=60)
        assert answer.status == 502, answer.text
        assert len(origin.times) < 40


@pytest.mark.parametrize("kind", ["404", "html", "noise", "nothing"])
def test_a_source_that_fails_after_media(server, kind):
    """Viewers wait, each retry comes later than the previous one, and no viewer gets the garbage."""
    film, repaired = packets(media.long_film()), threading.Event()

    def breaks(peer):
        peer.send(TS_HEAD).play(film, 3, LONG)

    def refuses(peer):
        if repaired.is_set():
            endless(film)(peer)
        else:
            peer.send(REFUSALS[kind])

    with Trouble(breaks, refuses) as origin:
        s = server(line_up(channel(1, origin.url(), slate=False),
                           streaming={"start_timeout": 3}))
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 3)
            w.wait_playing(ids, 1)  # a late one finds the last packets of the first connection
            wait_for(lambda: len(job_retries(s, "1")) >= 4, 40, "four failures")
            tuner = wait_for(lambda: t if (t := s.tuner("1"))["state"] == "restarting" else None,
                             40, "the tuner to wait for its next try")
            assert tuner["restarts"] >= 4 and tuner["last_error"], tuner
            assert len(s.viewers()) == 3
            repaired.set()
            w.wait(ids, lambda v: v["marks"] == 1, 60, "the film to go on")
            w.wait_more(ids)
            assert_stayed(w.report(), 1)
            tries = job_retries(s, "1")
            assert s.tuner("1")["restarts"] == len(tries), (origin.errors, tries)
        assert [delay for _, delay in tries[:4]] == [0, 0.5, 1, 2]
        assert_waited(tries)
        assert len(origin.times) == len(tries) + 1, (origin.errors, tries)
        assert origin.connections.peak == 1


def test_a_flapping_source_is_retried_at_once(server):
    """Each connection delivers media for two seconds: no failure delays the next attempt."""
    film = packets(media.long_film())

    def flaps(peer):
        peer.send(TS_HEAD).play(film, 2.5, LONG, burst=0.5)

    with Trouble(flaps) as origin:
        s = server(line_up(channel(1, origin.url())))
        with Watch(s) as w:
            w.wait_playing(w.open("/stream/1.ts"), 50)
            wait_for(lambda: len(origin.times) >= 5, 30, "five connections")
            waits = re.findall(r"the ingest job is lost .* trying again in (\d+) ms", s.log())
            assert len(waits) >= 4 and set(waits) == {"0"}, waits


def test_an_unanswered_reconnect_is_closed_soon(server):
    """Not after start_timeout: the source has shown how fast it is."""
    film = packets(media.long_film())

    def breaks(peer):
        peer.send(TS_HEAD).play(film, 3, LONG)

    with Trouble(breaks, lambda peer: peer.hold(), endless(film)) as origin:
        s = server(line_up(channel(1, origin.url(), slate=False),
                           streaming={"start_timeout": 60, "stall_timeout": 0.5}))
        with Watch(s) as w:
            ids = w.open("/stream/1.ts")
            w.wait(ids, lambda v: v["marks"] == 1, 30, "the film to go on")
            assert_stayed(w.report(), 1)
        assert origin.times[2] - origin.times[1] < 30, origin.times


# -- films

def test_a_film_that_ends(server):
    s = server(line_up(channel(1, media.short_film())))
    for _ in range(3):
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 5)
            w.wait(ids, lambda v: v["state"] == "ended", 15, "the film to end")
            seen = w.report()
            assert_sound(seen)
            for v in seen.values():
                assert v["status"] == 200 and v["resets"] == 0 and v["rest"] == 0, v
                assert v["marked"] == 0 and v["seconds"] > 2.5, v
        tuner = s.tuner("1")
        assert tuner is None or tuner["state"] == "ended", tuner


@pytest.mark.smoke
def test_a_transcoded_film_that_ends(server):
    s = server(line_up(channel(1, media.short_film(), "small")))
    for _ in range(2):
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 3)
            w.wait(ids, lambda v: v["state"] == "ended", 20, "the film to end")
            seen = w.report()
            assert_sound(seen)
            for v in seen.values():
                assert v["status"] == 200 and v["resets"] == 0 and v["rest"] == 0, v
                assert v["marked"] == 0 and v["seconds"] > 2.9, v
        tuner = s.tuner("1")
        assert tuner is None or tuner["state"] == "ended", tuner


@pytest.mark.smoke
def test_a_loop_has_no_seam(server):
    s = server(line_up(channel(1, media.blink(), **LOOP)))
    with Watch(s) as w:
        ids = w.open("/stream/1.ts", 3)
        w.wait(ids, lambda v: v["seconds"] > 11, 30, "five loops of two seconds")
        assert_untouched(w.report())


# -- rings that grow

def test_a_larger_ring_is_used_without_a_discontinuity(server):
    s = server(line_up(channel(1, media.dense_film(), **LOOP), streaming={"ring_seconds": 10}))
    with Watch(s) as w:
        fast = w.open("/stream/1.ts", 20)
        w.wait_playing(fast)
        wait_for(lambda: "gets a larger ring" in s.log(), 20, "a larger ring")
        before = w.report()
        w.wait(fast, lambda v: v["bytes"] > before[v["id"]]["bytes"] + (12 << 20), 30,
               "more than a small ring holds")
        assert_untouched(w.report())
        assert s.tuner("1")["restarts"] == 0
        # more is stored now than the first ring could hold
        late = w.open("/stream/1.ts?join_ms=4000")
        w.wait_playing(late, 100)
        assert_sound(w.report(late))


# -- reloads

def reload(server):
    """As `systemctl reload` does; waits until it has happened."""
    done = server.amps("reload")
    assert done.returncode == 0, done.stderr + done.stdout


def test_twenty_reloads_do_not_disturb_viewers(server):
    config = line_up(channel(1, media.film(), **LOOP), channel(2, media.film(), **LOOP))
    s = server(config, workers=2)
    with Watch(s) as w:
        ids = w.open("/stream/1.ts", 20) + w.open("/stream/2.ts", 20)
        w.wait_playing(ids)
        jobs = {t["key"]: t["pid"] for t in s.tuners()}
        for n in range(20):
            config["streams"].append(channel(100 + n, media.film()))
            s.write_config(config)
            s.process.send_signal(signal.SIGHUP)
            time.sleep(0.05)  # faster than reloads are completed
        wait_for(lambda: s.get("/playlist.m3u").text.count("#EXTINF") == 22, 20,
                 "the last configuration")
        w.wait_more(ids, 600)
        assert_untouched(w.report())
        assert {t["key"]: t["pid"] for t in s.tuners()} == jobs
        assert all(t["restarts"] == 0 for t in s.tuners())


def test_bad_configurations_keep_the_running_one(server):
    config = line_up(channel(1, media.film(), **LOOP))
    s = server(config)
    bad = ["streams: [", "streams:\n  - id: 1\n   name: x\n", "", "\0\0\0", "streams: 5\n",
           "server: {port: cat}\n", "streams:\n  - {id: 1, name: a, source: x}\n"
           "  - {id: 1, name: b, source: y}\n", "- a\n- b\n", "a: &x [*x]\n"]
    with Watch(s) as w:
        ids = w.open("/stream/1.ts", 5)
        w.wait_playing(ids)
        playlist = s.get("/playlist.m3u").text
        pid = s.tuner("1")["pid"]
        for text in bad:
            s.write_config(text)
            if text.strip("\0"):
                done = s.amps("reload")
                assert done.returncode == 1, (text, done.stdout, done.stderr)
            else:
                s.amps("reload")  # an empty file is a configuration without channels
                s.write_config(config)
                reload(s)
                w.close_viewers(ids)
                ids = w.open("/stream/1.ts", 5)
                w.wait_playing(ids)
                pid = s.tuner("1")["pid"]
        assert s.get("/playlist.m3u").text == playlist
        w.wait_more(ids, 600)
        assert_untouched(w.report(ids))
        assert s.tuner("1")["pid"] == pid


def test_a_changed_source_keeps_its_viewers(server):
    config = line_up(channel(1, media.film(), **LOOP), channel(2, media.film(), **LOOP))
    s = server(config, workers=2)
    with Watch(s) as w:
        mine, others = w.open("/stream/1.ts", 10), w.open("/stream/2.ts", 10)
        w.wait_playing(mine + others)
        for n, source in enumerate([media.short_film(), media.other_film(), media.film()]):
            config["streams"][0]["source"] = source
            s.write_config(config)
            reload(s)
            w.wait(mine, lambda v: v["marks"] == n + 1, 10, "the new source")
            w.wait_more(mine)
        assert_stayed(w.report(mine), 3)
        assert_untouched(w.report(others))


def test_a_profile_that_becomes_a_copy_and_back_keeps_its_viewers(server):
    """The derive job starts and ends, also while a variant needs one."""
    config = line_up(channel(1, media.film(), "small", **LOOP,
                             adaptive_bitrates=[{"name": "v", "ffmpeg_profile": "small"}]))
    s = server(config)
    with Watch(s) as w:
        mine = w.open("/stream/1.ts", 3)
        w.wait_playing(mine)
        ingest = s.tuner("1")["pid"]
        others = []
        for n, profile in enumerate(["copy", "small", "copy", "small"]):
            config["streams"][0]["ffmpeg_profile"] = profile
            s.write_config(config)
            reload(s)
            w.wait(mine, lambda v: v["marks"] == n + 1, 15, f"the {profile} of the source")
            w.wait_more(mine, 100)
            wait_for(lambda: s.tuner("1")["viewers"] == 3 + len(others), 5, "all to be counted")
            if n == 0:
                wait_for(lambda: s.tuner("1")["derive_pid"] is None, 5, "the derive job to end")
            if n == 1:
                others = w.open("/stream/1.ts?variant=v", 2)
                w.wait_playing(others, 100)
        for v in w.report(mine).values():
            assert v["state"] == "body" and v["opened"] == 1 and v["marks"] == 4, v
            # the source's ring has the source's time, which encoding may have moved
            for name in ("sync", "cc", "bad_starts", "bad_cuts"):
                assert v[name] == 0, f"{name}: {v}"
        w.wait_more(others, 100)
        assert s.tuner("1")["pid"] == ingest and s.tuner("1")["restarts"] == 0


def test_a_generated_source_that_becomes_a_film_keeps_its_viewers(server):
    """One job in both roles becomes two jobs, and back."""
    generated = {"source": "testsrc2=size=160x90:rate=25", "input_options": {"f": "lavfi"}}
    config = line_up(channel(1, profile="small", **generated))
    s = server(config)
    with Watch(s) as w:
        mine = w.open("/stream/1.ts", 3)
        w.wait_playing(mine)
        for n in range(2):
            film = channel(1, media.film(), "small", **LOOP)
            config["streams"][0] = channel(1, profile="small", **generated) if n else film
            s.write_config(config)
            reload(s)
            w.wait(mine, lambda v: v["marks"] == n + 1, 15, "the other source")
            w.wait_more(mine, 100)
        assert_stayed(w.report(mine), 2)


def test_a_removed_channel_ends_its_viewers(server):
    config = line_up(channel(1, media.film(), **LOOP), channel(2, media.film(), **LOOP))
    s = server(config, workers=2)
    with Watch(s) as w:
        mine, others = w.open("/stream/1.ts", 10), w.open("/stream/2.ts", 10)
        w.wait_playing(mine + others)
        del config["streams"][0]
        s.write_config(config)
        reload(s)
        w.wait(mine, lambda v: v["state"] == "ended", 5, "the viewers of the removed channel to end")
        assert_sound(w.report(mine))
        assert s.get("/stream/1.ts").status == 404
        wait_for(lambda: s.tuner("1") is None, 5, "its tuner to go")
        w.wait_more(others, 600)
        assert_untouched(w.report(others))


def test_nothing_is_left(server):
    """After restarts, ends and reloads every process has the descriptors of the start."""
    config = line_up(channel(1, media.film(), **LOOP), channel(2, media.short_film()))
    s = server(config, workers=2)
    from watch import Residue
    with Watch(s) as w:
        w.wait_playing(w.open("/stream/1.ts", 5))
        residue = Residue(s)
        for _ in range(3):
            ids = w.open("/stream/2.ts", 5) + w.open("/stream/1.ts", 5)
            # a viewer that joined in the last second of the film may have seen its end
            w.wait(ids, lambda v: v["packets"] >= 100, 20, "viewers to have played")
            pid = s.tuner("1")["pid"]
            kill(pid)
            s.process.send_signal(signal.SIGHUP)
            w.close_viewers(ids)
            wait_for(lambda: s.tuner("1")["pid"] not in (None, pid), 30, "the job to be back")
        wait_for(lambda: s.tuner("2") is None or s.tuner("2")["state"] == "ended", 10,
                 "the second channel to go")
        s.amps("stop", "2")
        residue.check()
