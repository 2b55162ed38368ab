"""The whole server on each of its databases, as root gives its rights away: modules speak to PostgreSQL and MariaDB by libraries that they
load themselves, under the filter of system calls. What a server that loses its database says, writes down and keeps."""
import collections
import itertools
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from api import Client
from conftest import PASSWORD, TOP, wait_for
from test_outgoing import Peer
from wire import Imap, Pop3, Smtp

SCRIPT = str(TOP / "tools/db-servers.sh")
SERVERS = ["postgresql", "mysql"]
LIBRARY = {"postgresql": "libpq.so", "mysql": "libmariadb.so"}
ROOT = "root@example.test"
count = itertools.count(1)

Database = collections.namedtuple("Database", "kind socket tcp where")  # two names of it, and how messages call it (by tcp)


class DatabaseServers:
    """A PostgreSQL and a MariaDB of the test's own."""

    def __init__(self, directory):
        self.dir = directory
        r = subprocess.run([SCRIPT, "start", directory], capture_output=True, text=True, timeout=300)
        assert r.returncode == 0, r.stderr
        self.dsn = dict(re.findall(r"^export (\w+)='(.*)'$", r.stdout, re.M))

    def script(self, *words):
        subprocess.run([SCRIPT, words[0], self.dir, *words[1:]], check=True, timeout=120)

    def new(self, kind):
        """An empty database."""
        name = f"mail_{next(count)}"
        if kind == "postgresql":
            subprocess.run(["psql", "-q", "-d", self.dsn["POSTHORN_TEST_PGSQL"], "-c", f"CREATE DATABASE {name}"], check=True)
        else:
            sql = f"CREATE DATABASE {name} CHARACTER SET utf8mb4; GRANT ALL ON {name}.* TO posthorn@localhost, posthorn@'127.0.0.1'"
            subprocess.run(["mariadb", "--no-defaults", "-S", f"{self.dir}/my/sock", "-u", "root", "-e", sql], check=True)
        variable = "POSTHORN_TEST_" + {"postgresql": "PGSQL", "mysql": "MYSQL"}[kind]
        socket, tcp = (re.sub(r"(@[^/]*)/posthorn", rf"\1/{name}", self.dsn[v]) for v in (variable, f"{variable}_TCP"))
        return Database(kind, socket, tcp, tcp.replace(":posthorn@", "@"))


@pytest.fixture(scope="module")
def servers():
    directory = tempfile.mkdtemp(prefix="ph-db-", dir="/var/tmp")
    try:
        yield DatabaseServers(directory)
    finally:
        subprocess.run([SCRIPT, "stop", directory], check=True, timeout=120)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def host(request, make_module_server, servers):
    """On SQLite where it is by itself; else in the database that <data>/config/database names, by its socket."""
    named = {} if request.param == "sqlite" else {"dsn": servers.new(request.param).socket, "dsn_in_file": True}
    s = make_module_server(**named)
    s.kind = request.param
    return s


def message(subject):
    return f"From: alice@example.test\r\nTo: bob@example.test\r\nSubject: {subject}\r\n\r\nHello {subject}\r\n".encode()


def submit(server, subject, *rcpts, user="alice"):
    """By somebody who has logged in."""
    with Smtp(server.port["submission"]) as c:
        c.starttls()
        c.login(server.address(user))
        c.envelope(server.address(user), *rcpts)
        c.data(message(subject))
        c.quit()


def subjects(server, user):
    with Imap(server.port["imap"], server.address(user)) as c:
        n = c.select()
        return [re.search(rb"\r\nSubject: (.*)\r\n", c.fetch_literal(i)).group(1).decode() for i in range(1, n + 1)]


def status(pid):
    return dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)


def test_modules_speak_to_it_without_rights(host):
    submit(host, "rights", host.address("bob"))
    assert set(host.pids()) == {"smtp", "access", "control"}
    for module, pid in host.pids().items():
        now = status(pid)
        assert now["Seccomp"].strip() == "2", (module, now)
        if host.user:
            assert "0" not in now["Uid"].split() and int(now["CapEff"], 16) == 0, (module, now)
        maps = open(f"/proc/{pid}/maps").read()
        assert [k for k in SERVERS if LIBRARY[k] in maps] == [k for k in SERVERS if k == host.kind], module


def test_in_by_smtp_out_by_imap_and_pop3(host):
    submit(host, "the way", host.address("carol"))
    wait_for("delivery", lambda: "the way" in subjects(host, "carol"))
    with Pop3(host.port["pop3"], host.address("carol")) as c:
        assert b"\r\nSubject: the way\r\n" in c.retr(1)
        c.quit()
    with Smtp(host.port["submission"]) as c:
        c.starttls()
        c.send(b"AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdAB3cm9uZw==\r\n")
        c.expect(535)
    with Smtp(host.port["smtp"]) as c:
        c.command("MAIL FROM:<a@elsewhere.test>", 250)
        c.command("RCPT TO:<nobody@example.test>", 550)


