"""`make install` into a new folder: everything is there, and the server runs from there."""
import os
import subprocess

import pytest

import media
from harness import BIN
from lineup import LOOP, channel, line_up
from ts import Checker

pytestmark = pytest.mark.slow

PROGRAMS = {"bin/amps", "libexec/amps/amps-master", "libexec/amps/amps-transcoder",
            "libexec/amps/amps-worker", "libexec/amps/amps-helper"}
TEXTS = {"share/man/man1/amps.1", "share/bash-completion/completions/amps"}


def installed(folder):
    """{path below the prefix: path} of what was installed into the folder"""
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            found[os.path.relpath(path, os.path.join(folder, "usr", "local"))] = path
    return found


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    subprocess.run(["cmake", "--install", os.path.dirname(BIN)], check=True, capture_output=True,
                   timeout=60, env=dict(os.environ, DESTDIR=str(folder)))
    return folder


@pytest.mark.smoke
def test_what_is_installed_serves(root, server):
    files = installed(root)
    assert set(files) == PROGRAMS | TEXTS
    assert all(os.access(files[name], os.X_OK) for name in PROGRAMS)
    s = server(line_up(channel(1, media.film(), **LOOP)), programs=os.path.dirname(files["bin/amps"]))
    with s.stream("/stream/1.ts") as stream:
        Checker(stream.read_for(2)).check().check_start()
        below = os.path.join(str(root), "usr", "local")
        for pid in s.processes():
            assert os.readlink(f"/proc/{pid}/exe").startswith(below)
