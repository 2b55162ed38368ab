"""Who gets in, with what, for how long; and the console's files: what test_web.py does not ask."""
import gzip
import http.client
import json
import os
import socket
import threading
import time
import urllib.parse

import pytest

from conftest import PASSWORD, wait_for
from test_supervisor import make_certificate, served_name
from test_web import ADMIN, ALICE, Answer, admin, call, raw, reachable, sign_in, start_with_admin, web_session

INDEX = b"<!doctype html><title>console</title>" + b"<p>a page of the console</p>" * 100
SCRIPT = b"console.log('a script of the console');\n" * 2000


@pytest.fixture(scope="module")
def web(make_module_server):
    s = make_module_server(start=False, settings={"auth.failure_delay": "50ms", "log.auth": "debug", "net.trusted_ips": "127.0.0.1"})
    s.console = s.dir / "console"
    (s.console / "assets").mkdir(parents=True)
    (s.console / "index.html").write_bytes(INDEX)
    (s.console / "theme.js").write_bytes(b"1;\n")
    (s.console / "assets/index-B3kd9x1Q.js").write_bytes(SCRIPT)
    (s.console / ".hidden").write_bytes(b"hidden file")
    (s.dir / "outside.js").write_bytes(b"outside of the console")
    (s.console / "link.js").symlink_to(s.dir / "outside.js")
    (s.console / "up").symlink_to(s.dir)
    start_with_admin(s, f"set web.console_path {s.console}", "create domain other.test",
                     "create account dom@other.test role=domain-admin admin_domains=other.test",
                     f"create account zoe@other.test password={{PLAIN}}{PASSWORD}")
    s.dom_token = s.tool("create", "token", "dom@other.test", "tests").stdout.strip()
    return s


def sign_in_as(s, user, password):
    return call(s, "POST", "/login", {"user": user, "password": password})


def auth_log(s):
    return "".join(f.read_text(errors="replace") for f in (s.logs / "auth").glob("*.log"))


def cookie_of(answer):
    assert answer.status == 200, answer.body
    return {"Cookie": answer.headers["Set-Cookie"].split(";")[0], "X-CSRF-Token": answer.json()["csrf_token"]}


# --- pages and files of the console ---


@pytest.mark.parametrize("path", ["/", "/domains/demo.example", "/accounts/a%40demo.example", "/accounts/a@demo.example?tab=apps", "/status/sessions/0123456789ABCDEF",
                                  "/system/settings/smtp.vrfy"])
def test_a_page_of_the_console_can_be_opened_by_its_address(web, path):
    a = call(web, "GET", "!" + path)
    assert a.status == 200 and a.body == INDEX and a.headers["Content-Type"].startswith("text/html")
    assert a.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["/assets/gone-12345678.js", "/assets/gone", "/favicon.ico", "/gone.js", "/.hidden", "/.git/config", "/link.js", "/assets/%00.js"])
def test_a_file_that_is_not_there_is_not_a_page(web, path):
    assert call(web, "GET", "!" + path).status == 404


def get_file(s, path, **headers):
    return call(s, "GET", "!" + path, headers=headers)


def test_files_are_compressed_kept_and_compared(web):
    path = "/assets/index-B3kd9x1Q.js"
    plain = get_file(web, path)
    assert plain.body == SCRIPT and "Content-Encoding" not in plain.headers
    assert plain.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert plain.headers["Content-Type"] == "text/javascript; charset=utf-8" and plain.headers["Vary"] == "Accept-Encoding"
    small = get_file(web, path, **{"Accept-Encoding": "gzip"})
    assert small.headers["Content-Encoding"] == "gzip" and gzip.decompress(small.body) == SCRIPT and len(small.body) < len(SCRIPT)
    assert small.headers["ETag"] == plain.headers["ETag"]
    assert get_file(web, path, **{"Accept-Encoding": "gzip;q=0"}).body == SCRIPT
    same = get_file(web, path, **{"If-None-Match": plain.headers["ETag"], "Accept-Encoding": "gzip"})
    assert same.status == 304 and same.body == b"" and same.headers["ETag"] == plain.headers["ETag"] and "Content-Encoding" not in same.headers
    assert get_file(web, path, **{"If-None-Match": '"0000000000000000"'}).status == 200
    head = call(web, "HEAD", "!" + path)
    assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) == len(SCRIPT)
    # A file that was changed on the disk, or is new, is served as it is now.
    (web.console / "theme.js").write_bytes(b"2;\n")
    changed = get_file(web, "/theme.js")
    assert changed.body == b"2;\n" and changed.headers["Cache-Control"] == "no-cache"
    (web.console / "new.js").write_bytes(b"3;\n")
    assert wait_for("the new file", lambda: a if (a := get_file(web, "/new.js")).status == 200 else None, interval=0.3).body == b"3;\n"


