"""A channel with several sources: what its viewers see when one of them is lost."""
import functools
import json

import pytest

import media
from harness import wait_for
from lineup import channel, line_up
from origin import HttpOrigin, Paced
from test_sources import MovingWindow
from trouble import TS_HEAD, Trouble, other_pids, packets
from ts import PACKET, pid_of, split
from watch import FAST, Watch, assert_sound

LONG = 120  # seconds of media.long_film()
PICTURE = 0x100     # its PID


def endless(data, total=LONG):
    return lambda peer: peer.send(TS_HEAD).play(data, 1e9, total)


def backup(move=0x100):
    """Another picture size on other PIDs."""
    return endless(other_pids(packets(media.other_film()), move), 60)


def playing(seconds, then):
    """A film that plays so long, then the fault."""
    film = packets(media.long_film())

    def script(peer):
        peer.send(TS_HEAD).play(film, seconds, LONG)
        then(peer)
    return script


@functools.cache
def frozen_film():
    """The film from its fourth second on, with all clock references alike."""
    film = packets(media.long_film())
    out, clock = [], None
    for p in split(film[len(film) * 3 // LONG // 188 * 188:]):
        if p[3] & 0x20 and p[4] >= 7 and p[5] & 0x10:
            clock = clock or p[6:12]
            p = p[:6] + clock + p[12:]
        out.append(p)
    return b"".join(out)


FAULTS = {
    "closed": lambda peer: None,
    "reset": lambda peer: peer.reset(),
    "silent": lambda peer: peer.hold(),
    "garbage": lambda peer: peer.play(bytes(188) * 1000, 30, 1),
    "frozen clock": lambda peer: peer.play(frozen_film(), 30, LONG - 3),
    "web page": lambda peer: peer.play(b"<html>" * 10000, 30, 1),
}
STALL = 2.0  # stall_timeout of these channels
SILENT = ("silent", "garbage", "web page", "frozen clock")  # no end of the connection shows them


def sources(*origins, **more):
    return line_up(channel(1, origins[0].url(), sources=[o.url() for o in origins[1:]], **more),
                   streaming={"stall_timeout": STALL})


def check_report(s, tuner, cause):
    """What the operator sees of one switch."""
    assert tuner["source_number"] == 2 and tuner["sources"] == 2 and tuner["switches"] == 1, tuner
    causes = ("crashed", "failed", "silent", "slow", "content")
    assert {c: tuner[f"restarts_{c}"] for c in causes} == \
        dict.fromkeys(causes, 0) | {cause: 1}, tuner
    assert tuner["first_media_ms"] > 0, tuner
    # measured over two seconds
    assert wait_for(lambda: s.tuner("1")["pcr_interval_ms"], 10, "the clock's measure") <= 100
    labels = 'channel="1",tuner="1"'
    text = s.get("/metrics").text
    assert f'amps_tuner_source_switches_total{{{labels}}} 1\n' in text
    assert f'amps_tuner_jobs_lost_total{{{labels},cause="{cause}"}} 1\n' in text
    assert f'amps_tuner_source{{{labels}}} 2\n' in text
    said = s.amps("why", "1").stdout
    assert "it runs from source 2 (http://127.0.0.1:" in said, said
    assert "source 1 was lost 1 times" in said and "1 switches to source 2" in said, said
    assert "viewers were without media from source 1 for" in said, said
    assert s.amps("why", "7").returncode == 1


@pytest.mark.timing
@pytest.mark.waits
@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_source_takes_over(server, fault):
    frozen_film()       # making it takes time that is not the server's
    with Trouble(playing(3, FAULTS[fault]), lambda peer: None) as first, \
            Trouble(backup()) as second:
        s = server(sources(first, second))
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 2)
            w.wait_playing(ids)
            w.rate(ids, FAST)    # the longest gap counts from here
            # a second of the film comes in advance
            wait_for(lambda: second.times, 10, "the second source to be opened")
            lost = first.times[0] + 2 + (STALL if fault in SILENT else 0)
            assert second.times[0] - lost < 1, second.times[0] - first.times[0]
            w.wait(ids, lambda v: v["marks"] == 1, 5, "viewers to go on with a mark")
            w.wait_more(ids)
            assert_sound(w.report())
            assert all(v["opened"] == 1 and v["marks"] == 1 for v in w.report().values())
            if fault not in ("garbage", "web page"):    # whose bytes are sent on, up to the end
                gaps = [v["gap_ms"] for v in w.report().values()]
                # the next source begins with a key frame
                assert max(gaps) < 1000 * (1 + (STALL if fault in SILENT else 0)), gaps
            tuner = wait_for(lambda: s.tuner("1"), 5, "the tuner")
            assert tuner["source"] == second.url() and tuner["state"] == "running", tuner
            check_report(s, tuner, "silent" if fault in SILENT else "failed")
    assert first.connections.peak == 1 and second.connections.peak == 1


@pytest.mark.timing
@pytest.mark.waits
def test_a_live_playlist_that_stands_still_is_left_after_three_target_durations(server, tmp_path):
    window = MovingWindow(tmp_path)      # of 2 s
    with HttpOrigin(folder=str(tmp_path)) as origin, Trouble(backup()) as second:
        s = server(line_up(channel(1, origin.url("/hls/index.m3u8"), sources=[second.url()]),
                           streaming={"stall_timeout": STALL}))
        with Watch(s) as w:
            with window:
                ids = w.open("/stream/1.ts", 1)
                w.wait_playing(ids)
            # what was listed is played first
            wait_for(lambda: second.times, 20, "the second source to be opened")
            w.wait(ids, lambda v: v["marks"] == 1, 5, "viewers to go on with a mark")
            assert s.tuner("1")["restarts_silent"] == 1
            assert "sent nothing that can be played for 6000 ms" in s.log()


def standing_flv(seconds):
    """The film as FLV, with one time for all tags from that second on."""
    flv = bytearray(open(media.make("long.flv", "-i", media.long_film(), "-c", "copy",
                                    "-bsf:a", "aac_adtstoasc", "-f", "flv"), "rb").read())
    at = 9 + 4      # behind the header; a tag's size precedes its time, that of the one before follows
    while at < len(flv):
        size, ms = (int.from_bytes(flv[at + n:at + n + 3], "big") for n in (1, 4))
        if ms > seconds * 1000:
            flv[at + 4:at + 8] = (seconds * 1000).to_bytes(4, "big")[1:] + b"\0"
        at += 11 + size + 4
    return bytes(flv)


@pytest.mark.timing
@pytest.mark.waits
def test_a_source_that_is_no_transport_stream_is_left_when_its_times_stand(server):
    flv = standing_flv(3)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\nConnection: close\r\n\r\n"
    with Trouble(lambda peer: peer.send(head).play(flv, 60, LONG)) as first, \
            Trouble(backup()) as second:
        s = server(line_up(channel(1, first.url("/live.flv"), sources=[second.url()]),
                           streaming={"stall_timeout": STALL}))
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 1)
            w.wait_playing(ids)
            wait_for(lambda: second.times, 15, "the second source to be opened")
            # a second of the film comes in advance
            assert 2 + STALL - .2 < second.times[0] - first.times[0] < 2 + STALL + 2
            w.wait(ids, lambda v: v["marks"] == 1, 5, "viewers to go on with a mark")
            assert s.tuner("1")["restarts_silent"] == 1
            assert "does not advance" in s.log()


