"""The mail of one account where the queue is looked at: the list is what IMAP shows, page by page; a source and a deletion are in the
audit; sessions that wait are told of a deletion; a stale id fits nothing; who may do it."""
import base64
import re
import urllib.parse

import pytest

from api import Client
from conftest import PASSWORD
from wire import Imap

SETTINGS = {"web.console_path": "/nonexistent"}
ALICE = "alice@example.test"
WORDS = "=?utf-8?q?Rechnung_M=C3=A4rz?="


def message(n, subject=None, to=ALICE):
    return (f"Date: Fri, {1 + n % 28:02} Mar 2024 10:00:00 +0100\r\nFrom: \"Sender {n}\" <s{n}@far.test>\r\nTo: <{to}>, <second@far.test>\r\n"
            f"Message-ID: <m{n}@far.test>\r\nSubject: {subject or f'number {n}'}\r\n\r\n{'x' * (n * 7 % 50)}\r\n").encode()


def path(account=ALICE, folder="inbox", id=None, tail=""):
    return f"/queue/mailbox/{urllib.parse.quote(account)}/{folder}/messages" + (f"/{id}" if id else "") + tail


def imap_rows(c, folder):
    """What IMAP says of each message: uid -> (size, seen, from, subject)."""
    c.select(folder, "EXAMINE")
    found = {}
    for r in c.command("FETCH 1:* (UID RFC822.SIZE FLAGS ENVELOPE)"):
        if b" FETCH " not in r:
            continue
        uid = int(re.search(rb"UID (\d+)", r)[1])
        found[uid] = (int(re.search(rb"RFC822.SIZE (\d+)", r)[1]), rb"\Seen" in re.search(rb"FLAGS \(([^)]*)\)", r)[1],
                      re.search(rb'\(\("[^"]*" NIL "([^"]*)"', r)[1].decode(), re.search(rb'\+0100" "([^"]*)"', r)[1].decode())
    return found


def uidvalidity(c, folder="INBOX"):
    return int(re.search(rb"UIDVALIDITY (\d+)", b"".join(c.command(f"EXAMINE {folder}")))[1])


def looks(s, field):
    return [(r["admin"], r["object"], r["old"], r["new"]) for r in s.tool_json("audit")["rows"] if r["field"] == field]


@pytest.fixture
def world(make_server):
    s = make_server(settings=SETTINGS, start=False)
    s.tool("create", "domain", "other.test")
    for name, more in (("dora@other.test", []), ("boss@other.test", ["role=system-admin"]), ("adm@other.test", ["role=domain-admin", "admin_domains=other.test"]),
                       ("root@example.test", ["role=system-admin"])):
        s.tool("create", "account", name, f"password={{PLAIN}}{PASSWORD}", *more)
    s.tool("create", "account", "crew@example.test", "kind=list", f"list_owner={ALICE}")

    def client(account, *scopes):
        words = [f"scopes={' '.join(scopes)}"] if scopes else []
        return Client(s, account, token=s.tool("create", "token", account, f"t{scopes}", *words).stdout.strip())

    s.client = client
    s.root = client("root@example.test")
    s.adm = client("adm@other.test")
    s.start()
    return s


