"""HLS with low latency of a running channel: parts, blocking reloads, hints, sessions, caches."""
import contextlib
import re
import signal
import socket
import subprocess
import threading
import urllib.parse

import pytest

import media
from harness import PATIENCE, kill, wait_for
from hls import Player, parse_media
from hls_rules import read_with_npm
from lineup import LOOP, channel, line_up
from proxies import nginx_cache

HLS = {"segment_seconds": 2, "part_ms": 200}


def config(*more, **sections):
    hls = {**HLS, **sections.pop("hls", {})}
    return line_up(channel(1, media.long_film(), output_format="ll-hls", **LOOP), *more, hls=hls,
                   **sections)


class Parts:
    """What a media playlist says of parts."""

    def __init__(self, text, base):
        def url(line):
            return urllib.parse.urljoin(base, re.search(r'URI="([^"]*)"', line)[1])

        self.text = text
        self.sealed = re.findall(r"^#EXT-X-(?:TARGETDURATION|PART-INF|SERVER-CONTROL).*", text, re.M)
        self.target = float(re.search(r"PART-TARGET=([\d.]+)", text)[1])
        self.hint, self.reports, self.parts = None, [], []  # parts: (segment, URL, seconds)
        number, index = int(re.search(r"SEQUENCE:(\d+)$", text, re.M)[1]), 0
        for line in text.splitlines():
            if line.startswith("#EXT-X-PART:"):
                seconds = float(re.search(r"DURATION=([\d.]+)", line)[1])
                self.parts.append((number, url(line), seconds))
                index += 1
            elif line.startswith("#EXT-X-PRELOAD-HINT:"):
                self.hint = url(line)
            elif line.startswith("#EXT-X-RENDITION-REPORT:"):
                self.reports.append((url(line), int(re.search(r"LAST-MSN=(\d+)", line)[1])))
            elif not line.startswith("#"):
                number, index = number + 1, 0
        self.next = number, index

    @property
    def after(self):
        """The directives that ask for the next part."""
        return "&_HLS_msn=%d&_HLS_part=%d" % self.next


class Viewer(Player):
    """A player that knows parts."""

    def __init__(self, server, *args, **kwargs):
        super().__init__(server, *args, **kwargs)
        self.sound = urllib.parse.urljoin(self.variants[0], re.search(
            r'^#EXT-X-MEDIA:TYPE=AUDIO,.*URI="([^"]*)"$', self.index, re.M)[1])

    def fetch(self, url, **kwargs):
        return self.server.get(url, {"User-Agent": self.headers["User-Agent"]}, **kwargs)

    def parts(self, url, more=""):
        answer = self.fetch(url + more, timeout=40)
        assert answer.status == 200, answer.text
        return Parts(answer.text, url)

    def wait_parts(self, url, holds):
        p = self.parts(url)
        while not holds(p):
            p = self.parts(url, p.after)
        return p


def test_parts_are_listed_announced_and_served_by_any_worker(server):
    s = server(config(), workers=2)
    viewer = Viewer(s)
    assert 'AUDIO="sound"' in viewer.index and "DEFAULT=YES" in viewer.index
    texts = [viewer.index]
    for url in viewer.variants[0], viewer.sound:
        # the first copy of few segments names nothing that is still to come
        first = viewer.wait_parts(url, lambda p: p.hint)
        second = viewer.parts(url, first.after)
        texts += [first.text, second.text]
        assert second.next > first.next and second.sealed == first.sealed
        assert all(0 < seconds <= second.target == .2 for _, _, seconds in second.parts)
        # what was announced is what has come
        assert first.hint in [part for _, part, _ in second.parts]
        hinted = viewer.fetch(second.hint)
        assert hinted.status == 200 and hinted.headers["cache-control"].endswith("immutable")
        assert hinted.headers["access-control-allow-origin"] == "*"
        # each connection is accepted by one of the workers
        for _ in range(8):
            again = viewer.fetch(second.hint)
            assert (again.status, again.body) == (200, hinted.body)
        part = viewer.fetch(second.hint + "?", timeout=20)
        assert part.body == hinted.body
        # the others that are played are reported, by all workers
        assert len(second.reports) == 1 and abs(second.reports[0][1] - second.next[0]) <= 1
    assert read_with_npm(texts) == []


@pytest.mark.slow
def test_a_segment_is_what_its_parts_are(server):
    viewer = Viewer(server(config()))
    for url in viewer.variants[0], viewer.sound:
        found = viewer.wait_parts(url, lambda p: p.parts[0][0] < p.next[0])
        number = found.parts[0][0]
        whole = next(x for x in parse_media(found.text, url).segments if x.number == number)
        parts = [(part, seconds) for n, part, seconds in found.parts if n == number]
        assert viewer.fetch(whole.url).body == b"".join(viewer.fetch(x).body for x, _ in parts)
        assert abs(sum(seconds for _, seconds in parts) - whole.seconds) < 1e-4


