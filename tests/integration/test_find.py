"""Finding messages and sessions that are over, by the API, after real mail: accepted, refused, waiting, bounced."""
import base64
import smtplib
import threading
import urllib.parse

import pytest

from conftest import PASSWORD, wait_for
from test_basics import BODY
from test_events import accepted_id, refused
from test_web import ADMIN, admin, call, read_events, reachable

DOM = "dom@other.test"


@pytest.fixture(scope="module")
def web(make_module_server):
    s = make_module_server(start=False, settings={"deliver.relay_host": "127.0.0.1:1", "queue.retry_schedule": "1h",
                                                  "smtp.max_message_size": "20KiB", "auth.failure_delay": "0s"})
    setup = s.dir / "more.txt"
    setup.write_text(f"""create domain other.test
create account {ADMIN} password={{PLAIN}}{PASSWORD} role=system-admin
create account {DOM} password={{PLAIN}}{PASSWORD} role=domain-admin admin_domains=other.test
create account zoe@other.test password={{PLAIN}}{PASSWORD}
""")
    s.tool("batch", str(setup))
    s.token = s.tool("create", "token", ADMIN, "tests").stdout.strip()
    s.dom_token = s.tool("create", "token", DOM, "tests").stdout.strip()
    s.start()
    wait_for("the web server", lambda: reachable(s.port["http"]))
    return s


def dom(s, method, path, **kw):
    return call(s, method, path, token=s.dom_token, **kw)


def messages(s, who=admin, **filters):
    items, cursor = [], None
    while True:
        query = dict(filters, **({"cursor": cursor} if cursor else {}))
        page = who(s, "GET", "/messages?" + urllib.parse.urlencode(query))
        assert page.status == 200, page.body
        page = page.json()
        items += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return items


def submit(s, sender, recipients, account=None, body=BODY):
    """The message id of the 250. account: logs in at the submission port."""
    with smtplib.SMTP("127.0.0.1", s.port["submission" if account else "smtp"], timeout=20) as c:
        c.ehlo("client.test")
        if account:
            c.login(account, PASSWORD)
        assert c.mail(sender)[0] == 250
        for r in recipients:
            c.rcpt(r)
        code, text = c.data(body)
        assert code == 250, text
        return accepted_id(text)


def when(s, msgid, status, who=admin):
    def look():
        a = who(s, "GET", f"/messages/{msgid}")
        return a.json() if a.status == 200 and a.json()["status"] == status else None
    return wait_for(f"{msgid} {status}", look)


def test_a_delivered_message(web):
    msgid = submit(web, "a1@elsewhere.test", ["bob@example.test"])
    m = when(web, msgid, "delivered")
    assert (m["id"], m["sender"], m["recipients"], m["recipients_total"]) == (msgid, "a1@elsewhere.test", ["bob@example.test"], 1)
    assert (m["direction"], m["peer"], m["account"]) == ("in", "127.0.0.1", "") and m["size"] > 0
    assert m["verdict"]["status"] == "delivered" and m["verdict"]["cause"] is None and m["missing"] == []
    assert [e["name"] for e in m["events"]] == ["smtp.rcpt.accepted", "smtp.message.accepted", "delivery.local.done"]
    assert [(r["recipient"], r["status"], r["attempts"]) for r in m["lanes"]] == [("bob@example.test", "delivered", 1)]
    assert admin(web, "GET", f"/messages/{m['key']}").json() == m and admin(web, "GET", f"/messages/{msgid.lower()}").json() == m
    row = {k: v for k, v in m.items() if k not in ("verdict", "events", "lanes", "related", "missing")}
    for filters in ({}, {"sender": "A1@elsewhere.test"}, {"address": "bob@example.test", "sender": "a1@elsewhere.test"},
                    {"session": m["session"]}, {"ip": "127.0.0.1", "q": msgid}, {"status": "delivered", "q": "a1@;-nobody"}, {"from": "1h"}):
        assert row in messages(web, **filters), filters
    for filters in ({"sender": "bob@example.test"}, {"to": "1h"}, {"status": "bounced"}, {"direction": "out"}, {"ip": "192.0.2.1"}, {"q": "-a1@elsewhere"}):
        assert row not in messages(web, **filters), filters
    assert sum(x["id"] == msgid for x in messages(web, address="bob@example.test", limit=1)) == 1


