"""Imported guides: what the import of a large one costs, alone and while viewers play, and the
guide beside nginx, which serves the same bytes as files.

One worker each, pinned to the same CPU; bits per CPU second of the whole server, in turns."""
import gzip
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request

from figures import cell, quantile, set_mtu
from lineups import line_up
from playlists import Nginx, per_cpu_second
from proc import pss_bytes  # beside the system tests
from programs import (BIN, BOTH_CPUS, CLIENT_CPU, FILM, Amps, Broken, Program, command_line, load,
                      load_words, process_tree, wait_for)

SELECTIONS = (("10 channels", "?ids=" + ",".join(map(str, range(1, 11)))),
              ("one group of 10", "?group=News"), ("all", ""))
GUIDE_SECONDS = 300     # after that the server gives up an import
WORDS = ("The weather of the region, the sea and the mountains, with a look at the days ahead. "
         "Reports from the capital, sport, and what else has moved the country today. ")


def stamp(seconds):
    return time.strftime("%Y%m%d%H%M%S +0000", time.gmtime(seconds))


def programme(channel, start, minutes, number, padding):
    return (f'<programme start="{stamp(start)}" stop="{stamp(start + 60 * minutes)}" '
            f'channel="{channel}"><title lang="en">Programme {number} of {channel}</title>'
            f"<sub-title>Part {number % 17}</sub-title><desc>{padding}{number * 7919 % 100003} "
            f"</desc><category>News</category>"
            f'<episode-num system="onscreen">S1E{number}</episode-num></programme>\n')


def write_guide(path, channels, each, padding=""):
    """`each` programmes of each channel ("channelN.example"), half an hour each, from now on."""
    begin = int(time.time()) // 3600 * 3600
    with open(path, "w") as f:
        f.write('<?xml version="1.0" encoding="UTF-8"?>\n<tv>\n')
        for n in channels:
            f.write(f'<channel id="channel{n}.example"><display-name>Channel {n} HD'
                    "</display-name></channel>\n")
        for i in range(each):
            f.write("".join(programme(f"channel{n}.example", begin + 1800 * i, 30, i, padding)
                            for n in channels))
        f.write("</tv>\n")


def fetch(port, query, packed=""):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/epg.xml{packed}{query}") as answer:
        return answer.read()


def with_guide(config, path):
    return config + (f"epg: {{keep_days: 7, sources: [{{path: {json.dumps(path)}, "
                     "refresh: 1h}]}\n")


def anonymous_bytes(amps):
    """(program, anonymous bytes) of each process of the server."""
    for pid in amps.tree():
        try:
            with open(f"/proc/{pid}/status") as f:
                fields = dict(line.split(":", 1) for line in f)
            yield fields["Name"].strip(), int(fields["RssAnon"].split()[0]) * 1024
        except (OSError, KeyError):
            pass  # it has ended


def snapshot_pss(pid):
    """Bytes of mapped snapshots of the guide in a process, shared pages counted once."""
    total, inside = 0, False
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            words = line.split()
            if not words[0].endswith(":"):
                inside = "memfd:amps-guide" in line
            elif words[0] == "Pss:" and inside:
                total += int(words[1]) * 1024
    return total


def is_imported(amps):
    sources = amps.ask("epg")
    return all(s["state"] == "ok" for s in sources)


