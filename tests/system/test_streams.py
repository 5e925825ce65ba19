"""Streams that come late, are unusual or change their codec are served, in the order of the source;
streams that cannot be served are reported."""
import media
from harness import wait_for
from lineup import LOOP, channel, line_up
from origin import HttpOrigin, Paced
from test_carried import SUBTITLES, with_streams, with_subtitles
from ts import PACKET, Checker
from watcher import Watcher

H264, HEVC, MP2, AAC, LATM, AC3, DTS, TRUEHD = 0x1b, 0x24, 0x03, 0x0f, 0x11, 0x81, 0x82, 0x83
PICTURE = ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "200k", "-g", "25", "-bf", "0"]
PROFILES = {
    "coded": {"vcodec": "libx264", "preset": "ultrafast", "s": "160x90", "acodec": "aac",
              "b:a": "48k"},
    "half": {"vcodec": "copy", "acodec": "aac", "b:a": "48k"},
    "mapped": {"c": "copy", "map": ["0:v", "0:a"]},
    "languages": {"vcodec": "copy", "acodec": "aac", "b:a": "48k", "map": ["0:v", "0:a"]},
    "sound": {"vn": None, "acodec": "aac", "b:a": "48k"},
    "loud": {"vcodec": "copy", "acodec": "aac", "af": "loudnorm"},
    "even": {"vcodec": "copy", "acodec": "aac", "af": "dynaudnorm=f=100:g=15"},
}


def film(name, *options, seconds=8, picture=PICTURE):
    """A small film with a tone; `options` select its audio."""
    return media.make(name, "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-f", "lavfi",
                      "-i", "sine=frequency=440:sample_rate=48000", "-t", str(seconds), *picture,
                      "-ac", "2", *options, "-f", "mpegts")


def late_sound(seconds):
    return film(f"sound-{seconds}s-late.ts", "-af", f"asetpts=PTS+{seconds}/TB", "-c:a", "aac",
                seconds=seconds + 6)


class Reader(Checker):
    """A strict parser that also records the streams of each changed PMT, as [(stream type, PID)]."""

    def __init__(self):
        self.announced = []
        super().__init__()

    def read_pmt(self, s):
        super().read_pmt(s)
        at, end = 12 + ((s[10] & 15) << 8 | s[11]), ((s[1] & 15) << 8 | s[2]) - 1
        streams = []
        while at < end:
            streams.append((s[at], (s[at + 1] & 31) << 8 | s[at + 2]))
            at += 5 + ((s[at + 3] & 15) << 8 | s[at + 4])
        if not self.announced or self.announced[-1] != streams:
            self.announced.append(streams)

    def has(self, kinds, units):
        streams = self.announced[-1] if self.announced else []
        return [kind for kind, _ in streams] == kinds and all(
            len(self.dts.get(pid, [])) >= units for _, pid in streams)


def served(s, number, kinds, units=20):
    """Reads a channel until its newest PMT has streams of these types and each has brought so many
    units; the reader."""
    reader = Reader()
    with s.stream(f"/stream/{number}.ts", timeout=40) as stream:
        assert stream.head().status == 200, stream.read(400)
        wait_for(lambda: stream.ended or reader.feed(stream.read_some()).has(kinds, units), 40,
                 f"streams {kinds} of channel {number}")
        assert not stream.ended, reader.announced
    return reader.check()


def play(server, *rows, **sections):
    """A server with a channel for each (source, profile, more keys)."""
    return server(line_up(*(channel(n, str(source), profile, **(more[0] if more else LOOP))
                            for n, (source, profile, *more) in enumerate(rows, 1)),
                          ffmpeg_profiles=PROFILES, **sections))


def test_audio_that_needs_probing_is_served(server):
    latm = film("latm.ts", "-c:a", "aac", "-mpegts_flags", "latm")
    dts = film("dts.ts", "-c:a", "dca", "-strict", "-2")
    truehd = film("truehd.ts", "-c:a", "truehd", "-strict", "-2")
    s = play(server, (latm, "coded"), (dts, "half"), (truehd, "mapped"), (latm, "sound"),
             (latm, "mapped"))
    served(s, 1, [H264, AAC])
    served(s, 2, [H264, AAC])
    served(s, 3, [H264, TRUEHD])
    served(s, 4, [AAC])
    served(s, 5, [H264, LATM])
    assert {t["last_error"] for t in s.tuners()} <= {None}


def test_audio_that_starts_three_seconds_late_is_served(server):
    path = late_sound(3)
    s = play(server, (path, "coded"), (path, "half"), (path, "mapped"))
    for number in (1, 2, 3):
        assert served(s, number, [H264, AAC]).announced == [[(H264, 0x100), (AAC, 0x101)]]


def test_audio_that_comes_after_the_start_is_added(server):
    with HttpOrigin(Paced(late_sound(9), 15, burst=6)) as origin:
        s = play(server, (origin.url(), "half", {}))
        reader = served(s, 1, [H264, AAC])
        assert reader.announced == [[(H264, 0x100)], [(H264, 0x100), (AAC, 0x101)]]
        assert s.tuner("1")["last_error"] == \
            "audio stream 1 (aac) has no data yet, going on without it until it comes"
        assert s.log().count("audio stream 1 (aac) has no data yet") == 1
        assert s.log().count("audio stream 1 (aac) has come") == 1


