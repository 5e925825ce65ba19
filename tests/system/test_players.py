"""Real players on a running channel, from the playlist's own link."""
import os
import re
import shutil
import subprocess

import pytest

import media
from harness import PATIENCE
from lineup import LOOP, channel, line_up

pytestmark = pytest.mark.slow


@pytest.fixture(params=["copy", "small"])
def url(request, server):
    s = server(line_up(channel(1, media.film(), profile=request.param, **LOOP),
                       streaming={"idle_timeout": 20}))
    return re.search(r"^http.*", s.get("/playlist.m3u").text, re.M)[0].strip()


def run(*command, timeout=60):
    return subprocess.run(command, capture_output=True, text=True, errors="replace",
                          timeout=timeout * PATIENCE, stdin=subprocess.DEVNULL)


def needs(program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def test_ffprobe(url):
    done = run("ffprobe", "-v", "error", "-read_intervals", "%+3", "-count_packets",
               "-show_entries", "stream=codec_name,nb_read_packets", "-of", "csv=p=0", url)
    assert done.returncode == 0 and done.stderr == ""
    found = dict(line.split(",")[:2] for line in done.stdout.split())
    assert int(found["h264"]) > 50 and int(found["aac"]) > 80


def test_ffmpeg_decodes_without_a_word(url):
    done = run("ffmpeg", "-v", "warning", "-t", "4", "-i", url, "-f", "null", "-")
    assert done.returncode == 0 and done.stderr == ""


def test_mpv(url):
    needs("mpv")
    done = run("mpv", "--no-config", "--vo=null", "--ao=null", "--length=4",
               "--term-status-msg=t=${time-pos} drop=${frame-drop-count}", url)
    assert done.returncode == 0, done.stdout
    assert "(+) Video" in done.stdout and "(+) Audio" in done.stdout


def test_vlc(url):
    needs("cvlc")
    words = ["cvlc", "--intf", "dummy", "-vv", "--run-time", "5", "--vout", "vdummy", "--aout",
             "adummy", "--play-and-exit", url, "vlc://quit"]
    if os.geteuid() == 0:
        words = ["runuser", "-u", "nobody", "--", "env", "HOME=/tmp", *words]
    done = run(*words)
    text = done.stdout + done.stderr
    assert "Received first picture" in text, text[-3000:]
    assert "discontinuity received" not in text and "dts 40000us later than pcr" not in text


def test_gstreamer(url):
    needs("gst-launch-1.0")
    done = run("timeout", "-s", "INT", "8", "gst-launch-1.0", "-v", "playbin", f"uri={url}",
               "video-sink=fpsdisplaysink text-overlay=false video-sink=fakesink",
               "audio-sink=fakesink sync=true")
    rendered = re.findall(r"rendered: (\d+), dropped: (\d+)", done.stdout)
    assert rendered, done.stdout[-2000:] + done.stderr[-2000:]
    assert int(rendered[-1][0]) > 60
