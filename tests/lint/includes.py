#!/usr/bin/env python3
"""Checks the #include lines of common/ and of the programs.

- A program includes its own files and common/, and only libraries that ONLY allows it.
- No cycle between the files of a program (a.c and a.h are one), nor between its folders.
- A header that only one .c file includes is a part of that file; tests count as users.
- a.c includes a.h before anything else: so the compiler sees that a.h needs nothing before it.

Prints one line of figures, then every line that breaks a rule.  Exit code 1 if one does.
"""
import os
import re
import subprocess
import sys

PROGRAMS = ["common", "amps-cli", "amps-master", "amps-worker", "amps-transcoder",
            "amps-helper"]
ONLY = [
    (re.compile(r"<lib(av|sw)\w+/"), {"amps-transcoder"}),
    (re.compile(r"<curl/"), {"amps-helper"}),
    (re.compile(r"<(expat|lzma|maxminddb)\.h"), {"amps-helper"}),
    (re.compile(r"<sqlite3"), {"amps-master"}),
    (re.compile(r"<yaml"), {"amps-master"}),
    (re.compile(r"<jansson"), set(PROGRAMS) - {"common"}),
    (re.compile(r"<event2/"), {"common", "amps-master", "amps-worker", "amps-transcoder"}),
    (re.compile(r"<seccomp"), {"common", "amps-worker"}),
]
INCLUDE = re.compile(r'\s*#\s*include\s+("[^"]+"|<[^>]+>)')
GENERATED = re.compile(r"(schema_sql|page_\w+)\.h")


def program_of(path):
    return path.split("/")[0]


def read_includes():
    """(file, line number, what is included, with its quotes or brackets) of every tracked file."""
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], capture_output=True, text=True,
                           check=True).stdout.split()
    found = []
    for file in files:
        with open(file, errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                match = INCLUDE.match(line)
                if match:
                    found.append((file, number, match[1]))
    return files, found


def allowed(program, included):
    if not included.startswith('"'):
        return all(program in programs for lib, programs in ONLY if lib.search(included))
    path = included.strip('"')
    if "/" not in path:
        return bool(GENERATED.fullmatch(path))
    return program_of(path) in ("common", program)


def forbidden(includes):
    return [f"{file}:{number}: {program_of(file)} may not include {included}"
            for file, number, included in includes
            if program_of(file) in PROGRAMS and not allowed(program_of(file), included)]


def cycles(graph):
    """The sets of nodes that reach each other (Tarjan), each sorted."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph.get(node, ()):
            if target not in index:
                visit(target)
            if target in stack:
                low[node] = min(low[node], low[target])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def within_programs(includes):
    """(file, line number, header) of the includes of a program's own headers."""
    for file, number, included in includes:
        header = included.strip('"')
        if file.startswith(tuple(f"{p}/" for p in PROGRAMS)) and "/" in header \
                and program_of(header) == program_of(file):
            yield file, number, header


def complain_of_cycles(kind, node_of, includes):
    """One block for each cycle between nodes, with the lines that make it."""
    graph = {}
    for file, _, header in includes:
        if node_of(file) != node_of(header):
            graph.setdefault(node_of(file), set()).add(node_of(header))
    bad = []
    for cycle in cycles(graph):
        bad.append(f"cycle between {kind}: {' '.join(cycle)}")
        bad += [f"    {file}:{number} includes {header}" for file, number, header in includes
                if node_of(file) in cycle and node_of(header) in cycle
                and node_of(file) != node_of(header)]
    return bad


def single_users(files, includes):
    """Headers that nothing includes, or that serve one .c file alone."""
    users = {}
    for file, _, included in includes:
        users.setdefault(included.strip('"'), set()).add(file)
    bad = []
    for header in files:
        if header.endswith(".h") and program_of(header) in PROGRAMS:
            of = sorted(users.get(header, ()))
            if not of:
                bad.append(f"{header} is not included anywhere")
            elif len(of) == 1 and of[0].endswith(".c"):
                bad.append(f"{header} serves {of[0]} alone: make it a part of that file")
    return bad


def not_first(files, includes):
    """Files that include another header before their own."""
    first = {}
    for file, number, included in includes:
        first.setdefault(file, (number, included))
    return [f"{file}:{first[file][0]}: include {file[:-1]}h first" for file in files
            if program_of(file) in PROGRAMS and f"{file[:-1]}h" in files
            and file.endswith(".c") and first[file][1] != f'"{file[:-1]}h"']


def main():
    files, includes = read_includes()
    inner = list(within_programs(includes))
    bad = forbidden(includes)
    bad += complain_of_cycles("files", lambda path: os.path.splitext(path)[0], inner)
    bad += complain_of_cycles("folders", os.path.dirname, inner)
    bad += single_users(files, includes)
    bad += not_first(files, includes)
    product = [f for f in files if program_of(f) in PROGRAMS]
    print(f"includes: {len(product)} files, {sum(f.endswith('.h') for f in product)} headers, "
          f"{len({os.path.dirname(f) for f in product})} folders, "
          f"{sum(line.startswith('cycle') for line in bad)} cycles")
    print("\n".join(bad) or "all as it should be")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
