"""On-Demand Mail Relay, the customer: we fetch by ATRN, from ourselves and from providers that do not play fair; Postfix sends the mail."""
import base64
import shutil
import socket
import tempfile
import threading
import types

import pytest

from conftest import PASSWORD, wait_for
from peers import RECORDS, NameServer, PostfixDovecot, neighbour
from test_postfix import inbox, message
from wire import Line, Smtp

DOMAINS = ("home.test", "other.test")


@pytest.fixture(scope="module")
def world(make_module_server):
    made, dirs = [], []

    def begin(what, *args):
        dirs.append(tempfile.mkdtemp(prefix="phpeer-", dir="/var/tmp"))
        made.append(what(dirs[-1], *args))
        return made[-1].start()

    try:
        records = [*RECORDS, *(f"{d} MX 10 mail.example.test" for d in DOMAINS)]
        w = types.SimpleNamespace(dns=begin(NameServer, records), peer=begin(PostfixDovecot), provider=neighbour(make_module_server, users=("buyer",), settings={
            "smtp.atrn": "yes", "smtp.listen_odmr": "127.0.0.3:366", "queue.retry_schedule": "1h", "queue.destination_wait": "1h", "smtp.autostart": "yes",
            "log.smtp": "extended", "auth.plain_without_tls": "always"}))
        w.home = make_module_server(domain="home.test", hostname="mail.home.test", users=("dave", "erin"), settings={
            "log.smtp": "extended", "net.trusted_ips": "127.0.0.0/8", "deliver.collect_timeout": "20s"})
        w.home.tool("create", "domain", "other.test")
        w.home.tool("create", "account", "olga@other.test", f"password={PASSWORD}")
        for d in DOMAINS:
            w.provider.tool("create", "domain", d, "type=backup", "fetched_by=buyer@example.test")
        yield w
    finally:
        for m in reversed(made):
            m.stop()
        for d in dirs:
            shutil.rmtree(d, ignore_errors=True)


class Remote:
    def __init__(self, home, *words, host="127.0.0.3"):
        self.home = home
        self.id = home.tool("remote", "create", "dave@home.test", "protocol=atrn", f"host={host}", "user=buyer@example.test", f"password={PASSWORD}",
                            "verify=no", "enabled=no", *words).stdout.strip()

    def row(self):
        row, = [r for r in self.home.tool_json("remote", "list", "dave@home.test")["rows"] if r["id"] == self.id]
        return row

    def fetch(self):
        """Its row after an attempt that began after now."""
        before = self.row()
        if before["enabled"]:
            wait_for("its rest", lambda: self.row()["next_ms"] > 0)
            self.home.tool("remote", "collect", "dave@home.test", self.id)
        else:
            self.home.tool("remote", "change", "dave@home.test", self.id, "enabled=yes")
        return wait_for("an attempt", lambda: (lambda r: r if r["last_ms"] != before["last_ms"] and r["next_ms"] else None)(self.row()), interval=0.1)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.home.tool("remote", "delete", "dave@home.test", self.id)


def by_postfix(world, subject, *rcpts, body=b"one line\r\n.dot\r\n"):
    """Handed in at Postfix, on its way to the domains' MX; then it waits at the provider."""
    domains = {r.split("@")[1] for r in rcpts}          # Postfix sends a copy for each
    with Smtp(25, host=world.peer.address) as c:
        c.envelope("dave@peer.test", *rcpts)
        c.data(message(subject, body, "dave@peer.test", rcpts[0]))
        c.quit()
    wait_for(f"{subject} at the provider", lambda: domains <= {d for d in DOMAINS for r in world.provider.tool_json("queue")["rows"]
                                                              if f"The mail for {d} waits until it is fetched" in r["answer"]})


def subjects(server, user):
    return [l[9:].decode() for m in inbox(server, user) for l in m.split(b"\r\n\r\n")[0].split(b"\r\n") if l.startswith(b"Subject: ")]


def has(server, user, subject):
    wait_for(f"{subject} of {user}", lambda: subject in subjects(server, user), interval=0.1)


class Olga:
    """inbox() completes names with the server's own domain."""

    def __init__(self, home):
        self.port, self.address = home.port, lambda user: f"{user}@other.test"


