"""POP3 by real clients on real sockets: TLS, pipelining, locks, lost connections, large output to slow readers, the log."""
import imaplib
import os
import poplib
import signal
import socket
import ssl
import subprocess
import time

import pytest
from conftest import PASSWORD, wait_for
from test_basics import imap, insecure_tls, message_count, send


def pop3(server, user, port="pop3"):
    c = poplib.POP3("127.0.0.1", server.port[port], timeout=60)
    c.user(server.address(user))
    c.pass_(PASSWORD)
    return c


def append(server, user, *messages):
    c = imap(server, user)
    for m in messages:
        assert c.append("INBOX", None, None, m)[0] == "OK"
    c.logout()


def raw(server, port="pop3", rcvbuf=None):
    s = socket.socket()
    if rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    s.connect(("127.0.0.1", server.port[port]))
    s.settimeout(60)
    return s


def read_until(s, end):
    data = b""
    while not data.endswith(end):
        piece = s.recv(65536)
        assert piece, data[-200:]
        data += piece
    return data


def login(s, server, user):
    read_until(s, b"\r\n")
    s.sendall(f"USER {server.address(user)}\r\nPASS {PASSWORD}\r\n".encode())
    data = read_until(s, b" messages\r\n")
    assert data.startswith(b"+OK send PASS\r\n+OK "), data


def test_deletion_by_quit_only(make_server):
    s = make_server()
    append(s, "bob", *(f"Subject: {i}\r\n\r\nx\r\n".encode() for i in range(3)))
    c = pop3(s, "bob")
    assert c.stat()[0] == 3
    c.dele(1)
    c.dele(3)
    assert c.stat()[0] == 1
    c.close()  # without QUIT
    assert message_count(s, "bob") == 3
    c = wait_for("the maildrop is free", lambda: try_pop3(s, "bob"))
    c.dele(2)
    assert b"1 messages deleted" in c.quit()
    assert message_count(s, "bob") == 2
    c = pop3(s, "bob")  # at once: QUIT's answer comes when the maildrop is free
    assert [l.split()[0] for l in c.list()[1]] == [b"1", b"2"]
    assert b"Subject: 2" in c.retr(2)[1]
    c.quit()


def try_pop3(server, user):
    try:
        return pop3(server, user)
    except poplib.error_proto as e:
        assert b"[IN-USE]" in e.args[0]
        return None


def test_only_one_session(server):
    c = pop3(server, "alice")
    with pytest.raises(poplib.error_proto, match=r"\[IN-USE\]"):
        pop3(server, "alice")
    pop3(server, "carol").quit()
    row = [r for r in server.tool_json("sessions", "alice")["rows"] if r["service"] == "pop3"][0]
    server.tool("sessions", "kill", row["id"])
    wait_for("the kill frees the maildrop", lambda: try_pop3(server, "alice")).quit()
    c.close()


def test_tls(server):
    c = poplib.POP3("127.0.0.1", server.port["pop3"])
    assert "STLS" in c.capa()
    c.stls(context=insecure_tls())
    caps = c.capa()
    assert "STLS" not in caps and caps["SASL"][0] == "SCRAM-SHA-256-PLUS"
    c.user(server.address("alice"))
    c.pass_(PASSWORD)
    c.quit()
    c = poplib.POP3_SSL("127.0.0.1", server.port["pop3s"], context=insecure_tls())
    c.utf8()
    c.user(server.address("alice"))
    c.pass_(PASSWORD)
    c.quit()


def test_input_behind_stls_is_refused(server):
    s = raw(server)
    read_until(s, b"\r\n")
    s.sendall(b"STLS\r\nUSER x\r\n")
    got = b""
    try:
        while piece := s.recv(1000):
            got += piece
    except ConnectionResetError:
        pass
    assert got in (b"", b"+OK begin TLS negotiation\r\n")


def test_pipelining(server):
    append(server, "carol", b"Subject: p\r\n\r\n.dot\r\n")
    s = raw(server)
    s.sendall(f"USER {server.address('carol')}\r\nPASS {PASSWORD}\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nNOOP\r\nQUIT\r\nNOOP\r\n".encode())
    data = b""
    while piece := s.recv(65536):
        data += piece
    lines = data.split(b"\r\n")
    assert lines[1:3] == [b"+OK send PASS", b"+OK 1 messages"] and b"..dot" in lines
    assert lines[-2] == b"+OK 1 messages deleted, bye" and lines[-3] == b"+OK nothing done"


def test_curl(server):
    append(server, "alice", b"Subject: by curl\r\n\r\n.one\r\n..two\r\n")
    url = f"pop3://127.0.0.1:{server.port['pop3']}/"
    auth = ["-s", "-S", "-u", f"{server.address('alice')}:{PASSWORD}"]
    listing = subprocess.run(["curl", *auth, url], capture_output=True, text=True, check=True).stdout
    assert listing.split()[0] == "1"
    n = len(listing.splitlines())
    got = subprocess.run(["curl", *auth, "--ssl-reqd", "-k", url + str(n)], capture_output=True, check=True).stdout
    assert got.endswith(b"Subject: by curl\r\n\r\n.one\r\n..two\r\n")
    for mech in ("PLAIN", "LOGIN"):
        subprocess.run(["curl", *auth, "--login-options", f"AUTH={mech}", url], capture_output=True, check=True)


