#!/bin/bash
# run.sh - builds the fuzz targets and runs each for FUZZ_SECONDS (60) from its seed corpus; what it
# finds stays in build/fuzz/found/.
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${FUZZ_SECONDS:-60}
found=$PWD/build/fuzz/found
bad=0 targets=0

cmake --preset fuzz >/dev/null && cmake --build --preset fuzz || exit 1
mkdir -p "$found"
for source in tests/fuzz/*/fuzz_*.c; do
	name=$(basename "$source" .c)
	seeds=$(dirname "$source")/corpus/${name#fuzz_}
	grown=build/fuzz/corpus/$name
	mkdir -p "$grown"
	[ -d "$seeds" ] || seeds=
	if build/fuzz/bin/"$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
		-artifact_prefix="$found/$name-" -print_final_stats=1 "$grown" $seeds \
		>build/fuzz/"$name".log 2>&1; then
		echo "$name: $(grep -o 'number_of_executed_units: *[0-9]*' build/fuzz/"$name".log)"
	else
		tail -n 30 build/fuzz/"$name".log
		echo "$name: FAILED"
		bad=$((bad + 1))
	fi
	targets=$((targets + 1))
done
echo "fuzz: $targets targets, $bad failed"
((bad == 0 && targets > 0))
