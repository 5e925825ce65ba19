#!/bin/sh
# rpm.sh FOLDER [OPTION]... - builds source and binary packages with rpmbuild, from the archive of
# `make dist`, and leaves them in FOLDER.  OPTIONs go to rpmbuild.  Debian's rpm knows no installed
# packages, so what the build requires is not checked there.
set -eu
cd "$(dirname "$0")/.."
to=$(realpath -m "${1:?usage: rpm.sh FOLDER [OPTION]...}")
shift
[ ! -e /etc/debian_version ] || set -- --nodeps "$@"
work=$to/work
rm -rf "$work"
tools/dist.sh "$work/SOURCES" >/dev/null
date=$(tools/version.sh date)
sed -e "s/@VERSION@/$(tools/version.sh)/" -e "s|@PACKAGER@|$(tools/version.sh maintainer)|" \
	-e "s/@DATE@/$(LC_ALL=C date -u -d "@$date" '+%a %b %d %Y')/" packaging/rpm/amps.spec.in >"$work/amps.spec"
# the same bytes from the same sources
SOURCE_DATE_EPOCH=$date rpmbuild -ba --define "_topdir $work" \
	--define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' \
	--define '_buildhost localhost' "$@" "$work/amps.spec"
mv "$work"/RPMS/*/*.rpm "$work"/SRPMS/*.rpm "$to"
rm -rf "$work"
