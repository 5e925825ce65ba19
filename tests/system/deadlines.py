"""A plugin of pytest: no test and no fixture, of whatever scope, hangs.  Each phase of a test (what
it needs, itself, what it leaves) has LIMIT seconds, or those of its marker `limit(seconds)`; then it
fails where it stands.  Where that does not help, the process ends a little later."""
import contextlib
import faulthandler
import os
import signal

import pytest

LIMIT = int(os.environ.get("AMPS_TEST_LIMIT", "180"))
GRACE = 30


class Deadlines:
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
    config.addinivalue_line("markers", "limit(seconds): how long each phase may take")
    config.pluginmanager.register(Deadlines(), "amps-deadlines")
