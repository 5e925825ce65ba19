"""Invalid transport streams (ISO/IEC 13818-1), built from a short film or from nothing: FILES has a
function for each, which returns its bytes."""
import random

import media
from trouble import seal, set_pid
from ts import NULL_PID, PACKET, pid_of, split

FILES = {}
PMT_PID, VIDEO_PID, AUDIO_PID = 0x1000, 0x100, 0x101  # as ffmpeg has them
MOVED_PMT_PIDS = range(0x200, 0x1000)


def file(make):
    FILES[make.__name__.replace("_", " ")] = make
    return make


def film():
    return [bytearray(p) for p in split(open(media.blink(), "rb").read())]


def begins(p):
    return p[1] & 0x40


def each(pid, change, which=lambda n: True):
    """The film with every (or every chosen) packet of a PID changed; None drops it."""
    out, n = [], 0
    for p in film():
        if pid is None or pid_of(p) == pid:
            if which(n):
                p = change(p, n)
            n += 1
        if p is not None:
            out.append(bytes(p))
    assert n > 0
    return b"".join(out)


def changed(p, at, value):
    p[at] = value
    return p


def field(p):
    """The packet with an adaptation field of at least two bytes."""
    if p[3] & 0x20 and p[4] > 0:
        return p
    return bytearray(p[:3] + bytes([p[3] | 0x20, 1, 0]) + p[4:PACKET - 2])


def packet(pid, payload, n=0, start=True, fill=0xff):
    head = bytes([0x47, (0x40 if start else 0) | pid >> 8, pid & 0xff, 0x10 | n & 15])
    return (head + payload).ljust(PACKET, bytes([fill]))


def section(pid, body, n=0):
    """The packets of one section; its length and checksum are right."""
    first = packet(0, b"\0" + body + b"\0\0\0\0")
    if len(body) <= 179:
        first = bytearray(first)
        first[6] = first[6] & 0xf0 | (len(body) + 1) >> 8
        first[7] = len(body) + 1 & 0xff
        seal(first)
        set_pid(first, 1, pid)
        first[3] = 0x10 | n & 15
        return bytes(first)
    body = bytearray(body)
    body[1], body[2] = body[1] & 0xf0 | (len(body) + 1) >> 8, len(body) + 1 & 0xff
    data = b"\0" + bytes(body) + crc(body).to_bytes(4, "big")
    return b"".join(packet(pid, data[at:at + 184], n + at // 184, at == 0)
                    for at in range(0, len(data), 184))


def crc(data):
    value = 0xffffffff
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04c11db7 if value & 0x80000000 else 0)) & 0xffffffff
    return value


def pat(programmes, number=0, last=0, version=0):
    """The body of a table: table_id to the last entry."""
    entries = b"".join(bytes([p >> 8, p & 255, 0xe0 | pid >> 8, pid & 255])
                       for p, pid in programmes)
    return bytes([0, 0xb0, 0, 0, 1, 0xc1 | version % 32 << 1, number, last]) + entries


def with_tables(tables, pids=(0,)):
    """The film with other tables (packets, with continuing counters) wherever it has one on these
    PIDs."""
    out, counters = [], {}
    for p in film():
        if pid_of(p) not in pids:
            out.append(bytes(p))
            continue
        for t in split(tables(pid_of(p))):
            t, pid = bytearray(t), pid_of(t)
            t[3] = t[3] & 0xf0 | counters.get(pid, 0)
            counters[pid] = counters.get(pid, 0) + 1 & 15
            out.append(bytes(t))
    return b"".join(out)


def pmt(streams, info=b"", program=1, pcr=VIDEO_PID):
    entries = b"".join(bytes([kind, 0xe0 | pid >> 8, pid & 255, 0xf0 | len(more) >> 8,
                              len(more) & 255]) + more for kind, pid, more in streams)
    return bytes([2, 0xb0, 0, program >> 8, program & 255, 0xc1, 0, 0, 0xe0 | pcr >> 8, pcr & 255,
                  0xf0 | len(info) >> 8, len(info) & 255]) + info + entries


def with_pmt(body):
    return with_tables(lambda pid: section(PMT_PID, body), (PMT_PID,))


STREAMS = [(0x1b, VIDEO_PID, b""), (0x0f, AUDIO_PID, b"")]


# -- not a transport stream

@file
def nothing():
    return b""


