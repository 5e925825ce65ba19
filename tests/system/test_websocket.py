"""/ws/<id>: a channel in the frames of a WebSocket."""
import base64
import re
import struct

import pytest

import media
from harness import wait_for
from lineup import LOOP, channel, line_up
from ts import PACKET, Checker
from ws import BINARY, CLOSE, PING, Refused, WebSocket, frame

TOKENS = {"enabled": True, "token": "shared-token-of-1"}


@pytest.fixture
def playing(server):
    return server(line_up(channel(1, media.film(), **LOOP)), workers=2)


def offered(token):
    return "amps, token." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def refusal(server, path="/ws/1", **kwargs):
    with pytest.raises(Refused) as e:
        WebSocket(server, path, **kwargs)
    return e.value


@pytest.mark.smoke
def test_frames_carry_the_transport_stream(playing):
    checker = Checker()
    with WebSocket(playing, "/ws/1", headers={"User-Agent": "socket"}) as socket:
        assert "sec-websocket-protocol" not in socket.headers
        while checker.packets < 5000:
            payload = socket.read_some()
            assert len(payload) % PACKET == 0
            checker.feed(payload)
        shown = wait_for(lambda: [v for v in playing.viewers() if v["user_agent"] == "socket"],
                         5, "the viewer")
        assert shown[0]["protocol"] == "ws" and shown[0]["bytes"] > 4000 * PACKET
    assert checker.first_pids[0] == 0 and checker.first_video_is_random_access
    assert (checker.sync_errors, checker.cc_errors, checker.backwards) == (0, [], [])


def test_tokens_come_as_a_subprotocol(server):
    s = server(line_up(channel(1, media.film(), **LOOP), auth=TOKENS))
    assert refusal(s).status == 401
    assert refusal(s, protocols=offered("wrong")).status == 401
    assert refusal(s, protocols="amps, token.x===").status == 401
    for how in ({"protocols": offered(TOKENS["token"])},
                {"protocols": "amps", "headers": {"X-Amps-Token": TOKENS["token"]}}):
        with WebSocket(s, "/ws/1", **how) as socket:
            assert socket.headers["sec-websocket-protocol"] == "amps"
            assert socket.read(100 * PACKET)
    assert TOKENS["token"] not in s.log()


def test_a_ping_is_answered_among_the_media(playing):
    with WebSocket(playing, "/ws/1") as socket:
        checker = Checker(socket.read(100 * PACKET))
        for payload in (b"", b"hello", b"x" * 125):
            socket.send(frame(PING, payload))
        # what a client says has no meaning, but is no error either
        socket.send(frame(1, b"text") + frame(BINARY, b"1", final=False) + frame(0, b"2"))
        while len(socket.pongs) < 3:
            checker.feed(socket.read_some())
        assert socket.pongs == [b"", b"hello", b"x" * 125]
        checker.feed(socket.read(1000 * PACKET))
        assert (checker.sync_errors, checker.cc_errors) == (0, [])


@pytest.mark.slow
def test_a_close_is_answered_and_ends_the_viewer(playing):
    with WebSocket(playing, "/ws/1") as socket:
        socket.read(100 * PACKET)
        socket.send(frame(CLOSE, struct.pack(">H", 1000) + b"bye"))
        assert socket.read_all() == 1000
    wait_for(lambda: not playing.viewers(), 5, "the viewer to be gone")


@pytest.mark.slow
def test_the_server_says_why_it_ends(server):
    s = server(line_up(channel(1, media.short_film()), channel(2, media.film(), **LOOP)))
    with WebSocket(s, "/ws/1") as socket:
        assert socket.read_all() == 1000        # the source is over
    with WebSocket(s, "/ws/2") as socket:
        socket.read(100 * PACKET)
        viewer = wait_for(s.viewers, 5, "the viewer")[0]
        assert s.amps("kick", str(viewer["id"])).returncode == 0
        assert socket.read_all() == 1008
    with WebSocket(s, "/ws/2") as socket:
        socket.read(100 * PACKET)
        s.stop()
        assert socket.read_all() == 1001


@pytest.mark.slow
def test_errors_come_before_the_handshake(server):
    s = server(line_up(channel(1, "/nowhere/film.ts"), channel(2, media.film(), **LOOP)))
    assert refusal(s, "/ws/1").status in (502, 504)
    assert refusal(s, "/ws/7").status == 404
    assert refusal(s, "/ws/2?variant=none").status == 404
    assert refusal(s, "/ws/2?format=avi").status == 400


def test_a_token_has_its_limit(server):
    s = server(line_up(channel(1, media.film(), **LOOP), auth={"enabled": True, "tokens": [
        {"token": "one", "max_viewers": 1}]}))
    with WebSocket(s, "/ws/1?token=one") as socket:
        socket.read(10 * PACKET)
        assert refusal(s, "/ws/1?token=one").status == 429