def test_slow_reader_of_a_large_message_holds_nobody_up(make_server):
    """Readers that do not read cost a buffer. Sessions that end while their output is pending leave nothing behind."""
    s = make_server(settings={"smtp.max_message_size": "100MiB"})
    big = b"Subject: big\r\n\r\n" + b".line of text that goes on for a while\r\n" * 500000
    append(s, "bob", big)
    slow = []
    for user in ("bob",):
        r = raw(s, rcvbuf=4096)
        login(r, s, user)
        r.sendall(b"RETR 1\r\nSTAT\r\n")
        assert r.recv(10)
        slow.append(r)
    c = pop3(s, "alice")
    c.noop()
    before = rss(s)
    slow[0].close()  # in the middle of the message
    c = wait_for("the maildrop is free again", lambda: try_pop3(s, "bob"))
    data = b"\r\n".join(c.retr(1)[1]) + b"\r\n"
    assert data == big
    c.quit()
    r = raw(s, rcvbuf=4096)  # read slowly to the end: complete, then the next reply
    login(r, s, "bob")
    r.sendall(b"RETR 1\r\nSTAT\r\n")
    got = bytearray()
    while not got.endswith(b"\r\n.\r\n+OK 1 %d\r\n" % len(big)):
        piece = r.recv(1 << 20)
        assert piece
        got += piece
    assert len(got) == len(b"+OK %d octets\r\n" % len(big)) + len(big) + 500000 + len(b".\r\n+OK 1 %d\r\n" % len(big))
    r.close()
    assert rss(s) < before + 40_000


def rss(server):
    status = open(f"/proc/{server.pids()['access']}/status").read()
    return int([l for l in status.splitlines() if l.startswith("VmRSS")][0].split()[1])


def test_listing_that_nobody_reads(make_server):
    """LIST and UIDL of a large mailbox are made while the socket drains; the session may end meanwhile."""
    s = make_server()
    many = [b"Subject: %d\r\n\r\n" % i for i in range(400)]
    c = imaplib.IMAP4("127.0.0.1", s.port["imap"])
    c.login(s.address("bob"), PASSWORD)
    for m in many:
        c.append("INBOX", None, None, m)
    c.logout()
    for _ in range(10):
        r = raw(s, rcvbuf=2048)
        login(r, s, "bob")
        r.sendall(b"UIDL\r\nLIST\r\n" * 300)
        time.sleep(0.02)
        r.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        r.close()
        wait_for("free again", lambda: try_pop3(s, "bob")).quit()
    c = pop3(s, "bob")
    assert len(c.list()[1]) == 400
    ids = [l.split()[1] for l in c.uidl()[1]]
    assert len(set(ids)) == 400
    c.quit()
    assert [l.split()[1] for l in pop3(s, "bob").uidl()[1]] == ids


def test_unique_ids_stay_when_the_index_is_made_anew(make_server):
    s = make_server()
    append(s, "bob", *(f"Subject: {i}\r\n\r\nx\r\n".encode() for i in range(5)))
    ids = pop3_ids(s)
    s.stop()
    for f in (s.data / "mail/example.test/bob").glob("index*"):
        f.unlink()
    s.tool("verify", "mailbox", s.address("bob"), "repair=yes")
    s.start()
    assert sorted(pop3_ids(s).values()) == sorted(ids.values())


def pop3_ids(server):
    c = pop3(server, "bob")
    ids = dict(l.split() for l in c.uidl()[1])
    c.quit()
    return ids


def test_a_killed_module_deletes_nothing(make_server):
    s = make_server()
    append(s, "bob", b"Subject: kept\r\n\r\n")
    c = pop3(s, "bob")
    c.dele(1)
    s.kill("access")
    wait_for("a new module", lambda: "access" in s.pids())
    s.wait_port(s.port["pop3"])
    assert pop3(s, "bob").stat()[0] == 1


def test_timeouts(make_server):
    """One before the login and one after it; each is the only one that can end the session here."""
    s = make_server()
    append(s, "bob", b"Subject: kept\r\n\r\n")
    s.tool("set", "net.session_timeout", "1s")
    t = time.monotonic()
    r = raw(s)
    read_until(r, b"\r\n")
    assert r.recv(100) == b"" and time.monotonic() - t > 0.9
    s.tool("reset", "net.session_timeout")
    s.tool("set", "pop3.timeout", "2s")
    t = time.monotonic()
    r = raw(s)
    read_until(r, b"\r\n")
    r.sendall(f"USER {s.address('bob')}\r\nPASS {PASSWORD}\r\nDELE 1\r\n".encode())
    answers = b""
    while answers.count(b"+OK") < 3:
        answers += read_until(r, b"\r\n")
    assert r.recv(100) == b"" and time.monotonic() - t > 1.9
    assert pop3(s, "bob").stat()[0] == 1


def test_the_log(make_server):
    s = make_server(settings={"log.auth": "extended"})
    append(s, "bob", b"Subject: x\r\n\r\n")
    c = pop3(s, "bob")
    c.retr(1)
    c.dele(1)
    c.quit()
    text = wait_for("logged", lambda: t if "deleted OK" in (t := s.log_text("p")) else "")
    assert f"<<< USER {s.address('bob')}" in text and "<<< PASS ****" in text and PASSWORD not in text
    assert f"*** {s.address('bob')} 1 retrieved 14 bytes 1 deleted OK" in text
    session = [l for l in text.splitlines() if "<<< PASS" in l][0]
    source, sid = session[:15], session.split("[")[1][:4]
    auth = "".join(f.read_text() for f in s.data.glob("logs/**/*") if f.is_file() and "auth" in str(f).lower())
    line = [l for l in auth.splitlines() if "POP3" in l and s.address("bob") in l]
    assert line and line[0].startswith(source) and f"[{sid}]" in line[0], auth
