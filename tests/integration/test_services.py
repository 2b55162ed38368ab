"""Single services: stop, start, start again, addresses and access while the others go on; real clients in the sessions."""
import imaplib
import os
import poplib
import smtplib
import socket
import ssl
import subprocess

import pytest

from conftest import BIN, PASSWORD, wait_for
from test_web import ADMIN, call, reachable


@pytest.fixture
def host(make_server):
    s = make_server(start=False, settings={"net.drain_time": "0ms", "web.console_path": "/nonexistent"})
    setup = s.dir / "more.txt"
    setup.write_text(f"create account {ADMIN} password={{PLAIN}}{PASSWORD} role=system-admin\n"
                     f"create account dom@example.test password={{PLAIN}}{PASSWORD} role=domain-admin admin_domains=example.test\n")
    s.tool("batch", str(setup))
    s.token = s.tool("create", "token", ADMIN, "all").stdout.strip()
    s.start()
    wait_for("the web server", lambda: reachable(s.port["http"]))
    return s


def line(sock):
    f = sock.makefile("rb")
    return f.readline()


def session(s, name):
    c = socket.create_connection(("127.0.0.1", s.port[name]), timeout=30)
    f = c.makefile("rwb")
    assert f.readline()
    return c, f


def rows(s):
    return {r["service"]: r for r in s.tool_json("service", "list")["rows"]}


def refused_by_api(s, service, action, **more):
    r = call(s, "POST", f"/services/{service}/actions", {"action": action, **more}, s.token)
    return r.status, r.json() if r.body else None


def audit(s):
    return [(r["object"], r["field"], r["new"]) for r in s.tool_json("audit", "50")["rows"]]


