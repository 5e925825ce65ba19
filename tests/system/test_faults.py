"""Processes killed and hung at random: what is unaffected, what recovers, and how soon."""
import os
import random
import shutil
import signal
import time

import pytest

import media
import harness
from harness import BIN, kill, wait_for
from lineup import LOOP, channel, line_up
from logs import assert_waited, job_retries, lines, retries
from watch import (Knocker, Residue, Watch, assert_sound, assert_untouched, holders)

SOAK = bool(os.environ.get("AMPS_SOAK"))
KILLS = 100 if SOAK else 10
SEED = int(os.environ.get("AMPS_SEED", "1"))

# a hundred kills take long
pytestmark = [pytest.mark.soak, pytest.mark.limit(1800)] if SOAK else [pytest.mark.slow]


def two_channels():
    return line_up(channel(1, media.film(), **LOOP), channel(2, media.film(), **LOOP),
                   channel(3, media.short_film(), **LOOP))


RESPAWN_YOUNG = 3   # seconds; after a worker that dies sooner its slot backs off


def wait_replaced(server, program, gone, n, timeout=20):
    """Until n processes with that name run without the one that has ended."""
    def replaced():
        pids = server.pids(program)
        return pids if len(pids) == n and gone not in pids else None
    return wait_for(replaced, timeout, f"{gone} ({program}) to be replaced")


def test_killed_workers(server):
    """Viewers of other workers lose nothing, the port never refuses, the worker's viewers reconnect."""
    chance = random.Random(SEED)
    s = server(two_channels(), workers=2)
    with Watch(s) as w, Watch(s) as players, Knocker(s) as knocker:
        players.wait_playing(players.open("/stream/1.ts", 6, again=True))
        residue = Residue(s)
        jobs = {t["key"]: t["pid"] for t in s.tuners()}
        for _ in range(KILLS):
            ids = w.open("/stream/1.ts", 10) + w.open("/stream/2.ts", 10)
            reports = w.wait_playing(ids)
            where = holders(s, {v["port"] for v in reports.values()})
            victim = chance.choice(s.pids("amps-worker"))
            theirs = [i for i in ids if where[reports[i]["port"]] == victim]
            others = [i for i in ids if i not in theirs]
            kill(victim)
            wait_replaced(s, "amps-worker", victim, 2)
            w.wait(theirs, lambda v: v["state"] == "ended", 10, "the dead worker's viewers to end")
            assert_sound(w.report(theirs))
            w.wait_more(others, 600)
            assert_untouched(w.report(others))
            w.close_viewers(ids)
        players.wait_more(list(players.report()), 600)
        assert_sound(players.report())
        assert all(v["refused"] == 0 for v in players.report().values())
        assert sum(v["opened"] for v in players.report().values()) > 6
        now = {t["key"]: t["pid"] for t in s.tuners()}
        assert now["1"] == jobs["1"], "a worker's death restarted the channel"
        wait_for(lambda: s.tuner("2") is None, 10, "channel 2 to become idle")
        residue.check()
    print(f"{KILLS} workers killed, {knocker.served} served, {knocker.lost} lost, "
          f"{knocker.refused} refused")
    assert knocker.refused == 0
    assert knocker.served > 20 * KILLS


@pytest.mark.timing
@pytest.mark.waits
def test_a_killed_worker_is_replaced_at_once(server):
    s = server(two_channels(), workers=2)
    for n in range(1, 6):
        time.sleep(RESPAWN_YOUNG)   # one that had run for a while is replaced without a delay
        kill(random.choice(s.pids("amps-worker")))
        ready = wait_for(lambda: found if len(found := lines(s, "worker . is ready")) == 2 + n
                         else None, 10, "the next worker to be ready")
        died = lines(s, "worker . died")
        assert ready[-1][0] - died[-1][0] < 0.5, s.log()
    assert retries(s, "keeps dying") == []


