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


def build(name, preset, *options, targets=()):
    chosen = ["--target", *targets] if targets else []
    return Whole(name, 1800, ["cmake", "--preset", preset, *options],
                 ["cmake", "--build", "--preset", preset, *chosen])


def system(name, limit, select, folder, parallel, **env):
    return Pytest(name, limit, ["tests/system", "-m", select], parallel,
                  env={"AMPS_BIN": os.path.join(ROOT, folder, "bin"), **env})


def fuzz(name, limit, seconds=None):
    """The fuzz targets: a fixed number of runs each, or a search of so many seconds."""
    return Ctest(name, limit, "build/fuzz", ["--timeout", str(seconds + 120 if seconds else 300)],
                 CPUS, again=False, env={"FUZZ_SECONDS": str(seconds or "")})


PREPARE = Whole("prepare", 900, [PYTHON, "tests/system/prepare.py"])
BUILD_RELEASE = build("build_release", "release", "-DAMPS_TESTS=ON", "-DAMPS_WERROR=ON",
                      targets=["all", "release_tests"])
BUILD_ASAN = build("build_asan", "asan")
BUILD_TSAN = build("build_tsan", "tsan")
BUILD_FUZZ = build("build_fuzz", "fuzz")
FIRST = [PREPARE, BUILD_RELEASE, BUILD_ASAN, BUILD_TSAN, BUILD_FUZZ]

# what each word for AMPS_TEST_STEPS runs, what it needs in front
STEPS = {
    "runner": [Pytest("runner", 300, ["tests/runner"], parallel=CPUS, again=False)],
    "lint": [BUILD_RELEASE, Whole("lint", 600, ["tests/lint/lint.sh", "build"])],
    "unit": [BUILD_RELEASE, BUILD_ASAN,
             Ctest("unit", 900, "build/asan", ["-L", "^unit$"], CPUS * 2),
             Ctest("unit_release", 600, "build", ["-L", "^release$"], CPUS)],
    "race": [BUILD_RELEASE, BUILD_TSAN,
             Ctest("race", 600, "build", ["-L", "^race$"], again=False),
             Ctest("race_tsan", 900, "build/tsan", ["-L", "^race$"], again=False)],
    "fuzz": [BUILD_FUZZ, fuzz("fuzz", 1200)],
    "system": [PREPARE, BUILD_ASAN,
               system("system", 1800, "(not slow or smoke) and not heavy and not timing and not soak",
                      "build/asan", BESIDE)],
    "release": [PREPARE, BUILD_RELEASE,
                system("release", 1200,
                       "(slow or smoke) and not heavy and not timing and not soak", "build",
                       BESIDE)],
    "heavy": [PREPARE, BUILD_RELEASE,
              system("heavy", 1800, "(heavy or timing) and not soak", "build", 0)],
    # not part of the whole: what takes as long as one likes
    "soak": [PREPARE, BUILD_RELEASE,
             system("soak", 14400, "soak", "build", 0, AMPS_SOAK="1"),
             Whole("chaos", 14400, [PYTHON, "tests/system/soak.py"])],
    "search": [BUILD_FUZZ, fuzz("search", 14400, int(os.environ.get("FUZZ_SECONDS", "60")))],
}
WHOLE = [name for name in STEPS if name not in ("soak", "search")]


def main(names):
    os.chdir(ROOT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))    # ends what runs, too
    names = names or os.environ.get("AMPS_TEST_STEPS", "").split() or WHOLE
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        say(f"unknown step {unknown[0]}; there are: {' '.join(STEPS)}")
        return 2
    for group in (STEPS[name] for name in names):
        for step in group:
            if step not in FIRST:
                step.after(*(s for s in group if s in FIRST))
    steps = list(dict.fromkeys(step for name in names for step in STEPS[name]))
    return run_all(steps, os.path.join(ROOT, "build", "logs"), read_skips("tests/skips.txt"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