def test_audio_that_a_filter_delays_is_served(server):
    path = film("plain.ts", "-c:a", "aac")
    s = play(server, (path, "loud"), (path, "even"))
    served(s, 1, [H264, AAC])
    served(s, 2, [H264, AAC])


def test_video_without_key_frames_is_served(server):
    """Intra-refresh, joined between two recovery points."""
    path = film("refresh.ts", "-c:a", "aac", picture=[
        *PICTURE, "-g", "50", "-x264-params", "intra-refresh=1:keyint=50"])
    live = Paced(path, 8)
    live.data = live.data[len(live.data) // 3 // PACKET * PACKET:]
    with HttpOrigin(live) as origin:
        s = play(server, (origin.url(), "coded", {}))
        served(s, 1, [H264, AAC])


def test_streams_keep_the_order_of_the_source(server):
    """The second language begins before the first and before the picture."""
    path = media.make(
        "second-first.ts", "-itsoffset", "0.4", "-i", film("plain.ts", "-c:a", "aac"), "-itsoffset",
        "0.3", "-i", media.mpeg2_film(), "-i", media.hevc_film(), "-t", "8", "-map", "0:v", "-map",
        "1:a", "-map", "2:a", "-c", "copy", "-copyts", "-f", "mpegts")
    s = play(server, (path, "mapped"), (path, "languages"), (path, "coded"))
    for number, kinds in ((1, [H264, MP2, AC3]), (2, [H264, AAC, AAC]), (3, [H264, AAC])):
        first = served(s, number, kinds).announced[0]
        assert [kind for kind, _ in first] == kinds


def test_viewers_stay_when_copied_streams_change_codec(server, tmp_path):
    both = tmp_path / "both.ts"
    hevc = open(media.hevc_film(), "rb").read()
    both.write_bytes(open(film("plain.ts", "-c:a", "aac"), "rb").read() + 3 * hevc)
    with HttpOrigin(Paced(both, 68, burst=30)) as origin:
        s = play(server, (origin.url(), "mapped", {}))
        reader = served(s, 1, [HEVC, AC3])
    assert reader.announced[0] == [(H264, 0x100), (AAC, 0x101)]
    assert reader.announced[-1] == [(HEVC, 0x100), (AC3, 0x101)]
    assert reader.marked > 0


def test_a_codec_that_ts_cannot_carry_is_reported(server):
    path = media.make("flac.mkv", "-i", film("plain.ts", "-c:a", "aac"), "-map", "0:v", "-map",
                      "0:a", "-map", "0:a", "-c:v", "copy", "-c:a:0", "copy", "-c:a:1", "flac",
                      "-metadata:s:a:1", "language=deu")
    s = play(server, (path, "copy"))
    served(s, 1, [H264, AAC])
    words = "MPEG-TS cannot carry audio stream 2 (flac, deu) of the source"
    assert s.tuner("1")["last_error"] == words
    assert s.log().count(words) == 1


def test_a_codec_without_decoder_is_reported(server, tmp_path):
    """AC-4, as DVB announces it."""
    path = tmp_path / "ac4.ts"
    ac4 = bytes([0x06, 0xe0 | SUBTITLES >> 8, SUBTITLES & 255, 0xf0, 10, 0x7f, 2, 0x15, 0,
                 0x0a, 4]) + b"deu\x00"
    data = open(film("plain.ts", "-c:a", "aac"), "rb").read()
    path.write_bytes(with_streams(data, ac4, [SUBTITLES]))
    s = play(server, (path, "languages"), (path, "mapped"))
    served(s, 1, [H264, AAC])
    words = "audio stream 2 (ac4, deu) cannot be decoded here, going on without it"
    assert s.tuner("1")["last_error"] == words
    assert s.log().count(words) == 1
    served(s, 2, [H264, AAC])
    assert s.tuner("2")["last_error"] == \
        "MPEG-TS cannot carry audio stream 2 (ac4, deu), going on without it"


def test_a_mapped_stream_that_is_not_served_is_reported(server, tmp_path):
    path = tmp_path / "film.ts"
    path.write_bytes(with_subtitles(open(film("plain.ts", "-c:a", "aac"), "rb").read()))
    s = server(line_up(channel(1, str(path), "mine", **LOOP),
                       ffmpeg_profiles={"mine": {"vcodec": "copy", "acodec": "copy", "map": 0}}))
    served(s, 1, [H264, AAC])
    assert 'the profile maps subtitle stream' in s.tuner("1")["last_error"]
    assert '"scodec: copy" would include it' in s.tuner("1")["last_error"]


def test_a_channel_without_a_key_frame_in_time_starts(server):
    path = film("one-key.ts", "-c:a", "aac", seconds=30, picture=[*PICTURE, "-g", "10000"])
    live = Paced(path, 30)
    live.data = live.data[len(live.data) // 20 // PACKET * PACKET:]
    with HttpOrigin(live) as origin:
        # the job waits for eight tenths of it; on a busy machine it starts seconds after the viewer
        s = play(server, (origin.url(), "copy", {}), streaming={"start_timeout": 20})
        wait_for(s.nursery, 20, "the nursery")
        with Watcher(s, "/stream/1.ts") as w:
            w.wait_more(100, 20)
            checker = w.stop().check()
    assert len(checker.dts) == 2
    assert not checker.first_video_is_random_access
