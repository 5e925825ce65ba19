"""/stream/<id>?format=mp4: a channel as endless fragmented MP4."""
import contextlib
import json
import subprocess
import time

import pytest

import media
from fmp4 import Mp4
from harness import kill, wait_for
from lineup import LOOP, channel, line_up
from watcher import Watcher
from ws import WebSocket

URL = "/stream/1?format=mp4"


def serve(server, source=None, workers=1, **more):
    return server(line_up(channel(1, source or media.long_film(), **{**LOOP, **more}),
                          streaming={"idle_timeout": 600}), workers=workers)


def watch(server, path=URL, fragments=40, **kwargs):
    """Reads so many fragments."""
    found = Mp4()
    with server.stream(path, **kwargs) as stream:
        head = stream.head()
        assert head.status == 200, stream.read_all()
        assert head.headers["content-type"] == "video/mp4"
        assert head.headers["cache-control"] == "no-store"
        assert "content-length" not in head.headers
        while found.packets < fragments:
            data = stream.read_some()
            assert data, "the answer ended"
            found.feed(data)
    return found


@contextlib.contextmanager
def viewers(server, count, path=URL):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Watcher(server, path, checker=Mp4)) for _ in range(count)]


def streams_of(path):
    done = subprocess.run(["ffprobe", "-v", "error", "-show_entries",
                           "stream=codec_name,width,sample_rate,start_time", "-of", "json", path],
                          capture_output=True, check=True)
    return json.loads(done.stdout)["streams"]


@pytest.mark.smoke
def test_fragments_have_picture_and_sound(server, tmp_path):
    s = serve(server)
    got = watch(s)
    assert got.codecs == [["avc1", "mp4a"]] and got.gaps == [] and got.keys >= 2
    assert abs(got.seconds["vide"] - got.seconds["soun"]) < .5
    picture, sound = sorted(streams_of(got.decode(tmp_path)), key=lambda x: "width" not in x)
    assert (picture["codec_name"], picture["width"]) == ("h264", 320)
    assert (sound["codec_name"], sound["sample_rate"]) == ("aac", "48000")
    assert abs(float(picture["start_time"]) - float(sound["start_time"])) < .2
    tuner = s.tuner("1")
    assert tuner["derive_pid"] is None and tuner["restarts"] == 0


def test_later_viewers_begin_with_a_key_frame(server, tmp_path):
    s = serve(server)
    with viewers(s, 1) as [first]:
        first.wait_more(30)
        for _ in range(3):
            got = watch(s, URL + "&join_ms=0", 10)
            assert got.gaps == []
        got.decode(tmp_path)
        shown = wait_for(lambda: [v for v in s.viewers()], 5, "the viewer")
        assert shown[0]["protocol"] == "mp4" and shown[0]["bytes"] > 10000


@pytest.mark.slow
def test_the_form_of_the_channel(server):
    s = serve(server, output_format="mse")
    assert watch(s, "/stream/1", 5).codecs == [["avc1", "mp4a"]]
    for path in ("/stream/1.ts", "/stream/1?format=ts", "/stream/1.ts?format=mp4"):
        with s.stream(path) as stream:
            assert stream.head().headers["content-type"] == "video/mp2t"
    head = s.request("HEAD", "/stream/1")
    assert (head.status, head.headers["content-type"]) == (200, "video/mp4")
    assert s.refused("/stream/1?format=avi").status == 400


@pytest.mark.slow
def test_the_rules_of_streams(server):
    s = server(line_up(channel(1, media.long_film(), **LOOP, regions_allowed=["DE"]),
                       auth={"enabled": True, "token": "all"}))
    assert s.refused(URL).status == 401
    assert s.refused(URL + "&token=all&region=US").status == 403
    assert s.refused("/stream/2?format=mp4&token=all").status == 404
    assert watch(s, URL + "&token=all&region=DE", 3).packets >= 3


@pytest.mark.slow
def test_codecs(server, tmp_path):
    """What MP4 can carry is carried; what it cannot is left out, or is an error that says so."""
    s = server(line_up(channel(1, media.hevc_film(), **LOOP), channel(2, media.sound_film(), **LOOP),
                       channel(3, media.irregular_film(), **LOOP),
                       channel(4, media.latm_film(), **LOOP),
                       channel(5, media.slow_film(), **LOOP),
                       streaming={"idle_timeout": 600}))
    for number, codecs, fragments in ((1, ["ac-3", "hvc1"], 25), (2, ["ec-3"], 25),
                                      (3, ["avc1"], 20), (4, ["avc1"], 20),
                                      (5, ["avc1", "mp4a"], 8)):
        got = watch(s, f"/stream/{number}?format=mp4", fragments)
        assert got.codecs == [codecs] and got.gaps == [], number
        got.decode(tmp_path)
    assert "MP4 cannot carry the sound (aac_latm)" in s.tuner("4")["last_error"]


@pytest.mark.slow
def test_a_codec_that_mp4_cannot_carry(server):
    command = ["ffmpeg", "-v", "error", "-re", "-i", media.latm_film(), "-vn", "-c", "copy",
               "-mpegts_flags", "latm", "-f", "mpegts", "-"]
    s = server(line_up(channel(1, "none", custom_ffmpeg=command)))
    answer = s.refused(URL)
    assert answer.status == 502 and "aac_latm" in answer.text
    with s.stream("/stream/1") as stream:
        assert stream.head().status == 200, "other forms are not affected"


