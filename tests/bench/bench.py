#!/usr/bin/python3
"""Measures Amps and the bare server: bench.py [--quick] [--json FILE] [--rounds N] [--mtu N]
[--only SUBJECT].

viewers: one channel of 8.000 Mbit/s over the loopback of a separate network namespace, both servers
pinned to the same CPU, in turns.  Prints medians and ranges; ratios within a round can be compared,
absolute figures depend on the machine.  line-ups (lineups.py) and playlists (playlists.py, with
nginx) measure thousands of channels, api (api_writes.py) changes and lists of them while viewers
play, tuners (tuners.py) the cost of running ones, encoding (encodes.py) an encoder beside the
`ffmpeg` program, hls (segments.py) segments and playlists beside nginx and ffmpeg, low-latency
(low_latency.py, latency.py) parts, and the age of what players in a browser show, authentication
(authentication.py) the token of a request, guide (guides.py) the import of a large guide, and the
guide beside nginx, page (pages.py) the page in a browser, failover (failovers.py) how soon the
next source follows one that is lost.  Ends with 1 only for a run that broke or lost something that
the bare server did not lose, never because of time.
"""
import argparse
import contextlib
import json
import os
import resource
import signal
import sys
import time

import authentication
import encodes
import failovers
import latency
import low_latency
import pages
import segments
import tuners
from api_writes import Writes
from figures import cell, enter_namespace, quantile, set_mtu
from guides import Guides
from lineups import LineUps
from playlists import Playlists
from programs import (Amps, Bare, Broken, CLIENT_CPU, FAULTS, FILE_CHANNEL, HTTP_CHANNEL, Origin,
                      Program, load, load_words, make_film)

SUBJECTS = ("viewers", "line-ups", "api", "playlists", "tuners", "encoding", "hls", "low-latency",
            "authentication", "guide", "page", "failover")
VERIFIED = 20


