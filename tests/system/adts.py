"""A strict parser of ADTS (ISO/IEC 13818-7, 6.2): every byte belongs to a frame."""

RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


class Frames:
    """Feed it bytes in order; then look at what it found.  `packets` is the number of frames, as
    a watcher counts them."""

    def __init__(self, data=b""):
        self.rest = b""
        self.frames = []
        self.lost = 0             # bytes that are in no frame
        self.forms = set()        # (rate, channels)
        self.feed(data)

    @property
    def packets(self):
        return len(self.frames)

    def feed(self, data):
        data = self.rest + data
        at = 0
        while at + 7 <= len(data):
            n = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
            rate = data[at + 2] >> 2 & 15
            if data[at] != 0xff or data[at + 1] & 0xf6 != 0xf0 or n < 7 or rate >= len(RATES):
                self.lost += 1
                at += 1
                continue
            if at + n > len(data):
                break
            self.forms.add((RATES[rate], (data[at + 2] & 1) << 2 | data[at + 3] >> 6))
            self.frames.append(data[at:at + n])
            at += n
        self.rest = data[at:]
        return self
