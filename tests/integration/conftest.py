"""Fixtures: a real server on loopback inside the test run's own network namespace, with domains and accounts.

POSTHORN_BIN names the program. Every server gets its own directory and port base; all are ended by pid.

A module that ends where no test has ended it, and a report of a sanitizer from any process of a server or of the tool, fail the
run: the first when the server is stopped, the second at the end of the test. See test_reports.py.
"""
import mmap
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BIN = os.environ.get("POSTHORN_BIN", str(TOP / "build/posthorn"))
PASSWORD = "secret-word"
_next_base = [2000]


def is_sanitized():
    """Slower by a factor and larger: such tests do not measure."""
    with open(BIN, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
        return m.find(b"__asan_init") >= 0 or m.find(b"__tsan_init") >= 0


SANITIZED = os.path.exists(BIN) and is_sanitized()


def free_base():
    """A port base that no server uses: below the ports that the kernel gives to clients, in turns."""
    for _ in range(30):
        base = _next_base[0]
        _next_base[0] = base + 1000 if base < 30000 else 2000
        with socket.socket() as s:
            try:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", base + 25))
                return base
            except OSError:
                continue
    raise AssertionError("all port bases are in use: servers of earlier tests were not stopped")


class Reports:
    """Files that sanitizers write, one per process: modules have given up their privileges and their terminal, and are
    started again before anybody looks."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ph-reports-", dir="/var/tmp"))
        self.dir.chmod(0o1777)
        self.seen = {}
        for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            os.environ[name] = f"{os.environ.get(name, '')} log_path={self.dir}/report".strip()

    def new(self):
        """What was written since the last call: a list of texts."""
        out = []
        for f in sorted(self.dir.iterdir()):
            text = f.read_text(errors="replace")
            if len(text) > self.seen.get(f, 0):
                out.append(text[self.seen.get(f, 0):])
            self.seen[f] = len(text)
        return out


reports = None  # made by pytest_configure


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: long load, crash and soak runs, and what measures speed: make slow")
    config.addinivalue_line("markers", "plain: the time of a client only, by the server's code of other tests: not under sanitizers")
    here = os.readlink("/proc/self/ns/net")
    if os.environ.get("POSTHORN_NETNS") != here:
        raise pytest.UsageError("run the tests with tools/netns.sh: no packet may leave this machine")
    global reports
    reports = Reports()


@pytest.hookimpl(hookwrapper=True)
def pytest_sessionfinish(session):
    """Whatever came after the last test. A run that is cut short (-x) stops its shared servers within this hook: only then is all written."""
    yield
    late = reports.new()
    if late:
        print("\n" + "\n".join(late), file=sys.stderr)
        session.exitstatus = 1
    shutil.rmtree(reports.dir, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_reports():
    """Also of processes that belong to no server's life, such as `posthorn tool`."""
    yield
    new = reports.new()
    assert not new, "\n".join(new)


class Server:
    """One running Posthorn."""

    PORTS = {"smtp": 25, "submission": 587, "smtps": 465, "imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995, "managesieve": 419,
             "http": 80, "https": 443}

    def __init__(self, directory, settings=None, domain="example.test", users=("alice", "bob", "carol"), dsn=None,
                 hostname="mail.example.test", scheme="{PLAIN}", env=None, dsn_in_file=False):
        self.dir = pathlib.Path(directory)
        self.data = self.dir / "data"
        self.base = free_base()
        self.domain = domain
        self.dsn = dsn
        self.env = dict(os.environ, **(env or {}))
        self.port = {k: self.base + v for k, v in self.PORTS.items()}
        self.user = "posthorn" if os.geteuid() == 0 else ""
        self.proc = None
        self.ends = set()
        self.logs = pathlib.Path((settings or {}).get("system.log_path", self.data / "logs"))
        os.chmod(self.dir, 0o755)
        self.data.mkdir(parents=True, exist_ok=True)
        if self.user:
            ensure_user(self.user)
            shutil.chown(self.data, self.user)
        if dsn_in_file:
            self.dsn = None
            (self.data / "config").mkdir(mode=0o750)
            (self.data / "config/database").write_text(dsn + "\n")
            if self.user:
                for f in (self.data / "config", self.data / "config/database"):
                    shutil.chown(f, self.user)
        lines = [f"set system.hostname {hostname}"]
        listen = {"smtp.listen": "smtp", "smtp.listen_submission": "submission", "smtp.listen_submission_tls": "smtps",
                  "imap.listen": "imap", "imap.listen_tls": "imaps", "pop3.listen": "pop3", "pop3.listen_tls": "pop3s", "managesieve.listen": "managesieve",
                  "web.listen": "http", "web.listen_tls": "https"}
        lines += [f"set {name} 127.0.0.1:{self.port[p]}" for name, p in listen.items()]
        lines += [f'set {k} "{v}"' for k, v in (settings or {}).items()]
        lines += [f"create domain {domain} primary=yes"] if domain else []
        lines += [f"create account {u}@{domain} password={scheme}{PASSWORD}" for u in users]
        setup = self.dir / "setup.txt"
        setup.write_text("\n".join(lines) + "\n")
        self.tool("batch", str(setup))

    def args(self):
        a = ["--data", str(self.data)]
        if self.user:
            a += ["--user", self.user]
        if self.dsn:
            a += ["--db", self.dsn]
        return a

    def tool(self, *words, check=True, **kw):
        r = subprocess.run([BIN, "tool", *self.args(), *words], capture_output=True, text=True, timeout=120, env=self.env, **kw)
        if check and r.returncode:
            raise AssertionError(f"tool {' '.join(words)}: exit {r.returncode}\n{r.stdout}{r.stderr}")
        return r

    def tool_json(self, *words):
        import json
        return json.loads(self.tool("--json", *words).stdout)

    def start(self):
        log = open(self.dir / "serve.log", "ab")
        self.proc = subprocess.Popen([BIN, "serve", *self.args(), "--quiet"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     env=self.env)
        for name in ("smtp", "submission", "imap", "pop3"):
            self.wait_port(self.port[name])
        return self

    def wait_port(self, port, timeout=60):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.proc.poll() is not None:
                raise AssertionError(f"server ended with {self.proc.returncode}:\n{self.output()}")
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
                    s.settimeout(5)
                    if s.recv(100):
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"no answer on port {port}:\n{self.output()}")

    def output(self):
        serve = self.dir / "serve.log"
        text = serve.read_text(errors="replace") if serve.exists() else ""
        for f in sorted(self.logs.glob("e*.log")):
            text += f.read_text(errors="replace")
        return text

    def log_text(self, letter):
        return "".join(f.read_text(errors="replace") for f in sorted(self.logs.glob(f"{letter}*.log")))

    def pids(self):
        """Module name -> pid, from the process table."""
        out = {}
        for p in filter(str.isdigit, os.listdir("/proc")):
            try:
                stat = open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()
                cmd = open(f"/proc/{p}/cmdline", "rb").read().split(b"\0")
            except OSError:
                continue
            if int(stat[1]) == self.proc.pid and cmd[1:2] == [b"module"]:
                out[cmd[2].decode()] = int(p)
        return out

    def kill(self, module, sig=signal.SIGKILL):
        """Ends a module; its former pid."""
        pid = self.pids()[module]
        self.expect_end(pid)
        os.kill(pid, sig)
        return pid

    def expect_end(self, pid_or_module):
        """This process, or any of this module, may end before the server does."""
        self.ends.add(str(pid_or_module))

    def unexpected(self):
        """Lines about modules that ended by themselves, and reports."""
        text = self.output()
        found = [m.group() for m in re.finditer(r"module (\w+) \(process (\d+)\) (was ended by|ended with) .*", text)
                 if not {m.group(1), m.group(2)} & self.ends]
        return found + re.findall(r"(?:.*Sanitizer.*|.*: runtime error: .*)(?:\n.*){0,60}", text)

    def stop(self, sig=signal.SIGTERM, timeout=60):
        """The exit status. Fails when something happened that no test has caused."""
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(sig)
            try:
                self.proc.wait(timeout)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
                raise AssertionError(f"server did not stop within {timeout} s:\n{self.output()}")
            assert self.proc.returncode == 0, f"server ended with {self.proc.returncode}:\n{self.output()}"
        faults = self.unexpected()
        assert not faults, "\n".join(faults)
        return self.proc.returncode if self.proc else None

    def address(self, user):
        return f"{user}@{self.domain}"


def ensure_user(name):
    if subprocess.run(["id", name], capture_output=True).returncode:
        subprocess.run(["adduser", "--system", "--group", "--no-create-home", "--home", "/nonexistent", "--quiet", name], check=True)


def wait_for(what, condition, timeout=60, interval=0.02):
    """Polls an outside condition that gives no event; fails with `what`."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        v = condition()
        if v:
            return v
        time.sleep(interval)
    raise AssertionError(f"timeout: {what}")


def serve_and_end():
    made = []

    def make(start=True, **kw):
        d = tempfile.mkdtemp(prefix="ph-", dir="/var/tmp")
        s = Server(d, **kw)
        made.append(s)
        return s.start() if start else s

    yield make
    errors = []
    for s in made:
        try:
            s.stop()
        except AssertionError as e:
            errors.append(str(e))
        shutil.rmtree(s.dir, ignore_errors=True)
    errors += reports.new()
    assert not errors, "\n".join(errors)


@pytest.fixture
def make_server():
    yield from serve_and_end()


@pytest.fixture(scope="module")
def make_module_server():
    """Like make_server, for servers that the tests of a file share."""
    yield from serve_and_end()


@pytest.fixture(scope="module")
def server(make_module_server):
    return make_module_server()


@pytest.fixture
def setting(world):
    """Sets settings of the file's own `world`; they are back at their defaults afterwards."""
    used = []

    def change(name, value):
        world.ours.tool("set", name, value)
        used.append(name)

    yield change
    for name in used:
        world.ours.tool("reset", name)
