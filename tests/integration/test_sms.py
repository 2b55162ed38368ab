"""SMS: mail to telephone numbers is handed to a provider by HTTPS, with what providers do: answer well, refuse, hang, close,
answer too much, too slowly, elsewhere; and what is kept when the server is killed meanwhile."""
import email.message
import json
import os
import pathlib
import re
import smtplib
import ssl
import tempfile
import threading
import time

import pytest

from api import Client
from conftest import PASSWORD, wait_for
from sms_provider import Provider, answer, certificate, good
from test_filters import count
from test_filters import put as put_rules

NUMBER = "+393331234567"
SETTINGS = {"sms.domain": "sms.test", "sms.country": "39", "queue.retry_schedule": "1s", "queue.destination_wait": "1s", "net.trusted_ips": "192.0.2.1",
            "sms.timeout": "20s"}


@pytest.fixture(scope="module")
def provider():
    with tempfile.TemporaryDirectory(prefix="posthorn-sms") as d:
        os.chmod(d, 0o755)  # the server reads it as a user of its own
        chain, ca = certificate(pathlib.Path(d))
        p = Provider(chain)
        p.ca = str(ca)
        yield p
        p.close()


@pytest.fixture(scope="module")
def shared(make_module_server, provider):
    return make_module_server(settings={**SETTINGS, "sms.url": provider.url, "sms.ca_file": provider.ca})


@pytest.fixture
def s(shared, provider):
    """The server and the provider as they were; what a test leaves goes."""
    provider.asked.clear()
    provider.how = None
    shared.changed = []
    yield shared
    provider.how = None
    shared.tool("queue", "delete", "all=yes", check=False)
    wait_for("an empty queue", lambda: not rows(shared) or shared.tool("queue", "delete", "all=yes", check=False) and None)
    for name, value in shared.changed:
        shared.tool("set", name, value)


def put(s, name, value, back=""):
    s.changed.append((name, back))
    s.tool("set", name, value)


def rows(s, *words):
    return s.tool_json("queue", *words)["rows"]


def mail(text, subject="News", **headers):
    m = email.message.EmailMessage()
    m["Subject"], m["From"], m["To"] = subject, "alice@example.test", "someone"
    for k, v in headers.items():
        m[k.replace("_", "-")] = v
    m.set_content(text)
    return m.as_bytes()


def login(s, user="alice"):
    c = smtplib.SMTP("127.0.0.1", s.port["submission"], timeout=60)
    c.starttls(context=ssl._create_unverified_context())
    c.login(s.address(user), PASSWORD)
    return c


def send(s, text="Hello", to=(f"{NUMBER}@sms.test",), message=None):
    """The id of the message."""
    with login(s) as c:
        c.mail(s.address("alice"))
        for t in to:
            code, reply = c.rcpt(t)
            assert code == 250, reply
        code, reply = c.data(message or mail(text))
        assert code == 250, reply
        return re.search(rb"[A-Z]{3}\d{5}", reply).group().decode()


def refusal(s, to, user="alice"):
    with login(s, user) as c:
        c.mail(s.address(user))
        code, text = c.rcpt(to)
        return f"{code} {text.decode()}"


def trace(s, word):
    return s.tool("events", f"name={word}", "limit=500").stdout


def empty(s):
    wait_for("an empty queue", lambda: not rows(s))


# --- a text arrives ---

def test_a_message_becomes_an_sms(s, provider):
    send(s, "Ciao “mondo”\n\n> quoted\n-- \nAlice")
    asked, = provider.wait(1)
    assert asked.method == "POST" and asked.path == "/send"
    assert asked.json() == {"to": NUMBER, "from": "alice@example.test", "text": 'Ciao "mondo"'}
    assert asked.headers["Content-Type"] == "application/json" and re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]{16}", asked.id)
    empty(s)
    assert re.search(r"250 2\.0\.0 SMS provider: HTTP 200 \{\"status\":\"queued\"\}", trace(s, "sms.sent"))
    assert re.search(r"\*\*\* <alice@example\.test> <\+393331234567@sms\.test> 1 GSM-7 .* SMS-SENT", s.log_text("s"))
    assert len(provider.asked) == 1


def test_numbers_are_normalised_and_none_is_there_twice(s, provider):
    send(s, "x", to=("00393331234567@sms.test", '"+39 333 1234567"@SMS.test', "3331234567@sms.test", "+4930123456@sms.test"))
    asked = provider.wait(2)
    empty(s)
    assert sorted(a.json()["to"] for a in asked) == [NUMBER, "+4930123456"] and len(provider.asked) == 2
    assert asked[0].id.split("-")[0] == asked[1].id.split("-")[0] and asked[0].id != asked[1].id


