"""custom_ffmpeg: channels whose stream a command makes."""
import contextlib
import json
import os
import re
import sys

import pytest

import media
from harness import kill, wait_for
from lineup import LOOP, channel, line_up
from reaped import parents

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.path.join(HERE, "commands.py")
FFMPEG = "ffmpeg -nostdin -v error -re -stream_loop -1"


def command(number, source, words, **more):
    """A channel that plays what the command writes."""
    made = channel(number, source, custom_ffmpeg=words, **more)
    if "ffmpeg_profile" not in more:
        del made["ffmpeg_profile"]
    return made


def tool(mode, pids):
    return [sys.executable, TOOL, mode, str(pids), "{source}"]


def is_alive(pid):
    with contextlib.suppress(OSError):
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] not in "ZX"
    return False


def noted(path):
    """The pids that the tool wrote down."""
    with contextlib.suppress(OSError):
        return [int(line) for line in open(path).read().split()]
    return []


def alive(path):
    return [pid for pid in noted(path) if is_alive(pid)]


def gone(path, seconds=10):
    wait_for(lambda: not alive(path), seconds, f"the processes {alive(path)} of the command to end")


def keepers(s, key):
    """The guard and the keeper of the command of this channel, parent and child."""
    pids = [pid for pid, (_, words) in s.processes().items()
            if words == f"amps-transcoder {key} command"]
    known = parents()
    return sorted(pids, key=lambda pid: known.get(pid, (0,))[0] in pids)


@pytest.mark.smoke
def test_plays_the_transport_stream_of_a_command(server):
    """As in the example configuration of the older Amps."""
    s = server(line_up(command(1, media.mp4(), {
        "command": "ffmpeg -re -i {source} -c copy -metadata service_name='Dolby Atmos Demo' "
                   "-f mpegts pipe:1", "shell": False})))
    with s.stream("/stream/1.ts") as stream:
        data = stream.read(188 * 500)
        assert len(data) == 188 * 500 and data[0] == 0x47
        while b"Dolby Atmos Demo" not in data and len(data) < 2_000_000:
            data += stream.read(188 * 100)
        assert b"Dolby Atmos Demo" in data, "no service information"
        assert s.tuner("1")["state"] == "running"
    wait_for(lambda: not keepers(s, "1") and "ffmpeg" not in str(s.processes()),
             what="the command to end with the last viewer")


def test_plays_a_command_that_writes_another_format(server):
    """libav reads what the first bytes are."""
    s = server(line_up(command(1, media.mkv(), f"{FFMPEG} -i {{source}} -c copy -f matroska pipe:1")))
    with s.stream("/stream/1.ts") as stream:
        data = stream.read(188 * 300)
        assert len(data) == 188 * 300 and data[0] == 0x47


def test_a_variant_encodes_the_output_of_the_command(server):
    """The channel's own profile says nothing but the form; the one of the variant is for the command."""
    s = server(line_up(command(
        1, media.film(), FFMPEG + " -i {source} -c copy -f mpegts pipe:1", ffmpeg_profile="small",
        adaptive_bitrates=[{"name": "sd", "ffmpeg_profile": "small"}])))
    with s.stream("/stream/1.ts") as own:
        own.read(188 * 100)
        assert s.tuner("1")["derive_pid"] is None
        with s.stream("/stream/1.ts?variant=sd", timeout=40) as sd:
            assert len(sd.read(188 * 50)) == 188 * 50
            t = s.tuner("1")
            assert t["derive_pid"] not in (None, t["pid"])
            assert len(keepers(s, "1")) == 2


REPORT = """
import json, os, sys
status = open("/proc/self/status").read()
fds = [n for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")]
facts = {"argv": sys.argv[2:], "env": dict(os.environ), "cwd": os.getcwd(), "fds": sorted(fds),
         "group": os.getpgid(0) == os.getpid(), "nice": os.getpriority(os.PRIO_PROCESS, 0),
         "status": dict(line.split(":\\t") for line in status.splitlines()),
         "stdin": os.readlink("/proc/self/fd/0"), "landlock": os.access("/etc/passwd", os.R_OK)}
json.dump(facts, open(sys.argv[1] + ".part", "w"))
os.rename(sys.argv[1] + ".part", sys.argv[1])
"""


