"""RTSP: a channel over RTP, interleaved and over UDP."""
import base64
import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import time

import pytest

import media
from harness import PATIENCE, kill, wait_for
from lineup import LOOP, channel, line_up
from rtsp import AUTO, TCP, Rtsp, frame, port_of
from ts import Checker

WAYS = pytest.mark.parametrize("tcp", [True, False], ids=["tcp", "udp"])
TOKEN = "shared-token-of-1"


@pytest.fixture
def playing(server):
    return server(line_up(channel(1, media.film(), **LOOP), server=AUTO))


def viewer_of(server):
    return wait_for(lambda: [v for v in server.viewers() if v["user_agent"] == "rtsp.py"], 5,
                    "the viewer")[0]


def gone(server):
    wait_for(lambda: not server.viewers(), 5, "the viewer to be gone")


@pytest.mark.smoke
@WAYS
def test_media_begin_with_tables_and_a_key_frame(playing, tcp):
    with Rtsp(playing, "/1?join_ms=0", tcp=tcp) as r:
        methods = r.request("OPTIONS", "*").headers["public"]
        assert "PLAY" in methods and "PAUSE" not in methods     # GStreamer would use it
        reply = r.play()
        assert reply.status == 200 and "timeout=60" in reply.headers["session"]
        r.receive(3000)
        r.check_start()
        assert not r.rtp.problems()
        viewer = viewer_of(playing)
        assert viewer["protocol"] == "rtsp" and viewer["bytes"] > 2500 * 188
        # the first report comes at once and describes this stream
        r.receive(1, lambda rtp: len(rtp.reports))
        ssrc, packets, size, _, wall = r.rtp.reports[0]
        assert ssrc == r.rtp.ssrc and 0 < size <= packets * 1316
        assert abs(wall - time.time()) < 60 and r.rtp.names[0] == b"amps"
        assert r.request("TEARDOWN", r.base_url).status == 200
        if not tcp:
            r.receive(1, lambda rtp: rtp.goodbye)
        gone(playing)


@pytest.mark.slow
def test_stamps_follow_the_programme_clock(playing):
    with Rtsp(playing) as r:
        assert r.play().status == 200
        first = r.receive(200).media.pcr, r.rtp.stamp
        r.receive(3000)
        passed = r.rtp.media.pcr - first[0]
        # the media run in real time, the stamps with them
        assert abs((r.rtp.stamp - first[1]) % (1 << 32) - passed) <= 9000
        assert r.rtp.markers == 0


def basic(user, token):
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


def test_tokens_come_in_three_ways_and_stay_out_of_the_log(server):
    s = server(line_up(channel(1, media.film(), **LOOP), server={**AUTO, "access_log": "-"},
                       auth={"enabled": True, "token": TOKEN}))
    for target, token in (("/1", None), ("/1?token=wrong", None), ("/1", basic("x", "wrong")),
                          ("/1", "Bearer wrong"), ("/1", "Basic ==="), ("/1", "Digest x")):
        with Rtsp(s, target, token=token) as r:
            reply = r.describe()
            assert reply.status == 401, (target, token)
            assert reply.headers["www-authenticate"] == 'Basic realm="amps"'
            # the connection stays for another try
            r.fields["Authorization"] = basic("me", TOKEN)
            assert r.describe().status == 200
            r.setup()
            r.fields["Authorization"] = basic("me", "wrong")
            assert r.request("PLAY", r.base_url).status == 401
    for target, token in ((f"/1?token={TOKEN}", None), ("/1", basic("anybody", TOKEN)),
                          ("/1", basic("", TOKEN)), ("/1", f"Bearer {TOKEN}")):
        with Rtsp(s, target, token=token) as r:
            assert r.play().status == 200, (target, token)
            r.receive(10)
    wait_for(lambda: s.log().count('PLAY /1') >= 4, 5, "the lines of the access log")
    assert TOKEN not in s.log() and "wrong" not in s.log()
    assert basic("me", TOKEN).split()[1] not in s.log()


