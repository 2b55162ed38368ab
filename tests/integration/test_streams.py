"""Many open event streams, more than there may be, and readers that do not read."""
import imaplib
import os
import pathlib
import resource
import select
import socket
import time

import pytest

from api import Client
from conftest import PASSWORD, SANITIZED, wait_for
from test_basics import send

ADMIN, ALICE = "root@example.test", "alice@example.test"
TOPICS = "sessions,queue.outgoing,statistics,operations,messages"


def make(make_server, **settings):
    s = make_server(start=False, settings={"web.console_path": "/nonexistent", **settings})
    s.tool("create", "account", ADMIN, f"password={{PLAIN}}{PASSWORD}", "role=system-admin")
    s.token = s.tool("create", "token", ADMIN, "tests").stdout.strip()
    s.start()
    s.client = Client(s, "admin", token=s.token)
    wait_for("the web server", lambda: answers(s))
    return s


def answers(s):
    try:
        return s.client.get("/me").status == 200
    except OSError:
        return False


def open_stream(s, topics=TOPICS, rcvbuf=0):
    c = socket.socket()
    if rcvbuf:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    c.settimeout(60)
    c.connect(("127.0.0.1", s.port["http"]))
    c.sendall(f"GET /api/v1/events?topics={topics} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {s.token}\r\n\r\n".encode())
    return c


def read_head(c):
    out = b""
    while b"\r\n\r\n" not in out:
        data = c.recv(4096)
        if not data:
            break
        out += data
    return out


def memory(pid):
    return sum(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup") if line.startswith("Pss:"))


def read_all(streams, want, timeout):
    """Reads until each stream has brought the bytes; those that have not, and those that have ended."""
    poll = select.epoll()
    waiting = {c.fileno(): c for c in streams}
    tail, ended = {}, set()
    for fd in waiting:
        poll.register(fd, select.EPOLLIN)
    end = time.monotonic() + timeout
    while waiting and (left := end - time.monotonic()) > 0:
        for fd, _ in poll.poll(left, 1000):
            data = waiting[fd].recv(65536)
            text = tail.get(fd, b"") + data
            tail[fd] = text[-len(want):]
            if not data:
                ended.add(fd)
            if not data or want in text:
                poll.unregister(fd)
                del waiting[fd]
    poll.close()
    return list(waiting), ended


@pytest.mark.slow
def test_ten_thousand_open_streams(make_server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 10300:
        pytest.skip(f"needs 10300 open files; the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    s = make(make_server)
    pid, n = s.pids()["control"], 10000
    streams = [open_stream(s) for _ in range(10)]
    assert read_all(streams, b"event: ", 30) == ([], set())
    before = memory(pid)
    while len(streams) < n:
        streams += [open_stream(s) for _ in range(min(500, n - len(streams)))]
    assert read_all(streams[10:], b"event: ", 120) == ([], set())
    each = (memory(pid) - before) / (n - 10)
    # The limit: web.max_connections less a sixth.
    with open_stream(s) as more:
        head = read_head(more)
        assert head.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: " in head and b'"code":"full"' in head, head
    # Others are answered, mail is taken, and every stream tells of it.
    began = time.monotonic()
    for _ in range(20):
        assert s.client.get("/me").status == 200 and s.client.get("/sessions").status == 200
    answered = (time.monotonic() - began) / 40
    began = time.monotonic()
    with imaplib.IMAP4("127.0.0.1", s.port["imap"]) as c:
        c.login(ALICE, PASSWORD)
        send(s, "bob")
        late, ended = read_all(streams, ALICE.encode(), 120)
        assert (late, ended) == ([], set())
    told = time.monotonic() - began
    print(f"\n{n} open streams: {each:.1f} kB of control each, {1000 * answered:.0f} ms for another request, "
          f"{told:.1f} s until all were told of a session")
    assert s.pids()["control"] == pid
    if not SANITIZED:
        assert each < 40 and answered < 1
    for c in streams:
        c.close()
    wait_for("the memory of closed streams", lambda: memory(pid) < before + 10 * 1024 or SANITIZED)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_streams_leave_room_for_requests(make_server):
    s = make(make_server, **{"web.max_connections": "24"})
    streams = [open_stream(s) for _ in range(20)]
    for c in streams:
        assert read_head(c).startswith(b"HTTP/1.1 200 ")
    for _ in range(30):
        a = s.client.get("/events", topics="sessions")
        assert a.status == 503 and int(a.headers["Retry-After"]) > 0 and a.json()["code"] == "full", a.body
        assert "web.max_connections" in a.json()["detail"]
        assert s.client.get("/me").status == 200
    streams.pop().close()
    more = wait_for("room for another", lambda: reopened(s))
    more.close()
    for c in streams:
        c.close()


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def reopened(s):
    c = open_stream(s)
    if read_head(c).startswith(b"HTTP/1.1 200 "):
        return c
    c.close()
    return None


def test_readers_that_do_not_read_are_cut(make_server):
    """Their buffers are full: the connection ends after web.request_timeout; those that read stay, also when little comes."""
    wmem = pathlib.Path("/proc/sys/net/ipv4/tcp_wmem")
    if not os.access(wmem, os.W_OK):
        pytest.skip("the size of send buffers cannot be set here")
    was = wmem.read_text()
    wmem.write_text("4096 4096 8192")
    try:
        s = make(make_server, **{"web.request_timeout": "2s", "web.idle_timeout": "60s"})
        live = []
        for _ in range(120):  # their snapshot is larger than the buffers
            live.append(imaplib.IMAP4("127.0.0.1", s.port["imap"]))
            live[-1].login(ALICE, PASSWORD)
        quiet = open_stream(s, "operations")
        assert read_head(quiet).startswith(b"HTTP/1.1 200 ")
        pid = s.pids()["control"]
        before = open_files(pid)
        lazy = [open_stream(s, "sessions", rcvbuf=2048) for _ in range(5)]
        reader = open_stream(s, "sessions")
        text = b""
        while text.count(b'"state":"active"') < 120:
            text += reader.recv(65536)
        with_all = wait_for("all connections", lambda: n if (n := open_files(pid)) >= before + len(lazy) + 1 else 0)
        # Their end is behind what they have not read: it is seen at the server.
        wait_for("the ends of those that do not read", lambda: open_files(pid) <= with_all - len(lazy), timeout=30)
        for c in lazy:
            with pytest.raises(ConnectionError):
                while c.recv(65536):
                    pass
                raise ConnectionResetError  # an end without an error is one too
        # Both have been there for longer than the time that a stalled write has.
        send(s, "bob")
        with imaplib.IMAP4("127.0.0.1", s.port["imap"]) as c:
            c.login("carol@example.test", PASSWORD)
            late, ended = read_all([reader], b"carol@example.test", 30)
            assert (late, ended) == ([], set())
        a = s.client.call("POST", "/accounts/import", {"csv": "address\nnew@example.test\n"})
        assert a.status == 202, a.body
        assert read_all([quiet], a.json()["id"].encode(), 30) == ([], set())
        for c in live:
            c.shutdown()
    finally:
        wmem.write_text(was)
