"""Milters: what each answer and each change does, what happens when a milter is away or misbehaves, and the real opendkim."""
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile

import pytest

import milter_peer as mp
from conftest import wait_for
from corpus import below_trace
from milter_peer import Milter
from peers import NameServer, wait_answer
from test_basics import message_count
from test_big import BIG
from wire import Imap, Smtp, stuff

BODY = b"From: a@example.test\r\nTo: bob@example.test\r\nSubject: first\r\nX-Twice: 1\r\nX-Twice:  two\r\n folded\r\n\r\nHello\r\n.dot\r\nend\r\n"


@pytest.fixture
def world(make_server):
    """make(milter, options, ...): a server that asks these milters."""
    made = []

    def make(*milters, settings=None, **kw):
        made.extend(m for m, _ in milters)
        listed = ";".join(m.address() + (f"|{o}" if o else "") for m, o in milters)
        return make_server(settings={"smtp.milters": listed, **(settings or {})}, **kw)

    yield make
    for m in made:
        m.stop()


def newest(server, user="bob"):
    c = Imap(server.port["imap"], server.address(user))
    wait_for("the message", lambda: c.select(command="EXAMINE") > 0)
    text = c.fetch_literal(c.select(command="EXAMINE"))
    c.logout()
    return text


def deliver(server, to="bob", body=BODY, sender="someone@elsewhere.test"):
    with Smtp(server.port["smtp"]) as c:
        c.envelope(sender, server.address(to))
        c.data(body)
        c.quit()
    return newest(server, to)


def refused(c, code):
    c.command("DATA", 354)
    c.send(stuff(BODY) + b".\r\n")
    c.expect(code)


def logged(server, text):
    """Waits for it: lines are written by another process."""
    return wait_for(f"a line with '{text}'", lambda: [l for l in server.log_text("s").splitlines() if text in l])


def test_every_step_and_macro(world):
    m = Milter()
    s = world((m, "name=scripted"))
    got = deliver(s)
    assert below_trace(got) == BODY
    wait_for("its end", lambda: m.steps()[-1] == "quit")
    steps = [x for x in m.steps() if x != "header"]
    assert steps == ["connect", "helo", "mail", "rcpt", "data", "eoh", "body", "eom", "quit"]
    assert m.offers == [(6, 0x1ff, 0x1ff7ff)]
    connect = m.data("connect")[0]
    assert connect.startswith(b"[127.0.0.1]\x004") and connect.endswith(b"127.0.0.1\0")
    assert m.data("helo") == [b"client.test\0"]
    assert m.data("mail")[0].split(b"\0")[0] == b"<someone@elsewhere.test>"
    assert m.data("rcpt") == [b"<bob@example.test>\0"]
    assert m.data("header") == [b"From\0a@example.test\0", b"To\0bob@example.test\0", b"Subject\0first\0", b"X-Twice\x001\0",
                                b"X-Twice\0 two\n folded\0"]
    assert m.data("body") == [b"Hello\r\n.dot\r\nend\r\n"]
    for key, value in {("C", "j"): "mail.example.test", ("C", "{daemon_name}"): "smtp", ("C", "{client_addr}"): "127.0.0.1",
                       ("M", "{mail_addr}"): "someone@elsewhere.test", ("M", "{mail_host}"): "elsewhere.test",
                       ("R", "{rcpt_addr}"): "bob@example.test", ("R", "{rcpt_mailer}"): "local"}.items():
        assert m.macros[key] == value, key
    assert ("M", "{auth_authen}") not in m.macros and m.macros[("E", "i")] in got.decode()


def test_macros_of_logins_and_tls_and_what_it_asks_for(world):
    wishes = struct.pack("!I", 2) + b"{auth_type} {auth_authen} {tls_version} j\0"
    m = Milter(macros=wishes)
    s = world((m, ""))
    with Smtp(s.port["submission"]) as c:
        c.starttls()
        c.login("alice@example.test")
        c.envelope("alice@example.test", "bob@example.test", parameters=" BODY=8BITMIME SIZE=10")
        c.data(BODY)
        c.quit()
    newest(s)
    assert m.steps().count("connect") == 1 and m.steps().count("helo") == 2  # the second one under TLS
    assert m.macros[("M", "{auth_type}")] == "PLAIN" and m.macros[("M", "{auth_authen}")] == "alice@example.test"
    assert m.macros[("M", "{tls_version}")].startswith("TLSv1") and ("M", "{mail_addr}") not in m.macros
    assert m.data("mail") == [b"<alice@example.test>\0BODY=8BITMIME\0SIZE=10\0"]


