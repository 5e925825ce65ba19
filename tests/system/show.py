"""Players in a browser, and what they show.

AMPS_PLAYER_SECONDS says how long they play (default 10, or 6 for a single player whose channel has no
faults).  AMPS_PLAYER_SHOTS is a folder for screenshots at the end."""
import base64
import contextlib
import json
import os

import browser
from harness import kill, wait_for

SECONDS = float(os.environ.get("AMPS_PLAYER_SECONDS", "10"))
QUIET_SECONDS = float(os.environ.get("AMPS_PLAYER_SECONDS", "6"))
SHOTS = os.environ.get("AMPS_PLAYER_SHOTS")
HIGH, LOW, OTHER = 180, 90, 270         # heights
# Between two choices, more than a segment: hls.js and Shaka that are sent back within one go on behind
# the part that they had of the other variant, without its key frame.
CHOICES_APART_S = 3
AWAY_S = 5.0                            # what two faults may cost
# A player near the live edge appends another variant over the picture that is shown; Chromium then shows
# the next one with the next key frame.
CHANGE_S = 1.0
MIDDLE = {"vcodec": "libx264", "preset": "ultrafast", "s": "320x180", "b:v": "400k", "g": 25,
          "acodec": "aac", "b:a": "48k", "ac": 2, "format": "mpegts"}


class Case:
    """One player on one channel.  `name` is how the case is called, `engine` the page's word for the
    player, `heights` what it must show, one after the other; with `chooses` it is switched to each."""

    def __init__(self, opened, files, name, engine, server, path, heights=(), chooses=False, **how):
        self.name, self.heights, self.chooses = name, list(heights), chooses
        self.page = browser.Page(opened, files.url)
        wait_for(lambda: self.page.run("!!window.begin"), 20, "the page")
        self.chosen, self.next_choice = None, 0      # when, by its position
        # a browser has six connections to a host for all of its pages, which held requests would use up
        url = f"http://{name}.localhost:{server.port}{path}"
        self.page.run(f"void begin({json.dumps(engine)}, {json.dumps(url)}, {json.dumps(how)})")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.page.close()

    def look(self):
        self.now = self.page.run("report()")
        return self.now

    def begun(self):
        return self.look()["begun"] or self.now["errors"]

    def start(self):
        """From now on it is watched."""
        self.first = self.look()

    def go_on(self):
        """Waits for the next height, chooses it; True when it has had them all, or has failed."""
        if self.look()["errors"] or not self.heights:
            return True
        if self.now["height"] == self.heights[0]:
            self.heights.pop(0)
        elif self.chooses and self.chosen != self.heights[0] and self.now["position"] > self.next_choice:
            self.next_choice = self.now["position"] + CHOICES_APART_S
            self.chosen = self.heights[0]
            self.page.run(f"choose({self.chosen})")
        return False

    def shown(self):
        """(seconds shown, seconds passed) since the start."""
        return (self.now["position"] - self.first["position"],
                self.now["clock"] - self.first["clock"])

    def keep_picture(self):
        path = os.path.join(SHOTS, f"{self.name}.png")
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.page.picture()))

    def assert_played(self, slack_s, frozen_s=0.0):
        """A player waits for what is late, and jumps over what is missing.  `frozen_s`: so long the
        position may go on without a new picture."""
        shown, passed = self.shown()
        assert self.now["errors"] == [], self.now
        assert abs(shown - passed) < slack_s, (shown, passed, self.now)
        assert self.now["pictures"] > 25 * (shown - frozen_s) * 0.8, self.now
        assert self.now["sound"] > self.first["sound"], self.now

    def assert_smooth(self):
        assert self.now["stalls"] == self.first["stalls"], self.now


def kill_segment_job(server, number):
    found = [pid for pid, (_, line) in server.processes().items()
             if line.startswith(f"amps-transcoder {number} segment")]
    kill(found[0])


def play(cases, faults=None, seconds=SECONDS):
    """Plays all of them at the same time, so many seconds and until each has shown its heights.
    `faults` is a generator: what it does first happens at the start, what comes after its `yield`
    when a third of the time has passed."""
    faults = faults or iter(())
    for case in cases:
        wait_for(case.begun, 40, case.name)
    for case in cases:
        case.start()
    next(faults, None)

    def over():
        passed = min(case.now["clock"] - case.first["clock"] for case in cases)
        if passed > seconds / 3:
            next(faults, None)
        # all of them are asked each time
        return all([case.go_on() for case in cases]) and passed > seconds

    # one that does not get on fails its own test
    with contextlib.suppress(AssertionError):
        wait_for(over, seconds + 30, "the end of the show")
    if SHOTS:
        os.makedirs(SHOTS, exist_ok=True)
        for case in cases:
            case.keep_picture()
