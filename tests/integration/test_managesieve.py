"""ManageSieve by a real client (sieve-connect) and by hand: TLS, scripts that delivery then runs, the service's place among the others."""
import base64
import os
import shutil
import smtplib
import socket
import subprocess

import pytest

from conftest import PASSWORD, wait_for
from scram import Scram
from wire import Imap, Line

SCRIPT = 'require ["fileinto", "mailbox"];\nif header :contains "subject" "sport" {\n    fileinto :create "Sport";\n}\n'


@pytest.fixture(scope="module")
def host(make_module_server):
    return make_module_server(settings={"auth.plain_without_tls": "always", "auth.cram_md5": "yes", "auth.digest_md5": "yes"}, users=("alice", "bob", "carol", "dave"))


class Sieve(Line):
    """A client in few words: commands out, answers with their lines in."""

    def __init__(self, server, user=None, tls=False):
        super().__init__(server.port["managesieve"])
        self.greeting = self.answer()
        if tls:
            assert self.ask("STARTTLS")[-1].startswith("OK")
            self.wrap_tls()
            self.greeting = self.answer()
        if user:
            secret = base64.b64encode(f"\0{server.address(user)}\0{PASSWORD}".encode()).decode()
            assert self.ask(f'AUTHENTICATE "PLAIN" "{secret}"')[-1].startswith("OK")

    def answer(self):
        """Lines up to OK, NO or BYE; of literals the text."""
        lines = []
        while True:
            line = self.line().decode()
            while line.endswith("}"):
                head, n = line[:-1].rsplit("{", 1)
                line = head + self.exactly(int(n)).decode() + self.line().decode()
            lines.append(line)
            if line.split(" ")[0] in ("OK", "NO", "BYE"):
                return lines

    def ask(self, command):
        self.send(command.encode() + b"\r\n")
        return self.answer()

    def put(self, name, text):
        return self.ask(f'PUTSCRIPT "{name}" {{{len(text.encode())}+}}\r\n{text}')


def connect(server, user, *words, mechanism):
    """sieve-connect with a password from a file, as its manual has it. Without --nosrv it asks for SRV records of 127.0.0.1, and waits
    for a name server that nobody is, seconds at each call: the server and the port are given."""
    secret = server.dir / "password"
    secret.write_text(PASSWORD + "\n")
    fd = os.open(secret, os.O_RDONLY)
    try:
        return subprocess.run(["sieve-connect", "--server", "127.0.0.1", "--port", str(server.port["managesieve"]), "--nosrv", "--user", server.address(user),
                               "--passwordfd", str(fd), "--notlsverify", "--authmech", mechanism, *words],
                              capture_output=True, text=True, timeout=120, pass_fds=(fd,))
    finally:
        os.close(fd)


@pytest.mark.skipif(not shutil.which("sieve-connect"), reason="needs sieve-connect")
@pytest.mark.parametrize("mechanism", ["PLAIN", "DIGEST-MD5", "CRAM-MD5"])
def test_sieve_connect(host, tmp_path, mechanism):
    """Stores, activates, lists, fetches and deletes."""
    user = {"PLAIN": "alice", "DIGEST-MD5": "bob", "CRAM-MD5": "dave"}[mechanism]
    script = tmp_path / "main.sieve"
    script.write_text(SCRIPT)
    r = connect(host, user, "--localsieve", str(script), "--remotesieve", "main", "--upload", mechanism=mechanism)
    assert r.returncode == 0, r.stdout + r.stderr
    r = connect(host, user, "--remotesieve", "main", "--activate", mechanism=mechanism)
    assert r.returncode == 0, r.stdout + r.stderr
    r = connect(host, user, "--list", mechanism=mechanism)
    assert r.returncode == 0 and '"main" ACTIVE' in r.stdout, r.stdout + r.stderr
    assert [row["active"] for row in host.tool_json("sieve", "list", host.address(user))["rows"]] == ["*"]
    back = tmp_path / "back.sieve"
    r = connect(host, user, "--localsieve", str(back), "--remotesieve", "main", "--download", mechanism=mechanism)
    assert r.returncode == 0 and back.read_text() == SCRIPT, r.stdout + r.stderr
    script.write_text("keep;\nnonsense;\n")
    r = connect(host, user, "--localsieve", str(script), "--remotesieve", "wrong", "--upload", mechanism=mechanism)
    assert r.returncode != 0 and "line 2" in r.stdout + r.stderr
    r = connect(host, user, "--deactivate", mechanism=mechanism)
    assert r.returncode == 0, r.stdout + r.stderr
    r = connect(host, user, "--remotesieve", "main", "--delete", mechanism=mechanism)
    assert r.returncode == 0, r.stdout + r.stderr
    assert host.tool_json("sieve", "list", host.address(user))["rows"] == []


