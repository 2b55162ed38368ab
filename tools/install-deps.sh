#!/bin/bash
# Installs Debian packages; does nothing when they are there.
#   tools/install-deps.sh SET ...
# Sets: build (also for make run and make bench), test (what tests need beyond that), console, browser (to build and to test
# the console), fresh (for tools/fresh-debian.sh).
set -eu
build="gcc make cmake ninja-build pkg-config libc6-dev libevent-dev libssl-dev libsqlite3-dev libpq-dev libmariadb-dev
 libargon2-dev libunbound-dev nettle-dev libgsasl-dev libseccomp-dev libcap-dev libidn2-dev libcrypt-dev libjansson-dev
 libmicrohttpd-dev libgnutls28-dev zlib1g-dev libzip-dev libpcre2-dev libcurl4-openssl-dev openssl curl swaks libnet-ssleay-perl libauthen-sasl-perl adduser iproute2"
test="clang clang-format libclang-rt-14-dev libcmocka-dev ccache git procps python3 python3-pytest python3-jsonschema
 libdigest-hmac-perl mutt isync libsasl2-modules fetchmail unbound knot knot-dnsutils postfix
 dovecot-imapd dovecot-pop3d dovecot-lmtpd dovecot-sieve postgresql mariadb-server
 opendkim opendkim-tools spamd spamc sieve-connect strace sqlite3 mandoc netcat-openbsd libgmime-3.0-dev socat tcpdump unzip rsyslog rsyslog-openssl systemd"
fresh="debootstrap debian-archive-keyring git mount util-linux"
console="nodejs npm"
browser="chromium"
want=
for set in "$@"; do
    case $set in
    build) want="$want $build" ;;
    test) want="$want $test" ;;
    console) command -v npm >/dev/null 2>&1 || want="$want $console" ;;
    browser) want="$want $browser" ;;
    fresh) want="$want $fresh" ;;
    *) echo "install-deps.sh: unknown set '$set' (build, test, console, browser, fresh)" >&2; exit 2 ;;
    esac
done
missing=
for p in $want; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null || { echo "install-deps.sh: no apt-get here; the counterparts of these are needed:$missing" >&2; exit 1; }
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "install-deps.sh: neither root nor sudo; to be installed by root:$missing" >&2; exit 1; }
    sudo=sudo
fi
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
