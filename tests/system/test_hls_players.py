"""HLS in a browser: hls.js, Shaka and the browser's own player, all of them at once.

AMPS_PLAYER_SECONDS says how long they play; AMPS_PLAYER_SHOTS is a folder for what their windows
show at the end."""
import base64
import contextlib
import json
import os

import pytest

import browser
import media
from harness import kill, serving, wait_for
from hls import Audience
from lineup import LOOP, channel, line_up

pytestmark = pytest.mark.timing

SECONDS = float(os.environ.get("AMPS_PLAYER_SECONDS", "10"))
SHOTS = os.environ.get("AMPS_PLAYER_SHOTS")
ENGINES = ("hls", "shaka", "native")
COPIED, VARIANTS, KILLED, EDITED = CHANNELS = 1, 2, 3, 4
HIGH, LOW, OTHER = 180, 90, 270         # heights
SEGMENTS = 5                            # more than a player keeps its distance
SLACK_S = 0.5                           # of a position against the clock
AWAY_S = 5.0                            # what two faults may cost


MIDDLE = {"vcodec": "libx264", "preset": "ultrafast", "s": "320x180", "b:v": "400k", "g": 25,
          "acodec": "aac", "b:a": "48k", "ac": 2, "format": "mpegts"}


def config(edited):
    low = [{"name": "low", "ffmpeg_profile": "small"}]
    film = media.long_film()
    return line_up(channel(COPIED, film, **LOOP),
                   channel(VARIANTS, film, "middle", adaptive_bitrates=low, **LOOP),
                   channel(KILLED, film, **LOOP),
                   channel(EDITED, media.other_film() if edited else film, **LOOP),
                   hls={"segment_seconds": 2}, ffmpeg_profiles={"middle": MIDDLE})


class Case:
    """One player on one channel."""

    def __init__(self, opened, files, server, engine, number):
        self.engine, self.number = engine, number
        self.page = browser.Page(opened, files.url)
        wait_for(lambda: self.page.run("!!window.begin"), 20, "the page")
        # the heights that it shows one after the other; the player chooses what is in the playlist
        self.heights = {EDITED: [OTHER], VARIANTS: [HIGH, LOW, HIGH]}.get(number, [])
        if engine == "native" and number == VARIANTS:
            self.heights = []
        self.chosen = None
        url = server.url(f"/hls/{number}/index.m3u8")
        self.page.run(f"void begin({json.dumps(engine)}, {json.dumps(url)})")

    def look(self):
        self.now = self.page.run("report()")
        return self.now

    def begun(self):
        return self.look()["position"] > 0.5 or self.now["errors"]

    def start(self):
        """From now on it is watched."""
        self.first = self.look()

    def go_on(self):
        """Waits for the next height, chooses it; True when it has had them all, or has failed."""
        if self.look()["errors"] or not self.heights:
            return True
        if self.now["height"] == self.heights[0]:
            self.heights.pop(0)
        elif self.number == VARIANTS and self.chosen != self.heights[0]:
            self.chosen = self.heights[0]
            self.page.run(f"choose({self.chosen})")
        return False

    def shown(self):
        """(seconds shown, seconds passed) since the start."""
        return (self.now["position"] - self.first["position"],
                self.now["clock"] - self.first["clock"])

    def keep_picture(self):
        path = os.path.join(SHOTS, f"{self.engine}-{self.number}.png")
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.page.picture()))


def trouble(server):
    """What happens while they play."""
    server.write_config(config(True))
    assert server.amps("reload").returncode == 0
    kill(server.tuner(str(KILLED))["pid"])
    yield
    found = [pid for pid, (_, line) in server.processes().items()
             if line.startswith(f"amps-transcoder {KILLED} segment")]
    kill(found[0])


def play(server, cases):
    for case in cases:
        wait_for(case.begun, 40, f"{case.engine} on channel {case.number}")
    for case in cases:
        case.start()
    faults = trouble(server)
    next(faults)

    def over():
        passed = min(case.now["clock"] - case.first["clock"] for case in cases)
        if passed > SECONDS / 3:
            next(faults, None)
        # all of them are asked each time
        return all([case.go_on() for case in cases]) and passed > SECONDS

    # one that does not get on fails its own test
    with contextlib.suppress(AssertionError):
        wait_for(over, SECONDS + 30, "the end of the show")


@pytest.fixture(scope="module")
def show():
    """{(engine, number): the case} when all have played."""
    if not browser.program():
        pytest.skip("no chromium that decodes H.264")
    with serving(config(False), workers=2) as server, \
            Audience(server, CHANNELS) as audience, \
            browser.Files() as files, browser.Browser() as opened:
        # players that come now need not wait for segments
        wait_for(lambda: audience.shortest >= SEGMENTS, 40, "the channels")
        cases = [Case(opened, files, server, engine, number)
                 for number in CHANNELS for engine in ENGINES]
        if not cases[0].look()["able"]:
            pytest.skip("no chromium that decodes H.264")
        play(server, cases)
        if SHOTS:
            for case in cases:
                case.keep_picture()
        yield {(case.engine, case.number): case for case in cases}


def assert_played(case, slack_s):
    """A player waits for what is late, and jumps over what is missing."""
    shown, passed = case.shown()
    assert case.now["errors"] == [], case.now
    assert abs(shown - passed) < slack_s, (shown, passed, case.now)
    assert case.now["pictures"] > 25 * shown * 0.8, case.now
    assert case.now["sound"] > case.first["sound"], case.now


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("number", [COPIED, VARIANTS], ids=["copied", "variants"])
def test_it_plays_without_a_stall(show, engine, number):
    case = show[engine, number]
    assert_played(case, SLACK_S)
    assert case.now["stalls"] == case.first["stalls"], case.now
    if number == VARIANTS and engine != "native":
        assert case.now["heights"][-3:] == [HIGH, LOW, HIGH], case.now


@pytest.mark.parametrize("engine", ENGINES)
def test_it_goes_on_when_jobs_are_killed(show, engine):
    assert_played(show[engine, KILLED], AWAY_S)


@pytest.mark.parametrize("engine", ENGINES)
def test_it_goes_on_with_an_edited_source(show, engine):
    case = show[engine, EDITED]
    assert_played(case, AWAY_S)
    assert case.now["height"] == OTHER, case.now
