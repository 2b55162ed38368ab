"""Long sessions of Python's mail libraries, checked against a model, and the command sequences that Thunderbird and K-9
send, replayed as they send them."""
import email.utils
import imaplib
import poplib
import random
import re
import smtplib
import time

import pytest

from conftest import PASSWORD, wait_for
from wire import Imap, Pop3, Smtp, insecure_tls

poplib._MAXLINE = 100_000
USERS = ("model", "idle", "pop", "bird", "kay", "other")


@pytest.fixture(scope="module")
def mail(make_module_server):
    return make_module_server(users=USERS)


def text(subject, n=1):
    return (f"From: Friend <friend@client.test>\r\nTo: someone@example.test\r\nSubject: {subject}\r\n"
            f"Date: {email.utils.formatdate(1762000000)}\r\nMessage-ID: <{subject}@client.test>\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n\r\n").encode() + b"line of text\r\n" * n


def deliver(server, user, subject, n=1):
    with Smtp(server.port["smtp"]) as c:
        c.envelope("friend@client.test", server.address(user))
        c.data(text(subject, n))
        c.quit()


# --- imaplib ---

def test_imaplib_against_a_model(mail):
    """400 random operations in one session; after each kind the server's view equals the model's, and a second session sees
    the same at the end."""
    r = random.Random(7)
    c = imaplib.IMAP4_SSL("127.0.0.1", mail.port["imaps"], ssl_context=insecure_tls())
    c.login(mail.address("model"), PASSWORD)
    boxes = {"INBOX": {}, "Archive": {}, "Trash": {}, "Deep/Er": {}}   # folder -> uid -> (subject, flags)
    assert c.create("Deep/Er")[0] == "OK"
    flags = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "\\Deleted", "$Work", "Later"]
    current, serial = "INBOX", 0
    assert c.select(current)[0] == "OK"

    def uids(response):
        return [int(u) for part in response.split(",") for u in expand(part)]

    def expand(part):
        a, _, b = part.partition(":")
        return range(int(a), int(b or a) + 1)

    def code(name):
        got = c.response(name)[1]
        return got[-1].decode() if got and got[-1] else None

    def check(folder):
        nonlocal current
        assert c.select(folder)[0] == "OK"
        current = folder
        typ, data = c.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        assert typ == "OK"
        seen = {}
        for d in filter(lambda d: isinstance(d, tuple), data):
            m = re.search(rb"UID (\d+)", d[0])
            f = set(re.search(rb"FLAGS \(([^)]*)\)", d[0]).group(1).decode().split()) - {"\\Recent"}
            seen[int(m.group(1))] = (re.search(rb"Subject: (\S+)", d[1]).group(1).decode(), f)
        assert seen == boxes[folder], folder

    def add():
        nonlocal serial
        serial += 1
        folder, f = r.choice(list(boxes)), set(r.sample(flags[:4] + flags[5:], r.randrange(4)))
        typ, data = c.append(folder, f"({' '.join(f)})", imaplib.Time2Internaldate(time.time()), text(f"s{serial}", r.randrange(200)))
        assert typ == "OK", data
        uid = int(re.search(rb"APPENDUID \d+ (\d+)", data[0]).group(1))
        assert uid not in boxes[folder]
        boxes[folder][uid] = (f"s{serial}", f)

    def some():
        have = sorted(boxes[current])
        return r.sample(have, min(len(have), r.randrange(1, 6))) if have else []

    def store():
        chosen, f, how = some(), set(r.sample(flags, r.randrange(1, 4))), r.choice(["+FLAGS", "-FLAGS", "FLAGS"])
        if chosen:
            assert c.uid("STORE", ",".join(map(str, chosen)), how, f"({' '.join(f)})")[0] == "OK"
            for u in chosen:
                s, old = boxes[current][u]
                boxes[current][u] = (s, old | f if how[0] == "+" else old - f if how[0] == "-" else set(f))

    def transfer(command):
        chosen, to = some(), r.choice(list(boxes))
        if not chosen or (command == "MOVE" and to == current):
            return
        c.untagged_responses.clear()
        typ, data = c.uid(command, ",".join(map(str, chosen)), to)
        assert typ == "OK", data
        where = code("COPYUID") or re.search(r"COPYUID ([^\]]*)", str(data)).group(1)
        _, old, new = where.split()
        for a, b in zip(uids(old), uids(new)):
            boxes[to][b] = boxes[current][a]
        if command == "MOVE":
            for u in chosen:
                del boxes[current][u]

    def expunge():
        assert c.expunge()[0] == "OK"
        boxes[current] = {u: v for u, v in boxes[current].items() if "\\Deleted" not in v[1]}

    def expunge_some():
        chosen = some()
        if chosen:
            assert c.uid("EXPUNGE", ",".join(map(str, chosen)))[0] == "OK"
            for u in chosen:
                if "\\Deleted" in boxes[current][u][1]:
                    del boxes[current][u]

    def search():
        f = r.choice(["SEEN", "FLAGGED", "ANSWERED", "DRAFT", "DELETED"])
        typ, data = c.uid("SEARCH", f)
        assert typ == "OK"
        want = sorted(u for u, v in boxes[current].items() if "\\" + f.capitalize() in v[1])
        assert sorted(map(int, data[0].split())) == want
        if boxes[current]:
            u = r.choice(sorted(boxes[current]))
            assert c.uid("SEARCH", "SUBJECT", f'"{boxes[current][u][0]}"')[1][0].split() == [
                str(k).encode() for k in sorted(boxes[current]) if boxes[current][u][0] in boxes[current][k][0]]

    def status():
        folder = r.choice([b for b in boxes if b != current])
        data = c.status(folder, "(MESSAGES UNSEEN)")[1][0].decode()
        assert f"MESSAGES {len(boxes[folder])}" in data
        unseen = sum("\\Seen" not in f for _, f in boxes[folder].values())
        assert f"UNSEEN {unseen}" in data, (data, unseen)

    steps = [(add, 8), (store, 6), (lambda: transfer("COPY"), 3), (lambda: transfer("MOVE"), 3), (expunge, 1), (expunge_some, 2),
             (search, 2), (status, 2), (lambda: check(r.choice(list(boxes))), 2)]
    for step in r.choices([s for s, _ in steps], [w for _, w in steps], k=400):
        step()
    for folder in boxes:
        check(folder)
    second = imaplib.IMAP4("127.0.0.1", mail.port["imap"])
    second.login(mail.address("model"), PASSWORD)
    first, c = c, second
    for folder in boxes:
        check(folder)
    first.logout()
    second.logout()


