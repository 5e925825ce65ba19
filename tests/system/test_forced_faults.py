"""A channel that does not break: whatever happens to its sources, its viewers go on over one connection."""
import contextlib
import json
import os
import random
import subprocess
import time

import pytest

import media
from fmp4 import Mp4
from harness import PATIENCE, kill, wait_for
from hls import Player
from hls_rules import Capture
from lineup import channel, line_up
from live import Film, Live
from test_slate_forms import Tape
from trouble import other_pids, packets
from watch import DEFECTS, judge
from watcher import Watcher

SOAK = bool(os.environ.get("AMPS_SOAK"))
SEED = int(os.environ.get("AMPS_SEED", "1"))
APART_S = 12 if SOAK else 2             # from one fault to the next
STALL_S = 4 if SOAK else 1
KEY_S = 1.0                             # between two key frames of the films
SEGMENT_S = 2 if SOAK else 1
ARRIVAL_S = 0.5                         # media come in portions
MORE = (150, 6, 1)                      # packets, fragments and segments: viewers go on
HOUR = 3600 * 90000
# how long viewers may be without media, the wait for a key frame included
LIMITS = {"dead": 1 + KEY_S, "silent": STALL_S + 1 + KEY_S, "in place": KEY_S, "job": 1 + KEY_S}

pytestmark = [pytest.mark.soak, pytest.mark.limit(1800)] if SOAK else [pytest.mark.heavy]


def answer(status, more=""):
    return f"HTTP/1.1 {status}\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()


def segment_job(server):
    return [pid for pid, (_, line) in server.processes().items()
            if line.startswith("amps-transcoder 1 segment")][0]


# name: (of which sort, what happens to the source in use)
KINDS = {
    "end": ("dead", lambda s, live: live.end()),
    "reset": ("dead", lambda s, live: live.end(abort=True)),
    "404": ("dead", lambda s, live: live.end(answer("404 Not Found"))),
    "403": ("dead", lambda s, live: live.end(answer("403 Forbidden"))),
    "429": ("dead", lambda s, live: live.end(answer("429 Too Many Requests", "Retry-After: 60\r\n"))),
    "redirects": ("dead", lambda s, live: live.end(answer("302 Found", f"Location: {live.url()}\r\n"))),
    "silence": ("silent", lambda s, live: live.send_instead(b"")),
    "garbage": ("silent", lambda s, live: live.send_instead(bytes(188))),
    "web page": ("silent", lambda s, live: live.send_instead(b"<html><p>Gone</p></html>\n")),
    "frozen clock": ("silent", lambda s, live: live.freeze_clock()),
    "jump ahead": ("in place", lambda s, live: live.jump(HOUR)),
    "jump back": ("in place", lambda s, live: live.jump(-HOUR)),
    "wrap": ("in place", lambda s, live: live.wrap()),
    "lost packets": ("in place", lambda s, live: live.lose_packets()),
    "other PIDs": ("in place", lambda s, live: live.other_film(1)),
    "other codecs": ("in place", lambda s, live: live.other_film(2)),
    "job killed": ("job", lambda s, live: kill(s.tuner("1")["pid"])),
    "segment job killed": ("job", lambda s, live: kill(segment_job(s))),
}
SHORT = ("end", "wrap", "web page", "other codecs", "redirects", "lost packets", "job killed",
         "frozen clock", "other PIDs", "silence")


def order():
    """Of sixty, each kind as often as the others."""
    if not SOAK:
        return SHORT
    chance, kinds = random.Random(SEED), []
    while len(kinds) < 60:
        kinds += chance.sample(list(KINDS), len(KINDS))
    return kinds[:60]


class Segments(Capture):
    """Notes when segments come."""

    def __init__(self, player):
        super().__init__(player, 0)
        self.last, self.longest_gap = time.monotonic(), 0.0

    def fetch(self, s):
        super().fetch(s)
        now = time.monotonic()
        self.longest_gap, self.last = max(self.longest_gap, now - self.last), now


class Parts(Mp4):
    """Keeps what follows each init segment as a file of its own."""

    def __init__(self):
        self.parts = []
        super().__init__()

    def take_init(self, data):
        super().take_init(data)
        self.parts.append([data])

    def take_fragment(self, data):
        super().take_fragment(data)
        self.parts[-1].append(data)


