#!/bin/bash
# `make run`: a server with a demo domain and two accounts on unprivileged ports of 127.0.0.1, in the foreground.
#   tools/demo.sh PROGRAM DIR
set -eu
bin=$1 D=$2
mkdir -p "$D"
D=$(cd "$D" && pwd)
user=$(id -un)
if [ "$user" = root ]; then
    user=posthorn
    id $user >/dev/null 2>&1 || adduser --system --group --no-create-home --home /nonexistent --quiet $user
    chown -R $user "$D"
    # The server runs as this user, who must be able to reach the demo directory.
    p=$D
    while [ "$p" != / ]; do
        setpriv --reuid $user --clear-groups --regid "$(id -g $user)" test -x "$p" 2>/dev/null || reach=no
        p=$(dirname "$p")
    done
    if [ "${reach:-}" = no ]; then
        D=/var/tmp/posthorn-demo
        mkdir -p $D
        chown $user $D
        chmod 750 $D
    fi
fi
tool() { "$bin" tool --data "$D" --user "$user" "$@"; }
if [ ! -f "$D/config/system.db" ]; then
    cat > "$D/setup.txt" <<S
set system.hostname mail.example.test
set smtp.listen 127.0.0.1:2525
set smtp.listen_submission 127.0.0.1:2587
set smtp.listen_submission_tls 127.0.0.1:2465
set pop3.listen 127.0.0.1:2110
set pop3.listen_tls 127.0.0.1:2995
set imap.listen 127.0.0.1:2143
set imap.listen_tls 127.0.0.1:2993
set managesieve.listen 127.0.0.1:2419
set web.listen 127.0.0.1:2080
set web.listen_tls 127.0.0.1:2443
create domain example.test primary=yes
create account admin@example.test name=Administrator password=demo-admin role=system-admin
create account alice@example.test name=Alice password=demo-alice
create account bob@example.test name=Bob password=demo-bob aliases=postmaster
S
    tool batch "$D/setup.txt"
fi
mutt="mutt -e 'set ssl_starttls=no' -f imap://bob%40example.test:demo-bob@127.0.0.1:2143/INBOX"
command -v mutt >/dev/null || mutt="$mutt  # after: apt install mutt"
cat <<T

Posthorn serves the demo domain example.test on 127.0.0.1, data in $D:
  SMTP 2525 · submission 2587 (STARTTLS), 2465 (TLS) · IMAP 2143, 2993 (TLS) · POP3 2110, 2995 (TLS) · ManageSieve 2419
  accounts alice@example.test (password demo-alice) and bob@example.test (demo-bob)

Console: http://127.0.0.1:2080/ or https://127.0.0.1:2443/ (sign in: admin@example.test, demo-admin), API below /api/v1

Send:   swaks --server 127.0.0.1:2587 -tls -au alice@example.test -ap demo-alice -f alice@example.test -t bob@example.test
Read:   curl --url 'imap://127.0.0.1:2143/INBOX;MAILINDEX=1' -u bob@example.test:demo-bob
        curl --url pop3://127.0.0.1:2110/1 -u bob@example.test:demo-bob
        $mutt
Look:   $bin tool --data $D sessions
        $bin tool --data $D queue
        $bin tool --data $D help
Logs:   $D/logs
End:    Ctrl-C

T
exec "$bin" serve --data "$D" --user "$user"