@pytest.mark.parametrize("words", [(), ("tls=never",), ("domains=other.test;home.test",)])
def test_from_postfix_by_the_provider(world, words):
    subject = f"relayed {len(words)} {''.join(words)}"
    by_postfix(world, subject, "dave@home.test", "erin@home.test", "olga@other.test")
    with Remote(world.home, *words) as r:
        row = r.fetch()
        assert (row["last_result"], row["last_count"]) == ("ok", 2), row
        for server, user in ((world.home, "dave"), (world.home, "erin"), (Olga(world.home), "olga")):
            has(server, user, subject)
        wait_for("an empty queue", lambda: not world.provider.tool_json("queue")["rows"])
        row = r.fetch()
        assert (row["last_result"], row["last_count"]) == ("ok", 0)     # 453
    got = [m for m in inbox(world.home, "dave") if subject.encode() in m][0]
    head = got.split(b"\r\n\r\n")[0]
    assert (b"by mail.home.test with ESMTPS" in head) == ("tls=never" not in words), head
    assert b"by mail.example.test with ESMTP" in head and got.endswith(b"\r\n.dot\r\n")


def test_only_the_domains_that_are_wanted(world):
    by_postfix(world, "for home", "dave@home.test")
    by_postfix(world, "for other", "olga@other.test")
    with Remote(world.home, "domains=other.test") as r:
        assert r.fetch()["last_count"] == 1
        has(Olga(world.home), "olga", "for other")
        assert "for home" not in subjects(world.home, "dave")
        world.home.tool("remote", "change", "dave@home.test", r.id, "domains=")
        wait_for("the rest", lambda: r.row()["last_count"] == 1 and "for home" in subjects(world.home, "dave"))


def test_unknown_recipients_go_back(world):
    by_postfix(world, "for nobody", "nobody@home.test")
    with Remote(world.home) as r:
        row = r.fetch()
        assert (row["last_result"], row["last_count"]) == ("ok", 0), row
    wait_for("an empty queue", lambda: not world.provider.tool_json("queue")["rows"])
    wait_for("the notice", lambda: any(b"nobody@home.test" in m and b"Unknown" in m for m in world.peer.messages("dave")), interval=0.2)


def test_a_wrong_password_and_a_foreign_domain(world):
    with Remote(world.home, "domains=foreign.test") as r:
        assert "ATRN was refused: 450 4.7.1" in r.fetch()["last_result"]
        world.home.tool("remote", "change", "dave@home.test", r.id, "password=wrong")
        wait_for("the refusal", lambda: "the login was refused: 535" in r.row()["last_result"])


def test_values(world):
    def bad(text, *words):
        r = world.home.tool("remote", "create", "dave@home.test", "host=127.0.0.9", "user=u", "password=p", "enabled=no", *words, check=False)
        assert r.returncode and text in r.stdout + r.stderr, r.stdout + r.stderr
    bad("domains: are for the protocol atrn only", "protocol=pop3", "domains=home.test")
    bad("domain", "protocol=atrn", "domains=not a domain")
    bad("longer than 250 bytes", "protocol=atrn", "domains=" + ";".join(f"domain-number-{i}.test" for i in range(30)))
    with Remote(world.home, "domains= HOME.test;other.TEST") as r:
        row = r.row()
        assert (row["protocol"], row["port"], row["tls"], row["domains"]) == ("atrn", 366, "starttls", "home.test;other.test")


# --- providers that do not play fair ---


class Provider(threading.Thread):
    """Listens on port 366 of its address, logs in whoever comes, and leaves the rest to `play` once it has been asked to turn."""

    def __init__(self, address, play, before=None):
        super().__init__(daemon=True)
        self.play, self.before, self.fault = play, before, None
        self.listener = socket.create_server((address, 366))
        self.start()

    def run(self):
        try:
            sock = self.listener.accept()[0]
            c = Line.__new__(Line)
            c.sock, c.buffer = sock, b""
            sock.settimeout(60)
            if self.before:
                self.before(c)
                return
            c.send(b"220 provider\r\n")
            assert c.line().startswith(b"EHLO ")
            c.send(b"250-provider\r\n250-ATRN\r\n250 AUTH CRAM-MD5 PLAIN\r\n")
            line = c.line()
            if line == b"AUTH CRAM-MD5":
                c.send(b"334 " + base64.b64encode(b"<1@provider>") + b"\r\n")
                assert base64.b64decode(c.line()).startswith(b"buyer@example.test ")
            c.send(b"235 ok\r\n")
            assert c.line().startswith(b"ATRN")
            self.play(c)
        except Exception as e:  # pylint: disable=broad-except
            self.fault = e
        finally:
            self.listener.close()
            try:
                sock.close()
            except OSError:
                pass

    def done(self):
        self.join(60)
        assert not self.is_alive()
        if self.fault:
            raise self.fault


def as_client(c):
    c.send(b"250 now\r\n")
    assert c.line().startswith(b"220 mail.home.test")


