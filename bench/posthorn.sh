#!/bin/bash
# A private server for measuring, on 127.0.0.1 only, with all durability on.
#   posthorn.sh start DIR BASEPORT   ports BASEPORT + 25 587 465 143 993 110 995 80 443
#   posthorn.sh stop DIR
# From the environment: DOMAIN (bench.test), PREFIX (printf pattern of user names, u%03d), FIRST (0), USERS (100),
# PASSWORD (bench; stored as {PLAIN}), RELAY (host:port that takes all mail that is not local; peers on loopback may
# relay; none: by MX), RESOLVER (host:port of the DNS server to ask; none: those of the system). POSTHORN_BIN names the
# program (default: build/posthorn beside this script's directory). There is a postmaster account too. Returns when the
# server answers and writes DIR/target.json, and DIR/admin.json for console and API: user, password and token of a system
# administrator.
set -eu
cmd=${1:-} D=${2:-}
[ -n "$D" ] || { echo "usage: $0 start DIR BASEPORT | stop DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
bin=${POSTHORN_BIN:-$here/../build/posthorn}

if [ "$cmd" = stop ]; then
    p=$(cat "$D/posthorn.pid" 2>/dev/null || true)
    [ -n "$p" ] || exit 0
    kill -TERM "$p" 2>/dev/null || true
    for _ in $(seq 400); do kill -0 "$p" 2>/dev/null || break; sleep .1; done
    rm -f "$D/posthorn.pid"
    exit 0
fi
[ "$cmd" = start ] && [ -n "${3:-}" ] || { echo "usage: $0 start DIR BASEPORT | stop DIR" >&2; exit 2; }
B=$3 DOMAIN=${DOMAIN:-bench.test} PREFIX=${PREFIX:-u%03d} FIRST=${FIRST:-0} USERS=${USERS:-100} PASSWORD=${PASSWORD:-bench}
[ -x "$bin" ] || { echo "$bin is not there: run make build" >&2; exit 1; }
mkdir -p "$D/data/certs"
D=$(cd "$D" && pwd)
if [ ! -f "$D/data/certs/default.pem" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$DOMAIN" \
        -addext "subjectAltName=DNS:localhost,DNS:$DOMAIN,DNS:mx.$DOMAIN,IP:127.0.0.1" \
        -keyout "$D/key.pem" -out "$D/cert.pem" 2>/dev/null
    cat "$D/cert.pem" "$D/key.pem" > "$D/data/certs/default.pem"
    chmod 600 "$D/data/certs/default.pem" "$D/key.pem"
fi
{
    echo "set system.hostname mx.$DOMAIN"
    echo "set smtp.listen 127.0.0.1:$((B + 25))"
    echo "set smtp.listen_submission 127.0.0.1:$((B + 587))"
    echo "set smtp.listen_submission_tls 127.0.0.1:$((B + 465))"
    echo "set imap.listen 127.0.0.1:$((B + 143))"
    echo "set imap.listen_tls 127.0.0.1:$((B + 993))"
    echo "set pop3.listen 127.0.0.1:$((B + 110))"
    echo "set pop3.listen_tls 127.0.0.1:$((B + 995))"
    echo "set managesieve.listen 127.0.0.1:$((B + 419))"
    echo "set web.listen 127.0.0.1:$((B + 80))"
    echo "set web.listen_tls 127.0.0.1:$((B + 443))"
    echo "set auth.plain_without_tls trusted"
    echo "set smtp.reject_sender_mismatch no" # the workload submits for other users, as the peers allow
    echo "set deliver.relay_host \"${RELAY:-}\""
    echo "set dns.servers \"$(sed -E 's/:([0-9]+)$/@\1/' <<<"${RESOLVER:-}")\""
    for s in ${SETTINGS:-}; do echo "set ${s%%=*} ${s#*=}"; done
    if [ ! -f "$D/created" ]; then
        echo "create domain $DOMAIN primary=yes"
        echo "create account postmaster@$DOMAIN password={PLAIN}$PASSWORD"
        echo "create account admin@$DOMAIN password={PLAIN}$PASSWORD role=system-admin"
        for i in $(seq "$FIRST" $((FIRST + USERS - 1))); do
            # shellcheck disable=SC2059
            echo "create account $(printf "$PREFIX" "$i")@$DOMAIN password={PLAIN}$PASSWORD"
        done
    fi
} > "$D/setup"
user=$(id -un)
if [ "$user" = root ]; then
    user=${POSTHORN_USER:-posthorn}
    id "$user" >/dev/null 2>&1 || adduser --system --group --no-create-home --home /nonexistent --quiet "$user"
    [ -f "$D/created" ] || chown -R "$user" "$D/data" # a large queue would take longer than the start
    chmod 755 "$D"
fi
"$bin" tool --data "$D/data" --user "$user" batch "$D/setup" > "$D/setup.log" 2>&1 || { cat "$D/setup.log" >&2; exit 1; }
if [ ! -f "$D/admin.json" ]; then
    token=$("$bin" tool --data "$D/data" --user "$user" create token "admin@$DOMAIN" bench)
    (umask 077; echo "{\"user\": \"admin@$DOMAIN\", \"password\": \"$PASSWORD\", \"token\": \"$token\"}" > "$D/admin.json")
fi
touch "$D/created"
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
"$bin" serve --data "$D/data" --user "$user" --quiet </dev/null >"$D/serve.log" 2>&1 &
pid=$!
echo $pid > "$D/posthorn.pid"
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1" && read -r -t 5 l <&3 && [ -n "$l" ]) 2>/dev/null; }
for port in 25 587 143 110; do
    for _ in $(seq 200); do
        kill -0 $pid 2>/dev/null || { echo "posthorn ended at start:" >&2; cat "$D/serve.log" >&2; exit 1; }
        if answers $((B + port)); then continue 2; fi
        sleep .05
    done
    echo "no answer on port $((B + port))" >&2
    cat "$D/serve.log" >&2
    exit 1
done
# Not asked here: console and API take memory from their first connection on. Their sockets are open already.
cat > "$D/target.json" <<J
{"name": "posthorn", "host": "127.0.0.1", "smtp": $((B + 25)), "submission": $((B + 587)), "submissions": $((B + 465)),
 "imap": $((B + 143)), "imaps": $((B + 993)), "pop3": $((B + 110)), "pop3s": $((B + 995)), "http": $((B + 80)), "https": $((B + 443)),
 "user": "$PREFIX@$DOMAIN", "users": $USERS, "password": "$PASSWORD", "idle_wait": 2, "pids": [$pid]}
J
cat "$D/target.json"
