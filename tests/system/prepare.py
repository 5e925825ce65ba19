"""Makes what tests and measurements use: films, and npm's players and parsers.  A test makes what is missing
itself, but within its own time limit."""
import os
import sys

import media
import npm
from harness import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
import programs  # noqa: E402


def main():
    for make in media.FILMS:
        make()
    programs.make_film()
    npm.install()


if __name__ == "__main__":
    main()
