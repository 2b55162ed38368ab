#!/bin/bash
# The test stages; `make test` runs `all`. Everything that opens a socket runs in a network namespace of its own. A test that
# fails has failed: nothing is tried again.
#   tools/test.sh all|lint|unit|integration|console|slow|clang|asan|tsan
set -u
cd "$(dirname "$0")/.." || exit
top=$PWD
jobs=${JOBS:-$(nproc)}
export CTEST_OUTPUT_ON_FAILURE=1
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1"
failed=() began=$SECONDS
scratch=$(mktemp -d /var/tmp/posthorn-test-XXXXXX)
chmod 711 "$scratch"
trap 'rm -rf "$scratch"' EXIT

stage() { # name, command...
    local name=$1 t=$SECONDS
    shift
    echo "=== $name"
    if "$@" > >(tee "$scratch/$name.log") 2>&1; then
        echo "=== $name: ok, $((SECONDS - t)) s"
    else
        echo "=== $name: FAILED after $((SECONDS - t)) s"
        failed+=("$name")
        return 1
    fi
}
both() { # two stages beside each other; what the second says is shown when it has ended
    stage "$2" "$2" >"$scratch/$2.stage" 2>&1 &
    local pid=$!
    stage "$1" "$1"
    wait $pid || failed+=("$2")
    cat "$scratch/$2.stage"
}

configure() { # dir, cmake arguments...
    local dir=$1
    shift
    cmake -S . -B "$dir" -G Ninja "$@" >"$dir.cmake.log" 2>&1 || { cat "$dir.cmake.log"; return 1; }
    rm -f "$dir.cmake.log"
}
compile() { # dir [targets]
    local dir=$1
    shift
    cmake --build "$dir" -j "$jobs" --target "${@:-all}" >"$dir/build.log" 2>&1 || { grep -E -A5 'error|FAILED|warning' "$dir/build.log" | head -80; return 1; }
}
unit_in() { # dir: with one database of each kind, which no test may go without; a report of a sanitizer fails it, whichever process wrote it
    local dir=$1 reports=$scratch/$1 dbs result=0
    # Not below the checkout: the servers' own users may not enter that (/root).
    dbs=$(mktemp -d /var/tmp/posthorn-dbs-XXXXXX)
    mkdir -m 1777 "$reports"
    # shellcheck disable=SC2016
    ASAN_OPTIONS="$ASAN_OPTIONS log_path=$reports/report" UBSAN_OPTIONS="$UBSAN_OPTIONS log_path=$reports/report" \
        TSAN_OPTIONS="$TSAN_OPTIONS log_path=$reports/report" POSTHORN_TEST_SERVERS=started \
        tools/netns.sh bash -c 'trap "tools/db-servers.sh stop $1" EXIT
            env=$(tools/db-servers.sh start "$1") && eval "$env" && ctest --test-dir "$2" -j "$3"' \
        unit "$dbs" "$dir" "$jobs" || result=1
    rm -rf "$dbs"
    for f in "$reports"/*; do
        if [ -e "$f" ]; then cat "$f"; result=1; fi
    done
    return $result
}
integration_in() { # dir [pytest arguments]
    local dir=$1
    shift
    tools/integration.sh "$top/$dir/posthorn" "$@"
}

lint() {
    local bad=0
    git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]' | xargs clang-format --dry-run -Werror || bad=1
    python3 tools/check-includes.py || bad=1
    return $bad
}
test_build() { configure build-test -DCMAKE_BUILD_TYPE=RelWithDebInfo && compile build-test; }
unit() { test_build && unit_in build-test; }
integration_tests() { integration_in build-test -m 'not slow'; }
integration() { test_build && integration_tests; }
slow() { test_build && BESIDE=1 integration_in build-test -m slow -s; } # long crash, power-cut and load runs: about 25 minutes
console_check() { tools/console.sh check && tools/console.sh build; } # types, lint, unit tests
console_tests() { POSTHORN_BIN=$top/build-test/posthorn tools/netns.sh tests/console/run.sh; } # Chromium and a real server
console() { console_check && test_build && console_tests; }
clang() {
    CC=clang configure build-clang -DCMAKE_BUILD_TYPE=RelWithDebInfo && compile build-clang all benches
}
asan_build() {
    configure build-asan -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g" -DPOSTHORN_SANITIZE=address,undefined && compile build-asan
}
tsan_build() {
    configure build-tsan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPOSTHORN_SANITIZE=thread && compile build-tsan
}
asan_unit() { asan_build && unit_in build-asan; }
tsan_unit() { tsan_build && unit_in build-tsan; }
# Left out are the tests marked `plain`: two that send by a process for each message what others send by a socket.
asan_integration() { asan_build && integration_in build-asan -m 'not slow and not plain'; }
tsan_integration() { tsan_build && integration_in build-tsan -m 'not slow and not plain'; }

case ${1:-all} in
all)
    for s in lint clang unit console_check; do stage $s $s; done
    both integration_tests console_tests # of what was built above; they mostly wait
    for s in asan_unit tsan_unit; do stage $s $s; done
    ;;
lint | unit | integration | console | slow | clang) stage "$1" "$1" ;;
asan | tsan)
    for s in unit integration; do stage "$1_$s" "$1_$s"; done
    ;;
*) echo "usage: $0 all|lint|unit|integration|console|slow|clang|asan|tsan" >&2; exit 2 ;;
esac
if [ ${#failed[@]} -gt 0 ]; then
    for s in "${failed[@]}"; do # again at the end, where it is found: what a stage says last is what failed in it
        echo "=== what $s said last"
        tail -n 80 "$scratch/$s.log"
    done
    echo "FAILED: ${failed[*]} ($((SECONDS - began)) s)"
    exit 1
fi
echo "All stages passed in $((SECONDS - began)) s"