@pytest.mark.parametrize("message, want", [
    (b"Subject: =?utf-8?q?Allarme_caff=C3=A8?=\r\n\r\n", "Allarme caffè"),
    (b"Subject: x\r\nContent-Type: text/plain; charset=iso-8859-15\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n100=A4 citt=E0\r\n", "100€ città"),
    (b"Content-Type: text/plain; charset=gb18030\r\nContent-Transfer-Encoding: base64\r\n\r\nxOO6ww==\r\n", "你好"),
    (b"Content-Type: text/html; charset=utf-8\r\n\r\n<html><head><style>p{}</style></head><p>Uno &amp; <b>due</b></p></html>\r\n", "Uno & due"),
    (b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>rich</p>\r\n--b--\r\n",
     "plain"),
], ids=["subject", "charset", "base64", "html", "alternative"])
def test_the_text_of_a_message(s, provider, message, want):
    send(s, message=message)
    assert provider.wait(1)[0].json()["text"] == want
    empty(s)


def test_a_long_text_is_cut_or_goes_back(s, provider):
    send(s, "a" * 70 + " " + "b" * 600)
    text = provider.wait(1)[0].json()["text"]
    assert len(text) == 459 and text.endswith("b...")
    put(s, "sms.too_long", "refuse", "cut")
    put(s, "sms.max_segments", "1", "3")
    msgid = send(s, "ж" * 71)
    wait_for("the notice", lambda: "552 5.3.4 The text takes 2 segments; an SMS may have 1" in trace(s, "delivery.failed"))
    empty(s)
    assert len(provider.asked) == 1
    why = s.tool("why", msgid).stdout
    assert "longer than an SMS may be" in why and "sms.max_segments" in why


# --- how the provider is asked ---

def test_get_with_everything_in_the_url(s, provider):
    for name, value, back in (("sms.url", provider.url + "/{digits}?t={text}&f={from}&id={id}", provider.url), ("sms.method", "GET", "POST"),
                              ("sms.auth", "basic", "none"), ("sms.user", "us:er", ""), ("sms.secret", "pässword", ""), ("sms.from", "Example & Co", ""),
                              ("sms.id_header", "", "Idempotency-Key")):
        put(s, name, value, back)
    send(s, "a b&c=ü")
    asked, = provider.wait(1)
    assert asked.method == "GET" and asked.body == b"" and asked.id is None
    assert re.fullmatch(r"/send/393331234567\?t=a%20b%26c%3D%C3%BC&f=Example%20%26%20Co&id=[0-9a-f-]{33}", asked.path)
    assert asked.headers["Authorization"] == "Basic dXM6ZXI6cMOkc3N3b3Jk"


def test_a_form_with_a_key_in_a_header(s, provider):
    for name, value, back in (("sms.body", "To={to}&Body={text}&Key={secret}", '{"to":"{to}","from":"{from}","text":"{text}"}'), ("sms.body_type", "form", "json"),
                              ("sms.headers", "X-Api-Key: {secret};X-Ref: {id}", ""), ("sms.secret", "k&y", ""), ("sms.auth", "bearer", "none")):
        put(s, name, value, back)
    send(s, "a+b")
    asked, = provider.wait(1)
    assert asked.body == b"To=%2B393331234567&Body=a%2Bb&Key=k%26y" and asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.headers["X-Api-Key"] == "k&y" and asked.headers["X-Ref"] == asked.id and asked.headers["Authorization"] == "Bearer k&y"
    empty(s)
    for shown in (s.tool("get", "sms.secret").stdout, s.tool("sms", "test", NUMBER, "x").stdout, s.log_text("s"), s.tool("audit").stdout):
        assert "k&y" not in shown


def test_plain_http_is_possible(s, provider):
    plain = Provider()
    put(s, "sms.url", plain.url, provider.url)
    send(s)
    assert plain.wait(1)[0].json()["to"] == NUMBER
    empty(s)
    plain.close()


# --- what it answers ---

@pytest.mark.parametrize("status", [400, 404, 422])
def test_4xx_is_final(s, provider, status):
    provider.how = answer(status, '{"error":"no such number"}')
    msgid = send(s)
    reply = f'550 5.0.0 SMS provider refused: HTTP {status} {{"error":"no such number"}}'
    wait_for("the notice", lambda: f"{reply}" in trace(s, "delivery.failed"))
    empty(s)
    assert len(provider.asked) == 1
    assert "The provider does not want this message" in s.tool("why", msgid).stdout


