"""The rights of workers and jobs of a running server, and its user."""
import contextlib
import os
import pwd
import random
import re
import shutil
import socket

import pytest

import media
from harness import Server, kill, wait_for
from lineup import LOOP, channel, line_up

CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"


def status(pid):
    """{key: value} of /proc/PID/status."""
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f)


def job_pids(s, key):
    tuner = s.tuner(key)
    return [pid for pid in (tuner["pid"], tuner["derive_pid"]) if pid]


def test_workers_and_jobs_of_root_have_no_capability(server):
    if os.geteuid() != 0:
        pytest.skip("kernel: no root")
    s = server(line_up(channel(1, media.film(), "small", **LOOP)), workers=2)
    with s.stream("/stream/1.ts") as stream:
        stream.read(188)
        assert int(status(s.pids("amps-master")[0])["CapEff"], 16) != 0
        for pid in s.pids("amps-worker") + job_pids(s, "1"):
            facts = status(pid)
            assert [int(facts[name], 16) for name in CAPABILITIES] == [0] * 5, pid
            assert facts["NoNewPrivs"] == "1"
    assert re.search(r"  user +root: make a user amps", s.log())


def low_port():
    """A free port that only root may bind; tests beside this one look for one, too."""
    for port in random.sample(range(600, 1000), 400):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("there is no free port below 1000")


@pytest.fixture
def nobodys_server():
    """A server that root starts on a privileged port; server.user names the account `nobody`."""
    if os.geteuid() != 0:
        pytest.skip("kernel: no root")
    film = media.film()
    os.chmod(film, 0o644)
    s = Server(line_up(channel(1, film, **LOOP), server={"user": "nobody"}))
    os.chmod(s.folder, 0o755)
    os.chmod(s.config_path, 0o644)
    s.port = low_port()
    s.hold_port()
    try:
        yield s.start()
        s.stop()
        s.check_log()
    finally:
        s.cleanup()


def test_a_server_of_root_becomes_a_user_and_keeps_its_port(nobodys_server):
    s, nobody = nobodys_server, pwd.getpwnam("nobody")
    with s.stream("/stream/1.ts") as stream:
        stream.read(188)
        rights = []
        for pid in s.processes():
            # the nursery forks jobs through a process that ends at once
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                rights.append(status(pid))
        assert len(rights) >= 4, "master, worker, nursery, job"
        for seen in rights:
            assert seen["Uid"].split() == [str(nobody.pw_uid)] * 4, seen
            assert seen["Gid"].split() == [str(nobody.pw_gid)] * 4, seen
            assert int(seen["CapEff"], 16) == 0, seen
        for path in (s.runtime, s.socket_path, s.state, os.path.join(s.state, "amps.db")):
            assert os.stat(path).st_uid == nobody.pw_uid, path
    assert re.search(r"  user +nobody", s.log())
    # the master keeps the bound sockets: neither a new worker nor a reload binds the port
    worker = s.pids("amps-worker")[0]
    kill(worker)
    wait_for(lambda: s.pids("amps-worker") not in ([], [worker]), 10, "a new worker")
    assert s.amps("reload").returncode == 0
    wait_for(s.is_ready, 10, "the server to be ready again")
    assert s.get("/playlist.m3u").status == 200


def test_a_second_start_uses_the_folders_of_its_user(nobodys_server):
    s = nobodys_server
    s.restart()
    assert s.get("/playlist.m3u").status == 200


def test_an_unknown_user_is_reported(server):
    if os.geteuid() != 0:
        pytest.skip("kernel: no root")
    s = server(line_up(channel(1, media.film()), server={"user": "no-such-user"}), ready=False)
    assert s.process.wait(30) == 1
    assert "server.user: there is no such user" in s.log()
    checked = s.amps("check", "--config", s.config_path)
    assert checked.returncode == 0
    assert re.search(r"config.yaml:\d+: server.user: warning: there is no user 'no-such-user'",
                     checked.stdout + checked.stderr)


LOGO = ["-f", "lavfi", "-i", "color=red:s=32x32", "-frames:v", "1"]
SUBTITLES = "1\n00:00:00,000 --> 00:01:00,000\nSubtitle\n"


def graphs(folder):
    """{name: filter graph} of the filters that read files; the files are in `folder`."""
    logo, text, titles = (os.path.join(folder, name) for name in ("logo.png", "text", "a.srt"))
    return {
        "movie": f"movie={logo} [logo]; [in][logo] overlay=10:10 [out]",
        "textfile": f"drawtext=textfile={text}:fontfile={FONT}",
        "subtitles": f"subtitles={titles}",
        "pattern": f"movie={folder}/logo%d.png:f=image2 [logo]; [in][logo] overlay=10:10 [out]",
    }


