"""Remote accounts: mail is collected by POP3 and IMAP from a real Dovecot, from ourselves, and from servers that do not play fair."""
import shutil
import smtplib
import socket
import sqlite3
import subprocess
import tempfile
import threading
import types

import pytest

from conftest import PASSWORD, wait_for
from peers import PEER, NameServer, PostfixDovecot, neighbour, of_certificate
from test_postfix import inbox, message

USERS = ("pop3tls", "pop3starttls", "imaptls", "imapstarttls", "gonepop3", "goneimap", "forward", "wrong", "cert", "late", "securepop3", "secureimap")


class Source(PostfixDovecot):
    USERS = USERS

    def dovecot_conf(self):
        return super().dovecot_conf().replace("protocols = imap lmtp", "protocols = imap pop3 lmtp")

    def put(self, user, subject, body=b"one line\r\n.dot\r\n..two\r\n"):
        before = len(self.messages(user))
        with smtplib.SMTP(self.address, 25, timeout=60) as c:
            c.sendmail("someone@far.test", f"{user}@peer.test", message(subject, body, "someone@far.test", f"{user}@peer.test"))
        wait_for(f"{subject} at the source", lambda: len(self.messages(user)) > before, interval=0.1)


@pytest.fixture(scope="module")
def world(make_module_server):
    made, dirs = [], []

    def begin(what):
        dirs.append(tempfile.mkdtemp(prefix="phpeer-", dir="/var/tmp"))
        made.append(what(dirs[-1]))
        return made[-1].start()

    try:
        users = ("alice", "bob", "carol", *USERS, *(f"user{i}" for i in range(20)))
        yield types.SimpleNamespace(dns=begin(NameServer), peer=begin(Source), ours=neighbour(make_module_server, users=users, settings={
            "log.pop3": "extended", "log.imap": "extended"}))
    finally:
        for m in reversed(made):
            m.stop()
        for d in dirs:
            shutil.rmtree(d, ignore_errors=True)


class Remote:
    """A remote account of ours, seen through the tool."""

    def __init__(self, ours, account, *words):
        self.ours, self.address = ours, f"{account}@example.test"
        self.id = ours.tool("remote", "create", self.address, "enabled=no", *words).stdout.strip()

    def row(self):
        row, = [r for r in self.ours.tool_json("remote", "list", self.address)["rows"] if r["id"] == self.id]
        return row

    def collect(self):
        """Its row after an attempt that began after now."""
        before = self.row()
        if before["enabled"]:
            wait_for("its rest", lambda: self.row()["next_ms"] > 0)
            self.ours.tool("remote", "collect", self.address, self.id)
        else:
            self.ours.tool("remote", "change", self.address, self.id, "enabled=yes")
        return wait_for("an attempt", lambda: (lambda r: r if r["last_ms"] != before["last_ms"] and r["next_ms"] else None)(self.row()), interval=0.1)

    def delete(self):
        self.ours.tool("remote", "delete", self.address, self.id)


def subjects(messages):
    return sorted(l[9:].decode() for m in messages for l in m.split(b"\r\n\r\n")[0].split(b"\r\n") if l.startswith(b"Subject: "))


def has(server, user, *wanted):
    """Exactly these arrive, in whatever order."""
    wait_for(f"{wanted} for {user}", lambda: len(inbox(server, user)) >= len(wanted), interval=0.1)
    assert subjects(inbox(server, user)) == sorted(wanted)


