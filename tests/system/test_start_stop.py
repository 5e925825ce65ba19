"""The server starts, reports it, stops, and leaves nothing behind."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

import media
from harness import BIN, PATIENCE, Server, kill, wait_for
from lineup import LOOP, channel, line_up

pytestmark = pytest.mark.slow


@pytest.mark.smoke
def test_banner_names_version_url_channels_and_auth(server):
    s = server(line_up(channel(1, media.film())))
    text = wait_for(lambda: s.log() if "auth" in s.log() else None, 5, "the banner")
    assert re.search(r"Amps \d+\.\d+", text)
    assert f":{s.port}/" in text
    assert re.search(r"channels +1\b", text)
    assert re.search(r"auth +off", text)


@pytest.mark.smoke
def test_every_process_has_its_name(server):
    s = server(line_up(channel(1, media.film(), **LOOP)), workers=2)
    with s.stream("/stream/1.ts") as stream:
        stream.read(188)
        assert len(s.pids("amps-master")) == 1
        assert len(s.pids("amps-worker")) == 2
        line = s.processes()[s.tuner("1")["pid"]][1]
        assert line.startswith("amps-transcoder") and line.split()[1] == "1"
        assert media.film() not in line


@pytest.mark.smoke
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_cleanly_with_viewers(server, number):
    s = server(line_up(channel(1, media.film(), **LOOP)), workers=2)
    with s.stream("/stream/1.ts") as stream:
        stream.read(188 * 100)
        s.stop(number)
        stream.read_all()
        assert stream.ended


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_ends_the_server_cleanly(number):
    for delay_ms in range(0, 120, 10):
        s = Server(line_up(channel(1, media.film())), workers=2)
        try:
            s.start(ready=False)
            # its helper or the next process: from then on the master handles signals
            wait_for(lambda: len(s.processes()) > 1, 10, "the first child")
            time.sleep(delay_ms / 1000)
            s.stop(number)
            s.check_log()
        finally:
            s.cleanup()


def test_a_signal_to_the_group_during_the_start_is_not_a_failure():
    for delay_ms in range(0, 60, 10):
        s = Server(line_up(channel(1, media.film())))
        try:
            s.start(ready=False)
            wait_for(lambda: len(s.processes()) > 1, 10, "the first child")
            time.sleep(delay_ms / 1000)
            os.killpg(s.process.pid, signal.SIGINT)
            assert s.process.wait(20 * PATIENCE) == 0, s.log()
            s.check_gone()
        finally:
            s.cleanup()


def test_shutdown_returns_when_the_server_has_ended(server):
    s = server(line_up(channel(1, media.film(), **LOOP)))
    with s.stream("/stream/1.ts") as stream:
        stream.read(188)
        assert s.amps("shutdown").returncode == 0
        # its connection ends with the master, which may still be ending
        assert set(s.processes()) <= {s.process.pid}
    assert s.process.wait(5 * PATIENCE) == 0
    s.check_gone()


def stop_with_a_hung_worker(s, ask):
    """Asks the server to stop while a worker is stopped: then only a second signal or the time-out ends
    it."""
    kill(s.pids("amps-worker")[0], signal.SIGSTOP)
    ask()
    wait_for(lambda: "stopping" in s.log(), 10, "the server to begin to stop")
    assert s.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cuts_a_long_shutdown_short(server, number):
    s = server(line_up(channel(1, media.film(), **LOOP)), workers=2)
    with s.stream("/stream/1.ts") as stream, socket.socket(socket.AF_UNIX) as control:
        stream.read(188 * 100)
        control.connect(s.socket_path)
        stop_with_a_hung_worker(s, lambda: control.sendall(
            b'{"id":1,"method":"shutdown","params":{"timeout":600}}\n'))
        s.stop(number, hung=True)


@pytest.mark.timing
@pytest.mark.waits
def test_a_second_sigterm_ends_the_server_at_once(server):
    """The first one alone would wait for five seconds (SHUTDOWN_MS); the time is that of the last
    process's end."""
    s = server(line_up(channel(1, media.film(), **LOOP)), workers=2)
    with s.stream("/stream/1.ts") as stream:
        stream.read(188 * 100)
        begin = time.monotonic()
        stop_with_a_hung_worker(s, lambda: s.process.send_signal(signal.SIGTERM))
        s.stop(hung=True)
        assert s.process.empty_at - begin < 5


