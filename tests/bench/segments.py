"""HLS: what segments and playlists cost beside nginx, which has the same bytes as files; packaging
beside `ffmpeg -c copy -f hls`; a thousand players through a cache; two hundred channels at once; and
how soon a running channel has its first playlist.

What is compared alternates within a round, or runs at the same time."""
import asyncio
import concurrent.futures
import http.client
import os
import re
import subprocess
import tempfile
import threading
import time

from figures import cell, quantile, set_mtu
from programs import (AMPS_PORT, BOTH_CPUS, CLIENT_CPU, FILM, SERVER_CPU, Amps, Broken, Program,
                      command_line, cpu_seconds, listens, load_words, make_film, process_tree, tool,
                      wait_for)
from hls import parse_media  # beside the system tests
from tuners import MANY_PORT, SMALL_BITS, SMALL_FILM, copied, cpu_ns, private_bytes, running_jobs

NGINX_PORT = 15400
LOOP = {"input_args": ["-re", "-stream_loop", "-1"]}
SEGMENT_S = 2
FILES, QUICK_FILES = 8, 2       # segments that are fetched, 2 MB each
LISTED = 30             # segments of a playlist of 60 s
CONNECTIONS, PLAYLIST_CONNECTIONS = 500, 16
TINY_FILM, TINY_BITS = os.path.join(os.path.dirname(FILM), "tiny.ts"), 200_000
KEPT_S = 20             # of each of the two hundred channels
MEGABYTE = 1 << 20
FRAGMENTS = ["-bsf:a", "aac_adtstoasc", "-hls_segment_type", "fmp4"]

NGINX = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
    types {{ video/mp2t ts; application/vnd.apple.mpegurl m3u8; }}
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    open_file_cache max=64;
    open_file_cache_valid 3600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=segments:8m max_size=1g;
    upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {folder};
        etag on;
        location {cached} {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_cache segments;
            proxy_cache_lock on;
        }}
    }}
}}
"""

LOAD = """
local paths, at = {{ {paths} }}, 0
request = function()
    at = at % #paths + 1
    return wrk.format("GET", paths[at])
