"""What becomes of mail that other servers do not take, and who is told (RFC 3461-3464): a Postfix that puts off and refuses, a
smtp-sink that knows nothing of DSN, name servers that fail."""
import re
import shutil
import subprocess
import tempfile
import types

import pytest

from conftest import wait_for
from peers import RECORDS, SECOND, NameServer, PostfixDovecot, neighbour, wait_answer
from test_postfix import bounce_about, inbox, message, report, submit
from wire import Smtp

SINK = "127.0.0.6"
SILENT = "127.0.0.57"  # no name server
SOON = {"queue.retry_schedule": "1s", "queue.lifetime": "3s", "queue.delay_warning": "0s", "dns.timeout": "1s"}


def smtp_sink(address, *words):
    sink = subprocess.Popen(["smtp-sink", "-u", "nobody", *words, f"{address}:25", "100"], stdin=subprocess.DEVNULL)
    wait_answer(address, 25)
    return sink


def end(sink):
    sink.terminate()
    sink.wait(20)


@pytest.fixture(scope="module")
def world(make_module_server):
    made, dirs = [], []

    def begin(what, *args):
        dirs.append(tempfile.mkdtemp(prefix="phpeer-", dir="/var/tmp"))
        made.append(what(dirs[-1], *args))
        return made[-1].start()

    sink = None
    try:
        begin(NameServer, [*RECORDS, "sink.test MX 10 mx.sink.test", f"mx.sink.test A {SINK}"])
        peer = begin(PostfixDovecot)
        sink = smtp_sink(SINK, "-e")
        yield types.SimpleNamespace(peer=peer, ours=neighbour(make_module_server, settings=SOON))
    finally:
        if sink:
            end(sink)
        for m in reversed(made):
            m.stop()
        for d in dirs:
            shutil.rmtree(d, ignore_errors=True)


@pytest.fixture
def setting(world):
    names = []

    def set_it(name, value):
        names.append(name)
        world.ours.tool("set", name, value)

    yield set_it
    for n in names:
        world.ours.tool(*(("set", n, SOON[n]) if n in SOON else ("reset", n)))


def about(server, user, what):
    return [m for m in inbox(server, user) if b"multipart/report" in m and what.encode() in m]


def proper(notice):
    """What holds for every notice: nobody is told of a notice, and no program answers it."""
    assert notice["Return-Path"] == "<>"
    assert notice["Auto-Submitted"] == "auto-replied"
    assert "MAILER-DAEMON" in notice["From"]
    return report(notice)


@pytest.mark.parametrize("rcpt, status, text", [
    ("busy@peer.test", "5.4.7", "554 Permanent problems with the remote server (450 4.2.1 "),  # smtp.err.c.perm
    ("x@broken.test", "5.4.4", "554 Server failure while issuing MX query for broken.test"),   # smtp.err.c.mx
    ("x@down.test", "5.4.1", "554 Could not connect and send the mail to recipient (down.down.test [127.0.0.9]: "),  # smtp.err.c.connect
])
def test_last_reason_at_the_end_of_the_lifetime(world, rcpt, status, text):
    submit(world.ours, "bob@example.test", [rcpt], message("too-late", sender="bob@example.test"))
    _, rcpts = proper(bounce_about(world.ours, "bob", rcpt))
    assert rcpts[0]["Action"] == "failed" and rcpts[0]["Status"] == status
    assert text in re.sub(r"\s+", " ", rcpts[0]["Diagnostic-Code"])


