#!/bin/bash
# What a newcomer does on a new Debian 12. Run by tools/fresh-debian.sh in the root file system that it makes.
#   fresh-debian-steps.sh run|test|all root|user
set -euo pipefail
trap 'exit 130' INT TERM
what=$1 who=$2
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

# --- the newcomer ---

packages="git make" home=/root as=()
if [ "$who" = user ]; then
    packages="git make sudo" home=/home/newcomer as=(runuser -u newcomer --)
fi
log=$home/run.log

types() { # a command line
    "${as[@]}" env HOME=$home bash -c "$1"
}

arrive() {
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $packages >/srv/apt.log 2>&1 || {
        tail -20 /srv/apt.log >&2
        die "apt-get cannot install $packages"
    }
    if [ "$who" = user ]; then
        useradd --create-home --shell /bin/bash newcomer
        chown -R newcomer: /srv/posthorn.git # git clones only from its own user or root
        echo 'newcomer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/newcomer
    fi
    cd $home
    types "git clone -q /srv/posthorn.git posthorn"
    cd posthorn
    echo "HEAD is $(types "git log -1 --format='%h %s'"); $(types "id -un") in $PWD"
}

# --- make run ---

# The commands that `make run` prints behind a word such as Send, one a line.
printed() { # word
    tr -d '\r' <$log | awk -v word="$1:" '$1 == word { on = 1; sub(/^[^:]*:/, "") } /^[A-Z][a-z]*:/ && $1 != word { on = 0 } on' |
        sed 's/^ *//'
}

serves() {
    grep -qs '^Posthorn .* serves' $log && return
    kill -0 "$server" 2>/dev/null || die "make run ended before it served"
    return 1
}

gone() { ! kill -0 "$1" 2>/dev/null; }

reads() { # command, id
    got=$(types "$1" 2>/srv/read.log) && [[ $got == *"id $2"* ]]
}

sends() {
    local command
    command=$(printed Send)
    echo "--- $command"
    types "$command" >/srv/swaks.log 2>&1 || { cat /srv/swaks.log >&2; die "the printed command to send does not work"; }
    id=$(sed -n 's/.*Message id \([A-Z0-9]*\) accepted.*/\1/p' /srv/swaks.log)
    [ -n "$id" ] || { cat /srv/swaks.log >&2; die "the reply names no message id"; }
    echo "message $id accepted"
}

# On a terminal, with Ctrl-C typed there: make and the shells between it and the server get the signal, too.
make_run() {
    local command status=0
    mkfifo /srv/keys
    exec 7<>/srv/keys
    "${as[@]}" env HOME=$home --default-signal=INT,QUIT script -q -e -f -c 'make run' $log <&7 &
    server=$!
    within $install_limit "start message of make run" serves
    sends
    while read -r command; do
        echo "--- $command"
        within $mail_limit "message $id by: $command" reads "$command" "$id"
        echo "$got" | tr -d '\r' | sed -n '1,/^$/p'
    done < <(printed Read | grep '^curl ')
    while read -r command; do
        echo "--- $command"
        types "$command" || die "the printed command does not work: $command"
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

make_test() { types "make test"; }

arrive
[ "$what" = test ] || stage "make run" make_run
[ "$what" = run ] || stage "make test" make_test
echo "fresh-debian: $what as $who passed"
