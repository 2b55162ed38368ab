"""Lists of senders that are kept out or let in: what SMTP makes of them, of the server and of domains; filling them from the queue;
the same by the API."""
import pytest
from api import Client
from conftest import PASSWORD, wait_for
from test_filters import count
from wire import Smtp

BODY = b"Subject: x\r\n\r\nHello\r\n"
REFUSED = "5.7.1 Message cannot be accepted, rules rejection"


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
    assert REFUSED in str(rcpt(s, "x@mail.spam.test", "alice@example.test", 554))
    rcpt(s, "x@mail.spam.test", "dora@other.test", 250)
    rcpt(s, "x@ham.test", "alice@example.test", 250)
    rcpt(s, "", "alice@example.test", 250)
    # Each recipient for himself, in one transaction.
    with Smtp(s.port["smtp"]) as c:
        c.command("MAIL FROM:<x@spam.test>", 250)
        c.command("RCPT TO:<dora@other.test>", 250)
        c.command("RCPT TO:<alice@example.test>", 554)
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
    rcpt(s, "carol@example.test", "alice@example.test", 554)
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
    rcpt(s, "two@news.test", "alice@example.test", 554)
    rcpt(s, "three@other-news.test", "alice@example.test", 250)
    s.tool("queue", "allow-sender", "all=yes")
    assert {rows(s)[f"{n}"] for n in ("one@news.test", "two@news.test", "three@other-news.test")} == {"allow"}
    rcpt(s, "two@news.test", "alice@example.test", 250)
    assert len([r for r in s.tool_json("queue")["rows"] if "news" in r["sender"]]) == 4  # the messages stay
    r = s.tool("queue", "deny-sender", "AAA00000", check=False)
    assert r.returncode == 1 and "the queue has no such message" in r.stderr
    assert "all=yes" in s.tool("queue", "deny-sender", check=False).stderr


def client(s, address, *words):
    s.tool("create", "account", address, *words)
    return Client(s, token=s.tool("create", "token", address, "tests").stdout.strip())


@pytest.fixture(scope="module")
def root(box):
    return client(box, "root@example.test", "role=system-admin")


@pytest.fixture(scope="module")
def dora(box):
    """Administers one domain."""
    return client(box, "dora-admin@other.test", "role=domain-admin", "admin_domains=other.test")


def listed(who, **query):
    return {(r["owner"], r["sender"]): r["verdict"] for r in who.rows("/sender-lists", **query)}


def done(who, body):
    """The end of an action on the queue."""
    a = who.call("POST", "/queue/outgoing/messages/actions", body)
    assert a.status == 202, a.body
    path = f"/operations/{a.json()['id']}"
    return wait_for("its end", lambda: (lambda o: o if o["state"] == "done" else None)(who.get(path).json()))


def test_by_the_api(box, root, dora):
    for owner in ("server", "other.test"):
        made = root.call("PUT", f"/sender-lists/{owner}/Api-Spam.Test", {"verdict": "deny"})
        assert made.status == 200 and (made.json()["owner"], made.json()["sender"], made.json()["changed_by"]) == (owner, "api-spam.test", "root@example.test")
    assert listed(root, q="api-spam") == {("server", "api-spam.test"): "deny", ("other.test", "api-spam.test"): "deny"}
    assert listed(root, q="api-spam", owner="other.test") == {("other.test", "api-spam.test"): "deny"} == listed(dora, q="api-spam")
    assert listed(root, q="api-spam", verdict="allow") == {}
    assert dora.call("PUT", "/sender-lists/server/api-spam.test", {"verdict": "allow"}).status == 403
    assert dora.call("PUT", "/sender-lists/example.test/api-spam.test", {"verdict": "allow"}).status == 404
    assert dora.get("/sender-lists/server/api-spam.test").status == 403
    assert dora.call("PUT", "/sender-lists/other.test/api-spam.test", {"verdict": "allow"}).json()["verdict"] == "allow"
    rcpt(box, "x@api-spam.test", "dora@other.test", 250)
    rcpt(box, "x@api-spam.test", "alice@example.test", 554)
    page, names = {"limit": 1, "q": "api-spam"}, []
    while page.get("cursor", "first"):
        a = root.get("/sender-lists", **page).json()
        names += [r["owner"] for r in a["items"]]
        page["cursor"] = a["next_cursor"]
    assert names == ["server", "other.test"]
    wrong = root.call("PUT", "/sender-lists/server/a%20b@", {"verdict": "deny"})
    assert wrong.status == 422 and "no address and no domain" in wrong.json()["detail"]
    for owner in ("server", "other.test"):
        assert root.call("DELETE", f"/sender-lists/{owner}/api-spam.test").status == 204
        assert root.get(f"/sender-lists/{owner}/api-spam.test").status == 404
    assert root.call("DELETE", "/sender-lists/server/api-spam.test").status == 404
    assert {r["new"] for r in root.rows("/audit", object="domain other.test")} >= {"deny", "allow"}


