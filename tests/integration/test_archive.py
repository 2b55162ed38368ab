"""The mail archive: what is received and sent is in it, once, before it is delivered, also through kills; looking into it by tool and
API, each look in the audit; what cannot be archived."""
import base64
import email
import email.policy
import json
import os
import random
import re
import threading

from api import Client
from conftest import PASSWORD, wait_for
from test_accounts import newest
from test_filters import count
from wire import Closed, Smtp

ON = {"archive.enabled": "yes", "deliver.relay_host": "127.0.0.1:1", "queue.retry_schedule": "1h", "web.console_path": "/nonexistent"}


def files(server, below="archive"):
    return sorted((server.data / below).glob("????-??-??/??/*.eml"))


def listed(server, *words):
    return server.tool_json("archive", "list", *words)["rows"]


def body(subject):
    return f"From: X <x@elsewhere.test>\r\nTo: list@elsewhere.test\r\nSubject: {subject}\r\n\r\nHello\r\n".encode()


def receive(server, subject, *users):
    with Smtp(server.port["smtp"]) as c:
        c.envelope("someone@elsewhere.test", *[server.address(u) for u in users])
        c.data(body(subject))
        c.quit()


def test_received_and_sent(make_server):
    s = make_server(settings=ON)
    receive(s, "both", "alice", "bob")
    with Smtp(s.port["submission"]) as c:
        c.login(s.address("carol"))
        c.envelope(s.address("carol"), "far@away.test")
        c.data(body("leaving"))
        c.quit()
    wait_for("deliveries", lambda: count(s, "alice") == 1 and count(s, "bob") == 1)
    wait_for("the second copy", lambda: len(files(s)) == 2)
    sent, got = sorted(listed(s), key=lambda r: r["login"], reverse=True)
    assert (got["subject"], got["sender"], got["login"], got["peer"]) == ("both", "someone@elsewhere.test", "", "127.0.0.1")
    assert [(r["address"], r["local"]) for r in got["recipients"]] == [(s.address("alice"), True), (s.address("bob"), True)]
    assert (sent["subject"], sent["login"]) == ("leaving", s.address("carol"))
    assert [(r["address"], r["local"]) for r in sent["recipients"]] == [("far@away.test", False)]
    # Readable by plain tools: a message with fields of ours in front.
    path = next(p for p in files(s) if p.stem == got["name"])
    assert path.parent.name == got["name"][9:11] and path.stat().st_mode & 0o777 == 0o600
    m = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert m["X-Archive-Id"] == got["id"] and m["X-Archive-Sender"] == "<someone@elsewhere.test>" and m["Subject"] == "both"
    assert m.get_all("X-Archive-Recipient") == [f"local <{s.address('alice')}>", f"local <{s.address('bob')}>"]
    # By the tool.
    assert [r["name"] for r in listed(s, "BOB@")] == [got["name"]]
    assert [r["name"] for r in listed(s, "subject=leav")] == [sent["name"]]
    assert listed(s, f"id={sent['id']}") == [sent] and listed(s, "until=1d") == [] and len(listed(s, "since=1d")) == 2
    assert listed(s, "until=2001-01-01T10:30:00Z") == [] and len(listed(s, "since=2001-01-01T10:30:00Z")) == 2
    r = s.tool("archive", "list", "since=2001-01-01T10:30", check=False)
    assert r.returncode == 1 and "a time such as" in r.stderr
    first = s.tool_json("archive", "list", "limit=1")
    assert [r["name"] for r in first["rows"] + listed(s, f"before={first['next']}")] == [r["name"] for r in listed(s)]
    assert s.address("alice") in s.tool("archive", "show", got["name"]).stdout
    text = s.tool("archive", "export", got["name"]).stdout
    assert text.startswith("Return-Path: <someone@elsewhere.test>\n") and "\nSubject: both\n" in text and "X-Archive" not in text
    r = s.tool("archive", "show", "20000101T000000-AAA00001-0000000000000000", check=False)
    assert r.returncode == 1 and "the archive has no message" in r.stderr
    looks = {row["object"] for row in s.tool_json("audit")["rows"] if row["field"] == "looked at"}
    assert {f"archive.show {got['name']}", f"archive.export {got['name']}", "archive.list BOB@"} <= looks


def test_a_large_message_in_pieces(make_server):
    s = make_server(settings=ON)
    big = body("big") + b"0123456789abcdef0123456789abcdef\r\n" * 300000
    with Smtp(s.port["smtp"]) as c:
        c.envelope("someone@elsewhere.test", s.address("alice"))
        c.data(big)
        c.quit()
    wait_for("the copy", lambda: len(files(s)) == 1)
    row, = listed(s)
    assert s.tool("archive", "export", row["name"]).stdout.endswith(big.decode().replace("\r\n", "\n"))