@pytest.mark.slow
def test_regions_and_limits_are_those_of_http(server):
    token = {"name": "two", "token": "token-of-the-two", "max_viewers": 1, "groups": ["News"]}
    s = server(line_up(channel(1, media.film(), group="News", regions_allowed=["DE"], **LOOP),
                       channel(2, media.film(), group="Sport", **LOOP),
                       channel(3, media.film(), **LOOP),
                       server={**AUTO, "max_viewers": 2},
                       auth={"enabled": True, "token": TOKEN, "tokens": [token]}))
    mine = f"token={token['token']}"

    def refused(target):
        with Rtsp(s, target) as r:
            reply = r.describe()
            assert "error" in reply.body
            return reply.status

    assert refused(f"/1?token={TOKEN}") == 403
    assert refused(f"/1?region=US&token={TOKEN}") == 403
    assert refused(f"/2?{mine}") == 403
    assert refused(f"/77?token={TOKEN}") == 404
    assert refused(f"/1/stream=1?token={TOKEN}") == 404
    assert refused(f"/3?variant=none&token={TOKEN}") == 404
    with Rtsp(s, f"/1?region=DE&{mine}") as first:
        assert first.play().status == 200
        first.receive(10)
        assert refused(f"/1?region=DE&{mine}") == 453
        with Rtsp(s, f"/2?token={TOKEN}") as second, Rtsp(s, f"/2?token={TOKEN}") as third:
            assert second.play().status == 200
            second.receive(10)
            reply = third.play()
            assert reply.status == 503 and reply.headers["retry-after"]
            # the connection and the session stay
            first.close()
            wait_for(lambda: len(s.viewers()) == 1, 5, "the first viewer to be gone")
            assert third.request("PLAY", third.base_url).status == 200


@pytest.mark.slow
def test_a_variant_is_its_own_output(server):
    s = server(line_up(channel(1, media.film(), adaptive_bitrates=[
        {"name": "small", "ffmpeg_profile": "small"}], **LOOP), server=AUTO))
    with Rtsp(s, "/1?variant=small") as r:
        assert r.play().status == 200
        assert not r.receive(100).problems()
        assert viewer_of(s)["variant"] == "small"
    gone(s)
    # SETUP has chosen it: PLAY may leave it out, but not name another
    with Rtsp(s, "/1?variant=small") as r:
        assert r.describe().status == 200 and r.setup().status == 200
        assert r.request("PLAY", r.base + "/1?variant=").status == 454
        assert r.request("PLAY", r.base + "/1").status == 200
        assert not r.receive(100).problems()
        assert viewer_of(s)["variant"] == "small"


def test_methods_and_their_order(playing):
    with Rtsp(playing) as r:
        assert r.describe().status == 200
        assert r.request("PLAY", r.base_url).status == 454
        assert r.request("DESCRIBE", headers={"Accept": "text/html"}).status == 406
        assert r.request("ANNOUNCE").status == 405 and r.request("BREW").status == 501
        for name in ("Require", "Proxy-Require"):
            reply = r.request("SETUP", headers={name: "implicit-play", "Transport": TCP})
            assert reply.status == 551 and reply.headers["unsupported"] == "implicit-play"
        for transport in ("RTP/AVP;multicast", "RTP/SAVP;unicast;client_port=5000-5001",
                          "RTP/AVP;unicast;client_port=5000-5001;destination=192.0.2.1"):
            assert r.setup(transport).status == 461, transport
        assert r.setup(f"RTP/AVP;multicast, MP2T/UDP;unicast;client_port=5000, {TCP}").status == 200
        # another transport before PLAY
        assert r.setup(TCP).status == 200
        assert r.request("PLAY", r.base + "/2").status == 404
        assert r.request("PLAY", r.base_url).status == 200
        r.receive(10)
        assert r.setup(TCP).status == 455
        assert r.request("PLAY", r.base_url).status == 200
        assert r.request("PAUSE", r.base_url).status == 455
        assert r.request("GET_PARAMETER", r.base_url).status == 200
        assert r.request("SET_PARAMETER", r.base_url, body="x: y\r\n").status == 200
        assert r.request("GET_PARAMETER", headers={"Session": "0123456789abcdef"}).status == 454
        assert r.request("OPTIONS").status == 200
        r.send("TEARDOWN", r.base_url)
        assert r.answer(r.cseq).status == 200
        assert r.closed() and not r.received


