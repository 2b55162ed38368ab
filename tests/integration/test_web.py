"""The web server and the API as a client or an attacker meets them: real sockets, real requests."""
import http.client
import json
import os
import socket
import ssl
import threading
import time

import pytest

from conftest import PASSWORD, wait_for

ADMIN, ALICE, DOM = "root@example.test", "alice@example.test", "dom@other.test"


@pytest.fixture(scope="module")
def web(make_module_server):
    s = make_module_server(start=False, settings={"web.console_path": "/nonexistent", "web.idle_timeout": "3s", "web.request_timeout": "3s", "auth.failure_delay": "200ms"})
    start_with_admin(s, "create domain other.test", f"create account {DOM} password={{PLAIN}}{PASSWORD} role=domain-admin admin_domains=other.test",
                     f"create account zoe@other.test password={{PLAIN}}{PASSWORD}", "create account victim@other.test")
    s.dom_token = s.tool("create", "token", DOM, "tests").stdout.strip()
    s.console = s.dir / "console"
    return s


def start_with_admin(s, *lines):
    """Starts a server that has a system administrator, his token, and what the lines of a batch make."""
    setup = s.dir / "more.txt"
    setup.write_text("\n".join([*lines, f"create account {ADMIN} password={{PLAIN}}{PASSWORD} role=system-admin"]) + "\n")
    s.tool("batch", str(setup))
    s.token = s.tool("create", "token", ADMIN, "tests").stdout.strip()
    s.start()
    wait_for("the web server", lambda: reachable(s.port["http"]))