def facts_of(s, path, number):
    """What the program said about itself; it plays nothing."""
    with s.stream(f"/stream/{number}.ts"):
        wait_for(lambda: os.path.exists(path), what="the program to run")
    return json.load(open(path))


@pytest.mark.slow
def test_the_forms_of_a_command_and_what_it_gets(server, tmp_path):
    script = tmp_path / "report.py"
    script.write_text(REPORT)
    run = f"{sys.executable} {script} {tmp_path}"
    name = "it's \"a\" $(touch {id}); & name"
    channels = [
        command(1, "a b", f"{run}/1 {{source}} 'n={{name}}' {{{{x}}}} {{id}}"),
        command(2, "a b", [sys.executable, str(script), f"{tmp_path}/2", "{source}", "n={name}", 5]),
        command(3, "a b", {"command": f"exec {run}/3 {{source}} n={{name}} \"n={{name}}\" 'n={{name}}'",
                           "shell": True, "cwd": str(tmp_path), "env": {"MORE": 5, "LANG": "C"}}),
    ]
    s = server(line_up(*[{**c, "name": name} for c in channels], limits={"nice": 7},
                       streaming={"start_timeout": 1}), env={"SECRET": "x"})
    one, two, three = [facts_of(s, f"{tmp_path}/{n}", n) for n in (1, 2, 3)]
    assert one["argv"] == ["a b", f"n={name}", "{x}", "1"]
    assert two["argv"] == ["a b", f"n={name}", "5"]
    assert three["argv"] == ["a b"] + [f"n={name}"] * 3
    assert not os.path.exists(tmp_path / "3") or os.listdir(tmp_path).count("{id}") == 0
    assert {"PATH", "HOME", "LANG"} == set(one["env"]) - {"LC_CTYPE"}
    assert three["cwd"] == str(tmp_path)
    assert (three["env"]["MORE"], three["env"]["LANG"]) == ("5", "C")
    for facts in (one, two, three):
        status = facts["status"]
        assert {status[f"Cap{which}"].strip("0") for which in ("Inh", "Prm", "Eff", "Amb")} == {""}
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "0"
        assert status["SigIgn"].strip("0") in ("", "1001") and status["SigBlk"].strip("0") == ""
        assert facts["group"] and facts["landlock"] and facts["nice"] == 7
        assert facts["stdin"] == "/dev/null" and set(facts["fds"]) <= {"0", "1", "2", "3"}


def test_a_command_that_ends_is_restarted_with_its_last_words(server, tmp_path):
    s = server(line_up(command(1, media.short_film(), tool("fail", tmp_path / "pids"))))
    with s.stream("/stream/1.ts", timeout=40) as stream:
        stream.read(188 * 100)
        wait_for(lambda: s.tuner("1")["restarts"] >= 1, 20, "the restart")
        assert s.tuner("1")["last_error"] == (
            "the command exited with status 3: opening the tuner; http://***@host/x is gone")
        wait_for(lambda: len(noted(tmp_path / "pids")) >= 2, what="the second run")
        assert len(stream.read(188 * 100)) == 188 * 100
    assert "secret" not in s.log()
    assert "the command wrote: opening the tuner" in s.log()


FAILURES = [
    ("no-such-program -i {source}", "the program 'no-such-program' cannot be started: No such file"),
    ({"command": "true", "cwd": "/no/such/folder"}, "the folder '/no/such/folder' of the command"),
    ({"command": "echo last words >&2; exit 4", "shell": True},
     "the command exited with status 4: last words"),
    ({"command": "kill -ABRT $$", "shell": True}, "the command was killed by signal 6 (Aborted)"),
    ({"command": "exec >&-; sleep 100", "shell": True}, "the command closed its standard output"),
]


@pytest.mark.slow
def test_a_command_that_shows_nothing_is_answered_with_the_reason(server):
    s = server(line_up(*[command(n, "x", words) for n, (words, _) in enumerate(FAILURES)]))
    for n, (_, reason) in enumerate(FAILURES):
        refused = s.refused(f"/stream/{n}.ts")
        assert refused.status == 502
        assert s.tuner(str(n))["last_error"].startswith(reason)
        wait_for(lambda key=str(n): not keepers(s, key), what="the command to end")


