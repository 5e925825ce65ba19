"""The runner itself: what it must not let pass.  Each test judges a small step of its own."""
import json
import os
import subprocess
import sys
import textwrap

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM = os.path.join(os.path.dirname(HERE), "system")
RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from judge import Ctest, Pytest, Whole, run_all
sys.exit(run_all([{step}], sys.argv[2], {skips}))
"""
# how often a test has run, this time included
COUNTED = """
import os, pytest
def runs(name):
    path = os.path.join(os.path.dirname(__file__), name + ".runs")
    with open(path, "a") as f:
        f.write("x")
    return os.path.getsize(path)
"""
GOOD = "def test_good(): pass\n"


class Judged:
    """`step`: an expression for the steps, with commas between them."""

    def __init__(self, folder, step, skips, env):
        done = subprocess.run([sys.executable, "-B", "-c", RUN.format(step=step, skips=skips), HERE,
                               str(folder / "logs")], capture_output=True, text=True, timeout=100,
                              cwd=folder, env=dict(os.environ, PYTHONPATH=SYSTEM, **(env or {})))
        self.folder, self.code, self.out = folder, done.returncode, done.stdout + done.stderr
        self.lines = self.out.splitlines()

    def says(self, code, last, word=""):
        assert self.code == code and self.lines[-1] == last, self.out
        assert word in self.out, self.out

    def runs(self, name):
        return os.path.getsize(self.folder / f"{name}.runs")


@pytest.fixture
def judge(tmp_path):
    """judge(tests) judges a step of pytest with this text as its only file."""
    def judge(text, limit=60, parallel=0, skips=(), env=None, options=("-p", "suite"),
              conftest="", lanes=False):
        (tmp_path / "test_it.py").write_text(textwrap.dedent(text))
        (tmp_path / "conftest.py").write_text(textwrap.dedent(conftest))
        args = ["test_it.py", *options]
        for name in [x for x in os.environ if x.startswith(("PYTEST_", "AMPS_"))]:
            os.environ.pop(name)
        step = f"Pytest('step', {limit}, {args!r}, parallel={parallel})"
        if lanes:
            step = f"[[{step}], [Whole('other', 20, ['true'])]]"
        return Judged(tmp_path, step, list(skips), env)
    return judge


@pytest.fixture
def judge_ctest(tmp_path):
    """judge_ctest(tests) judges a step of ctest: {name: the text of a shell script}."""
    def judge_ctest(tests, limit=60, more="", skips=()):
        lines = []
        for name, script in tests.items():
            path = tmp_path / name.replace("/", "_")
            path.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
            path.chmod(0o755)
            lines.append(f'add_test({name} "{path}")\n')
        (tmp_path / "CTestTestfile.cmake").write_text("".join(lines) + more)
        (tmp_path / "unit").mkdir()
        return Judged(tmp_path, f"Ctest('step', {limit}, {str(tmp_path)!r})",
                      list(skips), None)
    return judge_ctest


# -- what is good

@pytest.mark.parametrize("parallel", [0, 2])
def test_what_passes_is_counted(judge, parallel):
    judge(GOOD + "def test_too(): pass\n", parallel=parallel).says(0, "2 passed, 0 failed")


def test_the_report_names_slow_tests_and_steps(judge):
    done = judge(GOOD)
    assert any(line.endswith("step: test_it.py::test_good") for line in done.lines), done.out
    assert any(line.endswith("  step") for line in done.lines), done.out


def test_a_failure_is_counted_and_shown(judge):
    done = judge(GOOD + "def test_bad(): assert 1 == 2\n")
    done.says(1, "1 passed, 1 failed", "FAILED: step: test_it.py::test_bad: assert 1 == 2")


def test_the_end_of_a_test_may_fail_too(judge):
    judge("""
        import pytest
        @pytest.fixture
        def ends_badly():
            yield
            raise RuntimeError("at the end")
        def test_it(ends_badly): pass
        """).says(1, "0 passed, 1 failed", "at the end")


# -- what no exit code of pytest may hide

def test_an_internal_error_of_pytest(judge):
    done = judge(GOOD, conftest="def pytest_sessionfinish(): raise RuntimeError('inside')\n")
    assert done.code == 1 and "exit code" in done.out, done.out


def test_an_internal_error_between_tests(judge):
    done = judge(GOOD, conftest="def pytest_runtest_logreport(report): raise RuntimeError('in')\n")
    assert done.code == 1 and not done.lines[-1].endswith(" 0 failed"), done.out


@pytest.mark.parametrize("parallel", [0, 2])
def test_a_crash_of_the_interpreter(judge, parallel):
    done = judge(COUNTED + GOOD + """
