"""Sources for the server under test: HTTP origins that play in real time or serve files, and a UDP
sender.  Each runs in threads of this process and counts what it serves."""
import collections
import contextlib
import http.server
import os
import random
import select
import socket
import struct
import threading
import time

from harness import wait_for
from ts import PACKET

STUFFING = b"\x47\x1f\xff\x10" + b"\xff" * (PACKET - 4)


class Paced:
    """The bytes of a film in real time, looped, with the counters and clocks of the file."""

    def __init__(self, path, seconds, burst=0.0):
        self.data = open(path, "rb").read()
        self.data = self.data[:len(self.data) // PACKET * PACKET]
        self.rate = len(self.data) / seconds
        self.burst = burst

    def play(self, send, stopped):
        start, at = time.monotonic() - self.burst, 0
        while not stopped():
            due = int((time.monotonic() - start) * self.rate) // (7 * PACKET) * 7 * PACKET
            while at < due and not stopped():
                begin = at % len(self.data)
                piece = self.data[begin:begin + min(7 * PACKET, due - at)]
                send(piece)
                at += len(piece)
            time.sleep(0.01)


class Bursts(Paced):
    """The same bytes, so many seconds of them at once, then nothing for as long."""

    def __init__(self, path, seconds, distance):
        super().__init__(path, seconds)
        self.distance = distance

    def play(self, send, stopped):
        size = int(self.rate * self.distance) // PACKET * PACKET
        next_at, at = time.monotonic(), 0
        while not stopped():
            begin = at % len(self.data)
            send(self.data[begin:begin + size])
            at += size
            next_at += self.distance
            while time.monotonic() < next_at and not stopped():
                time.sleep(0.02)


class Connections:
    """The open connections of an origin, and the most at any time.  A connection that its peer has
    closed is not counted, even before the thread that serves it notices."""

    def __init__(self):
        self.sockets, self.peak = set(), 0
        self.lock = threading.Lock()

    def count(self):
        with self.lock:
            return self.count_locked()

    def count_locked(self):
        gone = select.poll()
        for sock in self.sockets:
            gone.register(sock, select.POLLRDHUP)
        return len(self.sockets) - len(gone.poll(0))

    @contextlib.contextmanager
    def one(self, sock):
        """While a connection is served; `sock` must be closed after that, not before."""
        with self.lock:
            self.sockets.add(sock)
            self.peak = max(self.peak, self.count_locked())
        try:
            yield
        finally:
            with self.lock:
                self.sockets.remove(sock)


class HttpOrigin:
    """Serves /live.ts in real time and the files of `folder` (with Content-Length and ranges).

    `mode` can be changed while it runs: "play", "stall" (connections stay, no bytes come),
    "garbage" and "stuffing" (bytes without media), "refuse" (503)."""

    def __init__(self, live=None, folder=None):
        self.live, self.folder = live, folder
        self.mode = "play"
        self.generation = 0
        self.playing = Connections()
        self.total = 0            # requests for /live.ts
        self.requests = []        # (method, path, headers)
        self.ranges = True        # parts of files are served
        self.lock = threading.Lock()
        handler = type("Handler", (OriginHandler,), {"origin": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path="/live.ts"):
        return f"http://127.0.0.1:{self.port}{path}"

    def cut(self):
        """Ends the connections that play."""
        self.generation += 1

    def close(self):
        self.cut()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class OriginHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    origin = None

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.origin.requests.append((self.command, self.path, dict(self.headers)))
        try:
            if self.path.partition("?")[0] == "/live.ts":
                self.play()
            else:
                self.hand_out()
        except (BrokenPipeError, ConnectionResetError):
            pass

    def play(self):
        o = self.origin
        with o.lock:
            o.total += 1
        if o.mode == "refuse":
            self.send_error(503)
            return
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.send_header("Connection", "close")
        self.end_headers()
        generation = o.generation
        with o.playing.one(self.connection):
            o.live.play(self.send_piece, lambda: o.generation != generation)

    def send_piece(self, piece):
        nothing = {"garbage": bytes(PACKET), "stuffing": STUFFING}
        if self.origin.mode == "play":
            self.wfile.write(piece)
        elif self.origin.mode in nothing:
            self.wfile.write(nothing[self.origin.mode] * (len(piece) // PACKET))

    def hand_out(self):
        path = os.path.join(self.origin.folder or "/nonexistent", self.path.lstrip("/"))
        if not os.path.isfile(path):
            self.send_error(404)
            return
        data = open(path, "rb").read()
        first, last, status = 0, len(data) - 1, 200
        asked = self.headers.get("Range", "")
        if self.origin.ranges and asked.startswith("bytes="):
            low, _, high = asked[6:].partition("-")
            if low:
                first, status = int(low), 206
                last = min(last, int(high)) if high else last
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes" if self.origin.ranges else "none")
        self.send_header("Content-Length", str(max(0, last + 1 - first)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[first:last + 1])


class UdpSender:
    """Sends a film as datagrams of seven packets in real time."""

    def __init__(self, paced, port):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = ("127.0.0.1", port)
        self.running = True
        self.paused = False
        self.thread = threading.Thread(target=paced.play, args=(self.send, self.stopped),
                                       daemon=True)
        self.thread.start()

    def send(self, piece):
        if not self.paused:
            try:
                self.sock.sendto(piece, self.address)
            except OSError:
                pass  # there is no receiver at the moment

    def stopped(self):
        return not self.running

    def close(self):
        self.running = False
        self.thread.join()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

class RtpPair(UdpSender):
    """The same on two RTP legs.  While `lossy`, each loses that part at random, but never both the same packet,
    which no receiver could repair; the second one sends `skew` seconds later.  `legs` says which of them send."""

    def __init__(self, paced, ports, loss=0.05, skew=0.1, seed=1):
        self.ports, self.loss, self.skew = ports, loss, skew
        self.random, self.number, self.later = random.Random(seed), 65000, collections.deque()
        self.lossy, self.legs = False, {0, 1}
        super().__init__(paced, ports[0])
        self.second = threading.Thread(target=self.send_later, daemon=True)
        self.second.start()

    def send(self, piece):
        packet = struct.pack(">BBHII", 0x80, 33, self.number & 0xffff, self.number * 400 & 0xffffffff, 77) + piece
        drawn = self.random.random() if self.lossy else 1
        self.number += 1
        if drawn >= 2 * self.loss or drawn < self.loss:
            self.later.append((time.monotonic() + self.skew, packet))
        if drawn >= self.loss:
            self.send_on(0, packet)

    def send_on(self, leg, packet):
        if leg in self.legs:
            self.sock.sendto(packet, ("127.0.0.1", self.ports[leg]))

    def send_later(self):
        while self.running:
            while self.later and self.later[0][0] <= time.monotonic():
                self.send_on(1, self.later.popleft()[1])
            time.sleep(0.002)

    def both_run(self, packets):
        end = self.number + packets
        wait_for(lambda: self.number > end, 20, "both legs to run")

    def close(self):
        self.running = False
        self.second.join()
        super().close()


class RtpSender(UdpSender):
    """The same as RTP; one in so many packets is two packets late, duplicated, or lost."""

    def __init__(self, paced, port, late=0, twice=0, lost=0):
        self.late, self.twice, self.lost = late, twice, lost
        self.number, self.held = 0, []
        super().__init__(paced, port)

    def send(self, piece):
        number = self.number
        self.number += 1
        packet = struct.pack(">BBHII", 0x80, 33, number & 0xffff, 0, 77) + piece

        def hit(every):
            return every and number % every == every - 1

        if hit(self.late):
            self.held.append((number + 2, packet))
        elif not hit(self.lost):
            super().send(packet)
        if hit(self.twice):
            super().send(packet)
        while self.held and self.held[0][0] <= number:
            super().send(self.held.pop(0)[1])
