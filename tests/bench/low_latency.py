"""HLS with low latency: five hundred players of one channel beside nginx, which has the same bytes as
files; packaging beside `ffmpeg -c copy -f hls -hls_segment_type fmp4`; and what a browser shows."""
import glob
import json
import os
import re
import subprocess
import urllib.parse

import latency
import segments
from figures import cell
from programs import CLIENT_CPU, Amps, Broken, cpu_seconds, make_film, tool, wait_for
from segments import LISTED, LOOP, SEGMENT_S, Keeper, Nginx, begin_sessions, fetch
from tuners import SMALL_BITS, SMALL_FILM, copied

PART_MS = 200
PLAYERS = 500


def parts_of(text):
    return re.findall(r'^#EXT-X-PART:.*URI="([^"]*)"', text, re.M)


def run_players(server, count, seconds, words):
    """What the players report, with the CPU seconds that the server used."""
    command = [tool("ll_players"), "-p", server.port, "-c", count, "-d", seconds, "-w", 3, "--cpu",
               CLIENT_CPU, *words]
    with subprocess.Popen([str(w) for w in command], stdout=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL) as process:
        begun = process.stdout.readline()
        before = cpu_seconds(server.pid)
        line = process.stdout.readline()
        used = max(cpu_seconds(server.pid) - before, 0.01)
    if process.returncode or begun != "begin\n":
        raise Broken(f"the players of {server.label} failed")
    return dict(json.loads(line), cpu_s=used)


def newest_parts(port, paths):
    """[(playlist of what a player asks for next, newest part)], each as (path, body)."""
    found = []
    for path in paths:
        text = fetch(port, path).decode()
        msn = int(re.search(r"SEQUENCE:(\d+)$", text, re.M)[1]) + text.count("#EXTINF:")
        update = fetch(port, f"{path}&_HLS_msn={msn}&_HLS_part=0&_HLS_skip=YES")
        part = urllib.parse.urljoin(path, parts_of(update.decode())[-1])
        found.append(((path, update), (part, fetch(port, part))))
    return found


def folder_of(amps):
    """Where the segment job of the channel writes."""
    state = os.path.join(amps.folder, "state")
    folders = glob.glob("/dev/shm/amps" + state.replace("/", "-") + "/1/*/")
    if len(folders) != 1:
        raise Broken(f"one folder of segments was expected: {folders}")
    return folders[0]


def players(quick):
    rounds, seconds, count = (1, 2, 20) if quick else (5, 10, PLAYERS)
    make_film(SMALL_FILM, "640x360", "700k", SMALL_BITS)
    config = Amps.with_streams([copied(1, SMALL_FILM, output_format="ll-hls", **LOOP)],
                               idle_timeout=60)
    config["hls"] = {"segment_seconds": SEGMENT_S, "part_ms": PART_MS}
    out = []
    with Amps(config) as amps, Nginx() as nginx:
        paths = begin_sessions(amps.port, 1)
        with Keeper(paths):
            wait_for(lambda: fetch(amps.port, paths[0]).count(b"#EXTINF:") >=
                     (3 if quick else LISTED), "a playlist of its whole length", 90, .5)
            for i in range(rounds):
                files = []
                for n, pair in enumerate(newest_parts(amps.port, paths)):
                    for kind, (_, body) in zip(("m3u8", "m4s"), pair):
                        files.append(f"/{i}-{n}.{kind}")
                        nginx.put(files[-1], body)
                run = {"amps": lambda: run_players(amps, count, seconds, [
                           "--folder", folder_of(amps), *paths]),
                       "nginx": lambda f=files: run_players(nginx, count, seconds, [
                           "--every", PART_MS, *f])}
                order = ("amps", "nginx") if i % 2 else ("nginx", "amps")
                out.append({name: run[name]() for name in order})
    rate = {name: [r[name]["requests"] / r[name]["cpu_s"] for r in out]
            for name in ("amps", "nginx")}
    ratio = [a / b for a, b in zip(rate["amps"], rate["nginx"])]
    mine = [r["amps"] for r in out]
    print(f"{count} players of one channel with parts of {PART_MS} ms, ms from a part's last byte to "
          f"the playlist that has it:  p50 {cell([r['p50_ms'] for r in mine], '.1f')}, p99 "
          f"{cell([r['p99_ms'] for r in mine], '.1f')}, max {max(r['max_ms'] for r in mine):.1f} of "
          f"{sum(r['answers'] for r in mine)};  requests for each CPU second: amps "
          f"{cell(rate['amps'], '.0f')}, nginx {cell(rate['nginx'], '.0f')}, ratio in a round "
          f"{cell(ratio, '.2f')}", flush=True)
    return {"rounds": out, "ratio": ratio}


def measure(quick):
    """All of it; the figures.  A browser is too slow for the quick form."""
    out = {"players": players(quick), "packaging": segments.packaging(quick, True)}
    return out if quick else dict(out, ages=latency.measure())