def without_picture(film, begin):
    """From that byte on, of the picture's packets only the clock is left."""
    out, last = [], None
    for i, p in enumerate(split(film)):
        if pid_of(p) == PICTURE and i * PACKET >= begin:
            has_clock = p[3] & 0x20 and p[4] >= 7 and p[5] & 0x10
            p = (p[:3] + bytes([0x20 | last, 183, p[5] & 0x10]) + p[6:12] + b"\xff" * 176
                 if has_clock else b"\x47\x1f\xff\x10" + b"\xff" * 184)
        elif pid_of(p) == PICTURE:
            last = p[3] & 0x0f
        out.append(p)
    return b"".join(out)


@pytest.mark.timing
@pytest.mark.waits
def test_a_source_whose_picture_is_gone_for_ten_seconds_is_left(server):
    film = packets(media.long_film())
    film = without_picture(film, len(film) * 3 // LONG)
    with Trouble(endless(film)) as first, Trouble(backup()) as second:
        s = server(sources(first, second))
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 1)
            w.wait_playing(ids)
            wait_for(lambda: second.times, 30, "the second source to be opened")
            # a second of the film comes in advance
            assert 11 < second.times[0] - first.times[0] < 2 + 10 + 2
            w.wait(ids, lambda v: v["marks"] == 1, 5, "viewers to go on with a mark")
            assert s.tuner("1")["restarts_content"] == 1
            assert "its picture is gone" in s.log()