@pytest.mark.parametrize("status", [500, 503, 429, 401])
def test_trouble_of_the_provider_is_tried_again_with_the_same_key(s, provider, status):
    first = answer(status, "later")
    provider.how = lambda h, a: (good if len(provider.asked) > 1 else first)(h, a)
    send(s)
    asked = provider.wait(2)
    empty(s)
    assert asked[0].id == asked[1].id
    assert f"451 4.0.0 SMS provider refused for now: HTTP {status} later" in trace(s, "sms.not-sent")


def test_a_redirection_is_not_followed(s, provider):
    provider.how = answer(307, "", Location=provider.url + "/elsewhere")
    send(s)
    provider.wait(2)
    assert {a.path for a in provider.asked} == {"/send"}
    provider.how = None
    empty(s)


def test_an_answer_that_does_not_confirm(s, provider):
    wrong = s.tool("set", "sms.success", "(queued", check=False)
    assert wrong.returncode and "sms.success" in wrong.stderr and "a regular expression such as" in wrong.stderr
    put(s, "sms.success", r'"status" *: *"(queued|sent)"')
    provider.how = answer(200, '{"status": "failed", "why": "no credit"}')
    send(s, "one")
    wait_for("the notice", lambda: 'SMS provider did not confirm: HTTP 200 {"status": "failed"' in trace(s, "delivery.failed"))
    provider.how = answer(200, '{"status": "sent"}')
    send(s, "two")
    empty(s)
    assert len(provider.asked) == 2 and 'HTTP 200 {"status": "sent"}' in trace(s, "sms.sent")


def test_an_answer_without_end(s, provider):
    def how(h, asked):
        h.send_response(200)
        h.end_headers()
        try:
            while True:
                h.wfile.write(b"x" * 65536)
        except OSError:
            pass
    provider.how = how
    send(s)
    empty(s)
    assert len(provider.asked) == 1


def test_who_hangs_is_asked_again(s, provider):
    put(s, "sms.timeout", "1s", "20s")
    gate = threading.Event()
    provider.how = lambda h, a: gate.wait(60) if len(provider.asked) == 1 else good(h, a)
    send(s)
    asked = provider.wait(2)
    empty(s)
    gate.set()
    assert asked[0].id == asked[1].id and "451 4.4.2 SMS provider did not answer" in trace(s, "sms.not-sent")


def test_who_is_slow_but_answers_in_time_is_asked_once(s, provider):
    def how(h, asked):
        h.send_response(200)
        h.send_header("Content-Length", "8")
        h.end_headers()
        for _ in range(8):
            h.wfile.write(b"x")
            h.wfile.flush()
            time.sleep(0.2)
    provider.how = how
    send(s)
    empty(s)
    assert len(provider.asked) == 1


def test_who_closes_without_an_answer_is_asked_again(s, provider):
    def how(h, asked):
        if len(provider.asked) == 1:
            h.close_connection = True
            h.connection.close()
        else:
            good(h, asked)
    provider.how = how
    send(s)
    asked = provider.wait(2)
    empty(s)
    assert asked[0].id == asked[1].id


def test_a_certificate_of_nobody_is_not_trusted(s, provider):
    put(s, "sms.ca_file", "", provider.ca)
    send(s)
    wait_for("the refusal", lambda: "451 4.7.5 SMS provider cannot be verified" in trace(s, "sms.not-sent"))
    assert not provider.asked
    s.tool("set", "sms.ca_file", provider.ca)
    s.tool("queue", "retry", "all=yes")
    provider.wait(1)
    empty(s)


# --- who may ---

def test_only_those_who_may(s, provider):
    assert refusal(s, "+39 call me@sms.test").startswith("501") and refusal(s, "hello@sms.test") == "550 5.1.3 Not a telephone number"
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60) as c:
        c.ehlo()
        c.mail("stranger@far.test")
        assert c.rcpt(f"{NUMBER}@sms.test") == (550, b"5.7.1 You may not send SMS")
    put(s, "sms.allowed", "bob@example.test;phones@example.test")
    s.tool("create", "account", "phones@example.test", "kind=group", f"password={PASSWORD}")
    s.tool("change", "members", "phones@example.test", "add=carol@example.test")
    assert refusal(s, f"{NUMBER}@sms.test") == "550 5.7.1 You may not send SMS"
    assert refusal(s, f"{NUMBER}@sms.test", "bob").startswith("250") and refusal(s, f"{NUMBER}@sms.test", "carol").startswith("250")
    put(s, "sms.allowed", "example.test")
    assert refusal(s, f"{NUMBER}@sms.test").startswith("250")
    assert not provider.asked


