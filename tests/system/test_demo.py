"""The line-up of `make run`: all of it plays at once."""
import os
import re
import shutil

import pytest

import media
from harness import ROOT, wait_for
from watcher import Watcher

pytestmark = pytest.mark.slow


@pytest.fixture
def demo(server, tmp_path):
    shutil.copy(media.film(), tmp_path / "demo.ts")
    text = open(os.path.join(ROOT, "etc", "demo.yaml")).read()
    return server(text, env={"AMPS_DEMO_DIR": str(tmp_path)}, workers=2)


@pytest.mark.smoke
def test_every_link_of_the_demo_plays_at_the_same_time(demo):
    links = re.findall(r"^http://[^/]+(/.*?)\r?$", demo.get("/playlist.m3u").text, re.M)
    assert len(links) == 5
    watchers = [Watcher(demo, link, timeout=40) for link in links]
    try:
        for w in watchers:
            wait_for(lambda: w.checker.seconds() > 4 or w.ended, 30, "four seconds of pictures")
        for link, w in zip(links, watchers):
            assert not w.ended, link
            checker = w.stop().check()
            checker.check_start()
            assert checker.marked == 0, link
        assert len(demo.tuners()) == 3
    finally:
        for w in watchers:
            w.__exit__(None, None, None)


def test_the_demo_needs_no_token_and_listens_on_loopback_only(demo):
    text = open(os.path.join(ROOT, "etc", "demo.yaml")).read()
    assert re.search(r"^  host: 127\.0\.0\.1$", text, re.M)
    assert demo.get("/playlist.m3u").status == 200
    assert demo.get("/").status == 200
