"""amps vlc: working links, and the player that is started with them."""
import os
import re
import subprocess
import urllib.request

import pytest

import media
from harness import BIN
from lineup import LOOP, channel, line_up

pytestmark = pytest.mark.slow

AMPS = os.path.join(BIN, "amps")
TOKEN = "a&b+c/=?#"


def protected(*streams):
    config = line_up(*streams)
    config["auth"] = {"enabled": True, "token": TOKEN, "admin_token": "the-admin-token"}
    return config


def link(s, *args):
    done = s.amps("vlc", "--print", *args)
    assert done.returncode == 0, done.stderr
    url, = done.stdout.splitlines()
    assert "admin" not in url
    return url


@pytest.mark.smoke
def test_the_printed_links_play(server):
    s = server(protected(channel(1, media.film(), **LOOP, adaptive_bitrates=[
        {"name": "HD+", "ffmpeg_profile": "small"}])))
    playlist = urllib.request.urlopen(link(s, "--region", "us"), timeout=20).read()
    assert playlist.startswith(b"#EXTM3U")
    for args in ([], ["--variant", "HD+"]):
        url = link(s, "--stream-id", "1", *args)
        assert re.match(r"http://localhost:\d+/stream/1\.ts\?", url)
        with urllib.request.urlopen(url, timeout=20) as answer:
            assert answer.read(188 * 10)[0] == 0x47
        assert s.tuner("1")
    assert "variant=HD%2B" in url


def test_without_authentication_there_is_no_token(server):
    s = server(line_up(channel(1, media.film()), server={"public_url": "https://tv.example/amps/"}))
    assert link(s) == "https://tv.example/amps/playlist.m3u"
    assert link(s, "--stream-id", "1") == "https://tv.example/amps/stream/1.ts"


def test_every_form_has_a_link(server):
    s = server(line_up(channel(1, media.film()), server={"rtsp_port": "auto"}))
    http = s.port
    rtsp = s.ask("status")["rtsp_port"]
    for form, url in (("hls", f"http://localhost:{http}/hls/1/index.m3u8"),
                      ("mp4", f"http://localhost:{http}/stream/1?format=mp4"),
                      ("ws", f"ws://localhost:{http}/ws/1"), ("rtsp", f"rtsp://localhost:{rtsp}/1")):
        assert link(s, "--stream-id", "1", "--format", form) == url
    assert s.amps("vlc", "--stream-id", "1", "--format", "ws").returncode == 2
    assert s.amps("vlc", "--print", "--format", "avi").returncode == 2


def test_vlc_reports_what_cannot_be_played(server):
    s = server(line_up(channel(1, media.film())))
    for args, reason in ((["--stream-id", "7"], "no channel 7"),
                         (["--stream-id", "1", "--variant", "x"], "no variant 'x'")):
        done = s.amps("vlc", "--print", *args)
        assert done.returncode == 1 and reason in done.stderr and not done.stdout


def test_the_player_is_found_on_the_path(server, tmp_path):
    s = server(line_up(channel(1, media.film())))
    for name in ("vlc", "mpv", "ffplay"):
        player = tmp_path / name
        player.write_text('#!/bin/sh\necho "$0" "$@"\nexit 7\n')
        player.chmod(0o755)
        done = subprocess.run([AMPS, "vlc", "--player", name, "--stream-id", "1", "--socket",
                               s.socket_path], capture_output=True, text=True, timeout=30,
                              env=dict(os.environ, PATH=f"{tmp_path}:/usr/bin:/bin"))
        # the command becomes the player: the exit code is the player's
        assert done.returncode == 7
        assert done.stdout == f"{player} http://localhost:{s.port}/stream/1.ts\n"
        player.unlink()
        done = subprocess.run([AMPS, "vlc", "--player", name, "--stream-id", "1", "--socket",
                               s.socket_path], capture_output=True, text=True, timeout=30,
                              env=dict(os.environ, PATH=str(tmp_path)))
        assert done.returncode == 1 and f"cannot start {name}" in done.stderr
