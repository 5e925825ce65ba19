"""How long viewers of a channel with two sources are without a picture: when the first source is
closed, when it falls silent, and when the channel returns to it.  A viewer reads the stream and
notes when a key frame of the other source arrives.  Each connection to a source plays the film in
real time over HTTP, from a key frame on."""
import contextlib
import os
import socket
import threading
import time

from figures import cell
from programs import AMPS_PORT, BOTH_CPUS, FILM, Amps, make_film, wait_for

KEY_FILM = os.path.join(os.path.dirname(FILM), "failover.ts")
BITS = 2_000_000
PACKET = 188
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n"
STALL_S, RETURN_S = 2, 2
AHEAD_S = 1     # a source sends so much at once
PATIENCE_S = 40


class Source:
    """Plays the film to each connection, unless it is told to close them or to send nothing."""

    def __init__(self):
        with open(KEY_FILM, "rb") as f:
            self.film = f.read()
        self.mode, self.fault_at, self.ended = "play", None, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/live.ts"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        begin, at = time.monotonic() - AHEAD_S, 0
        with peer, contextlib.suppress(OSError):
            peer.recv(65536)
            if self.mode == "close":
                return
            peer.sendall(HEAD)
            while not self.ended and self.mode != "close":
                due = int((time.monotonic() - begin) * BITS / 8) // PACKET * PACKET
                if self.mode == "play" and due > at:
                    piece = self.film[at % len(self.film):][:due - at]
                    peer.sendall(piece)
                    at += len(piece)
                time.sleep(0.005)

    def fail(self, mode):
        self.fault_at, self.mode = time.monotonic(), mode

    def close(self):
        self.ended = True
        self.listener.close()


class Viewer:
    """Notes, of each mark (discontinuity), when the first key frame behind it has arrived, and the
    longest time without bytes before that."""

    def __init__(self):
        self.keys, self.pauses = [], []
        self.sock = socket.create_connection(("127.0.0.1", AMPS_PORT), PATIENCE_S)
        self.sock.sendall(b"GET /stream/1.ts HTTP/1.0\r\n\r\n")
        self.media = 0
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        rest, marked, pause, last = b"", False, 0, time.monotonic()
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in rest:
                rest += self.sock.recv(65536)
            rest = rest.partition(b"\r\n\r\n")[2]
            while got := self.sock.recv(65536):
                now = time.monotonic()
                pause, last = max(pause, now - last), now
                self.media += len(got)
                rest += got
                whole = len(rest) // PACKET * PACKET
                for i in range(0, whole, PACKET):
                    flags = rest[i + 5] if rest[i + 3] & 0x20 and rest[i + 4] else 0
                    marked = marked or bool(flags & 0x80)
                    # sound is an access point in each packet
                    if marked and flags & 0x40 and is_picture(rest[i:i + PACKET]):
                        self.keys.append(now)
                        self.pauses.append(pause)
                        marked, pause = False, 0
                rest = rest[whole:]

    def close(self):
        self.sock.close()


def is_picture(packet):
    """Does a PES of video begin in this packet?"""
    payload = packet[5 + packet[4]:]
    return payload[:3] == b"\0\0\1" and 0xe0 <= payload[3] <= 0xef


def one(mode):
    """(seconds from the fault to the next source's key frame, the pause at the return)."""
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(contextlib.closing(Source())) for _ in range(2))
        config = Amps.with_streams([{"id": 1, "name": "News", "source": first.url,
                                     "sources": [second.url], "ffmpeg_profile": "copy"}],
                                   stall_timeout=STALL_S, return_after=RETURN_S)
        stack.enter_context(Amps(config, BOTH_CPUS))
        viewer = stack.enter_context(contextlib.closing(Viewer()))
        wait_for(lambda: viewer.media > 4 * BITS / 8, "four seconds of media", PATIENCE_S)
        first.fail(mode)
        wait_for(lambda: viewer.keys, "a key frame of the second source", PATIENCE_S)
        lost = viewer.keys[0] - first.fault_at
        first.mode = "play"
        wait_for(lambda: len(viewer.keys) > 1, "the first source again", PATIENCE_S)
        return lost, viewer.pauses[1]


def measure(quick):
    make_film(KEY_FILM, "640x360", "1600k", BITS)
    rows = {}
    for mode, what in (("close", "closed connection"), ("silent", "silence")):
        runs = [one(mode) for _ in range(1 if quick else 5)]
        rows[mode] = {"lost_s": [lost for lost, _ in runs], "return_s": [back for _, back in runs]}
        print(f"failover after {what}, s to the next source's key frame: "
              + cell(rows[mode]["lost_s"], ".2f") + ";  longest pause when it returns, s: "
              + cell(rows[mode]["return_s"], ".2f"), flush=True)
    return rows