def test_refused_messages(web):
    with smtplib.SMTP("127.0.0.1", web.port["smtp"], timeout=20) as c:
        c.ehlo("client.test")
        refused(c, "MAIL FROM:<big@elsewhere.test> SIZE=9999999")
        c.mail("r2@elsewhere.test")
        refused(c, "RCPT TO:<nobody@example.test>")
        c.rset()
        c.mail("r3@elsewhere.test")
        c.rcpt("bob@example.test")
        assert c.data(b"Subject: big\r\n\r\n" + (b"x" * 70 + b"\r\n") * 500)[0] == 554
    wait_for("the refusals", lambda: len(messages(web, status="refused")) >= 3)
    for sender, explanation, setting in (("big@elsewhere.test", "smtp.err.501.toolong", "smtp.max_message_size"), ("r2@elsewhere.test", "smtp.err.550.ulocal", None),
                                         ("r3@elsewhere.test", "smtp.err.554.size", "smtp.max_message_size")):
        row = messages(web, sender=sender)
        assert len(row) == 1 and row[0]["status"] == "refused" and row[0]["answer"][0] == "5", (sender, row)
        m = admin(web, "GET", f"/messages/{row[0]['key']}").json()
        assert (m["verdict"]["explanation"], m["verdict"]["setting"]) == (explanation, setting), m["verdict"]
        assert m["verdict"]["line"] == row[0]["answer"] and m["verdict"]["cause"] and m["verdict"]["remedy"]
        known = admin(web, "GET", "/reference/reply-codes?reply=" + urllib.parse.quote(row[0]["answer"])).json()["items"]
        assert [k["id"] for k in known] == [explanation]
    assert messages(web, sender="r2@elsewhere.test")[0]["id"] is None
    assert [x["key"] for x in messages(web, recipient="nobody@example.test")] == [messages(web, sender="r2@elsewhere.test")[0]["key"]]


def test_waiting_then_bounced_with_its_notice(web):
    msgid = submit(web, "alice@example.test", ["far@away.test", "bob@example.test"], account="alice@example.test")
    m = when(web, msgid, "waiting")
    assert (m["direction"], m["account"]) == ("out", "alice@example.test")
    lanes = {r["recipient"]: r for r in m["lanes"]}
    assert lanes["bob@example.test"]["status"] == "delivered" and lanes["far@away.test"]["status"] == "waiting"
    assert lanes["far@away.test"]["next_try_at"] and lanes["far@away.test"]["setting"] == "queue.retry_schedule"
    assert m["verdict"]["next_try_at"] == lanes["far@away.test"]["next_try_at"]
    web.tool("set", "queue.lifetime", "1s")
    m = wait_for("the bounce and its notice", lambda: web.tool("queue", "retry", check=False) and
                 (m if (m := admin(web, "GET", f"/messages/{msgid}").json())["status"] == "mixed" and m["related"] else None), 60)
    web.tool("set", "queue.lifetime", "5d")
    assert [r["relation"] for r in m["related"]] == ["notice"]
    notice = when(web, m["related"][0]["key"], "delivered")
    assert notice["id"] == m["related"][0]["id"] and notice["sender"] == "" and notice["direction"] == "local"
    assert notice["related"] == [{"id": msgid, "key": m["key"], "relation": "parent"}]
    assert {e["message"] for e in m["events"]} >= {m["key"], notice["key"]}


def test_deleted_from_the_queue(web):
    msgid = submit(web, "alice@example.test", ["gone@away.test"], account="alice@example.test")
    when(web, msgid, "waiting")
    web.tool("queue", "delete", msgid)
    m = when(web, msgid, "deleted")
    assert [r["key"] for r in messages(web, status="deleted")] == [m["key"]]


def test_delivered_in_part_then_deleted(web):
    """Deleting what is left does not make undone what was delivered."""
    msgid = submit(web, "alice@example.test", ["bob@example.test", "rest@away.test"], account="alice@example.test")
    when(web, msgid, "waiting")
    web.tool("queue", "delete", msgid)
    m = when(web, msgid, "mixed")
    lanes = {r["recipient"]: r for r in m["lanes"]}
    assert lanes["bob@example.test"]["status"] == "delivered" and lanes["rest@away.test"]["status"] == "deleted"
    assert lanes["rest@away.test"]["ended_at"] and not lanes["rest@away.test"]["next_try_at"]
    assert m["verdict"]["status"] == "mixed" and m["verdict"]["text"].startswith("1 of 2 recipients will not get it; deleted by an administrator")
    assert m["key"] in [r["key"] for r in messages(web, status="mixed")] and m["key"] not in [r["key"] for r in messages(web, status="deleted")]
    why = web.tool_json("why", msgid)["message"]
    assert why["state"] == "mixed" and {r["address"]: r["state"] for r in why["recipients"]} == {"bob@example.test": "delivered", "rest@away.test": "deleted"}


