"""The scripts of the measurements and of the soak run to their end.  Their figures are not
checked here."""
import os
import subprocess
import sys

import pytest

from harness import BIN, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.limit(600)]


def quick(script, *words):
    """The output of a script in its quick form."""
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tests", script), "--quick", *words],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=550,
                          env=dict(os.environ, AMPS_BIN=BIN))
    assert done.returncode == 0, done.stdout + done.stderr
    if "nothing measured" in done.stdout:
        pytest.skip("a network of its own needs root")
    return done.stdout


@pytest.mark.parametrize("subject, says", [
    ("viewers", "playing, 20 joins"), ("line-ups", "later start with"), ("playlists", "gzip"),
    ("tuners", "from the request to the first byte"), ("encoding", "SSIM"),
    ("hls", "from a click to the media playlist"), ("low-latency", "packaging 8 Mbit/s as m4s")])
def test_bench(subject, says):
    assert says in quick("bench/bench.py", "--only", subject)


def test_bench_of_starts():
    assert "HLS" in quick("bench/starts.py")


def test_soak():
    assert "requests served" in quick("system/soak.py")