def test_setting_takes_effect_and_is_audited(host):
    host.tool("set", "smtp.max_recipients", "1")
    with Smtp(host.port["smtp"]) as c:
        c.envelope("a@elsewhere.test", host.address("bob"))
        c.command(f"RCPT TO:<{host.address('carol')}>", 452)
    assert ("setting smtp.max_recipients", "1000", "1") in [(r["object"], r["old"], r["new"]) for r in host.tool_json("audit")["rows"]]
    host.tool("reset", "smtp.max_recipients")


def test_token_lists(host):
    host.tool("create", "account", ROOT, f"password={PASSWORD}", "role=system-admin")
    api = Client(host, token=host.tool("create", "token", ROOT, "tests").stdout.strip())
    assert {a["address"] for a in api.rows("/accounts")} >= {ROOT, *map(host.address, ("alice", "bob", "carol"))}
    made = api.call("POST", "/accounts", {"address": host.address("dora"), "password": PASSWORD})
    assert made.status == 201, made.body
    assert [e["admin"] for e in api.rows("/audit", object=host.address("dora"))][:1] == [ROOT]
    assert Client(host, token="no-token").get("/accounts").status == 401


def test_tool_with_and_without_the_server(host):
    host.tool("create", "account", host.address("erin"), f"password={PASSWORD}")
    submit(host, "for erin", host.address("erin"))
    assert host.stop() == 0
    assert host.address("erin") in host.tool("list", "accounts", "example.test").stdout
    host.tool("change", "account", host.address("erin"), "enabled=no")
    host.tool("set", "smtp.vrfy", "yes")
    host.start()
    with Smtp(host.port["smtp"]) as c:
        assert "VRFY" in c.capabilities
        c.command("MAIL FROM:<a@elsewhere.test>", 250)
        c.command(f"RCPT TO:<{host.address('erin')}>", 550)
    host.tool("change", "account", host.address("erin"), "enabled=yes")
    assert "for erin" in subjects(host, "erin")


def refused_for_now(c, text):
    c.send(text.encode() + b"\r\n")
    code, texts = c.reply()
    assert 400 <= code < 500, (text, code, texts)


def entries(server, text):
    return [line for line in server.log_text("e").splitlines() if text in line]


def logged_in(server, user):
    c = Smtp(server.port["submission"])
    c.starttls()
    c.login(server.address(user))
    return c


@pytest.fixture
def begin_peer():
    """The server that mail for others goes to; away until it is begun."""
    peers = []

    def begin():
        peers.append(Peer("127.0.0.2", 2525, "good"))
        peers[0].start()
        return peers[0]

    yield begin
    for p in peers:
        p.close()


