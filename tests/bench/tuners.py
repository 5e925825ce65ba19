"""The cost of running tuners: their memory, the CPU time to receive a source compared with the
least possible (bare_ingest.c), and the time until a job has its first bytes."""
import contextlib
import json
import os
import subprocess
import time

from figures import cell, quantile
from programs import (Amps, BITS_PER_SECOND, Broken, CLIENT_CPU, FILM, ORIGIN_PORT, Origin,
                      Program, SERVER_CPU, load, load_words, make_film, tool, wait_for)

MANY = 200
SMALL_FILM = os.path.join(os.path.dirname(FILM), "small.ts")
SMALL_BITS = 1_000_000
SAMPLED = 20
UDP_PORT, BARE_UDP_PORT, MANY_PORT = 15400, 15401, 16000
BOTH_CPUS = f"{SERVER_CPU},{CLIENT_CPU}"
KINDS = ("udp", "http", "file")
MEGABYTE = 1 << 20
RING_SECONDS = 20  # more than a ring of 16 MiB holds of 8 Mbit/s
QUICK_MANY, QUICK_RING_SECONDS = 10, 2


def copied(number, source, **more):
    return {"id": number, "name": str(number), "source": source, "ffmpeg_profile": "copy", **more}


def private_bytes(pid):
    """Private memory of a process, its rings left out."""
    total, ring = 0, False
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            words = line.split()
            if not words[0].endswith(":"):
                ring = "memfd:amps-ring" in line
            elif words[0] in ("Private_Clean:", "Private_Dirty:") and not ring:
                total += int(words[1]) * 1024
    return total


def cpu_ns(pid):
    """CPU time of all its threads, from the scheduler."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as f:
            total += int(f.read().split()[0])
    return total


def running_jobs(amps):
    return {t["stream_id"]: t["pid"] for t in amps.ask("tuners") if t["state"] == "running"}


# -- two hundred running channels

def many(count, seconds):
    """A busy machine may cause losses here: they are printed and fail nothing."""
    make_film(SMALL_FILM, "640x360", "700k", SMALL_BITS)
    ports = range(MANY_PORT, MANY_PORT + count)
    config = Amps.with_streams([copied(i, f"udp://127.0.0.1:{port}")
                                for i, port in enumerate(ports, 1)],
                               idle_timeout=60, start_timeout=60)
    sender = [tool("tssend"), SMALL_FILM, str(SMALL_BITS), *(f"127.0.0.1:{p}" for p in ports)]
    with Program(sender, CLIENT_CPU), Amps(config, BOTH_CPUS) as amps:
        load(amps, "-c", 1, "--zap", path="/stream/1")  # everything of the server is up
        words = load_words(amps, "-c", count, "-d", seconds, "-w", 3, "-V", min(count, SAMPLED),
                           "-r", 20, "--timeout", 60, *(f"/stream/{i}" for i in range(1, count)),
                           path=f"/stream/{count}")
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as viewers:
            with contextlib.suppress(Broken):
                wait_for(lambda: len(running_jobs(amps)) == count, f"{count} running channels", 90)
            row = watch_jobs(amps, seconds)
            got = load_result(viewers)
    row["viewers"] = {name: got[name] for name in
                      ("lost_clients", "cc_err", "sync_loss", "verified", "mbps")}
    print(f"{count} channels of 1 Mbit/s, {row['running']} running: private memory of a job, MiB: "
          + cell([b / MEGABYTE for b in row["private_bytes"]], ".2f")
          + f";  {row['cpu_ms_each_s']:.2f} CPU-ms a second each;  {got['lost_clients']} viewers "
          f"lost, {got['cc_err']} continuity errors at {got['verified']} of them", flush=True)
    return row


def load_result(viewers):
    out, _ = viewers.communicate(timeout=120)
    if not out:
        raise Broken("the viewers' program failed")
    return json.loads(out)


def watch_jobs(amps, seconds):
    time.sleep(3)
    jobs = list(running_jobs(amps).values())
    before, since = sum(map(cpu_ns, jobs)), time.monotonic()
    time.sleep(seconds - 3)
    used = (sum(map(cpu_ns, jobs)) - before) / (time.monotonic() - since)
    return {"running": len(running_jobs(amps)), "private_bytes": [private_bytes(p) for p in jobs],
            "cpu_ms_each_s": used / 1e6 / len(jobs)}


# -- taking in one source

def bare_words(kind):
    where = {"udp": [BARE_UDP_PORT], "http": [ORIGIN_PORT], "file": [FILM, BITS_PER_SECOND]}
    return [tool("bare_ingest"), kind, *map(str, where[kind])]


def cpu_ms_per_gbit(pids, seconds):
    """The CPU time that processes with one source each used in this many seconds."""
    before, since = [cpu_ns(p) for p in pids], time.monotonic()
    time.sleep(seconds)
    gbits = BITS_PER_SECOND / 1e9 * (time.monotonic() - since)
    return [(cpu_ns(p) - b) / 1e6 / gbits for p, b in zip(pids, before)]


def ingest(rounds, seconds, ring_seconds):
    """Everything runs at once on one processor, each process some hundredths of it, and is measured
    when its ring has been written once: the first use of a page is the kernel's work."""
    config = Amps.with_streams([
        copied(1, f"udp://127.0.0.1:{UDP_PORT}"), copied(2, f"http://127.0.0.1:{ORIGIN_PORT}/"),
        copied(3, FILM, input_args=["-re", "-stream_loop", "-1"])])
    sender = [tool("tssend"), FILM, str(BITS_PER_SECOND), f"127.0.0.1:{UDP_PORT}",
              f"127.0.0.1:{BARE_UDP_PORT}"]
    paths = [f"/stream/{i}" for i in range(1, len(KINDS))]
    with contextlib.ExitStack() as stack:
        stack.enter_context(Program(sender, CLIENT_CPU))
        stack.enter_context(Origin("-b", "0"))
        amps = stack.enter_context(Amps(config))
        bare = [stack.enter_context(Program(bare_words(kind), SERVER_CPU)) for kind in KINDS]
        stack.enter_context(Program(load_words(amps, "-c", len(KINDS), "-d", 3600, "-w", 0, *paths,
                                               path=f"/stream/{len(KINDS)}"), CLIENT_CPU))
        wait_for(lambda: len(running_jobs(amps)) == len(KINDS), "the running channels")
        time.sleep(ring_seconds)
        jobs = running_jobs(amps)
        pids = [jobs[i] for i in range(1, len(KINDS) + 1)] + [program.pid for program in bare]
        got = [cpu_ms_per_gbit(pids, seconds) for _ in range(rounds)]
    mine, theirs = ([row[at:at + len(KINDS)] for row in got] for at in (0, len(KINDS)))
    return [print_ingest(kind, [m[i] for m in mine], [t[i] for t in theirs])
            for i, kind in enumerate(KINDS)]


