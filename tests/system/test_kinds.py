"""Every kind of source from its real sender, played by ffmpeg's decoder without errors and checked by
the strict parser; `make sources` does the same for a minute and prints a table."""
import os

import pytest

from harness import SANITIZED, Server
from kinds import KINDS
from play_kinds import play_all
from proc import CONFINED

# one process plays them, wave by wave: several would disturb each other
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kinds")]

SOAK = bool(os.environ.get("AMPS_SOAK"))
SECONDS = 60 if SOAK else 5
WAVE = 12    # kinds at once
# one of each protocol and container; `make soak` and `make sources` play all
ONE_OF_EACH = {
    "RTSP over TCP", "RTMP", "RTMPS", "SRT, called, encrypted", "UDP from GStreamer", "multicast",
    "RTP", "HTTP", "HTTPS", "MP4 over HTTP, looped", "HLS, live, fragmented MP4",
    "HLS, live, AES-128", "DASH, live, segments told by the clock", "TCP", "pipe", "character device",
    "packets of 204 bytes, looped", "one of two programmes, looped"}


def named(name):
    return pytest.param(name, marks=[pytest.mark.soak] if SOAK or name not in ONE_OF_EACH else [])


@pytest.fixture(scope="module")
def waves(request):
    """wave(name) -> Played: the kinds that are played at once with this one have been played."""
    played = {}
    names = [item.callspec.params["name"] for item in request.session.items
             if item.module is request.module]

    def wave(name):
        at = names.index(name) // WAVE * WAVE
        if name not in played:
            servers = []

            def start(config, **kwargs):
                servers.append(Server(config, **kwargs))
                return servers[0].start()

            try:
                played.update(play_all(start, names[at:at + WAVE], SECONDS))
                servers[0].stop()
                servers[0].check_log()
                assert "nothing in this source takes" not in servers[0].log()
            finally:
                for s in servers:
                    s.cleanup()
        return played[name]

    return wave


@pytest.mark.parametrize("name", map(named, KINDS))
def test_plays(waves, name):
    played = waves(name)
    if played.skipped:
        pytest.skip(played.skipped)
    assert played.problems() == {}, played.tuner
    if not SANITIZED:
        # only a sandboxed process reads a source
        assert played.confined == CONFINED