def run(s):
    """Server.start waits for all services."""
    log = open(s.dir / "serve.log", "ab")
    s.proc = subprocess.Popen([BIN, "serve", *s.args(), "--quiet"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=s.env)
    s.wait_port(s.port["imap"])
    wait_for("the local socket", lambda: s.tool("service", "list", check=False).returncode == 0)


GOODBYE = {"smtp": b"421 4.3.2 ", "submission": b"421 4.3.2 ", "imap": b"* BYE ", "pop3": b"-ERR "}


@pytest.mark.parametrize("service", GOODBYE)
def test_stop_says_goodbye_and_closes_only_its_ports(host, service):
    before = host.pids()
    sessions = {name: session(host, name) for name in GOODBYE}
    host.tool("service", "stop", service)
    assert not reachable(host.port[service])
    c, f = sessions.pop(service)
    assert f.readline().startswith(GOODBYE[service])
    assert f.readline() == b""
    wait_for("the service has stopped", lambda: rows(host)[service]["state"] == "stopped")
    # The others: their sessions go on, their ports take new ones, their processes are the same.
    for name, (_, g) in sessions.items():
        g.write(b"a NOOP\r\n" if name == "imap" else b"NOOP\r\n")
        g.flush()
        assert g.readline(), name
        session(host, name)[0].close()
    assert host.pids() == before
    assert ("service " + service, "stop", "asked for") in audit(host)
    host.tool("service", "start", service)
    session(host, service)[0].close()
    assert host.pids() == before
    assert rows(host)[service]["state"] == "running"


def test_tls_ports_go_with_their_service(host):
    host.tool("service", "stop", "imap")
    assert not reachable(host.port["imaps"]) and reachable(host.port["pop3s"])
    shown = {b["address"]: b for b in rows(host)["imap"]["bindings"]}
    assert shown == {f"127.0.0.1:{host.port[p]}": {"address": f"127.0.0.1:{host.port[p]}", "tls": p == "imaps", "open": False, "fault": None}
                     for p in ("imap", "imaps")}
    host.tool("service", "start", "imap")
    with imaplib.IMAP4_SSL("127.0.0.1", host.port["imaps"], timeout=30, ssl_context=ssl._create_unverified_context()) as i:
        i.login("alice@example.test", PASSWORD)


def test_sessions_may_finish_within_the_drain_time(host):
    host.tool("set", "net.drain_time", "60s")
    c, f = session(host, "smtp")
    host.tool("service", "stop", "smtp")
    wait_for("stopping", lambda: rows(host)["smtp"]["state"] == "stopping")
    assert not reachable(host.port["smtp"])
    for command, want in [(b"EHLO client.test", b"250"), (b"MAIL FROM:<x@elsewhere.test>", b"250"), (b"RCPT TO:<alice@example.test>", b"250"),
                          (b"DATA", b"354"), (b"Subject: last\r\n\r\nin time\r\n.", b"250"), (b"QUIT", b"221")]:
        f.write(command + b"\r\n")
        f.flush()
        while True:
            got = f.readline()
            if got[3:4] == b" ":
                break
        assert got.startswith(want), (command, got)
    wait_for("stopped", lambda: rows(host)["smtp"]["state"] == "stopped")


def test_a_peer_that_takes_no_goodbye_is_cut(host):
    host.tool("set", "net.session_timeout", "1h")
    c, f = session(host, "imap")
    f.write(b"a LOGIN alice@example.test " + PASSWORD.encode() + b"\r\n")
    f.flush()
    f.readline()
    f.write(b"b APPEND INBOX {100000}\r\n")  # and never the rest
    f.flush()
    f.readline()
    host.tool("service", "stop", "imap")
    wait_for("the session is gone", lambda: rows(host)["imap"]["state"] == "stopped")


def test_restart_ends_sessions_and_keeps_ports_and_processes(host):
    before = host.pids()
    c, f = session(host, "pop3")
    host.tool("service", "restart", "pop3")
    assert f.readline().startswith(b"-ERR ")
    p = poplib.POP3("127.0.0.1", host.port["pop3"], timeout=30)
    p.user("alice@example.test")
    p.pass_(PASSWORD)
    p.quit()
    assert host.pids() == before


def test_a_stop_outlives_the_module_and_with_remember_the_server(host):
    host.tool("service", "stop", "pop3")
    host.kill("access")
    wait_for("IMAP is back", lambda: reachable(host.port["imap"]) and session(host, "imap"))
    assert not reachable(host.port["pop3"]) and rows(host)["pop3"]["state"] == "stopped"
    host.tool("service", "start", "pop3")
    host.tool("service", "stop", "pop3", "remember=yes")
    assert host.tool("get", "pop3.autostart").stdout == "no\n"
    host.stop()
    run(host)
    assert not reachable(host.port["pop3"]) and not reachable(host.port["pop3s"])
    assert rows(host)["pop3"]["state"] == "stopped"
    host.tool("service", "start", "pop3", "remember=yes")
    session(host, "pop3")
    assert host.tool("get", "pop3.autostart").stdout == "yes\n"


def test_addresses_change_at_once_and_sessions_stay(host):
    c, f = session(host, "imap")
    new = host.base + 144
    before = host.pids()
    host.tool("set", "imap.listen", f"127.0.0.1:{new};127.0.0.1:{host.port['imap']}")
    for port in (new, host.port["imap"]):
        with imaplib.IMAP4("127.0.0.1", port) as i:
            i.login("alice@example.test", PASSWORD)
    host.tool("set", "imap.listen", f"127.0.0.1:{new}")
    assert not reachable(host.port["imap"])
    f.write(b"a NOOP\r\n")
    f.flush()
    assert f.readline().startswith(b"a OK")
    assert host.pids() == before
    # From one address to all on the same port, and back.
    host.tool("set", "imap.listen", f"0.0.0.0:{new}")
    host.tool("set", "imap.listen", f"127.0.0.1:{new}")
    imaplib.IMAP4("127.0.0.1", new).logout()


@pytest.mark.parametrize("value,parts", [
    ("127.0.0.1:{taken}", ("in use", "another program has this port", "ss -ltnp")),
    ("192.0.2.77:2143", ("192.0.2.77:2143", "no interface has this address", "ip addr")),
    ("192.0.2.77:{imap}", ("192.0.2.77:", "no interface has this address")),
    ("127.0.0.1:{smtp}", ("in use",)),
    ("localhost", ("'localhost'", "address:port")),
    ("127.0.0.1:70000", ("70000", "address:port")),
])
def test_wrong_addresses_are_refused(host, value, parts):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        value = value.format(taken=other.getsockname()[1], **host.port)
        was = host.tool("get", "imap.listen").stdout
        r = host.tool("set", "imap.listen", value, check=False)
        assert r.returncode == 1 and "imap.listen" in r.stderr
        for p in parts:
            assert p in r.stderr, r.stderr
        answer = call(host, "PATCH", "/settings/imap.listen", {"value": value}, host.token)
        assert answer.status == 422 and answer.json()["fields"][0]["name"] == "imap.listen", answer.body
        dry = call(host, "PATCH", "/settings/imap.listen?dry_run=true", {"value": value}, host.token)
        assert dry.status == answer.status
    assert host.tool("get", "imap.listen").stdout == was
    session(host, "imap")


def test_a_start_whose_port_is_taken_is_refused_whole(host):
    host.tool("service", "stop", "imap")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", host.port["imaps"]))
        other.listen()
        r = host.tool("service", "start", "imap", check=False)
        assert r.returncode == 1 and "imap.listen_tls" in r.stderr and str(host.port["imaps"]) in r.stderr and "in use" in r.stderr
        assert not reachable(host.port["imap"])
        assert ("service imap", "start", "refused") in audit(host)
    host.tool("service", "start", "imap")
    session(host, "imap")


def test_privileged_ports_are_bound_by_the_supervisor(host):
    if os.geteuid():
        pytest.skip("needs root")
    host.tool("set", "pop3.listen", "127.0.0.1:110")
    c = socket.create_connection(("127.0.0.1", 110), timeout=30)
    assert line(c).startswith(b"+OK")
    host.tool("service", "stop", "pop3")
    assert not reachable(110)
    host.tool("service", "start", "pop3")
    assert line(socket.create_connection(("127.0.0.1", 110), timeout=30)).startswith(b"+OK")


def test_the_web_server_moves_with_its_module(host):
    new = host.base + 81
    assert "after a restart" in host.tool("set", "web.listen", f"127.0.0.1:{new}").stdout
    assert reachable(host.port["http"]) and not reachable(new)
    others = {name: pid for name, pid in host.pids().items() if name != "control"}
    host.tool("module", "restart", "control")
    wait_for("the new address", lambda: reachable(new))
    assert not reachable(host.port["http"])
    wait_for("the tool", lambda: host.tool("service", "list", check=False).returncode == 0)
    assert {name: pid for name, pid in host.pids().items() if name != "control"} == others


def test_access_by_service(host):
    host.tool("set", "pop3.access_mode", "grant")
    host.tool("set", "pop3.access_ips", "192.0.2.0/24")
    assert line(socket.create_connection(("127.0.0.1", host.port["pop3"]), timeout=30)).startswith(b"-ERR [SYS/PERM]")
    session(host, "imap")
    host.tool("set", "pop3.access_ips", "192.0.2.0/24;127.0.0.1")
    assert line(socket.create_connection(("127.0.0.1", host.port["pop3"]), timeout=30)).startswith(b"+OK")
    host.tool("set", "smtp.access_mode", "deny")
    host.tool("set", "smtp.access_ips", "127.*.*.*")
    assert line(socket.create_connection(("127.0.0.1", host.port["smtp"]), timeout=30)).startswith(b"554 5.7.1")
    with smtplib.SMTP("127.0.0.1", host.port["submission"], timeout=30) as m:
        m.noop()
    r = host.tool("set", "smtp.access_ips", "127.0.0.300", check=False)
    assert r.returncode == 1 and "smtp.access_ips" in r.stderr and "127.0.0.300" in r.stderr
    host.tool("set", "web.access_mode", "grant")  # nobody: the local socket still works
    with pytest.raises(OSError):
        call(host, "GET", "/me", token=host.token)
    host.tool("reset", "web.access_mode")
    assert call(host, "GET", "/me", token=host.token).status == 200


def test_the_api(host):
    seen = {s["service"]: s for s in call(host, "GET", "/services", token=host.token).json()["items"]}
    assert seen["imap"]["actions"] == ["stop", "restart", "restart_module"] and seen["control"]["actions"] == ["restart_module"]
    assert seen["imap"]["bindings"][0] == {"address": f"127.0.0.1:{host.port['imap']}", "tls": False, "open": True, "fault": None}
    assert "imap.access_ips" in seen["imap"]["settings"] and seen["imap"]["autostart"] is True
    assert refused_by_api(host, "imap", "stop", remember=True)[0] == 202
    assert not reachable(host.port["imap"]) and host.tool("get", "imap.autostart").stdout == "no\n"
    status, problem = refused_by_api(host, "imap", "stop")
    assert (status, problem["code"]) == (404, "not_found") and "imap" in problem["detail"]
    assert refused_by_api(host, "imap", "start", remember=True)[0] == 202
    status, problem = refused_by_api(host, "imap", "start")
    assert status == 409 and "runs already" in problem["detail"]
    assert refused_by_api(host, "control", "stop")[0] == 422
    assert refused_by_api(host, "nothing", "stop")[0] == 404
    assert refused_by_api(host, "imap", "burn")[0] == 422
    assert refused_by_api(host, "access", "restart")[0] == 202
    entries = audit(host)
    assert ("service imap", "stop", "asked for") in entries and ("service imap", "start", "refused") in entries, entries
    assert any(o.endswith("imap.autostart") and n == "no" for o, f, n in entries), entries
    narrow = host.tool("create", "token", ADMIN, "services", "scopes=services:read services:write").stdout.strip()
    r = call(host, "POST", "/services/pop3/actions", {"action": "stop", "remember": True}, narrow)
    assert r.status == 403 and "settings:write" in r.json()["detail"]
    assert reachable(host.port["pop3"])
    dom = host.tool("create", "token", "dom@example.test", "d").stdout.strip()
    assert call(host, "POST", "/services/pop3/actions", {"action": "stop"}, dom).status == 403


def test_what_cannot_be_done_is_said(host):
    for words, parts in [(("service", "stop", "smtp-client"), ("smtp-client", "module restart smtp")), (("service", "stop", "web"), ("'web'", "pop3")),
                         (("module", "restart", "imap"), ("'imap'", "access")), (("service", "stop", "pop3", "remember=si"), ("remember", "'si'"))]:
        r = host.tool(*words, check=False)
        assert r.returncode == 1, words
        for p in parts:
            assert p in r.stderr, (words, r.stderr)
    text = host.tool("service", "list").stdout
    assert f"127.0.0.1:{host.port['pop3s']}/tls" in text
    host.stop()
    r = host.tool("service", "stop", "pop3", check=False)
    assert r.returncode == 1 and "not running" in r.stderr
