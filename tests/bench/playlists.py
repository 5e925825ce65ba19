"""The playlist of a large line-up: Amps and nginx, which serves the same bytes as a file.

One worker each, pinned to the same CPU; requests per CPU second of the whole server, in turns."""
import gzip
import os
import re
import subprocess
import tempfile
import urllib.request

from figures import cell, set_mtu
from lineups import line_up
from programs import (AMPS_PORT, CLIENT_CPU, SERVER_CPU, Amps, Broken, Program, cpu_seconds,
                      listens, wait_for)

NGINX_PORT = 15400
CONNECTIONS = 16
CODINGS = ("identity", "gzip")

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    types {{ audio/x-mpegurl m3u; }}
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    open_file_cache max=16;
    open_file_cache_valid 3600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {folder};
        gzip_static on;
        etag on;
    }}
}}
"""


def fetch(port, coding):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/playlist.m3u",
                                     headers={"Accept-Encoding": coding})
    with urllib.request.urlopen(request) as answer:
        return answer.read()


class Nginx(Program):
    """Serves files: {name: bytes}; NAME.gz also as the compressed form of NAME."""

    label, port = "nginx", NGINX_PORT

    def __init__(self, files):
        # in memory, and readable for the worker's user
        self.folder = tempfile.TemporaryDirectory(prefix="amps-bench-", dir="/dev/shm")
        os.chmod(self.folder.name, 0o755)
        for name, content in files.items():
            with open(os.path.join(self.folder.name, name), "wb") as f:
                f.write(content)
        config = os.path.join(self.folder.name, "nginx.conf")
        with open(config, "w") as f:
            f.write(NGINX.format(folder=self.folder.name, port=NGINX_PORT))
        super().__init__(["nginx", "-c", config], SERVER_CPU)
        wait_for(lambda: listens(NGINX_PORT), "nginx")

    def stop(self):
        super().stop()
        self.folder.cleanup()


def per_cpu_second(server, path, coding, seconds):
    """One run of the load client: (requests, bytes) for a CPU second of the server."""
    words = ["taskset", "-c", str(CLIENT_CPU), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}",
             "--timeout", "60s",
             "-H", f"Accept-Encoding: {coding}", f"http://127.0.0.1:{server.port}{path}"]
    before = cpu_seconds(server.pid)
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    used = cpu_seconds(server.pid) - before
    count = re.search(r"(\d+) requests in \S+, ([\d.]+)([KMGT]?)B read", done.stdout)
    if done.returncode or not count or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise Broken(f"wrk at {server.label}: {done.stdout}{done.stderr}")
    size = float(count[2]) * 1024 ** ["", *"KMGT"].index(count[3])
    return int(count[1]) / max(used, 0.01), size / max(used, 0.01)


class Playlists:
    def __init__(self, options):
        self.quick = options.quick
        self.out = []

    def measure(self, amps, nginx, mtu, coding, size):
        rounds, seconds = (1, 1) if self.quick else (7, 2)
        got = {amps.label: [], nginx.label: []}
        for i in range(rounds):
            for server in (amps, nginx) if i % 2 else (nginx, amps):
                got[server.label].append(
                    per_cpu_second(server, "/playlist.m3u", coding, seconds)[0])
        row = {"mtu": mtu, "coding": coding, "bytes": size, "rounds": rounds,
               "amps": got["amps"], "nginx": got["nginx"],
               "ratio": [a / n for a, n in zip(got["amps"], got["nginx"])]}
        self.out.append(row)
        print(f"{mtu:>6} {coding:<9}{size:>9}   {cell(row['amps'], '.0f'):<24}"
              f"{cell(row['nginx'], '.0f'):<24}{cell(row['ratio'], '.2f')}", flush=True)

    def run(self):
        print("\nThe playlist of 10,000 channels, requests per CPU second, beside nginx "
              "(sendfile, open_file_cache, gzip_static)")
        print(f"{'MTU':>6} {'coding':<9}{'bytes':>9}   {'amps':<24}{'nginx':<24}ratio in a round")
        with Amps(line_up(10000, workers=1)) as amps:
            bodies = {coding: fetch(amps.port, coding) for coding in CODINGS}
            if gzip.decompress(bodies["gzip"]) != bodies["identity"]:
                raise Broken("the compressed playlist is another one")
            with Nginx({"playlist.m3u": bodies["identity"],
                        "playlist.m3u.gz": bodies["gzip"]}) as nginx:
                for mtu in (1500,) if self.quick else (1500, 65536):
                    set_mtu(mtu)
                    for coding in CODINGS:
                        if fetch(nginx.port, coding) != bodies[coding]:
                            raise Broken("nginx serves something else")
                        self.measure(amps, nginx, mtu, coding, len(bodies[coding]))
        return self.out
