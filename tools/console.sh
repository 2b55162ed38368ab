#!/bin/bash
# The console (web/console): installs its packages by the lock file and builds it.
#   tools/console.sh build    -> build/console
#   tools/console.sh check    generated client, types, lint and unit tests
#   tools/console.sh try      as build, but without npm it says so and succeeds: the server runs without the console
set -eu
cd "$(dirname "$0")/.."
top=$PWD web=$PWD/web/console
cmd=${1:-build}
have_npm() { command -v npm >/dev/null 2>&1; }
# Debian 12's npm runs on Node.js 18 and leaves out parts of Vite that want a newer one. Such an npm only fetches the Node.js
# and npm that do the rest.
run_npm() {
    local boot=$top/build/node
    if [ "$(node -p 'parseInt(process.versions.node)' 2>/dev/null || echo 0)" -lt 20 ]; then
        if [ ! -x "$boot/node_modules/.bin/npm" ]; then
            mkdir -p "$boot"
            npm install --prefix "$boot" --no-audit --no-fund --loglevel=error \
                "node@$(sed -n 's/^ *"node": "\([0-9.]*\)",*$/\1/p' "$web/package.json")" npm@11.19.1 || return
        fi
        PATH=$boot/node_modules/.bin:$PATH
    fi
    npm "$@"
}
packages() {
    local stamp=$web/node_modules/.posthorn-lock sum
    sum=$(sha256sum "$web/package-lock.json" "$web/package.json" | sha256sum)
    [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && return 0
    (cd "$web" && run_npm ci --no-audit --no-fund --loglevel=error) || return
    echo "$sum" > "$stamp"
}
newer() { # is a source newer than the build?
    [ ! -f "$top/build/console/index.html" ] ||
        [ -n "$(find "$web/src" "$web/public" "$web/index.html" "$web/vite.config.ts" "$web/package-lock.json" "$top/docs/openapi.json" \
            -newer "$top/build/console/index.html" -print -quit)" ]
}
case $cmd in
try)
    have_npm || "$top/tools/install-deps.sh" console >/dev/null 2>&1 || true
    if ! have_npm; then
        echo "npm is not installed: the server runs without its console. apt-get install npm, then make console."
        exit 0
    fi
    newer || exit 0
    export npm_config_fetch_retries=0 # who cannot reach the registry shall not wait minutes for the server
    packages && (cd "$web" && run_npm run --silent build) || echo "The console could not be built: the server runs without it. make console shows why."
    ;;
build)
    have_npm || "$top/tools/install-deps.sh" console
    packages
    newer || exit 0
    cd "$web" && run_npm run --silent build
    ;;
check)
    have_npm || "$top/tools/install-deps.sh" console
    packages
    cd "$web" && run_npm run --silent check && run_npm run --silent test
    ;;
*)
    echo "usage: $0 build|check|try" >&2
    exit 2
    ;;
esac
