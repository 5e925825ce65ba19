#!/bin/sh
# run.sh BUILD [PYTEST ARGUMENT]... - the system tests against the programs of a build folder.
build=$1
shift
cd "$(dirname "$0")/../.." || exit 1
[ $# -gt 0 ] || set -- tests/system
AMPS_BIN=$PWD/$build/bin exec /usr/bin/python3 -m pytest -q -p no:cacheprovider "$@"
