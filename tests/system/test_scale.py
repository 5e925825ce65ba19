"""Line-ups of thousands of channels, and starts without a new check of options."""
import os
import shutil
import subprocess
import threading
import time

import pytest

import harness
import media
from harness import BIN, wait_for
from lineup import LOOP, channel, line_up
from proc import pss_bytes
from watch import Watch, assert_untouched


def many(count):
    return line_up(*[channel(n, f"http://origin.example.net/live/{n}.ts", group=f"Group {n % 20}",
                             logo=f"http://logos.example.net/{n}.png", epg_id=f"ch{n}.example",
                             channel_number=n, input_options={"re": None})
                     for n in range(1, count + 1)])


@pytest.mark.slow
def test_twenty_thousand_idle_channels_fit_32_mb(server):
    s = server(many(0), workers=2)
    wait_for(lambda: sum("(idle)" in line for _, line in s.processes().values()) == 2, 10,
             "the nursery and its idle children")
    before = pss_bytes(s.processes())
    s.write_config(many(20000))
    s.amps("reload")
    assert s.ask("status")["channels"] == 20000
    # memory of the load is freed after the answer
    wait_for(lambda: pss_bytes(s.processes()) - before <= 32 << 20, 5, "no more than 32 MiB more")


@pytest.mark.timing
def test_the_masters_loop_runs_during_a_large_reload(server):
    s = server(many(0))
    s.write_config(many(10000))
    answers, over = [], threading.Event()

    def ask():
        while not over.is_set():
            begin = time.monotonic()
            answers.append((s.ask("status")["channels"], time.monotonic() - begin))

    thread = threading.Thread(target=ask)
    thread.start()
    begin = time.monotonic()
    s.amps("reload")
    took = time.monotonic() - begin
    over.set()
    thread.join()
    longest = max(seconds for _, seconds in answers)
    print(f"reload in {took:.2f} s, {len(answers)} answers meanwhile, the longest {longest:.3f} s")
    assert [channels for channels, _ in answers].count(0) > 5, "it answers until the new line-up is there"
    assert longest < max(0.2, took / 4)


@pytest.fixture
def listening_transcoder(tmp_path, monkeypatch):
    """The programs in a separate folder, where the transcoder records its arguments."""
    for name in ("amps", "amps-master", "amps-worker"):
        shutil.copy2(os.path.join(BIN, name), tmp_path / name)
    (tmp_path / "test").symlink_to(os.path.join(BIN, "test"))
    calls = tmp_path / "calls"
    wrapper = tmp_path / "amps-transcoder"
    wrapper.write_text(f"#!/bin/sh\necho \"$1\" >>{calls}\n"
                       f"exec {os.path.join(BIN, 'amps-transcoder')} \"$@\"\n")
    wrapper.chmod(0o755)
    monkeypatch.setattr(harness, "BIN", str(tmp_path))
    return lambda: calls.read_text().split().count("--check-options")


def reload_text(s):
    done = s.amps("reload")
    return done.stdout + done.stderr


@pytest.mark.smoke
def test_a_later_start_does_not_check_options_again(server, listening_transcoder):
    asked = listening_transcoder
    config = line_up(channel(1, "http://origin.example.net/1.ts", input_options={"re": None}))
    config["ffmpeg_profiles"]["copied"] = {"vcodec": "copy", "acodec": "copy", "preset": "fast"}
    warning = "ffmpeg_profiles.copied.preset"
    s = server(config, fresh=True)
    assert asked() == 1
    first = s.log().count(warning)
    assert first > 0
    s.stop()
    s.start()
    assert asked() == 1
    assert s.log().count(warning) == 2 * first, "what was found is said at every start"
    config["ffmpeg_profiles"]["small"]["g"] = 50
    s.write_config(config)
    s.amps("reload")
    assert asked() == 2
    s.amps("reload")
    assert asked() == 2
    config["ffmpeg_profiles"]["small"]["g"] = "fifty"
    s.write_config(config)
    for count in (3, 4):
        assert "ffmpeg_profiles.small.g" in reload_text(s)
        assert asked() == count, "an answer to a file that is refused is not kept"
    # the command has no state folder: it always checks
    subprocess.run([os.path.join(harness.BIN, "amps"), "check", "--config", s.config_path],
                   stdout=subprocess.DEVNULL)
    assert asked() == 5


@pytest.mark.slow
@pytest.mark.heavy
def test_viewers_lose_no_byte_during_large_reloads(server):
    config = many(9998)
    config["streams"] += [channel(n, media.film(), **LOOP) for n in (9999, 10000)]
    s = server(config, workers=2)
    with Watch(s) as w:
        ids = w.open("/stream/9999.ts", 20) + w.open("/stream/10000.ts", 20)
        w.wait_playing(ids)
        jobs = {t["key"]: t["pid"] for t in s.tuners()}
        for n in range(1, 4):
            for ch in config["streams"][:9998:2]:
                ch["group"] = f"Group of reload {n}"
            s.write_config(config)
            changed = s.ask("reload")["changed"]
            assert len(changed) == 4999
        w.wait_more(ids, 600)
        assert_untouched(w.report())
        assert {t["key"]: t["pid"] for t in s.tuners()} == jobs
        assert all(t["restarts"] == 0 for t in s.tuners())
    assert s.get("/playlist.m3u").text.count('group-title="Group of reload 3"') == 4999
