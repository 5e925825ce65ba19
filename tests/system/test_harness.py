"""What the other tests rely on: no process of a server and no failure of a thread is missed."""
import os
import time

import pytest

import browser
import media
from harness import BIN, wait_for
from lineup import LOOP, channel, line_up
from reaped import Reaped
from ts import PACKET, Checker, pid_of, split
from watch import Knocker, judge
from watcher import Watcher


@pytest.fixture
def reaped(tmp_path):
    started = []

    def start(*words):
        with open(tmp_path / "log", "ab") as log:
            started.append(Reaped(BIN, list(words), log, dict(os.environ)))
        return started[-1]

    yield start
    for r in started:
        r.close()


@pytest.mark.parametrize("system, outcome", [("debian", pytest.fail), ("ubuntu", pytest.skip)])
def test_a_browser_may_be_missing_elsewhere_than_on_debian(monkeypatch, system, outcome):
    monkeypatch.setattr(browser.platform, "freedesktop_os_release", lambda: {"ID": system})
    browser.require("/usr/bin/chromium")
    with pytest.raises(outcome.Exception, match="no chromium"):
        browser.require(None)


def names(r):
    return sorted(name for state, name in r.processes().values() if state != "Z")


def test_an_orphan_in_another_session_is_found_and_ended(reaped):
    r = reaped("sh", "-c", "setsid -f sleep 1000; exit 3")
    assert r.wait(20) == 3
    wait_for(lambda: names(r) == ["sleep"], 20, "setsid to become what it starts")
    assert not r.wait_empty(0)
    orphan, = r.processes()
    r.close()
    with pytest.raises(ProcessLookupError):
        os.kill(orphan, 0)


def test_the_end_of_the_last_process_has_a_time(reaped):
    begin = time.monotonic()
    r = reaped("sh", "-c", "(sleep 0.5) & kill -9 $$")
    assert r.wait(20) == -9
    assert r.wait_empty(20)
    assert begin < r.ended_at < r.empty_at < time.monotonic()
    assert r.empty_at - begin >= 0.5
    assert r.processes() == {}


def test_a_command_that_does_not_exist_is_an_exit_code(reaped):
    r = reaped("/no/such/program")
    assert r.wait(20) == 127 and r.wait_empty(20)


class Broken:
    """A server with an invalid address."""
    host, port, address = "127.0.0.1", "none", "127.0.0.1"


def test_an_error_of_a_knocker_is_raised():
    with pytest.raises(TypeError), Knocker(Broken) as knocker:
        wait_for(lambda: not knocker.thread.is_alive(), 10, "the thread to end")


def test_an_error_of_a_watcher_is_raised_unless_another_was(server):
    s = server(line_up(channel(1, media.film(), **LOOP)))

    def failing():
        w = Watcher(s, "/stream/1.ts")
        w.checker = None
        wait_for(lambda: w.ended, 20, "the thread to end")
        return w

    with pytest.raises(AttributeError), failing():
        pass
    with pytest.raises(KeyError), failing():
        raise KeyError("the test's own")


def without(packets, pid):
    """The packets without one of this PID in the middle."""
    at = [i for i, p in enumerate(packets) if pid_of(p) == pid and p[3] & 0x10]
    middle = at[len(at) // 2]
    return packets[:middle] + packets[middle + 1:]


def test_the_judge_and_the_parser_of_captured_bytes_agree(server):
    """ts.py inspects single packets for tests that need more than a verdict; both must agree."""
    s = server(line_up(channel(1, media.film(), **LOOP)))
    with s.stream("/stream/1.ts") as stream:
        data = stream.read(PACKET * 3000)
    good = split(data)
    video = Checker(data).check().video_pid
    for packets in (good, without(good, video), good[5:], good[:100] + good[200:]):
        bytes_ = b"".join(packets)
        python, c = Checker(bytes_), judge(bytes_)
        assert c["packets"] == python.packets
        assert c["cc"] == len(python.cc_errors)
        assert c["backwards"] == len(python.backwards)
        assert c["sync"] == python.sync_errors
        assert c["marked"] == python.marked
        assert (c["bad_starts"] == 0) == (packets[0] == good[0])
        if packets[0] == good[0]:  # else the judge knows the video PID only from the next PMT on
            assert abs(c["seconds"] - python.seconds()) < 0.001
    assert judge(data)["defects"] == 0