end
done = function(summary)
    local e = summary.errors
    io.write(string.format("did %d %d %d\\n", summary.requests, summary.bytes,
                           e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def fetch(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers={"User-Agent": "bench"})
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise Broken(f"{path}: {answer.status} {body[:200]}")
    return body


def begin_sessions(port, number):
    """The paths of the media playlists of a new session, that of a variant first."""
    text = fetch(port, f"/hls/{number}/index.m3u8").decode()
    links = re.findall(r"^([^#\n].*)$", text, re.M) + re.findall(r'URI="([^"]*)"', text)
    if not links:
        raise Broken("a multivariant playlist without variants")
    return [f"/hls/{number}/{link}" for link in links]


def begin_session(port, number):
    return begin_sessions(port, number)[0]


def read_playlist(port, path):
    return parse_media(fetch(port, path).decode(), path)


class Keeper(threading.Thread):
    """A player that keeps its channels going: it only asks for playlists."""

    def __init__(self, paths, pause=1.0):
        super().__init__(daemon=True)
        self.paths, self.pause, self.over, self.error = paths, pause, threading.Event(), None

    def run(self):
        try:
            while not self.over.wait(self.pause):
                for path in self.paths:
                    fetch(AMPS_PORT, path)
        except (OSError, Broken) as e:
            self.error = e

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        self.join()
        if self.error and not kind:
            raise Broken(f"a player: {self.error}")


class Nginx(Program):
    """Serves files, and keeps what it fetches from Amps below `cached`."""

    label, port = "nginx", NGINX_PORT

    def __init__(self, cpus=SERVER_CPU, cached="/cached/"):
        # in memory, and readable for the worker's user
        self.folder = tempfile.TemporaryDirectory(prefix="amps-bench-", dir="/dev/shm")
        os.chmod(self.folder.name, 0o755)
        config = os.path.join(self.folder.name, "nginx.conf")
        with open(config, "w") as f:
            f.write(NGINX.format(folder=self.folder.name, port=NGINX_PORT, origin=AMPS_PORT,
                                 cached=cached))
        super().__init__(["nginx", "-c", config], cpus)
        wait_for(lambda: listens(NGINX_PORT), "nginx")

    def put(self, path, content):
        """A file at this path of the server.  A new one each time, because open ones are cached."""
        path = os.path.join(self.folder.name, path.lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content)

    def stop(self):
        super().stop()
        self.folder.cleanup()


def ask_all(server, paths, connections, seconds):
    """(requests, megabits) for each CPU second of the server."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LOAD.format(paths=", ".join(f'"{p}"' for p in paths)))
        script.flush()
        words = ["taskset", "-c", str(CLIENT_CPU), "wrk", "-t1", f"-c{connections}",
                 f"-d{seconds}", "--timeout", "30", "-s", script.name,
                 f"http://127.0.0.1:{server.port}"]
        before = cpu_seconds(server.pid)
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        used = max(cpu_seconds(server.pid) - before, 0.01)
    found = re.search(r"^did (\d+) (\d+) (\d+)$", done.stdout, re.M)
    if done.returncode or not found or found[3] != "0":
        raise Broken(f"wrk at {server.label}: {done.stdout}{done.stderr}")
    return int(found[1]) / used, int(found[2]) * 8 / 1e6 / used


# -- beside nginx

class Served:
    """Segments and media playlists of one server, beside nginx."""

    def __init__(self, quick):
        self.rounds, self.seconds = (1, 1) if quick else (7, 3)
        self.files = QUICK_FILES if quick else FILES
        self.quick, self.out = quick, []

    def run(self):
        print("\nHLS beside nginx (sendfile, open_file_cache), for a CPU second of the server")
        print(f"{'MTU':>6} {'what':<10}{'bytes':>9}   {'amps':<24}{'nginx':<24}ratio in a round")
        config = Amps.with_streams([copied(1, FILM, **LOOP)], idle_timeout=60)
        config["hls"] = {"segment_seconds": SEGMENT_S}
        with Amps(config) as amps, Nginx() as nginx:
            path = begin_session(amps.port, 1)
            with Keeper([path]):
                for mtu in (1500,) if self.quick else (1500, 65536):
                    set_mtu(mtu)
                    self.segments(amps, nginx, path, mtu)
                if not self.quick:
                    wait_for(lambda: len(read_playlist(amps.port, path).segments) >= LISTED,
                             "a playlist of its whole length", 90, .5)
                for mtu in (1500,) if self.quick else (1500, 65536):
                    set_mtu(mtu)
                    self.playlists(amps, nginx, path, mtu)
        return self.out

    def segments(self, amps, nginx, path, mtu):
        def list_them():
            return read_playlist(amps.port, path).segments[-self.files:]

        wait_for(lambda: len(list_them()) == self.files, "the segments", 60, .2)
        paths = [s.url for s in list_them()]
        bodies = [fetch(amps.port, p) for p in paths]
        for p, body in zip(paths, bodies):
            nginx.put(p, body)
        rounds = []
        for i in range(self.rounds):
            got = {server.label: ask_all(server, paths, CONNECTIONS, self.seconds)[1]
                   for server in ((amps, nginx) if i % 2 else (nginx, amps))}
            rounds.append(got)
        self.note("segments", mtu, sum(map(len, bodies)) // self.files, rounds)

    def playlists(self, amps, nginx, path, mtu):
        rounds = []
        for i in range(self.rounds):
            body = fetch(amps.port, path)
            copy = f"/media-{mtu}-{i}.m3u8"     # the newest one
            nginx.put(copy, body)
            got = {server.label: ask_all(server, [p], PLAYLIST_CONNECTIONS, self.seconds)[0]
                   for server, p in (((amps, path), (nginx, copy)) if i % 2
                                     else ((nginx, copy), (amps, path)))}
            rounds.append(got)
        self.note("playlists", mtu, len(body), rounds)

    def note(self, what, mtu, size, rounds):
        row = {"what": what, "mtu": mtu, "bytes": size, "amps": [r["amps"] for r in rounds],
               "nginx": [r["nginx"] for r in rounds],
               "ratio": [r["amps"] / r["nginx"] for r in rounds]}
        self.out.append(row)
        print(f"{mtu:>6} {what:<10}{size:>9}   {cell(row['amps'], '.0f'):<24}"
              f"{cell(row['nginx'], '.0f'):<24}{cell(row['ratio'], '.2f')}", flush=True)


# -- beside ffmpeg

def segment_jobs(amps):
    """Pids of the jobs that cut segments."""
    return [pid for pid in process_tree(amps.pid)
            if re.match(r"amps-transcoder \S+ segment", command_line(pid))]


def packaging(quick, low_latency=False):
    """CPU of the jobs for one `copy` channel, beside ffmpeg, at the same time."""
    rounds, seconds, warm_s = (2, 2, 3) if quick else (7, 8, 30)
    channel = copied(1, FILM, **LOOP, **({"output_format": "ll-hls"} if low_latency else {}))
    extension, kind = ("m4s", FRAGMENTS) if low_latency else ("ts", [])
    config = Amps.with_streams([channel], idle_timeout=60)
    config["hls"] = {"segment_seconds": SEGMENT_S}
    with tempfile.TemporaryDirectory(prefix="amps-bench-", dir="/dev/shm") as folder, \
            Amps(config, BOTH_CPUS) as amps:
        words = ["ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i",
                 FILM, "-c", "copy", "-f", "hls", "-hls_time", str(SEGMENT_S), "-hls_list_size",
                 str(LISTED), "-hls_flags", "delete_segments", *kind, "-hls_segment_filename",
                 os.path.join(folder, f"%d.{extension}"), os.path.join(folder, "index.m3u8")]
        with Program(words, BOTH_CPUS) as ffmpeg, Keeper(begin_sessions(amps.port, 1)):
            time.sleep(warm_s)
            source, cutter = list(running_jobs(amps).values()), segment_jobs(amps)
            if len(source) != 1 or len(cutter) != 1:
                raise Broken("one job of each kind was expected")
            rows = [used_ms([*source, *cutter, ffmpeg.pid], seconds) for _ in range(rounds)]
    out = {"source": [r[0] for r in rows], "segments": [r[1] for r in rows],
           "ffmpeg": [r[2] for r in rows], "ratio": [(r[0] + r[1]) / r[2] for r in rows]}
    print(f"packaging 8 Mbit/s as {extension}, CPU-ms a second: source job "
          f"{cell(out['source'], '.2f')}, segment job {cell(out['segments'], '.2f')}, "
          f"{' '.join(['ffmpeg -c copy -f hls', *kind])} {cell(out['ffmpeg'], '.2f')}"
          f";  both jobs / ffmpeg {cell(out['ratio'], '.2f')}", flush=True)
    return out


def used_ms(pids, seconds):
    """CPU milliseconds a second of each process."""
    before, since = [cpu_ns(p) for p in pids], time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - since
    return [(cpu_ns(p) - b) / 1e6 / passed for p, b in zip(pids, before)]


# -- through a cache

class CachedPlayer:
    """Fetches each playlist and each segment over one connection, as a player does."""

    def __init__(self):
        self.segments = set()

    async def get(self, path):
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"^content-length: (\d+)\r$", head, re.M | re.I)
        if " 200 " not in head[:16] or not length:
            raise Broken(f"{path}: {head}")
        return await self.reader.readexactly(int(length[1]))

    async def play(self, late_s, seconds):
        await asyncio.sleep(late_s)
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", NGINX_PORT)
        index = (await self.get("/hls/1/index.m3u8")).decode()
        path = "/hls/1/" + next(x for x in index.splitlines() if not x.startswith("#"))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for s in parse_media((await self.get(path)).decode(), path).segments[-3:]:
                if s.url not in self.segments:
                    self.segments.add(s.url)
                    await self.get(s.url)
            await asyncio.sleep(SEGMENT_S)
        self.writer.close()


async def play_all(count, seconds):
    players = [CachedPlayer() for _ in range(count)]
    await asyncio.gather(*(p.play(SEGMENT_S * i / count, seconds)
                           for i, p in enumerate(players)))
    return players


def through_a_cache(quick):
    """Segment requests that reach Amps; one player alone would need each segment once."""
    count, seconds = (50, 6) if quick else (1000, 30)
    make_film(TINY_FILM, "320x180", "100k", TINY_BITS)
    with tempfile.TemporaryDirectory(prefix="amps-bench-") as folder:
        log = os.path.join(folder, "access.log")
        config = Amps.with_streams([copied(1, TINY_FILM, **LOOP)], idle_timeout=60)
        config["hls"] = {"segment_seconds": SEGMENT_S}
        config["server"]["access_log"] = log
        with Amps(config, BOTH_CPUS) as amps, Nginx(BOTH_CPUS, "/"):
            players = asyncio.run(play_all(count, seconds))
            viewers = len(amps.ask("viewers"))
            time.sleep(2)               # the log is written behind
        with open(log) as f:
            asked = re.findall(r"GET (\S+\.ts)", f.read())
    different = len(set().union(*(p.segments for p in players)))
    row = {"players": count, "viewers": viewers, "segments": different, "asked": len(asked),
           "fetched": sum(len(p.segments) for p in players)}
    print(f"{count} players through nginx as a cache: {row['fetched']} segment requests, "
          f"{row['asked']} of them at the origin for {different} segments; {viewers} viewers",
          flush=True)
    return row


# -- many channels

def many(quick):
    """Memory and CPU of the two jobs of a channel."""
    count, seconds = (10, 4) if quick else (200, 20)
    make_film(SMALL_FILM, "640x360", "700k", SMALL_BITS)
    ports = range(MANY_PORT, MANY_PORT + count)
    config = Amps.with_streams([copied(i, f"udp://127.0.0.1:{port}")
                                for i, port in enumerate(ports, 1)],
                               idle_timeout=120, start_timeout=60)
    config["hls"] = {"segment_seconds": SEGMENT_S, "playlist_seconds": KEPT_S}
    config["media_limit_mb"] = 4096
    sender = [tool("tssend"), SMALL_FILM, str(SMALL_BITS), *(f"127.0.0.1:{p}" for p in ports)]
    with Program(sender, CLIENT_CPU), Amps(config, BOTH_CPUS) as amps, \
            concurrent.futures.ThreadPoolExecutor(32) as pool:
        paths = list(pool.map(lambda n: begin_session(amps.port, n), range(1, count + 1)))
        with Keeper(paths, SEGMENT_S):
            time.sleep(0 if quick else 2 * KEPT_S)
            groups = {"source": list(running_jobs(amps).values()), "segments": segment_jobs(amps)}
            row = {"channels": count, "running": {n: len(p) for n, p in groups.items()}}
            row["private_bytes"] = {n: [private_bytes(p) for p in pids]
                                    for n, pids in groups.items()}
            everything = sum(groups.values(), [])
            used = used_ms(everything, seconds)
            at = len(groups["source"])
            row["cpu_ms_each_s"] = {"source": sum(used[:at]) / count,
                                    "segments": sum(used[at:]) / count}
            lists = [read_playlist(amps.port, p) for p in paths]
    row["shortest_s"] = min(sum(s.seconds for s in p.segments) for p in lists)
    row["marks"] = sum(s.discontinuity for p in lists for s in p.segments)
    print(f"{count} channels of 1 Mbit/s with HLS, jobs {row['running']}, shortest playlist "
          f"{row['shortest_s']:.0f} s, {row['marks']} discontinuities;  private memory, MiB: "
          + ", ".join(f"{n} {cell([b / MEGABYTE for b in v], '.2f')}"
                      for n, v in row["private_bytes"].items())
          + ";  CPU-ms a second each: "
          + ", ".join(f"{n} {v:.2f}" for n, v in row["cpu_ms_each_s"].items()), flush=True)
    return row


# -- the first playlist

def first_playlists(quick):
    """From `connect` to the whole media playlist, on channels that run and have no HLS yet."""
    count = 3 if quick else 20
    config = Amps.with_streams([copied(i, FILM, **LOOP) for i in range(1, count + 1)],
                               idle_timeout=60)
    config["hls"] = {"segment_seconds": SEGMENT_S}
    paths = [f"/stream/{i}" for i in range(1, count)]
    times, listed = [], []
    with Amps(config, BOTH_CPUS) as amps, \
            Program(load_words(amps, "-c", count, "-d", 3600, "-w", 0, *paths,
                               path=f"/stream/{count}"), CLIENT_CPU):
        wait_for(lambda: len(running_jobs(amps)) == count, "the running channels", 60)
        time.sleep(4 if quick else 12)  # their rings are full
        for i in range(1, count + 1):
            since = time.monotonic()
            path = begin_session(amps.port, i)
            playlist = read_playlist(amps.port, path)
            times.append((time.monotonic() - since) * 1000)
            listed.append(sum(s.seconds for s in playlist.segments))
            time.sleep(.3)
    print(f"from a click to the media playlist of a running channel, {count} channels of "
          f"8 Mbit/s, ms:  p50 {quantile(times, .5):.1f} p99 {quantile(times, .99):.1f} max "
          f"{max(times):.1f};  it lists {cell(listed, '.1f')} s", flush=True)
    return {"ms": times, "listed_s": listed}


def measure(quick):
    """All of it; the figures."""
    return {"served": Served(quick).run(), "packaging": packaging(quick),
            "cache": through_a_cache(quick), "many": many(quick),
            "first_playlist": first_playlists(quick)}