def test_the_list_is_what_imap_shows(world):
    s, c = world, Imap(world.port["imap"], "alice")
    assert s.root.rows(path()) == []
    for n in range(40):
        c.append("INBOX", message(n, WORDS if n == 7 else None), flags=r"(\Seen \Flagged)" if n % 3 == 0 else "()", date=f"{1 + n * 5 % 28:02}-Mar-2024 12:00:00 +0000")
    c.append("Junk", message(99, "cheap"))
    c.select()
    c.command(r"STORE 5 +FLAGS (\Deleted)")
    c.command("EXPUNGE")
    for folder, name in (("inbox", "INBOX"), ("junk", "Junk")):
        validity = uidvalidity(c, name)
        told = imap_rows(c, name)
        for limit in (7, 100):
            rows = s.root.rows(path(folder=folder), limit=limit)
            assert [r["uid"] for r in rows] == sorted(told, reverse=True)
            for r in rows:
                size, seen, sender, subject = told[r["uid"]]
                assert (r["size"], r["seen"], r["uidvalidity"], r["id"]) == (size, seen, validity, f"{validity}.{r['uid']}"), r
                assert f"<{sender}@far.test>" in r["from"] and r["to"] == f"<{ALICE}>, <second@far.test>"
                assert r["subject"] == ("Rechnung März" if subject == WORDS else subject)
                assert (r"\Seen" in r["flags"]) == seen
    page = s.root.get(path(), limit=10).json()
    assert page["total"] == {"value": 39, "relation": "exact"} and len(page["items"]) == 10
    assert page["items"][0]["message_id"] == "<m39@far.test>" and page["items"][0]["date"].endswith("Mar 2024 10:00:00 +0100")
    assert page["items"][0]["received_at"] == f"2024-03-{1 + 39 * 5 % 28:02}T12:00:00.000Z"
    # In other orders, by pages as well as at once.
    for sort, key in (("uid", lambda r: r["uid"]), ("size", lambda r: (r["size"], r["uid"])), ("received", lambda r: (r["received_at"], r["uid"]))):
        for down in (False, True):
            rows = s.root.rows(path(), sort=("-" if down else "") + sort, limit=6)
            assert len(rows) == 39 and rows == sorted(rows, key=key, reverse=down), (sort, down)
    # By From, To and Subject.
    assert [r["uid"] for r in s.root.rows(path(), subject="märz")] == [8]
    assert {r["message_id"] for r in s.root.rows(path(), sender="s3@far")} == {"<m3@far.test>"}
    assert len(s.root.rows(path(), recipient="second@")) == 39 and s.root.rows(path(), recipient="third@") == []
    assert {r["subject"] for r in s.root.rows(path(), q="number 1", limit=3)} == {"number 1", *(f"number {n}" for n in range(10, 20))}
    one = s.root.rows(path(), subject="märz")[0]
    assert s.root.get(path(id=one["id"])).json() == one
    # The look is recorded; mail that nobody has opened stays unread.
    assert ("root@example.test", f"listMailboxMessages {ALICE} inbox", None, "127.0.0.1") in looks(s, "looked at")
    assert sum(r["seen"] for r in s.root.rows(path())) == sum(seen for _, seen, _, _ in imap_rows(c, "INBOX").values())
    # The tool says the same.
    told = s.tool_json("queue", "mailbox", ALICE, "limit=100")
    assert [r["id"] for r in told["rows"]] == [r["id"] for r in s.root.rows(path())] and told["total"] == 39
    assert [r["subject"] for r in s.tool_json("queue", "mailbox", ALICE, "junk")["rows"]] == ["cheap"]
    first = s.tool_json("queue", "mailbox", ALICE, "inbox", "limit=30", "sort=size")
    rest = s.tool_json("queue", "mailbox", ALICE, "inbox", "sort=size", f"after={first['next']}")
    assert [r["id"] for r in first["rows"] + rest["rows"]] == [r["id"] for r in s.root.rows(path(), sort="size")] and "next" not in rest
    shown = s.tool("queue", "mailbox", ALICE, "limit=1").stdout
    assert "number 39" in shown and "there may be more: after=" in shown


def test_a_source_is_read_and_recorded(world):
    s, c = world, Imap(world.port["imap"], "alice")
    big = message(1) + b"0123456789abcdef0123456789abcdef\r\n" * 150000
    c.append("INBOX", message(0))
    c.append("Junk", big)
    row, = s.root.rows(path())
    assert looks(s, "looked at")[0][1] == f"listMailboxMessages {ALICE} inbox"
    answer = s.root.get(path(id=row["id"], tail="/content")).json()
    c.select()
    assert base64.b64decode(answer["content"]) == c.fetch_literal(1) == message(0)
    assert (answer["size"], answer["offset"]) == (len(message(0)), 0)
    seen = ("root@example.test", f"mailbox {ALICE} inbox {row['id']}", None, "<m0@far.test>")
    assert looks(s, "looked at").count(seen) == 1
    assert s.root.get(path(id=row["id"], tail="/content"), offset=5).status == 200 and looks(s, "looked at").count(seen) == 2
    # Every look by the tool, too; a large message is whole.
    spam, = s.tool_json("queue", "mailbox", ALICE, "junk")["rows"]
    text = s.tool("queue", "mailbox", "show", ALICE, "junk", spam["id"]).stdout
    assert text == big.decode().replace("\r\n", "\n")
    assert any(o == f"mailbox {ALICE} junk {spam['id']}" and new == "<m1@far.test>" for _, o, _, new in looks(s, "looked at"))
    assert not s.root.rows(path())[0]["seen"]


