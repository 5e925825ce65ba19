"""The API at a line-up of thousands of channels: writes while viewers play, and the whole list."""
import http.client
import json
import os
import statistics
import subprocess
import threading
import time

from figures import quantile, set_mtu
from lineups import line_up
from programs import (AMPS_PORT, BOTH_CPUS, CLIENT_CPU, FAULTS, SERVER_CPU, THIN_FILM, Amps, Broken,
                      Program, load, load_words, make_film, stat_of, wait_for)
from segments import Nginx

CLIENTS = 16
RATE = 100      # writes a second, of all clients
LIST_RATE = 15  # requests a second for the whole list, beside joins
JIFFY_MS = 10


def config(count):
    """Channel 1 plays a file of 2 Mbit/s, the others are idle."""
    text = line_up(count)
    text = text.replace('"http://origin1.example.net/live/1.ts"', f'"{THIN_FILM}"', 1)
    return text.replace("input_options: {re: null}", 'input_args: ["-re", "-stream_loop", "-1"]', 1)


def cpu_ms(pids):
    return JIFFY_MS * sum(stat[1] for stat in map(stat_of, pids) if stat)


def workers(amps):
    return [w["pid"] for w in amps.ask("status")["workers"]]


def rename(connection, number, name):
    connection.request("PUT", f"/api/streams/{number}", json.dumps({"name": name}),
                       {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise Broken(f"a write was answered {answer.status}: {body[:200]}")


class Writer(threading.Thread):
    """Renames channels of its own at a steady rate.  The time of a write begins when it is due, so
    that one that is late because of another counts in full."""

    def __init__(self, number, channels, seconds):
        super().__init__(daemon=True)
        self.number, self.seconds = number, seconds
        self.ids = range(2 + number, channels, CLIENTS)
        self.ms, self.names, self.wrong = [], {}, None

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", AMPS_PORT, timeout=60)
        begin = time.monotonic() + self.number / RATE
        try:
            for i in range(self.seconds * RATE // CLIENTS):
                due = begin + i * CLIENTS / RATE
                time.sleep(max(0, due - time.monotonic()))
                number, name = self.ids[i % len(self.ids)], f"Written {i}"
                rename(connection, number, name)
                self.names[number] = name
                self.ms.append((time.monotonic() - due) * 1000)
        except (OSError, http.client.HTTPException, Broken) as e:
            self.wrong = str(e)
        connection.close()


def write_all(channels, seconds):
    """What the writers have measured, and the names that must be there now."""
    writers = [Writer(n, channels, seconds) for n in range(CLIENTS)]
    for w in writers:
        w.start()
    for w in writers:
        w.join()
    wrong = [w.wrong for w in writers if w.wrong]
    if wrong:
        raise Broken(wrong[0])
    return ([ms for w in writers for ms in w.ms],
            {number: name for w in writers for number, name in w.names.items()})


def get_all(connection, path="/api/streams"):
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise Broken(f"the list was answered {answer.status}")
    return body


class Reader(threading.Thread):
    """Fetches the whole list at a steady rate until the block ends."""

    def __init__(self, server, path="/api/streams"):
        super().__init__(daemon=True)
        self.port, self.path = server.port, path
        self.ended, self.count, self.wrong = threading.Event(), 0, None

    def run(self):
        os.sched_setaffinity(0, {CLIENT_CPU})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        begin = time.monotonic()
        try:
            while not self.ended.wait(max(0, begin + self.count / LIST_RATE - time.monotonic())):
                get_all(connection, self.path)
                self.count += 1
        except (OSError, http.client.HTTPException, Broken) as e:
            self.wrong = str(e)
        connection.close()

    def __enter__(self):
        self.start()

    def __exit__(self, *_):
        self.ended.set()
        self.join()
        if self.wrong:
            raise Broken(self.wrong)


class Writes:
    def __init__(self, options):
        self.quick = options.quick
        self.channels = 1000 if self.quick else 10000
        self.viewers, self.seconds = (50, 3) if self.quick else (1000, 60)
        self.out, self.faults = {"channels": self.channels, "viewers": self.viewers}, []

    def playing(self, amps, seconds):
        """Viewers that end by themselves, and print what they got."""
        words = load_words(amps, "-c", self.viewers, "-d", seconds, "-w", 2, "-V", 20)
        load = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        wait_for(lambda: len(amps.ask("viewers")) >= self.viewers, "the viewers", 60, 0.1)
        return load

    def measure_writes(self, amps):
        pids = workers(amps)
        load = self.playing(amps, 2 * self.seconds + 10)
        before, start = cpu_ms(pids), time.monotonic()
        time.sleep(self.seconds)
        quiet = (cpu_ms(pids) - before) / (time.monotonic() - start)
        before, start = cpu_ms(pids), time.monotonic()
        master, generation = cpu_ms([amps.pid]), amps.ask("status")["generation"]
        ms, names = write_all(self.channels, self.seconds)
        took = time.monotonic() - start
        busy = (cpu_ms(pids) - before) / took
        master = (cpu_ms([amps.pid]) - master) / took
        published = amps.ask("status")["generation"] - generation
        got = json.loads(load.communicate()[0])
        faults = {name: got[name] for name in FAULTS if got[name]}
        if faults:
            self.faults.append(f"viewers beside writes: {faults}")
        listed = {c["id"]: c["name"] for c in
                  json.loads(get_all(http.client.HTTPConnection("127.0.0.1", AMPS_PORT)))}
        if any(listed[number] != name for number, name in names.items()):
            raise Broken("a write is not in the list")
        self.out["writes"] = {
            "count": len(ms), "seconds": took, "publications": published, "ms": ms,
            "worker_cpu_ms_per_s": {"quiet": quiet, "writes": busy}, "master_cpu_ms_per_s": master,
            "viewer_faults": faults, "mbps": got["mbps"]}
        print(f"{self.channels:,} channels, {self.viewers:,} viewers of 2 Mbit/s "
              f"({got['mbps']:.0f} Mbit/s): {len(ms)} writes, {len(ms) / took:.0f} a second: p50 "
              f"{quantile(ms, .5):.1f} ms, p99 {quantile(ms, .99):.1f} ms, max {max(ms):.0f} ms; "
              f"{published} publications; CPU-ms a second of the workers {quiet:.0f} without and "
              f"{busy:.0f} with writes, of the master {master:.0f}; viewers lost "
              f"{got['lost_bytes'] + got['alien_bytes']} bytes, {got['cc_err']} counter errors",
              flush=True)

    def fetch(self, row, connection, pids, count):
        """Fetches the list so often; the time of each, and the CPU time of the processes for one."""
        before = cpu_ms(pids)
        for _ in range(count):
            start = time.monotonic()
            row["bytes"] = len(get_all(connection))
            row["ms"].append((time.monotonic() - start) * 1000)
        row["cpu_ms"].append((cpu_ms(pids) - before) / count)

    def measure_list(self, amps):
        """The whole list: the first of a generation, and those that follow."""
        connection = http.client.HTTPConnection("127.0.0.1", AMPS_PORT, timeout=60)
        rows = {name: {"ms": [], "cpu_ms": []} for name in ("first", "later")}
        pids = [amps.pid, *workers(amps)]
        for i in range(2 if self.quick else 20):
            rename(connection, 2, f"Listed {i}")
            self.fetch(rows["first"], connection, pids, 1)
            self.fetch(rows["later"], connection, pids, 50)
        self.out["list"] = rows
        for name, row in rows.items():
            print(f"the list of {self.channels:,} channels ({row['bytes']} bytes), {name} of a "
                  f"generation: p50 {quantile(row['ms'], .5):.1f} ms, p99 "
                  f"{quantile(row['ms'], .99):.1f} ms, CPU-ms of master and workers "
                  f"{statistics.mean(row['cpu_ms']):.1f}", flush=True)

    def join_times(self, amps):
        got = load(amps, "-c", 5 if self.quick else 200, "--zap", "--zap-every", 41, "-V", -1,
                   "--values")
        if got["bad_starts"] or got["lost_clients"]:
            self.faults.append(f"joins: {got['bad_starts']} bad starts, "
                               f"{got['lost_clients']} lost")
        return got["rap_ms_values"]

    def measure_joins(self, amps):
        """Joins of the running channel alone, beside requests for the list, and beside requests for
        the same bytes from nginx on the same processor, in turns: reading them costs the client's
        processor as much as it costs Amps to send them."""
        rows = {"alone": [], "beside lists": [], "beside lists of nginx": []}
        viewer = load_words(amps, "-c", 1, "-d", 3600, "-w", 0)
        with Program(viewer, CLIENT_CPU), Nginx() as nginx:
            nginx.put("list", get_all(http.client.HTTPConnection("127.0.0.1", AMPS_PORT)))
            wait_for(lambda: any(t["state"] == "running" for t in amps.ask("tuners")), "the channel")
            self.join_times(amps)      # the first may wait for a key frame
            for _ in range(1 if self.quick else 3):
                rows["alone"] += self.join_times(amps)
                with Reader(amps):
                    rows["beside lists"] += self.join_times(amps)
                with Reader(nginx, "/list"):
                    rows["beside lists of nginx"] += self.join_times(amps)
        self.out["joins"] = rows
        for name, ms in rows.items():
            print(f"{len(ms)} joins {name}: p50 {quantile(ms, .5):.2f} ms, p99 "
                  f"{quantile(ms, .99):.2f} ms", flush=True)

    def run(self):
        print("\nThe API at a large line-up")
        make_film(THIN_FILM, "640x360", "1600k", 2_000_000)
        set_mtu(1500)
        with Amps(config(self.channels), cpus=SERVER_CPU) as amps:
            self.measure_joins(amps)
        with Amps(config(self.channels), cpus=BOTH_CPUS) as amps:
            self.measure_list(amps)
            self.measure_writes(amps)
        return self.out