# --- IDLE ---

def idle_session(mail, user):
    c = Imap(mail.port["imap"], mail.address(user))
    c.select()
    return c


def next_line(c, what, seconds=60):
    c.sock.settimeout(seconds)
    while True:
        line = c.line()
        if what in line:
            return line


def test_idle_tells_what_others_do(mail):
    """New mail, flags and expunges of other sessions, untold by any command of one's own; five sessions at once."""
    watchers = [idle_session(mail, "idle") for _ in range(5)]
    tags = [c.idle() for c in watchers]
    deliver(mail, "idle", "wake-up")
    for c in watchers:
        next_line(c, b"* 1 EXISTS")
    actor = idle_session(mail, "idle")
    actor.command("STORE 1 +FLAGS (\\Flagged)")
    for c in watchers:
        assert b"\\Flagged" in next_line(c, b"* 1 FETCH (")
    actor.append("INBOX", text("appended"))
    for c in watchers:
        next_line(c, b"* 2 EXISTS")
    actor.command("UID STORE 1 +FLAGS.SILENT (\\Deleted)")
    actor.command("EXPUNGE")
    for c in watchers:
        next_line(c, b"* 1 EXPUNGE")
    for c, tag in zip(watchers, tags):
        c.done(tag)
        assert c.command("SEARCH ALL")[-1] == b"* SEARCH 1"
        c.logout()
    actor.logout()


