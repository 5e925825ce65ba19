"""What judges a run: commands with a time limit, their JUnit files, a second look at what failed,
and the report.  run.py says which steps there are; test_judge.py tests this file."""
import contextlib
import ctypes
import fnmatch
import glob
import os
import pickle
import re
import resource
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ET

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
AGAIN_RUNS = 2      # both must pass
AGAIN_MOST = 3      # tests of a step; with more failures none is run again
SLOWEST = 10
PR_SET_CHILD_SUBREAPER = 36

# A failure with one of these in its text stands, whatever a second run says: a sanitizer's report,
# a crash, a leak, bytes that are lost or torn.  Tests marked `once` are treated alike.
NEVER_AGAIN = re.compile(
    r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:"
    r"|worker '\w+' crashed|Fatal Python error|\bCRASH!|Unexpected signal"
    r"|\*\*\*Exception: |\bSIG(SEGV|ABRT|BUS|ILL|FPE|SYS)\b|SEGFAULT|Subprocess aborted|core dumped"
    r"|exit code -\d|the server ended with -\d|Assertion `"
    r"|left in the runtime folder|to hold what they held before"
    r"|the processes of the server to end"
    r"|AssertionError: (sync|cc|backwards|pcr_backwards|bad_starts|bad_cuts|marked|skipped): "
    r"|^[E>] .*\bassert .*\b(cc_errors|sync_errors|backwards|lost_bytes|torn)\b",
    re.MULTILINE)


class Case:
    """One test: what became of it."""

    def __init__(self, name, outcome, seconds=0.0, text="", once=False):
        self.name, self.outcome, self.seconds = name, outcome, seconds
        self.text = text        # of a failure or a skip
        self.once = once        # is never run again

    def first_error(self):
        lines = [x for x in self.text.splitlines() if x.strip()]
        marked = [x[1:].strip() for x in lines if x.startswith("E  ")]
        return (marked or lines or ["no text"])[0][:200]


# -- JUnit files

def read_case(node):
    """The Case of one <testcase> of pytest or ctest."""
    properties = {p.get("name"): p.get("value") for p in node.iter("property")}
    path, name = node.get("file"), node.get("name")
    name = properties.get("id") or (f"{path}::{name}" if path else name)
    bad = [x for x in node if x.tag in ("failure", "error")]
    skip = node.find("skipped")
    outcome = FAILED if bad else SKIPPED if skip is not None else PASSED
    texts = [f"{x.get('message') or ''}\n{x.text or ''}" for x in bad]
    if skip is not None:
        texts.append(skip.get("message") or "")
    if bad:
        texts += [x.text or "" for x in node if x.tag in ("system-out", "system-err")]
    if node.get("status") == "notrun" and outcome == SKIPPED:    # ctest found no program
        outcome = FAILED
    return Case(name, outcome, float(node.get("time") or 0), "\n".join(texts),
                "once" in properties)


def read_junit(path):
    """The cases of a file.  A test with several entries (its body, its end) is one case."""
    cases = {}
    # one without a name is a test that was not finished
    nodes = [x for x in ET.parse(path).getroot().iter("testcase") if x.get("name")]
    for case in map(read_case, nodes):
        known = cases.get(case.name)
        if known is None or case.outcome == FAILED:
            cases[case.name] = case
    return list(cases.values())


def read_criterion(path, program):
    """The cases of PATH, which tests/unit/runner.c wrote."""
    cases = []
    for suite in ET.parse(path).getroot().iter("testsuite"):
        for node in suite.iter("testcase"):
            name = f"{suite.get('name')}::{node.get('name')}"
            outcome = {"PASSED": PASSED, "SKIPPED": SKIPPED}.get(node.get("status"), FAILED)
            cases.append(Case(f"{program}: {name}", outcome, float(node.get("time") or 0),
                              node.findtext("skipped", "")))
    return cases


# -- the skips that are no failures

def read_skips(path):
    """[(pattern of the test's name, expression for the reason)] of a file of `NAME | REASON`."""
    with open(path) as f:
        lines = [line.strip() for line in f]
    return [tuple(x.strip() for x in line.split("|", 1))
            for line in lines if line and not line.startswith("#")]


def may_skip(skips, case):
    return any(fnmatch.fnmatchcase(case.name, name) and re.search(reason, case.text)
               for name, reason in skips)


# -- commands

def children():
    """{pid: state} of our children."""
    found = {}
    with open(f"/proc/self/task/{os.getpid()}/children") as f:
        pids = f.read().split()
    for pid in pids:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat") as f:
                found[int(pid)] = f.read().rsplit(")", 1)[1].split()[0]
    return found


