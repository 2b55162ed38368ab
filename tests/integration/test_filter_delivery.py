"""What rules of the server and of domains have done at delivery (move, respond), what they have run (command), and the lists of senders
that they change."""
import email
import json
import shutil

import pytest

from conftest import wait_for
from corpus import below_trace
from test_commands import NEVER, World
from test_filters import BODY, count, logged, put, send
from wire import PASSWORD, Imap, Smtp, stuff

SENDER = "someone@elsewhere.test"


@pytest.fixture
def world(make_server):
    w = World(make_server)
    yield w
    shutil.rmtree(w.dir, ignore_errors=True)


def folder(server, user, name):
    """Messages in a folder; None: there is none."""
    c = Imap(server.port["imap"], server.address(user) if "@" not in user else user)
    there = any(r.endswith((name.encode(), f'"{name}"'.encode())) for r in c.command('LIST "" "*"') if r.startswith(b"* LIST"))
    n = c.select(name, command="EXAMINE") if there else None
    c.logout()
    return n


def queue(server):
    return json.loads(server.tool("--json", "queue", "list").stdout)["rows"]


def idle(server):
    wait_for("an empty queue", lambda: queue(server) == [])


def titled(subject, to="bob@example.test"):
    return BODY.replace(b"first", subject.encode()).replace(b"bob@example.test", to.encode())


def replies(server, user="alice"):
    """Messages in the inbox of the sender, as parsed."""
    c = Imap(server.port["imap"], server.address(user))
    n = c.select(command="EXAMINE")
    found = [email.message_from_bytes(c.fetch_literal(i + 1)) for i in range(n)]
    c.logout()
    return found


def senders(server, *owner):
    return [(r["sender"], r["verdict"], r["admin"]) for r in json.loads(server.tool("--json", "senders", "list", *owner).stdout)["rows"]]


def test_move_at_each_level(make_server, tmp_path):
    """The account's rule goes before the domain's, that before the server's; who is elsewhere is not concerned."""
    s = make_server()
    s.tool("create", "domain", "other.test")
    s.tool("create", "account", "carl@other.test", f"password={PASSWORD}")
    put(s, 'rule "server" if header "Subject" starts "s" then move "Server"\n', tmp_path)
    put(s, 'rule "domain" if header "Subject" is "sd", "sda" then move "Domain/Below"\n', tmp_path, "owner=example.test")
    put(s, 'rule "account" if header "Subject" is "sda" then move "Account"\n', tmp_path, "owner=bob@example.test")
    for subject in ("plain", "s", "sd", "sda"):
        send(s, titled(subject), to=("bob", "alice", "carl@other.test"))
    idle(s)
    for name in ("INBOX", "Server", "Domain/Below", "Account"):
        assert folder(s, "bob", name) == 1, name
    assert (folder(s, "alice", "Server"), folder(s, "alice", "Domain/Below")) == (1, 2)
    assert (folder(s, "carl@other.test", "Server"), folder(s, "carl@other.test", "INBOX")) == (3, 1)
    logged(s, "Filter rule 'domain' of example.test: move 'Domain/Below'")


def test_move_to_lists_and_forwards(make_server, tmp_path):
    """A list has no folders; the copy that stays of what is forwarded is moved, what is sent on is not."""
    s = make_server()
    s.tool("create", "account", "list@example.test", "kind=list", "list_post=anyone")
    s.tool("change", "members", "list@example.test", f"add={s.address('alice')}")
    s.tool("change", "account", s.address("bob"), f"forward_to={s.address('alice')}")
    put(s, 'rule "all" then move "Sorted"\n', tmp_path)
    send(s, to=("list@example.test",))
    send(s, to=("bob",))
    idle(s)
    assert folder(s, "bob", "Sorted") == 1 and folder(s, "bob", "INBOX") == 0
    assert folder(s, "alice", "INBOX") == 2 and folder(s, "alice", "Sorted") is None


def test_orders_survive(make_server, tmp_path):
    """What was decided at acceptance holds after the module was killed and the rule deleted; nothing is delivered twice."""
    s = make_server()
    put(s, 'rule "held" then quarantine, move "Later", respond "Thank you" subject "Got it" days 1\n', tmp_path)
    send(s, titled("first"), sender=s.address("alice"))
    held, = wait_for("the held message", lambda: queue(s))
    s.tool("filter", "delete", "held")
    former = s.kill("smtp")
    wait_for("the module again", lambda: s.pids().get("smtp") not in (None, former))
    s.tool("queue", "release", held["id"])
    idle(s)
    assert folder(s, "bob", "Later") == 1 and folder(s, "bob", "INBOX") == 0
    reply, = wait_for("the reply", lambda: replies(s))
    assert reply["Subject"] == "Got it" and reply.get_payload() == "Thank you\r\n"


