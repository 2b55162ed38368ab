"""Mail for other servers that misbehave: nothing is lost, nobody waits for somebody else's server, and the log says what happened."""
import base64
import collections
import re
import smtplib
import socket
import subprocess
import threading
import time

import pytest

from api import Client
from conftest import BIN, wait_for
from test_filters import put as put_rules

N = 30


class Peer(threading.Thread):
    """An SMTP server at an address of its own. how: good, half, hangs, closes, busy."""

    def __init__(self, address, port, how):
        super().__init__(daemon=True)
        self.how, self.address = how, address
        self.lock = threading.Lock()
        self.sessions = self.refused = 0
        self.taken = collections.Counter()   # subject: answered with 250
        self.senders = {}   # subject: MAIL
        self.cut = collections.Counter()     # subject: arrived whole, the answer did not leave
        self.bodies = {}                     # subject: as it came, without the dots of SMTP
        self.at_once = self.most = 0
        self.gate = threading.Event()   # greets when it is set
        self.gate.set()
        self.listener = socket.create_server((address, port), backlog=200)

    def run(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self, c):
        with self.lock:
            self.sessions += 1
            mine = self.sessions
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        try:
            with c, c.makefile("rwb") as f:
                self.talk(f, mine)
        except OSError:
            pass
        finally:
            with self.lock:
                self.at_once -= 1

    def talk(self, f, mine):
        def say(text):
            f.write(text.encode() + b"\r\n")
            f.flush()

        if self.how == "hangs":
            f.readline()
            return
        if self.how == "half" and mine % 2 == 0:
            self.refused += 1
            say("421 4.7.0 too busy")
            return
        self.gate.wait(60)
        if self.how == "busy":
            say("421 4.3.2 busy")
            return
        say("220 peer")
        while line := f.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                say("354 go")
                body = b""
                while (more := f.readline()) != b".\r\n":
                    if not more:
                        return
                    body += more
                subject = re.search(rb"Subject: (\S+)", body).group(1).decode()
                with self.lock:
                    if self.how == "closes" and not self.cut[subject]:
                        self.cut[subject] += 1
                        return
                    self.taken[subject] += 1
                    self.bodies[subject] = re.sub(rb"^\.", b"", body, flags=re.M)
                    self.senders[subject] = sender
                say("250 ok")
            elif verb == b"QUIT":
                say("221 bye")
                return
            elif verb == b"EHLO":
                say("250-peer\r\n250 8BITMIME")
            else:
                if verb == b"MAIL":
                    sender = line.decode().strip()
                say("250 ok")


@pytest.fixture
def world(make_server):
    port = 2525
    peers = {how: Peer(f"127.0.0.{20 + i}", port, how) for i, how in enumerate(("good", "half", "hangs", "closes"))}
    for p in peers.values():
        p.start()
    s = make_server(settings={"net.trusted_ips": "127.0.0.1", "deliver.port": str(port), "deliver.starttls": "never",
                              "queue.retry_schedule": "1s", "deliver.command_timeout": "2s", "deliver.connect_timeout": "2s",
                              "deliver.data_timeout": "2s", "queue.destination_wait": "1s", "log.smtp": "debug"})
    s.peers = peers
    yield s
    for p in peers.values():
        p.close()


def send(s, sender, rcpts, *subjects, body=b"hello\r\n"):
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=20) as c:
        for subject in subjects:
            c.sendmail(sender, rcpts, f"Subject: {subject}\r\n\r\n".encode() + body, ["BODY=8BITMIME"])


def reader(s):
    """A program that may look at the queue and into its messages."""
    s.tool("change", "account", "alice@example.test", "role=system-admin")
    return Client(s, token=s.tool("create", "token", "alice@example.test", "t", "scopes=queue:read messages:content").stdout.split()[-1])


def waiting(s):
    return s.tool_json("queue")["rows"]


