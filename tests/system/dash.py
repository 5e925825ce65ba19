"""Reads DASH as a player does."""
import re
import urllib.parse
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

from harness import wait_for

SPACE = "{urn:mpeg:dash:schema:mpd:2011}"


@dataclass
class Segment:
    url: str
    number: int
    start: int              # ticks of 90 kHz since 1970
    ticks: int


@dataclass
class Representation:
    name: str               # its id
    attributes: dict
    group: ElementTree.Element  # its AdaptationSet
    init: str
    template: dict          # the attributes of its SegmentTemplate
    segments: list = field(default_factory=list)


@dataclass
class Period:
    name: str
    start: float
    pictures: list = field(default_factory=list)
    sounds: list = field(default_factory=list)


@dataclass
class Manifest:
    text: str
    root: ElementTree.Element
    location: str
    periods: list = field(default_factory=list)

    @property
    def low_latency(self):
        """Are segments announced that are not complete?"""
        return "availabilityTimeOffset" in self.periods[-1].pictures[0].template

    def seconds(self, name):
        return seconds(self.root.get(name))


def seconds(text):
    return float(re.fullmatch(r"PT([0-9.]+)S", text)[1])


def parse_representation(element, base, group):
    template = element.find(SPACE + "SegmentTemplate")
    number = int(template.get("startNumber"))
    r = Representation(element.get("id"), element.attrib, group,
                       urllib.parse.urljoin(base, template.get("initialization")), template.attrib)
    end = None
    for s in template.iter(SPACE + "S"):
        start, ticks = int(s.get("t")), int(s.get("d"))
        assert end is None or abs(start - end) < 2, "a hole in a Period"
        for i in range(int(s.get("r", 0)) + 1):
            url = template.get("media").replace("$Number$", str(number))
            r.segments.append(Segment(urllib.parse.urljoin(base, url), number, start + i * ticks,
                                      ticks))
            number += 1
        end = start + (int(s.get("r", 0)) + 1) * ticks
    return r


def parse(text, base):
    """The manifest of this text; `base` is the path it came from."""
    root = ElementTree.fromstring(text)
    assert root.tag == SPACE + "MPD" and root.get("type") == "dynamic", text
    manifest = Manifest(text, root,
                        urllib.parse.urljoin(base, root.find(SPACE + "Location").text))
    for element in root.iter(SPACE + "Period"):
        period = Period(element.get("id"), seconds(element.get("start")))
        for adaptation in element.iter(SPACE + "AdaptationSet"):
            to = period.pictures if adaptation.get("contentType") == "video" else period.sounds
            to += [parse_representation(r, base, adaptation)
                   for r in adaptation.iter(SPACE + "Representation")]
        manifest.periods.append(period)
    return manifest


class Player:
    """A session of one channel with one user agent; it follows Location."""

    def __init__(self, server, number=1, query="", agent="player", headers=None):
        self.server = server
        self.headers = {"User-Agent": agent, **(headers or {})}
        self.path = f"/dash/{number}/manifest.mpd{query}"
        answer = self.ask()
        assert answer.status == 200, answer.text
        self.path = parse(answer.text, self.path).location
        # a session needs no token
        self.headers = {"User-Agent": agent}

    def ask(self):
        return self.server.get(self.path, self.headers, timeout=40)

    def manifest(self):
        answer = self.ask()
        assert answer.status == 200, answer.text
        return parse(answer.text, self.path)

    def wait_manifest(self, holds, timeout=30):
        """The first manifest for which holds(manifest)."""
        def look():
            manifest = self.manifest()
            return manifest if holds(manifest) else None
        return wait_for(look, timeout, "the manifest")

    def get(self, url):
        answer = self.server.get(url, self.headers, timeout=40)
        assert answer.status == 200, (url, answer.text)
        return answer.body
