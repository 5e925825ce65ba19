"""A strict parser of MPEG transport streams (ISO/IEC 13818-1): sync, continuity, tables first, random
access first, increasing time."""

PACKET = 188
NULL_PID = 0x1fff
WRAP = 1 << 33
LEAP = 45000                      # of a clock, in ticks


def split(data):
    return [data[i:i + PACKET] for i in range(0, len(data) - PACKET + 1, PACKET)]


def pid_of(packet):
    return (packet[1] & 0x1f) << 8 | packet[2]


def stamp(b):
    return ((b[0] >> 1 & 7) << 30 | b[1] << 22 | b[2] >> 1 << 15 | b[3] << 7 | b[4] >> 1)


class Checker:
    """Feed it bytes in order; then look at what it found."""

    def __init__(self, data=b""):
        self.rest = b""
        self.packets = 0
        self.sync_errors = 0
        self.cc_errors = []       # (packet number, pid, expected, got)
        self.marks = 0            # discontinuity indicators at a jump of a counter
        self.marked = 0           # all discontinuity indicators
        self.first_pids = []      # pids of the first packets
        self.dts = {}             # pid -> list of DTS (or PTS where there is no DTS), unwrapped
        self.pts = {}             # pid -> list of PTS, unwrapped, as they come
        self.backwards = []       # (packet number, pid, before, after)
        self.pmt_pid = None
        self.video_pid = None
        self.first_video_is_random_access = None
        self.not_random_access_after_mark = 0
        self.cut = False          # a mark on the video's pid, its next picture not yet seen
        self.cc = {}
        self.excused = set()
        self.pcr_pid = None
        self.pcr = None           # the last clock, unwrapped, 90 kHz
        self.pcrs = 0
        self.pcr_gap = 0.0        # the longest time between two clocks in seconds
        self.pcr_backwards = []   # (packet number, before, after)
        self.pcr_leaps = []       # the same, of clocks far from the last and not marked
        self.pmt_versions = []    # each time it changes
        self.late = 0             # units whose decoding time had passed when they started
        self.feed(data)

    def feed(self, data):
        data = self.rest + data
        whole = len(data) // PACKET * PACKET
        for at in range(0, whole, PACKET):
            self.packet(data[at:at + PACKET])
        self.rest = data[whole:]
        return self

    def packet(self, p):
        self.packets += 1
        if p[0] != 0x47:
            self.sync_errors += 1
            return
        pid = pid_of(p)
        if pid == NULL_PID:
            return
        if len(self.first_pids) < 8:
            self.first_pids.append(pid)
        has_field, has_payload = p[3] & 0x20, p[3] & 0x10
        flags = p[5] if has_field and p[4] > 0 else 0
        if flags & 0x80:
            self.marked += 1
            self.excused.add(pid)
            self.cut = self.cut or pid == self.video_pid
        self.continuity(pid, p[3] & 15, has_payload, p)
        if flags & 0x10 and pid == self.pcr_pid:
            self.clock(p[6] << 25 | p[7] << 17 | p[8] << 9 | p[9] << 1 | p[10] >> 7, flags & 0x80)
        if not has_payload:
            return
        payload = p[5 + p[4]:] if has_field else p[4:]
        if p[1] & 0x40:
            self.unit(pid, payload, flags)

    def clock(self, value, marked):
        self.pcrs += 1
        if self.pcr is not None:
            value += (self.pcr - value + WRAP // 2) // WRAP * WRAP
            if value <= self.pcr:
                self.pcr_backwards.append((self.packets, self.pcr, value))
            if not marked and not 0 < value - self.pcr < LEAP:
                self.pcr_leaps.append((self.packets, self.pcr, value))
            self.pcr_gap = max(self.pcr_gap, (value - self.pcr) / 90000)
        self.pcr = value

    def continuity(self, pid, cc, has_payload, p):
        before = self.cc.get(pid)
        if before is not None:
            number, last = before
            expected = (number + 1) & 15 if has_payload else number
            duplicate = has_payload and cc == number and p[4:] == last[4:]
            if cc != expected and not duplicate:
                if pid in self.excused:
                    self.marks += 1
                else:
                    self.cc_errors.append((self.packets, pid, expected, cc))
        if has_payload:
            self.excused.discard(pid)
        self.cc[pid] = (cc, p)

    def unit(self, pid, payload, flags):
        if pid == 0:
            section = payload[1 + payload[0]:]
            self.pmt_pid = (section[10] & 0x1f) << 8 | section[11]
        elif pid == self.pmt_pid:
            self.read_pmt(payload[1 + payload[0]:])
        elif payload[:3] == b"\0\0\1":
            self.read_pes(pid, payload, flags)

    def read_pmt(self, s):
        length = (s[1] & 15) << 8 | s[2]
        if self.pmt_versions[-1:] != [s[5] >> 1 & 31]:
            self.pmt_versions.append(s[5] >> 1 & 31)
        self.pcr_pid = (s[8] & 0x1f) << 8 | s[9]
        at = 12 + ((s[10] & 15) << 8 | s[11])
        while at + 5 <= min(len(s), 3 + length - 4):
            if s[at] in (0x01, 0x02, 0x1b, 0x24) and self.video_pid is None:
                self.video_pid = (s[at + 1] & 0x1f) << 8 | s[at + 2]
            at += 5 + ((s[at + 3] & 15) << 8 | s[at + 4])

    def read_pes(self, pid, payload, flags):
        if pid == self.video_pid and self.first_video_is_random_access is None:
            self.first_video_is_random_access = bool(flags & 0x40) or self.has_key(payload)
        if pid == self.video_pid and self.cut:
            self.cut = False
            if not flags & 0x40 and not self.has_key(payload):
                self.not_random_access_after_mark += 1
        if len(payload) < 14 or not payload[7] & 0x80:
            return
        value = stamp(payload[14:19]) if payload[7] & 0x40 else stamp(payload[9:14])
        known = self.dts.setdefault(pid, [])
        if known:
            value += (known[-1] - value + WRAP // 2) // WRAP * WRAP
            if value < known[-1]:
                self.backwards.append((self.packets, pid, known[-1], value))
        known.append(value)
        shown = stamp(payload[9:14])
        self.pts.setdefault(pid, []).append(
            shown + (value - shown + WRAP // 2) // WRAP * WRAP)
        if self.pcr is not None and (value - self.pcr + WRAP // 2) % WRAP < WRAP // 2:
            self.late += 1

    @staticmethod
    def has_key(payload):
        """An IDR slice or a sequence parameter set near the beginning (H.264)."""
        return any(payload[i:i + 3] == b"\0\0\1" and payload[i + 3] & 31 in (5, 7)
                   for i in range(len(payload) - 3))

    def seconds(self, pid=None):
        times = self.dts.get(pid if pid is not None else self.video_pid, [])
        return (times[-1] - times[0]) / 90000 if times else 0.0

    def video_gap(self):
        """The longest time between two pictures in seconds."""
        times = self.dts.get(self.video_pid, [])
        return max((b - a for a, b in zip(times, times[1:])), default=0) / 90000

    def shown_gap(self):
        """The longest time between two pictures in display order, in seconds, without the last few, because
        pictures between them may still come."""
        times = sorted(self.pts.get(self.video_pid, []))[:-8]
        return max((b - a for a, b in zip(times, times[1:])), default=0) / 90000

    def check_start(self):
        """PAT, PMT and a random access point first."""
        assert self.packets > 0, "no packet at all"
        assert self.first_pids[0] == 0, f"the first packet is of pid {self.first_pids[0]}"
        assert self.first_pids[1] == self.pmt_pid, f"pids at the start: {self.first_pids}"
        assert self.first_video_is_random_access, "the first picture is no random access point"

    def check(self):
        """There is no error."""
        assert self.sync_errors == 0, f"{self.sync_errors} packets out of sync"
        assert self.cc_errors == [], f"continuity: {self.cc_errors[:5]} of {len(self.cc_errors)}"
        assert self.backwards == [], f"time goes back: {self.backwards[:5]}"
        return self
