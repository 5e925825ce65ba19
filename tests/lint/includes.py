#!/usr/bin/env python3
"""Who may include whom: each program its own folder and common/; only the transcoder libav*, only
the master sqlite and libyaml.  Exit code 1 if a file breaks it."""
import re
import subprocess
import sys

PROGRAMS = {"amps-cli", "amps-master", "amps-worker", "amps-transcoder"}
ONLY = [
    (re.compile(r"<lib(av|sw)\w+/"), {"amps-transcoder"}),
    (re.compile(r"<sqlite3"), {"amps-master"}),
    (re.compile(r"<yaml"), {"amps-master"}),
    (re.compile(r"<jansson"), {"amps-cli", "amps-master", "amps-worker", "amps-transcoder"}),
    (re.compile(r"<event2/"), {"common", "amps-master", "amps-worker", "amps-transcoder"}),
    (re.compile(r"<seccomp"), {"common", "amps-worker", "amps-transcoder"}),
]
GENERATED = re.compile(r"(schema_sql|page_\w+)\.h")


def allowed(folder, included):
    if included.startswith('"'):
        path = included.strip('"')
        top = path.split("/")[0]
        if "/" not in path:
            return bool(GENERATED.fullmatch(path))
        return top in ("common", folder, "generated")
    return all(folder in folders for pattern, folders in ONLY if pattern.search(included))


def main():
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], capture_output=True, text=True,
                           check=True).stdout.split()
    bad = []
    for file in files:
        folder = file.split("/")[0]
        if folder not in PROGRAMS | {"common"}:
            continue
        for number, line in enumerate(open(file, errors="replace"), 1):
            found = re.match(r'\s*#\s*include\s+("[^"]+"|<[^>]+>)', line)
            if found and not allowed(folder, found[1]):
                bad.append(f"{file}:{number}: {folder} may not include {found[1]}")
    print("\n".join(bad) or "includes: as they should be")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
