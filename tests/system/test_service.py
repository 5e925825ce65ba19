"""What a service manager gives and gets: readiness, a line of status, signs of life, sockets."""
import os
import re
import signal
import socket
import sys

import pytest
import yaml

import media
from harness import BIN, PATIENCE, ROOT, kill, wait_for
from lineup import LOOP, channel, line_up
from ts import Checker

pytestmark = pytest.mark.slow

PASSER = """#!{python}
import os, socket, sys
if sys.argv[1] == "serve":
    for n, kind in enumerate({kinds!r}):
        s = socket.socket(socket.AF_INET, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            s.listen(16)
        os.dup2(s.detach(), 60 + n)
    for n in range({count}):
        os.dup2(60 + n, 3 + n)
        os.close(60 + n)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="{count}", LISTEN_FDNAMES="{names}")
os.execv({amps!r}, [{amps!r}] + sys.argv[1:])
"""


class Manager:
    """Receives what a server says."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.settimeout(20 * PATIENCE)
        self.lines = []

    def wait_line(self, wanted):
        """Receives until a line begins so, and returns that line."""
        while True:
            found = [line for line in self.lines if line.startswith(wanted)]
            if found:
                self.lines = self.lines[self.lines.index(found[0]) + 1:]
                return found[0]
            self.lines += self.sock.recv(4096).decode().splitlines()


@pytest.fixture
def manager(tmp_path):
    m = Manager(tmp_path)
    yield m
    m.sock.close()


def passing(folder, kinds, names):
    """A folder whose `amps` passes these sockets to the server, as systemd does."""
    path = os.path.join(folder, "amps")
    with open(path, "w") as f:
        f.write(PASSER.format(python=sys.executable, kinds=[int(k) for k in kinds], count=len(kinds),
                              names=names, amps=os.path.join(BIN, "amps")))
    os.chmod(path, 0o755)
    return str(folder)


def environment(pid):
    with open(f"/proc/{pid}/environ", "rb") as f:
        return f.read()


@pytest.mark.smoke
def test_a_manager_learns_when_the_server_is_ready_alive_and_stopping(server, manager):
    s = server(line_up(channel(1, media.film(), **LOOP)),
               env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "600000"})
    manager.wait_line("READY=1")
    assert manager.wait_line("STATUS=") == (f"STATUS=http://localhost:{s.port}/: 1 channels, 0 running, "
                                            "0 viewers")
    with s.stream("/stream/1.ts") as stream:
        stream.read(188)
        wait_for(lambda: "1 running, 1 viewers" in manager.wait_line("STATUS="), 10, "the viewer")
    for _ in range(3):
        manager.wait_line("WATCHDOG=1")
    for pid in s.processes():
        if pid != s.process.pid:
            assert b"NOTIFY_SOCKET" not in environment(pid)
    s.stop()
    manager.wait_line("STOPPING=1")


def test_a_refused_reload_and_a_failed_start_are_in_the_status(server, manager):
    s = server(line_up(channel(1, media.film(), **LOOP)), env={"NOTIFY_SOCKET": manager.path})
    manager.wait_line("READY=1")
    s.write_config("streams: 5")
    assert s.amps("reload").returncode == 1
    wait_for(lambda: "the last reload was refused: " in manager.wait_line("STATUS="), 10, "the reason")
    s.stop()
    s.start(ready=False)
    wait_for(lambda: s.process.poll() is not None, 20, "the end of the start")
    wait_for(lambda: "cannot be used" in manager.wait_line("STATUS="), 10, "the reason")


def test_sockets_of_a_manager_are_shared_by_all_workers(server, tmp_path):
    s = server(line_up(channel(1, media.film(), **LOOP), server={"rtsp_port": 0}), workers=2,
               programs=passing(tmp_path, [socket.SOCK_STREAM] * 2, "http:rtsp"))
    status = s.ask("status")
    assert s.port and status["rtsp_port"] not in (0, s.port)
    with s.stream("/stream/1.ts") as stream:
        Checker(stream.read_for(1)).check().check_start()
    with socket.create_connection(("127.0.0.1", status["rtsp_port"])) as rtsp:
        rtsp.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        assert rtsp.recv(4096).startswith(b"RTSP/1.0 200")
    kill(s.pids("amps-worker")[0], signal.SIGKILL)
    for _ in range(40):
        assert s.get("/healthz").status == 200
    wait_for(lambda: len(s.pids("amps-worker")) == 2, 10, "the new worker")
    for pid in s.processes():
        if pid != s.process.pid:
            assert b"LISTEN_FDS" not in environment(pid)


@pytest.mark.parametrize("kinds, names, reason", [
    ([socket.SOCK_DGRAM], "http", 'passed as "http" is no listening TCP socket'),
    ([socket.SOCK_STREAM] * 2, "http:http", "more than one socket for HTTP"),
    ([socket.SOCK_STREAM] * 17, "http", "LISTEN_FDS of the service manager is no number up to 16"),
])
def test_a_socket_that_cannot_be_used_ends_the_start(server, tmp_path, kinds, names, reason):
    s = server(line_up(channel(1, media.film(), **LOOP)), ready=False,
               programs=passing(tmp_path, kinds, names))
    wait_for(lambda: s.process.poll() is not None, 20, "the end of the start")
    assert reason in s.log()
    assert s.process.returncode == 1


def test_a_credential_of_the_unit_is_the_token(server, tmp_path):
    with open(os.path.join(ROOT, "packaging/systemd/drop-ins/credentials.conf")) as f:
        text = f.read()
    assert "\nLoadCredential=token:" in text
    section = yaml.safe_load(re.search(r"^#\s+(auth: .*)$", text, re.M)[1])
    (tmp_path / "token").write_text("from-the-unit\n")
    (tmp_path / "token").chmod(0o400)
    section["auth"]["enabled"] = True
    s = server(line_up(channel(1, media.film(), **LOOP), **section),
               env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert s.get("/playlist.m3u").status == 401
    for _ in range(2):
        assert s.get("/playlist.m3u?token=from-the-unit").status == 200
        assert s.amps("reload").returncode == 0


HIDER = """#!/bin/sh
exec unshare --mount --propagation private sh -c '
mkdir "$0/dev" && mount -t tmpfs tmpfs "$0/dev" && mkdir "$0/dev/shm" || exit
for name in null zero full random urandom; do
	touch "$0/dev/$name" && mount --bind "/dev/$name" "$0/dev/$name" || exit
