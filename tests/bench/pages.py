"""What the page costs: the bytes of its files, the time to its first paint, the filter of 10,000
channels, and a worker with many pages open."""
import os
import time

from figures import cell
from lineups import line_up
from programs import BOTH_CPUS, Amps, stat_of, wait_for
import browser  # beside the system tests

PAINT = """performance.getEntriesByName("first-contentful-paint")[0]?.startTime"""
BYTES = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
	.filter((e) => /^[/](ui[/].*)?$/.test(new URL(e.name).pathname))
	.reduce((sum, e) => [sum[0] + 1, sum[1] + e.encodedBodySize, sum[2] + e.decodedBodySize], [0, 0, 0])"""
# [ms] from each keystroke until the picture that follows it has been drawn
PICTURES = """(window.took = [], addEventListener("input", (event) => requestAnimationFrame(() => {
	const drawn = new MessageChannel();
	drawn.port1.onmessage = () => took.push(performance.now() - event.timeStamp);
	drawn.port2.postMessage(null);
}), true), search.focus(), null)"""
KEYS = ["9"] * 4 + ["Backspace"] * 4
WIDTH, HEIGHT = 1920, 1080
VIEWS = {"Watch": ("/", "document.querySelector('.channel')"),
         "See": ("/#see", "document.querySelector('.fact')")}


def opened_page(opened, path, there, host="127.0.0.1"):
    page = browser.Page(opened, f"http://{host}:{Amps.port}{path}")
    wait_for(lambda: page.run(f"!!{there}"), path, 60, 0.05)
    return page


def processor_seconds(pid):
    return stat_of(pid)[1] / os.sysconf("SC_CLK_TCK")


def first_paint(opened, rounds):
    """(ms, [files, bytes as sent, bytes]) of a browser that has nothing of the page yet."""
    times = []
    for _ in range(rounds):
        page = opened_page(opened, "/", VIEWS["Watch"][1])
        page.browser.call("Network.enable", page.session)
        page.browser.call("Network.clearBrowserCache", page.session)
        page.browser.call("Page.reload", page.session, ignoreCache=True)
        wait_for(lambda: page.run(PAINT + " && " + VIEWS["Watch"][1] + " !== null"), "the paint", 30)
        times.append(page.run(PAINT))
        sizes = page.run(BYTES)
        page.close()
    return times, sizes


def filter_times(page):
    """Milliseconds from each of KEYS in the search until the picture of what it leaves."""
    page.run(PICTURES)
    for n, key in enumerate(KEYS):
        page.press(key)
        wait_for(lambda n=n: page.run("took.length") > n, f"the picture after {key}", 10, 0.02)
    return page.run("took")


def many(amps, opened, view, count, seconds):
    """The part of a processor that the worker needs for this many open pages."""
    # a browser has at most six connections to a host, and each page keeps one for events
    pages = [opened_page(opened, *VIEWS[view], f"page{i}.localhost") for i in range(count)]
    pid = amps.worker_pid()
    time.sleep(2)
    before = processor_seconds(pid)
    time.sleep(seconds)
    used = (processor_seconds(pid) - before) / seconds
    for page in pages:
        page.close()
    print(f"{count} pages of {view} open: {100 * used:.2f}% of a processor for the worker",
          flush=True)
    return used


def measure(quick):
    if not browser.program():
        print("page: there is no chromium; nothing measured")
        return {}
    rounds, count, seconds = (2, 3, 3) if quick else (11, 50, 10)
    out = {}
    with Amps(line_up(8, workers=1), BOTH_CPUS) as amps, browser.Browser() as opened:
        out["paint_ms"], out["bytes"] = first_paint(opened, rounds)
        files, sent, plain = out["bytes"]
        print(f"\nThe page: {files} files, {sent} bytes as sent, {plain} unpacked; first paint after "
              f"{cell(out['paint_ms'], '.0f')} ms", flush=True)
        out["open"] = many(amps, opened, "See", count, seconds)
    with Amps(line_up(10_000, workers=1), BOTH_CPUS), browser.Browser() as opened:
        firsts = []
        for _ in range(rounds):
            page = opened_page(opened, *VIEWS["Watch"])
            opened.call("Emulation.setDeviceMetricsOverride", page.session, width=WIDTH,
                        height=HEIGHT, deviceScaleFactor=1, mobile=False)
            wait_for(lambda p=page: p.run("document.querySelectorAll('.channel').length > 40"),
                     "a full window of channels", 30)
            first, *rest = filter_times(page)
            firsts.append(first)
            out.setdefault("filter_ms", []).append(max(rest))
            page.close()
        out["first_filter_ms"] = firsts
        print(f"filtering 10,000 channels in a window of {WIDTH} x {HEIGHT}, from a keystroke to its "
              f"picture: the first one in a page {cell(firsts, '.1f')} ms, then "
              f"{cell(out['filter_ms'], '.1f')} ms, the slowest of {len(rest)}", flush=True)
    return out
