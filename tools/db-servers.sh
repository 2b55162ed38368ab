#!/bin/bash
# Starts and stops a private PostgreSQL and MariaDB for the tests.
#   tools/db-servers.sh start DIR    prints shell exports of POSTHORN_TEST_PGSQL, POSTHORN_TEST_MYSQL
#                                    (unix sockets) and the same with _TCP (127.0.0.1)
#   tools/db-servers.sh stop DIR     stops both and removes their data
# Needs the Debian packages postgresql and mariadb-server; their system-wide services stay untouched.
# As root the servers run as users postgres and mysql, else as the caller. A server whose package is
# missing is left out with a note on stderr. DB_SERVERS_SYNC=1 keeps commits durable (for measuring).
set -euo pipefail

usage() {
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
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

start_pg() {
    local bin port data=$dir/pg sync=off
    if ! bin=$(pg_bin); then
        echo "db-servers: PostgreSQL is not installed (apt-get install postgresql): left out" >&2
        return
    fi
    [ -n "${DB_SERVERS_SYNC:-}" ] && sync=on
    make_dir postgres "$data"
    echo posthorn >"$data/password"
    chmod 644 "$data/password"
    logged "$dir/pg-init.log" as postgres "$bin/initdb" -D "$data/data" -U posthorn \
        --pwfile="$data/password" -A scram-sha-256 -E UTF8 --locale=C.UTF-8 --no-sync
    for _ in 1 2 3 4 5; do
        port=$(free_port)
        if as postgres "$bin/pg_ctl" -D "$data/data" -w -t 60 -l "$data/server.log" -s \
            -o "-k $data -p $port -h 127.0.0.1 -c fsync=$sync -c max_connections=60" start \
            >>"$dir/pg-init.log" 2>&1; then
            break
        fi
        port=
    done
    if [ -z "$port" ]; then
        echo "db-servers: PostgreSQL did not start, see $data/server.log" >&2
        return 1
    fi
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

start_mysql() {
    local port data=$dir/my sync=2 pid ready=
    if ! command -v mariadbd >/dev/null || ! command -v mariadb-install-db >/dev/null; then
        echo "db-servers: MariaDB is not installed (apt-get install mariadb-server): left out" >&2
        return
    fi
    [ -n "${DB_SERVERS_SYNC:-}" ] && sync=1
    make_dir mysql "$data"
    logged "$dir/my-init.log" as mysql mariadb-install-db --no-defaults --datadir="$data/data" \
        --skip-test-db --auth-root-authentication-method=normal
    for _ in 1 2 3 4 5; do
        port=$(free_port)
        replace="exec setsid" as mysql mariadbd --no-defaults --datadir="$data/data" --socket="$data/sock" \
            --port="$port" --bind-address=127.0.0.1 --pid-file="$data/pid" \
            --innodb-flush-log-at-trx-commit=$sync --innodb-buffer-pool-size=64M \
            --max-connections=60 </dev/null >"$dir/my-server.log" 2>&1 &
        pid=$!
        if wait_for_mysql "$data/sock" "$pid"; then
            ready=1
            break
        fi
    done
    if [ -z "$ready" ]; then
        echo "db-servers: MariaDB did not start, see $dir/my-server.log" >&2
        return 1
    fi
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

stop_pg() {
    local bin
    if [ -f "$dir/pg/data/postmaster.pid" ] && bin=$(pg_bin); then
        as postgres "$bin/pg_ctl" -D "$dir/pg/data" -m immediate -w -s stop || true
    fi
    rm -rf "$dir/pg" "$dir/pg-init.log"
}

stop_mysql() {
    local pid
    if [ -f "$dir/my/pid" ]; then
        pid=$(cat "$dir/my/pid")
        kill -9 "$pid" 2>/dev/null || true
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.05
        done
    fi
    rm -rf "$dir/my" "$dir/my-init.log" "$dir/my-server.log"
}

[ $# = 2 ] || usage
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
    trap 'e=$?; [ $e = 0 ] || { stop_pg; stop_mysql; }' EXIT
    start_pg
    start_mysql
    ;;
stop)
    [ -d "$2" ] || exit 0
    dir=$(cd "$2" && pwd)
    cd /
    stop_pg
    stop_mysql
    rmdir "$dir" 2>/dev/null || true
    ;;
*) usage ;;
esac
