"""What draft-pantos-hls-rfc8216bis asks of a live playlist with parts, and ISO 14496-12 of the parts."""
import json
import os
import re
import subprocess
import tempfile
import urllib.parse
from dataclasses import dataclass

import npm
from harness import PATIENCE, ROOT
from hls_rules import Capture

LEAST = 0.85                            # of the part target that a part lasts, but for the last one
ROUNDING_S = 0.0005
PARTS_TARGETS = 3                       # target durations in which segments are listed with their parts
KEPT = 7                                # each so many copies of a playlist are kept for other parsers
TIME_SLACK_S = 0.002                    # of a fragment's duration against the playlist


@dataclass(frozen=True)
class Part:
    number: int             # of its segment
    index: int              # in its segment
    url: str
    seconds: float
    independent: bool
    init: str               # URL


class Parts:
    """The parts of a media playlist, in their order."""

    def __init__(self, text, base):
        def url(line):
            return urllib.parse.urljoin(base, re.search(r'URI="([^"]*)"', line)[1])

        self.target = float(re.search(r"^#EXT-X-PART-INF:PART-TARGET=([\d.]+)$", text, re.M)[1])
        self.control = re.search(r"^#EXT-X-SERVER-CONTROL:(.*)$", text, re.M)[1]
        self.parts, self.hint, init = [], None, None
        number, index = int(re.search(r"SEQUENCE:(\d+)$", text, re.M)[1]), 0
        self.complete, self.breaks = [], set()  # numbers of segments
        for line in text.splitlines():
            if line == "#EXT-X-DISCONTINUITY":
                self.breaks.add(number)
            elif line.startswith("#EXT-X-MAP:"):
                init = url(line)
            elif line.startswith("#EXT-X-PART:"):
                seconds = float(re.search(r"DURATION=([\d.]+)", line)[1])
                self.parts.append(Part(number, index, url(line), seconds,
                                       "INDEPENDENT=YES" in line, init))
                index += 1
            elif line.startswith("#EXT-X-PRELOAD-HINT:"):
                self.hint = url(line)
            elif not line.startswith("#"):
                self.complete.append(number)
                number, index = number + 1, 0
        self.next = number, index


class Fragments:
    """The parts of one segment, as files."""

    def __init__(self, segment, init, target):
        self.segment, self.init, self.paths = segment, init, []
        self.target = target            # duration of a part


