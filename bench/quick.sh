#!/bin/bash
# A quick benchmark of this machine, without peers: starts a private server in a network namespace of its own and runs
# bench/load.c against it; one line per figure, about a minute. Absolute figures depend on the machine, above all on its
# disk's fdatasync; docs/benchmarks.md says how to read them.
#   bench/quick.sh [FIGURE ...]      POSTHORN_BIN names the program, BENCH_DIR the directory for its data (on the disk to measure)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export POSTHORN_BIN=${POSTHORN_BIN:-$here/../build/posthorn}
if [ -z "${POSTHORN_NETNS:-}" ]; then
    exec "$here/../tools/netns.sh" "$0" "$@"
fi
dir=$(mktemp -d "${BENCH_DIR:-/var/tmp}/posthorn-bench.XXXXXX")
trap '"$here/posthorn.sh" stop "$dir"; rm -rf "$dir"' EXIT
cc -O2 -std=c17 -D_GNU_SOURCE -Wall -Wextra -o "$dir/load" "$here/load.c" -lssl -lcrypto -lpthread
"$here/posthorn.sh" start "$dir" 12000 >/dev/null
"$dir/load" 12000 "$(cat "$dir/posthorn.pid")" "${PASSWORD:-bench}" "$@"
