"""nginx and HAProxy in front of a server, as the files of etc/ configure them."""
import contextlib
import os
import shutil
import subprocess
import tempfile

import secure
from harness import ROOT, free_port, wait_for
from senders import listens, nginx_with, running


def read(*path):
    with open(os.path.join(ROOT, "etc", *path)) as f:
        return f.read()


def adapted(text, pairs):
    """The configuration with what differs here, each of which it must contain."""
    for there, here in pairs:
        assert there in text, there
        text = text.replace(there, here)
    return text


@contextlib.contextmanager
def nginx_cache(server):
    """(port of TLS, folder with ca.pem) of an nginx with etc/nginx/amps.conf."""
    with tempfile.TemporaryDirectory() as folder:
        secure.make_certificates(folder)
        recipe = adapted(read("nginx", "amps.conf"), [
            ("443", "<port>"), ("/etc/ssl/tv.example", f"{folder}/server"),
            ("/var/cache/nginx/amps", f"{folder}/cache"), ("127.0.0.1:5000", f"127.0.0.1:{server.port}")])
        recipe = recipe.replace("{", "{{").replace("}", "}}").replace("<port>", "{port}")
        paths = " ".join(f"{name}_temp_path {folder}/{name};" for name in (
            "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with nginx_with("http {{ access_log off; " + paths + "\n" + recipe + "}}") as port:
            yield port, folder


@contextlib.contextmanager
def haproxy(server, folder):
    """The port of TLS and that of HTTP of a HAProxy with etc/haproxy/haproxy.cfg."""
    secure.make_certificates(folder)
    pem = os.path.join(folder, "both.pem")
    with open(pem, "w") as f:
        f.write(open(f"{folder}/server.pem").read() + open(f"{folder}/server.key").read())
    ports = free_port(), free_port()
    config = os.path.join(folder, "haproxy.cfg")
    with open(config, "w") as f:
        f.write(adapted(read("haproxy", "haproxy.cfg"), [
            (":443", f"127.0.0.1:{ports[0]}"), (":80\n", f"127.0.0.1:{ports[1]}\n"),
            ("/etc/ssl/tv.example.pem", pem), ("127.0.0.1:5000", f"127.0.0.1:{server.port}")]))
    program = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
    done = subprocess.run([program, "-c", "-f", config], capture_output=True, text=True)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    with running(program, "-db", "-f", config, stderr=subprocess.DEVNULL):
        wait_for(lambda: listens(ports[0]), 10, "haproxy")
        yield ports
