"""Routes of outgoing mail: to a real Postfix that takes mail only of those who log in (SASL by Dovecot), by TLS levels, source
address and address family; what becomes of mail whose relay refuses the login."""
import base64
import re
import shutil
import tempfile
import types

import pytest

from api import Client
from conftest import PASSWORD, wait_for
from peers import PEER, RECORDS, NameServer, PostfixDovecot, neighbour
from test_postfix import arrived, ended_session, inbox, message, session, submit

SOURCE = "127.0.0.8"
WORD = "relay-word-9"
PORTS = {"plain": 2501, "login": 2502, "cram-md5": 2503, "scram-sha-1": 2504, "scram-sha-256": 2505}
CLEAR = 2510  # no TLS; PLAIN and LOGIN
OPEN = 2511   # no login
DOMAINS = ("one.test", "two.test", "three.test", "four.test", "five.test", "sub.one.test")


class Relay(PostfixDovecot):
    DOMAINS = ("peer.test", *DOMAINS)
    PASSWORD = WORD

    def dovecot_conf(self):
        return super().dovecot_conf().replace("auth_mechanisms = plain login", "auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256") + """
service auth {
  unix_listener auth-smtp {
    mode = 0666
  }
}
"""

    def main_cf(self):
        return super().main_cf().replace("smtpd_recipient_restrictions = ", "smtpd_recipient_restrictions = permit_sasl_authenticated, reject_unauth_destination, ") + f"""
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {self.dir}/dc/run/auth-smtp
smtpd_sasl_security_options = noanonymous
smtpd_tls_auth_only = yes
smtpd_client_restrictions = permit_sasl_authenticated, reject
smtpd_delay_reject = yes
"""

    def master_cf(self):
        more = "".join(f"{self.address}:{port} inet n - n - - smtpd\n  -o smtpd_sasl_mechanism_filter={m}\n" for m, port in PORTS.items())
        more += (f"{self.address}:{CLEAR} inet n - n - - smtpd\n  -o smtpd_tls_security_level=none -o smtpd_tls_auth_only=no\n"
                 f"  -o smtpd_sasl_mechanism_filter=plain,login\n")
        more += f"{self.address}:{OPEN} inet n - n - - smtpd\n  -o smtpd_client_restrictions=\n"
        return super().master_cf() + more


def records():
    yield from RECORDS
    for d in DOMAINS:
        yield f"{d} MX 10 dead.fallback.test"
    yield "dual.test A 127.0.0.9"
    yield "dual.test AAAA ::1"


@pytest.fixture(scope="module")
def world(make_module_server):
    made, dirs = [], []

    def begin(what, *args):
        dirs.append(tempfile.mkdtemp(prefix="phpeer-", dir="/var/tmp"))
        made.append(what(dirs[-1], *args))
        return made[-1].start()

    try:
        w = types.SimpleNamespace(dns=begin(NameServer, list(records())), peer=begin(Relay),
                                  ours=neighbour(make_module_server, settings={"queue.retry_schedule": "1h", "deliver.dane": "no"}))
        w.ours.tool("create", "account", "root@example.test", f"password={{PLAIN}}{PASSWORD}", "role=system-admin")
        w.admin = Client(w.ours, "admin", token=w.ours.tool("create", "token", "root@example.test", "tests").stdout.strip())
        yield w
    finally:
        for m in reversed(made):
            m.stop()
        for d in dirs:
            shutil.rmtree(d, ignore_errors=True)


@pytest.fixture
def route(world):
    made = []

    def create(pattern, *words):
        world.ours.tool("route", "create", pattern, *words)
        made.append(pattern)

    yield create
    for p in made:
        world.ours.tool("route", "delete", p, check=False)


count = iter(range(1, 1000))


def send(world, domain="one.test"):
    """(subject, message id, log of the attempt)"""
    subject, rcpt = f"route-{next(count)}", f"dave@{domain}"
    number = submit(world.ours, "alice@example.test", [rcpt], message(subject, to=rcpt))
    return subject, number, ended_session(world.ours, number)


def has_arrived(world, subject, user="dave"):
    return arrived("at the relay", lambda: world.peer.messages(user), subject)


def answer(world, number):
    row, = [r for r in world.ours.tool_json("queue")["rows"] if r["id"] == number]
    return row["answer"]


def encoded(*texts):
    return [base64.b64encode(t.encode()).decode() for t in texts]


@pytest.mark.parametrize("mechanism", PORTS)
def test_login(world, route, mechanism):
    route("one.test", f"host=mx.peer.test:{PORTS[mechanism]}", "user=dave@peer.test", f"password={WORD}")
    subject, _, log = send(world)
    has_arrived(world, subject)
    name = mechanism.upper()
    assert f"Connecting to 'mx.peer.test'" in log
    assert re.search(rf">>> AUTH {name}( \*\*\*\*)?$", log, re.M), log
    assert "235 2.7.0" in log
    for secret in (WORD, *encoded(WORD, f"\0dave@peer.test\0{WORD}", "dave@peer.test")):
        assert secret not in log
    wait_for("its log", lambda: f"sasl_method={name}, sasl_username=dave@peer.test" in world.peer.log())


