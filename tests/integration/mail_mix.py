"""A mix of mail for reconciliation, cheap to make: sessions that pipeline (RFC 2920), many messages in each. What the client has
seen is counted; the server's counters, events, logs and sessions must come to the same."""
import collections
import imaplib
import poplib
import random
import re
import socketserver
import threading

from conftest import PASSWORD
from wire import Smtp

BODY = b"From: a@elsewhere.test\r\nTo: b@example.test\r\nSubject: mix\r\n\r\n" + b"x" * 60 + b"\r\n.\r\n"
LONG = b"Subject: long\r\n\r\n" + (b"x" * 70 + b"\r\n") * 400 + b".\r\n"  # more than 20 KiB
KINDS = ("one", "one", "one", "one", "three", "three", "partly", "nobody", "long", "reset", "bad", "far", "later", "never")


class Relay(socketserver.ThreadingTCPServer):
    """Takes mail to far...@, defers later...@, refuses never...@."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = 100

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.server.greets.wait(120)
            self.say("220 relay.test ESMTP")
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"EHLO":
                    self.say("250-relay.test\r\n250 PIPELINING")
                elif verb == b"RCPT":
                    self.say("450 4.2.1 later" if b"<later" in line else "550 5.1.1 never" if b"<never" in line else "250 ok")
                elif verb == b"DATA":
                    self.say("354 go on")
                    while (line := self.rfile.readline()) not in (b".\r\n", b""):
                        pass
                    self.say("250 taken")
                elif verb == b"QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 ok")

        def say(self, text):
            self.wfile.write(text.encode() + b"\r\n")

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.greets = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Mix:
    """seen: how often what happened, as the clients know it."""

    def __init__(self, server, messages, threads=8, seed=1, kinds=KINDS):
        self.server, self.seen, self.lock = server, collections.Counter(), threading.Lock()
        self.left, self.faults, self.kinds = messages, [], kinds
        self.rnd = random.Random(seed)
        self.users = [server.address(u) for u in ("alice", "bob", "carol")]
        work = [threading.Thread(target=self.run, args=(random.Random(seed + i),)) for i in range(threads)]
        for t in work:
            t.start()
        for t in work:
            t.join()
        assert not self.faults, self.faults[0]

    def take(self, n):
        with self.lock:
            n = min(n, self.left)
            self.left -= n
            return n

    def run(self, rnd):
        try:
            while n := self.take(rnd.randint(1, 60)):
                seen = collections.Counter()
                self.session(rnd, n, seen)
                with self.lock:
                    self.seen += seen
        except BaseException as e:  # reported by the test, not by a thread
            self.faults.append(e)

    def session(self, rnd, n, seen):
        c = Smtp(self.server.port["smtp"])
        seen["sessions"] += 1
        seen["commands"] += 1
        seen["bytes"] += len(b"EHLO client.test\r\n")
        for i in range(n):
            self.message(c, rnd, rnd.choice(self.kinds), seen)
        if rnd.random() < 0.8:
            self.say(c, seen, b"QUIT\r\n", 221)
        else:
            seen["left"] += 1
        c.close()

    def say(self, c, seen, lines, *codes):
        """Sends lines at once, expects a reply to each; counts what they are."""
        c.send(lines)
        seen["bytes"] += len(lines)
        for code in codes:
            got, texts = c.reply()
            assert got == code, (lines, got, texts)
            seen["commands"] += 1
            seen["errors"] += code >= 400

    def message(self, c, rnd, kind, seen):
        who = self.users[rnd.randrange(3)]
        sender = b"MAIL FROM:<%s>\r\n" % (who.encode() if kind in ("far", "later", "never") else b"s%d@elsewhere.test" % rnd.randrange(1000))
        to = {"three": self.users, "far": ["far@away.test"], "later": ["later@away.test"], "never": ["never@away.test"],
              "nobody": [f"nobody@{self.server.domain}"], "partly": [f"nobody@{self.server.domain}", who]}.get(kind, [who])
        codes = [550 if t.startswith("nobody") else 250 for t in to]
        lines = sender + b"".join(b"RCPT TO:<%s>\r\n" % t.encode() for t in to)
        good = codes.count(250)
        seen["rcpt ok"] += good
        seen["rcpt refused"] += len(codes) - good
        if kind == "bad":
            seen["bad commands"] += 1
            self.say(c, seen, lines + b"NONSENSE\r\nRSET\r\n", 250, *codes, 500, 250)
        elif kind in ("reset", "nobody"):
            self.say(c, seen, lines + b"RSET\r\n", 250, *codes, 250)
        else:
            self.say(c, seen, lines + b"DATA\r\n", 250, *codes, 354)
            content = LONG if kind == "long" else BODY
            c.send(content)
            seen["bytes"] += len(content)
            code, texts = c.reply()
            assert code == (554 if kind == "long" else 250), texts
            seen["refused" if kind == "long" else "accepted"] += 1
            seen["errors"] += code >= 400
            if code == 250:
                seen[re.search(r"Message id (\w+) accepted", texts[0]).group(1)] += 1
            seen["local" if kind in ("one", "three", "partly") else kind] += good if code == 250 else 0
            return
        seen["incomplete"] += 1

    def read(self, rnd_count=50):
        """What has come is read, by POP3 and by IMAP; some is deleted."""
        for i in range(rnd_count):
            user = self.users[i % 3]
            if i % 2:
                c = poplib.POP3("127.0.0.1", self.server.port["pop3"])
                c.user(user)
                c.pass_(PASSWORD)
                have = c.stat()[0]
                for k in range(1, min(have, 5) + 1):
                    c.retr(k)
                    self.seen["pop3 retr"] += 1
                if have:
                    c.dele(1)
                    self.seen["expunged"] += 1
                c.quit()
                self.seen["pop3 sessions"] += 1
            else:
                c = imaplib.IMAP4("127.0.0.1", self.server.port["imap"])
                c.login(user, PASSWORD)
                have = int(c.select("INBOX")[1][0])
                if have:
                    c.fetch(f"1:{min(have, 7)}", "(BODY.PEEK[])")
                    self.seen["imap fetched"] += min(have, 7)
                    c.store("1", "+FLAGS", "\\Deleted")
                    c.expunge()
                    self.seen["expunged"] += 1
                c.logout()
                self.seen["imap sessions"] += 1
            self.seen["logins"] += 1
