"""Events in a server's log, by the clock of the process that wrote them.  Two lines of one process show
how long it really waited, however late a test reads them."""
import datetime
import re

HEAD = re.compile(r"(\S+Z) (?:debug|info|warning|error) +(\S+)\[\d+\] ")


def lines(server, pattern, program="master"):
    """[(when, match)]: the program's lines that hold the pattern, `when` in seconds."""
    found = []
    for text in server.log().splitlines():
        head = HEAD.match(text)
        if head and head[2] == program and (match := re.search(pattern, text)):
            found.append((datetime.datetime.fromisoformat(head[1]).timestamp(), match))
    return found


def retries(server, pattern):
    """[(when, seconds)]: the delays announced by the lines that hold the pattern."""
    return [(when, int(match[1]) / 1000) for when, match in
            lines(server, pattern + r".* (\d+) ms\b")]


def job_retries(server, key):
    """The same for the jobs of one tuner, each time one was lost."""
    return [(when, int(match[1]) / 1000) for when, match in
            lines(server, rf"job is lost .* (\d+) ms channel={re.escape(key)}$")]


def assert_waited(found):
    """None of them came before the end of the delay that the previous one announced."""
    for (before, delay), (after, _) in zip(found, found[1:]):
        assert after - before > delay - 0.05, found     # a timer of the loop may be rounded