@pytest.mark.parametrize("protocol,tls", [("pop3", "tls"), ("pop3", "starttls"), ("imap", "tls"), ("imap", "starttls")])
def test_each_message_once(world, protocol, tls):
    user = protocol + tls
    for i in range(3):
        world.peer.put(user, f"{user}-{i}")
    r = Remote(world.ours, user, f"protocol={protocol}", f"host={PEER}", f"tls={tls}", "verify=no", f"user={user}@peer.test", f"password={world.peer.PASSWORD}")
    row = r.collect()
    assert (row["last_result"], row["last_count"], row["failures"]) == ("ok", 3, 0)
    has(world.ours, user, *(f"{user}-{i}" for i in range(3)))
    got = inbox(world.ours, user)[0]
    assert got.startswith(b"Return-Path: <someone@far.test>\r\nReceived: from 127.0.0.2 ([127.0.0.2])\r\n\tby mail.example.test with " + protocol.upper().encode() + b"S id ")
    assert got.endswith(b"one line\r\n.dot\r\n..two\r\n")
    assert r.collect()["last_count"] == 0
    world.peer.put(user, f"{user}-more")
    assert r.collect()["last_count"] == 1
    has(world.ours, user, *(f"{user}-{i}" for i in range(3)), f"{user}-more")
    assert len(world.peer.messages(user)) == 4
    log = world.ours.log_text("p" if protocol == "pop3" else "m")
    assert "Client session" in log and world.peer.PASSWORD not in log
    r.delete()


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_deleted_there_after_it_is_here(world, protocol):
    user = f"gone{protocol}"
    world.peer.put(user, f"{user}-1")
    world.peer.put(user, f"{user}-2", b"x" * 400000 + b"\r\n")  # more than is kept in memory
    r = Remote(world.ours, user, f"protocol={protocol}", f"host={PEER}", "verify=no", f"user={user}@peer.test", f"password={world.peer.PASSWORD}", "leave=0")
    assert r.collect()["last_result"] == "ok"
    wait_for("an empty mailbox there", lambda: not world.peer.messages(user))
    has(world.ours, user, f"{user}-1", f"{user}-2")
    r.delete()


def test_forwarding_holds_for_collected_mail(world):
    world.ours.tool("change", "account", "forward@example.test", "forward_to=carol@example.test", "keep_copy=yes")
    world.peer.put("forward", "to-carol-too")
    r = Remote(world.ours, "forward", f"host={PEER}", "verify=no", "user=forward@peer.test", f"password={world.peer.PASSWORD}")
    assert r.collect()["last_count"] == 1
    has(world.ours, "forward", "to-carol-too")
    has(world.ours, "carol", "to-carol-too")
    r.delete()


def test_certificate(world):
    world.peer.put("cert", "with-certificate")
    r = Remote(world.ours, "cert", "protocol=imap", "host=mx.peer.test", "user=cert@peer.test", f"password={world.peer.PASSWORD}")
    row = r.collect()
    assert "certificate is not valid" in row["last_result"] and row["failures"] == 1
    assert not inbox(world.ours, "cert")
    world.ours.tool("set", "deliver.ca_file", str(world.peer.dir / "cert.pem"))
    assert r.collect()["last_result"] == "ok"
    has(world.ours, "cert", "with-certificate")
    r.delete()


def test_wrong_password_and_unknown_host(world):
    for protocol in ("pop3", "imap"):
        r = Remote(world.ours, "wrong", f"protocol={protocol}", f"host={PEER}", "verify=no", "user=wrong@peer.test", "password=not-this-one")
        row = r.collect()
        assert "the login was refused" in row["last_result"] and row["failures"] == 1
        assert row["next_ms"] - row["last_ms"] > 20 * 60000  # twice the usual
        assert "not-this-one" not in str(world.ours.tool_json("remote", "list"))
        r.delete()
    r = Remote(world.ours, "wrong", "host=nowhere.invalid", "user=u", "password=p")
    assert "nowhere.invalid" in r.collect()["last_result"]
    r.delete()


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_from_another_account_of_ours(world, protocol):
    bob, alice = "bob", "alice"
    with smtplib.SMTP("127.0.0.1", world.ours.port["smtp"], timeout=60) as c:
        c.sendmail("someone@far.test", "bob@example.test", message(f"ours-{protocol}", b"text\r\n", "someone@far.test"))
    wait_for("it at bob's", lambda: f"ours-{protocol}" in subjects(inbox(world.ours, bob)))
    r = Remote(world.ours, alice, f"protocol={protocol}", "host=127.0.0.1", f"port={world.ours.port[protocol]}", "tls=starttls", "verify=no", "user=bob@example.test",
               f"password={PASSWORD}")
    assert r.collect()["last_result"] == "ok"
    wait_for("it at alice's", lambda: subjects(inbox(world.ours, alice)).count(f"ours-{protocol}") == 1)
    r.delete()


