"""Which ports answer, by which addresses, with TLS or without, and how many connections go out."""
import re
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest

from conftest import PASSWORD, wait_for
from peers import NameServer, neighbour, OURS
from wire import Closed, Imap, Line, Pop3, Smtp

SIX = "2001:db8::6"   # an address of loopback in this network namespace


def refused(port, host="127.0.0.1"):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, port), timeout=10).close()


def inbox(server, user):
    c = Imap(server.port["imap"], server.address(user))
    out = [c.fetch_literal(i) for i in range(1, c.select(command="EXAMINE") + 1)]
    c.logout()
    return out


@pytest.fixture
def names():
    d = tempfile.mkdtemp(prefix="phdns-", dir="/var/tmp")
    made = []

    def begin(records):
        made.append(NameServer(d, records).start())
        return made[-1]

    yield begin
    for m in made:
        m.stop()
    shutil.rmtree(d, ignore_errors=True)


def test_tls_can_be_switched_off(make_server):
    s = make_server(settings={"net.tls": "no"})
    with Smtp(s.port["submission"]) as c:
        assert "STARTTLS" not in c.capabilities
        c.command("STARTTLS", 502)
    c = Imap(s.port["imap"])
    assert "STARTTLS" not in c.greeting
    c.command("STARTTLS", "NO" if b"a1 NO" in c.buffer else "BAD")
    c.close()
    c = Pop3(s.port["pop3"])
    assert b"STLS" not in c.multi("CAPA")
    c.send(b"STLS\r\n")
    assert c.line().startswith(b"-ERR")
    c.close()
    for service in ("smtps", "imaps", "pop3s"):
        refused(s.port[service])


def test_one_more_submission_port(make_server):
    """By the variable of the known administration interface."""
    s = make_server(start=False)
    port = s.base + 366
    s.tool("set", "system", "C_System_Services_SMTP_AltPort", str(port))
    s.start()
    with Smtp(port) as c:
        c.command("MAIL FROM:<alice@example.test>", 530)
        c.login("alice@example.test")
        c.envelope("alice@example.test", "bob@example.test")
        c.data(b"Subject: by the other port\r\n\r\nx\r\n")
        c.quit()
    wait_for("mail", lambda: inbox(s, "bob"))
    with Smtp(s.port["submission"]) as c:
        c.command("MAIL FROM:<alice@example.test>", 530)


def test_logins_by_ipv6(make_server):
    s = make_server(start=False)
    for name in ("smtp.listen", "smtp.listen_submission", "imap.listen", "pop3.listen"):
        old = s.tool("get", name).stdout.strip()
        s.tool("set", name, f"{old};[::1]:{old.rsplit(':', 1)[1]}")
    s.start()
    with Smtp(s.port["submission"], host="::1") as c:
        c.login("alice@example.test")
        c.envelope("alice@example.test", "bob@example.test")
        c.data(b"Subject: six\r\n\r\nx\r\n")
        c.quit()
    got = wait_for("mail", lambda: inbox(s, "bob"))[0]
    assert re.search(rb"Received: from client\.test \(\[(IPv6:)?::1\]\)", got), got
    for c in (Imap(s.port["imap"], "bob@example.test", host="::1"), Pop3(s.port["pop3"], "bob@example.test", host="::1")):
        c.close()
    rows = wait_for("log", lambda: [l for l in s.log_text("m").splitlines() if l.startswith("::1 ")])
    assert "Connected, local IP=::1" in rows[0]
    s.stop()
    s.tool("set", "net.ipv6", "no")
    s.start()
    for name in ("smtp", "submission", "imap", "pop3"):
        refused(s.port[name], "::1")