def test_killed_jobs(server):
    """Viewers stay and continue at a marked random access point; other channels lose nothing."""
    chance = random.Random(SEED)
    n = 10
    s = server(line_up(*(channel(i, media.short_film(), **LOOP) for i in range(1, n + 1))),
               workers=2)
    kills, steady_at = dict.fromkeys(range(1, n + 1), 0), {}
    with Watch(s) as w:
        ids = {i: w.open(f"/stream/{i}.ts", 3) for i in kills}
        everybody = [v for group in ids.values() for v in group]
        w.wait_playing(everybody)
        residue = Residue(s)
        for _ in range(KILLS):
            i = wait_for(lambda: next_victim(chance, steady_at, n), 15, "a job that runs steadily")
            pid = s.tuner(str(i))["pid"]
            time.sleep(chance.uniform(0, 0.1))
            kill(pid)
            kills[i] += 1
            w.wait(ids[i], lambda v: v["marks"] == kills[i], 20, "viewers to go on with a mark")
            # a job that ran for ten seconds is restarted at once: back-off has its own test
            steady_at[i] = time.monotonic() + 10.5
            tuner = s.tuner(str(i))
            assert tuner["restarts"] == kills[i] and tuner["pid"] != pid, tuner
        w.wait_more(everybody)
        seen = w.report(everybody)
        assert_sound(seen)
        for i, group in ids.items():
            for v in group:
                assert seen[v]["opened"] == 1 and seen[v]["ends"] == 0, seen[v]
                assert seen[v]["marks"] == kills[i], seen[v]
            if not kills[i]:
                assert_untouched({v: seen[v] for v in group})
        residue.check()
    for i in kills:
        assert [delay for _, delay in job_retries(s, str(i))] == [0] * kills[i]


@pytest.mark.timing
def test_viewers_of_a_killed_job_continue_soon(server):
    s = server(two_channels())
    with Watch(s) as w:
        ids = w.open("/stream/1.ts", 3) + w.open("/stream/2.ts", 3)
        w.wait_playing(ids)
        for key, mine in (("1", ids[:3]), ("2", ids[3:])):
            begin = time.monotonic()
            kill(s.tuner(key)["pid"])
            w.wait(mine, lambda v: v["marks"] == 1, 5, "viewers to go on with a mark")
            assert time.monotonic() - begin < 1.5


def next_victim(chance, steady_at, n):
    """A channel whose job has not been killed lately; None."""
    ready = [i for i in range(1, n + 1) if steady_at.get(i, 0) < time.monotonic()]
    return chance.choice(ready) if ready else None


@pytest.mark.timing
@pytest.mark.waits
def test_jobs_that_die_early_back_off(server):
    """Each is killed within a second of its first bytes: an older one is restarted at once."""
    s = server(line_up(channel(1, media.film(), slate=False, **LOOP)))
    with Watch(s) as w:
        mine = w.open("/stream/1.ts", 5)
        w.wait_playing(mine)
        for n in range(4):
            pid = wait_for(lambda: s.tuner("1")["pid"], 5, "the job's pid")
            kill(pid)
            w.wait(mine, lambda v: v["marks"] == n + 1, 20, "viewers to go on with a mark")
        assert_sound(w.report())
        assert all(v["opened"] == 1 for v in w.report().values())
    tries = job_retries(s, "1")
    assert [delay for _, delay in tries] == [0, 0.5, 1, 2]
    assert_waited(tries)


def test_killed_derive_jobs(server):
    """A derive job that dies affects neither the source connection nor the viewers of the copy."""
    kills = 6 if SOAK else 3
    s = server(line_up({**channel(1, media.film(), **LOOP),
                        "adaptive_bitrates": [{"name": "small", "ffmpeg_profile": "small"}]}))
    with Watch(s) as w:
        mine = w.open("/stream/1.ts?variant=small", 5)
        others = w.open("/stream/1.ts", 5)
        w.wait_playing(mine, 100, 40)
        w.wait_playing(others)
        ingest = s.tuner("1")["pid"]
        for n in range(kills):
            pid = s.tuner("1")["derive_pid"]
            assert pid and pid != ingest
            kill(pid)
            w.wait(mine, lambda v: v["marks"] > n, 40, "viewers to go on with a mark")
            w.wait_more(mine, 100, 40)
            seen = w.report(mine)
            assert_sound(seen)
            assert all(v["opened"] == 1 and v["marks"] == n + 1 for v in seen.values()), seen
        assert s.tuner("1")["pid"] == ingest
        assert_untouched(w.report(others))


