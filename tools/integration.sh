#!/bin/bash
# Runs the integration tests: each file by a process of its own, in a network namespace of its own, so that their ports do not
# meet. They wait more than they work: several run beside each other. What a file says is printed when it has ended.
#   tools/integration.sh PROGRAM [pytest arguments]
# From the environment: BESIDE, how many run at a time (one more than there are processors).
set -u
cd "$(dirname "$0")/.." || exit
export POSTHORN_BIN=$1
shift
beside=${BESIDE:-$(($(nproc) + 1))}
out=$(mktemp -d /var/tmp/posthorn-integration-XXXXXX)
trap 'rm -rf "$out"' EXIT
export out

one() { # file, pytest arguments...: fails if it fails; a file of which nothing was selected has not failed
    local file=$1 name status
    shift
    name=$(basename "$file" .py)
    tools/netns.sh /usr/bin/python3 -m pytest -q -rs --durations=5 --durations-min=10 -p no:cacheprovider --basetemp="$out/$name.tmp" \
        "$file" "$@" >"$out/$name.log" 2>&1 </dev/null
    status=$?
    rm -rf "$out/$name.tmp"
    [ $status != 5 ] || status=0
    [ $status = 0 ] || touch "$out/$name.failed"
    flock "$out" sh -c 'printf "%s\n" "--- $1"; cat "$2"' "" "$file" "$out/$name.log"
    return $status
}
export -f one

# Once, before several want to.
[ "$(id -u)" != 0 ] || id posthorn >/dev/null 2>&1 ||
    adduser --system --group --no-create-home --home /nonexistent --quiet posthorn || exit
# The large ones first, so that none of them is left over at the end.
ls -S tests/integration/test_*.py | xargs -P "$beside" -I FILE bash -c 'one "$@"' one FILE "$@"
result=$?
echo "--- in all"
tail -qn 1 "$out"/*.log | grep -oE '[0-9]+ (passed|failed|skipped|error|errors|xfailed|xpassed)' |
    awk '{ n[$2] += $1 } END { for (w in n) printf "%d %s  ", n[w], w; print "" }'
for f in "$out"/*.failed; do
    if [ -e "$f" ]; then
        name=$(basename "$f" .failed)
        echo "--- $name failed:"
        grep -aE '^(FAILED|ERROR) ' "$out/$name.log" || tail -n 20 "$out/$name.log"
        result=1
    fi
done
exit $result