def test_runtime_folder_has_a_private_socket_and_a_pid(server):
    s = server(line_up())
    assert os.stat(s.socket_path).st_mode & 0o777 == 0o660
    assert int(open(os.path.join(s.runtime, "pid")).read()) == s.process.pid


def test_a_second_server_in_the_same_folder_is_refused(server):
    s = server(line_up())
    other = subprocess.run(
        [os.path.join(BIN, "amps"), "serve", "--config", s.config_path, "--runtime-dir", s.runtime,
         "--state-dir", s.state + "2", "--port", "0"], capture_output=True, text=True, timeout=20)
    assert other.returncode == 1
    assert s.get("/healthz").status == 200


def test_a_port_already_taken_is_noticed(server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        s = Server(line_up())
        s.port = taken.getsockname()[1]
        try:
            s.start(ready=False)
            assert s.process.wait(20 * PATIENCE) == 1
            assert str(s.port) in s.log()
            s.check_gone()
        finally:
            s.cleanup()


def test_a_port_of_another_server_is_noticed_too(server):
    s = server(line_up())
    other = Server(line_up())
    other.port = s.port
    try:
        other.start(ready=False)
        assert other.process.wait(20 * PATIENCE) == 1
    finally:
        other.cleanup()
    assert s.get("/healthz").status == 200


@pytest.mark.timing
def test_a_thousand_channels_start_soon(server):
    channels = [channel(i, media.film()) for i in range(1, 1001)]
    begin = time.monotonic()
    s = server(line_up(*channels))
    assert time.monotonic() - begin < 3
    assert s.get("/playlist.m3u").text.count("#EXTINF") == 1000


def test_health_routes_need_no_token(server):
    s = server(line_up(auth={"enabled": True, "token": "a-long-enough-token"}))
    assert s.get("/healthz").status == 200
    assert s.get("/readyz").status == 200
    assert s.get("/metrics").status == 200
    assert s.get("/").status == 200


@pytest.mark.smoke
def test_a_token_is_generated_once_and_kept_private(server):
    config = line_up(channel(1, media.film()))
    config["auth"] = {"enabled": True}
    s = server(config)
    path = os.path.join(s.state, "token")
    assert os.stat(path).st_mode & 0o777 == 0o600
    token = open(path).read().strip()
    assert len(token) >= 16
    assert token not in s.log()
    assert path in s.log()
    assert s.get("/playlist.m3u").status == 401
    assert s.get(f"/playlist.m3u?token={token}").status == 200
    s.stop()
    s.start()
    assert s.get(f"/playlist.m3u?token={token}").status == 200


@pytest.mark.parametrize("gone", ["folder", "socket"])
def test_a_removed_control_socket_is_created_again(server, gone):
    s = server(line_up(channel(1, media.film())))
    if gone == "folder":
        shutil.rmtree(s.runtime)
    else:
        os.unlink(s.socket_path)
    wait_for(lambda: s.amps("status").returncode == 0, 20, "the control socket")
    assert open(os.path.join(s.runtime, "pid")).read() == f"{s.process.pid}\n"
    assert os.stat(s.socket_path).st_mode & 0o777 == 0o660
    wait_for(lambda: "the control socket was removed, it is bound again" in s.log(), 5, "its line")
    # the lock is held again too
    second = Server(line_up(channel(1, media.film())))
    try:
        second.runtime = s.runtime
        second.start(ready=False)
        wait_for(lambda: "another server is already running" in second.log(), 20, "the refusal")
    finally:
        second.cleanup()
    assert s.amps("status").returncode == 0


def test_a_server_does_not_clean_a_folder_that_another_has_taken(server):
    s = server(line_up(channel(1, media.film())))
    kill(s.process.pid, signal.SIGSTOP)
    shutil.rmtree(s.runtime)
    other = Server(line_up(channel(1, media.film())))
    other.runtime, other.socket_path = s.runtime, s.socket_path
    try:
        other.start()
        kill(s.process.pid, signal.SIGCONT)
        wait_for(lambda: "another server has taken the folder" in s.log(), 20, "its line")
        s.process.send_signal(signal.SIGTERM)
        assert s.process.wait(20) == 0
        assert other.amps("status").returncode == 0
        other.stop()
    finally:
        other.cleanup()