def test_the_api(make_server):
    s = make_server(settings=ON, start=False)
    s.tool("create", "domain", "other.test")
    s.tool("create", "account", "dora@other.test", f"password={{PLAIN}}{PASSWORD}")
    s.tool("create", "account", "adm@other.test", f"password={{PLAIN}}{PASSWORD}", "role=domain-admin", "admin_domains=other.test")
    s.tool("create", "account", "root@example.test", f"password={{PLAIN}}{PASSWORD}", "role=system-admin")
    root = Client(s, "root", token=s.tool("create", "token", "root@example.test", "t").stdout.strip())
    adm = Client(s, "adm", token=s.tool("create", "token", "adm@other.test", "t").stdout.strip())
    s.start()
    with Smtp(s.port["smtp"]) as c:
        for subject, to in (("one", ["alice@example.test"]), ("two", ["alice@example.test", "dora@other.test"])):
            c.envelope("someone@elsewhere.test", *to)
            c.data(body(subject))
        # A sender's address may be anybody's: it opens nothing.
        c.envelope("dora@other.test", "alice@example.test")
        c.data(body("three"))
        c.quit()
    wait_for("the copies", lambda: len(files(s)) == 3)
    assert sorted(m["subject"] for m in root.rows("/archive/messages")) == ["one", "three", "two"]
    assert root.rows("/archive/messages", limit=1) == root.rows("/archive/messages")
    assert [m["subject"] for m in root.rows("/archive/messages", q="tw")] == ["two"]
    two, = adm.rows("/archive/messages")
    assert two["subject"] == "two" and [r["address"] for r in two["recipients"]] == ["dora@other.test"] and two["n_recipients"] == 1
    assert adm.rows("/archive/messages", address="alice") == [] and len(adm.rows("/archive/messages", address="dora")) == 1
    one = next(m for m in root.rows("/archive/messages") if m["subject"] == "one")
    assert adm.get(f"/archive/messages/{two['name']}").json() == two
    assert adm.get(f"/archive/messages/{one['name']}").status == 404
    assert adm.get(f"/archive/messages/{two['name']}/content").status == 403  # a scope that he has not
    part = root.get(f"/archive/messages/{one['name']}/content", offset=7).json()
    whole = root.get(f"/archive/messages/{one['name']}/content").json()
    assert base64.b64decode(whole["content"])[7:] == base64.b64decode(part["content"]) and whole["size"] == len(base64.b64decode(whole["content"]))
    looks = [(e["admin"], e["object"]) for e in root.rows("/audit") if e["field"] == "looked at"]
    assert ("adm@other.test", f"getArchivedMessage {two['name']}") in looks and ("adm@other.test", "listArchivedMessages") in looks
    assert ("root@example.test", f"getArchivedMessageContent {one['name']}") in looks


def test_sent_once_more(make_server):
    s = make_server(settings=ON, start=False)
    s.tool("create", "domain", "other.test")
    for name, more in (("root@example.test", ["role=system-admin"]), ("adm@other.test", ["role=domain-admin", "admin_domains=other.test"])):
        s.tool("create", "account", name, f"password={{PLAIN}}{PASSWORD}", *more)
    root = Client(s, "root", token=s.tool("create", "token", "root@example.test", "t").stdout.strip())
    adm = Client(s, "adm", token=s.tool("create", "token", "adm@other.test", "t").stdout.strip())
    reader = Client(s, "reader", token=s.tool("create", "token", "root@example.test", "r", "scopes=queue:write messages:read").stdout.strip())
    s.start()
    assert root.get("/archive").json() == {"enabled": True, "path": str(s.data / "archive"), "keep_s": 0, "days": 0, "first_day": "", "last_day": "",
                                           "messages": 0, "bytes": 0, "complete": True}
    receive(s, "once", "alice")
    wait_for("the delivery", lambda: count(s, "alice") == 1)
    row, = root.rows("/archive/messages")
    size = sum(p.stat().st_size for p in files(s))
    day = files(s)[0].parent.parent.name
    now = root.get("/archive").json()
    assert (now["days"], now["messages"], now["bytes"], now["first_day"], now["last_day"]) == (1, 1, size, day, day)
    assert f"{size} bytes" in s.tool("archive", "status").stdout and adm.get("/archive").status == 403
    path = f"/archive/messages/{row['name']}/send"
    # Who may not see it, or not read it, does not send it; nor does it go to nobody.
    assert adm.call("POST", path, {"to": ["adm@other.test"]}).status == 403
    assert reader.call("POST", path, {"to": [s.address("bob")]}).status == 403
    for to, status in ((["nobody@example.test"], 422), ([s.address("bob"), "not an address@"], 422), ([";"], 422)):
        a = root.call("POST", path, {"to": to})
        assert (a.status, a.field()) == (status, "to"), a.body
    assert root.call("POST", path + "?dry_run=true", {"to": [s.address("bob")]}).json()["effect"][0]["new"] == s.address("bob")
    assert root.call("POST", "/archive/messages/20261127T203816-OSA88513-00112233AABBCCDD/send", {"to": [s.address("bob")]}).status == 404
    assert count(s, "bob") == 0
    # Back into a mailbox, and to another server.
    made = root.call("POST", path, {"to": [s.address("alice"), s.address("bob"), "far@away.test"]})
    assert made.status == 201, made.body
    wait_for("both", lambda: (count(s, "alice"), count(s, "bob")) == (2, 1))
    got = email.message_from_bytes(newest(s, "bob"), policy=email.policy.default)
    assert (got["Subject"], got["Return-Path"], got["Resent-From"]) == ("once", "<root@example.test>", "root@example.test")
    assert s.address("bob") in got["Resent-To"] and made.json()["id"] in got["Resent-Message-ID"] and "from the mail archive" in got["Received"]
    assert got.get_content().strip() == "Hello" and str(got).count("Return-Path:") == 1
    event, = wait_for("the event", lambda: s.tool_json("events", "name=archive.sent")["rows"])
    assert event["fields"]["admin"] == "root@example.test" and event["fields"]["object"] == row["name"]
    assert made.json()["id"] in s.tool("trace", row["id"]).stdout
    wait_for("its copy in the archive", lambda: any(r["original"] == row["id"] for r in listed(s)))
    assert any(r["object"] == f"archive {row['name']}" and r["field"] == "send" for r in root.rows("/audit"))
    # By the tool, also after a kill: what was answered is in the queue.
    out = s.tool("archive", "send", row["name"], s.address("carol")).stdout
    s.kill("smtp")
    assert re.search(r"message id: +[A-Z]{3}\d{5}", out)
    wait_for("the third", lambda: count(s, "carol") == 1)
    # Found by who sent it, and by who got it.
    assert [r["name"] for r in root.rows("/archive/messages", sender="someone@")] == [row["name"]]
    assert {r["name"] for r in root.rows("/archive/messages", recipient="carol@")} == {r["name"] for r in listed(s, "recipient=carol@")} != set()
    assert root.rows("/archive/messages", sender="someone@", recipient="carol@") == []


