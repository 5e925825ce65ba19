"""A command with all its descendants, as reaper.c follows them."""
import os
import select
import signal
import subprocess
import time


def tool(folder, name):
    """The path of a program of the tests, which are beside the server's in a build."""
    path = os.path.join(folder, "test", name)
    assert os.path.exists(path), f"{path} is missing: build its target, {name}"
    return path


def parents():
    """{pid: (parent, state, command name)} of all processes."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            stat = open(f"/proc/{name}/stat").read()
        except OSError:
            continue
        behind = stat.rindex(")")
        state, parent = stat[behind + 2:].split()[:2]
        found[int(name)] = (int(parent), state, stat[stat.index("(") + 1:behind])
    return found


def descendants(root):
    """{pid: (state, command name)} of all descendants of `root`.  If a process gets another parent while
    the list is read, the list is read again."""
    for _ in range(5):
        known = parents()
        if all(parent in known for parent, _, _ in known.values() if parent):
            break
    found, more = {}, {root}
    while more:
        more = {pid for pid, (parent, _, _) in known.items() if parent in more}
        found.update((pid, known[pid][1:]) for pid in more)
    return found


class Reaped:
    """Like subprocess.Popen, and it knows when the last of the server's processes has ended, in whatever
    session or with whatever parent.  `log` gets the output."""

    def __init__(self, folder, words, log, env):
        self.reaper = subprocess.Popen([tool(folder, "reaper"), *words],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                       env=env, start_new_session=True, bufsize=0)
        self.pid = int(self.reaper.stdout.readline().split()[1])
        self.rest = b""
        self.returncode = None
        self.ended_at = None  # time.monotonic() of the end of the command itself
        self.empty_at = None  # ... of the last process of all

    def read_events(self, timeout):
        out = self.reaper.stdout.fileno()
        if self.empty_at is not None or not select.select([out], [], [], timeout)[0]:
            return
        data = os.read(out, 65536)
        assert data, "the reaper has ended"
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.event(*line.decode().split())

    def event(self, what, *numbers):
        numbers = [int(n) for n in numbers]
        if what == "none":
            self.empty_at = numbers[0] / 1e6
        elif numbers[0] == self.pid:
            self.returncode, self.ended_at = numbers[1], numbers[2] / 1e6

    def wait_until(self, condition, timeout):
        end = None if timeout is None else time.monotonic() + timeout
        while not condition():
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return False
            self.read_events(left)
        return True

    def poll(self):
        self.read_events(0)
        return self.returncode

    def wait(self, timeout=None):
        if not self.wait_until(lambda: self.returncode is not None, timeout):
            raise subprocess.TimeoutExpired(self.reaper.args, timeout)
        return self.returncode

    def wait_empty(self, timeout):
        """Waits until no process is left; False when some still are."""
        return self.wait_until(lambda: self.empty_at is not None, timeout)

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def processes(self):
        """{pid: (state, command name)} of the current processes, zombies included."""
        return descendants(self.reaper.pid)

    def close(self):
        """Kills what is left.  May be called again."""
        if self.reaper.stdin.closed:
            return
        self.poll()
        self.reaper.stdin.close()
        self.reaper.wait()
        self.reaper.stdout.close()