def test_requests_may_come_in_one_piece(playing):
    """A whole dialogue without waiting; the session is the one of the connection."""
    with Rtsp(playing, tcp=False) as r:
        r.send("OPTIONS")
        r.send("DESCRIBE")
        r.send("SETUP", headers={"Transport": r.transport()})
        assert [r.answer(n).status for n in (1, 2)] == [200, 200]
        r.session = r.answer(3).headers["session"].split(";")[0]
        r.send("PLAY")
        r.send("GET_PARAMETER")
        r.send("TEARDOWN")
        assert [r.answer(n).status for n in (4, 5, 6)] == [200, 200, 200]
        gone(playing)


def test_a_udp_session_outlives_its_connection(playing):
    with Rtsp(playing, tcp=False) as r:
        assert r.play().status == 200
        r.receive(100)
        with Rtsp(playing) as early:        # while it has its connection
            early.session = r.session
            assert early.request("GET_PARAMETER").status == 454
        r.socket.close()
        r.receive(r.rtp.packets + 300, lambda rtp: rtp.packets)
        with Rtsp(playing, source="127.0.0.2") as other:
            other.session = r.session
            assert other.request("GET_PARAMETER").status == 454
            assert other.request("TEARDOWN").status == 454
        mine = Rtsp(playing)
        mine.session = r.session
        wait_for(lambda: mine.request("GET_PARAMETER").status == 200, 5, "the session to be free")
        assert not r.rtp.problems()
        assert mine.request("TEARDOWN").status == 200
        mine.close()
        r.receive(1, lambda rtp: rtp.goodbye)
        gone(playing)


@pytest.mark.slow
def test_an_interleaved_session_belongs_to_its_connection(playing):
    with Rtsp(playing) as r, Rtsp(playing) as other:
        assert r.play().status == 200
        r.receive(10)
        other.session = r.session
        for method in ("PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER"):
            assert other.request(method).status == 454
        r.receive(1000)
        assert not r.rtp.problems()
    gone(playing)


@WAYS
def test_a_source_that_fails_is_the_answer_to_play(server, tcp):
    s = server(line_up(channel(1, "/nowhere/film.ts"), server=AUTO))
    with Rtsp(s, tcp=tcp) as r:
        reply = r.play()
        assert reply.status in (502, 504) and "error" in reply.body
        assert r.closed()
    assert not s.viewers()


@WAYS
def test_media_go_on_over_a_killed_job(playing, tcp):
    with Rtsp(playing, "/1?join_ms=0", tcp=tcp) as r:
        assert r.play().status == 200
        r.receive(500)
        kill(playing.tuner("1")["pid"])
        r.receive(1, lambda rtp: rtp.media.marked)
        r.receive(r.rtp.media.packets + 500)
        assert not r.rtp.problems()
        assert r.rtp.media.not_random_access_after_mark == 0
        assert r.rtp.markers > 0


@pytest.mark.slow
@WAYS
def test_a_killed_worker_is_replaced_on_the_same_ports(playing, tcp):
    with Rtsp(playing, tcp=tcp) as r:
        assert r.play().status == 200
        r.receive(100)
        ports = r.peer_ports
        kill(playing.pids("amps-worker")[0])
        assert r.closed()
    wait_for(playing.is_ready, 10, "the new worker")
    with Rtsp(playing, tcp=tcp) as r:
        assert r.play().status == 200
        assert not r.receive(500).problems() and r.peer_ports == ports


@pytest.mark.slow
@WAYS
def test_the_server_says_goodbye(server, tcp):
    s = server(line_up(channel(1, media.short_film()), channel(2, media.film(), **LOOP),
                       server=AUTO))
    with Rtsp(s, tcp=tcp) as r:
        assert r.play().status == 200
        r.receive(1, lambda rtp: rtp.goodbye)       # the film is over
        assert not r.rtp.problems() and r.closed()
    for end in (lambda: s.amps("kick", str(viewer_of(s)["id"])), s.stop):
        with Rtsp(s, "/2", tcp=tcp) as r:
            assert r.play().status == 200
            r.receive(100)
            end()
            r.receive(1, lambda rtp: rtp.goodbye)
            assert r.closed()


