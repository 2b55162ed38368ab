"""One's own account (/self): data, password, app passwords, consoles, programs, mail; of everybody, whatever the role."""
import http.client
import imaplib
import smtplib

import pytest

from api import Client, Document, sign_in
from conftest import PASSWORD, wait_for
from test_basics import BODY
from test_events import accepted_id

ADMIN, ZOE, ALICE, BOB, EVE = "root@example.test", "zoe@other.test", "alice@example.test", "bob@example.test", "eve@example.test"
NEW = "another pass phrase"


@pytest.fixture(scope="module")
def own(make_module_server):
    s = make_module_server(start=False, settings={"web.console_path": "/nonexistent", "auth.failure_delay": "0s"})
    setup = s.dir / "more.txt"
    setup.write_text(f"""create domain other.test
create account {ADMIN} password={{PLAIN}}{PASSWORD} role=system-admin
create account {EVE} password={{PLAIN}}{PASSWORD}
create account {ZOE} password={{PLAIN}}{PASSWORD} name=Zoe quota=1000000 aliases=z
""")
    s.tool("batch", str(setup))
    s.zoe_token = s.tool("create", "token", ZOE, "program").stdout.strip()
    s.start()
    s.doc = Document(wait_for("the web server", lambda: document(s)))
    return s


def document(s):
    try:
        return Client(s).get("/openapi.json").json()
    except (OSError, http.client.HTTPException):
        return None


def send(s, sender, *to, login=None):
    with smtplib.SMTP("127.0.0.1", s.port["submission" if login else "smtp"], timeout=20) as c:
        c.ehlo("client.test")
        if login:
            c.login(login, PASSWORD)
        c.mail(sender)
        for r in to:
            c.rcpt(r)
        return accepted_id(c.data(BODY)[1])


def checked(s, who, id, path=None, body=..., **query):
    op = next(o for o in s.doc.operations if o.id == id)
    return s.doc.check(op, who.call(op.method, op.url(path, query), body))


def test_what_one_is(own):
    zoe = sign_in(own, ZOE, PASSWORD)
    me = checked(own, zoe, "getSelf").json()
    assert me["address"] == ZOE and me["name"] == "Zoe" and me["role"] == "user" and me["quota"] == 1000000 and me["aliases"] == ["z@other.test"]
    assert me["used"] == 0 and me["messages"] == 0
    send(own, "x@far.test", ZOE)
    wait_for("the delivery", lambda: checked(own, zoe, "getSelf").json()["messages"] == 1)
    assert checked(own, zoe, "getSelf").json()["used"] > 100
    for path in ("/accounts", "/messages", "/sessions", "/event-log", "/logs", "/settings", "/tokens", "/services"):
        assert zoe.get(path).status == 403, path


def test_a_new_password_needs_the_old_one(own):
    first, second = sign_in(own, ZOE, PASSWORD), sign_in(own, ZOE, PASSWORD)
    a = checked(own, first, "setOwnPassword", body={"old": "wrong", "new": NEW})
    assert a.status == 403 and a.json()["code"] == "wrong_password" and a.field() == "old"
    for new in ("short", "{PLAIN}" + NEW, "{"):
        a = checked(own, first, "setOwnPassword", body={"old": PASSWORD, "new": new})
        assert a.status == 422 and a.field() == "new", (new, a.body)
    program = Client(own, "program", token=own.zoe_token)
    a = checked(own, program, "setOwnPassword", body={"old": PASSWORD, "new": NEW})
    assert a.status == 403 and a.json()["code"] == "session_needed"
    assert second.get("/me").status == 200
    assert checked(own, first, "setOwnPassword", body={"old": PASSWORD, "new": NEW}).status == 204
    assert first.get("/me").status == 200 and second.get("/me").status == 401 and program.get("/me").status == 200
    assert Client(own).call("POST", "/login", {"user": ZOE, "password": PASSWORD}).status == 401
    again = sign_in(own, ZOE, NEW)
    assert checked(own, again, "setOwnPassword", body={"old": NEW, "new": PASSWORD, "tokens": True}).status == 204
    assert program.get("/me").status == 401
    root = sign_in(own, ADMIN, PASSWORD)
    assert {e["admin"] for e in root.rows("/audit", object=f"account {ZOE}") if e["field"] in ("password", "tokens") and e["old"]} == {ZOE}