@pytest.mark.timing
def test_a_source_slower_than_real_time_is_left(server):
    """60% of real time, after some seconds that are right: found within ten seconds."""
    film = packets(media.long_film())
    begin = len(film) * 4 // LONG // 188 * 188

    def script(peer):
        peer.send(TS_HEAD).play(film[:begin], 4, 4)
        peer.play(film[begin:], LONG, (LONG - 4) / 0.6, burst=0)
    # the judge of streams counts marks on the PID of the picture
    with Trouble(script, script) as first, Trouble(backup(move=0)) as second:
        s = server(sources(first, second))
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 1)
            w.wait_playing(ids)
            tuner = wait_for(lambda: (t := s.tuner("1"))["source_number"] == 2 and t, 20,
                             "the second source")
            assert tuner["restarts_slow"] == 1 and tuner["restarts_failed"] == 0, tuner
            wait_for(lambda: second.times, 10, "the second source to be opened")
            # a second of the film comes in advance
            assert 7 < second.times[0] - first.times[0] < 4 + 10, second.times[0] - first.times[0]
            assert "too slow 1 times" in s.amps("why", "1").stdout
            labels = 'channel="1",tuner="1",cause="slow"'
            assert f"amps_tuner_jobs_lost_total{{{labels}}} 1\n" in s.get("/metrics").text
            w.wait(ids, lambda v: v["marks"] == 1, 10, "viewers to go on with a mark")
            w.wait_more(ids)
            assert all(v["opened"] == 1 for v in w.report().values())


def test_a_source_that_works_again_is_found(server):
    """The first source refuses, the second is lost later: the channel is never without one for long."""
    film = packets(media.long_film())
    with HttpOrigin(Paced(media.long_film(), LONG)) as first, \
            Trouble(lambda peer: peer.send(TS_HEAD).play(film, 3, LONG)) as second:
        first.mode = "refuse"
        s = server(sources(first, second))
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 1)
            w.wait_playing(ids)
            assert s.tuner("1")["source"] == second.url()
            first.mode = "play"
            wait_for(lambda: s.tuner("1")["source"] == first.url(), 10, "the first source")
            w.wait_more(ids)
            assert_sound(w.report())