@pytest.mark.slow
def test_a_slow_client_skips_to_a_key_frame(server):
    s = server(line_up(channel(1, media.dense_film(), **LOOP), server=AUTO,
                       streaming={"ring_seconds": 1}))
    with Rtsp(s, rcvbuf=64 << 10) as slow, s.stream("/stream/1.ts") as fast:
        assert slow.play().status == 200
        slow.receive(100)
        # the ring of 4 MiB is overwritten while nothing is read here
        assert len(fast.read(6 << 20)) == 6 << 20
        slow.receive(1, lambda rtp: rtp.media.marked)
        slow.receive(slow.rtp.media.packets + 2000)
        assert not slow.rtp.problems()
        assert slow.rtp.media.not_random_access_after_mark == 0


def test_a_receivers_report_is_read(playing):
    """On both transports; what is no report does no harm."""
    for tcp in (True, False):
        with Rtsp(playing, tcp=tcp) as r:
            assert r.play().status == 200
            r.receive(10)
            report = struct.pack(">BBHII20x", 0x81, 201, 7, 99, r.rtp.ssrc)
            for data in (report, b"", b"\x80", b"\xff" * 1400, report[:-1], b"\x81\xc9\xff\xff"):
                if tcp:
                    r.socket.sendall(frame(1, data) + frame(0, b"x"))
                else:
                    for s in r.udp:
                        s.sendto(data, (playing.host, r.peer_ports[1]))
                        s.sendto(data, (playing.host, r.peer_ports[0]))
            r.receive(500)
            assert r.request("TEARDOWN").status == 200 and not r.rtp.problems()


@pytest.mark.slow
def test_the_playlist_leads_to_rtsp(server):
    streams = (channel(1, media.film(), output_format="rtsp", adaptive_bitrates=[
        {"name": "sd & more", "ffmpeg_profile": "small"}]), channel(2, media.film()))
    s = server(line_up(*streams, server=AUTO))
    port = port_of(s)

    def links(query=""):
        text = s.get(f"/playlist.m3u{query}").text
        return [line for line in text.splitlines() if line and line[0] != "#"]

    base = f"rtsp://{s.host}:{port}"
    assert links()[0] == f"{base}/1" and links()[-1] == s.url("/stream/2.ts")
    assert links("?format=rtsp") == [f"{base}/1", f"{base}/1?variant=sd%20%26%20more", f"{base}/2"]
    with Rtsp(s, links("?format=rtsp&region=DE")[1][len(base):]) as r:
        assert r.describe().status == 200
    s = server(line_up(*streams))
    assert s.get("/playlist.m3u?format=rtsp").status == 404
    assert links()[0] == s.url("/stream/1.ts")


@pytest.mark.slow
def test_ports(server):
    """RTSP may be off, on a port that is chosen, or, by default, on 8554 if that is free."""
    stream = channel(1, media.film(), **LOOP)
    s = server(line_up(stream))
    assert port_of(s) == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = server(line_up(stream, server={"rtsp_port": port}), ready=False)
        assert refused.process.wait(20 * PATIENCE) != 0
        assert f"port {port} is already in use" in refused.log()
    first, second = (server(line_up(stream, server={"rtsp_port": None})) for _ in range(2))
    assert port_of(second) == 0 and "RTSP is off: port 8554 is already in use" in second.log()
    assert port_of(first) in (0, 8554)
    even = server(line_up(stream, server={**AUTO, "rtp_port": 27470}), workers=2)
    with Rtsp(even, tcp=False) as r:
        assert r.play().status == 200
        assert not r.receive(100).problems() and r.peer_ports in ((27470, 27471), (27472, 27473))


# -- clients that break the rules

def request(first, *lines):
    return "\r\n".join((first, *lines, "", "")).encode()


def numbered(first, *lines):
    return request(first + " RTSP/1.0", "CSeq: 1", *lines)


