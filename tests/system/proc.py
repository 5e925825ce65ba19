"""The kernel's data on processes; for tests and measurements."""


CONFINED = {"Seccomp": "2", "NoNewPrivs": "1"}


def confinement(pid):
    """CONFINED where a process has a filter of system calls and gains no rights."""
    with open(f"/proc/{pid}/status") as f:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    return {name: lines[name] for name in CONFINED}


def pss_bytes(pids):
    """Memory of these processes, shared pages counted once; without the pages of programs and
    libraries, whose shares depend on what else the machine runs."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += sum(int(line.split()[1]) * 1024 for line in f
                             if line.startswith(("Pss_Anon:", "Pss_Shmem:")))
        except OSError:
            pass  # it has ended meanwhile
    return total
