"""Connections of the web server as sessions: who is connected, what he asks for, ending him; and which of them the history keeps."""
import http.client
import json
import socket

import pytest

from api import Client
from conftest import PASSWORD, wait_for
from wire import Imap, insecure_tls

ADMIN, DORA, EVA = "alice@example.test", "dora@other.test", "eva@other.test"


@pytest.fixture(scope="module")
def host(make_module_server):
    s = make_module_server(settings={"auth.failure_delay": "0s"})
    s.tool("change", "account", ADMIN, "role=system-admin")
    s.tool("create", "domain", "other.test")
    s.tool("create", "account", DORA, f"password={{PLAIN}}{PASSWORD}", "role=domain-admin", "admin_domains=other.test")
    s.tool("create", "account", EVA, f"password={{PLAIN}}{PASSWORD}")
    s.tokens = {a: s.tool("create", "token", a, "tests").stdout.strip() for a in (ADMIN, DORA, EVA)}
    return s


@pytest.fixture
def client(host):
    """Makes clients, which go at the end, whatever has failed."""
    made = []

    def make(account, c=None):
        made.append(c or Client(host, account, token=host.tokens[account]))
        return made[-1]

    yield make
    for c in made:
        c.close()


@pytest.fixture
def admin(client):
    """Somebody else's connection than those that are looked at."""
    return client(ADMIN)


def live(who, account, **more):
    return [s for s in who.rows("/sessions", service="control", account=account, **more) if "/sessions?" not in s["doing"]]


def history(who, account):
    return who.rows("/sessions", state="history", service="control", account=account)


def only(rows):
    assert len(rows) == 1, rows
    return rows[0]


def is_closed(sock):
    """Whatever came before: that it ends, by itself."""
    sock.settimeout(30)
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


def test_a_connection_is_a_session(host, admin, client):
    before = len(admin.rows("/sessions"))
    c = client(EVA)
    assert c.get("/self/messages", limit=5).status == 200
    s = only(live(admin, EVA))
    assert (s["service"], s["direction"], s["state"], s["peer"], s["local"], s["tls"]) == ("control", "in", "active", "127.0.0.1", "127.0.0.1", False)
    assert s["doing"] == "GET /api/v1/self/messages?***" and s["account"] == EVA and s["actions"] == ["end"]
    assert s["bytes_in"] > 100 and s["bytes_out"] > 100
    assert c.get("/me").status == 200
    again = only(live(admin, EVA))
    assert again["id"] == s["id"] and again["doing"] == "GET /api/v1/me"
    assert again["bytes_in"] > s["bytes_in"] and again["bytes_out"] > s["bytes_out"]
    assert admin.get(f"/sessions/{s['id']}").json()["doing"] == "GET /api/v1/me"
    # Among the others they would only be in the way.
    assert len(admin.rows("/sessions")) == before and not [r for r in admin.rows("/sessions", peer="127.0.0.1") if r["service"] == "control"]
    assert [r["account"] for r in host.tool_json("sessions", "control")["rows"] if r["account"] == EVA] == [EVA]
    assert host.tool_json("sessions", EVA)["rows"] == [] == host.tool_json("sessions", "127.0.0.1")["rows"]
    figures = admin.get("/statistics/control").json()
    assert figures["connections"]["active"] >= 2 and figures["connections"]["total"] >= figures["connections"]["peak"] >= 2
    assert figures["bytes"]["in"] >= again["bytes_in"] and figures["sessions"] == figures["connections"]["active"]
    c.close()
    wait_for("it goes", lambda: live(admin, EVA) == [])


def test_by_tls(host, admin):
    c = http.client.HTTPSConnection("127.0.0.1", host.port["https"], timeout=30, context=insecure_tls())
    c.request("GET", "/api/v1/me", headers={"Authorization": f"Bearer {host.tokens[EVA]}"})
    assert c.getresponse().read()
    assert only(live(admin, EVA))["tls"]
    c.request("PUT", "/api/v1/self/nothing", headers={"Authorization": f"Bearer {host.tokens[EVA]}"})  # recorded: it would have changed something
    assert c.getresponse().status == 404
    ident = only(live(admin, EVA))["id"]
    c.close()
    ended = wait_for("its end", lambda: e if (e := admin.get(f"/sessions/{ident}").json()).get("ended_at") else None)
    assert ended["tls_info"].startswith("TLSv1.") and ended["errors"] == 1 and ended["commands"] == 2


def test_a_stream_is_one_and_can_be_ended(host, admin):
    """It waits for news, not for its socket: the end is seen at once all the same."""
    c = socket.create_connection(("127.0.0.1", host.port["http"]), timeout=30)
    c.sendall(f"GET /api/v1/events?topics=sessions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {host.tokens[DORA]}\r\n\r\n".encode())
    assert b"200" in c.recv(15)
    s = only(live(admin, DORA))
    assert s["doing"] == "GET /api/v1/events?***"
    assert admin.call("DELETE", f"/sessions/{s['id']}", ...).status == 204
    assert is_closed(c)
    wait_for("its row goes", lambda: live(admin, DORA) == [])
    ended = wait_for("its end", lambda: e if (e := admin.get(f"/sessions/{s['id']}").json()).get("ended_at") else None)
    assert (ended["why"], ended["outcome"]) == ("kill", "failed")
    assert [e for e in host.tool_json("events", "name=session.killed")["rows"] if e["session"].upper() == s["id"].upper()]