def test_respond(make_server, tmp_path):
    """RFC 3834: marked, to the sender's envelope address, once in the period, and never to programs, lists, notices or in answer to itself."""
    s = make_server()
    put(s, 'rule "away" if header "Subject" is "ask" then respond "We are closed.\nSee you" subject "Closed" days 2\n', tmp_path, "owner=example.test")
    alice = s.address("alice")

    def ask(*fields, sender=alice, to=("bob",), named="bob@example.test"):
        send(s, b"".join(f.encode() + b"\r\n" for f in fields) + titled("ask", named), sender=sender, to=to)
        idle(s)

    ask("Message-ID: <1@elsewhere.test>", to=("bob", "carol"))
    reply, = replies(s)
    assert reply["Subject"] == "Closed" and reply["To"].strip("<>") == alice
    assert reply["From"].endswith("<bob@example.test>") and reply["Return-Path"] == "<>"
    assert reply["Auto-Submitted"].startswith("auto-replied") and reply["In-Reply-To"] == "<1@elsewhere.test>"
    assert reply.get_payload() == "We are closed.\r\nSee you\r\n"
    ask()  # once in two days
    assert len(replies(s)) == 1
    for fields in (("Auto-Submitted: auto-replied",), ("List-Id: <x.example>",), ("Precedence: bulk",), ("X-Auto-Response-Suppress: All",)):
        s.tool("filter", "put", str(_file(tmp_path, f'rule "away" if header "Subject" is "ask" then respond "{fields[0]}"\n')), "owner=example.test")
        ask(*fields)
        assert len(replies(s)) == 1, fields
    ask(sender="")
    ask(named="undisclosed@example.test")  # by Bcc
    assert len(replies(s)) == 1
    # Two who answer each other end at once.
    put(s, 'rule "loop" then respond "again"\n', tmp_path)
    send(s, titled("loop"), sender=alice)
    idle(s)
    assert len(replies(s)) == 2
    assert count(s, "bob") == 9


def _file(tmp_path, text):
    f = tmp_path / "one.txt"
    f.write_text(text)
    return f


def test_one_reply_of_several(make_server, tmp_path):
    """By the first recipient with a mailbox, and nobody answers what is deleted or refused."""
    s = make_server()
    put(s, 'rule "both" if header "Subject" is "both" then respond "hello", respond "second"\n'
           'rule "gone" if header "Subject" is "gone" then respond "hello", delete\nrule "no" if header "Subject" is "no" then respond "hello", reject\n', tmp_path)
    to = b"bob@example.test, carol@example.test"
    with Smtp(s.port["smtp"]) as c:
        c.envelope(s.address("alice"), s.address("bob"), s.address("carol"))
        c.command("DATA", 354)
        c.send(stuff(titled("both").replace(b"bob@example.test", to)) + b".\r\n")
        c.expect(250)
        c.quit()
    idle(s)
    assert [(m["Subject"], m.get_payload()) for m in replies(s)] == [("Auto: both", "hello\r\n")]
    send(s, titled("gone"), sender=s.address("alice"))
    send(s, titled("no"), sender=s.address("alice"), code=554)
    idle(s)
    assert len(replies(s)) == 1


def test_sender_lists(make_server, tmp_path):
    """The list of the rule's owner; who is in it is kept out at RCPT from then on; notices and who has logged in are not listed."""
    s = make_server()
    put(s, 'rule "spam" if header "Subject" is "pills" then deny-sender, reject "No pills"\n', tmp_path)
    put(s, 'rule "friend" if header "Subject" is "friend" then allow-sender\n', tmp_path, "owner=example.test")
    send(s, titled("pills"), code=550)
    assert senders(s) == [(SENDER, "deny", "rule 'spam'")]
    logged(s, "Filter rule 'spam' of server: someone@elsewhere.test is in the list of senders as deny")
    with Smtp(s.port["smtp"]) as c:
        c.command(f"EHLO x.test", 250)
        c.command(f"MAIL FROM:<{SENDER}>", 250)
        assert c.command("RCPT TO:<bob@example.test>", 554) == ["5.7.1 Message cannot be accepted, rules rejection"]
        c.command("QUIT", 221)
    send(s, titled("friend"), sender="friend@elsewhere.test")
    send(s, titled("friend"), sender="friend@elsewhere.test")
    assert senders(s, "example.test") == [("friend@elsewhere.test", "allow", "rule 'friend'")]
    send(s, titled("pills"), sender="", code=550)
    assert len(senders(s)) == 1
    idle(s)
    assert count(s, "bob") == 2


