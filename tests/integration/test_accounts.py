"""What accounts do with mail: forwarding, copies, null mailboxes; told by the log, the timeline and the API."""
import imaplib
import re
import smtplib
import sqlite3
import time

import pytest

from api import Client
from conftest import PASSWORD, wait_for
from test_basics import imap, insecure_tls, message_count, send
from test_collect import subjects
from test_postfix import inbox


def newest(server, user):
    c = imap(server, user)
    n = c.select("INBOX")[1][0].decode()
    text = c.fetch(n, "(BODY[])")[1][0][1]
    c.logout()
    return text


def body(n, to="alice@example.test", more=""):
    return f"From: x@elsewhere.test\r\nTo: {to}\r\nMessage-ID: <{n}@elsewhere.test>\r\n{more}Subject: m{n}\r\n\r\ntext\r\n".encode()


def mailflow(server):
    return "".join(f.read_text() for f in sorted((server.data / "logs/mailflow").iterdir()))


def refusal(server, user, sender="x@elsewhere.test"):
    """The reply to RCPT, or None."""
    with smtplib.SMTP("127.0.0.1", server.port["smtp"], timeout=60) as c:
        c.ehlo("client.test")
        c.mail(sender)
        code, text = c.rcpt(f"{user}@example.test")
        return None if code == 250 else f"{code} {text.decode()}"


def submit(server, user, rcpts, content):
    with smtplib.SMTP("127.0.0.1", server.port["submission"], timeout=60) as c:
        c.starttls(context=insecure_tls())
        c.login(server.address(user), PASSWORD)
        c.sendmail(server.address(user), rcpts, content)


@pytest.fixture
def s(make_server):
    return make_server()


def test_fields_by_the_tool(s):
    t = s.tool
    t("change", "account", "alice@example.test", "forward_to=bob@example.test; x@far.test", "keep_copy=no", "copy_incoming=carol@example.test")
    shown = t("show", "account", "alice@example.test").stdout
    assert "forward_to: bob@example.test;x@far.test" in shown and "keep_copy: no" in shown and "null_mailbox" not in shown
    assert s.tool_json("show", "account", "alice@example.test")["null_mailbox"] is False
    audit = t("audit").stdout
    assert "forward_to" in audit and "bob@example.test;x@far.test" in audit
    r = t("change", "account", "alice@example.test", "forward_to=alice@example.test", check=False)
    assert r.returncode == 1 and "is the account itself" in r.stderr
    r = t("change", "account", "alice@example.test", "forward_to=nonsense", check=False)
    assert r.returncode == 1 and "forward_to: 'nonsense'" in r.stderr
    t("change", "account", "alice@example.test", "forward_to=", "keep_copy=yes", "copy_incoming=")
    assert "forward_to" not in t("show", "account", "alice@example.test").stdout
    t("change", "account", "alice@example.test", "forward_to=bob@example.test")
    t("delete", "account", "alice@example.test")
    t("create", "account", "alice@example.test")  # nothing of the former one
    assert "forward_to" not in t("show", "account", "alice@example.test").stdout


def test_forward_with_and_without_copy(s):
    s.tool("change", "account", "alice@example.test", "forward_to=bob@example.test")
    send(s, "alice", body=body(1))
    wait_for("both", lambda: message_count(s, "alice") == message_count(s, "bob") == 1)
    text = newest(s, "bob")
    assert text.startswith(b"Return-Path: <someone@elsewhere.test>\r\n") and b"\r\nDelivered-To: alice@example.test\r\n" in text
    assert text.endswith(body(1)) and b"Delivered-To" not in newest(s, "alice")
    msgid = s.tool_json("events", "name=smtp.message.accepted")["rows"][-1]["fields"]["msgid"]
    assert "forwarded to bob@example.test as message" in s.tool("trace", msgid).stdout
    s.tool("change", "account", "alice@example.test", "keep_copy=no")
    send(s, "alice", body=body(2))
    wait_for("the target", lambda: message_count(s, "bob") == 2)
    assert message_count(s, "alice") == 1
    assert re.search(rf"Message id \w+ to <alice@example\.test>: forwarded to bob@example\.test as \w+", mailflow(s))


