"""/audio/<id>: the sound of a channel alone, as endless ADTS."""
import contextlib
import os
import subprocess
import time

import pytest

import media
from adts import Frames
from harness import kill, wait_for
from lineup import LOOP, channel, line_up
from watcher import Watcher

SOAK = bool(os.environ.get("AMPS_SOAK"))
LISTENERS = 100 if SOAK else 20     # while a process dies

pytestmark = pytest.mark.slow

PROFILES = {
    "quiet": {"vcodec": "copy", "acodec": "aac", "af": "volume=0.5"},
    "rate": {"vcodec": "copy", "acodec": "copy", "b:a": "32k"},
    "mono": {"vcodec": "libx264", "preset": "ultrafast", "b:v": "100k", "acodec": "aac",
             "b:a": "32k", "ac": 1, "ar": 32000},
    "mono2": {"vcodec": "libx264", "preset": "ultrafast", "b:v": "200k", "acodec": "aac",
              "b:a": "32k", "ac": 1, "ar": 32000},
    "dolby": {"vcodec": "copy", "acodec": "ac3", "b:a": "96k"},
    "silent": {"vcodec": "copy", "an": None},
    "mp3": {"vcodec": "copy", "acodec": "libmp3lame", "b:a": "64k"},
}


def serve(server, source, profile="copy", workers=1, **more):
    return server(line_up(channel(1, source, profile, **LOOP, **more), ffmpeg_profiles=PROFILES,
                          streaming={"idle_timeout": 600}), workers=workers)


def frames_of(path, *options):
    """The frames that ffmpeg takes from a film as they are."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), *options, "-vn", "-c:a",
                           "copy", "-f", "adts", "-"], stdout=subprocess.PIPE, check=True)
    return Frames(done.stdout).frames


def listen(server, path="/audio/1", frames=100, **kwargs):
    """Reads so many frames; the first byte is a frame's."""
    found = Frames()
    with server.stream(path, **kwargs) as stream:
        head = stream.head()
        assert head.status == 200, stream.read_all()
        assert head.headers["content-type"] == "audio/aac"
        assert "content-length" not in head.headers
        while found.packets < frames:
            data = stream.read_some()
            assert data, "the answer ended"
            found.feed(data)
    assert found.lost == 0
    return found


