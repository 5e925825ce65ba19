"""A channel that does not break: encoders that crash cost copies nothing, and loops do not drift."""
import contextlib
import itertools
import os
import random
import signal
import time

import pytest

import media
from broken_ts import retime
from harness import kill, wait_for
from lineup import LOOP, channel, line_up
from live import Film, Live, times_of
from logs import lines
from test_slate_forms import Tape
from trouble import packets
from ts import PACKET, WRAP, Checker, pid_of, split
from watch import Watch, assert_untouched
from watcher import Watcher

SOAK = bool(os.environ.get("AMPS_SOAK"))
SEED = int(os.environ.get("AMPS_SEED", "1"))

pytestmark = [pytest.mark.soak, pytest.mark.limit(1800)] if SOAK else [
    pytest.mark.slow, pytest.mark.long]


# -- a codec that crashes

TINY = {"vcodec": "libx264", "preset": "ultrafast", "s": "128x72", "b:v": "100k", "g": 25,
        "acodec": "aac", "b:a": "32k", "ac": 1}
ROUNDS = 50 if SOAK else 4
CRASHED_OFTEN_S = 30                    # then an encoder is started again


def test_a_codec_that_crashes_costs_copies_nothing(server):
    """Variants come and go, and their encoders crash: copies get every byte of the one connection."""
    chance = random.Random(SEED)
    variants = [{"name": name, "ffmpeg_profile": "tiny"} for name in ("a", "b")]
    with contextlib.ExitStack() as stack:
        live = stack.enter_context(Live(Film(packets(media.long_film()))))
        s = server(line_up(channel(1, live.url(), adaptive_bitrates=variants),
                           ffmpeg_profiles={"tiny": TINY},
                           streaming={"idle_timeout": 1, "start_timeout": 2 * CRASHED_OFTEN_S}))
        w = stack.enter_context(Watch(s))
        ids = w.open("/stream/1.ts", 3)
        w.wait_playing(ids)
        copy = stack.enter_context(Watcher(s, "/stream/1.ts", checker=Tape))
        job, crashes = s.tuner("1")["pid"], 0
        for n in range(ROUNDS):
            name = chance.choice("ab")
            with s.stream(f"/stream/1.ts?variant={name}", timeout=60) as stream:
                assert len(stream.read(PACKET * 50)) == PACKET * 50, s.tuner("1")
                time.sleep(chance.uniform(0, 0.3))
                if n % 2 == 0:
                    pid = s.tuner("1")["derive_pid"]
                    kill(pid, signal.SIGSEGV)
                    wait_for(lambda p=pid: s.tuner("1")["derive_pid"] != p, 10, "its end")
                    crashes += 1
            if n % 2:
                # that a viewer has closed its connection is noticed when there is something to send
                wait_for(lambda: not any(s.tuner("1")["variants"]), CRASHED_OFTEN_S + 15,
                         "the variant to go")
        w.wait_more(ids)
        assert_untouched(w.report(ids))
        assert s.tuner("1")["pid"] == job
        assert len(live.origin.times) == 1 and live.origin.connections.peak == 1
        data = b"".join(copy.stop().check().bytes)
        assert len(lines(s, "the derive job is lost")) == crashes == (ROUNDS + 1) // 2, s.log()
        # the tables come first
        assert bytes(live.log).find(data[2 * PACKET:len(data) // PACKET * PACKET]) >= 0


# -- loops

LOOP_ROUNDS = int(os.environ.get("AMPS_LOOP_ROUNDS", "400" if SOAK else "12"))
WRAP_EVERY = 20                         # rounds of three seconds
DRIFT = 20 * 90                         # ticks
ROUND = 3.03                            # seconds: the sound of the film is longer than its pictures
OFF = 0.01                              # of a round


def units_of(data):
    """{(pid, how the unit begins): its PTS}, of those whose begin occurs once."""
    found, twice, first = {}, set(), None
    for p in split(data):
        times = times_of(p)
        if times:
            key = unit_name(p)
            twice |= {key} & found.keys()
            first = times[0] if first is None else first
            found[key] = first + (times[0] - first + WRAP // 2) % WRAP - WRAP // 2
    return {k: v for k, v in found.items() if k not in twice}


def unit_name(p):
    at = 4 if not p[3] & 0x20 else 5 + p[4]
    return pid_of(p), p[at + 9 + p[at + 8]:]


class Rounds(Checker):
    """Compares the times of each unit with those in the film that is repeated."""

    def __init__(self, film):
        self.film = units_of(film)
        self.last = {}            # pid: PTS in the film
        self.offsets = {}         # pid: [(least, most) of each round]
        super().__init__()

    def packet(self, p):
        super().packet(p)
        name = unit_name(p) if times_of(p) else None
        if name not in self.film:
            return
        pid, at = name[0], self.film[name]
        rounds = self.offsets.setdefault(pid, [])
        offset = self.pts[pid][-1] - at
        if not rounds or at < self.last[pid] - 90000:
            rounds.append((offset, offset))
        self.last[pid] = at
        rounds[-1] = (min(rounds[-1][0], offset), max(rounds[-1][1], offset))

    def drift(self):
        """The largest difference between how far picture and sound were moved, of all rounds."""
        a, b = self.offsets.values()
        return max(min(max(abs(x[1] - y[0]), abs(y[1] - x[0])) for y in b) for x in a[1:-1])

    def count(self):
        return len(self.offsets.get(self.video_pid, ()))

    def lengths(self):
        """How long each round lasted, without the first, whose begin was not seen, and the next one,
        which shows how a round of this source begins; in ticks."""
        begins = [least for least, _ in self.offsets[self.video_pid]]
        return [b - a for a, b in zip(begins[2:], begins[3:])]


class Memory:
    """Memory of a server's jobs and worker over time, in KiB."""

    def __init__(self, server):
        self.server, self.samples = server, []

    def look(self):
        pids = [t["pid"] for t in self.server.tuners()] + self.server.pids("amps-worker")
        self.samples.append([self.anonymous_kb(p) for p in pids])

    @staticmethod
    def anonymous_kb(pid):
        """Not what is private: pages of a program become that when the other processes end which run it."""
        lines = open(f"/proc/{pid}/smaps_rollup").read().splitlines()
        return next(int(x.split()[1]) for x in lines if x.startswith("Anonymous:"))

    def growth(self):
        """Of each process, from the third quarter to the last one, in the mean."""
        q = len(self.samples) // 4
        third, last = self.samples[2 * q:3 * q], self.samples[3 * q:]
        return [round(sum(b) / len(b) - sum(a) / len(a))
                for a, b in zip(zip(*third), zip(*last))]


def test_loops_do_not_drift(server, tmp_path):
    """Three seconds are repeated, by Amps and by a source, and the times wrap."""
    film = packets(media.short_film())
    wraps = -Film(film).begin - 3 * 45000 & WRAP - 1
    path = tmp_path / "wraps.ts"
    path.write_bytes(b"".join(bytes(retime(bytearray(p), lambda t: t + wraps, lambda t: t + wraps))
                              for p in split(film)))
    rounds = itertools.count(1)

    def again(live):
        live.shift = wraps if next(rounds) % WRAP_EVERY == 1 else 0

    with contextlib.ExitStack() as stack:
        live = stack.enter_context(Live(Film(film), seam=again))
        # a machine that is busy for some seconds is no silent source
        s = server(line_up(channel(1, str(path), **LOOP), channel(2, live.url()),
                           streaming={"stall_timeout": 30}))
        viewers = [stack.enter_context(Watcher(s, f"/stream/{n}.ts", checker=lambda d=data: Rounds(d)))
                   for n, data in ((1, path.read_bytes()), (2, film))]
        memory = Memory(s)
        for n in range(40):
            wait_for(lambda least=LOOP_ROUNDS * n // 40 + 1: any(v.ended for v in viewers) or all(
                v.checker.count() >= least for v in viewers), 60, "the next rounds")
            assert not any(v.ended for v in viewers), [v.error for v in viewers]
            memory.look()
        connections = len(live.origin.times)
        broken = []
        for v in viewers:
            c = v.stop().check()
            lengths = sorted(n / 90000 for n in c.lengths())
            seen = {"rounds": c.count(), "of seconds": (lengths[0], lengths[-1]),
                    "drift": c.drift() / 90000, "clock goes back": c.pcr_backwards[:3],
                    "gap": c.shown_gap()}
            print(v.path, seen)
            if c.drift() > DRIFT or c.pcr_backwards or c.shown_gap() > 0.2 or \
                    any(abs(n / ROUND - 1) > OFF for n in lengths):
                broken.append((v.path, seen))
        assert broken == []
        assert connections == 1, f"{connections} connections: {s.log()[-2000:]}"
        print(f"memory grows by {memory.growth()} KiB")
        assert max(memory.growth()) < 64, memory.samples
