"""The cost of a line-up of thousands of idle channels: the start, a reload, an edit, memory."""
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time

from programs import AMPS_PORT, BIN, BOTH_CPUS, Amps, command_line, tool, wait_for
from proc import pss_bytes  # beside the system tests

GROUPS = ("News", "Sports", "Movies", "Kids", "Music", "Series", "Documentaries", "Regional",
          "Weather", "Culture")


def channel(number):
    return (f"  - id: {number}\n"
            f"    name: \"Channel {number} HD\"\n"
            f"    source: \"http://origin{number % 7}.example.net/live/{number}.ts\"\n"
            f"    ffmpeg_profile: {'small' if number % 10 == 0 else 'copy'}\n"
            f"    group: {GROUPS[number % len(GROUPS)]}\n"
            f"    logo: \"http://logos.example.net/channels/{number}.png\"\n"
            f"    epg_id: \"channel{number}.example\"\n"
            f"    channel_number: {number}\n"
            f"    input_options: {{re: null}}\n")


def line_up(count, renamed=0, workers=2):
    """A configuration of this many channels; the first `renamed` of them have another name."""
    channels = [channel(n) for n in range(1, count + 1)]
    for i in range(renamed):
        channels[i] = channels[i].replace(" HD", " UHD", 1)
    return (f"server: {{host: 127.0.0.1, port: {AMPS_PORT}, workers: {workers}}}\n"
            "auth: {enabled: false}\n"
            "ffmpeg_profiles:\n"
            "  copy: {vcodec: copy, acodec: copy, format: mpegts}\n"
            "  small: {vcodec: libx264, preset: veryfast, s: 640x360, \"b:v\": 800k, acodec: aac}\n"
            "streams:" + ("\n" + "".join(channels) if channels else " []\n"))


def check_times(text):
    """(wall, CPU) seconds of `amps check` on this configuration."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write(text)
        f.flush()
        before, start = os.times(), time.monotonic()
        subprocess.run([os.path.join(BIN, "amps"), "check", "--config", f.name], check=True,
                       stdout=subprocess.DEVNULL)
        after = os.times()
        return (time.monotonic() - start, after.children_user - before.children_user +
                after.children_system - before.children_system)


class Asker(threading.Thread):
    """Asks for the status repeatedly, to measure how long the master's loop is blocked."""

    def __init__(self, amps):
        super().__init__(daemon=True)
        self.amps, self.seconds, self.over = amps, [], threading.Event()

    def run(self):
        while not self.over.is_set():
            start = time.monotonic()
            self.amps.ask("status")
            self.seconds.append(time.monotonic() - start)
            time.sleep(0.001)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def loop_seconds(amps):
    """CPU time of the master's first thread, which is its loop."""
    with open(f"/proc/{amps.pid}/task/{amps.pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e9


def status_ms(seconds):
    return {"median": statistics.median(seconds) * 1000, "max": max(seconds) * 1000,
            "asked": len(seconds)}


class LineUps:
    def __init__(self, options):
        self.quick = options.quick
        self.large = 1000 if options.quick else 10000
        self.out = {}

    # -- check, reload

    def reload(self, amps, what, text):
        amps.configure(text)
        before, start = loop_seconds(amps), time.monotonic()
        report = amps.ask("reload")
        took, loop = time.monotonic() - start, loop_seconds(amps) - before
        # again with status requests, which cost the loop time too
        amps.configure(line_up(0))
        amps.ask("reload")
        amps.configure(text)
        with Asker(amps) as asker:
            amps.ask("reload")
        row = {"what": what, "seconds": took, "loop_ms": loop * 1000,
               "status": status_ms(asker.seconds),
               "changes": {name: len(report[name]) for name in ("added", "changed", "removed")}}
        self.out.setdefault("reload", []).append(row)
        print(f"reload, {what}: {took:.2f} s until all workers serve it; the master's loop worked "
              f"{row['loop_ms']:.0f} ms of it, `status` answered in {row['status']['median']:.1f} "
              f"ms, at most {row['status']['max']:.0f} ms ({row['status']['asked']} asked)",
              flush=True)

    def check_and_reload(self):
        text = line_up(self.large)
        times = [check_times(text) for _ in range(1 if self.quick else 5)]
        self.out["check"] = [{"wall_s": wall, "cpu_s": cpu} for wall, cpu in times]
        wall, cpu = (statistics.median(column) for column in zip(*times))
        print(f"amps check, {self.large:,} channels: {wall:.2f} s, {cpu:.2f} s of a processor")
        with Amps(line_up(0), cpus=BOTH_CPUS) as amps:
            with Asker(amps) as asker:
                time.sleep(2)
            self.out["status_idle"] = status_ms(asker.seconds)
            print("`status` of an idle server: "
                  f"{self.out['status_idle']['median']:.1f} ms, at most "
                  f"{self.out['status_idle']['max']:.0f} ms")
            self.reload(amps, f"none to {self.large:,} channels", text)

    def change(self):
        """One edited channel, from store_submit() to the last worker's acknowledgement."""
        count, workers = (5 if self.quick else 50), 2
        words = [tool("change"), self.large, count, workers, os.path.join(BIN, "amps-worker")]
        rows = json.loads(subprocess.run([str(w) for w in words], check=True,
                                         stdout=subprocess.PIPE).stdout)
        total, stored, loop = zip(*rows)
        self.out["change"] = {"channels": self.large, "workers": workers, "ms": total,
                              "stored_ms": stored, "loop_ms": loop}
        print(f"one channel of {self.large:,} changed, {count} times, until {workers} workers serve "
              f"it: {statistics.median(total):.1f} ms [{min(total):.1f}..{max(total):.1f}]; "
              f"{statistics.median(stored):.1f} ms of it in the store; the loop worked "
              f"{statistics.median(loop):.2f} ms, at most {max(loop):.2f}", flush=True)

    # -- memory

    def memory(self):
        count = 2 * self.large
        with Amps(line_up(0), cpus=BOTH_CPUS) as amps:
            wait_for(lambda: nursery_is_ready(amps), "the nursery")
            before = pss_bytes(amps.tree())
            amps.configure(line_up(count))
            amps.ask("reload")
            time.sleep(1)  # memory is freed after the answer
            grown = pss_bytes(amps.tree()) - before
        self.out["memory"] = {"channels": count, "pss_before": before, "pss_grown": grown}
        print(f"memory of all processes together, none to {count:,} idle channels: "
              f"{before / 2**20:.1f} MiB, then {grown / 2**20:.1f} MiB more", flush=True)

    # -- start

    def starts(self, count=1000):
        rows = {"first": [], "later": []}
        for _ in range(1 if self.quick else 10):
            with tempfile.TemporaryDirectory(prefix="amps-bench-") as state:
                for name in ("first", "later"):
                    with Amps(line_up(count), state=state, cpus=BOTH_CPUS) as amps:
                        rows[name].append(amps.ready_s * 1000)
        self.out["start"] = {"channels": count, **rows}
        for name, ms in rows.items():
            print(f"{name} start with {count:,} channels, exec to /readyz 200: "
                  f"{statistics.median(ms):.0f} ms [{min(ms):.0f}..{max(ms):.0f}]", flush=True)

    def run(self):
        print("\nA large line-up without viewers")
        self.check_and_reload()
        self.change()
        self.memory()
        self.starts()
        return self.out


def nursery_is_ready(amps):
    """It loads its libraries after the server is ready, and then waits with an idle child."""
    return any("(idle)" in command_line(pid) for pid in amps.tree())
