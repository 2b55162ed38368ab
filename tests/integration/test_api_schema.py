"""Every operation of the API by the document that the server gives of it: what is right is answered as the document says; what
is wrong is refused with a problem (RFC 9457) that names the field; nobody gets what his scopes do not give him; never a 5xx."""
import base64
import imaplib
import json
import smtplib
import sqlite3
import urllib.parse

import pytest

from api import Client, Document, sign_in
from conftest import PASSWORD, wait_for
from test_basics import BODY
from test_events import accepted_id

ADMIN, DOM, USER, ALICE = "root@example.test", "dom@other.test", "zoe@other.test", "alice@example.test"


class World:
    """A server in which everything exists that the API can be asked for."""

    def __init__(self, make):
        s = self.server = make(start=False, settings={"auth.failure_delay": "0s", "queue.retry_schedule": "1h", "sieve.max_scripts": "1000", "web.console_path": "/nonexistent",
                                                      "deliver.relay_host": "127.0.0.1:1", "archive.enabled": "yes",
                                                      "log.sql": "summary"})
        setup = s.dir / "more.txt"
        setup.write_text(f"""create domain other.test
create account {ADMIN} password={{PLAIN}}{PASSWORD} role=system-admin
create account {DOM} password={{PLAIN}}{PASSWORD} role=domain-admin admin_domains=other.test
create account {USER} password={{PLAIN}}{PASSWORD}
""")
        s.tool("batch", str(setup))
        self.admin = Client(s, "system admin", token=s.tool("create", "token", ADMIN, "tests").stdout.strip())
        self.dom = Client(s, "domain admin", token=s.tool("create", "token", DOM, "tests").stdout.strip())
        self.user = Client(s, "user", token=s.tool("create", "token", USER, "tests").stdout.strip())
        s.start()
        doc = wait_for("the web server", self.document)
        self.doc = Document(doc)
        self.n = 0
        self.fill()

    def document(self):
        try:
            a = Client(self.server).get("/openapi.json")
            return a.json() if a.status == 200 else None
        except OSError:
            return None

    def fill(self):
        s = self.server
        with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=20) as c:
            c.ehlo("client.test")
            c.mail("someone@elsewhere.test")
            c.rcpt(ALICE)
            c.rcpt(USER)
            c.rcpt("nobody@example.test")
            self.msgid = accepted_id(c.data(BODY)[1])
            c.mail("someone@elsewhere.test")
            c.rcpt(ADMIN)
            self.own_msgid = accepted_id(c.data(BODY)[1])
        self.imap = imaplib.IMAP4("127.0.0.1", s.port["imap"])
        self.imap.login(ALICE, PASSWORD)
        wait_for("the delivery", lambda: self.admin.get(f"/messages/{self.msgid}").json().get("status") == "delivered")
        self.queued = self.queue_message()
        wait_for("a session that has ended", lambda: self.admin.get("/sessions", state="history").json()["items"])
        assert self.admin.call("POST", "/annotations", {"text": "note"}).status == 201
        assert self.admin.call("POST", f"/accounts/{ALICE}/app-passwords", {"label": "phone"}).status == 201
        assert self.admin.call("PUT", "/aliases/info@example.test", {"targets": [ALICE]}).status == 200
        self.operation()

    def queue_message(self):
        with smtplib.SMTP("127.0.0.1", self.server.port["submission"], timeout=20) as c:
            c.login(ALICE, PASSWORD)
            c.mail(ALICE)
            c.rcpt("far@away.test")
            msgid = accepted_id(c.data(BODY)[1])
        return wait_for("the attempt", lambda: [m["id"] for m in self.admin.rows("/queue/outgoing/messages") if m["id"] == msgid and m["state"] == "waiting"])[0]

    def in_mailbox(self):
        self.imap.append("INBOX", None, None, BODY)
        return {**MAILBOX, "id": self.admin.get(f"/queue/mailbox/{ALICE}/inbox/messages").json()["items"][0]["id"]}

    def archived(self):
        return next(m["name"] for m in self.admin.rows("/archive/messages") if m["id"] == self.msgid)

    def operation(self):
        return self.admin.call("POST", "/queue/outgoing/messages/actions", {"action": "send_now", "ids": [self.queued], "undo_seconds": 300}).json()["id"]

    def fresh(self):
        self.n += 1
        return f"fresh{self.n}"

    def log_file(self):
        """Of a day long ago: complete."""
        self.n += 1
        path = self.server.logs / f"s20000101-{self.n:02}.log"
        path.write_text("192.0.2.1       [0001] 10:00:01 <<< QUIT\n")
        return {"service": "smtp", "name": path.name}

    def account(self):
        address = f"{self.fresh()}@example.test"
        assert self.admin.call("POST", "/accounts", {"address": address}).status == 201
        return {"account": address}

    def list(self):
        address = f"{self.fresh()}@example.test"
        assert self.admin.call("POST", "/accounts", {"address": address, "kind": "list"}).status == 201
        return {"account": address}

    def domain(self):
        name = f"{self.fresh()}.test"
        assert self.admin.call("POST", "/domains", {"domain": name}).status == 201
        return {"domain": name}

    def alias(self):
        address = f"{self.fresh()}@example.test"
        assert self.admin.call("PUT", f"/aliases/{address}", {"targets": [ALICE]}).status == 200
        return {"address": address}

    def route(self):
        name = f"{self.fresh()}.test"
        assert self.admin.call("POST", "/routes", {"pattern": name, "host": "relay.test"}).status == 201
        return {"pattern": name}

    def app_password(self):
        label = self.fresh()
        assert self.admin.call("POST", f"/accounts/{ALICE}/app-passwords", {"label": label}).status == 201
        return {"account": ALICE, "label": label}

    def sieve_script(self):
        name = self.fresh()
        assert self.admin.call("PUT", f"/accounts/{ALICE}/sieve/{name}", {"text": "keep;"}).status == 200
        return {"account": ALICE, "script": name}

    def filter(self):
        name = self.fresh()
        assert self.admin.call("POST", "/filters", {"owner": ALICE, "text": f'rule "{name}" if size over 1M then stop'}).status == 200
        return {"owner": ALICE, "rule": name}

    def remote(self, enabled=False):
        body = {"host": "127.0.0.9", "user": "u", "password": "p", "enabled": enabled}
        who = self.account()["account"]
        return {"account": who, "remote": self.admin.call("POST", f"/accounts/{who}/remote-accounts", body).json()["id"]}

    def remote_on(self):
        return self.remote(True)

    def sender(self):
        where = {"owner": "example.test", "sender": f"{self.fresh()}@far.test"}
        assert self.admin.call("PUT", "/sender-lists/{owner}/{sender}".format(**where), {"verdict": "deny"}).status == 200
        return where

    def adapted(self):
        """As mail from there would do it."""
        name = f"{self.fresh()}.test"
        with sqlite3.connect(self.server.data / "config" / "system.db", timeout=20) as db:
            db.execute("INSERT INTO secure_adapted VALUES (?, ?, 'CN = x', 'CN = CA', '192.0.2.1', 1000, 2000)", (name, name))
        return {"domain": name}

    def pattern(self):
        name = self.fresh()
        assert self.admin.call("PUT", f"/patterns/{name}", {"items": ["info@"]}).status == 200
        return {"pattern": name}

    def made(self, path, body):
        return {"id": self.admin.call("POST", path, body).json()["id"]}

    def session(self):
        return {"id": self.admin.rows("/sessions", service="imap")[0]["id"]}

    def ended(self):
        return {"id": self.admin.rows("/sessions", state="history")[-1]["id"]}

    def session_to_end(self):
        extra = imaplib.IMAP4("127.0.0.1", self.server.port["imap"])
        extra.login("bob@example.test", PASSWORD)
        row = self.admin.rows("/sessions", service="imap", account="bob@example.test")[0]
        self.extra = extra
        return {"id": row["id"]}

    def audit(self):
        address = self.account()["account"]
        assert self.admin.call("PATCH", f"/accounts/{address}", {"name": "New"}).status == 200
        return {"id": next(e["id"] for e in self.admin.rows("/audit", object=address) if "revert" in e["actions"])}