@pytest.mark.parametrize("step,answer,code,text", [
    ("mail", mp.REJECT, 501, "5.7.1 Permission denied"), ("mail", mp.TEMPFAIL, 451, "4.7.1 Service not available, try again later"),
    ("mail", mp.reply("553 5.1.8 No %%such sender"), 553, "5.1.8 No %such sender"),
    ("rcpt", mp.REJECT, 550, "5.7.1 Permission denied"), ("rcpt", mp.reply("450 4.2.1 Grey"), 450, "4.2.1 Grey"),
    ("data", mp.REJECT, 554, "5.7.1 Message cannot be accepted, rules rejection"),
    ("header", mp.REJECT, 554, "5.7.1 Message cannot be accepted, rules rejection"),
    ("eoh", mp.TEMPFAIL, 451, "4.7.1 Service not available, try again later"),
    ("body", mp.reply("550-5.7.0 One\r\n550 5.7.0 Two"), 550, "5.7.0 One|5.7.0 Two"),
    ("eom", mp.reply("550 5.7.0 Spam"), 550, "5.7.0 Spam"), ("eom", mp.SHUTDOWN, 421, "4.7.1 mail.example.test Service not available"),
    ("helo", mp.REJECT, 550, "5.7.1 Permission denied"), ("connect", mp.REJECT, 554, "5.7.1 Permission denied"),
    ("connect", mp.TEMPFAIL, 421, "4.7.1 mail.example.test Service not available"), ("connect", mp.reply("521 Go away"), 521, "Go away"),
])
def test_refusals(world, step, answer, code, text):
    m = Milter({step: answer})
    s = world((m, "name=strict"))
    order = ["helo", "mail", "rcpt", "data", "end"]
    with Smtp(s.port["smtp"], hello=None) as c:
        lines = {"helo": "EHLO client.test", "mail": "MAIL FROM:<x@elsewhere.test>", "rcpt": "RCPT TO:<bob@example.test>", "data": "DATA"}
        at = {"connect": "helo", "header": "end", "eoh": "end", "body": "end", "eom": "end"}.get(step, step)
        for name in order:
            c.send(stuff(BODY) + b".\r\n" if name == "end" else lines[name].encode() + b"\r\n")
            got, texts = c.reply()
            if name == at:
                break
            assert got in (250, 354), (name, got, texts)
        assert got == code and "|".join(texts).startswith(text), (got, texts)
        if step == "connect" or code == 421:
            assert c.at_end()
        else:
            # The session goes on, and so does the milter.
            m.answers.clear()
            if at == "helo":
                c.hello()
            if at != "rcpt":
                c.envelope("x@elsewhere.test")
            c.command("RCPT TO:<bob@example.test>", 250)
            c.data(BODY)
            c.quit()
    if step != "connect" and code != 421:
        assert below_trace(newest(s)) == BODY and message_count(s, "bob") == 1
    else:
        assert message_count(s, "bob") == 0
    assert logged(s, f"Milter strict refused at {step}")


def test_discard_and_accept(world):
    first, second = Milter({"rcpt": mp.DISCARD}), Milter()
    s = world((first, "name=first"), (second, "name=second"))
    with Smtp(s.port["smtp"]) as c:
        c.envelope("x@elsewhere.test", "bob@example.test")
        c.data(BODY)
        assert logged(s, "Milter first discards the message at rcpt")
        assert second.steps()[-1] == "mail" and "eom" not in first.steps()
        first.answers = {"mail": mp.ACCEPT}
        c.envelope("x@elsewhere.test", "bob@example.test")
        c.data(b"Subject: second\r\n\r\nx\r\n")
        c.quit()
    assert b"Subject: second" in newest(s) and message_count(s, "bob") == 1
    assert first.steps()[-2:] == ["mail", "quit"] or first.steps()[-1] == "mail"
    assert second.steps().count("eom") == 1 and "abort" in second.steps()


