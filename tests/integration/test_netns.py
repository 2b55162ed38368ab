"""No packet leaves the test run: there is nowhere for it to go, and a server that is tempted sends none."""
import errno
import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest

from conftest import wait_for
from wire import Imap, Smtp

NESTED = "POSTHORN_TEST_NESTED"
SETUP = """
mount --bind "$0" "$(realpath /etc/resolv.conf)" || exit 77
ip link set lo up
ip link add out0 type veth peer name out1 || ip link add out0 type dummy || exit 77
for f in /proc/sys/net/ipv6/conf/out?/disable_ipv6; do [ ! -e $f ] || echo 1 > $f; done
ip address add 198.51.100.2/24 dev out0
ip link set out0 arp off up
[ ! -e /proc/sys/net/ipv4/conf/out1 ] || ip link set out1 arp off up
ip route add default dev out0
POSTHORN_NETNS=$(readlink /proc/self/ns/net)
export POSTHORN_NETNS
exec "$@"
"""


def counters():
    """Interface -> (packets, bytes) sent; those of this network namespace."""
    out = {}
    for line in pathlib.Path("/proc/net/dev").read_text().splitlines()[2:]:
        name, numbers = line.split(":")
        out[name.strip()] = (int(numbers.split()[9]), int(numbers.split()[8]))
    return out


def routes():
    return [w for w in subprocess.run("ip route show table all; ip -6 route show table all", shell=True, capture_output=True,
                                      text=True).stdout.splitlines() if not re.match(r"(local|broadcast|multicast|anycast) .*dev lo|"
                                                                                  r".*dev lo (table|proto|metric)", w)]


def unreachable(address):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect((address, 53))
        except OSError as e:
            return e.errno
    return 0


@pytest.mark.skipif(NESTED in os.environ, reason="the nested namespace has a way out")
def test_only_loopback_exists():
    assert set(counters()) == {"lo"}
    assert routes() == []
    assert unreachable("192.0.2.1") == errno.ENETUNREACH
    assert unreachable("2001:db8::1") in (errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def test_not_the_machines_namespace():
    """PID 1 of the machine lives elsewhere (unless it may not be looked at)."""
    try:
        theirs = os.readlink("/proc/1/ns/net")
    except PermissionError:
        pytest.skip("/proc/1/ns cannot be read")
    assert theirs != os.readlink("/proc/self/ns/net")


@pytest.mark.skipif(NESTED not in os.environ, reason="run by test_nothing_is_sent in a namespace that could lose packets")
def test_inside_a_namespace_with_a_way_out(make_server, tmp_path):
    assert unreachable("192.0.2.1") == 0
    before = counters()["out0"]
    # The counter does count: this is one packet that would have left.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"canary", ("192.0.2.1", 53))
    wait_for("the canary", lambda: counters()["out0"][0] == before[0] + 1)
    before = counters()["out0"]

    s = make_server(settings={"dns.servers": "", "queue.lifetime": "1s", "queue.retry_schedule": "1s"})
    with Smtp(s.port["submission"]) as c:
        c.starttls()
        c.login(s.address("alice"))
        for domain in ("unresolvable.test", "example.com", "posthorn-test.invalid"):
            c.envelope(s.address("alice"), f"somebody@{domain}")
            c.data(f"Subject: to {domain}\r\n\r\nnobody will read this\r\n".encode())
        c.quit()

    def notices():
        c = Imap(s.port["imap"], s.address("alice"))
        n = c.select(command="EXAMINE")
        c.logout()
        return n

    wait_for("three bounces", lambda: notices() == 3, interval=0.2)
    wait_for("empty queue", lambda: "empty" in s.tool("queue").stdout)
    for n in ("smtp.resolve_peer", "smtp.reject_no_rdns", "smtp.reject_unknown_domain"):
        s.tool("set", n, "yes")
    s.tool("set", "net.trusted_ips", "::1")

    def refused():
        with Smtp(s.port["smtp"]) as c:
            c.send(b"MAIL FROM:<a@unresolvable.test>\r\n")
            return c.reply()[0] // 100 in (4, 5)

    wait_for("a refusal for want of DNS", refused)
    assert counters()["out0"] == before, "the server sent packets without a configured name server"

    # And with one it would have been seen.
    s.tool("reset", "queue.lifetime")
    s.tool("set", "dns.servers", "192.0.2.53")
    with Smtp(s.port["submission"]) as c:
        c.starttls()
        c.login(s.address("alice"))
        c.envelope(s.address("alice"), "somebody@unresolvable.test")
        c.data(b"Subject: seen\r\n\r\n")
        c.quit()
    wait_for("a query", lambda: counters()["out0"][0] > before[0])


@pytest.mark.skipif(NESTED in os.environ, reason="is nested already")
def test_nothing_is_sent(tmp_path):
    """A further namespace gets an interface with a default route that takes every packet and counts it. /etc/resolv.conf is
    empty there: without name servers the server has nobody to ask, and must not ask the root servers."""
    (tmp_path / "resolv.conf").write_text("")
    r = subprocess.run(["unshare", "--net", "--mount", "--propagation", "private", "sh", "-ec", SETUP, str(tmp_path / "resolv.conf"),
                        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "inside_a_namespace"],
                       env={**os.environ, NESTED: "1"}, capture_output=True, text=True, timeout=120)
    # A skipped proof is none.
    assert r.returncode != 77, f"no interface can be made here to count what leaves; load the module veth or dummy: {r.stderr.strip()}"
    assert r.returncode == 0, r.stdout + r.stderr
    assert "1 passed" in r.stdout, r.stdout
