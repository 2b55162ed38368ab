#!/bin/bash
# Runs a command in a network namespace of its own: only loopback exists, no packet can leave.
#   tools/netns.sh COMMAND [ARG ...]
set -eu
if [ "${POSTHORN_NETNS:-}" = "$(readlink /proc/self/ns/net)" ]; then
    exec "$@"
fi
map=
[ "$(id -u)" = 0 ] || map=--map-root-user
# shellcheck disable=SC2016
exec unshare $map --net sh -c 'ip link set lo up && POSTHORN_NETNS=$(readlink /proc/self/ns/net) && export POSTHORN_NETNS && exec "$@"' netns "$@"
