"""On-Demand Mail Relay (RFC 2645), the provider: customers of all kinds fetch the mail of their domains by ATRN."""
import base64
import re
import ssl

import pytest

from conftest import PASSWORD, wait_for
from test_postfix import inbox
from wire import Smtp

ODMR = 366


@pytest.fixture(scope="module")
def provider(make_module_server):
    s = make_module_server(users=("alice", "bob", "carol"), settings={
        "smtp.atrn": "yes", "queue.retry_schedule": "1h", "queue.destination_wait": "1h", "smtp.listen_odmr": f"127.0.0.1:{ODMR}",
        "log.smtp": "extended", "log.mailflow": "extended", "deliver.command_timeout": "30s", "deliver.connect_timeout": "4s"})
    s.tool("create", "domain", "fetched.test", "type=backup", "fetched_by=alice@example.test")
    s.tool("create", "domain", "second.test", "type=backup", "fetched_by=alice@example.test")
    s.tool("create", "domain", "bobs.test", "type=backup", "fetched_by=bob@example.test")
    return s


def hand_in(s, rcpt, subject, sender="someone@far.test", body="text\r\n", notify=""):
    with Smtp(s.port["smtp"]) as c:
        c.command(f"MAIL FROM:<{sender}>", 250)
        for one in rcpt.split():
            c.command(f"RCPT TO:<{one}>{notify}", 250)
        text = c.data(f"From: {sender}\r\nSubject: {subject}\r\n\r\n{body}".encode())
        c.quit()
    return re.search(r"Message id ([A-Z]{3}\d{5}) accepted", text).group(1)


def waiting(s):
    return {r["id"]: r for r in s.tool_json("queue")["rows"]}


def events(s, name):
    return s.tool_json("events", f"name={name}", "limit=50")["rows"]


def settled(s, number, answer="waits until it is fetched"):
    """The row of a message after the attempt that finds nobody to send to."""
    def look():
        row = waiting(s).get(number)
        return row if row and answer in row["answer"] else None
    return wait_for(f"{number} to wait", look)


class Customer(Smtp):
    """Asks as a client, then answers as a server with the replies of `script`, which tests change."""

    def __init__(self, port, user="alice", tls=True, **kw):
        super().__init__(port, **kw)
        if tls:
            self.command("STARTTLS", 220)
            self.wrap_tls()
            self.hello("customer.test")
        if user:
            secret = base64.b64encode(f"\0{user}@example.test\0{PASSWORD}".encode()).decode()
            self.command(f"AUTH PLAIN {secret}", 235)
        self.got = []      # (sender, [recipients], content)
        self.commands = []

    def turn(self, domains="", code=250):
        texts = self.command(f"ATRN {domains}".strip(), code)
        return texts

    def serve(self, answers=None, ehlo=("customer.test", "PIPELINING", "SIZE 100000000", "8BITMIME", "DSN"), until=None):
        """Until QUIT, or until as many messages are in. answers: first word of a command -> reply, or a function of the line."""
        answers = answers or {}
        self.send(b"220 customer.test ESMTP\r\n")
        sender, rcpts = None, []
        while until is None or len(self.got) < until:
            line = self.line().decode()
            self.commands.append(line)
            verb = line.split()[0].upper()
            special = answers.get(verb)
            reply = special(line) if callable(special) else special
            if reply is not None:
                self.send(reply.encode() + b"\r\n")
            elif verb == "EHLO":
                self.send("".join(f"250{'-' if i < len(ehlo) - 1 else ' '}{w}\r\n" for i, w in enumerate(ehlo)).encode())
            elif verb == "MAIL":
                sender, rcpts = re.search("<(.*?)>", line).group(1), []
                self.send(b"250 ok\r\n")
            elif verb == "RCPT":
                rcpts.append(re.search("<(.*?)>", line).group(1))
                self.send(b"250 ok\r\n")
            elif verb == "DATA" and not rcpts:
                self.send(b"554 5.5.1 no recipients\r\n")
            elif verb == "DATA":
                self.send(b"354 go\r\n")
                content = self.content()
                end = answers.get("END")
                end = end(content) if callable(end) else end
                self.send((end or "250 taken").encode() + b"\r\n")
                if not end or end.startswith("2"):
                    self.got.append((sender, rcpts, content))
            elif verb == "QUIT":
                self.send(b"221 bye\r\n")
                assert self.at_end()
                return self
            else:
                self.send(b"250 ok\r\n")
        return self

    def content(self):
        out = []
        while True:
            line = self.line()
            if line == b".":
                return b"\r\n".join(out)
            out.append(line[1:] if line.startswith(b".") else line)

    def subjects(self):
        return [re.search(rb"(?m)^Subject: (.*?)\r?$", content).group(1).decode() for _, _, content in self.got]


