"""Mail to and from a real Postfix with Dovecot, and between two Posthorns, found by MX records of a real name server."""
import email
import email.policy
import re
import shutil
import tempfile
import types

import pytest

from conftest import wait_for
from corpus import below_trace
from peers import NameServer, PostfixDovecot, neighbour, SECOND
from wire import Imap, Smtp


@pytest.fixture(scope="module")
def world(make_module_server):
    made, dirs = [], []

    def begin(what):
        dirs.append(tempfile.mkdtemp(prefix="phpeer-", dir="/var/tmp"))
        made.append(what(dirs[-1]))
        return made[-1].start()

    try:
        yield types.SimpleNamespace(dns=begin(NameServer), peer=begin(PostfixDovecot), ours=neighbour(make_module_server))
    finally:
        for m in reversed(made):
            m.stop()
        for d in dirs:
            shutil.rmtree(d, ignore_errors=True)


def message(subject, body=b"one line\r\n", sender="alice@example.test", to="dave@peer.test"):
    return (f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@{sender.split('@')[1]}>\r\n\r\n"
            .encode() + body)


def submit(server, sender, rcpts, content, parameters=None, mail=""):
    """Message id of the submission. parameters: of RCPT by recipient; mail: of MAIL."""
    with Smtp(server.port["submission"]) as c:
        c.starttls()
        c.login(sender)
        c.command(f"MAIL FROM:<{sender}>{mail}", 250)
        for r in rcpts:
            c.command(f"RCPT TO:<{r}>{(parameters or {}).get(r, '')}", 250)
        text = c.data(content)
        c.quit()
    return re.search(r"Message id ([A-Z]{3}\d{5}) accepted", text).group(1)


def inbox(server, user):
    """All messages of an account, oldest first."""
    c = Imap(server.port["imap"], server.address(user))
    out = [c.fetch_literal(i) for i in range(1, c.select(command="EXAMINE") + 1)]
    c.logout()
    return out


def with_subject(messages, subject):
    found = [m for m in messages if f"\r\nSubject: {subject}\r\n".encode() in m]
    return found[0] if found else None


def arrived(what, get, subject, timeout=30):
    return wait_for(f"{subject} {what}", lambda: with_subject(get(), subject), timeout, 0.2)


def bounce_about(server, user, text, timeout=30):
    """The notice in a user's mailbox that mentions text, parsed."""
    def look():
        found = [m for m in inbox(server, user) if b"multipart/report" in m and text.encode() in m]
        return found[-1] if found else None
    return email.message_from_bytes(wait_for(f"notice about {text}", look, timeout, 0.2), policy=email.policy.default)


def report(notice):
    """RFC 3464: (fields of the message, [fields of a recipient, ...])"""
    assert notice.get_content_type() == "multipart/report"
    assert notice.get_param("report-type") == "delivery-status"
    parts = list(notice.iter_parts())
    assert [p.get_content_type() for p in parts[:2]] == ["text/plain", "message/delivery-status"]
    assert len(parts) == 3 and parts[2].get_content_type() in ("message/rfc822", "text/rfc822-headers")
    groups = parts[1].get_payload()
    return dict(groups[0].items()), [dict(g.items()) for g in groups[1:]]


def session(server, message_id):
    """The lines of the last client session about a message, once it has ended; [] before."""
    lines = server.log_text("s").splitlines()
    starts = [i for i, l in enumerate(lines) if f"Client session Message id {message_id} " in l]
    if not starts:
        return []
    thread = re.search(r"\[[0-9A-F]+\]", lines[starts[-1]]).group()
    mine = [l for l in lines[starts[-1]:] if thread in l]
    return mine if mine[-1].endswith("Disconnected") else []


def ended_session(server, message_id):
    return "\n".join(wait_for(f"end of the session about {message_id}", lambda: session(server, message_id)))


