"""Every message of the corpus goes in by each way there is and comes back octet for octet by IMAP and POP3."""
import concurrent.futures
import re
import subprocess

import pytest

from conftest import wait_for
from corpus import below_trace, ended, messages
from wire import Imap, Pop3, Smtp, stuff

MESSAGES = messages()
WAYS = ("swaks", "swakstls", "data", "starttls", "bdat", "bdattls")


@pytest.fixture(scope="module")
def corpus_server(make_module_server):
    return make_module_server(users=WAYS + ("appended",), settings={"smtp.max_hops": "1000", "log.smtp": "summary"})


def sender(i):
    return f"m{i:04d}@corpus.test"


def by_swaks(server, user, files, numbers, *options):
    """--no-data-fixup: swaks then sends the file as it is and adds the CRLF behind the end mark. (With its fix-ups it
    would replace %TOKENS% and the two characters \\n, and rewrite lone CRs.)"""
    def one(i):
        return subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(server.port["smtp"]), "--helo", "client.test",
                               "--from", sender(i), "--to", server.address(user), "--data", f"@{files / str(i)}",
                               "--no-data-fixup", "--silent", "2", "--timeout", "60", *options],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=120)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for i, r in zip(numbers, pool.map(one, numbers)):
            assert r.returncode == 0, (MESSAGES[i][0], r)


@pytest.fixture(scope="module")
def stuffed_files(tmp_path_factory):
    d = tmp_path_factory.mktemp("corpus")
    for i, (_, content) in enumerate(MESSAGES):
        (d / str(i)).write_bytes(stuff(content) + b".")
    return d


def by_socket(server, user, send, tls=False):
    with Smtp(server.port["smtp"]) as c:
        if tls:
            c.starttls()
        for i, (_, content) in enumerate(MESSAGES):
            c.envelope(sender(i), server.address(user))
            send(c, content)
        c.quit()


def arrived(server, user, want):
    c = Imap(server.port["imap"], server.address(user))
    wait_for(f"{want} messages for {user}", lambda: c.select(command="EXAMINE") == want, timeout=60)
    c.logout()


def from_imap(server, user):
    """Index -> stored message."""
    out = {}
    c = Imap(server.port["imap"], server.address(user))
    c.select(command="EXAMINE")
    for r in c.command("UID FETCH 1:* (UID RFC822.SIZE BODY.PEEK[])"):
        m = re.match(rb"\* \d+ FETCH \(UID \d+ RFC822\.SIZE (\d+) BODY\[\] \{(\d+)\}\r\n", r)
        assert m, r[:200]
        assert m.group(1) == m.group(2)
        literal = r[m.end():m.end() + int(m.group(2))]
        assert r[m.end() + int(m.group(2)):] == b")"
        i = int(re.match(rb"Return-Path: <m(\d+)@", literal).group(1))
        assert i not in out, f"{MESSAGES[i][0]} is there twice"
        out[i] = literal
    c.logout()
    return out


def from_pop3(server, user):
    out = {}
    c = Pop3(server.port["pop3"], server.address(user))
    sizes = dict(map(int, line.split()) for line in c.multi("LIST").splitlines())
    c.send(b"".join(b"RETR %d\r\n" % n for n in sizes))
    for n in sizes:
        c.ok()
        content = c.lines()
        assert len(content) in (sizes[n], sizes[n] + 2), "RETR ends a last line that has no line end"
        out[int(re.match(rb"Return-Path: <m(\d+)@", content).group(1))] = content
    c.quit()
    return out


def check(server, user, numbers=None, exact=False):
    """What was stored below the trace headers is what was sent; RETR of a message without a last line end adds one."""
    numbers = range(len(MESSAGES)) if numbers is None else numbers
    arrived(server, user, len(numbers))
    imap, pop3 = from_imap(server, user), from_pop3(server, user)
    assert sorted(imap) == sorted(pop3) == list(numbers)
    for i in numbers:
        name, content = MESSAGES[i]
        want = content if exact else ended(content)
        assert below_trace(imap[i]) == want, f"{name} by IMAP"
        assert pop3[i] == ended(imap[i]), f"{name} by POP3"


def test_corpus_has_the_hard_cases():
    contents = [c for _, c in MESSAGES]
    assert any(b"\0" in c for c in contents)
    assert any(re.search(rb"\r(?!\n)", c) for c in contents)
    assert any(re.search(rb"(?m)^\.", c) for c in contents)
    assert any(not c.endswith(b"\r\n") for c in contents)
    assert any(max(map(len, c.split(b"\r\n"))) > 998 for c in contents)
    assert any(c.startswith(b"Return-Path:") for c in contents)


@pytest.mark.plain
def test_every_message_by_swaks(corpus_server, stuffed_files):
    numbers = range(len(MESSAGES))
    by_swaks(corpus_server, "swaks", stuffed_files, numbers)
    check(corpus_server, "swaks")


@pytest.mark.plain
def test_messages_by_swaks_and_starttls(corpus_server, stuffed_files):
    numbers = list(range(0, len(MESSAGES), 1 + len(MESSAGES) // 60))
    by_swaks(corpus_server, "swakstls", stuffed_files, numbers, "-tls")
    check(corpus_server, "swakstls", numbers)


def test_every_message_by_data(corpus_server):
    by_socket(corpus_server, "data", lambda c, content: c.data(content))
    check(corpus_server, "data")


def test_every_message_by_starttls(corpus_server):
    by_socket(corpus_server, "starttls", lambda c, content: c.data(content), tls=True)
    check(corpus_server, "starttls")


@pytest.mark.parametrize("user, tls, chunk", [("bdat", False, 1000), ("bdattls", True, 70000)])
def test_every_message_by_bdat(corpus_server, user, tls, chunk):
    by_socket(corpus_server, user, lambda c, content: c.bdat(content, chunk), tls=tls)
    check(corpus_server, user, exact=True)


def test_every_message_by_append(corpus_server):
    """An appended message gets no trace headers: it is the same from the first octet on."""
    c = Imap(corpus_server.port["imap"], corpus_server.address("appended"))
    for name, content in MESSAGES:
        c.append("Archive", content)
    assert c.select("Archive") == len(MESSAGES)
    for i, (name, content) in enumerate(MESSAGES):
        assert c.fetch_literal(i + 1) == content, name
    c.logout()