def test_changes(world):
    first = Milter({"eom": [mp.PROGRESS, mp.add_header("X-Added", "at the end\n folded"), mp.insert_header(1, "X-First", "in front"),
                            mp.change_header(2, "x-twice", "changed"), mp.change_header(1, "Subject", ""),
                            mp.change_header(1, "X-New", "was not there\nEvil: no field"), mp.CONTINUE]})
    second = Milter({"eom": [b"bNew \r\n", b"b.body\r\n", mp.CONTINUE]})
    s = world((first, ""), (second, ""))
    assert below_trace(deliver(s)) == (b"X-First: in front\r\nFrom: a@example.test\r\nTo: bob@example.test\r\nX-Twice: 1\r\nX-Twice: changed\r\n"
                                       b"X-Added: at the end\r\n folded\r\nX-New: was not there\r\n\tEvil: no field\r\n\r\nNew \r\n.body\r\n")
    assert second.data("header")[0] == b"X-First\0in front\0"  # sees what the first one did
    assert logged(s, "2 header fields added, 3 header fields changed or deleted") and logged(s, "body replaced")


def test_leading_blanks_silent_steps_and_unwanted_ones(world):
    m = Milter({"eom": [mp.add_header("X-A", " a"), mp.add_header("X-B", "b"), mp.CONTINUE]},
               protocol=mp.LEADING | mp.NO["helo"] | mp.NO["data"] | mp.NO["eoh"] | mp.SILENT["header"] | mp.SILENT["connect"] | mp.SILENT["body"])
    s = world((m, ""))
    got = deliver(s)
    assert b"\r\nX-A: a\r\nX-B:b\r\n\r\n" in got
    assert [x for x in m.steps() if x not in ("header", "quit")] == ["connect", "mail", "rcpt", "body", "eom"]
    assert m.data("header")[4] == b"X-Twice\0  two\n folded\0"


def test_envelope_changes(world):
    m = Milter({"eom": [mp.address("-", "<bob@example.test>"), mp.address("+", "<carol@example.test>"), mp.address("+", "no address"),
                        mp.address("e", "<other@elsewhere.test>"), mp.CONTINUE]})
    s = world((m, ""))
    with Smtp(s.port["smtp"]) as c:
        c.envelope("x@elsewhere.test", "bob@example.test", "alice@example.test")
        c.data(BODY)
        assert newest(s, "carol").startswith(b"Return-Path: <other@elsewhere.test>\r\n")
        assert below_trace(newest(s, "alice")) == BODY and message_count(s, "bob") == 0
        # Nobody is left: the message is dropped.
        m.answers["eom"] = [mp.address("-", "bob@example.test"), mp.CONTINUE]
        c.envelope("x@elsewhere.test", "bob@example.test")
        c.data(BODY)
        m.answers["eom"] = mp.CONTINUE
        c.envelope("x@elsewhere.test", "bob@example.test")
        c.data(b"Subject: last\r\n\r\nx\r\n")
        c.quit()
    assert b"Subject: last" in newest(s) and message_count(s, "bob") == 1
    assert logged(s, "sender now <other@elsewhere.test>") and logged(s, "DISCARDED")


def test_quarantine_holds_the_message(world):
    m = Milter({"eom": [b"qLooks bad\0", mp.CONTINUE]})
    s = world((m, "name=q"))
    with Smtp(s.port["smtp"]) as c:
        c.envelope("x@elsewhere.test", "bob@example.test")
        c.data(BODY)
        m.answers = {}
        c.envelope("x@elsewhere.test", "alice@example.test")
        c.data(BODY)
        c.quit()
    newest(s, "alice")
    assert message_count(s, "bob") == 0
    assert logged(s, "Milter q holds the message: Looks bad")
    s.stop()
    s.start()  # it is held for good
    held = s.tool_json("queue")["rows"]
    assert len(held) == 1 and message_count(s, "bob") == 0
    s.tool("queue", "release", held[0]["id"])
    assert below_trace(newest(s)) == BODY


