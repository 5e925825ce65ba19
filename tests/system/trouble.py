"""An HTTP origin that misbehaves on command: each connection plays a script."""
import socket
import struct
import threading
import time

from origin import Connections
from ts import PACKET, pid_of, split

TS_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n"


def packets(path):
    data = open(path, "rb").read()
    return data[:len(data) // PACKET * PACKET]


def other_pids(data, by):
    """The same film on other PIDs: PAT and PMT rewritten, checksums too."""
    out = []
    for p in split(data):
        p = bytearray(p)
        pid = pid_of(p)
        if pid == 0:
            move(p, 15, by)
            seal(p)
        elif pid not in (0x11, 0x1fff):
            if pid == 0x1000:
                move_pmt(p, by)
            set_pid(p, 1, pid + by)
        out.append(bytes(p))
    return b"".join(out)


def set_pid(p, at, pid):
    p[at] = p[at] & 0xe0 | pid >> 8
    p[at + 1] = pid & 0xff


def move(p, at, by):
    set_pid(p, at, ((p[at] & 0x1f) << 8 | p[at + 1]) + by)


def move_pmt(p, by):
    s = 5
    end = s + 3 + ((p[s + 1] & 15) << 8 | p[s + 2]) - 4
    move(p, s + 8, by)
    at = s + 12 + ((p[s + 10] & 15) << 8 | p[s + 11])
    while at + 5 <= end:
        move(p, at + 1, by)
        at += 5 + ((p[at + 3] & 15) << 8 | p[at + 4])
    seal(p)


def seal(p):
    """The CRC of the section that begins in this packet (ISO/IEC 13818-1, annex A)."""
    end = 5 + 3 + ((p[6] & 15) << 8 | p[7]) - 4
    crc = 0xffffffff
    for byte in p[5:end]:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04c11db7 if crc & 0x80000000 else 0)) & 0xffffffff
    p[end:end + 4] = crc.to_bytes(4, "big")


class Peer:
    """One connection of the server under test, its request already read."""

    def __init__(self, sock, origin):
        self.sock, self.origin = sock, origin
        self.sent_at = None       # before the last bytes of a film were sent

    def send(self, data):
        self.sock.sendall(data)
        return self

    def play(self, data, seconds, total, burst=1.0):
        """`seconds` of film in real time after a burst; `data` lasts `total` seconds."""
        rate, begin, at = len(data) / total, time.monotonic() - burst, 0
        while at < seconds * rate and not self.origin.closing:
            due = min(int((time.monotonic() - begin) * rate), int(seconds * rate))
            due = due // PACKET * PACKET
            while at < due:
                piece = data[at % len(data):][:min(7 * PACKET, due - at)]
                self.sent_at = time.monotonic()
                self.sock.sendall(piece)
                at += len(piece)
            if at >= int(seconds * rate) // PACKET * PACKET:
                break
            time.sleep(0.01)
        return self

    def portions(self, data):
        """As much of the looped film as origin.allow() permits."""
        at = 0
        while not self.origin.closing:
            while at < self.origin.allowed:
                piece = data[at % len(data):][:min(7 * PACKET, self.origin.allowed - at)]
                self.sock.sendall(piece)
                at += len(piece)
            time.sleep(0.01)

    def hold(self):
        """Sends nothing until the other side closes."""
        self.sock.settimeout(0.1)
        while not self.origin.closing:
            try:
                if not self.sock.recv(100):
                    break
            except TimeoutError:
                continue
        if self.sent_at is not None:
            self.origin.held = time.monotonic() - self.sent_at

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Trouble:
    """Connection n plays scripts[n], later ones the last."""

    def __init__(self, *scripts):
        self.scripts = scripts
        self.errors = []
        self.times = []           # times of the connections
        self.connections = Connections()
        self.held = None          # how long the other side stayed in a hold()
        self.allowed = 0          # bytes of a film that portions() may send
        self.closing = False
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, path="/live.ts"):
        return f"http://127.0.0.1:{self.port}{path}"

    def allow(self, more):
        self.allowed += more // PACKET * PACKET

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                script = self.scripts[min(len(self.times), len(self.scripts) - 1)]
                self.times.append(time.monotonic())
            threading.Thread(target=self.serve, args=(sock, script), daemon=True).start()

    def serve(self, sock, script):
        with sock, self.connections.one(sock):
            try:
                request = b""
                while b"\r\n\r\n" not in request:
                    got = sock.recv(4096)
                    if not got:
                        return
                    request += got
                script(Peer(sock, self))
            except OSError as e:
                self.errors.append(e)  # the server closed it: shown when a test fails

    def close(self):
        self.closing = True
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
