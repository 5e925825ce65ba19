"""amps schedule: when scheduled channels start and end, from the server and from the file."""
import json
import os
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

import media
from harness import BIN, wait_for
from lineup import channel, line_up

pytestmark = pytest.mark.slow


def at(seconds):
    return (datetime.now(timezone.utc).replace(microsecond=0)
            + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def scheduled(number, start, end):
    return {**channel(number, media.film()), "schedule": {"start": start, "end": end}}


@pytest.mark.smoke
def test_states_and_times(server):
    s = server(line_up(channel(1, media.film())))
    # the start of a server may take longer than the first schedules
    past, soon, later = at(-3600), at(8), at(7200)
    s.write_config(line_up(channel(1, media.film()), scheduled_streams=[
        scheduled(10, past, soon), scheduled(11, soon, later), scheduled(12, past, at(-1800)),
        {**channel(13, media.film()), "schedule": {"start": past}}]))
    assert s.amps("reload").returncode == 0
    entries = {e["id"]: e for e in s.ask("schedule")}
    assert set(entries) == {10, 11, 12, 13}
    assert set(entries[10]) == {"id", "name", "state", "start", "end"}
    assert (entries[11]["start"], entries[11]["end"]) == (soon, later)
    assert entries[13]["end"] is None
    assert {i: e["state"] for i, e in entries.items()} == {
        10: "on air", 11: "waiting", 12: "ended", 13: "on air"}
    table = s.amps("schedule").stdout
    assert "START" in table and soon in table and "Channel 1 " not in table

    def turned():
        states = {e["id"]: e["state"] for e in s.ask("schedule")}
        return (states[10], states[11]) == ("ended", "on air")

    wait_for(turned, 15, "the windows to change")
    assert {c["id"] for c in s.ask("list")} == {1, 11, 13}


def test_a_scheduled_channel_without_a_window_is_never_on_air(server):
    s = server(line_up(scheduled_streams=[channel(10, media.film()),
                                          {**channel(11, media.film()), "schedule": None}]))
    assert {e["id"]: e["state"] for e in s.ask("schedule")} == {10: "on air", 11: "on air"}
    assert "/stream/10.ts" in s.get("/playlist.m3u").text


def test_without_a_server_the_file_is_shown(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(line_up(channel(1, "/x.ts"), scheduled_streams=[
        scheduled(5, "2001-02-03T04:05:06+01:00", "2001-02-03T05:00:00Z")])))
    amps = [os.path.join(BIN, "amps"), "schedule", "--config", str(path)]
    done = subprocess.run([*amps, "--json"], capture_output=True, text=True, timeout=30)
    assert json.loads(done.stdout) == [{"id": 5, "name": "Channel 5", "state": "ended",
                                        "start": "2001-02-03T03:05:06Z",
                                        "end": "2001-02-03T05:00:00Z"}]
    path.write_text("streams: []\n")
    done = subprocess.run(amps, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "no channel is scheduled\n")
