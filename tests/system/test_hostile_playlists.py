"""Public sources that try to reach this machine's files or private addresses."""
import base64
import concurrent.futures
import contextlib
import http.server
import shutil
import socket
import threading

import pytest

import media
from harness import wait_for
from lineup import channel, line_up
from outside import DISGUISED, PRIVATE, PUBLIC, Canary, network

HEAD = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n"

# targets for a segment, a key or a variant
TARGETS = {
    "file url": "file://{file}",
    "file": "file:{file}",
    "loopback": "http://127.0.0.1:{port}/x.ts",
    "localhost": "http://localhost:{port}/x.ts",
    "private": "http://" + PRIVATE + ":{port}/x.ts",
    "decimal": "http://2130706433:{port}/x.ts",
    "hexadecimal": "http://0x7f000001:{port}/x.ts",
    "octal": "http://0177.0.0.1:{port}/x.ts",
    "short": "http://127.1:{port}/x.ts",
    "unspecified": "http://0.0.0.0:{port}/x.ts",
    "ipv6 loopback": "http://[::1]:{port}/x.ts",
    "ipv6 unspecified": "http://[::]:{port}/x.ts",
    "ipv6 mapped": "http://[::ffff:127.0.0.1]:{port}/x.ts",
    "ipv6 mapped in hexadecimal": "http://[::ffff:7f00:1]:{port}/x.ts",
    **{f"disguised {n}": "http://[" + a + "]:{port}/x.ts" for n, a in enumerate(DISGUISED)},
    "user": "http://" + PUBLIC + "@127.0.0.1:{port}/x.ts",
    "https": "https://127.0.0.1:{port}/x.ts",
    "concat": "concat:{file}|{file}",
    "subfile": "subfile,,start,0,end,0,,:{file}",
    "crypto": "crypto:{file}",
    "crypto plus": "crypto+file:{file}",
    "cache": "cache:file:{file}",
    "async": "async:file:{file}",
    "pipe": "pipe:0",
    "data": "data:application/vnd.apple.mpegurl;base64,{playlist}",
    "tcp": "tcp://127.0.0.1:{port}",
    "udp": "udp://127.0.0.1:{port}",
    "rtp": "rtp://127.0.0.1:{port}",
    "rtsp": "rtsp://127.0.0.1:{port}/x",
    "rtmp": "rtmp://127.0.0.1:{port}/x/y",
    "srt": "srt://127.0.0.1:{port}",
    "ftp": "ftp://127.0.0.1:{port}/x.ts",
    "gopher": "gopher://127.0.0.1:{port}/0x",
    "redirect to a file": "/to/file://{file}",
    "redirect to loopback": "/to/http://127.0.0.1:{port}/x.ts",
    "redirect to tcp": "/to/tcp://127.0.0.1:{port}",
    "redirect twice": "/to//to/http://127.0.0.1:{port}/x.ts",
}

MPD = """<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"
profiles="urn:mpeg:dash:profile:isoff-live:2011" mediaPresentationDuration="PT8S"
minBufferTime="PT2S"><Period><AdaptationSet mimeType="video/mp4">
<Representation id="0" bandwidth="500000" codecs="avc1.640014" width="320" height="180">
{inside}</Representation></AdaptationSet></Period></MPD>"""
MPD_BASE = "<BaseURL>{}</BaseURL>"
MPD_TEMPLATE = ("<SegmentTemplate duration=\"4\" startNumber=\"1\" initialization=\"{0}\" "
                "media=\"{0}?$Number$\"/>")
MPD_LIST = ("<SegmentList duration=\"4\"><Initialization sourceURL=\"{0}\"/>"
            "<SegmentURL media=\"{0}\"/></SegmentList>")


