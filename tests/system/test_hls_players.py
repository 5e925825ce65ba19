"""HLS in a browser: hls.js, Shaka and the browser's own player, all of them at once."""
import pytest

import browser
import media
from harness import kill, serving, wait_for
from hls import Audience
from lineup import LOOP, channel, line_up
from show import AWAY_S, HIGH, LOW, MIDDLE, OTHER, Case, kill_segment_job, play

pytestmark = pytest.mark.timing

ENGINES = ("hls", "shaka", "native")
COPIED, VARIANTS, KILLED, EDITED = CHANNELS = 1, 2, 3, 4
SEGMENTS = 5                            # more than a player keeps its distance
SLACK_S = 0.5                           # of a position against the clock


def config(edited):
    low = [{"name": "low", "ffmpeg_profile": "small"}]
    film = media.long_film()
    return line_up(channel(COPIED, film, **LOOP),
                   channel(VARIANTS, film, "middle", adaptive_bitrates=low, **LOOP),
                   channel(KILLED, film, **LOOP),
                   channel(EDITED, media.other_film() if edited else film, **LOOP),
                   hls={"segment_seconds": 2}, ffmpeg_profiles={"middle": MIDDLE})


def new_case(opened, files, server, engine, number):
    # the player chooses what is in the playlist
    chooses = number == VARIANTS and engine != "native"
    heights = {EDITED: [OTHER], VARIANTS: [HIGH, LOW, HIGH] if chooses else []}.get(number, [])
    return Case(opened, files, f"{engine}-{number}", engine, server,
                f"/hls/{number}/index.m3u8", heights, chooses)


def trouble(server):
    """What happens while they play."""
    server.write_config(config(True))
    assert server.amps("reload").returncode == 0
    kill(server.tuner(str(KILLED))["pid"])
    yield
    kill_segment_job(server, KILLED)


@pytest.fixture(scope="module")
def show():
    """{(engine, number): the case} when all have played."""
    browser.require(browser.program())
    with serving(config(False), workers=2) as server, \
            Audience(server, CHANNELS) as audience, \
            browser.Files() as files, browser.Browser() as opened:
        # players that come now need not wait for segments
        wait_for(lambda: audience.shortest >= SEGMENTS, 40, "the channels")
        cases = {(engine, number): new_case(opened, files, server, engine, number)
                 for number in CHANNELS for engine in ENGINES}
        browser.require(cases["hls", COPIED].look()["able"])
        play(list(cases.values()), trouble(server))
        yield cases


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("number", [COPIED, VARIANTS], ids=["copied", "variants"])
def test_it_plays_without_a_stall(show, engine, number):
    case = show[engine, number]
    case.assert_played(SLACK_S)
    case.assert_smooth()
    if number == VARIANTS and engine != "native":
        assert case.now["heights"][-3:] == [HIGH, LOW, HIGH], case.now


@pytest.mark.parametrize("engine", ENGINES)
def test_it_goes_on_when_jobs_are_killed(show, engine):
    show[engine, KILLED].assert_played(AWAY_S, AWAY_S)


@pytest.mark.parametrize("engine", ENGINES)
def test_it_goes_on_with_an_edited_source(show, engine):
    case = show[engine, EDITED]
    case.assert_played(AWAY_S, AWAY_S)
    assert case.now["height"] == OTHER, case.now