def test_copies_in_and_out(s):
    s.tool("change", "account", "alice@example.test", "copy_incoming=bob@example.test", "copy_outgoing=carol@example.test")
    send(s, "alice", body=body(1))
    wait_for("the copy", lambda: message_count(s, "alice") == message_count(s, "bob") == 1)
    submit(s, "alice", ["bob@example.test"], body(2, "bob@example.test"))
    wait_for("the copy", lambda: message_count(s, "carol") == 1)
    wait_for("the message", lambda: message_count(s, "bob") == 2)
    assert newest(s, "carol").endswith(body(2, "bob@example.test"))
    send(s, "bob", sender="alice@example.test", body=body(3))  # no login: nobody has sent it
    wait_for("the message", lambda: message_count(s, "bob") == 3)
    assert message_count(s, "carol") == 1


def test_null_mailbox(s):
    s.tool("change", "account", "alice@example.test", "null_mailbox=yes")
    gone = "550 5.1.1 User alice@example.test has invalid forward set and no mailbox; rejecting"
    assert refusal(s, "alice") == gone
    s.tool("change", "account", "alice@example.test", "forward_to=nobody@example.test")
    assert refusal(s, "alice") == gone
    s.tool("change", "account", "alice@example.test", "forward_to=bob@example.test")
    send(s, "alice", body=body(1))
    wait_for("the target", lambda: message_count(s, "bob") == 1)
    assert message_count(s, "alice") == 0


def test_loop_is_told_to_the_sender(s):
    for a, b in (("alice", "bob"), ("bob", "alice")):
        s.tool("change", "account", f"{a}@example.test", f"forward_to={b}@example.test", "keep_copy=no")
    send(s, "alice", sender="carol@example.test", body=body(1))
    wait_for("the report", lambda: message_count(s, "carol") == 1)
    assert b"554 5.4.6 Mail forwarding loop for alice@example.test" in newest(s, "carol")
    assert message_count(s, "alice") == message_count(s, "bob") == 0
    wait_for("the end", lambda: "no messages" in s.tool("queue").stdout or not s.tool_json("queue")["rows"])


def test_killed_while_it_forwards(s):
    """Each accepted message is once in the mailbox, and once where it was forwarded to."""
    s.tool("change", "account", "alice@example.test", "forward_to=bob@example.test")
    accepted = []
    for n in range(120):
        if n % 30 == 20:
            s.kill("smtp")
        try:
            with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60) as c:
                c.sendmail("x@elsewhere.test", ["alice@example.test"], body(n))
            accepted.append(n)
        except (OSError, smtplib.SMTPException):
            wait_for("the module", lambda: s.pids().get("smtp"))
    assert len(accepted) > 80

    def ids(user):
        c = imap(s, user)
        found = []
        if int(c.select("INBOX")[1][0]):
            found = [int(p[1].split(b"<")[1].split(b"@")[0]) for p in c.fetch("1:*", "(BODY[HEADER.FIELDS (MESSAGE-ID)])")[1] if isinstance(p, tuple)]
        c.logout()
        return found

    wait_for("all deliveries", lambda: set(accepted) <= set(ids("alice")) and set(accepted) <= set(ids("bob")))
    kept, sent = ids("alice"), ids("bob")
    assert all(kept.count(n) == 1 for n in accepted)
    assert all(sent.count(n) == 1 for n in sent), sent


# --- send limits ---