def test_crash():
    runs("crash")
    os.kill(os.getpid(), 11)
def test_behind(): pass
""", parallel=parallel)
    assert done.code == 1 and not done.lines[-1].endswith(" 0 failed"), done.out
    assert "second look" not in done.out


def test_an_end_from_outside(judge):
    judge(GOOD + "def test_end():\n    import pytest\n    pytest.exit('terminated', 1)\n").says(
        1, "1 passed, 1 failed", "exit code 1 with 0 failed tests")


def test_a_file_that_cannot_be_collected(judge):
    done = judge("import nothing_of_this_name\n")
    assert done.code == 1 and not done.lines[-1].endswith(" 0 failed"), done.out


def test_a_step_without_tests(judge):
    judge("").says(1, "0 passed, 1 failed", "ran no test")


def test_a_command_that_fails(tmp_path):
    Judged(tmp_path, "Whole('step', 20, ['sh', '-c', 'echo why; exit 3'])", [], None).says(
        1, "0 passed, 1 failed", "why")


def test_what_needs_a_failed_step_is_not_run(tmp_path):
    done = Judged(tmp_path, "b := Whole('b', 20, ['false']), "
                  "Whole('s', 20, ['touch', 'ran']).after(b)", [], None)
    done.says(1, "0 passed, 2 failed", "FAILED: s was not run: b failed")
    assert not (tmp_path / "ran").exists()


# -- steps beside each other

def test_lanes_run_at_the_same_time(tmp_path):
    """Each of two steps waits for what the other one writes."""
    wait = "for i in $(seq 200); do [ -e %s ] && exit 0; sleep 0.1; done; exit 1"
    Judged(tmp_path, f"[[Whole('a', 60, ['sh', '-c', 'touch a; {wait % 'b'}']), "
           f"Whole('c', 20, ['true'])], [Whole('b', 60, ['sh', '-c', 'touch b; {wait % 'a'}'])]]",
           [], None).says(0, "3 passed, 0 failed")


def test_a_failure_in_a_lane_is_one(tmp_path):
    done = Judged(tmp_path, "[[Whole('a', 20, ['sh', '-c', 'echo why; exit 3'])], "
                  "[Whole('b', 20, ['true'])]], Whole('c', 20, ['true'])", [], None)
    done.says(1, "2 passed, 1 failed", "FAILED: a: a: exit code 3")
    assert "why" in done.out


def test_what_needs_a_step_of_a_lane_knows_how_it_went(tmp_path):
    done = Judged(tmp_path, "[[b := Whole('b', 20, ['false'])], [Whole('a', 20, ['true'])]], "
                  "Whole('s', 20, ['touch', 'ran']).after(b)", [], None)
    done.says(1, "1 passed, 2 failed", "FAILED: s was not run: b failed")
    assert not (tmp_path / "ran").exists()


def test_a_lane_that_dies_is_a_failure(tmp_path):
    done = Judged(tmp_path, "[[Whole('a', 20, ['sh', '-c', 'kill -9 $PPID'])], "
                  "[Whole('b', 20, ['true'])]]", [], None)
    done.says(1, "1 passed, 1 failed", "FAILED: a was not judged: its process ended with 9")


def test_a_lane_ends_only_what_its_own_steps_left(tmp_path):
    """A process left by one step ends with that step, while those of the other lane live on."""
    done = Judged(tmp_path, "[[Whole('a', 20, ['sh', '-c', 'sleep 90 & true'])], [Whole('b', 20, "
                  "['sh', '-c', 'sleep 3 & wait $!'])]]", [], None)
    done.says(0, "2 passed, 0 failed")


def test_the_second_look_reaches_a_lane(judge):
    done = judge(failing([2, 3]), lanes=True)
    done.says(0, "3 passed, 0 failed", "FLAKY: test_it.py::test_it[a b::[c]]: ")


def test_a_command_that_does_not_end(tmp_path):
    done = Judged(tmp_path, "Whole('step', 1, ['sh', '-c', 'trap : TERM; sleep 90 & wait'])", [],
                  None)
    assert done.code == 1 and "took longer than 1 s" in done.out, done.out


# -- what hangs

HANGS = """
import pytest, time
@pytest.fixture(scope="module")
def hangs():
    time.sleep(90)
    yield
