"""What ISO/IEC 23009-1 asks of a live manifest that is read again and again, and ISO 14496-12 of its
segments."""
import http.client
import json
import os
import subprocess
import tempfile
import threading
from dataclasses import dataclass

import npm
from dash import parse
from harness import PATIENCE, ROOT
from ll_rules import read_files

POLL_S = 0.5
ANNOUNCED = 2                           # segments of low latency that are not complete
KEPT = 5                                # each so many manifests are kept for another parser
TICKS_SLACK = 90                        # 1 ms, of a duration that the next segment corrects
TIME_SLACK_S = 0.002                    # of what is in a segment against the manifest


def complete(representation):
    """The segments that do not grow."""
    low = "availabilityTimeOffset" in representation.template
    return representation.segments[:-ANNOUNCED] if low else representation.segments


class Rules:
    """What may change from one manifest to the next."""

    def __init__(self):
        self.begin_anew()

    def begin_anew(self):
        """The server was started again: what it had is gone."""
        self.starts = {}                # of Periods, by id
        self.known = {}                 # (Period, representation, number): Segment

    def check(self, manifest):
        starts = [p.start for p in manifest.periods]
        if starts != sorted(set(starts)):
            yield f"Periods start at {starts}"
        for period in manifest.periods:
            if self.starts.setdefault(period.name, period.start) != period.start:
                yield f"Period {period.name} moves from {self.starts[period.name]}"
            for r in period.pictures + period.sounds:
                yield from self.check_segments(period, r)

    def check_segments(self, period, r):
        for s in complete(r):
            old = self.known.setdefault((period.name, r.name, s.number), s)
            # the folder of its address is a signature, which changes
            if (old.url.rsplit("/", 1)[1], old.start) != (s.url.rsplit("/", 1)[1], s.start):
                yield f"{r.name}: {old} becomes {s}"
            if abs(old.ticks - s.ticks) > TICKS_SLACK:
                yield f"{r.name}: {old} lasts {s.ticks}"


@dataclass
class Run:
    """Segments of a representation in a row, as files."""
    # The first track of its Period: the times in the manifest are its own.  Others may break off and
    # begin elsewhere at a discontinuity.
    first: bool
    sound: bool
    segments: list
    paths: list


class DashCapture(threading.Thread):
    """Reads a manifest as a player does, fetches every segment once it is complete, and judges both."""

    def __init__(self, player):
        super().__init__(daemon=True)
        self.player, self.rules = player, Rules()
        self.broken, self.texts = [], []
        self.copies = self.refused = self.fetched = 0
        self.folder = tempfile.TemporaryDirectory(prefix="amps-dash-")
        self.files = {}                 # url without its signature: path
        self.runs = {}                  # (Period, representation): Run
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(POLL_S):
            try:
                self.poll()
            except (OSError, http.client.HTTPException):
                self.refused += 1       # its worker ended, or the server does not listen

    def poll(self):
        answer = self.player.ask()
        if answer.status != 200:
            self.refused += 1
            if answer.status != 503:
                self.broken.append(f"{answer.status} {answer.text}")
            return
        manifest = parse(answer.text, self.player.path)
        if self.copies % KEPT == 0:
            self.texts.append(answer.text)
        self.copies += 1
        self.broken += [x for x in self.rules.check(manifest) if x not in self.broken]
        for period in manifest.periods:
            for r in period.pictures + period.sounds:
                self.take(period, r)

    def take(self, period, r):
        run = self.runs.get((period.name, r.name))
        new = complete(r)
        if run is None:
            # a player begins near the end
            new = new[-1:] if not self.fetched else new
            init = self.keep(r.init)
            if not init or not new:
                return
            run = self.runs[period.name, r.name] = Run(
                r is (period.pictures + period.sounds)[0], r in period.sounds, [], [init])
        for s in new:
            if run.segments and s.number <= run.segments[-1].number:
                continue
            path = self.keep(s.url)
            if not path:
                return
            if run.segments and s.number != run.segments[-1].number + 1:
                self.broken.append(f"{r.name}: {s.number} follows {run.segments[-1].number}")
            run.segments.append(s)
            run.paths.append(path)
            self.fetched += 1

    def keep(self, url):
        """The path of what is at this URL."""
        name = url.rsplit("/", 2)
        if (name[1], name[2]) not in self.files:
            answer = self.player.server.get(url, self.player.headers, timeout=40)
            if answer.status != 200:
                self.broken.append(f"{url}: {answer.status} {answer.text}")
                return None
            path = os.path.join(self.folder.name, f"{len(self.files)}.mp4")
            with open(path, "wb") as f:
                f.write(answer.body)
            self.files[name[1], name[2]] = path
        return self.files[name[1], name[2]]

    def finish(self):
        self.over.set()
        self.join(60 * PATIENCE)
        assert not self.is_alive(), "a request is not answered"
        runs = [(name, run) for name, run in self.runs.items() if run.segments]
        for (name, run), read in zip(runs, read_files([run.paths for _, run in runs])):
            self.broken += [f"{name}: {x}" for x in check_run(run, read)]
        self.broken += read_with_npm(self.texts)
        self.folder.cleanup()


def check_run(run, read):
    """What mp4box says of the segments against the manifest."""
    if "error" in read:
        return [read["error"]]
    fragments, scale = read["fragments"], read["timescale"]
    broken = []
    if read["boxes"] != ["ftyp", "moov", *["moof", "mdat"] * len(fragments)]:
        broken.append(f"boxes {read['boxes']}")
    for before, x in zip(fragments, fragments[1:]):
        if x["begin"] != before["begin"] + before["duration"]:
            broken.append(f"a fragment begins at {x['begin']} behind {before}")
    lasts = sum(x["duration"] for x in fragments) / scale
    listed = sum(s.ticks for s in run.segments) / 90000
    if run.first and abs(lasts - listed) > TIME_SLACK_S * len(run.segments):
        broken.append(f"{len(run.segments)} segments last {lasts} s, not {listed}")
    if not run.sound and not fragments[0]["sync"]:
        broken.append("it does not begin with an access point")
    return broken


def read_with_npm(texts):
    """What mpd-parser reads otherwise than we do."""
    done = subprocess.run(["node", os.path.join(ROOT, "tests/system/read_dash.mjs"), npm.install()],
                          input=json.dumps(texts), capture_output=True, text=True, check=True,
                          timeout=60 * PATIENCE)
    broken = []
    for text, read in zip(texts, json.loads(done.stdout), strict=True):
        periods = parse(text, "/").periods
        expected = {"warnings": [],
                    "pictures": sum(len(r.segments) for p in periods for r in p.pictures),
                    "sounds": sum(len(r.segments) for p in periods for r in p.sounds)}
        broken += [f"mpd-parser: {read}, not {expected}: {text}"] * (read != expected)
    return broken
