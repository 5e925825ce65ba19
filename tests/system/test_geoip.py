"""Regions by a MaxMind file: the helper that reads it, and the server that asks it."""
import bisect
import ipaddress
import json
import os
import random
import struct
import subprocess

import pytest

import media
import mmdb
from harness import BIN, wait_for
from lineup import LOOP, channel, line_up

COUNTRIES = {"192.0.2.0/25": "DE", "192.0.2.128/25": "FR", "198.51.100.0/24": "US",
             "203.0.113.7/32": "SE", "10.0.0.0/8": "NO"}
COUNTRIES6 = {"2001:db8::/32": "CH", "2a00::/12": "GB", "fd00:1:2:3::/64": "AT"}
SHOWN = {"192.0.2.0": "DE", "192.0.2.127": "DE", "192.0.2.128": "FR", "192.0.2.255": "FR",
         "192.0.3.0": None, "192.0.1.255": None, "203.0.113.7": "SE", "203.0.113.8": None,
         "203.0.113.6": None, "198.51.100.99": "US", "0.0.0.1": None, "255.255.255.255": None}
SHOWN6 = {"2001:db8:ffff:ffff::1": "CH", "2001:db9::": None, "2a0f:ffff::": "GB", "2a10::": None,
          "fd00:1:2:3:ffff::": "AT", "fd00:1:2:4::": None, "fd00:1:2:2::": None, "ffff::": None,
          "::2": None}


def read(path):
    return subprocess.run([os.path.join(BIN, "amps-helper"), "geoip"], capture_output=True,
                          input=json.dumps({"path": str(path), "generation": 7}).encode())


def look_up(table, address):
    """As common/shm/geoip.c does it."""
    a = ipaddress.ip_address(address)
    place = 0xffff << 32 | int(a) if a.version == 4 else int(a) >> 64
    generation, count = struct.unpack_from("<24xQQ", table)
    assert generation == 7 and len(table) == 40 + 10 * count
    starts = struct.unpack_from(f"<{count}Q", table, 40)
    assert starts[0] == 0 and list(starts) == sorted(set(starts))
    at = bisect.bisect_right(starts, place) - 1
    return table[40 + 8 * count + 2 * at:][:2].decode().strip("\0") or None


@pytest.mark.parametrize("version, bits", [(4, 24), (6, 28), (6, 32)])
def test_the_helper_finds_the_country_of_each_address(tmp_path, version, bits):
    countries = dict(COUNTRIES, **(COUNTRIES6 if version == 6 else {}))
    aliases = ("2002::/16", "::ffff:0:0/96") if version == 6 else ()
    done = read(mmdb.write(tmp_path / "c.mmdb", countries, version, bits, aliases=aliases))
    assert done.returncode == 0, done.stderr
    shown = dict(SHOWN, **(SHOWN6 if version == 6 else {a: None for a in SHOWN6}))
    assert {a: look_up(done.stdout, a) for a in shown} == shown


def test_the_data_may_have_other_shapes(tmp_path):
    def shape(c):
        return {"DE": {"country_code": c}, "FR": {"country": c.lower()},
                "US": {"registered_country": {"iso_code": c}, "country": {"names": {"en": "x"}}},
                "SE": {"country": {"iso_code": "Sweden"}}, "NO": {"city": "Oslo"}}[c]
    done = read(mmdb.write(tmp_path / "c.mmdb", COUNTRIES, shape=shape))
    assert done.returncode == 0, done.stderr
    assert [look_up(done.stdout, a) for a in ("192.0.2.1", "192.0.2.200", "198.51.100.1",
                                              "203.0.113.7", "10.1.1.1")] \
        == ["DE", "FR", "US", None, None]


