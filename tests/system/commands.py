#!/usr/bin/env python3
"""commands.py MODE PIDS FILM - a command for custom_ffmpeg that does what MODE says beside writing FILM
to its standard output.  The pids of its processes are appended to the file PIDS."""
import os
import signal
import sys
import threading
import time


def note(pids, pid=None):
    """One write of a line: several processes append."""
    fd = os.open(pids, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(fd, f"{pid or os.getpid()}\n".encode())
    os.close(fd)


def play(film, rounds=10 ** 6):
    data = open(film, "rb").read()
    for _ in range(rounds):
        done = 0
        while done < len(data):
            done += os.write(1, data[done:done + 65536])


def stay(pids):
    """A process that nothing but SIGKILL ends.  It keeps the output open."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    note(pids)
    while True:
        time.sleep(100)


def fork_ten(pids):
    """Children in the same group, in groups and sessions of their own, and without a parent."""
    for i in range(10):
        if os.fork() == 0:
            if i % 3 == 1:
                os.setpgid(0, 0)
            if i % 3 == 2:
                os.setsid()
                if os.fork() != 0:
                    os._exit(0)
            stay(pids)


def flood():
    line = b"x" * 99 + b"\n"
    while True:
        os.write(2, line * 600)


def eat(megabytes):
    kept = []
    for _ in range(megabytes // 16):
        kept.append(bytearray(os.urandom(4096)) * 4096)
        time.sleep(0.01)
    time.sleep(100)


def main(mode, pids, film):
    note(pids)
    if mode == "fork":
        fork_ten(pids)
    elif mode == "stubborn":
        for number in (signal.SIGTERM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
    elif mode == "flood":
        threading.Thread(target=flood, daemon=True).start()
    elif mode == "eat":
        threading.Thread(target=eat, args=[600], daemon=True).start()
    elif mode == "eat-in-child" and os.fork() == 0:
        note(pids)
        eat(600)
    elif mode == "garbage":
        while True:
            os.write(1, os.urandom(65536))
    elif mode == "fail":
        play(film, 1)
        sys.stderr.write("opening the tuner\nhttp://user:secret@host/x is gone\n")
        sys.exit(3)
    try:
        play(film)
    except OSError:
        while mode == "stubborn":
            time.sleep(100)


if __name__ == "__main__":
    main(*sys.argv[1:4])
