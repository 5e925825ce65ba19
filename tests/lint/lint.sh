#!/bin/bash
# lint.sh BUILD - the rules of the sources and of the programs in BUILD/bin.  Prints what breaks
# them; exit code 1 if anything does.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build}
bad=0

complain() {
	echo "lint: $*"
	bad=1
}

# linked PROGRAM PATTERN: a library it must not be linked with
linked() {
	local found
	found=$(ldd "$build/bin/$1" | grep -oE "$2" | sort -u | tr '\n' ' ')
	[ -z "$found" ] || complain "$1 is linked with $found"
}

# Headers of a .c file stand first in it (includes.py) and are compiled with it.
headers_compile_alone() {
	local flags found
	flags="-std=gnu17 -D_GNU_SOURCE -DAMPS_VERSION=\"x\" -I. -I$build/generated -Wall -Wextra
		-Werror -fsyntax-only"
	flags="$flags $(pkg-config --cflags libevent_core jansson yaml-0.1 sqlite3 libseccomp \
		libavformat libavcodec libavfilter libswscale libswresample libxml-2.0 libcurl)"
	found=$(git ls-files 'common/*.h' 'amps-*/*.h' | while read -r h; do
		[ -e "${h%h}c" ] || echo "$h"
	done | xargs -P "$(nproc)" -I{} sh -c \
		'printf "#include \"%s\"\n" {} | gcc $0 -x c - || echo {}' "$flags")
	[ -z "$found" ] || complain "does not compile alone: $found"
}

# A process takes many files: starting one costs more than checking one.
formatted() {
	local found
	found=$(git ls-files 'common/*.[ch]' 'amps-*/*.[ch]' | xargs -P "$(nproc)" -n 50 \
		clang-format --dry-run -Werror 2>&1) && return
	complain "not formatted (clang-format -i):" \
		"$(sed -n 's/^\([^ :]*\):[0-9]*:[0-9]*: error: .*/\1/p' <<<"$found" | sort -u | xargs)"
}

tests/lint/shape.py || bad=1
tests/lint/includes.py || bad=1
tests/mutants.py --list || bad=1
headers_compile_alone
formatted
libav='lib(avformat|avcodec|avfilter|avutil|swscale|swresample)\.so[.0-9]*'
data='libsqlite3\.so[.0-9]*|libyaml[-.0-9a-z]*'
curl='libcurl[-.0-9a-z]*'
linked amps "$libav|$data|$curl"
linked amps-master "$libav|$curl"
linked amps-worker "$libav|$data|$curl"
linked amps-helper "$libav|$data"
linked amps-transcoder "$data|$curl"
bash -n packaging/completion/amps || complain "the bash completion does not parse"
((bad == 0)) && echo "lint: nothing to complain about"
exit $bad
