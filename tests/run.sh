#!/bin/bash
# run.sh - the whole suite: builds the presets it needs, runs every test, and ends with
# "N passed, N failed".  AMPS_TEST_STEPS="dev asan" picks steps.  Logs stay in build/logs/.
set -u
cd "$(dirname "$0")/.." || exit 1

STEPS=${AMPS_TEST_STEPS:-build dev lint asan tsan fuzz system system_asan}
LOGS=$PWD/build/logs
PARALLEL="-n $(($(nproc) * 3)) --dist loadgroup" # system tests mostly wait
passed=0 failed=0
failures=()
mkdir -p "$LOGS"

note() {
	printf '== %s\n' "$*"
}

# count PASSED FAILED WHERE
count() {
	passed=$((passed + $1)) failed=$((failed + $2))
	note "$3: $1 passed, $2 failed"
}

# one NAME COMMAND...: a step that passes or fails as a whole
one() {
	local name=$1
	shift
	if "$@" >"$LOGS/$name.log" 2>&1; then
		count 1 0 "$name"
	else
		tail -n 40 "$LOGS/$name.log"
		failures+=("$name (build/logs/$name.log)")
		count 0 1 "$name"
		return 1
	fi
}

build() {
	one "build_$1" sh -c "cmake --preset $1 && cmake --build --preset $1"
}

# ctest_preset PRESET [ARGS]: the unit tests of one preset
ctest_preset() {
	local preset=$1 log=$LOGS/ctest_$1.log good bad
	shift
	ctest --preset "$preset" -j 2 --output-on-failure "$@" >"$log" 2>&1
	good=$(grep -cE '^ *[0-9]+/[0-9]+ Test .* Passed ' "$log")
	bad=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*(\*\*\*|Failed)' "$log")
	if ((bad > 0 || good == 0)); then
		tail -n 60 "$log"
		failures+=("unit tests, $preset ($log)")
		((bad > 0)) || bad=1
	fi
	count "$good" "$bad" "unit tests, $preset"
}

# pytest_build NAME FOLDER [ARGS]: the system tests against the programs of a build folder
pytest_build() {
	local name=$1 folder=$2 log=$LOGS/$1.log good bad line
	shift 2
	AMPS_BIN=$PWD/$folder/bin /usr/bin/python3 -m pytest -q -p no:cacheprovider \
		tests/system "$@" 2>&1 | tee "$log"
	line=$(grep -E '[0-9]+ (passed|failed|error)' "$log" | tail -n 1)
	good=$(grep -oE '[0-9]+ passed' <<<"$line" | grep -oE '[0-9]+')
	bad=$(grep -oE '[0-9]+ (failed|errors?)' <<<"$line" | grep -oE '[0-9]+' |
		awk '{n += $1} END {print n + 0}')
	good=${good:-0}
	if ((bad > 0 || good == 0)); then
		failures+=("$name ($log)")
		((bad > 0)) || bad=1
	fi
	count "$good" "$bad" "$name"
}

for step in $STEPS; do
	note "$step"
	case $step in
	build) build release ;;
	dev) build dev && ctest_preset dev ;;
	lint) one lint tests/lint/lint.sh build/dev ;;
	asan) build asan && ctest_preset asan ;;
	tsan) build tsan && ctest_preset tsan -R '^(race|common)/' ;;
	fuzz) one fuzz env FUZZ_SECONDS="${FUZZ_SECONDS:-10}" tests/fuzz/run.sh ;;
	system)
		pytest_build system build $PARALLEL -m "not timing"
		pytest_build system_timing build -m timing
		;;
	system_asan) pytest_build system_asan build/asan $PARALLEL -m "not slow and not timing" ;;
	*) note "unknown step $step"; exit 2 ;;
	esac
done

note "all steps done"
for failure in "${failures[@]}"; do
	echo "FAILED: $failure"
done
echo "$passed passed, $failed failed"
((failed == 0))
