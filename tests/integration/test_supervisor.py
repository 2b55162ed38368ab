"""The supervisor and its modules: crashes, back-off, reloads, certificates, the drain, privileges, start errors, service
manager, watchdog, and hostile input on the control socket."""
import contextlib
import fcntl
import grp
import imaplib
import itertools
import json
import os
import pathlib
import pwd
import re
import signal
import smtplib
import socket
import sqlite3
import ssl
import stat
import subprocess
import tempfile
import threading
import time

import pytest
from conftest import BIN, PASSWORD, TOP, wait_for
from test_basics import BODY, imap, insecure_tls, message_count, send


def errors(server):
    return server.log_text("e")


def serve(server, *more, env=None, timeout=60):
    """`posthorn serve` that is expected to fail: (status, text)."""
    r = subprocess.run([BIN, "serve", *server.args(), "--quiet", *more], capture_output=True, text=True, timeout=timeout,
                       env=dict(server.env, **(env or {})))
    return r.returncode, r.stdout + r.stderr


def connects(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


# --- crashes ---

@pytest.mark.parametrize("module,sig", [("smtp", "SIGKILL"), ("access", "SIGSYS"), ("control", "SIGABRT")])
def test_a_crashed_module_starts_again(make_server, module, sig):
    s = make_server()
    before = s.pids()
    assert set(before) == {"smtp", "access", "control"}
    s.kill(module, getattr(signal, sig))
    # The listening sockets belong to the supervisor too: nobody is refused meanwhile.
    for _ in range(50):
        assert connects(s.port["smtp"]) and connects(s.port["imap"]) and connects(s.port["pop3"])
    after = wait_for("a new process", lambda: p if (p := s.pids()).get(module, before[module]) != before[module] else None)
    assert {m: after[m] for m in after if m != module} == {m: before[m] for m in before if m != module}
    number = getattr(signal, sig).value
    assert re.search(rf"module {module} \(process {before[module]}\) was ended by signal {number} \(.+\) after \d+ s; "
                     r"it starts again in 200 ms", errors(s))
    send(s)
    wait_for("delivery", lambda: message_count(s, "bob") == 1)
    wait_for("the control socket", lambda: s.tool("sessions", check=False).returncode == 0)


def test_back_off_grows(make_server):
    s = make_server()
    waits = []
    for _ in range(4):
        wait_for("running", lambda: s.pids().get("access"))
        pid = s.kill("access")
        wait_for("gone", lambda: s.pids().get("access") != pid)
        waits = wait_for("logged", lambda: w if len(w := re.findall(r"module access .* again in (\d+) ms", errors(s))) > len(waits) else None)
    assert [int(w) for w in waits] == [200, 400, 800, 1600]
    s.wait_port(s.port["imap"])


def test_a_module_that_cannot_start_says_why(make_server):
    s = make_server(start=False)
    (s.data / "mail").rmdir() if not any((s.data / "mail").iterdir()) else None
    blocked = s.data / "temp" / "POP3"
    subprocess.run(["rm", "-rf", str(blocked)], check=True)
    blocked.write_text("in the way")
    os.chmod(s.data / "temp", 0o500)
    if s.user:
        os.chown(s.data / "temp", pwd.getpwnam(s.user).pw_uid, -1)
    s.expect_end("access")
    s.expect_end("smtp")
    log = open(s.dir / "serve.log", "ab")
    s.proc = subprocess.Popen([BIN, "serve", *s.args(), "--quiet"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=s.env)
    wait_for("the reason in the error log", lambda: "module access cannot start: " in errors(s))
    assert "POP3" in re.search("module access cannot start: (.*)", errors(s)).group(1)
    wait_for("tried again", lambda: re.search(r"module access \(process \d+\) ended with status 1 .* again in 400 ms", errors(s)))
    os.chmod(s.data / "temp", 0o700)
    blocked.unlink()
    s.wait_port(s.port["imap"])  # by itself, once the cause is gone


# --- reload ---

def make_certificate(path, name, more=""):
    """A self-signed certificate and key in one file."""
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                        "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}{more}", "-keyout", f"{d}/k", "-out", f"{d}/c"],
                       check=True, capture_output=True)
        text = pathlib.Path(f"{d}/c").read_text() + pathlib.Path(f"{d}/k").read_text()
    path.write_text(text)
    os.chmod(path, 0o600)
    if os.geteuid() == 0:
        os.chown(path, pwd.getpwnam("posthorn").pw_uid, -1)


