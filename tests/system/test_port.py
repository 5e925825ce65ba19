"""The port: any free one for `port: 0`, the same everywhere while the server runs; and IPv6."""
import os
import re
import socket
import subprocess

import pytest

import media
from harness import BIN, Server
from lineup import LOOP, channel, line_up
from watch import Watch, assert_sound

pytestmark = pytest.mark.slow


def listening(pid):
    """The local ports of the TCP sockets a process listens on."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:   # closed meanwhile
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    ports = []
    for table in ("tcp", "tcp6"):
        if os.path.exists(f"/proc/net/{table}"):
            for line in open(f"/proc/net/{table}").read().splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and words[9] in inodes:
                    ports.append(int(words[1].split(":")[1], 16))
    return ports


def link_without_a_host(s):
    """The first link of the playlist for a client that names no host."""
    answer = s.raw(b"GET /playlist.m3u HTTP/1.0\r\n\r\n").decode()
    return re.search(r"^http://\S+", answer, re.M)[0]


def test_port_0_is_one_free_port_for_all_workers_and_every_link(server):
    s = server(line_up(channel(1, media.film(), **LOOP), server={"port": 0}), workers=3)
    status = s.ask("status")
    assert status["port"] == s.port > 0
    assert status["url"] == f"http://localhost:{s.port}/"
    # the master keeps one socket for each worker
    assert listening(s.process.pid) == [s.port] * 3
    assert f":{s.port}/" in s.log()
    assert s.amps("vlc", "--print").stdout.strip() == f"http://localhost:{s.port}/playlist.m3u"
    assert f"http://127.0.0.1:{s.port}/stream/1" in s.get("/playlist.m3u").text
    assert link_without_a_host(s).startswith(f"http://localhost:{s.port}/stream/1")


def test_port_0_in_the_file_stays_the_same_over_reloads():
    config = line_up(channel(1, media.film()), server={"port": 0})
    s = Server(config)
    s.port = None  # no --port: the file's counts
    try:
        s.start()
        for port, warned in ((0, False), (s.port ^ 1, True)):
            s.write_config(line_up(channel(1, media.film()), channel(2 + port, media.film()),
                                   server={"port": port}))
            done = s.amps("reload")
            assert done.returncode == 0
            assert ("server.port has changed" in done.stdout + done.stderr) == warned
            assert s.ask("status")["port"] == s.port
            assert listening(s.process.pid) == [s.port]
            assert f"http://localhost:{s.port}/" in link_without_a_host(s)
        s.stop()
    finally:
        s.cleanup()


def test_a_restart_takes_the_same_port(server):
    s = server(line_up(channel(1, media.film())))
    port = s.port
    s.restart()
    assert s.crash() >= 0
    s.restart()
    assert s.port == port and s.ask("status")["port"] == port


def test_check_accepts_port_0(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("auth: {enabled: false}\nserver: {port: 0}\nstreams: []\n")
    done = subprocess.run([os.path.join(BIN, "amps"), "check", "--config", str(path)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="kernel: no IPv6")
def test_a_host_of_ipv6_serves_viewers_and_links_have_brackets(server):
    s = server(line_up(channel(1, media.film(), **LOOP)), host="::1", workers=2)
    base = f"http://[::1]:{s.port}"
    assert s.ask("status")["url"] == f"{base}/"
    assert f"{base}/" in s.log()
    links = re.findall(r"^http://\S+", s.get("/playlist.m3u").text, re.M)
    assert links == [f"{base}/stream/1.ts"]
    assert s.amps("vlc", "--print", "--stream-id", "1").stdout.strip() == links[0]
    with Watch(s) as w:
        seen = w.wait_playing(w.open("/stream/1.ts", 4))
        assert_sound(seen)
        assert {v["address"] for v in s.viewers()} == {"::1"}
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", s.port), 5)
