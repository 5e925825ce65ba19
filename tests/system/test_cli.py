"""The amps command: exit codes, tables, JSON, help."""
import ctypes
import json
import os
import pty
import re
import socket
import struct
import subprocess

import pytest

import media
from harness import BIN, ROOT, wait_for
from lineup import LOOP, channel, line_up
from origin import Bursts, HttpOrigin

pytestmark = pytest.mark.slow

AMPS = os.path.join(BIN, "amps")
COMMANDS = ["serve", "check", "list", "tuners", "viewers", "why", "stop", "kick", "status", "reload",
            "shutdown", "import", "schedule", "epg", "vlc",
            "config", "backup"]
TUNER = {"key", "stream_id", "variants", "pid", "derive_pid", "state", "source", "started",
         "uptime_seconds", "viewers", "bitrate_in", "bitrate_out", "restarts", "cpu_seconds",
         "memory_bytes", "last_error", "source_number", "sources", "switches", "restarts_crashed",
         "restarts_failed", "restarts_silent", "restarts_slow", "restarts_content",
         "cc_errors", "clock_jumps", "pcr_interval_ms", "pcr_jitter_ms", "first_media_ms",
         "leg1_lost", "leg2_lost", "pair_filled", "pair_lost", "content", "frames_dropped",
         "encoder_speed"}
VIEWER = {"id", "address", "stream_id", "variant", "protocol", "since", "bytes", "user_agent",
          "lag_bytes", "rtt_ms", "retransmits", "delivery_bps", "skips"}


def run(*args, **kwargs):
    return subprocess.run([AMPS, *args], capture_output=True, text=True, timeout=60, **kwargs)


@pytest.mark.smoke
def test_help_lists_every_command_and_each_has_help():
    done = run("--help")
    assert done.returncode == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", done.stdout, re.M)
        its = run(name, "--help")
        assert its.returncode == 0 and its.stdout.startswith(f"usage: amps {name}")


def test_manual_and_completion_agree_with_help():
    manual = open(os.path.join(BIN, "../man/amps.1")).read().replace("\\-", "-")
    completion = open(os.path.join(ROOT, "packaging/completion/amps")).read()
    for name in COMMANDS:
        assert re.search(rf"^\.SS {name}\b", manual, re.M), name
        section = re.split(rf"^\.SS {name}\b", manual, flags=re.M)[1]
        section = re.split(r"^\.S[SH] ", section, flags=re.M)[0]
        options = set(re.findall(r"^  (--[a-z-]+)", run(name, "--help").stdout, re.M)) - {"--help"}
        assert set(re.findall(r"^\\fB(--[a-z-]+)", section, re.M)) == options | {"--help"}, name
        words = subprocess.run(
            ["bash", "-c", f'source packaging/completion/amps; COMP_WORDS=(amps {name} --); '
             f'COMP_CWORD=2; _amps; printf "%s\\n" "${{COMPREPLY[@]}}"'],
            capture_output=True, text=True, cwd=ROOT, check=True).stdout.split()
        assert set(words) == options | {"--help"}, name
        assert name in completion


@pytest.mark.smoke
def test_version():
    assert re.fullmatch(r"amps \d+\.\d+\.\d+\n", run("--version").stdout)


@pytest.mark.smoke
def test_wrong_usage_is_2():
    for args in ([], ["nosuch"], ["tuners", "--nosuch"], ["stop"], ["kick", "x"], ["stop", "1", "2"],
                 ["shutdown", "--timeout", "-1"], ["serve", "--port"], ["serve", "--port", "x"],
                 ["status", "--json=1"], ["check", "--nosuch"], ["import"],
                 ["config"], ["config", "import"],
                 ["vlc", "--variant", "sd"], ["vlc", "--stream-id", "x"], ["vlc", "--region", "1"],
                 ["vlc", "--player", "xine"], ["vlc", "--player", "ffplay"]):
        done = run(*args)
        assert done.returncode == 2, (args, done)
        assert done.stderr and not done.stdout


@pytest.mark.smoke
def test_no_server_is_3(tmp_path):
    path = str(tmp_path / "control.sock")
    for args in (["tuners"], ["viewers"], ["status"], ["reload"], ["shutdown"], ["stop", "1"],
                 ["why", "1"],
                 ["kick", "1"], ["list"], ["schedule"], ["vlc"],
                 ["config", "export"]):
        assert run(*args, "--socket", path).returncode == 3, args


