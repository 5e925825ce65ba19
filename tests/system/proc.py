"""The kernel's data on processes; for tests and measurements."""


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
