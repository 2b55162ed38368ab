"""Full disks, on small file systems of the test's own: mail is refused for a while, nothing is lost, and all goes on
when there is space again. A full log volume stops nothing."""
import ctypes
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

import pytest
from conftest import PASSWORD, Server, ensure_user, wait_for
from wire import Smtp

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))

import load  # noqa: E402
import verify  # noqa: E402

CLONE_NEWNS = 0x20000
USERS = ["u0", "u1", "u2"]


@pytest.fixture(scope="module")
def mounts():
    """A mount namespace of its own, so that nothing of this is seen outside; what was mounted goes with the test."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) < 0:
        pytest.skip(f"cannot make a mount namespace: {os.strerror(ctypes.get_errno())}")
    r = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, text=True)
    if r.returncode:
        pytest.skip(f"cannot make the mounts private: {r.stderr}")


@pytest.fixture
def volume(mounts):
    """volume(path, MiB): a file system of that size."""
    made = []

    def make(path, size):
        pathlib.Path(path).mkdir(parents=True, exist_ok=True)
        r = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=0755", "posthorn-test", str(path)],
                           capture_output=True, text=True)
        if r.returncode:
            pytest.skip(f"cannot mount a small file system: {r.stderr}")
        made.append(path)
        return pathlib.Path(path)

    yield make
    for p in reversed(made):
        subprocess.run(["umount", "-l", str(p)], check=False)


@pytest.fixture
def directory():
    d = tempfile.mkdtemp(prefix="ph-full-", dir="/var/tmp")
    os.chmod(d, 0o755)
    yield pathlib.Path(d)
    for log in pathlib.Path(d).glob("logs/e*.log"):
        print(log.read_text(errors="replace")[-4000:])
    shutil.rmtree(d, ignore_errors=True)


class Client(load.Sender):
    """Single messages, and what became of them."""

    def __init__(self, books, server):
        super().__init__(books, server.port["smtp"], threading.Event(), None, 1)

    def send(self, users, size):
        """The reply to MAIL if it is not 250, else that to the message."""
        number, data = self.books.number(), None
        c = load.Smtp(self.port, self.stop)
        try:
            c.send(b"MAIL FROM:<a@elsewhere.test>\r\n")
            code = c.reply()
            if code != 250:
                return code
            data = load.make_message(number, size)
            c.send(self.envelope(users).split(b"\r\n", 1)[1])
            codes = [c.reply() for _ in users] + [c.reply()]
            if codes != [250] * len(users) + [354]:
                self.books.sent(number, "refused", users)
                return codes[-1]
            c.send(data + b".\r\n")
            code = c.reply()
            self.books.sent(number, "acked" if code == 250 else "refused", users)
            return code
        finally:
            c.close()

    def send_until_refused(self, users, size, most):
        for _ in range(most):
            code = self.send(users, size)
            if code != 250:
                return code
        raise AssertionError(f"{most} messages of {size} bytes were taken by a full disk")


def append(server, books, user, size):
    c = load.Imap(server.port["imap"], user, PASSWORD, threading.Event())
    try:
        number = books.number()
        data = load.make_message(number, size)
        c.send(b"a APPEND INBOX {%d}\r\n" % len(data))
        line = c.line()
        if line.startswith(b"+"):
            c.send(data + b"\r\n")
            line = c.line()
        books.note_append(number, "acked" if line.startswith(b"a OK") else "refused", user)
        return line
    finally:
        c.close()


def expunge(c, uids):
    return all(c.command(t)[0].startswith(b"OK") for t in
               (f"UID STORE {uids[0]}:{uids[-1]} +FLAGS.SILENT (\\Deleted)", "EXPUNGE"))


def fill(path, leave=0):
    """A file that takes all space but `leave` bytes."""
    ballast = path / "ballast"
    v = os.statvfs(path)
    with open(ballast, "ab", 0) as f:
        n = v.f_bavail * v.f_frsize - leave
        try:
            while n > 0:
                n -= f.write(b"\0" * min(n, 1 << 20))
        except OSError:
            pass
    return ballast


def check(server, books):
    assert server.tool("queue", "retry").returncode == 0
    verify.wait_queue_empty(server)
    seen = verify.read_all(server, books, PASSWORD)
    v = verify.judge(books, seen)
    print(f"\n{dict(books.count)}; {v.line()}")
    assert not books.faults, "\n".join(books.faults[:20])
    assert not (v.lost or v.doubled or v.both or v.unasked or v.back), vars(v)
    return seen


def start(directory, settings):
    server = Server(directory, users=USERS, settings={
        "queue.journal_segment": "2MiB", "queue.sync_interval": "500ms", "system.log_path": str(directory / "logs"),
        **settings})
    (directory / "logs").mkdir(exist_ok=True)
    if server.user:
        shutil.chown(directory / "logs", server.user)
    return server.start()


@pytest.mark.parametrize("min_free", ["4MiB", "0"])
def test_mail_volume_full(volume, directory, min_free):
    """With a reserve MAIL is refused before it is tight; without one the disk is really full in the midst of things."""
    data = volume(directory / "data", 40)
    server = start(directory, {"queue.min_free_space": min_free})
    try:
        books = load.Books(USERS)
        client = Client(books, server)
        pids = server.pids()
        (data / "other").write_bytes(b"\0" * (8 << 20))
        for i in range(20):
            assert client.send(USERS, 3000) == 250
        assert append(server, books, "u0", 20000).startswith(b"a OK")
        code = client.send_until_refused(["u1"], 150000, 1000)
        assert code == 452
        # The rest too, to the last byte; large messages have spool files of their own.
        ballast = fill(data)
        for size in (1000, 150000, 400000):
            for _ in range(20):
                code = client.send(USERS, size)
                assert code in (250, 452), code
        assert client.send_until_refused(USERS, 150000, 100) == 452
        for _ in range(3):
            line = append(server, books, "u0", 200000)
            assert line.startswith((b"a OK", b"a NO [")), line
        # A crash now does not make it worse: the module starts on the full disk.
        server.kill("smtp")
        wait_for("smtp starts on a full disk", lambda: server.pids().get("smtp") not in (None, pids["smtp"]) and
                 client.send(USERS, 1000) == 452, interval=0.1)
        pids = server.pids()
        # Reading goes on.
        c = load.Imap(server.port["imap"], "u1", PASSWORD, threading.Event())
        c.select("INBOX", books)
        assert c.exists >= 20
        assert len(list(load.fetched(c.ok("FETCH 1:20 (UID BODY.PEEK[])")[1]))) == 20
        c.close()
        ballast.unlink()
        (data / "other").unlink()
        # Not enough for all that waits, maybe; but a user can make room.
        c = load.Imap(server.port["imap"], "u1", PASSWORD, threading.Event())
        c.select("INBOX", books)
        uids = {u: load.message_number(lit) for u, _, _, lit in load.fetched(c.ok(f"UID FETCH 1:* {load.HEADER}")[1])}
        big = sorted(uids)[20:]
        assert big
        wait_for("a user expunges", lambda: expunge(c, big), interval=0.2)
        for u in big:
            books.removed["u1", uids[u]] = ("sure", 0)
        c.close()
        server.tool("queue", "retry")
        wait_for("mail flows again", lambda: client.send(["u2"], 2000) == 250, interval=0.2)
        # What waited and is delivered now may take the room for a moment.
        wait_for("an APPEND succeeds", lambda: append(server, books, "u0", 20000).startswith(b"a OK"), interval=0.2)
        check(server, books)
        assert server.pids() == pids, "a module was restarted\n" + server.output()[-3000:]
        assert server.stop() == 0
        faults, disk = verify.check_disk(server)
        print(dict(disk))
        assert not faults, "\n".join(faults[:20])
        assert disk["spool files"] == 0 and disk["rebuilt indexes"] == 0, disk
    finally:
        server.stop()


def counter(server, name):
    return sum(r["value"] for r in server.tool_json("stats")["rows"] if r["name"] == name)


def lost_lines(server):
    return counter(server, "log_lines_lost")


def told_lines(server):
    """Lost lines that the log of errors tells of."""
    return sum(map(int, re.findall(r"Error: (\d+) log lines were lost: cannot ", server.log_text("e"))))


def health(server, check):
    """A verdict of the API, asked by an administrator's token."""
    c = http.client.HTTPConnection("127.0.0.1", server.port["http"], timeout=20)
    c.request("GET", "/api/v1/health/checks", headers={"Authorization": f"Bearer {server.token}"})
    r = c.getresponse()
    items = json.loads(r.read())["items"]
    c.close()
    return next(i for i in items if i["id"] == check)


