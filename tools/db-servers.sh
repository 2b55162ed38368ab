#!/bin/bash
# Starts and stops a private PostgreSQL and MariaDB for the tests.
#   tools/db-servers.sh start DIR    prints shell exports of POSTHORN_TEST_PGSQL, POSTHORN_TEST_MYSQL
#                                    (unix sockets) and the same with _TCP (127.0.0.1)
#   tools/db-servers.sh stop DIR     stops both and removes their data
#   tools/db-servers.sh down DIR postgresql|mysql    stops one and keeps its data: an outage
#   tools/db-servers.sh up DIR postgresql|mysql      starts it again at the same addresses
#   tools/db-servers.sh freeze|thaw DIR postgresql|mysql    it accepts connections and never answers; goes on
# Needs the Debian packages postgresql and mariadb-server (tools/install-deps.sh test); their system-wide
# services stay untouched. As root the servers run as users postgres and mysql, else as the caller.
# DB_SERVERS_SYNC=1 keeps commits durable (for measuring).
set -euo pipefail

usage() {
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

# as USER COMMAND...: drops root for that user. With replace=exec the shell becomes the command.
as() {
    local user=$1
    shift
    if [ "$(id -u)" = 0 ]; then
        ${replace:-} setpriv --reuid="$user" --regid="$user" --init-groups -- env HOME="$dir" "$@"
    else
        ${replace:-} "$@"
    fi
}

# logged LOG COMMAND...: shows the log when the command fails.
logged() {
    local log=$1
    shift
    if ! "$@" >"$log" 2>&1; then
        echo "db-servers: '$*' failed:" >&2
        tail -20 "$log" >&2
        return 1
    fi
}

make_dir() {
    mkdir -p "$2"
    if [ "$(id -u)" = 0 ]; then
        chown "$1:$1" "$2"
    fi
}

free_port() {
    local p
    for _ in $(seq 100); do
        p=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null; then
            echo "$p"
            return
        fi
    done
    echo "db-servers: no free port found" >&2
    return 1
}

pg_bin() {
    local d
    d=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
    [ -n "$d" ] && [ -x "$d/initdb" ] && echo "$d"
}

need() { # what it is called, package
    echo "db-servers: $1 is not installed: tools/install-deps.sh test (package $2)" >&2
    return 1
}

run_pg() { # port
    local bin data=$dir/pg sync=off
    bin=$(pg_bin)
    [ -n "${DB_SERVERS_SYNC:-}" ] && sync=on
    as postgres "$bin/pg_ctl" -D "$data/data" -w -t 60 -l "$data/server.log" -s \
        -o "-k $data -p $1 -h 127.0.0.1 -c fsync=$sync -c max_connections=60" start \
        >>"$dir/pg-init.log" 2>&1
}

start_pg() {
    local bin port data=$dir/pg
    bin=$(pg_bin) || need PostgreSQL postgresql
    make_dir postgres "$data"
    echo posthorn >"$data/password"
    chmod 644 "$data/password"
    logged "$dir/pg-init.log" as postgres "$bin/initdb" -D "$data/data" -U posthorn \
        --pwfile="$data/password" -A scram-sha-256 -E UTF8 --locale=C.UTF-8 --no-sync
    for _ in 1 2 3 4 5; do
        port=$(free_port)
        if run_pg "$port"; then
            break
        fi
        port=
    done
    if [ -z "$port" ]; then
        echo "db-servers: PostgreSQL did not start, see $data/server.log" >&2
        return 1
    fi
    echo "$port" >"$data/port"
    PGPASSWORD=posthorn "$bin/createdb" -h "$data" -p "$port" -U posthorn posthorn
    echo "export POSTHORN_TEST_PGSQL='postgresql://posthorn:posthorn@/posthorn?host=$data&port=$port'"
    echo "export POSTHORN_TEST_PGSQL_TCP='postgresql://posthorn:posthorn@127.0.0.1:$port/posthorn'"
}

wait_for_mysql() {
    for _ in $(seq 300); do
        if mariadb-admin --no-defaults -S "$1" -u root ping >/dev/null 2>&1; then
            return 0
        fi
        kill -0 "$2" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}

run_mysql() { # port
    local data=$dir/my sync=2
    [ -n "${DB_SERVERS_SYNC:-}" ] && sync=1
    replace="exec setsid" as mysql mariadbd --no-defaults --datadir="$data/data" --socket="$data/sock" \
        --port="$1" --bind-address=127.0.0.1 --pid-file="$data/pid" \
        --innodb-flush-log-at-trx-commit=$sync --innodb-buffer-pool-size=64M \
        --max-connections=60 </dev/null >>"$dir/my-server.log" 2>&1 &
    wait_for_mysql "$data/sock" $!
}

start_mysql() {
    local port c data=$dir/my
    for c in mariadbd mariadb-install-db; do
        command -v $c >/dev/null || need MariaDB mariadb-server
    done
    make_dir mysql "$data"
    logged "$dir/my-init.log" as mysql mariadb-install-db --no-defaults --datadir="$data/data" \
        --skip-test-db --auth-root-authentication-method=normal
    for _ in 1 2 3 4 5; do
        port=$(free_port)
        if run_mysql "$port"; then
            break
        fi
        port=
    done
    if [ -z "$port" ]; then
        echo "db-servers: MariaDB did not start, see $dir/my-server.log" >&2
        return 1
    fi
    echo "$port" >"$data/port"
    mariadb --no-defaults -S "$data/sock" -u root <<'SQL'
CREATE DATABASE posthorn CHARACTER SET utf8mb4;
CREATE USER posthorn@localhost IDENTIFIED BY 'posthorn';
CREATE USER posthorn@'127.0.0.1' IDENTIFIED BY 'posthorn';
GRANT ALL ON posthorn.* TO posthorn@localhost;
GRANT ALL ON posthorn.* TO posthorn@'127.0.0.1';
SQL
    echo "export POSTHORN_TEST_MYSQL='mysql://posthorn:posthorn@localhost/posthorn?socket=$data/sock'"
    echo "export POSTHORN_TEST_MYSQL_TCP='mysql://posthorn:posthorn@127.0.0.1:$port/posthorn'"
}

halt_pg() {
    local bin
    if [ -f "$dir/pg/data/postmaster.pid" ] && bin=$(pg_bin); then
        as postgres "$bin/pg_ctl" -D "$dir/pg/data" -m immediate -w -s stop || true
    fi
}

halt_mysql() {
    local pid
    if [ -f "$dir/my/pid" ]; then
        pid=$(cat "$dir/my/pid")
        kill -9 "$pid" 2>/dev/null || true
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.05
        done
        rm -f "$dir/my/pid"
    fi
}

# signal_pg SIGNAL, signal_mysql SIGNAL: to all processes of the server.
signal_pg() {
    local main
    main=$(head -1 "$dir/pg/data/postmaster.pid")
    kill "-$1" "$main"
    pkill "-$1" -P "$main"
}

signal_mysql() {
    kill "-$1" "$(cat "$dir/my/pid")"
}

stop_both() {
    halt_pg
    halt_mysql
    rm -rf "$dir/pg" "$dir/pg-init.log" "$dir/my" "$dir/my-init.log" "$dir/my-server.log"
}

case ${1:-} in
start | stop) [ $# = 2 ] || usage ;;
down | up | freeze | thaw)
    [ $# = 3 ] || usage
    case $3 in
    postgresql) one=pg ;;
    mysql) one=mysql ;;
    *) usage ;;
    esac
    dir=$(cd "$2" && pwd)
    cd /
    ;;
*) usage ;;
esac
case $1 in
start)
    mkdir -p "$2"
    chmod 755 "$2"
    dir=$(cd "$2" && pwd)
    if [ ${#dir} -gt 70 ]; then
        echo "db-servers: $dir is too long for unix sockets (70 bytes): choose a shorter one" >&2
        exit 1
    fi
    cd /
    if [ -e "$dir/pg" ] || [ -e "$dir/my" ]; then
        echo "db-servers: $dir holds servers already: stop them first" >&2
        exit 1
    fi
    trap '[ $? = 0 ] || stop_both' EXIT
    start_pg
    start_mysql
    ;;
stop)
    [ -d "$2" ] || exit 0
    dir=$(cd "$2" && pwd)
    cd /
    stop_both
    rmdir "$dir" 2>/dev/null || true
    ;;
down) "halt_$one" ;;
freeze) "signal_$one" STOP ;;
thaw) "signal_$one" CONT ;;
up) "run_$one" "$(cat "$dir/${one/mysql/my}/port")" ;;
esac