def pages(canary):
    """{path: body} of every playlist there is."""
    names = {"file": canary.path, "port": canary.port}
    inner = HEAD + f"#EXTINF:4,\nfile://{canary.path}\n#EXT-X-ENDLIST\n"
    names["playlist"] = base64.b64encode(inner.encode()).decode()
    found = {}
    for name, target in TARGETS.items():
        at = name.replace(" ", "-")
        url = target.format(**names)
        found[f"/segment-{at}.m3u8"] = HEAD + f"#EXTINF:4,\n{url}\n#EXT-X-ENDLIST\n"
    for name in ("file url", "loopback", "decimal", "redirect to a file", "redirect to loopback"):
        at = name.replace(" ", "-")
        url = TARGETS[name].format(**names)
        tail = "#EXTINF:4,\n/film.ts\n#EXT-X-ENDLIST\n"
        found[f"/key-{at}.m3u8"] = HEAD + f'#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n' + tail
        found[f"/map-{at}.m3u8"] = HEAD + f'#EXT-X-MAP:URI="{url}"\n' + tail
        found[f"/variant-{at}.m3u8"] = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=500000\n{url}\n"
        found[f"/sound-{at}.m3u8"] = (
            f'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",DEFAULT=YES,URI="{url}"\n'
            '#EXT-X-STREAM-INF:BANDWIDTH=500000,AUDIO="a"\n/nothing.m3u8\n')
        found[f"/base-{at}.mpd"] = MPD.format(inside=MPD_BASE.format(url))
        found[f"/list-{at}.mpd"] = MPD.format(inside=MPD_LIST.format(url))
        found[f"/template-{at}.mpd"] = MPD.format(inside=MPD_TEMPLATE.format(url))
        found[f"/link-{at}.mpd"] = MPD.format(inside="").replace(
            "<Period>", f'<Period xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="{url}" '
            'xlink:actuate="onLoad">')
        found[f"/moved-{at}.mpd"] = MPD.format(inside=MPD_BASE.format(url)).replace(
            "<Period>", f"<Location>{url}</Location><Period>")
    # each manifest also as a live one, which is played by other code
    found.update({name.replace(".mpd", "-live.mpd"): body.replace(
        'type="static"', 'type="dynamic" availabilityStartTime="1970-01-01T00:00:00Z"')
        for name, body in found.items() if name.endswith(".mpd")})
    found["/script.ffconcat"] = f"ffconcat version 1.0\nfile 'file:{canary.path}'\n"
    found["/script-port.ffconcat"] = (
        f"ffconcat version 1.0\nfile 'http://127.0.0.1:{canary.port}/x.ts'\n")
    found["/session.sdp"] = ("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
                             f"m=video {canary.port} RTP/AVP 33\n")
    return found


