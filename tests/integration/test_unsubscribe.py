"""One-click unsubscription (RFC 8058): each member elsewhere has a URL of its own, which works without login, once, and for nobody else."""
import http.client
import re
import urllib.parse

import pytest

from conftest import wait_for
from test_accounts import body, newest
from test_basics import message_count, send
from test_outgoing import Peer

LIST = "dev@example.test"


class Far(Peer):
    """Keeps what it gets, by recipient."""

    def __init__(self, port):
        super().__init__("127.0.0.1", port, "good")
        self.got, self.senders = [], []

    def talk(self, f, mine):
        def say(text):
            f.write(text.encode() + b"\r\n")
            f.flush()

        rcpts = []
        say("220 far.test")
        while line := f.readline():
            if line.upper().startswith(b"MAIL"):
                self.senders.append(re.search(rb"<(.*?)>", line).group(1).decode())
            if line.upper().startswith(b"RCPT"):
                rcpts.append(re.search(rb"<(.*)>", line).group(1).decode())
            if line.upper().startswith(b"DATA"):
                say("354 go")
                text = b""
                while (more := f.readline()) != b".\r\n":
                    if not more:
                        return
                    text += more
                with self.lock:
                    self.got.append((tuple(rcpts), text))
                rcpts = []
            say("250 ok")


@pytest.fixture
def s(make_server):
    far = Far(0)
    port = far.listener.getsockname()[1]
    far.start()
    s = make_server(settings={"deliver.relay_host": f"127.0.0.1:{port}", "deliver.starttls": "never",
                              "web.public_url": "https://lists.example.test:8443"})
    s.far = far
    s.tool("create", "account", LIST, "kind=list", "list_post=anyone", "list_owner=carol@example.test", "list_one_click=yes")
    s.tool("create", "alias", "far@example.test", "targets=z@far.test")
    s.tool("change", "members", LIST, "add=alice@example.test;x@far.test;y+1@far.test;far@example.test")
    yield s
    far.close()


def url_of(text):
    """Path and query behind the name of the server."""
    field, = re.findall(rb"(?m)^List-Unsubscribe: (.*\r\n(?:[ \t].*\r\n)*)", text)
    assert b"<mailto:carol@example.test?subject=unsubscribe%20dev@example.test>" in field
    return re.search(rb"<https://lists\.example\.test:8443(/unsubscribe\?[^>]+)>", field).group(1).decode()


def ask(s, method, path, text=None):
    c = http.client.HTTPConnection("127.0.0.1", s.port["http"], timeout=30)
    c.request(method, path, text, {"Content-Type": "application/x-www-form-urlencoded"} if text else {})
    r = c.getresponse()
    page = r.read().decode()
    c.close()
    return r.status, page


CLICK = "List-Unsubscribe=One-Click"


def members(s):
    return {r["address"] for r in s.tool_json("list", "members", LIST)["rows"]}


def test_one_click(s):
    send(s, "dev", body=body(1, LIST))
    wait_for("all members", lambda: message_count(s, "alice") == 1 and len(s.far.got) == 3)
    got = {r: t for (r,), t in s.far.got}  # a transaction for each
    assert set(got) == {"x@far.test", "y+1@far.test", "z@far.test"}
    paths = {r: url_of(got[r]) for r in ("x@far.test", "y+1@far.test")}
    assert len(set(paths.values())) == 2
    for r in paths:
        assert got[r].count(b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n") == 1
        assert got[r].count(b"List-Id: <dev.example.test>\r\n") == 1 and got[r].endswith(b"Subject: m1\r\n\r\ntext\r\n")
    # Here, and behind an alias that leads elsewhere, it would not be the member's own.
    for text in (newest(s, "alice"), got["z@far.test"]):
        assert b"https://" not in text and b"List-Unsubscribe-Post" not in text and b"List-Unsubscribe: <mailto:" in text
    path = paths["y+1@far.test"]
    # Looking changes nothing: scanners of mail follow links.
    status, page = ask(s, "GET", path)
    assert status == 200 and "y+1@far.test" in page and LIST in page and '<form method="post">' in page
    assert ask(s, "HEAD", path)[0] == 200
    assert ask(s, "POST", path, "nothing=1")[0] == 400
    assert ask(s, "PUT", path, CLICK)[0] == 405
    assert "y+1@far.test" in members(s)
    status, page = ask(s, "POST", path, CLICK)
    assert status == 200 and "no member of the list" in page
    assert members(s) == {"alice@example.test", "x@far.test", "far@example.test"}
    assert ask(s, "POST", path, CLICK)[0] == 200  # again is no error
    assert "one-click" in s.tool("audit").stdout
    wait_for("the event", lambda: s.tool_json("events", "name=list.unsubscribed")["rows"])
    # Multipart is allowed as well.
    form = '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
    assert ask(s, "POST", paths["x@far.test"], form)[0] == 200
    assert members(s) == {"alice@example.test", "far@example.test"}


def test_other_urls(s):
    send(s, "dev", body=body(1, LIST))
    wait_for("all members", lambda: len(s.far.got) == 3)
    path = next(url_of(t) for (r,), t in s.far.got if r == "x@far.test")
    query = dict(urllib.parse.parse_qsl(path.partition("?")[2]))
    for change in ({"member": "y+1@far.test"}, {"list": "other@example.test"}, {"key": "a" * 20}, {"key": query["key"][:-1]}, {"member": ""},
                   {"member": "<script>@far.test"}, {"member": "x" * 900}):
        bad = "/unsubscribe?" + urllib.parse.urlencode({**query, **change})
        status, page = ask(s, "POST", bad, CLICK)
        assert status == 404 and "<script>" not in page, bad
    for bad in ("/unsubscribe", "/unsubscribe?", path + "&key=x", path.replace("key=", "k=")):
        assert ask(s, "POST", bad, CLICK)[0] == 404, bad
    assert ask(s, "POST", path, CLICK + "&" + "x" * 5000)[0] == 413
    assert len(members(s)) == 4
    # A list that is gone, or asks no more.
    s.tool("delete", "account", LIST)
    assert ask(s, "POST", path, CLICK)[0] == 200


def test_rate(s):
    s.tool("set", "net.trusted_ips", "192.0.2.1")
    s.tool("set", "web.unsubscribe_rate", "3")
    seen = {ask(s, "GET", "/unsubscribe")[0] for _ in range(9)}  # the minute may change once
    assert seen == {404, 429}
    s.tool("set", "net.trusted_ips", "127.0.0.1")
    assert ask(s, "GET", "/unsubscribe")[0] == 404
    r = s.tool("set", "web.public_url", "http://lists.example.test", check=False)
    assert r.returncode == 1 and "https://name or https://name:port" in r.stderr
