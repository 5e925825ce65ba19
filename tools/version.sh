#!/bin/sh
# version.sh [date|maintainer] - the version of Amps, which CMakeLists.txt alone states; the time of
# the sources for SOURCE_DATE_EPOCH: that of the last commit, in an unpacked archive that of its files;
# or whom a package names: $DEBFULLNAME <$DEBEMAIL> if both are set, else the Maintainer of packaging/debian.
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
maintainer)
	if [ -n "${DEBFULLNAME:-}" ] && [ -n "${DEBEMAIL:-}" ]; then
		echo "$DEBFULLNAME <$DEBEMAIL>"
	else
		sed -n 's/^Maintainer: //p' packaging/debian/control
	fi
	;;
*) echo "usage: version.sh [date|maintainer]" >&2; exit 2 ;;
esac
