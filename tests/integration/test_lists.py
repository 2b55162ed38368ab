"""Mailing lists and groups: who may post, what members get, where reports go, crashes, ten thousand members."""
import re
import smtplib
import time

import pytest

from api import Client
from conftest import PASSWORD, SANITIZED, wait_for
from test_accounts import body, mailflow, newest, refusal
from test_basics import imap, message_count, send

LIST = "dev@example.test"


@pytest.fixture
def s(make_server):
    s = make_server()
    s.tool("create", "account", LIST, "kind=list", "name=Developers", "list_owner=carol@example.test")
    s.tool("change", "members", LIST, "add=alice@example.test;bob@example.test")
    return s


def test_members_by_the_tool(s):
    t = s.tool
    listed = t("list", "members", LIST).stdout
    assert "alice@example.test" in listed and "bob@example.test" in listed
    t("import", "members", LIST, "members=-", input="# all of them\r\nx@far.test\nalice@example.test # Ann\n\nX@FAR.test\n")
    assert [r["address"] for r in s.tool_json("list", "members", LIST)["rows"]] == ["alice@example.test", "x@far.test"]
    assert "2 members (1 added: x@far.test; 1 removed: bob@example.test)" in t("audit").stdout
    t("change", "members", LIST, "remove=x@far.test")
    for words, part in ((("change", "members", LIST, "add=nonsense"), "members: 'nonsense'"),
                        (("change", "members", LIST, "add=" + LIST), "is the list itself"),
                        (("change", "members", LIST, "remove=x@far.test"), "is no member"),
                        (("change", "members", "alice@example.test", "add=x@far.test"), "set kind to list or group first"),
                        (("change", "account", LIST, "kind=lists"), "'lists' is none of user|list|group")):
        r = t(*words, check=False)
        assert r.returncode == 1 and part in r.stderr, r.stderr
    t("delete", "account", LIST)
    t("create", "account", LIST, "kind=list")
    assert s.tool_json("list", "members", LIST)["rows"] == []


def delivered(s):
    return [r["fields"]["rcpt"] for r in s.tool_json("events", "name=delivery.local.done")["rows"]]


def test_members_by_a_query(s):
    """Whoever fits when a message comes, each once; no list, nobody disabled, and who is found may post."""
    s.tool("create", "domain", "other.test")
    for a in ("dora@other.test", "sales-1@other.test", "sales-2@other.test"):
        s.tool("create", "account", a, "password={PLAIN}" + PASSWORD)
    s.tool("change", "account", LIST, "list_query=SALES-*@other.test; carol@example.test;alice@*")
    found = {r["address"]: r["listed"] for r in s.tool_json("list", "members", LIST)["rows"]}
    assert found == {"alice@example.test": True, "bob@example.test": True, "carol@example.test": False,
                     "sales-1@other.test": False, "sales-2@other.test": False}
    assert refusal(s, "dev", sender="dora@other.test").startswith("550 5.7.2 ")
    assert refusal(s, "dev", sender="sales-2@other.test") is None
    s.tool("change", "account", "sales-2@other.test", "enabled=no")
    s.tool("create", "account", "sales-3@other.test", "password={PLAIN}" + PASSWORD)
    s.tool("create", "account", "sales-all@other.test", "kind=group", "list_query=*@other.test")
    send(s, "dev", sender="alice@example.test", body=body(1))
    members = {"alice@example.test", "bob@example.test", "carol@example.test", "sales-1@other.test", "sales-3@other.test"}
    wait_for("all copies", lambda: len(delivered(s)) >= len(members))
    assert sorted(delivered(s)) == sorted(members)
    r = s.tool("change", "account", LIST, "list_query=other.test", check=False)
    assert r.returncode == 1 and "list_query: 'other.test' is no pattern of addresses; write it as *@example.org" in r.stderr
    s.tool("change", "account", LIST, "list_query=")
    assert len(s.tool_json("list", "members", LIST)["rows"]) == 2


def test_query_of_a_domain_admin(s):
    """What it finds is shown: other domains are not his to look into."""
    s.tool("create", "domain", "other.test")
    s.tool("create", "account", "boss@example.test", "password={PLAIN}" + PASSWORD, "role=domain-admin", "admin_domains=example.test")
    c = Client(s, token=s.tool("create", "token", "boss@example.test", "tests").stdout.strip())
    for query in (["*@other.test"], ["*@*"], ["*@example.test;*@other.test"], ["*@example.*"]):
        r = c.call("PATCH", f"/accounts/{LIST}", {"list_query": query})
        assert (r.status, r.field()) == (403, "list_query"), r.body
    assert c.call("PATCH", f"/accounts/{LIST}", {"list_query": ["bo*@example.test"]}).status == 200


