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
from watch import Watch, assert_untouched, memory_kb
from watcher import Watcher

SOAK = bool(os.environ.get("AMPS_SOAK"))
SEED = int(os.environ.get("AMPS_SEED", "1"))

pytestmark = [pytest.mark.soak, pytest.mark.limit(1800)] if SOAK else [
    pytest.mark.slow, pytest.mark.long]


# -- a codec that crashes

TINY = {"vcodec": "libx264", "preset": "ultrafast", "s": "128x72", "b:v": "100k", "g": 25,
        "acodec": "aac", "b:a": "32k", "ac": 1}
ROUNDS = 50 if SOAK else 4


def test_a_codec_that_crashes_costs_copies_nothing(server):
    """Variants come and go, and their encoders crash: copies get every byte of the one connection."""
    chance = random.Random(SEED)
    variants = [{"name": name, "ffmpeg_profile": "tiny"} for name in ("a", "b")]
    with contextlib.ExitStack() as stack:
        live = stack.enter_context(Live(Film(packets(media.long_film()))))
        s = server(line_up(channel(1, live.url(), adaptive_bitrates=variants),
                           ffmpeg_profiles={"tiny": TINY},
                           # an encoder that crashes often is started again after 30 s
                           streaming={"idle_timeout": 1, "start_timeout": 60}))
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
                wait_for(lambda: not any(s.tuner("1")["variants"]), 10, "the variant to go")
        w.wait_more(ids)
        assert_untouched(w.report(ids))
        assert s.tuner("1")["pid"] == job
        assert len(live.origin.times) == 1 and live.origin.connections.peak == 1
        data = b"".join(copy.stop().check().bytes)
        assert len(lines(s, "the derive job is lost")) == crashes == (ROUNDS + 1) // 2, s.log()
        # the tables come first
        assert bytes(live.log).find(data[2 * PACKET:len(data) // PACKET * PACKET]) >= 0


# -- loops

LOOP_S = int(os.environ.get("AMPS_LOOP_SECONDS", "1200" if SOAK else "40"))
WRAP_EVERY = 20                         # rounds of three seconds
DRIFT = 20 * 90                         # ticks


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

    def pace(self):
        """How long a round lasts in the mean, in ticks."""
        rounds = self.offsets[self.video_pid]
        return (rounds[-1][0] - rounds[0][0]) / (len(rounds) - 1)


class Memory:
    """Private memory of a server's jobs and worker over time, in KiB."""

    def __init__(self, server):
        self.server, self.samples = server, []

    def look(self):
        pids = [t["pid"] for t in self.server.tuners()] + self.server.pids("amps-worker")
        self.samples.append([memory_kb(p) for p in pids])

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
        s = server(line_up(channel(1, str(path), **LOOP), channel(2, live.url())))
        viewers = [stack.enter_context(Watcher(s, f"/stream/{n}.ts", checker=lambda d=data: Rounds(d)))
                   for n, data in ((1, path.read_bytes()), (2, film))]
        memory, begin = Memory(s), time.monotonic()
        while time.monotonic() < begin + LOOP_S:
            time.sleep(LOOP_S / 40)
            memory.look()
            assert not any(v.ended for v in viewers)
        connections = len(live.origin.times)
        for v in viewers:
            c = v.stop().check()
            count, spent = len(c.offsets[c.video_pid]), v.last - begin
            print(f"{v.path}: {count} rounds of {c.pace() / 90:.1f} ms in {spent:.0f} s, drift "
                  f"{c.drift() / 90:.1f} ms; memory {memory.growth()} KiB")
            assert count > LOOP_S / 3.1 - 3 and c.drift() <= DRIFT
            assert c.pcr_backwards == [] and c.shown_gap() <= 0.2
        assert connections == 1 and max(memory.growth()) < (64 if SOAK else 512), memory.samples
