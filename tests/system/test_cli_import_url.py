"""amps import URL: the list is fetched by amps-helper, within limits and without rights."""
import base64
import contextlib
import gzip
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import zlib

import pytest

from harness import BIN, SANITIZED, wait_for
from reaped import parents
from secure import make_certificates, tls_in_front_of

pytestmark = pytest.mark.slow

AMPS, HELPER = os.path.join(BIN, "amps"), os.path.join(BIN, "amps-helper")
LIST = b"#EXTM3U\n#EXTINF:-1,Alpha\nhttp://h.example/a.ts\n"
ENV = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body=b"", status=200, **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        with contextlib.suppress(OSError):
            getattr(self, "get_" + self.path[1:].split("?")[0])()

    def get_list(self):
        self.answer(LIST)

    def get_gzip(self):
        self.answer(gzip.compress(LIST), Content_Encoding="gzip")

    def get_deflate(self):
        self.answer(zlib.compress(LIST), Content_Encoding="deflate")

    def get_moved(self):
        self.answer(b"moved", 302, Location="/list")

    def get_loop(self):
        self.answer(b"", 302, Location="/loop")

    def get_away(self):
        self.answer(b"", 302, Location="file:///etc/passwd")

    def get_gone(self):
        self.answer(b"#EXTM3U\nhttp://never.example/\n", 404)

    def get_page(self):
        self.answer(b"\n <!DOCTYPE html>\n<p>http://h.example/a.ts</p>\n")

    def get_large(self):
        self.answer(LIST + b"#" * (16 << 20))

    def get_bomb(self):
        self.answer(gzip.compress(LIST + bytes(64 << 20)), Content_Encoding="gzip")

    def get_secret(self):
        wanted = "Basic " + base64.b64encode(b"user:pa55word").decode()
        right = self.headers.get("Authorization") == wanted
        self.answer(LIST + b"#EXTINF:-1\n" if right else b"", 200 if right else 401)

    def get_slow(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        while not self.server.over.wait(0.1):
            self.wfile.write(b"#")


@pytest.fixture(scope="module")
def web():
    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        asked, over = [], threading.Event()

    with Server(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.url = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.over.set()
        server.shutdown()


def import_(url, program=AMPS, **env):
    return subprocess.run([program, "import", url], capture_output=True, text=True, timeout=60,
                          env={**ENV, **env})


def refused(url):
    """The reason, behind the URL; nothing may have been printed as a result."""
    done = import_(url)
    assert done.returncode == 1 and done.stdout == "", done
    assert done.stderr.startswith(f"amps: {url}: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr[len(f"amps: {url}: "):-1]


@pytest.mark.smoke
@pytest.mark.parametrize("path", ["list", "gzip", "deflate", "moved"])
def test_a_list_is_fetched(web, path):
    done = import_(f"{web.url}/{path}")
    assert done.returncode == 0, done.stderr
    assert 'name: "Alpha"' in done.stdout and 'source: "http://h.example/a.ts"' in done.stdout
    assert done.stderr == f"{web.url}/{path}: 1 channels\n"
    version = subprocess.run([AMPS, "--version"], capture_output=True, text=True).stdout.split()[-1]
    assert web.asked[-1][1]["User-Agent"] == f"Amps/{version}"


@pytest.mark.parametrize("path, reason", [
    ("gone", "the server answers 404 Not Found"),
    ("loop", "Maximum (5) redirects followed"),
    ("away", "only http and https are allowed"),
    ("large", "the document has more than 16 MiB"),
    ("bomb", "the document has more than 16 MiB"),
    ("page", "is a web page or XML, not a playlist")])
def test_what_is_no_list_is_refused_with_the_reason(web, path, reason):
    assert refused(f"{web.url}/{path}") == reason


def test_a_server_that_cannot_be_reached():
    assert refused("http://127.0.0.1:1/list") == "no connection: Connection refused"
    assert "resolve host" in refused("http://no-such-host.invalid/list")


def test_a_certificate_is_checked(web, tmp_path):
    make_certificates(str(tmp_path))
    with tls_in_front_of(web.server_port, str(tmp_path)) as port:
        assert "certificate" in refused(f"https://127.0.0.1:{port}/list")
        done = import_(f"https://127.0.0.1:{port}/list", SSL_CERT_FILE=str(tmp_path / "ca.pem"))
        assert done.returncode == 0 and done.stderr.endswith(": 1 channels\n"), done
        # a name that the certificate does not have
        done = import_(f"https://127.0.0.2:{port}/list", SSL_CERT_FILE=str(tmp_path / "ca.pem"))
        assert done.returncode == 1 and "127.0.0.2" in done.stderr, done


@pytest.mark.once
def test_credentials_are_sent_and_not_shown(web):
    url = web.url.replace("//", "//user:pa55word@")
    done = import_(f"{url}/secret")
    assert done.returncode == 0 and "1 channels" in done.stderr, done
    assert "pa55word" not in done.stdout + done.stderr
    wrong = import_(f"{url}x/gone?token=pa55word")
    assert wrong.returncode == 1 and "pa55word" not in wrong.stderr, wrong.stderr


def helper(**task):
    return subprocess.Popen([HELPER, "fetch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=ENV), json.dumps(task)


def test_a_slow_server_meets_the_time_limit(web):
    child, task = helper(url=f"{web.url}/slow", seconds=1)
    out, said = child.communicate(task, timeout=60)
    assert child.returncode == 1 and out.strip("#") == ""
    assert "timed out after" in said and said.count("\n") == 1, said


def test_the_limit_of_bytes_may_be_smaller(web):
    child, task = helper(url=f"{web.url}/gzip", bytes=10)
    out, said = child.communicate(task, timeout=60)
    assert child.returncode == 1 and out == ""
    assert said == "the document has more than 10 bytes\n"


def test_the_helper_is_missing(web, tmp_path):
    shutil.copy2(AMPS, tmp_path / "amps")
    done = import_(f"{web.url}/list", str(tmp_path / "amps"))
    assert done.returncode == 1 and done.stdout == ""
    assert "amps-helper is neither beside this program nor in ../libexec/amps" in done.stderr


def running(parent):
    """The pid of the helper that this `amps` has started."""
    children = f"/proc/{parent}/task/{parent}/children"
    with contextlib.suppress(OSError), open(children) as f:
        for pid in f.read().split():
            with open(f"/proc/{pid}/comm") as name:
                if name.read() == "amps-helper\n":
                    return int(pid)
    return None


def test_the_helper_has_no_rights_and_ends_with_its_parent(web):
    secret = web.url.replace("//", "//user:pa55word@") + "/slow"
    web.asked.clear()
    amps = subprocess.Popen([AMPS, "import", secret], env=ENV, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    pid = wait_for(lambda: running(amps.pid), 20, "the helper")
    wait_for(lambda: web.asked, 20, "its request")
    with open(f"/proc/{pid}/status") as f:
        facts = f.read()
    assert re.search(r"^CapEff:\t0+$", facts, re.M) and "NoNewPrivs:\t1" in facts
    assert re.search(r"^Seccomp:\t2$", facts, re.M)
    if not SANITIZED:
        assert int(re.search(r"^VmHWM:\s+(\d+)", facts, re.M)[1]) < 40 << 10
    with open(f"/proc/{pid}/cmdline") as f:
        assert f.read() == HELPER + "\0fetch\0"
    amps.send_signal(signal.SIGKILL)
    amps.wait()
    wait_for(lambda: parents().get(pid, (0, "Z"))[1] == "Z", 20, "the helper's end")