@file
def one_byte():
    return b"\x47"


@file
def one_packet():
    return bytes(film()[0])


@file
def two_and_a_half_packets():
    return b"".join(film())[:470]


@file
def garbage():
    return random.Random(1).randbytes(300_000)


@file
def zeros():
    return bytes(300_000)


@file
def sync_bytes_only():
    return b"\x47" * 300_000


@file
def web_page():
    return (b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>" +
            b"<p>GGG</p>\n" * 2000 + b"</body></html>")


@file
def playlist_of_nothing():
    return (b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n/nonexistent/a.ts\n"
            b"#EXT-X-ENDLIST\n")


@file
def script_of_files():
    return b"ffconcat version 1.0\nfile '/etc/passwd'\n"


# -- no programme

@file
def null_packets_only():
    return packet(NULL_PID, b"") * 2000


@file
def no_tables():
    return each(None, lambda p, n: p if pid_of(p) in (VIDEO_PID, AUDIO_PID) else None)


@file
def no_pmt():
    return each(PMT_PID, lambda p, n: None)


@file
def no_pat():
    return each(0, lambda p, n: None)


@file
def tables_only():
    return each(None, lambda p, n: p if pid_of(p) in (0, PMT_PID) else None)


@file
def pat_without_programmes():
    return with_tables(lambda _: section(0, pat([])))


@file
def pat_with_the_network_only():
    return with_tables(lambda _: section(0, pat([(0, 0x10)])))


@file
def pat_that_names_itself():
    return with_tables(lambda _: section(0, pat([(1, 0)])))


@file
def pat_that_names_null_packets():
    return with_tables(lambda _: section(0, pat([(1, NULL_PID)])))


@file
def pat_that_names_the_picture():
    return with_tables(lambda _: section(0, pat([(1, VIDEO_PID)])))


@file
def pat_section_overrun():
    return each(0, lambda p, n: changed(changed(p, 6, 0xbf), 7, 0xff))


@file
def pat_section_of_no_length():
    return each(0, lambda p, n: changed(changed(p, 6, 0xb0), 7, 0))


@file
def pat_pointer_beyond_the_packet():
    return each(0, lambda p, n: changed(p, 4, 0xff))


@file
def pat_checksum_wrong():
    return each(0, lambda p, n: changed(p, 9, p[9] ^ 1))


@file
def pat_not_yet_in_force():
    return with_tables(lambda _: section(0, pat([(1, PMT_PID)])[:5] + b"\xc0" +
                                         pat([(1, PMT_PID)])[6:]))


@file
def pmt_checksum_wrong():
    return each(PMT_PID, lambda p, n: changed(p, 20, p[20] ^ 1))


@file
def pmt_section_overrun():
    return each(PMT_PID, lambda p, n: changed(changed(p, 6, 0xb3), 7, 0xfd))


@file
def pmt_of_another_programme():
    return with_pmt(pmt(STREAMS, program=2))


@file
def pmt_info_length_lies():
    body = bytearray(pmt(STREAMS))
    body[10:12] = b"\xff\xff"
    return with_pmt(bytes(body))


@file
def pmt_stream_length_lies():
    body = bytearray(pmt(STREAMS))
    body[15:17] = b"\xff\xff"
    return with_pmt(bytes(body))


@file
def pmt_without_streams():
    return with_pmt(pmt([]))


@file
def pmt_of_tables():
    return with_pmt(pmt([(0x1b, pid, b"") for pid in (0, PMT_PID, NULL_PID)]))


@file
def transport_errors_everywhere():
    return each(None, lambda p, n: changed(p, 1, p[1] | 0x80))


@file
def ten_thousand_programmes_without_theirs():
    sections = [section(0, pat([(k * 250 + i + 2, 0x20) for i in range(250)], k, 39))
                for k in range(40)]
    return with_tables(lambda _: b"".join(sections))


@file
def no_picture_ever_begins():
    return each(VIDEO_PID, lambda p, n: changed(p, 1, p[1] & ~0x40))


@file
def no_pes_start_code():
    def break_code(p, n):
        at = p.find(b"\0\0\1", 4)
        return changed(p, at + 2, 2) if begins(p) else p
    return each(VIDEO_PID, break_code)


# -- damaged, but playable

@file
def cut_in_a_packet():
    data = b"".join(film())
    return data[100:len(data) - 77]


