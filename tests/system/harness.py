"""The real server for tests: started on a free port, queried over HTTP and with the command, its
processes followed, and checked for leftovers when it has stopped."""
import contextlib
import http.client
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

from reaped import Reaped

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("AMPS_BIN", os.path.join(ROOT, "build", "bin"))
SANITIZED = "asan" in BIN or "tsan" in BIN
# how much more CPU time programs with sanitizers need
COST = 4 if SANITIZED else 1
# how much longer things may take: parallel tests share the processors
PATIENCE = COST * (2 if "PYTEST_XDIST_WORKER" in os.environ else 1)
# what servers of earlier tests have stored of the option check (amps-master/config/option_memory.h)
OPTIONS = os.path.join(os.path.dirname(BIN), "test-options.json")
KILLED = "some processes do not end, killing them"
REPORT = re.compile(r"ERROR: (Address|Leak|Thread)Sanitizer|WARNING: ThreadSanitizer|runtime error:")


def wait_for(condition, timeout=10.0, what="the condition"):
    """Polls until condition() is true and returns what it returned."""
    end = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout * PATIENCE:.0f} s for {what}")
        time.sleep(0.02)


def kill(pid, number=signal.SIGKILL):
    """A process that has ended since its pid was read is fine: tests check what happens afterwards."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def port_range():
    """Ports for this test process only, below the ephemeral range: for sources, which need a number.
    The server takes any free port and reports it."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 20
    ports = list(range(10000 + 1000 * worker, 11000 + 1000 * worker))
    random.shuffle(ports)
    return itertools.cycle(ports)


PORTS = port_range()


def free_port(kind=socket.SOCK_STREAM):
    for port in PORTS:
        with socket.socket(socket.AF_INET, kind) as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def family_of(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def command_line(pid):
    """The command line of a process, with blanks between the words; "" when it has ended."""
    with contextlib.suppress(OSError):
        return open(f"/proc/{pid}/cmdline").read().replace("\0", " ").strip()
    return ""


def options_in(state):
    """What the server of this state folder stored of the option check, {} if nothing."""
    with contextlib.suppress(sqlite3.Error, TypeError):
        path = os.path.join(state, "amps.db")
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return json.loads(db.execute("SELECT value FROM meta WHERE key = 'options'")
                              .fetchone()[0])
    return {}


def known_options():
    with contextlib.suppress(OSError, ValueError):
        with open(OPTIONS) as f:
            return json.load(f)
    return {}


def keep_options(state):
    """Adds what this server has stored to what the next ones get."""
    known, found = known_options(), options_in(state)
    if known.get("identity") != found.get("identity"):
        known = {}
    verdicts = {**known.get("verdicts", {}), **found.get("verdicts", {})}
    if verdicts == known.get("verdicts", {}):
        return
    with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(OPTIONS), delete=False) as f:
        json.dump({**found, "verdicts": verdicts}, f)
    os.rename(f.name, OPTIONS)


def give_options(state):
    """A state folder whose server knows the options that were checked for others.  The check starts
    amps-transcoder with all its libraries, which under ASan costs a quarter of a server's start."""
    os.makedirs(state, 0o700)
    with open(os.path.join(ROOT, "schema.sql")) as f:
        schema = f.read()
    with contextlib.closing(sqlite3.connect(os.path.join(state, "amps.db"))) as db:
        os.chmod(os.path.join(state, "amps.db"), 0o600)
        db.executescript(schema)
        db.execute("INSERT INTO meta VALUES ('options', ?)", [json.dumps(known_options())])
        db.commit()