def test_what_is_not_such_a_file_is_refused_with_a_reason(tmp_path):
    whole = mmdb.write(tmp_path / "whole", dict(COUNTRIES, **COUNTRIES6)).read_bytes()
    path = tmp_path / "damaged"
    for data in [b"", b"MaxMind", bytes(4096), mmdb.MARKER, whole[:-20],
                 *(whole[:n] for n in range(100, len(whole) - 20, len(whole) // 7)),
                 *(whole[n:] for n in range(100, len(whole) - 300, len(whole) // 4)),
                 whole.replace(b"record_size\xa2\0\x18", b"record_size\xa2\0\x19")]:
        path.write_bytes(data)
        done = read(path)
        assert done.returncode == 1 and done.stdout == b"" and done.stderr.count(b"\n") == 1, \
            (len(data), done)
    assert read(tmp_path / "missing").stderr == b"No such file or directory\n"
    # whatever a file says, the helper ends with a table or a reason
    dice = random.Random(5)
    for _ in range(20):
        data = bytearray(whole)
        for _ in range(8):
            data[dice.randrange(len(data))] = dice.randrange(256)
        path.write_bytes(data)
        assert read(path).returncode in (0, 1)


CHANNELS = [channel(1, media.film(), regions_allowed=["DE"]),
            channel(2, media.film(), regions_blocked=["DE"])]


def ask(s, address, more="", **headers):
    """The status of both channels for a client of this address."""
    return [s.request("HEAD", f"/stream/{i}?{more}", {"X-Forwarded-For": address, **headers}).status
            for i in (1, 2)]


DE, FR, NONE = [200, 403], [403, 200], [403, 200]


def test_a_server_asks_the_file_last_and_reads_it_at_each_reload(server, tmp_path):
    path = mmdb.write(tmp_path / "c.mmdb", {"192.0.2.0/25": "DE", "192.0.2.128/25": "FR"})
    config = line_up(*CHANNELS)
    config["server"] = {"trusted_proxies": ["127.0.0.0/8"]}
    config["region"] = {"geoip": str(path)}
    s = server(config, workers=2)
    assert ask(s, "192.0.2.1") == DE and ask(s, "192.0.2.129") == FR
    assert ask(s, "198.51.100.1") == NONE
    # query and headers stand above it
    assert ask(s, "192.0.2.129", "region=DE") == DE
    assert ask(s, "192.0.2.1", **{"X-Region": "FR"}) == FR
    # every form, with a reason; the playlist carries the region on
    for form in ("/stream/1", "/stream/1?format=mp4", "/audio/1", "/hls/1/index.m3u8", "/hls/1.m3u8",
                 "/dash/1/manifest.mpd", "/ws/1"):
        refused = s.get(form, {"X-Forwarded-For": "192.0.2.129"})
        assert refused.status == 403 and "region" in refused.json["error"]
    listed = s.get("/playlist.m3u", {"X-Forwarded-For": "192.0.2.1"}).text
    assert "/stream/1.ts?region=DE" in listed and "/stream/2" not in listed
    # the API shows all, as without a region
    assert len(s.get("/api/streams", {"X-Forwarded-For": "192.0.2.1"}).json) == 2
    # another file under the same path
    mmdb.write(path, {"192.0.2.0/25": "FR", "198.51.100.0/24": "DE"})
    assert ask(s, "192.0.2.1") == DE
    s.amps("reload")
    wait_for(lambda: ask(s, "198.51.100.1") == DE and ask(s, "192.0.2.1") == FR)
    # a damaged one, then none: what was read last stays
    for damage in lambda: path.write_bytes(path.read_bytes()[:-40]), path.unlink:
        damage()
        before = s.log().count("the countries of addresses cannot be read")
        s.amps("reload")
        wait_for(lambda: s.log().count("the countries of addresses cannot be read") > before)
        assert f"keeping those that were read last path={path}" in s.log()
        assert ask(s, "198.51.100.1") == DE
    # a worker that starts now gets them, too
    os.kill(s.pids("amps-worker")[0], 9)
    wait_for(lambda: s.get("/readyz").status == 200)
    assert all(ask(s, "198.51.100.1") == DE for _ in range(8))
    # the key is gone: no countries
    s.write_config(line_up(*CHANNELS) | {"server": config["server"]})
    s.amps("reload")
    wait_for(lambda: ask(s, "198.51.100.1") == NONE)


def test_a_new_file_ends_viewers_whose_country_is_no_longer_allowed(server, tmp_path):
    path = mmdb.write(tmp_path / "c.mmdb", {"192.0.2.0/25": "DE"})
    s = server(line_up(channel(1, media.film(), regions_allowed=["DE"], **LOOP),
                       channel(2, media.film(), regions_blocked=["FR"], **LOOP),
                       server={"trusted_proxies": ["127.0.0.0/8"]},
                       region={"trust": ["query"], "geoip": str(path)}), workers=2)
    known, unknown = ({"X-Forwarded-For": a} for a in ("192.0.2.1", "198.51.100.1"))
    stays, *others = [s.stream(address, headers=client) for address, client in
                      (("/stream/1.ts?region=DE", known), ("/stream/1.ts", known), ("/stream/2.ts", unknown))]
    for stream in stays, *others:
        assert stream.head().status == 200
    assert s.get("/hls/1.m3u8", known).status == 200
    assert len(s.viewers()) == 4
    mmdb.write(path, {"192.0.2.0/25": "FR", "198.51.100.0/24": "FR"})
    assert s.amps("reload").returncode == 0
    wait_for(lambda: len(s.viewers()) == 1, 5, "the end of viewers")
    for stream in others:
        stream.read_all()
        stream.close()
    assert s.get("/hls/1.m3u8", known).status == 403
    # what the request names stands above the file
    assert stays.read(188)
    stays.close()


def test_a_server_starts_without_the_file_and_says_so(server, tmp_path):
    path = tmp_path / "c.mmdb"
    s = server(line_up(*CHANNELS) | {"region": {"geoip": str(path)}})
    assert ("the countries of addresses cannot be read (No such file or directory), going on "
            f"without them path={path}") in s.log()
    assert s.request("HEAD", "/stream/1").status == 403
    mmdb.write(path, {"127.0.0.0/8": "DE"})
    s.amps("reload")
    wait_for(lambda: s.request("HEAD", "/stream/1").status == 200)
    assert s.request("HEAD", "/stream/2").status == 403
    check = s.amps("check", "--config", s.config_path)
    assert check.returncode == 0 and "geoip" not in check.stdout
    path.unlink()
    check = s.amps("check", "--config", s.config_path)
    assert check.returncode == 0 and "region.geoip: " in check.stdout + check.stderr