def test_senders_of_the_queue_by_the_api(box, root, dora):
    s = box
    with Smtp(s.port["submission"]) as c:
        c.login("carol@example.test")
        c.envelope("carol@example.test", "far-a@api-away.test")
        c.data(BODY)
        c.quit()
    with Smtp(s.port["smtp"]) as c:
        for n, sender in enumerate(("one@api-news.test", "two@api-news.test", "")):
            c.envelope(sender, f"far{n}@api-away.test")
            c.data(BODY)
        c.quit()
    rows = {r["sender"]: r for r in wait_for("the messages", lambda: (lambda r: r if len(r) == 4 else None)(root.rows("/queue/outgoing/messages", destination="api-away.test")))}
    assert {"deny_sender", "allow_sender"} <= set(rows["one@api-news.test"]["actions"]) and "deny_sender" not in rows[""]["actions"]
    end = done(root, {"action": "deny_sender", "ids": [rows["one@api-news.test"]["id"]]})
    assert (end["done"], end["failed"]) == (1, 0), end
    assert listed(root, q="@api-news") == {("server", "one@api-news.test"): "deny"}
    end = done(root, {"action": "allow_sender", "filter": {"destination": "api-away.test"}, "owner": "other.test"})
    assert (end["done"], end["failed"]) == (4, 0), end
    assert listed(root, owner="other.test", q="@api-news") == {("other.test", "one@api-news.test"): "allow", ("other.test", "two@api-news.test"): "allow"}
    assert len(root.rows("/queue/outgoing/messages", destination="api-away.test")) == 4  # the messages stay
    post = lambda who, **body: who.call("POST", "/queue/outgoing/messages/actions", body)  # noqa: E731
    assert post(root, action="delete", filter={"sender": "x@nobody.test"}, owner="server").status == 422
    assert post(root, action="deny_sender", filter={"sender": "x@nobody.test"}, owner="nowhere.test").status == 404
    # A domain's administrator: what he sees of the queue, into the list of his domain.
    assert post(dora, action="deny_sender", filter={}, owner="server").status == 403
    assert post(dora, action="deny_sender", filter={}, owner="example.test").status == 404
    before = listed(root)
    done(dora, {"action": "deny_sender", "filter": {"destination": "api-away.test"}})
    assert listed(root) == before
    with Smtp(s.port["submission"]) as c:
        c.login("dora@other.test")
        c.envelope("dora@other.test", "far@api-away.test")
        c.data(BODY)
        c.quit()
    wait_for("the message", lambda: dora.rows("/queue/outgoing/messages", destination="api-away.test"))
    assert done(dora, {"action": "deny_sender", "filter": {"destination": "api-away.test"}})["done"] == 1
    assert {k: v for k, v in listed(root).items() if k not in before} == {("other.test", "dora@other.test"): "deny"}
    only = Client(s, token=root.call("POST", "/tokens", {"name": "queue only", "scopes": ["queue:read", "queue:write"]}).json()["token"])
    assert post(only, action="deny_sender", filter={}).status == 403
    # What is held back for a while can be taken back.
    a = post(root, action="deny_sender", filter={"sender": "carol@"}, undo_seconds=300)
    assert root.call("POST", f"/operations/{a.json()['id']}/undo", ...).status == 200
    assert ("server", "carol@example.test") not in {k for k in listed(root) if k not in before}


def test_the_administrator_of_two_domains_names_one(box):
    s = box
    s.tool("create", "domain", "third.test")
    pia = client(s, "pia@third.test", "role=domain-admin", "admin_domains=third.test;other.test")
    body = {"action": "deny_sender", "filter": {"sender": "nobody@"}}
    wrong = pia.call("POST", "/queue/outgoing/messages/actions", body)
    assert wrong.status == 422 and wrong.json()["fields"][0]["name"] == "owner"
    assert pia.call("POST", "/queue/outgoing/messages/actions", {**body, "owner": "third.test"}).status == 202
