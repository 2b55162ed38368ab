"""REQUIRETLS and TLS-Required (RFC 8689): between two Posthorns by DANE; to a Postfix, which does not know of it; to a server without
TLS; and what becomes of the message where it cannot go."""
import hashlib
import re
import subprocess
import types

import pytest

from conftest import wait_for
from peers import PEER, RECORDS, SECOND, SIGNED, NameServer, PostfixDovecot, SignedZones, SmtpSink, neighbour, stage
from test_outbound_tls import CLEAR, openssl, zone
from test_postfix import arrived, bounce_about, inbox, message, report
from wire import Smtp

ZONES = ("rtls.test", "dane.test", "wrong.test", "clear.test", "two.test", "half.test")


class Peer(PostfixDovecot):
    DOMAINS = ("peer.test", *ZONES)

NOBODY = "127.0.0.78"  # nothing listens there


def key_of(address, name):
    """SHA-256 of the public key that a mail server shows."""
    shown = subprocess.run(["openssl", "s_client", "-starttls", "smtp", "-connect", f"{address}:25", "-servername", name],
                           stdin=subprocess.DEVNULL, capture_output=True).stdout
    key = openssl("pkey", "-pubin", "-outform", "DER", input=openssl("x509", "-pubkey", "-noout", input=shown))
    return hashlib.sha256(key).hexdigest()


@pytest.fixture(scope="module")
def world(make_module_server):
    with stage() as begin:
        peer = begin(Peer).start()
        second = neighbour(make_module_server, domain="rtls.test", address=SECOND, users=("zoe",))
        zones = begin(SignedZones, {
            "rtls.test": f"@ MX 10 mail\nmail A {SECOND}\n_25._tcp.mail TLSA 3 1 1 {key_of(SECOND, 'mail.rtls.test')}\n",
            "dane.test": zone(PEER, f"3 1 1 {key_of(PEER, 'mx.dane.test')}"),
            "wrong.test": zone(PEER, f"3 1 1 {'00' * 32}"),
            "clear.test": zone(CLEAR),
            "two.test": "@ MX 10 mx.dane.test.\n@ MX 20 mail.rtls.test.\n",
            "half.test": f"@ MX 10 mx.dane.test.\n@ MX 20 gone\ngone A {NOBODY}\n",
        }).start()
        begin(NameServer, RECORDS, stubs=dict.fromkeys(ZONES, SIGNED)).start()
        begin(SmtpSink, CLEAR).start()
        ours = neighbour(make_module_server, settings={"dns.trust_anchor": str(zones.anchors()), "queue.retry_schedule": "1h"})
        yield types.SimpleNamespace(peer=peer, ours=ours, second=second)


def submit(server, rcpt, content, parameters=" REQUIRETLS"):
    with Smtp(server.port["submission"]) as c:
        c.starttls()
        c.login("alice@example.test")
        c.command(f"MAIL FROM:<alice@example.test>{parameters}", 250)
        c.command(f"RCPT TO:<{rcpt}>", 250)
        text = c.data(content)
        c.quit()
    return re.search(r"Message id ([A-Z]{3}\d{5}) accepted", text).group(1)


def answer(world, number):
    return next((r["answer"] for r in world.ours.tool_json("queue")["rows"] if r["id"] == number), "")


def test_to_one_that_knows_it(world):
    submit(world.ours, "zoe@rtls.test", message("kept", to="zoe@rtls.test"))
    arrived("at the second", lambda: inbox(world.second, "zoe"), "kept")
    wait_for("the parameter", lambda: re.search(r"MAIL From:<alice@example\.test>.* REQUIRETLS", world.second.log_text("s")))
    wait_for("the proof", lambda: "DANE 3 1 1" in world.ours.log_text("s"))