QUEUE = {"name": "outgoing"}
MAILBOX = {"account": ALICE, "folder": "inbox"}
# operationId: what its path names, a body, a query. What has none of them is called as it is.
EXAMPLES = {
    "login": (None, lambda w: {"user": ADMIN, "password": PASSWORD}, None),
    "search": (None, None, {"q": "alice"}),
    "listQueueMessages": (lambda w: QUEUE, None, None),
    "actOnQueueMessages": (lambda w: QUEUE, lambda w: {"action": "send_now", "ids": [w.queued], "undo_seconds": 300}, None),
    "testSms": (None, lambda w: {"to": "+393331234567", "text": "Hello"}, None),
    "listQueuePauses": (lambda w: QUEUE, None, None),
    "putQueuePause": (lambda w: {**QUEUE, "id": "destination:nowhere.test"}, None, None),
    "deleteQueuePause": (lambda w: {**QUEUE, "id": "destination:nowhere.test"}, None, None),
    "getQueueMessage": (lambda w: {**QUEUE, "id": w.queued}, None, None),
    "getQueueMessageContent": (lambda w: {**QUEUE, "id": w.queued}, None, None),
    "getQueue": (lambda w: QUEUE, None, None),
    "listMailboxMessages": (lambda w: MAILBOX, None, {"sort": "-size", "subject": "x"}),
    "getMailboxMessage": (lambda w: w.in_mailbox(), None, None),
    "getMailboxMessageContent": (lambda w: w.in_mailbox(), None, {"offset": 3}),
    "deleteMailboxMessage": (lambda w: w.in_mailbox(), None, None),
    "getArchivedMessage": (lambda w: {"name": w.archived()}, None, None),
    "getArchivedMessageContent": (lambda w: {"name": w.archived()}, None, {"offset": 3}),
    "sendArchivedMessage": (lambda w: {"name": w.archived()}, lambda w: {"to": [ALICE, "x@far.test"]}, None),
    "getOperation": (lambda w: {"id": w.operation()}, None, None),
    "undoOperation": (lambda w: {"id": w.operation()}, None, None),
    "actOnSessions": (None, lambda w: {"action": "end", "filter": {"account": "nobody@example.test"}}, None),
    "getSession": (World.session, None, None),
    "endSession": (World.session_to_end, None, None),
    "getTranscript": (World.ended, None, None),
    "getStatistics": (lambda w: {"service": "smtp"}, None, None),
    "listLogLines": (lambda w: {"service": "smtp"}, None, None),
    "getLogThread": (None, None, {"text": "x"}),
    "listLogFiles": (lambda w: {"service": "smtp"}, None, None),
    "getLogFile": (World.log_file, None, None),
    "deleteLogFile": (World.log_file, None, None),
    "createDomain": (None, lambda w: {"domain": f"{w.fresh()}.test", "quota": 5, "unknown": "reject", "enabled": True}, None),
    "getDomain": (lambda w: {"domain": "example.test"}, None, None),
    "updateDomain": (World.domain, lambda w: {"quota": 7}, None),
    "deleteDomain": (World.domain, None, None),
    "putAlias": (World.alias, lambda w: {"targets": [ALICE, "x@far.test"]}, None),
    "deleteAlias": (World.alias, None, None),
    "createRoute": (None, lambda w: {"pattern": f"{w.fresh()}.test", "host": "relay.test:587", "user": "u", "password": "p", "tls": "verify"}, None),
    "getRoute": (World.route, None, None),
    "updateRoute": (World.route, lambda w: {"host": "other.test", "position": 1}, None),
    "deleteRoute": (World.route, None, None),
    "createAccount": (None, lambda w: {"address": f"{w.fresh()}@example.test", "name": "\u2028 Zo\u00eb", "aliases": [w.fresh()]}, None),
    "importAccounts": (None, lambda w: {"csv": f"address;name\n{w.fresh()}@example.test;One\n"}, None),
    "getAccount": (lambda w: {"account": ALICE}, None, None),
    "updateAccount": (World.account, lambda w: {"name": "Other", "password": "long-enough", "quota": 100000, "forward_to": [ALICE, "x@far.test"], "keep_copy": False, "auto_reply": "a\nb", "auto_reply_from": "2026-03-12", "max_messages_hour": 7}, None),
    "deleteAccount": (World.account, None, None),
    "getAccountUsage": (lambda w: {"account": ALICE}, None, None),
    "getDomainUsage": (World.domain, None, None),
    "listMembers": (lambda w: {"account": ALICE}, None, None),
    "putMembers": (World.list, lambda w: {"members": [ALICE, "x@far.test"]}, None),
    "patchMembers": (World.list, lambda w: {"add": [ALICE, "x@far.test"]}, None),
    "listSieveScripts": (lambda w: {"account": ALICE}, None, None),
    "getSieveScript": (World.sieve_script, None, None),
    "putSieveScript": (World.sieve_script, lambda w: {"text": "discard;"}, None),
    "deleteSieveScript": (World.sieve_script, None, None),
    "actOnSieveScript": (World.sieve_script, lambda w: {"action": "deactivate"}, None),
    "addFilters": (None, lambda w: {"owner": "example.test", "text": f'rule "{w.fresh()}" if size over 1M then stop'}, None),
    "testFilters": (None, lambda w: {"owner": "server", "text": "Subject: x\r\n\r\n", "rules": 'rule "a" then score 1', "tls": True}, None),
    "getFilters": (lambda w: {"owner": "example.test"}, None, None),
    "putFilters": (lambda w: {"owner": "bob@example.test"}, lambda w: {"text": f'rule "{w.fresh()}" then stop'}, None),
    "getFilter": (World.filter, None, None),
    "putFilter": (World.filter, lambda w: {"text": f'# new\nrule "{w.fresh()}" off then stop'}, None),
    "updateFilter": (World.filter, lambda w: {"enabled": False}, None),
    "deleteFilter": (World.filter, None, None),
    "listRemoteAccounts": (lambda w: {"account": ALICE}, None, None),
    "createRemoteAccount": (World.account, lambda w: {"host": "127.0.0.9", "user": "u", "password": "p", "protocol": "imap", "tls": "starttls", "leave": "14", "interval": 300, "enabled": False}, None),
    "getRemoteAccount": (World.remote, None, None),
    "updateRemoteAccount": (World.remote, lambda w: {"port": 1110, "verify": False, "leave": "forever"}, None),
    "deleteRemoteAccount": (World.remote, None, None),
    "collectRemoteAccount": (World.remote_on, None, None),
    "getSender": (World.sender, None, None),
    "putSender": (World.sender, lambda w: {"verdict": "allow"}, None),
    "deleteSender": (World.sender, None, None),
    "forgetAdaptedDomain": (World.adapted, None, None),
    "getPattern": (World.pattern, None, None),
    "putPattern": (World.pattern, lambda w: {"items": ["sales-*@example.test", "?@example.test", "info"]}, None),
    "deletePattern": (World.pattern, None, None),
    "listAppPasswords": (lambda w: {"account": ALICE}, None, None),
    "createAppPassword": (World.account, lambda w: {"label": w.fresh()}, None),
    "deleteAppPassword": (World.app_password, None, None),
    "updateSettings": (None, lambda w: {"values": {"smtp.max_errors": 11}}, None),
    "getSetting": (lambda w: {"name": "smtp.max_errors"}, None, None),
    "updateSetting": (lambda w: {"name": "smtp.max_errors"}, lambda w: {"value": 12}, None),
    "testAccess": (lambda w: {"service": "imap"}, None, {"ip": "192.0.2.1"}),
    "actOnService": (lambda w: {"service": "pop3"}, lambda w: {"action": "restart"}, None),
    "revertAudit": (World.audit, None, None),
    "createToken": (None, lambda w: {"name": w.fresh(), "scopes": ["queue:read"], "expires_days": 1}, None),
    "deleteToken": (lambda w: w.made("/tokens", {"name": w.fresh()}), None, None),
    "actOnTokens": (None, lambda w: {"action": "withdraw", "ids": [w.made("/tokens", {"name": w.fresh()})["id"]], "undo_seconds": 300}, None),
    "queryMetrics": (None, None, {"metric": "smtp_sessions"}),
    "createAnnotation": (None, lambda w: {"text": "here", "at": "2026-03-12T08:50:00Z"}, None),
    "deleteAnnotation": (lambda w: w.made("/annotations", {"text": w.fresh()}), None, None),
    "getOwnMessage": (lambda w: {"id": w.own_msgid}, None, None),
    "getMessage": (lambda w: {"id": w.msgid}, None, None),
}
# Values of these parameters mean something only beside another one.
TOGETHER = {("listSessions", "outcome"): {"state": "history"}}
MOVING = ("listSessions", "listMetrics", "listServices", "listHealthChecks", "listLogLines", "listTokens", "listAudit", "listEvents", "listLogFiles", "getLogThread", "listOwnSessions", "listOwnConsoles")  # change while we look
# Have tests of their own: an answer without end, a restart, an end; what only he does who has signed in with the password (test_self.py).
ALONE = ("streamEvents", "actOnService", "logout", "setOwnPassword", "createOwnAppPassword", "deleteOwnAppPassword", "endOwnConsole", "endOwnSession")


