"""`amps check`, and the effect of a configuration on a running server."""
import datetime
import json
import os
import re
import signal
import subprocess
import time

import pytest

import media
from harness import BIN, PATIENCE, ROOT, kill, wait_for
from lineup import LOOP, channel, line_up
from logs import job_retries
from ts import Checker

pytestmark = pytest.mark.slow

AMPS = os.path.join(BIN, "amps")


def check(tmp_path, text, *args, env=None):
    path = tmp_path / "config.yaml"
    path.write_text(text if isinstance(text, str) else json.dumps(text, indent=1))
    return subprocess.run([AMPS, "check", "--config", str(path), *args], capture_output=True,
                          text=True, timeout=60, env=dict(os.environ, **(env or {})))


@pytest.mark.smoke
def test_all_problems_at_once_each_with_line_and_path(tmp_path):
    done = check(tmp_path, """\
server:
  prot: 5000
streams:
  - id: 1
    name: A
    source: /a.ts
    ffmpeg_profile: copi
  - id: 1
    name: B
    source: /b.ts
    ffmpeg_profile: copy
  - id: x
    name: C
    source: /c.ts
    ffmpeg_profile: copy
    grup: News
nosuch: 1
""")
    assert done.returncode == 1
    out = done.stdout + done.stderr
    assert re.search(r"config\.yaml:2: server\.prot: .*port", out)
    assert re.search(r"config\.yaml:7: streams\[0\]\.ffmpeg_profile: .*'copi'.*did you mean 'copy'",
                     out)
    assert re.search(r"config\.yaml:8: streams\[1\](\.id)?: ", out)
    assert re.search(r"config\.yaml:12: streams\[2\]\.id: ", out)
    assert re.search(r"config\.yaml:16: streams\[2\]\.grup: warning: .*group", out)
    assert re.search(r"config\.yaml:17: nosuch: ", out)


def test_only_warnings_exit_0_and_with_strict_1(tmp_path):
    config = {"auth": {"token": "changeme123"}, "streams": []}
    assert check(tmp_path, config).returncode == 0
    assert check(tmp_path, config, "--strict").returncode == 1


def test_many_warnings_do_not_hide_an_error(server, tmp_path):
    config = line_up(*(channel(n, media.film(), unknown=1) for n in range(1, 1100)))
    config["media_limit_mb"] = "lots"
    done = check(tmp_path, config)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [x for x in lines if " media_limit_mb: must be" in x]
    assert "... and 99 more" in lines
    s = server(line_up(channel(1, media.film())))
    s.write_config(config)
    done = s.amps("reload")
    assert done.returncode == 1 and "1 problem" in done.stderr
    del config["media_limit_mb"]
    s.write_config(config)
    assert "... and 99 more" in s.amps("reload").stderr


def test_json_is_an_array_of_problems(tmp_path):
    done = check(tmp_path, "streams:\n  - id: 1\n", "--json")
    assert done.returncode == 1
    problems = json.loads(done.stdout)
    assert problems and {"severity", "file", "line", "path", "message"} <= set(problems[0])


@pytest.mark.parametrize("text", [
    "", "streams:\n", "streams: []\nffmpeg_profiles:\n", "plugins: [a.b]\n",
    "streams:\n  - {id: 1, name: 5, source: /x, ffmpeg_profile: copy, epg_id: 5}\n",
    "x-base: &b\n" if False else "streams:\n  - &a {id: 1, name: A, source: /x, "
    "ffmpeg_profile: copy}\n  - {<<: *a, id: 2}\n",
    "streams:\n  - {id: 1, name: N, source: /x, ffmpeg_profile: copy, regions_allowed: [NO, US]}\n",
])
def test_configurations_of_the_older_amps_are_accepted(tmp_path, text):
    done = check(tmp_path, text)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_billion_laughs_are_refused_quickly(tmp_path):
    text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    for i in range(1, 12):
        text += f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n"
    assert check(tmp_path, text).returncode == 1


def test_environment_is_expanded(tmp_path):
    text = "streams:\n  - {id: 1, name: '${WHO}', source: /x, ffmpeg_profile: copy}\n"
    assert check(tmp_path, text, env={"WHO": "me"}).returncode == 0


