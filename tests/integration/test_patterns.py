"""Named patterns: made, used by aliases, changed and deleted without a restart."""
import smtplib

import pytest

from api import Client
from conftest import wait_for
from test_accounts import body
from test_basics import message_count


@pytest.fixture
def s(make_server):
    return make_server()


def rcpt(s, address):
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60) as c:
        c.ehlo("client.test")
        c.mail("x@elsewhere.test")
        return c.rcpt(address)[0]


def test_aliases_with_patterns(s):
    t = s.tool
    assert rcpt(s, "sales-1@example.test") == 550
    t("create", "pattern", "Sales", "items=sales-*@example.test;offers")
    t("create", "alias", "[Sales]@example.test", "targets=bob@example.test")
    t("change", "account", "alice@example.test", "aliases=ally;[Sales]")
    assert {r["name"]: r["items"] for r in s.tool_json("list", "patterns")["rows"]} == {"[sales]": "sales-*@example.test\noffers"}
    assert "[sales]@example.test" in t("list", "aliases").stdout
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60) as c:
        c.sendmail("x@elsewhere.test", ["Sales-1@example.test"], body(1))
    wait_for("both", lambda: message_count(s, "alice") == message_count(s, "bob") == 1)
    assert message_count(s, "carol") == 0
    assert rcpt(s, "nothing@example.test") == 550 and rcpt(s, "best-offers@example.test") == 250
    t("change", "pattern", "[sales]", "items=nothing")
    assert rcpt(s, "nothing@example.test") == 250 and rcpt(s, "sales-1@example.test") == 550
    for words, part in ((("delete", "pattern", "sales"), "is used by '[sales]@example.test'"),
                        (("create", "pattern", "x", "items=[none]"), "pattern '[none]' does not exist"),
                        (("change", "pattern", "sales", "items=[sales]"), "would contain itself"),
                        (("create", "pattern", "x y", "items=a"), "letters, digits"),
                        (("create", "alias", "[none]@example.test", "targets=bob@example.test"), "pattern '[none]' does not exist")):
        r = t(*words, check=False)
        assert r.returncode == 1 and part in r.stderr, r.stderr
    t("delete", "alias", "[sales]@example.test")
    t("delete", "pattern", "sales")
    assert rcpt(s, "nothing@example.test") == 550
    assert "pattern [sales]" in t("audit").stdout


def test_what_stands_for_an_address(make_server):
    s = make_server(settings={"web.console_path": "/nonexistent"}, start=False)
    s.tool("create", "account", "root@example.test", "role=system-admin")
    root = Client(s, "root", token=s.tool("create", "token", "root@example.test", "t").stdout.strip())
    s.start()
    wait_for("the web server", lambda: root.get("/me").status == 200)
    for name, items in (("staff", ["alice@", "bob@"]), ("all", ["[staff]", "sales-*@example.test"]), ("none", ["nobody@"])):
        assert root.call("PUT", f"/patterns/{name}", {"items": items}).status == 200

    def fit(address):
        return [r["name"] for r in root.rows("/patterns", address=address)]

    assert fit("Alice@Example.test") == ["all", "staff"] and fit("sales-7@example.test") == ["all"] and fit("x@example.test") == []
    assert [r["name"] for r in root.rows("/patterns", address="bob@example.test", q="sales")] == ["all"]
    assert [r["name"] for r in root.rows("/patterns", address="bob@example.test", limit=1)] == ["all", "staff"]
    for wrong in ("alice", "a b@", "@@@"):
        a = root.get("/patterns", address=wrong)
        assert (a.status, a.field()) == (422, "address")
    a = root.call("PUT", "/patterns/no%20name", {"items": ["x"]})
    assert (a.status, a.field()) == (422, "name")
    a = root.call("PUT", "/patterns/new", {"items": ["[missing]"]})
    assert (a.status, a.field()) == (422, "items")
    assert root.call("DELETE", "/patterns/staff", ...).status == 409