def bury(but=None):
    """Reaps ended children other than `but`: orphans of the tests become ours."""
    for pid, state in children().items():
        if pid != but and state == "Z":
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def end_orphans():
    """Kills what a command left behind; the names of those processes."""
    left = []
    for _ in range(100):
        bury()
        alive = [pid for pid, state in children().items() if state != "Z"]
        if not alive:
            break
        for pid in alive:
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/comm") as f:
                    left.append(f.read().strip())
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    return left


def adopt_orphans():
    """From now on, what the tests leave behind becomes a child of this process."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Done:
    """A command that has ended: its exit code (negative: the signal), and whether it was ended
    because its time was over."""

    def __init__(self, code, late, left):
        self.code, self.late, self.left = code, late, left


def end_group(process):
    """SIGTERM, on which pytest cleans up, then SIGKILL."""
    for number, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def run(words, log, limit, env=None):
    """Runs a command for at most `limit` seconds, its output in `log`; nothing of it stays."""
    late = False
    with open(log, "ab") as out:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   env=dict(os.environ, **(env or {})), start_new_session=True)
    end = time.monotonic() + limit
    try:
        while process.poll() is None:
            late = time.monotonic() > end
            if late:
                break
            bury(process.pid)
            time.sleep(0.05)
    finally:
        end_group(process)
        left = end_orphans()
    return Done(process.returncode, late, left)


# -- steps

class Step:
    """Something that is run and judged, for at most `limit` seconds.  `again`: what fails gets a
    second look.  `env`: more of the environment."""

    def __init__(self, name, limit, again=False, env=None):
        self.name, self.limit, self.again, self.env = name, limit, again, env or {}
        self.needs = []         # steps without which this one is not run
        self.logs = None
        self.cases = []
        self.faults = []        # what is wrong with the step itself
        self.flaky = []
        self.seconds = self.cpu = 0.0

    def after(self, *steps):
        """Says what this step needs; itself."""
        self.needs = list(steps)
        return self

    def path(self, ending):
        return os.path.join(self.logs, self.name + ending)

    def failed(self):
        return [c for c in self.cases if c.outcome == FAILED]

    def command(self, words):
        """Runs a command into the step's log; Done."""
        done = run(words, self.path(".log"), self.limit, self.env)
        if done.late:
            self.faults.append(f"took longer than {self.limit} s: {' '.join(words)[:120]}")
        ours = [x for x in done.left if x.startswith("amps")]
        if ours and not done.late:
            self.faults.append(f"left processes behind: {' '.join(ours)}")
        return done

    def results(self):
        """What another process of the runner needs to know of a step that was run."""
        return {name: getattr(self, name) for name in ("logs", "cases", "faults", "seconds", "cpu")}

    def run(self, logs):
        self.logs = logs
        for old in glob.glob(glob.escape(self.path("")) + ".*"):
            os.remove(old)
        broken = [step.name for step in self.needs if step.failed() or step.faults]
        if broken:
            self.faults.append(f"was not run: {' '.join(broken)} failed")
            return
        since, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        self.run_tests()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.seconds += time.monotonic() - since
        self.cpu += (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)

    def run_tests(self):
        raise NotImplementedError

    def judge_skips(self, skips):
        for case in self.cases:
            if case.outcome == SKIPPED and not may_skip(skips, case):
                case.outcome = FAILED
                case.once = True
                case.text = f"skipped, which tests/skips.txt does not allow: {case.text}"

    # -- the second look

    def candidates(self):
        """What may be run again: nothing where too much failed or the step itself did."""
        failed = self.failed()
        if not self.again or self.faults or len(failed) > AGAIN_MOST:
            return []
        return [c for c in failed if not c.once and not NEVER_AGAIN.search(c.text)]

    def look_again(self):
        for case in self.candidates():
            since = time.monotonic()
            kept = os.path.join(self.logs, "flaky", re.sub(r"[^\w.-]+", "_", case.name)[:150])
            os.makedirs(os.path.dirname(kept), exist_ok=True)
            with open(f"{kept}.first.log", "w") as f:
                f.write(case.text)
            if all(self.passes_alone(case, f"{kept}.again{i + 1}") for i in range(AGAIN_RUNS)):
                case.outcome = PASSED
                self.flaky.append(case)
            self.seconds += time.monotonic() - since

    def passes_alone(self, case, where):
        raise NotImplementedError


