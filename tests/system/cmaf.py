"""A judge of CMAF tracks (ISO 14496-12, 23000-19) and of their low-latency playlists: what the boxes of
init segments and parts say, against each other and against the playlist."""
import os
import re
import struct
import subprocess
import urllib.parse
from dataclasses import dataclass, field

from hls import Player

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"}
NOT_SYNC = 0x10000


def boxes(data, at=0, end=None):
    """(path, payload) of every box, those of containers too."""
    end = len(data) if end is None else end
    while at < end:
        size, kind = struct.unpack_from(">I4s", data, at)
        assert 8 <= size <= end - at, f"a box {kind} of {size} bytes in {end - at}"
        yield (kind.decode(),), data[at + 8:at + size]
        if kind in CONTAINERS:
            for path, payload in boxes(data, at + 8, at + size):
                yield (kind.decode(), *path), payload
        at += size


def find(data, *path):
    found = [payload for at, payload in boxes(data) if at == path]
    assert len(found) == 1, f"{len(found)} of {path}"
    return found[0]


class Init:
    def __init__(self, data):
        assert [p[0] for p, _ in boxes(data) if len(p) == 1] == ["ftyp", "moov"]
        mdhd = find(data, "moov", "trak", "mdia", "mdhd")
        self.timescale = struct.unpack_from(">I", mdhd, 20 if mdhd[0] else 12)[0]
        self.kind = find(data, "moov", "trak", "mdia", "hdlr")[8:12].decode()
        stsd = find(data, "moov", "trak", "mdia", "minf", "stbl", "stsd")
        self.codec = stsd[12:16].decode()
        self.size = struct.unpack_from(">2H", stsd, 40) if self.kind == "vide" else None
        self.trex = struct.unpack_from(">3I", find(data, "moov", "mvex", "trex"), 12)
        assert not any("edts" in p for p, _ in boxes(data)), "an edit list"


@dataclass
class Sample:
    dts: int
    pts: int
    duration: int
    sync: bool
    data: bytes


class Fragment:
    """One moof and its mdat."""

    def __init__(self, init, data):
        assert [p[0] for p, _ in boxes(data) if len(p) == 1] == ["moof", "mdat"]
        self.sequence = struct.unpack_from(">I", find(data, "moof", "mfhd"), 4)[0]
        defaults = read_tfhd(find(data, "moof", "traf", "tfhd"), init.trex)
        self.tfdt = read_tfdt(find(data, "moof", "traf", "tfdt"))
        self.samples = list(read_trun(find(data, "moof", "traf", "trun"), self.tfdt, defaults,
                                      data))
        assert sum(len(s.data) for s in self.samples) == len(find(data, "mdat")), \
            "the samples are not the whole mdat"

    @property
    def end(self):
        return self.samples[-1].dts + self.samples[-1].duration


def read_tfhd(tfhd, trex):
    """The defaults of a fragment's samples: duration, bytes, flags."""
    flags, at = struct.unpack_from(">I", tfhd)[0] & 0xffffff, 8
    assert flags & 0x20000 and not flags & 1, "offsets do not count from the moof"
    defaults = list(trex)
    at += 4 * bool(flags & 2)
    for i, bit in enumerate((8, 0x10, 0x20)):
        if flags & bit:
            defaults[i] = struct.unpack_from(">I", tfhd, at)[0]
            at += 4
    return defaults


def read_tfdt(tfdt):
    return struct.unpack_from(">Q" if tfdt[0] else ">I", tfdt, 4)[0]


def read_trun(trun, dts, defaults, data):
    """The samples of one track in a fragment, which begins with `data`."""
    version, flags = trun[0], struct.unpack_from(">I", trun)[0] & 0xffffff
    count, at, offset = struct.unpack_from(">I", trun, 4)[0], 8, None
    if flags & 1:
        offset, at = struct.unpack_from(">i", trun, at)[0], at + 4
    first_flags = None
    if flags & 4:
        first_flags, at = struct.unpack_from(">I", trun, at)[0], at + 4
    for n in range(count):
        values = list(defaults)
        for i, bit in enumerate((0x100, 0x200, 0x400)):
            if flags & bit:
                values[i], at = struct.unpack_from(">I", trun, at)[0], at + 4
        if n == 0 and first_flags is not None:
            values[2] = first_flags
        shift = 0
        if flags & 0x800:
            shift, at = struct.unpack_from(">i" if version else ">I", trun, at)[0], at + 4
        yield Sample(dts, dts + shift, values[0], not values[2] & NOT_SYNC,
                     data[offset:offset + values[1]])
        dts, offset = dts + values[0], offset + values[1]


