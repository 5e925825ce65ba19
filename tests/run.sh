#!/bin/sh
# run.sh [STEP]... - the test suite, see runner/run.py.
exec /usr/bin/python3 -B "$(dirname "$0")/runner/run.py" "$@"