class Bench:
    def __init__(self, options):
        self.options = options
        self.out = {"fanout": [], "joins": [], "starts": [], "memory": [], "audio": [],
                    "forms": [], "udp": []}
        self.faults = []

    # -- fan-out

    def fanout_run(self, server, viewers, seconds):
        got = load(server, "-c", viewers, "-d", seconds, "-w", 1, "-V", min(viewers, VERIFIED),
                   "--pids", server.pid, "-l", server.label)
        got["faults"] = {name: got[name] for name in FAULTS if got[name]}
        return got

    def fanout_round(self, amps, viewers, seconds, bare_first):
        def bare():
            with Bare() as server:
                return self.fanout_run(server, viewers, seconds)

        first = bare() if bare_first else None
        mine = self.fanout_run(amps, viewers, seconds)
        theirs = first or bare()
        amps.wait_idle()
        if mine["faults"] and not theirs["faults"]:
            self.faults.append(f"{viewers} viewers: {mine['faults']}")
        return mine, theirs

    def fanout(self, amps, mtu, viewers, rounds, seconds):
        pairs = [self.fanout_round(amps, viewers, seconds, i % 2 == 0) for i in range(rounds)]
        row = {"mtu": mtu, "viewers": viewers, "rounds": rounds,
               "amps": [m["mbit_per_cpu_s"] for m, _ in pairs],
               "bare": [b["mbit_per_cpu_s"] for _, b in pairs],
               "ratio": [m["mbit_per_cpu_s"] / b["mbit_per_cpu_s"] for m, b in pairs],
               "gap_ms": [m["gap_max_ms"]["p99"] for m, _ in pairs],
               "faults": {name: sum(m[name] for m, _ in pairs) for name in FAULTS},
               "bare_faults": {name: sum(b[name] for _, b in pairs) for name in FAULTS}}
        self.out["fanout"].append(row)
        self.print_fanout(row)

    @staticmethod
    def print_fanout(row):
        lost = row["faults"]
        print(f"{row['mtu']:>6} {row['viewers']:>6}   {cell(row['amps'], '.0f'):<24}"
              f"{cell(row['bare'], '.0f'):<24}{cell(row['ratio'], '.2f'):<20}"
              f"{lost['cc_err']:>6} {lost['lost_bytes'] + lost['alien_bytes']:>6} "
              f"{lost['lost_clients']:>6}", flush=True)

    # -- sound alone

    def audio(self, amps, listeners, seconds):
        """Listeners of a channel alone, then beside as many viewers of it."""
        path = amps.path.replace("/stream/", "/audio/").replace(".ts", "")

        def listen(*words):
            return load(amps, "-c", listeners, "-d", seconds, "-w", 3, "--adts", "--pids",
                        amps.pid, *words, path=path)

        alone = listen()
        with self.playing(amps, listeners):
            beside = listen()
        amps.wait_idle()
        row = {"listeners": listeners, "mbit_per_cpu_s": alone["mbit_per_cpu_s"],
               "kbit_each": alone["mbps"] * 1000 / listeners,
               "gap_ms": {"alone": alone["gap_max_ms"]["p99"],
                          "beside": beside["gap_max_ms"]["p99"]},
               "frames": alone["frames"] + beside["frames"],
               "stray_bytes": alone["stray_bytes"] + beside["stray_bytes"],
               "lost": alone["lost_clients"] + beside["lost_clients"]}
        if row["stray_bytes"] or row["lost"]:
            self.faults.append(f"listeners: {row}")
        self.out["audio"].append(row)
        print(f"sound alone, {listeners} listeners of {row['kbit_each']:.0f} kbit/s: "
              f"{row['mbit_per_cpu_s']:.0f} Mbit per CPU second; {row['frames']} frames, also "
              f"beside {listeners} viewers, {row['stray_bytes']} bytes outside of frames, "
              f"{row['lost']} listeners lost; longest gap p99 {row['gap_ms']['alone']:.0f} ms, "
              f"beside viewers {row['gap_ms']['beside']:.0f} ms", flush=True)

    # -- the same media in other protocols

    def forms(self, amps, viewers, rounds, seconds):
        """WebSocket, interleaved RTSP and fragmented MP4 beside the transport stream, in the same
        rounds.  The load client counts the bytes of MP4, and does not look into them."""
        number = amps.path.split("/")[2].removesuffix(".ts")
        verify = ("-V", min(viewers, VERIFIED))
        forms = {"ts": ("http", amps.path, amps.port, *verify),
                 "ws": ("ws", f"/ws/{number}", amps.port, *verify),
                 "rtsp": ("rtsp", f"/{number}", amps.rtsp_port(), *verify),
                 "mp4": ("http", f"/stream/{number}?format=mp4", amps.port, "--raw")}
        found = {name: [] for name in forms}
        lost = dict.fromkeys(forms, 0)
        for _ in range(rounds):
            for name, (protocol, path, port, *words) in forms.items():
                got = load(amps, "-c", viewers, "-d", seconds, "-w", 1, "--pids", amps.pid,
                           "--protocol", protocol, "-p", port, *words, path=path)
                found[name].append(got["mbit_per_cpu_s"])
                lost[name] += sum(got[fault] for fault in (*FAULTS, "rtp_lost"))
        row = {"viewers": viewers, "rounds": rounds, "mbit_per_cpu_s": found, "lost": lost,
               "ratio": {name: [f / ts for f, ts in zip(found[name], found["ts"])]
                         for name in forms if name != "ts"}}
        self.out["forms"].append(row)
        if any(lost.values()):
            self.faults.append(f"forms: {lost}")
        print(f"{viewers} viewers, Mbit per CPU second:  "
              + ",  ".join(f"{name} {cell(values, '.0f')}" for name, values in found.items())
              + ";  of TS in a round:  "
              + ",  ".join(f"{name} {cell(r, '.2f')}" for name, r in row["ratio"].items()),
              flush=True)

    def udp(self, viewers, seconds):
        """RTSP by UDP, 2 Mbit/s each, to sockets of the usual size."""
        with Amps(Amps.thin_config()) as amps:
            got = load(amps, "-c", viewers, "-d", seconds, "-w", 2, "-V",
                       min(viewers, VERIFIED), "--pids", amps.pid, "--protocol", "rtsp-udp",
                       "-p", amps.rtsp_port(), path=f"/{FILE_CHANNEL}")
        row = {"viewers": viewers, "mbps": got["mbps"], "mbit_per_cpu_s": got["mbit_per_cpu_s"],
               "lost": {name: got[name] for name in (*FAULTS, "rtp_lost")}}
        self.out["udp"].append(row)
        if any(row["lost"].values()):
            self.faults.append(f"RTSP by UDP: {row['lost']}")
        print(f"RTSP by UDP, {viewers} viewers of 2 Mbit/s: {got['mbps']:.0f} Mbit/s, "
              f"{got['mbit_per_cpu_s']:.0f} Mbit per CPU second, lost packets {got['rtp_lost']}, "
              f"counter errors {got['cc_err']}", flush=True)

    # -- memory

    def memory(self, amps, mtu, viewers):
        """The growth of the worker from its first viewer to its last."""
        sizes = {}
        for n in (1, viewers):
            words = load_words(amps, "-c", n, "-d", 3600, "-w", 0)
            with Program(words, CLIENT_CPU):
                end = time.monotonic() + 30
                while len(amps.ask("viewers")) < n:
                    if time.monotonic() > end:
                        raise Broken(f"only some of {n} viewers came")
                    time.sleep(0.1)
                time.sleep(1.5)
                sizes[n] = amps.worker_bytes()
            amps.wait_idle()
        each = (sizes[viewers] - sizes[1]) / (viewers - 1)
        self.out["memory"].append({"mtu": mtu, "viewers": viewers, "bytes_each": each,
                                   "worker_bytes_one": sizes[1],
                                   "worker_bytes_all": sizes[viewers]})
        print(f"worker memory, MTU {mtu}: {sizes[1] / 1024:.0f} KiB with 1 viewer, "
              f"{sizes[viewers] / 1024:.0f} KiB with {viewers}: {each:.0f} bytes a viewer",
              flush=True)

    # -- joining a running channel

    @contextlib.contextmanager
    def playing(self, server, viewers):
        """This many viewers, all streaming."""
        if not viewers:
            with Program(load_words(server, "-c", 1, "-d", 3600, "-w", 0), CLIENT_CPU):
                time.sleep(3)
                yield
            return
        with Program(load_words(server, "-c", viewers, "-d", 3600, "-w", 0), CLIENT_CPU):
            time.sleep(viewers / 500 + 2)
            yield

    def join_times(self, server, viewers, joins):
        with self.playing(server, viewers):
            got = load(server, "-c", joins, "--zap", "--zap-every", 41, "-V", -1, "--values")
        if server.label == "amps" and (got["bad_starts"] or got["lost_clients"]):
            self.faults.append(f"joins: {got['bad_starts']} bad starts, "
                               f"{got['lost_clients']} lost")
        return got["rap_ms_values"]

    def joins(self, amps, viewers, rounds, joins):
        times = {"amps": [], "bare": []}
        for _ in range(rounds):
            with Bare(from_key=True) as bare:
                times["bare"] += self.join_times(bare, viewers, joins)
            times["amps"] += self.join_times(amps, viewers, joins)
            amps.wait_idle()
        row = {"viewers": viewers, "joins": len(times["amps"])}
        for name, values in times.items():
            row[name] = {"p50": quantile(values, .5), "p99": quantile(values, .99),
                         "max": max(values)}
        self.out["joins"].append(row)
        print(f"{viewers:>6} playing, {row['joins']} joins, ms:  "
              + ",  ".join(f"{n} p50 {row[n]['p50']:.2f} p99 {row[n]['p99']:.2f} "
                           f"max {row[n]['max']:.2f}" for n in ("amps", "bare")), flush=True)

    # -- starting an idle channel

    def starts(self, amps, name, path, count):
        key, rap = [], []
        for _ in range(count):
            amps.wait_idle()
            got = load(amps, "-c", 1, "--zap", "--key-end", path=path)
            if got["lost_clients"] or not got["key_ms"]["n"]:
                raise Broken(f"a start of the {name} channel failed")
            key.append(got["key_ms"]["max"])
            rap.append(got["rap_ms"]["max"])
        row = {"source": name, "starts": count,
               "rap_ms": {"p50": quantile(rap, .5), "p99": quantile(rap, .99)},
               "key_ms": {"p50": quantile(key, .5), "p99": quantile(key, .99), "max": max(key)}}
        self.out["starts"].append(row)
        print(f"{name:>6} source, {count} starts, ms to the last byte of the first key frame:  "
              f"p50 {row['key_ms']['p50']:.1f} p99 {row['key_ms']['p99']:.1f} "
              f"max {row['key_ms']['max']:.1f}  (first byte of it: p50 {row['rap_ms']['p50']:.1f})",
              flush=True)

    # -- all of it

    def run(self):
        measures = (self.viewers, self.line_ups, self.api, self.playlists, self.tuners,
                    self.encoding, self.hls, self.low_latency, self.authentication, self.guide,
                    self.page, self.failover)
        for name, measure in zip(SUBJECTS, measures):
            if not self.options.only or name in self.options.only:
                measure()

    def guide(self):
        self.out["guide"] = Guides(self.options).run()

    def page(self):
        self.out["page"] = pages.measure(self.options.quick)

    def failover(self):
        self.out["failover"] = failovers.measure(self.options.quick)

    def line_ups(self):
        self.out["line_ups"] = LineUps(self.options).run()

    def api(self):
        writes = Writes(self.options)
        self.out["api"] = writes.run()
        self.faults += writes.faults

    def playlists(self):
        self.out["playlists"] = Playlists(self.options).run()

    def tuners(self):
        self.out["tuners"] = tuners.measure(self.options.quick)

    def encoding(self):
        self.out["encoding"] = encodes.measure(self.options.quick, self.options.rounds)

    def authentication(self):
        self.out["authentication"] = authentication.measure(self.options.quick)

    def hls(self):
        self.out["hls"] = segments.measure(self.options.quick)

    def low_latency(self):
        self.out["low_latency"] = low_latency.measure(self.options.quick)

    def viewers(self):
        o = self.options
        quick = o.quick
        print("Mbit per CPU second, median [least..greatest]; the server's whole process tree")
        print(f"{'MTU':>6} {'viewers':>6}  {'amps':<24} {'bare server':<24}{'ratio in a round':<20}"
              f"{'CC':>6} {'bytes':>6} {'viewers lost':>6}")
        for mtu in o.mtu or ((1500,) if quick else (1500, 65536)):
            set_mtu(mtu)
            with Amps() as amps:
                self.memory(amps, mtu, 50 if quick else 1000)
                if quick:
                    self.fanout(amps, mtu, 50, 1, 2)
                    self.audio(amps, 50, 2)
                    self.forms(amps, 50, 1, 2)
                else:
                    self.fanout(amps, mtu, 1, 3, 3)
                    self.fanout(amps, mtu, 100, 3, 3)
                    self.fanout(amps, mtu, 1000, o.rounds or 7, 4)
                    self.fanout(amps, mtu, 2000, 1, 4)
                    self.audio(amps, 1000, 4)
                    self.forms(amps, 1000, 5, 4)
            self.udp(20 if quick else 200, 2 if quick else 10)
        print("\nJoining a running channel, connecting included, to the first random access point")
        set_mtu(1500)
        with Amps() as amps:
            self.joins(amps, 0, 1, 20 if quick else 300)
            if not quick:
                self.joins(amps, 1000, 3, 100)
        print("\nStarting an idle channel")
        with Origin(), Amps() as amps:
            count = 2 if quick else 100
            self.starts(amps, "file", amps.path, count)
            self.starts(amps, "HTTP", f"/stream/{HTTP_CHANNEL}", count)


