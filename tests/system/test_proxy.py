"""The files of etc/ for programs beside Amps: HAProxy in front of it, alerts of Prometheus."""
import contextlib
import os
import re
import shutil
import subprocess

import pytest

import media
import secure
from harness import ROOT, free_port, wait_for
from lineup import LOOP, channel, line_up
from senders import listens, running
from ts import Checker

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def haproxy(server, folder):
    """The port of TLS and that of HTTP of a HAProxy with etc/haproxy/haproxy.cfg."""
    secure.make_certificates(folder)
    pem = os.path.join(folder, "both.pem")
    with open(pem, "w") as f:
        f.write(open(f"{folder}/server.pem").read() + open(f"{folder}/server.key").read())
    ports = free_port(), free_port()
    text = open(os.path.join(ROOT, "etc", "haproxy", "haproxy.cfg")).read()
    for there, here in [(":443", f"127.0.0.1:{ports[0]}"), (":80\n", f"127.0.0.1:{ports[1]}\n"),
                        ("/etc/ssl/tv.example.pem", pem), ("127.0.0.1:5000", f"127.0.0.1:{server.port}")]:
        assert there in text, there
        text = text.replace(there, here)
    config = os.path.join(folder, "haproxy.cfg")
    with open(config, "w") as f:
        f.write(text)
    program = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
    done = subprocess.run([program, "-c", "-f", config], capture_output=True, text=True)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    with running(program, "-db", "-f", config, stderr=subprocess.DEVNULL):
        wait_for(lambda: listens(ports[0]), 10, "haproxy")
        yield ports


def test_haproxy_brings_tls_and_the_address_of_the_client(server, tmp_path):
    s = server(line_up(channel(1, media.film(), **LOOP), server={"trusted_proxies": ["127.0.0.1"]}))
    with haproxy(s, str(tmp_path)) as (port, plain):
        def curl(*words):
            return subprocess.run(["curl", "-sS", "--cacert", f"{tmp_path}/ca.pem", *words], check=True,
                                  capture_output=True, timeout=60).stdout

        answer = curl("-D", "-", "--http2", f"https://localhost:{port}/playlist.m3u").decode()
        assert answer.startswith("HTTP/2 200")
        assert re.search(rf"^https://localhost:{port}/stream/1", answer, re.M)
        assert b"302" in curl("-o", "/dev/null", "-w", "%{http_code}", f"http://localhost:{plain}/")
        # no wait_for: the viewer's record exists before its first byte
        with subprocess.Popen(["curl", "-sSN", "--cacert", f"{tmp_path}/ca.pem", "--interface", "127.0.0.2",
                               "-H", "X-Forwarded-For: 192.0.2.9", f"https://localhost:{port}/stream/1.ts"],
                              stdout=subprocess.PIPE) as viewer:
            Checker(viewer.stdout.read(188 * 2000)).check().check_start()
            assert [v["address"] for v in s.viewers()] == ["127.0.0.2"]
            viewer.kill()


def test_the_alerts_are_valid_and_their_metrics_exist(server):
    path = os.path.join(ROOT, "etc", "prometheus", "amps.rules.yml")
    subprocess.run(["promtool", "check", "rules", path], check=True, capture_output=True)
    s = server(line_up(channel(1, media.film(), **LOOP)))
    with s.stream("/stream/1.ts") as stream:
        stream.read(188)
        metrics = s.get("/metrics").text
    names = set(re.findall(r"amps_[a-z_]+", open(path).read()))
    assert names and all(re.search(rf"^{name}[ {{]", metrics, re.M) for name in names)
    labels = set(re.findall(r"\$labels\.(\w+)", open(path).read())) - {"instance", "job"}
    assert all(f"{label}=" in metrics for label in labels)
