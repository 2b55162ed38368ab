"""Hostile peers are normal peers: the slow, the many, the oversized and the rude, over real sockets. While they are there
others are served; when they are gone nothing is left of them."""
import os
import re
import resource
import select
import selectors
import socket
import struct
import threading
import time

import pytest

from conftest import SANITIZED, wait_for
from wire import Closed, Imap, Line, Pop3, Smtp, stuff

SMALL = b"From: a@example.test\r\nSubject: normal\r\n\r\nnormal mail\r\n"


@pytest.fixture(scope="module")
def host(make_module_server):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    s = make_module_server(settings={"log.smtp": "summary", "log.imap": "summary", "log.pop3": "summary"})
    pids = s.pids()
    yield s
    assert s.pids() == pids, "a module ended and was started again:\n" + s.output()


def rss(server, module):
    text = open(f"/proc/{server.pids()[module]}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) << 10


def count(server, user):
    c = Imap(server.port["imap"], server.address(user))
    n = c.select(command="EXAMINE")
    c.logout()
    return n


def normal_mail_flows(server, n=20, user="bob"):
    """Sends and reads n messages, each in a session of its own. Those who stand in the way do it until this is over: who has to
    wait for them waits until the sockets here lose their patience."""
    before = count(server, user)
    for _ in range(n):
        with Smtp(server.port["smtp"]) as c:
            c.envelope("normal@client.test", server.address(user))
            c.data(SMALL)
            c.quit()
    wait_for("normal mail", lambda: count(server, user) == before + n)


def closed(sock, timeout=30):
    """True when the peer has closed sock; reads all there is."""
    sock.settimeout(timeout)
    try:
        while sock.recv(1 << 16):
            pass
        return True
    except ConnectionResetError:
        return True
    except (socket.timeout, TimeoutError):
        return False


def queue_is_empty(server):
    return server.tool("queue").stdout.strip() == "the queue is empty"


# --- the slow ---

def test_200_slow_senders_hold_no_worker(host):
    """A byte a second in a command line or in DATA, over several times the number of workers."""
    slow = []
    for i in range(200):
        c = Smtp(host.port["smtp"])
        if i % 2:
            c.envelope("slow@client.test", host.address("carol"))
            c.command("DATA", 354)
        slow.append(c)
    lines = (b"NOOP 0123456789 0123456789\r\n", b"Subject: slow\r\n\r\nand steady wins no race\r\n.\r\n")
    sent, stop = [0], threading.Event()

    def drip():
        """No line is finished while this runs, however long that is."""
        while sent[0] < len(lines[0]) - 2 and not stop.wait(1 if sent[0] else 0):
            for i, c in enumerate(slow):
                c.send(lines[i % 2][sent[0]:sent[0] + 1])
            sent[0] += 1

    t = threading.Thread(target=drip)
    t.start()
    try:
        while sent[0] < 4:
            normal_mail_flows(host, 10)
    finally:
        stop.set()
        t.join()
    for i, c in enumerate(slow):
        c.send(lines[i % 2][sent[0]:])
        c.expect(250)
        c.quit()
    wait_for("slow mail", lambda: count(host, "carol") == 100)


@pytest.fixture(scope="module")
def large(host):
    """20 MB in alice's INBOX."""
    content = stuff(b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 64 * 20_000 + b"\r\n")
    with Smtp(host.port["smtp"]) as c:
        c.envelope("large@client.test", host.address("alice"))
        c.data(content)
        c.quit()
    wait_for("large mail", lambda: count(host, "alice") == 1)
    c = Imap(host.port["imap"], host.address("alice"))
    c.select(command="EXAMINE")
    stored = c.fetch_literal(1)
    c.logout()
    return stored


def test_slow_readers_hold_no_worker_and_no_memory(host, large):
    """40 sessions ask for 20 MB each and do not read. 24 workers serve the rest; memory stays at some buffers a session."""
    before = rss(host, "access")
    slow = []
    for i in range(40):
        tls = i % 4 == 1
        c = Imap(host.port["imaps" if tls else "imap"], host.address("alice"), rcvbuf=65536, tls=tls, timeout=60)
        c.select(command="EXAMINE")
        tag = c.start("FETCH 1 (BODY.PEEK[])")
        slow.append((c, tag))
    p = Pop3(host.port["pop3"], host.address("alice"), rcvbuf=65536, timeout=60)
    p.send(b"RETR 1\r\nNOOP\r\n")
    wait_for("a beginning for each of them", lambda: len(select.select([c.sock for c in [p, *(c for c, _ in slow)]], [], [], 1)[0]) == 41)
    normal_mail_flows(host)
    for _ in range(10):
        assert count(host, "carol") >= 0
    grown = rss(host, "access") - before
    assert SANITIZED or grown < 60 << 20, f"41 slow readers cost {grown >> 20} MB"
    for c, tag in slow[:3]:
        m = re.search(rb"\{(\d+)\}\Z", c.line())
        assert c.exactly(int(m.group(1))) == large
        c.line()
        c.finish(tag)
        c.logout()
    for c, _ in slow[3:]:
        c.close()
    p.ok()
    assert p.lines() == large
    p.ok()
    p.quit()
    wait_for("sessions to end", lambda: len([r for r in host.tool_json("sessions")["rows"] if r["service"] == "imap"]) == 0)


def test_replies_that_nobody_reads(host):
    """100,000 pipelined commands: replies wait in bounded memory, reading of commands waits for them."""
    for service, hello, command in (("smtp", None, b"NOOP\r\n"), ("imap", None, b"a NOOP\r\n"), ("pop3", None, b"CAPA\r\n")):
        module = "smtp" if service == "smtp" else "access"
        before = rss(host, module)
        with Line(host.port[service], rcvbuf=4096, timeout=60) as c:
            c.line()
            c.sock.setblocking(False)
            sent, data = 0, command * 100_000
            quiet = time.monotonic()
            while sent < len(data) and time.monotonic() - quiet < 1:
                try:
                    sent += c.sock.send(data[sent:sent + 65536])
                    quiet = time.monotonic()
                except BlockingIOError:
                    time.sleep(0.02)
                except (BrokenPipeError, ConnectionResetError):
                    break
            grown = rss(host, module) - before
            assert SANITIZED or grown < 20 << 20, f"{service}: {grown >> 20} MB for replies that nobody reads"
    normal_mail_flows(host, 3)


# --- the many ---

@pytest.mark.parametrize("service, command, reply", [("smtp", b"NOOP\r\n", b"250"), ("imap", b"a NOOP\r\n", b"a OK"),
                                                     ("pop3", b"CAPA\r\n", b"+OK")])
def test_2000_connections(host, service, command, reply):
    connections = []
    sel = selectors.DefaultSelector()
    try:
        for _ in range(2000):
            s = socket.create_connection(("127.0.0.1", host.port[service]), timeout=30)
            s.setblocking(False)
            connections.append(s)
            sel.register(s, selectors.EVENT_READ)

        def all_answer(what):
            waiting, end = set(connections), time.monotonic() + 60
            while waiting and time.monotonic() < end:
                for key, _ in sel.select(1):
                    got = key.fileobj.recv(4096)
                    assert what in got, got
                    waiting.discard(key.fileobj)
            assert not waiting, f"{len(waiting)} of 2000 have no answer"

        all_answer(b"220" if service == "smtp" else b"+OK" if service == "pop3" else b"* OK")
        normal_mail_flows(host, 5)
        for s in connections:
            s.send(command)
        all_answer(reply)
    finally:
        for s in connections:
            s.close()
        sel.close()
    normal_mail_flows(host, 2)


def test_limit_of_parallel_connections(host):
    host.tool("set", "smtp.parallel_per_ip", "5")
    host.tool("set", "net.trusted_ips", "::1")
    try:
        def sixth_is_refused():
            kept, refused = [], None
            for _ in range(6):
                c = Line(host.port["smtp"])
                first = c.line()
                if first.startswith(b"220"):
                    kept.append(c)
                else:
                    refused = first
                    assert c.at_end()
            for c in kept:
                c.close()
            return len(kept) == 5 and refused
        refused = wait_for("the limit", sixth_is_refused, interval=0.2)
        assert refused == b"554 5.7.1 Permission denied. Maximal parallel connections from this IP reached"
    finally:
        host.tool("reset", "smtp.parallel_per_ip")
        host.tool("reset", "net.trusted_ips")
    wait_for("open doors", lambda: Smtp(host.port["smtp"]).quit() is None)


# --- the oversized ---

def test_oversized_smtp_lines(host):
    with Smtp(host.port["smtp"]) as c:
        c.send(b"NOOP " + b"x" * 100_000 + b"\r\n")
        assert c.reply()[0] in (500, 501)
        c.command("NOOP", 250)
        c.envelope("long@client.test", host.address("carol"))
        c.command("RSET", 250)
        c.quit()
    before = rss(host, "smtp")
    with Line(host.port["smtp"]) as c:
        c.line()
        try:
            for _ in range(64):
                c.send(b"y" * (1 << 20))
        except OSError:
            pass
        assert SANITIZED or rss(host, "smtp") - before < 10 << 20


def test_a_line_of_a_megabyte_is_content(host):
    """RFC 5321 allows 1000 octets; nothing is gained by refusing or cutting more."""
    content = b"Subject: long line\r\n\r\n" + b"z" * 1_000_000 + b"\r\n"
    n = count(host, "carol")
    with Smtp(host.port["smtp"]) as c:
        c.envelope("long@client.test", host.address("carol"))
        c.data(content)
        c.quit()
    wait_for("long line", lambda: count(host, "carol") == n + 1)
    c = Imap(host.port["imap"], host.address("carol"))
    c.select()
    assert c.fetch_literal(n + 1).endswith(content)
    c.logout()


def test_oversized_imap_commands(host):
    c = Imap(host.port["imap"])
    c.send(b"a1 LOGIN {99999999999}\r\n")
    assert re.match(rb"a1 (BAD|NO)|\* BYE", c.line())
    c.close()
    c = Imap(host.port["imap"], host.address("carol"))
    c.send(b"b1 SEARCH TEXT {5000000+}\r\n" + b"x" * 5_000_000 + b"\r\nb2 NOOP\r\n")
    assert re.match(rb"b1 (BAD|NO)|\* BYE", c.line())
    c.close()
    before = rss(host, "access")
    c = Imap(host.port["imap"])
    try:
        for _ in range(64):
            c.send(b"z" * (1 << 20))
    except OSError:
        pass
    assert SANITIZED or rss(host, "access") - before < 10 << 20
    c.close()
    c = Imap(host.port["imap"], host.address("carol"))
    c.send(b"c1 APPEND INBOX {4294967296}\r\n")
    assert c.line().startswith(b"c1 NO [TOOBIG]") or c.buffer == b""
    c.close()


def test_oversized_pop3_lines(host):
    before = rss(host, "access")
    with Line(host.port["pop3"]) as c:
        c.line()
        c.send(b"USER " + b"x" * 10_000 + b"\r\n")
        assert c.line().startswith(b"-ERR")
    with Line(host.port["pop3"]) as c:
        c.line()
        try:
            for _ in range(64):
                c.send(b"q" * (1 << 20))
        except OSError:
            pass
        assert SANITIZED or rss(host, "access") - before < 10 << 20


def test_10000_recipients(host):
    """The limit holds and the rest is told to come in another transaction (RFC 5321 4.5.3.1.10)."""
    rcpts = [f"RCPT TO:<alice+{i}@example.test>\r\n".encode() for i in range(10_000)]
    n = count(host, "alice")
    with Smtp(host.port["smtp"], timeout=60) as c:
        host.tool("set", "smtp.max_errors", "10000")
        c.command("NOOP", 250)
    with Smtp(host.port["smtp"], timeout=120) as c:
        c.command("MAIL FROM:<many@client.test>", 250)
        c.send(b"".join(rcpts))
        codes = [c.reply()[0] for _ in rcpts]
        assert codes.count(250) == 1000 and codes.count(452) == 9000 and set(codes[:1000]) == {250}
        c.data(SMALL)
        c.quit()
    host.tool("reset", "smtp.max_errors")
    wait_for("mail for a thousand", lambda: count(host, "alice") > n and queue_is_empty(host))


def test_10000_accepted_recipients(host):
    host.tool("set", "smtp.max_recipients", "10000")
    try:
        def allowed():
            with Smtp(host.port["smtp"], timeout=120) as c:
                c.command("MAIL FROM:<many@client.test>", 250)
                c.send(b"".join(f"RCPT TO:<bob+{i}@example.test>\r\n".encode() for i in range(10_000)))
                codes = {c.reply()[0] for _ in range(10_000)}
                if codes == {250}:
                    c.data(SMALL)
                c.quit()
                return codes == {250}
        n = count(host, "bob")
        assert allowed()
        wait_for("mail for ten thousand", lambda: count(host, "bob") > n and queue_is_empty(host), timeout=60)
    finally:
        host.tool("reset", "smtp.max_recipients")


def test_guessing_recipients_ends_the_session(host):
    with Smtp(host.port["smtp"]) as c:
        c.command("MAIL FROM:<guess@client.test>", 250)
        c.send(b"".join(f"RCPT TO:<guess{i}@example.test>\r\n".encode() for i in range(10_000)))
        codes = []
        try:
            while True:
                codes.append(c.reply()[0])
        except (Closed, ConnectionResetError):
            pass
        assert codes[:20] == [550] * 20 and codes[-1] == 421 and len(codes) <= 22, codes


# --- the rude ---

def test_early_talkers(host):
    """Whoever talks before the greeting is refused at once, however long that is still to come; who waits is greeted."""
    def greeted_after():
        began = time.monotonic()
        Smtp(host.port["smtp"]).quit()
        return time.monotonic() - began

    host.tool("set", "net.trusted_ips", "::1")
    try:
        host.tool("set", "smtp.greeting_delay", "500ms")
        assert greeted_after() > 0.4
        host.tool("set", "smtp.greeting_delay", "60s")   # no early talker here is so slow that it comes late
        for line in (b"EHLO early\r\n", b"x"):
            with Line(host.port["smtp"]) as c:
                c.send(line)
                assert c.line() == b"554 5.7.1 Permission denied" and c.at_end()
    finally:
        host.tool("reset", "smtp.greeting_delay")
        host.tool("reset", "net.trusted_ips")
    assert greeted_after() < 50


@pytest.mark.parametrize("service", ["smtp", "submission", "imap", "pop3"])
def test_injection_after_starttls(host, service):
    """What comes in clear text behind STARTTLS in the same packet is never taken for a command under TLS (CVE-2011-0411)."""
    smtp = service in ("smtp", "submission")
    command, injected, probe = {
        "imap": (b"a STARTTLS\r\n", b"b NOOP\r\n", b"c CAPABILITY\r\n"), "pop3": (b"STLS\r\n", b"CAPA\r\n", b"NOOP\r\n"),
    }.get(service, (b"STARTTLS\r\n", b"MAIL FROM:<injected@client.test>\r\n", b"EHLO after.test\r\n"))
    with Line(host.port[service]) as c:
        c.line()
        if smtp:
            c.send(b"EHLO before.test\r\n")
            while not c.line().startswith(b"250 "):
                pass
        c.send(command + injected)
        try:
            first = c.line()
        except Closed:
            return   # nothing is answered at all
        if not re.match(rb"220|a OK|\+OK", first):
            assert re.match(rb"5|a (BAD|NO)|\* BYE|-ERR|4", first), first
            return
        c.buffer, plain = b"", c.buffer
        assert plain == b"", f"{plain} was answered in clear text"
        try:
            c.wrap_tls()
        except OSError:
            return   # the connection was closed: fine too
        c.send(probe)
        answer = c.line()
        assert answer.startswith({"imap": b"* CAPABILITY", "pop3": b"-ERR"}.get(service, b"250-")), \
            f"{service} answers the injected command: {answer}"


def test_dropped_in_data_leaves_nothing(host):
    n = count(host, "alice")
    for size in (0, 1, 100, 5000, 300_000, 3_000_000):
        for way in ("close", "reset", "half"):
            c = Smtp(host.port["smtp"])
            c.envelope("dropped@client.test", host.address("alice"))
            c.command("DATA", 354)
            c.send(stuff(b"Subject: dropped\r\n\r\n" + b"data\r\n" * (size // 6))[:size])
            if way == "reset":
                c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if way == "half":
                c.sock.shutdown(socket.SHUT_WR)
                assert c.at_end()
            c.close()
        c = Smtp(host.port["smtp"])
        c.envelope("dropped@client.test", host.address("alice"))
        c.send(b"BDAT %d\r\n" % (size + 10) + b"x" * size)
        c.close()
        c = Imap(host.port["imap"], host.address("alice"))
        c.send(b"z APPEND INBOX {%d}\r\n" % (size + 10))
        assert c.line().startswith(b"+")
        c.send(b"x" * size)
        c.close()
    wait_for("sessions to end", lambda: not [r for r in host.tool_json("sessions")["rows"] if r["service"] in ("smtp", "imap")])
    assert queue_is_empty(host)
    assert count(host, "alice") == n
    leftovers = [os.path.join(d, f) for d, _, names in os.walk(host.data / "temp") for f in names if not f.endswith(".jnl")]
    wait_for(f"temporary files to go: {leftovers}", lambda: not [f for f in leftovers if os.path.exists(f)
                                                                  and os.path.getsize(f) in range(1, 3_100_000)])


def test_noise(host):
    """Random octets, TLS to plain ports, plain text to TLS ports, handshakes that stop half-way."""
    import random
    r = random.Random(1)
    for service in host.PORTS:
        for first in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 1000,
                      b"\r\n" * 1000, b"\xff\xfb\x01" * 50):
            with socket.create_connection(("127.0.0.1", host.port[service]), timeout=10) as s:
                try:
                    s.sendall(first + r.randbytes(20_000))
                    s.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                assert closed(s), f"{service} does not close after {first[:20]} and the end of input"
    normal_mail_flows(host, 3)


def test_tls_that_never_begins(host):
    host.tool("set", "net.handshake_timeout", "1s")
    try:
        with socket.create_connection(("127.0.0.1", host.port["imaps"]), timeout=5) as s:
            s.send(b"\x16\x03\x01\x02\x00")
            assert closed(s, 25), "the default of 30 s applies instead"
    finally:
        host.tool("reset", "net.handshake_timeout")


def test_logins_are_slowed_down_and_cut(host):
    """Three failures end a session; others log in meanwhile without waiting."""
    def guess(n):
        c = Line(host.port["pop3"])
        c.line()
        c.send(b"".join(b"USER nobody@example.test\r\nPASS guess%d\r\n" % i for i in range(n)) + b"CAPA\r\n")
        return c

    try:
        # More of them than workers, and each is held for longer than all of this takes.
        host.tool("set", "auth.failure_delay", "60s")
        guessers = [guess(1) for _ in range(60)]
        for c in guessers:
            assert c.line().startswith(b"+OK")
        Pop3(host.port["pop3"], host.address("bob")).quit()
        told = [c for c in guessers if select.select([c.sock], [], [], 0)[0] or c.buffer]
        assert not told, f"a good login waited for {len(told)} bad ones"
        for c in guessers:
            c.close()
        host.tool("set", "auth.failure_delay", "1s")
        began = time.monotonic()
        with guess(3) as c:
            assert c.at_end() and c.buffer.count(b"-ERR") >= 3 and b"UIDL" not in c.buffer, c.buffer
        assert time.monotonic() - began > 2
    finally:
        host.tool("reset", "auth.failure_delay")
