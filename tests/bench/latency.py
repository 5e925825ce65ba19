"""How old the pictures are that a player in a browser shows, by the clock in them (clock.py), and
how soon it shows the first one of a channel that runs already."""
import time

from figures import cell, quantile
from programs import BOTH_CPUS, Amps, Broken, wait_for
from segments import Keeper, begin_sessions
from tuners import copied
import browser  # beside the system tests
import clock
import npm

UDP_PORT = 15600
SEGMENT_S, PART_MS = 2, 200
CHANNEL = 1
PATHS = {"hls": f"/hls/{CHANNEL}/index.m3u8", "dash": f"/dash/{CHANNEL}/manifest.mpd"}
# (what it is called, the page's player, what it plays)
PLAYERS = (("Shaka LL-HLS", "shaka", "hls"), ("hls.js LL-HLS", "hls", "hls"),
           ("Shaka LL-DASH", "shaka", "dash"), ("dash.js LL-DASH", "dash", "dash"))
SETTLE_S = 5                            # until it has come near the live edge


def prepare():
    """Installs the players: the namespace of the measurements has no network."""
    if browser.program():
        npm.install()


def play(opened, files, player, url, seconds):
    """{"first_ms", "ages", "stalls"} of one player: the ages are of what it showed in the last part."""
    page = browser.Page(opened, files.url)
    wait_for(lambda: page.run("!!window.begin"), "the page", 20)
    page.run(f'void begin("{player}", "{url}", {{low: true, clock: true}})')
    wait_for(lambda: page.run("report()")["firstPicture"] or page.run("report()")["errors"],
             f"{player} at {url}", 30, .1)
    time.sleep(SETTLE_S)
    before = page.run("report()")
    page.run("void takeAges()")
    time.sleep(seconds)
    ages, now = page.run("takeAges()"), page.run("report()")
    page.close()
    if now["errors"] or not ages:
        raise Broken(f"{player} at {url}: {now}")
    return {"first_ms": now["firstPicture"], "ages": ages,
            "stalls": now["stalls"] - before["stalls"], "p50": quantile(ages, .5),
            "p95": quantile(ages, .95)}


def measure(rounds=5, seconds=15):
    if not browser.program():
        print("latency: there is no chromium; nothing measured")
        return []
    config = Amps.with_streams([copied(CHANNEL, f"udp://127.0.0.1:{UDP_PORT}",
                                       output_format="ll-hls")], idle_timeout=60)
    config["hls"] = {"segment_seconds": SEGMENT_S, "part_ms": PART_MS}
    print(f"\nAge of the pictures, 640x360 at 25/s, an access point each second, segments of "
          f"{SEGMENT_S} s, parts of {PART_MS} ms; medians of {rounds} runs, ms")
    rows = []
    with clock.sending(f"udp://127.0.0.1:{UDP_PORT}"), Amps(config, BOTH_CPUS) as amps, \
            browser.Files() as files, browser.Browser() as opened, \
            Keeper(begin_sessions(amps.port, CHANNEL)):
        time.sleep(3 * SEGMENT_S)
        for name, player, kind in PLAYERS:
            url = f"http://127.0.0.1:{amps.port}{PATHS[kind]}"
            runs = [play(opened, files, player, url, seconds) for _ in range(rounds)]
            rows.append({"player": name, "runs": runs})
            print(f"{name:<16} p50 {cell([r['p50'] for r in runs], '.0f')}, p95 "
                  f"{cell([r['p95'] for r in runs], '.0f')};  first picture after "
                  f"{cell([r['first_ms'] for r in runs], '.0f')};  "
                  f"{sum(r['stalls'] for r in runs)} stalls", flush=True)
    return rows
