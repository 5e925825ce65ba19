"""`limits`: the resources of the processes of one tuner."""
import re

import pytest

import media
from lineup import LOOP, channel, line_up


def niceness(pid):
    return int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[16])


def test_the_processes_of_a_tuner_are_nice(server):
    s = server(line_up(channel(1, media.film(), **LOOP, adaptive_bitrates=[
        {"name": "sd", "ffmpeg_profile": "small"}]), limits={"nice": 7}))
    with s.stream("/stream/1.ts") as own, s.stream("/stream/1.ts?variant=sd", timeout=40) as sd:
        own.read(188)
        sd.read(188)
        tuner = s.tuner("1")
        assert (niceness(tuner["pid"]), niceness(tuner["derive_pid"])) == (7, 7)
        own_niceness = niceness(s.process.pid)
        assert all(niceness(pid) == own_niceness for pid in s.pids("amps-worker"))


@pytest.mark.slow      # a sanitizer's shadow memory is beyond every limit
def test_a_job_over_its_memory_limit_fails_alone(server):
    """Its frames need 1.5 GB each."""
    s = server(line_up(
        channel(1, media.film(), **LOOP),
        channel(2, "testsrc2=size=16384x16000:rate=5,format=yuv444p16le", "small",
                input_options={"f": "lavfi"}),
        limits={"memory_mb": 400}, streaming={"start_timeout": 60}))
    with s.stream("/stream/1.ts", timeout=40) as stream:
        stream.read(188 * 100)
        pid = s.tuner("1")["pid"]
        refused = s.refused("/stream/2.ts", timeout=80)
        assert refused.status == 502
        assert re.search("memory", refused.json["error"]), refused.text
        assert len(stream.read(188 * 500)) == 188 * 500
        assert s.tuner("1")["pid"] == pid and s.tuner("1")["restarts"] == 0