@pytest.mark.smoke
def test_a_kicked_viewer_is_refused_with_its_next_request(server):
    s = server(config(), workers=2)
    viewer = Viewer(s, agent="one")
    p = viewer.parts(viewer.variants[0])
    sent = sum(len(viewer.fetch(part).body) for _, part, _ in p.parts)
    viewers = s.viewers()
    assert [(v["user_agent"], v["protocol"]) for v in viewers] == [("one", "hls")]
    wait_for(lambda: s.viewers()[0]["bytes"] == sent, 5, f"{sent} bytes")
    answers = []
    held = threading.Thread(target=lambda: answers.append(
        viewer.fetch(viewer.variants[0] + p.after)))
    held.start()
    assert s.amps("kick", str(viewers[0]["id"])).returncode == 0
    held.join()
    assert {viewer.fetch(url + p.after).status for url in (viewer.variants[0], viewer.sound)
            for _ in range(4)} == {401}
    assert s.viewers() == []


@pytest.mark.slow
def test_a_token_counts_one_viewer_and_ends_with_it(server):
    auth = {"auth": {"enabled": True, "tokens": [{"name": "one", "token": "first", "max_viewers": 1}]}}
    s = server(config(**auth))
    assert s.get("/hls/1/index.m3u8").status == 401
    viewer = Viewer(s, headers={"X-Amps-Token": "first"})
    assert s.get("/hls/1/index.m3u8", {"X-Amps-Token": "first", "User-Agent": "b"}).status == 429
    p = viewer.parts(viewer.sound)
    assert "first" not in p.text
    # parts need no token
    assert s.get(p.parts[-1][1]).status == 200
    auth["auth"]["tokens"] = []
    s.write_config(config(**auth))
    assert s.amps("reload").returncode == 0
    assert viewer.fetch(viewer.sound + p.after).status == 401


@pytest.mark.slow
def test_variants_are_cut_alike_and_report_each_other(server):
    variants = [{"name": "a b", "ffmpeg_profile": "small"}]
    s = server(line_up(channel(1, media.long_film(), output_format="ll-hls",
                               adaptive_bitrates=variants, **LOOP), hls=HLS))
    viewer = Viewer(s)
    assert len(viewer.variants) == 2
    low, high = viewer.parts(viewer.variants[1]), viewer.parts(viewer.variants[0])
    low = viewer.parts(viewer.variants[1], low.after)
    assert {url.split("&s=")[0] for url, _ in low.reports} == {
        "/hls/1/media.m3u8?track=picture", "/hls/1/media.m3u8?track=sound"}
    for url, number in low.reports:
        assert abs(viewer.parts(url).next[0] - number) <= 1, low.text
    assert low.sealed == high.sealed
    sequence = re.compile(r"^#EXT-X-DISCONTINUITY-SEQUENCE:\d+$", re.M)
    assert sequence.findall(low.text) == sequence.findall(high.text)
    common = [{x.number: x for x in parse_media(p.text, "/").segments} for p in (low, high)]
    for number in common[0].keys() & common[1].keys():
        assert abs(common[0][number].seconds - common[1][number].seconds) < .05
    # that variant alone has sound of its own
    alone = Viewer(s, query="?variant=a%20b")
    assert len(alone.variants) == 1 and "variant=a%20b&track=picture" in alone.variants[0]
    assert "variant=a%20b&track=sound" in alone.sound
    assert alone.parts(alone.sound).parts


@pytest.mark.slow
def test_a_killed_job_answers_what_waits_and_goes_on(server):
    s = server(config())
    viewer = Viewer(s)
    url = viewer.variants[0]
    before = viewer.wait_parts(url, lambda p: len(p.parts) >= 6)
    job = [pid for pid, (_, line) in s.processes().items()
           if line.startswith("amps-transcoder 1 segment")]
    kill(job[0])
    hint = viewer.fetch(before.hint, timeout=40)
    assert hint.status in (200, 404)
    after = viewer.wait_parts(url, lambda p: "#EXT-X-DISCONTINUITY\n" in p.text)
    assert after.sealed == before.sealed
    # an init segment stands behind each discontinuity
    assert re.search(r"^#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=", after.text, re.M)
    for segment in parse_media(after.text, url).segments:
        assert viewer.fetch(segment.url).status == 200, after.text
    for _, part, _ in after.parts:
        assert viewer.fetch(part).status == 200, after.text


