"""Makes what tests and measurements use: films, and npm's M3U parsers.  A test makes what is missing
itself, but within its own time limit."""
import os
import sys

import media
import playlist_readers
from harness import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
import programs  # noqa: E402


def main():
    for make in media.FILMS:
        make()
    programs.make_film()
    playlist_readers.install()


if __name__ == "__main__":
    main()