class Peer:
    """A server whose sessions are the given function of a connected file; one at a time."""

    def __init__(self, talk):
        self.talk, self.sessions = talk, 0
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            self.sessions += 1
            try:
                with c, c.makefile("rwb", buffering=0) as f:
                    self.talk(f, self)
            except (OSError, ValueError):
                pass

    def close(self):
        self.sock.close()


def say(f, text):
    f.write(text if isinstance(text, bytes) else text.encode() + b"\r\n")


def pop3(f, mails, on=None):
    """A POP3 server of {uid: content} that deletes at QUIT; on: {verb: function(f, argument)} in place of what it would do, True = go on."""
    say(f, "+OK ready")
    gone, uids = [], list(mails)
    while line := f.readline():
        verb, _, arg = line.decode().strip().partition(" ")
        if on and verb in on and not on[verb](f, arg):
            return
        if verb == "UIDL":
            say(f, "+OK")
            for i, u in enumerate(uids):
                say(f, f"{i + 1} {u}")
            say(f, ".")
        elif verb == "RETR":
            say(f, "+OK")
            say(f, mails[uids[int(arg) - 1]] + b".\r\n")
        elif verb == "DELE":
            gone.append(uids[int(arg) - 1])
            say(f, "+OK")
        elif verb == "QUIT":
            for u in gone:
                del mails[u]
            say(f, "+OK")
            return
        else:
            say(f, "+OK")


# --- secure destinations ---


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_secure_destination_is_collected_from(world, setting, protocol):
    user = f"secure{protocol}"
    fingerprint, subject, issuer = (of_certificate(world.peer.dir / "cert.pem", w) for w in ("fingerprint", "subject", "issuer"))
    cases = (("mx.peer.test", "tls", "yes", True), (f"*.peer.test|sha256={fingerprint}", "starttls", "yes", False),
             (f"mx.peer.test|subject={subject}|issuer={issuer}", "tls", "no", False))
    for n, (entry, tls, verify, trusted) in enumerate(cases):
        setting("deliver.secure_destinations", entry)
        setting("deliver.ca_file", str(world.peer.dir / "cert.pem") if trusted else "")
        world.peer.put(user, f"{user}-{n}")
        r = Remote(world.ours, user, f"protocol={protocol}", "host=mx.peer.test", f"tls={tls}", f"verify={verify}", f"user={user}@peer.test",
                   f"password={world.peer.PASSWORD}", "leave=0")
        assert r.collect()["last_result"] == "ok", entry
        has(world.ours, user, *(f"{user}-{i}" for i in range(n + 1)))
        r.delete()


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
@pytest.mark.parametrize("entry,wrong", [("mx.peer.test", "self-signed certificate"), ("*|sha256=" + "00" * 32, "the certificate has another fingerprint"),
                                         ("mx.peer.test|subject=CN = other", "the certificate has another subject")])
def test_secure_destination_with_another_certificate(world, setting, protocol, entry, wrong):
    """An account's verify=no does not get round it."""
    setting("deliver.secure_destinations", entry)
    setting("deliver.ca_file", "")
    r = Remote(world.ours, "wrong", f"protocol={protocol}", "host=mx.peer.test", "verify=no", "user=wrong@peer.test", f"password={world.peer.PASSWORD}")
    row = r.collect()
    assert row["last_result"].startswith(f"mx.peer.test is a secure destination: {wrong}") and "deliver.secure_destinations" in row["last_result"]
    assert row["failures"] == 1
    failure = wait_for("the event", lambda: [e for e in world.ours.tool_json("events", "name=remote.failed", "limit=5")["rows"] if wrong in str(e)])
    assert "mx.peer.test" in str(failure[0])
    wait_for("it in the log", lambda: f"secure destination: {wrong}" in world.ours.log_text("p" if protocol == "pop3" else "m"))
    r.delete()
    setting("deliver.secure_destinations", "other.test")
    r = Remote(world.ours, "wrong", f"protocol={protocol}", "host=mx.peer.test", "verify=no", "user=wrong@peer.test", f"password={world.peer.PASSWORD}")
    assert r.collect()["last_result"] == "ok"
    r.delete()


