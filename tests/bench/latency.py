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
HLS, DASH = f"/hls/{CHANNEL}/index.m3u8", f"/dash/{CHANNEL}/manifest.mpd"
# (what it is called, the page's player, what it plays); None: the server's own page plays
PLAYERS = (("Shaka LL-HLS", "shaka", HLS), ("hls.js LL-HLS", "hls", HLS),
           ("Shaka LL-DASH", "shaka", DASH), ("dash.js LL-DASH", "dash", DASH),
           ("mpegts.js", "mpegts", f"/stream/{CHANNEL}.ts?join_ms=0"),
           ("own player", None, f"/watch/{CHANNEL}"),
           ("own, WebSocket", None, f"/watch/{CHANNEL}?via=ws"))
SETTLE_S = 10                           # until it has come near the live edge


def prepare():
    """Installs the players: the namespace of the measurements has no network."""
    if browser.program():
        npm.install()


class Player:
    """A page of the tests that plays the address with this player."""

    def __init__(self, opened, files, player, url):
        self.page = browser.Page(opened, files.url)
        wait_for(lambda: self.page.run("!!window.begin"), "the page", 20)
        self.page.run(f'void begin("{player}", "{url}", {{low: true, clock: true}})')

    def report(self):
        return self.page.run("report()")

    def ages(self):
        return self.page.run("takeAges()")


class OwnPage:
    """The server's page of a channel."""

    def __init__(self, opened, url):
        self.page = browser.Page(opened, url)
        wait_for(lambda: self.page.run("typeof behind") == "function", "the page", 20)
        self.page.watch("video", True)
        wait_for(lambda: self.report()["firstPicture"], "the first picture", 30)
        # as of the other players: from the click on, not from the request for the page
        self.page.run("start.click(), Object.assign(pictures, {firstPicture: null, playing: false, "
                      "since: performance.now()}), start.click()")

    def report(self):
        return self.page.run("({...pictures, errors: message.hidden ? [] : [message.textContent]})")

    def ages(self):
        return self.page.run("pictures.ages.splice(0)")


def play(opened, files, player, url, seconds):
    """{"first_ms", "ages", "stalls"} of one player: the ages are of what it showed in the last part."""
    shown = Player(opened, files, player, url) if player else OwnPage(opened, url)
    wait_for(lambda: shown.report()["firstPicture"] or shown.report()["errors"],
             f"{player} at {url}", 30, .1)
    time.sleep(SETTLE_S)
    before = shown.report()
    shown.ages()
    time.sleep(seconds)
    ages, now = shown.ages(), shown.report()
    shown.page.close()
    if now["errors"] or not ages:
        raise Broken(f"{player} at {url}: {now}")
    return {"first_ms": now["firstPicture"], "ages": ages,
            "stalls": now["stalls"] - before["stalls"], "p50": quantile(ages, .5),
            "p95": quantile(ages, .95)}


def measure(rounds=5, seconds=10):
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
        for name, player, path in PLAYERS:
            url = f"http://127.0.0.1:{amps.port}{path}"
            runs = [play(opened, files, player, url, seconds) for _ in range(rounds)]
            rows.append({"player": name, "runs": runs})
            print(f"{name:<16} p50 {cell([r['p50'] for r in runs], '.0f')}, p95 "
                  f"{cell([r['p95'] for r in runs], '.0f')};  first picture after "
                  f"{cell([r['first_ms'] for r in runs], '.0f')};  "
                  f"{sum(r['stalls'] for r in runs)} stalls", flush=True)
    return rows
