#!/bin/bash
# Runs a command in a network namespace of its own: only loopback exists, no packet can leave. Without root a user namespace
# lends the right to make one; the command keeps its user; it may make further namespaces and mounts there, and bind port 53.
#   tools/netns.sh COMMAND [ARG ...]
set -eu
if [ "${POSTHORN_NETNS:-}" = "$(readlink /proc/self/ns/net)" ]; then
    exec "$@"
fi
user=() lend=()
if [ "$(id -u)" != 0 ]; then
    user=(--map-current-user --keep-caps) lend=(setpriv "--ambient-caps=-all,+sys_admin,+net_admin,+net_bind_service")
fi
if ! why=$(unshare "${user[@]}" --net ip link set lo up 2>&1); then
    echo "netns.sh: cannot make a network namespace, without which no test runs: $why
Run as root, or allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1,
kernel.apparmor_restrict_unprivileged_userns=0); in a container it needs the capability SYS_ADMIN." >&2
    exit 1
fi
# shellcheck disable=SC2016
exec unshare "${user[@]}" --net sh -c 'ip link set lo up && POSTHORN_NETNS=$(readlink /proc/self/ns/net) && export POSTHORN_NETNS && exec "$@"' \
    netns "${lend[@]}" "$@"