def test_a_deletion_reaches_waiting_sessions(world):
    s, c = world, Imap(world.port["imap"], "alice")
    for n in range(4):
        c.append("INBOX", message(n))
    waits = Imap(s.port["imap"], "alice")
    waits.select()
    tag = waits.idle()
    rows = s.root.rows(path(), sort="uid")
    assert s.root.call("DELETE", path(id=rows[1]["id"]) + "?dry_run=true", ...).status == 200
    assert len(s.root.rows(path())) == 4 and not looks(s, "delete")
    assert s.root.call("DELETE", path(id=rows[1]["id"]), ...).status == 204
    assert waits.line() == b"* 2 EXPUNGE"
    s.tool("queue", "mailbox", "delete", ALICE, "inbox", rows[3]["id"])
    assert waits.line() == b"* 3 EXPUNGE"
    waits.done(tag)
    assert sorted(imap_rows(c, "INBOX")) == [rows[0]["uid"], rows[2]["uid"]]
    assert [r["id"] for r in s.root.rows(path(), sort="uid")] == [rows[0]["id"], rows[2]["id"]]
    assert ("root@example.test", f"mailbox {ALICE} inbox {rows[1]['id']}", "<m1@far.test>", None) in looks(s, "delete")
    assert [o for _, o, _, _ in looks(s, "delete")] == [f"mailbox {ALICE} inbox {rows[n]['id']}" for n in (3, 1)]
    # What is gone is gone for all ways, and is recorded once.
    assert s.root.call("DELETE", path(id=rows[1]["id"]), ...).status == 404 and len(looks(s, "delete")) == 2
    assert s.root.get(path(id=rows[1]["id"])).status == 404
    assert s.root.get(path(id=rows[1]["id"], tail="/content")).status == 404


def test_a_stale_id_deletes_nothing(world):
    """The folder is made anew: its uids begin again, and an id of the old one fits none of them."""
    s, c = world, Imap(world.port["imap"], "alice")
    c.append("Junk", message(1))
    old, = s.root.rows(path(folder="junk"))
    c.command("DELETE Junk")
    gone = s.root.get(path(folder="junk"))
    assert gone.status == 404 and "no junk folder yet" in gone.json()["detail"]
    assert s.root.call("DELETE", path(folder="junk", id=old["id"]), ...).status == 404
    assert "no junk folder yet" in s.tool("queue", "mailbox", ALICE, "junk", check=False).stderr
    # By its use, not by its name.
    c.command(r"CREATE Werbung (USE (\Junk))")
    assert s.root.rows(path(folder="junk")) == []
    c.append("Werbung", message(2))
    new, = s.root.rows(path(folder="junk"))
    assert new["uid"] == old["uid"] and new["uidvalidity"] > old["uidvalidity"]
    for id in (old["id"], f"{old['uidvalidity']}.{new['uid']}", f"0.{new['uid']}", f"{new['uidvalidity']}.0"):
        assert s.root.call("DELETE", path(folder="junk", id=id), ...).status == 404, id
    for id in (str(new["uid"]), "x", f"{new['uidvalidity']}.{new['uid']}.1", f"{new['uidvalidity']}.-1", f"{new['uidvalidity']}.4294967296"):
        assert s.root.call("DELETE", path(folder="junk", id=id), ...).status == 422, id
    assert s.root.call("DELETE", path(id=new["id"]), ...).status == 404  # it is in another folder
    assert len(s.root.rows(path(folder="junk"))) == 1 and not looks(s, "delete")
    assert s.root.call("DELETE", path(folder="junk", id=new["id"]), ...).status == 204


def test_what_has_no_mailbox(world):
    s = world
    for account, status, text in (("nobody@example.test", 404, "does not exist"), ("crew@example.test", 409, "is a mailing list and has no mailbox")):
        a = s.root.get(path(account))
        assert a.status == status and text in a.json()["detail"], a.body
        assert s.tool("queue", "mailbox", account, check=False).returncode == 1
    a = s.root.get(path(folder="sent"))
    assert a.status == 404 and "there are: inbox, junk" in a.json()["detail"]
    r = s.tool("queue", "mailbox", ALICE, "sent", check=False)
    assert r.returncode == 1 and "'sent' is not inbox or junk" in r.stderr
    r = s.tool("queue", "mailbox", ALICE, "sort=subject", check=False)
    assert r.returncode == 1 and "uid, received or size" in r.stderr
    # A mailbox that has had no mail is empty.
    assert s.root.rows(path("dora@other.test")) == [] and s.root.rows(path("dora@other.test", "junk")) == []
    assert "the folder has no such message" in s.tool("queue", "mailbox", "dora@other.test").stdout


