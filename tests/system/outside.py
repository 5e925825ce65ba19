"""A network namespace for this thread and what it starts, in which one address is public; and
canaries, which report whether they were reached."""
import contextlib
import ctypes
import os
import socket
import subprocess

import pytest

PUBLIC = "203.0.113.7"     # reserved for documentation (RFC 5737): unused, and not private
PRIVATE = "10.99.0.1"
# private addresses in other notations: NAT64 (well-known, local), 6to4, Teredo, unique local
DISGUISED = ["64:ff9b::a63:1", "64:ff9b:1::a63:1", "2002:a63:1::1", "2001:0:a63:1::1", "fd00::99"]
CLONE_NEWNET = 0x40000000
IN_OPEN = 0x20

libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def network():
    """PUBLIC and PRIVATE are the only addresses of this machine."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            pytest.skip("a network of its own needs root")
        try:
            for words in (["link", "set", "lo", "up"],
                          *(["addr", "add", a, "dev", "lo"] for a in (PUBLIC, PRIVATE)),
                          *(["addr", "add", a, "dev", "lo", "nodad"] for a in DISGUISED)):
                subprocess.run(["ip", *words], check=True)
            yield
        finally:
            assert libc.setns(home, CLONE_NEWNET) == 0
    finally:
        os.close(home)


class Canary:
    """A file that must not be opened and a port (TCP and UDP, every address) that must not be reached."""

    def __init__(self, path):
        self.path = str(path)
        self.watch = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self.watch, self.path.encode(), IN_OPEN) >= 0
        self.tcp = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.udp.bind(("::", self.port))
        for s in (self.tcp, self.udp):
            s.setblocking(False)

    def opened(self):
        with contextlib.suppress(BlockingIOError):
            return bool(os.read(self.watch, 4096))
        return False

    def called(self):
        with contextlib.suppress(BlockingIOError):
            self.tcp.accept()[0].close()
            return True
        with contextlib.suppress(BlockingIOError):
            self.udp.recv(2048)
            return True
        return False

    def close(self):
        os.close(self.watch)
        self.tcp.close()
        self.udp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