def test_best_mechanism_first(world, route):
    route("one.test", "host=mx.peer.test", "user=dave@peer.test", f"password={WORD}")
    subject, _, log = send(world)
    has_arrived(world, subject)
    assert ">>> AUTH SCRAM-SHA-256 ****" in log and "AUTH PLAIN" not in log


def test_refused_login_waits(world, route):
    """Neither lost nor returned, however often; not asked again at once; told by list, API, health and event; mended by a change."""
    route("one.test", "host=mx.peer.test", "user=dave@peer.test", "password=wrong-word")
    subject, number, log = send(world)
    said = answer(world, number)
    assert re.fullmatch(r"454 4\.7\.8 Login at mx\.peer\.test as dave@peer\.test failed: 535 5\.7\.8 .*", said), said
    assert "MAIL F" not in log and "wrong-word" not in log and encoded("wrong-word")[0] not in log
    refusals = lambda: world.peer.log().count("SASL SCRAM-SHA-256 authentication failed")
    wait_for("its log", refusals)
    sessions = refusals()
    assert sessions == 1
    subject2 = f"route-{next(count)}"
    number2 = submit(world.ours, "alice@example.test", ["dave@one.test"], message(subject2, to="dave@one.test"))
    wait_for("its answer", lambda: answer(world, number2) == said)
    assert refusals() == sessions
    assert not inbox(world.ours, "alice")
    assert "Login at mx.peer.test" in world.ours.tool("route", "list").stdout
    shown = world.admin.get("/routes/one.test").json()
    assert shown["trouble"] == said and "password" not in shown and shown["has_password"] is True
    check, = [c for c in world.admin.rows("/health/checks") if c["id"] == "route.one.test"]
    assert check["state"] == "bad" and check["detail"] == said
    wait_for("the event", lambda: "has refused the login of the route one.test: 535 5.7.8" in
             world.ours.tool("events", "name=route.login.failed").stdout)
    world.ours.tool("route", "change", "one.test", f"password={WORD}")
    world.ours.tool("queue", "retry", number)
    world.ours.tool("queue", "retry", number2)
    has_arrived(world, subject)
    has_arrived(world, subject2)
    assert not [c for c in world.admin.rows("/health/checks") if c["id"].startswith("route.")]
    assert world.admin.get("/routes/one.test").json()["trouble"] is None


def test_no_password_in_clear(world, route):
    route("one.test", f"host=mx.peer.test:{CLEAR}", "user=dave@peer.test", f"password={WORD}")
    _, number, log = send(world)
    assert answer(world, number) == "451 4.7.4 Could not verify SSL connection (mx.peer.test: STARTTLS is not offered)"
    assert "AUTH" not in log.replace("250-AUTH", "")
    world.ours.tool("route", "change", "one.test", "tls=may")
    _, number, log = send(world)
    assert answer(world, number) == ("454 4.7.8 Login at mx.peer.test as dave@peer.test failed: "
                                     "the server offers no mechanism that can be used here")
    assert ">>> AUTH" not in log
    world.ours.tool("route", "change", "one.test", "tls=never")
    subject, _, log = send(world)
    has_arrived(world, subject)
    assert ">>> AUTH PLAIN ****" in log and "SSL" not in log


def test_levels_of_tls(world, route):
    """A certificate that nobody has signed: enough for require, not for verify; with its authority it is. dane: there are no records."""
    host = f"host=mx.peer.test:{OPEN}"
    route("one.test", host, "tls=require")
    subject, _, log = send(world)
    has_arrived(world, subject)
    assert "SSL: Not verified (18) - proceed anyway" in log
    world.ours.tool("route", "change", "one.test", "tls=verify")
    subject, number, log = send(world)
    assert "MAIL F" not in log
    assert answer(world, number).startswith("451 4.7.5 Could not verify SSL connection (mx.peer.test: route: the certificate does not match: ")
    world.ours.tool("set", "deliver.ca_file", str(world.peer.dir / "cert.pem"))
    try:
        world.ours.tool("queue", "retry", number)
        has_arrived(world, subject)
        # The first session with it has ended already.
        wait_for("a session that verifies", lambda: "SSL: Verified (TLSv1.3" in "\n".join(session(world.ours, number) or ()))
    finally:
        world.ours.tool("set", "deliver.ca_file", "")
    world.ours.tool("route", "change", "one.test", "tls=dane")
    _, number, log = send(world)
    assert answer(world, number) == "451 4.7.5 Could not verify SSL connection (mx.peer.test: route: it has no TLSA records that count)"
    world.ours.tool("route", "change", "one.test", "tls=never")
    subject, _, log = send(world)
    has_arrived(world, subject)
    assert "STARTTLS" not in log.replace("250-STARTTLS", "")


