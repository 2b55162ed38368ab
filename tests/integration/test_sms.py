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


def send(s, text="Hello", to=(f"{NUMBER}@sms.test",), user="alice", sender=None, message=None):
    with login(s, user) as c:
        c.sendmail(sender or s.address(user), list(to), message or mail(text))


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