# what is sent, and the status of the answer; None: no answer, the connection is closed or waits
BROKEN = {
    "nothing RTSP": (b"\x16\x03\x01\x02\0\x01\0\r\n\r\n", 400),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "bare line ends": (b"OPTIONS * RTSP/1.0\nCSeq: 1\n\n", 400),
    "no version": (request("OPTIONS *", "CSeq: 1"), 400),
    "another version": (request("OPTIONS * RTSP/2.0", "CSeq: 1"), 505),
    "a version that is none": (request("OPTIONS * RTSP/x.y", "CSeq: 1"), 505),
    "no method": (request(" * RTSP/1.0", "CSeq: 1"), 400),
    "a control character": (b"OPT\x01ONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", 400),
    "a NUL": (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: \0\r\n\r\n", 400),
    "a field without a colon": (numbered("OPTIONS *", "what"), 400),
    "a folded field": (numbered("OPTIONS *", "X: y", " z"), 400),
    "a space before the colon": (numbered("OPTIONS *", "X : y"), 400),
    "a line of 10,000 bytes": (numbered("OPTIONS /" + "x" * 10000), 414),
    "a head of 20,000 bytes": (numbered("OPTIONS *", *["X: " + "y" * 1000] * 20), 431),
    "100 fields": (numbered("OPTIONS *", *["X: y"] * 100), 431),
    "no CSeq": (request("OPTIONS * RTSP/1.0"), 400),
    "an empty CSeq": (request("OPTIONS * RTSP/1.0", "CSeq:"), 400),
    "a CSeq of letters": (request("OPTIONS * RTSP/1.0", "CSeq: one"), 400),
    "a negative CSeq": (request("OPTIONS * RTSP/1.0", "CSeq: -1"), 400),
    "a huge CSeq": (request("OPTIONS * RTSP/1.0", "CSeq: 99999999999999999999"), 400),
    "two CSeqs": (numbered("OPTIONS *", "CSeq: 2"), 400),
    "a body without end": (numbered("SET_PARAMETER /1", "Content-Length: 1000000"), 413),
    "a negative body": (numbered("SET_PARAMETER /1", "Content-Length: -1"), 400),
    "two lengths": (numbered("SET_PARAMETER /1", "Content-Length: 1", "Content-Length: 2"), 400),
    "a chunked body": (numbered("SET_PARAMETER /1", "Transfer-Encoding: chunked"), 400),
    "another scheme": (numbered("DESCRIBE http://x/1"), 400),
    "no host": (numbered("DESCRIBE rtsp:///1"), 400),
    "a host that is none": (numbered("DESCRIBE rtsp://a b/1"), 400),
    "a name and password": (numbered("DESCRIBE rtsp://u:p@x/1"), 400),
    "a path that leaves the root": (numbered("DESCRIBE rtsp://x/../../etc/passwd"), 400),
    "an encoded slash": (numbered("DESCRIBE rtsp://x/1%2f2"), 400),
    "a relative path": (numbered("DESCRIBE 1"), 400),
    "no channel": (numbered("DESCRIBE *"), 404),
    "an empty channel": (numbered("DESCRIBE rtsp://x/"), 404),
    "a channel of letters": (numbered("DESCRIBE rtsp://x/one"), 404),
    "a huge channel": (numbered("DESCRIBE rtsp://x/99999999999999999999"), 404),
    "another track": (numbered("DESCRIBE rtsp://x/1/stream=9"), 404),
    "a variant badly encoded": (numbered("DESCRIBE rtsp://x/1?variant=%zz"), 400),
    "join_ms of letters": (numbered("DESCRIBE rtsp://x/1?join_ms=x"), 400),
    "an unknown method": (numbered("EXPLODE rtsp://x/1"), 501),
    "RECORD": (numbered("RECORD rtsp://x/1"), 405),
    "a required option": (numbered("SETUP rtsp://x/1", "Require: a,b", f"Transport: {TCP}"), 551),
    "SETUP without a transport": (numbered("SETUP rtsp://x/1"), 461),
    "an empty transport": (numbered("SETUP rtsp://x/1", "Transport:"), 461),
    "a transport of commas": (numbered("SETUP rtsp://x/1", "Transport: ,,;;,;"), 461),
    "port 0": (numbered("SETUP rtsp://x/1", "Transport: RTP/AVP;unicast;client_port=0-1"), 461),
    "port 53": (numbered("SETUP rtsp://x/1", "Transport: RTP/AVP;unicast;client_port=53-54"), 461),
    "port 70000": (numbered("SETUP rtsp://x/1", "Transport: RTP/AVP;unicast;client_port=70000-1"),
                   461),
    "media for another": (numbered("SETUP rtsp://x/1", "Transport: RTP/AVP;unicast;"
                                   "destination=127.0.0.9;client_port=5000-5001"), 461),
    "multicast": (numbered("SETUP rtsp://x/1", "Transport: RTP/AVP;multicast;ttl=255"), 461),
    "channel 256": (numbered("SETUP rtsp://x/1", "Transport: RTP/AVP/TCP;interleaved=256-257"),
                    461),
    "recording": (numbered("SETUP rtsp://x/1", f'Transport: {TCP};mode="RECORD"'), 461),
    "SETUP in a session of another": (numbered("SETUP rtsp://x/1", "Session: 0011223344556677",
                                               f"Transport: {TCP}"), 454),
    **{f"{m} without a session": (numbered(f"{m} rtsp://x/1"), 454)
       for m in ("PLAY", "PAUSE", "TEARDOWN")},
    **{f"{m} in a session of another": (numbered(f"{m} rtsp://x/1", "Session: 0011223344556677"),
                                        454)
       for m in ("PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER")},
    "a session of commas": (numbered("PLAY rtsp://x/1", "Session: ;;;"), 454),
    "a packet without a session": (frame(0, b"x" * 100), 400),
    "a packet of 65,535 bytes": (frame(1, b"x" * 65535), 400),
    "a packet on channel 255": (b"$\xff\0\4abcd", 400),
}


def status_of(r):
    """Of the answer; None where the server closes without one."""
    try:
        return r.answer().status
    except (EOFError, ConnectionResetError):
        return None


def responses(server):
    found = re.findall(r'amps_http_responses_total\{.*?code="[45]xx"\} (\d+)',
                       server.get("/metrics").text)
    return sum(map(int, found))


def test_broken_dialogues_end_their_sender_only(playing):
    bad = []
    with Rtsp(playing) as tcp, Rtsp(playing, tcp=False) as udp, playing.stream("/stream/1.ts") as ts:
        plain = Checker(ts.read(100 * 188))
        for r in (tcp, udp):
            assert r.play().status == 200
            r.receive(10)
        counted = responses(playing)
        for i, (name, (data, status)) in enumerate(BROKEN.items()):
            with Rtsp(playing) as r:
                r.socket.sendall(data)
                got = status_of(r)
            bad += [(name, got)] if got != status else []
            if i % 10 == 0:
                for r in (tcp, udp):
                    r.receive_some()
                plain.feed(ts.read_some())
        assert responses(playing) >= counted + len(BROKEN)
        # in the middle of a session
        for name, data in (("a foreign channel", frame(7, b"x")), ("garbage", os.urandom(5000)),
                           ("a broken request", b"PLAY\r\n\r\n"),
                           ("packets and garbage", frame(0, b"") * 100 + b"\0" * 100)):
            with Rtsp(playing) as r:
                assert r.play().status == 200
                r.receive(10)
                r.socket.sendall(data)
                if not r.closed():
                    bad.append((name, "goes on"))
        for r in (tcp, udp):
            r.receive(r.rtp.media.packets + 500)
            assert not r.rtp.problems()
        assert (plain.sync_errors, plain.cc_errors) == (0, [])
    assert not bad, "\n".join(map(str, bad))
    assert len(BROKEN) >= 60
    assert playing.tuner("1")["restarts"] == 0


def half_open(server, n):
    """Connections that say nothing, little, or never take their answers; a session watches them."""
    port, found = port_of(server), []
    with contextlib.ExitStack() as stack, Rtsp(server) as r:
        assert r.play().status == 200
        for i in range(n):
            s = stack.enter_context(socket.create_connection((server.host, port)))
            s.setblocking(False)
            s.send((b"", b"O", b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n", b"$\0\xff\xff")[i % 4])
            found.append(s)
            if i % 50 == 0:
                r.receive_some()
        end = time.monotonic() + 30 * PATIENCE
        while found:
            assert time.monotonic() < end, f"{len(found)} are still open"
            r.receive(r.rtp.packets + 10, lambda rtp: rtp.packets)
            found = [s for s in found if still_open(s)]
        assert not r.rtp.problems()


def still_open(s):
    try:
        while s.recv(4096):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


@pytest.mark.slow
def test_half_open_connections_are_closed_in_time(playing):
    half_open(playing, 200)


@pytest.mark.slow
@pytest.mark.heavy
def test_five_thousand_half_open_connections(playing):
    half_open(playing, 5000)


# -- players

PLAYERS = {
    "ffprobe": ["ffprobe", "-v", "error", "-rtsp_transport", "WAY", "-read_intervals", "%+3",
                "-show_entries", "stream=codec_name", "-of", "csv=p=0", "URL"],
    "ffmpeg": ["ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "WAY", "-i", "URL", "-t", "3",
               "-f", "null", "-"],
    "mpv": ["mpv", "--no-config", "--vo=null", "--ao=null", "--length=3", "--msg-level=all=error",
            "--rtsp-transport=WAY", "URL"],
    "gstreamer": ["gst-launch-1.0", "-q", "rtspsrc", "location=URL", "protocols=WAY", "latency=200",
                  "!", "rtpmp2tdepay", "!", "tsdemux", "!", "h264parse", "!", "avdec_h264", "!",
                  "fakesink", "num-buffers=75"],
}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["tcp", pytest.param("udp", marks=pytest.mark.timing)])
def test_players(server, way):
    """All of them at once; none has anything to complain about."""
    # a player that does not get the processor loses what the buffer of its socket cannot hold: 2 s
    # of the film as it is were too much, of this profile it holds ten times as long
    s = server(line_up(channel(1, media.film(), profile="small", **LOOP), server=AUTO,
                       auth={"enabled": True, "token": TOKEN}))
    host, started = f"{s.host}:{port_of(s)}", {}
    for player, words in PLAYERS.items():
        url = f"rtsp://any:{TOKEN}@{host}/1" if player != "gstreamer" else \
            f"rtsp://{host}/1?token={TOKEN}"
        started[player] = subprocess.Popen(
            [w.replace("URL", url).replace("WAY", way) for w in words], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        for player, process in started.items():
            said, complaints = process.communicate(timeout=40 * PATIENCE)
            assert process.returncode == 0 and not complaints.strip(), (player, complaints)
            assert player != "ffprobe" or {"h264", "aac"} <= set(said.split())
    finally:
        for process in started.values():
            process.kill()
            process.communicate()
    # mpv may leave without TEARDOWN: over UDP its session then stays for a while
    wait_for(lambda: len(s.viewers()) <= (way == "udp"), 5, "the viewers to be gone")
    assert s.tuner("1")["restarts"] == 0


@pytest.mark.slow
def test_tshark_sees_a_correct_dialogue(playing):
    if os.geteuid() != 0:
        pytest.skip("tshark may not capture: no root")
    port = port_of(playing)
    with subprocess.Popen(
            ["tshark", "-l", "-i", "lo", "-f", f"tcp port {port}", "-d", f"tcp.port=={port},rtsp",
             "-Y", "rtsp.method||rtsp.status||_ws.malformed", "-T", "fields", "-e", "rtsp.method",
             "-e", "rtsp.status", "-e", "_ws.malformed"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as shark:
        try:
            for line in shark.stderr:
                if "Capturing" in line:
                    break
            seen = []
            # the capture begins some time after it says so
            while len(seen) < 8:
                with Rtsp(playing, tcp=False) as r:
                    assert r.play().status == 200
                    r.receive(10)
                    assert r.request("TEARDOWN", r.base_url).status == 200
                os.set_blocking(shark.stdout.fileno(), False)
                end = time.monotonic() + 2
                while time.monotonic() < end and len(seen) < 8:
                    line = shark.stdout.readline()
                    seen += [line.split("\t")] if line.strip() else []
                    time.sleep(0 if line else 0.05)
        finally:
            shark.send_signal(signal.SIGINT)
    methods = [m for m, _, _ in seen if m]
    assert set(methods) == {"DESCRIBE", "SETUP", "PLAY", "TEARDOWN"}, seen
    assert all(status in ("", "200") and not bad.strip() for _, status, bad in seen), seen