def test_who_may_post(s):
    assert refusal(s, "dev") == f"550 5.7.2 You may not post to {LIST}"
    assert refusal(s, "dev", sender="") == f"550 5.7.2 You may not post to {LIST}"
    assert refusal(s, "dev", sender="Alice@example.test") is None
    assert refusal(s, "dev", sender="carol@example.test") is None  # the owner
    s.tool("change", "account", LIST, "list_post=moderators", "list_moderators=x@elsewhere.test")
    assert refusal(s, "dev", sender="alice@example.test").startswith("550 5.7.2 ")
    assert refusal(s, "dev") is None
    s.tool("change", "account", LIST, "list_post=anyone", "list_moderators=")
    assert refusal(s, "dev") is None
    # Behind an alias with other targets it is the delivery that refuses, and the sender is told.
    s.tool("change", "account", LIST, "list_post=members")
    s.tool("create", "alias", "all@example.test", f"targets={LIST};carol@example.test")
    s.tool("create", "account", "dora@example.test", "password={PLAIN}" + PASSWORD)
    send(s, "all", sender="dora@example.test", body=body(1))
    wait_for("the report", lambda: message_count(s, "dora") == 1)
    assert f"550 5.7.2 You may not post to {LIST}".encode() in newest(s, "dora")
    assert message_count(s, "alice") == 0


def test_post(s):
    s.tool("change", "members", LIST, "add=carol@example.test")
    send(s, "dev", sender="alice@example.test", body=body(1, LIST, "List-Id: other <other.test>\r\nPrecedence: bulk\r\n"))
    wait_for("all members", lambda: all(message_count(s, u) == 1 for u in ("alice", "bob", "carol")))
    text = newest(s, "bob")
    assert text.startswith(b"Return-Path: <carol@example.test>\r\n")
    for field in (b'List-Id: "Developers" <dev.example.test>', b"List-Post: <mailto:dev@example.test>",
                  b"List-Owner: <mailto:carol@example.test>", b"Precedence: list", b"Delivered-To: dev@example.test",
                  b"List-Unsubscribe: <mailto:carol@example.test?subject=unsubscribe%20dev@example.test>"):
        assert text.count(b"\r\n" + field + b"\r\n") == 1, field
    assert b"other.test" not in text and b"Precedence: bulk" not in text and b"List-Unsubscribe-Post" not in text
    assert text.endswith(b"Subject: m1\r\n\r\ntext\r\n")
    # One file for all.
    assert len({f.stat().st_ino for f in (s.data / "mail").rglob("*") if f.is_file() and f.read_bytes() == text}) == 1
    # Each copy has an id of its own and names the original.
    original = s.tool_json("events", "name=smtp.message.accepted")["rows"][-1]["fields"]["msgid"]
    lines = re.findall(rf"Message id (\w+) item (\S+)\.tm\$ original {original}\b", mailflow(s))
    assert len(lines) == 3 and len({i for i, _ in lines}) == 3 and len({f for _, f in lines}) == 1
    assert f"Copy {lines[0][0]} of message {original} goes to" in s.tool("trace", lines[0][0]).stdout
    assert "sent to 3 members as message" in s.tool("trace", original).stdout


def test_reports_go_to_the_owner(s):
    s.tool("change", "account", "bob@example.test", "null_mailbox=yes")
    send(s, "dev", sender="alice@example.test", body=body(1, LIST))
    wait_for("the report", lambda: message_count(s, "carol") == 1)
    assert b"bob@example.test has invalid forward set" in newest(s, "carol")
    assert message_count(s, "alice") == 1


def test_lists_in_circles(s):
    s.tool("create", "account", "ops@example.test", "kind=list", "list_post=anyone", "list_owner=carol@example.test")
    s.tool("change", "members", "ops@example.test", "add=" + LIST)
    s.tool("change", "account", LIST, "list_post=anyone")
    s.tool("change", "members", LIST, "add=ops@example.test")
    send(s, "dev", sender="alice@example.test", body=body(1, LIST))
    wait_for("the report", lambda: message_count(s, "carol") == 1)
    assert b"554 5.4.6 Mail forwarding loop for dev@example.test" in newest(s, "carol")
    assert message_count(s, "alice") == message_count(s, "bob") == 1


def test_group(s):
    s.tool("create", "account", "team@example.test", "kind=group")
    s.tool("change", "members", "team@example.test", "add=alice@example.test;bob@example.test;info@example.test")
    s.tool("create", "alias", "info@example.test", "targets=carol@example.test")
    send(s, "team", body=body(1))
    wait_for("all members", lambda: all(message_count(s, u) == 1 for u in ("alice", "bob", "carol")))
    text = newest(s, "carol")
    assert text.startswith(b"Return-Path: <someone@elsewhere.test>\r\n") and b"List-" not in text and text.endswith(body(1))