HANGS = "Connection to %s timed out while waiting for the answer to "
CLOSES = "Connection to %s was lost while waiting for the answer to "
LATER, NEVER = "450 4.3.0 Error: command failed", "500 5.3.0 Error: command failed"
SHUTS = "421 4.0.0 Server closing connection"
# What it is told: the outcome in the log, the answer in the queue (none: it is final), Status and Diagnostic-Code (none: it is taken).
FAULTS = {
    "-W CONNECT:60": ("TIMEOUT", f"451 4.4.2 {HANGS}the greeting", "5.4.2", f"x-posthorn; 554 {HANGS}the greeting"),
    "-W .:60": ("TIMEOUT", f"451 4.4.2 {HANGS}the end of the data", "5.4.2", f"x-posthorn; 554 {HANGS}the end of the data"),
    "-q CONNECT": ("INCOMPLETE-SESSION", f"451 4.4.2 {CLOSES}the greeting", "5.4.2", f"x-posthorn; 554 {CLOSES}the greeting"),
    "-q DATA": ("INCOMPLETE-SESSION", f"451 4.4.2 {CLOSES}DATA", "5.4.2", f"x-posthorn; 554 {CLOSES}DATA"),
    "-q .": ("INCOMPLETE-SESSION", f"451 4.4.2 {CLOSES}the end of the data", "5.4.2", f"x-posthorn; 554 {CLOSES}the end of the data"),
    "-Q DATA": ("INCOMPLETE-SESSION", SHUTS, "5.4.7", f"smtp; 554 Permanent problems with the remote server ({SHUTS})"),
    "-r RCPT": ("INCOMPLETE-SESSION", LATER, "5.4.7", f"smtp; 554 Permanent problems with the remote server ({LATER})"),
    "-r .": ("INCOMPLETE-SESSION", LATER, "5.4.7", f"smtp; 554 Permanent problems with the remote server ({LATER})"),
    "-f MAIL": ("INCOMPLETE-SESSION", None, "5.3.0", f"smtp; {NEVER}"),
    "-f .": ("INCOMPLETE-SESSION", None, "5.3.0", f"smtp; {NEVER}"),
    "-p -W RCPT:1": ("OK", None, None, None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_servers_with_faults(world, setting, fault):
    """Each at an address of its own, so that no other's answers count. A second attempt at the least where it is not final."""
    outcome, answer, status, diagnostic = FAULTS[fault]
    place = list(FAULTS).index(fault)
    address, subject = f"127.0.0.{100 + place}", f"fault-{place}-it-has"
    for n in ("deliver.connect_timeout", "deliver.command_timeout", "deliver.data_timeout", "queue.destination_wait"):
        setting(n, "2s")
    setting("queue.lifetime", "1h")
    sink = smtp_sink(address, *fault.split())
    try:
        rcpt = f"u@[{address}]"
        number = submit(world.ours, "bob@example.test", [rcpt], message(subject, sender="bob@example.test"))

        def row():
            return [r for r in world.ours.tool_json("queue")["rows"] if r["id"] == number]

        if answer:
            seen = wait_for("an answer in the queue", lambda: [r for r in row() if r["answer"]])[0]
            assert seen["answer"] == answer.replace("%s", address)
            wait_for("another attempt", lambda: row()[0]["attempts"] >= 2)
            setting("queue.lifetime", "1s")
        wait_for("its end", lambda: not row())
        if status:
            _, rcpts = proper(bounce_about(world.ours, "bob", subject))
            told, = [(r["Action"], r["Status"], r.get("Remote-MTA"), re.sub(r"\s+", " ", r["Diagnostic-Code"])) for r in rcpts]
            assert told == ("failed", status, f"dns; {address}" if diagnostic.startswith("smtp;") else None, diagnostic.replace("%s", address))
        said = wait_for("its lines in the log", lambda: re.findall(
            rf"Client session \*\*\* <bob@example\.test> <{re.escape(rcpt)}> .* ([A-Z-]+) {number}$", world.ours.log_text("s"), re.M))
        assert set(said) == {outcome} and (len(said) > 1) == bool(answer)
    finally:
        end(sink)
    assert len(about(world.ours, "bob", subject)) == bool(status)


def test_no_name_server(make_server):
    """smtp.err.c.dns"""
    s = neighbour(make_server, "second.test", SECOND, users=("frank",), settings={**SOON, "dns.servers": SILENT})
    submit(s, "frank@second.test", ["x@peer.test"], message("nowhere", sender="frank@second.test"))
    _, rcpts = proper(bounce_about(s, "frank", "x@peer.test", 60))
    assert rcpts[0]["Status"] == "5.4.3" and "554 Could not resolve target DNS" in rcpts[0]["Diagnostic-Code"]


def test_too_many_hops(world, setting):
    """smtp.err.c.hops"""
    setting("queue.lifetime", "1h")
    trace = b"".join(b"Received: from h%d.test by h%d.test; Thu, 1 Jan 2026 00:00:00 +0000\r\n" % (i, i + 1) for i in range(12))
    submit(world.ours, "bob@example.test", ["busy@peer.test"], trace + message("hops", sender="bob@example.test"))
    setting("smtp.max_hops", "10")
    notice = wait_for("the notice", lambda: about(world.ours, "bob", "554 Too many hops"))
    assert len(notice) == 1


def test_delay_is_told_once(world, setting):
    setting("queue.lifetime", "1h")
    setting("queue.delay_warning", "1s")
    rcpts = ["busy@peer.test"]
    number = submit(world.ours, "carol@example.test", rcpts, message("patience", sender="carol@example.test"))
    silent = submit(world.ours, "carol@example.test", rcpts, message("hush", sender="carol@example.test"), {rcpts[0]: " NOTIFY=FAILURE"})
    fields, told = proper(bounce_about(world.ours, "carol", "Action: delayed"))
    assert told[0]["Action"] == "delayed" and told[0]["Status"] == "4.2.1" and told[0]["Will-Retry-Until"]
    assert told[0]["Remote-MTA"] == "dns; mx.peer.test"

    def attempts(n):
        return next(r["attempts"] for r in world.ours.tool_json("queue")["rows"] if r["id"] == n)

    for n in (number, silent):
        before = attempts(n)
        wait_for("two more attempts", lambda: attempts(n) >= before + 2, 120)
    notices = about(world.ours, "carol", "Action: delayed")
    assert len(notices) == 1 and b"Subject: patience" in notices[0]
    for n in (number, silent):
        world.ours.tool("queue", "delete", n)


def test_relayed(world):
    """A server that does not know of NOTIFY has taken it: we tell that, once; with DSN it is the server's to tell."""
    submit(world.ours, "alice@example.test", ["x@sink.test", "y@sink.test"], message("taken"),
           {"x@sink.test": " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;X+2Bz@sink.test"})
    fields, told = proper(bounce_about(world.ours, "alice", "x@sink.test"))
    assert [(r["Action"], r["Final-Recipient"]) for r in told] == [("relayed", "rfc822; x@sink.test")]
    assert told[0]["Status"].startswith("2.") and told[0]["Original-Recipient"] == "rfc822;X+z@sink.test"
    assert told[0]["Remote-MTA"] == "dns; mx.sink.test"


@pytest.mark.parametrize("sender", ["", "shut@peer.test"])
def test_no_notice_about_a_notice(world, sender):
    """Without a sender there is nobody to tell; where his server refuses the notice it is dropped, and nobody is told of that."""
    def dropped():
        return len(world.ours.tool_json("events", "name=notice.dropped")["rows"])

    before, subject = dropped(), f"untold-{sender or 'null'}"
    with Smtp(world.ours.port["smtp"]) as c:
        c.envelope(sender, "nobody@peer.test")
        c.data(message(subject, sender="a@b.test", to="nobody@peer.test"))
        c.quit()
    wait_for("its end", lambda: dropped() > before)
    wait_for("an empty queue", lambda: not world.ours.tool_json("queue")["rows"])
    assert dropped() == before + 1
    for user in ("alice", "bob", "carol"):
        assert not about(world.ours, user, subject)
