"""/metrics: what the master counts."""
import re

import media
from harness import kill, wait_for
from lineup import LOOP, channel, line_up
from watcher import Watcher


def metric(s, name):
    return int(re.search(rf"^{name} (\d+)$", s.get("/metrics").text, re.M).group(1))


def test_jobs_and_tuners_are_counted(server):
    s = server(line_up(channel(1, media.film(), **LOOP), streaming={"idle_timeout": 0.5}))
    assert metric(s, "amps_tuners_running") == 0
    assert metric(s, "amps_jobs_started_total") == 0
    with Watcher(s, "/stream/1.ts") as w:
        assert metric(s, "amps_tuners_running") == 1
        assert metric(s, "amps_jobs_started_total") == 1
        assert metric(s, "amps_jobs_failed_total") == 0
        kill(s.tuner("1")["pid"])
        wait_for(lambda: metric(s, "amps_jobs_started_total") == 2, 10, "a new job")
        assert metric(s, "amps_jobs_failed_total") == 1
        w.wait_more(100)
    wait_for(lambda: metric(s, "amps_tuners_running") == 0, 10, "the tuner to stop")
    assert metric(s, "amps_jobs_started_total") == 2
    assert metric(s, "amps_jobs_failed_total") == 1
