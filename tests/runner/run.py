#!/usr/bin/python3
"""run.py [STEP]... - the test suite: builds what the steps need, runs them, and ends with the line
"N passed, N failed".  Without arguments (and without AMPS_TEST_STEPS) all steps are run.  Logs stay
in build/logs/."""
import os
import signal
import sys

from judge import Ctest, Pytest, Whole, read_skips, run_all, say

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CPUS = len(os.sched_getaffinity(0))
PYTHON = "/usr/bin/python3"
BESIDE = CPUS * 4       # system tests mostly wait
# for builds beside tests: they take only what the tests leave of the processors
SPARE_TIME = ["nice", "-n", "10"]


def build(name, preset, *options, targets=(), under=()):
    chosen = ["--target", *targets] if targets else []
    return Whole(name, 1800, ["cmake", "--preset", preset, *options],
                 [*under, "cmake", "--build", "--preset", preset, *chosen])


def system(name, limit, select, folder, parallel, **env):
    return Pytest(name, limit, ["tests/system", "-m", select], parallel,
                  env={"AMPS_BIN": os.path.join(ROOT, folder, "bin"), **env})


def fuzz(name, limit, seconds=None):
    """The fuzz targets: a fixed number of runs each, or a search of so many seconds."""
    return Ctest(name, limit, "build/fuzz", ["--timeout", str(seconds + 120 if seconds else 300)],
                 CPUS, again=False, env={"FUZZ_SECONDS": str(seconds or "")})


# the second command compiles the tests once, before many processes collect them
PREPARE = Whole("prepare", 900, [PYTHON, "tests/system/prepare.py"],
                [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only",
                 "tests/system"])
BUILD_RELEASE = build("build_release", "release", "-DAMPS_TESTS=ON", "-DAMPS_WERROR=ON",
                      targets=["all", "release_tests"])
BUILD_ASAN = build("build_asan", "asan")
BUILD_TSAN = build("build_tsan", "tsan", under=SPARE_TIME)
BUILD_FUZZ = build("build_fuzz", "fuzz", under=SPARE_TIME)

RUNNER = Pytest("runner", 300, ["tests/runner"], parallel=CPUS, again=False)
LINT = Whole("lint", 600, ["tests/lint/lint.sh", "build"]).after(BUILD_RELEASE)
UNIT = Ctest("unit", 900, "build/asan", ["-L", "^unit$"], CPUS * 2).after(BUILD_RELEASE, BUILD_ASAN)
UNIT_RELEASE = Ctest("unit_release", 600, "build", ["-L", "^release$"], CPUS).after(BUILD_RELEASE)
RACE = Ctest("race", 600, "build", ["-L", "^race$"], again=False).after(BUILD_RELEASE)
RACE_TSAN = Ctest("race_tsan", 900, "build/tsan", ["-L", "^race$"], again=False).after(BUILD_TSAN)
FUZZ = fuzz("fuzz", 1200).after(BUILD_FUZZ)
SYSTEM = system("system", 1800, "(not slow or smoke) and not heavy and not timing and not soak",
                "build/asan", BESIDE).after(PREPARE, BUILD_ASAN)
RELEASE = system("release", 1800, "(slow or smoke) and not heavy and not timing and not soak",
                 "build", BESIDE).after(PREPARE, BUILD_RELEASE)
WAITS = system("waits", 1800, "timing and waits and not soak", "build", CPUS).after(
    PREPARE, BUILD_RELEASE)
HEAVY = system("heavy", 1800, "(heavy or timing) and not waits and not soak", "build", 0).after(
    PREPARE, BUILD_RELEASE)
# not part of the whole: what takes as long as one likes
SOAK = system("soak", 14400, "soak", "build", 0, AMPS_SOAK="1").after(PREPARE, BUILD_RELEASE)
PLAYERS = Pytest("players", 1800, ["tests/system/test_hls_players.py",
                                   "tests/system/test_ll_players.py"], again=False,
                 env={"AMPS_BIN": os.path.join(ROOT, "build", "bin"),
                      "AMPS_PLAYER_SECONDS": "60"}).after(PREPARE, BUILD_RELEASE)
CHAOS = Whole("chaos", 14400, [PYTHON, "tests/system/soak.py"]).after(PREPARE, BUILD_RELEASE)
SEARCH = fuzz("search", 14400, int(os.environ.get("FUZZ_SECONDS", "60"))).after(BUILD_FUZZ)

# what each word for AMPS_TEST_STEPS runs
STEPS = {"runner": [RUNNER], "lint": [LINT], "unit": [UNIT, UNIT_RELEASE],
         "race": [RACE, RACE_TSAN], "fuzz": [FUZZ], "system": [SYSTEM], "release": [RELEASE],
         "heavy": [WAITS, HEAVY], "soak": [SOAK, PLAYERS, CHAOS], "search": [SEARCH]}
WHOLE = [name for name in STEPS if name not in ("soak", "search")]

# In which order.  Lanes run beside each other where one of them waits more than it works; what
# measures time runs alone.
ORDER = [([BUILD_RELEASE, BUILD_ASAN, LINT], [RUNNER, PREPARE]),
         UNIT, RACE, ([SYSTEM, RELEASE], [BUILD_TSAN, BUILD_FUZZ]), RACE_TSAN, FUZZ, UNIT_RELEASE, WAITS,
         HEAVY, SOAK, PLAYERS, CHAOS, SEARCH]


def make_plan(names):
    """The steps of these words and what they need, as run_all() takes it."""
    chosen = {step for name in names for step in STEPS[name]}
    chosen |= {needed for step in chosen for needed in step.needs}
    plan = []
    for part in ORDER:
        if not isinstance(part, tuple):
            part = ([part],)
        lanes = [[step for step in lane if step in chosen] for lane in part]
        lanes = [lane for lane in lanes if lane]
        plan += [lanes] if len(lanes) > 1 else sum(lanes, [])
    return plan


def main(names):
    os.chdir(ROOT)
    # compiled Python is kept, outside of the sources
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = os.path.join(ROOT, "build", "pycache")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))    # ends what runs, too
    names = names or os.environ.get("AMPS_TEST_STEPS", "").split() or WHOLE
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        say(f"unknown step {unknown[0]}; there are: {' '.join(STEPS)}")
        return 2
    return run_all(make_plan(names), os.path.join(ROOT, "build", "logs"),
                   read_skips("tests/skips.txt"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
