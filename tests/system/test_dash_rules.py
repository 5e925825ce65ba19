"""Manifests and segments of DASH against their rules, while jobs, workers, sources and the server itself
fail."""
import contextlib
import random
import time

import pytest

import media
from dash import Player
from dash_rules import DashCapture
from harness import wait_for
from lineup import channel, line_up
from test_hls_rules import ALL, SEED, Faults, Live


def config(live):
    return line_up(channel(1, live.origin.url(), output_format="dash", adaptive_bitrates=[
        {"name": "low", "ffmpeg_profile": "small"}]),
        hls={"segment_seconds": 2, "part_ms": 200}, dash={"window_seconds": 20},
        streaming={"idle_timeout": 60})


def wait_segments(capture, more):
    until = capture.fetched + more
    wait_for(lambda: capture.fetched >= until or capture.broken, 40, f"{more} more segments")


def play(server, faults, seconds):
    """Plays a channel for so long, with these faults in equal distances; what was captured."""
    with contextlib.ExitStack() as stack:
        lives = [Live(media.long_film(), 120), Live(media.other_film(), 60)]
        for live in lives:
            stack.enter_context(live.origin)
        s = server(config(lives[0]), workers=2)
        capture = DashCapture(Player(s))
        capture.start()
        wait_segments(capture, 6)
        trouble = Faults(s, lives, config, [capture])
        for n, name in enumerate(faults, 1):
            found = len(capture.broken)
            getattr(trouble, name)()
            wait_segments(capture, 6)
            time.sleep(seconds / len(faults))
            print(f"{n}: {name}", *capture.broken[found:][-5:])
        capture.finish()
    return capture


@pytest.mark.slow
def test_a_channel_keeps_the_rules_when_it_fails(server):
    capture = play(server, ["kill_segment_job", "kill_source_job"], 2)
    assert capture.broken == []
    assert capture.fetched >= 18 and len(capture.runs) >= 6


@pytest.mark.soak
@pytest.mark.limit(1800)
def test_ten_minutes_with_twenty_faults(server):
    faults = [*ALL, *ALL]
    random.Random(SEED).shuffle(faults)
    capture = play(server, faults, 480)
    print(f"seed {SEED}: {capture.fetched} segments, {capture.copies} manifests, "
          f"{capture.refused} refused")
    assert capture.broken == []
