"""Rules of content filters by the API: whose rules who may see and change; changes, order, counters, export and import; trying rules
on messages, those of the corpus too."""
import base64
import email
import email.header
import http.client
import io
import zipfile

import pytest
from api import Client, sign_in
from conftest import wait_for
from corpus import messages
from test_filters import BODY, send
from wire import PASSWORD

ROOT, ADM, USER, OTHER = "root@example.test", "adm@one.test", "user@one.test", "other@two.test"


@pytest.fixture(scope="module")
def filters(make_module_server):
    s = make_module_server(start=False, settings={"web.console_path": "/nonexistent"})
    setup = s.dir / "more.txt"
    setup.write_text(f"""create account {ROOT} password={{PLAIN}}{PASSWORD} role=system-admin
create domain one.test
create domain two.test
create account {ADM} password={{PLAIN}}{PASSWORD} role=domain-admin admin_domains=one.test
create account {USER} password={{PLAIN}}{PASSWORD}
create account {OTHER} password={{PLAIN}}{PASSWORD}
""")
    s.tool("batch", str(setup))
    token = s.tool("create", "token", ROOT, "tests").stdout.strip()
    s.bob_token = s.tool("create", "token", USER, "tests").stdout.strip()
    s.start()
    s.root = Client(s, "root", token=token)

    def answers():
        try:
            return s.root.get("/me").status == 200
        except (OSError, http.client.HTTPException):
            return False
    wait_for("the web server", answers)
    s.adm, s.bob = (sign_in(s, a, PASSWORD) for a in (ADM, USER))
    return s


@pytest.fixture(autouse=True)
def no_rules(filters):
    yield
    for row in filters.root.rows("/filters"):
        filters.root.call("PUT", f"/filters/{row['owner']}", {"text": ""})


def rule(name, rest="then stop"):
    return f'rule "{name}" {rest}'


def put(who, owner, *rules):
    a = who.call("PUT", f"/filters/{owner}", {"text": "\n\n".join(rules)})
    assert a.status == 200, a.body
    return a.json()


def names(who, **query):
    return [(r["owner"], r["order"], r["name"]) for r in who.rows("/filters", **query)]


def test_whose_rules(filters):
    """A domain's admin has his domain and its accounts, a user his own; what is not theirs is not there."""
    s = filters
    put(s.root, "server", rule("all"))
    put(s.root, "two.test", rule("d2"))
    put(s.root, OTHER, rule("other"))
    put(s.adm, "one.test", rule("d1"), rule("d1b"))
    put(s.adm, ADM, rule("mine"))
    put(s.bob, USER, rule("own"))
    assert names(s.root) == [("server", 1, "all"), ("one.test", 1, "d1"), ("one.test", 2, "d1b"), ("two.test", 1, "d2"), (ADM, 1, "mine"), (OTHER, 1, "other"), (USER, 1, "own")]
    assert names(s.root, limit=1) == names(s.root) and names(s.root, sort="-place", limit=2) == names(s.root)[::-1]
    assert names(s.adm) == [("one.test", 1, "d1"), ("one.test", 2, "d1b"), (ADM, 1, "mine"), (USER, 1, "own")]
    assert names(s.bob) == [(USER, 1, "own")]
    assert names(s.root, owner="two.test") == [("two.test", 1, "d2")] and names(s.root, q="rule \"d1b") == [("one.test", 2, "d1b")]
    for who, strange in ((s.adm, ("server", "two.test", OTHER, "nowhere.test")), (s.bob, ("server", "one.test", "two.test", ADM, OTHER))):
        for owner in strange:
            for method, path, body in (("GET", f"/filters/{owner}", ...), ("PUT", f"/filters/{owner}", {"text": ""}), ("GET", f"/filters/{owner}/other", ...),
                                       ("DELETE", f"/filters/{owner}/other", ...), ("PUT", f"/filters/{owner}/other", {"text": rule("x")}), ("GET", f"/filters?owner={owner}", ...),
                                       ("PATCH", f"/filters/{owner}/other", {"order": 1}), ("POST", "/filters", {"owner": owner, "text": rule("x")}),
                                       ("POST", "/filters/test", {"owner": owner, "text": ""})):
                a = who.call(method, path, body)
                assert a.status == (403 if owner == "server" else 404), (who.name, method, path, a.body)
    assert len(names(s.root)) == 7
    # A user's token says nothing of rules.
    for method, path, body in (("GET", "/filters", ...), ("PUT", f"/filters/{USER}", {"text": ""})):
        assert Client(s, token=s.bob_token).call(method, path, body).json()["code"] == "missing_scope"
    # What only the server may do is refused for others when it is stored.
    a = s.bob.call("PUT", f"/filters/{USER}", {"text": rule("x", "then quarantine")})
    assert a.status == 422 and a.field() == "text", a.json()["detail"]
    assert "'quarantine' is for rules of the server" in a.json()["detail"]