def test_command(world, tmp_path):
    """A command that only rules run: its verdicts and its changes of the header hold as those of smtp.commands do."""
    world.script("check", 'cat > "$OUT/message"; echo run >> "$OUT/runs"; . "$OUT/answer"'.replace("$OUT", str(world.out)))
    s = world.serve("check|services=rules|exit=3:hold")
    answer = world.out / "answer"

    def says(text):
        answer.write_text(text)

    put(s, 'rule "check" if header "Subject" is "first" then tag-subject "[t]", command "check"\n'
           'rule "none" if header "Subject" is "none" then command "other"\n', tmp_path)
    says("exit 100")
    send(s, titled("plain"))
    wait_for("the plain one", lambda: count(s, "bob") == 1)
    assert world.note("runs") == []
    assert send(s, code=554) == [NEVER]
    assert b"Subject: [t] first" in (world.out / "message").read_bytes()
    says("exit 75")
    send(s, code=451)
    says("exit 99")
    send(s)
    logged(s, "DISCARDED")
    says("exit 1")  # it has failed: failure=tempfail
    send(s, code=451)
    says("exit 3")
    send(s)
    held, = wait_for("the held one", lambda: queue(s))
    s.tool("queue", "delete", held["id"])
    says('printf "posthorn 1\\nadd-header X-Checked: yes\\n"')
    send(s)
    wait_for("the one that is taken", lambda: count(s, "bob") == 2)
    c = Imap(s.port["imap"], s.address("bob"))
    text = c.fetch_literal(c.select(command="EXAMINE"))
    c.logout()
    assert below_trace(text).startswith(b"X-Checked: yes\r\n")
    assert send(s, titled("none"), code=451)
    logged(s, "no command 'other' with services=rules")


def test_refused_definitions(make_server, tmp_path):
    """Each says the action, and whose it is."""
    s = make_server()
    bad = tmp_path / "bad.txt"
    for text, owner, why in (
            ('command "x"', "owner=example.test", "the action 'command' is for rules of the server"),
            ('command "x"', "owner=bob@example.test", "the action 'command' is for rules of the server"),
            ("deny-sender", "owner=bob@example.test", "the action 'deny-sender' is for rules of the server and of domains"),
            ("allow-sender", "owner=bob@example.test", "the action 'allow-sender' is for rules of the server and of domains"),
            ('respond "x" days 0', "owner=example.test", "'0' is not a number of days from 1 to 365"),
            ('move ""', "owner=example.test", "a folder has a name")):
        bad.write_text(f'rule "x" then {text}\n')
        r = s.tool("filter", "put", str(bad), owner, check=False)
        assert r.returncode != 0 and why in r.stderr, (text, r.stderr)
    text = 'rule "x"\n  then move "A", respond "b" subject "c" days 4, deny-sender'
    put(s, text, tmp_path, "owner=example.test")
    assert s.tool("filter", "show", "owner=example.test").stdout.strip() == text
    eml = tmp_path / "m.eml"
    eml.write_bytes(BODY)
    out = s.tool("filter", "test", str(eml), "owner=example.test").stdout
    assert "move 'A', respond 'b' subject 'c' days 4, deny-sender" in out
    assert senders(s, "example.test") == []


def test_domain_that_others_lead_to(make_server):
    """It is refused with what leads there, goes with it, or leaves it; also by the API's dry run of the tool."""
    s = make_server()
    s.tool("create", "domain", "gone.test")
    s.tool("create", "account", "x@gone.test", f"password={PASSWORD}")
    s.tool("create", "alias", "sales@example.test", "targets=x@gone.test")
    s.tool("change", "account", s.address("bob"), "forward_to=x@gone.test")
    r = s.tool("delete", "domain", "gone.test", "with_accounts=yes", check=False)
    assert r.returncode != 0 and "lead: alias sales@example.test, forward_to of bob@example.test; references=remove" in r.stderr
    r = s.tool("delete", "domain", "gone.test", "with_accounts=yes", "references=all", check=False)
    assert r.returncode != 0 and "'all' is none of refuse, remove, keep" in r.stderr
    s.tool("delete", "domain", "gone.test", "with_accounts=yes", "references=remove")
    send(s)
    wait_for("bob's own mail", lambda: count(s, "bob") == 1)
    with Smtp(s.port["smtp"]) as c:
        c.command("EHLO x.test", 250)
        c.command("MAIL FROM:<>", 250)
        c.command("RCPT TO:<sales@example.test>", 550)
        c.command("QUIT", 221)