def queue_requests(server, paths):
    """Connections with a request each, which nobody has accepted."""
    clients = []
    for path in paths:
        c = socket.create_connection((server.host, server.port), 20 * PATIENCE)
        c.sendall(f"GET {path} HTTP/1.0\r\nHost: {server.address}\r\n\r\n".encode())
        clients.append(c)
    return clients


@pytest.mark.slow
def test_the_next_worker_knows_the_parts_before_it_answers(server):
    """Requests that waited for a new worker are the first that it sees."""
    s = server(config())
    viewer = Viewer(s)
    for _ in range(4):
        lists = [viewer.wait_parts(url, lambda p: p.hint) for url in (viewer.variants[0], viewer.sound)]
        parts = [part for p in lists for _, part, _ in p.parts[-4:]]
        worker = s.pids("amps-worker")[0]
        kill(worker, signal.SIGSTOP)
        clients = queue_requests(s, parts)
        kill(worker)
        for part, c in zip(parts, clients):
            with c, c.makefile("rb") as answer:
                assert answer.readline().split()[1] == b"200", part


@pytest.mark.slow
@pytest.mark.parametrize("without, track", [("-vn", "sound"), ("-an", "picture")])
def test_a_source_with_one_kind_of_streams_plays(server, without, track):
    film = media.make(f"long{without}.ts", "-i", media.long_film(), "-c", "copy", without,
                      "-f", "mpegts")
    player = Player(server(line_up(channel(1, film, output_format="ll-hls", **LOOP), hls=HLS)))
    assert "EXT-X-MEDIA" not in player.index and f"media.m3u8?track={track}&" in player.index
    assert (",RESOLUTION=" in player.index) == (track == "picture") and "CODECS=" in player.index
    p = Parts(player.ask().text, player.variants[0])
    assert p.reports == [] and player.server.get(p.parts[-1][1]).status == 200


@pytest.mark.slow
def test_each_form_is_there_on_request(server):
    s = server(config(channel(2, media.film(), **LOOP)))
    for path in ("/hls/1/index.m3u8", "/hls/1.m3u8", "/hls/2/index.m3u8"):
        assert s.get(path + "?segment_type=x").status == 400
        assert s.request("HEAD", path + "?segment_type=x").status == 400
        assert s.request("HEAD", path).status == 200
    assert s.get("/hls/1.m3u8?segment_type=cmaf").status == 400
    assert s.tuners() == [] and s.viewers() == []
    assert "TYPE=AUDIO" in Player(s, 1).index
    plain = Player(s, 1, "?segment_type=ts")
    assert "TYPE=AUDIO" not in plain.index and ".ts" in plain.media().segments[0].url
    # on playlists without blocking reload the directives mean nothing
    number = plain.media().number
    assert s.get(f"{plain.variants[0]}&_HLS_msn={number + 1000}&_HLS_part=x").status == 200
    assert parse_media(s.get("/hls/1.m3u8").text, "/").segments
    assert Viewer(s, 2, "?segment_type=cmaf").parts


@pytest.mark.slow
def test_the_configuration_chooses_the_form(server):
    two = channel(2, media.film(), output_format="hls", **LOOP)
    s = server(config(two, hls={"segment_type": "cmaf"}))
    assert Viewer(s, 2).parts
    s.write_config(config(two, hls={"segment_type": "ts"}))
    assert s.amps("reload").returncode == 0
    assert "TYPE=AUDIO" not in Player(s, 1, agent="next").index


PARTS = ["vp1.m4s", "ap1.m4s", "vp-1.m4s", "vp01.m4s", "vp1.mp4", "vp.m4s", "p1.m4s", "vp1", "VP1.m4s",
         "vp1.m4s/", "vp1.m4s.m4s", "vpp1.m4s", "vp4294967295.m4s", "vp4294967297.m4s", "v1.m4s",
         "v1.mp4", "v1.tmp", "x1.m4s", "vp%31.m4s", "..%2f..%2f1.m4s", "vp1.m4s%00", "v../1.m4s"]


