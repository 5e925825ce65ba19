"""A judge of endless fragmented MP4 (ISO 14496-12): picture and sound in one file."""
import os
import struct
import subprocess

from cmaf import boxes, find, read_tfdt, read_tfhd, read_trun

MOST_S = .1             # of a fragment, unless one sample alone is longer
TOGETHER_S = .08        # units of a track follow each other so closely


class Track:
    """What an init segment says of one of its tracks."""

    def __init__(self, trak, trex):
        self.number = struct.unpack_from(">I", find(trak, "tkhd"), 20 if find(trak, "tkhd")[0] else 12)[0]
        mdhd = find(trak, "mdia", "mdhd")
        self.scale = struct.unpack_from(">I", mdhd, 20 if mdhd[0] else 12)[0]
        self.kind = find(trak, "mdia", "hdlr")[8:12].decode()
        self.codec = find(trak, "mdia", "minf", "stbl", "stsd")[12:16].decode()
        self.trex = trex
        self.end = None     # of its last sample


class Mp4:
    """Feed it bytes in order; then look at what it found.  `packets` is the number of fragments, as
    a watcher counts them.  A file that breaks a rule raises an AssertionError."""

    def __init__(self, data=b""):
        self.rest, self.head = b"", b""
        self.bytes = []
        self.packets = 0
        self.inits = []         # lists of tracks
        self.init_bytes = []
        self.languages = []     # lists of those that can be chosen
        self.gaps = []          # (kind of track, seconds) where the time leaps
        self.seconds = {"vide": 0.0, "soun": 0.0}
        self.keys = 0           # fragments that begin with a key frame
        self.begin = None       # of the first sample, in seconds
        self.fresh = False      # nothing has come since an init segment
        self.sequence = None
        self.longest = 0.0
        self.feed(data)

    def feed(self, data):
        self.rest += data
        self.bytes.append(data)
        while len(self.rest) >= 8:
            size, kind = struct.unpack_from(">I4s", self.rest)
            assert 8 <= size < 1 << 26 and kind in (b"ftyp", b"moov", b"moof", b"mdat"), (size, kind)
            if len(self.rest) < size:
                break
            box, self.rest = self.rest[:size], self.rest[size:]
            self.take(kind.decode(), box)
        return self

    def take(self, kind, box):
        expected = {b"": ("ftyp", "moof"), b"ftyp": ("moov",), b"moof": ("mdat",)}
        assert kind in expected[self.head[4:8]], f"{kind} behind {self.head[4:8]}"
        self.head += box
        if kind == "moov":
            self.take_init(self.head)
            self.head = b""
        elif kind == "mdat":
            self.take_fragment(self.head)
            self.head = b""

    def take_init(self, data):
        moov = find(data, "moov")
        trex = {struct.unpack_from(">I", p, 4)[0]: struct.unpack_from(">3I", p, 12)
                for path, p in boxes(moov) if path == ("mvex", "trex")}
        traks = [p for path, p in boxes(moov) if path == ("trak",)]
        assert not any("edts" in path for path, _ in boxes(moov)), "an edit list"
        numbers = [struct.unpack_from(">I", find(t, "tkhd"), 20 if find(t, "tkhd")[0] else 12)[0]
                   for t in traks]
        ends = {t.kind: t.end / t.scale for t in self.inits[-1] if t.end} if self.inits else {}
        self.inits.append([Track(t, trex[n]) for t, n in zip(traks, numbers)])
        for track in self.inits[-1]:
            if track.kind in ends:
                track.end = round(ends[track.kind] * track.scale)
        self.init_bytes.append(data)
        self.languages.append([code for code in find(moov, "uuid").removeprefix(
            b"amps.sound-langs").decode().split(",") if code])
        self.fresh = True

    def take_fragment(self, data):
        assert self.inits, "a fragment before the init segment"
        moof, tracks = find(data, "moof"), {t.number: t for t in self.inits[-1]}
        sequence = struct.unpack_from(">I", find(moof, "mfhd"), 4)[0]
        assert self.sequence is None or self.fresh or sequence > self.sequence
        self.sequence = sequence
        length = 0
        for path, traf in boxes(moof):
            if path != ("traf",):
                continue
            tfhd = find(traf, "tfhd")
            track = tracks[struct.unpack_from(">I", tfhd, 4)[0]]
            samples = list(read_trun(find(traf, "trun"), read_tfdt(find(traf, "tfdt")),
                                     read_tfhd(tfhd, track.trex), data))
            length += sum(len(s.data) for s in samples)
            self.take_samples(track, samples)
        assert length == len(find(data, "mdat")), "the samples are not the whole mdat"
        self.fresh = False
        self.packets += 1

    def take_samples(self, track, samples):
        assert samples and all(s.duration > 0 for s in samples)
        main = track.kind == "vide" or all(t.kind == "soun" for t in self.inits[-1])
        if self.fresh and main:
            assert samples[0].sync, "the file does not begin with a key frame"
        if track.kind == "vide":
            assert not any(s.sync for s in samples[1:]), "a key frame in the middle of a fragment"
            self.keys += samples[0].sync
        lasts = sum(s.duration for s in samples) / track.scale
        self.longest = max(self.longest, lasts if len(samples) > 1 else 0)
        assert len(samples) == 1 or lasts <= MOST_S + .0001, \
            f"{track.kind}: a fragment of {lasts} s, samples of {[s.duration for s in samples]}"
        begin = samples[0].dts / track.scale
        if track.end is not None:
            apart = begin - track.end / track.scale
            if abs(apart) > .0001:
                # an encoder that dies takes pictures and frames of sound with it, whose places
                # stay empty
                lost = apart * track.scale / samples[0].duration
                hole = apart > 0 and abs(lost - round(lost)) < .01
                assert abs(apart) > TOGETHER_S or self.fresh or hole, \
                    f"{track.kind}: off by {apart} s"
                self.gaps.append((track.kind, apart))
        if self.begin is None:
            self.begin = begin
        track.end = samples[-1].dts + samples[-1].duration
        self.seconds[track.kind] += lasts

    @property
    def codecs(self):
        return [sorted(t.codec for t in tracks) for tracks in self.inits]

    def decode(self, folder):
        """Decodes all of it; fails at the first error."""
        path = os.path.join(folder, "file.mp4")
        whole = b"".join(self.bytes)
        with open(path, "wb") as file:
            file.write(whole[:len(whole) - len(self.rest) - len(self.head)])
        done = subprocess.run(["ffmpeg", "-nostdin", "-v", "warning", "-xerror", "-i", path, "-f",
                               "null", "-"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return path