def served_name(server, sni, port="imaps"):
    """Subject of the certificate that a client gets who asks for that name."""
    c = insecure_tls()
    with socket.create_connection(("127.0.0.1", server.port[port]), timeout=60) as raw, c.wrap_socket(raw, server_hostname=sni) as t:
        der = t.getpeercert(binary_form=True)
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject"], input=der, capture_output=True, check=True).stdout.decode()
    return text.split("CN = ")[1].strip()


class Idle:
    """An IMAP session in IDLE on a raw socket."""

    def __init__(self, server, user, tls=False):
        self.s = socket.create_connection(("127.0.0.1", server.port["imaps" if tls else "imap"]), timeout=60)
        if tls:
            self.s = insecure_tls().wrap_socket(self.s)
        self.f = self.s.makefile("rwb")
        self.line()
        self.command(f"a LOGIN {server.address(user)} {PASSWORD}", "a ")
        self.command("b SELECT INBOX", "b ")
        self.command("c IDLE", "+ ")

    def command(self, text, until):
        self.f.write(text.encode() + b"\r\n")
        self.f.flush()
        while not (l := self.line()).startswith(until):
            assert l
        assert "OK" in l or l.startswith("+"), l

    def line(self):
        return self.f.readline().decode()


def test_sighup_keeps_connections_and_brings_settings_and_certificates(make_server):
    s = make_server()
    idle, idle_tls = Idle(s, "bob"), Idle(s, "bob", tls=True)
    pids = s.pids()
    old = served_name(s, "mail.example.test")
    make_certificate(s.data / "certs" / "default.pem", "renewed.example.test")
    assert served_name(s, "mail.example.test") == old
    # A setting that is written behind the server's back, as another node does with a shared database.
    with sqlite3.connect(s.data / "config" / "system.db") as db:
        row = db.execute("SELECT * FROM setting LIMIT 1")
        columns = [c[0] for c in row.description]
        db.execute(f"INSERT INTO setting ({columns[0]}, {columns[1]}) VALUES ('smtp.max_recipients', '3')")
    s.proc.send_signal(signal.SIGHUP)
    wait_for("the new certificate", lambda: served_name(s, "mail.example.test") == "renewed.example.test")

    def refused_fourth():
        with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60) as c:
            c.ehlo("c.test")
            c.mail("x@elsewhere.test")
            return [c.rcpt(f"{u}@example.test")[0] for u in ("alice", "bob", "carol", "postmaster")][-1] == 452
    wait_for("the new setting", refused_fourth)
    assert s.pids() == pids
    send(s)
    for c in (idle, idle_tls):  # they are alive: the new mail reaches them
        while not (l := c.line()).endswith("EXISTS\r\n"):
            assert l
    assert "was not" not in errors(s) and "were not" not in errors(s)


def test_a_broken_certificate_does_not_replace_a_good_one(make_server):
    s = make_server()
    name = served_name(s, "mail.example.test")
    (s.data / "certs" / "default.pem").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    s.proc.send_signal(signal.SIGHUP)
    wait_for("the error", lambda: "default.pem" in errors(s))
    assert served_name(s, "mail.example.test") == name


def test_the_most_specific_name_wins(make_server):
    s = make_server()
    certs = s.data / "certs"
    make_certificate(certs / "wild.pem", "*.example.test")
    make_certificate(certs / "exact.pem", "imap.example.test", ",DNS:pop.example.test")
    make_certificate(certs / "deep.pem", "*.sub.example.test")
    s.tool("reload")
    wait_for("loaded", lambda: served_name(s, "imap.example.test") == "imap.example.test")
    assert served_name(s, "IMAP.Example.Test") == "imap.example.test"
    assert served_name(s, "pop.example.test", "pop3s") == "imap.example.test"
    assert served_name(s, "other.example.test", "smtps") == "*.example.test"
    assert served_name(s, "x.sub.example.test") == "*.sub.example.test"
    default = served_name(s, None)
    assert default not in ("*.example.test", "imap.example.test", "*.sub.example.test")
    assert served_name(s, "a.b.c.elsewhere.test") == default
    (certs / "exact.pem").unlink()
    s.tool("reload")
    wait_for("unloaded", lambda: served_name(s, "imap.example.test") == "*.example.test")


