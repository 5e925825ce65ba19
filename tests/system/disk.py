"""A disk that is soon full."""
import contextlib
import subprocess

import pytest


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of this size at the folder, in memory; skips the test without the right to it."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("kernel: a file system cannot be mounted")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(path):
    """Writes a file until the disk is full."""
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as f:
        while f.write(b"x" * 4096):
            pass
