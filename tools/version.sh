#!/bin/sh
# version.sh [date] - the version of Amps, which CMakeLists.txt alone states, or the time of the
# sources for SOURCE_DATE_EPOCH: that of the last commit, in an unpacked archive that of its files.
set -eu
cd "$(dirname "$0")/.."
case ${1:-} in
'') sed -n 's/^project(amps VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt ;;
date)
	if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
		echo "$SOURCE_DATE_EPOCH"
	elif [ -e .git ]; then
		git log -1 --format=%ct
	else
		stat -c %Y CMakeLists.txt
	fi
	;;
*) echo "usage: version.sh [date]" >&2; exit 2 ;;
esac
