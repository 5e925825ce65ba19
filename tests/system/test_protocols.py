"""Real senders of every kind on loopback, each played through the server without a word of
complaint from ffmpeg's decoder."""
import socket
import subprocess

import pytest

import media
from harness import SANITIZED, free_port, wait_for
from lineup import LOOP, channel, line_up
from programs import rtmp_server, rtsp_server, sender, vlc_server
from watcher import Watcher


def plays(s, seconds=4, path="/stream/1.ts"):
    """ffmpeg decodes so much of a channel without an error line."""
    wait_for(lambda: s.get("/readyz").status == 200, 10, "the server")
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", s.url(path),
                           "-t", str(seconds), "-f", "null", "-"],
                          capture_output=True, text=True, errors="replace",
                          timeout=(seconds + 40) * (4 if SANITIZED else 1))
    assert done.returncode == 0 and done.stderr == "", (done.stderr, s.tuner("1"))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp(server, transport):
    with rtsp_server() as url:
        s = server(line_up(channel(1, url, input_options={"rtsp_transport": transport})))
        plays(s)


def test_rtmp(server):
    with rtmp_server(media.long_film()) as url:
        s = server(line_up(channel(1, url, input_options={"rtmp_live": "live"})))
        plays(s)


def test_srt_that_is_called(server):
    port = free_port(socket.SOCK_DGRAM)
    with sender(media.long_film(), "-f", "mpegts", f"srt://127.0.0.1:{port}?mode=listener"):
        s = server(line_up(channel(1, f"srt://127.0.0.1:{port}")))
        plays(s)


def test_srt_that_calls(server):
    port = free_port(socket.SOCK_DGRAM)
    s = server(line_up(channel(1, f"srt://127.0.0.1:{port}?mode=listener")))
    with sender(media.long_film(), "-f", "mpegts", f"srt://127.0.0.1:{port}"):
        plays(s)


def test_rtp(server):
    port = free_port(socket.SOCK_DGRAM)
    s = server(line_up(channel(1, f"rtp://@:{port}")))
    with sender(media.long_film(), "-f", "rtp_mpegts", f"rtp://127.0.0.1:{port}"):
        plays(s)


def test_vlc_over_http(server):
    with vlc_server(media.long_film()) as url:
        s = server(line_up(channel(1, url)))
        plays(s)
