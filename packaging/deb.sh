#!/bin/sh
# deb.sh FOLDER - builds the packages for this Debian or Ubuntu from the archive of `make dist` and
# leaves them in FOLDER.  AMPS_DEB_VERSION overrides the version.
set -eu
cd "$(dirname "$0")/.."
to=$(realpath -m "${1:?usage: deb.sh FOLDER}")
. /etc/os-release
version=${AMPS_DEB_VERSION:-$(tools/version.sh)}+$ID${VERSION_ID:-}
date=$(tools/version.sh date)
work=$to/work # the same path each time: a compiler cache knows it
rm -rf "$work"
archive=$(tools/dist.sh "$work")
tar -x -f "$archive" -C "$work"
tree=$(echo "$work"/amps-*/)
maintainer=$(tools/version.sh maintainer)
cp -r "$tree/packaging/debian" "$tree/debian"
sed -i "s|^Maintainer: .*|Maintainer: $maintainer|" "$tree/debian/control"
cat >"$tree/debian/changelog" <<EOT
amps ($version) ${VERSION_CODENAME:-unstable}; urgency=medium

  * See CHANGELOG.md.

 -- $maintainer  $(date -u -R -d "@$date")
EOT
cd "$tree"
SOURCE_DATE_EPOCH=$date dpkg-buildpackage -us -uc -b
mv "$work"/amps*.deb "$work"/amps*.buildinfo "$work"/amps*.changes "$to"
rm -rf "$work"
