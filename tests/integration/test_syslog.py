"""Log lines at a real rsyslog: the local one, and a remote one by UDP, TCP and TLS; one that is slow, dead, started again or not
to be trusted. Mail never waits for it; every line arrives or is counted."""
import collections
import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest
from conftest import free_base, wait_for
from wire import Smtp

Row = collections.namedtuple("Row", "pri version time host app pid msgid text")
FIELDS = ("pri", "protocol-version", "timestamp:::date-rfc3339", "hostname", "app-name", "procid", "msgid", "msg")


class Rsyslog:
    """Listens at one place; what comes is in rows()."""

    def __init__(self, directory, kind, port=None, cert=None):
        self.dir = pathlib.Path(directory)
        self.port = port or free_base() + 514
        self.out = self.dir / "messages"
        self.kind = kind
        tls = f"""global(DefaultNetstreamDriver="ossl" DefaultNetstreamDriverCAFile="{cert}/ca.pem"
 DefaultNetstreamDriverCertFile="{cert}/cert.pem" DefaultNetstreamDriverKeyFile="{cert}/key.pem")""" if kind == "tls" else ""
        source = {
            "udp": f'module(load="imudp") input(type="imudp" address="127.0.0.1" port="{self.port}" rcvbufSize="4m")',
            "tcp": f'module(load="imtcp") input(type="imtcp" address="127.0.0.1" port="{self.port}")',
            "tls": f'module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")'
                   f'input(type="imtcp" address="127.0.0.1" port="{self.port}")',
            "local": f'module(load="imuxsock" SysSock.Name="{self.port}" SysSock.RateLimit.Interval="0")',
        }[kind]
        template = "\\t".join(f"%{f}%" for f in FIELDS)
        (self.dir / "rsyslog.conf").write_text(f"""{tls}
global(workDirectory="{self.dir}" maxMessageSize="16k")
{source}
template(name="rows" type="string" string="{template}\\n")
*.* action(type="omfile" file="{self.out}" template="rows" fileCreateMode="0644")
""")
        self.proc = None

    def start(self):
        self.proc = subprocess.Popen(["rsyslogd", "-n", "-f", str(self.dir / "rsyslog.conf"), "-i", str(self.dir / "pid")],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.dir / "stderr", "ab"))
        if self.kind in ("tcp", "tls"):
            wait_for("rsyslog listens", lambda: self.alive() and connects(self.port))
        else:
            wait_for("rsyslog is there", lambda: self.alive() and (self.dir / "pid").exists())
        return self

    def alive(self):
        assert self.proc.poll() is None, (self.dir / "stderr").read_text()
        return True

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.proc.terminate()
            self.proc.wait(30)

    def rows(self):
        text = self.out.read_text(errors="replace") if self.out.exists() else ""
        return [Row(*line.split("\t", 7)) for line in text.splitlines() if line.count("\t") >= 7]


def connects(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return True
    except OSError:
        return False


@pytest.fixture
def rsyslog():
    """rsyslog(kind, ...): not started."""
    if not shutil.which("rsyslogd"):
        pytest.skip("rsyslogd is not installed: tools/install-deps.sh test")
    made = []

    def make(kind, **kw):
        d = tempfile.mkdtemp(prefix="ph-rsyslog-", dir="/var/tmp")
        made.append(Rsyslog(d, kind, **kw))
        return made[-1]

    yield make
    for r in made:
        r.stop()
        shutil.rmtree(r.dir, ignore_errors=True)


@pytest.fixture(scope="module")
def cert():
    """A certificate for localhost, by an authority that nobody knows yet."""
    d = pathlib.Path(tempfile.mkdtemp(prefix="ph-cert-", dir="/var/tmp"))
    d.chmod(0o755)
    run = lambda *a: subprocess.run(["openssl", *map(str, a)], check=True, capture_output=True)
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 9, "-subj", "/CN=Test authority", "-keyout", d / "ca.key",
        "-out", d / "ca.pem")
    run("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", d / "key.pem", "-out", d / "csr.pem")
    (d / "ext").write_text("subjectAltName=DNS:localhost\n")
    run("x509", "-req", "-in", d / "csr.pem", "-CA", d / "ca.pem", "-CAkey", d / "ca.key", "-CAcreateserial", "-days", 9,
        "-extfile", d / "ext", "-out", d / "cert.pem")
    yield d
    shutil.rmtree(d, ignore_errors=True)


def send_to(server, rsyslog, host="127.0.0.1"):
    server.tool("set", "log.syslog_protocol", rsyslog.kind)
    server.tool("set", "log.syslog_server", f"{host}:{rsyslog.port}")


def say(server, *texts):
    with Smtp(server.port["smtp"]) as c:
        for t in texts:
            c.command(f"NOOP {t}", 250)
        c.quit()


def counter(server, name):
    return sum(r["value"] for r in server.tool_json("stats")["rows"] if r["name"] == name)


def arrived(rsyslog, text):
    return [r for r in rsyslog.rows() if r.text.endswith(text)]


