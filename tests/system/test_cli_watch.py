"""--watch: a terminal is redrawn and restored, anything else gets one table after the other."""
import fcntl
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest

import media
from harness import BIN, PATIENCE, wait_for
from lineup import LOOP, channel, line_up

pytestmark = pytest.mark.slow

AMPS = os.path.join(BIN, "amps")
TAKE, GIVE = b"\x1b[?1049h", b"\x1b[?1049l"


class Terminal:
    """A command on a new terminal."""

    def __init__(self, *args, env=None, rows=24, columns=80):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [AMPS, *args], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env=dict(os.environ, **{"TERM": "xterm", **(env or {})}),
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.set_blocking(self.master, False)
        self.text = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        try:
            self.text += os.read(self.master, 65536)
        except (BlockingIOError, OSError):
            pass
        return self.text

    def shows(self, what, count=1):
        wait_for(lambda: self.read().count(what) >= count, 15, f"{what} on {self.text!r}")

    def frames(self):
        """The lines of each complete frame."""
        whole = re.findall(rb"\x1b\[H((?:(?!\x1b\[H).)*?)\x1b\[J", self.read(), re.S)
        return [x.decode().replace("\x1b[K", "").split("\r\n") for x in whole]

    def press(self, keys):
        os.write(self.master, keys)

    def ends(self):
        def ended():
            self.read()
            return self.process.poll() is not None

        try:
            wait_for(ended, 10, "the command to end")
        except AssertionError as e:
            with open(f"/proc/{self.process.pid}/status") as f:
                raise AssertionError(f"{e}: {self.text[-2000:]} {f.read()}") from e
        self.read()
        return self.process.returncode

    def is_given_back(self):
        return self.text.rstrip().endswith(GIVE) and b"\x1b[?25h" in self.text and \
            termios.tcgetattr(self.slave) == self.before

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.slave)
        os.close(self.master)


@pytest.mark.smoke
@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_keys_end_watch_and_restore_the_terminal(server, key):
    s = server(line_up(channel(1, media.film(), **LOOP)))
    with Terminal("tuners", "--watch", "--socket", s.socket_path) as t:
        t.shows(b"no tuner is running", 2)
        assert t.text.startswith(TAKE)
        mode = termios.tcgetattr(t.slave)
        assert mode[3] & termios.ECHO == 0
        # ^C discards typed keys, and a read must not wait for them forever
        assert mode[6][termios.VMIN] in (0, b"\0")
        with s.stream("/stream/1.ts") as stream:
            stream.read(188)
            t.shows(b"running\x1b[0m")
        t.press(b"x")
        t.press(key)
        assert t.ends() == 0
        assert t.is_given_back(), t.text


def test_watch_ends_with_signals_and_with_the_server(server):
    s = server(line_up(channel(1, media.film())))
    with Terminal("viewers", "--watch", "--socket", s.socket_path) as t, \
            Terminal("viewers", "--watch", "--socket", s.socket_path) as other:
        t.shows(b"no viewers")
        t.process.send_signal(signal.SIGTERM)
        assert t.ends() == 0 and t.is_given_back()
        other.shows(b"no viewers")
        s.stop()
        assert other.ends() == 3
        assert GIVE in other.text and b"no server" in other.text.split(GIVE)[1]
        assert termios.tcgetattr(other.slave) == other.before


def test_a_server_that_ends_before_it_answers(tmp_path):
    path = str(tmp_path / "control.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(10 * PATIENCE)
        with Terminal("viewers", "--watch", "--socket", path) as t:
            asking, _ = listener.accept()
            with asking, asking.makefile("rb") as lines:
                assert lines.readline().endswith(b"\n")
            assert t.ends() == 3
            assert b"no server at " in t.text.split(GIVE)[1]


def test_ctrl_z_restores_the_terminal_while_stopped(server):
    s = server(line_up(channel(1, media.film())))
    with Terminal("viewers", "--watch", "--socket", s.socket_path) as t:
        t.shows(b"no viewers")
        t.press(b"\x1a")
        wait_for(lambda: t.read().count(GIVE) == 1, 5, "the terminal to be given back")
        state = f"/proc/{t.process.pid}/stat"
        wait_for(lambda: open(state).read().rsplit(")", 1)[1].split()[0] == "T", 5, "the stop")
        assert termios.tcgetattr(t.slave) == t.before
        t.process.send_signal(signal.SIGCONT)
        t.shows(TAKE, 2)
        t.press(b"q")
        assert t.ends() == 0 and t.is_given_back()


def test_watch_follows_the_size_of_the_screen(server):
    s = server(line_up(channel(1, media.film(), **LOOP)))
    streams = [s.stream("/stream/1.ts", headers={"User-Agent": f"player {i} " + "x" * 200})
               for i in range(20)]
    try:
        for stream in streams:
            stream.read(188)
        with Terminal("viewers", "--watch", "--socket", s.socket_path, rows=10, columns=60,
                      env={"NO_COLOR": "1"}) as t:
            t.shows(b"20 viewers")
            frames = wait_for(t.frames, 15, "a whole frame")
            assert all(len(lines) == 10 and max(map(len, lines)) <= 60 for lines in frames)
            t.resize(30, 100)
            last = wait_for(lambda: f if len(f := t.frames()[-1]) > 10 else None, 15,
                            "a frame of the new size")
            assert len(last) == 23 and 60 < max(map(len, last)) <= 100
    finally:
        for stream in streams:
            stream.close()


def test_watch_prints_tables_one_after_the_other_into_a_pipe(server):
    s = server(line_up(channel(1, media.film())))
    for args, answer in ((["--watch"], b"no tuner is running\n\n"), (["--watch", "--json"], b"[]\n")):
        p = subprocess.Popen([AMPS, "tuners", *args, "--socket", s.socket_path],
                             stdout=subprocess.PIPE)
        started = time.monotonic()
        assert p.stdout.read(2 * len(answer)) == 2 * answer
        assert time.monotonic() - started > 0.9
        p.stdout.close()
        assert p.wait(10 * PATIENCE) == 1


def listed(columns, env, s):
    """`amps list` on a terminal."""
    with Terminal("list", "--socket", s.socket_path, env=env, columns=columns) as t:
        assert t.ends() == 0
        return t.text.decode()


def test_width_and_colours_of_a_terminal(server):
    s = server(line_up(channel(1, media.film(), name="漢字かな" * 20)))

    def width(text):
        return max(sum(2 if ord(c) > 0x2e80 else 1 for c in line)
                   for line in re.sub(r"\x1b\[[0-9;]*m", "", text).split("\r\n"))

    assert "\x1b[" in listed(70, {}, s) and width(listed(70, {}, s)) in (69, 70)
    assert width(listed(70, {"COLUMNS": "50"}, s)) in (49, 50)
    assert width(listed(70, {"COLUMNS": "x"}, s)) in (69, 70)
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in listed(70, env, s)
    assert "\x1b[" in listed(70, {"NO_COLOR": ""}, s)
    assert "漢字かな" * 20 in s.amps("list").stdout