@pytest.fixture(scope="module")
def world(make_module_server):
    w = World(make_module_server)
    yield w
    w.imap.shutdown()


def example(w, op):
    """(path, query, body) of a call that is right; None: this file does not know one."""
    path, body, query = EXAMPLES.get(op.id, (None, None, None))
    if (op.in_path and not path) or (op.body and not body):
        return None
    return (path(w) if path else {}), dict(query or {}), (body(w) if body else ...)


def known(w):
    return [op for op in w.doc.operations if op.id not in ALONE and (op.id in EXAMPLES or not (op.in_path or op.body))]


def checked(w, who, op, path, query=None, body=..., headers=None, what="", cut=False):
    a = who.call(op.method, op.url(path, query), body, headers)
    return w.doc.check(op, a, f"{who.name} {what} {path} {query} {str(body)[:200]}", cut)


# --- what is right ---


def test_examples_name_operations(world):
    assert set(EXAMPLES) <= {op.id for op in world.doc.operations}


def test_what_is_right_is_answered_by_the_schema(world):
    for op in known(world):
        path, query, body = example(world, op)
        a = checked(world, world.admin, op, path, query, body)
        assert a.status < 300, (op, a.body)
        if any(p["name"] == "dry_run" for p in op.query):
            path, query, body = example(world, op)
            for _ in range(2):  # it has changed nothing
                a = checked(world, world.admin, op, path, {**query, "dry_run": "true"}, body)
                assert a.status == 200 and "effect" in a.json() or op.id in ("importAccounts", "putSieveScript"), (op, a.body)