NO_HANDSHAKE = [
    ({"Upgrade": None}, 426), ({"Upgrade": "h2c"}, 426), ({"Connection": "keep-alive"}, 426),
    ({"Sec-WebSocket-Version": "8"}, 426), ({"Sec-WebSocket-Version": None}, 426),
    ({"Sec-WebSocket-Key": None}, 400), ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400),
    ({"Sec-WebSocket-Key": "x" * 24}, 400), ({"Sec-WebSocket-Key": "A" * 21 + "B=="}, 400)]


def test_what_is_no_handshake_is_refused(playing):
    for changed, status in NO_HANDSHAKE:
        refused = refusal(playing, headers=changed)
        assert refused.status == status, (changed, refused.body)
        if status == 426:
            assert refused.headers["upgrade"] == "websocket"
            assert refused.headers["sec-websocket-version"] == "13"
    assert playing.request("HEAD", "/ws/1").status == 426


BROKEN = {
    "without a mask": (frame(PING, b"x", key=None), 1002),
    "data without a mask": (frame(BINARY, b"x", key=None), 1002),
    **{f"a reserved bit, {bits}": (frame(PING, reserved=bits), 1002) for bits in (1, 2, 4, 7)},
    **{f"type {n}": (frame(n), 1002) for n in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{f"type {n} in pieces": (frame(n, final=False), 1002) for n in (CLOSE, PING, 10)},
    **{f"type {n} too long": (frame(n, b"x" * 126), 1002) for n in (CLOSE, PING, 10)},
    "a continuation of nothing": (frame(0, b"x"), 1002),
    "a message in a message": (frame(1, b"x", final=False) + frame(1, b"y"), 1002),
    "a close of one byte": (frame(CLOSE, b"x"), 1005),
    **{f"close code {n}": (frame(CLOSE, struct.pack(">H", n)), 1002)
       for n in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535)},
    "a reason that is not UTF-8": (frame(CLOSE, struct.pack(">H", 1000) + b"\xff"), 1007),
    "text that is not UTF-8": (frame(1, b"\xc3("), 1007),
    "a message of 5,000 bytes": (frame(BINARY, b"x" * 5000), 1009),
    "a message of 64 KiB": (frame(BINARY, b"x", length=65536), 1009),
    "a message of 2^62 bytes": (frame(BINARY, b"x", length=1 << 62), 1009),
    "a length with its first bit": (frame(BINARY, b"", length=1 << 63), 1002),
    "a message that never ends": (frame(BINARY, b"x" * 1000, final=False) +
                                  frame(0, b"x" * 1000, final=False) * 8, 1009),
    "a length of 126 for one byte": (bytes([0x82, 0xfe, 0, 1]) + b"\0\0\0\0x", 1002),
    "a length of 127 for one byte": (bytes([0x82, 0xff]) + struct.pack(">Q", 1) + b"\0\0\0\0x",
                                     1002),
}


def test_broken_frames_end_their_sender_only(playing):
    with WebSocket(playing, "/ws/1") as other, playing.stream("/stream/1.ts") as plain:
        bad = []
        seen, beside = Checker(other.read(100 * PACKET)), Checker(plain.read(100 * PACKET))
        for name, (data, code) in BROKEN.items():
            with WebSocket(playing, "/ws/1") as socket:
                socket.read(10 * PACKET)
                socket.send(data)
                try:
                    got = socket.read_all(10000 * PACKET)
                except AssertionError as e:
                    got = str(e)
                bad = bad + ([(name, got)] if got != code else [])
            # a thousand packets are enough to see a loss
            seen.feed(other.read_some())
            beside.feed(plain.read_some())
        for checker in (seen, beside):
            assert (checker.sync_errors, checker.cc_errors, checker.backwards) == (0, [], [])
    assert not bad, "\n".join(map(str, bad))
    assert len(BROKEN) >= 40
    counted = re.findall(r"^amps_websocket_errors_total\S* (\d+)$", playing.get("/metrics").text, re.M)
    # one is taken for a close without a reason
    assert sum(map(int, counted)) == sum(code != 1005 for _, code in BROKEN.values())
    assert playing.tuner("1")["restarts"] == 0


@pytest.mark.slow
def test_a_slow_client_skips_to_a_key_frame(server):
    s = server(line_up(channel(1, media.dense_film(), **LOOP), streaming={"ring_seconds": 1}))
    with WebSocket(s, "/ws/1", rcvbuf=64 << 10) as slow, s.stream("/stream/1.ts") as fast:
        checker = Checker(slow.read(100 * PACKET))
        # the ring of 4 MiB is overwritten while nothing is read here
        assert len(fast.read(10 << 20)) == 10 << 20
        while not checker.marked:
            payload = slow.read_some()
            assert payload and len(payload) % PACKET == 0
            checker.feed(payload)
        checker.feed(slow.read(5000 * PACKET))
        assert (checker.sync_errors, checker.cc_errors) == (0, [])
        assert checker.not_random_access_after_mark == 0