@pytest.mark.slow
def test_check_names_a_program_that_is_not_there(server, tmp_path):
    config = line_up(command(1, "x", "no-such-program -i {source}"),
                     command(2, "x", ["ffmpeg", "-i", "{source}"]),
                     command(3, "x", {"command": "no-such-program | cat", "shell": True}),
                     command(4, "x", "ffmpeg", adaptive_bitrates=[
                         {"name": "sd", "custom_ffmpeg": "/no/such/file"}]))
    s = server(config)
    done = s.amps("check", "--config", s.config_path)
    assert done.returncode == 0, done.stdout
    found = re.findall(r"streams\S+: warning: .*", done.stdout)
    assert found == [
        "streams[0].custom_ffmpeg: warning: the program 'no-such-program' was not found",
        "streams[3].adaptive_bitrates[0].custom_ffmpeg: warning: the program '/no/such/file' was not "
        "found"]


# ---------- the end ----------

def stop(s, _):
    assert s.amps("stop", "1").returncode == 0


def kill_job(s, _):
    kill(s.tuner("1")["pid"])


def kill_guard(s, _):
    kill(keepers(s, "1")[0])


def kill_keeper(s, _):
    kill(keepers(s, "1")[1])


def kill_nursery(s, pids):
    """It owns no job: the command goes on, and ends with its job."""
    nursery = s.nursery()
    kill(nursery)
    wait_for(lambda: s.nursery() not in (None, nursery), what="the next nursery")
    assert alive(pids)
    stop(s, pids)


def shut_down(s, _):
    s.stop()


def kill_master(s, _):
    s.crash()


@pytest.mark.slow
@pytest.mark.parametrize("mode, end", [("stubborn", stop), ("stubborn", shut_down)] + [
    ("fork", end) for end in (stop, kill_job, kill_guard, kill_keeper, kill_nursery, shut_down,
                              kill_master)])
def test_nothing_of_a_command_outlives_its_job(server, tmp_path, mode, end):
    """Ten children, some in sessions of their own, and a command that ignores SIGTERM."""
    pids = tmp_path / "pids"
    s = server(line_up(command(1, media.film(), tool(mode, pids)),
                       channel(2, media.film(), **LOOP)))
    with s.stream("/stream/2.ts") as other, s.stream("/stream/1.ts") as stream:
        other.read(188)
        stream.read(188 * 100)
        first = wait_for(lambda: len(noted(pids)) >= (11 if mode == "fork" else 1) and noted(pids),
                         what="its processes")
        end(s, pids)
        wait_for(lambda: not any(is_alive(pid) for pid in first), what="its processes to end")
        if end not in (shut_down, kill_master):
            assert len(other.read(188 * 100)) == 188 * 100
            assert s.tuner("2")["restarts"] == 0


# ---------- commands that misbehave ----------

@pytest.mark.parametrize("mode, status, reason", [
    ("flood", None, None),
    ("garbage", 502, "custom_ffmpeg: Invalid data found when processing input"),
    ("eat", None, "one of its processes used more memory than limits.memory_mb allows"),
    ("eat-in-child", None, "one of its processes used more memory than limits.memory_mb allows"),
])
@pytest.mark.slow
def test_a_command_disturbs_only_its_own_channel(server, tmp_path, mode, status, reason):
    pids = tmp_path / "pids"
    s = server(line_up(command(1, media.film(), tool(mode, pids)),
                       channel(2, media.film(), **LOOP), limits={"memory_mb": 200}))
    with s.stream("/stream/2.ts") as other, s.stream("/stream/1.ts", timeout=40) as stream:
        other.read(188)
        if status:
            assert stream.head().status == status
        else:
            stream.read(188 * 100)
        if reason:
            wait_for(lambda: reason in (s.tuner("1")["last_error"] or ""), 20, reason)
        else:
            wait_for(lambda: s.log().count("the command wrote: x") >= 10, what="lines in the log")
            assert len(stream.read(188 * 500)) == 188 * 500
            assert s.tuner("1")["restarts"] == 0
            assert s.log().count("the command wrote: x") <= 20
        assert len(other.read(188 * 500)) == 188 * 500
        assert s.tuner("2")["restarts"] == 0
        assert s.amps("stop", "1").returncode == 0
        gone(pids)
