#!/usr/bin/env python3
"""Measures the C sources: shape.py [FILE ...], by default every tracked .c and .h outside tests/.

Prints one line of figures, then what is longer than a function or a file should be, the longest
first.  Those are places to look at; exit code 1 if anything is longer than it may ever be, wider
than the columns, or not used here.  Needs universal-ctags.
"""
import re
import subprocess
import sys

WIDTH = 100
# lines: what should be looked at, what fails
FUNCTION, FILE, HEADER = (100, 150), (900, 1200), (250, 400)
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets)\s*\(|\b(TODO|FIXME|XXX)\b")


def tracked():
    names = subprocess.run(["git", "ls-files", "*.c", "*.h"], capture_output=True, text=True,
                           check=True).stdout.split()
    return [n for n in names if not n.startswith("tests/")]


def functions(files):
    """(lines, name, file) of every function definition, the longest first."""
    tags = subprocess.run(
        ["ctags", "--languages=C", "--langmap=C:.c.h", "--c-kinds=f", "--fields=+ne", "-f", "-",
         "--sort=no", *files], capture_output=True, text=True, errors="replace", check=True).stdout
    found = []
    for tag in tags.splitlines():
        at = re.search(r"\bline:(\d+).*?\bend:(\d+)", tag)
        if at:
            name, file = tag.split("\t")[:2]
            found.append((int(at[2]) - int(at[1]) + 1, name, file))
    return sorted(found, reverse=True)


def too_long(sizes, found, which):
    """What has more lines than the limit; which: 0 should have, 1 may have."""
    over = [f"{f}: {name}() has {n} lines" for n, name, f in found if n > FUNCTION[which]]
    return over + [f"{f} has {n} lines" for n, f in sizes
                   if n > (HEADER if f.endswith(".h") else FILE)[which]]


def never_allowed(files):
    over = []
    for file in files:
        for number, line in enumerate(open(file, errors="replace"), 1):
            if len(line.rstrip("\n").expandtabs(8)) > WIDTH:
                over.append(f"{file}:{number} is wider than {WIDTH} columns")
            banned = BANNED.search(line)
            if banned:
                over.append(f"{file}:{number} has {banned[1] or banned[2]}, which is not used here")
    return over


def main():
    files = sys.argv[1:] or tracked()
    sizes = sorted(((sum(1 for _ in open(f, "rb")), f) for f in files), reverse=True)
    found = functions(files)
    lengths = [n for n, _, _ in found] or [0]
    print(f"{len(files)} files, {sum(n for n, _ in sizes)} lines; functions: {len(found)}, "
          f"median {lengths[len(lengths) // 2]}, p95 {lengths[len(lengths) // 20]}, "
          f"longest {lengths[0]}")
    for line in too_long(sizes, found, 0):
        print(f"look at: {line}")
    over = too_long(sizes, found, 1) + never_allowed(files)
    print("\n".join(over) or "all inside the limits")
    return bool(over)


if __name__ == "__main__":
    sys.exit(main())
