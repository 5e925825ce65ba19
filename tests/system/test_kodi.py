"""Kodi plays HLS, and with pvr.iptvsimple shows what is on now and next, from an imported guide."""
import contextlib
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

import media
from harness import free_port, serving, wait_for
from lineup import LOOP, channel, line_up

pytestmark = [pytest.mark.soak, pytest.mark.limit(300)]

KODI = next(iter(glob.glob("/usr/lib/*/kodi/kodi.bin")), None)
ADDON = "pvr.iptvsimple"


def settings(**values):
    return '<settings version="2">' + "".join(
        f'<setting id="{key}">{value}</setting>' for key, value in values.items()) + "</settings>"


def start_program(words, home, **more):
    """A program with a session and a home of its own."""
    return subprocess.Popen(words, env={**os.environ, "HOME": home, "XDG_RUNTIME_DIR": home,
                                        "LIBGL_ALWAYS_SOFTWARE": "1", **more},
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, start_new_session=True)


class Kodi:
    """Kodi in a virtual display, which reads a playlist and its guide, driven over JSON-RPC."""

    def __init__(self, home, server):
        self.port, self.programs = free_port(), []
        try:
            self.start(home, server)
        except BaseException:
            self.close()
            raise

    def start(self, home, server):
        data = os.path.join(home, ".kodi", "userdata")
        addon = os.path.join(data, "addon_data", ADDON)
        os.makedirs(addon)
        # the playlist names the guide
        words = settings(kodi_addon_instance_enabled="true", m3uPathType=1, m3uCache="false",
                         m3uUrl=server.url("/playlist.m3u"), epgPathType=1, epgCache="false")
        # newer versions read the second one
        for name in ("settings.xml", "instance-settings-1.xml"):
            with open(os.path.join(addon, name), "w") as f:
                f.write(words)
        with open(os.path.join(data, "advancedsettings.xml"), "w") as f:
            f.write(f"<advancedsettings><jsonrpc><tcpport>{self.port}</tcpport></jsonrpc>"
                    "</advancedsettings>")
        number, into = os.pipe()
        self.programs.append(subprocess.Popen(
            ["Xvfb", "-displayfd", str(into), "-screen", "0", "640x360x24", "-nolisten", "tcp"],
            pass_fds=[into], stderr=subprocess.DEVNULL, start_new_session=True))
        os.close(into)
        with os.fdopen(number) as f:
            display = ":" + f.readline().strip()
        self.programs.append(start_program([KODI, "--standalone"], home, DISPLAY=display))
        wait_for(lambda: self.asks("JSONRPC.Ping"), 90, "Kodi")

    def asks(self, method, **params):
        """What it answers; None = not now."""
        with contextlib.suppress(OSError), \
                socket.create_connection(("127.0.0.1", self.port), timeout=10) as s:
            s.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
                                  "params": params}).encode())
            text = b""
            while True:
                more = s.recv(1 << 16)
                if not more:
                    return None
                text += more
                with contextlib.suppress(ValueError):
                    answer = json.loads(text)
                    if "id" in answer:
                        return answer.get("result")
                    text = b""      # a notification
        return None

    def channels(self):
        """{name: (now, next)}"""
        found = self.asks("PVR.GetChannels", channelgroupid="alltv",
                          properties=["broadcastnow", "broadcastnext"]) or {}
        return {c["label"]: tuple((c.get(key) or {}).get("title") for key in
                                  ("broadcastnow", "broadcastnext"))
                for c in found.get("channels") or []}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for program in reversed(self.programs):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()


needs_kodi = pytest.mark.skipif(not KODI or not shutil.which("Xvfb"), reason="no kodi, or no Xvfb")


@needs_kodi
def test_kodi_shows_now_and_next_of_an_imported_guide(tmp_path):
    def at(minutes):
        return time.strftime("%Y%m%d%H%M%S +0000", time.gmtime(time.time() + 60 * minutes))
    guide = tmp_path / "guide.xml"
    guide.write_text("<tv>" + "".join(
        f'<channel id="{n}.tv"><display-name>{n}</display-name></channel>' + "".join(
            f'<programme start="{at(60 * k - 30)}" stop="{at(60 * k + 30)}" channel="{n}.tv">'
            f"<title>{n} {k}</title></programme>" for k in range(-2, 4))
        for n in ("One", "Two")) + "</tv>")
    film = media.film()
    with serving(line_up(channel(1, film, name="One", epg_id="One.tv"), channel(2, film, name="Two"),
                         epg={"sources": [{"path": str(guide)}]})) as server:
        wait_for(lambda: all(c["programs"] for c in server.get("/api/epg").json), 20, "the guide")
        with Kodi(str(tmp_path), server) as kodi:
            wait_for(lambda: kodi.asks("Addons.SetAddonEnabled", addonid=ADDON, enabled=True), 20,
                     "the add-on")
            wanted = {n: (f"{n} 0", f"{n} 1") for n in ("One", "Two")}
            wait_for(lambda: kodi.channels() == wanted, 60, "now and next")


@needs_kodi
def test_kodi_plays_hls(tmp_path):
    with serving(line_up(channel(1, media.long_film(), output_format="hls", **LOOP),
                         hls={"segment_seconds": 2})) as server, \
            Kodi(str(tmp_path), server) as kodi:
        assert kodi.asks("Player.Open", item={"file": server.url("/hls/1/index.m3u8")}) == "OK"
        player = wait_for(lambda: kodi.asks("Player.GetActivePlayers"), 60, "a player")[0]
        assert player["type"] == "video"

        def played():
            """Seconds; False = it does not play."""
            at = kodi.asks("Player.GetProperties", playerid=player["playerid"],
                           properties=["time", "speed"]) or {}
            return at.get("speed") == 1 and sum(
                at["time"][unit] * n for unit, n in (("hours", 3600), ("minutes", 60),
                                                     ("seconds", 1), ("milliseconds", .001)))
        first = wait_for(played, 60, "the first picture")
        # longer than what it has buffered at first
        wait_for(lambda: (played() or 0) > first + 15, 60, "it to play on")
        # it asks twice for the first playlist, and plays with one of the sessions
        viewers = server.viewers()
        assert all(v["protocol"] == "hls" and "Kodi" in v["user_agent"] for v in viewers), viewers
        assert sum(v["bytes"] > 100000 for v in viewers) == 1, viewers
