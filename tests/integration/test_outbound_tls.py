"""What the TLS of other servers has to prove: DANE by signed zones of a real Knot, validated through a real unbound, with
Postfix as the other side; and the tool that asks the name servers."""
import hashlib
import http.server
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import types

import pytest

from api import Client
from conftest import BIN, wait_for
from peers import DNS, PEER, RECORDS, SIGNED, NameServer, PostfixDovecot, SignedZones, SmtpSink, neighbour, of_certificate, stage
from test_postfix import arrived, bounce_about, ended_session, message, submit

CLEAR = "127.0.0.6"    # a server without TLS
SILENT = "127.0.0.57"  # no name server
WEB = "127.0.0.7"      # policies of MTA-STS
ZONES = ("dane.test", "ta.test", "wrong.test", "none.test", "forged.test", "tlsafail.test", "plain.test", "unusable.test", "clear.test",
         "alias.test")
SECURE = ("sec.test", "bare.test")
STS = ("good.sts.test", "other.sts.test", "badcert.sts.test", "testing.sts.test", "none.sts.test", "missing.sts.test", "moved.sts.test",
       "long.sts.test", "wrongweb.sts.test")


class Peer(PostfixDovecot):
    DOMAINS = ("peer.test", *ZONES, *STS, *SECURE)

    def main_cf(self):
        return super().main_cf() + f"smtpd_tls_ask_ccert = yes\nsmtpd_tls_CAfile = {self.dir}/ca.pem\n"


def own_records():
    yield from ("sec.test MX 10 mx.sec.test", f"mx.sec.test A {PEER}", "bare.test MX 10 mx.bare.test", f"mx.bare.test A {CLEAR}")
    for d in STS:
        yield from (f"{d} MX 10 mx.{d}", f"mx.{d} A {PEER}", f"mta-sts.{d} A {WEB}", f'_mta-sts.{d} TXT "v=STSv1;id=1"')
    # Who wants TLS reports (test_tlsrpt.py).
    yield '_smtp._tls.good.sts.test TXT "v=TLSRPTv1;rua=mailto:dave@peer.test,https://mta-sts.good.sts.test/report?x=1"'
    yield '_smtp._tls.badcert.sts.test TXT "v=TLSRPTv1;rua=mailto:dave@badcert.sts.test"'
    yield '_smtp._tls.none.sts.test TXT "v=TLSRPTv1;rua=mailto:dave@peer.test"'
    yield '_smtp._tls.none.sts.test TXT "v=TLSRPTv1;rua=mailto:erin@peer.test"'


def policy(mode, mx, max_age=86400):
    return f"version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: {max_age}\r\n"


class Web:
    """Serves policies by HTTPS: {domain: text, or status}; counts the requests."""

    def __init__(self, d):
        self.policies = {
            "good.sts.test": policy("enforce", "*.good.sts.test"), "other.sts.test": policy("enforce", "mx.elsewhere.test"),
            "badcert.sts.test": policy("enforce", "mx.badcert.sts.test"), "testing.sts.test": policy("testing", "mx.elsewhere.test"),
            "none.sts.test": policy("none", "mx.elsewhere.test"), "missing.sts.test": 404, "moved.sts.test": 301,
            "long.sts.test": policy("enforce", "mx.elsewhere.test") + "x: y\r\n" * 20000,
            "wrongweb.sts.test": policy("enforce", "mx.elsewhere.test"),
        }
        self.asked = asked = []
        self.reports, self.report_status = reports, status = [], [201]  # (path, type, body) of what was POSTed
        policies = self.policies

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                domain = self.headers["Host"].removeprefix("mta-sts.")
                asked.append(domain)
                found = policies.get(domain, 404) if self.path == "/.well-known/mta-sts.txt" else policy("enforce", "mx.elsewhere.test")
                self.send_response(found if isinstance(found, int) else 200)
                if found == 301:
                    self.send_header("Location", f"https://mta-sts.{domain}/elsewhere")
                body = b"" if isinstance(found, int) else found.encode()
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                reports.append((self.path, self.headers["Content-Type"], body))
                self.send_response(status[0])
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(d / "web.pem", d / "key.pem")
        self.server = http.server.ThreadingHTTPServer((WEB, 443), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def openssl(*words, **kw):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, **kw).stdout


