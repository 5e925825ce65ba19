"""What RFC 8216 asks of a live playlist and of its segments, checked between the copies that a player
gets one after the other."""
import datetime
import http.client
import json
import math
import os
import subprocess
import threading

import npm
from harness import PATIENCE, ROOT
from hls import parse_media
from ts import PACKET, Checker

DATE_SLACK_S = 0.005
TIME_SLACK_S = 0.05                     # of the pictures' times against the durations
LEAST_TARGETS = 3                       # what a playlist keeps when it drops segments
WRAP_S = (1 << 33) / 90000


def seconds_of(date):
    return datetime.datetime.fromisoformat(date.replace("Z", "+00:00")).timestamp()


class Rules:
    """Of one media playlist.  check() is called with each copy of it and returns what is wrong."""

    def __init__(self):
        self.first = None               # number
        self.last = None                # the copy before
        self.known = {}                 # number: segment
        self.discontinuities = {}       # number: discontinuity sequence of the segment
        self.anew = False               # the numbers may leave a gap

    def begin_anew(self):
        """The server starts again: the next copy may have a gap before its first segment."""
        self.anew = True

    def check(self, p):
        if not p.segments:
            return ["no segment"]
        for x in p.segments:
            # a short segment in front of a discontinuity has the date that the segment before gave it
            if x.date is None and x.number in self.known:
                x.date = self.known[x.number].date
        broken = [*self.of_one(p), *self.of_dates(p)]
        if self.last:
            broken += self.of_two(self.last, p)
        broken += self.of_segments(p)
        self.first = self.first or p.number
        self.last = p
        return broken

    def of_one(self, p):
        if p.ended:
            yield "it has ended"
        for s in p.segments:
            if int(s.seconds + .5) > p.target:
                yield f"{s.number} lasts {s.seconds} s, more than {p.target}"
        if self.first not in (None, p.number):
            total = sum(s.seconds for s in p.segments)
            if total < LEAST_TARGETS * p.target - TIME_SLACK_S and not self.anew:
                yield f"{total} s are left when segments are dropped"

    @staticmethod
    def of_dates(p):
        for a, b in zip(p.segments, p.segments[1:]):
            if None in (a.date, b.date):
                continue
            off = seconds_of(b.date) - seconds_of(a.date) - a.seconds
            # at a discontinuity the dates go forward, and may leave out or repeat a part
            least, most = ((-a.seconds, math.inf) if b.discontinuity else
                           (-DATE_SLACK_S, DATE_SLACK_S))
            if not least <= off <= most:
                yield f"the date of {b.number} is {off:+.3f} s off"

    def of_two(self, a, b):
        if a.target != b.target:
            yield f"the target duration changes from {a.target} to {b.target}"
        if b.number < a.number:
            yield f"the numbers go back from {a.number} to {b.number}"
        if b.discontinuities < a.discontinuities:
            yield f"discontinuities go back from {a.discontinuities} to {b.discontinuities}"
        if b.segments[-1].number < a.segments[-1].number:
            yield f"the end goes back from {a.segments[-1].number} to {b.segments[-1].number}"
        if b.number > a.segments[-1].number + 1:
            if not self.anew:
                yield f"a gap before {b.number}, the last was {a.segments[-1].number}"
            self.anew = False
            self.first = b.number

    def of_segments(self, p):
        count = p.discontinuities
        for s in p.segments:
            count += s.discontinuity
            if self.known.setdefault(s.number, s) != s:
                yield f"{s.number} changes from {self.known[s.number]} to {s}"
            if self.discontinuities.setdefault(s.number, count) != count:
                yield (f"{s.number} changes from discontinuity {self.discontinuities[s.number]} "
                       f"to {count}")


class Content:
    """The segments of one playlist, in their order.  check() returns what is wrong with the next."""

    def __init__(self):
        self.last = None                # (segment, time of its first picture)
        self.run = Checker()            # of the segments since a discontinuity

    def check(self, s, data):
        one = Checker(data)
        if len(data) % PACKET:
            return [f"{s.number} has {len(data)} bytes"]
        try:
            one.check_start()
            one.check()
        except AssertionError as e:
            return [f"{s.number}: {e}"]
        follows = self.last and self.last[0].number + 1 == s.number and not s.discontinuity
        begin = one.pts[one.video_pid][0] / 90000
        broken = list(self.of_time(s, begin)) if follows else []
        if not follows:
            self.run = Checker()
        errors = len(self.run.cc_errors)
        self.run.feed(data)
        if len(self.run.cc_errors) > errors:
            broken.append(f"{s.number} begins with other counters: {self.run.cc_errors[errors:]}")
        self.last = (s, begin)
        return broken

    def of_time(self, s, begin):
        before, since = self.last
        off = (begin - since - before.seconds + WRAP_S / 2) % WRAP_S - WRAP_S / 2
        if abs(off) > TIME_SLACK_S:
            yield f"{before.number} is {off:+.3f} s longer than it says"