def try_submit(server, user, rcpts):
    """Replies to MAIL and RCPT; sends when all are taken."""
    out = []
    with smtplib.SMTP("127.0.0.1", server.port["submission"], timeout=60) as c:
        c.starttls(context=insecure_tls())
        c.login(server.address(user), PASSWORD)
        code, text = c.mail(server.address(user))
        out.append(f"{code} {text.decode()}")
        for r in rcpts if code == 250 else ():
            code, text = c.rcpt(r)
            out.append(f"{code} {text.decode()}")
        if out[-1].startswith("250"):
            assert c.data(body(1))[0] == 250
    return [o for o in out if not o.startswith("250")]


def test_send_limits(s):
    s.tool("change", "account", "alice@example.test", "max_messages_hour=2", "max_recipients_day=5")
    assert try_submit(s, "alice", ["bob@example.test", "carol@example.test"]) == []
    assert try_submit(s, "alice", ["bob@example.test"]) == []
    assert try_submit(s, "alice", ["bob@example.test"]) == ["450 4.7.1 Account limits apply, try again later"]
    s.tool("change", "account", "alice@example.test", "max_messages_hour=0")
    two = ["bob@example.test", "carol@example.test"]
    assert try_submit(s, "alice", [*two, "bob@example.test"]) == ["450 4.7.1 Account limits apply, try again later"]
    s.tool("set", "smtp.send_limit_permanent", "yes")
    assert try_submit(s, "alice", [*two, "bob@example.test"]) == ["550 5.7.1 We do not relay, account limits apply"]
    assert try_submit(s, "bob", [*two, "bob@example.test"]) == []  # others may
    assert message_count(s, "alice") == 0  # and he still receives
    send(s, "alice", body=body(2))
    wait_for("delivery", lambda: message_count(s, "alice") == 1)
    r = s.tool("change", "account", "alice@example.test", "max_messages_hour=many", check=False)
    assert r.returncode == 1 and "max_messages_hour: 'many' is no number" in r.stderr


def test_the_smallest_send_limit_applies(s):
    """Of account and server, for messages and recipients by hour and day; 0 lifts."""
    refused, two = ["450 4.7.1 Account limits apply, try again later"], ["bob@example.test", "carol@example.test"]
    assert try_submit(s, "alice", ["bob@example.test"]) == []  # no limit: not counted
    s.tool("set", "smtp.max_messages_day", "2")
    assert try_submit(s, "alice", ["bob@example.test"]) == []
    s.tool("change", "account", "alice@example.test", "max_messages_day=1")
    assert try_submit(s, "alice", ["bob@example.test"]) == refused
    s.tool("change", "account", "alice@example.test", "max_messages_day=0")
    assert try_submit(s, "alice", ["bob@example.test"]) == []
    s.tool("change", "account", "alice@example.test", "max_messages_day=5")
    assert try_submit(s, "alice", ["bob@example.test"]) == refused
    s.tool("set", "smtp.max_messages_day", "0")
    s.tool("set", "smtp.max_recipients_hour", "3")
    assert try_submit(s, "alice", two) == refused
    assert try_submit(s, "carol", [*two, "alice@example.test"]) == []
    assert try_submit(s, "carol", ["bob@example.test"]) == refused
    s.tool("change", "account", "alice@example.test", "max_recipients_hour=2")
    s.tool("set", "smtp.max_recipients_hour", "0")
    assert try_submit(s, "alice", ["bob@example.test"]) == refused
    assert try_submit(s, "carol", two) == []


def test_a_restart_forgets_nothing_that_was_sent(s):
    refused = ["450 4.7.1 Account limits apply, try again later"]
    s.tool("change", "account", "alice@example.test", "max_messages_day=1")
    assert try_submit(s, "alice", ["bob@example.test"]) == []
    before = s.pids()["smtp"]
    s.tool("module", "restart", "smtp")
    wait_for("the new module", lambda: s.pids().get("smtp") not in (None, before))
    assert try_submit(s, "alice", ["bob@example.test"]) == refused
    assert try_submit(s, "carol", ["bob@example.test"]) == []