def machine():
    return {"kernel": os.uname().release, "cpus": os.cpu_count(), "load": os.getloadavg()}


def read_options():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--quick", action="store_true", help="do the measurements work at all?  less than a minute")
    p.add_argument("--json", metavar="FILE", help="all figures, machine-readable")
    p.add_argument("--rounds", type=int, help="of the fan-out to 1,000 viewers, and of encoding")
    p.add_argument("--mtu", type=int, action="append", help="of the loopback (repeatable)")
    p.add_argument("--only", metavar="SUBJECT", action="append", choices=SUBJECTS,
                   help=f"one of {', '.join(SUBJECTS)} (repeatable)")
    return p.parse_args()


def main():
    options = read_options()
    latency.prepare()
    enter_namespace()
    set_mtu(65536)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the servers too
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, 16384), max(most, 16384)))
    make_film()
    bench, start, before = Bench(options), time.monotonic(), machine()
    broken = None
    try:
        bench.run()
    except Broken as e:
        broken = str(e)
    result = dict(bench.out, machine=before, load_after=os.getloadavg(), faults=bench.faults,
                  broken=broken, seconds=round(time.monotonic() - start))
    if options.json:
        with open(options.json, "w") as f:
            json.dump(result, f, indent=1)
    for fault in bench.faults:
        print(f"bench: lost what the bare server did not: {fault}")
    if broken:
        print(f"bench: broken run: {broken}")
    print(f"bench: {result['seconds']} s, load average {before['load'][0]:.1f} before, "
          f"{result['load_after'][0]:.1f} after")
    return 1 if broken or bench.faults else 0


if __name__ == "__main__":
    sys.exit(main())