def test_to_postfix(world):
    body = b"first\r\n.dot\r\n..two\r\nL\xc3\xb6we, 8 bit\r\n" + b"x" * 900 + b"\r\n"
    sent = message("to-postfix", body)
    number = submit(world.ours, "alice@example.test", ["dave@peer.test"], sent)
    got = arrived("in Dovecot", lambda: world.peer.messages("dave"), "to-postfix")
    assert got.endswith(sent)
    assert b"Return-Path: <alice@example.test>\r\n" in got
    assert re.search(rb"Received: from mail\.example\.test \(mail\.example\.test \[127\.0\.0\.3\]\)|"
                     rb"Received: from mail\.example\.test \(unknown \[127\.0\.0\.3\]\)", got), got[:1500]
    assert b"with ESMTPS" in got
    log = ended_session(world.ours, number)
    assert "SSL: Not verified (18) - proceed anyway" in log
    assert "DNS query 'peer.test' 0 (" in log and "[OK - 1]" in log
    assert "Connecting to 'mx.peer.test'" in log
    assert "Connected, local IP=127.0.0.3" in log
    wait_for("its log", lambda: "TLS connection established from" in world.peer.log())
    assert number not in world.ours.tool("queue").stdout


def test_from_postfix(world):
    sent = message("from-postfix", b"L\xc3\xb6we\r\n.dot\r\n", "dave@peer.test", "bob@example.test")
    with Smtp(25, host="127.0.0.2") as c:
        c.envelope("dave@peer.test", "bob@example.test", "carol@example.test", parameters=" BODY=8BITMIME")
        c.data(sent)
        c.quit()
    for user in ("bob", "carol"):
        got = arrived(user, lambda: inbox(world.ours, user), "from-postfix")
        assert got.endswith(sent)
        assert got.startswith(b"Return-Path: <dave@peer.test>\r\nReceived: from mx.peer.test ([127.0.0.2])\r\n\tby mail.example.test with ESMTPS")
        assert b"(Postfix)" in below_trace(got)
    wait_for("its log", lambda: "Untrusted TLS connection established to mail.example.test[127.0.0.3]:25" in world.peer.log())


def test_answers_of_several_recipients(world):
    """One transaction: two are delivered, one waits, two are refused and told to the sender in one notice."""
    rcpts = ["dave@peer.test", "shut@peer.test", "erin@peer.test", "busy@peer.test", "nobody@peer.test"]
    number = submit(world.ours, "bob@example.test", rcpts, message("several", sender="bob@example.test"))
    for user in ("dave", "erin"):
        arrived(user, lambda: world.peer.messages(user), "several")
    notice = bounce_about(world.ours, "bob", "shut@peer.test")
    fields, recipients = report(notice)
    assert fields["Reporting-MTA"] == "dns; mail.example.test"
    assert notice["From"].startswith("MAILER-DAEMON@") or "MAILER-DAEMON" in notice["From"]
    assert notice["To"] == "bob@example.test"
    assert notice["Auto-Submitted"] == "auto-replied"
    by_rcpt = {r["Final-Recipient"].split(";")[1].strip(): r for r in recipients}
    assert sorted(by_rcpt) == ["nobody@peer.test", "shut@peer.test"]
    for rcpt, status, text in (("shut@peer.test", "5.2.1", "this mailbox is shut"), ("nobody@peer.test", "5.1.1", "550 5.1.1")):
        r = by_rcpt[rcpt]
        assert r["Action"] == "failed" and r["Status"] == status and r["Remote-MTA"] == "dns; mx.peer.test"
        assert text in r["Diagnostic-Code"] and r["Diagnostic-Code"].startswith("smtp; 550")
    original = list(notice.iter_parts())[2]
    assert "Subject: several" in original.as_string()
    assert inbox(world.ours, "bob")[-1].startswith(b"Return-Path: <>\r\n")
    row, = [r for r in world.ours.tool_json("queue")["rows"] if r["id"] == number]
    assert (row["recipients"], row["waiting"], row["recipient"]) == (5, 1, "busy@peer.test")
    assert row["answer"].startswith("450 4.2.1") and "come back later" in row["answer"]
    world.ours.tool("queue", "delete", number)
    assert number not in world.ours.tool("queue").stdout


