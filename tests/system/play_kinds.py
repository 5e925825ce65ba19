"""Plays kinds of sources through a real server, all at once, into ffmpeg's decoder and the strict
parser of ts.py."""
import contextlib
import os
import queue
import subprocess
import tempfile
import threading
import time

import pytest

import proc
from harness import PATIENCE, wait_for
from kinds import DAMAGED, KINDS
from lineup import channel, line_up
from ts import Checker

# pictures keep their time, as in a player
DECODER = ["ffmpeg", "-nostdin", "-hide_banner", "-v", "level+warning", "-threads", "1", "-i",
           "pipe:0", "-map", "0:v?", "-map", "0:a?", "-fps_mode", "passthrough",
           "-enc_time_base:v", "-1"]


HOLE_MAX = 0.5      # seconds without video or audio; a live sender may skip some under load
DRIFT_SEEN = 30     # seconds of media after which a drift is larger than the jitter of arrival
DRIFT_MAX = 1.0     # seconds: segments arrive at once


class Played:
    """The result of playing one kind."""

    def __init__(self, name, number):
        self.name, self.number = name, number
        self.checker = Checker()
        self.status = None
        self.first = self.last = None   # when bytes came
        self.times = []                 # (how many bytes had come, when), about once a second
        self.drift = 0.0                # seconds that the stream's clock gained on this machine's, second half
        self.words = ""                 # of the decoder
        self.tuner = None
        self.confined = None
        self.skipped = None             # why there is no sender
        self.error = None
        self.sound_hole = 0.0
        self.film = None                # a file with all of it

    def lines(self, level):
        return [x for x in self.words.splitlines() if f"[{level}]" in x]

    def errors(self):
        return self.lines("error") + self.lines("fatal")

    def media_seconds(self):
        c = self.checker
        return max((c.seconds(pid) for pid in c.dts), default=0)

    def judge(self):
        """Looks at what was received."""
        if os.path.exists(self.film):
            with open(self.film, "rb") as f:
                leads = [lead for n, when in self.times
                         if (lead := self.lead(f.read(n - f.tell()), when)) is not None]
                self.checker.feed(f.read())
            if leads:
                self.drift = leads[-1] - leads[len(leads) // 2]

    def lead(self, data, when):
        """How far the stream's clock is ahead of this machine's after these bytes."""
        pcr = self.checker.feed(data).pcr
        return None if pcr is None else pcr / 90000 - when

    def problems(self):
        """All problems, as text."""
        c = self.checker
        found = {"status": self.status != 200 and self.status, "error": self.error,
                 "out of sync": c.sync_errors, "continuity": c.cc_errors,
                 "DTS back": c.backwards, "PCR back": c.pcr_backwards,
                 "late": self.name not in DAMAGED and c.late,
                 "decoder": self.name not in DAMAGED and self.errors(),
                 "restarts": self.tuner and self.tuner["restarts"],
                 "no clock": not c.pcrs,
                 "picture gap": c.shown_gap() > HOLE_MAX and c.shown_gap(),
                 "sound hole": self.sound_hole > HOLE_MAX and self.sound_hole,
                 "drift": self.media_seconds() > DRIFT_SEEN and abs(self.drift) > DRIFT_MAX
                 and self.drift}
        return {k: v for k, v in found.items() if v}


class Decoder:
    """ffmpeg decodes so many seconds of its input; the writer never waits for it."""

    def __init__(self, seconds):
        self.process = subprocess.Popen(
            [*DECODER, "-t", str(seconds), "-f", "null", "-"], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.pieces = queue.SimpleQueue()
        self.words = b""
        self.threads = [threading.Thread(target=self.feed), threading.Thread(target=self.listen)]
        for t in self.threads:
            t.start()

    def feed(self):
        with contextlib.suppress(BrokenPipeError):
            while piece := self.pieces.get():
                self.process.stdin.write(piece)
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def listen(self):
        self.words = self.process.stderr.read()

    def ended(self):
        return self.process.poll() is not None

    def close(self):
        self.pieces.put(b"")
        for t in self.threads:
            t.join()
        self.process.stderr.close()
        self.process.wait()
        return self.words.decode(errors="replace")


def read(stream, decoder, played, film, limit):
    """Reads until the decoder has enough."""
    while not decoder.ended():
        data = stream.read_some()
        if not data:
            played.error = "it ended"
            return
        played.last = time.monotonic()
        played.first = played.first or played.last
        if played.last > limit:
            played.error = "it took too long"
            return
        film.write(data)
        if not played.times or played.last - played.times[-1][1] >= 1:
            played.times.append((film.tell(), played.last))
        decoder.pieces.put(data)


def play(server, seconds, played):
    """Plays so many seconds of a channel."""
    limit = time.monotonic() + (2 * seconds + 180) * PATIENCE
    decoder = Decoder(seconds)
    try:
        with server.stream(f"/stream/{played.number}.ts", timeout=60) as stream, \
                open(played.film, "wb") as film:
            played.status = stream.head().status
            if played.status == 200:
                read(stream, decoder, played, film, limit)
            played.tuner = server.tuner(str(played.number))
            with contextlib.suppress(OSError, TypeError):
                played.confined = proc.confinement(played.tuner["pid"])
    except (OSError, AssertionError) as e:
        played.error = repr(e)
    played.words = decoder.close()


def sound_hole(film):
    """The longest time without sound in seconds, as ffprobe's parser cuts the frames."""
    done = subprocess.run(
        ["ffprobe", "-v", "quiet", "-select_streams", "a:0", "-show_entries",
         "packet=pts_time,duration_time", "-of", "csv=p=0", film], capture_output=True, text=True)
    rows = [x.split(",")[:2] for x in done.stdout.split() if "N/A" not in x]
    times = [(float(pts), float(duration)) for pts, duration in rows]
    return max((b[0] - a[0] - a[1] for a, b in zip(times, times[1:])), default=0.0)


def play_all(start, names, seconds):
    """{name: Played}.  start(config, workers=2) gives a running server."""
    with contextlib.ExitStack() as stack:
        at = stack.enter_context(tempfile.TemporaryDirectory(prefix="amps-played-"))
        channels, played = [], {}
        for number, name in enumerate(names, 1):
            played[name] = p = Played(name, number)
            p.film = os.path.join(at, f"{number}.ts")
            try:
                source, more = stack.enter_context(KINDS[name][0]())
                channels.append(channel(number, source, **more))
            except pytest.skip.Exception as e:
                p.skipped = str(e)
        # a loaded machine may delay a sender
        server = start(line_up(*channels, streaming={"start_timeout": 30 * PATIENCE,
                                                     "stall_timeout": 10 * PATIENCE}), workers=2)
        wait_for(lambda: server.get("/readyz").status == 200, 10, "the server")
        threads = [threading.Thread(target=play, args=(server, seconds, p))
                   for p in played.values() if not p.skipped]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        # only now, so that the senders do not wait for it
        for p in played.values():
            p.judge()
            if not p.skipped:
                p.sound_hole = sound_hole(p.film)
        return played