@contextlib.contextmanager
def web(found):
    """Serves pages from PUBLIC; /to/URL leads to URL."""
    film = open(media.short_film(), "rb").read()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            if self.path.startswith("/to/"):
                self.send_response(302)
                self.send_header("Location", self.path[4:])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = film if self.path == "/film.ts" else found.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer((PUBLIC, 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://{PUBLIC}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


SDP = ("v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\n"
       "a=control:track\r\n")


@contextlib.contextmanager
def rtsp(answers):
    """An RTSP server at PUBLIC that answers each method with what `answers` says."""
    listener = socket.create_server((PUBLIC, 0))

    def serve(s):
        with contextlib.suppress(OSError), s, s.makefile("r", newline="\r\n") as lines:
            head = []
            for line in lines:
                if line.strip():
                    head.append(line.strip())
                    continue
                number = [x for x in head if x.lower().startswith("cseq")][0]
                status, more, body = answers.get(head[0].split()[0], ("200 OK", "", ""))
                s.sendall(f"RTSP/1.0 {status}\r\n{number}\r\nSession: 1\r\n{more}"
                          f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
                head = []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                s, _ = listener.accept()
                threading.Thread(target=serve, args=(s,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"rtsp://{PUBLIC}:{listener.getsockname()[1]}/x"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def canary(tmp_path):
    with network():
        media.short_film()
        shutil.copy(media.short_film(), tmp_path / "canary.ts")
        with Canary(tmp_path / "canary.ts") as c:
            yield c


def ask_all(s, channels):
    """[status] of every channel, all asked for at once."""
    def ask(number):
        with s.stream(f"/stream/{number}.ts", timeout=60) as stream:
            return stream.head().status

    with concurrent.futures.ThreadPoolExecutor(len(channels)) as pool:
        return list(pool.map(ask, [c["id"] for c in channels]))


@pytest.mark.slow
def test_the_canaries_are_never_reached(server, canary):
    found = pages(canary)
    with web(found) as base:
        urls = {path: base + path for path in found}
        for name, target in TARGETS.items():
            if name.startswith("redirect"):
                urls[name] = base + target.format(file=canary.path, port=canary.port)
        assert len(urls) > 60
        channels = [channel(n, url) for n, url in enumerate(urls.values(), 1)]
        s = server(line_up(*channels, streaming={"start_timeout": 5}))
        names = list(urls)
        for at in range(0, len(channels), 12):
            statuses = ask_all(s, channels[at:at + 12])
            assert not canary.called(), names[at:at + 12]
            assert not canary.opened(), names[at:at + 12]
            plays = [n for n, status in zip(names[at:], statuses) if status == 200]
            # the film itself may be played
            assert all(n.startswith(("/key", "/map")) for n in plays), plays


@pytest.mark.smoke
@pytest.mark.parametrize("transport,allowed", [("tcp", False), ("udp", False), ("udp", True)])
def test_an_rtsp_server_cannot_lead_to_private_addresses(server, canary, transport, allowed):
    port = canary.port
    elsewhere = {"DESCRIBE": ("302 Moved", f"Location: rtsp://127.0.0.1:{port}/x\r\n", "")}
    punching = {"DESCRIBE": ("200 OK", "Content-Type: application/sdp\r\n", SDP),
                "SETUP": ("200 OK", "Transport: RTP/AVP;unicast;client_port=7000-7001;"
                          f"source=127.0.0.1;server_port={port}-{port + 1}\r\n", "")}
    with rtsp(elsewhere) as first, rtsp(punching) as second:
        options = {"input_options": {"rtsp_transport": transport}}
        channels = [channel(1, first, **options), channel(2, second, **options)]
        for one in channels:
            s = server(line_up(one, streaming={"start_timeout": 2, "allow_private": allowed}))
            assert 200 not in ask_all(s, [one])
            if allowed:
                wait_for(canary.called, 10, "the canary to be called")
            s.stop()    # no request can arrive any more
            assert not canary.called()


@pytest.mark.parametrize("name", ["segment-loopback.m3u8", "segment-decimal.m3u8",
                                  "segment-redirect-to-loopback.m3u8"])
def test_playlists_may_reach_what_the_operator_allows(server, canary, name):
    found = pages(canary)
    with web(found) as base:
        s = server(line_up(channel(1, f"{base}/{name}"),
                           streaming={"start_timeout": 4, "allow_private": True}))
        assert ask_all(s, [{"id": 1}]) != [200]
    wait_for(canary.called, 10, "the canary to be called")


def test_the_canaries_work(canary):
    assert not canary.opened() and not canary.called()
    open(canary.path, "rb").close()
    assert canary.opened()
    for host in ("127.0.0.1", "::1", PRIVATE, *DISGUISED):
        socket.create_connection((host, canary.port)).close()
        assert canary.called()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"x", ("127.0.0.1", canary.port))
    assert canary.called()


def test_a_query_does_not_open_private_addresses(server, canary):
    """`mode=listener` has a meaning only for SRT."""
    queries = ("?mode=listener", "?a=1&mode=listener", "?listen=1&listen")
    with web({}) as base:
        urls = [f"{base}/to/http://{inside}:{canary.port}/x.ts{query}"
                for inside in ("127.0.0.1", PRIVATE, "[::1]") for query in queries]
        channels = [channel(n, url) for n, url in enumerate(urls, 1)]
        s = server(line_up(*channels, streaming={"start_timeout": 3}))
        assert 200 not in ask_all(s, channels)
    assert not canary.called()


@contextlib.contextmanager
def endless(first, more):
    """Serves `first`, then `more` for as long as it is read."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.apple.mpegurl")
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(first)
                while True:
                    self.wfile.write(more)

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.server_address[1]}/x"
    finally:
        listener.shutdown()
        listener.server_close()


VARIANT = b"#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n"


@pytest.mark.parametrize("first,more,suffix,reason", [
    (HEAD.encode(), b"#EXTINF:4,\na.ts\n" * 1000, ".m3u8", "is longer than 8 MB"),
    (b"#EXTM3U\n", VARIANT * 100, ".m3u8", "has more than 1024 variants"),
    (b"#EXTM3U\n" + VARIANT + HEAD.encode(), b"#" * 4096, ".m3u8", "is longer than 8 MB"),
    (MPD.split("<Period>")[0].encode(), b"<Period></Period>" * 1000, ".mpd", "is longer than 8 MB"),
], ids=["segments", "variants", "one line", "manifest"])
def test_an_endless_playlist_is_refused(server, first, more, suffix, reason):
    with endless(first, more) as url:
        s = server(line_up(channel(1, url + suffix), streaming={"start_timeout": 60}))
        refused = s.refused("/stream/1.ts", timeout=60)
        assert refused.status == 502
        assert f"the source's playlist {reason}" in refused.text
        assert f"the source's playlist {reason}" in s.tuner("1")["last_error"]
