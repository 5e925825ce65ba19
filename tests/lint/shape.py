#!/usr/bin/env python3
"""Measures the C sources: shape.py [FILE ...], by default every tracked .c and .h outside tests/.

Prints one line of figures, then what is over budget, the longest first; exit code 1 if anything is.
Needs universal-ctags.
"""
import re
import subprocess
import sys

FUNCTION, FILE, HEADER, WIDTH = 80, 600, 200, 100
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


def over_budget(files, sizes, found):
    over = [f"{f}: {name}() has {n} lines" for n, name, f in found if n > FUNCTION]
    over += [f"{f} has {n} lines" for n, f in sizes
             if n > (HEADER if f.endswith(".h") else FILE)]
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
    over = over_budget(files, sizes, found)
    print("\n".join(over) or "all inside the budget")
    return bool(over)


if __name__ == "__main__":
    sys.exit(main())
