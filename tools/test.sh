#!/bin/bash
# The test stages; `make test` runs `all`. Everything that opens a socket runs in a network namespace of its own.
#   tools/test.sh all|lint|unit|integration|console|slow|clang|asan|tsan
set -u
cd "$(dirname "$0")/.."
top=$PWD
jobs=${JOBS:-$(nproc)}
export CTEST_OUTPUT_ON_FAILURE=1
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 suppressions=$top/tools/tsan.supp"
failed=() began=$SECONDS

stage() { # name, command...
    local name=$1 t=$SECONDS
    shift
    echo "=== $name"
    if "$@"; then
        echo "=== $name: ok, $((SECONDS - t)) s"
    else
        echo "=== $name: FAILED after $((SECONDS - t)) s"
        failed+=("$name")
    fi
}

configure() { # dir, cmake arguments...
    local dir=$1
    shift
    cmake -S . -B "$dir" -G Ninja "$@" >"$dir.cmake.log" 2>&1 || { cat "$dir.cmake.log"; return 1; }
    rm -f "$dir.cmake.log"
}
compile() { # dir
    cmake --build "$1" -j "$jobs" >"$1/build.log" 2>&1 || { grep -E -A5 'error|FAILED|warning' "$1/build.log" | head -80; return 1; }
}
unit_in() { # dir
    tools/netns.sh ctest --test-dir "$1" -j "$jobs" --repeat until-pass:2 --timeout 300
}
integration_in() { # dir [pytest arguments]
    local dir=$1
    shift
    local cache="$top/$dir/pytest-cache"
    rm -rf "$cache"
    POSTHORN_BIN=$top/$dir/posthorn tools/netns.sh /usr/bin/python3 -m pytest -q -o cache_dir="$cache" tests/integration "$@" &&
        return 0
    # Real clients on a busy machine miss a deadline now and then: what failed gets one more chance, visibly.
    echo "--- the failed tests once more"
    POSTHORN_BIN=$top/$dir/posthorn tools/netns.sh /usr/bin/python3 -m pytest -q -o cache_dir="$cache" --lf tests/integration "$@"
}

lint() {
    local bad=0
    git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]' | xargs clang-format --dry-run -Werror || bad=1
    python3 tools/check-includes.py || bad=1
    return $bad
}
unit() {
    local dbs r=0
    configure build-test -DCMAKE_BUILD_TYPE=RelWithDebInfo && compile build-test || return 1
    # Not below the checkout: the servers' own users may not enter that (/root).
    dbs=$(mktemp -d "${TMPDIR:-/var/tmp}/posthorn-dbs.XXXXXX")
    # shellcheck disable=SC2016
    tools/netns.sh bash -c 'trap "tools/db-servers.sh stop $1" EXIT
        env=$(tools/db-servers.sh start "$1") && eval "$env" && ctest --test-dir build-test -j "$2" --repeat until-pass:3 --timeout 300' \
        unit "$dbs" "$jobs" || r=$?
    rm -rf "$dbs"
    return $r
}
integration() {
    configure build-test -DCMAKE_BUILD_TYPE=RelWithDebInfo && compile build-test && integration_in build-test -m 'not slow'
}
console() { # types, lint and unit tests of the console; then Chromium against a real server
    tools/console.sh check && tools/console.sh build || return 1
    configure build-test -DCMAKE_BUILD_TYPE=RelWithDebInfo && cmake --build build-test -j "$jobs" --target posthorn >build-test/build.log 2>&1 ||
        { tail -40 build-test/build.log; return 1; }
    POSTHORN_BIN=$top/build-test/posthorn tools/netns.sh tests/console/run.sh
}
slow() { # long crash, power-cut and load runs: about 15 minutes
    configure build-test -DCMAKE_BUILD_TYPE=RelWithDebInfo && compile build-test && integration_in build-test -m slow -s
}
clang() {
    CC=clang configure build-clang -DCMAKE_BUILD_TYPE=RelWithDebInfo && compile build-clang
}
asan() {
    configure build-asan -DCMAKE_BUILD_TYPE=Debug -DPOSTHORN_SANITIZE=address,undefined && compile build-asan &&
        unit_in build-asan && integration_in build-asan -m 'not slow'
}
tsan() {
    configure build-tsan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPOSTHORN_SANITIZE=thread && compile build-tsan &&
        unit_in build-tsan && integration_in build-tsan -m 'not slow'
}

case ${1:-all} in
all)
    for s in lint clang unit integration console; do stage $s $s; done
    ;;
lint | unit | integration | console | slow | clang | asan | tsan) stage "$1" "$1" ;;
*) echo "usage: $0 all|lint|unit|integration|console|slow|clang|asan|tsan" >&2; exit 2 ;;
esac
if [ ${#failed[@]} -gt 0 ]; then
    echo "FAILED: ${failed[*]} ($((SECONDS - began)) s)"
    exit 1
fi
echo "All stages passed in $((SECONDS - began)) s"
