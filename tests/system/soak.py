"""soak.py [--quick] - a part of `make soak`: some minutes of everything at once: killed and hung
processes, reloads, hundreds of clients, slow readers; at the end nothing may be left.
AMPS_SOAK_SECONDS (300; --quick: 20) and AMPS_SEED set the duration and the random seed.  Exit 0 or 1."""
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import media  # noqa: E402
from harness import kill, serving, wait_for  # noqa: E402
from lineup import LOOP, channel, line_up  # noqa: E402
from watch import STOPPED, Knocker, Residue, Watch, assert_sound, memory_kb  # noqa: E402

SECONDS = int(os.environ.get("AMPS_SOAK_SECONDS", "20" if "--quick" in sys.argv else "300"))
SEED = int(os.environ.get("AMPS_SEED", str(int(time.time()))))
CHANNELS = 6


class Chaos:
    """One server under stress.  Viewers of `control` reconnect; what they receive must be correct."""

    def __init__(self, server, control):
        self.server, self.control = server, control
        self.chance = random.Random(SEED)
        self.done = {}

    def job(self):
        running = [t["pid"] for t in self.server.tuners() if t["pid"]]
        return self.chance.choice(running) if running else None

    def send(self, pid, number):
        if pid:
            kill(pid, number)

    def kill_worker(self):
        self.send(self.chance.choice(self.server.pids("amps-worker")), signal.SIGKILL)

    def hang_worker(self):
        self.send(self.chance.choice(self.server.pids("amps-worker")), signal.SIGSTOP)

    def kill_job(self):
        self.send(self.job(), signal.SIGKILL)

    def hang_job(self):
        self.send(self.job(), signal.SIGSTOP)

    def kill_nursery(self):
        self.send(self.server.nursery(), signal.SIGKILL)

    def reload(self):
        self.server.process.send_signal(signal.SIGHUP)

    def visitors(self):
        with Watch(self.server) as w:
            ids = [i for c in range(1, CHANNELS + 1) for i in w.open(f"/stream/{c}.ts", 20)]
            time.sleep(self.chance.uniform(0.2, 1.5))
            assert_sound(w.report(ids))

    def sleepers(self):
        with Watch(self.server) as w:
            ids = w.open("/stream/1.ts", 50, rate=20_000, rcvbuf=65536)
            w.rate(ids, STOPPED)
            time.sleep(self.chance.uniform(0.5, 3))
            w.rate(ids, -1)
            time.sleep(0.5)
            assert_sound(w.report(ids))

    def step(self):
        what = self.chance.choice([self.kill_worker, self.hang_worker, self.kill_job, self.hang_job,
                                   self.kill_nursery, self.reload, self.visitors, self.sleepers])
        what()
        self.done[what.__name__] = self.done.get(what.__name__, 0) + 1
        assert_sound(self.control.report())


def calm(server, control, ids):
    """Everything has recovered: all workers, all jobs, all viewers are playing."""
    wait_for(lambda: len(server.pids("amps-worker")) == 2 and server.nursery(), 20, "the workers")
    wait_for(lambda: all(t["pid"] for t in server.tuners()), 60, "the jobs")
    control.wait_more(ids, 200, 60)


def stress(server):
    with Watch(server) as control, Knocker(server, 0.02) as knocker:
        ids = [i for c in range(1, CHANNELS + 1)
               for i in control.open(f"/stream/{c}.ts", 4, again=True)]
        control.wait_playing(ids)
        trouble = Chaos(server, control)
        residue, master = Residue(server), memory_kb(server.process.pid)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            trouble.step()
            time.sleep(trouble.chance.uniform(0, 2))
        calm(server, control, ids)
        residue.check(30)
        assert_sound(control.report())
        grown = memory_kb(server.process.pid) - master
        print(f"seed {SEED}, {SECONDS} s: {trouble.done}; {knocker.served} requests served, "
              f"{knocker.lost} lost with their worker, {knocker.refused} refused; master "
              f"{grown} KiB more")
        assert knocker.refused == 0
        assert grown < 2048


def chaos():
    config = line_up(*(channel(i, media.film(), **LOOP) for i in range(1, CHANNELS + 1)))
    with serving(config, workers=2) as server:
        stress(server)


if __name__ == "__main__":
    chaos()
