#!/usr/bin/python3
"""How long a start takes, beside the `ffmpeg` program: starts.py [--quick] [--json FILE]
[--rounds N].

For Amps, from before the connect of the first viewer of an idle channel; for `ffmpeg -i SOURCE ...
-f mpegts pipe:1`, from before its exec: to the first byte of the transport stream and to the last
byte of its first key frame.  In turns, from the same sources; live ones are met one second behind
a key frame each time, one second before the next.  Ends with 1 only for a run that broke, never
for its timing.
"""
import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from figures import cell, enter_namespace, set_mtu
from programs import (Amps, BITS_PER_SECOND, Broken, CLIENT_CPU, FILM, ORIGIN_PORT, Origin,
                      Program, SERVER_CPU, listens, load, make_film, tool, wait_for)

GOP_S, INTO_GOP_S = 2, 1
UDP_PORTS = {"amps": 15400, "ffmpeg": 15401}
HLS_PORT = 15500
ALL_CPUS = f"{SERVER_CPU}-{CLIENT_CPU}"
PATIENCE_S = 30
ENCODER = {"vcodec": "libx264", "preset": "veryfast", "b:v": "2M", "acodec": "aac", "b:a": "128k"}
GENERATED = "testsrc2=size=1280x720:rate=25[out0];sine=frequency=440:sample_rate=48000[out1]"
MEASURES = (("first_byte_ms", "first byte"), ("key_ms", "first key frame"))
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
    fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{ listen 127.0.0.1:{port}; root {folder}/media; }}
}}
"""


class Hls(Program):
    """A live playlist of the film's first twenty seconds."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="amps-bench-hls-")
        os.chmod(self.folder, 0o755)
        media = os.path.join(self.folder, "media")
        os.mkdir(media)
        subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-i", FILM, "-c", "copy",
                        "-f", "hls", "-hls_time", str(GOP_S), "-hls_list_size", "0",
                        "-hls_flags", "omit_endlist", os.path.join(media, "live.m3u8")],
                       check=True, stdin=subprocess.DEVNULL)
        config = os.path.join(self.folder, "nginx.conf")
        with open(config, "w") as f:
            f.write(NGINX.format(folder=self.folder, port=HLS_PORT))
        super().__init__(["nginx", "-p", self.folder, "-c", config], CLIENT_CPU)
        wait_for(lambda: listens(HLS_PORT), "nginx")

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Datagrams(Program):
    """The film as datagrams to both, in an endless loop."""

    def __init__(self):
        targets = [f"127.0.0.1:{port}" for port in UDP_PORTS.values()]
        super().__init__([tool("tssend"), FILM, str(BITS_PER_SECOND), *targets], CLIENT_CPU)
        self.begin = time.monotonic()
        self.length_s = os.path.getsize(FILM) * 8 / BITS_PER_SECOND

    def await_moment(self):
        """Waits until the sender has reached this point of a group of pictures."""
        into_film = (time.monotonic() - self.begin) % self.length_s
        time.sleep((INTO_GOP_S - into_film) % GOP_S)


class Row:
    """One source, and how both programs are started with it."""

    def __init__(self, name, source, before, args=(), f=None, profile="copy"):
        self.name, self.source, self.before, self.f = name, source, before, f
        self.args, self.profile = args, profile

    def stream(self, number):
        source = self.source["amps"] if isinstance(self.source, dict) else self.source
        more = {"input_options": {"f": self.f}} if self.f else {}
        return {"id": number, "name": self.name, "source": source, "ffmpeg_profile": self.profile,
                **more}

    def ffmpeg(self):
        source = self.source["ffmpeg"] if isinstance(self.source, dict) else self.source
        coded = [w for k, v in ENCODER.items() for w in (f"-{k}", v)]
        return ["ffmpeg", "-nostdin", "-loglevel", "error", *self.args,
                *(["-f", self.f] if self.f else []), "-i", source,
                *(["-c", "copy"] if self.profile == "copy" else coded), "-f", "mpegts", "pipe:1"]


def rows(datagrams):
    udp = {name: f"udp://127.0.0.1:{port}" for name, port in UDP_PORTS.items()}
    nothing = lambda: None  # noqa: E731
    return [Row("local file", FILM, nothing),
            Row("HTTP, live", f"http://127.0.0.1:{ORIGIN_PORT}/live.ts", nothing),
            Row("UDP, live", udp, datagrams.await_moment),
            Row("HLS, live", f"http://127.0.0.1:{HLS_PORT}/live.m3u8", nothing),
            Row("file, transcoded", FILM, nothing, profile="encoded"),
            Row("generated, transcoded", GENERATED, nothing, args=["-re"], f="lavfi",
                profile="encoded")]


def start_amps(amps, row, number):
    amps.wait_idle()
    row.before()
    got = load(amps, "-c", 1, "--zap", "--key-end", "--cpu", -1, path=f"/stream/{number}")
    if got["lost_clients"] or not got["key_ms"]["n"]:
        raise Broken(f"Amps: a start of '{row.name}' failed")
    return {name: got[name]["max"] for name, _ in MEASURES}


def start_ffmpeg(row):
    row.before()
    done = subprocess.run([tool("ts_start"), str(PATIENCE_S), *row.ffmpeg()], text=True,
                          capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Broken(f"ffmpeg: a start of '{row.name}' failed: {done.stderr}")
    return json.loads(done.stdout)


def measure(amps, row, number, rounds):
    times = {"amps": [], "ffmpeg": []}
    for i in range(rounds):
        for name in ("amps", "ffmpeg") if i % 2 else ("ffmpeg", "amps"):
            times[name].append(start_amps(amps, row, number) if name == "amps"
                               else start_ffmpeg(row))
    print(f"{row.name:<22}" + "".join(f"  {cell([t[key] for t in times[who]], '.0f'):<23}"
                                      for key, _ in MEASURES for who in times), flush=True)
    return {"source": row.name, **times}


def run(rounds):
    out = []
    with contextlib.ExitStack() as stack:
        for helper in (Hls, lambda: Origin("-b", "0", "-s", str(INTO_GOP_S * 1000))):
            stack.enter_context(helper())
        datagrams = stack.enter_context(Datagrams())
        todo = rows(datagrams)
        config = Amps.with_streams([row.stream(i) for i, row in enumerate(todo, 1)])
        config["ffmpeg_profiles"] = {"encoded": ENCODER}
        amps = stack.enter_context(Amps(config, ALL_CPUS))
        print("Milliseconds, median [least..greatest]\n" + " " * 24
              + "".join(f"{title + ', ' + who:<25}" for _, title in MEASURES
                        for who in ("Amps", "ffmpeg")))
        for i, row in enumerate(todo, 1):
            out.append(measure(amps, row, i, rounds))
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--quick", action="store_true", help="one round instead of seven")
    p.add_argument("--json", metavar="FILE", help="all figures, machine-readable")
    p.add_argument("--rounds", type=int)
    options = p.parse_args()
    enter_namespace()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the servers, too
    set_mtu(65536)
    make_film()
    try:
        out = run(options.rounds or (1 if options.quick else 7))
    except Broken as e:
        print(f"bench: broken run: {e}")
        return 1
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"starts": out, "load": os.getloadavg()}, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
