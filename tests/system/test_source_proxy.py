"""Sources that are fetched through an HTTP proxy."""
import http.client
import http.server
import threading
import urllib.parse

import pytest

import media
from lineup import channel, line_up
from origin import HttpOrigin, Paced

PASSED = ("User-Agent", "X-Box")
HOST = "tv.invalid"  # no name server knows it: only the proxy can


class Proxy(http.server.BaseHTTPRequestHandler):
    """Passes requests for HOST on to the origin."""

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        self.server.asked.append(url.netloc.removesuffix(":80") + url.path)
        if url.hostname != HOST:
            self.send_error(403)
            return
        origin = http.client.HTTPConnection("127.0.0.1", self.server.origin.port)
        origin.request("GET", url.path, headers={
            name: self.headers[name] for name in PASSED if name in self.headers})
        answer = origin.getresponse()
        self.send_response(answer.status)
        for name in ("Content-Type", "Content-Length"):
            if answer.headers[name]:
                self.send_header(name, answer.headers[name])
        self.end_headers()
        try:
            while piece := answer.read1(65536):
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True
        origin.close()

    def log_message(self, *_):
        pass


@pytest.fixture
def through(tmp_path):
    """(proxy, origin): the origin has a live stream, and a playlist in a folder."""
    (tmp_path / "film.ts").write_bytes(open(media.film(), "rb").read())
    (tmp_path / "vod.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfilm.ts\n#EXT-X-ENDLIST\n")
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    proxy.daemon_threads, proxy.asked = True, []
    with HttpOrigin(Paced(media.long_film(), 120), folder=str(tmp_path)) as origin:
        proxy.origin = origin
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        yield proxy, origin
        proxy.shutdown()
        proxy.server_close()


def test_a_source_is_fetched_through_its_proxy(server, through):
    """The proxy is inside this network, the source is not; the first source has none."""
    proxy, origin = through
    address = f"http://127.0.0.1:{proxy.server_port}"
    s = server(line_up(
        channel(1, f"http://{HOST}/live.ts", sources=[
            {"source": f"http://{HOST}/live.ts", "proxy": address,
             "input_options": {"user_agent": "box/1.0", "headers": "X-Box: living room"}}]),
        channel(2, f"http://{HOST}/vod.m3u8", proxy=address)))
    with s.stream("/stream/1.ts") as stream:
        stream.read(188 * 200)
        assert s.tuner("1")["source_number"] == 2
    assert proxy.asked == [f"{HOST}/live.ts"]
    assert [(h["User-Agent"], h["X-Box"]) for _, _, h in origin.requests] == [("box/1.0", "living room")]
    with s.stream("/stream/2.ts") as stream:
        stream.read(188 * 200)
    # the playlist leads to the segment, also through the proxy
    assert f"{HOST}/film.ts" in proxy.asked


def test_only_the_proxy_is_reached_inside(server, through):
    """A playlist behind the proxy that names an address in this network: the proxy is asked, and
    nothing is connected to."""
    proxy, origin = through
    with HttpOrigin(folder=origin.folder) as inside:
        with open(f"{origin.folder}/vod.m3u8", "w") as f:
            f.write("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n"
                    + inside.url("/film.ts") + "\n#EXT-X-ENDLIST\n")
        s = server(line_up(channel(1, f"http://{HOST}/vod.m3u8",
                                   proxy=f"http://127.0.0.1:{proxy.server_port}"),
                           streaming={"start_timeout": 4}))
        assert s.refused("/stream/1.ts").status in (502, 504)
        assert inside.requests == []
        assert f"127.0.0.1:{inside.port}/film.ts" in proxy.asked