def test_postfix_bounces_what_we_refuse(world):
    with Smtp(25, host="127.0.0.2") as c:
        c.envelope("dave@peer.test", "nobody@example.test")
        c.data(message("refused-here", sender="dave@peer.test", to="nobody@example.test"))
        c.quit()
    notice = wait_for("notice of Postfix", lambda: [m for m in world.peer.messages("dave") if b"nobody@example.test" in m
                                                     and b"multipart/report" in m], 30, 0.2)[0]
    _, recipients = report(email.message_from_bytes(notice, policy=email.policy.default))
    assert recipients[0]["Status"] == "5.1.1"
    assert "550 5.1.1" in recipients[0]["Diagnostic-Code"]


def test_postfix_is_down_for_a_while(world):
    world.peer.stop_postfix()
    try:
        number = submit(world.ours, "alice@example.test", ["dave@peer.test"], message("patience"))

        def row():
            found = [r for r in world.ours.tool_json("queue")["rows"] if r["id"] == number and r["answer"]]
            return found[0] if found else None

        r = wait_for("first attempt", row)
        assert r["attempts"] == 1 and r["waiting"] == 1 and "Could not connect" in r["answer"]
        assert 30_000 < r["next_try_ms"] - r["received_ms"] < 90_000, "the schedule's first wait is a minute"
        log = ended_session(world.ours, number)
        assert "Could not connect to 'mx.peer.test(127.0.0.2)'" in log
        assert re.search(r"\*\*\* <alice@example\.test> <dave@peer\.test> 1 \d+ 00:00:0\d INCOMPLETE-SESSION " + number, log), log
    finally:
        world.peer.start_postfix()
    world.ours.tool("queue", "retry", number)
    arrived("after retry", lambda: world.peer.messages("dave"), "patience")
    wait_for("empty queue", lambda: number not in world.ours.tool("queue").stdout)


def test_returned_at_the_end_of_the_lifetime(world):
    world.ours.tool("set", "queue.lifetime", "2s")
    world.ours.tool("set", "queue.retry_schedule", "1s")
    try:
        submit(world.ours, "carol@example.test", ["x@down.test"], message("too-late", sender="carol@example.test"))
        fields, recipients = report(bounce_about(world.ours, "carol", "x@down.test"))
    finally:
        world.ours.tool("reset", "queue.lifetime")
        world.ours.tool("reset", "queue.retry_schedule")
    assert recipients[0]["Action"] == "failed"
    assert recipients[0]["Status"].startswith("5.4.") or recipients[0]["Status"].startswith("4.4."), recipients
    assert "Could not connect and send the mail to recipient" in recipients[0]["Diagnostic-Code"]


@pytest.mark.parametrize("domain", ["fallback.test", "only-a.test"])
def test_second_mx_and_address_without_mx(world, domain):
    """fallback.test: nothing listens at its best MX. only-a.test has an address only."""
    rcpt = "dave@only-a.test" if domain == "only-a.test" else f"dave@{domain}"
    number = submit(world.ours, "alice@example.test", [rcpt], message(f"by-{domain}"))
    if domain == "only-a.test":
        arrived("in Dovecot", lambda: world.peer.messages("dave"), f"by-{domain}")
        return
    # Postfix does not relay for that domain: that it says so shows that it was asked after the first one failed.
    log = ended_session(world.ours, number)
    assert "Could not connect to 'dead.fallback.test(127.0.0.9)'" in log
    assert log.index("'dead.fallback.test'") < log.index("Connecting to 'mx.peer.test'") < log.index("RCPT To:<dave@fallback.test>")


@pytest.mark.parametrize("rcpt, status, text", [
    ("x@null.test", "5.1.10", "does not accept mail"),
    ("x@gone.test", "5.1.2", "while issuing MX query"),
    ("x@nowhere.test", "5.4.4", "while issuing MX query"),
    ("x@loop.test", "5.4.6", "loops back"),
])
def test_domains_that_cannot_be_reached_ever(world, rcpt, status, text):
    submit(world.ours, "alice@example.test", [rcpt], message("never"))
    _, recipients = report(bounce_about(world.ours, "alice", rcpt))
    assert recipients[0]["Status"] == status
    assert text in recipients[0]["Diagnostic-Code"]


