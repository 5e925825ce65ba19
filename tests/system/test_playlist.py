"""/playlist.m3u, exactly and as parsed by other software."""
import json
import os
import random
import re
import subprocess

import pytest

import media
import npm
from harness import ROOT
from lineup import channel, line_up

pytestmark = pytest.mark.slow


def full_channel():
    return channel(5, media.film(), name="News, at ten", tvg_name="News HD", epg_id="news.hd",
                   logo="http://x/l.png", group="News", channel_number=101,
                   description="All the news", program_feed="http://x/feed.json",
                   regions_allowed=["US", "CA"], regions_blocked=["CN"],
                   next_programs=[{"title": "Past", "start": "2020-01-01T00:00:00Z"},
                                  {"title": "Next", "start": "2099-01-01T00:00:00Z",
                                   "description": "soon"}],
                   adaptive_bitrates=[{"name": "sd", "ffmpeg_profile": "small"}])


@pytest.mark.smoke
def test_every_line_of_a_channel_with_all_keys(server):
    s = server(line_up(full_channel()))
    base = f"http://127.0.0.1:{s.port}"
    answer = s.get("/playlist.m3u?region=us")
    assert answer.headers["content-type"] == "audio/x-mpegurl; charset=utf-8"
    lines = answer.text.splitlines()
    assert re.fullmatch(r'#EXTM3U x-tvg-url="(%s/epg\.xml\?region=US)" url-tvg="\1"' % base,
                        lines[0])
    assert lines[1].startswith('#EXTINF:-1 tvg-id="news.hd" tvg-name="News HD" '
                               'tvg-logo="http://x/l.png" group-title="News" channel-number="101"')
    assert 'tvg-chno="101"' in lines[1]
    assert lines[1].rsplit(",", 1)[1] == "News at ten"
    rest = [line for line in lines[2:] if not line.startswith("#KODIPROP")]
    assert rest[:4] == [
        '#EXTREM:AMP-NEXT title="Next" start="2099-01-01T00:00:00Z" description="soon"',
        '#EXTREM:AMP-PROGRAM-FEED url="http://x/feed.json"',
        "#EXTREM:AMP-DESCRIPTION All the news",
        "#EXTREM:AMP-REGION allow=US,CA block=CN"]
    assert rest[4] == f"{base}/stream/5.ts?region=US"
    assert rest[5].rsplit(",", 1)[1] == "News at ten (SD)"
    assert rest[6] == '#EXTREM:AMP-VARIANT name="sd"'
    assert rest[7:11] == rest[:4]
    assert rest[11] == f"{base}/stream/5.ts?variant=sd&region=US"
    assert len(rest) == 12


def test_the_m3u8_name_is_the_same(server):
    s = server(line_up(channel(1, media.film())))
    assert s.get("/playlist.m3u8").body == s.get("/playlist.m3u").body


def test_filters(server):
    s = server(line_up(*[channel(i, media.film(), group=g) for i, g in
                         [(3, "News"), (1, "Kids"), (2, "news "), (9, None)]]))
    ids = lambda q: [int(x) for x in re.findall(r"/stream/(\d+)", s.get(q).text)]  # noqa: E731
    assert ids("/playlist.m3u") == [1, 2, 3, 9]
    assert ids("/playlist.m3u?group=NEWS") == [2, 3]
    assert ids("/playlist.m3u?group=kids,%20news") == [1, 2, 3]
    assert ids("/playlist.m3u?group=nosuch") == []
    assert ids("/playlist.m3u?ids=9,1,77,x") == [1, 9]
    assert ids("/playlist.m3u?ids=x") == [1, 2, 3, 9]
    assert ids("/playlist.m3u?ids=1&group=news") == []


def test_links_follow_the_host_the_token_and_the_public_url(server):
    token = "the token & of/links"
    s = server(line_up(channel(1, media.film()), auth={"enabled": True, "token": token}))
    text = s.get("/playlist.m3u", {"X-Amps-Token": token, "Host": "tv.example:8080"}).text
    link = re.search(r"^http.*", text, re.M)[0]
    assert link.startswith("http://tv.example:8080/stream/1.ts?token=")
    path = link[len("http://tv.example:8080"):]
    assert s.request("HEAD", path).status == 200
    config = line_up(channel(1, media.film()), server={"public_url": "https://tv.example/amps"})
    s = server(config)
    assert "https://tv.example/amps/stream/1.ts" in s.get("/playlist.m3u").text


