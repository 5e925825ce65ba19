"""Many viewers of one channel, compared packet by packet with each other by the load client
(tests/bench/load), which also sees a loss that leaves the continuity counters intact."""
import json
import os
import subprocess

import pytest

import media
from harness import BIN, PATIENCE
from lineup import LOOP, channel, line_up

NOTHING = ("lost_clients", "cuts", "sync_loss", "cc_err", "tei", "dup", "lost_bytes",
           "alien_bytes", "bad_starts", "unplaced", "defects")


def load(server, *args):
    done = subprocess.run([os.path.join(BIN, "bench", "tsload"), "-p", str(server.port),
                           *map(str, args), "/stream/1"], capture_output=True, text=True,
                          timeout=60 * PATIENCE, stdin=subprocess.DEVNULL)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("viewers, verified", [(2, 2), (1000, 50)])
def test_viewers_get_every_byte_from_one_tuner(server, viewers, verified):
    s = server(line_up(channel(1, media.rich_film(), **LOOP)))
    got = load(s, "-c", viewers, "-V", verified, "-w", 1, "-d", 4)
    assert len(s.tuners()) == 1
    assert {name: got[name] for name in NOTHING if got[name]} == {}
    assert got["verified"] == verified and got["compared"] > verified * 1000
