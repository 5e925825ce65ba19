"""Players in a browser list the languages of a channel, and change from one to the other."""
import re

import pytest

import browser
import media
from harness import serving, wait_for
from lineup import LOOP, channel, line_up
from show import Case

pytestmark = pytest.mark.timing

HLS, DASH = "/hls/1/index.m3u8", "/dash/1/manifest.mpd"
CASES = {"hls-js": ("hls", HLS), "shaka-hls": ("shaka", HLS), "shaka-dash": ("shaka", DASH),
         "dash-js": ("dash", DASH)}
AFTER_S = 4                             # it is watched so long after the change
SLACK_S = 2.5                           # what the change may cost


def two_sounds():
    return media.make("two-sounds.ts", "-i", media.sounds_film(), "-map", "0:v", "-map", "0:a:0",
                      "-map", "0:a:1", "-c", "copy", "-f", "mpegts")


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """{name: the case} when all have changed the language; and what the server was asked for."""
    browser.require(browser.program())
    log = tmp_path_factory.mktemp("log") / "access.log"
    config = line_up(channel(1, two_sounds(), output_format="ll-hls", **LOOP),
                     hls={"segment_seconds": 1, "part_ms": 250},
                     streaming={"idle_timeout": 30}, server={"access_log": str(log)})
    with serving(config, workers=2) as server, browser.Files() as files, \
            browser.Browser() as opened:
        found = {}
        for name, (engine, path) in CASES.items():
            case = found[name] = Case(opened, files, name, engine, server, path)
            browser.require(case.look()["able"])
        for case in found.values():
            wait_for(case.begun, 40, case.name)
            case.before = case.page.run("reportSounds()")
            case.page.run("speak('en')")
        for case in found.values():
            case.start()
        wait_for(lambda: min(c.look()["clock"] - c.first["clock"] for c in found.values()) >
                 AFTER_S, 40, "the end")
        for case in found.values():
            case.after = case.page.run("reportSounds()")
        yield found, log


@pytest.mark.parametrize("name", CASES)
def test_a_player_changes_the_language(cases, name):
    case = cases[0][name]
    assert sorted(case.before["all"]) == ["de", "en"] and case.before["now"] == "de", case.before
    assert case.after["now"] == "en", case.after
    assert case.now["errors"] == [], case.now
    shown, passed = case.shown()
    assert shown > passed - SLACK_S, (shown, passed, case.now)
    assert case.now["sound"] > case.first["sound"], case.now


def test_no_request_is_refused(cases):
    lines = [x for x in cases[1].read_text().splitlines() if re.search(r'"GET /(hls|dash)/1/', x)]
    assert any("lang=eng" in x for x in lines)
    assert [x for x in lines if not re.search(r'" (200|206|304) ', x)] == []