class Capture(threading.Thread):
    """Polls a variant as a player does, and judges what it gets."""

    def __init__(self, player, variant):
        super().__init__(daemon=True)
        self.player, self.variant = player, variant
        self.rules, self.content = Rules(), Content()
        self.broken, self.texts = [], []
        self.refused = self.fetched = 0
        self.over = threading.Event()

    def run(self):
        pause = 0
        while not self.over.wait(pause):
            try:
                pause = self.poll() / 2
            except (OSError, http.client.HTTPException):
                self.refused += 1       # its worker ended, or the server does not listen
                pause = 0.2

    def ask(self, more=""):
        """The media playlist, or None if it is refused."""
        answer = self.player.ask(self.variant, more)
        if answer.status == 200:
            return parse_media(answer.text, self.player.lists[self.variant])
        self.refused += 1
        if answer.status != 503:
            self.broken.append(f"{answer.status} {answer.text}")
        return None

    def poll(self):
        """The target duration."""
        p = self.ask()
        if not p:
            return 1
        before = self.rules.last
        if before is None or before.text != p.text:
            self.texts.append(p.text)
        self.broken += self.rules.check(p)
        self.fetch_dropped(before, p)
        for s in p.segments[-3:] if before is None else p.segments:
            if before is None or s.number > before.segments[-1].number:
                self.fetch(s)
        return p.target

    def fetch(self, s):
        answer = self.player.server.get(s.url)
        if answer.status != 200:
            self.broken.append(f"{s.number}: {answer.status} {answer.text}")
            return
        self.broken += self.content.check(s, answer.body)
        self.fetched += 1

    def fetch_dropped(self, before, p):
        """A player that is late still gets what has just left the playlist."""
        dropped = [s for s in before.segments if s.number < p.number] if before else []
        if dropped and p.number <= before.segments[-1].number + 1:
            answer = self.player.server.get(dropped[-1].url)
            if answer.status != 200:
                self.broken.append(f"{dropped[-1].number}, just dropped: {answer.status}")

    def finish(self):
        self.over.set()
        self.join(60 * PATIENCE)
        assert not self.is_alive(), "a request is not answered"


def compare(a, b):
    """What differs between two variants that should have equal cuts.  At a discontinuity an encoder has
    its key frames elsewhere, and the segments on both sides of it may differ.  A variant that breaks
    off where the other has listed its next segment already is one discontinuity ahead in that one."""
    broken = []
    edges = {n + side for rules in (a, b) for n, s in rules.known.items() if s.discontinuity
             for side in (-1, 0)}
    for number in a.known.keys() & b.known.keys():
        if None in (a.known[number].date, b.known[number].date):
            continue
        off = seconds_of(a.known[number].date) - seconds_of(b.known[number].date)
        if abs(off) > (a.last.target if number in edges else TIME_SLACK_S):
            broken.append(f"{number} is {off:+.3f} s later in one variant")
        off = a.discontinuities[number] - b.discontinuities[number]
        after = a.discontinuities.get(number + 1, 0) - b.discontinuities.get(number + 1, 0)
        if off != 0 and (number not in edges or abs(off) > 1 or after):
            broken.append(f"{number} has discontinuities {a.discontinuities[number]} and "
                          f"{b.discontinuities[number]}")
    return broken


# hls-parser allows parts in the last three segments.  The draft (6.2.2) allows them in the last three
# target durations, which may be more segments; ll_rules.py checks that.
PARTS_IN_SEGMENTS = "Remove EXT-X-PART tags from the Playlist after they are greater than three"


def read_with_npm(texts):
    """What hls-parser (strict) and m3u8-parser read otherwise than we do."""
    done = subprocess.run(["node", os.path.join(ROOT, "tests/system/read_hls.mjs"), npm.install()],
                          input=json.dumps(texts), capture_output=True, text=True, check=True,
                          timeout=60 * PATIENCE)
    broken = []
    for text, read in zip(texts, json.loads(done.stdout), strict=True):
        if "#EXT-X-STREAM-INF" in text:
            expected = {"variants": text.count("#EXT-X-STREAM-INF")}
        else:
            p = parse_media(text, "/")
            expected = {"target": p.target, "number": p.number,
                        "discontinuities": p.discontinuities, "segments": len(p.segments)}
        broken += [f"{who}: {got}, not {expected}: {text}" for who, got in read.items()
                   if got != expected and PARTS_IN_SEGMENTS not in got.get("error", "")]
    return broken