def print_ingest(kind, mine, theirs):
    ratio = [m / t for m, t in zip(mine, theirs)]
    print(f"{kind:>6}  {cell(mine, '.0f'):<20}{cell(theirs, '.0f'):<20}{cell(ratio, '.2f')}",
          flush=True)
    return {"source": kind, "amps": mine, "bare": theirs, "ratio": ratio}


# -- from a request to the first byte

def first_bytes(count):
    with Amps(Amps.with_streams([copied(1, FILM)])) as amps:
        times = []
        for _ in range(count):
            amps.wait_idle()
            got = load(amps, "-c", 1, "--zap", path="/stream/1")
            if got["lost_clients"]:
                raise Broken("a start of the file channel failed")
            times.append(got["first_byte_ms"]["max"])
    print(f"from the request to the first byte of a local file, {count} starts, ms:  p50 "
          f"{quantile(times, .5):.1f} p99 {quantile(times, .99):.1f} max {max(times):.1f}",
          flush=True)
    return times


def measure(quick):
    """Runs everything and returns the figures."""
    print("\nRunning tuners")
    out = {"many": many(QUICK_MANY, 4) if quick else many(MANY, 12)}
    print("\nTaking in 8 Mbit/s, CPU-ms per Gbit of the process that does it\n"
          f"{'source':>6}  {'amps':<20}{'bare loop':<20}ratio in a round")
    out["ingest"] = ingest(1, 1, QUICK_RING_SECONDS) if quick else ingest(7, 4, RING_SECONDS)
    out["first_byte_ms"] = first_bytes(5 if quick else 100)
    return out
