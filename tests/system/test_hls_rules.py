"""Playlists and segments of HLS against the rules of RFC 8216, while jobs, workers, sources and the
server itself fail."""
import contextlib
import os
import random
import time

import pytest

import media
from harness import kill, wait_for
from hls import Player, parse_media
from hls_rules import Capture, Rules, compare, read_with_npm
from lineup import channel, line_up
from ll_rules import Fragments, LowLatencyCapture, Part, short_parts
from trouble import TS_HEAD, Trouble, packets

SEED = int(os.environ.get("AMPS_SEED", "1"))
WINDOW_S = 10
PLAIN, LOW_LATENCY = ("hls", Capture), ("ll-hls", LowLatencyCapture)
STALL_S = 3.5                           # longer than stall_timeout


# -- the rules themselves

def text(number=7, discontinuities=2, target=2, count=6, marks=(), begin=0.0, seconds=2.0):
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{target}",
             f"#EXT-X-MEDIA-SEQUENCE:{number}",
             f"#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}"]
    for i in range(number, number + count):
        lines += ["#EXT-X-DISCONTINUITY"] * (i in marks)
        lines += [f"#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:{begin + 2 * i:06.3f}Z",
                  f"#EXTINF:{seconds:.6f},", f"{i}.ts"]
    return "\n".join(lines) + "\n"


GOOD = [text(), text(8, marks=(13,)), text(9, marks=(13,)), text(13, marks=(13,)), text(14, 3)]
# a copy after text(7)
WRONG = {
    "the numbers go back": text(6),
    "a gap before": text(14),
    "the end goes back": text(7, count=5),
    "target duration changes": text(8, target=3),
    "discontinuities go back": text(8, 1),
    "from discontinuity": text(8, 3),
    "changes from Segment": text(8, marks=(10,)),
    "more than 2": text(8, count=8, seconds=2.5),
    "s off": text(8, seconds=1.9),
    "are left": text(8, count=2),
    "it has ended": text(8) + "#EXT-X-ENDLIST\n",
}


@pytest.mark.slow
def test_the_rules_accept_a_playlist_that_moves():
    rules = Rules()
    for copy in GOOD:
        assert rules.check(parse_media(copy, "/")) == []
    rules.begin_anew()
    assert rules.check(parse_media(text(25, 9, count=2), "/")) == []
    assert read_with_npm(GOOD) == []


@pytest.mark.slow
@pytest.mark.parametrize("what", WRONG)
def test_the_rules_find(what):
    rules = Rules()
    rules.check(parse_media(text(), "/"))
    broken = rules.check(parse_media(WRONG[what], "/"))
    assert any(what in x for x in broken), broken


@pytest.mark.slow
@pytest.mark.parametrize("first, key, short", [(40, False, True), (90, False, False), (40, True, False)])
def test_a_part_is_short_where_a_long_picture_or_a_key_frame_follows(first, key, short):
    f = Fragments(None, "init", target=.2)
    f.paths = [(Part(7, i, f"{i}", seconds, i == 1 and key, "init"), f"{i}")
               for i, seconds in enumerate((.12, .2))]
    read = {"timescale": 1000, "fragments": [{"duration": 120, "first": 40},
                                             {"duration": 200, "first": first}]}
    assert len(list(short_parts(7, f, read))) == short


# -- a live channel

