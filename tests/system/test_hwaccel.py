"""`hwaccel`: what happens where the hardware is missing or its driver is bad.  These machines have
none."""
import os

import pytest

import media
from harness import BIN
from lineup import LOOP, channel, line_up
from watcher import Watcher

pytestmark = pytest.mark.slow

FAKE = os.path.join(BIN, "test", "fake_driver.so")
SOFTWARE = "going on in software"


def accelerated(**hwaccel):
    """A line-up whose channel 1 encodes with this hardware; variant `plain` is not accelerated."""
    return line_up(
        channel(1, media.film(), "fast", **LOOP,
                adaptive_bitrates=[{"name": "plain", "ffmpeg_profile": "small"}]),
        ffmpeg_profiles={"fast": {"s": "160x90", "g": 25, "b:v": "150k", "acodec": "aac",
                                  "hwaccel": hwaccel}})


def assert_falls_back(s, reason):
    with Watcher(s, "/stream/1.ts") as w:
        w.wait_more(200)
        error = s.tuner("1")["last_error"]
        w.stop().check().check_start()
    assert error.startswith(reason) and error.endswith(SOFTWARE), error
    assert s.log().count(SOFTWARE) == 1


@pytest.mark.parametrize("hwaccel, reason", [
    ({"type": "nvidia"}, "hwaccel nvidia cannot be used: Cannot load libcuda.so.1"),
    ({"type": "vaapi", "device": "/dev/dri/renderD199"},
     "hwaccel vaapi (/dev/dri/renderD199) cannot be used: "),
    ({"type": "vapi"}, "hwaccel vapi cannot be used: this libav knows no such hardware")])
def test_missing_hardware_is_named(server, hwaccel, reason):
    s = server(accelerated(**hwaccel))
    answer = s.refused("/stream/1.ts")
    # viewers see no paths of the server
    assert answer.status == 502 and f"hwaccel {hwaccel['type']}" in answer.text
    assert reason in s.tuner("1")["last_error"]
    # the channel's other variant does not need it
    with Watcher(s, "/stream/1.ts?variant=plain") as w:
        w.wait_more(100).stop().check().check_start()


@pytest.mark.smoke
def test_missing_hardware_falls_back(server):
    s = server(accelerated(type="nvidia", fallback=True))
    assert_falls_back(s, "hwaccel nvidia cannot be used: Cannot load libcuda.so.1")


def test_the_channel_wins_over_its_profile(server):
    config = accelerated(type="nvidia", fallback=True)
    config["streams"][0]["hwaccel"] = {"type": "none"}
    s = server(config)
    with Watcher(s, "/stream/1.ts") as w:
        w.wait_more(100)
        assert s.tuner("1")["last_error"] in (None, "")


def test_an_encoder_of_missing_hardware_falls_back(server):
    """A profile that names an encoder of hardware gets the codec's encoder in software."""
    config = accelerated(type="vaapi", fallback=True)
    config["ffmpeg_profiles"]["fast"]["vcodec"] = "h264_vaapi"
    s = server(config)
    with Watcher(s, "/stream/1.ts") as w:
        w.wait_more(200)
        assert SOFTWARE in s.tuner("1")["last_error"]
        w.stop().check().check_start()


@pytest.mark.parametrize("mode, reason", [
    ("crash", "hwaccel nvidia cannot be used: its driver crashed (signal 11)"),
    ("hang", "hwaccel nvidia cannot be used: its driver did not answer within 5000 ms")])
def test_a_driver_hurts_only_its_trial(server, mode, reason):
    s = server(accelerated(type="nvidia", fallback=True),
               env={"LD_PRELOAD": FAKE, "FAKE_DRIVER": mode})
    assert_falls_back(s, reason)
    assert s.tuner("1")["restarts"] == 0
