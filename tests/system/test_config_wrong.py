"""Wrong configurations, each with every line that `amps check` must print."""
import concurrent.futures
import os
import subprocess

import pytest

from harness import BIN, PATIENCE
from wrong_configs import CASES, OPTIONS, options_file

pytestmark = pytest.mark.slow

AMPS = os.path.join(BIN, "amps")


def check(path):
    return subprocess.run([AMPS, "check", "--config", str(path)], capture_output=True, text=True,
                          timeout=60 * PATIENCE, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """{name: (exit code, the lines without the file's name)} of all files."""
    folder = tmp_path_factory.mktemp("wrong")

    def run(number, text):
        path = folder / f"{number}.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)   # tokens in it are no mistake of their own
        done = check(path)
        lines = (done.stdout + done.stderr).splitlines()
        assert all(line.startswith(f"{path}:") for line in lines), lines
        return done.returncode, [line[len(str(path)) + 1:] for line in lines]

    files = [text for text, _ in CASES.values()] + [options_file()[0]]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, range(len(files)), files))
    return dict(zip([*CASES, "options"], found))


@pytest.mark.parametrize("name", CASES)
def test_every_mistake_has_its_message(checked, name):
    code, lines = checked[name]
    expected = list(CASES[name][1])
    only_warnings = all(": warning: " in line for line in expected)
    if only_warnings:
        assert lines[-1].startswith(" good: "), lines
        lines = lines[:-1]
    assert lines == expected
    assert code == (0 if only_warnings else 1)


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_has_its_message(checked, name):
    code, lines = checked["options"]
    assert options_file()[1][name] in lines, lines
    assert code == 1


def test_options_have_no_further_messages(checked):
    assert sorted(checked["options"][1]) == sorted(options_file()[1].values())


@pytest.mark.smoke
@pytest.mark.parametrize("name, reason", [
    ("a folder", "Is a directory"), ("no file", "No such file or directory"),
    ("no folder", "Not a directory"), ("too large", "File too large")])
def test_an_unreadable_file_is_reported(tmp_path, name, reason):
    path = tmp_path / "c.yaml"
    if name == "a folder":
        path.mkdir()
    elif name == "no folder":
        path.write_text("")
        path = path / "c.yaml"
    elif name == "too large":
        with open(path, "w") as f:
            f.truncate((64 << 20) + 1)
    done = check(path)
    assert done.returncode == 1
    assert done.stdout + done.stderr == f"{path}: cannot be read: {reason}\n"


def test_a_reload_refuses_what_check_refuses(server, checked):
    """The running line-up stays, and the answer has the same lines."""
    s = server("auth: {enabled: false}\nstreams:\n"
               "- {id: 7, name: Seven, source: /x.ts, ffmpeg_profile: copy}\n")
    for name in list(CASES)[::6]:
        text, expected = CASES[name]
        if all(": warning: " in line for line in expected):
            continue
        with open(s.config_path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        done = s.amps("reload")
        assert done.returncode == 1
        for line in expected:
            assert f"{s.config_path}:{line}" in done.stdout + done.stderr, name
        assert [c["id"] for c in s.ask("list")] == [7], name
