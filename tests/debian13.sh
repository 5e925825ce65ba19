#!/bin/bash
# debian13.sh [--demo] [--suite SUITE] - builds this work tree in a chroot of Debian 13 (or of another
# SUITE, as sid), with warnings as errors, and runs the unit tests and the smoke tests there.
# --demo plays every channel of the demo line-up as well.  Needs root and debootstrap.
#
# The chroot is made once, in $AMPS_CHROOT or build/.  Its packages come from $AMPS_MIRROR, else from
# the mirror that apt uses here, else from debootstrap's own.  Mounts and processes live in
# namespaces that end with this script.  Exit 0 if everything passed.
set -u
cd "$(dirname "$0")/.." || exit 1

demo='' suite=trixie inside=''
while (($# > 0)); do
	case $1 in
	--demo) demo=--demo ;;
	--suite) suite=$2 && shift ;;
	--inside) inside=1 ;; # the part that runs in the chroot
	*) sed -n '2,4s/^# //p' "$0" >&2; exit 2 ;;
	esac
	shift
done
name=debian-$suite
[ "$suite" = trixie ] && name=debian13

say() {
	printf '== %s: %s\n' "$name" "$*"
}

give_up() {
	say "$*"
	exit 1
}

mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' 'Component: main' |
		head -n 1
}

make_chroot() {
	[ -e "$root/ready" ] && return
	command -v debootstrap >/dev/null || give_up "debootstrap is missing (make deps-test)"
	say "making a chroot in $root"
	rm -rf "$root"
	mkdir -p "$root"
	debootstrap --variant=minbase "$suite" "$root" "${AMPS_MIRROR:-$(mirror)}" >"$log" 2>&1 ||
		give_up "debootstrap failed, see $log"
	# a mirror may keep an older state of a suite; translations are not needed
	printf '%s\n' 'Acquire::Check-Valid-Until "false";' 'Acquire::Languages "none";' \
		>"$root/etc/apt/apt.conf.d/90amps"
	# an interrupted installation is begun again: nothing needs to reach the disk
	echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
	touch "$root/ready"
}

# The files of the work tree that git knows or does not ignore; all are new, also to what was built of
# another tree.
copy_tree() {
	mkdir -p "$root/amps"
	find "$root/amps" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
	git ls-files -z --cached --others --exclude-standard |
		while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done |
		tar -c --null -T - | tar -x -m -C "$root/amps" || give_up "the work tree cannot be copied"
}

outside() {
	root=$(realpath -m "${AMPS_CHROOT:-build/$name}")
	mkdir -p build/logs
	log=$PWD/build/logs/$name.log
	[ "$(id -u)" = 0 ] || give_up "a chroot needs root"
	make_chroot
	copy_tree
	cp /etc/resolv.conf "$root/etc/resolv.conf"
	say "running in $root"
	unshare --mount --pid --fork --kill-child bash -c '
		mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" &&
		mount --rbind /dev "$0/dev" &&
		exec chroot "$0" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			LANG=C.UTF-8 CCACHE_DIR=/ccache /amps/tests/debian13.sh --inside "$@"' \
		"$root" --suite "$suite" $demo
}

passed=0 failed=0

# step NAME COMMAND...
step() {
	local what=$1
	shift
	if "$@" >"/amps/build/$what.log" 2>&1; then
		passed=$((passed + 1))
		say "$what passed; $(tail -n 1 "/amps/build/$what.log")"
	else
		failed=$((failed + 1))
		tail -n 60 "/amps/build/$what.log"
		say "$what failed"
		return 1
	fi
}

install_packages() {
	apt-get -qq update && tools/deps.sh smoke &&
		apt-get -qq -y --no-install-recommends install ccache >/dev/null
}

build() {
	cmake --preset release -DAMPS_TESTS=ON -DAMPS_WERROR=ON -DCMAKE_C_COMPILER_LAUNCHER=ccache &&
		cmake --build --preset release --target all unit_tests race_tests
}

smoke_tests() {
	AMPS_BIN=$PWD/build/bin python3 -m pytest -q -p no:cacheprovider -m smoke tests/system
}

# Decodes two seconds of each entry of the playlist, variants too.
play_demo() {
	local url urls
	urls=$(curl -sf http://127.0.0.1:5000/playlist.m3u | grep '^http') || return 1
	for url in $urls; do
		echo "$url: $(ffprobe -v error -show_entries stream=codec_name -of csv=p=0 "$url" |
			sort -u | xargs)"
		ffmpeg -nostdin -v error -xerror -i "$url" -map 0:v -map 0:a -t 2 -f null - || return 1
	done
	echo "$(wc -w <<<"$urls") channels play"
}

# The line-up of `make run`; its port is free in a network namespace.
demo() {
	local server result
	ip link set lo up
	mkdir -p build/run
	AMPS_DEMO_DIR=$PWD/build/demo build/bin/amps serve --config etc/demo.yaml \
		--state-dir build/run/state --runtime-dir build/run/runtime >build/serve.log 2>&1 &
	server=$!
	curl -sf --retry 30 --retry-delay 1 --retry-connrefused http://127.0.0.1:5000/readyz &&
		play_demo
	result=$?
	kill "$server"
	wait "$server" || result=1
	((result == 0)) || cat build/serve.log
	return $result
}

if [ -z "$inside" ]; then
	outside
	exit
fi
mkdir -p build
step packages install_packages || exit 1
say "libavcodec $(pkg-config --modversion libavcodec), $(gcc --version | head -n 1)"
step build build || exit 1
step unit_tests ctest --test-dir build -j "$(nproc)" --output-on-failure
step smoke_tests smoke_tests
if [ -n "$demo" ]; then
	export -f demo play_demo
	step demo unshare --net bash -c demo
fi
say "$passed steps passed, $failed failed"
((failed == 0))