def test_changes(filters):
    s = filters
    put(s.adm, "one.test", rule("a"), "# why\n" + rule("b"), rule("c"))
    one = s.adm.get("/filters/one.test/b")
    assert one.json() | {"changed_at": 0} == {"level": "domain", "owner": "one.test", "name": "b", "order": 2, "enabled": True, "changed_at": 0, "text": "# why\n" + rule("b")}
    # Who has not seen the last change changes nothing.
    etag = {"If-Match": one.headers["ETag"]}
    assert s.adm.call("PATCH", "/filters/one.test/b", {"enabled": False}, etag).json()["text"] == '# why\nrule "b" off then stop'
    for method, body in (("PATCH", {"order": 1}), ("PUT", {"text": rule("b")}), ("DELETE", ...)):
        assert s.adm.call(method, "/filters/one.test/b", body, etag).status == 412
    assert s.adm.call("PATCH", "/filters/one.test/b", {"order": 1}).json()["order"] == 1
    # Another name; a dry run; what is wrong.
    assert s.adm.call("PUT", "/filters/one.test/b?dry_run=true", {"text": rule("new name")}).json()["effect"]
    assert s.adm.call("PUT", "/filters/one.test/b", {"text": rule("new name")}).json()["order"] == 1
    assert s.adm.get("/filters/one.test/b").status == 404 and s.adm.get("/filters/one.test/new%20name").status == 200
    assert s.adm.call("PUT", "/filters/one.test/a", {"text": rule("c")}).status == 409
    for text in (rule("x") + rule("y"), "", "rule", rule("x", "then jump")):
        a = s.adm.call("PUT", "/filters/one.test/a", {"text": text})
        assert a.status == 422 and a.field() == "text", a.body
    for body in ({}, {"order": 1, "enabled": True}, {"order": 0}):
        assert s.adm.call("PATCH", "/filters/one.test/a", body).status == 422
    assert s.adm.call("DELETE", "/filters/one.test/a").status == 204
    assert [n for _, _, n in names(s.adm)] == ["new name", "c"]
    # All of it is audited.
    seen = {e["admin"] for e in s.root.rows("/audit", object="one.test")}
    assert ADM in seen, seen


def test_export_and_import(filters):
    """What is exported is the same when it is imported, also elsewhere; by ETag nothing is overwritten."""
    s = filters
    text = '# first\nrule "a \\"quoted\\" Gr\u00fcn"\n  if header "X" regex "^a\\\\.b$" # here\n  then score 1.5\n\n# second\nrule "b" off then delete'
    put(s.root, "server", text)
    a = s.root.get("/filters/server")
    assert a.json() == {"level": "server", "owner": "server", "rules": 2, "text": text}
    assert put(s.root, "one.test", a.json()["text"])["text"] == text
    assert s.tool("filter", "show").stdout.strip() == text
    assert s.root.call("POST", "/filters", {"owner": "server", "text": rule("c") + "\n" + rule("b")}).json()["rules"] == 3
    assert s.root.call("PUT", "/filters/server", {"text": ""}, {"If-Match": a.headers["ETag"]}).status == 412
    a = s.root.call("PUT", "/filters/server", {"text": rule("good") + "\nrule \"bad\" if nothing then stop"})
    assert a.status == 422 and "line 2, column 15" in a.json()["detail"], a.body
    assert [n for _, _, n in names(s.root, owner="server")] == ['a "quoted" Gr\u00fcn', "b", "c"]


def test_counters(filters):
    s = filters
    put(s.root, "server", rule("every", "then score 1"), rule("first", 'if header "Subject" is "first" then score 1'))
    for subject in (b"first", b"second", b"first"):
        send(s, BODY.replace(b"first", subject))
    rows = wait_for("the hits", lambda: (r := s.root.rows("/filters", owner="server")) and [x["hits"] for x in r] == [3, 2] and r)
    assert all(x["last_hit_at"] for x in rows)
    assert s.root.call("PUT", "/filters/server/first", {"text": rule("second")}).status == 200
    assert [x["hits"] for x in s.root.rows("/filters", owner="server")] == [3, 2]  # by another name, too