def no_turn(s):
    """Nobody fetches: the domain can be asked for again."""
    def look():
        with Customer(ODMR) as c:
            code, _ = (c.send(b"ATRN fetched.test\r\n"), c.reply())[1]
            if code == 250:
                c.serve(answers={"MAIL": "451 later"})
            return code in (250, 453)
    wait_for("the end of the turn", look, interval=0.2)


@pytest.mark.parametrize("port", [ODMR, "submission"])
def test_a_customer_fetches(provider, port):
    port = provider.port.get(port, port)
    one, two = hand_in(provider, "dave@fetched.test erin@fetched.test", "first"), hand_in(provider, "x@second.test", "second", body=".dot\r\n..\r\n" * 1000)
    other = hand_in(provider, "y@bobs.test", "not yours")
    for number in (one, two, other):
        settled(provider, number)
    with Customer(port) as c:
        assert "ATRN" in c.capabilities
        c.turn()
        c.serve()
        assert c.subjects() == ["first", "second"]
        assert c.got[0][:2] == ("someone@far.test", ["dave@fetched.test", "erin@fetched.test"])
        assert c.got[1][2].endswith(b".dot\r\n..") and c.got[1][2].count(b"\r\n.dot") == 1000
    wait_for("the queue to know", lambda: not {one, two} & set(waiting(provider)))
    assert other in waiting(provider)
    wait_for("the event", lambda: [e for e in events(provider, "odmr.ended") if e["fields"]["messages"] >= 2 and e["fields"]["waiting"] == 0])
    with Customer(ODMR, user="bob") as c:
        c.turn("bobs.test")
        assert c.serve().subjects() == ["not yours"]


def test_without_tls(provider):
    """The connection as RFC 2645 knew it; a password in clear text has to be allowed."""
    settled(provider, hand_in(provider, "dave@fetched.test", "in clear"))
    provider.tool("set", "auth.plain_without_tls", "always")
    with Customer(ODMR, user=None, tls=False) as c:
        c.login("alice@example.test")
        c.turn()
        assert c.serve().subjects() == ["in clear"]
    provider.tool("set", "auth.plain_without_tls", "trusted")


def test_what_is_refused(provider):
    with Customer(ODMR, user=None) as c:
        assert "Authentication required [AUTH]" in c.turn(code=530)[0]
    with Customer(ODMR) as c:
        assert "You have no mail" in c.turn("fetched.test,second.test", 453)[0]
        assert "refused" in c.turn("fetched.test,bobs.test", 450)[0]     # not even a part of it
        c.turn("other.test", 450)
        c.turn("example.test", 450)                                     # local domains are nobody's
        c.turn("fetched.test,,", 501)
        c.turn("[127.0.0.1]", 501)
        c.turn("FETCHED.test", 453)
        c.command("MAIL FROM:<alice@example.test>", 250)
        c.turn("fetched.test", 503)
        c.command("RSET", 250)
        c.quit()
    with Customer(ODMR, user="carol") as c:                             # nothing is his
        c.turn("", 450)
        c.turn("fetched.test", 450)
    with Smtp(provider.port["smtp"]) as c:                              # port 25
        c.command("ATRN", 502)
    provider.tool("set", "smtp.atrn", "no")
    with Customer(ODMR) as c:
        c.turn("fetched.test", 502)
    provider.tool("set", "smtp.atrn", "yes")