def test_pages_neither_repeat_nor_miss(web):
    ids = [submit(web, "pages@elsewhere.test", ["bob@example.test", "carol@example.test"]) for _ in range(7)]
    when(web, ids[-1], "delivered")
    for filters in ({"sender": "pages@elsewhere.test"}, {"recipient": "carol@example.test"}):
        seen = [m["id"] for m in messages(web, limit=2, **filters)]
        assert seen[:7] == ids[::-1] and len(seen) == len(set(seen))


def transcript(s, session, who=admin):
    a = who(s, "GET", f"/sessions/{session}/transcript?limit=2000")
    assert a.status == 200, a.body
    return a.json()


def test_a_session_lives_and_ends(web):
    c = smtplib.SMTP("127.0.0.1", web.port["submission"], timeout=20)
    c.ehlo("living.test")
    c.login("alice@example.test", PASSWORD)
    live = wait_for("the session", lambda: admin(web, "GET", "/sessions?service=submission&account=alice").json()["items"])[0]
    assert live["state"] == "active" and live["ended_at"] is None and live["id"].endswith(live["log_id"])
    first = wait_for("its lines", lambda: t if "AUTH" in str(t := transcript(web, live["id"])) else None)
    assert first["state"] == "active" and first["next_cursor"]
    assert base64.b64encode(PASSWORD.encode()).decode() not in str(first) and PASSWORD not in str(first)
    c.docmd("NOOP", "later")
    c.quit()
    ended = wait_for("its end", lambda: e if (e := admin(web, "GET", f"/sessions/{live['id']}").json()).get("ended_at") else None)
    assert (ended["outcome"], ended["why"], ended["account"], ended["helo"], ended["local"]) == \
        ("success", "quit", "alice@example.test", "living.test", live["local"])
    assert ended["commands"] >= 4 and ended["duration_ms"] >= 0 and ended["bytes_in"] > 0 and ended["actions"] == []
    assert set(ended) == set(live)
    rest, cursor = [], first["next_cursor"]
    while cursor:
        page = admin(web, "GET", f"/sessions/{live['id']}/transcript?cursor={cursor}").json()
        rest, cursor = rest + page["items"], page["next_cursor"]
    whole = transcript(web, live["id"])
    assert first["items"] + rest == whole["items"] and any("NOOP later" in i["text"] for i in rest)
    assert {i["kind"] for i in whole["items"]} >= {"in", "out", "text"}
    looks = [e for e in admin(web, "GET", "/audit?limit=50").json()["items"] if live["id"] in e["object"] and e["field"] == "looked at"]
    assert 1 <= len(looks) < 50 and all(e["admin"] == ADMIN for e in looks)
    assert admin(web, "GET", f"/sessions/{live['log_id']}").json()["id"] == live["id"]
    history = admin(web, "GET", "/sessions?state=history&account=alice@example.test&outcome=success&from=1h").json()["items"]
    assert ended["id"] in [i["id"] for i in history] and {i["account"] for i in history} == {"alice@example.test"}
    assert admin(web, "GET", "/sessions?state=history&account=alice@example.test&outcome=failed").json()["items"] == []
    assert admin(web, "DELETE", f"/sessions/{live['id']}").status == 404


def test_history_has_pages(web):
    for _ in range(5):
        with smtplib.SMTP("127.0.0.1", web.port["smtp"], timeout=20) as c:
            c.ehlo("paged.test")

    def all_of():
        seen, cursor = [], ""
        while cursor is not None:
            page = admin(web, "GET", f"/sessions?state=history&service=smtp&q=paged.test&limit=2{cursor and '&cursor=' + cursor}").json()
            assert len(page["items"]) <= 2
            seen, cursor = seen + [i["id"] for i in page["items"]], page["next_cursor"]
        return seen
    seen = wait_for("five sessions", lambda: got if len(got := all_of()) == 5 else None)
    assert len(set(seen)) == 5


