"""Many viewers at once, judged by the program `watch`; and what the processes of a server hold."""
import json
import os
import socket
import subprocess
import threading
import time

from harness import BIN, PATIENCE, family_of, wait_for
from reaped import tool

FAST, STOPPED = -1, 0


class Watch:
    """A process with many viewers of one server."""

    def __init__(self, server):
        self.process = subprocess.Popen([tool(BIN, "watch"), server.host, str(server.port)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.last = 0

    def tell(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()

    def open(self, path, n=1, rate=FAST, rcvbuf=0, again=False):
        """Opens n viewers and returns their ids."""
        ids = range(self.last + 1, self.last + n + 1)
        for i in ids:
            self.tell("open", i, path, rate, rcvbuf, int(again))
        self.last += n
        return list(ids)

    def rate(self, ids, rate):
        for i in ids:
            self.tell("rate", i, rate)

    def longest_gaps(self, ids, seconds):
        """The longest time without bytes of each viewer within the next seconds, in ms, sorted."""
        self.rate(ids, FAST)
        time.sleep(seconds)
        return sorted(v["gap_ms"] for v in self.report(ids).values())

    def close_viewers(self, ids):
        for i in ids:
            self.tell("close", i)

    def report(self, ids=None):
        """{id: what was seen}"""
        self.tell("report")
        seen = {v["id"]: v for v in json.loads(self.process.stdout.readline())}
        return {i: seen[i] for i in ids} if ids is not None else seen

    def wait(self, ids, condition, timeout=10, what="the viewers"):
        """Waits until condition(report) holds for each of the viewers; their reports."""
        last = {}

        def holds():
            last.update(self.report(ids))
            return all(condition(v) for v in last.values())

        try:
            wait_for(holds, timeout, what)
        except AssertionError as e:
            bad = [v for v in last.values() if not condition(v)]
            raise AssertionError(f"{e}: {len(bad)} of {len(last)}, as {bad[:3]}") from None
        return last

    def wait_playing(self, ids, packets=200, timeout=20):
        return self.wait(ids, lambda v: v["state"] == "body" and v["packets"] >= packets, timeout,
                         "viewers to play")

    def wait_more(self, ids, packets=200, timeout=20):
        """Until each viewer has so many packets more than now."""
        before = self.report(ids)
        return self.wait(ids, lambda v: v["packets"] >= before[v["id"]]["packets"] + packets,
                         timeout, "viewers to go on")

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


DEFECTS = ("sync", "malformed", "tei", "cc", "backwards", "pcr_backwards", "psi", "bad_starts",
           "bad_cuts", "early")


def assert_sound(report):
    """Nothing a viewer may ever see: whatever happens, whole packets in order, tables and a random
    access point at each entry, time that goes on."""
    for v in report.values():
        for name in DEFECTS:
            assert v[name] == 0, f"{name}: {v}"


def judge(data):
    """What the judge finds in a stream's bytes."""
    done = subprocess.run([tool(BIN, "watch"), "-"], input=data, stdout=subprocess.PIPE, check=True,
                          timeout=60 * PATIENCE)
    return json.loads(done.stdout)


def assert_untouched(report, gap=0.2):
    """One connection, and not a byte missing: no mark, no hole in time."""
    assert_sound(report)
    for v in report.values():
        assert v["state"] == "body" and v["opened"] == 1 and v["ends"] == 0, v
        assert v["marked"] == 0 and v["skipped"] == 0, v
        assert v["dts_gap_ms"] <= gap * 1000, v


class Knocker:
    """Asks for /healthz over a new connection each time, all the time, and counts what happens."""

    def __init__(self, server, pause=0.002):
        self.server, self.pause = server, pause
        self.refused, self.served, self.lost = 0, 0, 0
        self.error = None
        self.running = True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while self.running:
                self.knock()
                time.sleep(self.pause)
        except Exception as e:  # raised at the end
            self.error = e

    def knock(self):
        question = f"GET /healthz HTTP/1.1\r\nHost: {self.server.address}\r\n\r\n".encode()
        s = socket.socket(family_of(self.server.host))
        s.settimeout(10)
        try:
            try:
                s.connect((self.server.host, self.server.port))
            except OSError:
                self.refused += 1
                return
            try:
                s.sendall(question)
                answer = s.recv(100)
            except OSError:
                answer = b""
            if b" 200 " in answer:
                self.served += 1
            else:
                self.lost += 1
        finally:
            s.close()

    def stop(self):
        self.running = False
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if self.error and kind is None:
            raise self.error


def descriptors(pid):
    """What each descriptor of a process is, as the kernel writes it."""
    found = []
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
            except OSError:
                pass
    except OSError:
        pass
    return found


def holder_of(server, port):
    """The pid of the worker that serves the client with this local port; None."""
    inode = None
    for line in open("/proc/net/tcp").read().splitlines()[1:]:
        words = line.split()
        here, there = (int(w.split(":")[1], 16) for w in words[1:3])
        if here == server.port and there == port:
            inode = f"socket:[{words[9]}]"
    for pid in server.pids("amps-worker"):
        if inode in descriptors(pid):
            return pid
    return None


def holders(server, ports):
    """{port: pid} for many clients at once."""
    inodes = {}
    for line in open("/proc/net/tcp").read().splitlines()[1:]:
        words = line.split()
        here, there = (int(w.split(":")[1], 16) for w in words[1:3])
        if here == server.port and there in ports:
            inodes[f"socket:[{words[9]}]"] = there
    found = {}
    for pid in server.pids("amps-worker"):
        for d in descriptors(pid):
            if d in inodes:
                found[inodes[d]] = pid
    return found


def memory_kb(pid):
    """Private memory of a process: what it would give back if it ended."""
    total = 0
    for line in open(f"/proc/{pid}/smaps_rollup"):
        if line.startswith(("Private_Clean", "Private_Dirty")):
            total += int(line.split()[1])
    return total


class Residue:
    """What the processes held before; later they must hold no more."""

    def __init__(self, server):
        self.server = server
        self.before = self.look()

    def look(self):
        s = self.server
        seen = {"jobs": len(s.tuners()), "zombies": len(s.zombies())}
        for program_name in ("amps-master", "amps-worker", "amps-transcode"):
            pids = [p for p, (comm, _) in s.processes().items() if comm == program_name[:15]]
            seen[program_name] = len(pids)
            fds = sorted(len([d for d in descriptors(p) if "socket:" not in d or
                              program_name != "amps-worker"]) for p in pids)
            memfds = sorted(len([d for d in descriptors(p) if "memfd:" in d]) for p in pids)
            seen[program_name + " descriptors"] = fds
            seen[program_name + " memfds"] = memfds
        return seen

    def check(self, timeout=10):
        seen = {}

        def more():
            """What there is more of; processes must be as many as before."""
            return {k: (v, seen[k]) for k, v in self.before.items()
                    if (seen[k] > v if isinstance(v, int) else len(seen[k]) != len(v) or
                        any(a > b for a, b in zip(seen[k], v)))}

        def same():
            seen.clear()
            seen.update(self.look())
            return not more()

        try:
            wait_for(same, timeout, "the processes to hold what they held before")
        except AssertionError as e:
            raise AssertionError(f"{e}: {more()}") from None