def test_mail_that_cannot_be_archived(make_server):
    s = make_server(settings=dict(ON, **{"archive.path": "/proc/nowhere/archive"}))
    receive(s, "waits", "alice")
    row, = wait_for("the first attempt", lambda: [r for r in s.tool_json("queue")["rows"] if r["attempts"] and r["state"] == "waiting"])
    assert row["answer"] == "451 4.3.0 The mail archive cannot be written now" and count(s, "alice") == 0
    assert wait_for("the event", lambda: s.tool_json("events", "name=archive.failed")["rows"])[0]["fields"]["outcome"] == "waits"
    s.tool("set", "archive.on_failure", "continue")
    s.tool("queue", "retry", row["id"])
    wait_for("the delivery", lambda: count(s, "alice") == 1)
    s.tool("set", "archive.path", str(s.data / "elsewhere"))
    receive(s, "goes", "alice")
    wait_for("the copy", lambda: len(files(s, "elsewhere")) == 1)
    checks = {i["id"]: i["state"] for i in json.loads(s.tool("api", "GET", "/health/checks").stdout)["items"]}
    assert checks["archive.failed"] == "warn" and "archive.disk" in checks


def test_age(make_server):
    s = make_server(start=False, settings={"archive.keep": "30d"})
    old, other = s.data / "archive/2001-02-03/04", s.data / "archive/notes"
    for d in (old, other):
        d.mkdir(parents=True)
        (d / "20010203T040506-AAA00001-0000000000000001.eml").write_text("x")
    if s.user:
        os.system(f"chown -R {s.user} {s.data / 'archive'}")
    s.start()
    wait_for("the old day's end", lambda: not old.parent.exists())
    assert list(other.iterdir())
    assert wait_for("the event", lambda: s.tool_json("events", "name=archive.expired")["rows"])[0]["fields"]["object"] == "2001-02-03"


def test_nothing_acknowledged_is_missing_after_kills(make_server):
    """Mail comes while its module is killed again and again: each message that was acknowledged is delivered and in the archive, once."""
    s = make_server(settings=dict(ON, **{"deliver.relay_host": ""}))
    acknowledged, rnd, stop = [], random.Random(7), threading.Event()

    def load(k):
        n = 0
        while not stop.is_set():
            try:
                with Smtp(s.port["smtp"], timeout=20) as c:
                    while not stop.is_set():
                        n += 1
                        c.envelope("someone@elsewhere.test", s.address("alice"), s.address("bob"))
                        c.data(body(f"m{k}-{n}."))
                        acknowledged.append(f"m{k}-{n}.")
            except (Closed, OSError, AssertionError):
                continue

    threads = [threading.Thread(target=load, args=(k,)) for k in range(3)]
    s.expect_end("smtp")
    for t in threads:
        t.start()
    try:
        for _ in range(4):
            want = len(acknowledged) + rnd.randint(5, 40)
            wait_for("further mail", lambda want=want: len(acknowledged) >= want)
            wait_for("the module", lambda: "smtp" in s.pids())
            s.kill("smtp")
    finally:
        stop.set()
        for t in threads:
            t.join()
    s.wait_port(s.port["smtp"])
    wait_for("an empty queue", lambda: s.tool_json("queue")["rows"] == [])
    subjects = [email.message_from_bytes(p.read_bytes())["Subject"] for p in files(s)]
    assert len(subjects) == len(set(subjects)) and set(acknowledged) <= set(subjects)
    assert count(s, "alice") == count(s, "bob") == len(subjects)