def test_without_it_the_parameter_is_not_sent(world):
    def lines():
        return [l for l in world.second.log_text("s").splitlines() if "MAIL From:<alice@example.test>" in l]

    before = len(lines())
    submit(world.ours, "zoe@rtls.test", message("plainly", to="zoe@rtls.test"), "")
    arrived("at the second", lambda: inbox(world.second, "zoe"), "plainly")
    wait_for("the line", lambda: len(lines()) > before)
    assert "REQUIRETLS" not in lines()[-1]


def test_a_host_that_does_not_know_it_is_passed_over(world):
    """Its own mail exchanger of the best preference is Postfix."""
    world.second.tool("create", "domain", "two.test")
    world.second.tool("create", "account", "zoe@two.test", "password=secret-word")
    submit(world.ours, "zoe@two.test", message("second-choice", to="zoe@two.test"))
    wait_for("the parameter", lambda: re.search(r"RCPT To:<zoe@two\.test>", world.second.log_text("s"), re.I))
    wait_for("the delivery", lambda: re.search(r"zoe@two\.test.*OK", world.ours.log_text("s")))
    assert not [m for m in world.peer.messages("dave") if b"second-choice" in m]


def test_put_off_while_a_host_is_not_asked(world):
    """The one that is there does not know it; nobody knows of the other."""
    number = submit(world.ours, "dave@half.test", message("perhaps", to="dave@half.test"))
    wait_for("the answer", lambda: "mx.dane.test does not offer it, and another host could not be reached" in answer(world, number))
    assert not [m for m in world.peer.messages("dave") if b"perhaps" in m]


@pytest.mark.parametrize("domain, reason", [("dane.test", "does not offer it"), ("clear.test", "does not encrypt"),
                                            ("peer.test", "cannot be verified")])
def test_returned_without_content(world, domain, reason):
    """Also with RET=FULL."""
    rcpt = f"dave@{domain}"
    submit(world.ours, rcpt, message(f"never-{domain}", b"top secret\r\n", to=rcpt), " REQUIRETLS RET=FULL")
    notice = bounce_about(world.ours, "alice", rcpt)
    fields, rcpts = report(notice)
    host = "mx." + domain
    assert rcpts[0]["Status"] == "5.7.30"
    assert rcpts[0]["Diagnostic-Code"] == f"x-posthorn; 550 5.7.30 REQUIRETLS support required: {host} {reason}"
    parts = list(notice.iter_parts())
    assert parts[2].get_content_type() == "text/rfc822-headers"
    assert f"Subject: never-{domain}" in notice.as_string() and "top secret" not in notice.as_string()
    assert not [m for m in world.peer.messages("dave") if f"never-{domain}".encode() in m]


def test_kept_over_a_restart(world):
    """The queue has not forgotten it."""
    world.second.tool("service", "stop", "smtp")
    number = submit(world.ours, "zoe@rtls.test", message("later", to="zoe@rtls.test"))
    wait_for("an attempt", lambda: "Could not connect" in answer(world, number))
    world.ours.stop()
    world.ours.start()
    world.second.tool("service", "start", "smtp")
    def asked():
        return len(re.findall(r"MAIL From:<alice@example\.test>.* REQUIRETLS", world.second.log_text("s")))

    before = asked()
    world.ours.tool("queue", "retry", number)
    arrived("at the second", lambda: inbox(world.second, "zoe"), "later")
    wait_for("the parameter", lambda: asked() == before + 1)


def test_tls_required_no(world):
    """Goes although the certificate does not fit; what does not say so waits, and so does what says both."""
    rcpt = "dave@wrong.test"
    content = message("open-letter", to=rcpt).replace(b"Subject:", b"TLS-Required: No\r\nSubject:")
    submit(world.ours, rcpt, content, "")
    arrived("in Dovecot", lambda: world.peer.messages("dave"), "open-letter")
    for content, parameters in ((message("strict", to=rcpt), ""), (content, " REQUIRETLS")):
        number = submit(world.ours, rcpt, content, parameters)
        wait_for("the answer", lambda: "DANE: the certificate does not match" in answer(world, number))