def test_what_is_above_a_send_limit_is_held(s):
    """It waits with its reason, over a restart too, until somebody decides; and not without an end."""
    def queue():
        return s.tool_json("queue")["rows"]

    def held(n):
        return wait_for(f"{n} held", lambda: (q := queue()) and len(q) == n and all(m["state"] == "held" for m in q) and q)

    s.tool("change", "account", "alice@example.test", "max_messages_hour=1", "max_recipients_day=2")
    s.tool("set", "smtp.over_limit", "hold")
    s.tool("set", "smtp.over_limit_max", "2")
    assert try_submit(s, "alice", ["bob@example.test"]) == []
    assert try_submit(s, "alice", ["bob@example.test"]) == []
    s.tool("change", "account", "alice@example.test", "max_messages_hour=0")
    assert try_submit(s, "alice", ["bob@example.test", "carol@example.test"]) == []
    reasons = sorted(m["answer"] for m in held(2))
    assert reasons == [f"450 4.7.1 Over account {limit}, held for an administrator" for limit in ("max_messages_hour=1", "max_recipients_day=2")]
    assert "account max_messages_hour=1 holds the message" in s.tool("events", "name=queue.held").stdout
    wait_for("the first one", lambda: message_count(s, "bob") == 1)
    refused = ["450 4.7.1 Account limits apply, try again later"]
    assert try_submit(s, "alice", ["bob@example.test"]) == refused  # two are held
    s.kill("smtp")
    s.wait_port(s.port["submission"])
    two = held(2)
    s.tool("change", "account", "alice@example.test", "max_recipients_day=1")
    assert try_submit(s, "alice", ["bob@example.test", "carol@example.test"]) == refused
    by_hour = next(m for m in two if "max_messages_hour" in m["answer"])
    other = next(m for m in two if m is not by_hour)
    s.tool("queue", "release", by_hour["id"])
    wait_for("the released one", lambda: message_count(s, "bob") == 2)
    held(1)
    assert try_submit(s, "alice", ["bob@example.test", "carol@example.test"]) == []  # there is room again
    s.tool("queue", "bounce", other["id"])
    wait_for("the notice", lambda: message_count(s, "alice") == 1)
    assert message_count(s, "bob") == 2 and message_count(s, "carol") == 0


def test_a_domain_limits_what_its_accounts_send(s):
    """Each of them: the smallest of account, domain and server applies, and the log says whose it was; 0 lifts."""
    refused, two = ["550 5.7.1 We do not relay, account limits apply"], ["bob@example.test", "carol@example.test"]
    s.tool("set", "smtp.send_limit_permanent", "yes")
    s.tool("set", "smtp.max_messages_day", "10")
    s.tool("change", "domain", "example.test", "max_messages_day=2", "max_recipients_hour=3")
    s.tool("change", "account", "alice@example.test", "max_messages_day=1")
    assert try_submit(s, "alice", ["bob@example.test"]) == []
    assert try_submit(s, "alice", ["bob@example.test"]) == refused
    s.tool("change", "account", "alice@example.test", "max_messages_day=1000")
    assert try_submit(s, "alice", ["bob@example.test"]) == []
    assert try_submit(s, "alice", ["bob@example.test"]) == refused
    s.tool("change", "domain", "example.test", "max_messages_day=0")
    s.tool("set", "smtp.max_messages_day", "3")
    assert try_submit(s, "alice", two) == refused  # a fourth recipient
    assert try_submit(s, "alice", ["bob@example.test"]) == []
    assert try_submit(s, "alice", ["bob@example.test"]) == refused
    assert try_submit(s, "bob", two) == []  # the others have sent nothing yet
    whose = ("account max_messages_day=1", "domain max_messages_day=2", "domain max_recipients_hour=3", "server max_messages_day=3")
    assert s.tool("events", "name=smtp.limit.reached").stdout.count("alice@example.test may not send more now: ") == len(whose)
    for limit in whose:
        assert f"alice@example.test may not send more now: {limit}" in s.tool("events", "name=smtp.limit.reached").stdout, limit