def test_a_bad_setting_in_the_database_does_not_stop_the_start(make_server):
    s = make_server(start=False)
    with sqlite3.connect(s.data / "config" / "system.db") as db:
        columns = [c[0] for c in db.execute("SELECT * FROM setting LIMIT 1").description]
        for name, value in (("smtp.max_recipients", "-5"), ("no.such_setting", "x"), ("log.smtp", "loud"), ("smtp.vrfy", "yes")):
            db.execute(f"INSERT INTO setting ({columns[0]}, {columns[1]}) VALUES (?, ?)", (name, value))
    s.start()
    log = errors(s)
    for part in ("smtp.max_recipients", "'-5'", "no.such_setting", "log.smtp", "'loud'"):
        assert part in log, log
    assert s.tool("get", "smtp.max_recipients").stdout.strip() == "1000"
    assert s.tool("get", "smtp.vrfy").stdout.strip() == "yes"
    s.tool("set", "smtp.max_recipients", "50")  # and can be mended
    assert s.tool("get", "smtp.max_recipients").stdout.strip() == "50"


# --- the end ---

@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_the_drain(make_server, sig):
    s = make_server()
    idle, idle_tls = Idle(s, "alice"), Idle(s, "bob", tls=True)
    quiet = socket.create_connection(("127.0.0.1", s.port["smtp"]), timeout=60)
    assert quiet.recv(1000).startswith(b"220 ")
    data = smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60)
    data.ehlo("c.test")
    data.mail("x@elsewhere.test")
    data.rcpt(s.address("carol"))
    assert data.docmd("DATA")[0] == 354
    data.send(b"Subject: in the middle\r\n\r\nfirst half\r\n")
    s.proc.send_signal(sig)
    for c in (idle, idle_tls):
        lines = list(iter(c.line, ""))
        assert lines and lines[-1].startswith("* BYE "), lines
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := quiet.recv(1000):
            got += piece
    assert got.startswith(b"421 4.3.2 ")
    accepted = None
    with contextlib.suppress(OSError, smtplib.SMTPException):
        data.send(b"second half\r\n.\r\n")
        accepted = data.getreply()
    assert s.proc.wait(60) == 0
    assert not s.unexpected()  # nor had anybody to be ended
    assert not connects(s.port["smtp"])
    assert not (s.data / "run" / "control.sock").exists()
    assert accepted is None or accepted[0] in (250, 421), accepted
    s.start()
    wait_for("the control socket", lambda: s.tool("sessions", check=False).returncode == 0)
    # What was accepted is there; what was not has left nothing.
    if accepted and accepted[0] == 250:
        wait_for("delivery", lambda: message_count(s, "carol") == 1)
    else:
        assert message_count(s, "carol") == 0
    assert s.tool("queue").stdout == "the queue is empty\n"


def test_a_second_signal_does_no_harm(make_server):
    s = make_server()
    for _ in range(5):
        s.proc.send_signal(signal.SIGTERM)
        s.proc.send_signal(signal.SIGHUP)
    assert s.proc.wait(30) == 0


# --- starts that fail ---

def test_a_second_server_is_refused(make_server):
    s = make_server()
    code, text = serve(s)
    assert code == 1 and text.startswith("posthorn: ") and text.count("\n") == 1
    assert str(s.data) in text and "another posthorn serves this data directory" in text
    assert s.tool("sessions").returncode == 0  # the first one is unharmed