class Whole(Step):
    """Commands that pass or fail together: one test."""

    def __init__(self, name, limit, *commands, env=None):
        super().__init__(name, limit, env=env)
        self.commands = commands

    def run_tests(self):
        for words in self.commands:
            code = self.command(words).code
            if code != 0:
                self.cases = [Case(self.name, FAILED, text=f"exit code {code}:\n"
                                   + tail(self.path(".log"), 40))]
                return
        self.cases = [Case(self.name, PASSED)]


class Junit(Step):
    """A command that writes a JUnit file.  `codes`: the exit codes for all passed, some failed."""

    codes = (0, 1)

    def words(self, junit):
        raise NotImplementedError

    def run_tests(self):
        done = self.command(self.words(self.path(".xml")))
        self.cases, faults = self.judge(done, self.path(".xml"))
        self.faults += faults

    def judge(self, done, junit):
        """(cases, what is wrong with the run itself)"""
        try:
            cases = read_junit(junit)
        except (OSError, ET.ParseError):
            return [], [] if done.late else [f"ended with exit code {done.code} and no results"]
        if done.late:
            return cases, []
        failed = sum(c.outcome == FAILED for c in cases)
        if not any(c.outcome != SKIPPED for c in cases):
            return cases, ["ran no test"]
        if done.code != self.codes[failed > 0]:
            return cases, [f"exit code {done.code} with {failed} failed tests"]
        return cases, []

    def passes_alone(self, case, where):
        junit = f"{where}.xml"
        done = run(self.words_alone(junit, case), f"{where}.log", self.limit, self.env)
        cases, faults = self.judge(done, junit)
        return not faults and not done.late and len(cases) == 1 and cases[0].outcome == PASSED

    def words_alone(self, junit, case):
        raise NotImplementedError


class Pytest(Junit):
    """Tests of pytest, `parallel` processes at once."""

    def __init__(self, name, limit, args, parallel=0, again=True, env=None):
        super().__init__(name, limit, again, env)
        self.args, self.parallel = list(args), parallel

    def pytest(self, junit):
        return ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                "-o", "junit_family=xunit1", "--junitxml", junit]

    def words(self, junit):
        # a test that ends its process is given to the next one
        spread = ["-n", str(self.parallel), "--dist", "loadgroup", "--max-worker-restart", "2"]
        return self.pytest(junit) + (spread if self.parallel else []) + self.args

    def words_alone(self, junit, case):
        options = [x for x in self.args if not os.path.exists(x)]
        return self.pytest(junit) + without_selection(options) + [case.name]


def without_selection(args):
    """Arguments of pytest without -m and -k: a test named by its id needs none."""
    left, words = [], iter(args)
    for word in words:
        if word in ("-m", "-k"):
            next(words)
        else:
            left.append(word)
    return left


class Ctest(Junit):
    """Tests of ctest in a build folder.  What Criterion programs wrote is counted test by test."""

    codes = (0, 8)

    def __init__(self, name, limit, build, args=(), parallel=1, again=True, env=None):
        super().__init__(name, limit, again, env)
        self.build, self.args, self.parallel = build, list(args), parallel

    def words(self, junit):
        return ["ctest", "--test-dir", self.build, "-j", str(self.parallel), "--no-tests=error",
                "--output-on-failure", "--output-junit", junit, *self.args]

    def words_alone(self, junit, case):
        return ["ctest", "--test-dir", self.build, "-j", "1", "--no-tests=error",
                "--output-on-failure", "--output-junit", junit, "-R", f"^{re.escape(case.name)}$"]

    def criterion(self, name):
        return os.path.join(self.build, "unit", name.replace("/", "_") + ".xml")

    def run_tests(self):
        for old in glob.glob(os.path.join(glob.escape(self.build), "unit", "*.xml")):
            os.remove(old)
        super().run_tests()
        with open(self.path(".log"), errors="replace") as f:
            log = f.read()
        for case in list(self.cases):
            # the JUnit file does not say that a program crashed
            crash = re.search(rf"^.* {re.escape(case.name)} \.*(\*\*\*Exception: .*)$", log, re.M)
            if crash:
                case.text = f"{crash[1]}\n{case.text}"
            if os.path.exists(self.criterion(case.name)):
                self.count_inside(case)

    def count_inside(self, case):
        """A program that passed is its tests; one that failed counts beside those that passed."""
        try:
            inside = read_criterion(self.criterion(case.name), case.name)
        except (OSError, ET.ParseError):
            inside = []
        failed = [c for c in inside if c.outcome == FAILED]
        if case.outcome == PASSED:
            self.cases.remove(case)
            self.cases += inside
            if failed or not inside:
                self.faults.append(f"{case.name} passed with {len(failed)} of {len(inside)} failed")
        else:
            self.cases += [c for c in inside if c.outcome != FAILED]


