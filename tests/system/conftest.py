import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import Server  # noqa: E402

pytest_plugins = ["suite"]


def pytest_configure(config):
    # a run that is terminated still cleans up
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", 1))
    # What tests start keeps nothing compiled: a program whose files are limited, such as yt-dlp, would
    # leave half a file for all others.  The process that starts those that run the tests passes it on.
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        os.environ.pop("PYTHONPYCACHEPREFIX", None)
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    setattr(item, "report_" + outcome.get_result().when, outcome.get_result())


@pytest.fixture
def server(request):
    """server(config, ...) starts a server, stops it after the test, and checks that nothing is left."""
    started = []

    def start(config, ready=True, **kwargs):
        s = Server(config, **kwargs)
        started.append(s)
        return s.start(ready)

    yield start
    called = getattr(request.node, "report_call", None)
    failed = called is None or called.failed
    try:
        for s in started:
            if failed:
                print(f"--- log of the server on port {s.port} ---\n{s.log()[-6000:]}")
            elif s.process.poll() is None:
                s.stop()
            s.check_log()
    finally:
        for s in started:
            s.cleanup()