@file
def garbage_in_front():
    return random.Random(2).randbytes(150) + b"".join(film())


@file
def false_sync_in_front():
    return (b"\x47" + bytes(70) + b"\x47" + bytes(28)) + b"".join(film())


@file
def three_packet_sizes():
    packets = film()
    third = len(packets) // 3
    return (b"".join(packets[:third]) +
            b"".join(bytes(4) + p for p in packets[third:2 * third]) +
            b"".join(p + bytes(16) for p in packets[2 * third:]))


@file
def garbage_between_packets():
    chance = random.Random(3)
    return b"".join(bytes(p) + (chance.randbytes(chance.randrange(400)) if n % 50 == 49 else b"")
                    for n, p in enumerate(film()))


@file
def sync_lost_now_and_then():
    return each(None, lambda p, n: changed(p, 0, 0x46) if n % 60 == 59 else p)


@file
def sync_bytes_in_the_payload():
    """Everything behind the start codes of the video is 0x47, and so is all stuffing."""
    def emulate(p, n):
        return p if begins(p) else p[:4] + b"\x47" * 184
    return each(VIDEO_PID, emulate, lambda n: n % 3)


@file
def checksum_wrong_in_every_second_table():
    data = each(0, lambda p, n: changed(p, 9, p[9] ^ 1), lambda n: n % 2)
    out = []
    for n, p in enumerate(split(data)):
        p = bytearray(p)
        if pid_of(p) == PMT_PID and n % 2:
            p[20] ^= 1
        out.append(bytes(p))
    return b"".join(out)