def test_killed_nursery(server):
    """Running jobs are unaffected; new channels start with the next nursery."""
    s = server(two_channels(), workers=2)
    with Watch(s) as w:
        ids = w.open("/stream/1.ts", 5) + w.open("/stream/2.ts", 5)
        w.wait_playing(ids)
        jobs = {t["key"]: t["pid"] for t in s.tuners()}
        for n in range(KILLS):
            nursery = wait_for(s.nursery, 10, "a nursery")
            if n % 2:
                new = w.open("/stream/3.ts")  # a start may be under way
            kill(nursery)
            if n % 2 == 0:
                new = w.open("/stream/3.ts")
            w.wait_playing(new, 50)
            assert_sound(w.report(new))
            wait_for(lambda: s.nursery() not in (None, nursery), 10, "a new nursery")
            assert s.amps("stop", "3").returncode == 0
            w.wait(new, lambda v: v["state"] == "ended", 5, "the third channel to end")
            w.close_viewers(new)
            wait_for(lambda: not s.zombies(), 2, "the dead to be reaped")
        assert {t["key"]: t["pid"] for t in s.tuners() if t["key"] != "3"} == jobs
        w.wait_more(ids, 600)
        assert_untouched(w.report(ids))


@pytest.mark.timing
def test_killed_masters(server):
    """All processes end within a second, and the next start on the same folders serves.  The second is
    the documented limit: it is measured from the kill to the end of the last process, as their
    subreaper sees it, whenever this test reads it."""
    s = server(two_channels(), workers=2)
    ends = []
    for n in range(KILLS):
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 5) + w.open("/stream/2.ts", 5)
            w.wait_playing(ids)
            ends.append(s.crash())
            w.wait(ids, lambda v: v["state"] == "ended", 2, "the viewers to end")
            assert_sound(w.report(ids))
        assert os.path.exists(s.socket_path), "the dead master's socket is what the next one finds"
        s.restart()
    assert s.get("/healthz").status == 200
    starts = [int(match[1]) / 1000 for _, match in lines(s, r"serving pid=\d+ ms=(\d+)")]
    print(f"{KILLS} masters killed, last end after {max(ends) * 1000:.0f} ms, slowest start "
          f"{max(starts) * 1000:.0f} ms")
    assert max(ends) < 1, ends
    assert len(starts) == KILLS + 1 and max(starts) < 5, starts
    s.stop()


def test_an_answered_reload_outlives_the_master(server):
    """kill -9 right after the answer: the next start has the channels, the configuration and the
    generated token of that answer."""
    s = server(two_channels(), workers=2)
    token_path = os.path.join(s.state, "token")
    for n in range(4, 8):
        config = line_up(*(channel(i, media.film(), name=f"{i} of {n}") for i in range(2, n)))
        config["auth"] = {"enabled": n != 4}
        s.write_config(config)
        told = s.ask("reload")
        s.crash()
        if n == 5:
            assert told["token_file"] == token_path
            token = open(token_path).read()
        s.restart()
        assert [c["name"] for c in s.ask("list")] == [f"{i} of {n}" for i in range(2, n)]
        nothing = s.ask("reload")
        assert nothing["added"] == nothing["changed"] == nothing["removed"] == []
        if n > 4:
            assert open(token_path).read() == token
            assert s.get("/playlist.m3u", {"X-Amps-Token": token.strip()}).status == 200


