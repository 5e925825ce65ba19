"""A headless Chromium and its pages, driven over its debugging pipe (the DevTools protocol)."""
import contextlib
import fcntl
import http.server
import json
import os
import platform
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest

import npm
from harness import PATIENCE

NAMES = ("chromium", "chromium-browser")
FLAGS = ["--headless", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run",
         "--autoplay-policy=no-user-gesture-required", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-quic",
         # pages that are behind others play, too
         "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
         "--disable-backgrounding-occluded-windows"]
# Chromium reads from descriptor 3 and writes to 4
LAUNCH = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); " \
         "os.execv(sys.argv[3], sys.argv[3:])"


def program():
    """The path of Chromium; None where it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def require(there, lack="no chromium that decodes H.264"):
    """Skips a test where a system has no such browser.  Debian has: there its lack is a failure."""
    if there:
        return
    if platform.freedesktop_os_release()["ID"] == "debian":
        pytest.fail(f"{lack}, though this is Debian: `make deps-test` installs it")
    pytest.skip(lack)


def far_pipe():
    """A pipe whose descriptors are not those that Chromium uses."""
    near = os.pipe()
    far = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in near]
    for fd in near:
        os.close(fd)
    return far


class Replaced(AssertionError):
    """The page was replaced while it ran a script."""


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="amps-browser-")
        theirs_in, self.out = far_pipe()
        self.into, theirs_out = far_pipe()
        words = [program(), *FLAGS, f"--user-data-dir={self.profile}", "about:blank"]
        if os.geteuid() == 0:
            words.insert(1, "--no-sandbox")
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(theirs_in), str(theirs_out), *words],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(theirs_in)
        os.close(theirs_out)
        self.rest, self.number = b"", 0

    def call(self, method, session=None, **params):
        """The result of one command."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 30 * PATIENCE
        while True:
            answer = self.read_message(end)
            if answer.get("id") == self.number:
                replaced = "navigated" in answer.get("error", {}).get("message", "")
                if "error" in answer:
                    raise (Replaced if replaced else AssertionError)(f"{method}: {answer['error']}")
                return answer["result"]

    def read_message(self, end):
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.into], [], [], max(end - time.monotonic(), 0))
            data = os.read(self.into, 1 << 16) if ready else b""
            assert data, "the browser does not answer" if not ready else "the browser has ended"
            self.rest += data
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def close(self):
        with contextlib.suppress(AssertionError, OSError):
            self.call("Browser.close")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5 * PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.out)
        os.close(self.into)
        shutil.rmtree(self.profile, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Page:
    """A window of the browser."""

    def __init__(self, browser, url):
        self.browser = browser
        self.target = browser.call("Target.createTarget", url=url, newWindow=True, width=340,
                                   height=240)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target,
                                    flatten=True)["sessionId"]

    def run(self, script):
        """The value of an expression, or of the promise that it is."""
        answer = self.browser.call("Runtime.evaluate", self.session, expression=script,
                                   returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def holds(self, expression):
        """Whether an expression is true; it is not while the page is being replaced."""
        try:
            return self.run(f"!!({expression})")
        except Replaced:
            return False

    def watch(self, video, timed=False):
        """Watches the element of this id: `pictures` in the page has what it shows."""
        with open(os.path.join(npm.LIST, "pictures.js")) as f:
            self.run(f.read())
        self.run(f"pictures = watchPictures(document.getElementById({json.dumps(video)}), "
                 f"{json.dumps(timed)}), null")

    def node(self, selector):
        """What assistive technology learns of an element."""
        found = self.browser.call("Runtime.evaluate", self.session,
                                  expression=f"document.querySelector({json.dumps(selector)})")
        return self.browser.call("Accessibility.getPartialAXTree", self.session,
                                 objectId=found["result"]["objectId"],
                                 fetchRelatives=False)["nodes"][0]

    def press(self, key, shift=False):
        """A key of the keyboard, such as "ArrowDown" or "5"."""
        codes = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9,
                 "Enter": 13, " ": 32, "Escape": 27, "Home": 36, "End": 35,
                 "Backspace": 8}
        text = {"text": "\r" if key == "Enter" else key} if key == "Enter" or len(key) == 1 else {}
        for kind in ("keyDown" if text else "rawKeyDown", "keyUp"):
            self.browser.call("Input.dispatchKeyEvent", self.session, type=kind, key=key,
                              windowsVirtualKeyCode=codes.get(key) or ord(key),
                              modifiers=8 if shift else 0, **(text if kind == "keyDown" else {}))

    def write(self, text):
        """Types a text into the field that has the focus."""
        self.browser.call("Input.insertText", self.session, text=text)

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)

    def picture(self):
        """What the window shows, as a PNG in base64."""
        return self.browser.call("Page.captureScreenshot", self.session)["data"]


class Files(http.server.ThreadingHTTPServer):
    """Serves the page of the players and their scripts."""

    def __init__(self):
        self.files = {"/": os.path.join(npm.LIST, "play.html"),
                      "/pictures.js": os.path.join(npm.LIST, "pictures.js"),
                      "/mpegts.js": npm.path("mpegts.js", "dist", "mpegts.js"),
                      "/hls.js": npm.path("hls.js", "dist", "hls.min.js"),
                      "/shaka.js": npm.path("shaka-player", "dist", "shaka-player.compiled.js"),
                      "/dash.js": npm.path("dashjs", "dist", "modern", "umd",
                                           "dash.all.min.js")}
        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/"

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.server.files.get(self.path)
        self.send_response(200 if path else 404)
        if path:
            kind = "text/html" if path.endswith(".html") else "text/javascript"
            self.send_header("Content-Type", kind)
        self.end_headers()
        if path:
            with open(path, "rb") as f:
                self.wfile.write(f.read())

    def log_message(self, *_):
        pass
