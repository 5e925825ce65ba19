"""sources.py [SECONDS] [WORD] - `make sources`: plays every kind of source (those with WORD in
their names) through one server for 60 s, many at once, and prints what ffmpeg's decoder and the
strict reader said.  Exit 0 or 1."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import Server  # noqa: E402
from kinds import KINDS  # noqa: E402
from play_kinds import play_all  # noqa: E402

WAVE = 16    # kinds at once
COLUMNS = ["source", "sent by", "seconds", "decoder: errors", "warnings", "continuity",
           "DTS back", "PCR back", "late", "PCR every, ms", "picture gap, ms", "sound hole, ms",
           "drift, ms"]


def row(p):
    c = p.checker
    return [p.name, KINDS[p.name][1], f"{p.media_seconds():.0f}", len(p.errors()),
            len(p.lines("warning")), len(c.cc_errors) + c.sync_errors, len(c.backwards),
            len(c.pcr_backwards), c.late, f"{c.pcr_gap * 1000:.0f}", f"{c.shown_gap() * 1000:.0f}",
            f"{p.sound_hole * 1000:.0f}", f"{p.drift * 1000:.0f}"]


def main(seconds=60, word=""):
    names = [name for name in KINDS if word in name]
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    return max([wave(names[at:at + WAVE], seconds) for at in range(0, len(names), WAVE)])


def wave(names, seconds):
    servers = []

    def start(config, **kwargs):
        servers.append(Server(config, **kwargs))
        return servers[0].start()

    try:
        played = play_all(start, names, seconds)
        for p in played.values():
            if p.skipped:
                print(f"| {p.name} | left out: {p.skipped} |")
                continue
            print("| " + " | ".join(str(x) for x in row(p)) + " |")
        bad = {name: p.problems() for name, p in played.items()
               if not p.skipped and p.problems()}
        for name, found in bad.items():
            print(f"{name}: {found}")
            print(f"    {played[name].words[-600:]}")
            print(f"    {played[name].tuner}")
        servers[0].stop()
        servers[0].check_log()
        if os.environ.get("AMPS_SHOW_LOG"):
            print(servers[0].log())
        return 1 if bad else 0
    finally:
        for s in servers:
            s.cleanup()


if __name__ == "__main__":
    sys.exit(main(*([int(sys.argv[1])] if len(sys.argv) > 1 else []), *sys.argv[2:3]))
