import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import Server  # noqa: E402

pytest_plugins = ["deadlines"]

# which step of the suite runs a test (tests/runner/run.py); without one it runs on the sanitized
# build, beside others
MARKERS = [
    "slow: too slow for the sanitized build; runs on the release build, beside others",
    "heavy: needs the machine for itself; runs on the release build, alone",
    "timing: judges times; runs on the release build, alone",
    "smoke: one of the few that the release build runs, too",
    "long: waits for minutes, without work; starts first",
    "soak: only `make soak` runs it",
    "once: a failure stands, there is no second look",
    "xdist_group(name): tests that one process runs",
]


def pytest_configure(config):
    # a run that is ended from outside still cleans up
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", 1))
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def shares_a_fixture(item):
    """Whether the item needs a fixture that is made once for its module."""
    used = item._fixtureinfo.name2fixturedefs.values()
    return any(fixtures[-1].scope == "module" for fixtures in used)


def pytest_collection_modifyitems(items):
    """What the runner wants to know of a test; and modules that share a fixture, which each process
    would make otherwise, stay in one and go first, as they take longest."""
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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    setattr(item, "report_" + outcome.get_result().when, outcome.get_result())


@pytest.fixture
def server(request):
    """server(config, ...) starts a server; afterwards it is stopped and must leave nothing."""
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