def test_failure_of_the_name_server_is_temporary(world):
    number = submit(world.ours, "alice@example.test", ["x@broken.test"], message("later"))
    row = wait_for("answer", lambda: [r for r in world.ours.tool_json("queue")["rows"] if r["id"] == number and r["answer"]])[0]
    assert row["answer"].startswith("451 4.4.3") and "MX query" in row["answer"]
    world.ours.tool("queue", "delete", number)


def test_notices_on_request(world):
    """RFC 3461 from end to end: success is told by the last server that knows NOTIFY."""
    submit(world.ours, "carol@example.test", ["erin@peer.test", "bob@example.test", "nobody@peer.test"],
           message("on-request", sender="carol@example.test"),
           {"erin@peer.test": " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Erin@peer.test", "bob@example.test": " NOTIFY=SUCCESS ORCPT=rfc822;b+2Bob+3D1@example.test",
            "nobody@peer.test": " NOTIFY=NEVER"})
    _, mine = report(bounce_about(world.ours, "carol", "bob@example.test"))
    assert [(r["Final-Recipient"], r["Action"], r["Status"]) for r in mine] == [("rfc822; bob@example.test", "delivered", "2.1.5")]
    assert mine[0]["Original-Recipient"] == "rfc822;b+ob=1@example.test"   # decoded: RFC 3461 6.3
    _, theirs = report(bounce_about(world.ours, "carol", "Erin@peer.test"))
    assert theirs[0]["Original-Recipient"].lower().replace(" ", "") == "rfc822;erin@peer.test"
    assert theirs[0]["Action"] in ("delivered", "relayed")
    assert not [m for m in inbox(world.ours, "carol") if b"nobody@peer.test" in m and b"Action: failed" in m]


@pytest.mark.parametrize("ret", ["HDRS", "FULL"])
def test_what_the_sender_wants_back(world, ret):
    """RET and ENVID in the notice that we make, and in the one that Postfix makes after it has taken the message from us."""
    submit(world.ours, "carol@example.test", ["shut@peer.test", "ghost@peer.test"],
           message(f"wants-{ret}", b"the-body-of-it\r\n", sender="carol@example.test"), mail=f" RET={ret} ENVID=id+2B{ret}")
    for rcpt, mta in (("shut@peer.test", "mail.example.test"), ("ghost@peer.test", "mx.peer.test")):
        notice, = wait_for(f"the notice about {rcpt}", lambda: [m for m in inbox(world.ours, "carol") if f"wants-{ret}".encode() in m
                                                               and f"Reporting-MTA: dns; {mta}\r\n".encode() in m], 30, 0.2)
        fields, recipients = report(email.message_from_bytes(notice, policy=email.policy.default))
        assert fields["Reporting-MTA"] == f"dns; {mta}" and fields["Original-Envelope-Id"] == f"id+{ret}"
        assert [r["Action"] for r in recipients] == ["failed"] and rcpt in notice.decode()
        assert f"\r\nSubject: wants-{ret}\r\n".encode() in notice
        assert (b"the-body-of-it" in notice) == (ret == "FULL")


def test_two_posthorns(world, make_server):
    second = neighbour(make_server, "second.test", SECOND, users=("frank",))
    sent = message("to-second", to="frank@second.test")
    number = submit(world.ours, "alice@example.test", ["frank@second.test"], sent)
    got = arrived("there", lambda: inbox(second, "frank"), "to-second")
    assert got.endswith(sent) and b"with ESMTPS" in got
    assert got.count(b"\r\nReceived: ") == 2
    back = message("to-first", sender="frank@second.test", to="alice@example.test")
    submit(second, "frank@second.test", ["alice@example.test", "bob@example.test"], back)
    for user in ("alice", "bob"):
        assert arrived(user, lambda: inbox(world.ours, user), "to-first").endswith(back)
    submit(second, "frank@second.test", ["nobody@example.test"], message("wrong", sender="frank@second.test"))
    _, recipients = report(bounce_about(second, "frank", "nobody@example.test"))
    assert recipients[0]["Status"] == "5.1.1" and recipients[0]["Remote-MTA"] == "dns; mail.example.test"
    assert "SSL: Not verified (18) - proceed anyway" in ended_session(world.ours, number)