def test_servers_that_misbehave(world):
    peers = world.peers
    for how, p in peers.items():
        for i in range(N):
            send(world, "alice@example.test", [f"u@[{p.address}]"], f"{how}-{i}")
    wait_for("the good ones", lambda: len(peers["good"].taken) == N, timeout=20)
    wait_for("those that refuse half", lambda: len(peers["half"].taken) == N, timeout=60)
    wait_for("those that are cut once", lambda: len(peers["closes"].taken) == N, timeout=90)
    left = wait_for("the rest of the queue", lambda: (r := waiting(world)) and len(r) == N and r, timeout=30)
    assert all(r["recipient"] == f"u@[{peers['hangs'].address}]" for r in left)

    # What a peer has taken comes once; what was cut comes twice, no more.
    for how in ("good", "half", "closes"):
        assert set(peers[how].taken.values()) == {1}, how
    assert sum(peers["closes"].cut.values()) == N
    assert peers["half"].refused and peers["hangs"].sessions < 2 * N

    def logged():
        outcomes = collections.Counter(re.findall(
            r"Client session.*\*\*\* <alice@example\.test> <u@\[(127\.0\.0\.\d+)\]> .* ([A-Z-]+)(?: \S+)?$", world.log_text("s"), re.M))
        by = {how: {w: n for (a, w), n in outcomes.items() if a == p.address} for how, p in peers.items()}
        return by if all(by[how].get("OK", 0) >= N for how in ("good", "half", "closes")) else None

    by = wait_for("the last lines of the log", logged)
    assert set(by["good"]) == {"OK"} and by["good"]["OK"] == N, by
    assert by["half"]["OK"] == N and set(by["half"]) <= {"OK", "INCOMPLETE-SESSION"}, by
    assert by["closes"] == {"OK": N, "INCOMPLETE-SESSION": N}, by
    assert set(by["hangs"]) == {"TIMEOUT"}, by


def test_one_connection_then_more(world):
    """Several messages in a session; a destination that answers gets more connections, no more than the limit."""
    good = world.peers["good"]
    world.tool("set", "deliver.per_destination", "4")
    world.tool("set", "deliver.command_timeout", "60s")
    good.gate.clear()
    for i in range(60):
        send(world, "alice@example.test", [f"u@[{good.address}]"], f"m{i}")
    assert good.sessions == 1   # nobody knows yet whether it answers
    good.gate.set()
    wait_for("all", lambda: len(good.taken) == 60, timeout=30)
    assert good.most <= 4 and good.sessions < 20


def test_dead_destinations_do_not_delay(world):
    """400 messages for 200 addresses where nothing answers, then one for a server that lives."""
    for i in range(200):
        send(world, "bob@example.test", [f"u@[127.0.1.{i + 1}]", f"v@[127.0.1.{i + 1}]"], f"dead{i}")
    begin = time.monotonic()
    send(world, "alice@example.test", [f"u@[{world.peers['good'].address}]"], "live")
    wait_for("the live one", lambda: world.peers["good"].taken["live"], timeout=20)
    assert time.monotonic() - begin < 5


def test_nobody_is_tried_behind_a_dead_one(world):
    """The destination is probed by one message; the others wait without attempts, and their timelines say so."""
    world.tool("set", "queue.retry_schedule", "1h")
    for i in range(20):
        send(world, "alice@example.test", ["u@[127.0.2.1]"], f"x{i}")
    rows = wait_for("an attempt", lambda: (r := waiting(world)) and any(x["attempts"] for x in r) and r)
    assert len(rows) == 20 and sum(r["attempts"] for r in rows) == 1
    other = next(r for r in rows if not r["attempts"])
    text = wait_for("the event", lambda: "cannot be reached now" in (t := world.tool("trace", other["id"]).stdout) and t)
    assert "451 4.4.1 Could not connect" in text


# --- what the administrator does ---

@pytest.fixture
def still(make_server):
    """Nothing that leaves is taken, and no attempt comes by itself."""
    return make_server(settings={"net.trusted_ips": "127.0.0.1", "deliver.port": "2526", "deliver.connect_timeout": "2s",
                                 "deliver.starttls": "never", "queue.retry_schedule": "1h"})


def by_subject(s):
    return {r["recipient"]: r for r in waiting(s)}