@pytest.mark.parametrize("how", ["silence", "close", "garbage", "huge", "trickle", "unending"])
@pytest.mark.parametrize("failure,code", [("tempfail", 451), ("reject", 554), ("accept", 250)])
def test_failures(world, how, failure, code):
    m = Milter({"eom": getattr(mp, how)})
    s = world((m, f"name=bad|timeout=2s|total=3s|failure={failure}"))
    with Smtp(s.port["smtp"]) as c:
        c.envelope("x@elsewhere.test", "bob@example.test")
        refused(c, code)
        c.command("NOOP", 250)
        c.quit()
    assert logged(s, "Milter bad failed at eom")
    if failure == "accept":
        assert below_trace(newest(s)) == BODY
    else:
        assert message_count(s, "bob") == 0


def test_changes_of_a_milter_that_fails_do_not_hold(world):
    m = Milter({"eom": lambda c, d: (Milter.send(c, mp.add_header("X-Half", "done")), Milter.send(c, b"bhalf a body"), False)[-1]})
    s = world((m, "failure=accept"))
    assert below_trace(deliver(s)) == BODY


@pytest.mark.parametrize("packet,part", [
    (mp.add_header("Bad Name", "x"), "a name that is not allowed"), (b"hname-only\0", "not complete"), (b"z", "unknown"),
    (mp.reply("250 fine"), "no refusal"), (mp.reply("550-one\r\n551 two"), "no refusal"), (mp.address("+", "a\r\nb"), "control"),
])
def test_answers_that_are_not_allowed(world, packet, part):
    m = Milter({"eom": [packet, mp.CONTINUE]})
    s = world((m, "name=odd"))
    with Smtp(s.port["smtp"]) as c:
        c.envelope("x@elsewhere.test", "bob@example.test")
        refused(c, 451)
    assert part in logged(s, "Milter odd failed at eom")[0]


def test_rights_that_were_not_asked_for(world):
    m = Milter({"eom": [mp.add_header("X-A", "x"), mp.CONTINUE]}, actions=0x2)
    s = world((m, "name=odd"))
    with Smtp(s.port["smtp"]) as c:
        c.envelope("x@elsewhere.test", "bob@example.test")
        refused(c, 451)
    assert "did not ask for the right to 'add header'" in logged(s, "Milter odd failed at eom")[0]


@pytest.mark.parametrize("failure,code", [("tempfail", 451), ("reject", 501), ("accept", 250)])
def test_a_milter_that_is_away_and_comes_back(world, failure, code):
    d = pathlib.Path(tempfile.mkdtemp(prefix="phm-", dir="/var/tmp"))
    d.chmod(0o755)
    try:
        m = Milter(path=d / "away")
        m.stop()
        s = world((m, f"name=away|failure={failure}"))
        with Smtp(s.port["smtp"]) as c:
            c.command("MAIL FROM:<x@elsewhere.test>", code)
            assert logged(s, "Milter away failed at connect")
            c.command("RSET", 250)
            (d / "away").unlink()
            back = Milter({"mail": mp.reply("550 5.7.1 Back")}, path=d / "away")
            c.command("MAIL FROM:<x@elsewhere.test>", 550)
            assert back.steps()[:2] == ["connect", "helo"]
            back.stop()
    finally:
        shutil.rmtree(d)


@pytest.mark.parametrize("raw", [b"O\0", b"c", b"O" + struct.pack("!III", 7, 0, 0), b"O" + struct.pack("!III", 6, 0, 0x800)])
def test_negotiations_that_fail(world, raw):
    m = Milter(raw_negotiation=raw)
    s = world((m, "name=odd"))
    with Smtp(s.port["smtp"]) as c:
        c.command("MAIL FROM:<x@elsewhere.test>", 451)
    assert logged(s, "Milter odd failed at connect")


def test_whom_it_is_not_asked_about(world):
    trusted, logins, mx = Milter(), Milter(), Milter()
    s = world((trusted, "except=trusted"), (logins, "except=authenticated"), (mx, "services=smtp"), settings={"net.trusted_ips": "127.0.0.0/8"})
    with Smtp(s.port["submission"]) as c:
        c.starttls()
        c.login("alice@example.test")
        c.envelope("alice@example.test", "bob@example.test")
        c.data(BODY)
        c.quit()
    newest(s)
    assert trusted.connections == mx.connections == 0 and "mail" not in logins.steps() and "connect" in logins.steps()
    deliver(s)
    assert mx.steps().count("eom") == 1 and logins.steps().count("eom") == 1