def test_guessing_the_old_password_locks(own):
    eve = sign_in(own, EVE, PASSWORD)
    codes = [checked(own, eve, "setOwnPassword", body={"old": f"guess {i}", "new": NEW}).status for i in range(40)]
    assert codes[0] == 403 and codes[-1] == 429, codes
    assert checked(own, eve, "setOwnPassword", body={"old": PASSWORD, "new": NEW}).status == 429  # even the right one now


def test_app_passwords_of_ones_own(own):
    bob = sign_in(own, BOB, PASSWORD)
    secret = checked(own, bob, "createOwnAppPassword", body={"label": "phone"}).json()["password"]
    with imaplib.IMAP4("127.0.0.1", own.port["imap"]) as c:
        c.login(BOB, secret)
    row, = checked(own, bob, "listOwnAppPasswords").json()["items"]
    assert row["label"] == "phone" and secret not in str(row)
    assert checked(own, bob, "deleteOwnAppPassword", {"label": "tablet"}).status == 404
    assert checked(own, bob, "deleteOwnAppPassword", {"label": "phone"}).status == 204
    with pytest.raises(imaplib.IMAP4.error):
        imaplib.IMAP4("127.0.0.1", own.port["imap"]).login(BOB, secret)
    token = own.tool("create", "token", BOB, "program").stdout.strip()
    assert checked(own, Client(own, token=token), "createOwnAppPassword", body={"label": "x"}).status == 403


def test_consoles_of_ones_own(own):
    bob, elsewhere, other = sign_in(own, BOB, PASSWORD), sign_in(own, BOB, PASSWORD), sign_in(own, ADMIN, PASSWORD)
    mine = {i["current"]: i["id"] for i in checked(own, bob, "listOwnConsoles").json()["items"][:2]}
    theirs = next(i["id"] for i in checked(own, other, "listOwnConsoles").json()["items"] if i["current"])
    assert set(mine) == {True, False} and theirs not in mine.values()
    assert checked(own, bob, "endOwnConsole", {"id": theirs}).status == 404 and other.get("/me").status == 200
    assert checked(own, bob, "endOwnConsole", {"id": mine[False]}).status == 204
    assert elsewhere.get("/me").status == 401
    a = checked(own, bob, "endOwnConsole", {"id": mine[True]})
    assert a.status == 204 and "Max-Age=0" in a.headers["Set-Cookie"] and bob.get("/me").status == 401


def test_programs_of_ones_own(own):
    bob = sign_in(own, BOB, PASSWORD)
    mine = imaplib.IMAP4("127.0.0.1", own.port["imap"])
    with imaplib.IMAP4("127.0.0.1", own.port["imap"]) as theirs:
        mine.login(BOB, PASSWORD)
        theirs.login(ALICE, PASSWORD)
        row, = checked(own, bob, "listOwnSessions").json()["items"]
        assert row["service"] == "imap" and row["peer"] == "127.0.0.1" and row["actions"] == ["end"]
        foreign, = [i["id"] for i in checked(own, sign_in(own, ALICE, PASSWORD), "listOwnSessions").json()["items"]]
        assert checked(own, bob, "endOwnSession", {"id": foreign}).status == 404
        assert checked(own, bob, "endOwnSession", {"id": row["id"]}).status == 204
        wait_for("its end", lambda: not checked(own, bob, "listOwnSessions").json()["items"])
        theirs.noop()
        with pytest.raises((imaplib.IMAP4.error, OSError)):
            mine.noop()
        mine.shutdown()


def test_mail_of_ones_own(own):
    bob = sign_in(own, BOB, PASSWORD)
    to_bob, to_alice = send(own, "x@far.test", BOB, "nobody@example.test"), send(own, "x@far.test", ALICE)
    from_bob = send(own, BOB, ALICE, login=BOB)
    wait_for("the deliveries", lambda: {m["status"] for m in checked(own, bob, "listOwnMessages").json()["items"]} == {"delivered"})
    rows = {m["id"]: m for m in checked(own, bob, "listOwnMessages").json()["items"]}
    assert set(rows) == {to_bob, from_bob}
    assert rows[to_bob]["recipients"] == [BOB] and rows[to_bob]["peer"] == "127.0.*.*"
    a = checked(own, bob, "getOwnMessage", {"id": to_bob})
    assert a.json()["verdict"]["status"] == "delivered" and "nobody" not in a.body.decode()
    assert checked(own, bob, "getOwnMessage", {"id": to_alice}).status == 404
    assert checked(own, sign_in(own, ADMIN, PASSWORD), "getOwnMessage", {"id": to_alice}).status == 404  # not even who may see all
    assert checked(own, bob, "listOwnMessages", sender="x@far.test", recipient=ALICE).json()["items"] == []