def with_token(server):
    wait_for("the control socket", lambda: server.tool("stats", check=False).returncode == 0)
    server.tool("change", "account", server.address("u0"), "role=system-admin")
    server.token = server.tool("create", "token", server.address("u0"), "tests").stdout.strip()
    return server


def test_log_volume_full(volume, directory):
    logs = volume(directory / "logs", 1)
    server = with_token(start(directory, {"log.smtp": "extended", "log.mailflow": "extended", "log.imap": "extended"}))
    try:
        books = load.Books(USERS)
        client = Client(books, server)
        assert client.send(USERS, 2000) == 250
        assert health(server, "log.lost")["state"] == "ok"
        fill(logs)
        before = lost_lines(server)
        for _ in range(300):
            assert client.send(USERS, 2000) == 250
        wait_for("lines are counted as lost", lambda: lost_lines(server) > before + 300)
        verdict = health(server, "log.lost")
        assert verdict["state"] == "warn" and "full" in verdict["remedy"], verdict
        assert int(verdict["detail"].split()[0]) >= before + 300
        assert append(server, books, "u0", 2000).startswith(b"a OK")
        check(server, books)
        size = sum(f.stat().st_size for f in logs.glob("*.log"))
        (logs / "ballast").unlink()
        wait_for("the log goes on", lambda: client.send(USERS, 2000) == 250 and
                 sum(f.stat().st_size for f in logs.glob("*.log")) > size + 1000, interval=0.1)
        with Smtp(server.port["smtp"]) as c:
            c.command("NOOP there is room again", 250)
        wait_for("the transcript of it", lambda: "NOOP there is room again" in server.log_text("s"))
        # All that are missing, no more and no less, are told of where they are missing; with the reason.
        wait_for("the log tells of lost lines", lambda: told_lines(server) == lost_lines(server) > before + 300, interval=0.2)
        assert "No space left on device" in server.log_text("e")
        print(f"{lost_lines(server)} lines lost")
        assert server.stop() == 0
    finally:
        server.stop()


