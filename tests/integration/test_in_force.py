"""What an administrator changes is in force when the command returns: the next connection meets the new state, without
waiting. Rounds with alternating values, so that a module that lags behind is met."""
import contextlib
import os
import re
import signal
import threading
import time

import pytest

from conftest import PASSWORD, wait_for
from wire import Closed, Imap, Pop3, Smtp

ROUNDS = 50


def size_limit(server):
    with Smtp(server.port["smtp"]) as c:
        return next(w for w in c.capabilities if w.startswith("SIZE"))


def literals(server):
    with Imap(server.port["imap"]) as c:
        return re.search(rb"LITERAL[+-]", c.command("CAPABILITY")[0]).group().decode()


def logs_in(server, user, password=PASSWORD):
    """By each protocol; all must agree."""
    results = []
    for one in (lambda: Imap(server.port["imap"], server.address(user), password),
                lambda: Pop3(server.port["pop3"], server.address(user), password)):
        try:
            one().close()
            results.append(True)
        except (AssertionError, Closed):
            results.append(False)
    with Smtp(server.port["submission"]) as c:
        c.starttls()
        with contextlib.suppress(AssertionError):
            c.login(server.address(user), password)
            results.append(True)
    results += [False] * (3 - len(results))
    assert len(set(results)) == 1, results
    return results[0]


def is_recipient(server, user):
    with Smtp(server.port["smtp"]) as c:
        c.command("MAIL FROM:<a@client.test>", 250)
        c.send(f"RCPT TO:<{server.address(user)}>\r\n".encode())
        return c.reply()[0] == 250


@pytest.fixture(scope="module")
def live(make_module_server):
    return make_module_server(settings={"auth.failure_delay": "0ms", "auth.max_failures": "0", "auth.max_failures_ip": "0"})


def test_settings_of_each_module(live):
    for i in range(ROUNDS):
        live.tool("set", "smtp.max_message_size", str(1_000_000 + i))
        assert size_limit(live) == f"SIZE {1_000_000 + i}"
        live.tool("set", "imap.literals", ("small", "any")[i % 2])
        assert literals(live) == ("LITERAL-", "LITERAL+")[i % 2]
    live.tool("reset", "smtp.max_message_size")
    assert size_limit(live) == "SIZE 52428800"


def test_settings_in_a_batch(live):
    """The last value of a batch wins, for all modules."""
    lines = "".join(f"set smtp.max_message_size {2_000_000 + i}\nset imap.literals {('small', 'any')[i % 2]}\n" for i in range(ROUNDS))
    live.tool("batch", "-", input=lines)
    assert size_limit(live) == f"SIZE {2_000_000 + ROUNDS - 1}"
    assert literals(live) == "LITERAL+"


def test_accounts(live):
    for i in range(ROUNDS // 2):
        user = f"new{i}"
        assert not is_recipient(live, user)   # what is remembered of the address must go
        assert not logs_in(live, user)
        live.tool("create", "account", live.address(user), f"password={{PLAIN}}{PASSWORD}")
        assert is_recipient(live, user) and logs_in(live, user)
        live.tool("change", "account", live.address(user), "password={PLAIN}other-secret")
        assert not logs_in(live, user)
        assert logs_in(live, user, "other-secret")
        live.tool("change", "account", live.address(user), "enabled=no")
        assert not logs_in(live, user, "other-secret")
        live.tool("delete", "account", live.address(user))
        assert not is_recipient(live, user)


def test_domains_and_aliases(live):
    for i in range(ROUNDS // 2):
        domain = f"new{i}.test"
        live.tool("create", "domain", domain)
        live.tool("create", "alias", f"all@{domain}", f"targets={live.address('bob')}")
        with Smtp(live.port["smtp"]) as c:
            c.envelope("a@client.test", f"all@{domain}")
            c.command(f"RCPT TO:<nobody@{domain}>", 550)
        live.tool("delete", "alias", f"all@{domain}")
        with Smtp(live.port["smtp"]) as c:
            c.command("MAIL FROM:<a@client.test>", 250)
            c.command(f"RCPT TO:<all@{domain}>", 550)
        live.tool("delete", "domain", domain)


def test_administrators_at_the_same_time(live):
    """Each sees its own change in force, whatever others do."""
    names = [("smtp.max_message_size", lambda v: size_limit(live) == f"SIZE {v}"), ("smtp.max_recipients", None), ("smtp.max_errors", None)]
    faults = []

    def change(name, seen):
        for i in range(10):
            r = live.tool("set", name, str(2000 + i), check=False)
            if r.returncode or (seen and not seen(2000 + i)):
                faults.append((name, 2000 + i, r.stderr))

    threads = [threading.Thread(target=change, args=n) for n in names]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not faults


def test_a_restarted_module_has_them_too(live):
    """Changes beside the start of a module: whatever it serves by is the newest."""
    for i in range(5):
        pid = live.kill("smtp")
        for k in range(5):
            live.tool("set", "smtp.max_message_size", str(3_000_000 + 10 * i + k))
            assert size_limit(live) == f"SIZE {3_000_000 + 10 * i + k}"
        wait_for("the next process", lambda: live.pids().get("smtp") not in (None, pid))


def test_a_module_that_hangs_is_named(make_server):
    s = make_server()
    pid = s.pids()["smtp"]
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        r = s.tool("set", "smtp.max_message_size", "1234567", check=False)
        took = time.monotonic() - began
        assert r.returncode == 1 and 4 < took < 30, (r, took)
        assert "smtp.max_message_size is stored" in r.stderr and "module smtp has not" in r.stderr, r.stderr
        assert "access" not in r.stderr and "control" not in r.stderr
        assert s.tool("get", "smtp.max_message_size").stdout.strip() == "1234567"
        # What needs a restart is in force for nobody: there is nothing to wait for.
        r = s.tool("set", "mailbox.open_indexes", "100")
        assert "after a restart" in r.stdout + r.stderr
        r = s.tool("reload", check=False)
        assert r.returncode == 1 and "module smtp has not" in r.stderr
    finally:
        os.kill(pid, signal.SIGCONT)
    s.tool("reload")
    assert size_limit(s) == "SIZE 1234567"


def test_without_a_server_the_next_start_has_them(make_server):
    s = make_server(start=False)
    s.tool("set", "smtp.max_message_size", "1234567")
    s.tool("create", "account", s.address("dora"), f"password={{PLAIN}}{PASSWORD}")
    s.start()
    assert size_limit(s) == "SIZE 1234567" and logs_in(s, "dora")