def test_delivery_to_a_host_with_an_ipv6_address_only(make_server, names):
    subprocess.run(["ip", "-6", "address", "replace", f"{SIX}/128", "dev", "lo", "nodad"], check=True)
    names(["six.test MX 10 mx.six.test", f"mx.six.test AAAA {SIX}", f"plain-six.test AAAA {SIX}",
           "example.test MX 10 mail.example.test", f"mail.example.test A {OURS}"])
    there = neighbour(make_server, "six.test", f"[{SIX}]", users=("frank",), settings={"deliver.source_ip": SIX})
    there.tool("create", "domain", "plain-six.test")
    there.tool("create", "account", "fred@plain-six.test", "password={PLAIN}" + PASSWORD)
    here = neighbour(make_server)
    with Smtp(here.port["smtp"]) as c:
        for rcpt in ("frank@six.test", "fred@plain-six.test"):
            c.envelope("alice@example.test", rcpt)
            c.data(b"Subject: six\r\n\r\nx\r\n")
        c.quit()
    wait_for("mail by MX and AAAA", lambda: inbox(there, "frank"))
    log = wait_for("mail by AAAA alone", lambda: re.search(r"\*\*\* <alice@example.test> <fred@plain-six.test> 1 \d+ [0-9:]+ OK", t := here.log_text("s")) and t)
    assert f"\n{SIX}     [" in log and "Connecting to 'mx.six.test'" in log and "Connecting to 'plain-six.test'" in log
    assert re.search(rf"{SIX} +\[[0-9A-F]{{4}}\] [0-9:]+ Client session Connected, local IP=2001:db8::6", log), log


class SlowPeers:
    """Mail servers on 127.0.0.21 and up that hold their last answer back until they are told to go on."""

    def __init__(self, n):
        self.lock = threading.Condition()
        self.now = self.most = self.done = 0
        self.go = False
        self.listeners, self.threads = [], []
        for i in range(n):
            self.listeners.append(socket.create_server((f"127.0.0.{21 + i}", 25)))
            self.threads.append(threading.Thread(target=self.accept, args=(self.listeners[-1],), daemon=True))
            self.threads[-1].start()

    def accept(self, listener):
        while True:
            try:
                c = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, sock):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.lock.notify_all()
        try:
            f = sock.makefile("rwb", buffering=0)
            f.write(b"220 slow.test\r\n")
            for line in f:
                verb = line[:4].upper()
                if verb == b"DATA":
                    f.write(b"354 go\r\n")
                    while f.readline() != b".\r\n":
                        pass
                    with self.lock:
                        self.lock.wait_for(lambda: self.go, 60)
                        self.done += 1
                        self.now -= 1   # as a connection that is in use
                        self.lock.notify_all()
                f.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")
                if verb == b"QUIT":
                    return
        except OSError:
            pass
        finally:
            sock.close()

    def reach(self, n):
        with self.lock:
            assert self.lock.wait_for(lambda: self.now >= n, 30), f"{self.now} of {n} connections"

    def finish(self, n):
        with self.lock:
            self.go = True
            self.lock.notify_all()
            assert self.lock.wait_for(lambda: self.done >= n, 60), f"{self.done} of {n} messages"

    def stop(self):
        for l in self.listeners:
            l.shutdown(socket.SHUT_RDWR)   # ends accept(), which would keep the port
        for t in self.threads:
            t.join(10)
        for l in self.listeners:
            l.close()


@pytest.mark.parametrize("limit, most", [("2", 2), ("0", 5)])
def test_connections_that_go_out_at_the_same_time(make_server, names, limit, most):
    """deliver.max_outgoing, with five messages to five servers."""
    names([f"slow{i}.test A 127.0.0.{21 + i}" for i in range(5)])
    peers = SlowPeers(5)
    try:
        s = neighbour(make_server, settings={"deliver.max_outgoing": limit})
        with Smtp(s.port["smtp"]) as c:
            for i in range(5):
                c.envelope("alice@example.test", f"x@slow{i}.test")
                c.data(b"Subject: x\r\n\r\nx\r\n")
            c.quit()
        peers.reach(most)
        wait_for("five messages in the queue", lambda: len(s.tool_json("queue")["rows"]) == 5)
        rows = [r for r in s.tool_json("sessions")["rows"] if r["service"] == "smtp-client"]
        assert len(rows) == most
        peers.finish(5)
        assert peers.most == most
        wait_for("empty queue", lambda: not s.tool_json("queue")["rows"])
    finally:
        peers.stop()