@file
def ten_thousand_programmes():
    programmes = [(1, PMT_PID)] + [(n, 0x20) for n in range(2, 10_001)]
    sections = [section(0, pat(programmes[at:at + 250], at // 250, 39))
                for at in range(0, 10_000, 250)]
    return with_tables(lambda _: b"".join(sections))


@file
def pat_of_many_versions():
    versions = iter(range(1 << 20))
    return with_tables(lambda _: section(0, pat([(1, PMT_PID)], version=next(versions))))


@file
def pmt_that_moves():
    """Each PAT names another PID for the PMT."""
    places = iter(MOVED_PMT_PIDS)
    now = [0]

    def tables(pid):
        if pid == 0:
            now[0] = next(places)
            return section(0, pat([(1, now[0])]))
        return section(now[0], pmt(STREAMS))
    return with_tables(tables, (0, PMT_PID))


@file
def pmt_of_a_thousand_streams():
    return with_pmt(pmt(STREAMS + [(0x06, 0x200 + n, b"") for n in range(195)]))


@file
def pmt_of_one_stream_many_times():
    return with_pmt(pmt(STREAMS * 30))


@file
def pmt_with_lying_descriptors():
    return with_pmt(pmt(STREAMS + [(0x06, 0x300, b"\x05\xff\x6a\xff" + b"\x59" * 20)]))


@file
def adaptation_fields_of_255_bytes():
    return each(VIDEO_PID, lambda p, n: p if begins(p) else
                changed(changed(p, 3, p[3] | 0x30), 4, 255), lambda n: n % 20 == 19)


@file
def adaptation_fields_of_184_bytes():
    return each(VIDEO_PID, lambda p, n: p if begins(p) else
                changed(changed(p, 3, p[3] | 0x30), 4, 184), lambda n: n % 20 == 19)


@file
def adaptation_fields_of_nothing_else():
    return each(AUDIO_PID, lambda p, n: changed(changed(p, 3, p[3] | 0x30), 4, 183),
                lambda n: n % 20 == 19)


@file
def reserved_adaptation_control():
    return each(AUDIO_PID, lambda p, n: changed(p, 3, p[3] & 0xcf), lambda n: n % 20 == 19)


@file
def random_access_everywhere():
    def mark(p, n):
        p = field(p)
        return changed(p, 5, p[5] | 0x40)
    return each(VIDEO_PID, mark)


@file
def discontinuities_everywhere():
    def mark(p, n):
        p = field(p)
        return changed(p, 5, p[5] | 0x80)
    return each(None, lambda p, n: mark(p, n) if pid_of(p) in (VIDEO_PID, AUDIO_PID) else p)


@file
def counters_at_random():
    chance = random.Random(4)
    return each(None, lambda p, n: changed(p, 3, p[3] & 0xf0 | chance.randrange(16)))


@file
def counters_that_do_not_advance():
    return each(None, lambda p, n: changed(p, 3, p[3] & 0xf0))


@file
def every_packet_twice():
    return b"".join(bytes(p) * 2 for p in film())


@file
def scrambled():
    return each(VIDEO_PID, lambda p, n: changed(p, 3, p[3] | 0xc0))


def retime(p, change, change_clock):
    """The packet with PTS, DTS and PCR replaced: change(ticks) -> ticks."""
    if p[3] & 0x20 and p[4] >= 7 and p[5] & 0x10:
        base = (p[6] << 25 | p[7] << 17 | p[8] << 9 | p[9] << 1 | p[10] >> 7)
        base = change_clock(base) % (1 << 33)
        p[6:10] = (base >> 1).to_bytes(4, "big")
        p[10] = p[10] & 0x7f | (base & 1) << 7
    at = pes_at(p)
    if begins(p) and p[at:at + 3] == b"\0\0\1" and p[at + 7] & 0x80:
        for where in (at + 9, at + 14)[:1 + (p[at + 7] >> 6 & 1)]:
            put_time(p, where, change(get_time(p, where)) % (1 << 33))
    return p


def with_times(change, pcr_change=None):
    """The film with PTS, DTS and PCR moved: change(ticks, n) -> ticks."""
    return b"".join(bytes(retime(p, lambda t, n=n: change(t, n),
                                 lambda t, n=n: (pcr_change or change)(t, n)))
                    for n, p in enumerate(film()))


def get_time(p, at):
    return ((p[at] >> 1 & 7) << 30 | p[at + 1] << 22 | p[at + 2] >> 1 << 15 | p[at + 3] << 7 |
            p[at + 4] >> 1)


def put_time(p, at, ticks):
    p[at] = p[at] & 0xf1 | ticks >> 29 & 0x0e
    p[at + 1] = ticks >> 22 & 0xff
    p[at + 2] = ticks >> 14 & 0xfe | 1
    p[at + 3] = ticks >> 7 & 0xff
    p[at + 4] = ticks << 1 & 0xfe | 1


@file
def times_that_wrap():
    return with_times(lambda t, n: t + (1 << 33) - 90000 - 126000)


@file
def clocks_that_jump_by_hours():
    chance = random.Random(5)
    return with_times(lambda t, n: t, lambda t, n: t + chance.randrange(-5, 5) * 3600 * 90000)


@file
def times_at_random():
    chance = random.Random(6)
    return with_times(lambda t, n: chance.randrange(1 << 33), lambda t, n: t)


@file
def everything_at_random_times():
    chance = random.Random(7)
    return with_times(lambda t, n: chance.randrange(1 << 33))


@file
def times_that_do_not_advance():
    return with_times(lambda t, n: 90000)


@file
def no_clock():
    def without(p, n):
        return changed(p, 5, p[5] & ~0x10) if p[3] & 0x20 and p[4] else p
    return each(VIDEO_PID, without)


def pes_at(p):
    return 4 if not p[3] & 0x20 else 5 + p[4]


@file
def pes_header_length_lies():
    return each(VIDEO_PID, lambda p, n: changed(p, pes_at(p) + 8, 255) if begins(p) and n else p,
                lambda n: n > 20)


@file
def pes_length_lies():
    def lie(p, n):
        return changed(changed(p, pes_at(p) + 4, 0xff), pes_at(p) + 5, 0xff) if begins(p) else p
    return each(AUDIO_PID, lie)


@file
def pes_without_an_end():
    """One access unit begins and never ends."""
    return each(VIDEO_PID, lambda p, n: changed(p, 1, p[1] & ~0x40) if n else p)


@file
def sections_that_never_end():
    """A PID of tables with one section that never ends."""
    long = packet(0x12, b"\0\x4e\xff\xff" + bytes(180))
    more = [packet(0x12, bytes(184), n, False) for n in range(16)]
    return b"".join(bytes(p) + (long if n == 0 else more[n % 16]) for n, p in enumerate(film()))


@file
def eight_thousand_pids():
    """Every possible PID from time to time, without meaning."""
    return b"".join(bytes(p) + b"".join(packet(0x200 + (n * 8 + k) % 0x1d00, b"\0" * 184, 0, k % 2)
                                        for k in range(8)) for n, p in enumerate(film()))