@dataclass
class Part:
    url: str
    seconds: float
    independent: bool


@dataclass
class LowSegment:
    number: int
    discontinuity: bool
    init: str
    date: str
    url: str = None                 # of a complete one
    seconds: float = None
    parts: list = field(default_factory=list)


@dataclass
class LowPlaylist:
    text: str
    target: int
    part_target: float
    segments: list
    hint: str


def parse_low(text, base):
    """The low-latency media playlist of this text; `base` is the path it came from."""
    def address(line):
        return urllib.parse.urljoin(base, re.search(r'URI="([^"]*)"', line)[1])

    number = int(re.search(r"^#EXT-X-MEDIA-SEQUENCE:(\d+)$", text, re.M)[1])
    p = LowPlaylist(text, int(re.search(r"^#EXT-X-TARGETDURATION:(\d+)$", text, re.M)[1]),
                    float(re.search(r"PART-TARGET=([\d.]+)", text)[1]), [], None)
    init, now = None, LowSegment(number, False, None, None)
    for line in text.splitlines():
        if line == "#EXT-X-DISCONTINUITY":
            now.discontinuity = True
        elif line.startswith("#EXT-X-MAP:"):
            init = address(line)
        elif line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
            now.date = line.split(":", 1)[1]
        elif line.startswith("#EXT-X-PART:"):
            seconds = float(re.search(r"DURATION=([\d.]+)", line)[1])
            now.parts.append(Part(address(line), seconds, "INDEPENDENT=YES" in line))
        elif line.startswith("#EXT-X-PRELOAD-HINT:"):
            p.hint = address(line)
        elif line.startswith("#EXTINF:"):
            now.seconds = float(line[len("#EXTINF:"):].rstrip(","))
        elif not line.startswith("#"):
            now.url, now.init = urllib.parse.urljoin(base, line), init
            p.segments.append(now)
            now = LowSegment(now.number + 1, False, None, None)
    if now.parts:
        now.init = init
        p.segments.append(now)
    return p


def part_number(url):
    return int(re.search(r"/[a-hv]p(\d+)\.m4s$", url)[1])


class LowPlayer(Player):
    """A session whose playlists are of CMAF: those of pictures, then those of sound."""

    def __init__(self, server, number=1, **more):
        super().__init__(server, number, **more)
        path = f"/hls/{number}/index.m3u8"
        self.pictures = len(self.variants)
        self.variants += [urllib.parse.urljoin(path, uri) for uri in
                          re.findall(r'TYPE=AUDIO.*URI="([^"]*)"', self.index)]

    def media(self, variant=0):
        answer = self.ask(variant)
        assert answer.status == 200, answer.text
        return parse_low(answer.text, self.variants[variant])

    def fetch(self, url):
        answer = self.server.get(url, timeout=40)
        assert answer.status == 200, f"{url}: {answer.status} {answer.text}"
        return answer.body


