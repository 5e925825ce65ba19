"""A WebSocket client (RFC 6455) that checks what a server must keep, and can break the rules itself."""
import base64
import hashlib
import os
import socket
import struct

from harness import family_of

BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
SALT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Refused(Exception):
    def __init__(self, status, headers, body):
        super().__init__(status, body)
        self.status, self.headers, self.body = status, headers, body


def mask(payload, key):
    return bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def frame(opcode, payload=b"", final=True, key=b"\x11\x22\x33\x44", reserved=0, length=None):
    """One frame of a client; `key` None: without a mask; `length`: as it is written, not as it is."""
    n = len(payload) if length is None else length
    head = bytes([final << 7 | reserved << 4 | opcode])
    masked = 0x80 if key else 0
    if n < 126:
        head += bytes([masked | n])
    elif n < 65536:
        head += struct.pack(">BH", masked | 126, n)
    else:
        head += struct.pack(">BQ", masked | 127, n)
    return head + (key + mask(payload, key) if key else payload)


class WebSocket:
    def __init__(self, server, path, protocols=None, headers=None, timeout=20, rcvbuf=None):
        self.key = base64.b64encode(os.urandom(16)).decode()
        fields = {"Host": "test", "Upgrade": "websocket", "Connection": "keep-alive, Upgrade",
                  "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": self.key}
        if protocols:
            fields["Sec-WebSocket-Protocol"] = protocols
        fields.update(headers or {})
        self.socket = socket.socket(family_of(server.host), socket.SOCK_STREAM)
        if rcvbuf:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.socket.settimeout(timeout)
        self.socket.connect((server.host, server.port))
        lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode())
        self.received = b""
        self.closed = None      # the code of the server's close frame, 1005 = none
        self.pongs = []
        try:
            self.shake_hands()
        except BaseException:
            self.socket.close()
            raise

    def fill(self):
        data = self.socket.recv(1 << 16)
        self.received += data
        return bool(data)

    def shake_hands(self):
        while b"\r\n\r\n" not in self.received:
            assert self.fill(), self.received
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        self.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        status = int(first.split()[1])
        if status != 101:
            while len(self.received) < int(self.headers.get("content-length", 0)):
                assert self.fill()
            raise Refused(status, self.headers, self.received.decode())
        digest = hashlib.sha1((self.key + SALT).encode()).digest()
        assert self.headers["sec-websocket-accept"] == base64.b64encode(digest).decode()
        assert self.headers["upgrade"].lower() == "websocket"
        assert self.headers["connection"].lower() == "upgrade"
        assert "content-type" not in self.headers and "content-length" not in self.headers

    def take(self, n):
        while len(self.received) < n:
            if not self.fill():
                raise EOFError
        taken, self.received = self.received[:n], self.received[n:]
        return taken

    def read_frame(self):
        """(opcode, payload) of the next frame."""
        first, second = self.take(2)
        assert first & 0xf0 == 0x80, "not fragmented, without extensions"
        assert not second & 0x80, "a server does not mask"
        n = second & 0x7f
        if n == 126:
            n, = struct.unpack(">H", self.take(2))
            assert n >= 126, "the shortest form of a length"
        elif n == 127:
            n, = struct.unpack(">Q", self.take(8))
            assert n >= 65536, "the shortest form of a length"
        return first & 0xf, self.take(n)

    def read_some(self):
        """The next media, which may come after other frames; b"" at the end."""
        while self.closed is None:
            try:
                opcode, payload = self.read_frame()
            except (EOFError, ConnectionResetError):
                return b""
            if opcode == BINARY:
                assert payload
                return payload
            if opcode == PONG:
                self.pongs.append(payload)
            elif opcode == CLOSE:
                self.closed = struct.unpack(">H", payload[:2])[0] if payload else 1005
            else:
                raise AssertionError(f"a frame of type {opcode}")
        return b""

    def read(self, n):
        data = b""
        while len(data) < n:
            more = self.read_some()
            if not more:
                break
            data += more
        return data

    def read_all(self, most=1 << 26):
        """To the end: the code with which the server closed, None if without one."""
        while most > 0:
            data = self.read_some()
            if not data:
                return self.closed
            most -= len(data)
        raise AssertionError("it goes on")

    def send(self, data):
        self.socket.sendall(data)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
