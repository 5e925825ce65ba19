"""Other software as sources: ffmpeg, nginx, GStreamer, VLC, each a process that ends with its
`with` block."""
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


def sender(path, *output, again=False):
    """ffmpeg plays a file in real time, again and again, to `output`; `again`: it is started
    again when there is no listener yet."""
    loop = ["sh", "-c", 'while :; do "$@"; sleep 0.2; done', "sh"] if again else []
    return running(*loop, *FFMPEG, "-re", "-stream_loop", "-1", "-i", path, "-map", "0", "-c",
                   "copy", *output, stderr=subprocess.DEVNULL)


def gst(*words, pads=("mux.", "mux.")):
    """GStreamer's test picture and sound, encoded, into the element called mux in `words`."""
    picture, sound = pads
    return running(
        "gst-launch-1.0", "-q", *words,
        *("videotestsrc is-live=true ! video/x-raw,width=160,height=90,framerate=25/1 ! x264enc "
          "speed-preset=ultrafast tune=zerolatency bitrate=200 key-int-max=25 threads=1 ! "
          f"h264parse config-interval=1 ! queue ! {picture}").split(),
        *("audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! aacparse ! "
          f"queue ! {sound}").split(), stderr=subprocess.DEVNULL)


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


NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log; {user} {module}
worker_rlimit_nofile 4096; events {{ worker_connections 2048; }}
"""
NGINX_RTMP = """
rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; {more} }} }} }}
"""
NGINX_HTTP = """
http {{
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5; access_log off;
    server {{ listen 127.0.0.1:{port}; root {root}; max_ranges {ranges}; }}
}}
"""


@contextlib.contextmanager
def nginx_with(conf, module="", **words):
    """The port of an nginx with this configuration."""
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    with tempfile.TemporaryDirectory(prefix="amps-nginx-") as folder:
        port = free_port()
        with open(os.path.join(folder, "conf"), "w") as f:
            f.write((NGINX + conf).format(
                folder=folder, port=port, module=module and f"load_module {module};",
                user="user root;" if os.geteuid() == 0 else "", **words))
        with running(program, "-p", folder, "-c", os.path.join(folder, "conf"), "-e",
                     os.path.join(folder, "log"), stderr=subprocess.DEVNULL):
            wait_for(lambda: listens(port), 10, "nginx")
            yield port


@contextlib.contextmanager
def nginx(root, ranges=True):
    """The URL under which nginx serves the files of a folder."""
    with nginx_with(NGINX_HTTP, root=root, ranges=1 if ranges else 0) as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def rtmp_server(film, hls=None):
    """The URL of a live stream that nginx forwards from ffmpeg (film None: no sender yet) and writes
    as HLS into a folder."""
    module = "/usr/lib/nginx/modules/ngx_rtmp_module.so"
    if not os.path.exists(module):
        pytest.skip("nginx with its RTMP module is not installed")
    more = f"hls on; hls_path {hls}; hls_fragment 1s; hls_playlist_length 8s;" if hls else ""
    with nginx_with(NGINX_RTMP, module=module, more=more) as port, contextlib.ExitStack() as stack:
        url = f"rtmp://127.0.0.1:{port}/live/film"
        if film:
            stack.enter_context(sender(film, "-f", "flv", url))
        yield url


def hls_parts(path):
    """How many segments a playlist names by now."""
    try:
        return open(path).read().count("#EXTINF")
    except FileNotFoundError:
        return 0


def vlc(film, sout):
    """VLC plays a film in a loop to `sout`."""
    if shutil.which("cvlc") is None:
        pytest.skip("VLC is not installed")
    words = ["cvlc", "--intf", "dummy", "--repeat", film, "--sout", sout, "--sout-keep"]
    if os.geteuid() == 0:
        words = ["runuser", "-u", "nobody", "--", "env", "HOME=/tmp", *words]
    return running(*words, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def vlc_server(film):
    """The URL of a film that VLC plays in a loop over HTTP."""
    port = free_port()
    with vlc(film, f"#standard{{access=http,mux=ts,dst=127.0.0.1:{port}/live.ts}}"):
        wait_for(lambda: listens(port), 20, "VLC")
        yield f"http://127.0.0.1:{port}/live.ts"
