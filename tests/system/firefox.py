"""A headless Firefox and one page of it, driven by WebDriver BiDi over its own WebSocket."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import types

import ws
from harness import PATIENCE, wait_for

NAMES = ("firefox-esr", "firefox")
TEXT = 1                # what a WebSocket frame is
PREFERENCES = {
    "media.autoplay.default": 0, "media.autoplay.blocking_policy": 0,
    # nothing is asked of servers on the Internet
    "app.update.auto": False, "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False, "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False, "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False, "services.settings.server": "data:,",
    "toolkit.telemetry.server": "data:,"}


def program():
    """The path of Firefox; None where it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Socket(ws.WebSocket):
    """Accepts an answer with more fields than Amps may send."""

    def shake_hands(self):
        while b"\r\n\r\n" not in self.received:
            assert self.fill(), self.received
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        assert b" 101 " in head.split(b"\r\n")[0], head


class Firefox:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="amps-firefox-")
        with open(os.path.join(self.profile, "user.js"), "w") as f:
            for name, value in PREFERENCES.items():
                f.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
        self.process = subprocess.Popen(
            [program(), "--headless", "--no-remote", "--profile", self.profile,
             "--remote-debugging-port", "0", "about:blank"],
            env={**os.environ, "HOME": self.profile, "MOZ_CRASHREPORTER_DISABLE": "1"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        self.socket, self.number = None, 0
        try:
            self.connect()
        except BaseException:
            self.close()
            raise

    def where(self):
        """Host and port of its WebSocket; None before it is there."""
        assert self.process.poll() is None, "Firefox has ended"
        with contextlib.suppress(OSError, ValueError, KeyError):
            with open(os.path.join(self.profile, "WebDriverBiDiServer.json")) as f:
                said = json.load(f)
            return types.SimpleNamespace(host=said["ws_host"], port=said["ws_port"])
        return None

    def connect(self):
        server = wait_for(self.where, 60, "Firefox")
        self.socket = Socket(server, "/session", timeout=30 * PATIENCE,
                             headers={"Host": f"{server.host}:{server.port}"})
        self.call("session.new", capabilities={})
        tree = self.call("browsingContext.getTree")
        self.context = tree["contexts"][0]["context"]

    def call(self, method, **params):
        """The result of one command; events between are passed over."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        self.socket.send(ws.frame(TEXT, json.dumps(message).encode()))
        while True:
            opcode, text = self.socket.read_frame()
            answer = json.loads(text) if opcode == TEXT else {}
            if answer.get("id") == self.number:
                assert answer["type"] == "success", f"{method}: {answer}"
                return answer["result"]

    def go(self, url):
        self.call("browsingContext.navigate", context=self.context, url=url, wait="complete")

    def run(self, script):
        """The value of an expression, or of the promise that it is."""
        got = self.call("script.evaluate", target={"context": self.context}, awaitPromise=True,
                        expression=f"Promise.resolve({script}).then((v) => JSON.stringify(v ?? null))")
        assert got["type"] == "success", got
        return json.loads(got["result"]["value"])

    def before_pages(self, script):
        """Runs a script in each page before its own ones."""
        self.call("script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}")

    def close(self):
        if self.socket:
            self.socket.socket.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