def test_an_alias_leads_to_a_number_and_forwarding_does_not(s, provider):
    s.tool("create", "alias", "oncall@example.test", f"targets={NUMBER}@sms.test")
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60) as c:
        c.sendmail("monitor@far.test", ["oncall@example.test"], mail("disk full"))
    assert provider.wait(1)[0].json()["text"] == "disk full"
    s.tool("change", "account", "bob@example.test", f"forward_to={NUMBER}@sms.test", "keep_copy=yes")
    send(s, "to bob", to=("bob@example.test",))
    wait_for("the refusal", lambda: "mail may not be forwarded there" in trace(s, "account.notsent"))
    empty(s)
    put(s, "sms.forward", "yes", "no")
    send(s, "to bob again", to=("bob@example.test",))
    assert provider.wait(2)[1].json()["text"] == "to bob again"
    s.tool("change", "account", "bob@example.test", "forward_to=")
    empty(s)


def test_the_daily_limit_refuses_or_holds(make_server, provider):
    provider.asked.clear()
    provider.how = None
    s = make_server(settings={**SETTINGS, "sms.url": provider.url, "sms.ca_file": provider.ca, "sms.daily_limit": "2"})
    send(s, "1", to=(f"{NUMBER}@sms.test", "+4930123456@sms.test"))
    provider.wait(2)
    assert refusal(s, f"{NUMBER}@sms.test") == "450 4.7.1 Daily limit of SMS is reached, try again later"
    assert refusal(s, f"{NUMBER}@sms.test", "bob").startswith("250")
    s.tool("set", "sms.over_limit", "hold")
    empty(s)
    send(s, "3")
    row, = rows(s)
    assert row["state"] == "held" and "sms.daily_limit" in trace(s, "queue.held")
    s.tool("queue", "release", row["id"])
    assert provider.wait(3)[2].json()["text"] == "3"
    empty(s)


# --- the queue ---

def test_each_message_is_in_the_right_list(make_server, provider):
    plain = Provider()
    gate = threading.Event()
    plain.how = lambda h, a: gate.wait(60) or good(h, a)
    s = make_server(settings={**SETTINGS, "sms.url": plain.url, "dns.servers": "127.0.0.1@9", "dns.timeout": "200ms"})
    one = send(s, "sms")
    plain.wait(1)
    lists = ("outgoing", "incoming", "mda", "sms", "retry")
    where = {name: [r["id"] for r in rows(s, f"queue={name}")] for name in lists}
    assert where == {"outgoing": [], "incoming": [], "mda": [], "sms": [one], "retry": []}
    s.tool("queue", "pause", "all=yes")
    far = [send(s, "far", to=("dan@far.test",))]
    s.tool("create", "account", "team@example.test", "kind=list", f"password={PASSWORD}", "list_moderate=all", "list_moderators=carol@example.test",
           "list_post=anyone")
    send(s, "post", to=("team@example.test",))
    post = wait_for("the post", lambda: [r["id"] for r in rows(s) if r["state"] == "moderation"])
    wait_for("the question to the moderator to leave mda", lambda: not rows(s, "queue=mda"))
    where = {name: [r["id"] for r in rows(s, f"queue={name}")] for name in lists if name != "mda"}
    assert where == {"outgoing": far, "incoming": post, "sms": [one], "retry": []}
    plain.how = answer(503)
    gate.set()
    wait_for("a first attempt in vain", lambda: [r for r in rows(s, "queue=retry") if r["id"] == one])
    assert not rows(s, "queue=sms")
    assert "outgoing, incoming, mda, sms or retry" in s.tool("queue", "queue=other", check=False).stderr
    s.tool("change", "account", "alice@example.test", "role=system-admin")
    token = s.tool("create", "token", "alice@example.test", "t", "scopes=queue:read").stdout.split()[-1]
    client = Client(s, token=token)
    got = {name: [r["id"] for r in client.call("GET", f"/queue/outgoing/messages?queue={name}", ...).json()["items"]] for name in lists}
    assert got == {"outgoing": far, "incoming": post, "mda": [], "sms": [], "retry": [one]}
    client.close()
    plain.close()