def test_a_missing_file_is_reported(tmp_path):
    done = subprocess.run([AMPS, "check", "--config", str(tmp_path / "none.yaml")],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "none.yaml" in done.stdout + done.stderr


@pytest.mark.smoke
def test_the_files_of_the_project_pass():
    env = dict(os.environ, AMPS_DEMO_DIR="/tmp")
    for name in os.listdir(os.path.join(ROOT, "etc")):
        if name.endswith(".yaml"):
            done = subprocess.run([AMPS, "check", "--config", os.path.join(ROOT, "etc", name)],
                                  capture_output=True, text=True, timeout=60, env=env)
            assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.smoke
def test_a_bad_file_does_not_start(server):
    s = server("streams: 5\n", ready=False)
    assert s.process.wait(20 * PATIENCE) == 1
    assert re.search(r"config\.yaml:1: streams: ", s.log())
    s.check_gone()


@pytest.mark.smoke
def test_sighup_reloads(server):
    s = server(line_up(channel(1, media.film())))
    s.write_config(line_up(channel(2, media.film())))
    s.process.send_signal(signal.SIGHUP)
    wait_for(lambda: [c["id"] for c in s.ask("list")] == [2], 10, "the new line-up")
    # a signal has no answer that would wait for the workers
    wait_for(lambda: "Channel 2" in s.get("/playlist.m3u").text, 10, "the worker's new line-up")


def test_many_signals_do_not_delay_other_requests(server):
    """SIGHUP in a loop does not use up the slots of `amps reload`."""
    s = server(line_up(*(channel(i, media.film()) for i in range(1, 3001))))
    for _ in range(300):
        s.process.send_signal(signal.SIGHUP)
        time.sleep(0.001)
    done = s.amps("reload", timeout=60)
    assert done.returncode == 0, done.stderr
    assert 1 <= s.log().count("configuration") <= 20, "one line a run, not one a signal"


def test_a_reload_warns_of_keys_that_take_effect_at_the_next_start(server):
    s = server(line_up(channel(1, media.film())))
    assert s.ask("reload")["warnings"] == []
    s.write_config(line_up(channel(1, media.film()), server={"log_format": "json"}))
    for _ in range(2):
        warnings = s.ask("reload")["warnings"]
        assert len(warnings) == 1 and "server.log_format" in warnings[0], warnings
    assert s.log().count("server.log_format has changed") == 2
    assert "server.log_format" in s.amps("reload").stderr
    s.write_config(line_up(channel(1, media.film())))
    assert s.ask("reload")["warnings"] == []


def test_the_log_level_follows_a_reload(server):
    s = server(line_up(channel(1, media.film())))
    s.write_config(line_up(channel(1, media.film()), server={"log_level": "error"}))
    assert s.ask("reload")["warnings"] == []
    before = s.log()
    kill(s.pids("amps-worker")[0])
    wait_for(lambda: s.ask("status")["worker_restarts"] == 1, 10, "another worker")
    wait_for(s.is_ready, 10, "the server to be ready again")
    assert s.log() == before


def test_a_reload_restarts_only_what_changed(server):
    rich = media.rich_film()    # made before there are viewers
    s = server(line_up(channel(1, media.film(), **LOOP), channel(2, media.film(), **LOOP)))
    with s.stream("/stream/1.ts") as one, s.stream("/stream/2.ts") as two:
        a, b = Checker(one.read(188 * 100)), Checker(two.read(188 * 100))
        before = {t["key"]: t["pid"] for t in s.tuners()}
        s.write_config(line_up(channel(1, media.film(), name="Renamed", **LOOP),
                               channel(2, rich, **LOOP)))
        assert s.amps("reload").returncode == 0
        wait_for(lambda: (s.tuner("2") or {}).get("pid") not in (None, before["2"]), 10,
                 "a new job of channel 2")
        # bytes that were in the sockets before the reload come first
        for _ in range(60):
            a.feed(one.read(188 * 500))
            b.feed(two.read(188 * 500))
            if b.marked:
                break
        assert s.tuner("1")["pid"] == before["1"]
    a.check()
    assert a.marked == 0
    b.check()
    assert b.marked > 0
    assert "Renamed" in s.get("/playlist.m3u").text


def fail_often(s):
    """Until the back-off is some seconds."""
    wait_for(lambda: s.refused("/stream/1.ts").status == 502
             and s.tuner("1") and s.tuner("1")["restarts"] >= 5, 20, "five attempts")


def test_a_corrected_source_is_retried_at_once(server, tmp_path):
    s = server(line_up(channel(1, str(tmp_path / "film.ts"))))
    fail_often(s)
    s.write_config(line_up(channel(1, media.film())))
    assert s.amps("reload").returncode == 0
    with s.stream("/stream/1.ts") as stream:
        assert stream.head().status == 200


def test_stop_resets_the_back_off_of_a_source(server, tmp_path):
    s = server(line_up(channel(1, str(tmp_path / "film.ts"))))
    fail_often(s)
    before = len(job_retries(s, "1"))
    assert s.amps("stop", "1").returncode == 0
    # a job tries it for this viewer, and its failure is the first of a row
    assert s.refused("/stream/1.ts").status == 502
    delays = [delay for _, delay in job_retries(s, "1")]
    assert delays[before - 1] > 1 and 0 in delays[before:], delays


def test_a_bad_file_ends_a_start_and_keeps_the_database(server):
    good = line_up(channel(1, media.film()))
    s = server(good)
    s.stop()
    s.write_config({**good, "streams": good["streams"] * 2})
    s.start(ready=False)
    assert s.process.wait(20 * PATIENCE) == 1
    assert re.search(r"config\.yaml:\d+: streams\[1\]\.id: ", s.log())
    s.write_config(line_up(channel(1, media.film()), channel(5, media.film())))
    s.start()
    assert [c["id"] for c in s.ask("list")] == [1, 5]


def scheduled(number, start, end=None, **more):
    """A channel on the air from `start` to `end`, in seconds since 1970."""
    def stamp(when):
        return datetime.datetime.fromtimestamp(when, datetime.timezone.utc).isoformat()

    window = {"start": stamp(start), **({"end": stamp(end)} if end else {})}
    return {**channel(number, media.film(), **LOOP), "schedule": window, **more}


def on_air(s):
    return [int(x) for x in re.findall(r"/stream/(\d+)\.ts", s.get("/playlist.m3u").text)]


def test_scheduled_channels_start_and_end(server):
    config = line_up(channel(1, media.film()))
    s = server(config)
    now = time.time()   # only now, because the start may be slow
    comes, goes = now + 4, now + 8
    config["scheduled_streams"] = [
        scheduled(900, now - 60, goes), scheduled(901, comes, now + 600), scheduled(902, now + 600),
        scheduled(903, now, schedule={})]
    s.write_config(config)
    assert s.amps("reload").returncode == 0

    def right():
        """No channel starts or ends early."""
        before, seen, after = time.time(), on_air(s), time.time()
        assert 902 not in seen and (901 not in seen or after >= comes), seen
        assert 903 in seen and (900 in seen or after >= goes), seen
        return seen if before > comes else None

    assert s.refused("/stream/902.ts").status == 404
    with s.stream("/stream/900.ts") as stream:
        if stream.head().status == 200:
            wait_for(lambda: 901 in (right() or ()), 20, "channel 901 to come on air")
            wait_for(lambda: 900 not in (right() or (900,)), 20, "channel 900 to go off air")
            stream.read_all()
            assert stream.ended
        else:
            assert time.time() >= goes
    assert s.refused("/stream/900.ts").status == 404


def test_schedules_advance_while_the_server_is_down(server):
    """One that started and ended, one that started, one that ended: the next start
    has the line-up of its time."""
    s = server(line_up(channel(1, media.film())))
    now = time.time()
    config = line_up(channel(1, media.film()))
    config["scheduled_streams"] = [
        scheduled(900, now + 3, now + 4), scheduled(901, now + 4, now + 600),
        scheduled(902, now - 60, now + 4), scheduled(903, now - 60, now + 600)]
    s.write_config(config)
    assert s.amps("reload").returncode == 0
    assert 903 in on_air(s)
    s.stop()
    wait_for(lambda: time.time() > now + 4.2, 10, "the schedules to change")
    s.start()
    assert on_air(s) == [1, 901, 903]
    for number, status in ((900, 404), (901, 200), (902, 404), (903, 200)):
        assert s.request("HEAD", f"/stream/{number}.ts").status == status