class Answer:
    """A complete HTTP answer."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {}
        for name, value in response.getheaders():
            known = self.headers.get(name.lower())
            self.headers[name.lower()] = value if known is None else f"{known}, {value}"
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class Stream:
    """An endless answer, read as it arrives."""

    def __init__(self, server, path, headers=None, timeout=20, rcvbuf=None):
        self.sock = socket.socket(family_of(server.host))
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout * PATIENCE)
        self.sock.connect((server.host, server.port))
        lines = [f"GET {path} HTTP/1.1", f"Host: {server.address}"]
        lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.rest = b""
        self.status = None
        self.ended = False

    def head(self):
        """Waits for the head; sets status and headers."""
        if self.status is None:
            while b"\r\n\r\n" not in self.rest:
                data = self.sock.recv(65536)
                if not data:
                    raise AssertionError(f"the connection ended in the head: {self.rest!r}")
                self.rest += data
            head, self.rest = self.rest.split(b"\r\n\r\n", 1)
            lines = head.decode("latin-1").split("\r\n")
            self.status = int(lines[0].split()[1])
            self.headers = {k.lower(): v.strip() for k, v in
                            (line.split(":", 1) for line in lines[1:])}
        return self

    def read_some(self):
        """At least one byte, or b"" at the end."""
        self.head()
        if self.rest:
            data, self.rest = self.rest, b""
            return data
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        if not data:
            self.ended = True
        return data

    def read(self, n):
        """Exactly n bytes, or fewer at the end."""
        parts, got = [], 0
        while got < n:
            data = self.read_some()
            if not data:
                break
            parts.append(data)
            got += len(data)
        data = b"".join(parts)
        self.rest = data[n:] + self.rest
        return data[:n]

    def read_for(self, seconds):
        """What arrives in so many seconds from the first byte on."""
        parts = [self.read_some()]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            data = self.read_some()
            if not data:
                break
            parts.append(data)
        return b"".join(parts)

    def read_all(self):
        parts = []
        while True:
            data = self.read_some()
            if not data:
                return b"".join(parts)
            parts.append(data)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Server:
    """One `amps serve` with its own folders.  `config` is a dict (written as JSON, which is
    YAML) or the text of a configuration.  `fresh`: its state folder is empty at its first start.  It takes any free port at its first start, which `amps
    status --json` reports, and the same one at later starts."""

    def __init__(self, config, workers=1, args=(), env=None, host="127.0.0.1",
                 programs=None, fresh=False):
        self.folder = tempfile.mkdtemp(prefix="amps-test-")
        self.config_path = os.path.join(self.folder, "config.yaml")
        self.runtime = os.path.join(self.folder, "runtime")
        self.state = os.path.join(self.folder, "state")
        self.socket_path = os.path.join(self.runtime, "control.sock")
        self.log_path = os.path.join(self.folder, "log")
        self.host, self.port = host, 0
        self.held = None
        self.programs = programs or BIN     # the folder of `amps`
        self.workers = workers
        self.args = list(args)
        self.env = dict(os.environ, **(env or {}))
        self.env.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=97")
        self.env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        self.process = None
        self.write_config(config)
        # root's server.user gets a folder of its own
        if not fresh and '"user"' not in json.dumps(config):
            give_options(self.state)

    def write_config(self, config):
        text = config if isinstance(config, str) else json.dumps(config, indent=1)
        with open(self.config_path + ".new", "w") as f:
            os.fchmod(f.fileno(), 0o600)    # it may hold tokens
            f.write(text)
        os.rename(self.config_path + ".new", self.config_path)

    def start(self, ready=True):
        if self.process is not None:
            self.process.close()
        with open(self.log_path, "ab") as log:
            self.process = Reaped(
                BIN, [os.path.join(self.programs, "amps"), "serve", "--config", self.config_path,
                      "--host", self.host, *self.port_option(),
                      "--workers", str(self.workers), "--runtime-dir", self.runtime,
                      "--state-dir", self.state, *self.args], log, self.env)
        if ready:
            wait_for(self.is_ready, 15, "the server to be ready")
        return self

    def port_option(self):
        """None leaves the port to the configuration."""
        return [] if self.port is None else ["--port", str(self.port)]

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log()}")
        if not self.port and not self.learn_port():
            return False
        try:
            return self.get("/readyz").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def learn_port(self):
        """Asks the server for its port; 0 while it does not answer."""
        try:
            self.port = self.ask("status")["port"]
        except OSError:     # it does not listen yet
            return 0
        self.hold_port()
        return self.port

    def hold_port(self):
        """Keeps connections from using this port while the server is down.  The socket does not listen,
        so it accepts no client and the server can bind beside it."""
        self.held = socket.socket(family_of(self.host))
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.held.bind((self.host, self.port))

    def crash(self):
        """kill -9 of the master.  Waits until every process has ended and returns how many seconds
        after the kill the last one ended."""
        killed_at = time.monotonic()
        kill(self.process.pid)
        assert self.process.wait_empty(20 * PATIENCE), f"left: {self.processes()}"
        return self.process.empty_at - killed_at

    def restart(self):
        """Starts again with the same folders, configuration and port; stops first if it is running."""
        if self.process.poll() is None:
            self.stop()
        return self.start()

    def log(self):
        return open(self.log_path, errors="replace").read()

    # -- processes

    def processes(self):
        """{pid: (command name, command line)} of the living processes of the server, whatever
        session they are in."""
        return {pid: (name, command_line(pid))
                for pid, (state, name) in self.process.processes().items() if state not in "ZX"}

    def zombies(self):
        return [pid for pid, (state, _) in self.process.processes().items() if state == "Z"]

    def pids(self, program):
        return sorted(pid for pid, (comm, _) in self.processes().items() if comm == program[:15])

    def nursery(self):
        """The nursery's pid, None while there is none."""
        return self.ask("status")["nursery_pid"]

    # -- the command

    def amps(self, *args, timeout=60):
        words = [os.path.join(self.programs, "amps"), *args]
        if args[0] not in ("check", "serve") and "--help" not in args:
            words += ["--socket", self.socket_path]
        return subprocess.run(words, capture_output=True, text=True, timeout=timeout * PATIENCE,
                              env=self.env, stdin=subprocess.DEVNULL)

    def ask(self, method):
        """The result of a method of the control socket, as `amps METHOD --json` prints it.  Tests
        poll with it; the command under a sanitizer needs a hundred times the CPU time."""
        answer = b""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60 * PATIENCE)
            s.connect(self.socket_path)
            s.sendall(json.dumps({"id": 1, "method": method, "params": {}}).encode() + b"\n")
            while not answer.endswith(b"\n"):
                got = s.recv(65536)
                assert got, f"no answer to {method}"
                answer += got
        answer = json.loads(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def tuners(self):
        return self.ask("tuners")

    def tuner(self, key):
        for t in self.tuners():
            if t["key"] == key:
                return t
        return None

    def viewers(self):
        return self.ask("viewers")

    # -- HTTP

    @property
    def address(self):
        """Host and port as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def url(self, path):
        return f"http://{self.address}{path}"

    def request(self, method, path, headers=None, body=None, timeout=20):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout * PATIENCE)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, headers=None, timeout=20):
        return self.request("GET", path, headers, timeout=timeout)

    def stream(self, path, **kwargs):
        return Stream(self, path, **kwargs)

    def refused(self, path, **kwargs):
        """The answer to a request for a stream that must be refused."""
        with self.stream(path, **kwargs) as s:
            s.head()
            assert s.status != 200, f"{path} plays"
            s.body = s.read(int(s.headers["content-length"]))
            s.text = s.body.decode()
            s.json = json.loads(s.body)
            return s

    def raw(self, data, timeout=10):
        """Sends bytes and reads until the server closes."""
        with socket.create_connection((self.host, self.port), timeout * PATIENCE) as s:
            s.sendall(data)
            parts = []
            while True:
                try:
                    got = s.recv(65536)
                except ConnectionResetError:
                    break
                if not got:
                    break
                parts.append(got)
            return b"".join(parts)

    # -- the end

    def stop(self, number=signal.SIGTERM, hung=False):
        """Stops the server as systemd does and checks that nothing is left, and that no process had to
        be killed unless one is `hung`."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20 * PATIENCE)
        self.check_gone()
        keep_options(self.state)
        assert code == 0, f"exit code {code}:\n{self.log()[-4000:]}"
        assert (KILLED in self.log()) == hung, self.log()[-4000:]

    def check_gone(self, timeout=2):
        assert self.process.wait_empty(timeout * PATIENCE), f"left: {self.processes()}"
        left = os.listdir(self.runtime) if os.path.isdir(self.runtime) else []
        assert left == [], f"left in the runtime folder: {left}"

    def check_log(self):
        report = REPORT.search(self.log())
        assert not report, self.log()[report.start() - 200:report.start() + 6000]

    def cleanup(self):
        """In any case: leaves no process and no file."""
        if self.process is not None:
            self.process.close()
        if self.held is not None:
            self.held.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        # a server that was killed leaves its segments
        shutil.rmtree("/dev/shm/amps" + self.state.replace("/", "-"), ignore_errors=True)


@contextlib.contextmanager
def serving(config, state=None, **kwargs):
    """A server that the tests of a module share; it must leave nothing either.  `state`: its state
    folder, instead of one of its own."""
    s = Server(config, **kwargs)
    if state:
        s.state = state
        give_options(state)
    try:
        yield s.start()
        s.stop()
        s.check_log()
    except BaseException:
        print(f"--- log of the server on port {s.port} ---\n{s.log()[-6000:]}")
        raise
    finally:
        s.cleanup()