@pytest.mark.parametrize("path", ["/../../../../etc/passwd", "/..%2f..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/../../outside.js", "/assets/..%2f..%2foutside.js",
                                  "//etc/passwd", "/....//....//etc/passwd", "/\\..\\..\\etc\\passwd", "/up/outside.js", "/link.js", "/.hidden", "/assets/%00.js"])
def test_nothing_outside_of_the_console_is_served(web, path):
    out = raw(web, b"GET " + path.encode() + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"root:" not in out and b"outside of the console" not in out and b"hidden file" not in out
    assert out.split()[1] in (b"404", b"400") or out.endswith(INDEX), out[:200]


def from_outside(s, path, host="mail.example.test"):
    """As an address that is not trusted."""
    with socket.create_connection(("127.0.0.1", s.port["http"]), timeout=20, source_address=("127.0.0.2", 0)) as c:
        c.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        out = b""
        while chunk := c.recv(65536):
            out += chunk
    return out.decode()


def test_pages_in_clear_text_lead_to_https(web):
    """Nobody is offered a form into which he would type a password for all to read."""
    out = from_outside(web, "/accounts/a%40demo.example?tab=apps", "mail.example.test:80")
    assert out.startswith("HTTP/1.1 302") and "a page of the console" not in out
    assert f"\r\nLocation: https://mail.example.test:{web.port['https']}/accounts/a%40demo.example?tab=apps\r\n" in out
    assert f"Location: https://[::1]:{web.port['https']}/\r\n" in from_outside(web, "/", "[::1]:8080")
    assert from_outside(web, "/", "evil.test/x").startswith("HTTP/1.1 403") and "Location" not in from_outside(web, "/", "a@b")
    assert from_outside(web, "/api/v1/openapi.json").startswith("HTTP/1.1 200")
    a = call(web, "GET", "!/", tls=True)
    assert a.status == 200 and a.headers["Strict-Transport-Security"] == "max-age=31536000"
    web.tool("set", "auth.plain_without_tls", "always")
    assert from_outside(web, "/").startswith("HTTP/1.1 200")
    web.tool("reset", "auth.plain_without_tls")


def errors_before_the_api(web):
    return [(call(web, "POST", "!/", "x"), 413, "Too large"), (call(web, "PUT", "!/"), 405, "Method not allowed"), (get_file(web, "/assets/x.js"), 404, "Not found")]


def test_errors_of_the_server_itself_have_title_and_id(web):
    for a, status, title in errors_before_the_api(web):
        p = a.json()
        assert (a.status, p["status"], p["title"]) == (status, status, title)
        assert len(p["request_id"]) == 16 and a.headers["X-Request-Id"] == p["request_id"]


# --- TLS ---


def test_certificates_of_the_web_server(make_server):
    """Chosen by name, read again at a reload; a broken file takes no other with it, and not what it held before."""
    s = make_server()
    certs = s.data / "certs"
    wait_for("the web server", lambda: reachable(s.port["https"]))
    default = served_name(s, None, "https")
    make_certificate(certs / "wild.pem", "*.example.test")
    make_certificate(certs / "exact.pem", "imap.example.test", ",DNS:pop.example.test")
    (certs / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    chain, key = (certs / "exact.pem").read_text().split("-----BEGIN PRIVATE KEY-----")
    s.tool("reload")
    wait_for("loaded", lambda: served_name(s, "imap.example.test", "https") == "imap.example.test")
    assert served_name(s, "POP.Example.Test", "https") == "imap.example.test"
    assert served_name(s, "other.example.test", "https") == "*.example.test"
    assert served_name(s, "a.b.elsewhere.test", "https") == default
    assert "broken.pem" in s.output()
    (certs / "exact.pem").write_text("nonsense")
    make_certificate(certs / "wild.pem", "*.elsewhere.test")
    s.tool("reload")
    wait_for("loaded again", lambda: served_name(s, "x.elsewhere.test", "https") == "*.elsewhere.test")
    assert served_name(s, "imap.example.test", "https") == "imap.example.test"
    # The key in a file of its own.
    (certs / "apart.key").write_text("-----BEGIN PRIVATE KEY-----" + key)
    (certs / "apart.pem").write_text(chain)
    (certs / "exact.pem").unlink()
    make_certificate(certs / "wild.pem", "*.example.test")
    s.tool("reload")
    wait_for("loaded a third time", lambda: served_name(s, "x.example.test", "https") == "*.example.test")
    assert served_name(s, "imap.example.test", "https") == "imap.example.test"


def test_https_comes_back_with_a_certificate_and_versions_are_live(make_server):
    import ssl
    s = make_server(start=False)
    certs = s.data / "certs"
    s.start()
    good = (certs / "default.pem").read_text()
    (certs / "default.pem").write_text("nonsense")

    def hello(version):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = version
        try:
            with socket.create_connection(("127.0.0.1", s.port["https"]), timeout=20) as c:
                return context.wrap_socket(c).version()
        except (ssl.SSLError, OSError):
            return None

    assert hello(ssl.TLSVersion.TLSv1_3) is None  # the first connection reads the certificates
    (certs / "default.pem").write_text(good)
    s.tool("reload")
    wait_for("TLS", lambda: hello(ssl.TLSVersion.TLSv1_3) == "TLSv1.3")
    assert hello(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    s.tool("set", "net.tls_min_version", "1.3")
    assert hello(ssl.TLSVersion.TLSv1_2) is None and hello(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"


# --- signing in ---


def test_an_app_password_does_not_open_the_console(web):
    app = admin(web, "POST", f"/accounts/{ADMIN}/app-passwords", {"label": "phone"}).json()["password"]
    import imaplib
    with imaplib.IMAP4("127.0.0.1", web.port["imap"]) as i:
        assert i.login(ADMIN, app)[0] == "OK"
    assert sign_in_as(web, ADMIN, app).status == 401
    assert sign_in_as(web, ADMIN, PASSWORD).status == 200


def token_of(s, *scopes, days=None, token=None):
    a = call(s, "POST", "/tokens", {"name": "made", "scopes": list(scopes), **({"expires_days": days} if days else {})}, token=token or s.token)
    assert a.status == 201, a.body
    return a.json()["token"]


def test_reverting_needs_the_right_to_make_the_change(web):
    web.tool("create", "account", "down@example.test", f"password={{PLAIN}}{PASSWORD}", "role=system-admin")
    assert admin(web, "PATCH", "/accounts/down@example.test", {"role": "user"}).status == 200
    assert admin(web, "PATCH", "/settings/smtp.max_errors", {"value": 9}).status == 200
    newest = [admin(web, "GET", f"/audit?object={o}&limit=1").json()["items"][0] for o in ("down@example.test", "smtp.max_errors")]
    entries = {e["field"]: e for e in newest}
    settings, directory = token_of(web, "audit:read", "settings:write"), token_of(web, "audit:read", "directory:write")
    for token, object_, may in ((settings, "role", False), (directory, "role", True), (directory, "value", False), (settings, "value", True)):
        entry = entries[object_]
        shown = next(e for e in call(web, "GET", "/audit?limit=50", token=token).json()["items"] if e["id"] == entry["id"])
        assert shown["actions"] == (["revert"] if may else []), (object_, may)
        a = call(web, "POST", f"/audit/{entry['id']}/revert", token=token)
        assert a.status == 204 if may else a.code == "missing_scope", (object_, may, a.body)
    assert call(web, "POST", f"/audit/{entries['role']['id']}/revert", token=token_of(web, "settings:write")).status == 403


def test_a_token_does_not_outlive_the_token_that_made_it(web):
    parent = token_of(web, "tokens:write", "tokens:read", days=1)
    end = call(web, "GET", "/me", token=parent).json()["expires_at"]
    for days in (None, 30):
        child = token_of(web, "tokens:read", days=days, token=parent)
        assert call(web, "GET", "/me", token=child).json()["expires_at"] == end
    made = call(web, "POST", "/tokens", {"name": "told", "scopes": ["tokens:read"]}, token=parent).json()
    assert made["expires_at"] == end
    # A person who has signed in, and a token without end, may make one without end.
    assert admin(web, "POST", "/tokens", {"name": "ever", "scopes": ["tokens:read"]}).json()["expires_at"] is None


def test_a_new_password_ends_the_sessions_that_the_old_one_began(web):
    web.tool("create", "account", "stolen@example.test", f"password={{PLAIN}}{PASSWORD}", "role=system-admin")
    thief = cookie_of(sign_in_as(web, "stolen@example.test", PASSWORD))
    own = cookie_of(sign_in_as(web, "stolen@example.test", PASSWORD))
    token = call(web, "POST", "/tokens", {"name": "program"}, headers=own).json()["token"]
    assert call(web, "GET", "/me", headers=thief).status == 200
    # By himself: where he is signed in he stays.
    changed = call(web, "PATCH", "/accounts/stolen@example.test", {"password": "{PLAIN}another-word"}, headers=own)
    assert changed.status == 200, changed.body
    assert call(web, "GET", "/me", headers=thief).status == 401
    assert call(web, "GET", "/me", headers=own).status == 200
    # By somebody else: nowhere.
    assert admin(web, "PATCH", "/accounts/stolen@example.test", {"password": "{PLAIN}third-word"}).status == 200
    assert call(web, "GET", "/me", headers=own).status == 401
    # Programs go on; they are withdrawn by intention.
    assert call(web, "GET", "/me", token=token).status == 200
    seen = admin(web, "GET", "/audit?object=stolen@example.test").json()["items"]
    assert ("console sessions", "2", "1") in [(e["field"], e["old"], e["new"]) for e in seen]


def test_signing_out_everywhere(web):
    web.tool("create", "account", "out@example.test", f"password={{PLAIN}}{PASSWORD}", "role=system-admin")
    one, two = (cookie_of(sign_in_as(web, "out@example.test", PASSWORD)) for _ in range(2))
    token = call(web, "POST", "/tokens", {"name": "program"}, headers=one).json()["token"]
    a = call(web, "POST", "/accounts/out@example.test/sign-out", {}, headers=one)
    assert a.status == 200 and a.json() == {"sessions": 2, "tokens": 0}, a.body
    assert call(web, "GET", "/me", headers=one).status == 401 and call(web, "GET", "/me", headers=two).status == 401
    assert call(web, "GET", "/me", token=token).status == 200
    again = admin(web, "POST", "/accounts/out@example.test/sign-out", {"tokens": True})
    assert again.json() == {"sessions": 0, "tokens": 1}
    assert call(web, "GET", "/me", token=token).status == 401


def test_who_attacks_the_console_is_in_log_and_events(web):
    sign_in_as(web, "someone@example.test", "wrong")
    call(web, "GET", "/me", token="pht_" + "1" * 64)
    web.tool("create", "account", "right@example.test", f"password={{PLAIN}}{PASSWORD}")
    cookie_of(sign_in_as(web, "right@example.test", PASSWORD))
    lines = wait_for("the lines", lambda: t if "User=right@example.test" in (t := auth_log(web)) else None)
    mine = [line for line in lines.splitlines() if "[Control]" in line]
    assert all(line.startswith("127.0.0.1 ") for line in mine), mine
    assert any("Authentication [Control] - Result=0, User=someone@example.test, Method=0" in line for line in mine), mine
    assert any("Authentication [Control] - Result=1, User=right@example.test, Method=0" in line for line in mine), mine
    assert any("Authentication [Control] - Result=0, User=token, Method=20" in line for line in mine), mine
    assert any(f"Authentication [Control] - Result=1, User={ADMIN}, Method=20" in line for line in mine), mine
    assert "[WEB]" not in lines
    events = web.tool("events", "ip=127.0.0.1", "name=auth.failed").stdout
    assert "someone@example.test" in events and "token" in events


def maintenance(s):
    return "".join(f.read_text(errors="replace") for f in (s.logs / "maintenance").glob("*.log"))


def test_what_is_denied_is_told(web):
    """As an event always; in the maintenance log by its level: debug shows what was denied, summary what was changed, extended both."""
    who = cookie_of(sign_in_as(web, ADMIN, PASSWORD))
    reader = token_of(web, "queue:read")
    shown = {}
    for i, level in enumerate(("none", "summary", "debug", "extended")):
        web.tool("set", "log.maintenance", level)
        assert call(web, "GET", f"/accounts/level{i}@example.test", token=reader).status == 403
        assert call(web, "POST", "/accounts", {"address": f"made{i}@example.test"}, headers=who).status == 201
        web.tool("set", "log.maintenance", "extended")
        assert call(web, "POST", "/accounts", {"address": f"mark{i}@example.test"}, headers=who).status == 201
        text = wait_for("a mark", lambda: t if f"mark{i}@" in (t := maintenance(web)) else None)
        shown[level] = (f"Access denied '{ADMIN}': GET /api/v1/accounts/level{i}@" in text, f"account made{i}@" in text)
    assert shown == {"none": (False, False), "summary": (False, True), "debug": (True, False), "extended": (True, True)}
    web.tool("reset", "log.maintenance")
    csrf = call(web, "PATCH", "/domains/example.test", {"quota": 1}, headers={"Cookie": who["Cookie"]})
    assert csrf.code == "csrf"
    events = web.tool("events", "name=admin.denied", "ip=127.0.0.1").stdout
    assert "GET /api/v1/accounts/level0" in events and "PATCH /api/v1/domains/example.test" in events and ADMIN in events


def test_a_key_makes_each_write_happen_once(web):
    head = {"Idempotency-Key": "once"}
    one = admin(web, "POST", "/tokens", {"name": "key", "scopes": ["queue:read"]}, headers=head)
    two = admin(web, "POST", "/tokens", {"name": "key", "scopes": ["queue:read"]}, headers=head)
    assert one.status == two.status == 201 and one.json() == two.json() and two.headers["Idempotent-Replayed"] == "true"
    assert [t["name"] for t in admin(web, "GET", "/tokens").json()["items"]].count("key") == 1
    path = f"/accounts/{ALICE}/app-passwords"
    assert admin(web, "POST", path, {"label": "k"}, headers=head).json() == admin(web, "POST", path, {"label": "k"}, headers=head).json()
    # The query is part of the request: a trial is not the deed.
    assert admin(web, "POST", "/accounts", {"address": "key1@example.test"}, headers={"Idempotency-Key": "q"}).status == 201
    long = "x" * 128
    for n in (1, 2):
        a = admin(web, "POST", f"/accounts/{ALICE}/app-passwords", {"label": f"long{n}"}, headers={"Idempotency-Key": long})
        assert a.status == (201 if n == 1 else 422)
    web.tool("create", "account", "other@example.test")
    assert admin(web, "POST", "/accounts/other@example.test/app-passwords", {"label": "long2"}, headers={"Idempotency-Key": long}).status == 201


# --- operations ---


def test_what_was_promised_is_done_at_a_restart(web):
    """The time to undo is not over when module control ends: what waits is done then, not forgotten."""
    import smtplib
    with smtplib.SMTP("127.0.0.1", web.port["submission"]) as c:
        c.login(ALICE, PASSWORD)
        c.sendmail(ALICE, ["x@nowhere-at-all.test"], b"Subject: op\r\n\r\nx\r\n")
    path = "/queue/outgoing/messages"
    held = wait_for("the message", lambda: [m for m in admin(web, "GET", path).json()["items"] if m["destination"] == "nowhere-at-all.test"])
    a = admin(web, "POST", path + "/actions", {"action": "delete", "ids": [held[0]["id"]], "undo_seconds": 300})
    assert a.status == 202 and a.json()["state"] == "pending"
    assert [o["id"] for o in admin(web, "GET", "/operations").json()["items"]][0] == a.json()["id"]
    assert admin(web, "POST", "/services/control/actions", {"action": "restart"}).status == 202
    wait_for("the deletion", lambda: reachable(web.port["http"]) and not [m for m in admin_after_restart(web, path) if m["id"] == held[0]["id"]])


def admin_after_restart(s, path):
    try:
        a = admin(s, "GET", path)
        return a.json()["items"] if a.status == 200 else [{"id": "?"}]
    except OSError:
        return [{"id": "?"}]


def test_nobody_takes_all_places_of_operations(web):
    token = token_of(web, "queue:read", "queue:write")
    path = "/queue/outgoing/messages/actions"
    made = []
    for _ in range(50):
        a = call(web, "POST", path, {"action": "delete", "filter": {}, "undo_seconds": 300}, token=token)
        assert a.status == 202, a.body
        made.append(a.json()["id"])
    assert call(web, "POST", path, {"action": "delete", "filter": {}, "undo_seconds": 300}, token=token).code == "too_many"
    for i in made:
        assert call(web, "POST", f"/operations/{i}/undo", token=token).status == 200
    last = call(web, "POST", path, {"action": "delete", "filter": {}, "undo_seconds": 300}, token=token)
    assert last.status == 202 and call(web, "POST", f"/operations/{last.json()['id']}/undo", token=token).status == 200


# --- a module that hangs ---


def test_a_module_that_hangs_does_not_take_the_console_with_it(make_server):
    import signal
    s = make_server(start=False)
    setup = s.dir / "more.txt"
    setup.write_text(f"create account {ADMIN} password={{PLAIN}}{PASSWORD} role=system-admin\n")
    s.tool("batch", str(setup))
    s.token = s.tool("create", "token", ADMIN, "tests").stdout.strip()
    s.start()
    wait_for("the web server", lambda: reachable(s.port["http"]))
    pid = s.pids()["access"]
    os.kill(pid, signal.SIGSTOP)
    try:
        threads = [threading.Thread(target=lambda: admin(s, "GET", "/services")) for _ in range(24)]
        for t in threads:
            t.start()
        began = time.monotonic()
        assert sign_in_as(s, ADMIN, PASSWORD).status == 200
        for t in threads:
            t.join(60)
        states = {i["service"]: i["state"] for i in admin(s, "GET", "/services").json()["items"]}
        took = time.monotonic() - began
        assert states["imap"] == "silent" and states["smtp"] == "running", states
        assert took < 25, "24 looks at a module that hangs waited one after the other"
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for("the module", lambda: {i["service"]: i["state"] for i in admin(s, "GET", "/services").json()["items"]}["imap"] == "running")


# --- bodies ---


class Held:
    """Connections that send all of a body but its last byte."""

    def __init__(self, s, n, size, source="127.0.0.1", path="/api/v1/accounts/import", proof=True):
        self.open, self.answers = [], []
        self.more(s, n, size, source, path, proof)

    def more(self, s, n, size, source, path="/api/v1/accounts/import", proof=True):
        for _ in range(n):
            c = socket.create_connection((source, s.port["http"]), timeout=20, source_address=(source, 0))
            self.open.append(c)
            head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n"
            head += "Authorization: Bearer pht_" + "0" * 64 + "\r\n" if proof else ""
            try:
                c.sendall(head.encode() + b"\r\n")
                c.settimeout(0.1)  # who is refused is told at the head; a body under way would hide the answer behind a reset
                try:
                    answer = c.recv(100)
                except TimeoutError:
                    c.settimeout(20)
                    c.sendall(b" " * (size - 1))
                    c.settimeout(0.02)  # all of them must be open within web.request_timeout
                    answer = c.recv(100)
            except TimeoutError:
                answer = b""
            except OSError:
                answer = b"<closed>"
            self.answers.append(answer[9:12] or answer)

    def close(self):
        for c in self.open:
            c.close()


def test_large_bodies_are_taken_from_those_who_sign_in(web):
    """Nobody fills the memory without so much as a claim to be somebody."""
    out = raw(web, b"POST /api/v1/accounts/import HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n")
    assert out.startswith(b"HTTP/1.1 413")
    assert admin(web, "POST", "/accounts/import?dry_run=true", {"csv": "address\n" + "\n".join(f"u{i}@example.test" for i in range(2000))}).status == 200


def test_the_sum_of_all_bodies_is_bounded(web):
    """Whoever claims to be somebody gets a share; what is more gets 503, and signing in still works."""
    def refused():
        """By the head alone: who is refused need not take the rest."""
        with socket.create_connection(("127.0.0.1", web.port["http"]), timeout=20) as c:
            c.sendall(f"POST /api/v1/accounts/import?dry_run=true HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {web.token}\r\n"
                      "Content-Type: application/json\r\nContent-Length: 600000\r\n\r\n".encode())
            c.settimeout(0.5)
            try:
                return c.recv(64).startswith(b"HTTP/1.1 503 ")
            except TimeoutError:
                return False

    held = Held(web, 9, 8 * 1024 * 1024)
    try:
        # The first may be ended by web.request_timeout before the last is there.
        wait_for("a refusal", lambda: refused() or held.more(web, 1, 8 * 1024 * 1024, "127.0.0.1"))
        assert admin(web, "GET", "/me").status == 200
        assert sign_in_as(web, ADMIN, PASSWORD).status == 200
    finally:
        held.close()
    wait_for("room again", lambda: admin(web, "POST", "/accounts/import?dry_run=true", {"csv": "address\n" + "x@example.test\n" * 1000}).status == 200)


# --- time ---


def sql(s, text, *values):
    import sqlite3
    with sqlite3.connect(s.data / "config/system.db", timeout=20) as c:
        return c.execute(text, values).fetchall()


def test_a_console_that_nobody_uses_is_signed_out(web):
    """What a page reads by itself, and its stream, do not keep a session alive."""
    web.tool("create", "account", "idle@example.test", f"password={{PLAIN}}{PASSWORD}", "role=system-admin")
    who = cookie_of(sign_in_as(web, "idle@example.test", PASSWORD))

    def back(minutes):
        sql(web, "UPDATE web_session SET seen_ms = seen_ms - ? WHERE account_id = (SELECT id FROM account WHERE address = 'idle@example.test')", minutes * 60000)

    def status(**headers):
        return call(web, "GET", "/me", headers={**who, **headers}).status

    back(50)
    assert status(**{"X-Background": "1"}) == 200
    back(5)
    assert status(**{"X-Background": "1"}) == 200
    assert status() == 200  # somebody is there again
    back(55)
    assert status() == 200
    # The stream is open, and ends with the session.
    c = http.client.HTTPConnection("127.0.0.1", web.port["http"], timeout=60)
    c.request("GET", "/api/v1/events?topics=operations", headers=who)
    stream = c.getresponse()
    assert stream.status == 200 and stream.readline()
    back(61)
    end = time.monotonic() + 60
    while stream.readline():
        assert time.monotonic() < end, "the stream of a session that is idle goes on"
    c.close()
    assert status() == 401


def test_sessions_and_tokens_expire(web):
    who = cookie_of(sign_in_as(web, ADMIN, PASSWORD))
    assert call(web, "GET", "/me", headers=who).status == 200
    sql(web, "UPDATE web_session SET expires_ms = ?", int(time.time() * 1000) - 1000)
    assert call(web, "GET", "/me", headers=who).status == 401
    token = token_of(web, "queue:read", days=1)
    assert call(web, "GET", "/me", token=token).status == 200
    sql(web, "UPDATE api_token SET expires_ms = ? WHERE name = 'made' AND expires_ms > 0", int(time.time() * 1000) - 1000)
    assert call(web, "GET", "/me", token=token).code == "invalid_token"


# --- streams ---


class Stream:
    """GET /events on a socket of its own."""

    def __init__(self, s, headers, topics="sessions", last=None):
        self.c = http.client.HTTPConnection("127.0.0.1", s.port["http"], timeout=40)
        self.c.request("GET", f"/api/v1/events?topics={topics}", headers={**headers, **({"Last-Event-ID": str(last)} if last else {})})
        self.r = self.c.getresponse()
        assert self.r.status == 200, self.r.read()

    def next(self):
        """(id, type, data) of the next event; None: the stream has ended."""
        event = {}
        while line := self.r.readline().decode():
            key, _, value = line.rstrip("\n").partition(": ")
            if value and key:
                event[key] = value
            elif event and not line.strip():
                return int(event["id"]), event["event"], json.loads(event["data"])
        return None

    def ends(self):
        while self.next():
            pass
        self.c.close()
        return True


def temp_admin(s, name):
    s.tool("create", "account", f"{name}@example.test", f"password={{PLAIN}}{PASSWORD}", "role=system-admin")
    return f"{name}@example.test"


def test_a_stream_ends_with_the_right_to_it(web):
    """Signing out, a new password, a lower role, a disabled account; a token withdrawn. Others' streams go on."""
    other = Stream(web, {"Authorization": f"Bearer {web.token}"})
    name = temp_admin(web, "streams")
    for what in ("sign out", "password", "sign out everywhere", "role", "disabled"):
        cookie, csrf = sign_in(web, name)
        stream = Stream(web, {"Cookie": cookie})
        assert stream.next()[1] == "snapshot", what
        if what == "sign out":
            assert call(web, "POST", "/logout", headers={"Cookie": cookie, "X-CSRF-Token": csrf}).status == 204
        elif what == "password":
            assert admin(web, "PATCH", f"/accounts/{name}", {"password": PASSWORD}).status == 200
        elif what == "sign out everywhere":
            assert admin(web, "POST", f"/accounts/{name}/sign-out", {}).status == 200
        elif what == "role":
            web.tool("change", "account", name, "role=domain-admin", "admin_domains=other.test")
        else:
            web.tool("change", "account", name, "enabled=no")
        assert stream.ends(), what
        if what == "role":
            web.tool("change", "account", name, "role=system-admin")
    made = admin(web, "POST", "/tokens", {"name": "for a stream"}).json()
    stream = Stream(web, {"Authorization": f"Bearer {made['token']}"})
    assert stream.next()[1] == "snapshot"
    assert admin(web, "DELETE", f"/tokens/{made['id']}").status == 204
    assert stream.ends()
    with web_session(web, "imap", ALICE):
        while other.next()[1] != "upsert":
            pass


def test_a_stream_goes_on_behind_the_last_event(web):
    """Over a socket: with Last-Event-ID nothing twice, nothing left out, no snapshot; with one that is not known all anew."""
    first = Stream(web, {"Authorization": f"Bearer {web.token}"})
    keep = Stream(web, {"Authorization": f"Bearer {web.token}"})  # somebody listens all the time
    assert first.next()[1] == "snapshot" and keep.next()[1] == "snapshot"
    with web_session(web, "imap", ALICE) as c:
        seen = first.next()
        while seen[1] != "upsert":
            seen = first.next()
        first.c.close()
        sid = seen[2]["item"]["id"]
        c.noop()
    got = []
    while not got or got[-1][1] != "remove" or got[-1][2]["id"] != sid:
        got.append(keep.next())
    missed = [e for e in got if e[0] > seen[0]]
    again = Stream(web, {"Authorization": f"Bearer {web.token}"}, last=seen[0])
    assert [again.next() for _ in missed] == missed
    anew = Stream(web, {"Authorization": f"Bearer {web.token}"}, last=7)
    assert anew.next()[1] == "snapshot"
