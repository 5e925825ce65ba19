"""The files of etc/ for programs beside Amps: HAProxy and nginx in front of it, alerts of Prometheus."""
import asyncio
import os
import re
import ssl
import subprocess

import pytest

import media
from harness import ROOT, wait_for
from hls import parse_media
from lineup import LOOP, channel, line_up
from proxies import haproxy, nginx_cache
from ts import Checker

pytestmark = pytest.mark.slow
SEGMENT_S = 2


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


class Player:
    """Fetches the playlist and its newest segments over one connection, as a player does."""

    async def get(self, path):
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: tv\r\n\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("HTTP/1.1 200 "), (path, head)
        length = re.search(r"^content-length: (\d+)\r$", head, re.M | re.I)
        return await self.reader.readexactly(int(length[1]))

    async def play(self, port, tls, late_s, wanted):
        """The set of the segments fetched, at least `wanted` of them."""
        segments = set()
        await asyncio.sleep(late_s)
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls,
                                                                 server_hostname="localhost")
        index = (await self.get("/hls/1/index.m3u8")).decode()
        path = "/hls/1/" + next(line for line in index.splitlines() if not line.startswith("#"))
        while len(segments) < wanted:
            for s in parse_media((await self.get(path)).decode(), path).segments[-2:]:
                if s.url not in segments:
                    segments.add(s.url)
                    await self.get(s.url)
            await asyncio.sleep(SEGMENT_S / 2)
        self.writer.close()
        return segments


async def play_all(port, tls, count):
    played = await asyncio.gather(*(Player().play(port, tls, SEGMENT_S * i / count, 3)
                                    for i in range(count)))
    return set().union(*played), sum(map(len, played))


@pytest.mark.heavy
def test_a_cache_asks_for_a_segment_once_for_500_players_as_for_one(server, tmp_path):
    log = tmp_path / "access.log"
    s = server(line_up(channel(1, media.film(), **LOOP), hls={"segment_seconds": SEGMENT_S},
                       server={"trusted_proxies": ["127.0.0.1"], "access_log": str(log)}))
    with nginx_cache(s) as (port, folder):
        tls = ssl.create_default_context(cafile=f"{folder}/ca.pem")
        known = set()
        for count in (1, 500):
            before = log.read_text().count(".ts HTTP")
            segments, fetched = asyncio.run(play_all(port, tls, count))
            assert len(segments) >= 3 and fetched >= 3 * count
            asked = segments - known
            known |= segments
            wait_for(lambda: log.read_text().count(".ts HTTP") - before >= len(asked), 10, "the log")
            # signatures are hidden in the log
            names = re.findall(r'"GET \S+/(\d+\.ts) HTTP', log.read_text())[before:]
            assert sorted(names) == sorted(map(os.path.basename, asked)), count


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
