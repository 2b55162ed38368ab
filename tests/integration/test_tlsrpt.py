"""TLS reports (RFC 8460): what is counted while mail goes out, and the reports that real peers get by mail and HTTPS."""
import email
import email.policy
import gzip
import json
import re

import pytest

from conftest import wait_for
from test_outbound_tls import send, sts, world  # noqa: F401: fixtures
from test_postfix import arrived

SUCCESS = "success"


@pytest.fixture(scope="module")
def reporting(world, sts):  # noqa: F811
    for name, value in (("deliver.tls_reports", "yes"), ("deliver.tls_report_organisation", "Example Org"),
                        ("deliver.tls_report_contact", "tls@example.test")):
        world.ours.tool("set", name, value)
    return sts


def rows(world, domain=None):  # noqa: F811
    return world.ours.tool_json("tlsrpt", "list", *([domain] if domain else []))["rows"]


def counted(world, domain):  # noqa: F811
    """{(policy, result): sessions} of a domain."""
    out = {}
    for r in rows(world, domain):
        key = (r["policy"], r["result"])
        out[key] = out.get(key, 0) + r["sessions"]
    return out


def wait_counted(world, domain, want):  # noqa: F811
    wait_for(f"{want} of {domain}; {rows(world, domain)}", lambda: counted(world, domain) == want, interval=0.5)


def wait_none(world, domain):  # noqa: F811
    wait_for(f"nothing counted for {domain}", lambda: not rows(world, domain), interval=0.2)


def events(world, name, domain):  # noqa: F811
    return [line for line in world.ours.tool("events", f"name=tls.report.{name}", "limit=500").stdout.splitlines() if f" {domain} " in line]


def of_mail(message):
    """The parts of a report: the parsed message, and its document."""
    m = email.message_from_bytes(message, policy=email.policy.default)
    text, packed = m.iter_parts()
    assert m.get_content_type() == "multipart/report" and m["Content-Type"].params["report-type"] == "tlsrpt"
    assert text.get_content_type() == "text/plain" and packed.get_content_type() == "application/tlsrpt+gzip"
    return m, packed.get_filename(), json.loads(gzip.decompress(packed.get_content()))


OUTCOMES = [
    ("good.sts.test", "sts", SUCCESS), ("badcert.sts.test", "sts", "certificate-host-mismatch"),
    ("other.sts.test", "sts", "validation-failure"), ("testing.sts.test", "sts", "validation-failure"),
    ("missing.sts.test", "sts", "sts-policy-fetch-error"), ("wrongweb.sts.test", "sts", "sts-webpki-invalid"),
    ("moved.sts.test", "sts", "sts-policy-invalid"), ("none.sts.test", "no-policy-found", SUCCESS), ("none.test", "no-policy-found", SUCCESS),
    ("dane.test", "tlsa", SUCCESS), ("wrong.test", "tlsa", "certificate-not-trusted"), ("clear.test", "tlsa", "starttls-not-supported"),
    ("tlsafail.test", "tlsa", "dnssec-invalid"), ("unusable.test", "tlsa", "tlsa-invalid")]


@pytest.fixture(scope="module")
def sent(world, reporting):  # noqa: F811
    reporting.policies["moved.sts.test"] = "version: STSv1\nmode: anything\n"
    for domain, _, _ in OUTCOMES:
        send(world, domain)


@pytest.mark.parametrize("domain, policy, result", OUTCOMES)
def test_counts(world, sent, domain, policy, result):  # noqa: F811
    wait_counted(world, domain, {(policy, result): 1})


def test_counts_tell_the_policy(world, sent):  # noqa: F811
    (good,), (bad,), (dane,) = (rows(world, d) for d in ("good.sts.test", "badcert.sts.test", "wrong.test"))
    assert good["policy_string"] == "version: STSv1\nmode: enforce\nmx: *.good.sts.test\nmax_age: 86400"
    assert (bad["mx"], bad["ip"], bad["sending_ip"]) == ("mx.badcert.sts.test", "127.0.0.2", "127.0.0.3")
    assert bad["reason"] == "hostname mismatch"
    assert dane["policy_domain"] == "mx.wrong.test" and dane["policy_string"] == "3 1 1 " + "00" * 32
    assert re.search(r"^\S+ +badcert\.sts\.test +sts +1 +certificate-host-mismatch +mx\.badcert", world.ours.tool("tlsrpt", "list").stdout, re.M)


def test_nothing_is_lost_by_a_restart(world, sent):  # noqa: F811
    before = rows(world, "badcert.sts.test")
    send(world, "good.sts.test")
    world.ours.stop()  # with a count that may not be written yet
    world.ours.start()
    wait_counted(world, "good.sts.test", {("sts", SUCCESS): 2})
    assert rows(world, "badcert.sts.test") == before


