"""The first path through the house: in by SMTP, read by IMAP and POP3, seen by the administrator."""
import imaplib
import os
import poplib
import re
import signal
import smtplib
import ssl

from conftest import PASSWORD, wait_for

BODY = b"From: a@example.test\r\nTo: bob@example.test\r\nSubject: first\r\n\r\nHello\r\n.dot\r\nend\r\n"


def send(server, to="bob", sender="someone@elsewhere.test", body=BODY):
    with smtplib.SMTP("127.0.0.1", server.port["smtp"], timeout=60) as c:
        c.ehlo("client.test")
        return c.sendmail(sender, [server.address(to)], body)


def imap(server, user, port="imap"):
    c = imaplib.IMAP4("127.0.0.1", server.port[port])
    c.login(server.address(user), PASSWORD)
    return c


def message_count(server, user):
    c = imap(server, user)
    n = int(c.select("INBOX")[1][0])
    c.logout()
    return n


def insecure_tls():
    c = ssl.create_default_context()
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    return c


def test_smtp_to_imap_and_pop3(server):
    before = message_count(server, "bob")
    send(server)
    wait_for("delivery", lambda: message_count(server, "bob") == before + 1)
    c = imap(server, "bob")
    c.select("INBOX")
    typ, data = c.fetch(str(before + 1), "(BODY[])")
    assert typ == "OK"
    assert data[0][1].endswith(BODY)
    assert data[0][1].startswith(b"Return-Path: <someone@elsewhere.test>\r\nReceived: ")
    c.logout()
    p = poplib.POP3("127.0.0.1", server.port["pop3"])
    p.user(server.address("bob"))
    p.pass_(PASSWORD)
    lines = p.retr(before + 1)[1]
    assert b"\r\n".join(lines) + b"\r\n" == data[0][1]
    p.quit()


def test_submission_with_tls(server):
    before = message_count(server, "carol")
    with smtplib.SMTP("127.0.0.1", server.port["submission"], timeout=60) as c:
        c.starttls(context=insecure_tls())
        c.login(server.address("alice"), PASSWORD)
        c.sendmail(server.address("alice"), [server.address("carol")], BODY)
    with smtplib.SMTP_SSL("127.0.0.1", server.port["smtps"], timeout=60, context=insecure_tls()) as c:
        c.login(server.address("alice"), PASSWORD)
        c.sendmail(server.address("alice"), [server.address("carol")], BODY)
    wait_for("delivery", lambda: message_count(server, "carol") == before + 2)


def test_tls_ports(server):
    c = imaplib.IMAP4_SSL("127.0.0.1", server.port["imaps"], ssl_context=insecure_tls())
    c.login(server.address("bob"), PASSWORD)
    assert c.select()[0] == "OK"
    c.logout()
    p = poplib.POP3_SSL("127.0.0.1", server.port["pop3s"], context=insecure_tls())
    p.user(server.address("bob"))
    p.pass_(PASSWORD)
    p.quit()


def test_wrong_password_is_refused(server):
    c = imaplib.IMAP4("127.0.0.1", server.port["imap"])
    try:
        c.login(server.address("bob"), "wrong")
        raise AssertionError("login succeeded")
    except imaplib.IMAP4.error:
        pass
    c.shutdown()


def test_failed_logins_count_over_all_services(make_server):
    """SMTP and IMAP are two processes; an attacker has the same number of attempts in both together."""
    s = make_server(settings={"auth.max_failures": "4", "auth.failure_delay": "0ms"})

    def by_smtp(password):
        with smtplib.SMTP("127.0.0.1", s.port["submission"]) as c:
            c.starttls(context=insecure_tls())
            try:
                c.login(s.address("bob"), password)
                return True
            except smtplib.SMTPAuthenticationError:
                return False

    def by_imap(password):
        c = imaplib.IMAP4("127.0.0.1", s.port["imap"])
        try:
            c.login(s.address("bob"), password)
            c.logout()
            return True
        except imaplib.IMAP4.error:
            c.shutdown()
            return False

    assert by_smtp(PASSWORD) and by_imap(PASSWORD)
    s.tool("set", "auth.scram_sha256", "no")   # one attempt is one command: no second mechanism is tried
    s.tool("set", "auth.scram_sha1", "no")
    s.tool("set", "auth.login", "no")
    assert not by_smtp("wrong-1") and not by_imap("wrong-2") and not by_smtp("wrong-3")
    access = s.kill("access")                  # a module that dies forgets nothing
    wait_for("module access", lambda: s.pids().get("access", access) != access)
    s.wait_port(s.port["imap"])
    assert not by_imap("wrong-4")
    assert not by_smtp(PASSWORD) and not by_imap(PASSWORD), "four failures lock the account everywhere"
    wait_for("the line about the fourth failure", lambda: "increased failed login count to 4, user=bob@example.test" in "".join(
        f.read_text() for f in sorted((s.data / "logs/auth").iterdir())))
    s.tool("change", "account", s.address("bob"), f"password={{PLAIN}}{PASSWORD}")
    assert by_imap(PASSWORD) and by_smtp(PASSWORD)


def test_administrator_looks_inside(server):
    c = imap(server, "alice")
    rows = server.tool_json("sessions")["rows"]
    mine = [r for r in rows if r["account"] == server.address("alice")]
    assert mine and mine[0]["service"] == "imap"
    server.tool("sessions", "kill", mine[0]["id"])
    try:
        c.noop()
        raise AssertionError("session is still there")
    except (imaplib.IMAP4.abort, OSError):
        pass
    wait_for("its last lines", lambda: re.search(r"\] [0-9:]{8} Killed by the administrator\n"
                                                 r".*\] [0-9:]{8} \*\*\* alice@example\.test 0 fetched 0 appended INCOMPLETE-SESSION\n"
                                                 r".*\] [0-9:]{8} Disconnected\n", server.log_text("m")))
    stats = {r["name"]: r["value"] for r in server.tool_json("stats")["rows"]}
    assert stats["smtp_messages_in"] >= 1
    assert server.tool("queue").stdout.strip() == "the queue is empty"


def test_settings_change_live_and_are_audited(server):
    server.tool("set", "smtp.max_recipients", "77")
    assert server.tool("get", "smtp.max_recipients").stdout.strip() == "77"
    bad = server.tool("set", "smtp.max_recipients", "0", check=False)
    assert bad.returncode != 0 and "smtp.max_recipients" in bad.stderr and "'0'" in bad.stderr and "1" in bad.stderr
    assert "smtp.max_recipients" in server.tool("audit").stdout
    server.tool("reset", "smtp.max_recipients")
    server.tool("set", "system", "c_system_adv_protocols_sessiontimeout", "200s")
    assert server.tool("get", "net.session_timeout").stdout.strip() in ("200s", "200")
    server.tool("reset", "net.session_timeout")


def test_sigterm_ends_cleanly_and_mail_is_kept(make_server):
    s = make_server()
    send(s)
    assert s.stop(signal.SIGTERM) == 0
    s.start()
    wait_for("delivery", lambda: message_count(s, "bob") == 1)
