"""/epg.xml and /api/epg."""
import gzip
import json
import subprocess
import xml.etree.ElementTree as ET

import pytest

import media
from harness import serving
from lineup import channel, line_up

pytestmark = pytest.mark.slow
DTD = "/usr/share/xmltv/xmltv.dtd"


def validate(document, folder):
    """tv_validate_file and xmllint accept the document."""
    path = folder / "epg.xml"
    path.write_bytes(document)
    for command in (["tv_validate_file", "--dtd-file", DTD, str(path)],
                    ["xmllint", "--noout", "--dtdvalid", DTD, str(path)]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def own():
    """A server whose channels have programmes of their own."""
    with serving(line_up(
        channel(1, media.film(), name="One & <two>", logo="http://x/l.png?a&b", channel_number="1.1",
                tvg_name="One", group="News", epg_id="one.tv",
                next_programs=[{"title": "Late", "start": "2099-01-01T10:00:00Z"},
                               {"title": "Early \"x\" é", "start": "2099-01-01T08:00:00+01:00",
                                "description": "with\nlines"},
                               {"title": "Never", "start": "some day"}]),
        channel(2, media.film(), epg_id="two.tv", next_programs=[{"start": "2099-01-01"}]),
        channel(3, media.film()))) as server:
        yield server


@pytest.mark.smoke
def test_the_guide_of_next_programs_is_valid(own, tmp_path):
    answer = own.get("/epg.xml?ids=1,2")
    assert answer.headers["content-type"] == "application/xml"
    validate(answer.body, tmp_path)
    tv = ET.fromstring(answer.body)
    assert [c.get("id") for c in tv.iter("channel")] == ["one.tv", "two.tv"]
    assert [(p.get("start"), p.get("stop"), p.findtext("title")) for p in tv.iter("programme")] == [
        ("20990101070000 +0000", "20990101100000 +0000", "Early \"x\" é"),
        ("20990101100000 +0000", "20990101110000 +0000", "Late"),
        ("20990101000000 +0000", "20990101010000 +0000", "Channel 2")]


def test_the_packed_guide_is_the_same(own):
    plain = own.get("/epg.xml").body
    assert gzip.decompress(own.get("/epg.xml.gz").body) == plain
    coded = own.get("/epg.xml", {"Accept-Encoding": "gzip"})
    assert coded.headers["content-encoding"] == "gzip"
    assert gzip.decompress(coded.body) == plain


def test_conditional_requests(own):
    answer = own.get("/epg.xml")
    for name, field in (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified")):
        assert own.get("/epg.xml", {name: answer.headers[field]}).status == 304
    assert json.loads(own.get("/api/epg?ids=3").body) == [
        {"id": 3, "epg_id": "3", "name": "Channel 3", "group": None, "logo": None,
         "programs": []}]