def test_one(hangs): pass
def test_two(): pass
"""


@pytest.mark.parametrize("parallel", [0, 2])
def test_a_hanging_module_fixture_fails_its_test_alone(judge, parallel):
    judge(HANGS, parallel=parallel, env={"AMPS_TEST_LIMIT": "1"}).says(
        1, "1 passed, 1 failed", "a fixture took longer than 1 s")


def test_a_hang_that_no_signal_ends(judge):
    judge("import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [14, 15])\n" + HANGS, limit=5,
          env={"AMPS_TEST_LIMIT": "1"}).says(1, "0 passed, 1 failed", "took longer than 5 s")


# -- what is shared

def test_a_fixture_of_a_module_is_made_once(judge):
    done = judge(COUNTED + """
@pytest.fixture(scope="module")
def shared(): return runs("shared")
@pytest.mark.parametrize("n", range(6))
def test_it(shared, n): assert n != 3 or runs("three") > 1
""", parallel=2)
    done.says(0, "6 passed, 0 failed", "FLAKY: test_it.py::test_it[3]: ")
    assert done.runs("shared") == 3     # two of them for the second look


# -- what is skipped

SKIPS = GOOD + "def test_skips():\n    import pytest\n    pytest.skip('no such thing')\n"


def test_a_skip_is_a_failure(judge):
    judge(SKIPS).says(1, "1 passed, 1 failed", "no such thing")


def test_a_skip_that_is_listed_is_none(judge):
    judge(SKIPS, skips=[("test_it.py::test_s*", "no such")]).says(
        0, "1 passed, 0 failed", "SKIPPED: test_it.py::test_skips: no such thing")


def test_a_listed_test_skips_for_its_reason_only(judge):
    judge(SKIPS, skips=[("test_it.py::test_s*", "no other")]).says(1, "1 passed, 1 failed")


def test_nothing_but_skips_is_a_step_without_tests(judge):
    judge(SKIPS.replace(GOOD, ""), skips=[("*", "no such")]).says(
        1, "0 passed, 1 failed", "ran no test")


# -- the second look

def failing(good_runs, how="assert False, 'it was too slow'", marker=""):
    return COUNTED + GOOD + f"""
{marker}
@pytest.mark.parametrize("x", ["a b::[c]"])
def test_it(x):
    if runs("it") not in {good_runs}:
        {how}
"""


@pytest.mark.parametrize("parallel", [0, 2])
def test_what_passes_twice_alone_passes_and_is_named(judge, parallel):
    done = judge(failing([2, 3]), parallel=parallel)
    done.says(0, "2 passed, 0 failed",
              "FLAKY: test_it.py::test_it[a b::[c]]: AssertionError: it was too slow")
    assert done.runs("it") == 3
    kept = "".join(p.read_text() for p in (done.folder / "logs" / "flaky").glob("*.first.log"))
    assert "it was too slow" in kept


@pytest.mark.parametrize("good_runs", [[2], [3]])
def test_both_runs_must_pass(judge, good_runs):
    judge(failing(good_runs)).says(1, "1 passed, 1 failed")


def test_more_than_three_get_no_second_look(judge):
    done = judge(COUNTED + """
@pytest.mark.parametrize("n", range(4))
def test_it(n):
    assert runs(f"it{n}") > 1
