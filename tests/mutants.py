#!/usr/bin/python3
"""Changes one comparison of the product at a time and checks that a unit test fails.

    tests/mutants.py [--list] [-j JOBS] [PATTERN]...

tests/mutants.txt lists the changes; a PATTERN selects those of matching files ("amps-worker/*").
First the tests named in the list run against each change, then all unit tests of that program
against each change that none of them noticed.  A test counts only if it passes without any change.

Everything happens in a copy of the tree, build/mutants, so the sources are never changed, even if
the run is killed; the next run makes the copy equal to the tree again.  The log is
build/logs/mutants.log.  Exit status 0 if every change was caught, 1 if not, 2 if nothing could be
tested."""
import argparse
import fnmatch
import glob
import os
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COPY = os.path.join(ROOT, "build", "mutants")
LOG = os.path.join(ROOT, "build", "logs", "mutants.log")
PARTS = {"common": ("common", []), "amps-cli": ("cli", ["amps"]),
         "amps-master": ("master", ["amps-master"]), "amps-worker": ("worker", ["amps-worker"]),
         "amps-transcoder": ("transcoder", ["amps-transcoder"]),
         "amps-helper": ("helper", ["amps-helper"])}
BUILD_S = 900  # a build from nothing on a loaded machine
TEST_S = 120  # a test without a change
SLOWER = 5  # with one it gets so many times what it took, and START_S
START_S = 20


class Mutant:
    """FILE TEST...[ asan]: BEFORE => AFTER; a TEST of another part than the file's: PART/TEST"""

    def __init__(self, line):
        where, change = line.split(": ", 1)
        self.file, *words = where.split()
        self.before, self.after = change.split(" => ")
        self.preset = "asan" if "asan" in words else "dev"
        self.part, self.programs = PARTS[self.file.split("/")[0]]
        self.tests = ["{}_test_{}".format(*w.split("/")) if "/" in w else f"{self.part}_test_{w}"
                      for w in words if w != "asan"]

    def __str__(self):
        return f"{self.file}: {self.before} => {self.after}"

    def all_tests(self):
        paths = glob.glob(os.path.join(COPY, "tests", "unit", self.part, "test_*.c"))
        return sorted(f"{self.part}_{os.path.basename(p)[:-2]}" for p in paths)

    def places(self):
        """How often BEFORE stands in the file."""
        try:
            with open(os.path.join(ROOT, self.file)) as file:
                return file.read().count(self.before)
        except OSError:
            return 0


def read_list(patterns):
    with open(os.path.join(ROOT, "tests", "mutants.txt")) as lines:
        mutants = [Mutant(line.rstrip("\n")) for line in lines
                   if line.strip() and not line.startswith("#")]
    return [m for m in mutants if any(fnmatch.fnmatch(m.file, p) for p in patterns)]


def source_names():
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                           cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    return {n for n in names if n and os.path.isfile(os.path.join(ROOT, n))}


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def copy_tree():
    """Makes the copy equal to the tree, but for build/; files that are equal keep their times."""
    names = source_names()
    for folder, folders, files in os.walk(COPY):
        if folder == COPY and "build" in folders:
            folders.remove("build")
        for file in files:
            path = os.path.join(folder, file)
            if os.path.relpath(path, COPY) not in names:
                os.remove(path)
    for name in names:
        source, copy = os.path.join(ROOT, name), os.path.join(COPY, name)
        if not os.path.exists(copy) or read_bytes(copy) != read_bytes(source):
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy(source, copy)


