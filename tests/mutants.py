#!/usr/bin/python3
"""mutants.py [--smoke] [PATTERN]... - changes one comparison at a time and looks whether the unit tests of that
program notice (with --smoke, the smoke tests after them).  tests/mutants.txt lists the changes, one a line:
FILE: BEFORE => AFTER; patterns pick those whose file they match.  Works on a copy of the tree in
build/mutants.  Exit 0 if every change was caught."""
import fnmatch
import glob
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COPY = os.path.join(ROOT, "build", "mutants")
BUILD = os.path.join(COPY, "build", "dev")
LOG = os.path.join(ROOT, "build", "logs", "mutants.log")
PARTS = {"common": ("common", []), "amps-cli": ("cli", ["amps"]),
         "amps-master": ("master", ["amps-master"]), "amps-worker": ("worker", ["amps-worker"]),
         "amps-transcoder": ("transcoder", ["amps-transcoder"])}
ALL_PROGRAMS = ["amps", "amps-master", "amps-worker", "amps-transcoder"]


def read_list():
    mutants = []
    with open(os.path.join(ROOT, "tests", "mutants.txt")) as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                name, change = line.rstrip("\n").split(": ", 1)
                before, after = change.split(" => ")
                mutants.append((name, before, after))
    return mutants


def copy_tree():
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                           cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        source, copy = os.path.join(ROOT, name), os.path.join(COPY, name)
        if not os.path.isfile(source):
            continue
        if os.path.exists(copy) and open(copy, "rb").read() == open(source, "rb").read():
            continue
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copy(source, copy)


def run(log, *command, **kwargs):
    return subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, cwd=COPY, **kwargs).returncode == 0


def build(log, *targets):
    return run(log, "ninja", "-C", BUILD, *targets)


def unit_test(log, part, test):
    """False if it fails, crashes or hangs."""
    target = f"{part}_{test}"
    env = dict(os.environ, AMPS_BIN=os.path.join(BUILD, "bin"), AMPS_SOURCE=COPY)
    try:
        return run(log, os.path.join(BUILD, "unit", target), "--jobs", "1", env=env, timeout=300)
    except subprocess.TimeoutExpired:
        return False


def smoke_tests(log):
    env = dict(os.environ, AMPS_BIN=os.path.join(BUILD, "bin"))
    return build(log, *ALL_PROGRAMS) and run(log, sys.executable, "-m", "pytest", "-q", "-x", "-p",
                                             "no:cacheprovider", "-m", "smoke", "tests/system", env=env)


def tests_of(name):
    """The unit tests of the program, the module's own first."""
    folder, file = name.split("/")
    part, programs = PARTS[folder]
    tests = [os.path.basename(t)[:-2] for t in
             sorted(glob.glob(os.path.join(ROOT, "tests", "unit", part, "test_*.c")))]
    own = "test_" + file[:-2]
    return part, programs, sorted(tests, key=lambda t: t != own)


def caught_by(log, name, smoke):
    """What noticed the change, or None."""
    part, programs, tests = tests_of(name)
    for step in (tests[:1], tests[1:]):
        if not build(log, *programs, *(f"{part}_{t}" for t in step)):
            return "the compiler"
        for test in step:
            if not unit_test(log, part, test):
                return f"{part}/{test}"
    return "the smoke tests" if smoke and not smoke_tests(log) else None


def try_one(log, name, before, after, smoke):
    path = os.path.join(COPY, name)
    text = open(path).read()
    if text.count(before) != 1:
        return f"NOT FOUND ({text.count(before)} times)"
    try:
        with open(path, "w") as file:
            file.write(text.replace(before, after))
        by = caught_by(log, name, smoke)
        return f"caught by {by}" if by else "SURVIVED"
    finally:
        with open(path, "w") as file:
            file.write(text)


def main(arguments):
    smoke = "--smoke" in arguments
    patterns = [a for a in arguments if a != "--smoke"] or ["*"]
    mutants = [m for m in read_list() if any(fnmatch.fnmatch(m[0], p) for p in patterns)]
    caught = 0
    copy_tree()
    os.makedirs(os.path.dirname(LOG), exist_ok=True)
    with open(LOG, "w") as log:
        if not run(log, "cmake", "--preset", "dev"):
            print(f"the copy cannot be configured, see {LOG}")
            return 2
        for part in sorted({m[0].split("/")[0] for m in mutants}):
            if caught_by(log, part + "/.c", False):
                print(f"the unit tests of {part} fail without any change, see {LOG}")
                return 2
        for name, before, after in mutants:
            result = try_one(log, name, before, after, smoke)
            caught += result.startswith("caught")
            print(f"{name}: {before} => {after}: {result}", flush=True)
    print(f"{caught} of {len(mutants)} caught")
    return caught != len(mutants)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