def make_certificate(d):
    """A CA and what it has signed for the hosts of ZONES and STS, as key.pem and cert.pem; digests of the host's key and of the CA."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=Test CA",
            "-keyout", d / "ca.key", "-out", d / "ca.pem")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=mx", "-keyout", d / "key.pem",
            "-out", d / "csr")
    def sign(names):
        (d / "ext").write_text("subjectAltName=" + ",".join(f"DNS:{n}" for n in names) + "\n")
        return openssl("x509", "-req", "-in", d / "csr", "-CA", d / "ca.pem", "-CAkey", d / "ca.key", "-CAcreateserial", "-days", "30",
                       "-extfile", d / "ext")

    (d / "web.pem").write_bytes(sign(f"mta-sts.{z}" for z in STS if z != "wrongweb.sts.test"))
    leaf = sign(f"mx.{z}" for z in (*ZONES, *STS, *SECURE) if z not in ("alias.test", "badcert.sts.test"))
    (d / "cert.pem").write_bytes(leaf + (d / "ca.pem").read_bytes())
    key = openssl("pkey", "-pubin", "-outform", "DER", input=openssl("x509", "-pubkey", "-noout", input=leaf))
    return hashlib.sha256(key).hexdigest(), hashlib.sha256(openssl("x509", "-in", d / "ca.pem", "-outform", "DER")).hexdigest()


def zone(address, *tlsa):
    return f"@ MX 10 mx\nmx A {address}\n" + "".join(f"_25._tcp.mx TLSA {t}\n" for t in tlsa)


@pytest.fixture(scope="module")
def world(make_module_server):
    with stage() as begin:
        peer = begin(Peer)
        key, ca = make_certificate(peer.dir)
        zones = begin(SignedZones, {
            "dane.test": zone(PEER, f"3 1 1 {'00' * 32}", f"3 1 1 {key}"),
            "ta.test": zone(PEER, f"2 0 1 {ca}"),
            "wrong.test": zone(PEER, f"3 1 1 {'00' * 32}") + '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:dave@wrong.test"\n',
            "none.test": zone(PEER),
            "forged.test": zone(PEER, f"3 1 1 {key}"),
            "tlsafail.test": zone(PEER, f"3 1 1 {key}"),
            "plain.test": zone(PEER, f"3 1 1 {'00' * 32}"),
            "unusable.test": zone(PEER, f"1 1 1 {'00' * 32}", f"3 1 1 {'00' * 31}"),
            "clear.test": zone(CLEAR, f"3 1 1 {key}"),
            "alias.test": "@ MX 10 mx\nmx CNAME mx.dane.test.\n",
        }, plain=("plain.test",)).start()
        dns = begin(NameServer, [*RECORDS, *own_records()], stubs=dict.fromkeys(ZONES, SIGNED), refused=("_tcp.mx.tlsafail.test",)).start()
        peer.start()
        begin(SmtpSink, CLEAR).start()
        anchors = zones.anchors(forged=("forged.test",))
        ours = neighbour(make_module_server, settings={
            "dns.servers": f"{SILENT};{DNS}", "dns.timeout": "1s", "dns.cache": "yes", "dns.trust_anchor": str(anchors),
            "log.dns": "debug", "queue.retry_schedule": "1h"})
        yield types.SimpleNamespace(dns=dns, peer=peer, ours=ours)


def send(world, domain):
    """The log of the attempt."""
    rcpt = f"dave@{domain}"
    return ended_session(world.ours, submit(world.ours, "alice@example.test", [rcpt], message(f"to-{domain}", to=rcpt)))


def waiting(world, domain):
    """The last answer of a message that waits, and what its timeline says."""
    rows = [r for r in world.ours.tool_json("queue")["rows"] if r["recipient"] == f"dave@{domain}"]
    assert len(rows) == 1, rows
    return rows[0]["answer"], world.ours.tool("trace", rows[0]["id"]).stdout


def has_arrived(world, domain):
    arrived("in Dovecot", lambda: world.peer.messages("dave"), f"to-{domain}")


def delivered(world, domain):
    return [m for m in world.peer.messages("dave") if f"Subject: to-{domain}\r\n".encode() in m]


def test_matching_key(world):
    log = send(world, "dane.test")
    assert re.search(r"SSL: Verified \(TLSv1\.3 \S+, DANE 3 1 1\)", log), log
    has_arrived(world, "dane.test")
    wait_for("the event", lambda: "mx.dane.test has proven itself by DANE: DANE 3 1 1" in
             world.ours.tool("events", "name=tls.policy.met").stdout)


def test_matching_authority(world):
    log = send(world, "ta.test")
    assert re.search(r"SSL: Verified \(TLSv1\.3 \S+, DANE 2 0 1\)", log), log
    has_arrived(world, "ta.test")


def test_alias_has_the_records_of_where_it_leads(world):
    log = send(world, "alias.test")
    assert "DANE 3 1 1" in log
    has_arrived(world, "alias.test")


def test_mismatch_waits(world):
    log = send(world, "wrong.test")
    assert "SSL: DANE failed for 'mx.wrong.test'" in log and "MAIL F" not in log
    assert " INCOMPLETE-SESSION " in log
    answer, timeline = waiting(world, "wrong.test")
    assert answer.startswith("451 4.7.5 Could not verify SSL connection (mx.wrong.test: DANE: the certificate does not match: ")
    assert "was not given the mail, by DANE" in timeline
    assert not delivered(world, "wrong.test")


def test_without_starttls_waits(world):
    log = send(world, "clear.test")
    assert "MAIL F" not in log
    assert waiting(world, "clear.test")[0] == "451 4.7.5 Could not verify SSL connection (mx.clear.test: DANE: STARTTLS is not offered)"


def test_bogus_waits(world):
    log = send(world, "forged.test")
    assert "Connecting to" not in log
    assert waiting(world, "forged.test")[0] == "451 4.4.3 Server failure while issuing MX query for forged.test"


def test_records_that_cannot_be_had_wait(world):
    log = send(world, "tlsafail.test")
    assert "Connected" not in log
    assert waiting(world, "tlsafail.test")[0].startswith(
        "451 4.7.5 Could not verify SSL connection (mx.tlsafail.test: DANE: the TLSA records cannot be looked up")


def test_without_records_opportunistic(world):
    log = send(world, "none.test")
    assert "SSL: Not verified (19) - proceed anyway" in log
    has_arrived(world, "none.test")


def test_unusable_records_need_tls_only(world):
    log = send(world, "unusable.test")
    assert "SSL: Not verified (19) - proceed anyway" in log
    has_arrived(world, "unusable.test")


def test_insecure_zone_is_not_asked(world):
    log = send(world, "plain.test")
    assert "SSL: Not verified (19) - proceed anyway" in log
    has_arrived(world, "plain.test")
    asked = world.dns.queries()
    assert " mx.plain.test. A IN" in asked and " _25._tcp.mx.dane.test. TLSA IN" in asked
    assert "_25._tcp.mx.plain.test" not in asked


def test_switched_off(world):
    world.ours.tool("set", "deliver.dane", "no")
    rcpt = "dave@wrong.test"
    try:
        sent = submit(world.ours, "alice@example.test", [rcpt], message("to-wrong.test", to=rcpt))
        world.ours.tool("queue", "retry")  # the server may rest after what failed before
        assert "SSL: Not verified (19) - proceed anyway" in ended_session(world.ours, sent)
    finally:
        world.ours.tool("set", "deliver.dane", "yes")


# --- MTA-STS ---


@pytest.fixture(scope="module")
def sts(world):
    web = Web(world.peer.dir)
    world.ours.tool("set", "deliver.ca_file", str(world.peer.dir / "ca.pem"))
    world.ours.tool("set", "deliver.mta_sts", "yes")
    try:
        yield web
    finally:
        world.ours.tool("set", "deliver.mta_sts", "no")
        world.ours.tool("set", "deliver.ca_file", "")
        web.stop()


def kept(world, domain):
    return world.ours.data / "status" / "mta-sts" / domain


def test_sts_enforced_and_kept(world, sts):
    log = send(world, "good.sts.test")
    assert "SSL: Verified (TLSv1.3" in log, log
    has_arrived(world, "good.sts.test")
    wait_for("the event", lambda: "mx.good.sts.test has proven itself by MTA-STS: valid certificate" in
             world.ours.tool("events", "name=tls.policy.met").stdout)
    assert "mode: enforce" in kept(world, "good.sts.test").read_text()
    send(world, "good.sts.test")
    assert sts.asked.count("good.sts.test") == 1
    # Another id than the one that is kept: fetched again. The time of the policy is over: the same.
    for old, new in (("id 1\n", "id 0\n"), ("fetched ", "fetched 1 ")):
        kept(world, "good.sts.test").write_text(kept(world, "good.sts.test").read_text().replace(old, new))
        before = sts.asked.count("good.sts.test")
        send(world, "good.sts.test")
        assert sts.asked.count("good.sts.test") == before + 1


@pytest.mark.parametrize("domain, reason", [("other.sts.test", "the policy does not name this server"),
                                            ("badcert.sts.test", "the certificate does not match: hostname mismatch")])
def test_sts_mismatch_waits(world, sts, domain, reason):
    log = send(world, domain)
    assert "MAIL F" not in log
    assert waiting(world, domain)[0] == f"451 4.7.5 Could not verify SSL connection (mx.{domain}: MTA-STS: {reason})"
    assert not delivered(world, domain)


def test_sts_testing_delivers_and_tells(world, sts):
    log = send(world, "testing.sts.test")
    assert "SSL: MTA-STS (testing) failed for 'mx.testing.sts.test': the policy does not name this server" in log
    has_arrived(world, "testing.sts.test")


@pytest.mark.parametrize("domain", ["none.sts.test", "missing.sts.test", "moved.sts.test", "long.sts.test", "wrongweb.sts.test"])
def test_sts_without_policy_opportunistic(world, sts, domain):
    send(world, domain)
    has_arrived(world, domain)
    assert domain in sts.asked or domain == "wrongweb.sts.test"
    send(world, domain)  # after a failure it is not asked again at once
    assert sts.asked.count(domain) <= 1


def test_sts_holds_while_the_web_server_fails(world, sts):
    """A kept policy that names other servers, a new id, and a web server that is broken."""
    sts.policies["missing.sts.test"] = 500
    kept(world, "missing.sts.test").write_text("id 0\nfetched 4000000000\nretry 0\n\n" + policy("enforce", "mx.elsewhere.test"))
    send(world, "missing.sts.test")
    assert waiting(world, "missing.sts.test")[0].endswith("MTA-STS: the policy does not name this server)")


# --- secure destinations, our own certificate ---


def secure_case(world, setting, entry, subject, ca=False):
    setting("deliver.secure_destinations", entry)
    setting("deliver.ca_file", str(world.peer.dir / "ca.pem") if ca else "")
    rcpt = "dave@" + entry.split("|")[0].removeprefix("*.mx.")
    submit(world.ours, "bob@example.test", [rcpt], message(subject, sender="bob@example.test", to=rcpt))


def test_secure_destination_delivers(world, setting):
    fingerprint, subject, issuer = (of_certificate(world.peer.dir / "cert.pem", w) for w in ("fingerprint", "subject", "issuer"))
    for n, (entry, ca) in enumerate((("sec.test", True), (f"sec.test|sha256={fingerprint}", False),
                                     (f"sec.test|subject={subject}|issuer={issuer}", False))):
        secure_case(world, setting, entry, f"secure-{n}", ca)
        arrived("in Dovecot", lambda: world.peer.messages("dave"), f"secure-{n}")


@pytest.mark.parametrize("entry, ca, reason", [
    ("sec.test", False, "mx.sec.test: secure destination: self-signed certificate in certificate chain"),
    (f"sec.test|sha256={'00' * 32}", True, "mx.sec.test: secure destination: the certificate has another fingerprint"),
    ("sec.test|subject=CN = other", True, "mx.sec.test: secure destination: the certificate has another subject"),
    ("sec.test|issuer=CN = other", True, "mx.sec.test: secure destination: the certificate has another issuer"),
    ("bare.test", True, "mx.bare.test: secure destination: STARTTLS is not offered")])
def test_secure_destination_returns(world, setting, entry, ca, reason):
    subject = "returned-" + hashlib.md5((entry + reason).encode()).hexdigest()
    secure_case(world, setting, entry, subject, ca)
    notice = bounce_about(world.ours, "bob", subject)
    assert f"554 Could not verify SSL connection ({reason})" in re.sub(r"\s+", " ", notice.as_string())


def test_client_certificate(world, setting):
    own = world.peer.dir / "own.pem"
    own.write_bytes((world.peer.dir / "cert.pem").read_bytes() + (world.peer.dir / "key.pem").read_bytes())
    shutil.chown(own, world.ours.user)
    setting("deliver.client_certificate", str(own))
    submit(world.ours, "alice@example.test", ["dave@sec.test"], message("with-certificate", to="dave@sec.test"))
    got = arrived("in Dovecot", lambda: world.peer.messages("dave"), "with-certificate")
    assert b'Client CN "mx"' in got and b"verified OK" in got, got[:1500]


# --- the tool ---


def test_tool_looks_up(world):
    out = world.ours.tool("dns", "dane.test", "MX", "--no-cache").stdout
    assert re.search(r"^dane\.test +\d+ IN MX +10 mx\.dane\.test$", out, re.M), out
    assert re.search(r"^status: NOERROR$", out, re.M) and re.search(r"^DNSSEC: secure$", out, re.M)
    assert re.search(rf"^server: {DNS}$", out, re.M) and re.search(r"^time: +\d+ ms$", out, re.M)
    first = world.ours.tool_json("dns", "plain.test", "mx")
    again = world.ours.tool_json("dns", "plain.test", "mx")
    assert again["cached"] and again["dnssec"] == "insecure" and first["rows"][0]["result"] == "10 mx.plain.test"
    asked = world.dns.queries().count(" plain.test. MX IN")
    world.ours.tool("dns", "plain.test", "mx")
    assert world.dns.queries().count(" plain.test. MX IN") == asked
    world.ours.tool("dns", "plain.test", "mx", "--no-cache")
    assert world.dns.queries().count(" plain.test. MX IN") > asked
    bogus = world.ours.tool_json("dns", "forged.test", "MX")
    assert (bogus["status"], bogus["dnssec"], bogus["rows"]) == ("SERVFAIL", "bogus", [])
    assert world.ours.tool_json("dns", "no.dane.test", "TXT")["status"] == "NXDOMAIN"
    assert world.ours.tool_json("dns", "_25._tcp.mx.dane.test", "TLSA", "--server", DNS)["rows"][0]["result"].startswith("3 1 1 ")


@pytest.mark.parametrize("name, kind", [
    ("dane.test", "MX"), ("dane.test", "NS"), ("dane.test", "SOA"), ("mx.dane.test", "A"), ("alias.test", "MX"), ("mx.alias.test", "CNAME"),
    ("mx.alias.test", "A"), ("_25._tcp.mx.dane.test", "TLSA"), ("_smtp._tls.wrong.test", "TXT"), ("plain.test", "MX"), ("dane.test", "TXT"),
    ("no.dane.test", "A"),
])
def test_tool_agrees_with_kdig(world, name, kind):
    """Status and name, time to live, class, type and data of every row, as another program has them of the same server just before. What an alias leads to
    is shown under its own name, without the alias; the strings of a text are joined."""
    said = subprocess.run(["kdig", f"@{DNS}", name, kind, "+noall", "+header", "+answer"], capture_output=True, text=True, timeout=30, check=True).stdout
    ours = world.ours.tool_json("dns", name, kind, "--no-cache", "--server", DNS)

    def row(name, ttl, class_, type_, data):
        words = [w.rstrip(".") for w in data.split()]
        text = "".join(re.findall(r'"([^"]*)"', data)) or data if type_ == "TXT" else " ".join(words).lower()
        return name.rstrip("."), class_, type_, text, int(ttl)

    theirs = sorted(row(*l.split(None, 4)) for l in said.splitlines() if l and not l.startswith(";") and l.split()[3] == kind)
    mine = sorted(row(r["name"], r["ttl"], r["class"], r["type"], r["result"]) for r in ours["rows"])
    assert [r[:4] for r in mine] == [r[:4] for r in theirs]
    assert all(0 < m[4] <= t[4] or t[4] < 5 for m, t in zip(mine, theirs))
    status = re.search(r"status: (\w+)", said).group(1)
    assert ours["status"] == ("NODATA" if status == "NOERROR" and not theirs else status)
    assert ours["server"] == DNS


def test_tool_tells_what_is_wrong(world):
    silent = world.ours.tool_json("dns", "dane.test", "MX", "--server", SILENT, "--timeout", "300ms")
    assert silent["status"] in ("TIMEOUT", "SERVFAIL") and silent["server"] == "" and silent["took_ms"] < 5000
    for words, text in ((("dns", "x.test", "AXFR"), "not a type"), (("dns", "x.test", "A", "--timeout", "1h"), "not a time"),
                        (("dns", "x.test", "--server"), "needs a value"), (("dns", "test", "--rounds", "0"), "not a number"),
                        (("dns", "x.test", "--serverr", "1"), "unknown argument")):
        r = world.ours.tool(*words, check=False)
        assert r.returncode and text in r.stderr, (words, r.stderr)


def test_tool_tests_each_server(world):
    reply = world.ours.tool_json("dns", "test", "--rounds", "2", "--timeout", "500ms", "name=dane.test")
    rows = [(r["round"], r["server"], r["passed"]) for r in reply["rows"]]
    assert rows == [(1, SILENT, False), (1, DNS, True), (2, SILENT, False), (2, DNS, True)]
    assert {r["dnssec"] for r in reply["rows"] if r["passed"]} == {"secure"}
    out = world.ours.tool("dns", "test", "--timeout=500ms").stdout
    assert re.search(rf"^ +1  {DNS} +pass ", out, re.M) and re.search(rf"^ +1  {SILENT} +fail ", out, re.M)


class Silent:
    """A name server that hears and never answers; what it was asked is waited for."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((SILENT, 53))

    def hears(self, name):
        label = name.split(".")[0].encode()
        self.sock.settimeout(30)
        while label not in self.sock.recv(4096):
            pass

    def close(self):
        self.sock.close()