def test_a_stored_script_is_run_at_delivery(host):
    c = Sieve(host, "carol", tls=True)
    assert c.put("main", SCRIPT) == ['OK "Stored"']
    assert c.ask('SETACTIVE "main"')[-1].startswith("OK")
    with smtplib.SMTP("127.0.0.1", host.port["smtp"], timeout=60) as s:
        s.sendmail("x@elsewhere.test", host.address("carol"), "Subject: sport news\r\n\r\nx\r\n")
    wait_for("the message in its folder", lambda: host.tool_json("events", "name=sieve.filed")["rows"])
    Imap(host.port["imap"], host.address("carol")).command("SELECT Sport")
    assert c.ask("LISTSCRIPTS") == ['"main" ACTIVE', "OK"]
    c.ask("LOGOUT")
    audit = host.tool("audit").stdout
    assert "sieve main" in audit and host.address("carol") in audit


def test_scram(host):
    """RFC 5802: the server's proof is in the OK; a wrong one of the client is refused."""
    c = Sieve(host)

    def exchange(password):
        scram = Scram("SCRAM-SHA-256", host.address("bob"), password)
        send = lambda text: base64.b64encode(text.encode()).decode()
        c.send(f'AUTHENTICATE "SCRAM-SHA-256" "{send(scram.first())}"\r\n'.encode())
        challenge = base64.b64decode(c.line().strip(b'"')).decode()
        answer = c.ask(f'"{send(scram.final(challenge))}"')
        return answer, send(scram.proof)

    assert exchange("wrong")[0] == ['NO "Authentication failed"']
    answer, expected = exchange(PASSWORD)
    assert answer == [f'OK (SASL "{expected}") "Logged in"']
    assert c.ask("LISTSCRIPTS")[-1] == "OK"


def test_capabilities_change_with_tls(host):
    host.tool("set", "auth.plain_without_tls", "never")
    try:
        c = Sieve(host)
        assert '"STARTTLS"' in c.greeting and "PLAIN" not in " ".join(c.greeting)
        assert c.ask('AUTHENTICATE "PLAIN" "AHgAeQ=="')[0].startswith("NO (ENCRYPT-NEEDED)")
        c = Sieve(host, "alice", tls=True)
        assert "PLAIN" in " ".join(c.greeting) and '"STARTTLS"' not in c.greeting
    finally:
        host.tool("set", "auth.plain_without_tls", "always")


def test_it_is_a_service_like_the_others(host):
    row = [r for r in host.tool_json("service", "list")["rows"] if r["service"] == "managesieve"][0]
    assert row["state"] == "running" and row["module"] == "access"
    assert [b["address"] for b in row["bindings"]] == [f"127.0.0.1:{host.port['managesieve']}"]
    c = Sieve(host, "alice")
    mine = [r for r in host.tool_json("sessions", host.address("alice"))["rows"] if r["service"] == "managesieve"]
    assert len(mine) == 1 and mine[0]["state"] == "AUTHENTICATE"
    host.tool("service", "restart", "managesieve")
    assert c.answer()[-1].startswith("BYE (TRYLATER)")
    host.tool("service", "stop", "managesieve")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", host.port["managesieve"]), timeout=5)
    host.tool("service", "start", "managesieve")
    Sieve(host, "alice").ask("LOGOUT")
    log = next((host.logs).glob("v*.log")).read_text()
    assert f"*** {host.address('alice')} 0 stored OK" in log and PASSWORD not in log
    wait_for("the session's end among the events",
             lambda: host.tool_json("events", "service=managesieve", "name=session.end")["rows"])


def test_hostile_literals_cost_nothing(host):
    c = Sieve(host)
    c.send(b'AUTHENTICATE "PLAIN" {1000000000+}\r\n')
    assert c.answer() == ['BYE (QUOTA/MAXSIZE) "Literal is too large"']
    c = Sieve(host, "alice")
    c.send(b'PUTSCRIPT "x" {1000000000+}\r\n')
    assert c.answer() == ['BYE (QUOTA/MAXSIZE) "Literal is too large"']
    c = Sieve(host, "alice")
    assert c.ask('PUTSCRIPT "x" {1000000+}\r\n' + "#" * 1000000)[0].startswith("NO (QUOTA/MAXSIZE)")
    assert c.ask("NOOP") == ['OK "Nothing done"']