def reachable(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return True
    except OSError:
        return False


class Answer:
    def __init__(self, r, body):
        self.status, self.body = r.status, body
        self.headers = r.headers

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json()["code"]


def call(s, method, path, body=None, token=None, headers=None, tls=False):
    h = dict(headers or {})
    if token:
        h["Authorization"] = f"Bearer {token}"
    if body is not None and "Content-Type" not in h:
        h["Content-Type"] = "application/json"
    if body is not None and not isinstance(body, (str, bytes)):
        body = json.dumps(body)
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        c = http.client.HTTPSConnection("127.0.0.1", s.port["https"], timeout=20, context=context)
    else:
        c = http.client.HTTPConnection("127.0.0.1", s.port["http"], timeout=20)
    try:
        c.request(method, "/api/v1" + path if not path.startswith("!") else path[1:], body, h)
        r = c.getresponse()
        return Answer(r, r.read())
    finally:
        c.close()


def admin(s, method, path, body=None, **kw):
    return call(s, method, path, body, token=s.token, **kw)


def sign_in(s, user=ADMIN, tls=False, **headers):
    """(cookie header, csrf token)"""
    a = call(s, "POST", "/login", {"user": user, "password": PASSWORD}, tls=tls, headers=headers)
    assert a.status == 200, a.body
    return a.headers["Set-Cookie"].split(";")[0], a.json()["csrf_token"]


def raw(s, data, timeout=10):
    """Sends bytes, returns all that comes until the server closes (or the time is over)."""
    with socket.create_connection(("127.0.0.1", s.port["http"]), timeout=timeout) as c:
        c.sendall(data)
        out = b""
        try:
            while chunk := c.recv(65536):
                out += chunk
        except TimeoutError:
            out += b"<open>"
        return out


# --- signing in ---


def test_sign_in_and_out(web):
    a = call(web, "POST", "/login", {"user": ADMIN, "password": PASSWORD})
    flags = a.headers["Set-Cookie"]
    assert "HttpOnly" in flags and "SameSite=Strict" in flags and "Path=/" in flags and "Secure" not in flags
    cookie, csrf = flags.split(";")[0], a.json()["csrf_token"]
    me = call(web, "GET", "/me", headers={"Cookie": cookie}).json()
    assert me["account"] == ADMIN and me["role"] == "system-admin" and me["proof"] == "session"
    out = call(web, "POST", "/logout", headers={"Cookie": cookie, "X-CSRF-Token": csrf})
    assert out.status == 204 and "Max-Age=0" in out.headers["Set-Cookie"]
    assert call(web, "GET", "/me", headers={"Cookie": cookie}).status == 401


def test_tls_cookie_is_secure_and_headers_are_strict(web):
    a = call(web, "POST", "/login", {"user": ADMIN, "password": PASSWORD}, tls=True)
    assert a.headers["Set-Cookie"].startswith("__Host-posthorn=") and "Secure" in a.headers["Set-Cookie"]
    assert a.headers["Strict-Transport-Security"].startswith("max-age=")
    csp = a.headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in csp
    assert "unsafe" not in csp
    assert a.headers["X-Content-Type-Options"] == "nosniff"
    assert a.headers["Cache-Control"] == "no-store"


def test_session_fixation(web):
    """A cookie that an attacker has planted is never taken over: signing in gives a new one."""
    planted = "posthorn=" + "a" * 64
    cookie, _ = sign_in(web, Cookie=planted)
    assert cookie != planted
    assert call(web, "GET", "/me", headers={"Cookie": planted}).status == 401
    again, _ = sign_in(web, Cookie=cookie)
    assert again != cookie


def test_wrong_passwords_are_slow_and_lock(web):
    web.tool("create", "account", "lock@example.test", f"password={{PLAIN}}{PASSWORD}", "role=system-admin")
    began = time.monotonic()
    for _ in range(5):
        a = call(web, "POST", "/login", {"user": "lock@example.test", "password": "wrong"})
        assert a.status == 401 and a.code == "sign_in_refused"
    assert time.monotonic() - began >= 5 * 0.2
    a = call(web, "POST", "/login", {"user": "lock@example.test", "password": PASSWORD})
    assert a.status == 429 and int(a.headers["Retry-After"]) > 0
    unknown = call(web, "POST", "/login", {"user": "nobody@example.test", "password": "wrong"})
    assert unknown.status == 401 and unknown.json()["detail"] == "wrong user name or password"


def test_csrf(web):
    cookie, csrf = sign_in(web)
    change = {"value": "no"}

    def patch(**headers):
        return call(web, "PATCH", "/settings/smtp.vrfy", change, headers={"Cookie": cookie, **headers})

    own = f"http://127.0.0.1:{web.port['http']}"
    assert patch().code == "csrf"
    assert patch(**{"X-CSRF-Token": "0" * 32}).code == "csrf"
    assert patch(**{"X-CSRF-Token": csrf, "Origin": "http://evil.test"}).code == "csrf"
    assert patch(**{"X-CSRF-Token": csrf, "Origin": own + ".evil.test"}).code == "csrf"
    assert patch(**{"X-CSRF-Token": csrf, "Sec-Fetch-Site": "cross-site"}).code == "csrf"
    assert patch(**{"X-CSRF-Token": csrf, "Origin": own, "Sec-Fetch-Site": "same-origin"}).status == 200
    login = call(web, "POST", "/login", {"user": ADMIN, "password": PASSWORD}, headers={"Origin": "http://evil.test"})
    assert login.code == "csrf" and "Set-Cookie" not in login.headers
    form = call(web, "POST", "/login", "user=x&password=y", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert form.status == 415


def test_tokens_have_scopes_and_end(web):
    a = admin(web, "POST", "/tokens", {"name": "reader", "scopes": ["queue:read"], "expires_days": 1})
    assert a.status == 201
    token, ident = a.json()["token"], a.json()["id"]
    assert call(web, "GET", "/queue/outgoing/messages", token=token).status == 200
    for method, path, body in (("GET", "/settings", None), ("GET", "/audit", None), ("GET", "/accounts", None), ("POST", "/domains", {"domain": "x.test"}),
                               ("POST", "/queue/outgoing/messages/actions", {"action": "delete", "filter": {}}), ("GET", "/logs", None)):
        assert call(web, method, path, body, token=token).code == "missing_scope", path
    more = call(web, "POST", "/tokens", {"name": "more", "scopes": ["settings:write"]}, token=token)
    assert more.code == "missing_scope"
    assert admin(web, "DELETE", f"/tokens/{ident}").status == 204
    assert call(web, "GET", "/me", token=token).code == "invalid_token"
    assert call(web, "GET", "/me", token="pht_" + "0" * 64).code == "invalid_token"
    bad = admin(web, "POST", "/tokens", {"name": "x", "scopes": ["everything"]})
    assert bad.status == 422 and bad.json()["fields"][0]["name"] == "scopes"


def test_tokens_are_withdrawn_after_a_time_to_undo(web):
    """The server waits, whatever the console does; until then they work. One that is not there, or another's, withdraws none."""
    made = [admin(web, "POST", "/tokens", {"name": f"undo {i}", "scopes": ["queue:read"]}).json() for i in range(3)]
    works = lambda t: call(web, "GET", "/me", token=t["token"]).status == 200
    act = lambda ids, who=admin, **more: who(web, "POST", "/tokens/actions", {"action": "withdraw", "ids": ids, **more})
    ids = [t["id"] for t in made]
    held = act(ids[:2], undo_seconds=300)
    assert held.status == 202 and held.json()["state"] == "pending" and held.json()["total"] == 2 and held.json()["undo_until"]
    assert works(made[0]) and works(made[1])
    assert admin(web, "POST", f"/operations/{held.json()['id']}/undo").json()["state"] == "undone"
    for wrong in ([ids[0], "999999"], [ids[0], "no id"]):
        a = act(wrong)
        assert a.status == 404 and works(made[0]), a.body
    dom = lambda s, *a, **kw: call(s, *a, token=web.dom_token, **kw)
    assert act(ids[:1], dom).status == 404 and works(made[0])
    c = http.client.HTTPConnection("127.0.0.1", web.port["http"], timeout=30)
    c.request("GET", "/api/v1/events?topics=queue.outgoing", headers={"Authorization": f"Bearer {made[0]['token']}"})
    stream = c.getresponse()
    assert stream.status == 200
    soon = act(ids[:2], undo_seconds=1).json()
    done = wait_for("the end of the time", lambda: o if (o := admin(web, "GET", f"/operations/{soon['id']}").json())["state"] == "done" else None)
    assert (done["kind"], done["done"], done["failed"]) == ("tokens.withdraw", 2, 0)
    assert not works(made[0]) and not works(made[1]) and works(made[2])
    stream.read()  # the stream that it opened ends
    c.close()
    assert act([ids[2]]).status == 202
    wait_for("the third", lambda: not works(made[2]))
    assert len([e for e in admin(web, "GET", f"/audit?object=account%20{ADMIN}").json()["items"] if "undo" in str(e)]) >= 6


def test_a_disabled_or_demoted_admin_is_out_at_once(web):
    web.tool("create", "account", "temp@example.test", f"password={{PLAIN}}{PASSWORD}", "role=system-admin")
    cookie, _ = sign_in(web, "temp@example.test")
    assert call(web, "GET", "/settings", headers={"Cookie": cookie}).status == 200
    web.tool("change", "account", "temp@example.test", "role=user")
    assert call(web, "GET", "/settings", headers={"Cookie": cookie}).code == "missing_scope"
    web.tool("change", "account", "temp@example.test", "enabled=no")
    assert call(web, "GET", "/me", headers={"Cookie": cookie}).status == 401


# --- requests that are wrong ---

HEAD = b"Host: 127.0.0.1\r\n"


@pytest.mark.parametrize("head, status", [
    (b"Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n", 400),
    (b"Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
    (b"Host: a\r\nTransfer-Encoding: gzip, chunked\r\n", 400),
    (b"Host: a\r\nTransfer-Encoding: identity\r\n", 400),
    (b"Host: a\r\nContent-Length: +5\r\n", 400),
    (b"Host: a\r\nContent-Length: 0x5\r\n", 400),
    (b"Host: a\r\nContent-Length : 5\r\n", 400),
    (b"Host: a\r\nHost: b\r\nContent-Length: 0\r\n", 400),
    (b"Content-Length: 0\r\n", 400),
])
def test_smuggled_requests(web, head, status):
    """What two servers could read differently is refused, and nothing behind it is taken for a request."""
    hidden = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
    out = raw(web, b"POST /api/v1/login HTTP/1.1\r\n" + head + b"Content-Type: application/json\r\n\r\n" + hidden)
    assert not out.endswith(b"<open>"), out
    # libmicrohttpd writes the head of its own refusals twice; what counts is that the hidden request is not answered.
    assert {line.split()[1] for line in out.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")} <= {b"%d" % status}, out
    assert b'"openapi"' not in out
    assert out.startswith(b"HTTP/1.1 %d" % status) or out == b"", out[:200]


def test_oversized(web):
    long = raw(web, b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n")
    assert b" 414 " in long[:40] or b" 431 " in long[:40] or b" 413 " in long[:40] or long == b""
    many = raw(web, b"GET /api/v1/me HTTP/1.1\r\n" + HEAD + b"X: " + b"a" * 40000 + b"\r\n\r\n")
    assert many[:15] in (b"HTTP/1.1 431 Re", b"HTTP/1.1 413 Co", b"HTTP/1.1 413 Pa", b"") or b" 431 " in many[:20] or b" 413 " in many[:20]
    body = raw(web, b"POST /api/v1/login HTTP/1.1\r\n" + HEAD + b"Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n")
    assert body.startswith(b"HTTP/1.1 413") and b"<open>" not in body
    chunk = b"%x\r\n" % 65536 + b"a" * 65536 + b"\r\n"
    out = b""
    with socket.create_connection(("127.0.0.1", web.port["http"]), timeout=10) as c:
        c.sendall(b"POST /api/v1/login HTTP/1.1\r\n" + HEAD + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(100):
                c.sendall(chunk)
            out = c.recv(65536)
        except OSError:
            pass
    assert out == b"" or out.startswith(b"HTTP/1.1 413")
    assert admin(web, "GET", "/me").status == 200


@pytest.mark.parametrize("first", [b"GET /api/v1/me HTTP/1.1\r\nHost: a\r\nX-", b"G",
                                   b"POST /api/v1/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"])
def test_slow_requests_are_cut_off(web, first):
    """A byte now and then keeps nobody's place: the limit is on the whole head, and on the whole body."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", web.port["http"]), timeout=20) as c:
        c.sendall(first)
        c.settimeout(0.3)
        while time.monotonic() - began < 15:
            try:
                if c.recv(1000) == b"":
                    break
            except TimeoutError:
                try:
                    c.sendall(b"a")
                except OSError:
                    break
            except OSError:
                break
    assert 2 < time.monotonic() - began < 10


@pytest.mark.parametrize("path", ["/../../../etc/passwd", "/..%2f..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/../../key.pem",
                                  "//etc/passwd", "/....//....//etc/passwd", "/\\..\\..\\etc\\passwd", "/.hidden", "/assets/%00.js"])
def test_path_traversal(web, path):
    out = raw(web, b"GET " + path.encode() + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"root:" not in out and b"PRIVATE KEY" not in out
    assert out.split(b"\r\n")[0].split()[1] in (b"404", b"400", b"200"), out[:100]
    if b" 200 " in out[:20]:
        assert b"<!doctype html" in out.lower()


def test_malformed_input_names_the_fault(web):
    cases = [("POST", "/login", "{", "malformed_json"), ("POST", "/login", '{"user":"a","user":"b","password":""}', "malformed_json"),
             ("POST", "/login", {"user": "a"}, "invalid_field"), ("POST", "/login", {"user": 1, "password": ""}, "invalid_field"),
             ("POST", "/login", {"user": "a", "password": "", "x": 1}, "invalid_field"), ("POST", "/login", "[]", "invalid_field"),
             ("POST", "/login", '{"user":"a\\u0000b","password":""}', "malformed_json")]
    for method, path, body, code in cases:
        a = call(web, method, path, body)
        assert a.code == code, (body, a.body)
        assert a.headers["Content-Type"] == "application/problem+json" and a.json()["request_id"]
    for query, code in (("limit=0", "invalid_parameter"), ("limit=2001", "invalid_parameter"), ("limit=x", "invalid_parameter"), ("nope=1", "unknown_parameter"),
                        ("limit=1&limit=2", "repeated_parameter"), ("cursor=%25%25", "invalid_parameter"), ("cursor=AAAA", "invalid_parameter"),
                        ("q=%FF", "malformed_query"), ("q=%0", "malformed_query"), ("sort=colour", "invalid_parameter")):
        a = admin(web, "GET", "/sessions?" + query)
        assert a.status == 400 and a.code == code, (query, a.body)
    assert admin(web, "PUT", "/me").status == 405
    assert admin(web, "GET", "/nothing").code == "no_such_path"
    assert admin(web, "GET", "!/api/v2/me").status == 404


class web_session:
    """A live IMAP session of an account."""

    def __init__(self, server, service, user):
        import imaplib
        self.imap = imaplib.IMAP4("127.0.0.1", server.port["imap"])
        self.imap.login(user, PASSWORD)

    def __enter__(self):
        return self.imap

    def __exit__(self, *_):
        try:
            self.imap.logout()
        except Exception:
            pass


# --- what it is for ---


def test_accounts_are_made_changed_and_deleted(web):
    a = admin(web, "POST", "/accounts?dry_run=true", {"address": "neu@example.test", "quota": 1000})
    assert a.status == 200 and {"object": "account neu@example.test", "field": "quota", "old": "0", "new": "1000"} in a.json()["effect"]
    assert admin(web, "GET", "/accounts/neu@example.test").status == 404
    a = admin(web, "POST", "/accounts", {"address": "neu@example.test", "quota": 1000, "aliases": ["new"]}, headers={"Idempotency-Key": "k1"})
    assert a.status == 201
    again = admin(web, "POST", "/accounts", {"address": "neu@example.test", "quota": 1000, "aliases": ["new"]}, headers={"Idempotency-Key": "k1"})
    assert again.status == 201 and again.headers["Idempotent-Replayed"] == "true"
    assert admin(web, "POST", "/accounts", {"address": "other@example.test"}, headers={"Idempotency-Key": "k1"}).code == "key_reused"
    got = admin(web, "GET", "/accounts/neu@example.test")
    etag = got.headers["ETag"]
    assert admin(web, "GET", "/accounts/neu@example.test", headers={"If-None-Match": etag}).status == 304
    assert admin(web, "PATCH", "/accounts/neu@example.test", {"name": "One"}, headers={"If-Match": etag}).status == 200
    late = admin(web, "PATCH", "/accounts/neu@example.test", {"name": "Two"}, headers={"If-Match": etag})
    assert late.status == 412 and late.code == "changed_meanwhile"
    entry = next(e for e in admin(web, "GET", "/audit?object=neu@example.test").json()["items"] if e["field"] == "name")
    assert entry["admin"] == ADMIN and entry["new"] == "One" and entry["actions"] == ["revert"]
    assert admin(web, "POST", f"/audit/{entry['id']}/revert").status == 204
    assert admin(web, "GET", "/accounts/neu@example.test").json()["name"] == ""
    assert admin(web, "POST", f"/audit/{entry['id']}/revert").status == 409
    assert admin(web, "DELETE", "/accounts/neu@example.test").status == 204
    assert admin(web, "GET", "/accounts/neu@example.test").status == 404


def test_lists_have_pages(web):
    all_names, cursor = [], ""
    while True:
        page = admin(web, "GET", "/accounts?limit=2" + (f"&cursor={cursor}" if cursor else "")).json()
        all_names += [i["address"] for i in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert all_names == sorted(set(all_names)) and len(all_names) == page["total"]["value"]
    others = admin(web, "GET", "/accounts?domain=other.test&fields=address").json()["items"]
    assert {"address": DOM} in others and {"address": "zoe@other.test"} in others
    assert all(list(i) == ["address"] and i["address"].endswith("@other.test") for i in others)


def test_settings_are_checked_all_before_the_first_is_set(web):
    before = admin(web, "GET", "/settings/smtp.max_errors").json()["value"]
    a = admin(web, "PATCH", "/settings", {"values": {"smtp.max_errors": 7, "smtp.max_recipients": "many"}})
    assert a.status == 422 and a.json()["fields"][0]["name"] == "smtp.max_recipients"
    assert admin(web, "GET", "/settings/smtp.max_errors").json()["value"] == before
    etag = admin(web, "GET", "/settings").headers["ETag"]
    assert admin(web, "PATCH", "/settings", {"values": {"smtp.max_errors": 7}}, headers={"If-Match": etag}).status == 200
    assert admin(web, "PATCH", "/settings", {"values": {"smtp.max_errors": 8}}, headers={"If-Match": etag}).status == 412
    assert admin(web, "PATCH", "/settings/smtp.max_errors", {"value": None}).json()["value"] == before


def test_sessions_are_listed_and_ended(web):
    with web_session(web, "imap", ALICE) as imap:
        items = admin(web, "GET", "/sessions?service=imap&account=alice").json()["items"]
        assert len(items) == 1
        s = items[0]
        assert s["account"] == ALICE and s["id"].endswith(s["log_id"]) and len(s["id"]) == 16
        assert admin(web, "DELETE", f"/sessions/{s['id']}").status == 204
        with pytest.raises(Exception):
            imap.noop()
    ended = wait_for("its end", lambda: e if (e := admin(web, "GET", f"/sessions/{s['id']}").json()).get("ended_at") else None)
    assert ended["why"] == "kill" and admin(web, "DELETE", f"/sessions/{s['id']}").status == 404


def test_statistics_of_a_service(web):
    """Connections, bytes, running time and memory of one service; of a group that is none its counters only."""
    before = admin(web, "GET", "/statistics/imap").json()
    with web_session(web, "imap", ALICE) as imap:
        imap.noop()
        now = wait_for("its bytes", lambda: (j := admin(web, "GET", "/statistics/imap").json())["bytes"]["in"] > before["bytes"]["in"] and j)
    assert now["connections"]["total"] == before["connections"]["total"] + 1 and now["connections"]["active"] >= 1 <= now["connections"]["peak"]
    assert now["bytes"]["out"] > before["bytes"]["out"] and 0 < now["memory"]["now"] and now["memory"]["peak"] > 1 << 20
    assert 0 <= now["memory"]["allocated"] < now["memory"]["now"]
    assert now["running_ms"] > 0 and now["running_since"] == before["running_since"] and {c["service"] for c in now["counters"]} == {"imap"}
    other = admin(web, "GET", "/statistics/submission").json()
    assert other["connections"]["active"] == 0 and other["counters"]
    control = admin(web, "GET", "/statistics/control").json()
    assert control["connections"]["active"] >= 1 and control["bytes"]["out"] > 0 and control["memory"]["now"] > 0
    group = admin(web, "GET", "/statistics/database").json()
    assert group["counters"] and group["running_since"] is None and "memory" not in group
    assert admin(web, "GET", "/statistics/fax").status == 404


def test_logs_are_searched(web):
    page = admin(web, "GET", "/logs/imap/lines?filter=connected,;127.0.0.1&limit=5").json()
    assert page["items"] and all("Connected" in i["text"] and i["source"] == "127.0.0.1" for i in page["items"])
    assert all("Connected" not in i["text"] for i in admin(web, "GET", "/logs/imap/lines?filter=-connected,").json()["items"])
    assert admin(web, "GET", "/logs/imap/lines?from=25:99").status in (200, 400)
    assert admin(web, "GET", "/logs/nothing/lines").status == 404
    assert admin(web, "GET", "/logs/imap/lines?date=yesterday!").status == 400


def test_files_of_the_console_and_no_others(make_server):
    """Where there is a console: a path names one of its files, never what lies beside it or behind a link."""
    s = make_server(start=False)
    top = s.dir / "console"
    (top / "assets").mkdir(parents=True)
    os.chmod(s.dir, 0o755)
    for name, text in (("index.html", "<!doctype html>console"), ("assets/app-B3kd9x1Q.js", "let app"), (".hidden", "secret"), ("assets/.map", "secret")):
        (top / name).write_text(text)
    (s.dir / "beside.txt").write_text("secret")
    (top / "link.txt").symlink_to(s.dir / "beside.txt")
    (top / "up").symlink_to(s.dir)
    s.tool("set", "web.console_path", str(top))
    s.start()
    wait_for("the web server", lambda: reachable(s.port["http"]))
    app = call(s, "GET", "!/assets/app-B3kd9x1Q.js")
    assert app.status == 200 and app.body == b"let app" and "immutable" in app.headers["Cache-Control"]
    assert call(s, "GET", "!/messages/OSA88513").body == b"<!doctype html>console"
    for path in ("/.hidden", "/assets/.map", "/link.txt", "/up/beside.txt", "/../beside.txt", "/assets/../../beside.txt", "/%2e%2e/beside.txt",
                 "/assets/..%2f..%2fbeside.txt", "//beside.txt", "/assets/%2e%2e/%2e%2e/beside.txt", "/..\\beside.txt", "/assets/app-B3kd9x1Q.js%00.txt",
                 "/console/../beside.txt", str(s.dir / "beside.txt"), "/assets/app-B3kd9x1Q.js/../../../beside.txt"):
        out = raw(s, b"GET " + path.encode() + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b"secret" not in out and out[9:12] in (b"404", b"400", b"200"), (path, out[:200])
        assert out[9:12] != b"200" or out.endswith(b"console"), (path, out)
    missing = call(s, "GET", "!/assets/nothing.js")
    assert missing.status == 404 and missing.code == "not_found" and missing.json()["request_id"] == missing.headers["X-Request-Id"]
    assert call(s, "DELETE", "!/index.html").status in (405, 413)


@pytest.mark.parametrize("body", [b"zz\r\nab\r\n0\r\n\r\n", b"-5\r\nabcde\r\n0\r\n\r\n", b"ffffffffffffffffff\r\nab", b"5\r\nabcdeXX0\r\n\r\n",
                                  b"2;a=" + b"x" * 70000 + b"\r\n{}\r\n0\r\n\r\n", b"2\r\n{}\r\n0\r\nX: " + b"y" * 70000 + b"\r\n\r\n"])
def test_malformed_chunks(web, body):
    """Refused and closed; what stands behind them is no request."""
    out = raw(web, b"POST /api/v1/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + body +
              b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b'"openapi"' not in out and not out.endswith(b"<open>"), out[:300]
    # An endless extension of a chunk is answered by libmicrohttpd itself, with 500.
    assert out == b"" or out.startswith(b"HTTP/1.1 4") or b"a=xxx" in body and out.startswith(b"HTTP/1.1 500"), out[:100]
    assert admin(web, "GET", "/me").status == 200


def test_two_proofs_and_odd_headers(web):
    """A token counts before a cookie, two of a kind are never taken for the better one; a method cannot be overridden."""
    cookie, csrf = sign_in(web)
    assert call(web, "GET", "/me", token="pht_" + "0" * 64, headers={"Cookie": cookie}).status == 401
    two = raw(web, f"GET /api/v1/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {web.dom_token}\r\nAuthorization: Bearer {web.token}\r\nConnection: close\r\n\r\n".encode())
    assert b'"account":"' + ADMIN.encode() not in two
    for name in ("X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"):
        a = call(web, "GET", "/me", headers={"Cookie": cookie, name: "/api/v1/settings" if "URL" in name else "POST"})
        assert a.status == 200 and a.json()["account"] == ADMIN
    assert call(web, "GET", f"/me?access_token={web.token}").status == 401
    pair = call(web, "GET", "/me", headers={"Cookie": f"posthorn={'a' * 64}; {cookie}"})
    assert pair.status in (200, 401) and (pair.status == 401 or pair.json()["account"] == ADMIN)


def test_static_files(web):
    assert b"console is not installed" in call(web, "GET", "!/").body
    assert call(web, "POST", "!/", "x").status in (405, 413)


# --- event streams ---


def read_events(s, topics, n, headers=None, token=None):
    """The first n events as (id, type, data)."""
    c = http.client.HTTPConnection("127.0.0.1", s.port["http"], timeout=20)
    c.request("GET", f"/api/v1/events?topics={topics}", headers={"Authorization": f"Bearer {token or s.token}", **(headers or {})})
    r = c.getresponse()
    assert r.status == 200 and r.headers["Content-Type"] == "text/event-stream"
    out, event = [], {}
    while len(out) < n:
        line = r.readline().decode().rstrip("\n")
        if line.startswith(":"):
            continue
        if line:
            key, value = line.split(": ", 1)
            event[key] = value
        elif event:
            out.append((int(event["id"]), event["event"], json.loads(event["data"])))
            event = {}
    c.close()
    return out


def test_events_follow_and_resume(web):
    got = []
    t = threading.Thread(target=lambda: got.extend(read_events(web, "sessions", 3)))
    t.start()
    time.sleep(1)  # the first look, which the others are compared with
    with web_session(web, "imap", ALICE):
        t.join(20)
    assert not t.is_alive()
    assert got[0][1] == "snapshot" and got[0][2]["topic"] == "sessions"
    assert [e for e in got if e[1] == "upsert"], got
    ids = [e[0] for e in got]
    assert ids == sorted(ids)
    assert call(web, "GET", "/events?topics=colours", token=web.token).status == 400
    assert call(web, "GET", "/events?topics=sessions.{id}.transcript", token=web.token).status == 400
    assert call(web, "GET", "/events?topics=statistics", token=web.dom_token).code == "missing_scope"


def test_a_transcript_is_told_of(web):
    """A session that says something has more of a transcript; those who may not see it hear nothing."""
    with web_session(web, "imap", ALICE) as imap:
        sid = admin(web, "GET", "/sessions?service=imap&account=alice").json()["items"][0]["id"]
        topic = f"sessions.{sid}.transcript"
        got, other = [], []
        t = threading.Thread(target=lambda: got.extend(read_events(web, f"{topic},operations", 4)))
        # The admin of another domain has a session list, and nothing of this session in his stream.
        o = threading.Thread(target=lambda: other.extend(read_events(web, f"{topic},sessions", 2, token=web.dom_token)))
        t.start()
        o.start()
        while t.is_alive():
            imap.noop()
            t.join(0.5)
        with web_session(web, "imap", ALICE):
            o.join(20)
    assert {e[2]["topic"] for e in got} <= {topic, "operations"}
    told = [e for e in got if e[2]["topic"] == topic]
    assert told[0][1] == "invalidate" and told[1][1] == "resync" and "items" not in told[1][2]
    assert other and all(e[2]["topic"] == "sessions" for e in other)


def test_operations_wait_for_their_undo_and_are_seen(web):
    """An import is an operation; a bulk action that is taken back in its time has done nothing."""
    got = []
    t = threading.Thread(target=lambda: got.extend(read_events(web, "operations", 2)))
    t.start()
    time.sleep(1)
    a = admin(web, "POST", "/accounts/import", {"csv": "address;name\nimp1@example.test;One\nimp2@example.test;Two\nnobody@nowhere.test;X\n"})
    assert a.status == 202
    path = f"/operations/{a.json()['id']}"
    done = wait_for("the import", lambda: (o := admin(web, "GET", path).json())["state"] == "done" and o)
    assert (done["total"], done["done"], done["failed"]) == (3, 2, 1) and "nowhere.test" in done["failures"][0]["detail"]
    assert admin(web, "GET", "/accounts/imp2@example.test").json()["name"] == "Two"
    assert admin(web, "POST", path + "/undo").code == "too_late"
    assert call(web, "GET", path, token=web.dom_token).status == 404
    t.join(20)
    assert not t.is_alive() and got[-1][1] == "upsert" and got[-1][2]["item"]["kind"] == "accounts.import"


def test_queue_is_listed_and_bulk_actions_can_be_undone(web):
    import smtplib
    with smtplib.SMTP("127.0.0.1", web.port["submission"], timeout=20) as smtp:
        smtp.login(ALICE, PASSWORD)
        for to in ("one@unreachable.test", "two@elsewhere.test"):
            smtp.sendmail(ALICE, [to], f"From: {ALICE}\r\nTo: {to}\r\nSubject: <b>x</b>\r\n\r\nhello\r\n")

    def queue(query=""):
        return admin(web, "GET", "/queue/outgoing/messages" + query).json()

    wait_for("both deferred", lambda: all(m["state"] == "waiting" for m in queue()["items"]) and queue()["total"]["value"] == 2, timeout=60)
    one = queue("?destination=unreachable.test")["items"]
    assert len(one) == 1 and one[0]["sender"] == ALICE and one[0]["answer"] and one[0]["next_try_at"]
    assert {d["domain"] for d in admin(web, "GET", "/destinations").json()["items"]} == {"unreachable.test", "elsewhere.test"}
    assert call(web, "GET", "/queue/outgoing/messages", token=web.dom_token).json()["items"] == []
    first = queue("?limit=1")
    second = queue("?limit=1&cursor=" + first["next_cursor"])
    assert [len(p["items"]) for p in (first, second)] == [1, 1] and first["items"] != second["items"] and not second["next_cursor"]
    delete = {"action": "delete", "filter": {"recipient": "unreachable.test"}}
    other = call(web, "POST", "/queue/outgoing/messages/actions", {"action": "delete", "ids": [one[0]["id"]]}, token=web.dom_token)
    assert other.status == 404
    a = admin(web, "POST", "/queue/outgoing/messages/actions", {**delete, "undo_seconds": 60}).json()
    assert (a["state"], a["total"]) == ("pending", 1) and a["undo_until"]
    assert admin(web, "POST", f"/operations/{a['id']}/undo").json()["state"] == "undone"
    assert queue()["total"]["value"] == 2
    a = admin(web, "POST", "/queue/outgoing/messages/actions", delete).json()
    wait_for("the deletion", lambda: admin(web, "GET", f"/operations/{a['id']}").json()["state"] == "done")
    assert [m["destination"] for m in queue()["items"]] == ["elsewhere.test"]
    left = queue()["items"][0]
    text = admin(web, "GET", f"/queue/outgoing/messages/{left['id']}/content").json()
    import base64
    assert b"Subject: <b>x</b>" in base64.b64decode(text["content"])
    looked = admin(web, "GET", "/audit?limit=1").json()["items"][0]
    assert looked["field"] == "looked at" and left["id"] in looked["object"] and looked["admin"] == ADMIN


def test_a_domain_admins_stream_has_no_rows(web):
    got = []
    t = threading.Thread(target=lambda: got.extend(read_events(web, "sessions", 2, token=web.dom_token)))
    t.start()
    time.sleep(1)
    with web_session(web, "imap", ALICE):
        t.join(20)
    assert not t.is_alive() and {e[1] for e in got} == {"invalidate"}
    assert "alice" not in json.dumps(got)