def test_a_channel_returns_when_its_first_source_is_stable(server):
    """The first source breaks off and comes back: viewers change over twice, with a mark each."""
    film = packets(media.long_film())
    # the judge of streams counts marks on the PID of the picture
    with Trouble(playing(3, lambda peer: None), endless(film)) as first, \
            Trouble(backup(move=0)) as second:
        config = sources(first, second)
        config["streaming"].update(return_after=1, stall_timeout=5)
        s = server(config)
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 2)
            w.wait_playing(ids)
            tuner = wait_for(lambda: (t := s.tuner("1"))["source_number"] == 2 and t, 10,
                             "the second source")
            wait_for(lambda: s.tuner("1")["source_number"] == 1, 15, "the first source again")
            w.wait(ids, lambda v: v["marks"] == 2, 10, "viewers to go on with a mark")
            w.wait_more(ids)
            assert_sound(w.report())
            assert all(v["opened"] == 1 and v["marks"] == 2 for v in w.report().values())
            now = s.tuner("1")
            assert now["pid"] != tuner["pid"] and now["switches"] == 2 and now["restarts"] == 1
            wait_for(lambda: second.connections.count() == 0, 5, "the second source to be left")
        assert first.connections.peak == 1 and second.connections.peak == 1


def test_a_source_is_not_tried_beside_itself(server):
    """Two entries with the same address: there is never a second connection to it."""
    film = packets(media.long_film())
    with Trouble(playing(3, lambda peer: None), endless(film)) as origin:
        config = sources(origin, origin)
        config["streaming"]["return_after"] = 0
        s = server(config)
        with s.stream("/stream/1.ts", timeout=30) as stream:
            wait_for(lambda: (s.tuner("1") or {}).get("source_number") == 2, 10,
                     "the second entry")
            stream.read_for(3)
        assert origin.connections.peak == 1 and len(origin.times) == 2


@pytest.mark.timing
@pytest.mark.waits
def test_a_viewer_comes_while_the_first_source_is_dead(server):
    with Trouble(lambda peer: peer.hold()) as silent, Trouble(backup()) as second:
        config = sources(silent, second)
        config["streams"][0]["source"] = "http://127.0.0.1:1/nothing.ts"
        config["streams"][0]["sources"] = [silent.url(), {"url": second.url()}]
        s = server(config)
        with s.stream("/stream/1.ts", timeout=30) as stream:
            assert stream.read(188)[0] == 0x47
        assert second.times[0] - silent.times[0] < 2 * STALL + 1


@pytest.mark.timing
@pytest.mark.waits
def test_a_source_whose_key_frame_takes_long_is_not_passed_over(server):
    """It sends from the beginning, and the first picture comes within start_timeout."""
    film = packets(media.long_film())
    tables = b"".join(split(film)[:2]) * 400

    def late(peer):
        peer.send(TS_HEAD).play(tables, 2.5 * STALL, 2.5 * STALL, 0).play(film, 30, LONG)

    with Trouble(late) as first, Trouble(backup()) as second:
        s = server(sources(first, second))
        with s.stream("/stream/1.ts", timeout=30) as stream:
            assert stream.read(188)[0] == 0x47
        assert s.tuner("1")["source_number"] == 1
        assert len(first.times) == 1 and not second.times


def test_a_film_is_followed_by_the_next_one_and_the_last_one_ends(server):
    with Trouble(backup()) as never:
        config = sources(never)
        config["streams"][0].update(source=media.short_film(), sources=[media.blink()])
        s = server(config)
        with s.stream("/stream/1.ts", timeout=30) as stream:
            stream.read_all()
        assert s.tuner("1")["state"] == "ended"
        assert s.tuner("1")["source"] == media.blink()
        assert s.tuner("1")["restarts"] == 1


def test_lost_packets_of_a_source_are_counted(server):
    film = packets(media.long_film())
    holes = b"".join(p for n, p in enumerate(split(film)) if n % 200)
    with Trouble(endless(holes)) as origin:
        s = server(line_up(channel(1, origin.url())))
        assert "it has no viewer" in s.amps("why", "1").stdout
        with s.stream("/stream/1.ts", timeout=30) as stream:
            stream.read(188 * 3000)
            wait_for(lambda: s.tuner("1")["cc_errors"] > 5, 10, "errors to be counted")
            said = json.loads(s.amps("why", "1", "--json").stdout)
        assert any("the source lost packets" in line for line in said["last_hour"]), said