class Channel:
    """A channel with two live sources, and a viewer of each form."""

    def __init__(self, server, stack):
        # each with the same pictures on other PIDs, and with other codecs
        contents = [(film, other_pids(film, 0x100), packets(media.hevc_film()))
                    for film in map(packets, (media.long_film(), media.other_film()))]
        self.lives = [stack.enter_context(Live(*map(Film, data))) for data in contents]
        self.server = s = server(line_up(
            channel(1, self.lives[0].url(), sources=[self.lives[1].url()], output_format="hls"),
            streaming={"stall_timeout": STALL_S, "idle_timeout": 60},
            hls={"segment_seconds": SEGMENT_S}))
        self.ts = stack.enter_context(Watcher(s, "/stream/1.ts", checker=Tape))
        self.mp4 = stack.enter_context(Watcher(s, "/stream/1?format=mp4", checker=Parts))
        self.hls = Segments(Player(s))
        stack.callback(self.hls.over.set)
        self.hls.start()
        self.viewers = {"ts": self.ts, "mp4": self.mp4, "hls": self.hls}
        self.seen = 0             # defects of segments and playlists that were reported
        self.longest = {}         # kind of fault: the longest times without media, of each form
        self.wait_more()

    def used(self):
        """The source in use."""
        number = wait_for(lambda: self.server.tuner("1")["source_number"], 20, "a source")
        return self.lives[number - 1]

    def wait_more(self):
        """Until viewers of each form have got more."""
        def played():
            return self.ts.packets(), self.mp4.packets(), self.hls.fetched

        before = played()
        wait_for(lambda: all(now >= then + more for now, then, more in
                             zip(played(), before, MORE)) or self.ts.ended or self.mp4.ended, 30,
                 "viewers to go on")

    def force(self, kind):
        """What is wrong after this fault."""
        sort, act = KINDS[kind]
        live, before = self.used(), self.server.tuner("1")
        holes, errors = live.holes, len(self.ts.checker.cc_errors)
        for v in self.viewers.values():
            v.longest_gap = 0.0
        act(self.server, live)
        if sort in ("dead", "silent"):
            wait_for(lambda: self.used() is not live, 20, "the other source")
        self.wait_more()
        wait_for(lambda: time.monotonic() > live.lossy_until, 20, "the loss to be over")
        if live.holes > holes:
            self.wait_more()
            self.wait_more()
        after = self.server.tuner("1")
        live.heal()
        gaps = {form: round(v.longest_gap, 1) for form, v in self.viewers.items()}
        print(f"{kind}, source {self.lives.index(live) + 1}: without media for {gaps}")
        self.longest[kind] = {form: max(gap, self.longest.get(kind, gaps)[form])
                              for form, gap in gaps.items()}
        found = [*(f"{form}: {v.error or 'it ended'}" for form, v in self.viewers.items()
                   if form != "hls" and v.ended), *self.hls.broken[self.seen:]]
        self.seen += len(self.hls.broken[self.seen:])
        lost, holes = len(self.ts.checker.cc_errors) - errors, live.holes - holes
        if lost > holes:
            found.append(f"{lost} continuity errors: {self.ts.checker.cc_errors[errors:]}")
        if sort == "in place" and after["restarts"] != before["restarts"]:
            found.append(f"not handled in place: {after}")
        # what the source has lost is missing in segments, too
        return [x for x in found if not (holes and "continuity" in x)]

    def check_gaps(self):
        # a segment comes as a whole, and its player looks for it from time to time
        more = {"ts": ARRIVAL_S, "mp4": ARRIVAL_S, "hls": 2 * SEGMENT_S + ARRIVAL_S}
        for kind, gaps in self.longest.items():
            for form, gap in gaps.items():
                if gap > (LIMITS[KINDS[kind][0]] + more[form]) * PATIENCE:
                    yield f"{kind}: {form} was without media for {gap:.1f} s"

    def check_streams(self, folder):
        """What was received as a whole."""
        tape, mp4 = self.ts.checker, self.mp4.checker
        whole = b"".join(tape.bytes)
        seen = judge(whole)
        holes = sum(live.holes for live in self.lives)
        yield from (f"{name}: {seen[name]} {seen['error']}" for name in DEFECTS
                    if seen[name] > (holes if name == "cc" else 0))
        # equal clock references come from the source, whose clock one fault stops
        back = tape.backwards + [x for x in tape.pcr_backwards if x[2] < x[1]]
        if back:
            yield f"time goes back: {back[:3]}"
        yield from (f"mp4: {kind} leaps by {s:.2f} s" for kind, s in mp4.gaps
                    if not 0 <= s <= LIMITS["silent"])
        yield from read_back(folder / "capture.ts", whole)
        for n, part in enumerate(mp4.parts):
            yield from read_back(folder / f"part{n}.mp4", b"".join(part))


def read_back(path, data):
    """What ffmpeg's demuxer finds: times that go back within a stream."""
    path.write_bytes(data)
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "warning", "-i", str(path), "-map", "0:v", "-map", "0:a", "-c",
         "copy", "-f", "null", "-"], capture_output=True, text=True, check=False)
    said = [x for x in done.stderr.splitlines() if "monoton" in x or "Invalid" in x]
    if done.returncode or said:
        yield f"{path.name}: {done.returncode} {len(said)} {said[:3]}"


def test_faults_of_every_kind(server, tmp_path):
    with contextlib.ExitStack() as stack:
        c = Channel(server, stack)
        audience = sorted(v["id"] for v in c.server.viewers())
        broken = []
        for n, kind in enumerate(order(), 1):
            begin = time.monotonic()
            broken += [f"{n}, {kind}: {x}" for x in c.force(kind)]
            assert not c.ts.ended and not c.mp4.ended, broken
            time.sleep(max(0, begin + APART_S - time.monotonic()))
        assert sorted(v["id"] for v in c.server.viewers()) == audience
        c.hls.finish()
        c.ts.stop()
        c.mp4.stop()
        broken += [*c.hls.broken[c.seen:], *c.check_gaps(), *c.check_streams(tmp_path)]
        broken += [f"{live.origin.connections.peak} connections to one source"
                   for live in c.lives if live.origin.connections.peak > 1]
    print(f"seed {SEED}, longest times without media:", json.dumps(c.longest))
    assert broken == [], "\n".join(broken)
