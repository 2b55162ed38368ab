#!/bin/bash
# Renews docs/screenshots: of each screen that the design has a picture of, and those of the tests that are kept there already.
#   tests/console/pictures.sh [NAME ...]     the tests to run, screenshots without a name
# Needs pngquant (Debian's package), besides what run.sh needs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
to=$top/docs/screenshots
command -v pngquant >/dev/null || { echo "pngquant is not there: apt-get install pngquant" >&2; exit 1; }
SHOTS=$(mktemp -d /tmp/posthorn-shots.XXXXXX)
trap 'rm -rf "$SHOTS"' EXIT
export SHOTS
"$top/tools/netns.sh" "$here/run.sh" "${@:-screenshots}"
for f in "$SHOTS"/*.png; do
    name=$(basename "$f")
    case $name in
    [0-9][0-9]-*) ;;
    *) [ -f "$to/$name" ] || continue ;;
    esac
    pngquant --force --speed 1 --strip --output "$to/$name" 64 "$f"
done
