"""npm's two M3U parsers for read_m3u.mjs, installed once into build/npm/."""
import os
import subprocess

from harness import ROOT

FOLDER = os.path.join(ROOT, "build", "npm")
READERS = {"iptv-playlist-parser": "0.15.2", "@iptv/playlist": "1.2.1"}


def install():
    """The folder with both."""
    os.makedirs(FOLDER, exist_ok=True)
    if not all(os.path.isdir(os.path.join(FOLDER, "node_modules", name)) for name in READERS):
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix",
                        FOLDER, *(f"{name}@{version}" for name, version in READERS.items())],
                       check=True, timeout=300)
    return FOLDER
