"""Clients that do not read large answers: the memory of a worker stays bounded, and others are still
answered."""
import socket

import pytest

from harness import SANITIZED, wait_for
from lineup import channel, line_up
from watch import memory_kb

pytestmark = pytest.mark.slow

CHANNELS, DESCRIPTION = 400, 8192   # a playlist of 3 MiB
CLIENTS = 60                        # together 190 MiB of playlists
BOUND_MIB = 128                     # BODIES_MAX of common/limits.h


def metric(server, name):
    lines = [line for line in server.get("/metrics").text.splitlines() if line.startswith(name)]
    return sum(float(line.split()[-1]) for line in lines)


def line_up_of_long_descriptions():
    # text that is compressed fast: with sanitizers, that is what the worker does most of the time
    return line_up(*(channel(i, "file:///none.ts", description=f"{i:>8}" * (DESCRIPTION // 8))
                     for i in range(1, CHANNELS + 1)))


def ask_and_do_not_read(server, host):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect((server.host, server.port))
    s.sendall(f"GET /playlist.m3u HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return s


@pytest.mark.smoke
def test_slow_readers_of_playlists_use_bounded_memory(server):
    s = server(line_up_of_long_descriptions())
    worker = s.pids("amps-worker")[0]
    assert len(s.get("/playlist.m3u").body) > CHANNELS * DESCRIPTION
    before = memory_kb(worker)
    slow = [ask_and_do_not_read(s, f"host-{i}") for i in range(CLIENTS)]
    try:
        # the slowest are closed, so that the others' answers can be made
        wait_for(lambda: metric(s, "amps_answers_dropped_total") > 5, 40,
                 "slow answers to be ended")
        for i in range(3):
            answer = s.get("/playlist.m3u", {"Host": f"reader-{i}"}, timeout=30)
            assert answer.status == 200 and len(answer.body) > CHANNELS * DESCRIPTION
        grown = (memory_kb(worker) - before) / 1024
    finally:
        for sock in slow:
            sock.close()
    assert "ended the slowest" in s.log()
    assert grown < BOUND_MIB * 1.3 or SANITIZED, f"{grown:.0f} MiB more for {CLIENTS} slow readers"