done
mount --rbind /dev/shm "$0/dev/shm" && mount --rbind "$0/dev" /dev && exec {amps} "$@"' {folder} "$@"
"""


def test_a_device_that_is_hidden_is_named_with_its_drop_in(server, tmp_path):
    card, gpu = "/dev/dvb/adapter0/dvr0", {"type": "vaapi", "device": "/dev/dri/renderD128"}
    config = line_up(channel(1, card), channel(2, card, custom_ffmpeg="cat {source}"),
                     channel(3, media.film(), "fast"),
                     ffmpeg_profiles={"fast": {"s": "160x90", "acodec": "aac", "hwaccel": gpu}})
    program = tmp_path / "amps"
    program.write_text(HIDER.format(amps=os.path.join(BIN, "amps"), folder=tmp_path))
    program.chmod(0o755)
    for programs, hidden in [(None, not os.path.exists("/dev/console")), (str(tmp_path), True)]:
        s = server(config, **({"programs": programs} if programs else {}))
        for number, file in [(1, "dvb.conf"), (2, "dvb.conf"), (3, "gpu.conf")]:
            assert s.refused(f"/stream/{number}.ts").status == 502
            error = s.tuner(str(number))["last_error"]
            assert "No such file or directory" in error or number == 3, error
            assert (f"drop-in {file}" in error) == hidden, error
        s.stop()
