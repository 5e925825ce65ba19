"""Invalid transport streams as sources: the result of each, and that other channels are unaffected.
broken_ts.py builds the files."""
import concurrent.futures
import re

import pytest

import media
from broken_ts import FILES, MOVED_PMT_PIDS, PMT_PID
from harness import serving, wait_for
from lineup import LOOP, channel, line_up
from ts import Checker
from watch import Residue, Watch, assert_untouched

NOTHING = r"has nothing that can be played"
GOOD = 9999           # the channel that must be unaffected

# name: why it cannot be played
REFUSED = {
    "nothing": NOTHING + "|empty|Invalid data",
    "one byte": NOTHING + "|Invalid data",
    "one packet": NOTHING + "|Invalid data",
    "two and a half packets": NOTHING,
    "garbage": "Invalid data",
    "zeros": "Invalid data",
    "sync bytes only": NOTHING,
    "web page": NOTHING,
    "playlist of nothing": r"Error when loading first segment 'the source'",
    "script of files": r"Unsafe file name 'the source'",
    **dict.fromkeys([
        "null packets only", "no tables", "no pmt", "no pat", "tables only",
        "pat without programmes", "pat with the network only", "pat that names itself",
        "pat that names null packets", "pat that names the picture", "pat section overrun",
        "pat section of no length", "pat pointer beyond the packet", "pat checksum wrong",
        "pat not yet in force", "pmt checksum wrong", "pmt section overrun",
        "pmt of another programme", "pmt info length lies", "pmt stream length lies",
        "pmt without streams", "pmt of tables", "transport errors everywhere",
        "ten thousand programmes without theirs", "no picture ever begins",
        "no pes start code"], NOTHING),
}

# name: (packets of the film that may be missing, continuity errors that are the file's own)
WHOLE = (0, 0)
PLAYED = {
    **dict.fromkeys([
        "cut in a packet", "garbage in front", "false sync in front", "garbage between packets",
        "sync bytes in the payload", "checksum wrong in every second table",
        "ten thousand programmes", "pat of many versions", "pmt that moves",
        "pmt of a thousand streams", "pmt of one stream many times", "pmt with lying descriptors",
        "adaptation fields of 255 bytes", "adaptation fields of 184 bytes",
        "adaptation fields of nothing else", "random access everywhere",
        "discontinuities everywhere", "every packet twice", "scrambled", "times that wrap",
        "times that do not advance", "no clock", "pes header length lies", "pes length lies",
        "pes without an end", "sections that never end", "eight thousand pids"], WHOLE),
    "three packet sizes": (1, 1),
    "sync lost now and then": (11, 11),
    "reserved adaptation control": (0, 8),
    "counters at random": (0, 640),
    "counters that do not advance": (0, 640),
}

# these have no usable clock: only their end and their contents are checked
WILD = ["clocks that jump by hours", "times at random", "everything at random times"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One server with all of them; {name: what a viewer got}."""
    folder = tmp_path_factory.mktemp("broken")
    channels = [channel(GOOD, media.film(), **LOOP)]
    for number, (name, make) in enumerate(FILES.items(), 1):
        path = folder / f"{number}.ts"
        path.write_bytes(make())
        channels.append(channel(number, str(path)))
    config = line_up(*channels, streaming={"idle_timeout": 1, "start_timeout": 20})
    with serving(config) as s, Watch(s) as w:
        ids = w.open(f"/stream/{GOOD}.ts", 3)
        w.wait_playing(ids)
        residue = Residue(s)
        del residue.before["jobs"]    # ended and failed tuners are still listed
        yield s, w, ids, view_all(s), residue


def check_start(c):
    """As Checker.check_start(), also for tables of many packets and on many PIDs."""
    assert c.first_pids[0] == 0, c.first_pids
    other = [pid for pid in c.first_pids if pid != 0]
    assert other[0] == PMT_PID or other[0] in MOVED_PMT_PIDS, c.first_pids
    assert c.first_video_is_random_access, "the first picture is no random access point"


def view_all(s):
    def view(number):
        with s.stream(f"/stream/{number}.ts", timeout=60) as stream:
            stream.head()
            if stream.status == 200:
                return 200, stream.read_all()
            return stream.status, stream.read(int(stream.headers["content-length"])).decode()

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        return dict(zip(FILES, pool.map(view, range(1, len(FILES) + 1))))


@pytest.mark.parametrize("name", REFUSED)
def test_unplayable_files_are_502_with_the_reason(shared, name):
    status, body = shared[3][name]
    assert status == 502, body if status != 200 else f"{len(body)} bytes"
    assert re.search(REFUSED[name], body), body


@pytest.mark.parametrize("name", PLAYED)
def test_damaged_playable_files_play_and_end(shared, name):
    status, body = shared[3][name]
    assert status == 200, body
    missing, errors = PLAYED[name]
    c = Checker(body)
    check_start(c)
    assert c.rest == b"" and c.sync_errors == 0 and c.backwards == []
    assert len(c.cc_errors) <= errors, c.cc_errors[:5]
    assert bool(c.cc_errors) == bool(errors)
    # PAT and PMT of the file are before the access point and are sent from there
    packets = len(open(media.blink(), "rb").read()) // 188
    assert c.packets >= packets - missing - 3, (c.packets, packets)


@pytest.mark.parametrize("name", WILD)
def test_files_without_timestamps_end(shared, name):
    status, body = shared[3][name]
    assert status == 200, body
    c = Checker(body)
    check_start(c)
    assert c.rest == b"" and c.sync_errors == 0 and c.cc_errors == []


def test_every_file_has_a_test():
    assert sorted([*REFUSED, *PLAYED, *WILD]) == sorted(FILES)
    assert len(FILES) > 60


def test_other_viewers_are_unaffected_and_nothing_is_left(shared):
    s, w, ids, _, residue = shared
    w.wait_more(ids)
    assert_untouched(w.report())
    wait_for(lambda: [t["key"] for t in s.tuners() if t["pid"]] == [str(GOOD)], 15,
             "the jobs to be gone")
    assert not re.search(r"signal|SIG[A-Z]+|crash|killed", s.log())
    again = s.refused("/stream/1.ts", timeout=60)
    assert again.status == 502
    residue.check()
