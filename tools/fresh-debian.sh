#!/bin/bash
# Shows that the README's commands work on a new machine: makes a minimal Debian 12 with debootstrap, clones HEAD into it
# and does there what a newcomer does (tools/fresh-debian-steps.sh). Package sources are this machine's.
#   tools/fresh-debian.sh run|test|all [user]    user: as an ordinary user with sudo instead of root
#   TMPDIR=DIR    where the root file system goes (/var/tmp; it grows to 2.5 GB); removed at the end
#   KEEP=1        leaves it behind
#   MIRROR=URL    a Debian mirror instead of this machine's package sources
# Needs root. All of it runs in namespaces of its own (mounts, processes, host name): nothing mounted or running stays behind,
# however it ends.
set -euo pipefail
suite=bookworm
top=$(cd "$(dirname "$0")/.." && pwd)

die() {
    echo "fresh-debian.sh: $*" >&2
    exit 1
}

# This machine's sources of Debian 12 as lines of a sources.list; the public mirror if it has none.
package_sources() {
    local mirror=${MIRROR:-} lines
    if [ -z "$mirror" ]; then
        # shellcheck disable=SC2016
        lines=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
            grep -E " $suite(-updates|-security)? main\$" | sort -u) || true
        if grep -q " $suite main\$" <<<"$lines"; then
            echo "$lines"
            return
        fi
        mirror=http://deb.debian.org/debian
        echo "fresh-debian.sh: this machine's package sources have no $suite: from $mirror (MIRROR=URL names another)" >&2
    fi
    echo "deb $mirror $suite main"
}

# How this machine reaches its sources (proxies, time-outs, checks of dates).
apt_options() {
    apt-config dump --no-empty --format '%f "%v";%n' Acquire | grep -v -E '^Acquire::(IndexTargets|http.*Proxy-Auto-Detect)'
}

use_proxy() { # debootstrap takes it from the environment, apt from its configuration
    local proxy=
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    if [ -n "$proxy" ] && [ "$proxy" != DIRECT ]; then
        export http_proxy=$proxy
    fi
}

make_root() {
    local root=$1 sources mirror include=()
    sources=$(package_sources)
    mirror=$(awk -v s=$suite '$3 == s { print $2; exit }' <<<"$sources")
    if [[ $sources == *https://* ]]; then
        include=(--include=ca-certificates)
    fi
    use_proxy
    echo "=== minimal Debian 12 from $mirror"
    debootstrap --variant=minbase "${include[@]}" $suite "$root" "$mirror" >"$root.log" 2>&1 || {
        tail -20 "$root.log" >&2
        die "debootstrap failed (MIRROR=URL names another mirror, TMPDIR=DIR another file system)"
    }
    echo "$sources" >"$root/etc/apt/sources.list"
    apt_options >"$root/etc/apt/apt.conf.d/90host"
    if [ -d /etc/apt/auth.conf.d ]; then
        cp -a /etc/apt/auth.conf.d "$root/etc/apt/"
    fi
    if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then # how this machine reaches npm's registry
        cp -L "$NODE_EXTRA_CA_CERTS" "$root/srv/node-ca.pem"
    fi
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    echo fresh-debian >"$root/etc/hostname"
    echo "127.0.1.1 fresh-debian" >>"$root/etc/hosts"
    git clone -q --bare --depth 1 "file://$top" "$root/srv/posthorn.git"
    install -m 755 "$top/tools/fresh-debian-steps.sh" "$root/srv/steps.sh"
}

mount_devices() {
    local dev=$1/dev node
    mount -t tmpfs -o mode=755 dev "$dev"
    for node in null zero full random urandom tty; do
        : >"$dev/$node"
        mount --bind "/dev/$node" "$dev/$node"
    done
    mkdir "$dev/pts" "$dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$dev/pts"
    mount -t tmpfs -o mode=1777 shm "$dev/shm"
    ln -s pts/ptmx "$dev/ptmx"
    ln -s /proc/self/fd "$dev/fd"
    ln -s fd/0 "$dev/stdin"
    ln -s fd/1 "$dev/stdout"
    ln -s fd/2 "$dev/stderr"
}

# PID 1 of the new namespaces. The new root is pivoted to, as at a boot: in a chroot no user namespace may be made.
enter() {
    local root=$1 what=$2 who=$3
    trap 'exit 130' INT TERM
    mkdir "$root"
    make_root "$root"
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount_devices "$root"
    hostname fresh-debian
    cd "$root"
    pivot_root . mnt
    umount -l /mnt
    exec /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
        ${NODE_EXTRA_CA_CERTS:+NODE_EXTRA_CA_CERTS=/srv/node-ca.pem} \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} ${no_proxy:+no_proxy="$no_proxy"} \
        /bin/bash /srv/steps.sh "$what" "$who" </dev/null
}

outside() {
    local what=$1 who=$2 pid='' status=0
    [ "$(id -u)" = 0 ] || die "needs root, to make a root file system and to mount: sudo $0 $what"
    "$top/tools/install-deps.sh" fresh
    dir=$(mktemp -d "${TMPDIR:-/var/tmp}/fresh-debian.XXXXXX")
    chmod 755 "$dir"
    if [ -n "${KEEP:-}" ]; then
        trap 'echo "Kept: $dir/root"' EXIT
    else
        trap 'rm -rf --one-file-system "$dir"' EXIT
    fi
    # In the background, so that a signal is heeded at once; background jobs of scripts would ignore Ctrl-C.
    trap 'exec 2>/dev/null; kill -9 "$pid"' INT TERM HUP # bash would tell of the killed job
    env --default-signal=INT,QUIT setpriv --pdeathsig KILL unshare --mount --uts --ipc --pid --fork --kill-child --mount-proc \
        "$0" --enter "$dir/root" "$what" "$who" </dev/null &
    pid=$!
    wait "$pid" || status=$?
    trap - INT TERM HUP
    [ $status = 0 ] || exit $status
}

main() {
    case ${1:-}:${2:-root} in
    run:root | test:root | all:root | run:user | test:user | all:user) outside "$1" "${2:-root}" ;;
    --enter:*) enter "$2" "$3" "$4" ;;
    *)
        echo "usage: tools/fresh-debian.sh run|test|all [user]" >&2
        exit 2
        ;;
    esac
}

main "$@"
exit