def test_unknown_things_are_not_found(world):
    made = set()  # patterns: any name will do for a new one
    for op in known(world):
        for value in ("x", "1", "-1", "99999999999999999999", "a" * 500, "..", "../..", "\u202e", "%", "x@y.test", "FFFFFFFFFFFFFFFF", "' OR 1=1 --", "a\nb"):
            if op.in_path and not (op.id == "deleteAnnotation" or op.is_write and value == "1"):
                _, query, body = example(world, op)
                a = checked(world, world.admin, op, {n: value for n in op.in_path}, query, body)
                if op.id == "putPattern" and a.status == 200:
                    made.add(value)
                elif op.id != "putAlias" and not (op.id == "deletePattern" and value in made):
                    assert a.status in (400, 404, 409, 422), (op, value, a.status, a.body)


def values_of(schema):
    """Values that the schema of a parameter allows."""
    if "enum" in schema:
        return [v for v in schema["enum"] if v is not None]
    if schema["type"] == "integer":
        lo, hi = schema.get("minimum", 0), schema.get("maximum", 2**63 - 1)
        return [lo, lo + 1, (lo + hi) // 2, hi]
    if schema["type"] == "boolean":
        return ["true", "false"]
    lo, hi = schema.get("minLength", 0), schema.get("maxLength", 200)
    return ["a" * max(lo, 1), "a" * hi, "\u00e9" * (hi // 2), "%_;-'\"<b>"[:hi].ljust(lo, "%"), "\u202e\U0001f4ef"[:hi // 4].ljust(lo, "x")]


def test_parameters_that_are_right(world):
    for op in known(world):
        if op.is_write:
            continue
        path, query, _ = example(world, op)
        for p in op.query:
            free = p["schema"]["type"] == "string" and "enum" not in p["schema"]
            for v in values_of(p["schema"]):
                a = checked(world, world.admin, op, path, {**query, **TOGETHER.get((op.id, p["name"]), {}), p["name"]: v}, cut=p["name"] == "fields")
                # Texts may have a form of their own; then the answer says of which parameter.
                assert a.status == 200 or free and (a.status == 404 or a.field() == p["name"]), (op, p["name"], v, a.body)


def not_of(schema):
    """Values that the schema of a parameter does not allow."""
    if "enum" in schema:
        return ["colours", "", schema["enum"][0] + "x", schema["enum"][0].upper() + " "]
    if schema["type"] == "integer":
        out = ["x", "", "1.5", "1e3", str(2**63), str(-2**63 - 1), "0x10", " 1", "\u0661"]
        return out + [str(schema[k] + d) for k, d in (("minimum", -1), ("maximum", 1)) if k in schema]
    if schema["type"] == "boolean":
        return ["yes", "1", "", "TRUE"]
    out = ["a" * (schema["maxLength"] + 1)] if "maxLength" in schema and schema["maxLength"] < 4000 else []
    return out + ["a" * (n - 1) for n in [schema.get("minLength", 0)] if n]


def test_parameters_that_are_wrong(world):
    for op in known(world):
        path, query, body = example(world, op)
        for p in op.query:
            for v in not_of(p["schema"]):
                a = checked(world, world.admin, op, path, {**query, p["name"]: v}, body)
                assert a.status == 400 and a.field() == p["name"], (op, p["name"], v, a.body)
            if p.get("required"):
                a = checked(world, world.admin, op, path, {}, body)
                assert a.status == 400 and a.field() == p["name"], (op, a.body)
            twice = op.url(path) + "?" + urllib.parse.urlencode([(p["name"], values_of(p["schema"])[0])] * 2)
            a = world.doc.check(op, world.admin.call(op.method, twice, body))
            assert a.status == 400 and a.field() == p["name"], (op, p["name"], a.body)
        a = checked(world, world.admin, op, path, {**query, "colour": "red"}, body)
        assert a.status == 400 and a.field() == "colour", (op, a.body)
        for bad in ("%FF", "%", "%0", "%00", "q=%FF", "q=%ED%A0%80", "&&=&%3D", "&".join(f"x{i}" for i in range(200)), "q=" + "a" * 6000):
            a = world.doc.check(op, world.admin.call(op.method, op.url(path) + "?" + bad, body))
            assert a.status == 400, (op, bad, a.body)


def test_times_that_are_wrong(world):
    for op in known(world):
        path, query, _ = example(world, op)
        for p in op.query:
            if p["name"] in ("from", "to"):
                for v in ("yesterday", "2026-13-01T00:00:00Z", "2026-01-01", "12", "-1h", "99999999999d", "\U0001f4ef2026", "25:00", "12:60", "12:00:61", "ab:cd"):
                    a = checked(world, world.admin, op, path, {**query, p["name"]: v})
                    assert a.status == 400 and a.field() == p["name"], (op, p["name"], v, a.body)


def test_cursors_that_are_wrong(world):
    lists = [op for op in known(world) if any(p["name"] == "cursor" for p in op.query)]
    whole = {}
    for op in lists:
        path, query, _ = example(world, op)
        page = checked(world, world.admin, op, path, {**query, "limit": 1}).json()
        if page["next_cursor"]:
            whole[op.id] = page["next_cursor"]
    assert len(whole) >= 6, whole
    for op in lists:
        path, query, _ = example(world, op)
        bad = ["AAAA", "%%", "a", "\u00e9", "=" * 40, "A" * 1000, base64.urlsafe_b64encode(b"1|4294967295|x").decode().rstrip("="),
               base64.urlsafe_b64encode(b"1|-1|x").decode(), base64.urlsafe_b64encode(b"9" * 30 + b"|0|x").decode().rstrip("="),
               base64.urlsafe_b64encode(b"0|0|" + b"F" * 48).decode().rstrip("="), base64.urlsafe_b64encode(b"0|0|a\0b").decode().rstrip("=")]
        for cursor in [*bad, *whole.values(), *(c[:len(c) // 2] for c in whole.values())]:
            a = checked(world, world.admin, op, path, {**query, "cursor": cursor})
            assert a.status == 200 or a.status == 400 and a.field() == "cursor", (op, cursor, a.body)
        for cursor in bad[:8]:
            assert checked(world, world.admin, op, path, {**query, "cursor": cursor}).status == 400, (op, cursor)


def test_lists_do_what_their_parameters_say(world):
    """limit, q and fields of each list."""
    for op in known(world):
        names = [p["name"] for p in op.query]
        if "cursor" not in names:
            continue
        path, query, _ = example(world, op)
        everything = checked(world, world.admin, op, path, {**query, "limit": 2000}).json()
        one = checked(world, world.admin, op, path, {**query, "limit": 1}).json()
        assert len(one["items"]) == min(1, len(everything["items"])), (op, one)
        if "q" in names:
            none = checked(world, world.admin, op, path, {**query, "q": "no such text anywhere"}).json()
            assert none["items"] == [] and none["next_cursor"] is None, (op, none)
        if "fields" in names and everything["items"]:
            field = sorted(everything["items"][0])[0]
            cut = checked(world, world.admin, op, path, {**query, "fields": field + ",colour"}, cut=True).json()
            assert all(list(i) == [field] for i in cut["items"]), (op, cut)
        if not everything["next_cursor"]:
            pages = world.admin.rows(op.url(path), **query, limit=max(1, len(everything["items"]) // 3))
            if op.id not in MOVING:
                key = [json.dumps(i, sort_keys=True) for i in everything["items"]]
                assert [json.dumps(i, sort_keys=True) for i in pages] == key, op


def test_every_list_of_an_account_is_stored(world):
    path = f"/accounts/{USER}"
    before = world.admin.get(path).json()
    lists = [name for name, value in before.items() if isinstance(value, list) and name not in ("actions", "admin_domains")]
    assert "forward_older_to" in lists and "aliases" in lists
    for name in lists:
        for want in (["first@other.test", "second@other.test"], before[name]):
            answer = world.admin.call("PATCH", path, {name: want})
            assert answer.status == 200 and answer.json()[name] == want, (name, answer.body)
        if name != "aliases":
            wrong = world.admin.call("PATCH", path, {name: ["no address"]})
            assert wrong.status == 422 and f"{name}: 'no address'" in wrong.json()["detail"], (name, wrong.body)


def test_pages_of_the_longest_names(world):
    domain = ".".join(["d" * 60] * 2 + ["e" * 50])
    assert world.admin.call("POST", "/domains", {"domain": domain}).status == 201
    names = sorted(f"{c * 60}@{domain}" for c in "abcd")
    for a in names:
        assert world.admin.call("POST", "/accounts", {"address": a}).status == 201
        assert world.admin.call("PUT", f"/aliases/z{a[1:]}".replace("@", f"{names.index(a)}@"), {"targets": [a]}).status == 200
    assert [a["address"] for a in world.admin.rows("/accounts", domain=domain, limit=1)] == names
    assert len(world.admin.rows("/aliases", domain=domain, limit=1)) == 4
    assert domain in [d["domain"] for d in world.admin.rows("/domains", limit=1)]


# --- bodies ---


def wrong_values(world, schema):
    """Values that the schema of a field does not allow."""
    if "$ref" in schema:
        out = ["x", 1, [], {"colour": 1}]
        for name, field in world.doc.resolve(schema)["properties"].items():
            out += [{name: v} for v in wrong_values(world, field)]
        return out
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    samples = {"string": "x", "integer": 1, "boolean": True, "array": [], "object": {}, "null": None, "number": 1.5}
    out = [v for k, v in samples.items() if k not in kinds and not (k == "integer" and "number" in kinds)]
    if "string" in kinds:
        out += ["colours"] if "enum" in schema else []
        if "maxLength" in schema and schema["maxLength"] < 100000:
            out.append("a" * (schema["maxLength"] + 1))
        if schema.get("minLength"):
            out.append("a" * (schema["minLength"] - 1))
        if schema.get("format") == "date-time":
            out += ["now", "2026-02-31", "2h", "2026-01-01T00:00:00"]
    if "integer" in kinds:
        out += [schema[k] + d for k, d in (("minimum", -1), ("maximum", 1)) if k in schema and abs(schema[k] + d) < 2**63]
    if "array" in kinds:
        item = schema["items"]
        out += [[v] for v in ([None, 1, {}, [], ""] if item.get("type") == "string" else [None, 1, "x"])]
        if "maxItems" in schema:
            out.append(["x"] * (schema["maxItems"] + 1))
        if schema.get("minItems"):
            out.append([])
    return out


def test_bodies_that_are_wrong(world):
    for op in known(world):
        path, query, good = example(world, op)
        if not op.body:
            a = checked(world, world.admin, op, path, query, {"x": 1})
            assert op.method == "GET" or a.status == 400, (op, a.body)
            continue
        for name, field in op.body["properties"].items():
            for v in wrong_values(world, field):
                a = checked(world, world.admin, op, path, query, {**good, name: v})
                assert a.status == 422 and a.field().split(".")[0].split("[")[0] == name, (op, name, str(v)[:100], a.body)
        for name in op.body.get("required", []):
            a = checked(world, world.admin, op, path, query, {k: v for k, v in good.items() if k != name})
            assert a.status == 422 and a.field() == name, (op, name, a.body)
        a = checked(world, world.admin, op, path, query, {**good, "colour": 1})
        assert a.status == 422 and a.field() == "colour", (op, a.body)
        for bad in ([], "x", 7, None, True):
            assert checked(world, world.admin, op, path, query, bad).status in (400, 422), (op, bad)


MALFORMED = [b"", b"{", b"}", b"{" * 100000, b"[" * 100000, b'{"a":' * 3000, b"\xff\xfe{}", b"{\"\xff\":1}", b'{"a":1,"a":2}', b"{}{}", b"{'a':1}", b"NaN",
             b'{"a":1e999}', b'{"a":' + b"9" * 400 + b"}", b'{"a":"\\ud800"}', b'{"a":"\\u0000"}', b'{"a\\u0000b":1}', b"\0", b"\xef\xbb\xbf{}", b"<x/>", b"a=1"]


def test_bodies_that_are_no_json(world):
    for op in known(world):
        if op.body:
            path, query, _ = example(world, op)
            for bad in MALFORMED:
                a = checked(world, world.admin, op, path, query, bad)
                assert a.status in (400, 422) or a.status == 413 and len(bad) > 3000, (op, bad[:50], a.body)
            a = checked(world, world.admin, op, path, query, b"{}", {"Content-Type": "text/plain"})
            assert a.status == 415, (op, a.body)


def test_bodies_that_are_too_large(world):
    for op in known(world):
        path, query, _ = example(world, op)
        if op.is_write:
            # The answer comes before the body does.
            a = checked(world, world.admin, op, path, query, b"", {"Content-Length": str(100 * 1024 * 1024), "Content-Type": "application/json"})
            assert a.status == 413, (op, a.body)


# --- headers ---


def test_conditions_and_keys(world):
    for op in known(world):
        names = [p["name"] for p in op.op.get("parameters", []) if p["in"] == "header"]
        path, query, body = example(world, op)
        if "If-Match" in names:
            for tag in ("x", '"0000000000000000"', "", ",,,", "W/" * 500):
                a = checked(world, world.admin, op, path, query, body, {"If-Match": tag})
                assert a.status == 412, (op, tag, a.body)
        if "Idempotency-Key" in names:
            a = checked(world, world.admin, op, path, query, body, {"Idempotency-Key": "k" * 129})
            assert a.status in (400, 422), (op, a.body)
            key = {"Idempotency-Key": world.fresh()}
            first = checked(world, world.admin, op, path, query, body, key)
            again = checked(world, world.admin, op, path, query, body, key)
            assert first.status < 300 and (again.status, again.body) == (first.status, first.body), (op, again.body)
            other = checked(world, world.dom, op, path, query, body, key)
            assert other.body != first.body or other.body == b'{"count":0}', op  # keys are each one's own
        for headers in ({"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}, {"Authorization": "Bearer " + "x" * 5000}, {"Authorization": "\u00e9"}):
            a = checked(world, Client(world.server), op, path, query, body, headers)
            assert a.status == 401, (op, headers, a.body)


def test_methods_that_are_not_there(world):
    paths = {}
    for op in world.doc.operations:
        paths.setdefault(op.path, []).append(op)
    for path, ops in paths.items():
        allowed = {op.method for op in ops}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} - allowed:
            a = world.doc.check(ops[0], world.admin.call(method, ops[0].url(), ...), method)
            other = [o for o in world.doc.operations if o.method == method and o.path.count("/") == path.count("/") and "{" in o.path]
            assert a.status == 405 or other, (method, path, a.body)
            if a.status == 405:
                assert allowed <= set(a.headers["Allow"].replace(",", " ").split()), (method, path, a.headers["Allow"])


# --- rights ---


def expired_token(w):
    a = w.admin.call("POST", "/tokens", {"name": "old", "expires_days": 1}).json()
    with sqlite3.connect(w.server.data / "config" / "system.db", timeout=20) as db:
        assert db.execute("UPDATE api_token SET expires_ms = 1000 WHERE id = ?", (a["id"],)).rowcount == 1
    return a["token"]


def gate(w, who, op):
    """The status that tells whether the caller would be let through; nothing is done: a parameter is unknown."""
    a = who.call(op.method, op.url(None, {"colour": "red"}), {} if op.body else ...)
    return w.doc.check(op, a, who.name)


def test_only_those_with_the_scope_are_let_in(world):
    w = world
    scopes = w.admin.get("/me").json()["scopes"]
    everybody = [(Client(w.server), None), (Client(w.server, "unknown token", token="pht_" + "0" * 64), None),
                 (Client(w.server, "expired token", token=expired_token(w)), None),
                 (Client(w.server, "unknown cookie", cookie="posthorn=" + "a" * 64), None),
                 (w.user, {"self"}), (w.dom, set(w.dom.get("/me").json()["scopes"])), (w.admin, set(scopes)),
                 (sign_in(w.server, USER, PASSWORD), {"self"}), (sign_in(w.server, ADMIN, PASSWORD), set(scopes))]
    for s in scopes:
        if s not in ("self", "public"):
            token = w.admin.call("POST", "/tokens", {"name": s, "scopes": [s]}).json()["token"]
            everybody.append((Client(w.server, f"token with {s}", token=token), {s, "self"}))
            token = w.dom.call("POST", "/tokens", {"name": s, "scopes": [s]})
            own = s in w.dom.get("/me").json()["scopes"]
            assert token.status == (201 if own else 403), (s, token.body)
            if own:
                everybody.append((Client(w.server, f"domain admin's token with {s}", token=token.json()["token"]), {s, "self"}))
    for op in w.doc.operations:
        for who, has in everybody:
            a = gate(w, who, op)
            if "Authorization" in who.headers and has is None:
                assert a.status == 401 and a.json()["code"] == "invalid_token", (op, who.name, a.body)
            elif op.scope == "public" or has and op.scope in has:
                assert a.status == 400 and a.field() == "colour", (op, who.name, a.body)
            elif has is None:
                assert a.status == 401 and a.json()["code"] == "not_signed_in", (op, who.name, a.body)
            else:
                assert a.status == 403 and a.json()["code"] == "missing_scope", (op, who.name, a.body)
                assert op.scope in a.json()["detail"]
            assert set(a.json()) == set(w.doc.schemas["Problem"]["properties"])
    assert {op.scope for op in w.doc.operations} <= set(scopes) | {"public", "self"}


def test_changes_by_a_session_need_the_csrf_token(world):
    who = sign_in(world.server, ADMIN, PASSWORD)
    csrf = who.headers.pop("X-CSRF-Token")
    own = f"http://127.0.0.1:{world.server.port['http']}"
    for op in world.doc.operations:
        wrong = [{}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "0" * len(csrf)}, {"X-CSRF-Token": csrf[:-1]}, {"X-CSRF-Token": csrf, "Origin": "http://evil.test"},
                 {"X-CSRF-Token": csrf, "Origin": "null"}, {"X-CSRF-Token": csrf, "Sec-Fetch-Site": "cross-site"}, {"X-CSRF-Token": csrf, "Sec-Fetch-Site": "same-site"}]
        for headers in wrong:
            a = who.call(op.method, op.url(None, {"colour": "red"}), {} if op.body else ..., headers)
            world.doc.check(op, a, str(headers))
            harmless = not op.is_write or op.id == "login" and "Origin" not in headers and "Sec-Fetch-Site" not in headers
            assert (a.json()["code"] == "csrf") != harmless, (op, headers, a.body)
        a = who.call(op.method, op.url(None, {"colour": "red"}), {} if op.body else ..., {"X-CSRF-Token": csrf, "Origin": own, "Sec-Fetch-Site": "same-origin"})
        assert a.status == 400 and a.field() == "colour", (op, a.body)


# --- those that have tests of their own ---


def test_stream_and_its_topics(world):
    op = next(o for o in world.doc.operations if o.id == "streamEvents")
    for query in ({}, {"topics": ""}, {"topics": "colours"}, {"topics": "sessions,colours"}, {"topics": ","}, {"topics": "a" * 600}):
        a = checked(world, world.admin, op, {}, query)
        assert a.status == 400 and a.field() == "topics", (query, a.body)
    import http.client
    c = http.client.HTTPConnection("127.0.0.1", world.server.port["http"], timeout=20)
    for last in ("0", "x", "-1", "9" * 40, "18446744073709551615"):
        c.request("GET", "/api/v1/events?topics=sessions,queue.outgoing,statistics,operations,messages", headers={**world.admin.headers, "Last-Event-ID": last})
        r = c.getresponse()
        assert r.status == 200 and r.headers["Content-Type"] == "text/event-stream", last
        assert r.readline().startswith(b"id: ")
        c.close()


def test_sign_out(world):
    op = next(o for o in world.doc.operations if o.id == "logout")
    who = sign_in(world.server, ADMIN, PASSWORD)
    assert checked(world, who, op, {}).status == 204
    assert checked(world, who, op, {}).status == 401


def test_restart_of_a_service(world):
    op = next(o for o in world.doc.operations if o.id == "actOnService")
    assert checked(world, world.admin, op, {"service": "nothing"}, None, {"action": "restart"}).status == 404
    assert checked(world, world.admin, op, {"service": "pop3"}, None, {"action": "colour"}).status == 422
    pids = world.server.pids()
    world.server.expect_end("access")
    assert checked(world, world.admin, op, {"service": "pop3"}, None, {"action": "restart_module"}).status == 202
    wait_for("the new module", lambda: world.server.pids().get("access") not in (None, pids["access"]))


def test_the_database_had_no_errors(world):
    """After all of the above."""
    failed = [line for f in world.server.dir.glob("data/logs/sql/*") for line in f.read_text().splitlines() if "failed:" in line]
    assert not failed
    assert {r["name"]: r["value"] for r in world.server.tool_json("stats")["rows"]}["db_errors"] == 0