def test_a_domain_limits_what_it_sends_as_a_whole(s):
    """All accounts together, over a restart, too; other domains are not meant."""
    refused = ["450 4.7.1 Account limits apply, try again later"]
    s.tool("change", "domain", "example.test", "total_messages_hour=2", "total_recipients_day=10")
    s.tool("create", "domain", "other.test")
    s.tool("create", "account", "dora@other.test", f"password={PASSWORD}")
    assert try_submit(s, "alice", ["bob@example.test"]) == []
    assert try_submit(s, "bob", ["alice@example.test"]) == []
    assert try_submit(s, "carol", ["alice@example.test"]) == refused
    before = s.pids()["smtp"]
    s.tool("module", "restart", "smtp")
    wait_for("the new module", lambda: s.pids().get("smtp") not in (None, before))
    assert try_submit(s, "carol", ["alice@example.test"]) == refused
    with smtplib.SMTP("127.0.0.1", s.port["submission"], timeout=60) as c:
        c.starttls(context=insecure_tls())
        c.login("dora@other.test", PASSWORD)
        assert c.sendmail("dora@other.test", ["alice@example.test"], body(3)) == {}
    assert "carol@example.test may not send more now: domain total_messages_hour=2" in s.tool("events", "name=smtp.limit.reached").stdout
    s.tool("change", "domain", "example.test", "total_messages_hour=0")
    everybody = [f"{u}@example.test" for u in ("alice", "bob", "carol")]
    assert try_submit(s, "carol", everybody) == []
    assert try_submit(s, "alice", everybody) == []
    assert try_submit(s, "bob", everybody) == refused  # an eleventh recipient
    assert try_submit(s, "bob", everybody[:2]) == []
    assert try_submit(s, "alice", everybody[:1]) == refused


def test_a_domain_admin_cannot_raise_the_limits_of_his_domain(s):
    """Neither by the domain, nor by what he may change: its accounts."""
    s.tool("change", "domain", "example.test", "max_messages_day=1", "total_messages_day=2", "total_quota=1GB")
    s.tool("create", "account", "boss@example.test", f"password={PASSWORD}", "role=domain-admin", "admin_domains=example.test")
    boss = Client(s, token=s.tool("create", "token", "boss@example.test", "t", "scopes=directory:read directory:write").stdout.strip())
    for limit in ("max_messages_day", "total_messages_day", "total_quota"):
        a = boss.call("PATCH", "/domains/example.test", {limit: 0})
        assert a.status == 403, a.body
        assert boss.get("/domains/example.test").json()[limit] > 0
    assert boss.call("PATCH", "/accounts/alice@example.test", {"max_messages_day": 1000}).status == 200
    refused = ["450 4.7.1 Account limits apply, try again later"]
    assert try_submit(s, "alice", ["bob@example.test"]) == []
    assert try_submit(s, "alice", ["bob@example.test"]) == refused
    assert try_submit(s, "carol", ["bob@example.test"]) == []
    assert try_submit(s, "boss", ["bob@example.test"]) == refused


def test_what_is_above_the_limit_of_a_domain_is_held(s):
    s.tool("change", "domain", "example.test", "total_messages_day=1")
    s.tool("set", "smtp.over_limit", "hold")
    assert try_submit(s, "alice", ["carol@example.test"]) == []
    assert try_submit(s, "bob", ["carol@example.test"]) == []
    held = wait_for("the held one", lambda: [m for m in s.tool_json("queue")["rows"] if m["state"] == "held"])
    assert [m["answer"] for m in held] == ["450 4.7.1 Over domain total_messages_day=1, held for an administrator"]
    wait_for("the first one", lambda: message_count(s, "carol") == 1)
    s.tool("queue", "release", held[0]["id"])
    wait_for("the second one", lambda: message_count(s, "carol") == 2)


