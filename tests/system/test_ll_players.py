"""Low latency in a browser: hls.js, Shaka and dash.js, one after the other, since each asks several
times a second."""
import re
import socket
import types

import pytest

import browser
import clock
import media
from harness import free_port, kill, serving, wait_for
from hls import Audience
from lineup import LOOP, channel, line_up
from show import (AWAY_S, CHANGE_S, HIGH, LOW, MIDDLE, QUIET_SECONDS, Case, kill_segment_job, play)

pytestmark = pytest.mark.timing

COPIED, VARIANTS, KILLED = CHANNELS = 1, 2, 3
SLACK_S = 2.0                           # players go faster until they are near the live edge
AGE_MS = 3500                           # of a picture; without low latency it would be some 7 s
PATHS = {"hls": "/hls/{}/index.m3u8", "dash": "/dash/{}/manifest.mpd"}
PLAYERS = (("hls", "hls"), ("shaka", "hls"), ("shaka", "dash"), ("dash", "dash"))
NAMES = ("hls.js", "Shaka", "Shaka-DASH", "dash.js")
each_player = pytest.mark.parametrize("engine,kind", PLAYERS, ids=NAMES)


def config(port, log):
    low = [{"name": "low", "ffmpeg_profile": "small"}]
    film = media.long_film()
    return line_up(channel(COPIED, f"udp://127.0.0.1:{port}", output_format="ll-hls"),
                   channel(VARIANTS, film, "middle", adaptive_bitrates=low,
                           output_format="ll-hls", **LOOP),
                   channel(KILLED, film, output_format="ll-hls", **LOOP),
                   server={"access_log": log}, hls={"segment_seconds": 2, "part_ms": 200},
                   ffmpeg_profiles={"middle": MIDDLE})


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A server whose channels run, and a browser."""
    browser.require(browser.program())
    port, log = free_port(socket.SOCK_DGRAM), tmp_path_factory.mktemp("log") / "access.log"
    with clock.sending(f"udp://127.0.0.1:{port}", 320, 180, bits="400k"), \
            serving(config(port, str(log)), workers=2) as server, \
            Audience(server, CHANNELS) as audience, \
            browser.Files() as files, browser.Browser() as opened:
        wait_for(lambda: audience.shortest >= 5, 40, "the channels")
        yield types.SimpleNamespace(server=server, log=log, files=files, opened=opened)


def trouble(server):
    """What happens to a channel while it plays."""
    kill(server.tuner(str(KILLED))["pid"])
    yield
    kill_segment_job(server, KILLED)


def perform(stage, engine, kind, number):
    """The case, when it has played, and the requests for its channel that were refused."""
    before = stage.log.stat().st_size
    with Case(stage.opened, stage.files, f"{engine}-{kind}-{number}", engine, stage.server,
              PATHS[kind].format(number), [HIGH, LOW, HIGH] if number == VARIANTS else [],
              number == VARIANTS, low=True, clock=number == COPIED) as case:
        browser.require(case.look()["able"])
        if number == KILLED:
            play([case], trouble(stage.server))
        else:
            play([case], seconds=QUIET_SECONDS)
        if number == COPIED:
            case.ages = sorted(case.page.run("takeAges()"))
    with open(stage.log, encoding="utf-8") as f:
        f.seek(before)
        refused = [line for line in f if f"/{kind}/{number}/" in line and
                   not re.search(r'" (200|206|304) \d+ ', line)]
    return case, refused


@each_player
def test_it_plays_a_copied_channel_without_a_stall(stage, engine, kind):
    case, refused = perform(stage, engine, kind, COPIED)
    case.assert_played(SLACK_S)
    case.assert_smooth()
    assert refused == []
    assert len(case.ages) > 100 and case.ages[len(case.ages) // 2] < AGE_MS, case.ages


@each_player
def test_it_changes_between_variants_without_a_stall(stage, engine, kind):
    case, refused = perform(stage, engine, kind, VARIANTS)
    case.assert_played(SLACK_S, 2 * CHANGE_S)
    case.assert_smooth()
    assert refused == []
    assert case.now["heights"][-3:] == [HIGH, LOW, HIGH], case.now


@pytest.mark.parametrize("engine,kind", (PLAYERS[0], PLAYERS[1], PLAYERS[3]),
                         ids=(NAMES[0], NAMES[1], NAMES[3]))
def test_it_goes_on_when_jobs_are_killed(stage, engine, kind):
    case, _ = perform(stage, engine, kind, KILLED)
    case.assert_played(AWAY_S, AWAY_S)
