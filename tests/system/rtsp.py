"""An RTSP client (RFC 2326) that checks what a server must keep, with its media over the connection or
over UDP, and a checker of RTP (RFC 3550, RFC 2250)."""
import re
import select
import socket
import struct
import time

from harness import PATIENCE, family_of
from ts import PACKET, Checker

AUTO = {"rtsp_port": "auto"}
TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"


def port_of(server):
    return server.ask("status")["rtsp_port"]


def frame(channel, payload):
    return struct.pack(">cBH", b"$", channel, len(payload)) + payload


class Reply:
    def __init__(self, status, reason, headers, body):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    def parameter(self, field, name):
        """Of "a;name=value;b", or of "a;name=\\"value\\""."""
        found = re.search(rf'(?:^|;) *{name}="?([^;"]*)"?', self.headers[field])
        return found[1] if found else None


class Rtp:
    """Feed it packets in order; then look at what it found."""

    def __init__(self):
        self.packets = self.bytes = self.lost = self.markers = self.stamps_back = 0
        self.first = None         # (sequence number, time stamp)
        self.ssrc = self.sequence = self.stamp = None
        self.media = Checker()
        self.reports = []         # (ssrc, packets, bytes, time stamp, wall seconds)
        self.names = []
        self.goodbye = False

    def packet(self, data):
        first, second, sequence, stamp, ssrc = struct.unpack(">BBHII", data[:12])
        assert first == 0x80 and second & 0x7f == 33, data[:12]
        payload = data[12:]
        assert 0 < len(payload) <= 7 * PACKET and len(payload) % PACKET == 0, len(payload)
        if self.first is None:
            self.first, self.ssrc = (sequence, stamp), ssrc
        else:
            assert ssrc == self.ssrc
            self.lost += (sequence - self.sequence - 1) & 0xffff
            self.stamps_back += (stamp - self.stamp) & 0xffffffff >= 1 << 31
        self.markers += second >> 7
        self.sequence, self.stamp = sequence, stamp
        self.packets += 1
        self.bytes += len(payload)
        self.media.feed(payload)

    def control(self, data):
        """A compound packet of RTCP."""
        kinds = []
        while data:
            head, kind, length = struct.unpack(">BBH", data[:4])
            assert head >> 6 == 2
            body, data = data[4:4 * (length + 1)], data[4 * (length + 1):]
            assert len(body) == 4 * length
            kinds.append(kind)
            if kind == 200:
                ssrc, high, low, stamp, packets, size = struct.unpack(">IIIIII", body)
                self.reports.append((ssrc, packets, size, stamp,
                                     high - 2208988800 + low / (1 << 32)))
            elif kind == 202:
                self.names.append(body[6:6 + body[5]])
            elif kind == 203:
                self.goodbye = True
        assert kinds[:2] == [200, 202], kinds

    def problems(self):
        m = self.media
        return {name: value for name, value in
                {"lost": self.lost, "back": self.stamps_back, "sync": m.sync_errors,
                 "counters": m.cc_errors, "times": m.backwards}.items() if value}