@pytest.fixture
def files(tmp_path):
    logo = media.make("logo.png", *LOGO)
    for name in ("logo.png", "logo1.png"):
        shutil.copy(logo, tmp_path / name)
    (tmp_path / "text").write_text("a line")
    (tmp_path / "a.srt").write_text(SUBTITLES)
    return str(tmp_path)


@pytest.mark.parametrize("name", ["movie", "textfile", "subtitles", "pattern"])
def test_a_filter_reads_the_file_it_names(server, files, name):
    profile = {"vcodec": "libx264", "preset": "ultrafast", "an": None, "vf": graphs(files)[name]}
    s = server(line_up(channel(1, media.short_film(), "logo", **LOOP),
                       ffmpeg_profiles={"logo": profile}))
    with s.stream("/stream/1.ts") as stream:
        assert stream.head().status == 200
        stream.read(188 * 100)


def test_a_lavfi_source_reads_the_file_it_names(server, files):
    shutil.copy(media.short_film(), os.path.join(files, "film.ts"))
    s = server(line_up(channel(1, f"movie={files}/film.ts:loop=0", "small",
                               input_options={"f": "lavfi"})))
    with s.stream("/stream/1.ts") as stream:
        assert stream.head().status == 200
        stream.read(188 * 100)


def test_a_filter_reads_a_new_file_after_a_reload(server, files):
    def config(name):
        profile = {"vcodec": "libx264", "preset": "ultrafast", "an": None,
                   "vf": graphs(files)[name]}
        return line_up(channel(1, media.short_film(), "logo", **LOOP),
                       ffmpeg_profiles={"logo": profile})

    s = server(config("movie"))
    with s.stream("/stream/1.ts") as stream:
        stream.read(188 * 100)
        first = s.tuner("1")["derive_pid"]
        s.write_config(config("textfile"))
        assert s.amps("reload").returncode == 0
        wait_for(lambda: job_pids(s, "1")[1:] not in ([], [first]), 10, "a new job")
        stream.read(188 * 2000)
        assert s.tuner("1")["last_error"] is None


def test_check_reports_missing_files_of_filters(server, files):
    profiles = {name: {"vcodec": "libx264", "vf": graph} for name, graph in graphs(files).items()}
    config = line_up(channel(1, f"movie={files}/logo.png:loop=0", "small",
                             input_options={"f": "lavfi"}), ffmpeg_profiles=profiles)
    s = server(config)
    good = s.amps("check", "--config", s.config_path)
    assert good.returncode == 0 and "cannot read" not in good.stdout + good.stderr
    # neither the start nor an earlier check stores a verdict that depends on files
    for name in ("logo.png", "text", "a.srt"):
        os.unlink(os.path.join(files, name))
    bad = s.amps("check", "--config", s.config_path)
    said = bad.stdout + bad.stderr
    assert bad.returncode == 0
    for name, path in (("movie", "logo.png"), ("textfile", "text"), ("subtitles", "a.srt")):
        assert re.search(rf"ffmpeg_profiles.{name}.vf: warning: filter '\w+' cannot read "
                         rf"{files}/{path}: No such file", said), said
    assert re.search(rf"streams\[0\].input_options.f: warning: .*cannot read {files}/logo.png",
                     said), said
    reloaded = s.amps("reload")
    assert "cannot read" in reloaded.stdout + reloaded.stderr + s.log()


def test_the_memory_limit_counts_used_memory(server):
    """A job maps some 300 MB of libraries and uses a tenth of that."""
    s = server(line_up(channel(1, media.film(), **LOOP), limits={"memory_mb": 64}))
    with s.stream("/stream/1.ts") as stream:
        assert stream.head().status == 200
        stream.read(188 * 1000)
        # the master checks several times
        before = s.tuner("1")["uptime_seconds"]
        wait_for(lambda: s.tuner("1")["uptime_seconds"] > before + 2, 10, "two seconds")
        assert s.tuner("1")["restarts"] == 0


def test_a_job_that_uses_too_much_memory_ends_with_the_reason(server):
    large = {"vcodec": "libx264", "preset": "slow", "s": "3840x2160", "an": None}
    reason = r"its process used more than limits.memory_mb \(\d+ MB of 64\)"
    s = server(line_up(channel(1, media.short_film(), "large", **LOOP),
                       ffmpeg_profiles={"large": large}, limits={"memory_mb": 64},
                       streaming={"idle_timeout": 60}))
    refused = s.refused("/stream/1.ts", timeout=60)
    assert refused.status == 502 and re.search(reason, refused.text)
    assert re.fullmatch(reason, s.tuner("1")["last_error"])


def test_too_low_a_memory_limit_is_refused(server):
    s = server(line_up(channel(1, media.film())))
    s.write_config(line_up(channel(1, media.film()), limits={"memory_mb": 16}))
    checked = s.amps("check", "--config", s.config_path)
    assert checked.returncode == 1
    assert re.search(r"limits.memory_mb: must be 0 or at least 32", checked.stdout + checked.stderr)