""")
    done.says(1, "0 passed, 4 failed")
    assert [done.runs(f"it{n}") for n in range(4)] == [1] * 4


@pytest.mark.parametrize("how", [
    "raise AssertionError('ERROR: AddressSanitizer: heap-use-after-free')",
    "raise AssertionError('x.c:3:4: runtime error: signed integer overflow')",
    "raise AssertionError('WARNING: ThreadSanitizer: data race')",
    "raise AssertionError('exit code -11: ')",
    "raise AssertionError('the job ended by SIGSEGV')",
    "raise AssertionError('left in the runtime folder: control.sock')",
    "raise AssertionError('cc: 3 packets')",
    "cc_errors = [1]; assert cc_errors == []",
    "print('==1==ERROR: LeakSanitizer: detected memory leaks'); assert False",
])
def test_some_failures_stand(judge, how):
    done = judge(failing([2, 3], how))
    done.says(1, "1 passed, 1 failed")
    assert done.runs("it") == 1


def test_a_marked_test_is_run_once(judge):
    done = judge(failing([2, 3], marker="@pytest.mark.once"))
    done.says(1, "1 passed, 1 failed")
    assert done.runs("it") == 1


def test_a_process_left_behind_is_a_failure(judge):
    judge("""
        import shutil, subprocess, os
        def test_it(tmp_path):
            shutil.copy("/bin/sleep", tmp_path / "amps-worker")
            subprocess.Popen([tmp_path / "amps-worker", "90"], start_new_session=True)
        """).says(1, "1 passed, 1 failed", "left processes behind: amps-worker")


# -- ctest

def test_ctest_is_counted(judge_ctest):
    judge_ctest({"a": "true", "b": "true"}).says(0, "2 passed, 0 failed")


def test_a_failure_of_ctest(judge_ctest):
    judge_ctest({"a": "true", "b": "echo why; false"}).says(1, "1 passed, 1 failed", "why")


def test_ctest_without_tests(judge_ctest):
    done = judge_ctest({})
    assert done.code == 1 and done.lines[-1] == "0 passed, 1 failed", done.out


def test_a_program_that_is_not_built(judge_ctest):
    judge_ctest({"a": "true"}, more='add_test(b "/nonexistent/b")\n').says(1, "1 passed, 1 failed")


def test_ctest_that_hangs(judge_ctest):
    judge_ctest({"a": "true", "b": "sleep 90"},
                more="set_tests_properties(b PROPERTIES TIMEOUT 1)\n").says(
                    1, "1 passed, 1 failed")


def test_ctest_has_a_second_look(judge_ctest):
    done = judge_ctest({"part/a": "echo x >>a.runs; [ $(wc -l <a.runs) -gt 1 ]", "a": "true"})
    done.says(0, "2 passed, 0 failed", "FLAKY: part/a: ")
    assert done.runs("a") == 6


def test_a_crash_in_ctest_stands(judge_ctest):
    done = judge_ctest({"a": "echo x >>a.runs; [ $(wc -l <a.runs) -gt 1 ] || kill -SEGV $$"})
    done.says(1, "0 passed, 1 failed", "***Exception: SegFault")
    assert done.runs("a") == 2


def criterion(*cases):
    """A script that writes what a unit test's program writes of (name, status, reason)."""
    inside = "".join(f'<testcase name="{name}" status="{status}" time="0.1">'
                     f'{f"<skipped>{reason}</skipped>" if reason else ""}</testcase>'
                     for name, status, reason in cases)
    text = f'<testsuites><testsuite name="s">{inside}</testsuite></testsuites>'
    return f"cat >unit/part_a.xml <<'E'\n{text}\nE"


def test_tests_inside_a_program_are_counted(judge_ctest):
    judge_ctest({"part/a": criterion(("x", "PASSED", ""), ("y", "PASSED", ""))}).says(
        0, "2 passed, 0 failed")


def test_a_skip_inside_a_program_is_a_failure(judge_ctest):
    judge_ctest({"part/a": criterion(("x", "PASSED", ""), ("y", "SKIPPED", "no IPv6"))}).says(
        1, "1 passed, 1 failed", "part/a: s::y")


def test_a_listed_skip_inside_a_program_is_none(judge_ctest):
    judge_ctest({"part/a": criterion(("x", "PASSED", ""), ("y", "SKIPPED", "no IPv6"))},
                skips=[("part/a: s::y", "no IPv6")]).says(0, "1 passed, 0 failed", "SKIPPED: part/a")


def test_a_program_that_hides_a_failure(judge_ctest):
    done = judge_ctest({"part/a": criterion(("x", "PASSED", ""), ("y", "FAILED", ""))})
    assert done.code == 1, done.out


# -- what is given

def test_the_list_of_skips_can_be_read():
    sys.path.insert(0, HERE)
    from judge import read_skips
    listed = read_skips(os.path.join(os.path.dirname(HERE), "skips.txt"))
    assert listed and all(name and reason for name, reason in listed), json.dumps(listed)
