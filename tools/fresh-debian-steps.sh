#!/bin/bash
# What a newcomer does on a new Debian 12. Run by tools/fresh-debian.sh in the root file system that it makes.
#   fresh-debian-steps.sh run|test|all
set -euo pipefail
trap 'exit 130' INT TERM
log=/srv/run.log keys=/srv/keys
install_limit=1800 # seconds until the server serves: packages and the build
mail_limit=20      # seconds until a message can be read
end_limit=60       # seconds from Ctrl-C to the end

die() {
    echo "fresh-debian: FAILED: $*" >&2
    exit 1
}

stage() { # name, function
    local began=$SECONDS
    echo "=== $1"
    $2
    echo "=== $1: ok, $((SECONDS - began)) s"
}

# Until a condition holds; fails after so many seconds, naming what it waited for.
within() { # seconds, what, command...
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ $SECONDS -lt $until ] || die "no $what"
        sleep 0.2
    done
}

newcomer() {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends git make >/srv/apt.log 2>&1 || {
        tail -20 /srv/apt.log >&2
        die "apt-get cannot install git and make"
    }
    git clone -q /srv/posthorn.git /root/posthorn
    cd /root/posthorn
    echo "HEAD is $(git log -1 --format='%h %s')"
}

# The commands that `make run` prints behind a word such as Send, one a line.
printed() { # word
    tr -d '\r' <$log | awk -v word="$1:" '$1 == word { on = 1; sub(/^[^:]*:/, "") } /^[A-Z][a-z]*:/ && $1 != word { on = 0 } on' |
        sed 's/^ *//'
}

serves() {
    grep -qs '^Posthorn .* serves' $log && return
    kill -0 $server 2>/dev/null || die "make run ended before it served"
    return 1
}

gone() { ! kill -0 "$1" 2>/dev/null; }

reads() { # command, id
    got=$(eval "$1" 2>/srv/read.log) && [[ $got == *"id $2"* ]]
}

# On a terminal, with Ctrl-C typed there: make and the shells between it and the server get the signal, too.
make_run() {
    local send id command status=0
    mkfifo $keys
    exec 7<>$keys
    env --default-signal=INT,QUIT script -q -e -f -c 'make run' $log <&7 &
    server=$!
    within $install_limit "start message of make run" serves

    send=$(printed Send)
    echo "--- $send"
    eval "$send" >/srv/swaks.log 2>&1 || { cat /srv/swaks.log >&2; die "the printed command to send does not work"; }
    id=$(sed -n 's/.*Message id \([A-Z0-9]*\) accepted.*/\1/p' /srv/swaks.log)
    [ -n "$id" ] || { cat /srv/swaks.log >&2; die "the reply names no message id"; }
    echo "message $id accepted"
    while read -r command; do
        echo "--- $command"
        within $mail_limit "message $id by: $command" reads "$command" "$id"
        echo "$got" | tr -d '\r' | sed -n '1,/^$/p'
    done < <(printed Read | grep '^curl ')
    while read -r command; do
        echo "--- $command"
        eval "$command" || die "the printed command does not work: $command"
    done < <(printed Look)

    printf '\003' >&7
    within $end_limit "end of make run after Ctrl-C" gone $server
    wait $server || status=$?
    exec 7>&-
    echo
    # A make that was interrupted ends by that signal, but says so first if the program below it failed.
    [ $status = 0 ] || [ $status = 130 ] || die "make run ended with status $status after Ctrl-C"
    ! grep -F '***' $log || die "the server failed to end after Ctrl-C"
    ! grep -l '^posthorn' /proc/[0-9]*/comm 2>/dev/null || die "processes of the server are left behind"
    echo "ended by Ctrl-C, exit status of the server 0"
}

make_test() { make test; }

newcomer
case $1 in
run) stage "make run" make_run ;;
test) stage "make test" make_test ;;
all)
    stage "make run" make_run
    stage "make test" make_test
    ;;
esac
echo "fresh-debian: $1 passed"