def test_smallest_size_limit_applies(s):
    """Server 10 MB, domain 5 MB, account 1 MB; 0 lifts."""
    def largest():
        with smtplib.SMTP("127.0.0.1", s.port["submission"], timeout=60) as c:
            c.starttls(context=insecure_tls())
            c.login(s.address("alice"), PASSWORD)
            taken = []
            for mb in (1, 2, 6, 11):
                if c.docmd(f"MAIL FROM:<alice@example.test> SIZE={mb * 1000000 - 1}")[0] == 250:
                    taken.append(mb)
                    c.rset()
        return taken[-1]

    s.tool("set", "smtp.max_message_size", "10MB")
    s.tool("change", "domain", "example.test", "max_message=5MB")
    s.tool("change", "account", "alice@example.test", "max_message=1MB")
    assert largest() == 1
    s.tool("change", "account", "alice@example.test", "max_message=0")
    assert largest() == 2
    s.tool("change", "domain", "example.test", "max_message=0")
    assert largest() == 6
    s.tool("set", "smtp.max_message_size", "0")
    assert largest() == 11


# --- the quota of a domain ---

FULL = "452 4.2.2 Mailbox has exceeded the limit"


def used(server):
    return next(d["used"] for d in server.tool_json("list", "domains")["rows"] if d["domain"] == "example.test")


def fill(server, user, n, size=20000):
    """Delivers that many messages of this size."""
    before = message_count(server, user)
    for i in range(n):
        send(server, user, body=body(i) + b"x" * size + b"\r\n")
    wait_for("delivery", lambda: message_count(server, user) == before + n)


def expunge(server, user, which="1:*"):
    c = imap(server, user)
    c.select("INBOX")
    c.store(which, "+FLAGS", "(\\Deleted)")
    c.expunge()
    c.logout()


def inbox_size(server, user):
    c = imap(server, user)
    n = int(c.select("INBOX")[1][0])
    sizes = c.fetch("1:*", "(RFC822.SIZE)")[1] if n else []
    c.logout()
    return sum(int(re.search(rb"RFC822.SIZE (\d+)", x)[1]) for x in sizes)


def all_inboxes(server):
    return sum(inbox_size(server, u) for u in ("alice", "bob", "carol"))


def announced(server, users, size):
    """Replies to RCPT for a message of that size."""
    with smtplib.SMTP("127.0.0.1", server.port["smtp"], timeout=60) as c:
        c.ehlo("client.test")
        assert c.docmd(f"MAIL FROM:<x@elsewhere.test> SIZE={size}")[0] == 250
        return {b" ".join((b"%d" % code, text)).decode() for code, text in (c.rcpt(f"{u}@example.test") for u in users)}


def test_quota_of_a_domain(s):
    """What was there before counts, all mailboxes together; the refusals of a full mailbox; deleting makes room."""
    everybody = ("alice", "bob", "carol")
    fill(s, "alice", 2)
    assert used(s) is None
    s.tool("change", "domain", "example.test", "total_quota=100KB")
    assert used(s) == all_inboxes(s) > 40000
    fill(s, "bob", 2)
    assert used(s) == all_inboxes(s) > 80000
    assert announced(s, everybody, 30000) == {FULL}
    assert not any("Mailbox" in reply for reply in announced(s, everybody, 10000))
    s.tool("set", "smtp.full_mailbox_permanent", "yes")
    assert announced(s, everybody, 30000) == {"552 5.2.2 Mailbox has exceeded the limit"}
    c = imap(s, "bob")
    c.select("INBOX")
    for answer in (c.append("INBOX", "", None, body(1) + b"x" * 20000), c.copy("1", "Trash")):
        assert answer[0] == "NO" and b"[OVERQUOTA]" in answer[1][0], answer
    assert c._simple_command("MOVE", "1", "Trash")[0] == "OK"  # takes no room
    c.logout()
    before, freed = used(s), inbox_size(s, "alice")
    expunge(s, "alice")
    assert used(s) == before - freed
    fill(s, "carol", 1)
    assert used(s) == before - freed + inbox_size(s, "carol")
    s.tool("delete", "account", "alice@example.test")
    s.tool("delete", "account", "bob@example.test")
    assert used(s) == inbox_size(s, "carol") > 20000


