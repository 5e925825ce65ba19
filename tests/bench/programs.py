"""The programs of a measurement: Amps, the bare server, the origin, the load client; all of them
pinned, the servers to one CPU and everything else to the other."""
import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(ROOT, "tests", "system"))
BIN = os.environ.get("AMPS_BIN", os.path.join(ROOT, "build", "bin"))
FILM = os.path.join(ROOT, "build", "benchmedia", "channel.ts")
THIN_FILM = os.path.join(ROOT, "build", "benchmedia", "thin.ts")
BITS_PER_SECOND = 8_000_000
SERVER_CPU, CLIENT_CPU = 0, (os.cpu_count() or 1) - 1
BOTH_CPUS = f"{SERVER_CPU},{CLIENT_CPU}"
AMPS_PORT, BARE_PORT, ORIGIN_PORT = 15100, 15200, 15300
FILE_CHANNEL, HTTP_CHANNEL = 1, 2
# what the load client counts, 0 if all went well
FAULTS = ("cc_err", "sync_loss", "lost_bytes", "alien_bytes", "lost_clients")


class Broken(Exception):
    """A run without a result: a program failed."""


def tool(name):
    return os.path.join(BIN, "bench", name)


def make_film(path=FILM, size="1280x720", video_rate="7M", bits_per_second=BITS_PER_SECOND):
    """20 s of 25 pictures a second, H.264 with a key frame each 2 s and AAC, padded to a constant
    rate: 720p at 8.000 Mbit/s by default."""
    if os.path.exists(path):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = f"{path}.{os.getpid()}.ts"      # of several benches at once, each makes its own
    sources = f"testsrc2=size={size}:rate=25[out0];sine=frequency=440:sample_rate=48000[out1]"
    video = ["-c:v", "libx264", "-preset", "veryfast", "-b:v", video_rate, "-maxrate", video_rate,
             "-bufsize", video_rate, "-g", "50", "-keyint_min", "50", "-sc_threshold", "0",
             "-pix_fmt", "yuv420p", "-x264-params", "nal-hrd=cbr"]
    subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", sources,
                    "-t", "20", *video, "-c:a", "aac", "-b:a", "128k", "-ac", "2",
                    "-f", "mpegts", "-muxrate", str(bits_per_second), "-y", part],
                   check=True, stdin=subprocess.DEVNULL)
    os.rename(part, path)


class Program:
    """A child that ends with this process."""

    def __init__(self, words, cpu, log=subprocess.DEVNULL):
        self.process = subprocess.Popen(["taskset", "-c", str(cpu), *words], stdout=log,
                                        stderr=log, stdin=subprocess.DEVNULL)
        atexit.register(self.stop)

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        atexit.unregister(self.stop)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def wait_for(condition, what, timeout=15, pause=0.01):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise Broken(f"waited {timeout} s for {what}")
        time.sleep(pause)


def stat_of(pid):
    """(parent, jiffies of the process and its reaped children), or None after its end."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            words = f.read().rsplit(") ", 1)[1].split()
    except OSError:
        return None
    return int(words[1]), sum(map(int, words[11:15]))


def process_tree(root):
    """Pids of a process and of all that descend from it."""
    parents = {int(name): stat_of(name) for name in os.listdir("/proc") if name.isdigit()}
    tree = [root]
    for pid in tree:
        tree += [child for child, stat in parents.items() if stat and stat[0] == pid]
    return tree


def command_line(pid):
    """Empty when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline") as f:
            return f.read().replace("\0", " ")
    except OSError:
        return ""


def cpu_seconds(root):
    """What a process and all that descend from it have used, those that ended included."""
    total = sum(stat[1] for stat in map(stat_of, process_tree(root)) if stat)
    return total / os.sysconf("SC_CLK_TCK")


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Bare(Program):
    """The bare server.  Its ring holds two key frames before a client may connect."""

    label, port, path = "bare server", BARE_PORT, "/"

    def __init__(self, from_key=False):
        super().__init__([tool("bare_server"), "-p", str(BARE_PORT), "-b", "65536", "-R",
                          str(BITS_PER_SECOND), *(["-k"] if from_key else []), FILM], SERVER_CPU)
        wait_for(lambda: listens(BARE_PORT), "the bare server")
        if from_key:
            time.sleep(2.2)


class Origin(Program):
    def __init__(self, *args):
        super().__init__([tool("ts_origin"), *(args or ("-b", "500")), FILM, str(BITS_PER_SECOND),
                          str(ORIGIN_PORT)], CLIENT_CPU)
        wait_for(lambda: listens(ORIGIN_PORT), "the origin")