@pytest.mark.parametrize("kind,host", [("udp", "127.0.0.1"), ("tcp", "localhost"), ("tls", "localhost")])
def test_lines_arrive(make_server, rsyslog, cert, kind, host):
    r = rsyslog(kind, cert=cert).start()
    s = make_server(env={"SSL_CERT_FILE": str(cert / "ca.pem")})
    send_to(s, r, host)
    began = time.time()
    say(s, "the first", "l\u00e4nger", "the last")
    wait_for("the last line", lambda: arrived(r, "<<< NOOP the last"))
    log = s.log_text("s").splitlines()
    first = next(i for i, line in enumerate(log) if line.endswith("<<< NOOP the first"))
    mine = [line for line in log if log[first].split("[")[1][:4] in line]
    assert len(mine) > 8
    for line in mine[2:]:
        wait_for(line, lambda: [row for row in arrived(r, line) if row.msgid == "smtp"])
    row = arrived(r, "<<< NOOP the first")[0]
    assert row.pri == str(2 << 3 | 6) and row.version == "1" and row.host == "mail.example.test" and row.app == "posthorn"
    assert row.pid == str(s.proc.pid)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row.time), row
    assert abs(time.mktime(time.strptime(row.time[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone - began) < 60
    # Continuation lines come as lines of their own; errors with their severity.
    assert arrived(r, "250-PIPELINING") or arrived(r, "250 PIPELINING"), [x.text for x in r.rows()]
    pid = s.kill("access")
    row = wait_for("an error", lambda: [x for x in r.rows() if x.msgid == "errors" and f"process {pid}" in x.text])[0]
    assert row.pri == str(2 << 3 | 3), row
    s.tool("set", "log.syslog_server", "")
    say(s, "not for you")
    wait_for("the file", lambda: "not for you" in s.log_text("s"))
    s.tool("set", "log.syslog_server", f"{host}:{r.port}")
    say(s, "for you again")
    wait_for("it goes on", lambda: arrived(r, "NOOP for you again"))
    assert not arrived(r, "NOOP not for you")
    assert counter(s, "syslog_lines_lost") == 0


def test_an_untrusted_server_gets_nothing(make_server, rsyslog, cert):
    r = rsyslog("tls", cert=cert).start()
    s = make_server()
    send_to(s, r, "localhost")
    say(s, "secret")
    wait_for("the reason", lambda: "its certificate is not valid for it" in s.log_text("e"))
    assert not r.rows()
    # The authority is known, the name is another.
    s.tool("set", "log.syslog_verify", "no")
    wait_for("what has waited", lambda: arrived(r, "NOOP secret"))
    wait_for("the log says so", lambda: "are sent to the syslog server" in s.log_text("e"))


def test_a_certificate_of_another_name(make_server, rsyslog, cert):
    r = rsyslog("tls", cert=cert).start()
    s = make_server(env={"SSL_CERT_FILE": str(cert / "ca.pem")})
    send_to(s, r, "127.0.0.1")
    say(s, "secret")
    wait_for("the reason", lambda: "its certificate is not valid for it" in s.log_text("e"))
    assert not r.rows()


def flood(server, n, size=400):
    """n lines of the log and n answers, without waiting for each."""
    with Smtp(server.port["smtp"]) as c:
        for i in range(0, n, 50):
            c.send(b"".join(b"NOOP %d %s\r\n" % (k, b"x" * size) for k in range(i, i + 50)))
            for _ in range(50):
                c.expect(250)
        c.quit()


@pytest.mark.parametrize("how", ["dead", "deaf"])
def test_a_server_that_does_not_take_them(make_server, rsyslog, how):
    """Mail flows, the rest is counted; once it is back, what was kept arrives. (What a deaf one had in its buffers is lost.)"""
    r = rsyslog("tcp")
    s = make_server(settings={"log.smtp": "debug", "events.transcripts": "no"})
    deaf = socket.socket()
    if how == "deaf":
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deaf.bind(("127.0.0.1", r.port))
        deaf.listen(50)
    send_to(s, r)
    began = time.monotonic()
    n = 0
    while counter(s, "syslog_lines_lost") < 1000:
        flood(s, 2000)
        n += 2000
        assert n < 60000
    took = time.monotonic() - began
    print(f"{n} lines of 400 bytes in {took:.1f} s")
    say(s, "behind it")
    wait_for("the file has all", lambda: "NOOP behind it" in s.log_text("s"))
    deaf.close()
    r.start()

    def all_there():
        say(s, "are you there")
        return arrived(r, "NOOP are you there") and "were not sent to the syslog server" in s.log_text("e")

    wait_for("they arrive", all_there, interval=0.3)
    wait_for("they are told of", lambda: sum(map(int, re.findall(r"(\d+) log lines were not sent", s.log_text("e")))) ==
             counter(s, "syslog_lines_lost"), interval=0.2)
    numbers = [int(m.group(1)) for row in r.rows() if (m := re.search(r"<<< NOOP (\d+) x", row.text))]
    file = len(re.findall(r"<<< NOOP \d+ x", s.log_text("s")))
    assert file == n and 5000 < len(numbers) < n
    if how == "dead":
        # Each line is there or counted: of a session its NOOPs, their answers, and the rest.
        lines = s.log_text("s").count("\n")
        there = sum(row.msgid == "smtp" for row in r.rows())
        assert there + counter(s, "syslog_lines_lost") >= lines - 200, (there, lines)
        assert numbers[:2000] == list(range(2000))


def test_a_restart_of_either(make_server, rsyslog):
    r = rsyslog("tcp").start()
    s = make_server()
    send_to(s, r)
    say(s, "one")
    wait_for("the first", lambda: arrived(r, "NOOP one"))
    r.stop()
    say(s, "two")
    r.start()
    wait_for("what was said meanwhile", lambda: arrived(r, "NOOP two"))
    s.kill("control")
    say(s, "three")
    wait_for("what was said while the sender was away", lambda: arrived(r, "NOOP three"))
    assert len(arrived(r, "NOOP one")) == 1
    assert counter(s, "syslog_lines_lost") == 0


def test_nobody_listens_by_udp(make_server, rsyslog):
    r = rsyslog("udp")
    s = make_server()
    send_to(s, r)
    wait_for("refusals are counted", lambda: say(s, "anybody") or counter(s, "syslog_lines_lost") > 5, interval=0.1)
    wait_for("it is told", lambda: "refuses them" in s.log_text("e"))
    assert s.log_text("e").count("refuses them") == 1
    r.start()
    wait_for("it goes on", lambda: say(s, "somebody") or arrived(r, "NOOP somebody"), interval=0.1)


def test_hostile_lines(make_server, rsyslog):
    """What a peer says makes no second message, no other priority, and is cut where a message ends."""
    r = rsyslog("tcp").start()
    s = make_server(settings={"log.max_line": "64KiB"})
    send_to(s, r)
    say(s, "<0>1 - - - - - forged", "x" * 900)
    with Smtp(s.port["smtp"]) as c:
        c.send(b"NOOP \x00\x1b[2J\xff\xfe\r\n")
        c.reply()
    say(s, "the end")
    wait_for("the end", lambda: arrived(r, "NOOP the end"))
    rows = r.rows()
    assert {row.app for row in rows} == {"posthorn"} and {row.pri for row in rows} <= {"22", "20", "19"}
    assert any("<0>1 - - - - - forged" in row.text for row in rows)
    assert any("\\x1b[2J\\xff\\xfe" in row.text for row in rows), [row.text for row in rows]


@pytest.mark.parametrize("words,told", [
    (("log.syslog_server", "a b"), ("log.syslog_server: 'a b' is not valid", "host:port")),
    (("log.syslog_protocol", "relp"), ("log.syslog_protocol", "'relp'", "udp", "tls"))])
def test_bad_settings(make_server, words, told):
    s = make_server(start=False)
    r = s.tool("set", *words, check=False)
    assert r.returncode and all(t in r.stderr for t in told), r.stderr


# --- the system log of this machine ---

@pytest.fixture
def own_dev():
    """A /dev of the test's own, for /dev/log: devices, and nothing else."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000) < 0:
        pytest.skip(f"cannot make a mount namespace: {os.strerror(ctypes.get_errno())}")
    d = pathlib.Path(tempfile.mkdtemp(prefix="ph-dev-", dir="/var/tmp"))
    run = lambda *a: subprocess.run(list(map(str, a)), check=True, capture_output=True)
    try:
        run("mount", "--make-rprivate", "/")
        run("mount", "-t", "tmpfs", "-o", "mode=0755", "posthorn-test", d)
        for name in ("null", "zero", "full", "random", "urandom", "tty"):
            run("cp", "-a", f"/dev/{name}", d / name)
        for name in ("shm", "pts"):
            (d / name).mkdir()
            run("mount", "--bind", f"/dev/{name}", d / name)
        for name, to in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
            (d / name).symlink_to(to)
        run("mount", "--rbind", d, "/dev")
    except (subprocess.CalledProcessError, OSError) as e:
        pytest.skip(f"cannot mount: {getattr(e, 'stderr', e)}")
    yield
    subprocess.run(["umount", "-l", "/dev"], check=False)
    subprocess.run(["umount", "-l", str(d)], check=False)
    os.rmdir(d)


def test_the_local_system_log(own_dev, make_server, rsyslog):
    """logcfg.syslog.local, by the setting and by its name in the administrators' API; a system log that is away for a time."""
    r = rsyslog("local", port="/dev/log").start()
    s = make_server()
    say(s, "too early")
    wait_for("the file", lambda: "NOOP too early" in s.log_text("s"))
    s.tool("set", "C_System_Logging_General_SystemLogFunction", "1")
    assert s.tool("get", "log.syslog").stdout.strip() == "yes"
    say(s, "seen")
    row = wait_for("the line", lambda: arrived(r, "<<< NOOP seen"))[0]
    assert row.pri == "22" and row.app == "posthorn" and row.pid == str(s.proc.pid), row
    assert not arrived(r, "NOOP too early")
    r.stop()
    say(s, "unheard")
    r.start()
    wait_for("it goes on", lambda: say(s, "back") or arrived(r, "NOOP back"), interval=0.1)
    wait_for("its line", lambda: "NOOP unheard" in s.log_text("s"))