@pytest.mark.slow
def test_idle_is_fast(mail):
    """20 deliveries while a session is in IDLE: the median from the 250 to the untagged EXISTS."""
    c = idle_session(mail, "idle")
    n = c.select()
    tag = c.idle()
    times = []
    with Smtp(mail.port["smtp"]) as s:
        for i in range(20):
            s.envelope("friend@client.test", mail.address("idle"))
            s.data(text(f"idle-{i}"))
            began = time.monotonic()
            n += 1
            next_line(c, b"* %d EXISTS" % n)
            times.append(time.monotonic() - began)
        s.quit()
    c.done(tag)
    c.logout()
    times.sort()
    assert times[len(times) // 2] < 0.25, [f"{t * 1000:.1f} ms" for t in times]


def test_idle_is_kept_alive(mail):
    mail.tool("set", "imap.idle_keepalive", "1s")
    try:
        c = idle_session(mail, "idle")
        tag = c.idle()
        next_line(c, b"* OK Still here", 60)   # half of the default
        c.done(tag)
        c.logout()
    finally:
        mail.tool("reset", "imap.idle_keepalive")


# --- poplib ---

def test_poplib_session(mail):
    for i in range(30):
        deliver(mail, "pop", f"pop-{i}", i * 20)
    c = Imap(mail.port["imap"], mail.address("pop"))
    wait_for("mail", lambda: c.select(command="EXAMINE") == 30)
    p = poplib.POP3("127.0.0.1", mail.port["pop3"], timeout=60)
    assert {"UIDL", "TOP", "STLS", "SASL", "RESP-CODES", "PIPELINING", "UTF8"} <= set(p.capa())
    p.stls(context=insecure_tls())
    p.user(mail.address("pop"))
    p.pass_(PASSWORD)
    n, size = p.stat()
    assert n == 30
    sizes = [int(l.split()[1]) for l in p.list()[1]]
    assert sum(sizes) == size
    uids = dict(l.decode().split() for l in p.uidl()[1])
    assert len(set(uids.values())) == 30
    for i in range(1, 31):
        lines = p.retr(i)[1]
        assert sum(len(l) + 2 for l in lines) == sizes[i - 1]
        assert p.top(i, 3)[1] == lines[:lines.index(b"") + 1 + min(3, len(lines) - lines.index(b"") - 1)]
    with pytest.raises(poplib.error_proto, match="IN-USE"):
        second = poplib.POP3("127.0.0.1", mail.port["pop3"], timeout=60)
        second.user(mail.address("pop"))
        second.pass_(PASSWORD)
    for i in range(1, 31, 2):
        p.dele(i)
    p.rset()
    for i in range(2, 31, 2):
        p.dele(i)
    assert p.stat()[0] == 15
    p.quit()
    p = poplib.POP3_SSL("127.0.0.1", mail.port["pop3s"], context=insecure_tls(), timeout=60)
    p.user("pop")
    p.pass_(PASSWORD)
    assert [l.decode().split()[1] for l in p.uidl()[1]] == [uids[str(i)] for i in range(1, 31, 2)]
    p.dele(1)
    p.close()     # without QUIT nothing is deleted
    wait_for("15 left", lambda: c.select(command="EXAMINE") == 15)
    c.logout()


# --- smtplib ---

def test_smtplib_session(mail):
    """One session by TLS: 200 messages to changing recipients, with refusals and resets in between."""
    r = random.Random(3)
    want = {u: 0 for u in ("other", "kay")}
    with smtplib.SMTP("127.0.0.1", mail.port["submission"], timeout=60) as c:
        c.starttls(context=insecure_tls())
        c.login(mail.address("bird"), PASSWORD)
        for i in range(200):
            rcpts = r.sample(sorted(want), r.randrange(1, 3))
            bad = ["nobody@example.test"] if i % 25 == 0 else []
            refused = c.sendmail(mail.address("bird"), [mail.address(u) for u in rcpts] + bad, text(f"smtplib-{i}", r.randrange(50)),
                                 mail_options=["SMTPUTF8"] if i % 5 == 0 else [])
            assert sorted(refused) == bad
            for u in rcpts:
                want[u] += 1
            if i % 60 == 0:
                with pytest.raises(smtplib.SMTPRecipientsRefused):
                    c.sendmail(mail.address("bird"), ["nobody@example.test"], text("never"))
                with pytest.raises(smtplib.SMTPSenderRefused):
                    c.sendmail("somebody.else@example.test", [mail.address("other")], text("never"))
    for u, n in want.items():
        c = Imap(mail.port["imap"], mail.address(u))
        wait_for(f"{n} messages", lambda: c.select(command="EXAMINE") == n)
        c.logout()


# --- whole mail programs, command by command ---

class Replay:
    """Sends commands as a mail program does, with its own tags; answers are checked by the caller."""

    def __init__(self, mail, user, tag, tls):
        self.tag, self.n = tag, 0
        self.c = Imap(mail.port["imap" if tls == "starttls" else "imaps"], tls=tls == "tls")
        self.capabilities = set()
        self.learn(self.c.greeting)
        if tls == "starttls":
            self("STARTTLS")
            self.c.wrap_tls()

    def learn(self, line):
        m = re.search(r"[\[*] ?CAPABILITY ([^\]\r\n]*)", line)
        if m:
            self.capabilities = set(m.group(1).split())

    def __call__(self, command, want="OK", literal=None):
        self.n += 1
        tag = self.tag(self.n)
        self.c.send(f"{tag} {command}".encode() + (b" {%d}" % len(literal) if literal is not None else b"") + b"\r\n")
        if literal is not None:
            assert self.c.line().startswith(b"+")
            self.c.send(literal + b"\r\n")
        untagged = []
        while True:
            r = self.c.response()
            if r.startswith(tag.encode() + b" "):
                assert r.split()[1].decode() == want, (command, r, untagged)
                self.tagged = r.decode()
                self.learn(self.tagged)
                return [u.decode("utf-8", "replace") for u in untagged]
            untagged.append(r)
            self.learn(r.decode("utf-8", "replace"))

    def plain(self, user):
        import base64
        self.n += 1
        tag = self.tag(self.n)
        token = base64.b64encode(f"\0{user}\0{PASSWORD}".encode())
        self.c.send(f"{tag} AUTHENTICATE PLAIN".encode() + b"\r\n")
        assert self.c.line() in (b"+", b"+ ")
        self.c.send(token + b"\r\n")
        self.learn(self.c.line().decode())

    def idle(self):
        self.n += 1
        tag = self.tag(self.n)
        self.c.send(f"{tag} IDLE\r\n".encode())
        while not self.c.line().startswith(b"+"):
            pass
        return tag

    def done(self, tag):
        self.c.send(b"DONE\r\n")
        while not self.c.line().startswith(tag.encode() + b" OK"):
            pass


def one(lines, pattern):
    found = [m for m in (re.search(pattern, l, re.S) for l in lines) if m]
    assert found, (pattern, lines)
    return found[0]


BIRD_HEADERS = "UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References " \
               "Newsgroups In-Reply-To Content-Type Reply-To)]"


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_thunderbird(mail, tls):
    """First start of an account, reading, answering, deleting (move to Trash), a second connection for another folder, IDLE,
    flags of another client, then offline use and reconnection."""
    user = mail.address("bird")
    setup = Imap(mail.port["imap"], user)
    for f in ("INBOX", "Sent", "Trash"):
        if setup.select(f):
            setup.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            setup.command("EXPUNGE")
    before = setup.select()
    for i in range(5):
        deliver(mail, "bird", f"bird-{i}", 30)
        wait_for("mail", lambda: setup.select() == before + i + 1)   # two local workers may overtake each other

    t = Replay(mail, user, str, tls)
    t("CAPABILITY")
    assert "AUTH=PLAIN" in t.capabilities
    t.plain(user)
    if not {"IDLE"} <= t.capabilities:
        t("CAPABILITY")
    assert {"IDLE", "UIDPLUS", "NAMESPACE", "SPECIAL-USE", "MOVE", "ID", "ENABLE", "LITERAL+"} <= t.capabilities
    one(t('ID ("name" "Thunderbird" "version" "128.5.0")'), r'^\* ID (NIL|\()')
    one(t("NAMESPACE"), r'^\* NAMESPACE \(\("" "/"\)\)')
    if "CONDSTORE" in t.capabilities:
        t("ENABLE CONDSTORE")
    t('LIST "" "%" RETURN (SPECIAL-USE)')
    listing = t('LIST (SUBSCRIBED) "" "*" RETURN (SPECIAL-USE)') + t('LIST "" "*" RETURN (SPECIAL-USE)')
    for name, use in (("Sent", "Sent"), ("Trash", "Trash"), ("Drafts", "Drafts"), ("Junk", "Junk"), ("Archive", "Archive")):
        assert "\\" + use in one(listing, rf'^\* LIST \(([^)]*)\) "/" "?{name}"?').group(1)
    t('LSUB "" "*"')
    t('LIST "" "INBOX"')
    answer = t('SELECT "INBOX"')
    validity = one(answer, r"UIDVALIDITY (\d+)").group(1)
    one(answer, r"^\* FLAGS \(")
    one(answer, r"PERMANENTFLAGS \([^)]*\\\*")
    assert "READ-WRITE" in t.tagged
    rows = t("UID FETCH 1:* (FLAGS)")
    uids = [int(one([r], r"UID (\d+)").group(1)) for r in rows]
    assert len(uids) == 5
    headers = t(f"UID FETCH {uids[0]}:{uids[-1]} ({BIRD_HEADERS})")
    for i, h in enumerate(headers):
        assert f"Subject: bird-{i}" in h and "RFC822.SIZE" in h and f"UID {uids[i]}" in h
    size = int(one(headers[:1], r"RFC822\.SIZE (\d+)").group(1))
    body = t(f"UID FETCH {uids[0]} (UID RFC822.SIZE BODY[])")
    literal = re.search(r"BODY\[\] \{(\d+)\}\r\n", body[0])
    assert int(literal.group(1)) == size
    assert any("\\Seen" in b for b in body), "BODY[] marks as read and says so"
    t(f"UID FETCH {uids[1]} (BODYSTRUCTURE)")
    t(f"UID FETCH {uids[1]} (UID BODY.PEEK[HEADER] BODY.PEEK[TEXT]<0.2048>)")
    t(f"UID STORE {uids[1]} +FLAGS (\\Seen)")
    t(f"UID STORE {uids[2]} +FLAGS (\\Answered $Forwarded NonJunk)")
    one(t(f"UID FETCH {uids[2]} (FLAGS)"), r"\$Forwarded")

    # Sends an answer: submission, then a copy to Sent, in a second connection, with a non-synchronising check before.
    with smtplib.SMTP("127.0.0.1", mail.port["submission"], timeout=60) as s:
        s.starttls(context=insecure_tls())
        s.login(user, PASSWORD)
        s.sendmail(user, [mail.address("other")], text("bird-answers"))
    second = Replay(mail, user, str, tls)
    second.plain(user)
    second('SELECT "Sent"')
    second('APPEND "Sent" (\\Seen) "01-Nov-2025 12:26:40 +0000"', literal=text("bird-answers"))
    sent = re.search(r"APPENDUID (\d+) (\d+)", second.tagged).group(2)
    second('UID SEARCH UNDELETED HEADER Message-ID "bird-answers@client.test"')
    second("NOOP")
    assert "\\Seen" in second(f"UID FETCH {sent} (FLAGS)")[0]

    # Deletes: by move to Trash; another is copied, marked and expunged as older versions do.
    t(f'UID MOVE {uids[3]} "Trash"')
    t(f'UID COPY {uids[4]} "Trash"')
    assert "COPYUID" in t.tagged
    t(f"UID STORE {uids[4]} +FLAGS (\\Deleted)")
    t(f"UID EXPUNGE {uids[4]}")
    assert sorted(int(re.search(r"UID (\d+)", r).group(1)) for r in t("UID FETCH 1:* (FLAGS)")) == uids[:3]
    one(t('STATUS "Trash" (UIDNEXT MESSAGES UNSEEN RECENT)'), r'^\* STATUS "?Trash"? \(.*MESSAGES 2')

    # IDLE: new mail and another client's flags arrive at once.
    tag = t.idle()
    deliver(mail, "bird", "bird-new")
    next_line(t.c, b"* 4 EXISTS")
    t.done(tag)
    rows = t(f"UID FETCH {uids[2] + 1}:* (FLAGS)")
    new = int(re.search(r"UID (\d+)", rows[-1]).group(1))
    assert new > uids[-1]
    assert "bird-new" in t(f"UID FETCH {new} ({BIRD_HEADERS})")[0]
    tag = t.idle()
    setup.select()
    setup.command(f"UID STORE {new} +FLAGS (\\Flagged)")
    assert b"\\Flagged" in next_line(t.c, b"FETCH (")
    t.done(tag)
    t("CLOSE")
    t("LOGOUT")
    second("LOGOUT")

    # The next start: UIDVALIDITY is the same, only new messages are asked for.
    t = Replay(mail, user, str, tls)
    t.plain(user)
    assert one(t('SELECT "INBOX"'), r"UIDVALIDITY (\d+)").group(1) == validity
    assert len(t("UID FETCH 1:* (FLAGS)")) == 4
    t("LOGOUT")
    setup.logout()


def test_kay_nine(mail):
    """K-9 Mail: CAPABILITY before and after, COMPRESS only when offered, SELECT or EXAMINE per folder, UID SEARCH for the
    newest, FETCH in three steps, push by IDLE, copy to Sent by APPEND, and flags with +FLAGS.SILENT."""
    user = mail.address("kay")
    setup = Imap(mail.port["imap"], user)
    if setup.select():
        setup.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        setup.command("EXPUNGE")
    for i in range(30):
        deliver(mail, "kay", f"kay-{i}", 5)
    wait_for("mail", lambda: setup.select() == 30)

    k = Replay(mail, user, str, "tls")
    k("CAPABILITY")
    k.plain(user)
    k("CAPABILITY")
    assert {"IDLE", "UIDPLUS", "NAMESPACE", "SPECIAL-USE", "MOVE", "ID"} <= k.capabilities
    assert not {"COMPRESS=DEFLATE", "LOGINDISABLED"} & k.capabilities
    k('ID ("name" "K-9 Mail" "version" "6.804")')
    k("NAMESPACE")
    folders = k('LIST "" "*"') if "LIST-EXTENDED" not in k.capabilities else k('LIST "" "*" RETURN (SPECIAL-USE)')
    assert "\\Sent" in one(folders, r'^\* LIST \(([^)]*)\) "/" "?Sent"?').group(1)
    k('LIST "" "INBOX"')
    answer = k('SELECT "INBOX"')
    count = int(one(answer, r"^\* (\d+) EXISTS").group(1))
    uid_next = int(one(answer, r"UIDNEXT (\d+)").group(1))
    found = one(k(f"UID SEARCH {count - 24}:{count} NOT DELETED"), r"^\* SEARCH (.*)").group(1).split()
    assert len(found) == 25 and int(found[-1]) == uid_next - 1
    sizes = k(f"UID FETCH {','.join(found)} (UID FLAGS)")
    assert len(sizes) == 25
    envelope = k(f"UID FETCH {','.join(found)} (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (date subject from "
                 "content-type to cc reply-to message-id references in-reply-to list-unsubscribe sender X-K9mail-Identity Chat-Version)])")
    assert all("INTERNALDATE" in e and "Subject: kay-" in e for e in envelope)
    structure = k(f"UID FETCH {found[0]} (UID BODYSTRUCTURE)")
    assert '("text" "plain"' in structure[0].lower()
    assert "line of text" in k(f"UID FETCH {found[0]} (UID BODY.PEEK[])")[0]
    assert "line of te" in k(f"UID FETCH {found[1]} (UID BODY.PEEK[1]<0.10>)")[0]
    k(f"UID STORE {found[0]} +FLAGS.SILENT (\\Seen)")
    k(f"UID STORE {found[1]} +FLAGS.SILENT (\\Seen \\Flagged)")
    k(f"UID STORE {found[1]} -FLAGS.SILENT (\\Flagged)")
    assert len(one(k("UID SEARCH SEEN"), r"^\* SEARCH ?(.*)").group(1).split()) == 2
    k('UID SEARCH OR SUBJECT {6+}\r\nkay-29 OR FROM "kay-29" TO "kay-29"')
    k(f'UID MOVE {found[2]},{found[3]} "Archive"')
    k(f'UID COPY {found[4]} "Trash"')
    k(f"UID STORE {found[4]} +FLAGS.SILENT (\\Deleted)")
    k(f"UID EXPUNGE {found[4]}")
    k('CREATE "Arbeit/Kunden"')
    k('STATUS "Arbeit/Kunden" (MESSAGES UIDNEXT)')
    k('APPEND "Sent" (\\Seen)', literal=text("kay-sends"))
    k('UID SEARCH HEADER MESSAGE-ID "<kay-sends@client.test>"')
    k('EXAMINE "Sent"')
    assert len(one(k('UID SEARCH HEADER MESSAGE-ID "<kay-sends@client.test>"'), r"^\* SEARCH ?(.*)").group(1).split()) == 1
    k('SELECT "INBOX"')

    # Push: IDLE is renewed; what happened meanwhile is fetched by UID.
    for i in range(3):
        tag = k.idle()
        deliver(mail, "kay", f"kay-push-{i}")
        next_line(k.c, b"EXISTS")
        k.done(tag)
        rows = k(f"UID FETCH {uid_next}:* (UID FLAGS)")
        assert len(rows) == i + 1
    k("CLOSE")
    k("LOGOUT")
    setup.logout()
