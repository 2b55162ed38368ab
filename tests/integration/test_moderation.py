"""Moderated lists: posts wait for a decision by tool, API or mail, over a crash, and are returned in the end."""
import re
import smtplib

import pytest

from api import Client
from conftest import PASSWORD, wait_for
from test_accounts import body, newest
from test_basics import message_count, send

LIST = "dev@example.test"


@pytest.fixture
def s(make_server):
    s = make_server()
    s.tool("create", "account", LIST, "kind=list", "list_post=anyone", "list_moderators=carol@example.test",
           "list_moderate=nonmembers")
    s.tool("change", "members", LIST, "add=alice@example.test;bob@example.test;x@far.test")
    return s


def waiting(s):
    return s.tool_json("list", "waiting")["rows"]


def posted(s, **more):
    """Posts, and returns the id of what waits when its moderator has been told of it."""
    before = {r["id"] for r in waiting(s)}
    told = message_count(s, "carol")
    send(s, "dev", body=body(1, LIST), **more)
    wait_for("the post", lambda: [r for r in waiting(s) if r["id"] not in before and r["attempts"] and r["state"] == "moderation"])
    wait_for("the notice", lambda: message_count(s, "carol") == told + 1)
    return next(r["id"] for r in waiting(s) if r["id"] not in before)


def test_tool(s):
    send(s, "dev", sender="alice@example.test", body=body(1, LIST))  # a member's
    wait_for("the members", lambda: message_count(s, "bob") == 1)
    first, second = posted(s), posted(s)
    s.kill("smtp")
    wait_for("the module", lambda: s.tool("list", "waiting", check=False).returncode == 0)
    assert {r["id"] for r in waiting(s)} == {first, second}
    assert first in s.tool("list", "waiting").stdout
    s.tool("queue", "release", "all=yes")
    assert {r["id"] for r in waiting(s)} == {first, second}
    s.tool("list", "approve", first)
    wait_for("the members", lambda: message_count(s, "alice") == message_count(s, "bob") == 2)
    r = s.tool("list", "approve", first, check=False)
    assert r.returncode == 1 and f"no post '{first}' waits for a moderator" in r.stderr
    s.tool("list", "reject", second)
    wait_for("the end", lambda: not waiting(s))
    wait_for("what became of it", lambda: f"550 5.7.2 The moderators of {LIST} did not accept the message" in s.tool("trace", second).stdout)
    timeline = s.tool("trace", second).stdout
    assert "rejected the post" in timeline
    assert message_count(s, "bob") == 2 and message_count(s, "carol") == 2
    assert "approved the post" in s.tool("trace", first).stdout


def test_mail(s):
    posted(s)
    reply = re.search(rb"\r\nReply-To: <([^>]+)>", newest(s, "carol")).group(1).decode()
    with smtplib.SMTP("127.0.0.1", s.port["smtp"]) as c:
        c.sendmail("carol@example.test", [reply], body(2))
    wait_for("the members", lambda: message_count(s, "alice") == message_count(s, "bob") == 1)
    assert b"Subject: m1" in newest(s, "bob") and not waiting(s)
    # The remote member's copy waits for its server; it names the list.
    assert [r["recipient"] for r in s.tool_json("queue")["rows"]] == ["x@far.test"]


def test_expiry(s):
    s.tool("create", "account", "dora@example.test", "password={PLAIN}" + PASSWORD)
    s.tool("set", "deliver.list_approval_time", "1s")
    send(s, "dev", sender="dora@example.test", body=body(1, LIST))
    wait_for("the report", lambda: message_count(s, "dora") == 1)
    assert f"550 5.7.2 No moderator of {LIST} approved the message in time".encode() in newest(s, "dora")
    assert message_count(s, "bob") == 0


def test_api(s):
    s.tool("create", "account", "root@example.test", "role=system-admin")
    root = Client(s, token=s.tool("create", "token", "root@example.test", "tests").stdout.strip())
    post = posted(s)
    row, = root.get("/queue/outgoing/messages", state="moderation").json()["items"]
    assert row["id"] == post and {"approve", "reject"} <= set(row["actions"]) and "release" not in row["actions"]
    assert root.get("/queue/outgoing/messages", state="held").json()["items"] == []
    a = root.call("POST", "/queue/outgoing/messages/actions", {"action": "approve", "filter": {}})
    assert a.status == 202, a.body
    wait_for("the members", lambda: message_count(s, "alice") == message_count(s, "bob") == 1)
