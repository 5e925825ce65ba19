"""A plugin of pytest: what the suite's runner needs for every test: markers, a time limit for
each phase, one process for the tests that share a fixture."""
import contextlib
import faulthandler
import os
import signal

import pytest

LIMIT = int(os.environ.get("AMPS_TEST_LIMIT", "180"))
GRACE = 30

# which step of the suite runs a test (tests/runner/run.py); without one it runs on the build with
# sanitizers, in parallel
MARKERS = [
    "slow: tells no more under sanitizers, or is too slow there; runs on the release build, beside "
    "others",
    "heavy: needs the machine for itself; runs on the release build, alone",
    "timing: judges times; runs on the release build, alone",
    "waits: timing, and needs little of the processors; runs beside a few others of this kind and nothing "
    "else",
    "smoke: a small choice from every subject; runs on both builds, slow or not",
    "long: waits for minutes, without work; starts first",
    "soak: only `make soak` runs it",
    "once: a failure stands, there is no second look",
    "limit(seconds): how long each phase may take",
    "xdist_group(name): tests that one process runs",
]


class Deadlines:
    """Limits the time of tests and fixtures.  Each phase of a test (setup, call, teardown) has LIMIT
    seconds, or those of its marker; then it fails where it is.  If that does not help, the process
    ends a little later."""

    def __init__(self):
        self.stderr = os.dup(2)     # pytest has its own there while a test runs

    @contextlib.contextmanager
    def deadline(self, item, phase):
        marker = item.get_closest_marker("limit")
        seconds = marker.args[0] if marker else LIMIT

        def over(*_):
            raise AssertionError(f"{phase} took longer than {seconds} s")

        before = signal.signal(signal.SIGALRM, over)
        signal.alarm(seconds)
        faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=self.stderr)
        try:
            yield
        finally:
            signal.alarm(0)
            faulthandler.cancel_dump_traceback_later()
            signal.signal(signal.SIGALRM, before)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item):
        with self.deadline(item, "a fixture"):
            yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item):
        with self.deadline(item, "the test"):
            yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item):
        with self.deadline(item, "the end of a fixture"):
            yield


def pytest_configure(config):
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.pluginmanager.register(Deadlines(), "deadlines")


def shares_a_fixture(item):
    """True if the item needs a fixture with the scope of its module."""
    used = item._fixtureinfo.name2fixturedefs.values()
    return any(fixtures[-1].scope == "module" for fixtures in used)


# before xdist, which looks for the groups
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Records what the runner needs.  Modules with a shared fixture run in one process, because each
    process would set it up otherwise, and first, because they take longest."""
    for item in items:
        item.user_properties.append(("id", item.nodeid))
        if item.get_closest_marker("once"):
            item.user_properties.append(("once", "1"))
    shared = {item.module.__name__ for item in items if shares_a_fixture(item)}
    for item in items:
        if item.module.__name__ in shared:
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))
    items.sort(key=lambda item: (item.get_closest_marker("long") is None,
                                 item.module.__name__ not in shared))