def test_a_reload_is_answered_once_every_worker_serves_it(server):
    """... and a stopped worker delays the answer a little, not for ever."""
    config = two_channels()
    config["server"] = {"log_level": "debug"}
    s = server(config, workers=4)

    def reload(name):
        config["streams"] = line_up(channel(1, media.film(), name=name))["streams"]
        s.write_config(config)
        assert len(s.ask("reload")["changed"]) == 1

    reload("number 0")
    for n in range(1, 9):
        reload(f"number {n}")
        for _ in range(12):
            assert f"number {n}\n".encode() in s.get("/playlist.m3u").body
    victim = s.pids("amps-worker")[0]
    kill(victim, signal.SIGSTOP)
    reload("while one is stopped")
    kill(victim, signal.SIGCONT)
    (published, _), (answered, _) = lines(s, "publishing the next catalog|is reloaded")[-2:]
    assert 0.045 < answered - published < 1.5, "it is waited for, but not until it is killed"


@pytest.mark.timing
def test_a_start_after_a_killed_master_is_quick(server):
    s = server(two_channels(), workers=2)
    for _ in range(3):
        s.crash()
        s.restart()
    took = [int(match[1]) for _, match in lines(s, r"serving .* ms=(\d+)")]
    assert len(took) == 4 and max(took) < 3000, took


def test_everything_but_the_master_killed_at_once(server):
    """Workers, jobs and nursery at the same instant, repeatedly: all of them recover."""
    s = server(two_channels(), workers=2)
    with Watch(s) as w, Knocker(s) as knocker:
        ids = w.open("/stream/1.ts", 5, again=True) + w.open("/stream/2.ts", 5, again=True)
        w.wait_playing(ids)
        residue = Residue(s)
        for _ in range(3):
            before = w.report()
            victims = [p for p in s.processes() if p != s.process.pid]
            for pid in victims:
                kill(pid)
            w.wait(ids, lambda v: v["opened"] > before[v["id"]]["opened"], 10, "all to reconnect")
            wait_for(lambda: len(s.pids("amps-worker")) == 2 and s.nursery() and
                     not set(victims) & set(s.processes()), 15, "everything to be back")
            w.wait_more(ids, 200, 30)
        assert_sound(w.report())
        residue.check()
    print(f"{knocker.served} served, {knocker.lost} lost, {knocker.refused} refused")
    assert knocker.refused == 0


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """The folder of the programs: a copy that a test may change."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("amps", "amps-master", "amps-worker", "amps-transcoder"):
        shutil.copy2(os.path.join(BIN, name), folder / name)
    (folder / "test").symlink_to(os.path.join(BIN, "test"))
    monkeypatch.setattr(harness, "BIN", str(folder))
    return folder


def test_viewers_of_a_dead_worker_do_not_count(server, programs):
    """It had the only viewer allowed; the next viewer is admitted before the worker is replaced."""
    s = server(line_up(channel(1, media.film(), **LOOP), server={"max_viewers": 1}), workers=2)
    victim = s.pids("amps-worker")[0]

    def admitted():
        with s.stream("/stream/1.ts") as stream:
            return stream.head().status == 200

    def killed_under_a_viewer():
        with s.stream("/stream/1.ts") as stream:
            there = stream.head().status == 200 and \
                victim in holders(s, {stream.sock.getsockname()[1]}).values()
            if there:
                (programs / "amps-worker").rename(programs / "away")    # nothing can replace it
                kill(victim)
        return there

    wait_for(killed_under_a_viewer, 30, "the worker to get the viewer")
    wait_for(admitted, 10, "room for the next one")
    assert len(s.pids("amps-worker")) == 1
    (programs / "away").rename(programs / "amps-worker")
    wait_replaced(s, "amps-worker", victim, 2, 20)


def test_a_hung_worker_is_replaced(server):
    s = server(two_channels(), workers=2)
    with Watch(s) as w:
        ids = w.open("/stream/1.ts", 20)
        reports = w.wait_playing(ids)
        where = holders(s, {v["port"] for v in reports.values()})
        victim = s.pids("amps-worker")[0]
        begin = time.monotonic()
        kill(victim, signal.SIGSTOP)
        wait_replaced(s, "amps-worker", victim, 2, 30)
        took = time.monotonic() - begin
        theirs = [i for i in ids if where[reports[i]["port"]] == victim]
        others = [i for i in ids if i not in theirs]
        w.wait(theirs, lambda v: v["state"] == "ended", 10, "the hung worker's viewers to end")
        w.wait_more(others, 600)
        assert_untouched(w.report(others))
    assert took > 1.5, "a worker that is only late is not killed"


@pytest.mark.smoke
def test_a_hung_job_is_replaced(server):
    s = server(two_channels())
    with Watch(s) as w:
        mine, others = w.open("/stream/1.ts", 3), w.open("/stream/2.ts", 3)
        w.wait_playing(mine + others, 600)
        pid = s.tuner("1")["pid"]
        kill(pid, signal.SIGSTOP)
        w.wait(mine, lambda v: v["marks"] == 1, 15, "viewers to go on with a mark")
        w.wait_more(mine, 600)
        seen = w.report(mine)
        assert_sound(seen)
        assert all(v["opened"] == 1 and v["ends"] == 0 for v in seen.values())
        assert s.tuner("1")["pid"] != pid
        assert_untouched(w.report(others))


def test_a_hung_nursery_is_replaced(server):
    """A viewer of a new channel waits for the next nursery; running channels are unaffected.  The
    idle process that is kept ready takes one job without the nursery's help, so two are asked for."""
    s = server(line_up(*(channel(i, media.film(), **LOOP) for i in (1, 2, 3))))
    with Watch(s) as w:
        running = w.open("/stream/1.ts", 2)
        w.wait_playing(running)
        pid = s.tuner("1")["pid"]
        hung = s.nursery()
        kill(hung, signal.SIGSTOP)
        new = w.open("/stream/2.ts", 1) + w.open("/stream/3.ts", 1)
        w.wait_playing(new)
        assert s.nursery() not in (None, hung)
        assert s.tuner("1")["pid"] == pid
        assert_untouched(w.report(running))


