#!/bin/bash
# Fuzzes each parser for some seconds with libFuzzer under ASAN and UBSAN, JOBS at a time, beginning with the corpus in the
# repository. New inputs are merged into the corpus (minimised); what crashed is in build-fuzz/crashes.
#   tools/fuzz.sh [SECONDS [TARGET ...]]        60 seconds, all targets
set -eu
cd "$(dirname "$0")/.."
[ "${POSTHORN_NETNS:-}" = "$(readlink /proc/self/ns/net)" ] || exec tools/netns.sh tools/fuzz.sh "$@"
seconds=${1:-60}
[ $# = 0 ] || shift
case $seconds in '' | *[!0-9]*) echo "fuzz.sh: '$seconds' is not a number of seconds" >&2; exit 2 ;; esac
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
CC=clang cmake -S . -B build-fuzz -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPOSTHORN_FUZZ=ON \
    -DPOSTHORN_SANITIZE=address,undefined >/dev/null
mapfile -t all < <(ls tests/fuzz/fuzz_*.c | sed 's|.*/fuzz_||; s|\.c$||')
targets=("${@:-${all[@]}}")
for t in "${targets[@]}"; do
    [ -f "tests/fuzz/fuzz_$t.c" ] || { echo "fuzz.sh: there is no target '$t'; there are: ${all[*]}" >&2; exit 2; }
done
cmake --build build-fuzz -j "${JOBS:-$(nproc)}" --target "${targets[@]/#/fuzz_}" >build-fuzz/build.log 2>&1 ||
    { grep -E -A5 'error|FAILED' build-fuzz/build.log | head -40; exit 1; }

fuzz_one() { # target
    local t=$1 corpus=tests/fuzz/corpus/$1 work=build-fuzz/corpus/$1 crashes=build-fuzz/crashes/$1-
    mkdir -p "$corpus" "$work" build-fuzz/crashes
    if build-fuzz/tests/fuzz_"$t" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=3000 -artifact_prefix="$crashes" \
        -print_final_stats=1 "$work" "$corpus" >build-fuzz/"$t".log 2>&1; then
        build-fuzz/tests/fuzz_"$t" -merge=1 "$corpus" "$work" >/dev/null 2>&1 || true
        echo "$t: $(awk '/stat::number_of_executed_units/ {print $2}' build-fuzz/"$t".log) runs in $seconds s, nothing found, $(ls "$corpus" | wc -l) inputs kept"
    else
        echo "$t: FAILED, see build-fuzz/$t.log and $crashes*"
        tail -30 build-fuzz/"$t".log
        return 1
    fi
}
export -f fuzz_one
export seconds
printf '%s\n' "${targets[@]}" | xargs -P "${JOBS:-$(nproc)}" -I{} bash -c 'fuzz_one {}'