def test_mail_above_the_quota_of_a_domain_comes_back(s):
    """When RCPT could not know: without SIZE it was taken, and the delivery has the last word."""
    s.tool("change", "domain", "example.test", "total_quota=30KB")
    s.tool("create", "domain", "other.test")
    s.tool("create", "account", "dora@other.test", f"password={PASSWORD}")
    fill(s, "alice", 1)
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60) as c:
        c.ehlo("client.test")
        c.mail("dora@other.test")
        assert c.rcpt("carol@example.test")[0] == 250
        assert c.data(body(7) + b"x" * 20000)[0] == 250
    c = imaplib.IMAP4("127.0.0.1", s.port["imap"])
    c.login("dora@other.test", PASSWORD)
    wait_for("the bounce", lambda: c.select("INBOX")[1][0] == b"1")
    assert b"552 5.2.2 Mailbox has exceeded the limit" in c.fetch("1", "(BODY[])")[1][0][1]
    c.logout()
    assert message_count(s, "carol") == 0


def test_the_quota_of_a_domain_outlives_its_processes(s):
    """Whatever is killed, and whenever: what is counted is what is there."""
    s.tool("change", "domain", "example.test", "total_quota=1MB")
    for round in range(3):
        for user in ("alice", "bob"):
            for i in range(3):
                send(s, user, body=body(f"{round}-{i}"))
        s.kill("smtp")
        c = imap(s, "alice")
        c.select("INBOX")
        c.append("INBOX", "", None, body(99))
        s.kill("access")
        s.wait_port(s.port["smtp"])
        s.wait_port(s.port["imap"])
        for user in ("alice", "bob"):
            wait_for("deliveries", lambda: message_count(s, user) >= 3 * (round + 1))
        wait_for("the count", lambda: used(s) == all_inboxes(s))
    s.stop()
    s.start()
    assert used(s) == all_inboxes(s) > 0
    s.stop()
    (s.data / "mail/_usage/example.test").unlink()  # as if it had been lost: modules that start count
    s.start()
    wait_for("the count", lambda: used(s) == all_inboxes(s))
    s.tool("change", "domain", "example.test", f"total_quota={used(s)}")
    assert refusal(s, "carol") == FULL
    expunge(s, "alice", "1")
    assert refusal(s, "carol") is None
    s.tool("create", "account", "root@example.test", "role=system-admin", f"password={PASSWORD}")
    root = Client(s, token=s.tool("create", "token", "root@example.test", "t").stdout.strip())
    assert root.get("/domains/example.test/usage").json()["used"] == used(s) == root.rows("/domains")[0]["used"]


# --- automatic replies ---


