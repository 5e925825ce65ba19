"""A live source that plays a film as a broadcaster does: in real time, without an end, with counters and
clocks that continue.  All of its connections are at the same place."""
import threading
import time

from broken_ts import retime
from trouble import TS_HEAD, Trouble
from ts import NULL_PID, PACKET, pid_of, stamp

TICKS = 90000


def pcr_of(p):
    if p[3] & 0x20 and p[4] >= 7 and p[5] & 0x10:
        return p[6] << 25 | p[7] << 17 | p[8] << 9 | p[9] << 1 | p[10] >> 7
    return None


def times_of(p):
    """(PTS, DTS) of the unit that begins in this packet."""
    at = 4 if not p[3] & 0x20 else 5 + p[4]
    if not p[1] & 0x40 or p[at:at + 3] != b"\0\0\1" or not p[at + 7] & 0x80:
        return None
    pts = stamp(p[at + 9:at + 14])
    return pts, stamp(p[at + 14:at + 19]) if p[at + 7] & 0x40 else pts


class Film:
    """The packets of a file with the time at which each is due, and how long one round lasts, in ticks."""

    def __init__(self, data):
        self.packets, dts = [], {}
        self.begin = now = None
        for at in range(0, len(data) - PACKET + 1, PACKET):
            p = data[at:at + PACKET]
            if pid_of(p) == NULL_PID:
                continue
            now = pcr_of(p) if pcr_of(p) is not None else now
            if self.begin is None:
                self.begin = now
            times = times_of(p)
            if times:
                dts.setdefault(pid_of(p), []).append(times[1])
            self.packets.append((0 if now is None else now - self.begin, p))
        # the longest of its streams, so that none goes back in the next round
        self.length = max(2 * x[-1] - x[-2] - x[0] for x in dts.values())


class Live:
    """One film, round after round."""

    def __init__(self, film, seam=lambda live: None):
        self.film, self.at = film, 0
        self.due = 0              # ticks since the start, of the round that is played
        self.shift = 0            # added to all times
        self.counters = {}
        self.log = bytearray()    # all that was made, including what no client received
        self.seam = seam          # called at the end of each round
        self.origin = Trouble(self.serve)
        self.thread = threading.Thread(target=self.produce, daemon=True)
        self.thread.start()

    def produce(self):
        begin = time.monotonic()
        while not self.origin.closing:
            until = (time.monotonic() - begin) * TICKS
            while self.due + self.film.packets[self.at][0] <= until and not self.origin.closing:
                self.send(self.film.packets[self.at][1])
                self.at += 1
                if self.at == len(self.film.packets):
                    self.at, self.due = 0, self.due + self.film.length
                    self.shift += self.film.length
                    self.seam(self)
            time.sleep(0.01)

    def send(self, packet):
        p = retime(bytearray(packet), lambda t: t + self.shift, lambda t: t + self.shift)
        pid = pid_of(p)
        if p[3] & 0x10:
            self.counters[pid] = self.counters.get(pid, -1) + 1 & 15
        p[3] = p[3] & 0xf0 | self.counters.get(pid, 0)
        self.log += p

    def serve(self, peer):
        at = len(self.log)
        peer.send(TS_HEAD)
        while not self.origin.closing:
            piece = bytes(self.log[at:])
            at += len(piece)
            if piece:
                peer.send(piece)
            time.sleep(0.01)

    def url(self):
        return self.origin.url()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.origin.close()
        self.thread.join()