def test_report_by_mail_and_https(world, reporting, sent):  # noqa: F811
    reporting.report_status[0] = 500
    world.ours.tool("tlsrpt", "send", "good.sts.test")
    got = arrived("in Dovecot", lambda: world.peer.messages("dave"), "Report Domain: good.sts.test")
    m, filename, document = of_mail(got)
    assert (m["TLS-Report-Domain"], m["TLS-Report-Submitter"]) == ("good.sts.test", "mail.example.test")
    assert m["From"] == "tls@example.test" and m["To"] == "dave@peer.test" and m["TLS-Required"] == "No"
    assert b"Return-Path: <tls@example.test>" in got
    assert f"Report-ID: <{document['report-id']}>" in m["Subject"]
    assert re.fullmatch(r"mail\.example\.test!good\.sts\.test!\d+!\d+\.json\.gz", filename)
    assert document["organization-name"] == "Example Org" and document["contact-info"] == "tls@example.test"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00Z", document["date-range"]["start-datetime"])
    (p,) = document["policies"]
    assert p["policy"] == {"policy-type": "sts", "policy-domain": "good.sts.test", "mx-host": ["*.good.sts.test"],
                           "policy-string": ["version: STSv1", "mode: enforce", "mx: *.good.sts.test", "max_age: 86400"]}
    assert p["summary"] == {"total-successful-session-count": 2, "total-failure-session-count": 0} and "failure-details" not in p
    # The web server has refused it: it is kept, and goes there alone.
    wait_for("the failure", lambda: events(world, "failed", "good.sts.test"))
    assert "https://mta-sts.good.sts.test/report?x=1" in events(world, "failed", "good.sts.test")[0]
    assert "status 500" in events(world, "failed", "good.sts.test")[0]
    assert rows(world, "good.sts.test")
    reporting.report_status[0] = 201
    world.ours.tool("tlsrpt", "send", "good.sts.test")
    wait_none(world, "good.sts.test")
    path, kind, body = reporting.reports[-1]
    assert (path, kind) == ("/report?x=1", "application/tlsrpt+gzip")
    assert json.loads(gzip.decompress(body))["policies"] == document["policies"]
    assert len(events(world, "sent", "good.sts.test")) == 2
    assert sum(b"Subject: Report Domain: good.sts.test" in m for m in world.peer.messages("dave")) == 1
    text = world.ours.log_text("s")
    assert "TLS report about 'good.sts.test' sent to dave@peer.test: sessions=2 failures=0" in text


def test_failures_of_tls_do_not_stop_the_report_about_them(world, sent):  # noqa: F811
    about = (("badcert.sts.test", "sts", "certificate-host-mismatch"), ("wrong.test", "tlsa", "certificate-not-trusted"))
    for domain, _, _ in about:
        world.ours.tool("tlsrpt", "send", domain)
        wait_none(world, domain)
    world.ours.tool("queue", "retry")  # the servers may rest after what failed before
    for domain, policy, result in about:
        m, _, document = of_mail(arrived("in Dovecot", lambda: world.peer.messages("dave"), f"Report Domain: {domain}"))
        assert m["To"] == f"dave@{domain}"
        (p,) = document["policies"]
        assert p["policy"]["policy-type"] == policy
        assert p["summary"] == {"total-successful-session-count": 0, "total-failure-session-count": 1}
        (detail,) = p["failure-details"]
        assert (detail["result-type"], detail["failed-session-count"]) == (result, 1)
        assert (detail["receiving-mx-hostname"], detail["receiving-ip"]) == (f"mx.{domain}", "127.0.0.2")


@pytest.mark.parametrize("domain", ["none.test", "none.sts.test"])  # no record; two of them
def test_who_asks_for_none_gets_none(world, sent, domain):  # noqa: F811
    before = len(world.peer.messages("dave"))
    assert rows(world, domain)
    world.ours.tool("tlsrpt", "send", domain)
    wait_none(world, domain)
    assert not events(world, "sent", domain) and not events(world, "failed", domain)
    assert len(world.peer.messages("dave")) == before


def test_what_cannot_be_sent_is_said(world, sent):  # noqa: F811
    r = world.ours.tool("tlsrpt", "send", "unknown.test", check=False)
    assert r.returncode and "nothing is counted for unknown.test" in r.stderr


def test_dane_that_a_route_demands(world, sent):  # noqa: F811
    """The zone is not signed: its administrator hears that somebody wanted it to be."""
    world.ours.tool("route", "create", "plain.test", "tls=dane")
    try:
        send(world, "plain.test")
        wait_counted(world, "plain.test", {("no-policy-found", "dane-required"): 1})
        assert rows(world, "plain.test")[0]["mx"] == "mx.plain.test"
    finally:
        world.ours.tool("route", "delete", "plain.test")
