#!/bin/sh
# dist.sh FOLDER - makes FOLDER/amps-VERSION.tar.gz from the files that git knows; from the same
# commit it is always the same archive.
set -eu
cd "$(dirname "$0")/.."
to=${1:?usage: dist.sh FOLDER}
mkdir -p "$to"
name=amps-$(tools/version.sh)
date=$(tools/version.sh date)
if [ -e .git ]; then
	git ls-files -z --cached
else
	find . -path ./build -prune -o -type f -printf '%P\0' -o -type l -printf '%P\0'
fi | LC_ALL=C sort -z |
	tar --create --null --no-recursion --files-from=- --transform="s|^|$name/|" --format=gnu \
		--owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$date" |
	gzip -9n >"$to/$name.tar.gz.new"
mv "$to/$name.tar.gz.new" "$to/$name.tar.gz"
echo "$to/$name.tar.gz"
