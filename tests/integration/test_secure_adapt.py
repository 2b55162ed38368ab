"""Secure destinations that adapt (deliver.secure_adapt): a domain whose mail comes by TLS with a certificate that proves it, as a real
Postfix sends it, gets its mail by verified TLS or not at all, until that is over or taken back."""
import re
import shutil
import ssl
import subprocess
import types

import pytest

from conftest import wait_for
from peers import DNS, PEER, RECORDS, NameServer, PostfixDovecot, SmtpSink, neighbour, stage
from test_outbound_tls import CLEAR, openssl
from test_postfix import arrived, bounce_about, inbox, message, submit
from wire import Smtp, insecure_tls

PLAIN = ("itself.test", "host.test", "wild.sub.test", "other.test", "self.test", "old.test", "none.test", "again.test", "open.test", "time.test", "mail.test")


class Peer(PostfixDovecot):
    DOMAINS = ("peer.test",)

    def main_cf(self):
        return super().main_cf() + f"smtp_tls_cert_file = {self.dir}/cert.pem\nsmtp_tls_key_file = {self.dir}/key.pem\n"

    def encrypt(self, level):
        c = str(self.dir / "pf/conf")
        subprocess.run(["postconf", "-c", c, f"smtpd_tls_security_level={level}"], check=True)
        subprocess.run(["postfix", "-c", c, "reload"], check=True, capture_output=True)

        def told():
            with Smtp(25, host=self.address) as s:
                return ("STARTTLS" in s.capabilities) == (level == "may")

        wait_for(f"Postfix with smtpd_tls_security_level={level}", told)