@pytest.mark.smoke
def test_wrong_parts_are_refused_at_once(server):
    s = server(config(channel(2, media.film(), output_format="ll-hls", **LOOP)))
    one, two = Viewer(s), Viewer(s, 2)
    url, other = (v.parts(v.variants[0]).parts[-1][1] for v in (one, two))
    folder, name = url.rsplit("/", 1)
    for wrong in PARTS:
        answer = s.raw(f"GET {folder}/{wrong} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        status = int(answer.split()[1])
        assert 400 <= status < 500 and b"Allow-Origin: *" in answer, (wrong, answer[:200])
    signature, foreign = (re.search("~([^/]*)/", x)[1] for x in (url, other))
    number = int(re.search(r"\d+", name)[0])
    for wrong, *statuses in [(url.replace(signature, foreign), 403),
                             (url.replace(signature, signature[::-1]), 403),
                             # which have the same signature, or the one before or behind
                             (f"{folder}/vp{number + 100}.m4s", 403, 404),
                             (f"{folder}/vp{number - 100}.m4s", 403, 404),
                             (url.replace(signature + "/0/", signature + "/7/"), 404),
                             (url.replace(signature + "/0/", signature + "/99/"), 404),
                             (url.replace("/hls/1/", "/hls/3/"), 403)]:
        answer = s.get(wrong)
        assert answer.status in statuses, (wrong, answer.text)
    assert s.request("HEAD", url).status == 200
    part = s.get(url, {"Range": "bytes=4-7"})
    assert (part.status, part.body) == (206, b"moof")
    assert s.get(url, {"Range": "bytes=99999999-"}).status == 416


@contextlib.contextmanager
def in_front_of(server):
    """Starts nginx with etc/nginx/amps.conf and returns what fetches a path through it."""
    with nginx_cache(server) as (port, folder):
        def fetch(path):
            """(version of HTTP, status, what the cache did, body)"""
            done = subprocess.run(
                ["curl", "-sS", "--http2", "--cacert", f"{folder}/ca.pem", "-o", f"{folder}/body",
                 "-w", "%{http_version} %{http_code} %header{x-cache}",
                 f"https://localhost:{port}{path}"],
                capture_output=True, text=True, check=True, timeout=60)
            with open(f"{folder}/body", "rb") as f:
                return *(done.stdout + " ").split(" ")[:3], f.read()
        yield fetch


@pytest.mark.slow
def test_a_proxy_as_documented_speaks_http2_and_caches_parts(server):
    s = server(config(server={"trusted_proxies": ["127.0.0.1"]}))
    with in_front_of(s) as fetch:
        version, status, _, body = fetch("/hls/1/index.m3u8")
        assert (version, status) == ("2", "200")
        url = urllib.parse.urljoin("/hls/1/", re.findall(r"^media.*", body.decode(), re.M)[0])
        p = Parts(fetch(url)[3].decode(), url)
        # a blocking reload goes through, and is not cached
        for _ in range(2):
            version, status, cache, body = fetch(url + p.after)
            assert (version, status, cache) == ("2", "200", ""), body
            assert Parts(body.decode(), url).next > p.next
        hint = Parts(body.decode(), url).hint
        first, second = fetch(hint), fetch(hint)
        assert first[:3] == ("2", "200", "MISS") and second[:3] == ("2", "200", "HIT")
        assert first[3] == second[3] == s.get(hint).body
        assert re.search(rb"^https://localhost:\d+/hls/1/index.m3u8$", fetch("/playlist.m3u")[3], re.M)


@pytest.mark.slow
def test_a_film_that_has_ended_begins_again_beside_those_who_read_its_end(server):
    variants = [{"name": "low", "ffmpeg_profile": "small"}]
    s = server(line_up(channel(1, media.short_film(), output_format="ll-hls",
                               adaptive_bitrates=variants), hls=HLS))
    worker = s.pids("amps-worker")
    viewer = Viewer(s)
    text = viewer.fetch(viewer.variants[0]).text
    while "#EXT-X-ENDLIST" not in text:
        text = viewer.fetch(viewer.variants[0] + Parts(text, "").after, timeout=40).text
    session = re.search(r"[?&]s=([^&]*)", viewer.variants[0])[1]
    # the variant was never played, and is not begun for what is over
    manifest = viewer.fetch(f"/dash/1/manifest.mpd?s={session}")
    assert manifest.status == 200 and "mediaPresentationDuration" in manifest.text
    # a blocked reload of the end, and the beginning behind it in the same connection
    path = viewer.variants[0] + "&_HLS_msn=%d" % (Parts(text, "").next[0] + 1)
    answers = s.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: player\r\n\r\n"
                    "GET /hls/1/index.m3u8 HTTP/1.1\r\nHost: x\r\nUser-Agent: other\r\n"
                    "Connection: close\r\n\r\n".encode(), timeout=40)
    assert answers.count(b"HTTP/1.1 200 OK") == 2, answers
    again = Viewer(s, agent="again")
    assert "#EXT-X-ENDLIST" not in again.fetch(again.variants[0]).text
    assert s.pids("amps-worker") == worker
