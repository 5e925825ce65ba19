"""Reads HLS as a player does."""
import concurrent.futures
import contextlib
import datetime
import re
import threading
import urllib.parse
from dataclasses import dataclass, field

from harness import wait_for


@dataclass
class Segment:
    url: str
    number: int
    seconds: float
    date: str
    discontinuity: bool


@dataclass
class Playlist:
    text: str
    target: int
    number: int             # media sequence
    discontinuities: int
    ended: bool
    segments: list = field(default_factory=list)


def parse_media(text, base):
    """The media playlist of this text; `base` is the path it came from."""
    assert text.startswith("#EXTM3U\n"), text
    playlist = Playlist(
        text, int(re.search(r"^#EXT-X-TARGETDURATION:(\d+)$", text, re.M)[1]),
        int(re.search(r"^#EXT-X-MEDIA-SEQUENCE:(\d+)$", text, re.M)[1]),
        int(re.search(r"^#EXT-X-DISCONTINUITY-SEQUENCE:(\d+)$", text, re.M)[1]),
        text.endswith("#EXT-X-ENDLIST\n"))
    discontinuity, date, seconds = False, None, None
    for line in text.splitlines():
        if line == "#EXT-X-DISCONTINUITY":
            discontinuity = True
        elif line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
            date = line.split(":", 1)[1]
        elif line.startswith("#EXTINF:"):
            seconds = float(line[len("#EXTINF:"):].rstrip(","))
        elif not line.startswith("#"):
            playlist.segments.append(Segment(urllib.parse.urljoin(base, line),
                                             playlist.number + len(playlist.segments), seconds,
                                             date, discontinuity))
            discontinuity, date = False, None
    fill_dates(playlist.segments)
    return playlist


def add_seconds(date, seconds):
    time = datetime.datetime.fromisoformat(date.replace("Z", "+00:00"))
    time += datetime.timedelta(seconds=seconds)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fill_dates(segments):
    """A segment without a date follows the one before; at the begin, and behind a discontinuity, its date
    comes from the next one (RFC 8216, 6.3.3)."""
    for a, b in zip(segments, segments[1:]):
        if a.date and not b.date and not b.discontinuity:
            b.date = add_seconds(a.date, a.seconds)
    for a, b in reversed(list(zip(segments, segments[1:]))):
        if b.date and not a.date and not b.discontinuity:
            a.date = add_seconds(b.date, -a.seconds)


class Player:
    """A session of one channel: reads its playlists and segments with one user agent."""

    def __init__(self, server, number=1, query="", agent="player", headers=None):
        self.server = server
        self.headers = {"User-Agent": agent, **(headers or {})}
        path = f"/hls/{number}/index.m3u8{query}"
        answer = self.server.get(path, self.headers, timeout=40)
        assert answer.status == 200, answer.text
        self.index = answer.text
        self.variants = [urllib.parse.urljoin(path, line) for line in self.index.splitlines()
                         if line and not line.startswith("#")]
        sounds = re.findall(r'^#EXT-X-MEDIA:.*URI="([^"]*)"', self.index, re.M)
        # all media playlists: those of the variants, then those of the sound beside them
        self.lists = [*self.variants, *(urllib.parse.urljoin(path, uri) for uri in sounds)]

    def ask(self, variant=0, more=""):
        # a session needs no token
        return self.server.get(self.lists[variant] + more,
                               {"User-Agent": self.headers["User-Agent"]}, timeout=40)

    def media(self, variant=0):
        answer = self.ask(variant)
        assert answer.status == 200, answer.text
        return parse_media(answer.text, self.lists[variant])

    def segment(self, segment):
        answer = self.server.get(segment.url, {"User-Agent": self.headers["User-Agent"]})
        assert answer.status == 200, answer.text
        return answer.body

    def wait_media(self, holds, timeout=20, variant=0):
        """The first media playlist for which holds(playlist)."""
        def look():
            playlist = self.media(variant)
            return playlist if holds(playlist) else None
        return wait_for(look, timeout, "the playlist")


class Audience(threading.Thread):
    """Players of these channels.  They ask for all playlists at the same time, because a playlist that
    is not asked for ends, and starts again with the next request."""

    def __init__(self, server, numbers):
        super().__init__(daemon=True)
        self.pool = concurrent.futures.ThreadPoolExecutor(16)
        players = self.pool.map(lambda number: Player(server, number), numbers)
        self.lists = [(p, v) for p in players for v in range(len(p.lists))]
        self.shortest = 0               # of the playlists, in segments
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(1):
            with contextlib.suppress(OSError, AssertionError):
                self.shortest = min(self.pool.map(lambda each: len(each[0].media(each[1]).segments),
                                                  self.lists))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()
        self.pool.shutdown()