class Guides:
    def __init__(self, options):
        self.quick = options.quick
        self.out = {"import": None, "joins": {}, "selections": [], "memory": None}
        self.folder = tempfile.mkdtemp(prefix="amps-bench-", dir=os.path.dirname(FILM))

    # -- the import alone

    def measure_import(self, path, channels, matching):
        task = {"path": path, "timezone": "UTC", "shift": 0.0, "keep_days": 30, "past_days": 1,
                "targets": [[f"channel{n}.example"] for n in range(1, matching + 1)], "keep": {}}
        with tempfile.TemporaryFile(dir="/dev/shm") as out:
            start = time.monotonic()
            p = subprocess.Popen([os.path.join(BIN, "amps-helper"), "guide"],
                                 stdin=subprocess.PIPE, stdout=out, text=True)
            p.stdin.write(json.dumps(task))
            p.stdin.close()
            _, status, usage = os.wait4(p.pid, 0)
            p.returncode = status
            size = os.fstat(out.fileno()).st_size
        if status or not size:
            raise Broken("the import failed")
        row = {"bytes": os.path.getsize(path), "channels": channels, "matching": matching,
               "seconds": time.monotonic() - start, "cpu_s": usage.ru_utime + usage.ru_stime,
               "memory_bytes": usage.ru_maxrss * 1024, "result_bytes": size}
        self.out["import"] = row
        print(f"an import of {row['bytes'] / 1e6:.0f} MB of XMLTV of {channels} channels, of which "
              f"{matching} match: {row['cpu_s']:.1f} s of CPU, {row['seconds']:.1f} s, "
              f"{row['memory_bytes'] / 2**20:.1f} MiB of memory beside a result of "
              f"{size / 1e6:.0f} MB", flush=True)

    # -- an import while viewers play

    def join_ms(self, amps, seconds):
        """Joins one after another for so long."""
        times, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            got = load(amps, "-c", 20, "--zap", "--zap-every", 11, "--values")
            if got["lost_clients"]:
                raise Broken("a join failed")
            times += got["rap_ms_values"]
        return times

    def joins_beside(self, path, matching, viewers):
        """p99 of joins, and whether the old guide is served, before and during an import."""
        small = os.path.join(self.folder, "small.xml")
        write_guide(small, range(1, matching + 1), 2)
        config = Amps.thin_config()
        config["streams"] += [{"id": 100 + n, "name": f"Channel {n} HD", "source": FILM,
                               "epg_id": f"channel{n}.example", "ffmpeg_profile": "copy"}
                              for n in range(1, matching + 1)]
        link = os.path.join(self.folder, "guide.xml")
        os.link(small, link)
        config["epg"] = {"keep_days": 7, "sources": [{"path": link, "refresh": "1h"}]}
        with Amps(config, BOTH_CPUS) as amps:
            wait_for(lambda: is_imported(amps), "the small guide", 60)
            with Program(load_words(amps, "-c", viewers, "-d", 3600, "-w", 0), CLIENT_CPU):
                time.sleep(viewers / 500 + 2)
                quiet = self.join_ms(amps, 3 if self.quick else 10)
                old = fetch(amps.port, "?ids=101")
                os.unlink(link)
                os.link(path, link)
                amps.ask("epg_refresh")
                busy, served, anonymous = [], 0, {}
                end = time.monotonic() + GUIDE_SECONDS
                while fetch(amps.port, "?ids=101") == old:
                    if time.monotonic() > end:
                        raise Broken("the import was not seen")
                    busy += self.join_ms(amps, 0.5)
                    served += 1
                    for name, size in anonymous_bytes(amps):
                        anonymous[name] = max(size, anonymous.get(name, 0))
        row = {"viewers": viewers, "joins": len(busy), "anonymous_bytes": anonymous,
               "ms": {name: {"p50": quantile(t, .5), "p99": quantile(t, .99)}
                      for name, t in (("alone", quiet), ("importing", busy))}}
        self.out["joins"] = row
        print(f"joins beside {viewers} viewers, ms: " + ", ".join(
            f"{name} p50 {t['p50']:.2f} p99 {t['p99']:.2f}" for name, t in row["ms"].items()) +
            f"; the old guide was served {served} times meanwhile; anonymous memory, MiB: " +
            ", ".join(f"{name} {size / 2**20:.0f}" for name, size in sorted(anonymous.items())),
            flush=True)

    # -- the guide beside nginx

    def measure(self, amps, nginx, mtu, name, query, packed, size):
        rounds, seconds = (1, 1) if self.quick else (5, 2)
        got = {amps.label: [], nginx.label: []}
        paths = {amps.label: f"/epg.xml{packed}{query}",
                 nginx.label: f"/{name.replace(' ', '-')}.xml{packed}"}
        for i in range(rounds):
            for server in (amps, nginx) if i % 2 else (nginx, amps):
                _, done = per_cpu_second(server, paths[server.label], "identity", seconds)
                got[server.label].append(done * 8 / 1e6)
        row = {"mtu": mtu, "selection": name, "packed": bool(packed), "bytes": size,
               "rounds": rounds, "amps": got["amps"], "nginx": got["nginx"],
               "ratio": [a / n for a, n in zip(got["amps"], got["nginx"])]}
        self.out["selections"].append(row)
        print(f"{mtu:>6} {name:<16}{'packed' if packed else 'plain':<8}{size:>11}   "
              f"{cell(row['amps'], '.0f'):<26}{cell(row['nginx'], '.0f'):<26}"
              f"{cell(row['ratio'], '.2f')}", flush=True)

    def memory(self, amps):
        """PSS of master and worker, without the pages of the guide's snapshot."""
        pids = [p for p in process_tree(amps.pid)
                if os.path.basename(command_line(p).split(" ")[0]) in ("amps-master", "amps-worker")]
        snapshot = sum(map(snapshot_pss, pids))
        row = {"above_bytes": pss_bytes(pids) - snapshot, "snapshot_bytes": snapshot}
        self.out["memory"] = row
        print(f"PSS of master and worker: {row['above_bytes'] / 2**20:.0f} MiB beside a snapshot of "
              f"{snapshot / 2**20:.0f} MiB", flush=True)

    def selections(self, count, each):
        path = os.path.join(self.folder, "selections.xml")
        write_guide(path, range(1, count + 1), each, WORDS * 4)
        print(f"\nThe guide of {count} channels with {count * each} programmes, Mbit per CPU second, "
              "beside nginx (sendfile, open_file_cache)")
        print(f"{'MTU':>6} {'selection':<16}{'':<8}{'bytes':>11}   {'amps':<26}{'nginx':<26}"
              "ratio in a round")
        with Amps(with_guide(line_up(count, workers=1), path)) as amps:
            wait_for(lambda: is_imported(amps), "the guide", 240)
            files = {}
            for name, query in SELECTIONS:
                for packed in ("", ".gz"):
                    files[f"{name.replace(' ', '-')}.xml{packed}"] = fetch(amps.port, query, packed)
            self.memory(amps)
            with Nginx(files) as nginx:
                set_mtu(1500)
                for name, query in SELECTIONS:
                    plain, packed = (files[f"{name.replace(' ', '-')}.xml{p}"] for p in ("", ".gz"))
                    if gzip.decompress(packed) != plain:
                        raise Broken("the packed guide is another one")
                    self.measure(amps, nginx, 1500, name, query, "", len(plain))
                    self.measure(amps, nginx, 1500, name, query, ".gz", len(packed))

    def run(self):
        channels, each = (1000, 80) if self.quick else (10000, 80)
        big = os.path.join(self.folder, "big.xml")
        try:
            write_guide(big, range(1, channels + 1), each, WORDS * 6)
            self.measure_import(big, channels, channels // 10)
            set_mtu(65536)
            self.joins_beside(big, channels // 10, 100 if self.quick else 1000)
            os.unlink(big)
            self.selections(1000 if self.quick else 10000, 50)
        finally:
            shutil.rmtree(self.folder)
        return self.out
