"""`posthorn tool --server`: the same commands over HTTPS with a token; what goes wrong on the way; the API as it is."""
import json
import os
import re
import socket
import sqlite3
import ssl
import subprocess
import threading
import time

import pytest

from conftest import BIN, PASSWORD, wait_for
from test_web import ADMIN, reachable

DOM = "dom@other.test"
REFUSED, USAGE, DENIED, UNREACHABLE = 1, 2, 3, 4


@pytest.fixture(scope="module")
def host(make_module_server):
    s = make_module_server(start=False, settings={"web.console_path": "/nonexistent", "auth.failure_delay": "0ms"})
    setup = s.dir / "more.txt"
    setup.write_text(f"""create domain other.test
create domain third.test
create account {ADMIN} password={{PLAIN}}{PASSWORD} role=system-admin
create account {DOM} password={{PLAIN}}{PASSWORD} role=domain-admin admin_domains=other.test
create account zoe@other.test password={{PLAIN}}{PASSWORD}
create account victim@third.test
create alias info@other.test targets=zoe@other.test
create alias info@third.test targets=victim@third.test
""")
    s.tool("batch", str(setup))
    s.tokens = {}
    for name, account, more in (("all", ADMIN, ()), ("dom", DOM, ()), ("old", ADMIN, ("days=1",)), ("read", ADMIN, ("scopes=directory:read settings:read",))):
        f = s.dir / f"{name}.token"
        f.write_text(s.tool("create", "token", account, name, *more).stdout)
        f.chmod(0o600)
        s.tokens[name] = f
    s.start()
    wait_for("the web server", lambda: reachable(s.port["https"]))
    s.ca = s.dir / "ca.pem"
    pem = (s.data / "certs" / "default.pem").read_text()
    s.ca.write_text("".join(re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", pem, re.S)))
    with sqlite3.connect(s.data / "config" / "system.db", timeout=30) as db:
        assert db.execute("UPDATE api_token SET expires_ms = 1000 WHERE name = 'old'").rowcount == 1
    return s


def remote(s, *words, token="all", ca="own", server=None, env=None, options=(), **kw):
    """Runs without the server's data directory: only the network leads to it."""
    args = [BIN, "tool", "--server", server or f"https://localhost:{s.port['https']}", *options]
    args += ["--token-file", str(s.tokens[token])] if token else []
    args += ["--ca", str(s.ca if ca == "own" else ca)] if ca else []
    environment = {k: v for k, v in os.environ.items() if not k.startswith("POSTHORN_")}
    return subprocess.run([*args, *words], capture_output=True, text=True, timeout=120, env={**environment, "POSTHORN_DATA": "/nonexistent", **(env or {})}, **kw)


def both(s, *words):
    here, there = s.tool(*words, check=False), remote(s, *words)
    return (here.returncode, here.stdout, here.stderr), (there.returncode, there.stdout, there.stderr)


READS = ["get smtp.max_recipients", "describe smtp.max_recipients", "list smtp", "list", "list domains", "list accounts", "list accounts other.test",
         "list aliases", "list operations", "list app-passwords zoe@other.test", "show account zoe@other.test", "queue", "audit 5",
         "events name=server.ready", "verify mailbox zoe@other.test", "trace nobody@nowhere.test", "--json list accounts", "--json get smtp.vrfy",
         "--json audit 3", "api GET /domains", "api GET /settings/smtp.vrfy", "api get /api/v1/accounts/zoe%40other.test",
         "--json api GET /settings/smtp.vrfy", "api GET /openapi.json"]
WRONG = ["get nothing", "set smtp.max_recipients 0", "set smtp.max_recipients many", "create account x@none.test", "create domain example.test",
         "create account x@example.test pasword=long", "show account nobody@example.test", "queue delete XYZ", "sessions kill zz", "audit all",
         "--json get nothing", "service stop web", "api GET /nothing", "api GET /accounts?limit=x", "api PATCH /settings/smtp.max_recipients {\"value\":0}",
         "api DELETE /settings", "api GET /accounts/nobody%40x.test"]


@pytest.mark.parametrize("words", READS + WRONG)
def test_the_same_here_and_there(host, words):
    def stable(r):
        return r[0], re.sub(r'"as_of": "[^"]+"', "", r[1]), r[2]  # the time of the look
    here, there = both(host, *words.split(" "))
    assert stable(here) == stable(there)
    assert here[0] == (0 if words in READS else REFUSED), here
    if words in WRONG:
        assert here[2].startswith("posthorn tool: ") and here[2].count("\n") == 1, here


def test_changes_from_elsewhere(host):
    assert remote(host, "create", "account", "new@other.test", "password=-", input="a good secret\n").returncode == 0
    assert "new@other.test" in host.tool("list", "accounts", "other.test").stdout
    assert remote(host, "change", "account", "new@other.test", "name=N N").returncode == 0
    assert remote(host, "set", "smtp.max_hops", "17").returncode == 0
    assert host.tool("get", "smtp.max_hops").stdout == "17\n"
    row = host.tool_json("audit", "1")["rows"][0]
    assert row["admin"] == ADMIN and row["new"] == "17"
    assert remote(host, "delete", "account", "new@other.test").returncode == 0
    r = remote(host, "batch", "-", input='set smtp.max_hops 18\nget nothing\napi GET /settings/smtp.max_hops\nreset smtp.max_hops\n')
    assert r.returncode == 1 and '"value":"18"' in r.stdout and "3 commands done, 1 refused" in r.stdout and "line 2: " in r.stderr
    assert remote(host, "stats").stdout.split()[::3] != [] and remote(host, "sessions").returncode == 0
    assert "imap" in remote(host, "service", "list").stdout
    assert remote(host, "service", "restart", "pop3").returncode == 0
    assert remote(host, "reload").returncode == 0


def test_nobody_shuts_himself_out_unasked(host):
    r = remote(host, "set", "web.access_mode", "grant")
    assert r.returncode == REFUSED and "you would be shut out" in r.stderr and "--confirm" in r.stderr, r
    assert host.tool("get", "web.access_mode").stdout == "off\n"
    assert remote(host, "set", "web.access_mode", "grant", options=("--confirm",)).returncode == 0
    assert remote(host, "list", "domains").returncode != 0
    host.tool("reset", "web.access_mode")
    wait_for("the way is open again", lambda: remote(host, "list", "domains").returncode == 0)


def test_raw_requests(host):
    for where in (lambda *w, **k: host.tool(*w, check=False, **k), lambda *w, **k: remote(host, *w, **k)):
        r = where("api", "POST", "/domains", '{"domain": "raw.test"}')
        assert r.returncode == 0 and json.loads(r.stdout)["domain"] == "raw.test", r
        r = where("--json", "api", "GET", "/domains/raw.test")
        seen = json.loads(r.stdout)
        assert seen["status"] == 200 and seen["etag"]
        r = where("api", "PATCH", "/domains/raw.test", "-", "if-match=" + seen["etag"], input='{"quota": 1048576}')
        assert r.returncode == 0, r
        r = where("api", "PATCH", "/domains/raw.test", '{"quota": 5}', "if-match=" + seen["etag"])
        assert r.returncode == REFUSED and "read it again" in r.stderr
        r = where("api", "PATCH", "/domains/raw.test", '{"quota": "much"}')
        assert r.returncode == REFUSED and "quota" in r.stderr
        r = where("api", "DELETE", "/domains/raw.test")
        assert (r.returncode, r.stdout) == (0, ""), r
        for words, part in [(("api",), "usage"), (("api", "GET", "domains"), "begin with /"), (("api", "GET", "/do mains"), "%20"),
                            (("api", "POST", "/domains", "{domain}"), "not JSON"), (("api", "POST", "/domains", "{}", "{}"), "too many"),
                            (("api", "X" * 20, "/domains"), "not a method")]:
            r = where(*words)
            assert r.returncode == USAGE and part in r.stderr and r.stdout == "", (words, r)
        r = where("api", "BREW", "/domains")
        assert r.returncode == REFUSED and "BREW" in r.stderr
        r = where("api", "GET", "/nul%00")
        assert r.returncode == REFUSED
        r = where("api", "GET", "/events?topics=sessions")
        assert r.returncode == REFUSED and "stream" in r.stderr
        r = where("api", "PATCH", "/domains/raw.test", "{}", "if-match=x\r\nX-Evil: 1")
        assert r.returncode == USAGE


def test_tokens(host, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("pt_" + "x" * 40 + "\n")
    wrong.chmod(0o600)
    host.tokens["wrong"] = wrong
    for token in ("wrong", "old"):
        r = remote(host, "list", "domains", token=token)
        assert (r.returncode, r.stdout) == (DENIED, "") and "unknown, has expired or been withdrawn" in r.stderr
    assert remote(host, "list", "domains", token="read").returncode == 0
    assert remote(host, "get", "smtp.vrfy", token="read").stdout == "no\n"
    for words, scope in [(("set", "smtp.vrfy", "yes"), "settings:write"), (("create", "domain", "x.test"), "directory:write"), (("sessions",), "sessions:read"),
                         (("service", "stop", "imap"), "services:write"), (("audit",), "audit:read"), (("create", "token", ADMIN, "more"), "tokens:write")]:
        r = remote(host, *words, token="read")
        assert r.returncode == DENIED and scope in r.stderr and r.stdout == "", (words, r)
    r = remote(host, "api", "PATCH", "/settings/smtp.vrfy", '{"value": true}', token="read")
    assert r.returncode == DENIED and "settings:write" in r.stderr
    assert host.tool("get", "smtp.vrfy").stdout == "no\n"
    text = host.tokens["all"].read_text().strip()
    assert remote(host, "list", "domains", token=None, env={"POSTHORN_TOKEN": text}).returncode == 0
    r = remote(host, "list", "domains", token=None, options=("--token", text))
    assert r.returncode == 0 and "everybody who lists processes" in r.stderr
    host.tokens["all"].chmod(0o644)
    r = remote(host, "list", "domains")
    assert r.returncode == 0 and "chmod 600" in r.stderr
    host.tokens["all"].chmod(0o600)


def test_wrong_options(host, tmp_path):
    for name, content in (("empty", ""), ("two", "a b\n"), ("lines", "abc\r\nX-Evil: 1\n"), ("binary", "\0\1\2")):
        (tmp_path / name).write_text(content)
    for kw, part in [(dict(token=None), "--token-file"), (dict(server="http://localhost:1"), "clear text"), (dict(server="localhost"), "https://host"),
                     (dict(server="https://"), "https://host"), (dict(server="https://a:b@localhost"), "https://host"),
                     (dict(options=("--data", "/tmp")), "--data"), (dict(options=("--timeout", "0")), "'0'"), (dict(options=("--timeout", "x")), "'x'")]:
        r = remote(host, "list", "domains", **kw)
        assert (r.returncode, r.stdout) == (USAGE, "") and part in r.stderr, (kw, r)
    for name in ("empty", "two", "lines", "binary"):
        r = remote(host, "list", "domains", token=None, options=("--token-file", str(tmp_path / name)))
        assert r.returncode == USAGE and str(tmp_path / name) in r.stderr, r
    r = remote(host, "list", "domains", token=None, options=("--token-file", "/nonexistent"))
    assert r.returncode == REFUSED and "/nonexistent" in r.stderr
    r = remote(host, "list", "domains", ca="/nonexistent")
    assert r.returncode == REFUSED and "/nonexistent" in r.stderr
    for options in (("--token-file", "/x"), ("--confirm",)):
        r = subprocess.run([BIN, "tool", *options, "list", "domains"], capture_output=True, text=True)
        assert r.returncode == USAGE and "--server" in r.stderr


def test_certificates(host, tmp_path):
    r = remote(host, "list", "domains", ca=None)
    assert (r.returncode, r.stdout) == (UNREACHABLE, "") and "not trusted" in r.stderr and "--ca FILE" in r.stderr and r.stderr.count("\n") == 1
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", tmp_path / "key.pem", "-out", other], check=True, capture_output=True)
    assert "not trusted" in remote(host, "list", "domains", ca=other).stderr
    r = remote(host, "list", "domains", server=f"https://127.0.0.1:{host.port['https']}")
    assert r.returncode == UNREACHABLE and "127.0.0.1" in r.stderr and "not trusted" in r.stderr  # another name than the certificate's
    text = tmp_path / "text.pem"
    text.write_text("no certificate\n")
    r = remote(host, "list", "domains", ca=text)
    assert r.returncode == UNREACHABLE and str(text) in r.stderr
    r = remote(host, "list", "domains", server=f"https://localhost:{host.port['http']}")  # no TLS there
    assert r.returncode == UNREACHABLE and r.stderr.count("\n") == 1


def test_no_server_there(host):
    began = time.monotonic()
    r = remote(host, "list", "domains", server="https://localhost:9")
    assert (r.returncode, r.stdout) == (UNREACHABLE, "") and "cannot be reached" in r.stderr and "localhost:9" in r.stderr
    assert time.monotonic() - began < 15
    r = remote(host, "batch", "-", server="https://localhost:9", input="list domains\nlist domains\n")
    assert r.returncode == 1 and "line 1: " in r.stderr and "line 2: " not in r.stderr and "not tried" in r.stderr


class Fake:
    """A TLS server with Posthorn's own certificate that answers what it likes."""

    def __init__(self, s, answer):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(s.data / "certs" / "default.pem")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self.listener.getsockname()[1]}"
        self.answer = answer
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while True:
                plain, _ = self.listener.accept()
                with self.context.wrap_socket(plain, server_side=True) as c:
                    c.recv(65536)
                    if self.answer is None:
                        c.recv(1)  # until the client gives up
                        continue
                    for piece in self.answer:
                        c.sendall(piece)
        except OSError:
            pass


def http(body, status="200 OK", type="application/json", more=b""):
    return [f"HTTP/1.1 {status}\r\nContent-Type: {type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n".encode() + more + b"\r\n" + body]


@pytest.mark.parametrize("answer,code,part", [
    (None, UNREACHABLE, "within 2 s"),
    (http(b"<html>hello</html>", "404 Not Found", "text/html"), UNREACHABLE, "is this the address of a Posthorn?"),
    (http(b"{\"ok\": tru", "200 OK"), UNREACHABLE, "not JSON"),
    (http(b"", "302 Found", more=b"Location: https://localhost/\r\n"), UNREACHABLE, "answer 302"),
    (http(b"[1]", "500 Oops"), UNREACHABLE, "answer 500"),
    ([b"garbage\r\n\r\n"], UNREACHABLE, "cannot be reached"),
    ([b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc"], UNREACHABLE, "cannot be reached"),
    (http(b"{\"detail\": \"\\u001b[2Jboom\", \"code\": \"x\"}", "409 Conflict", "application/problem+json"), REFUSED, "boom"),
])
def test_strange_servers(host, answer, code, part):
    f = Fake(host, answer)
    began = time.monotonic()
    r = remote(host, "list", "domains", server=f.url, options=("--timeout", "2"))
    f.listener.close()
    assert r.returncode == code and part in r.stderr, r
    assert "\x1b" not in r.stderr + r.stdout
    assert time.monotonic() - began < 20


def test_an_answer_without_end(host):
    def endless():
        yield b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
        while True:
            yield b"x" * (1 << 20)
    f = Fake(host, endless())
    r = remote(host, "api", "GET", "/me", server=f.url, options=("--timeout", "60"))
    f.listener.close()
    assert r.returncode == REFUSED and "longer than 64 MiB" in r.stderr, r


def test_a_domain_admin_sees_his_domain(host):
    def dom(*words):
        return remote(host, *words, token="dom")
    assert [r["domain"] for r in json.loads(dom("--json", "list", "domains").stdout)["rows"]] == ["other.test"]
    assert {r["address"] for r in json.loads(dom("--json", "list", "accounts").stdout)["rows"]} == {DOM, "zoe@other.test"}
    assert json.loads(dom("--json", "list", "accounts", "third.test").stdout)["rows"] == []
    assert [r["address"] for r in json.loads(dom("--json", "list", "aliases").stdout)["rows"]] == ["info@other.test"]
    assert "zoe@other.test" in dom("show", "account", "zoe@other.test").stdout
    assert dom("change", "account", "zoe@other.test", "name=Zoe Z").returncode == 0
    assert dom("create", "account", "own@other.test", "aliases=mine").returncode == 0
    assert dom("create", "alias", "info2@other.test", "targets=zoe@other.test").returncode == 0
    assert dom("delete", "account", "own@other.test").returncode == 0 and dom("delete", "alias", "info2@other.test").returncode == 0
    host.tool("create", "account", "else@third.test", "aliases=door@other.test")  # an address of his that leads elsewhere
    for words in (("show", "account"), ("list", "app-passwords"), ("delete", "account")):
        r = dom(*words, "door@other.test")
        assert r.returncode == REFUSED and "else@" not in r.stdout + r.stderr, (words, r)
    host.tool("delete", "account", "else@third.test")
    hidden = dom("show", "account", "victim@third.test")
    assert hidden.returncode == REFUSED and hidden.stderr == dom("show", "account", "nobody@third.test").stderr.replace("nobody", "victim")
    for words in [("change", "account", "victim@third.test", "name=x"), ("delete", "account", "victim@third.test"), ("create", "account", "x@third.test"),
                  ("create", "alias", "x@third.test", "targets=zoe@other.test"), ("list", "app-passwords", "victim@third.test"),
                  ("create", "app-password", "victim@third.test", "x"), ("delete", "alias", "info@third.test")]:
        assert dom(*words).returncode == REFUSED, words
    for words in [("change", "account", "zoe@other.test", "role=system-admin"), ("change", "account", "zoe@other.test", "aliases=x@third.test"),
                  ("create", "account", "y@other.test", "admin_domains=third.test")]:
        assert dom(*words).returncode == DENIED, words
    for words in [("list",), ("set", "smtp.vrfy", "yes"), ("create", "domain", "n.test"), ("delete", "domain", "other.test"), ("sessions",), ("queue",),
                  ("events",), ("trace", "victim@third.test"), ("audit",), ("stats",), ("service", "list"), ("service", "stop", "imap"), ("reload",),
                  ("list", "tokens"), ("create", "token", ADMIN, "x"), ("list", "operations")]:
        r = dom(*words)
        assert r.returncode == DENIED and r.stdout == "", (words, r)
    everything = dom("api", "GET", "/accounts").stdout + dom("api", "GET", "/domains").stdout
    assert "zoe@other.test" in everything and "third.test" not in everything and "example.test" not in everything
    assert host.tool("get", "smtp.vrfy").stdout == "no\n"


def test_a_token_makes_no_stronger_token(host, tmp_path):
    """What /tokens refuses is refused as a command too."""
    def use(text, *words):
        f = tmp_path / "t"
        f.write_text(text)
        f.chmod(0o600)
        host.tokens["t"] = f
        return remote(host, *words, token="t")
    maker = host.tool("create", "token", ADMIN, "maker", "scopes=tokens:write directory:read", "days=2").stdout
    for words in [("scopes=tokens:write settings:write",), ("scopes=settings:write",)]:
        r = use(maker, "create", "token", ADMIN, "x", *words)
        assert r.returncode == DENIED and r.stdout == "" and "scopes" in r.stderr, r
    r = use(maker, "create", "token", DOM, "x", "scopes=directory:read")
    assert r.returncode == DENIED and "account" in r.stderr, r
    for more in ((), ("scopes=",), ("scopes= ",), ("scopes=directory:read",), ("days=3000",)):
        r = use(maker, "create", "token", ADMIN, "made", *more)
        assert r.returncode == 0, r
        child = r.stdout
        assert use(child, "list", "domains").returncode == 0
        assert use(child, "set", "smtp.vrfy", "yes").returncode == DENIED
    ends = {"made": [], "maker": []}
    for r in host.tool_json("list", "tokens")["rows"]:
        ends.setdefault(r["name"], []).append(r["expires_ms"])
    assert len(ends["made"]) == 5 and all(0 < e <= ends["maker"][0] for e in ends["made"]), ends
    assert remote(host, "create", "token", DOM, "by all", "scopes=directory:read").returncode == 0  # who may do everything


def test_looks_are_audited(host):
    for words in (("queue", "view", "NONE1"), ("session", "0123456789abcdef")):
        remote(host, *words)
        row = host.tool_json("audit", "1")["rows"][0]
        assert row["admin"] == ADMIN and row["field"] == "looked at" and words[-1] in row["object"], row


def test_every_operation_is_a_command(host):
    operations = [r["op"] for r in host.tool_json("list", "operations")["rows"]]
    assert len(operations) > 35
    for op in operations:
        r = remote(host, "api", "POST", f"/commands/{op}", '{"args": {"no such argument": 1}}')
        assert r.returncode == REFUSED and "unknown argument" in r.stderr, (op, r)
