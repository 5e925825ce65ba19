"""Viewers in threads: each reads its stream and keeps a checker of all it got."""
import threading
import time

from harness import wait_for
from rtsp import Rtsp
from ts import Checker
from ws import WebSocket


class Watcher:
    """One viewer until stop(), or until its answer ends; of a path of /ws over a WebSocket."""

    def __init__(self, server, path, checker=Checker, **kwargs):
        self.checker, self.path = checker(), path
        if path.startswith("/ws/"):
            self.stream = WebSocket(server, path, **kwargs)
        else:
            self.stream = server.stream(path, **kwargs).head()
            assert self.stream.status == 200, (path, self.stream.status, self.stream.rest)
        self.begin()

    def begin(self):
        self.last = time.monotonic()    # when bytes came
        self.longest_gap = 0.0          # seconds without bytes
        self.ended = False
        self.error = None
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while not self.stopping:
                data = self.stream.read_some()
                if not data:
                    self.ended = True
                    return
                now = time.monotonic()
                self.longest_gap = max(self.longest_gap, now - self.last)
                self.last = now
                self.checker.feed(data)
        except Exception as e:  # raised at the end
            if not self.stopping:
                self.error = e
                self.ended = True

    def packets(self):
        return self.checker.packets

    def wait_more(self, packets=20, timeout=15):
        """Waits until more has come."""
        before = self.packets()
        wait_for(lambda: self.packets() >= before + packets or self.ended, timeout, "more packets")
        return self

    def join(self):
        self.stopping = True
        self.thread.join()
        self.stream.close()

    def stop(self):
        self.join()
        if self.error:
            raise self.error
        return self.checker

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.join()
        if self.error and kind is None:
            raise self.error


class RtspWatcher(Watcher):
    """A session of RTSP."""

    def __init__(self, server, tcp, checker=Checker):
        self.stream = Rtsp(server, tcp=tcp)
        self.stream.rtp.media = checker()
        assert self.stream.play().status == 200
        self.checker = self.stream.rtp
        self.path = f"rtsp, {'interleaved' if tcp else 'udp'}"
        self.begin()

    def run(self):
        try:
            while not self.stopping:
                self.stream.receive_some()
        except Exception as e:  # raised at the end
            self.error, self.ended = None if self.stopping else e, True

    def packets(self):
        return self.checker.media.packets