def test_what_is_for_mailboxes_waits_in_mda_and_drains(make_server, tmp_path):
    """Local delivery is stopped by a rule that holds what arrives. It piles up in that list only, also over a restart, and each comes once."""
    s = make_server(settings={**SETTINGS, "net.trusted_ips": "127.0.0.1", "dns.servers": "127.0.0.1@9", "dns.timeout": "200ms", "queue.retry_schedule": "1h"})
    s.tool("queue", "pause", "all=yes")
    put_rules(s, 'rule "stop" if header "Subject" is "piles" then quarantine\n', tmp_path)
    mine = [send(s, to=("bob@example.test",), message=mail("x", subject="piles")) for _ in range(3)]
    far = send(s, to=("dan@far.test",))
    send(s, to=("bob@example.test",))  # is not held, and is gone
    wait_for("the one that is not held", lambda: count(s, "bob") == 1)

    def where():
        return {name: sorted(r["id"] for r in rows(s, f"queue={name}")) for name in ("outgoing", "incoming", "mda", "sms", "retry")}

    want = {"outgoing": [far], "incoming": [], "mda": sorted(mine), "sms": [], "retry": []}
    assert where() == want
    s.stop()
    s.start()
    assert where() == want and count(s, "bob") == 1
    s.tool("queue", "release", "queue=mda")
    wait_for("an empty list", lambda: not rows(s, "queue=mda"))
    wait_for("the messages", lambda: count(s, "bob") == 4)
    assert where() == {**want, "mda": []}


def test_nothing_is_lost_when_the_module_is_killed(make_server, provider):
    provider.asked.clear()
    gate = threading.Event()
    provider.how = lambda h, a: gate.wait(120) if len(provider.asked) == 1 else good(h, a)
    s = make_server(settings={**SETTINGS, "sms.url": provider.url, "sms.ca_file": provider.ca})
    send(s, "kept")
    provider.wait(1)  # has it, and does not answer yet
    s.kill("smtp")
    gate.set()
    first, second = provider.wait(2)
    assert first.id == second.id and second.json()["text"] == "kept"
    s.wait_port(s.port["submission"])
    empty(s)
    assert len(provider.asked) == 2


# --- by hand ---

def test_by_the_tool(s, provider):
    shown = s.tool("sms", "test", "333 1234567", "città").stdout
    assert re.search(r"number: +\+393331234567\n", shown) and "GSM-7, 5 in 1 segments" in shown and "result:   shown" in shown and not provider.asked
    assert s.tool_json("sms", "test", NUMBER, "x", "send=yes")["result"] == "taken" and provider.wait(1)[0].id.startswith("test-")
    provider.how = answer(403, "no")
    r = s.tool_json("sms", "test", NUMBER, "x", "send=yes")
    assert (r["result"], r["status"], r["answer"]) == ("refused", 403, "550 5.0.0 SMS provider refused: HTTP 403 no")
    provider.how = None
    assert "is not a telephone number" in s.tool("sms", "test", "me", "x", check=False).stderr
    provider.asked.clear()
    s.tool("sms", "send", NUMBER, "by hand\nline 2", "from=boss@example.test")
    asked, = provider.wait(1)
    assert asked.json() == {"to": NUMBER, "from": "boss@example.test", "text": "by hand\nline 2"}
    empty(s)


def test_by_the_api(s, provider):
    s.tool("change", "account", "alice@example.test", "role=system-admin")
    token = s.tool("create", "token", "alice@example.test", "sms", "scopes=queue:write").stdout.split()[-1]
    c = Client(s, token=token)
    put(s, "sms.secret", "hidden-word")
    put(s, "sms.auth", "bearer", "none")
    a = c.call("POST", "/sms/test", {"to": "3331234567", "text": "ж"})
    assert a.status == 200 and not provider.asked
    got = a.json()
    assert got["number"] == NUMBER and got["encoding"] == "UCS-2" and got["segments"] == 1 and got["result"] == "shown" and got["url"] == provider.url
    assert "Authorization: Bearer ***" in got["headers"] and json.loads(got["body"])["text"] == "ж"
    got = c.call("POST", "/sms/test", {"to": NUMBER, "text": "x", "dry_run": False}).json()
    assert got["result"] == "taken" and got["status"] == 200 and provider.wait(1)[0].headers["Authorization"] == "Bearer hidden-word"
    assert c.call("POST", "/sms/test", {"to": "nobody", "text": "x"}).status == 422
    put(s, "sms.url", "", provider.url)
    got = c.call("POST", "/sms/test", {"to": NUMBER, "text": "x"}).json()
    assert got["result"] == "not-sent" and got["answer"] == "451 4.3.5 The gateway for SMS is not set up: sms.url is empty"
    c.close()
