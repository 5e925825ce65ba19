"""A live source that misbehaves on command.  It plays films one after the other as a broadcaster does: in
real time, without an end, with counters and clocks that continue.  All of its connections are at the same
place."""
import threading
import time

from broken_ts import retime
from trouble import TS_HEAD, Trouble, seal
from ts import NULL_PID, PACKET, WRAP, pid_of, stamp

TICKS = 90000
TABLE_PIDS = (0, 0x1000, 0x1100)         # as ffmpeg has them, and moved
LOSS_EVERY, LOSS_S = 100, 1.0           # one packet in so many is lost, for so long


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
    """`films` are of one content each; change_film() goes on to the next one."""

    def __init__(self, *films, seam=lambda live: None):
        self.films = films
        self.film, self.at = 0, 0
        self.due = 0              # ticks since the start, of the round that is played
        self.speed = 1.0
        self.shift = 0            # added to all times
        self.counters, self.version = {}, 0
        self.log = bytearray()    # all that was made, including what no client received
        self.holes = 0            # packets left out
        self.lossy_until = 0.0
        self.frozen = None        # the clock that all packets have
        self.cover = None         # what connections get in the place of media: bytes, or b"" for nothing
        self.refusal = None       # the answer to new connections
        self.generation, self.abort = 0, False
        self.orders = []          # done before the next packet
        self.seam = seam          # called at the end of each round
        self.origin = Trouble(self.serve)
        self.thread = threading.Thread(target=self.produce, daemon=True)
        self.thread.start()

    # -- what goes wrong

    def end(self, refusal=b"", abort=False):
        """Connections end; new ones get `refusal` until heal()."""
        self.refusal, self.abort = refusal, abort
        self.generation += 1

    def send_instead(self, piece):
        self.cover = piece

    def freeze_clock(self):
        self.orders.append(lambda: setattr(self, "frozen", -1))

    def jump(self, ticks):
        self.orders.append(lambda: setattr(self, "shift", self.shift + ticks))

    def wrap(self, ticks=2 * TICKS):
        """The times are so far before their wrap."""
        def go():
            self.shift += -(self.now() + ticks) % WRAP
        self.orders.append(go)

    def lose_packets(self):
        self.lossy_until = time.monotonic() + LOSS_S

    def change_film(self, film):
        """Goes on with this film, from its beginning, without a step of the clock."""
        def go():
            now, elapsed = self.now(), self.due + self.films[self.film].packets[self.at][0]
            self.film, self.at, self.due = film, 0, elapsed
            self.shift += now - self.now()
            self.version += 1
        self.orders.append(go)

    def other_film(self, film):
        """The same, or back to the first one."""
        self.change_film(0 if self.film == film else film)

    def heal(self):
        self.refusal = self.cover = None
        self.orders.append(lambda: setattr(self, "frozen", None))

    # -- playing

    def now(self):
        """The clock of the next packet, with the shift."""
        film = self.films[self.film]
        return film.begin + film.packets[self.at][0] + self.shift

    def produce(self):
        until, last = 0.0, time.monotonic()
        while not self.origin.closing:
            now = time.monotonic()
            until, last = until + (now - last) * TICKS * self.speed, now
            while not self.origin.closing:
                while self.orders:
                    self.orders.pop(0)()
                film = self.films[self.film]
                if self.due + film.packets[self.at][0] > until:
                    break
                self.send(film.packets[self.at][1])
                self.at += 1
                if self.at == len(film.packets):
                    self.at, self.due = 0, self.due + film.length
                    self.shift += film.length
                    self.seam(self)
            time.sleep(0.01)

    def send(self, packet):
        p = retime(bytearray(packet), lambda t: t + self.shift, self.clock)
        pid = pid_of(p)
        if pid in TABLE_PIDS and p[1] & 0x40:
            p[10] = p[10] & 0xc1 | self.version % 32 << 1
            seal(p)
        if p[3] & 0x10:
            self.counters[pid] = self.counters.get(pid, -1) + 1 & 15
        p[3] = p[3] & 0xf0 | self.counters.get(pid, 0)
        if time.monotonic() < self.lossy_until and len(self.log) // PACKET % LOSS_EVERY == 0 and \
                pid not in TABLE_PIDS:
            self.holes += 1
            self.log += b"\x47\x1f\xff\x10" + b"\xff" * (PACKET - 4)
        else:
            self.log += p

    def clock(self, ticks):
        if self.frozen == -1:
            self.frozen = ticks + self.shift
        return ticks + self.shift if self.frozen is None else self.frozen

    def serve(self, peer):
        if self.refusal is not None:
            peer.send(self.refusal)
            return
        generation, at, begun_with = self.generation, len(self.log), self.cover
        peer.send(TS_HEAD)
        while not self.origin.closing and generation == self.generation:
            piece, cover = bytes(self.log[at:]), self.cover
            if begun_with and not cover:
                return              # a page ends: no media follow it
            at += len(piece)
            if cover:
                piece = (cover * (len(piece) // len(cover) + 1))[:len(piece)]
            if piece and cover != b"":
                peer.send(piece)
            time.sleep(0.01)
        if self.abort:
            peer.reset()

    def url(self):
        return self.origin.url()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.origin.close()
        self.thread.join()