def nasty(rng, length=24):
    letters = ("abcXYZ 019-_.:;,\"'`#=&?%<>()[]{}\\/|~+*!@^€äöüßéñ日本語Ж☃"
               "\t\r\n\u0085\u2028\u00a0\u200b\ufeff")
    return "".join(rng.choice(letters) for _ in range(rng.randint(1, length)))


def test_no_name_or_description_forges_a_line(server):
    rng = random.Random(5)
    channels = [channel(i, media.film(), name="N" + nasty(rng), group="G" + nasty(rng),
                        description="D" + nasty(rng), tvg_name=nasty(rng), logo=nasty(rng),
                        next_programs=[{"title": "T" + nasty(rng), "description": nasty(rng)}])
                for i in range(1, 301)]
    channels[0]["description"] = "x\n#EXTINF:-1,Forged\nhttp://evil/"
    channels[1]["name"] = 'x" group-title="Forged",Forged\r\nhttp://evil/'
    s = server(line_up(*channels))
    lines = s.get("/playlist.m3u").text.split("\n")
    assert lines.pop() == ""
    assert sum(line.startswith("#EXTINF") for line in lines) == 300
    assert sum(line.startswith("http") for line in lines) == 300
    for line in lines:
        assert line.startswith(("#EXTM3U ", "#EXTINF:-1 ", "#EXTREM:AMP-", "#KODIPROP:",
                                f"http://127.0.0.1:{s.port}/stream/")), line
        assert not re.search(r"[\x00-\x08\x0b-\x1f]", line), line
        if line.startswith("#EXTINF"):
            attributes, name = line[len("#EXTINF:-1"):].rsplit(",", 1)
            assert re.fullmatch(r'( [a-z-]+="[^"]*")*', attributes), line
            assert attributes.count("group-title=") <= 1


def test_other_parsers_read_a_thousand_names(server):
    rng = random.Random(7)
    channels = [channel(i, media.film(), name="N" + nasty(rng), group="G" + nasty(rng),
                        description="D" + nasty(rng, 60)) for i in range(1, 1001)]
    s = server(line_up(*channels))
    text = s.get("/playlist.m3u").text
    done = subprocess.run(["node", os.path.join(ROOT, "tests/system/read_m3u.mjs"),
                           npm.install()],
                          input=text, capture_output=True, text=True, check=True, timeout=60)
    for items in json.loads(done.stdout):
        assert len(items) == 1000
        for want, got in zip(channels, items):
            assert got["id"] == str(want["id"])
            assert got["url"].endswith(f"/stream/{want['id']}.ts")
            assert squeeze(got["name"]) == squeeze(want["name"].replace(",", ""))
            assert squeeze(got["group"]) == squeeze(want["group"])
            assert squeeze(got["tvgName"]) == squeeze(want["name"])


def squeeze(text):
    """A text without blanks (which parsers trim, join or drop) and quotes."""
    return re.sub(r"[\s\u0085\u200b\ufeff]|[\x00-\x1f]", "", text.replace('"', "'"))


def test_kodi_is_told_the_type_of_each_form(server):
    """A link without one is opened an extra time, to probe it."""
    forms = {"ts": "video/mp2t", "hls": "application/x-mpegURL", "dash": "application/dash+xml",
             "audio": "audio/aac", "rtsp": None}
    s = server(line_up(channel(1, "x.ts"), channel(2, "x.ts", output_format="mse"),
                       server={"rtsp_port": "auto"}))

    def types(query=""):
        return re.findall(r"^#KODIPROP:mimetype=(.*)$", s.get("/playlist.m3u" + query).text, re.M)

    assert types() == ["video/mp2t", "video/mp4"]
    for form, wanted in forms.items():
        assert set(types(f"?format={form}&ids=1")) == {wanted} - {None}, form