def test_a_tool_that_is_at_work_is_waited_for(make_server):
    s = make_server(start=False)
    lock = os.open(s.data / "run/lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    args = [BIN, "serve", *s.args(), "--quiet"]
    waits = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with pytest.raises(subprocess.TimeoutExpired):
        waits.wait(1)
    waits.terminate()  # without having begun
    assert waits.wait(5) == 1 and "a tool is changing it" in waits.stderr.read()
    s.proc = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with pytest.raises(subprocess.TimeoutExpired):
        s.proc.wait(1)
    os.close(lock)
    wait_for("the server", lambda: s.tool("sessions", check=False).returncode == 0)


def test_a_busy_port_is_named(make_server):
    s = make_server(start=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", s.port["imap"]))
        taken.listen()
        code, text = serve(s)
    assert code == 1 and f"127.0.0.1:{s.port['imap']}" in text and "in use" in text, text
    s.start()


def test_wrong_users_and_directories(make_server):
    if os.geteuid():
        pytest.skip("needs root")
    s = make_server(start=False)
    base = [BIN, "serve", "--quiet", "--data"]

    def run(*args):
        r = subprocess.run([*base, *args], capture_output=True, text=True, timeout=60)
        assert r.returncode == 1 and r.stderr.startswith("posthorn: "), r
        return r.stderr

    assert "user 'no-such-user' does not exist; create it (useradd --system no-such-user)" in run(str(s.data), "--user", "no-such-user")
    assert "belongs to posthorn, not to nobody" in run(str(s.data), "--user", "nobody")
    root_dir = s.dir / "of-root"
    root_dir.mkdir()
    (root_dir / "file").write_text("x")
    assert "belongs to root, not to posthorn" in run(str(root_dir), "--user", "posthorn")
    assert root_dir.stat().st_uid == 0
    assert "superuser" in run(str(root_dir), "--user", "root")
    assert "/proc/none" in run("/proc/none", "--user", "posthorn")
    file = s.dir / "file"
    file.write_text("x")
    assert str(file) in run(str(file), "--user", "posthorn")


def test_a_broken_database_is_named(make_server):
    s = make_server(start=False)
    db = s.data / "config" / "system.db"
    for f in db.parent.glob("system.db-*"):
        f.unlink()
    db.write_bytes(b"no database at all, but of some length" * 100)
    code, text = serve(s)
    assert code == 1 and "system.db" in text, text
    (s.data / "config" / "database").write_text("\n")
    code, text = serve(s)
    assert code == 1 and "config/database: the first line must name the database" in text
    (s.data / "config" / "database").write_text("oracle://x\n")
    code, text = serve(s)
    assert code == 1 and "oracle" in text


# --- privileges ---

def status(pid):
    return dict(l.split(":\t", 1) for l in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in l)


def assert_modules_have_none(s):
    user = pwd.getpwnam(s.user)
    for name, pid in s.pids().items():
        st = status(pid)
        assert st["Uid"].split() == [str(user.pw_uid)] * 4, name
        assert st["Gid"].split() == [str(user.pw_gid)] * 4, name
        assert set(st["Groups"].split()) <= {str(g) for g in os.getgrouplist(s.user, user.pw_gid)}
        for cap in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(st[cap], 16) == 0, (name, cap)
        assert st["NoNewPrivs"] == "1" and st["Seccomp"] == "2", name
        for task in os.listdir(f"/proc/{pid}/task"):
            t = status(f"{pid}/task/{task}")
            assert t["Seccomp"] == "2" and int(t["CapEff"], 16) == 0 and t["NoNewPrivs"] == "1", (name, t["Name"])
        env = open(f"/proc/{pid}/environ", "rb").read()
        assert b"NOTIFY_SOCKET" not in env
        assert os.getsid(pid) == pid  # Ctrl-C of a terminal goes to the supervisor alone


def test_modules_have_no_privileges(make_server):
    if os.geteuid():
        pytest.skip("needs root")
    s = make_server()
    user = pwd.getpwnam(s.user)
    assert_modules_have_none(s)
    st = status(s.proc.pid)
    assert st["Uid"].split()[1] == str(user.pw_uid)  # works as the user, keeps root for starting modules
    for p in s.data.rglob("*"):
        assert p.lstat().st_uid == user.pw_uid, p
    # Only what they need is inherited: no listening socket of another module.
    listening = {name: {l for fd in os.listdir(f"/proc/{pid}/fd") if (l := link(pid, fd)).startswith("socket:")} for name, pid in s.pids().items()}
    inodes = {f"socket:[{l.split()[9]}]" for l in open("/proc/net/tcp").read().splitlines()[1:] if l.split()[3] == "0A"}
    assert {name: len(l & inodes) for name, l in listening.items()} == {"smtp": 3, "access": 5, "control": 2}
    for a, b in itertools.combinations(listening.values(), 2):
        assert not a & b & inodes


def link(pid, fd):
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return ""


def test_the_unit_lends_enough_to_drop_all(make_server):
    """With the capabilities of the systemd unit and no more the server serves, and modules drop these, too."""
    if os.geteuid():
        pytest.skip("needs root")
    unit = (TOP / "packaging/posthorn.service.in").read_text()
    names = re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.M)[1].lower().split()
    lent = ",".join("+" + n.removeprefix("cap_") for n in names)
    s = make_server(start=False)
    log = open(s.dir / "serve.log", "ab")
    s.proc = subprocess.Popen(["setpriv", f"--bounding-set=-all,{lent}", "--no-new-privs", BIN, "serve", *s.args(), "--quiet"],
                              stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                              env={**s.env, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"})  # takes CAP_SYS_PTRACE
    s.wait_port(s.port["smtp"])
    s.wait_port(s.port["imap"])
    wait_for("the web server", lambda: connects(s.port["http"]))
    assert bin(int(status(s.proc.pid)["CapBnd"], 16)).count("1") == len(names)
    assert_modules_have_none(s)
    send(s)
    wait_for("delivery", lambda: message_count(s, "bob") == 1)
    s.kill("smtp")  # a module that is started later, too
    s.wait_port(s.port["smtp"])
    assert_modules_have_none(s)
    assert s.stop() == 0


def test_without_root_it_serves_unprivileged_ports(make_server):
    if os.geteuid():
        pytest.skip("is the normal case without root")
    s = make_server(start=False)
    user = pwd.getpwnam(s.user)
    log = open(s.dir / "serve.log", "ab")
    s.proc = subprocess.Popen(["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups", BIN, "serve", "--data",
                               str(s.data), "--quiet"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=s.env)
    s.wait_port(s.port["smtp"])
    s.wait_port(s.port["imap"])
    send(s)
    wait_for("delivery", lambda: message_count(s, "bob") == 1)
    for pid in [s.proc.pid, *s.pids().values()]:
        assert status(pid)["Uid"].split() == [str(user.pw_uid)] * 4
        assert int(status(pid)["CapEff"], 16) == 0
    assert s.stop() == 0


# --- service manager ---

def test_sd_notify(make_server):
    s = make_server(start=False)
    path = s.dir / "notify"
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(path))
    os.chmod(path, 0o777)
    sock.settimeout(30)
    s.env["NOTIFY_SOCKET"] = str(path)
    s.start()

    def told(word):
        while word not in (text := sock.recv(4096).decode()).splitlines():
            assert text
        return text
    told("READY=1")
    s.proc.send_signal(signal.SIGHUP)
    told("RELOADING=1")
    told("READY=1")
    s.proc.send_signal(signal.SIGTERM)
    told("STOPPING=1")
    assert s.proc.wait(30) == 0


# --- watchdog ---

def test_a_hung_module_is_ended(make_server):
    s = make_server(env={"POSTHORN_WATCHDOG_MS": "6000"})
    pid = s.pids()["access"]
    time.sleep(7)
    assert s.pids()["access"] == pid  # a module that only idles is left alone
    s.expect_end(pid)
    os.kill(pid, signal.SIGSTOP)
    wait_for("a new process", lambda: s.pids().get("access", pid) != pid, timeout=40)
    assert re.search(rf"module access \(process {pid}\) has not answered for \d+ s and is ended", errors(s))
    assert re.search(rf"module access \(process {pid}\) was ended by signal \d+", errors(s))
    s.wait_port(s.port["imap"])
    assert message_count(s, "bob") == 0


# --- the control socket ---

def control(server):
    c = socket.socket(socket.AF_UNIX)
    c.settimeout(60)
    c.connect(str(server.data / "run" / "control.sock"))
    return c


def ask(c, request):
    c.sendall((request if isinstance(request, bytes) else json.dumps(request).encode()) + b"\n")
    return answer(c)


def answer(c):
    data = b""
    while not data.endswith(b"\n"):
        piece = c.recv(1 << 20)
        assert piece, data[:200]
        data += piece
    return json.loads(data)


def test_the_control_socket_and_who_uses_it(make_server):
    s = make_server()
    st = (s.data / "run" / "control.sock").stat()
    assert stat.S_IMODE(st.st_mode) == 0o660
    assert not stat.S_IMODE((s.data / "run").stat().st_mode) & 0o007
    s.tool("set", "smtp.max_recipients", "500")
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert s.tool_json("audit", "1")["rows"][0]["admin"] == me
    if os.geteuid():
        return
    user = pwd.getpwnam(s.user)
    as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups"]
    subprocess.run([*as_user, BIN, "tool", "--data", str(s.data), "set", "smtp.max_recipients", "600"], check=True)
    assert s.tool_json("audit", "1")["rows"][0]["admin"] == s.user
    nobody = pwd.getpwnam("nobody")
    os.chmod(s.data, 0o755)
    os.chmod(s.data / "run", 0o755)
    r = subprocess.run(["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", BIN, "tool", "--data",
                        str(s.data), "sessions"], capture_output=True, text=True)
    assert r.returncode == 1 and "permission denied; run this as root or as the server's user" in r.stderr


def test_hostile_requests(make_server):
    s = make_server()
    c = control(s)
    for bad in (b"", b"no json", b"[]", b"1", b"{\"op\": 5}", b"{\"op\": \"x\"", b"\xff\xfe", b"\0", b"{\"op\":\"domain.list\",\"args\":5}",
                b"[" * 5000 + b"]" * 5000, b"{\"op\":\"" + b"x" * 500000 + b"\"}", b"{\"op\":\"setting.get\",\"args\":{\"name\":\"\\u0000\"}}"):
        reply = ask(c, bad)
        assert reply["error"]["code"] < 0 and reply["error"]["text"], bad[:50]
    assert ask(c, {"op": "stats.list"})["ok"] is True  # the same connection goes on
    c.sendall(b"{\"op\":\"stats.list\"}\n" * 20)  # several at once
    got = b""
    while got.count(b"\n") < 20:
        got += c.recv(1 << 20)
    assert all(json.loads(l)["ok"] for l in got.splitlines())
    big = {"op": "queue.list", "args": {"filter": "x" * 500000}}
    assert "error" in ask(c, big)
    assert ask(c, {"op": "queue.list"})["ok"] is True
    for piece in (b'{"op": ', b'"domain', b'.list"', b"}"):  # slowly
        c.sendall(piece)
        time.sleep(0.1)
    c.sendall(b"\n")
    assert answer(c)["ok"] is True


def test_hostile_requests_for_the_api(make_server):
    """The same socket, in the form that the tool uses."""
    s = make_server()
    c = control(s)
    for bad in ({"method": "GET"}, {"method": 5, "path": "/me"}, {"method": "GET", "path": "me"}, {"method": "GET", "path": ["/me"]}, {"method": "GET", "path": ""},
                {"method": "GET", "path": "/me", "who": "root"}, {"method": "GET", "path": "/me", "if_match": 1}, b'{"method":"GET","path":"/\\u0000"}'):
        reply = ask(c, bad)
        assert reply["error"]["code"] < 0 and reply["error"]["text"], bad
    for bad, status in (({"method": "", "path": "/me"}, 405), ({"method": "GET\r\nX: 1", "path": "/me"}, 405), ({"method": "GET", "path": "/" + "x/" * 200000}, 404),
                        ({"method": "GET", "path": "/../../etc/passwd"}, 404), ({"method": "GET", "path": "/me?" + "a=b&" * 5000}, 400),
                        ({"method": "GET", "path": "/accounts/%00"}, 404), ({"method": "GET", "path": "/accounts/%zz"}, 404),
                        ({"method": "POST", "path": "/domains", "body": [[]]}, 422), ({"method": "POST", "path": "/domains", "body": "x" * 500000}, 400),
                        ({"method": "POST", "path": "/domains"}, 415), ({"method": "GET", "path": "/events?topics=sessions"}, 422),
                        ({"method": "POST", "path": "/commands/none", "body": {}}, 404), ({"method": "POST", "path": "/commands/setting.get", "body": {"args": 5}}, 422),
                        ({"method": "POST", "path": "/commands/setting.get", "body": {"args": {"name": {"a": 1}}}}, 422)):
        reply = ask(c, bad)
        assert reply["status"] // 100 == 4 and reply["body"]["detail"] and reply["body"]["status"] == reply["status"], (bad, reply)
        assert reply["status"] == status, (str(bad)[:100], str(reply)[:400])
    for piece in (b'{"method": "GE', b'T", "path"', b': "/me"}'):  # slowly
        c.sendall(piece)
        time.sleep(0.1)
    c.sendall(b"\n")
    assert answer(c)["body"]["role"] == "system-admin"
    c.sendall(b'{"method":"GET","path":"/domains"}\n' * 20 + b'{"op":"domain.list"}\n')
    got = b""
    while got.count(b"\n") < 21:
        got += c.recv(1 << 20)
    assert [json.loads(l).get("status", "op") for l in got.splitlines()] == [200] * 20 + ["op"]


def test_a_request_that_is_too_long(make_server):
    s = make_server()
    c = control(s)
    with contextlib.suppress(OSError):
        c.sendall(b"x" * (2 << 20))
    assert "longer than 1024 KiB" in answer(c)["error"]["text"]
    assert ask(control(s), {"op": "domain.list"})["ok"] is True
    r = s.tool("set", "system.hostname", "x" * 100000, check=False)
    assert r.returncode == 1 and "system.hostname" in r.stderr


def test_many_connections(make_server):
    s = make_server()
    held = [control(s) for _ in range(100)]
    counts = {"served": 0, "refused": 0}
    for c in held:
        with contextlib.suppress(OSError):
            c.sendall(b'{"op": "domain.list"}\n')
        reply = answer(c)
        if "ok" in reply:
            counts["served"] += 1
        else:
            assert "administrators are connected already" in reply["error"]["text"]
            counts["refused"] += 1
    assert counts == {"served": 32, "refused": 68}
    r = s.tool("sessions", check=False)
    assert r.returncode == 1 and "administrators are connected already" in r.stderr
    for c in held:
        c.close()
    wait_for("room again", lambda: s.tool("sessions", check=False).returncode == 0)
    send(s)  # mail was never concerned
    wait_for("delivery", lambda: message_count(s, "bob") == 1)


def test_requests_side_by_side(make_server):
    s = make_server()
    failed = []

    def work(k):
        try:
            c = control(s)
            for i in range(30):
                op = [{"op": "domain.list"}, {"op": "queue.list"}, {"op": "session.list"},
                      {"op": "account.create", "args": {"address": f"p{k}.{i}@example.test"}}][i % 4]
                if "ok" not in (r := ask(c, op)):
                    failed.append(r)
        except Exception as e:  # noqa: BLE001 - reported below
            failed.append(repr(e))
    threads = [threading.Thread(target=work, args=(k,)) for k in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed, failed[:3]
    assert len(s.tool_json("list", "accounts")["rows"]) == 3 + 10 * 7


def test_clients_that_do_not_read_do_not_delay_the_end(make_server):
    s = make_server()
    c = control(s)
    c.sendall(b'{"op": "setting.list"}\n' * 200)  # far more than the socket takes
    d = control(s)
    d.sendall(b'{"op": "half')
    time.sleep(0.3)
    t = time.monotonic()
    assert s.stop() == 0
    assert time.monotonic() - t < 18  # 20 s is what modules have for it


# --- logs ---

def test_login_lines_carry_the_session(make_server):
    """The authentication log names peer and session of each service, as the session's own log does."""
    s = make_server(settings={"log.auth": "extended"})
    imap(s, "alice").logout()
    with smtplib.SMTP("127.0.0.1", s.port["submission"], timeout=60) as c:
        c.starttls(context=insecure_tls())
        c.login(s.address("bob"), PASSWORD)
    logs = pathlib.Path(s.data / "logs")

    def auth_lines():
        return [l for f in logs.rglob("*") if f.is_file() and "auth" in str(f.relative_to(logs)) for l in f.read_text().splitlines()]
    for service, user, letter in (("IMAP", "alice", "m"), ("SMTP", "bob", "s")):
        line = wait_for(service, lambda: [l for l in auth_lines() if service in l and s.address(user) in l])[0]
        session = re.match(r"127\.0\.0\.1 +\[([0-9A-F]{4})\]", line)
        assert session and session.group(1) != "0000", line
        wait_for("the session's own lines", lambda: f"[{session.group(1)}]" in s.log_text(letter))


def test_long_lines_are_cut_where_the_setting_says(make_server):
    s = make_server(settings={"log.max_line": "300"})
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60) as c:
        c.docmd("EHLO " + "x" * 2000)
    text = wait_for("logged", lambda: t if "<<< EHLO" in (t := s.log_text("s")) else "")
    line = [l for l in text.splitlines() if "<<< EHLO" in l][0]
    assert 300 <= len(line) <= 400 and "(cut, 2005 bytes)" in line
    s.tool("set", "log.max_line", "1000")  # live
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60) as c:
        c.docmd("EHLO " + "y" * 2000)
    text = wait_for("logged", lambda: t if "EHLO yyy" in (t := s.log_text("s")) else "")
    line = [l for l in text.splitlines() if "<<< EHLO yyy" in l][0]
    assert 1000 <= len(line) <= 1100 and "(cut, 2005 bytes)" in line