class Bench:
    """Builds and runs what is in the copy."""

    def __init__(self, log, jobs):
        self.log = log
        self.jobs = jobs
        self.took_s = {}  # (preset, target) -> seconds without a change; None if it fails

    def run(self, command, timeout_s, **environment):
        """The exit status; None if it ran too long."""
        print("+", " ".join(command), file=self.log, flush=True)
        child = subprocess.Popen(command, cwd=COPY, env=dict(os.environ, **environment),
                                 stdin=subprocess.DEVNULL, stdout=self.log,
                                 stderr=subprocess.STDOUT, start_new_session=True)
        try:
            return child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            print(f"killed after {timeout_s:.0f} s", file=self.log, flush=True)
            return None
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)  # what a test left behind, too
            except ProcessLookupError:
                pass
            child.wait()

    def configure(self, presets):
        return all(self.run(["cmake", "--preset", preset], BUILD_S) == 0 for preset in presets)

    def build(self, preset, targets):
        folder = os.path.join(COPY, "build", preset)
        return self.run(["ninja", "-j", str(self.jobs), "-C", folder, *targets], BUILD_S) == 0

    def test(self, preset, target, timeout_s):
        folder = os.path.join(COPY, "build", preset)
        return self.run([os.path.join(folder, "unit", target)], timeout_s,
                        AMPS_BIN=os.path.join(folder, "bin"), AMPS_SOURCE=COPY)

    def learn(self, preset, targets):
        """Runs those tests without a change; which of them fail."""
        for target in targets:
            if (preset, target) not in self.took_s:
                begin_s = time.monotonic()
                passed = self.test(preset, target, TEST_S) == 0
                self.took_s[preset, target] = time.monotonic() - begin_s if passed else None
        return [t for t in targets if self.took_s[preset, t] is None]

    def noticed_by(self, m, targets):
        """With the change in the copy: what noticed it, or None."""
        if not self.build(m.preset, [*m.programs, *targets]):
            return "nothing: it cannot be built"
        for target in targets:
            took_s = self.took_s.get((m.preset, target))
            if took_s is None:
                continue
            status = self.test(m.preset, target, START_S + SLOWER * took_s)
            if status != 0:
                return target + (" (hangs)" if status is None else "")
        return None

    def try_change(self, m, tests):
        path = os.path.join(COPY, m.file)
        with open(path) as file:
            text = file.read()
        assert text.count(m.before) == 1, m
        try:
            with open(path, "w") as file:
                file.write(text.replace(m.before, m.after))
            print(f"=== {m}", file=self.log, flush=True)
            return self.noticed_by(m, tests)
        finally:
            with open(path, "w") as file:
                file.write(text)


def learn_tests(bench, mutants, tests_of):
    """Builds what those mutants need and runs their tests without a change; False if one fails."""
    sound = True
    for preset, part in sorted({(m.preset, m.part) for m in mutants}):
        some = [m for m in mutants if (m.preset, m.part) == (preset, part)]
        targets = sorted({t for m in some for t in tests_of(m)})
        if not bench.build(preset, [*some[0].programs, *targets]):
            print(f"{part} cannot be built without a change ({preset}), see {LOG}")
            return False
        for target in bench.learn(preset, targets):
            print(f"{target} fails without a change ({preset}), see {LOG}")
            sound = False
    return sound


def show(m, by):
    print(f"{m}: {'caught by ' + by if by else 'SURVIVED'}", flush=True)


def test_mutants(bench, mutants):
    """What noticed each of them; None if nothing could be tested."""
    found = {}
    if not bench.configure({m.preset for m in mutants}) or \
            not learn_tests(bench, mutants, lambda m: m.tests):
        return None
    for m in mutants:
        found[m] = bench.try_change(m, m.tests)
        if found[m]:
            show(m, found[m])
    left = [m for m in mutants if not found[m]]
    if left:
        print(f"{len(left)} not noticed by the tests named, trying all of the program", flush=True)
        learn_tests(bench, left, Mutant.all_tests)
    for m in left:
        found[m] = bench.try_change(m, m.all_tests())
        show(m, found[m])
    return found


def parse_arguments():
    p = argparse.ArgumentParser(description="checks that unit tests notice changed comparisons")
    p.add_argument("-j", type=int, default=os.cpu_count(), dest="jobs", help="jobs of the build")
    p.add_argument("--list", action="store_true",
                   help="only checks that each change has its place in the sources")
    p.add_argument("patterns", nargs="*", default=["*"], metavar="PATTERN")
    return p.parse_args()


def main():
    arguments = parse_arguments()
    mutants = read_list(arguments.patterns)
    lost = [m for m in mutants if m.places() != 1]
    for m in lost:
        print(f"tests/mutants.txt: {m.before} stands {m.places()} times in {m.file}")
    if lost or arguments.list:
        return 2 if lost else 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))  # SystemExit passes through `finally`
    os.makedirs(os.path.dirname(LOG), exist_ok=True)
    copy_tree()
    with open(LOG, "w") as log:
        found = test_mutants(Bench(log, arguments.jobs), mutants)
    if found is None:
        return 2
    caught = sum(bool(by) and not by.startswith("nothing") for by in found.values())
    print(f"caught {caught} of {len(mutants)}")
    return int(caught != len(mutants))


if __name__ == "__main__":
    sys.exit(main())
