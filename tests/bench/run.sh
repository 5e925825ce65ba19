#!/bin/sh
# run.sh [BENCH ARGUMENT]... - see bench.py
exec /usr/bin/python3 "$(dirname "$0")/bench.py" "$@"