def tell(c, text, code):
    c.send(text.encode() + b"\r\n")
    while True:
        line = c.line()
        if line[3:4] != b"-":
            break
    assert line[:3] == str(code).encode(), (text, line)
    return line


def test_what_a_provider_may_not(world):
    """It is no client of a trusted network here: no relaying, no login, no other domains."""
    def play(c):
        as_client(c)
        c.send(b"EHLO provider\r\n")
        lines = []
        while not lines or lines[-1][3:4] == b"-":
            lines.append(c.line())
        assert not [l for l in lines if b"AUTH" in l or b"STARTTLS" in l], lines
        tell(c, "AUTH PLAIN AA==", 502)
        tell(c, "STARTTLS", 502)
        tell(c, "ATRN", 502)
        tell(c, "MAIL FROM:<x@far.test>", 250)
        tell(c, "RCPT TO:<y@far.test>", 550)
        tell(c, "RCPT TO:<olga@other.test>", 550)
        tell(c, "RCPT TO:<dave@home.test>", 250)
        tell(c, "DATA", 354)
        tell(c, "Subject: by hand\r\n\r\ntext\r\n.", 250)
        tell(c, "QUIT", 221)
    p = Provider("127.0.0.5", play)
    with Remote(world.home, "tls=never", "domains=home.test", host="127.0.0.5") as r:
        row = r.fetch()
        p.done()
        assert (row["last_result"], row["last_count"]) == ("ok", 1), row
    has(world.home, "dave", "by hand")


@pytest.mark.parametrize("what, result", [
    (lambda c: c.send(b"250 now\r\nMAIL FROM:<a@b.test>\r\n"), None),                         # behind the answer
    (lambda c: c.send(b"\x00\xff\r\n"), "not SMTP"),
    (lambda c: c.send(b"250-endless\r\n" * 200000), None),
    (lambda c: c.send(b"450 not now\r\n"), "ATRN was refused: 450 not now"),
    (lambda c: None, "closed"),
    (lambda c: as_client(c), "connection was lost after ATRN"),                              # leaves
    (lambda c: (as_client(c), tell(c, "EHLO x", 250), tell(c, "MAIL FROM:<a@b.test>", 250), tell(c, "RCPT TO:<dave@home.test>", 250), tell(c, "DATA", 354),
                c.send(b"Subject: half\r\n\r\nha")), "connection was lost after ATRN"),
    (lambda c: (as_client(c), c.send(b"\x16\x03\x01\x02" * 4000)), None),
])
def test_a_provider_who_breaks_it_off(world, what, result):
    def play(c):
        try:
            what(c)
        except (ConnectionError, BrokenPipeError):
            pass
    p = Provider("127.0.0.6", play)
    with Remote(world.home, "tls=never", host="127.0.0.6") as r:
        row = r.fetch()
        p.done()
        assert row["last_result"] != "ok" and row["failures"] == 1 and row["last_count"] == 0, row
        assert not result or result in row["last_result"], row
    assert "half" not in subjects(world.home, "dave")


@pytest.mark.parametrize("before, result", [
    (lambda c: c.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "not SMTP"),
    (lambda c: c.send(b"554 go away\r\n"), "the connection was refused: 554 go away"),
    (lambda c: (c.send(b"220 x\r\n"), c.line(), c.send(b"250 x\r\n")), "STARTTLS"),
    (lambda c: c.sock.recv(1), "no answer"),                                                  # silence
])
def test_before_the_login(world, before, result):
    p = Provider("127.0.0.7", None, before)
    with Remote(world.home, host="127.0.0.7") as r:
        row = r.fetch()
        assert result in row["last_result"], row
    p.done()


def test_the_module_dies_while_it_serves(world):
    """What was answered with 250 is here; the rest stays with the provider."""
    state = threading.Event()

    def play(c):
        as_client(c)
        tell(c, "EHLO provider", 250)
        tell(c, "MAIL FROM:<x@far.test>", 250)
        tell(c, "RCPT TO:<erin@home.test>", 250)
        tell(c, "DATA", 354)
        tell(c, "Subject: before the end\r\n\r\ntext\r\n.", 250)
        state.set()
        c.at_end()
    p = Provider("127.0.0.8", play)
    with Remote(world.home, "tls=never", host="127.0.0.8") as r:
        world.home.tool("remote", "change", "dave@home.test", r.id, "enabled=yes")
        assert state.wait(60)
        world.home.kill("smtp")
        p.done()
        world.home.wait_port(world.home.port["smtp"])
        has(world.home, "erin", "before the end")