def test_a_worker_that_crashes_in_a_loop_is_slowed_down(server):
    """Another worker serves its socket meanwhile; forks are limited."""
    s = server(two_channels(), workers=2)
    stays = s.pids("amps-worker")[0]

    def killed_often():
        for pid in s.pids("amps-worker"):
            if pid != stays:
                kill(pid)
        return max((delay for _, delay in retries(s, "keeps dying")), default=0) > 1

    with Watch(s) as w, Knocker(s, 0.005) as knocker:
        wait_for(killed_often, 60, "the worker to be slowed down")
        assert stays in s.pids("amps-worker")
        delays = retries(s, "keeps dying")
        assert_waited(delays)
        # all but those that were allowed to run for three seconds
        assert len(delays) >= len(lines(s, r"worker . died")) // 2
        served = knocker.served
        wait_for(lambda: knocker.served > served + 50, 5, "the port to serve on")
        wait_for(lambda: len(s.pids("amps-worker")) == 2, 10, "the worker to come back")
        w.wait_playing(w.open("/stream/1.ts", 10))
        assert_sound(w.report())
    print(f"{len(delays)} restarts were delayed, {knocker.served} served, {knocker.lost} lost")
    assert knocker.refused == 0


def test_a_running_channel_starts_while_the_master_is_stopped(server):
    """On any worker: one has the ring for its viewer, the other was offered it."""
    s = server(line_up(channel(1, media.film(), **LOOP)), workers=2)
    with s.stream("/stream/1.ts") as first, Watch(s) as w:
        first.read(188 * 1000)
        wait_for(lambda: s.tuner("1")["state"] == "running", 10, "the master to know of it")
        master, = s.pids("amps-master")
        kill(master, signal.SIGSTOP)
        try:
            new = w.open("/stream/1.ts", 20)
            reports = w.wait_playing(new)
            assert len(set(holders(s, {v["port"] for v in reports.values()}).values())) == 2
        finally:
            kill(master, signal.SIGCONT)
        first.read(188 * 1000)
        w.wait_more(new, 600)
        assert_untouched(w.report(new))
