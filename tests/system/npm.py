"""npm's players and parsers (tests/players/package.json), installed once into build/npm/."""
import fcntl
import filecmp
import os
import shutil
import subprocess

from harness import ROOT

LIST = os.path.join(ROOT, "tests", "players")
FOLDER = os.path.join(ROOT, "build", "npm")
FILES = (".npmrc", "package.json", "package-lock.json")


def installed():
    """Everything in the list is there."""
    return (os.path.exists(os.path.join(FOLDER, "done")) and
            all(os.path.exists(os.path.join(FOLDER, name)) and
                filecmp.cmp(os.path.join(LIST, name), os.path.join(FOLDER, name), False)
                for name in FILES))


def install():
    """The folder with `node_modules` in it."""
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed():
            for name in FILES:
                shutil.copy(os.path.join(LIST, name), FOLDER)
            subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
                            "--prefix", FOLDER], check=True, timeout=300)
            open(os.path.join(FOLDER, "done"), "w").close()
    return FOLDER


def path(*parts):
    """A file of a package."""
    return os.path.join(install(), "node_modules", *parts)
