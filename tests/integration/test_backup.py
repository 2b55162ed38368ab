"""Backup domains: mail for them waits here while their own server is down, and goes there when it is back; ETRN asks for it."""
import re
import shutil
import socket
import tempfile
import types

import pytest

from conftest import wait_for
from peers import PEER, RECORDS, NameServer, PostfixDovecot, neighbour
from test_postfix import arrived, message
from wire import Smtp


class Primary(PostfixDovecot):
    DOMAINS = ("peer.test", "byhost.test", "bymx.test")


@pytest.fixture(scope="module")
def world(make_module_server):
    made, dirs = [], []

    def begin(what, *args):
        dirs.append(tempfile.mkdtemp(prefix="phpeer-", dir="/var/tmp"))
        made.append(what(dirs[-1], *args))
        return made[-1].start()

    try:
        records = [*RECORDS, "bymx.test MX 10 mx.peer.test", "bymx.test MX 20 mail.example.test", "bymx.test MX 30 dead.fallback.test"]
        w = types.SimpleNamespace(dns=begin(NameServer, records), peer=begin(Primary), ours=neighbour(make_module_server, settings={
            "queue.retry_schedule": "1h", "queue.destination_wait": "1h", "smtp.etrn": "anyone", "queue.lifetime": "1s"}))
        w.ours.tool("create", "domain", "byhost.test", "type=backup", f"backup_host={PEER}:25")
        w.ours.tool("create", "domain", "bymx.test", "type=backup")
        yield w
    finally:
        for m in reversed(made):
            m.stop()
        for d in dirs:
            shutil.rmtree(d, ignore_errors=True)


def hand_in(world, subject, rcpt):
    with Smtp(25, host="127.0.0.3") as c:
        c.command("EHLO far.test", 250)
        c.command("MAIL FROM:<>", 250)
        c.command(f"RCPT TO:<{rcpt}>", 250)
        text = c.data(message(subject, sender="someone@far.test", to=rcpt))
        c.quit()
    return re.search(r"Message id ([A-Z]{3}\d{5}) accepted", text).group(1)


def waiting(world, number):
    """Its row of the queue, after the first attempt."""
    def look():
        rows = [r for r in world.ours.tool_json("queue")["rows"] if r["id"] == number]
        return rows[0] if rows and rows[0]["answer"] else None
    return wait_for(f"{number} to wait", look)


def refuses():
    try:
        socket.create_connection((PEER, 25), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("domain", ["byhost.test", "bymx.test"])
def test_the_primary_is_down_first(world, domain):
    subject = f"backup-{domain}"
    world.peer.stop_postfix()
    wait_for("its port to be closed", refuses)  # its children may outlive the master for a moment
    number = hand_in(world, subject, f"dave@{domain}")
    # Its lifetime is its own: by queue.lifetime it would be over.
    answer = waiting(world, number)["answer"].lower()
    assert "could not connect" in answer or "refused" in answer
    world.peer.start_postfix()
    with Smtp(25, host="127.0.0.3") as c:
        c.command("EHLO mx.peer.test", 250)
        assert "pending messages" in c.command(f"ETRN {domain}", 253)[0]
        assert "queuing for node" in c.command(f"ETRN {domain}", 250)[0]
        c.quit()
    got = arrived("at the primary", lambda: world.peer.messages("dave"), subject)
    assert b"by mail.example.test with" in got
    wait_for("an empty queue", lambda: not [r for r in world.ours.tool_json("queue")["rows"] if r["id"] == number])


def test_the_primary_decides_about_recipients(world):
    """A refused recipient: the null sender is told nothing, and nothing stays."""
    number = hand_in(world, "backup-unknown", "nobody@byhost.test")
    wait_for("its end", lambda: not [r for r in world.ours.tool_json("queue")["rows"] if r["id"] == number])
    assert not [m for m in world.peer.messages("dave") if b"backup-unknown" in m]


def test_the_domain_as_others_see_it(world):
    row, = [d for d in world.ours.tool_json("list", "domains")["rows"] if d["domain"] == "byhost.test"]
    assert (row["type"], row["backup_host"]) == ("backup", f"{PEER}:25")
    route, = world.ours.tool_json("route", "find", "x@byhost.test")["rows"]
    assert (route["position"], route["host"]) == (0, f"{PEER}:25")
    refused = world.ours.tool("create", "account", "a@byhost.test", check=False)
    assert refused.returncode != 0 and "backup domain" in refused.stdout + refused.stderr
    world.ours.tool("change", "domain", "bymx.test", "type=local")
    with Smtp(25, host="127.0.0.3") as c:
        c.command("EHLO far.test", 250)
        c.command("MAIL FROM:<a@peer.test>", 250)
        c.command("RCPT TO:<dave@bymx.test>", 550)
    world.ours.tool("change", "domain", "bymx.test", "type=backup")
    with Smtp(25, host="127.0.0.3") as c:
        c.command("EHLO far.test", 250)
        c.command("MAIL FROM:<a@peer.test>", 250)
        c.command("RCPT TO:<dave@bymx.test>", 250)