@pytest.mark.slow
def test_variants(server, tmp_path):
    s = serve(server, adaptive_bitrates=[{"name": "low", "ffmpeg_profile": "small"}])
    low = watch(s, URL + "&variant=low", 20)
    assert streams_of(low.decode(tmp_path))[0].get("width") == 160
    assert watch(s, URL, 10).codecs == [["avc1", "mp4a"]]
    assert s.refused(URL + "&variant=none").status == 404


@pytest.mark.slow
def test_a_language(server):
    s = serve(server, media.languages_film())
    # the three of the film have different codecs
    usual = watch(s, URL, 5)
    assert usual.codecs == [["mp4a", "mp4v"]] and usual.languages == [["deu", "eng", "fra"]]
    chosen = watch(s, URL + "&lang=eng", 5)
    assert chosen.codecs == [["ac-3", "mp4v"]] and chosen.languages == usual.languages
    answer = s.refused(URL + "&lang=ita")
    assert answer.status == 502 and "no sound in this language" in answer.text
    assert s.refused(URL + "&lang=italian").status == 400
    assert s.tuner("1")["state"] == "running"


@pytest.mark.slow
def test_a_codec_that_changes_begins_with_an_init_segment(server, tmp_path):
    """Another source of the channel: the viewer stays, and its time goes on."""
    s = serve(server)
    with viewers(s, 1) as [viewer]:
        viewer.wait_more(20)
        s.write_config(line_up(channel(1, media.hevc_film(), **LOOP),
                               streaming={"idle_timeout": 600}))
        assert s.amps("reload").returncode == 0
        wait_for(lambda: len(viewer.checker.inits) > 1, 20, "another init segment")
        viewer.wait_more(20)
        got = viewer.stop()
    assert got.codecs == [["avc1", "mp4a"], ["ac-3", "hvc1"]]
    assert all(-.3 < apart < 10 for _, apart in got.gaps), got.gaps


def segment_job(server):
    return next(pid for pid, (_, line) in server.processes().items()
                if line.startswith("amps-transcoder 1 segment"))


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["ingest", "segment"])
def test_a_job_dies_under_viewers(server, victim):
    s = serve(server)
    with viewers(s, 3) as all_of_them:
        for viewer in all_of_them:
            viewer.wait_more(20)
        kill(s.tuner("1")["pid"] if victim == "ingest" else segment_job(s))
        for viewer in all_of_them:
            viewer.wait_more(40, 30)
            got = viewer.stop()
            assert not viewer.ended
            assert all(-.05 < apart < 10 for _, apart in got.gaps), got.gaps
            assert len({bytes(i) for i in got.init_bytes}) == 1


@pytest.mark.slow
def test_a_slow_viewer_skips_whole_fragments(server):
    s = server(line_up(channel(1, media.rich_film(), **LOOP),
                       streaming={"ring_seconds": 1, "idle_timeout": 600}))
    with viewers(s, 1) as [other], s.stream(URL, rcvbuf=4096) as slow:
        other.wait_more(10)
        slow.head()

        def skipped():
            """It reads a little now and then, as a paused player does not."""
            checker.feed(slow.read_some())
            time.sleep(.05)
            return 'amps_viewer_skips_total{worker="0"} 0' not in s.get("/metrics").text

        checker = Mp4()
        wait_for(skipped, 40, "a skip")
        seen = checker.packets
        while checker.packets < seen + 60:
            data = slow.read_some()
            assert data, "the answer ended"
            checker.feed(data)
        assert len(checker.gaps) >= 1 and all(apart > 0 for _, apart in checker.gaps)
        assert len(checker.inits) == 1 + len({g for g in checker.gaps if g[0] == "vide"})
        assert other.stop().gaps == []


def read_ws(socket, fragments):
    checker = Mp4()
    while checker.packets < fragments:
        data = socket.read_some()
        assert data, "the server closed"
        checker.feed(data)
    return checker


@pytest.mark.smoke
def test_a_web_socket_carries_the_same(server, tmp_path):
    s = serve(server)
    with WebSocket(s, "/ws/1?format=mp4&join_ms=0") as socket:
        got = read_ws(socket, 30)
        assert got.codecs == [["avc1", "mp4a"]] and got.gaps == []
        got.decode(tmp_path)
        assert [v["protocol"] for v in s.viewers()] == ["ws"]


def test_the_end_of_a_film(server):
    s = server(line_up(channel(1, media.short_film())))
    with s.stream(URL) as stream:
        got = Mp4(stream.read_all())
    assert got.rest == b"" and got.head == b"" and got.gaps == []
    assert got.seconds["vide"] > 1.9
    with WebSocket(s, "/ws/1?format=mp4") as socket:
        assert socket.read_all() == 1000


@pytest.mark.slow
def test_every_player(server):
    s = serve(server)
    for words in (["ffmpeg", "-v", "error", "-xerror", "-i", "URL", "-t", "3", "-f", "null", "-"],
                  ["mpv", "--no-config", "--vo=null", "--ao=null", "--frames=50",
                   "--msg-level=all=warn", "URL"]):
        done = subprocess.run([w.replace("URL", s.url(URL)) for w in words], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        assert done.returncode == 0 and not done.stdout.strip(), done.stdout