def test_auto_reply(s):
    t = s.tool
    t("change", "account", "alice@example.test", "name=Alice A", "auto_reply=I am away.\nFor long.", "auto_reply_until=2999-12-31")
    send(s, "alice", sender="bob@example.test", body=body(1))
    wait_for("the reply", lambda: message_count(s, "bob") == 1)
    text = newest(s, "bob").decode()
    assert text.startswith("Return-Path: <>\r\n")
    for field in ('From: "Alice A" <alice@example.test>', "To: <bob@example.test>", "Subject: Auto: m1", "Auto-Submitted: auto-replied (vacation)",
                  "In-Reply-To: <1@elsewhere.test>", "X-Auto-Response-Suppress: All"):
        assert f"\r\n{field}\r\n" in text, field
    assert text.endswith("\r\n\r\nI am away.\r\nFor long.\r\n")
    assert message_count(s, "alice") == 1
    # Once per sender and period; never to programs and lists, or when somebody else was meant.
    send(s, "alice", sender="bob@example.test", body=body(2))
    for n, more in ((3, "Auto-Submitted: auto-generated\r\n"), (4, "List-Id: <x.elsewhere.test>\r\n"), (5, "Precedence: bulk\r\n")):
        send(s, "alice", sender="carol@example.test", body=body(n, more=more))
    send(s, "alice", sender="carol@example.test", body=body(6, to="others@elsewhere.test"))
    send(s, "alice", sender="", body=body(7))
    wait_for("all", lambda: message_count(s, "alice") == 7)
    log = wait_for("the reasons", lambda: (lambda x: x if x.count("automatic reply not sent: ") == 6 else None)(mailflow(s)))
    for why in ("the sender has had this reply not long ago", "comes from a mailing list", "has the null sender", "Auto-Submitted", "not named as a recipient"):
        assert why in log, why
    assert message_count(s, "bob") == 1 and message_count(s, "carol") == 0
    # 0 days: each message; with a subject of its own; also when mail is only forwarded.
    t("change", "account", "alice@example.test", "auto_reply_days=0", "auto_reply_subject=Away", "forward_to=bob@example.test", "keep_copy=no")
    send(s, "alice", sender="carol@example.test", body=body(8))
    send(s, "alice", sender="carol@example.test", body=body(9))
    wait_for("the replies", lambda: message_count(s, "carol") == 2)
    assert b"\r\nSubject: Away\r\n" in newest(s, "carol")
    wait_for("forwarded", lambda: message_count(s, "bob") == 3)


def test_auto_reply_by_day(s):
    t = s.tool
    t("change", "account", "alice@example.test", "auto_reply=Away", "auto_reply_from=2999-01-01")
    send(s, "alice", sender="bob@example.test", body=body(1))
    wait_for("delivery", lambda: message_count(s, "alice") == 1)
    t("change", "account", "alice@example.test", "auto_reply_from=", "auto_reply_until=2001-01-01")
    send(s, "alice", sender="bob@example.test", body=body(2))
    wait_for("delivery", lambda: message_count(s, "alice") == 2)
    t("change", "account", "alice@example.test", "auto_reply_from=2001-01-01", "auto_reply_until=2999-01-01")
    send(s, "alice", sender="bob@example.test", body=body(3))
    wait_for("the reply", lambda: message_count(s, "bob") == 1)
    assert b"\r\nSubject: Auto: m3\r\n" in newest(s, "bob")
    for value in ("auto_reply_from=tomorrow", "auto_reply_until=2026-13-01", "auto_reply_until=2026-1-1"):
        r = t("change", "account", "alice@example.test", value, check=False)
        assert r.returncode == 1 and "write it as 2026-03-12" in r.stderr


def test_old_mail_is_forwarded_after_midnight(s):
    """Older than the limit only, and not on the day of the first start. Midnight is made: the last run moves to the day before."""
    s.tool("change", "account", s.address("alice"), f"forward_older_to={s.address('bob')}", "forward_older_days=20")
    c = imap(s, "alice")
    for days in (19, 0, 21):
        assert c.append("INBOX", None, imaplib.Time2Internaldate(time.time() - days * 86400), f"Subject: {days}-days\r\n\r\ntext\r\n".encode())[0] == "OK"
    c.logout()
    db = sqlite3.connect(s.data / "config" / "system.db", timeout=30, isolation_level=None)
    wait_for("the first look", lambda: db.execute("SELECT done_ms FROM job WHERE name = 'forward_older'").fetchall(), timeout=90, interval=0.2)
    assert message_count(s, "bob") == 0
    assert db.execute("UPDATE job SET done_ms = done_ms - 86400000 WHERE name = 'forward_older'").rowcount == 1
    db.close()
    wait_for("old mail at bob's", lambda: message_count(s, "bob") and not s.tool_json("queue")["rows"], timeout=90, interval=0.2)
    assert subjects(inbox(s, "bob")) == ["21-days"]
    assert message_count(s, "alice") == 3