def test_trying(filters):
    """Stored rules and others; the envelope and the client as they are told; nothing is counted."""
    s = filters
    put(s.root, "server", rule("sender", 'if sender is "a@b.test" and ip in "192.0.2.0/24" and tls then reject "no"'))

    def trial(who, owner="server", **body):
        a = who.call("POST", "/filters/test", {"owner": owner, "text": "Subject: x\r\n\r\nhello\r\n", **body})
        assert a.status == 200, a.body
        return a.json()
    assert trial(s.root) == {"outcome": "goes_on", "score": 0.0, "reason": None, "hits": []}
    got = trial(s.root, sender="a@b.test", ip="192.0.2.7", tls=True)
    assert got["outcome"] == "rejected" and got["hits"] == [{"rule": "sender", "actions": "reject '550 5.7.1 no'"}]
    got = trial(s.bob, USER, rules=rule("new", 'if body contains "hello" then score 2.5, move "X"'))
    assert got["score"] == 2.5 and got["hits"] == [{"rule": "new", "actions": "score 2.50, move 'X'"}]
    assert trial(s.root, data=base64.b64encode(b"Subject: \xff\r\n\r\n\0").decode(), rules=rule("d", "if size is 15 then delete"))["outcome"] == "deleted"
    for body, field in (({"rules": "rule"}, "rules"), ({"data": "?"}, "data"), ({"rules": rule("x", "then move \"\"")}, "rules")):
        a = s.root.call("POST", "/filters/test", {"owner": "server", "text": "", **body})
        assert a.status == 422 and a.field() == field, a.body
    assert [r["hits"] for r in s.root.rows("/filters")] == [0]


# --- the corpus, against Python's own reading of the same messages ---

CONDITIONS = {
    "large": "size over 10000",
    "received": 'header "Received" exists',
    "picture": 'attachment-name ends ".jpg", ".gif", ".png"',
    "pdf": 'attachment-type is "application/pdf"',
    "macro": 'attachment-name ends "vbaproject.bin"',
    "locked": "encrypted-archive",
}


def decoded(value):
    try:
        return str(email.header.make_header(email.header.decode_header(value)))
    except (LookupError, UnicodeError):
        return value


def expected(content):
    """None: Python finds the message broken; who is right is not said here."""
    m = email.message_from_bytes(content)
    found, parts = set(), list(m.walk())
    if any(p.defects for p in parts):
        return None
    found |= {"large"} if len(content) > 10000 else set()
    found |= {"received"} if m.get_all("Received") else set()
    for p in parts:
        name, data = p.get_filename(), None if p.is_multipart() else p.get_payload(decode=True)
        if data is None or (p.get_content_maintype() == "text" and not name and p.get_content_disposition() != "attachment"):
            continue
        if name and decoded(name).lower().endswith((".jpg", ".gif", ".png")):
            found.add("picture")
        if data.startswith(b"%PDF-") or p.get_content_type() == "application/pdf":
            found.add("pdf")
        if data.startswith(b"PK\3\4"):
            for entry in zipfile.ZipFile(io.BytesIO(data)).infolist():
                found |= {"macro"} if entry.filename.lower().endswith("vbaproject.bin") else set()
                found |= {"locked"} if entry.flag_bits & 1 else set()
                if entry.filename.lower().endswith((".jpg", ".gif", ".png")):
                    found.add("picture")
    return found


def test_corpus(filters):
    s = filters
    put(s.root, "server", *(rule(n, f"if {c} then score 1") for n, c in CONDITIONS.items()))
    wrong, asked, seen = {}, 0, set()
    for name, content in messages():
        a = s.root.call("POST", "/filters/test", {"owner": "server", "data": base64.b64encode(content).decode()})
        assert a.status == 200 and a.json()["outcome"] == "goes_on", (name, a.body)
        got, want = {h["rule"] for h in a.json()["hits"]}, expected(content)
        seen |= got
        asked += want is not None
        if want is not None and got != want:
            wrong[name] = (sorted(got), sorted(want))
    assert not wrong, wrong
    assert asked > 20 and seen >= {"large", "received", "picture", "pdf"}


def test_corpus_in_an_archive(filters):
    """A message of the corpus, zipped twice, with a program beside it; also when the archive has another name."""
    s = filters
    put(s.root, "server", rule("eml", 'if attachment-name ends "/real.eml" then score 1'), rule("exe", 'if attachment-type is "application/x-dosexec" then score 1'),
        rule("zip", 'if attachment-name ends ".zip" then score 1'))
    for _, content in messages()[:40:8]:
        inner, outer = io.BytesIO(), io.BytesIO()
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr("folder/real.eml", content)
            z.writestr("folder/picture.jpg", b"MZ\x90\x00" + bytes(100))
        with zipfile.ZipFile(outer, "w") as z:
            z.writestr("inner.bin", inner.getvalue())
        message = (b"Content-Type: application/octet-stream; name=photo.jpg\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(outer.getvalue()))
        got = s.root.call("POST", "/filters/test", {"owner": "server", "text": message.decode()}).json()
        assert [h["rule"] for h in got["hits"]] == ["eml", "exe"], got
