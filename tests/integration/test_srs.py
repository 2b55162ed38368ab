"""SRS: mail that is forwarded to a real Postfix, and what comes back from it."""
import re
import smtplib

from conftest import wait_for
from test_accounts import body
from test_postfix import arrived, inbox, with_subject, world  # noqa: F401 (a fixture)


def rcpt(server, address, sender=""):
    with smtplib.SMTP("127.0.0.3", 25, timeout=60, source_address=("127.0.0.7", 0)) as c:
        c.ehlo("client.test")
        c.mail(sender)
        code, text = c.rcpt(address)
        return f"{code} {text.decode()}"


def send(server, to, sender, content):
    with smtplib.SMTP("127.0.0.3", 25, timeout=60, source_address=("127.0.0.7", 0)) as c:
        c.sendmail(sender, [to], content)


def test_forwarded_to_postfix_and_back(world):
    world.ours.tool("change", "account", "alice@example.test", "forward_to=dave@peer.test", "keep_copy=no")
    send(world.ours, "alice@example.test", "erin@peer.test", body("srs-1"))
    got = arrived("at Postfix", lambda: world.peer.messages("dave"), "msrs-1")
    path = re.search(rb"Return-Path: <(SRS0=[A-Z2-7]{6}=[A-Z2-7]{2}=peer\.test=erin@example\.test)>", got)
    assert path, got[:300]
    # What is returned to it finds its way to Postfix; nobody else's guesses do.
    address = path.group(1).decode()
    with smtplib.SMTP("127.0.0.3", 25, timeout=60, source_address=("127.0.0.7", 0)) as c:
        c.sendmail("", [address.lower()], body("srs-back"))
    arrived("at the first sender", lambda: world.peer.messages("erin"), "msrs-back")
    forged = address.replace("erin", "dave")
    assert rcpt(world.ours, forged) == "550 5.7.1 Access to recipient not allowed [SPF-SRS]"
    assert rcpt(world.ours, "SRS0=AAAAAA=AA=peer.test=x@example.test") == "550 5.7.1 Access to recipient not allowed [SPF-SRS]"
    assert rcpt(world.ours, "x@peer.test") == "550 5.7.1 We do not relay"
    world.ours.tool("set", "smtp.srs_verify", "no")
    assert rcpt(world.ours, forged).startswith("550 5.1.1 ")
    world.ours.tool("set", "smtp.srs", "no")
    assert rcpt(world.ours, address).startswith("550 5.1.1 ")
    world.ours.tool("reset", "smtp.srs")
    world.ours.tool("reset", "smtp.srs_verify")


def test_refused_by_the_target(world):
    """Our own report goes straight to the first sender."""
    world.ours.tool("change", "account", "bob@example.test", "forward_to=shut@peer.test")
    send(world.ours, "bob@example.test", "dave@peer.test", body("srs-2"))
    wait_for("the report", lambda: any(b"this mailbox is shut" in m for m in world.peer.messages("dave")))
    assert with_subject(inbox(world.ours, "bob"), "msrs-2")


def test_own_senders_and_direct_mail_stay(world):
    world.ours.tool("change", "account", "carol@example.test", "forward_to=erin@peer.test", "keep_copy=no")
    send(world.ours, "carol@example.test", "bob@example.test", body("srs-3"))
    got = arrived("at Postfix", lambda: world.peer.messages("erin"), "msrs-3")
    assert b"Return-Path: <bob@example.test>" in got
    world.ours.tool("create", "alias", "far@example.test", "targets=erin@peer.test")
    send(world.ours, "far@example.test", "dave@peer.test", body("srs-4"))
    got = arrived("at Postfix", lambda: world.peer.messages("erin"), "msrs-4")
    assert re.search(rb"Return-Path: <SRS0=\w{6}=\w\w=peer\.test=dave@example\.test>", got), got[:300]