# -- the report

def tail(path, n):
    if not os.path.exists(path):
        return ""
    with open(path, errors="replace") as f:
        return "".join(f.readlines()[-n:])


def say(text):
    print(text, flush=True)


def run_lane(steps, logs, skips):
    """Runs steps one after the other."""
    for step in steps:
        say(f"== {step.name}")
        step.run(logs)
        step.judge_skips(skips)
        say_step(step)


class Lane:
    """Steps that run in a process of their own, beside other lanes: it adopts only the orphans of its
    own steps, and its processor time is only theirs."""

    def __init__(self, steps, logs, skips):
        self.steps = steps
        for step in steps:
            step.logs = logs
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reader)
            code = 1
            try:
                adopt_orphans()
                run_lane(steps, logs, skips)
                with os.fdopen(writer, "wb") as out:
                    pickle.dump([step.results() for step in steps], out)
                code = 0
            finally:        # also when it is terminated
                os._exit(code)
        os.close(writer)
        self.results = os.fdopen(reader, "rb")

    def join(self):
        """Takes the results; a lane that has ended without them is a fault of its steps."""
        data = self.results.read()
        self.results.close()
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        if status == 0:
            for step, results in zip(self.steps, pickle.loads(data)):
                step.__dict__.update(results)
        else:
            for step in self.steps:
                step.faults.append(f"was not judged: its process ended with {status}")

    def end(self):
        """Ends a lane before its time."""
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
            os.waitpid(self.pid, 0)


def run_beside(lanes, logs, skips):
    """Runs lists of steps at the same time."""
    running = []
    try:
        for steps in lanes:
            running.append(Lane(steps, logs, skips))
        for lane in running:
            lane.join()
    finally:
        for lane in running:
            lane.end()


def run_all(plan, logs, skips):
    """Runs the plan, looks again at what failed, and prints the report; the exit code.  The plan is a
    list of steps, and of lists of lanes: lists of steps that run at the same time."""
    os.makedirs(logs, exist_ok=True)
    shutil.rmtree(os.path.join(logs, "flaky"), ignore_errors=True)
    adopt_orphans()
    steps, since = [], time.monotonic()
    for part in plan:
        if isinstance(part, Step):
            run_lane([part], logs, skips)
            steps.append(part)
        else:
            run_beside(part, logs, skips)
            steps += [step for lane in part for step in lane]
    for step in steps:
        if step.candidates():
            say(f"== {step.name}: a second look at {len(step.candidates())} tests")
            step.look_again()
    return report(steps, time.monotonic() - since)


def count(step):
    """(passed, failed, skipped)"""
    outcomes = [c.outcome for c in step.cases]
    return (outcomes.count(PASSED), outcomes.count(FAILED) + len(step.faults),
            outcomes.count(SKIPPED))


def say_step(step):
    """In one piece: other steps may have something to say, too."""
    passed, failed, skipped = count(step)
    said = [f"--- {case.name}\n{case.text.strip()[-4000:]}" for case in step.failed()]
    said += [f"--- {step.name} {fault}\n{tail(step.path('.log'), 40)}" for fault in step.faults]
    said.append(f"== {step.name}: {passed} passed, {failed} failed, {skipped} skipped")
    say("\n".join(said))


def report(steps, seconds):
    cases = [(case, step) for step in steps for case in step.cases]
    say(f"\nThe {SLOWEST} slowest tests")
    for case, step in sorted(cases, key=lambda x: -x[0].seconds)[:SLOWEST]:
        say(f"{case.seconds:8.1f} s  {step.name}: {case.name}")
    say("\nThe steps: seconds, processor seconds")
    for step in steps:
        say(f"{step.seconds:8.1f} {step.cpu:8.1f}  {step.name}")
    say(f"{seconds:8.1f} {sum(s.cpu for s in steps):8.1f}  all\n")
    for case, step in cases:
        if case.outcome == SKIPPED:
            say(f"SKIPPED: {case.name}: {case.text.strip()}")
    for step in steps:
        for case in step.flaky:
            say(f"FLAKY: {case.name}: {case.first_error()}")
    for step in steps:
        for case in step.failed():
            say(f"FAILED: {step.name}: {case.name}: {case.first_error()}")
        for fault in step.faults:
            say(f"FAILED: {step.name} {fault} ({step.path('.log')})")
    passed, failed, _ = (sum(x) for x in zip(*map(count, steps)))
    say(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
