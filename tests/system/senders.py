"""Other people's servers as sources: ffmpeg, nginx, GStreamer, VLC, each a process that ends with
its `with` block."""
import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import pytest

from harness import free_port, wait_for

FFMPEG = ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error"]


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(*words, **kwargs):
    """A program, ended with everything it started."""
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               start_new_session=True, **kwargs)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def sender(path, *output):
    """ffmpeg plays a file in real time, again and again, to `output`."""
    return running(*FFMPEG, "-re", "-stream_loop", "-1", "-i", path, "-map", "0", "-c", "copy",
                   *output, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def rtsp_server():
    """The URL of a live stream of gst-rtsp-server."""
    if importlib.util.find_spec("gi") is None:
        pytest.skip("python3-gi is not installed")
    port = free_port()
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rtsp_origin.py")
    with running(sys.executable, script, str(port)) as process:
        wait_for(lambda: listens(port) or process.poll() is not None, 20, "the RTSP server")
        assert process.poll() is None, "the RTSP server did not start"
        yield f"rtsp://127.0.0.1:{port}/live"


NGINX_RTMP = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;
load_module {module};
events {{}}
rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; }} }} }}
"""


@contextlib.contextmanager
def rtmp_server(film):
    """The URL of a live stream that nginx hands on from ffmpeg."""
    module = "/usr/lib/nginx/modules/ngx_rtmp_module.so"
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if nginx is None or not os.path.exists(module):
        pytest.skip("nginx with its RTMP module is not installed")
    with tempfile.TemporaryDirectory(prefix="amps-nginx-") as folder:
        port = free_port()
        with open(os.path.join(folder, "conf"), "w") as f:
            f.write(NGINX_RTMP.format(folder=folder, module=module, port=port))
        url = f"rtmp://127.0.0.1:{port}/live/film"
        with running(nginx, "-p", folder, "-c", os.path.join(folder, "conf"), "-e",
                     os.path.join(folder, "log"), stderr=subprocess.DEVNULL):
            wait_for(lambda: listens(port), 10, "nginx")
            with sender(film, "-f", "flv", url):
                yield url


@contextlib.contextmanager
def vlc_server(film):
    """The URL of a film that VLC plays again and again over HTTP."""
    if shutil.which("cvlc") is None:
        pytest.skip("VLC is not installed")
    port = free_port()
    words = ["cvlc", "--intf", "dummy", "--repeat", film, "--sout",
             f"#standard{{access=http,mux=ts,dst=127.0.0.1:{port}/live.ts}}", "--sout-keep"]
    if os.geteuid() == 0:
        words = ["runuser", "-u", "nobody", "--", "env", "HOME=/tmp", *words]
    with running(*words, stderr=subprocess.DEVNULL):
        wait_for(lambda: listens(port), 20, "VLC")
        yield f"http://127.0.0.1:{port}/live.ts"
