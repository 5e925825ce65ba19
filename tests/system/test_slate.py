"""What the viewers of a channel see while none of its sources works."""
import os
import subprocess

import pytest

import media
from harness import wait_for
from hls import Player
from lineup import channel, line_up
from origin import HttpOrigin, Paced
from proc import CONFINED, confinement
from trouble import TS_HEAD, Trouble, packets
from watch import Watch, assert_sound

LONG = 120  # seconds of media.long_film()


def streams_of(path):
    """Codec, size and rates of the streams that a decoder finds."""
    text = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height,"
         "r_frame_rate,sample_rate,channels", "-of", "csv=p=0", path],
        check=True, capture_output=True, text=True).stdout
    return sorted(set(text.split()))


def light_of(path):
    """How many points of its first picture have the colour of text."""
    picture = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt",
         "gray", "-"], check=True, capture_output=True).stdout
    return sum(x > 150 for x in picture)


def on_slate(s):
    tuner = s.tuner("1")
    return tuner if tuner and tuner["source"] == "slate" and tuner["state"] == "running" else None


@pytest.mark.parametrize("mode, text", [("refuse", True), ("stall", "I")])
def test_viewers_see_a_slate_and_then_the_source_again(server, mode, text):
    with HttpOrigin(Paced(media.long_film(), LONG)) as origin:
        s = server(line_up(channel(1, origin.url(), slate=text), streaming={"stall_timeout": 2}))
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 2)
            w.wait_playing(ids)
            origin.mode = mode
            if mode == "refuse":
                origin.cut()
            tuner = wait_for(lambda: on_slate(s), 10, "the slate")
            assert tuner["source_number"] == 0 and tuner["last_error"], tuner
            assert confinement(tuner["pid"]) == CONFINED
            w.wait_more(ids)
            assert "see a slate" in s.amps("why", "1").stdout
            # a viewer who comes now gets it, too, in the format of the channel
            with s.stream("/stream/1.ts", timeout=10) as stream:
                data = stream.read_for(3)
            path = os.path.join(s.folder, "slate.ts")
            with open(path, "wb") as f:
                f.write(data)
            assert streams_of(path) == streams_of(media.long_film())
            light = light_of(path)
            assert 10 < light < 100 if text == "I" else light > 400, light
            origin.mode = "play"
            wait_for(lambda: s.tuner("1")["source_number"] == 1, 15, "the source again")
            w.wait_more(ids)
            w.wait(ids, lambda v: v["marks"] == 2, 10, "viewers to go on with a mark")
            assert_sound(w.report())
            assert all(v["opened"] == 1 for v in w.report().values())
        assert origin.playing.peak == 1


def test_segments_go_on_with_a_slate(server):
    """The playlist of HLS goes on behind a mark, with segments that a decoder reads."""
    with HttpOrigin(Paced(media.long_film(), LONG)) as origin:
        s = server(line_up(channel(1, origin.url()), streaming={"stall_timeout": 2}))
        player = Player(s)
        player.wait_media(lambda m: m.segments)
        origin.mode = "refuse"
        origin.cut()
        wait_for(lambda: on_slate(s), 10, "the slate")
        # the first segments behind the mark
        playlist = player.wait_media(
            lambda m: any(x.discontinuity for x in m.segments[:-2]), 20)
        at = next(i for i, x in enumerate(playlist.segments) if x.discontinuity)
        path = os.path.join(s.folder, "segment.ts")
        with open(path, "wb") as f:
            f.write(b"".join(player.segment(x) for x in playlist.segments[at:at + 2]))
        assert streams_of(path) == streams_of(media.long_film())


def test_without_a_slate_viewers_wait(server):
    with HttpOrigin(Paced(media.long_film(), LONG)) as origin:
        s = server(line_up(channel(1, origin.url(), slate=False), streaming={"stall_timeout": 2}))
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 1)
            w.wait_playing(ids)
            origin.mode = "refuse"
            origin.cut()
            wait_for(lambda: s.tuner("1")["restarts"] >= 3, 10, "three tries")
            assert s.tuner("1")["state"] == "restarting" and s.tuner("1")["source_number"] == 1


def test_a_short_slate_breaks_no_clock(server):
    """The source is back as soon as the slate has begun."""
    film = packets(media.long_film())
    with Trouble(lambda peer: peer.send(TS_HEAD).play(film, 3, LONG).hold(),
                 lambda peer: peer.send(TS_HEAD).play(film, 1e9, LONG)) as origin:
        s = server(line_up(channel(1, origin.url()), streaming={"stall_timeout": 1}))
        with Watch(s) as w:
            ids = w.open("/stream/1.ts", 2)
            w.wait(ids, lambda v: v["marks"] == 2, 20, "the slate and its end")
            w.wait_more(ids)
            assert_sound(w.report())
        assert origin.connections.peak == 1
