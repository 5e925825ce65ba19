"""Multicast over a real link: a network with a router that loses its members."""
import contextlib
import socket
import struct
import subprocess
import threading

import pytest

import media
from harness import wait_for
from lineup import channel, line_up
from origin import Paced, UdpSender
from outside import CLONE_NEWNET, libc, network
from watcher import Watcher

GROUP, PORT = "239.255.77.77", 5077
HERE, THERE = "10.98.0.1", "10.98.0.2"
ETH_P_ALL, IGMP = 3, 2
JOINS, LEAVES = (2, 4, 5), (3, 6)    # record types of a report (RFC 3376, 4.2.12)


class Router(threading.Thread):
    """The other end of a link: it sends to the group only while the group has a member."""

    def __init__(self):
        super().__init__(daemon=True)
        self.joins = 0
        self.ready, self.linked, self.done = (threading.Event() for _ in range(3))
        self.sending = None

    def run(self):
        assert libc.unshare(CLONE_NEWNET) == 0
        self.ready.set()
        self.linked.wait()
        ip("addr", "add", THERE + "/24", "dev", "v1")
        ip("link", "set", "v1", "up")
        self.sending = UdpSender(Paced(media.long_film(), 120), PORT)
        self.sending.address = (GROUP, PORT)
        self.sending.sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                                     socket.inet_aton(THERE))
        self.sending.paused = True
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)) as s, \
                self.sending:
            s.settimeout(0.05)
            while not self.done.is_set():
                with contextlib.suppress(TimeoutError):
                    self.look(s.recv(2048))

    def look(self, packet):
        """An IGMPv3 membership report."""
        at = (packet[0] & 15) * 4
        if packet[0] >> 4 != 4 or packet[9] != IGMP or packet[at] != 0x22:
            return
        count = struct.unpack(">H", packet[at + 6:at + 8])[0]
        at += 8
        for _ in range(count):
            kind, _, sources = struct.unpack(">BBH", packet[at:at + 4])
            if packet[at + 4:at + 8] == socket.inet_aton(GROUP):
                self.joins += kind in JOINS
                self.sending.paused = kind in LEAVES
            at += 8 + 4 * sources

    def forget(self):
        """As after a restart: there are no members until the next report."""
        self.sending.paused = True


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@contextlib.contextmanager
def router():
    r = Router()
    r.start()
    r.ready.wait()
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", str(r.native_id))
    ip("addr", "add", HERE + "/24", "dev", "v0")
    ip("link", "set", "v0", "up")
    r.linked.set()
    try:
        yield r
    finally:
        r.done.set()
        r.join()


@pytest.mark.smoke
def test_a_lost_multicast_membership_is_renewed(server):
    media.long_film()
    with network(), router() as r:
        s = server(line_up(
            channel(1, f"udp://{GROUP}:{PORT}?localaddr=v0"),
            channel(2, f"udp://{THERE}@{GROUP}:{PORT}", input_options={"localaddr": HERE}),
            streaming={"stall_timeout": 0.5, "start_timeout": 10}))
        for number in (1, 2):
            with Watcher(s, f"/stream/{number}.ts") as w:
                w.wait_more(100)
                asked = r.joins
                r.forget()
                w.wait_more(200, 20)
                assert r.joins > asked and not w.ended
            s.amps("stop", str(number))
            wait_for(lambda: r.sending.paused, 10, "the group to be left")