class Rtsp:
    """`tcp`: its media come over this connection, else over UDP."""

    def __init__(self, server, target="/1", tcp=True, token=None, source=None, rcvbuf=None,
                 timeout=20):
        self.server, self.tcp = server, tcp
        self.timeout = timeout * PATIENCE
        self.socket = socket.socket(family_of(server.host), socket.SOCK_STREAM)
        self.socket.settimeout(self.timeout)
        if rcvbuf:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if source:
            self.socket.bind((source, 0))
        self.port = port_of(server)
        self.socket.connect((server.host, self.port))
        self.base = f"rtsp://{server.host}:{self.port}"
        self.url = self.base + target
        self.fields = {"User-Agent": "rtsp.py"}
        if token:
            self.fields["Authorization"] = token
        self.received = b""
        self.cseq = 0
        self.session = None
        self.rtp = Rtp()
        self.udp = []             # the sockets of RTP and RTCP
        self.ports = None

    # -- bytes

    def fill(self):
        data = self.socket.recv(1 << 16)
        self.received += data
        return bool(data)

    def need(self, n):
        while len(self.received) < n:
            if not self.fill():
                raise EOFError(self.received)

    def take_frame(self):
        """An interleaved packet at the front of what was received."""
        self.need(4)
        _, channel, length = struct.unpack(">cBH", self.received[:4])
        self.need(4 + length)
        payload, self.received = self.received[4:4 + length], self.received[4 + length:]
        assert channel in (0, 1), channel
        (self.rtp.control if channel else self.rtp.packet)(payload)

    def answer(self, cseq=None):
        """The next answer; media before it are taken."""
        self.need(1)
        while self.received[:1] == b"$":
            self.take_frame()
            self.need(1)
        while b"\r\n\r\n" not in self.received:
            self.need(len(self.received) + 1)
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        version, status, reason = first.split(" ", 2)
        assert version == "RTSP/1.0", first
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", 0))
        self.need(length)
        body, self.received = self.received[:length], self.received[length:]
        if cseq is not None:
            assert headers.get("cseq") == str(cseq), head
        return Reply(int(status), reason, headers, body.decode())

    def send(self, method, url=None, headers=None, body=""):
        self.cseq += 1
        fields = {"CSeq": self.cseq, **self.fields}
        if self.session and method != "DESCRIBE":
            fields["Session"] = self.session
        if body:
            fields["Content-Length"] = len(body)
        fields.update(headers or {})
        lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
        self.socket.sendall(f"{method} {url or self.url} RTSP/1.0\r\n{''.join(lines)}\r\n{body}"
                            .encode())

    def request(self, *args, **kwargs):
        self.send(*args, **kwargs)
        return self.answer(self.cseq)

    # -- a whole dialogue

    def listen(self):
        """Sockets for media over UDP on a port and the next one."""
        while not self.udp:
            first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
            first.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            first.bind((self.socket.getsockname()[0], 0))
            port = first.getsockname()[1]
            try:
                if port % 2 == 0:
                    second.bind((self.socket.getsockname()[0], port + 1))
                    self.udp, self.ports = [first, second], (port, port + 1)
                    break
            except OSError:
                pass
            first.close()
            second.close()

    def transport(self):
        if self.tcp:
            return TCP
        self.listen()
        return "RTP/AVP;unicast;client_port=%u-%u" % self.ports

    def describe(self):
        reply = self.request("DESCRIBE", headers={"Accept": "application/sdp"})
        if reply.status == 200:
            self.base_url = reply.headers["content-base"]
            self.control = re.search(r"m=video 0 RTP/AVP 33\r\n(?:a=.*\r\n)*?a=control:(.*)\r\n",
                                     reply.body)[1]
        return reply

    def setup(self, transport=None, url=None):
        reply = self.request("SETUP", url or self.control,
                             headers={"Transport": transport or self.transport()})
        if reply.status == 200:
            self.session = reply.headers["session"].split(";")[0]
            self.peer_ports = tuple(map(int, (reply.parameter("transport", "server_port") or
                                              "0-0").split("-")))
            self.expected_ssrc = int(reply.parameter("transport", "ssrc"), 16)
        return reply

    def play(self):
        """All of it; the answer to PLAY."""
        for reply in (self.describe(), self.setup()):
            assert reply.status == 200, (reply.status, reply.body)
        reply = self.request("PLAY", self.base_url, headers={"Range": "npt=0.000-"})
        self.started = reply.headers.get("rtp-info")
        return reply

    def check_start(self):
        """RTP-Info names the first packet; it begins with tables and a key frame."""
        found = re.fullmatch(r"url=(.*);seq=(\d+);rtptime=(\d+)", self.started)
        assert found[1] == self.control
        assert self.rtp.first == (int(found[2]), int(found[3]))
        assert self.rtp.ssrc == self.expected_ssrc
        assert self.rtp.media.first_pids[0] == 0 and self.rtp.media.first_video_is_random_access

    def receive(self, n, what=lambda r: r.media.packets):
        """Takes media until what(self.rtp) >= n."""
        end = time.monotonic() + self.timeout
        while what(self.rtp) < n:
            assert time.monotonic() < end, (what(self.rtp), self.rtp.problems())
            self.receive_some()
        return self.rtp

    def receive_some(self):
        if self.tcp:
            self.need(1)
            if self.received[:1] != b"$":
                raise AssertionError(self.received[:100])
            self.take_frame()
            return
        for s in select.select(self.udp, [], [], 1)[0]:
            data, sender = s.recvfrom(2048)
            index = self.udp.index(s)
            assert sender == (self.server.host, self.peer_ports[index]), sender
            (self.rtp.control if index else self.rtp.packet)(data)

    def closed(self):
        """Has the server closed the connection?  What it sent before is taken."""
        while True:
            try:
                if not self.fill():
                    return True
            except ConnectionResetError:
                return True
            except TimeoutError:
                return False

    def close(self):
        for s in (self.socket, *self.udp):
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