def test_bytes_behind_the_command(provider):
    """They came before the answer: whoever put them there did not mean what we are then."""
    settled(provider, number := hand_in(provider, "dave@fetched.test", "behind"))
    for behind in (b"220 customer.test\r\n", b"\r\n", b"x"):
        with Customer(ODMR) as c:
            c.send(b"ATRN fetched.test\r\n" + behind)
            assert c.at_end()
            assert b"250" not in c.buffer[:3]
    assert number in waiting(provider)
    with Customer(ODMR) as c:
        c.turn("fetched.test")
        assert c.serve().subjects() == ["behind"]


def test_outcomes_are_those_of_any_delivery(provider):
    """Refused for good: the sender is told. Refused for now: it waits. Other recipients are not touched."""
    bad = hand_in(provider, "bad@fetched.test", "bad", sender="carol@example.test")
    later = hand_in(provider, "later@fetched.test", "later")
    both = hand_in(provider, "dave@fetched.test y@bobs.test", "both")
    for number in (bad, later, both):
        settled(provider, number)
    with Customer(ODMR) as c:
        c.turn("fetched.test")
        c.serve(answers={"RCPT": lambda line: "550 5.1.1 nobody" if "bad@" in line else "451 4.2.0 not now" if "later@" in line else None})
        assert c.subjects() == ["both"]
    wait_for("the queue to know", lambda: bad not in waiting(provider))
    row = settled(provider, later, "not now")
    assert row["next_try_ms"] > 0
    assert "bobs.test" in waiting(provider)[both]["answer"]
    wait_for("the notice", lambda: any(b"5.1.1 nobody" in m for m in inbox(provider, "carol")), interval=0.2)
    with Customer(ODMR, user="bob") as c:
        c.turn()
        assert c.serve().subjects() == ["both"]
    with Customer(ODMR) as c:   # due in an hour: it is fetched now
        c.turn()
        assert c.serve().subjects() == ["later"]


@pytest.mark.parametrize("when", ["greeting", "ehlo", "mail", "data", "content", "end"])
def test_a_customer_who_leaves(provider, when):
    numbers = [hand_in(provider, "dave@fetched.test", f"{when}-{i}", body="x" * 70 + "\r\n") for i in range(3)]
    for number in numbers:
        settled(provider, number)
    with Customer(ODMR) as c:
        c.turn("fetched.test")
        if when != "greeting":
            c.send(b"220 customer.test ESMTP\r\n")
            assert c.line().startswith(b"EHLO")
        if when not in ("greeting", "ehlo"):
            c.send(b"250 customer.test\r\n")
            assert c.line().startswith(b"MAIL")
        if when in ("data", "content", "end"):
            c.send(b"250 ok\r\n")
            assert c.line().startswith(b"RCPT")
            c.send(b"250 ok\r\n")
            assert c.line() == b"DATA"
        if when in ("content", "end"):
            c.send(b"354 go\r\n")
            c.line()
        if when == "end":
            c.content()
    no_turn(provider)
    assert set(numbers) <= set(waiting(provider))
    with Customer(ODMR) as c:
        c.turn("fetched.test")
        assert sorted(c.serve().subjects()) == [f"{when}-{i}" for i in range(3)]
    wait_for("the queue to know", lambda: not set(numbers) & set(waiting(provider)))


@pytest.mark.parametrize("junk", [b"HTTP/1.1 200 OK\r\n\r\n", b"\x00\xff\xfe" * 3000 + b"\r\n", b"554 no\r\n", b"250 \r\n", b"220-endless\r\n" * 5000, b"220 x\r\n500 what\r\n500 no\r\n"])
def test_junk_in_place_of_a_greeting(provider, junk):
    settled(provider, number := hand_in(provider, "dave@fetched.test", "junk"))
    with Customer(ODMR) as c:
        c.turn("fetched.test")
        try:
            c.send(junk)
        except (ConnectionError, ssl.SSLError):
            pass
        try:
            assert c.at_end()
        except (ssl.SSLError, ConnectionError):
            pass
    with Customer(ODMR) as c:
        def turned():
            code, _ = (c.send(b"ATRN fetched.test\r\n"), c.reply())[1]
            return code == 250
        wait_for("the turn's end", turned, interval=0.2)
        assert c.serve().subjects() == ["junk"]
    wait_for("the queue to know", lambda: number not in waiting(provider))


