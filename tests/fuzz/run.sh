#!/bin/sh
# run.sh TARGET SEEDS - runs one fuzz target in the folder of its build.  Without FUZZ_SECONDS it
# replays its seeds and makes FUZZ_RUNS runs, the same each time; with it, it searches for so long
# and keeps what it has learned in corpus/.  What it finds stays in found/.
set -eu
target=$1 name=$(basename "$1") seeds=$2
grown=corpus/$name
if [ -n "${FUZZ_SECONDS:-}" ]; then
	set -- -max_total_time="$FUZZ_SECONDS"
else
	set -- -seed=1 -runs="${FUZZ_RUNS:-4000}"
	grown=replayed/$name
	rm -rf "$grown"
fi
mkdir -p "$grown" found
[ ! -d "$seeds" ] || set -- "$@" "$seeds"
exec "$target" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="found/$name-" -print_final_stats=1 \
	"$grown" "$@"