def test_pipelining_and_transactions_after_rset(world):
    m = Milter({"rcpt": lambda c, d: mp.REJECT if b"carol" in d else mp.CONTINUE})
    s = world((m, ""))
    with Smtp(s.port["smtp"]) as c:
        c.send(b"MAIL FROM:<x@elsewhere.test>\r\nRCPT TO:<bob@example.test>\r\nRSET\r\nMAIL FROM:<y@elsewhere.test>\r\n"
               b"RCPT TO:<carol@example.test>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n")
        for code in (250, 250, 250, 250, 550, 550, 250, 354):
            c.expect(code)
        c.send(stuff(BODY) + b".\r\nQUIT\r\n")
        c.expect(250)
        c.expect(221)
    assert below_trace(newest(s, "alice")) == BODY and message_count(s, "bob") == message_count(s, "carol") == 0
    assert [x for x in m.steps() if x in ("mail", "rcpt", "abort", "eom")] == ["mail", "rcpt", "abort", "mail", "rcpt", "rcpt", "eom"]


def test_bdat_and_fifty_megabytes(world):
    m = Milter({"eom": [mp.insert_header(1, "X-Seen", "yes"), mp.CONTINUE]})
    s = world((m, ""))
    with Smtp(s.port["smtp"]) as c:
        c.envelope("x@elsewhere.test", "bob@example.test")
        half = len(BIG) // 2
        for part, last in ((BIG[:half], b""), (BIG[half:], b""), (b"", b" LAST")):
            c.send(b"BDAT %d%s\r\n" % (len(part), last) + part)
            c.expect(250)
        assert below_trace(newest(s)) == b"X-Seen: yes\r\n" + BIG
        assert b"".join(m.data("body")) == BIG[BIG.index(b"\r\n\r\n") + 4:]
        # Large bodies of its own, and a message that grows beyond what is kept in memory.
        m.answers["eom"] = [b"b" + b"x" * 65533 + b"\r\n"] * 100 + [mp.CONTINUE]
        c.envelope("x@elsewhere.test", "alice@example.test")
        c.send(b"BDAT %d LAST\r\n" % len(BODY) + BODY)
        c.expect(250)
        c.quit()
    assert below_trace(newest(s, "alice")).endswith(b"\r\n\r\n" + (b"x" * 65533 + b"\r\n") * 100)


def test_skip_ends_the_body(world):
    m = Milter({"body": mp.SKIP, "eom": [mp.add_header("X-Seen", "yes"), mp.CONTINUE]}, protocol=0x400)
    s = world((m, ""))
    body = BODY + b"y" * 900 + b"\r\n" + (b"z" * 98 + b"\r\n") * 2000
    assert b"X-Seen: yes" in deliver(s, body=body)
    assert m.steps().count("body") == 1


def test_a_hanging_milter_leaves_others_alone(world):
    """More sessions wait for it than there are workers for slow work: logins by hash wait, fast commands do not."""
    m = Milter({"mail": mp.silence})
    s = world((m, "timeout=60s|services=smtp"))
    held = [Smtp(s.port["smtp"]) for _ in range(20)]
    for c in held:
        c.send(b"MAIL FROM:<x@elsewhere.test>\r\n")
    wait_for("they wait", lambda: m.steps().count("mail") >= 10)
    with Smtp(s.port["smtp"], hello=None) as c:
        c.command("NOOP", 250)
        c.command("QUIT", 221)
    m.stop()  # all are answered
    for c in held:
        c.expect(451)
        c.close()


@pytest.mark.parametrize("failure", ["tempfail", "accept"])
def test_the_end_of_the_server_waits_for_no_milter(world, failure):
    m = Milter({"eom": mp.silence})
    s = world((m, f"timeout=10m|total=10m|failure={failure}"))
    with Smtp(s.port["smtp"]) as c:
        c.envelope("x@elsewhere.test", "bob@example.test")
        c.command("DATA", 354)
        c.send(stuff(BODY) + b".\r\n")
        wait_for("it waits", lambda: "eom" in m.steps())
        s.stop()
        c.expect(451)
    m.answers = {}
    s.start()
    assert message_count(s, "bob") == 0