class Live:
    """An origin that plays a film in real time, stalls, and lets its clock jump."""

    def __init__(self, film, total):
        self.data = packets(film)
        self.rate = len(self.data) / total
        self.stalled_until = 0.0
        self.jumps = 0
        self.origin = Trouble(self.play)

    def play(self, peer):
        peer.send(TS_HEAD)
        at, since, jumps = 0, time.monotonic() - 1, self.jumps
        while not self.origin.closing:
            time.sleep(0.02)
            now = time.monotonic()
            if now < self.stalled_until:
                since = now
            if jumps != self.jumps:
                jumps, at = self.jumps, self.tables_after((at + len(self.data) // 3))
            n = int((now - since) * self.rate) // 188 * 188
            peer.send((self.data[at:] + self.data)[:n])
            at, since = (at + n) % len(self.data), since + n / self.rate

    def tables_after(self, at):
        at = at % len(self.data) // 188 * 188
        while self.data[at + 1] & 0x1f or self.data[at + 2]:
            at = (at + 188) % len(self.data)
        return at


class Faults:
    """What may happen to a channel with two variants."""

    def __init__(self, server, lives, config, captures):
        self.server, self.lives, self.config, self.captures = server, lives, config, captures
        self.at = 0                     # the origin that is played

    def kill_source_job(self):
        wait_for(lambda: self.server.tuner("1")["pid"], 20, "the source job")
        kill(self.server.tuner("1")["pid"])

    def kill_encoder(self):
        wait_for(lambda: self.server.tuner("1")["derive_pid"], 20, "the encoder")
        kill(self.server.tuner("1")["derive_pid"])

    def kill_segment_job(self):
        def pids():
            return [pid for pid, (_, line) in self.server.processes().items()
                    if line.startswith("amps-transcoder 1 segment")]
        kill(wait_for(pids, 20, "the segment job")[0])

    def kill_worker(self):
        kill(self.server.pids("amps-worker")[0])

    def kill_nursery(self):
        kill(wait_for(self.server.nursery, 20, "the nursery"))

    def stall(self):
        self.lives[self.at].stalled_until = time.monotonic() + STALL_S

    def jump(self):
        self.lives[self.at].jumps += 1

    def edit(self):
        self.at = 1 - self.at
        self.server.write_config(self.config(self.lives[self.at]))
        assert self.server.amps("reload").returncode == 0

    def restart(self):
        self.anew()
        self.server.restart()

    def crash(self):
        self.anew()
        self.server.crash()
        self.server.start()

    def anew(self):
        for c in self.captures:
            c.rules.begin_anew()


ALL = ("kill_source_job", "kill_encoder", "kill_segment_job", "kill_worker", "kill_nursery", "stall",
       "jump", "edit", "restart", "crash")


def config_for(form):
    """The configuration for an origin."""
    def make(live):
        return line_up(channel(1, live.origin.url(), output_format=form, adaptive_bitrates=[
            {"name": "low", "ffmpeg_profile": "small"}]),
            hls={"segment_seconds": 2, "part_ms": 200, "playlist_seconds": WINDOW_S},
            streaming={"idle_timeout": 60})
    return make


def wait_segments(captures, more):
    """Until each has fetched so many more segments."""
    until = [c.fetched + more for c in captures]

    def have():
        return all(c.fetched >= n or c.broken for c, n in zip(captures, until))
    wait_for(have, 40, f"{more} more segments")


def capture(server, faults, seconds, form="hls", kind=Capture):
    """Plays a channel for so long, with these faults in equal distances; (captures, broken)."""
    config = config_for(form)
    with contextlib.ExitStack() as stack:
        lives = [Live(media.long_film(), 120), Live(media.other_film(), 60)]
        for live in lives:
            stack.enter_context(live.origin)
        s = server(config(lives[0]), workers=2)
        player = Player(s)
        captures = [kind(player, v) for v in range(len(player.lists))]
        for c in captures:
            c.start()
        wait_segments(captures, 3)
        trouble = Faults(s, lives, config, captures)
        for n, name in enumerate(faults, 1):
            found = sum(len(c.broken) for c in captures)
            getattr(trouble, name)()
            wait_segments(captures, 3)
            time.sleep(seconds / len(faults))
            print(f"{n}: {name}", *(x for c in captures for x in c.broken[-5:]) if
                  sum(len(c.broken) for c in captures) > found else "")
        for c in captures:
            c.finish()
    broken = [f"list {c.variant}: {x}" for c in captures for x in c.broken]
    broken += compare(*(c.rules for c in captures[:2]))
    return captures, broken + read_with_npm([player.index, *(t for c in captures for t in c.texts)])


@pytest.mark.slow
def test_a_channel_keeps_the_rules_when_it_fails(server):
    captures, broken = capture(server, ["kill_source_job", "kill_worker", "edit"], 3)
    assert broken == []
    assert all(c.fetched >= 12 for c in captures)


@pytest.mark.slow
def test_a_channel_of_low_latency_keeps_the_rules_when_it_fails(server):
    captures, broken = capture(server, ["kill_source_job", "kill_worker"], 2, *LOW_LATENCY)
    assert broken == []
    assert all(c.fetched >= 8 for c in captures)


@pytest.mark.soak
@pytest.mark.limit(1800)
@pytest.mark.parametrize("how", [PLAIN, LOW_LATENCY], ids=["plain", "low latency"])
def test_ten_minutes_with_twenty_faults(server, how):
    chance = random.Random(SEED)
    faults = [*ALL, *ALL]
    chance.shuffle(faults)
    captures, broken = capture(server, faults, 480, *how)
    print(f"seed {SEED}: " + ", ".join(
        f"variant {c.variant}: {c.fetched} segments, {len(c.texts)} playlists, {c.refused} refused"
        for c in captures), *broken, sep="\n")
    assert broken == []
