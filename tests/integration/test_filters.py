"""Content filters: rules of the server and of domains, on messages that come by SMTP; their counters; the tool."""
import base64
import email.header
import io
import json
import time
import zipfile

import milter_peer as mp
from conftest import wait_for
from corpus import below_trace
from milter_peer import Milter
from test_milter import newest
from wire import PASSWORD, Imap, Smtp, stuff

BODY = b"From: a@elsewhere.test\r\nTo: bob@example.test\r\nSubject: first\r\nX-Old: 1\r\nX-Old: 2\r\n\r\nHello\r\n.dot\r\nend\r\n"


def put(server, text, tmp_path, *more):
    f = tmp_path / "rules.txt"
    f.write_text(text)
    server.tool("filter", "put", str(f), *more)


def send(server, body=BODY, to=("bob",), code=250, sender="someone@elsewhere.test"):
    with Smtp(server.port["smtp"]) as c:
        c.envelope(sender, *[server.address(t) if "@" not in t else t for t in to])
        c.command("DATA", 354)
        c.send(stuff(body) + b".\r\n")
        reply = c.expect(code)
        c.quit()
    return reply


def with_zip(name="setup.exe", data=b"MZ\x90\x00"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("read me.txt", "hello")
        z.writestr(name, data)
    return (b"Subject: files\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nsee\r\n--x\r\n"
            b"Content-Type: application/zip; name=files.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes(out.getvalue()).replace(b"\n", b"\r\n") + b"--x--\r\n")


def rows(server, *owner):
    return json.loads(server.tool("--json", "filter", "list", *owner).stdout)["rows"]


def count(server, user):
    c = Imap(server.port["imap"], server.address(user))
    n = c.select(command="EXAMINE")
    c.logout()
    return n


def logged(server, text):
    return wait_for(f"a line with '{text}'", lambda: [l for l in server.log_text("s").splitlines() if text in l])


def test_reject_and_counter(make_server, tmp_path):
    s = make_server()
    put(s, 'rule "No programs" if attachment-name matches "*.exe" then reject "No programs"\n', tmp_path)
    assert send(s, with_zip(), code=550) == ["5.7.1 No programs"]
    send(s, with_zip("setup.txt", b"hello"))
    wait_for("the message", lambda: count(s, "bob") == 1)
    assert wait_for("the hit", lambda: [(r["name"], r["hits"]) for r in rows(s) if r["hits"]]) == [("No programs", 1)]
    logged(s, "Filter rule 'No programs' of server: reject '550 5.7.1 No programs'")
    s.tool("set", "log.smtp", "debug")
    put(s, 'rule "Plain" if header "Subject" is "first" then reject\n', tmp_path)
    assert send(s, code=554) == ["5.7.1 Message cannot be accepted, content filter rejection"]
    logged(s, "Message for <bob@example.test> not delivered. Reasons:[ContentFilter=Plain], Action:REJECT")
    s.tool("filter", "delete", "Plain")
    s.tool("filter", "delete", "No programs")
    send(s, with_zip())


def test_header_changes(make_server, tmp_path):
    s = make_server()
    put(s, '''rule "score" if header "Subject" is "first" then score 3
rule "tag" if score over 2.5 then tag-subject "[Grün]", add-header "X-New" "a", set-header "X-Old" "only", remove-header "To"
rule "never" if header "X-New" exists then delete
''', tmp_path)
    send(s)
    wait_for("the message", lambda: count(s, "bob") == 1)
    head, body = below_trace(newest(s)).split(b"\r\n\r\n", 1)
    assert body == b"Hello\r\n.dot\r\nend\r\n"
    fields = [line.decode("ascii").split(": ", 1) for line in head.split(b"\r\n")]
    assert [f[0] for f in fields] == ["X-New", "From", "Subject", "X-Old"]
    assert fields[0][1] == "a" and fields[3][1] == "only"
    assert str(email.header.make_header(email.header.decode_header(fields[2][1]))) == "[Grün] first"


def test_delete_hold_forward_copy(make_server, tmp_path):
    s = make_server()
    put(s, f'''rule "gone" if header "Subject" is "gone" then delete
rule "held" if header "Subject" is "held" then quarantine "to be looked at", stop
rule "sent on" if header "Subject" is "sent on" then forward "{s.address("alice")}"
rule "copied" if header "Subject" is "copied" then copy "{s.address("alice")}"
''', tmp_path)
    for subject in (b"gone", b"held", b"sent on", b"copied", b"plain"):
        send(s, BODY.replace(b"first", subject))
    wait_for("copied and plain", lambda: count(s, "bob") == 2)
    wait_for("sent on and copied", lambda: count(s, "alice") == 2)
    held, = wait_for("the held one", lambda: json.loads(s.tool("--json", "queue", "list").stdout)["rows"])
    assert held["sender"] == "someone@elsewhere.test"
    s.tool("queue", "release", held["id"])
    wait_for("the released one", lambda: count(s, "bob") == 3)


def test_large_message(make_server, tmp_path):
    """In a spool file: looked at, refused, changed."""
    s = make_server()
    put(s, 'rule "x" if body contains "the needle" then set-header "X-Found" "yes"\nrule "y" if body contains "the nail" then reject "no nails"\n', tmp_path)
    hay = b"Subject: hay\r\n\r\n" + b"hay and hay and hay\r\n" * 200_000
    send(s, hay + b"the nail\r\n", code=550)
    send(s, hay + b"the needle\r\n")
    wait_for("the message", lambda: count(s, "bob") == 1)
    assert below_trace(newest(s)) == b"X-Found: yes\r\n" + hay + b"the needle\r\n"


def test_domains(make_server, tmp_path):
    """A domain's rules are about its recipients; a refusal is one of the whole message."""
    s = make_server()
    s.tool("create", "domain", "other.test")
    s.tool("create", "account", "carl@other.test", f"password={PASSWORD}")
    put(s, 'rule "gone" if header "Subject" is "gone" then delete\nrule "no" if header "Subject" is "no" then reject "not for us"\n'
           'rule "who" if recipient ends "@example.test" then reject "sees too much"\n', tmp_path, "owner=other.test")
    s.tool("set", "log.smtp", "debug")
    both = ("bob", "carl@other.test")
    send(s, to=both)
    send(s, BODY.replace(b"first", b"gone"), to=both)
    logged(s, "Message for <carl@other.test> not delivered. Reasons:[ContentFilter=gone], Action:DELETE")
    assert not [l for l in s.log_text("s").splitlines() if "<bob@example.test> not delivered" in l]
    assert send(s, BODY.replace(b"first", b"no"), to=both, code=550) == ["5.7.1 not for us"]
    send(s, BODY.replace(b"first", b"no"))
    wait_for("bob's three", lambda: count(s, "bob") == 3)
    c = Imap(s.port["imap"], "carl@other.test")
    assert c.select(command="EXAMINE") == 1
    c.logout()


def test_milter(make_server, tmp_path):
    """A milter that only rules ask: it is told of the envelope, sees what rules have changed, and its word counts."""
    m = Milter({"eom": [mp.add_header("X-Scan", "clean"), mp.CONTINUE]})
    try:
        s = make_server(settings={"smtp.milters": f"{m.address()}|name=scan|services=rules|except=trusted"})
        put(s, 'rule "scan" if header "Subject" is "first" then milter "scan", tag-subject "[t]"\nrule "none" if header "Subject" is "none" then milter "other"\n', tmp_path)
        send(s, BODY.replace(b"first", b"plain"))
        wait_for("the plain one", lambda: count(s, "bob") == 1)
        assert m.connections == 0
        send(s, to=("bob", "alice"))
        wait_for("the scanned one", lambda: count(s, "bob") == 2)
        assert below_trace(newest(s)) == BODY.replace(b"first", b"[t] first").replace(b"\r\n\r\n", b"\r\nX-Scan: clean\r\n\r\n", 1)
        assert m.data("mail")[0].split(b"\0")[0] == b"<someone@elsewhere.test>"
        assert m.data("rcpt") == [b"<bob@example.test>\0", b"<alice@example.test>\0"]
        assert b"Subject\0[t] first\0" in m.data("header")
        for step, answer, code, text in (("eom", mp.reply("550 5.7.0 Spam"), 550, "5.7.0 Spam"), ("rcpt", mp.REJECT, 554, "5.7.1 Message cannot be accepted, rules rejection"),
                                         ("mail", mp.TEMPFAIL, 451, None)):
            m.answers = {step: answer}
            reply = send(s, code=code)
            assert text is None or reply == [text], (step, reply)
        m.answers = {"eom": mp.DISCARD}
        send(s)
        logged(s, "DISCARDED")
        assert send(s, BODY.replace(b"first", b"none"), code=451)
        logged(s, "no milter 'other' with services=rules")
        m.answers = {}
        send(s, BODY.replace(b"first", b"last"))
        wait_for("the last one, and no other", lambda: count(s, "bob") == 3)
    finally:
        m.stop()


def test_tarpit(make_server, tmp_path):
    s = make_server()
    put(s, 'rule "slow" if header "Subject" is "first" then tarpit 2, reject "slowly"\n', tmp_path)
    with Smtp(s.port["smtp"]) as c:
        c.envelope("someone@elsewhere.test", s.address("bob"))
        c.command("DATA", 354)
        began = time.monotonic()
        c.send(stuff(BODY) + b".\r\n")
        assert c.expect(550) == ["5.7.1 slowly"] and time.monotonic() - began > 1.9
        c.quit()


def test_accounts(make_server, tmp_path):
    """An account's rules are about its own copy, are counted, and go with the account."""
    s = make_server()
    bob = "owner=bob@example.test"
    put(s, 'rule "gone" if header "Subject" is "gone" then delete\nrule "sorted" if header "Subject" is "first" then move "Sorted", tag-subject "[s]"\n'
           'rule "no" if header "Subject" is "no" then reject "bob does not want it"\n', tmp_path, bob)
    for subject in (b"gone", b"first", b"no", b"other"):
        send(s, BODY.replace(b"first", subject), to=("bob", "alice"), sender=s.address("alice"))
    wait_for("all deliveries", lambda: json.loads(s.tool("--json", "queue", "list").stdout)["rows"] == [])
    assert count(s, "alice") == 5 and count(s, "bob") == 1  # four and a notice; the other
    c = Imap(s.port["imap"], s.address("bob"))
    assert c.select("Sorted", command="EXAMINE") == 1
    c.logout()
    wait_for("the hits", lambda: [(r["name"], r["hits"]) for r in rows(s, s.address("bob"))] == [("gone", 1), ("sorted", 1), ("no", 1)])
    out = s.tool("filter", "list", s.address("bob")).stdout
    assert "sorted" in out
    s.tool("delete", "account", s.address("bob"))
    s.tool("create", "account", s.address("bob"), f"password={PASSWORD}")
    assert rows(s, s.address("bob")) == []


def test_tool(make_server, tmp_path):
    s = make_server()
    text = '# why\nrule "a"\n  then score 1\n\nrule "b" off then stop'
    put(s, text, tmp_path)
    assert s.tool("filter", "show").stdout.strip() == text
    assert s.tool("filter", "show", "b").stdout.strip() == 'rule "b" off then stop'
    s.tool("filter", "move", "b", "1")
    assert [r["name"] for r in rows(s)] == ["b", "a"]
    put(s, text, tmp_path, "all=yes")
    assert [r["name"] for r in rows(s)] == ["a", "b"]
    eml = tmp_path / "m.eml"
    eml.write_bytes(BODY + b"\xff\xfe")
    out = s.tool("filter", "test", str(eml), "sender=a@b.test").stdout
    assert "score 1" in out and "goes on; score 1.00" in out
    bad = tmp_path / "bad.txt"
    bad.write_text('rule "x"\n if sendr is "a" then stop')
    r = s.tool("filter", "put", str(bad), check=False)
    assert r.returncode != 0 and "line 2, column 5: 'sendr' stands where a condition" in r.stderr
    bad.write_text('rule "x" if helo is "a" then stop')
    r = s.tool("filter", "put", str(bad), "owner=bob@example.test", check=False)
    assert r.returncode != 0 and "the condition 'helo' is not known any more" in r.stderr


def at_rcpt(server, helo, *codes, to=("alice", "bob")):
    """The replies to each recipient of a client of this name."""
    with Smtp(server.port["smtp"], hello=helo) as c:
        c.command("MAIL FROM:<someone@elsewhere.test>", 250)
        replies = [c.command(f"RCPT TO:<{server.address(t)}>", code) for t, code in zip(to, codes)]
        c.quit()
    return replies


def test_the_name_in_helo_is_refused_at_rcpt(make_server, tmp_path):
    """smtp.err.550.rules: before there is content; an exception stands in front of it."""
    s = make_server()
    rules = 'rule "HELO" if helo matches "friend*" then reject\n'
    put(s, rules, tmp_path)
    alice, bob = at_rcpt(s, "friend.test", 550, 550)
    assert alice == [f"5.7.1 Access to <{s.address('alice')}> not allowed by rules"] and bob == [f"5.7.1 Access to <{s.address('bob')}> not allowed by rules"]
    at_rcpt(s, "FRIEND", 550)
    at_rcpt(s, "mail.test", 250, 250)
    assert wait_for("the hits", lambda: [(r["name"], r["hits"]) for r in rows(s) if r["hits"] == 3]) == [("HELO", 3)]
    logged(s, "Filter rule 'HELO' of server: reject")
    explained = s.tool_json("events", "name=smtp.rcpt.refused")["rows"]
    assert any("not allowed by rules" in e["fields"]["reply"] for e in explained)
    # Its own words; off; the exception before and behind it.
    put(s, 'rule "HELO" if helo matches "friend*" then reject "451 Not now"\n', tmp_path)
    assert at_rcpt(s, "friend.test", 451) == [["4.7.1 Not now"]]
    s.tool("filter", "enable", "HELO", "no")
    at_rcpt(s, "friend.test", 250)
    exception = 'rule "Partner" if helo is "friend.partner.test" then accept\n'
    put(s, exception + rules, tmp_path, "all=yes")
    at_rcpt(s, "friend.partner.test", 250, 250)
    at_rcpt(s, "friend.test", 550)
    s.tool("filter", "move", "HELO", "1")
    at_rcpt(s, "friend.partner.test", 550)


def test_what_may_end_the_asking_before_keeps_its_turn(make_server, tmp_path):
    """A rule about the message stands in front: whether the name counts is known at the end."""
    s = make_server()
    helo = 'rule "HELO" if helo is "friend.test" then reject\n'
    put(s, 'rule "Wanted" if header "Subject" is "first" then accept\n' + helo, tmp_path, "all=yes")
    for subject, code in ((b"first", 250), (b"other", 554)):
        with Smtp(s.port["smtp"], hello="friend.test") as c:
            c.envelope("someone@elsewhere.test", s.address("bob"))
            c.command("DATA", 354)
            c.send(stuff(BODY.replace(b"first", subject)) + b".\r\n")
            c.expect(code)
            c.quit()
    # What only marks does not stand in the way; what does more than refuse is asked at the end.
    put(s, 'rule "Mark" then score 1\n' + helo, tmp_path, "all=yes")
    at_rcpt(s, "friend.test", 550)
    put(s, 'rule "HELO" if helo is "friend.test" then deny-sender, reject\n', tmp_path, "all=yes")
    at_rcpt(s, "friend.test", 250)
    put(s, 'rule "HELO" if helo is "friend.test" and header "Subject" exists then reject\n', tmp_path, "all=yes")
    at_rcpt(s, "friend.test", 250)