def test_ended_by_the_tool_and_never_by_oneself(host, admin, client):
    c = client(EVA)
    assert c.get("/me").status == 200
    s = only(live(admin, EVA))
    host.tool("sessions", "kill", s["id"][-8:])
    assert is_closed(c.http.sock)
    wait_for("its row goes", lambda: live(admin, EVA) == [])
    assert admin.call("DELETE", f"/sessions/{s['id']}", ...).status == 404
    other = client(ADMIN)
    assert other.get("/me").status == 200
    admin.get("/me")
    mine = only([r for r in admin.rows("/sessions", service="control", account=ADMIN) if "/sessions?" in r["doing"]])
    r = admin.call("DELETE", f"/sessions/{mine['id']}", ...)
    assert r.status == 409 and r.json()["code"] == "own_connection"
    with Imap(host.port["imap"], ADMIN) as imap:
        for service, goes, stays in (("control", other.http.sock, None), (None, imap.sock, None)):
            what = {"account": ADMIN, **({"service": service} if service else {})}
            r = admin.call("POST", "/sessions/actions", {"action": "end", "filter": what})
            assert r.status == 200 and r.json()["count"] == 1 and is_closed(goes), (what, r.body)
    assert admin.get("/me").status == 200


def test_the_history_has_those_that_did_something(host, admin, client):
    """Looking leaves nothing, whatever the number; one change, or signing in, makes a session of it."""
    for name in ("quiet", "busy"):
        host.tool("create", "account", f"{name}@example.test", f"password={{PLAIN}}{PASSWORD}")
        host.tokens[name] = host.tool("create", "token", f"{name}@example.test", "tests").stdout.strip()
    quiet = client("quiet")
    for _ in range(5):
        assert quiet.get("/self").status == 200
    quiet.close()
    wait_for("it goes", lambda: live(admin, "quiet@example.test") == [])
    c = Client(host)
    assert c.call("POST", "/login", {"user": "busy@example.test", "password": "wrong"}).status == 401
    signed_in = c.call("POST", "/login", {"user": "busy@example.test", "password": PASSWORD})
    assert signed_in.status == 200
    c.close()
    e = only(wait_for("the one that signed in", lambda: history(admin, "busy@example.test")))
    assert (e["commands"], e["errors"], e["outcome"]) == (2, 1, "success")
    busy = client("busy", Client(host, cookie=signed_in.headers["Set-Cookie"].split(";")[0], csrf=signed_in.json()["csrf_token"]))
    assert busy.get("/self").status == 200
    ident = only(live(admin, "busy@example.test"))["id"]
    assert busy.call("POST", "/self/app-passwords", {"label": "phone"}).status == 201
    assert admin.get(f"/sessions/{ident}").json()["state"] == "active"
    busy.close()
    e = wait_for("its end", lambda: h if len(h := history(admin, "busy@example.test")) == 2 else None)[0]
    assert (e["id"], e["outcome"], e["why"], e["commands"], e["errors"], e["peer"]) == (ident, "success", "peer", 2, 0, "127.0.0.1")
    assert admin.get(f"/sessions/{ident}").json()["local"] == "127.0.0.1"
    assert e["bytes_in"] > 0 and e["bytes_out"] > 0 and e["duration_ms"] >= 0
    assert history(admin, "quiet@example.test") == []
    text = wait_for("its transcript", lambda: t if "Disconnected" in (t := str(admin.get(f"/sessions/{ident}/transcript").json()["items"])) else None)
    assert "POST /api/v1/self/app-passwords 201" in text and "GET" not in text, text
    starts, ends = (host.tool_json("events", f"name=session.{x}", "service=control")["rows"] for x in ("start", "end"))
    assert {s["session"] for s in starts} >= {e["session"] for e in ends}


def test_whose_sessions_a_domain_admin_sees(host, admin, client):
    eva, dora = client(EVA), client(DORA)
    assert eva.get("/self").status == 200 and admin.get("/accounts/eva@other.test").status == 200
    seen = dora.rows("/sessions", service="control")
    assert {s["account"] for s in seen} == {EVA, DORA}
    assert only([s for s in seen if s["account"] == EVA])["doing"] == "GET"  # what others ask for may name what is not his
    assert only([s for s in seen if s["account"] == DORA])["doing"] == "GET /api/v1/sessions?***"
    assert eva.get("/self/sessions").json()["items"] == []


def test_one_connection_of_several(host, admin):
    """Behind a proxy a connection serves whoever comes: the row says who was last, and nobody when nobody says who he is."""
    c = http.client.HTTPConnection("127.0.0.1", host.port["http"], timeout=30)
    first = None
    for account in (EVA, DORA, None):
        c.request("GET", "/api/v1/me", headers={"Authorization": f"Bearer {host.tokens[account]}"} if account else {})
        assert json.loads(c.getresponse().read())
        if account:
            s = only(live(admin, account))
            first = first or s["id"]
            assert s["id"] == first
        else:
            assert admin.get(f"/sessions/{first}").json()["account"] == ""
    c.close()


def test_watchers_do_not_wake_themselves(host, admin):
    """A stream of the sessions is not told of the streams, which each telling would change."""
    c = socket.create_connection(("127.0.0.1", host.port["http"]), timeout=30)
    c.sendall(f"GET /api/v1/events?topics=sessions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {host.tokens[ADMIN]}\r\n\r\n".encode())
    got = b""
    while b"event: snapshot" not in got:
        got += c.recv(65536)
    for _ in range(5):
        assert admin.get("/me").status == 200
    with Imap(host.port["imap"], "bob@example.test"):
        while b'"bob@example.test"' not in got:
            got += c.recv(65536)
    assert b'"control"' not in got
    c.close()