def make_certificates(d):
    """NAME.pem with its key behind it; signed by ca.pem but for `self`."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=Test CA",
            "-keyout", d / "ca.key", "-out", d / "ca.pem")

    def make(name, names, *words, signed=True):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", d / "own.key", "-out", d / "csr")
        (d / "ext").write_text("subjectAltName=" + ",".join(f"DNS:{n}" for n in names) + "\nextendedKeyUsage=" + (words[0] if words else "serverAuth") + "\n")
        by = ("-CA", d / "ca.pem", "-CAkey", d / "ca.key", "-CAcreateserial") if signed else ("-signkey", d / "own.key")
        days = words[1] if len(words) > 1 else "30"
        leaf = openssl("x509", "-req", "-in", d / "csr", *by, "-days", days, "-extfile", d / "ext")
        (d / f"{name}.pem").write_bytes(leaf + (d / "own.key").read_bytes())

    make("peer", ["mx.peer.test"])
    shutil.copy(d / "own.key", d / "key.pem")
    shutil.copy(d / "peer.pem", d / "cert.pem")
    make("itself", ["itself.test", "again.test", "open.test", "time.test"])
    make("host", ["mx.host.test"], "clientAuth")
    make("wild", ["*.sub.test"])
    make("other", ["mx.elsewhere.test"])
    make("self", ["self.test"], signed=False)
    make("old", ["old.test"], "serverAuth", "-1")
    make("mail", ["mail.test"], "emailProtection")


@pytest.fixture(scope="module")
def world(make_module_server):
    with stage() as begin:
        peer = begin(Peer)
        make_certificates(peer.dir)
        begin(NameServer, [*RECORDS, *(r for d in PLAIN for r in (f"{d} MX 10 mx.{d}", f"mx.{d} A {CLEAR}"))]).start()
        peer.start()
        begin(SmtpSink, CLEAR).start()
        ours = neighbour(make_module_server, settings={"queue.retry_schedule": "1h", "deliver.secure_adapt": "30d", "dns.servers": DNS})
        # The program runs as somebody else, who may not look into the peer's directory.
        authority = ours.dir / "ca.pem"
        shutil.copy(peer.dir / "ca.pem", authority)
        authority.chmod(0o644)
        ours.tool("set", "deliver.ca_file", str(authority))
        yield types.SimpleNamespace(peer=peer, ours=ours)


def client(world, certificate=None):
    context = insecure_tls()
    if certificate:
        context.load_cert_chain(world.peer.dir / f"{certificate}.pem")
    c = Smtp(world.ours.port["smtp"])
    c.starttls(context)
    return c


def receive(world, domain, certificate=None):
    """A message from somebody of the domain, by a client with the certificate."""
    with client(world, certificate) as c:
        c.envelope(f"joe@{domain}", "bob@example.test")
        c.data(message(f"from-{domain}", sender=f"joe@{domain}", to="bob@example.test"))
        c.quit()


def adapted(world):
    return {r["domain"]: r for r in world.ours.tool_json("secure", "adapted")["rows"]}


def learn(world, domain, certificate):
    if domain in adapted(world):
        world.ours.tool("secure", "forget", domain)
    receive(world, domain, certificate)
    return wait_for(f"{domain} in the list", lambda: adapted(world).get(domain))


def send(world, domain, header=b""):
    submit(world.ours, "alice@example.test", [f"joe@{domain}"], header + message(f"to-{domain}", to=f"joe@{domain}"))


def refused(world, domain):
    send(world, domain)
    notice = bounce_about(world.ours, "alice", f"to-{domain}")
    assert f"mx.{domain}: adapted secure destination: STARTTLS is not offered" in " ".join(notice.as_string().split())


def taken(world, domain, header=b""):
    def times():
        return len(re.findall(rf"<alice@example\.test> <joe@{domain}> .* OK", world.ours.log_text("s")))
    before = times()
    send(world, domain, header)
    wait_for(f"delivery to {domain}", lambda: times() > before)


def test_postfix_proves_itself(world):
    """Both ways, with what Postfix has for a certificate; when it offers no TLS any more, mail for it is returned."""
    with Smtp(25, host=PEER) as c:
        c.envelope("dave@peer.test", "bob@example.test")
        c.data(message("proving", sender="dave@peer.test", to="bob@example.test"))
        c.quit()
    arrived("at bob", lambda: inbox(world.ours, "bob"), "proving")
    row = wait_for("the list", lambda: adapted(world).get("peer.test"))
    assert (row["name"], row["subject"], row["issuer"], row["ip"]) == ("mx.peer.test", "CN = peer", "CN = Test CA", PEER)
    wait_for("the event", lambda: "Mail for peer.test goes by verified TLS only from now on" in world.ours.tool("events", "name=secure.adapted").stdout)
    submit(world.ours, "alice@example.test", ["dave@peer.test"], message("verified", to="dave@peer.test"))
    arrived("in Dovecot", lambda: world.peer.messages("dave"), "verified")
    wait_for("the log", lambda: "SSL: Verified (TLS" in world.ours.log_text("s"))
    world.peer.encrypt("none")
    try:
        submit(world.ours, "alice@example.test", ["dave@peer.test"], message("in-clear", to="dave@peer.test"))
        notice = bounce_about(world.ours, "alice", "in-clear")
        assert "554 Could not verify SSL connection (mx.peer.test: adapted secure destination: STARTTLS is not offered)" in " ".join(notice.as_string().split())
        assert not [m for m in world.peer.messages("dave") if b"in-clear" in m]
    finally:
        world.peer.encrypt("may")


@pytest.mark.parametrize("domain, certificate", [("itself.test", "itself"), ("host.test", "host"), ("wild.sub.test", "wild")])
def test_certificates_that_prove(world, domain, certificate):
    row = learn(world, domain, certificate)
    assert row["name"] == (domain if certificate != "host" else "mx.host.test")
    refused(world, domain)


@pytest.mark.parametrize("domain, certificate, reason", [
    ("other.test", "other", "it names neither the domain nor an MX host of it"),
    ("self.test", "self", "self-signed certificate"),
    ("old.test", "old", "certificate has expired"),
    ("mail.test", "mail", "it is neither a server's nor a client's"),
    ("no-mx.test", "other", "")])
def test_certificates_that_prove_nothing(world, domain, certificate, reason):
    receive(world, domain, certificate)
    wait_for("the reason", lambda: f"SSL: The client's certificate says nothing about '{domain}': {reason}" in world.ours.log_text("s"))
    assert domain not in adapted(world)
    if domain in PLAIN:
        taken(world, domain)


def test_without_a_certificate_nothing_is_found_out(world):
    receive(world, "none.test")
    learn(world, "again.test", "itself")  # they are judged in their order
    assert "none.test" not in adapted(world)
    taken(world, "none.test")


def test_who_has_logged_in_proves_nothing(world):
    with client(world, "itself") as c:
        c.login("alice@example.test")
        c.envelope("alice@example.test", "bob@example.test")
        c.data(message("of-alice", to="bob@example.test"))
    learn(world, "again.test", "itself")
    assert "example.test" not in adapted(world)


def test_forgotten(world):
    learn(world, "again.test", "itself")
    refused(world, "again.test")
    world.ours.tool("secure", "forget", "again.test")
    assert "again.test" not in adapted(world)
    assert "again.test" in world.ours.tool("audit").stdout
    taken(world, "again.test")


def test_a_sender_may_do_without(world):
    learn(world, "open.test", "itself")
    taken(world, "open.test", b"TLS-Required: No\r\n")
    refused(world, "open.test")


def test_it_ends(world, setting):
    learn(world, "time.test", "itself")
    world.ours.tool("set", "deliver.secure_adapt", "1ms")
    try:
        taken(world, "time.test")
        world.ours.tool("set", "deliver.secure_adapt", "0")
        taken(world, "time.test")
    finally:
        world.ours.tool("set", "deliver.secure_adapt", "30d")
    refused(world, "time.test")


def asks_certificate(world, name, *words):
    out = subprocess.run(["openssl", "s_client", *words, "-connect", f"127.0.0.1:{world.ours.port[name]}"], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    assert "BEGIN CERTIFICATE" in out, out
    return "Requested Signature Algorithms" in out


def test_clients_are_asked_on_port_25_while_it_is_on(world):
    assert asks_certificate(world, "smtp", "-starttls", "smtp")
    assert not asks_certificate(world, "submission", "-starttls", "smtp")
    assert not asks_certificate(world, "imap", "-starttls", "imap")
    world.ours.tool("set", "deliver.secure_adapt", "0")
    try:
        assert not asks_certificate(world, "smtp", "-starttls", "smtp")
    finally:
        world.ours.tool("set", "deliver.secure_adapt", "30d")


def test_a_chain_that_is_too_long_is_refused(world):
    """The handshake fails, and the server goes on."""
    d = world.peer.dir
    leaf = (d / "itself.pem").read_text()
    (d / "long.pem").write_text(leaf + (d / "ca.pem").read_text() * 100)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        receive(world, "itself.test", "long")
    receive(world, "itself.test", "itself")