@pytest.fixture
def three(world):
    """Three servers, the one in the middle silent."""
    before = world.ours.tool("get", "dns.servers").stdout.strip()
    silent = Silent()
    world.ours.tool("set", "dns.servers", f"{DNS};{SILENT};{DNS}@53")
    yield silent
    world.ours.tool("set", "dns.servers", before)
    silent.close()


def test_a_whole_test_of_three_servers(world, three):
    reply = world.ours.tool_json("dns", "test", "rounds=2", "timeout=300ms", "name=whole.plain.test")
    assert [(r["round"], r["server"], r["passed"]) for r in reply["rows"]] == [
        (n, s, s != SILENT) for n in (1, 2) for s in (DNS, SILENT, f"{DNS}@53")]
    assert (reply["servers"], reply["total"], reply["next"]) == (3, 6, None)


def asked(world, name):
    return world.dns.queries().count(f" {name}. NS IN")


def nothing_more(world, name, before):
    """What is asked after now comes behind what would still be asked."""
    world.ours.tool("dns", f"after.{name}", "MX", "--server", DNS, "--timeout", "5s")
    wait_for("the later question", lambda: f" after.{name}. MX IN" in world.dns.queries())
    assert asked(world, name) == before


def test_ctrl_c_ends_a_test(world, three):
    """While the silent server is waited for: the servers behind it are never asked."""
    name = "stopped.plain.test"
    p = subprocess.Popen([BIN, "tool", *world.ours.args(), "dns", "test", "rounds=2", "timeout=2s", f"name={name}"], stdout=subprocess.PIPE, text=True, env=world.ours.env,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # as a terminal's shell has it
    three.hears(name)
    head, first = p.stdout.readline(), p.stdout.readline()  # shown as they come
    assert head.startswith("ROUND") and re.match(rf" +1  {DNS} +pass ", first)
    p.send_signal(signal.SIGINT)
    assert p.stdout.read() == "" and p.wait(30) == -signal.SIGINT
    before = asked(world, name)
    assert before >= 1
    wait_for("the end of what was under way", lambda: re.search(rf"DNS query '{name}' NS \[.*\] \w+ from no server", log_of_dns(world)))
    nothing_more(world, name, before)


def test_api_asks_one_question_at_a_time(world, three):
    """Whoever goes away has asked no more than what he has been told, or waits for."""
    world.ours.tool("change", "account", "alice@example.test", "role=system-admin")
    c = Client(world.ours, token=world.ours.tool_json("create", "token", "alice@example.test", "dns", "scopes=services:read")["token"])
    name, at, got = "steps.plain.test", 0, []
    while at is not None and len(got) < 4:
        r = c.call("POST", "/dns/test", {"rounds": 2, "from": at, "timeout": "300ms", "name": name})
        assert r.status == 200, r.body
        r = r.json()
        assert (r["servers"], r["total"]) == (3, 6)
        got.append((r["result"]["round"], r["result"]["server"], r["result"]["passed"]))
        at = r["next"]
    assert at == 4 and got == [(1, DNS, True), (1, SILENT, False), (1, f"{DNS}@53", True), (2, DNS, True)]
    c.close()
    nothing_more(world, name, asked(world, name))
    for body, field in (({"from": 3}, "from"), ({"rounds": 0}, "rounds"), ({"timeout": "1h"}, "timeout")):
        r = c.call("POST", "/dns/test", body)
        assert r.status in (400, 422) and r.field() == field, r.body
    c.close()


def log_of_dns(world):
    return "".join(f.read_text() for f in sorted((world.ours.data / "logs" / "dns").iterdir()))


def test_log_of_dns(world):
    world.ours.tool("dns", "ta.test", "MX", "--no-cache")
    text = wait_for("it in the log", lambda: (lambda log: log if re.search(rf"DNS query 'ta\.test' MX \[OK - 1\] secure from {DNS} in \d+ ms\n.*DNS answer 'ta\.test' \d+ MX 10 mx\.ta\.test\n", log, re.S) else None)(log_of_dns(world)))
    assert re.search(r"DNS answer 'ta\.test' \d+ MX 10 mx\.ta\.test\n", text)