def test_hold_release_and_priority(still):
    for i in range(3):
        send(still, "alice@example.test", [f"u{i}@[127.0.2.{i + 1}]"], f"s{i}")
    wait_for("attempts", lambda: all(r["attempts"] for r in waiting(still)) and len(waiting(still)) == 3)
    first = by_subject(still)["u0@[127.0.2.1]"]["id"]
    assert "1 messages" in still.tool("queue", "hold", first).stdout
    assert "2 messages" in still.tool("queue", "hold", "sender=alice@example.test", "recipient=@").stdout
    assert {r["state"] for r in waiting(still)} == {"held"}
    assert "held; release it first" in still.tool("queue", "retry", first, check=False).stderr
    still.kill("smtp")
    wait_for("the queue", lambda: still.tool("queue", check=False).returncode == 0)
    wait_for("three", lambda: len(waiting(still)) == 3)
    assert {r["state"] for r in waiting(still)} == {"held"}
    still.tool("queue", "priority", "low", first)
    peer = Peer("127.0.2.1", 2526, "good")
    peer.start()
    still.tool("queue", "release", first)
    still.tool("queue", "retry", first)
    wait_for("its delivery", lambda: peer.taken["s0"] == 1)
    peer.close()
    text = wait_for("its story", lambda: "delivered to 1 of 1" in (t := still.tool("trace", first).stdout) and t)
    for line in ("holds the message", "gave the message priority low", "released the message", "asked for an attempt now"):
        assert line in text, text


def test_of_what_is_being_delivered(still):
    """It is done when the attempt ends; the list, the answer and the story say so. Who got the message keeps it."""
    peers = [Peer(f"127.0.2.{i + 1}", 2526, how) for i, how in enumerate(("busy", "busy", "good"))]
    for i, p in enumerate(peers):
        p.gate.clear()
        p.start()
        send(still, "alice@example.test", [f"u{i}@[{p.address}]"], f"s{i}")
    wait_for("three connections", lambda: all(p.sessions for p in peers))
    ids = [by_subject(still)[f"u{i}@[{p.address}]"]["id"] for i, p in enumerate(peers)]
    assert "1 being delivered now: done when that attempt ends" in still.tool("queue", "hold", ids[0]).stdout
    assert still.tool_json("queue", "delete", f"ids={ids[1]};{ids[2]}")["later"] == 2
    assert [r["state"] for r in waiting(still)] == ["sending, then hold", "sending, then delete", "sending, then delete"]
    for p in peers:
        p.gate.set()
    wait_for("the ends", lambda: [(r["id"], r["state"]) for r in waiting(still)] == [(ids[0], "held")])
    assert peers[2].taken["s2"] == 1
    for i, what in enumerate(("hold", "delete", "delete")):
        text = still.tool("trace", ids[i]).stdout
        assert f"wants done when the attempt under way ends: {what}" in text, text
        assert ("holds the message" in text) == (i == 0) and ("deleted the message" in text) == (i == 1), text
    assert "delivered to 1 of 1" in still.tool("trace", ids[2]).stdout
    still.tool("queue", "delete", ids[0])
    for p in peers:
        p.close()


def test_bounce_and_delete(still):
    for i in range(4):
        send(still, "alice@example.test", [f"u{i}@[127.0.2.{i + 1}]"], f"s{i}")
    wait_for("four", lambda: len(waiting(still)) == 4)
    wait_for("attempts", lambda: all(r["attempts"] for r in waiting(still)))
    rows = by_subject(still)
    assert "2 messages" in still.tool("queue", "bounce", f"ids={rows['u0@[127.0.2.1]']['id']};{rows['u1@[127.0.2.2]']['id']}").stdout
    with smtplib.SMTP("127.0.0.1", still.port["smtp"]):
        pass
    import imaplib
    from conftest import PASSWORD
    box = imaplib.IMAP4("127.0.0.1", still.port["imap"])
    box.login("alice@example.test", PASSWORD)
    wait_for("two notices", lambda: box.select("INBOX")[1][0] == b"2", interval=0.2)
    text = box.fetch("1", "(BODY[])")[1][0][1].decode()
    assert "554 5.7.0 Returned to the sender by an administrator" in text and "Action: failed" in text
    box.logout()
    assert "2 messages" in still.tool("queue", "delete", "all=yes").stdout
    assert not waiting(still)
    assert "name a message or a filter" in still.tool("queue", "delete", check=False).stderr


