"""What runs the unit tests (tests/unit/unit.c): how it judges each kind of end."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
UNIT = os.path.join(os.path.dirname(HERE), "unit")
sys.path.insert(0, HERE)
from judge import FAILED, PASSED, SKIPPED, read_junit  # noqa: E402

PROGRAM = r"""
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include "unit.h"

static int set;
static void set_it(void) { set = 1; }
static void fail(void) { cr_assert(set == 2, "set is <%d>", set); }
static void *fail_there(void *arg) { fail(); return arg; }

Test(good, reaches_its_end) { cr_assert_str_eq("a", "a"); cr_expect_float_eq(1, 1.1, 0.2); set = 7; }
Test(good, has_its_own_memory) { cr_assert_eq(set, 0); }
Test(good, is_aborted, .signal = SIGABRT) { abort(); }
TestSuite(with_init, .init = set_it);
Test(with_init, is_set) { cr_assert_eq(set, 1); }
Test(skip, skips) { cr_skip_test("no such thing"); }
Test(bad, asserts) { fail(); }
Test(bad, expects) { cr_expect_eq(1, 2); cr_expect_eq(3, 4); }
Test(bad, strings) { cr_assert_str_eq("a", "b"); }
Test(bad, fails_afterwards, .fini = fail) { }
Test(bad, fails_before, .init = fail) { }
Test(bad, crashes) { *(volatile int *)8 = 1; }
Test(bad, aborts) { abort(); }
Test(bad, exits) { exit(0); }
Test(bad, is_not_aborted, .signal = SIGABRT) { }
Test(bad, ends_otherwise, .signal = SIGABRT) { raise(SIGKILL); }
Test(bad, leaks) { void *volatile p = malloc(77); p = NULL; (void)p; }
Test(bad, hangs, .timeout = 1) { pause(); }
Test(bad, fails_in_a_thread)
{
	pthread_t t;

	pthread_create(&t, NULL, fail_there, NULL);
	pthread_join(t, NULL);
}
Test(bad, fails_in_a_child)
{
	if (fork() == 0)
		fail();
	wait(NULL);
}
"""
SAYS = {"bad::asserts": "set == 2: set is <0>", "bad::expects": "1 == 2:", "bad::strings": '"a" is "b"',
        "bad::fails_afterwards": "set == 2", "bad::fails_before": "set == 2",
        "bad::aborts": "ended by SIGABRT", "bad::crashes": "exit code 1 before its end",
        "bad::exits": "exit code 0 before its end", "bad::is_not_aborted": "did not end by SIGABRT",
        "bad::ends_otherwise": "ended by SIGKILL", "bad::leaks": "LeakSanitizer",
        "bad::hangs": "took longer than 1 s", "bad::fails_in_a_thread": "set == 2",
        "bad::fails_in_a_child": "set == 2", "skip::skips": "no such thing"}


def test_every_kind_of_end(tmp_path):
    (tmp_path / "it.c").write_text(PROGRAM)
    subprocess.run(["cc", "-D_GNU_SOURCE", "-fsanitize=address", "-I", UNIT, "-o", tmp_path / "it",
                    tmp_path / "it.c", os.path.join(UNIT, "unit.c"), "-pthread"], check=True)
    done = subprocess.run([tmp_path / "it", "--xml", tmp_path / "it.xml"], capture_output=True,
                          text=True, timeout=100)
    cases = {case.name: case for case in read_junit(tmp_path / "it.xml")}
    outcome = {"good": PASSED, "with_init": PASSED, "skip": SKIPPED, "bad": FAILED}
    for name, case in cases.items():
        assert case.outcome == outcome[name.split("::")[0]], (name, case.text, done.stderr)
        assert SAYS.get(name, "") in case.text, (name, case.text)
    assert done.returncode == 1 and done.stdout.endswith("4 passed, 14 failed, 1 skipped\n")
    assert len(cases) == 19
    assert all(f"{place} {name}: " in done.stderr for name in SAYS
               for place in ["SKIPPED" if name == "skip::skips" else "FAILED"])


def test_the_exit_code_and_the_choice(tmp_path):
    (tmp_path / "it.c").write_text('#include "unit.h"\nTest(a, b) {}\nTest(c, d) { cr_assert(0); }\n')
    subprocess.run(["cc", "-D_GNU_SOURCE", "-I", UNIT, "-o", tmp_path / "it", tmp_path / "it.c",
                    os.path.join(UNIT, "unit.c")], check=True)
    for words, code, says in ((["a::*"], 0, "1 passed, 0 failed, 0 skipped\n"),
                              (["*d"], 1, "0 passed, 1 failed, 0 skipped\n"),
                              (["e"], 2, "0 passed, 0 failed, 0 skipped\n"),
                              (["--list"], 0, "a::b\nc::d\n")):
        done = subprocess.run([tmp_path / "it", *words], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (code, says), (words, done.stderr)