@pytest.mark.parametrize("kind", SERVERS)
def test_outage(make_server, servers, begin_peer, kind):
    """Everybody is put off and nobody turned away; what was taken is delivered when the database is there again."""
    database = servers.new(kind)
    s = make_server(dsn=database.tcp, settings={"deliver.relay_host": "127.0.0.2:2525", "deliver.starttls": "never", "queue.retry_schedule": "1s",
                                            "net.trusted_ips": "127.0.0.1", "smtp.reject_local_unauthenticated": "yes"})
    s.tool("create", "account", ROOT, f"password={PASSWORD}", "role=system-admin")
    api = Client(s, token=s.tool("create", "token", ROOT, "tests").stdout.strip())
    s.tool("create", "alias", s.address("ally"), f"targets={s.address('alice')}")
    s.tool("create", "domain", "second.test")
    s.tool("create", "alias", s.address("leads-away"), "targets=x@far.test")
    submit(s, "far-away", "x@far.test")
    with Smtp(s.port["smtp"]) as c:
        c.envelope("a@elsewhere.test", s.address("leads-away"))
        c.data(message("forwarded"))
    wait_for("first attempts", lambda: len([r for r in s.tool_json("queue")["rows"] if "Connection refused" in r["answer"]]) == 2)
    s.tool("create", "account", s.address("erin"), f"password={PASSWORD}")  # nobody knows from before what the database says
    begun, ours, mine = Smtp(s.port["smtp"]), logged_in(s, "alice"), Imap(s.port["imap"], s.address("alice"))
    begun.envelope("a@elsewhere.test", s.address("bob"))
    ours.envelope(s.address("alice"))
    ours.command("RSET", 250)
    mine.append("INBOX", message("kept"))
    pids = s.pids()

    servers.script("down", kind)
    with Smtp(s.port["smtp"]) as c:
        c.command("MAIL FROM:<a@elsewhere.test>", 250)
        refused_for_now(c, f"RCPT TO:<{s.address('erin')}>")
        refused_for_now(c, "RCPT TO:<x@other.test>")
    wait_for("the entry", lambda: entries(s, f"database {database.where} cannot be reached: "), timeout=10)
    refused_for_now(ours, f"MAIL FROM:<{s.address('ally')}>")
    begun.command("DATA", 354)
    begun.send(message("in the middle") + b".\r\n")
    code, texts = begun.reply()
    assert code == 250 or 400 <= code < 500, (code, texts)
    with Smtp(s.port["submission"]) as c:
        c.starttls()
        refused_for_now(c, "AUTH PLAIN AGVyaW5AZXhhbXBsZS50ZXN0AHNlY3JldC13b3Jk")
    with Imap(s.port["imap"]) as c:
        c.command(f'LOGIN {s.address("erin")} "{PASSWORD}"', "NO")
        assert "[UNAVAILABLE]" in c.tagged
    with Pop3(s.port["pop3"]) as c:
        c.command(f"USER {s.address('erin')}")
        c.send(f"PASS {PASSWORD}\r\n".encode())
        assert c.line().startswith(b"-ERR [SYS/TEMP]")
    assert api.get("/accounts").status == 503
    refused = s.tool("create", "account", s.address("fred"), f"password={PASSWORD}", check=False)
    assert refused.returncode == 1 and refused.stderr.startswith("posthorn tool: "), refused
    with Smtp(s.port["smtp"], source="127.0.0.77") as c:  # one of us, as he says
        refused_for_now(c, "MAIL FROM:<x@second.test>")
    # What needs no database goes on.
    assert mine.select() == 1
    peer = begin_peer()
    wait_for("far-away", lambda: peer.taken["far-away"] == 1)

    servers.script("up", kind)
    with Smtp(s.port["smtp"]) as c:
        c.envelope("a@elsewhere.test", s.address("erin"))
        c.data(message("after it"))
    ours.envelope(s.address("ally"), s.address("carol"))
    ours.data(message("by ally"))
    wait_for("forwarded", lambda: peer.taken["forwarded"] == 1)
    assert peer.senders["forwarded"].startswith("MAIL From:<SRS0="), peer.senders
    wait_for("after it", lambda: subjects(s, "erin") == ["after it"])
    wait_for("by ally", lambda: subjects(s, "carol") == ["by ally"])
    wait_for("what was taken in the middle", lambda: subjects(s, "bob") == ["in the middle"] * (code == 250))
    wait_for("the queue", lambda: s.tool("queue").stdout.strip() == "the queue is empty")
    assert api.get("/accounts").status == 200
    assert s.pids() == pids
    for word in ("cannot be reached: ", "is there again, "):  # once from each process that noticed
        assert 1 <= len(entries(s, f"database {database.where} {word}")) <= len(pids) + 1, s.log_text("e")
    assert "posthorn:posthorn@" not in s.log_text("e")


@pytest.mark.parametrize("kind", SERVERS)
def test_module_that_ends_meanwhile_comes_back(make_server, servers, kind):
    s = make_server(dsn=servers.new(kind).socket)
    s.expect_end("access")
    servers.script("down", kind)
    s.kill("access")
    wait_for("why it does not start", lambda: entries(s, "module access cannot start: "))
    servers.script("up", kind)
    s.wait_port(s.port["imap"])
    assert subjects(s, "alice") == []


@pytest.mark.parametrize("kind", SERVERS)
def test_server_that_hangs(make_server, servers, kind):
    """It takes connections and statements and never answers. Nobody waits for ever, and those who need no database not at all."""
    database = servers.new(kind)
    s = make_server(dsn=database.tcp + "?timeout_ms=300")
    s.tool("create", "account", s.address("erin"), f"password={PASSWORD}")  # nobody knows from before what the database says
    mine = Imap(s.port["imap"], s.address("alice"))
    pids = s.pids()
    clients = [Smtp(s.port["smtp"]) for _ in range(40)]  # more than connections to the database
    with Smtp(s.port["smtp"]) as c:  # one connection is there
        c.command("MAIL FROM:<a@elsewhere.test>", 250)
        c.command(f"RCPT TO:<{s.address('nobody')}>", 550)
    servers.script("freeze", kind)
    try:
        for c in clients:
            c.command("MAIL FROM:<a@elsewhere.test>", 250)
            c.send(f"RCPT TO:<{s.address('erin')}>\r\n".encode())
        mine.append("INBOX", message("kept"))
        assert mine.select() == 1
        for c in clients:
            code, texts = c.reply()
            assert 400 <= code < 500, (code, texts)
            c.close()
        wait_for("the entry", lambda: entries(s, f"database {database.where} cannot be reached: "))
    finally:
        servers.script("thaw", kind)
    submit(s, "after it", s.address("erin"))
    wait_for("after it", lambda: subjects(s, "erin") == ["after it"])
    assert s.pids() == pids
