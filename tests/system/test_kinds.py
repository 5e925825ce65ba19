"""Every kind of source from its real sender, played by ffmpeg's decoder without a word of complaint
and read by the strict reader; `make sources` does the same for a minute and prints a table."""
import os

import pytest

from harness import SANITIZED, Server
from kinds import KINDS
from play_kinds import play_all

# one process plays them, wave by wave: the waves of several would be in each other's way
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kinds")]

SECONDS = 60 if os.environ.get("AMPS_SOAK") else 5
WAVE = 12    # kinds at once


@pytest.fixture(scope="module")
def waves():
    """wave(name) -> Played: the kinds that are played at once with this one have been played."""
    played, names = {}, list(KINDS)

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


@pytest.mark.parametrize("name", KINDS)
def test_plays(waves, name):
    played = waves(name)
    if played.skipped:
        pytest.skip(played.skipped)
    assert played.problems() == {}, played.tuner
    if not SANITIZED:
        # nobody reads a source but a process that can do little else
        assert played.confined == {"Seccomp": "2", "NoNewPrivs": "1"}