def plain(said):
    """Answers as POP3 and IMAP servers do that know no TLS, and keeps what it is told."""
    def talk(f, peer):
        say(f, "+OK ready" if peer.pop3 else "* OK ready")
        while line := f.readline():
            said.append(line)
            if peer.pop3:
                say(f, "-ERR no TLS here")
            else:
                tag, _, verb = line.decode(errors="replace").strip().partition(" ")
                say(f, "* CAPABILITY IMAP4rev1 AUTH=PLAIN" if verb == "CAPABILITY" else "* OK")
                say(f, f"{tag} {'OK' if verb == 'CAPABILITY' else 'NO'} done")
    return talk


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
@pytest.mark.parametrize("tls", ["tls", "starttls", "never"])
def test_nothing_is_told_to_a_plain_secure_destination(world, setting, protocol, tls):
    said = []
    peer = Peer(plain(said))
    peer.pop3 = protocol == "pop3"
    setting("deliver.secure_destinations", "127.0.0.1")
    r = Remote(world.ours, "wrong", f"protocol={protocol}", "host=127.0.0.1", f"port={peer.port}", f"tls={tls}", "verify=no", "user=who-it-is", "password=kept-secret")
    row = r.collect()
    assert row["last_result"].startswith("127.0.0.1 is a secure destination: ") and "deliver.secure_destinations" in row["last_result"]
    assert row["failures"] == 1
    assert peer.sessions == (tls != "never")
    told = b"".join(said)
    assert b"who-it-is" not in told and b"kept-secret" not in told and b"PASS" not in told and b"LOGIN" not in told and b"AUTH" not in told
    if tls == "never":
        setting("deliver.secure_destinations", "other.test")  # the same peer hears of it where it is not listed
        r.collect()
        assert b"who-it-is" in b"".join(said) or b"AUTHENTICATE PLAIN" in b"".join(said)
    r.delete()
    peer.close()


# --- servers that do not play fair ---


def forever(f, *unused):
    while True:
        f.write(b"x" * 65536)


def silent(f, *unused):
    f.read()


def greeting_only(f, *unused):
    say(f, "+OK ready")


def endless_list(f, *unused):
    pop3(f, {}, {"UIDL": lambda f, a: say(f, "+OK") or [say(f, f"{i} u{i}") for i in range(1, 300000)] and False})


def garbage_list(f, *unused):
    pop3(f, {}, {"UIDL": lambda f, a: say(f, b"+OK\r\n1 \xff\x00 x\r\n.\r\n")})


def cut_content(f, *unused):
    pop3(f, {"a": b""}, {"RETR": lambda f, a: say(f, b"+OK\r\nSubject: half\r\n\r\nno end") and False})


def imap_bye(f, *unused):
    say(f, "* BYE not now")


