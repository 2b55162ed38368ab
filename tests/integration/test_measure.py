"""bench/posthorn.sh, which those who measure from outside start servers with: what it takes from the environment, what it writes,
what it leaves behind."""
import imaplib
import json
import os
import pathlib
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile

import pytest
from conftest import BIN, TOP, free_base

SCRIPT = TOP / "bench/posthorn.sh"
# The keys of a target file, and the ports in it.
PORTS = {"smtp": 25, "submission": 587, "submissions": 465, "imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995, "http": 80, "https": 443}
KEYS = {"name", "host", "user", "users", "password", "idle_wait", "pids", *PORTS}


class Measured:
    def __init__(self, directory, **variables):
        self.dir, self.base = directory, free_base()
        self.env = dict(os.environ, POSTHORN_BIN=os.path.abspath(BIN), **variables)

    def run(self, *words):
        return subprocess.run([SCRIPT, *map(str, words)], env=self.env, check=True, capture_output=True, text=True, timeout=120).stdout

    def start(self, **variables):
        self.env.update(variables)
        self.target = json.loads(self.run("start", self.dir, self.base))
        return self.target

    def stop(self):
        self.run("stop", self.dir)

    def processes(self):
        """All that have this directory in their command line or descend from one that has."""
        parents, found = {}, set()
        for p in filter(str.isdigit, os.listdir("/proc")):
            try:
                parents[int(p)] = int(open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()[1])
                if str(self.dir).encode() in open(f"/proc/{p}/cmdline", "rb").read():
                    found.add(int(p))
            except OSError:
                continue
        while more := {p for p, parent in parents.items() if parent in found} - found:
            found |= more
        return found


@pytest.fixture
def measured():
    """Not below /root or /tmp/pytest-of-root: the server's user may not enter those."""
    m = Measured(pathlib.Path(tempfile.mkdtemp(prefix="ph-measure-", dir="/var/tmp")))
    yield m
    m.stop()
    shutil.rmtree(m.dir)


def log_in(target, user, password):
    c = imaplib.IMAP4(target["host"], target["imap"], timeout=60)
    try:
        return c.login(user, password)[0] == "OK"
    except c.error:
        return False
    finally:
        c.logout()


def test_environment(measured):
    t = measured.start(DOMAIN="tuned.test", PREFIX="mail%02d", FIRST="7", USERS="3", PASSWORD="other")
    assert t == json.loads((measured.dir / "target.json").read_text())
    assert set(t) == KEYS
    assert {k: t[k] - measured.base for k in PORTS} == PORTS
    assert (t["host"], t["user"], t["users"], t["password"]) == ("127.0.0.1", "mail%02d@tuned.test", 3, "other")
    there = [i for i in (6, 7, 9, 10) if log_in(t, t["user"] % i, t["password"])]
    assert there == [7, 9]
    assert log_in(t, "postmaster@tuned.test", "other") and not log_in(t, t["user"] % 7, "bench")
    admin = json.loads((measured.dir / "admin.json").read_text())
    assert set(admin) == {"user", "password", "token"} and log_in(t, admin["user"], admin["password"])
    # Certificates for localhost and the domain, ECDSA P-256, on each port that speaks TLS from the start.
    tls = ssl.create_default_context(cafile=measured.dir / "cert.pem")
    tls.set_ciphers("ECDSA")
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    for name in ("localhost", "tuned.test"):
        for port in ("imaps", "pop3s", "submissions", "https"):
            with socket.create_connection((t["host"], t[port]), timeout=60) as s, tls.wrap_socket(s, server_hostname=name) as c:
                assert c.cipher()[0].startswith("ECDHE-ECDSA")
    # All of its processes end with it.
    running = measured.processes()
    assert set(t["pids"]) < running and len(running) >= 4
    measured.stop()
    assert not [p for p in running if os.path.exists(f"/proc/{p}")] and not measured.processes()
    with pytest.raises(OSError):
        socket.create_connection((t["host"], t["smtp"]), timeout=60)


def submit(target, recipient):
    with smtplib.SMTP(target["host"], target["smtp"], timeout=60) as c:
        c.sendmail("u000@bench.test", recipient, b"Subject: x\r\n\r\nx\r\n")


def test_resolver_and_relay(measured):
    """A name server that is asked, and in the same directory afterwards a relay that all mail for others goes to."""
    with socket.socket(type=socket.SOCK_DGRAM) as dns, socket.socket() as relay:
        for s in (dns, relay):
            s.bind(("127.0.0.1", 0))
            s.settimeout(60)
        resolver, host = ("127.0.0.1:%d" % s.getsockname()[1] for s in (dns, relay))
        t = measured.start(RESOLVER=resolver)
        assert (t["user"], t["users"], t["password"]) == ("u%03d@bench.test", 100, "bench")
        submit(t, "x@first.elsewhere.test")
        while b"\x05first\x09elsewhere\x04test" not in dns.recv(4096):
            pass
        measured.stop()
        relay.listen()
        t = measured.start(RELAY=host)
        submit(t, "x@second.elsewhere.test")
        with relay.accept()[0] as c:
            c.sendall(b"220 relay\r\n")
            assert c.recv(4096).startswith(b"EHLO ")
        assert log_in(t, t["user"] % 99, t["password"])