def test_pause_and_destinations(still):
    still.tool("queue", "pause", "destination=[127.0.2.9]")
    send(still, "alice@example.test", ["u@[127.0.2.9]"], "x")
    row = wait_for("it", lambda: waiting(still))[0]
    assert row["state"] == "paused" and not row["attempts"]
    dest = still.tool_json("queue", "destinations")["rows"]
    assert [(d["destination"], d["state"], d["messages"]) for d in dest] == [("[127.0.2.9]", "paused", 1)]
    assert still.tool_json("queue", "pauses")["rows"] == [{"what": "destination", "domain": "[127.0.2.9]"}]
    still.stop()
    still.start()
    assert waiting(still)[0]["state"] == "paused"
    still.tool("queue", "resume", "destination=[127.0.2.9]")
    wait_for("its attempt", lambda: waiting(still)[0]["attempts"] == 1)
    dest = still.tool_json("queue", "destinations")["rows"][0]
    assert dest["state"] == "resting" and "451 4.4.1" in dest["answer"]


def test_priority_by_rules(still, tmp_path):
    put_rules(still, 'rule "up" if header "Subject" starts "up" then priority high\nrule "down" if header "Subject" starts "down" then priority low\n', tmp_path)
    still.tool("queue", "pause", "all=yes")
    want = {"up": "high", "down": "low", "plain": "normal"}
    for subject in want:
        send(still, "alice@example.test", [f"{subject}@[127.0.2.9]"], subject)
    assert {r["recipient"].split("@")[0]: r["priority"] for r in waiting(still)} == want
    c = reader(still)
    assert {m["recipient"].split("@")[0]: m["priority"] for m in c.rows("/queue/outgoing/messages")} == want
    for subject, level in want.items():
        assert [m["recipient"] for m in c.rows("/queue/outgoing/messages", priority=level)] == [f"{subject}@[127.0.2.9]"]
    c.close()


def test_what_is_shown_is_what_is_sent(still):
    """By the tool and the API, to the byte as in the queue's file: also what is no text, dots and blanks at the ends of lines."""
    body = b"".join(b"caf\xc3\xa9 \xff %d \t\r\n.\r\n..two\r\n\r\n" % i for i in range(2000)) + b"x" * 900 + b"\r\n \r\n"
    still.tool("queue", "pause", "all=yes")
    send(still, "alice@example.test", ["u@[127.0.2.1]"], "whole", body=body)
    number = waiting(still)[0]["id"]
    c = reader(still)
    told = c.get(f"/queue/outgoing/messages/{number}/content").json()
    content = base64.b64decode(told["content"])
    assert content.endswith(b"Subject: whole\r\n\r\n" + body) and told["size"] == len(content)
    r = subprocess.run([BIN, "tool", *still.args(), "queue", "view", number], capture_output=True, timeout=60, env=still.env)
    assert r.stdout == content, r.stderr
    c.close()
    still.stop()  # until then it may be in the journal only
    file, = (still.data / "mail" / "_outgoing").glob("*.tms")
    assert file.read_bytes() == content
    still.start()
    peer = Peer("127.0.2.1", 2526, "good")
    peer.start()
    still.tool("queue", "resume", "all=yes")
    wait_for("its delivery", lambda: peer.taken["whole"] == 1)
    peer.close()
    assert b"Return-Path: <alice@example.test>\r\n" + peer.bodies["whole"] == content


def test_more_than_a_page(still):
    """2000 rows at once at the most. Who asks for more is told so; what is beyond comes by the cursor."""
    still.tool("queue", "pause", "all=yes")
    send(still, "alice@example.test", ["u@[127.0.2.9]"], *(f"s{i}" for i in range(2100)))
    c = reader(still)
    a = c.get("/queue/outgoing/messages", limit=5000)
    assert a.status == 400 and a.field() == "limit" and "2000" in a.json()["detail"], a.body
    page = c.get("/queue/outgoing/messages", limit=2000).json()
    assert len(page["items"]) == 2000 and page["total"]["value"] == 2100 and page["next_cursor"]
    assert len({m["id"] for m in c.rows("/queue/outgoing/messages", limit=2000)}) == 2100
    c.close()
