"""/metrics: what the master counts."""
import re

import media
from harness import kill, wait_for
from lineup import LOOP, channel, line_up
from origin import HttpOrigin, Paced
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


def test_pictures_that_an_encoder_has_no_time_for_are_counted(server):
    """Its filter takes a third of the pictures that come."""
    slow = {"vcodec": "libx264", "preset": "ultrafast", "s": "128x72", "vf": "realtime=speed=0.3", "an": None}
    with HttpOrigin(Paced(media.dense_film(), 10)) as origin:
        s = server(line_up(channel(1, origin.url(), ffmpeg_profile="slow"),
                           ffmpeg_profiles={"slow": slow}, streaming={"ring_seconds": 1}))
        with Watcher(s, "/stream/1.ts"):
            tuner = wait_for(lambda: (t := s.tuner("1"))["frames_dropped"] and t, 40,
                             "pictures to be left out")
            assert 0 < tuner["encoder_speed"] < 0.9, tuner
            assert "too slow" in tuner["last_error"], tuner
            name = r'amps_tuner_frames_dropped_total\{channel="1",tuner="1"\}'
            wait_for(lambda: metric(s, name) >= tuner["frames_dropped"], 5, "/metrics")
            said = s.amps("why", "1").stdout
            assert re.search(r"it is encoded at \d\d% of real time; [1-9]\d* pictures", said), said
