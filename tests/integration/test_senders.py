"""Lists of senders that are kept out or let in: what SMTP makes of them, of the server and of domains; filling them from the queue."""
import pytest
from conftest import PASSWORD, wait_for
from test_filters import count
from wire import Smtp

BODY = b"Subject: x\r\n\r\nHello\r\n"
REFUSED = "5.7.1 This sender is not accepted here"


@pytest.fixture(scope="module")
def box(make_module_server):
    s = make_module_server(settings={"deliver.relay_host": "127.0.0.1:1", "queue.retry_schedule": "1h", "net.trusted_ips": "127.0.0.1", "web.console_path": "/nonexistent"}, start=False)
    s.tool("create", "domain", "other.test")
    s.tool("create", "account", "dora@other.test", f"password={{PLAIN}}{PASSWORD}")
    return s.start()


def rcpt(server, sender, to, code):
    with Smtp(server.port["smtp"]) as c:
        c.command(f"MAIL FROM:<{sender}>", 250)
        reply = c.command(f"RCPT TO:<{to}>", code)
        c.quit()
    return reply


def rows(server, *owner):
    return {r["sender"]: r["verdict"] for r in server.tool_json("senders", "list", *owner)["rows"]}


def test_kept_out_and_let_in(box):
    s = box
    s.tool("senders", "deny", "spam.test")
    s.tool("senders", "allow", "spam.test", "owner=other.test")
    assert (rows(s), rows(s, "other.test")) == ({"spam.test": "deny"}, {"spam.test": "allow"})
    assert REFUSED in str(rcpt(s, "x@mail.spam.test", "alice@example.test", 550))
    rcpt(s, "x@mail.spam.test", "dora@other.test", 250)
    rcpt(s, "x@ham.test", "alice@example.test", 250)
    rcpt(s, "", "alice@example.test", 250)
    # Each recipient for himself, in one transaction.
    with Smtp(s.port["smtp"]) as c:
        c.command("MAIL FROM:<x@spam.test>", 250)
        c.command("RCPT TO:<dora@other.test>", 250)
        c.command("RCPT TO:<alice@example.test>", 550)
        c.data(BODY)
        c.quit()
    wait_for("the delivery", lambda: s.tool_json("events", "name=delivery.local.done", "address=dora@other.test")["rows"])
    assert count(s, "alice") == 0
    assert any(REFUSED in e["fields"]["reply"] for e in s.tool_json("events", "name=smtp.rcpt.refused")["rows"])
    s.tool("senders", "allow", "good@spam.test")
    rcpt(s, "good@spam.test", "alice@example.test", 250)
    s.tool("senders", "remove", "spam.test")
    rcpt(s, "x@spam.test", "alice@example.test", 250)
    assert "no address and no domain" in s.tool("senders", "deny", "a b@", check=False).stderr
    assert "spam.test" in s.tool("audit").stdout


def test_who_has_logged_in_is_not_asked(box):
    s = box
    s.tool("senders", "deny", "carol@example.test")
    rcpt(s, "carol@example.test", "alice@example.test", 550)
    with Smtp(s.port["submission"]) as c:
        c.login("carol@example.test")
        c.envelope("carol@example.test", "bob@example.test")
        c.data(BODY)
        c.quit()
    wait_for("the delivery", lambda: count(s, "bob") == 1)


def test_from_the_queue(box):
    s = box
    with Smtp(s.port["smtp"]) as c:
        for n, sender in enumerate(("one@news.test", "two@news.test", "two@news.test", "three@other-news.test")):
            c.envelope(sender, f"far{n}@away.test")
            c.data(BODY)
        c.quit()
    queued = wait_for("the messages", lambda: [r for r in s.tool_json("queue")["rows"] if "news" in r["sender"]])
    assert len(queued) == 4
    first = next(r for r in queued if r["sender"] == "one@news.test")
    assert "1 senders of 1 messages, 1 of them new in the list" in s.tool("queue", "deny-sender", first["id"]).stdout
    assert rows(s)["one@news.test"] == "deny"
    done = s.tool_json("queue", "deny-sender", "sender=@news.test")
    assert (done["messages"], done["count"], sorted(done["senders"])) == (3, 1, ["one@news.test", "two@news.test"])
    rcpt(s, "two@news.test", "alice@example.test", 550)
    rcpt(s, "three@other-news.test", "alice@example.test", 250)
    s.tool("queue", "allow-sender", "all=yes")
    assert {rows(s)[f"{n}"] for n in ("one@news.test", "two@news.test", "three@other-news.test")} == {"allow"}
    rcpt(s, "two@news.test", "alice@example.test", 250)
    assert len([r for r in s.tool_json("queue")["rows"] if "news" in r["sender"]]) == 4  # the messages stay
    r = s.tool("queue", "deny-sender", "AAA00000", check=False)
    assert r.returncode == 1 and "the queue has no such message" in r.stderr
    assert "all=yes" in s.tool("queue", "deny-sender", check=False).stderr