def test_kind_and_remote_members(make_server):
    """Lists of accounts tell what has members; members elsewhere get one message for all, from the owner, by the log's rules for copies."""
    from test_unsubscribe import Far
    far = Far(0)
    far.start()
    s = make_server(settings={"deliver.relay_host": f"127.0.0.1:{far.listener.getsockname()[1]}", "deliver.starttls": "never"})
    s.tool("create", "account", LIST, "kind=list", "list_post=anyone", "list_owner=carol@example.test")
    s.tool("create", "account", "team@example.test", "kind=group")
    kinds = {r["address"]: r["kind"] for r in s.tool_json("list", "accounts")["rows"]}
    assert kinds == {LIST: "list", "team@example.test": "group", **{f"{u}@example.test": "user" for u in ("alice", "bob", "carol")}}
    assert re.search(r"^dev@example\.test .* list ", s.tool("list", "accounts").stdout, re.M)
    s.tool("create", "account", "root@example.test", "role=system-admin")
    root = Client(s, token=s.tool("create", "token", "root@example.test", "tests").stdout.strip())
    rows = {r["address"]: r["kind"] for r in root.rows("/accounts")}
    assert rows == {**kinds, "root@example.test": "user"}
    s.tool("change", "members", LIST, "add=alice@example.test;x@far.test;y@far.test")
    send(s, "dev", sender="someone@elsewhere.test", body=body(1, LIST))
    wait_for("all members", lambda: message_count(s, "alice") == 1 and far.got)
    (rcpts, text), = far.got
    assert sorted(rcpts) == ["x@far.test", "y@far.test"]
    assert b"List-Id: <dev.example.test>\r\n" in text and b"https://" not in text and b"Return-Path" not in text
    original = s.tool_json("events", "name=smtp.message.accepted")["rows"][-1]["fields"]["msgid"]
    assert len(set(re.findall(rf"Message id (\w+) item \S+\.tm\$ original {original}\b", mailflow(s)))) >= 3
    assert far.senders == ["carol@example.test"]
    far.close()


def ids(s, user):
    c = imap(s, user)
    found = []
    if int(c.select("INBOX")[1][0]):
        found = [int(p[1].split(b"<")[1].split(b"@")[0]) for p in c.fetch("1:*", "(BODY[HEADER.FIELDS (MESSAGE-ID)])")[1] if isinstance(p, tuple)]
    c.logout()
    return found


def test_killed_while_it_posts(s):
    """Each accepted message is once in the mailbox of each member: a repeated delivery makes the same message."""
    s.tool("change", "account", LIST, "list_post=anyone")
    accepted = []
    for n in range(120):
        if n % 20 == 15:
            s.kill("smtp")
        try:
            with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60) as c:
                c.sendmail("x@elsewhere.test", [LIST], body(n))
            accepted.append(n)
        except (OSError, smtplib.SMTPException):
            wait_for("the module", lambda: s.pids().get("smtp"))
    assert len(accepted) > 80
    wait_for("all deliveries", lambda: all(set(accepted) <= set(ids(s, u)) for u in ("alice", "bob")))
    for user in ("alice", "bob"):
        found = ids(s, user)
        assert all(found.count(n) == 1 for n in accepted), user


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED, reason="measures")
def test_ten_thousand_members(make_server, capsys):
    """Made, filled and posted to; all have the message, which is stored once."""
    s = make_server(users=("alice",), start=False)
    n = 10000
    batch = s.dir / "many.txt"
    batch.write_text("".join(f"create account u{i}@example.test\n" for i in range(n)))
    s.tool("batch", str(batch))
    s.start()
    s.tool("create", "account", LIST, "kind=list", "list_post=anyone")
    s.tool("import", "members", LIST, "members=-", input="".join(f"u{i}@example.test\n" for i in range(n)))
    for what in ("first", "second"):  # the first one makes the mailboxes
        begin = time.monotonic()
        send(s, "dev", body=body(1, LIST))
        wait_for("all members", lambda: not s.tool_json("queue")["rows"], timeout=600, interval=0.1)
        with capsys.disabled():
            print(f"\n{what} message to {n} members: {time.monotonic() - begin:.1f} s")
    copies = [f for f in (s.data / "mail").rglob("*") if f.is_file() and b"<1@elsewhere.test>" in f.read_bytes()[:4096]]
    assert len(copies) == 2 * n and len({f.stat().st_ino for f in copies}) <= 4
