"""`make install` into a new folder: everything is there, and the server runs from there."""
import os
import re
import subprocess

import pytest

import media
from harness import BIN, ROOT
from lineup import LOOP, channel, line_up
from ts import Checker

pytestmark = pytest.mark.slow

PROGRAMS = {"bin/amps", "libexec/amps/amps-master", "libexec/amps/amps-transcoder",
            "libexec/amps/amps-worker", "libexec/amps/amps-helper"}
TEXTS = {"share/man/man1/amps.1", "share/man/man5/amps.yaml.5", "share/man/man8/amps-master.8",
         "share/bash-completion/completions/amps", "share/amps/amps.yaml",
         "lib/systemd/system/amps.service", "lib/systemd/system/amps.socket",
         "lib/systemd/system/amps-rtsp.socket", "lib/sysusers.d/amps.conf", "lib/tmpfiles.d/amps.conf"}
DOCUMENTS = "share/doc/amps/"
FILM = "share/amps/demo.ts"     # only a release build makes it


def installed(folder):
    """{path below the prefix: path} of what was installed into the folder"""
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            found[os.path.relpath(path, os.path.join(folder, "usr", "local"))] = path
    return found


def film():
    return {FILM} if os.path.exists(os.path.join(BIN, "../demo/demo.ts")) else set()


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    subprocess.run(["cmake", "--install", os.path.dirname(BIN)], check=True, capture_output=True,
                   timeout=60, env=dict(os.environ, DESTDIR=str(folder)))
    return folder


@pytest.mark.smoke
def test_what_is_installed_serves(root, server):
    files = installed(root)
    documents = {name[len(DOCUMENTS):] for name in files if name.startswith(DOCUMENTS)}
    assert {name for name in files if not name.startswith(DOCUMENTS)} == PROGRAMS | TEXTS | film()
    assert documents >= {"README.md", "docs/operating.md", "examples/amps.yaml", "systemd/dvb.conf"}
    assert all(os.access(files[name], os.X_OK) for name in PROGRAMS)
    s = server(line_up(channel(1, media.film(), **LOOP)), programs=os.path.dirname(files["bin/amps"]))
    with s.stream("/stream/1.ts") as stream:
        Checker(stream.read_for(2)).check().check_start()
        below = os.path.join(str(root), "usr", "local")
        for pid in s.processes():
            assert os.readlink(f"/proc/{pid}/exe").startswith(below)


def test_the_line_up_of_a_fresh_installation_is_the_demo_with_a_token(root, server):
    files = installed(root)
    text = open(files["share/amps/amps.yaml"]).read()
    assert "/usr/local/share/amps/demo.ts" in text and "AMPS_DEMO_DIR" not in text
    s = server(text.replace("/usr/local/share/amps/demo.ts", files.get(FILM, media.film())), fresh=True,
               programs=os.path.dirname(files["bin/amps"]))
    token = open(os.path.join(s.state, "token")).read().strip()
    assert s.get("/playlist.m3u").status == 401
    assert s.get(f"/playlist.m3u?token={token}").text.count("#EXTINF") == 5
    with s.stream(f"/stream/1.ts?token={token}") as stream:
        Checker(stream.read_for(1)).check().check_start()


def test_the_unit_starts_what_is_installed_and_is_confined(root, tmp_path):
    files = installed(root)
    unit = tmp_path / "amps.service"
    unit.write_text(open(files["lib/systemd/system/amps.service"]).read()
                    .replace("/usr/local/bin", os.path.dirname(files["bin/amps"])))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit),
                           files["lib/systemd/system/amps-rtsp.socket"],
                           files["lib/systemd/system/amps.socket"]], capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if "amps" in line]
    assert done.returncode == 0 and not ours, done.stderr
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=13", str(unit)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_version_has_one_place():
    version = subprocess.run([os.path.join(ROOT, "tools", "version.sh")], capture_output=True,
                             text=True, check=True).stdout.strip()
    said = subprocess.run([os.path.join(BIN, "amps"), "--version"], capture_output=True, text=True)
    assert said.stdout == f"amps {version}\n"
    changes = open(os.path.join(ROOT, "CHANGELOG.md")).read()
    assert re.search(r"^## (\S+)$", changes, re.M).group(1) == version


def test_packages_are_built_with_what_make_deps_installs():
    def read(path):
        with open(os.path.join(ROOT, path)) as f:
            return f.read()

    deps = read("tools/deps.sh")
    for name, path, ending in [("DEB_BUILD", "packaging/debian/control", "-dev"),
                               ("RPM_BUILD", "packaging/rpm/amps.spec.in", "-devel")]:
        wanted = {word.partition("=")[0] for word in re.search(rf'^{name}="([^"]*)"', deps, re.M)[1].split()}
        wanted = {word for word in wanted if word.endswith(ending) or word.startswith("pkgconfig(")}
        needed = " ".join(re.findall(r"^Build(?:Requires|-Depends): (.*(?:\n .*)*)", read(path), re.M))
        assert wanted and wanted - {"libc6-dev"} <= set(re.split(r"[,\s]+", needed)), path