class LowLatencyCapture(Capture):
    """Asks for each part when it is there, as a player does, and judges what it gets."""

    def __init__(self, player, variant):
        super().__init__(player, variant)
        self.before = None              # the parts of the copy before
        self.copies = 0                 # of the playlist
        self.known = {}                 # (segment, index): part
        self.folder = tempfile.TemporaryDirectory(prefix="amps-parts-")
        self.files = {}                 # url: path of what it is
        self.fragments = {}             # segment: Fragments

    def poll(self):
        number, index = self.before.next if self.before else (None, None)
        p = self.ask(f"&_HLS_msn={number}&_HLS_part={index}" if self.before else "")
        if not p:
            self.before = None
            return 1
        now = Parts(p.text, self.player.lists[self.variant])
        if self.copies % KEPT == 0:
            self.texts.append(p.text)
        self.copies += 1
        found = [*self.rules.check(p), *self.of_parts(now), *self.of_old_parts(now, p)]
        if self.before:
            found += self.of_two(self.before, now)
        # what is wrong with a part is seen in each copy that has it
        self.broken += [x for x in found if x not in self.broken]
        new = [x for x in now.parts if (x.number, x.index) not in self.known]
        if self.before is None and not self.known:
            new = new[-1:]
            self.known.update({(x.number, x.index): x for x in now.parts})
        for part in new:
            self.known[part.number, part.index] = part
            self.take(part, now.target)
        for s in p.segments:
            self.check_whole(s)
        self.before = now
        return 0

    def of_parts(self, p):
        for x in p.parts:
            name = f"part {x.index} of {x.number}"
            if x.seconds > p.target + ROUNDING_S:
                yield f"{name} lasts {x.seconds} s, more than {p.target}"
            if self.known.get((x.number, x.index), x) != x:
                yield f"{name} changes from {self.known[x.number, x.index]} to {x}"

    @staticmethod
    def of_two(a, b):
        if (a.target, a.control) != (b.target, b.control):
            yield f"{a.target} {a.control} changes to {b.target} {b.control}"
        if b.next <= a.next:
            yield f"asked for {a.next}, got what comes before {b.next}"
        behind = [x for x in b.parts if (x.number, x.index) >= a.next]
        # another start of the server has nothing of the playlist before, nor could that know of it
        follows = set(a.complete) & set(b.complete) and not b.breaks & {x.number for x in behind}
        if a.hint and behind and behind[0].url != a.hint and follows:
            yield f"the hint was {a.hint}, {behind[0]} came"

    @staticmethod
    def of_old_parts(parts, playlist):
        """Segments that end more than three target durations ago have no parts."""
        listed, behind = {x.number for x in parts.parts}, 0.0
        for s in reversed(playlist.segments):
            if s.number in listed and behind > PARTS_TARGETS * playlist.target:
                yield f"{s.number} still has its parts"
            behind += s.seconds

    def get(self, url):
        answer = self.player.server.get(url)
        if answer.status != 200:
            self.broken.append(f"{url}: {answer.status} {answer.text}")
            return None
        return answer.body

    def keep(self, url):
        """The path of what is at this URL."""
        if url not in self.files:
            body = self.get(url)
            if body is None:
                return None
            path = os.path.join(self.folder.name, f"{len(self.files)}.mp4")
            with open(path, "wb") as f:
                f.write(body)
            self.files[url] = path
        return self.files[url]

    def take(self, part, target):
        init, path = self.keep(part.init), self.keep(part.url)
        if init and path:
            f = self.fragments.setdefault(part.number, Fragments(None, init, target))
            f.paths.append((part, path))

    def check_whole(self, s):
        """A segment is what its parts are."""
        f = self.fragments.get(s.number)
        if not f or f.segment:
            return
        f.segment = s
        if f.paths[0][0].index != 0:
            return
        body = self.get(s.url)
        if body is not None:
            self.fetched += 1
            joined = b"".join(open(path, "rb").read() for _, path in f.paths)
            if body != joined:
                self.broken.append(f"{s.number} has {len(body)} bytes, its parts {len(joined)}")

    def finish(self):
        super().finish()
        whole = {n: f for n, f in self.fragments.items() if f.segment}
        read = read_fragments(whole.values())
        self.broken += check_fragments(dict(zip(whole, zip(whole.values(), read))))
        self.folder.cleanup()


def read_fragments(all_of_them):
    return read_files([[f.init, *(path for _, path in f.paths)] for f in all_of_them])


def read_files(work):
    """What mp4box reads of each init segment and the files behind it: {brands, codec, timescale,
    boxes, fragments}."""
    done = subprocess.run(["node", os.path.join(ROOT, "tests/system/read_cmaf.mjs"), npm.install()],
                          input=json.dumps(work), capture_output=True, text=True, check=True,
                          timeout=120 * PATIENCE)
    return json.loads(done.stdout)


def short_parts(number, f, read):
    """Parts that could have been longer, although neither their segment nor a group of pictures ends."""
    for (part, _), (after, _), x, following in zip(f.paths, f.paths[1:], read["fragments"],
                                                   read["fragments"][1:]):
        room = f.target - (x["duration"] + following["first"]) / read["timescale"]
        if part.seconds < LEAST * f.target and room > ROUNDING_S and not after.independent:
            yield f"part {part.index} of {number} lasts {part.seconds} s, less than {LEAST} of {f.target}"


def check_fragments(found):
    """found: {number: (Fragments, what was read)} in the order of the numbers."""
    end, last = None, None
    for number, (f, read) in found.items():
        if "error" in read:
            yield f"{number}: {read['error']}"
            continue
        fragments = read["fragments"]
        if read["boxes"] != ["ftyp", "moov", *["moof", "mdat"] * len(fragments)]:
            yield f"{number}: boxes {read['boxes']}"
        if len(fragments) != len(f.paths):
            yield f"{number}: {len(fragments)} fragments in {len(f.paths)} parts"
        yield from short_parts(number, f, read)
        follows = last is not None and last + 1 == number and not f.segment.discontinuity
        for (part, _), x in zip(f.paths, fragments):
            if follows and x["begin"] != end:
                yield f"part {part.index} of {number} begins at {x['begin']}, not at {end}"
            off = x["duration"] / read["timescale"] - part.seconds
            if abs(off) > TIME_SLACK_S:
                yield f"part {part.index} of {number} is {off:+.3f} s longer than it says"
            if part.independent and not x["sync"]:
                yield f"part {part.index} of {number} does not begin with an access point"
            end, follows = x["begin"] + x["duration"], True
        last = number