def test_logs_deleted_underneath(directory):
    """All of them while mail is coming in. Where the server can make the directory again nothing that follows is lost; where it
    cannot, mail flows on, and lines are counted until somebody makes it."""
    place = directory / "place"
    place.mkdir()
    server = Server(directory, users=USERS, settings={"system.log_path": str(place / "logs")})
    if server.user:
        shutil.chown(place, server.user)
    server.start()
    try:
        books = load.Books(USERS)
        client = Client(books, server)
        for i in range(20):
            assert client.send(USERS, 2000) == 250
            shutil.rmtree(place / "logs", ignore_errors=True)
            with Smtp(server.port["smtp"]) as c:
                c.command(f"NOOP after {i}", 250)
            wait_for("the next line", lambda: f"NOOP after {i}\n" in server.log_text("s"))
        assert lost_lines(server) == 0
        if server.user:
            shutil.chown(place, "root")
            shutil.rmtree(place / "logs")
            for _ in range(50):
                assert client.send(USERS, 2000) == 250
            wait_for("lines are counted as lost", lambda: lost_lines(server) > 50)
            (place / "logs").mkdir()
            shutil.chown(place / "logs", server.user)
            wait_for("the log goes on", lambda: client.send(USERS, 2000) == 250 and server.log_text("s"), interval=0.1)
            wait_for("the log tells of lost lines", lambda: client.send(USERS, 2000) == 250 and
                     told_lines(server) == lost_lines(server) > 50, interval=0.2)
        check(server, books)
        assert server.stop() == 0
    finally:
        server.stop()


def test_event_volume_full(volume, directory):
    """The store of events on a full volume: mail flows on; what did not fit is counted, and events tell of all of it."""
    status = volume(directory / "data/status", 24)
    if os.geteuid() == 0:
        ensure_user("posthorn")
        shutil.chown(status, "posthorn")
    server = with_token(start(directory, {}))
    try:
        books = load.Books(USERS)
        client = Client(books, server)
        assert client.send(USERS, 2000) == 250
        assert health(server, "events.lost")["state"] == "ok"
        fill(status)
        wait_for("the volume is full", lambda: client.send(USERS, 1000) == 250 and counter(server, "transcript_lines_lost"),
                 interval=0)
        for _ in range(100):
            assert client.send(USERS, 1000) == 250
        assert append(server, books, "u0", 2000).startswith(b"a OK")
        missing = ("events_lost", "transcript_lines_lost")
        (status / "ballast").unlink()

        def told():
            assert client.send(USERS, 1000) == 250
            rows = server.tool_json("events", "name=events.lost", "limit=1000")["rows"]
            assert all("No space left" in r["fields"]["reason"] for r in rows), rows
            return sum(r["fields"]["count"] + r["fields"]["transcripts"] for r in rows)

        wait_for("events tell of it", lambda: told() == sum(counter(server, c) for c in missing) > 100, interval=0.2)
        assert "warn" in (health(server, "events.lost")["state"], health(server, "transcripts.lost")["state"])
        with Smtp(server.port["smtp"]) as c:
            c.command("MAIL FROM:<back@elsewhere.test>", 250)
            c.command("QUIT", 221)
        wait_for("later transcripts", lambda: "back@elsewhere.test" in server.tool("session", last_session(server)).stdout, interval=0.2)
        check(server, books)
        assert server.stop() == 0
    finally:
        server.stop()


def last_session(server):
    return server.tool_json("events", "name=session.end", "limit=1", "service=smtp")["rows"][0]["session"]
