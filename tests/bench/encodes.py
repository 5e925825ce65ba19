"""What encoding costs and gives, beside the `ffmpeg` program with the same options: one output, and
three of them made from one source beside three programs.  Both play the film in its own time, in
turns; a round's ratio of CPU time for a second of media can be compared, whatever else the machine
does."""
import contextlib
import json
import os
import re
import subprocess
import tempfile
import threading
import time
import urllib.request

from figures import cell
from programs import (AMPS_PORT, Amps, BOTH_CPUS, Broken, FILM, Program, make_film, wait_for)
from ts import Checker
from tuners import cpu_ns

PATH = os.path.join(os.path.dirname(FILM), "encodes.ts")
BITS, RATE = 4_000_000, 25
SETTLE_S, WINDOW_S, QUICK_S = 3, 12, 2
SOME_BYTES = 20000
LADDER = {"high": ("640x360", 800), "middle": ("480x270", 500), "low": ("320x180", 250)}


def options(name):
    size, kbit = LADDER[name]
    return {"map": ["0:v", "0:a"], "vcodec": "libx264", "preset": "veryfast", "s": size,
            "b:v": f"{kbit}k", "maxrate": f"{kbit}k", "bufsize": f"{kbit}k", "g": 50,
            "keyint_min": 50, "sc_threshold": 0, "rc-lookahead": 10, "acodec": "aac",
            "b:a": "96k"}


class Capture(threading.Thread):
    """A viewer that keeps what it gets."""

    def __init__(self, name, folder):
        super().__init__(daemon=True)
        self.path = os.path.join(folder, f"amps-{name}.ts")
        self.url = f"http://127.0.0.1:{AMPS_PORT}/stream/1.ts?variant={name}"
        self.going = True
        open(self.path, "wb").close()

    def run(self):
        with urllib.request.urlopen(self.url, timeout=30) as answer, open(self.path, "wb") as f:
            while self.going and (data := answer.read1(1 << 16)):
                f.write(data)
                f.flush()


def pictures(path, begin, end):
    """So many began within these bytes."""
    with open(path, "rb") as f:
        data = f.read(end)
    checker = Checker(data[:begin - begin % 188])
    before = len(checker.pts.get(checker.video_pid, []))
    checker.feed(data[begin - begin % 188:])
    return len(checker.pts.get(checker.video_pid, [])) - before


def observe(pids, paths, seconds):
    """CPU seconds of these processes for a second of media of each output."""
    wait_for(lambda: all(os.path.getsize(p) > SOME_BYTES for p in paths), "the first bytes", 30)
    time.sleep(min(SETTLE_S, seconds))
    before, begin = sum(map(cpu_ns, pids())), [os.path.getsize(p) for p in paths]
    time.sleep(seconds)
    wait_for(lambda: all(os.path.getsize(p) > b + SOME_BYTES for p, b in zip(paths, begin)),
             "more pictures", 30)
    used, end = sum(map(cpu_ns, pids())) - before, [os.path.getsize(p) for p in paths]
    shown = [pictures(p, b, e) for p, b, e in zip(paths, begin, end)]
    if min(shown) == 0:
        raise Broken("an encoder made no picture")
    return used / 1e9 / (min(shown) / RATE)


def run_amps(amps, names, folder, seconds):
    amps.wait_idle()
    viewers = [Capture(name, folder) for name in names]
    for v in viewers:
        v.start()

    def jobs():
        tuner, = amps.ask("tuners")
        return [tuner["pid"], tuner["derive_pid"]]

    try:
        return observe(jobs, [v.path for v in viewers], seconds)
    finally:
        for v in viewers:
            v.going = False
        for v in viewers:
            v.join()


def words(name, path):
    given = [w for key, value in options(name).items()
             for one in (value if isinstance(value, list) else [value])
             for w in (f"-{key}", str(one))]
    return ["ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-copyts", "-i", PATH, *given,
            "-muxdelay", "0", "-muxpreload", "0", "-flush_packets", "1", "-f", "mpegts", "-y", path]


def run_ffmpeg(names, folder, seconds):
    paths = [os.path.join(folder, f"ffmpeg-{name}.ts") for name in names]
    with contextlib.ExitStack() as stack:
        for path in paths:
            open(path, "wb").close()
        programs = [stack.enter_context(Program(words(name, path), BOTH_CPUS))
                    for name, path in zip(names, paths)]
        return observe(lambda: [p.pid for p in programs], paths, seconds)


def quality(path, name):
    """(SSIM against the film, kbit/s of the picture)"""
    size, _ = LADDER[name]
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-hide_banner", "-copyts", "-i", path, "-copyts", "-i", PATH,
         "-lavfi", f"[0:v]settb=1/90000[a];[1:v]scale={size.replace('x', ':')},settb=1/90000[b];"
                   "[a][b]ssim=shortest=1", "-f", "null", "-"], capture_output=True, text=True)
    found = re.search(r"All:([\d.]+)", done.stderr)
    packets = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries",
                              "packet=size", "-of", "csv=p=0", path], capture_output=True,
                             text=True, check=True).stdout.replace(",", "").split()
    if not found or not packets:
        raise Broken(f"{path} cannot be judged: {done.stderr[-500:]}")
    return float(found.group(1)), sum(map(int, packets)) * 8 / 1000 / (len(packets) / RATE)


def measure(quick, rounds=None):
    make_film(PATH, "640x360", "3M", BITS)
    streams = [{"id": 1, "name": "Encodes", "source": PATH, "ffmpeg_profile": "copy",
                "input_args": ["-re"], "adaptive_bitrates": [
                    {"name": name, "ffmpeg_profile": name} for name in LADDER]}]
    config = Amps.with_streams(streams, start_timeout=30)
    config["ffmpeg_profiles"] = {name: options(name) for name in LADDER}
    seconds = QUICK_S if quick else WINDOW_S
    cost = {"one": {"amps": [], "ffmpeg": []}, "three": {"amps": [], "ffmpeg": []}}
    with tempfile.TemporaryDirectory(prefix="amps-bench-") as folder, \
            Amps(config, BOTH_CPUS) as amps:
        for i in range(rounds or (1 if quick else 7)):
            for what, names in (("one", ["high"]), ("three", list(LADDER))):
                for who in ("amps", "ffmpeg") if i % 2 else ("ffmpeg", "amps"):
                    cost[what][who].append(run_amps(amps, names, folder, seconds) if who == "amps"
                                           else run_ffmpeg(names, folder, seconds))
        judged = {name: {who: quality(os.path.join(folder, f"{who}-{name}.ts"), name)
                         for who in ("amps", "ffmpeg")} for name in LADDER}
    for what, both in cost.items():
        both["ratio"] = [a / f for a, f in zip(both["amps"], both["ffmpeg"])]
        print(f"encoding, {what} output{'s' * (what == 'three')}: CPU seconds for a second of "
              f"media, Amps {cell(both['amps'], '.3f')}, ffmpeg {cell(both['ffmpeg'], '.3f')}, "
              f"ratio in a round {cell(both['ratio'], '.2f')}", flush=True)
    for name, both in judged.items():
        print(f"{name:>8}: SSIM Amps {both['amps'][0]:.4f}, ffmpeg {both['ffmpeg'][0]:.4f}; kbit/s "
              f"of {LADDER[name][1]}: {both['amps'][1]:.0f}, {both['ffmpeg'][1]:.0f}", flush=True)
    return json.loads(json.dumps({"cost": cost, "quality": judged}))