def test_a_customer_who_says_nothing(provider):
    """One at a time for a domain; who is silent is let go after deliver.connect_timeout."""
    settled(provider, number := hand_in(provider, "dave@fetched.test", "silent"))
    hand_in(provider, "x@second.test", "meanwhile")
    with Customer(ODMR) as silent, Customer(ODMR) as c:
        silent.turn("fetched.test")
        assert "being fetched" in c.turn("fetched.test", 450)[0]
        c.turn("", 450)
        c.turn("second.test")
        assert c.serve().subjects() == ["meanwhile"]
        assert silent.at_end()
    no_turn(provider)
    assert number in waiting(provider)
    with Customer(ODMR) as c:
        c.turn("fetched.test")
        assert c.serve().subjects() == ["silent"]


def test_the_session_is_shown_and_can_be_ended(provider):
    settled(provider, hand_in(provider, "dave@fetched.test", "shown"))
    with Customer(ODMR) as c:
        c.turn("fetched.test")

        def look():
            rows = [r for r in provider.tool_json("sessions")["rows"] if r["service"] == "smtp-client"]
            return rows[0] if rows else None
        row = wait_for("the session", look)
        assert row["account"] == "alice@example.test" and row["tls"]
        provider.tool("session", "kill", str(row["id"]), check=False)
        provider.tool("kill", str(row["id"]), check=False)
        assert c.at_end()
    no_turn(provider)
    with Customer(ODMR) as c:
        c.turn("fetched.test")
        assert c.serve().subjects() == ["shown"]


def test_a_kill_in_the_middle_loses_nothing(provider):
    """The module dies between the customer's 250 and its record: the message comes once more at most, and never not."""
    numbers = [hand_in(provider, "dave@fetched.test", f"kill-{i}") for i in range(5)]
    for number in numbers:
        settled(provider, number)
    c = Customer(ODMR)
    c.turn("fetched.test")
    c.serve(until=2)
    provider.kill("smtp")
    provider.wait_port(ODMR)
    c.close()
    first = c.subjects()
    wait_for("what is left", lambda: len(set(numbers) & set(waiting(provider))) in (3, 4))
    with Customer(ODMR) as c:
        c.turn("fetched.test")
        again = c.serve().subjects()
    assert sorted(set(first) | set(again)) == [f"kill-{i}" for i in range(5)]
    assert len(first) + len(again) <= 6


def test_the_server_stops_during_a_turn(provider):
    numbers = [hand_in(provider, "dave@fetched.test", f"stop-{i}") for i in range(3)]
    for number in numbers:
        settled(provider, number)
    c = Customer(ODMR)
    c.turn("fetched.test")
    c.serve(until=1)
    provider.stop()
    c.close()
    provider.start()
    with Customer(ODMR) as c:
        c.turn("fetched.test")
        assert sorted(c.serve().subjects() + ["stop-0"]) == [f"stop-{i}" for i in range(3)]


def test_who_may_fetch(provider):
    """The relation: an account, for backup domains only; it goes with the account."""
    t = provider.tool
    t("create", "account", "gone@example.test", f"password={PASSWORD}")
    bad = t("create", "domain", "no.test", "type=backup", "fetched_by=nobody@example.test", check=False)
    assert bad.returncode and "fetched_by: account 'nobody@example.test' does not exist" in bad.stdout + bad.stderr
    bad = t("change", "domain", "example.test", "fetched_by=gone@example.test", check=False)
    assert bad.returncode and "fetched_by: is for domains of type backup only" in bad.stdout + bad.stderr
    t("create", "domain", "gone.test", "type=backup", "fetched_by=gone@example.test")
    number = hand_in(provider, "a@gone.test", "gone")
    settled(provider, number)
    t("delete", "account", "gone@example.test")
    row, = [d for d in provider.tool_json("list", "domains")["rows"] if d["domain"] == "gone.test"]
    assert row["fetched_by"] == ""
    t("change", "domain", "gone.test", "fetched_by=carol@example.test")
    with Customer(ODMR, user="carol") as c:
        c.turn("gone.test")
        assert c.serve().subjects() == ["gone"]
    t("delete", "domain", "gone.test")