def test_list_without_a_server_shows_the_file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(line_up(channel(7, "/x.ts", group="News"))))
    done = run("list", "--config", str(path))
    assert done.returncode == 0
    assert re.search(r"^ *7 .*Channel 7 .*News .*copy", done.stdout, re.M)
    assert [c["id"] for c in json.loads(run("list", "--config", str(path), "--json").stdout)] == [7]


@pytest.mark.smoke
def test_tables_and_json_of_a_running_server(server):
    s = server(line_up(channel(1, media.film(), **LOOP), channel(2, media.film())))
    assert s.amps("tuners").stdout == "no tuner is running\n"
    assert s.amps("viewers").stdout == "no viewers\n"
    with s.stream("/stream/1.ts", headers={"User-Agent": "box/1.0"}) as stream:
        stream.read(188 * 200)
        tuner, = s.tuners()
        assert set(tuner) == TUNER
        assert (tuner["key"], tuner["stream_id"], tuner["state"]) == ("1", 1, "running")
        assert tuner["source"] == media.film() and tuner["derive_pid"] is None
        viewer, = wait_for(s.viewers, 5, "a viewer")
        assert set(viewer) == VIEWER
        assert viewer["address"].startswith("127.0.0.1") and viewer["user_agent"] == "box/1.0"
        assert viewer["stream_id"] == 1
        states = {c["id"]: c["state"] for c in s.ask("list")}
        assert states == {1: "running", 2: "idle"}
        assert "running" in s.amps("tuners").stdout
        status = s.ask("status")
        assert status["channels"] == 2 and status["tuners"] == 1 and status["viewers"] == 1
        text = s.amps("status").stdout
        assert "channels" in text and "`amps vlc --print`" in text.splitlines()[-2]


def drop_all(sock):
    """Whatever comes to this socket is lost, from now on (socket(7)); undone by SO_DETACH_FILTER."""
    none = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))    # return 0 bytes of it
    sock.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HP", 1, ctypes.addressof(none)))


def test_what_is_lost_or_late_on_the_way_is_measured(server):
    """The kernel's count of segments that were sent again.  The source comes in bursts: that is jitter of
    its clock."""
    with HttpOrigin(Bursts(media.long_film(), 120, 0.5)) as origin:
        s = server(line_up(channel(1, origin.url())))
        with s.stream("/stream/1.ts") as stream:
            stream.read(188 * 200)
            drop_all(stream.sock)
            viewer = wait_for(lambda: next((v for v in s.viewers() if v["retransmits"]), None), 10,
                              "segments that are sent again")
            assert 0 < viewer["retransmits"] < 100, viewer
            stream.sock.setsockopt(socket.SOL_SOCKET, 27, 0)
            stream.read(188 * 200)
            tuner = wait_for(lambda: (t := s.tuner("1"))["pcr_jitter_ms"] and t["bitrate_out"] and t, 10,
                             "what is measured")
    assert tuner["pcr_jitter_ms"] > 300, tuner
    assert tuner["bitrate_out"] > 100000, tuner


def test_zap_times_connections_and_encoders_are_measured(server):
    s = server(line_up(channel(1, media.film(), **LOOP, adaptive_bitrates=[
        {"name": "low", "ffmpeg_profile": "small"}])))
    with s.stream("/stream/1.ts") as stream, s.stream("/stream/1.ts?variant=low") as low:
        stream.read(188 * 200)
        assert low.read(188)
        wait_for(lambda: s.tuner("1")["encoder_speed"], 20, "the speed of the encoder")
        # the kernel is asked every few seconds
        viewer = wait_for(lambda: next((v for v in s.viewers() if v["delivery_bps"]), None), 10,
                          "the kernel's facts")
        assert 0 < viewer["rtt_ms"] < 1000, viewer
        assert viewer["retransmits"] >= 0 and viewer["skips"] == 0, viewer
        wait_for(lambda: re.search(r'^amps_tuner_encoder_speed\{[^}]*\} (?!0\.000)',
                                   s.get("/metrics").text, re.M), 10, "the published speed")
        text = s.get("/metrics").text
    counts = re.findall(r'^amps_zap_seconds_count\{worker="\d+"\} (\d+)$', text, re.M)
    assert sum(map(int, counts)) == 2, counts
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_failed_variant_does_not_mark_its_channel_failed(server):
    s = server(line_up(channel(1, media.film(), **LOOP, adaptive_bitrates=[
        {"name": "gone", "source": "/nowhere/film.ts"}])))
    with s.stream("/stream/1.ts") as stream:
        stream.read(188 * 200)
        assert s.refused("/stream/1.ts?variant=gone").status == 502
        assert s.tuner("1/gone")["state"] == "failed"
        assert [c["state"] for c in s.ask("list")] == ["running"]


