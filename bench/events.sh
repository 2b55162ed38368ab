#!/bin/bash
# What recording costs an accepting server: the figure `accept` of bench/quick.sh with everything off, with events and
# transcripts, and with the debug level of the text log besides, in turns; medians of RUNS (5).
#   bench/events.sh      POSTHORN_BIN and BENCH_DIR as for quick.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
runs=${RUNS:-5}
off="events.enabled=no log.smtp=summary"
on="log.smtp=summary"
debug="log.smtp=debug"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for _ in $(seq "$runs"); do
    for which in off on debug; do
        line=$(SETTINGS=${!which} "$here/quick.sh" accept | grep '^accept')
        echo "$which $line" >> "$out"
        echo "$which: $line" >&2
    done
done
python3 - "$out" <<'P'
import re, statistics, sys
rate, cpu = {}, {}
for l in open(sys.argv[1]):
    which, rest = l.split(" ", 1)
    numbers = re.findall(r"([\d.]+) (msg/s|us|ms)", rest)
    rate.setdefault(which, []).append(float(next(n for n, u in numbers if u == "msg/s")))
    cpu.setdefault(which, []).extend(float(n) * (1000 if u == "ms" else 1) for n, u in numbers if u in ("us", "ms"))
base = {k: statistics.median(v) for k, v in rate.items()}
used = {k: statistics.median(v) for k, v in cpu.items() if v}
for k in ("off", "on", "debug"):
    print(f"{k:6} {base[k]:8.0f} msg/s ({100 * base[k] / base['off']:5.1f} %)"
          + (f"  {used[k]:7.1f} us CPU each ({100 * used['off'] / used[k]:5.1f} % of the rate when CPU decides)" if used else ""))
P