class Track:
    """Reads the complete segments of one playlist, in their order, and says what is wrong."""

    def __init__(self, player, variant, regular=True):
        self.player, self.variant = player, variant
        self.regular = regular          # key frames come as often as segments
        self.inits = {}                 # url: (bytes, Init)
        self.segments = {}              # number: LowSegment
        self.fragments = {}             # number: list of Fragment
        self.bytes = {}                 # number: bytes
        self.next = {}                  # by init: (sequence, tfdt) of what follows
        self.last = None
        self.sealed = None              # target durations
        self.parts = {}                 # running number: number of its segment

    def read(self, playlist):
        """Returns what is wrong with the segments that are new."""
        sealed = (playlist.target, playlist.part_target)
        self.sealed = self.sealed or sealed
        broken = [*self.check_names(playlist)]
        if sealed != self.sealed:
            broken.append(f"{self.variant}: {sealed} is announced, before it was {self.sealed}")
        for s in playlist.segments:
            if s.seconds is None or s.number in self.segments:
                continue
            broken += [f"{self.variant}/{s.number}: {x}" for x in self.check(playlist, s)]
        return broken

    def check_names(self, playlist):
        """The next part's name is known: numbers do not skip, and a part stays in its segment."""
        listed = [(part_number(p.url), s.number) for s in playlist.segments for p in s.parts]
        for n, number in listed:
            if self.parts.setdefault(n, number) != number:
                yield f"part {n} moves from {self.parts[n]} to {number}"
        numbers = [n for n, _ in listed]
        if numbers and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            yield f"numbers of parts are not in a row: {numbers}"
        if numbers and playlist.hint and part_number(playlist.hint) != numbers[-1] + 1:
            yield f"the hint is {playlist.hint} behind part {numbers[-1]}"

    def init_of(self, s):
        if s.init not in self.inits:
            data = self.player.fetch(s.init)
            self.inits[s.init] = (data, Init(data))
        return self.inits[s.init][1]

    def check(self, playlist, s):
        init = self.init_of(s)
        data = self.player.fetch(s.url)
        starts = [at for at in range(len(data)) if data[at + 4:at + 8] == b"moof"]
        fragments = [Fragment(init, data[a:b]) for a, b in zip(starts, [*starts[1:], len(data)])]
        self.segments[s.number], self.fragments[s.number] = s, fragments
        self.bytes[s.number] = data
        follows = self.last == s.number - 1 and not s.discontinuity
        self.last = s.number
        yield from self.check_times(init, s, fragments, follows)
        if s.parts:
            yield from self.check_parts(init, playlist, s, fragments, data)

    def check_times(self, init, s, fragments, follows):
        expected = self.next.get(s.init) if follows else None
        for f in fragments:
            if expected and (f.sequence, f.tfdt) != expected:
                yield f"sequence and tfdt are {f.sequence}, {f.tfdt}, not {expected}"
            expected = (f.sequence + 1, f.end)
            if any(x.sync for x in f.samples[1:]) and init.kind == "vide":
                yield "a key frame in the middle of a part"
        self.next[s.init] = expected
        lasts = (fragments[-1].end - fragments[0].tfdt) / init.timescale
        if abs(lasts - s.seconds) > .001:
            yield f"it lasts {lasts} s, not {s.seconds}"
        if self.regular and not fragments[0].samples[0].sync:
            yield "no key frame"

    def check_parts(self, init, playlist, s, fragments, data):
        if len(s.parts) != len(fragments):
            yield f"{len(s.parts)} parts, {len(fragments)} fragments"
        if b"".join(self.player.fetch(p.url) for p in s.parts) != data:
            yield "its parts are not the segment"
        for i, (p, f) in enumerate(zip(s.parts, fragments)):
            lasts = (f.end - f.tfdt) / init.timescale
            if abs(lasts - p.seconds) > .0001:
                yield f"part {i} lasts {lasts} s, not {p.seconds}"
            if p.seconds > playlist.part_target:
                yield f"part {i} lasts {p.seconds} s, more than {playlist.part_target}"
            if p.independent != f.samples[0].sync:
                yield f"part {i}: INDEPENDENT is {p.independent}"

    def samples(self):
        """(seconds of the presentation, sample) of all, in the order of decoding."""
        for number in sorted(self.fragments):
            scale = self.init_of(self.segments[number]).timescale
            for f in self.fragments[number]:
                for x in f.samples:
                    yield x.pts / scale, x

    def keys(self):
        """number: times of the key frames of the segment."""
        return {n: [x.pts for f in fragments for x in f.samples if x.sync]
                for n, fragments in self.fragments.items()}

    def stream(self, first=None):
        """An init segment and the segments that belong to it."""
        numbers = sorted(self.segments)
        init = self.segments[first or numbers[0]].init
        return self.inits[init][0] + b"".join(self.bytes[n] for n in numbers
                                              if self.segments[n].init == init)


def decode(data, folder):
    """Decodes init segment and parts; fails at the first error."""
    path = os.path.join(folder, "track.mp4")
    with open(path, "wb") as file:
        file.write(data)
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "warning", "-xerror", "-i", path, "-f",
                           "null", "-"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