class Amps(Program):
    label, port, path = "amps", AMPS_PORT, f"/stream/{FILE_CHANNEL}"

    def __init__(self, config=None, cpus=SERVER_CPU, state=None):
        """`config` is a configuration or its text (default: the two channels of the fan-out),
        `state` a state folder that is kept."""
        self.folder = tempfile.mkdtemp(prefix="amps-bench-")
        self.config_path = os.path.join(self.folder, "config.yaml")
        self.configure(config or self.config())
        self.runtime = os.path.join(self.folder, "runtime")
        self.log_path = os.path.join(self.folder, "log")
        with open(self.log_path, "wb") as log:
            self.exec_s = time.monotonic()
            super().__init__([os.path.join(BIN, "amps"), "serve", "--config", self.config_path,
                              "--runtime-dir", self.runtime,
                              "--state-dir", state or os.path.join(self.folder, "state")],
                             cpus, log)
        wait_for(self.is_ready, "the server to be ready", 60, pause=0.001)
        self.ready_s = time.monotonic() - self.exec_s

    def configure(self, config):
        with open(self.config_path, "w") as f:
            f.write(config if isinstance(config, str) else json.dumps(config))

    @staticmethod
    def with_streams(streams, **streaming):
        return {"server": {"host": "127.0.0.1", "port": AMPS_PORT, "workers": 1,
                           "rtsp_port": "auto"},
                "auth": {"enabled": False}, "streaming": {"idle_timeout": 0.1, **streaming},
                "streams": streams}

    @classmethod
    def config(cls):
        file = {"id": FILE_CHANNEL, "name": "File", "source": FILM, "ffmpeg_profile": "copy",
                "input_args": ["-re", "-stream_loop", "-1"]}
        http = {"id": HTTP_CHANNEL, "name": "HTTP", "ffmpeg_profile": "copy",
                "source": f"http://127.0.0.1:{ORIGIN_PORT}/live.ts"}
        return cls.with_streams([file, http])

    @classmethod
    def thin_config(cls):
        make_film(THIN_FILM, "640x360", "1600k", 2_000_000)
        return cls.with_streams([{"id": FILE_CHANNEL, "name": "Thin", "source": THIN_FILM,
                                  "ffmpeg_profile": "copy",
                                  "input_args": ["-re", "-stream_loop", "-1"]}])

    def rtsp_port(self):
        return self.ask("status")["rtsp_port"]

    def is_ready(self):
        if self.process.poll() is not None:
            raise Broken("the server ended:\n" + open(self.log_path, errors="replace").read())
        try:
            with socket.create_connection(("127.0.0.1", AMPS_PORT), 1) as s:
                s.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
                return b" 200 " in s.recv(4096)
        except OSError:
            return False

    def ask(self, method):
        """One request over the control socket."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(self.runtime, "control.sock"))
            s.sendall(json.dumps({"id": 1, "method": method, "params": {}}).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                got = s.recv(65536)
                if not got:
                    raise Broken(f"no answer to {method}")
                answer += got
        answer = json.loads(answer)
        if "error" in answer:
            raise Broken(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def wait_idle(self):
        """Waits until no channel has an open source."""
        wait_for(lambda: all(not t.get("pid") for t in self.ask("tuners")), "idle channels")

    def worker_bytes(self):
        """Resident bytes of the worker, without the rings (which all viewers share)."""
        total = 0
        with open(f"/proc/{self.worker_pid()}/smaps") as f:
            shared_ring = False
            for line in f:
                words = line.split()
                if not words[0].endswith(":"):
                    shared_ring = "ring" in line
                elif words[0] == "Rss:" and not shared_ring:
                    total += int(words[1]) * 1024
        return total

    def tree(self):
        """Pids of the server's processes."""
        return process_tree(self.pid)

    def worker_pid(self):
        for name in os.listdir("/proc"):
            try:
                stat = open(f"/proc/{name}/stat").read() if name.isdigit() else ""
            except OSError:
                continue
            if "(amps-worker)" in stat and stat.split(") ")[1].split()[1] == str(self.pid):
                return int(name)
        raise Broken("no worker")

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def load_words(server, *args, path=None):
    return [tool("tsload"), "-p", str(server.port), "--cpu", str(CLIENT_CPU), *map(str, args),
            path or server.path]


def load(server, *args, path=None):
    """Runs the load client to its end and returns what it printed."""
    done = subprocess.run(load_words(server, *args, path=path), capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    if done.returncode not in (0, 1) or not done.stdout:
        raise Broken(f"the load client failed: {done.stderr}")
    return json.loads(done.stdout)
