"""Real players on a running channel, from the playlist's own link."""
import os
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

import media
from harness import PATIENCE, wait_for
from lineup import LOOP, channel, line_up

pytestmark = pytest.mark.slow

# what is played: a profile and the form of the link
KINDS = {"copy": ("copy", "ts"), "small": ("small", "ts"), "hls": ("copy", "hls")}
SECOND = {"copy": 250_000, "small": 25_000}     # bytes of the profile's output


class Played:
    """A channel, its link in the playlist, and how many bytes of it are three seconds."""

    def __init__(self, server, kind):
        profile, form = KINDS[kind]
        self.server = server(line_up(channel(1, media.film(), profile=profile, output_format=form,
                                             **LOOP),
                                     streaming={"idle_timeout": 20}))
        self.url = re.search(r"^http.*", self.server.get("/playlist.m3u").text, re.M)[0].strip()
        self.enough = 3 * SECOND[profile]

    def taken(self):
        """How many bytes the player has received."""
        return max((v["bytes"] for v in self.server.viewers()), default=0)


@pytest.fixture(params=KINDS)
def played(request, server):
    return Played(server, request.param)


def run(*command, timeout=60):
    return subprocess.run(command, capture_output=True, text=True, errors="replace",
                          timeout=timeout * PATIENCE, stdin=subprocess.DEVNULL)


def run_until(command, condition, what):
    """Runs a player until condition(its output) holds, then interrupts it; returns its output."""
    with tempfile.TemporaryFile("w+", errors="replace") as out:
        p = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                             start_new_session=True)

        def said():
            out.seek(0)
            return out.read()

        def holds():
            assert p.poll() is None, "it ended by itself"
            return condition(said())

        try:
            wait_for(holds, 60, what)
        except AssertionError as e:
            raise AssertionError(f"{e}: {said()[-3000:]}") from None
        finally:
            if p.poll() is None:
                os.killpg(p.pid, signal.SIGINT)
            try:
                p.wait(10 * PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()
        return said()


def needs(program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def test_ffprobe(played):
    done = run("ffprobe", "-v", "error", "-read_intervals", "%+3", "-count_packets",
               "-show_entries", "stream=codec_name,nb_read_packets", "-of", "csv=p=0", played.url)
    assert done.returncode == 0 and done.stderr == ""
    found = dict(line.split(",")[:2] for line in done.stdout.split())
    assert int(found["h264"]) > 50 and int(found["aac"]) > 80


def test_ffmpeg_decodes_without_errors(played):
    done = run("ffmpeg", "-v", "warning", "-t", "4", "-i", played.url, "-f", "null", "-")
    assert done.returncode == 0 and done.stderr == ""


def test_mpv(played):
    needs("mpv")
    done = run("mpv", "--no-config", "--vo=null", "--ao=null", "--length=4",
               "--term-status-msg=t=${time-pos} drop=${frame-drop-count}", played.url)
    assert done.returncode == 0, done.stdout
    assert "(+) Video" in done.stdout and "(+) Audio" in done.stdout


def test_vlc(played):
    needs("cvlc")
    words = ["cvlc", "--intf", "dummy", "-vv", "--vout", "vdummy", "--aout", "adummy", played.url]
    if os.geteuid() == 0:
        words = ["runuser", "-u", "nobody", "--", "env", "HOME=/tmp", *words]
    until = []

    def enough(text):
        if "Received first picture" in text and not until:
            until.append(played.taken() + played.enough)
        return until and played.taken() > until[0]

    text = run_until(words, enough, "three seconds behind the first picture")
    assert "discontinuity received" not in text and "dts 40000us later than pcr" not in text


def test_gstreamer(played):
    needs("gst-launch-1.0")

    def rendered(text):
        return int((re.findall(r"rendered: (\d+), dropped: \d+", text) or [0])[-1])

    run_until(["gst-launch-1.0", "-v", "playbin", f"uri={played.url}",
               "video-sink=fpsdisplaysink text-overlay=false video-sink=fakesink",
               "audio-sink=fakesink sync=true"],
              lambda text: rendered(text) > 60, "sixty pictures")