def imap_lies(f, *unused):
    """More in a literal than comes, at the last of a whole conversation."""
    say(f, "* OK ready")
    while line := f.readline():
        tag, verb = line.decode().split()[:2]
        if verb == "CAPABILITY":
            say(f, "* CAPABILITY IMAP4rev1")
        elif verb in ("EXAMINE", "SELECT"):
            say(f, "* OK [UIDVALIDITY 7] x")
        elif "SEARCH" in line.decode():
            say(f, "* SEARCH 1 1 2")
        elif "FETCH" in line.decode():
            say(f, b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\nSubject: x\r\n")
            return
        say(f, f"{tag} OK done")


HOSTILE = [("pop3", forever), ("imap", forever), ("pop3", silent), ("imap", silent), ("pop3", greeting_only), ("pop3", endless_list), ("pop3", garbage_list),
           ("pop3", cut_content), ("imap", imap_bye), ("imap", imap_lies)]


@pytest.mark.parametrize("i,protocol,talk", [(i, p, t) for i, (p, t) in enumerate(HOSTILE)], ids=lambda v: getattr(v, "__name__", str(v)))
def test_hostile_servers_are_failures_in_words(world, i, protocol, talk):
    peer = Peer(talk)
    r = Remote(world.ours, f"user{i}", f"protocol={protocol}", "host=127.0.0.1", f"port={peer.port}", "tls=never", "user=u", "password=p")
    world.ours.tool("set", "deliver.collect_timeout", "2s")
    row = r.collect()
    world.ours.tool("reset", "deliver.collect_timeout")
    assert row["last_result"] not in ("ok", "") and row["failures"] == 1 and row["last_count"] == 0
    assert not inbox(world.ours, f"user{i}")
    r.delete()
    peer.close()


def test_what_could_not_be_deleted_is_not_taken_twice(world):
    """The connection ends at DELE; the next session deletes, and takes nothing again."""
    mails = {"uid-1": b"Subject: once\r\n\r\ntext\r\n"}
    peer = Peer(lambda f, p: pop3(f, mails, {"DELE": lambda f, a: p.sessions > 1}))
    r = Remote(world.ours, "user15", "host=127.0.0.1", f"port={peer.port}", "tls=never", "user=u", "password=p", "leave=0")
    row = r.collect()
    assert row["last_result"] != "ok" and row["last_count"] == 1 and mails
    row = r.collect()
    assert row["last_result"] == "ok" and row["last_count"] == 0
    assert not mails
    has(world.ours, "user15", "once")
    r.delete()
    peer.close()


def test_too_large_is_left_there(world):
    mails = {"big": b"Subject: big\r\n\r\n" + b"x" * 998 + b"\r\n" + (b"y" * 998 + b"\r\n") * 200, "small": b"Subject: small\r\n\r\ntext\r\n",
             "circle": b"Received: x\r\n" * 200 + b"Subject: circle\r\n\r\ntext\r\n"}
    peer = Peer(lambda f, p: pop3(f, mails))
    world.ours.tool("set", "smtp.max_message_size", "100KiB")
    r = Remote(world.ours, "user16", "host=127.0.0.1", f"port={peer.port}", "tls=never", "user=u", "password=p", "leave=0")
    row = r.collect()
    assert row["last_result"] == "ok" and row["last_count"] == 1
    has(world.ours, "user16", "small")
    assert set(mails) == {"big", "circle"}
    world.ours.tool("reset", "smtp.max_message_size")
    wait_for("its events", lambda: len([e for e in world.ours.tool_json("events", "name=remote.skipped")["rows"]]) >= 2)
    r.delete()
    peer.close()


def test_by_the_schedule(world):
    """Nobody asks for the second collection. No interval under a minute can be set: it is put where the server reads it."""
    mails = {"1": b"Subject: planned-1\r\n\r\ntext\r\n"}
    peer = Peer(lambda f, p: pop3(f, mails))
    r = Remote(world.ours, "user18", "host=127.0.0.1", f"port={peer.port}", "tls=never", "user=u", "password=p")
    with sqlite3.connect(world.ours.data / "config" / "system.db", timeout=30) as db:
        assert db.execute("UPDATE remote_account SET interval_s = 2 WHERE id = ?", (r.id,)).rowcount == 1
    row = r.collect()
    assert row["last_result"] == "ok" and row["next_ms"] - row["last_ms"] in range(2000, 4000), row
    has(world.ours, "user18", "planned-1")
    mails["2"] = b"Subject: planned-2\r\n\r\ntext\r\n"
    wait_for("the second collection", lambda: peer.sessions > 1 and len(inbox(world.ours, "user18")) == 2)
    has(world.ours, "user18", "planned-1", "planned-2")
    r.delete()
    peer.close()


def test_killed_in_the_middle(world):
    """Module smtp is killed while the third of four messages comes: afterwards each is there once."""
    mails = {f"k{i}": f"Subject: killed-{i}\r\n\r\ntext\r\n".encode() for i in range(4)}
    third = threading.Event()

    def retr(f, arg):
        if arg != "3" or third.is_set():
            return True
        third.set()
        f.read()  # until the connection breaks
        return False

    peer = Peer(lambda f, p: pop3(f, mails, {"RETR": retr}))
    r = Remote(world.ours, "user17", "host=127.0.0.1", f"port={peer.port}", "tls=never", "user=u", "password=p")
    world.ours.tool("remote", "change", r.address, r.id, "enabled=yes")
    assert third.wait(60)
    world.ours.kill("smtp")
    # It was claimed; a wish makes it due.
    wait_for("the module", lambda: world.ours.tool("remote", "collect", r.address, r.id, check=False).returncode == 0)
    wait_for("an attempt", lambda: r.row()["last_result"] == "ok", interval=0.1)
    has(world.ours, "user17", *(f"killed-{i}" for i in range(4)))
    r.delete()
    peer.close()