@contextlib.contextmanager
def listeners(server, count, path="/audio/1"):
    """Watchers of frames."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Watcher(server, path, checker=Frames)) for _ in range(count)]


@pytest.mark.smoke
def test_aac_is_copied_byte_for_byte(server):
    s = serve(server, media.long_film())
    known = frames_of(media.long_film())
    got = listen(s, frames=150).frames
    at = known.index(got[0])
    assert got == [known[(at + i) % len(known)] for i in range(len(got))]
    assert s.tuner("1")["variants"] == [], "the sound is no variant"


def test_other_sound_is_encoded(server):
    s = serve(server, media.mpeg2_film())
    assert len(listen(s).forms) == 1


@pytest.mark.smoke
@pytest.mark.parametrize("profile,form", [("mono", (32000, 1)), ("dolby", None), ("quiet", None),
                                           ("rate", None)])
def test_the_profile_says_how(server, profile, form):
    """A codec that ADTS cannot carry gives way to AAC; a filter or a bit rate needs an encoder."""
    s = serve(server, media.long_film(), profile)
    got = listen(s)
    assert len(got.forms) == 1 and (form is None or got.forms == {form})
    assert not set(got.frames[20:]) & set(frames_of(media.long_film())), "frames were copied"


def test_variants_with_the_same_sound_share_it(server):
    s = serve(server, media.long_film(), "mono", adaptive_bitrates=[
        {"name": "same", "ffmpeg_profile": "mono2"}, {"name": "other", "ffmpeg_profile": "copy"}])
    with listeners(s, 2) as own, listeners(s, 2, "/audio/1?variant=same") as same, \
            listeners(s, 1, "/audio/1?variant=other") as other:
        for w in own + same + other:
            w.wait_more(40)
        wait_for(lambda: s.tuner("1")["viewers"] == 5, 10, "all to be counted")
        assert sorted((v["protocol"], v["variant"] or "") for v in s.viewers()) == \
            [("audio", ""), ("audio", ""), ("audio", "other"), ("audio", "same"), ("audio", "same")]
        for w in own + same:
            assert w.stop().forms == {(32000, 1)}
        assert set(own[0].checker.frames) & set(same[0].checker.frames), "one encoder made both"
        assert set(other[0].stop().frames) <= set(frames_of(media.long_film()))


@pytest.mark.smoke
def test_a_language(server):
    s = serve(server, media.languages_film())
    known = frames_of(media.languages_film(), "-map", "0:a:2")
    assert listen(s, "/audio/1?lang=fra").frames[5] in known
    assert listen(s, "/audio/1?lang=FRA").frames[5] in known
    assert not set(listen(s, "/audio/1").frames) & set(known), "the first is another language"
    answer = s.refused("/audio/1?lang=ita")
    assert answer.status == 502 and "no sound in this language" in answer.text
    assert s.refused("/audio/1?lang=italian").status == 400
    assert s.tuner("1")["state"] == "running"


def test_a_channel_without_sound(server):
    s = serve(server, media.long_film(), "silent")
    answer = s.refused("/audio/1")
    assert answer.status == 502 and "no stream that the profile wants" in answer.text


def test_the_form_of_the_channel_is_sound(server):
    s = serve(server, media.long_film(), output_format="audio")
    assert listen(s, "/stream/1").packets >= 100
    with s.stream("/stream/1.ts") as stream:
        assert stream.head().headers["content-type"] == "video/mp2t"


class Mp3:
    """A strict parser of MPEG audio: every byte belongs to a frame of layer III."""

    RATES = {1: 32, 2: 40, 3: 48, 4: 56, 5: 64, 6: 80, 7: 96, 8: 112, 9: 128, 10: 160}

    def __init__(self):
        self.rest, self.packets = b"", 0

    def feed(self, data):
        self.rest += data
        while len(self.rest) >= 4:
            head = self.rest
            assert head[0] == 0xff and head[1] & 0xfe == 0xfa, head[:16]
            rate = (44100, 48000, 32000)[head[2] >> 2 & 3]
            n = 144000 * self.RATES[head[2] >> 4] // rate + (head[2] >> 1 & 1)
            if len(self.rest) < n:
                break
            self.rest = self.rest[n:]
            self.packets += 1


def test_mp3_where_the_profile_says_so(server):
    s = serve(server, media.long_film(), "mp3", adaptive_bitrates=[
        {"name": "other", "ffmpeg_profile": "copy"}])
    checker = Mp3()
    with s.stream("/audio/1") as stream:
        assert stream.head().headers["content-type"] == "audio/mpeg"
        while checker.packets < 100:
            checker.feed(stream.read_some())
    assert listen(s, "/audio/1?variant=other").packets >= 100, "the variant's sound is AAC"
    assert "#KODIPROP:mimetype=audio/mpeg" in s.get("/playlist.m3u?format=audio").text


class Titled:
    """Sound with a block of titles behind every 16,000 bytes."""

    def __init__(self):
        self.rest, self.frames, self.blocks = b"", Frames(), []

    def feed(self, data):
        self.rest += data
        while len(self.rest) > 16000 and len(self.rest) > 16000 + self.rest[16000] * 16:
            end = 16001 + self.rest[16000] * 16
            self.frames.feed(self.rest[:16000])
            self.blocks.append(self.rest[16001:end].rstrip(b"\0").decode())
            self.rest = self.rest[end:]


def hear_titles(server, blocks, path="/audio/1"):
    heard = Titled()
    with server.stream(path, headers={"Icy-MetaData": "1"}, rcvbuf=4096) as stream:
        head = stream.head().headers
        assert head["icy-metaint"] == "16000" and head["icy-name"] == "Channel 1"
        while len(heard.blocks) < blocks:
            data = stream.read_some()
            assert data, "the answer ended"
            heard.feed(data)
    assert heard.frames.lost == 0
    return heard.blocks


def test_titles_for_radios_that_ask(server, tmp_path):
    guide = tmp_path / "guide.xml"
    start, stop = (time.strftime("%Y%m%d%H%M%S +0000", time.gmtime(time.time() + s)) for s in (-60, 7200))
    guide.write_text(f'<tv><channel id="one.tv"/><programme channel="one.tv" start="{start}" '
                     f'stop="{stop}"><title>Jetzt &amp; hier</title></programme></tv>')

    def serve_with(**more):
        return line_up(channel(1, media.long_film(), epg_id="one.tv", **LOOP, **more),
                       ffmpeg_profiles=PROFILES, epg={"sources": [{"path": str(guide)}]})

    s = server(line_up(channel(1, media.long_film(), **LOOP), ffmpeg_profiles=PROFILES))
    assert hear_titles(s, 3) == ["StreamTitle='Channel 1';", "", ""]
    s.write_config(serve_with())
    assert s.amps("reload").returncode == 0
    wait_for(lambda: b"Jetzt" in s.get("/epg.xml").body, 20, "the guide")
    assert hear_titles(s, 2) == ["StreamTitle='Jetzt & hier';", ""]
    # what the channel says itself comes first
    now = "It's; on"
    s.write_config(serve_with(next_programs=[
        {"title": "over", "start": "2001-01-01T00:00:00Z", "end": "2001-01-02T00:00:00Z"},
        {"title": now, "start": "2001-01-03T00:00:00Z", "end": "2999-01-01T00:00:00Z"},
        {"title": "to come", "start": "2999-01-01T00:00:00Z"}]))
    assert s.amps("reload").returncode == 0
    assert hear_titles(s, 2) == ["StreamTitle='It's, on';", ""]
    # other clients do not get them
    assert "icy-metaint" not in s.request("HEAD", "/audio/1").headers
    head = s.request("HEAD", "/stream/1.ts", headers={"Icy-MetaData": "1"}).headers
    assert "icy-metaint" not in head


def test_the_rules_of_streams(server):
    """Token, group, region, and the limit of a token, whatever the form."""
    s = server(line_up(channel(1, media.long_film(), **LOOP, group="News"),
                       channel(2, media.long_film(), **LOOP, group="Kids", regions_allowed=["DE"]),
                       auth={"enabled": True, "token": "all", "tokens": [
                           {"token": "two", "max_viewers": 2, "groups": ["News"]}]}))
    assert s.refused("/audio/1").status == 401
    assert s.refused("/audio/2?token=two").status == 403
    assert s.refused("/audio/2?token=all&region=US").status == 403
    with listeners(s, 1, "/audio/1?token=two"), listeners(s, 1, "/stream/1.ts?token=two"):
        wait_for(lambda: len(s.viewers()) == 2, 10, "both to be counted")
        assert s.refused("/audio/1?token=two").status == 429


@pytest.mark.parametrize("victim", [
    pytest.param(name, marks=[pytest.mark.soak] if SOAK else [])
    for name in ("ingest", "derive", "nursery", "worker")])
def test_a_process_dies_under_listeners(server, victim):
    """Listeners of the killed worker reconnect at once; all others stay, and their sound goes
    on."""
    s = serve(server, media.long_film(), "mono", workers=2)
    with listeners(s, LISTENERS) as all_of_them:
        wait_for(lambda: all(w.packets() >= 20 for w in all_of_them), 30, "all to hear")
        wait_for(lambda: s.tuner("1")["viewers"] == LISTENERS, 10, "all to be counted")
        tuner, dead = s.tuner("1"), set()
        kill({"ingest": tuner["pid"], "derive": tuner["derive_pid"], "nursery": s.nursery(),
              "worker": s.pids("amps-worker")[0]}[victim])
        if victim == "worker":
            # all of them, seen here and by the server
            wait_for(lambda: 0 < len(s.viewers()) == sum(not w.ended for w in all_of_them)
                     < LISTENERS, 20, "their end")
            dead = {w for w in all_of_them if w.ended}
            listen(s, frames=50)
        heard = {w: w.packets() for w in set(all_of_them) - dead}
        wait_for(lambda: all(w.packets() >= n + 80 for w, n in heard.items()), 60, "more sound")
        assert not any(w.ended for w in heard)
        for w in heard:
            assert w.stop().forms == {(32000, 1)}
            assert w.checker.lost < 2048, "more was lost than a frame at the cut"
        if victim == "nursery":
            assert s.tuner("1")["pid"] == tuner["pid"]


def test_a_radio_that_connects_again_hears_sound_at_once(server):
    s = serve(server, media.long_film())
    with listeners(s, 1):
        for _ in range(10):
            assert listen(s, frames=10).packets >= 10
        wait_for(lambda: len(s.viewers()) == 1, 10, "the others to be gone")
        assert s.tuner("1")["restarts"] == 0


@pytest.mark.parametrize("words", [
    ["ffmpeg", "-v", "error", "-xerror", "-i", "URL", "-t", "4", "-f", "null", "-"],
    # it complains of a late sample, also where other programs have the processors
    pytest.param(["mpv", "--no-config", "--ao=null", "--length=3", "--msg-level=all=warn", "URL"],
                 marks=[pytest.mark.timing, pytest.mark.waits]),
    ["gst-launch-1.0", "-q", "souphttpsrc", "num-buffers=60", "location=URL", "!", "decodebin",
     "!", "audioconvert", "!", "fakesink"]])
def test_players(server, words):
    s = serve(server, media.long_film())
    done = subprocess.run([w.replace("URL", s.url("/audio/1")) for w in words], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert done.returncode == 0, done.stdout
    assert not done.stdout.strip(), done.stdout