def test_a_table_fits_its_terminal_and_only_there_has_colours(server):
    s = server(line_up(channel(1, media.film(), name="A very long name " * 10, **LOOP)))
    master, slave = pty.openpty()
    subprocess.run(["stty", "cols", "60"], stdin=slave, check=True)
    done = subprocess.run([AMPS, "list", "--socket", s.socket_path], stdout=slave, timeout=30)
    os.close(slave)
    text = b""
    try:
        while True:
            got = os.read(master, 65536)
            if not got:
                break
            text += got
    except OSError:
        pass
    os.close(master)
    assert done.returncode == 0
    assert b"\x1b[" in text
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text.decode()).split("\r\n")
    assert max(map(len, lines)) <= 60
    assert "\x1b" not in s.amps("list").stdout


def test_names_cannot_control_the_terminal(server):
    s = server(line_up(channel(1, media.film(), name="evil \u001b[31m red")))
    assert "\x1b" not in s.amps("list").stdout


def test_stop_and_kick_of_unknown_targets_are_1(server):
    s = server(line_up(channel(1, media.film())))
    for args in (["stop", "1"], ["stop", "77"], ["kick", "12345"]):
        done = s.amps(*args)
        assert done.returncode == 1 and done.stderr, args


@pytest.mark.smoke
def test_reload_reports_what_changed(server):
    s = server(line_up(channel(1, media.film()), channel(2, media.film())))
    s.write_config(line_up(channel(1, media.film(), group="New"), channel(3, media.film())))
    done = s.amps("reload")
    assert done.returncode == 0
    lines = [line.split(None, 2)[:2] for line in done.stdout.splitlines()]
    assert sorted(lines) == [["added", "3"], ["changed", "1"], ["removed", "2"]]
    again = s.amps("reload")
    assert again.returncode == 0 and "no channel changed" in again.stdout


def test_reload_prints_problems_in_the_form_of_check(server):
    s = server(line_up(channel(1, "/x.ts")))
    s.write_config(line_up(channel(1, "/x.ts", "nope", grup="x")))
    lines = s.amps("check", "--config", s.config_path).stdout
    assert "warning: unknown key 'grup'" in lines and "unknown profile" in lines
    assert s.amps("reload").stderr.startswith(lines)
    os.unlink(s.config_path)
    assert s.amps("reload").stderr.startswith(f"{s.config_path}: cannot be read: ")


def test_reload_of_a_bad_file_prints_every_problem_and_changes_nothing(server):
    s = server(line_up(channel(1, media.film())))
    s.write_config("streams:\n  - id: 1\n    name: A\n    source: 5\n    ffmpeg_profile: copi\n"
                   "  - id: 1\n    name: B\n    source: /x\n    ffmpeg_profile: copy\n")
    done = s.amps("reload")
    assert done.returncode == 1
    assert re.search(r"config\.yaml:5: streams\[0\]\.ffmpeg_profile: .*copi", done.stderr)
    assert re.search(r"config\.yaml:6: streams\[1\]", done.stderr)
    assert [c["id"] for c in s.ask("list")] == [1]
    assert s.ask("list")[0]["name"] == "Channel 1"


@pytest.mark.long
def test_queued_reloads_get_the_reason_when_the_loader_hangs(server):
    """The server kills the first loader after a minute, then the second after another one."""
    s = server(line_up(channel(1, media.film())))
    os.unlink(s.config_path)
    os.mkfifo(s.config_path)
    asked = [subprocess.Popen([AMPS, "reload", "--socket", s.socket_path], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for client in asked:
        assert client.communicate(timeout=150) == ("", "amps: reading the configuration took too long\n")
        assert client.returncode == 1
    assert [c["id"] for c in s.ask("list")] == [1]
