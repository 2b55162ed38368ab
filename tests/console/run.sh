#!/bin/bash
# The console in Chromium against a real server with real mail. Runs in a network namespace of its own (tools/netns.sh).
#   tests/console/run.sh [NAME ...]      runs NAME.test.mjs, all without a name
# From the environment: POSTHORN_BIN (build-test/posthorn), CONSOLE (build/console), SHOTS (directory for pictures of each
# screen), KEEP=1 keeps the server's directory.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
bin=${POSTHORN_BIN:-$top/build-test/posthorn}
console=${CONSOLE:-$top/build/console}
node=$top/web/console/node_modules/.bin/node
[ -x "$bin" ] || { echo "$bin is not there: build it first" >&2; exit 1; }
[ -f "$console/index.html" ] || { echo "$console is not there: make console" >&2; exit 1; }
D=$(mktemp -d /tmp/posthorn-console.XXXXXX)
user=$(id -un)
if [ "$user" = root ]; then
    user=posthorn
    id $user >/dev/null 2>&1 || adduser --system --group --no-create-home --home /nonexistent --quiet $user
fi
pid=
finish() {
    [ -z "$pid" ] || { kill -TERM "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; } || true
    [ -n "${KEEP:-}" ] || rm -rf "$D"
}
trap finish EXIT
# The server's user must be able to read the console, wherever the work tree lies.
cp -r "$console" "$D/console"
mkdir -p "$D/data/certs"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=localhost" \
    -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" -keyout "$D/key.pem" -out "$D/cert.pem" 2>/dev/null
cat "$D/cert.pem" "$D/key.pem" > "$D/data/certs/default.pem"
# A second one, for a name of its own, that ends soon.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 12 -subj "/CN=im.demo.example" \
    -addext "subjectAltName=DNS:im.demo.example" -keyout "$D/im.key" -out "$D/im.crt" 2>/dev/null
cat "$D/im.crt" "$D/im.key" > "$D/data/certs/im.pem"
echo 'rule "Kept, not asked" off then add-header "X-Seen" "yes"' > "$D/rules"
cat > "$D/setup" <<S
set system.hostname mail1.demo.example
set smtp.listen 127.0.0.1:2525
set smtp.listen_submission 127.0.0.1:2587
set smtp.listen_submission_tls 127.0.0.1:2465
set imap.listen 127.0.0.1:2143
set imap.listen_tls 127.0.0.1:2993
set pop3.listen 127.0.0.1:2110
set pop3.listen_tls 127.0.0.1:2995
set managesieve.listen 127.0.0.1:2419
set web.listen 127.0.0.1:2080
set web.listen_tls 127.0.0.1:2443
set web.console_path $D/console
set auth.plain_without_tls trusted
set auth.failure_delay 0ms
set log.smtp debug
set log.imap debug
set net.session_timeout 1h
set dns.servers 127.0.0.1@9
set dns.timeout 200ms
create domain demo.example primary=yes
create domain other.example
create account admin@demo.example name=Administrator password=correct-horse role=system-admin
create account domainadmin@other.example password=correct-horse role=domain-admin admin_domains=other.example
create account user@demo.example name=User password=secret-user aliases=orders;sales
create account anna@demo.example name=Anna password=secret-anna
create account carla@other.example name=Carla password=secret-carla
create account crew@demo.example name=Crew kind=list list_owner=anna@demo.example
change members crew@demo.example add=anna@demo.example;away@elsewhere.example
filter put $D/rules
route create *.cloud.example host=relay.cloud.example:587 user=us@cloud.example password=relay-secret
S
chmod 755 "$D"
chmod -R a+rX "$D/console"
[ "$user" = "$(id -un)" ] || chown -R "$user" "$D/data"
"$bin" tool --data "$D/data" --user "$user" batch "$D/setup" > "$D/setup.log" 2>&1 || { cat "$D/setup.log" >&2; exit 1; }
"$bin" serve --data "$D/data" --user "$user" --quiet </dev/null >"$D/serve.log" 2>&1 &
pid=$!
for _ in $(seq 200); do
    kill -0 $pid 2>/dev/null || { cat "$D/serve.log" >&2; exit 1; }
    curl -s -o /dev/null --max-time 2 http://127.0.0.1:2080/ && break
    sleep .1
done
export CONSOLE_URL=http://127.0.0.1:2080 CONSOLE_TLS_URL=https://localhost:2443 CONSOLE_ADMIN=admin@demo.example CONSOLE_PASSWORD=correct-horse
export SMTP_PORT=2525 SUBMISSION_PORT=2587 IMAP_PORT=2143 SERVER_DIR=$D POSTHORN_BIN=$bin SERVER_USER=$user
tests=()
for t in "$@"; do tests+=("$here/$t.test.mjs"); done
[ ${#tests[@]} -gt 0 ] || tests=("$here"/*.test.mjs)
"$node" --test --test-concurrency=1 --test-reporter=spec --test-timeout=900000 "${tests[@]}"