def test_events_tell_why(world):
    m = Milter({"eom": mp.reply("550 5.7.0 Spam")})
    s = world((m, "name=judge"))
    with Smtp(s.port["smtp"]) as c:
        c.envelope("x@elsewhere.test", "bob@example.test")
        refused(c, 550)
        c.quit()
    line = logged(s, "Milter judge refused")[0]
    assert re.search(r"Milter judge refused at eom after \d+ ms: 550 5\.7\.0 Spam$", line), line


def test_settings_are_checked(make_server):
    s = make_server(start=False)
    for bad in ("inet:8891", "inet:0@127.0.0.1", "unix:relative", "tcp:1@localhost", "inet:1@127.0.0.1|timeout=soon", "inet:1@127.0.0.1|failure=maybe",
                "inet:1@127.0.0.1|services=imap", "inet:1@127.0.0.1|nonsense"):
        r = s.tool("set", "smtp.milters", bad, check=False)
        assert r.returncode == 1 and "smtp.milters" in r.stderr and "inet:port@host" in r.stderr, (bad, r.stderr)
    s.tool("set", "smtp.milters", "unix:/run/a.sock|name=a|total=1m ; inet6:1@[::1]|except=trusted,authenticated")
    s.tool("set", "smtp.milters", "")


@pytest.fixture
def dkim(make_server):
    """opendkim that signs for dkim.example and verifies what others send, and a name server with its key. (Its resolver takes
    .test for a zone without names.)"""
    d = pathlib.Path(tempfile.mkdtemp(prefix="phdkim-", dir="/var/tmp"))
    d.chmod(0o755)
    subprocess.run(["opendkim-genkey", "-b", "2048", "-d", "dkim.example", "-s", "sel", "-D", str(d)], check=True)
    parts = re.findall(r'"[^"]*"', (d / "sel.txt").read_text())
    record = "sel._domainkey.dkim.example TXT " + " ".join(x.replace(" ", "") for x in parts)
    names = NameServer(tempfile.mkdtemp(prefix="phdns-", dir=d), [record]).start()
    (d / "conf").write_text(f"""Socket inet:8891@127.0.0.1
Mode sv
Domain dkim.example
Selector sel
KeyFile {d}/sel.private
Canonicalization relaxed/relaxed
InternalHosts 192.0.2.1
AlwaysAddARHeader yes
AuthservID mail.example.test
Nameservers 127.0.0.53
RequireSafeKeys no
Background no
Syslog no
PidFile {d}/pid
""")
    p = subprocess.Popen(["opendkim", "-f", "-x", str(d / "conf")], stdin=subprocess.DEVNULL, stdout=open(d / "out", "wb"), stderr=subprocess.STDOUT)
    try:
        wait_answer("127.0.0.1", 8891)
        yield make_server(domain="dkim.example", settings={"smtp.milters": "inet:8891@127.0.0.1|name=opendkim"})
    finally:
        p.terminate()
        p.wait(20)
        names.stop()
        shutil.rmtree(d)


@pytest.mark.skipif(not shutil.which("opendkim"), reason="opendkim is not installed")
def test_opendkim_signs_and_verifies(dkim):
    s = dkim
    with Smtp(s.port["submission"]) as c:
        c.starttls()
        c.login("alice@dkim.example")
        c.envelope("alice@dkim.example", "bob@dkim.example")
        c.data(b"From: alice@dkim.example\r\nTo: bob@dkim.example\r\nSubject: signed\r\nDate: Fri, 27 Nov 2026 10:00:00 +0000\r\n"
               b"Message-ID: <1@dkim.example>\r\n\r\nHello\r\n")
        c.quit()
    signed = below_trace(newest(s))
    assert signed.startswith(b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=dkim.example; s=sel;"), signed
    # The same message comes back from outside, and changed.
    got = below_trace(deliver(s, "carol", signed))
    assert re.search(rb"(?s)^Authentication-Results: mail\.example\.test;.*?dkim=pass.*?header\.d=dkim\.example", got), got
    got = below_trace(deliver(s, "alice", signed.replace(b"Hello", b"Hullo")))
    assert re.search(rb"(?s)^Authentication-Results: mail\.example\.test;.*?dkim=fail", got), got
