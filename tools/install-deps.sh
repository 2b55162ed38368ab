#!/bin/bash
# Installs the Debian packages that building (build) and testing (test) need; does nothing when they are there.
#   tools/install-deps.sh build [test] [console] [browser]
set -eu
build="gcc make cmake ninja-build pkg-config libc6-dev libevent-dev libssl-dev libsqlite3-dev libpq-dev libmariadb-dev
 libargon2-dev libunbound-dev nettle-dev libgsasl-dev libseccomp-dev libcap-dev libsystemd-dev libidn2-dev libcrypt-dev libjansson-dev
 libmicrohttpd-dev libgnutls28-dev zlib1g-dev
 openssl curl swaks libnet-ssleay-perl libauthen-sasl-perl adduser"
test="clang clang-format libclang-rt-14-dev libcmocka-dev ccache git iproute2 procps python3 python3-pytest swaks libnet-ssleay-perl
 libauthen-sasl-perl libdigest-hmac-perl curl mutt isync
 fetchmail unbound knot knot-dnsutils postfix dovecot-imapd dovecot-pop3d dovecot-lmtpd postgresql mariadb-server
 strace sqlite3 mandoc netcat-openbsd libgmime-3.0-dev socat tcpdump"
console="nodejs npm"
browser="chromium"
want=
for set in "$@"; do
    case $set in
    build) want="$want $build" ;;
    test) want="$want $test" ;;
    console) command -v npm >/dev/null 2>&1 || want="$want $console" ;;
    browser) want="$want $browser" ;;
    *) echo "install-deps.sh: unknown set '$set' (build, test, console, browser)" >&2; exit 2 ;;
    esac
done
missing=
for p in $want; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "Installing:$missing"
# Test peers are started by the tests themselves, never by the installation.
policy=/usr/sbin/policy-rc.d made=
if [ ! -e $policy ] && [ "$(id -u)" = 0 ]; then
    printf '#!/bin/sh\nexit 101\n' > $policy && chmod +x $policy && made=1
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
install() {
    # shellcheck disable=SC2086
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >"$log" 2>&1
}
$sudo apt-get update -qq >/dev/null 2>&1 || true
ok=1
install || { $sudo apt-get update -qq || true; install; } || ok=0
[ -z "$made" ] || rm -f $policy
if [ $ok = 0 ]; then
    tail -20 "$log" >&2
    echo "install-deps.sh: apt-get could not install:$missing" >&2
    exit 1
fi
rm -f "$log"