def test_who_may(world):
    s = world
    for user in ("alice", "dora@other.test", "boss@other.test"):
        Imap(s.port["imap"], user).append("INBOX", message(1, to=user))
    alice, = s.root.rows(path())
    dora, = s.adm.rows(path("dora@other.test"))
    boss, = s.root.rows(path("boss@other.test"))
    # Domain administrators: inside of their domains, and nothing of who stands above them.
    for tail in ("", f"/{alice['id']}"):
        assert s.adm.get(path() + tail).status == 404
    assert s.adm.call("DELETE", path(id=alice["id"]), ...).status == 404
    for method, where in (("GET", path("boss@other.test")), ("DELETE", path("boss@other.test", id=boss["id"]))):
        assert s.adm.call(method, where, ...).status == 403
    assert s.adm.get(path("dora@other.test", id=dora["id"], tail="/content")).status == 403  # a scope that he has not
    run = s.adm.call("POST", "/commands/queue.mailbox", {"args": {"address": ALICE}})
    assert run.status == 404
    run = s.adm.call("POST", "/commands/queue.mailbox", {"args": {"address": "dora@other.test"}})
    assert run.status == 200 and [r["id"] for r in run.json()["rows"]] == [dora["id"]]
    assert s.adm.call("POST", "/commands/queue.mailbox-delete", {"args": {"address": ALICE, "folder": "inbox", "id": alice["id"]}}).status == 404
    # Scopes: the queue's and those of mail.
    need = {"GET ": {"queue:read", "messages:read"}, "GET /content": {"queue:read", "messages:content"}, "DELETE ": {"queue:read", "queue:write", "messages:read"}}
    commands = {"GET ": ("queue.mailbox-row", {"queue:read", "messages:read"}), "GET /content": ("queue.mailbox-show", {"queue:read", "messages:content"}),
                "DELETE ": ("queue.mailbox-delete", {"queue:write", "messages:read"})}
    all_of = {"queue:read", "queue:write", "messages:read", "messages:content"}
    for what, scopes in need.items():
        method, tail = what.split(" ")
        command, wanted = commands[what]
        for left_out in sorted(scopes):
            token = s.client("root@example.test", *sorted(all_of - {left_out}))
            a = token.call(method, path(id=alice["id"], tail=tail), ...)
            assert a.status == 403 and left_out in a.json()["detail"], (what, left_out, a.body)
            if left_out in wanted:
                a = token.call("POST", f"/commands/{command}", {"args": {"address": ALICE, "folder": "inbox", "id": alice["id"]}})
                assert a.status == 403 and left_out in a.json()["detail"], (command, left_out, a.body)
        token = s.client("root@example.test", *sorted(scopes))
        assert token.call(method, path(id=alice["id"], tail=tail), ...).status in (200, 204), what
    assert s.root.rows(path()) == []
    assert s.adm.call("DELETE", path("dora@other.test", id=dora["id"]), ...).status == 204
    assert looks(s, "delete")[0][:2] == ("adm@other.test", f"mailbox dora@other.test inbox {dora['id']}")


def test_a_large_mailbox_by_pages(world):
    """More messages than are looked at in one go: a filter goes on by its cursor, and a page costs a page."""
    s, c = world, Imap(world.port["imap"], "alice")
    c.append("INBOX", message(0, "needle"))
    c.append("INBOX", message(1))
    c.select()
    n = 2
    while n < 70000:  # of the second only
        last = f"2:{n}" if n < 10000 else f"{n - 9999}:{n}"
        c.command(f"COPY {last} INBOX")
        n = c.select()
    page = s.root.get(path(), limit=50).json()
    assert page["total"]["value"] == n and [r["uid"] for r in page["items"]] == list(range(n, n - 50, -1))
    rows, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = s.root.get(path(), subject="needle", **({"cursor": cursor} if cursor else {})).json()
        rows, cursor, pages = rows + page["items"], page["next_cursor"], pages + 1
    assert [r["uid"] for r in rows] == [1] and pages > 1