def test_a_domain_admin_sees_his_share(web):
    mine = submit(web, "stranger@elsewhere.test", ["zoe@other.test", "bob@example.test"])
    foreign = submit(web, "stranger@elsewhere.test", ["carol@example.test"])
    sent = submit(web, "zoe@other.test", ["carol@example.test"], account="zoe@other.test")
    for i in (mine, foreign, sent):
        when(web, i, "delivered")
    ids = [m["id"] for m in messages(web, dom)]
    assert mine in ids and sent in ids and foreign not in ids
    assert ids == [m["id"] for m in messages(web, dom, limit=1)]
    key = admin(web, "GET", f"/messages/{foreign}").json()["key"]
    for path in (foreign, key):
        assert dom(web, "GET", f"/messages/{path}").status == 404
    assert foreign not in str(messages(web, dom, address="carol@example.test")) and foreign not in str(messages(web, dom, ip="127.0.0.1"))
    m = dom(web, "GET", f"/messages/{mine}")
    assert b"example.test" not in m.body and b"127.0.0.1" not in m.body
    m = m.json()
    assert m["recipients"] == ["zoe@other.test"] and m["recipients_total"] == 1 and m["session"] is None
    assert {e["session"] for e in m["events"]} == {None} and m["verdict"]["text"] == "delivered to 1 of 1 recipient"
    m = dom(web, "GET", f"/messages/{sent}").json()
    assert m["session"] and m["recipients"] == ["carol@example.test"]  # his account's own
    assert "FROM:<zoe@other.test>" in str(transcript(web, m["session"], dom))
    stranger = admin(web, "GET", f"/messages/{mine}").json()["session"]
    for path in (f"/sessions/{stranger}", f"/sessions/{stranger}/transcript"):
        assert dom(web, "GET", path).status == 404
    history = wait_for("the history", lambda: dom(web, "GET", "/sessions?state=history").json()["items"])
    assert {i["account"] for i in history} == {"zoe@other.test"} and {i["peer"] for i in history} == {"127.0.*.*"}
    hits = dom(web, "GET", f"/search?q={foreign}").json()["items"] + dom(web, "GET", f"/search?q={key}").json()["items"]
    assert hits == [] and dom(web, "GET", f"/search?q={stranger}").json()["items"] == []
    assert [h["id"] for h in dom(web, "GET", f"/search?q={mine}").json()["items"]] == [mine]


def test_search_finds_what_is_over(web):
    msgid = submit(web, "search@elsewhere.test", ["bob@example.test"])
    m = when(web, msgid, "delivered")

    def hits(q):
        return [(h["type"], h["id"]) for h in admin(web, "GET", "/search?q=" + q).json()["items"]]

    wait_for("the session's end", lambda: ("session", m["session"]) in hits(m["session"]))
    assert hits(msgid) == hits(m["key"]) == hits("search@elsewhere.test") == [("message", msgid)]
    assert ("session", m["session"]) in hits(m["session"][-4:]) and ("message", msgid) in hits("127.0.0.1")


def test_the_feed_tells_that_messages_moved(web):
    got = []
    t = threading.Thread(target=lambda: got.extend(read_events(web, "messages", 2)))
    t.start()
    wait_for("an event", lambda: submit(web, "live@elsewhere.test", ["bob@example.test"]) and not t.is_alive(), interval=0.3)
    assert [(e[1], e[2]["topic"]) for e in got] == [("invalidate", "messages"), ("resync", "messages")], got


def test_bad_questions_name_the_field(web):
    for path, field in (("/messages?status=lost%20forever", "status"), ("/messages?session=" + "z" * 16, "session"), ("/messages?from=yesterday", "from"),
                        ("/messages?cursor=abc", "cursor"), ("/sessions?state=history&outcome=x", "outcome"),
                        ("/sessions?outcome=failed", "outcome"), ("/sessions?state=history&sort=idle", "sort"), ("/sessions?state=history&cursor=MHwwfDE", "cursor"),
                        ("/reference/reply-codes?code=1", "code")):
        a = admin(web, "GET", path)
        assert a.status == 400 and a.json()["fields"][0]["name"] == field, (path, a.body)
    for path in ("/messages/ABC00000", "/messages/0000000000000001", "/messages/x", "/sessions/0000000000000001", "/sessions/x/transcript"):
        assert admin(web, "GET", path).status == 404, path