def test_source_address(world, route):
    route("one.test", f"host=mx.peer.test:{OPEN}", f"source_ip={SOURCE}")
    subject, _, log = send(world)
    has_arrived(world, subject)
    assert f"Connected, local IP={SOURCE}" in log
    wait_for("its log", lambda: f"[{SOURCE}]" in world.peer.log())


@pytest.mark.parametrize("family, tried", [("default", ["127.0.0.9", "::1"]), ("ipv4-first", ["127.0.0.9", "::1"]),
                                           ("ipv6-first", ["::1", "127.0.0.9"]), ("ipv4-only", ["127.0.0.9"]), ("ipv6-only", ["::1"])])
def test_address_family(world, route, family, tried):
    route("one.test", "host=dual.test", f"family={family}")
    _, number, log = send(world)
    assert re.findall(r"Could not connect to 'dual\.test\((.*?)\)'", log) == tried
    world.ours.tool("queue", "delete", number)


def test_no_address_of_the_family(world, route):
    route("one.test", "host=mx.peer.test", "family=ipv6-only")
    send(world)
    wait_for("the notice", lambda: [m for m in inbox(world.ours, "alice") if b"Host mx.peer.test has no IPv6 address" in m])


def test_first_that_fits(world, route):
    """By order; a route without host goes by MX, also beside deliver.relay_host, which stays the way of all others."""
    route("*.one.test", f"host=mx.peer.test:{OPEN}")
    route("*.test", "host=dead.fallback.test:2599")
    route("peer.test", "host=", "position=1")

    def of(address):
        return [r["pattern"] for r in world.ours.tool_json("route", "find", address)["rows"]]

    assert [r["pattern"] for r in world.ours.tool_json("route", "list")["rows"]] == ["peer.test", "*.one.test", "*.test"]
    assert of("x@sub.one.test") == ["*.one.test"] and of("two.test") == ["*.test"] and of("a@elsewhere.example") == []
    subject, _, _ = send(world, "sub.one.test")
    has_arrived(world, subject)
    _, number, log = send(world, "two.test")
    assert "Connecting to 'dead.fallback.test'" in log and "Could not connect" in answer(world, number)
    world.ours.tool("set", "deliver.relay_host", f"mx.peer.test:{OPEN}")
    try:
        _, number, log = send(world, "peer.test")
        assert "DNS query 'peer.test'" in log  # by MX, where a login is asked for
        world.ours.tool("route", "delete", "*.test")
        subject, _, log = send(world, "two.test")
        has_arrived(world, subject)
        assert "DNS query" not in log
    finally:
        world.ours.tool("set", "deliver.relay_host", "")


def test_connections_belong_to_routes(world, route):
    """Two domains with the same relay and different users: a login each, in any case."""
    for d, u in (("one.test", "dave"), ("two.test", "erin")):
        route(d, f"host=mx.peer.test:{PORTS['plain']}", f"user={u}@peer.test", f"password={WORD}")
    rcpts = ["dave@one.test", "erin@two.test"]
    before = len(world.peer.log())
    submit(world.ours, "alice@example.test", rcpts, message("both", to=rcpts[0]))
    has_arrived(world, "both")
    has_arrived(world, "both", "erin")
    log = world.peer.log()[before:]
    for u in ("dave", "erin"):
        assert log.count(f"sasl_username={u}@peer.test") == 1, log


def test_nobody_shows_the_password(world, route):
    route("one.test", "host=mx.peer.test", "user=dave@peer.test", f"password={WORD}")
    for words in (("route", "list"), ("route", "find", "one.test"), ("audit",), ("events", "name=admin.changed"), ("--json", "route", "list")):
        assert WORD not in world.ours.tool(*words).stdout
    assert WORD not in world.admin.get("/routes").body.decode()
    assert "(changed)" in world.ours.tool("audit").stdout
    for letter in "smia":
        assert WORD not in world.ours.log_text(letter)


def test_api(world):
    a = world.admin
    new = {"pattern": "*.API.test", "host": "relay.test:587", "user": "u", "password": "secret-x", "tls": "verify", "position": 1}
    assert a.call("POST", "/routes?dry_run=true", new).json()["effect"]
    assert a.rows("/routes") == []
    made = a.call("POST", "/routes", new)
    assert made.status == 201 and made.json()["pattern"] == "*.api.test" and b"secret-x" not in made.body
    assert a.call("POST", "/routes", new).status == 409
    assert a.call("PATCH", "/routes/*.api.test", {"tls": "maybe"}).status == 422
    assert a.call("PATCH", "/routes/*.api.test", {"user": ""}).status in (409, 422)
    assert a.call("PATCH", "/routes/*.api.test", {"host": "other.test"}).json()["host"] == "other.test"
    assert a.call("DELETE", "/routes/*.api.test").status == 204
    assert a.call("DELETE", "/routes/*.api.test").status == 404
