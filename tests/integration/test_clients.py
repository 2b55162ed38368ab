"""Sessions of real mail programs: swaks, curl, fetchmail, mbsync, mutt."""
import email
import os
import pathlib
import pty
import re
import select
import shlex
import signal
import ssl
import subprocess
import time

import pytest

from conftest import PASSWORD, wait_for
from wire import Imap, Smtp

USERS = ("swaks", "curl", "fetch", "sync", "mutt", "other")


@pytest.fixture(scope="module")
def mail(make_module_server):
    """A server that has every mechanism on. The password of `hashed` is stored as Argon2id with its plain text beside it."""
    s = make_module_server(start=False, users=USERS, settings={"auth.cram_md5": "yes", "auth.digest_md5": "yes"})
    batch = s.dir / "hashed.txt"
    batch.write_text(f"set auth.keep_plain yes\ncreate account {s.address('hashed')} password={PASSWORD}\n")
    s.tool("batch", str(batch))
    return s.start()


@pytest.fixture(scope="module")
def certificate(mail, tmp_path_factory):
    f = tmp_path_factory.mktemp("tls") / "server.pem"
    f.write_text(ssl.get_server_certificate(("127.0.0.1", mail.port["imaps"])))
    return f


def run(*words, check=True, timeout=60, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL) if "input" not in kw else None
    r = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=timeout, errors="replace", **kw)
    assert not check or r.returncode == 0, f"{shlex.join(map(str, words))}: {r.returncode}\n{r.stdout[-3000:]}\n{r.stderr[-3000:]}"
    return r


def deliver(server, user, subject, body=b"hello\r\n", n=1):
    with Smtp(server.port["smtp"]) as c:
        for _ in range(n):
            c.envelope("someone@client.test", server.address(user))
            c.data(f"From: Someone <someone@client.test>\r\nTo: {server.address(user)}\r\nSubject: {subject}\r\n"
                   f"Date: Sat, 01 Nov 2025 10:00:00 +0000\r\nMessage-ID: <{subject}@client.test>\r\n\r\n".encode() + body)
        c.quit()


def login(server, user):
    return Imap(server.port["imap"], server.address(user))


def fetched(c, what):
    """The answers to FETCH; news like EXISTS may come between them."""
    return [r for r in c.command(f"FETCH 1:* ({what})") if re.match(rb"\* \d+ FETCH \(.*Subject: ", r, re.S)]


def subjects(server, user, folder="INBOX"):
    c = login(server, user)
    n = c.select(folder, "EXAMINE")
    out = []
    if n:
        for r in fetched(c, "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"):
            out.append(re.search(rb"Subject: (.*?)\r\n", r).group(1).decode())
    c.logout()
    return out


def until_subject(server, user, subject, folder="INBOX"):
    wait_for(f"{subject} in {folder}", lambda: subject in subjects(server, user, folder))


def folders(server, user):
    c = login(server, user)
    names = [re.search(rb'\) "(.)" "?([^"]*)"?\Z', r).group(2).decode() for r in c.command('LIST "" "*"')]
    c.logout()
    return names


def empty(server, user, folder="INBOX"):
    c = login(server, user)
    if c.select(folder):
        c.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        c.command("EXPUNGE")
    c.logout()


# --- swaks ---

@pytest.mark.parametrize("tls", ["none", "starttls", "submissions"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"])
@pytest.mark.parametrize("user", ["swaks", "hashed"])
def test_swaks_logs_in(mail, user, mechanism, tls):
    subject = f"swaks-{mechanism}-{tls}"
    how = {"none": [], "starttls": ["-tls"], "submissions": ["-tlsc"]}[tls]
    r = run("swaks", "--server", "127.0.0.1", "--port", mail.port["smtps" if tls == "submissions" else "submission"], "--helo", "client.test",
            "--from", mail.address(user), "--to", mail.address(user), "--auth", mechanism, "--auth-user", mail.address(user),
            "--auth-password", PASSWORD, "--header", f"Subject: {subject}", *how)
    assert re.search(r"<[~-]  235 ", r.stdout), r.stdout
    until_subject(mail, user, subject)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"])
def test_swaks_has_the_wrong_password(mail, mechanism):
    mail.tool("set", "auth.failure_delay", "0ms")
    r = run("swaks", "--server", "127.0.0.1", "--port", mail.port["submission"], "--from", mail.address("swaks"), "--to", mail.address("swaks"),
            "--auth", mechanism, "--auth-user", mail.address("swaks"), "--auth-password", "wrong-word", "-tls", check=False)
    assert r.returncode == 28 and " 535 5.7" in r.stdout, r.stdout
    # The next good login works and clears the count of failures.
    run("swaks", "--server", "127.0.0.1", "--port", mail.port["submission"], "--from", mail.address("swaks"), "--to", mail.address("swaks"),
        "--auth", mechanism, "--auth-user", mail.address("swaks"), "--auth-password", PASSWORD, "-tls", "--quit-after", "AUTH")


def test_swaks_is_refused_without_login(mail):
    r = run("swaks", "--server", "127.0.0.1", "--port", mail.port["submission"], "--from", mail.address("swaks"), "--to", mail.address("other"),
            "-tls", check=False)
    assert r.returncode == 23 and "530 5.7.1 Authentication required [AUTH]" in r.stdout, r.stdout


def test_swaks_pipelines(mail):
    r = run("swaks", "--server", "127.0.0.1", "--port", mail.port["smtp"], "--helo", "client.test", "--from", "pipe@client.test",
            "--to", ",".join(mail.address(u) for u in USERS), "--pipeline", "--header", "Subject: pipelined")
    assert r.stdout.count("... Recipient ok") == len(USERS)
    for u in USERS:
        until_subject(mail, u, "pipelined")


# --- curl ---

def curl(*words, **kw):
    return run("curl", "-sS", "--max-time", "60", *words, **kw).stdout


CURL_USER = ["-u", f"curl@example.test:{PASSWORD}"]


@pytest.mark.parametrize("scheme, port, options", [
    ("smtp", "submission", []), ("smtp", "submission", ["--ssl-reqd"]), ("smtps", "smtps", []),
    ("smtp", "submission", ["--ssl-reqd", "--login-options", "AUTH=LOGIN"]), ("smtp", "submission", ["--login-options", "AUTH=CRAM-MD5"]),
    ("smtp", "submission", ["--login-options", "AUTH=DIGEST-MD5"])])
def test_curl_sends(mail, certificate, tmp_path, scheme, port, options):
    """The certificate is verified: the server's own one names localhost."""
    subject = f"curl-{scheme}-{'-'.join(options).replace('--', '')}"
    f = tmp_path / "message"
    f.write_text(f"From: curl@example.test\nTo: curl@example.test\nSubject: {subject}\n\n.dot\nhello\n")
    curl(f"{scheme}://localhost:{mail.port[port]}/client.test", "--crlf", "--mail-from", "curl@example.test", "--mail-rcpt", "curl@example.test",
         "--mail-rcpt", "other@example.test", "-T", f, "--cacert", certificate, *CURL_USER, *options)
    for user in ("curl", "other"):
        until_subject(mail, user, subject)


def test_curl_verifies_and_expands(mail):
    mail.tool("set", "smtp.vrfy", "yes")
    wait_for("VRFY", lambda: "250" in run("curl", "-sS", f"smtp://127.0.0.1:{mail.port['smtp']}", "--mail-rcpt", "curl@example.test",
                                          check=False).stdout)
    mail.tool("reset", "smtp.vrfy")


@pytest.mark.parametrize("base, options", [("imap://localhost:{imap}", []), ("imap://localhost:{imap}", ["--ssl-reqd"]),
                                           ("imaps://localhost:{imaps}", []), ("imap://localhost:{imap}", ["--login-options", "AUTH=CRAM-MD5"]),
                                           ("imap://localhost:{imap}", ["--login-options", "AUTH=PLAIN"])])
def test_curl_reads_imap(mail, certificate, tmp_path, base, options):
    url = base.format(**mail.port)
    c = ["--cacert", str(certificate), *CURL_USER, *options]
    empty(mail, "curl")
    deliver(mail, "curl", "curl-reads", b"line\r\n" * 1000)
    until_subject(mail, "curl", "curl-reads")
    listing = curl(url, *c)
    assert '"INBOX"' in listing or " INBOX" in listing
    assert "\\Sent" in listing
    uid = re.search(r"\* SEARCH (\d+)", curl(f"{url}/INBOX", "-X", "UID SEARCH ALL", *c)).group(1)
    whole = curl(f"{url}/INBOX;UID={uid}", *c)
    assert whole.endswith("line\n" * 1000) or whole.endswith("line\r\n" * 1000)
    assert "Subject: curl-reads" in curl(f"{url}/INBOX;UID={uid};SECTION=HEADER.FIELDS%20(SUBJECT)", *c)
    assert curl(f"{url}/INBOX;MAILINDEX=1;SECTION=TEXT", *c).startswith("line")
    assert curl(f"{url}/INBOX?SUBJECT%20curl-reads", *c).split() == ["*", "SEARCH", "1"]
    assert curl(f"{url}/INBOX?SUBJECT%20nothing", *c).split() == ["*", "SEARCH"]
    f = tmp_path / "appended"
    f.write_bytes(b"Subject: curl-appends\r\n\r\nappended\r\n")
    curl(f"{url}/Drafts", "-T", f, *c)
    assert "curl-appends" in subjects(mail, "curl", "Drafts")
    empty(mail, "curl", "Drafts")
    curl(f"{url}/INBOX", "-X", "STORE 1 +Flags \\Deleted", *c)
    curl(f"{url}/INBOX", "-X", "EXPUNGE", *c)
    assert subjects(mail, "curl") == []
    assert "67" in str(run("curl", "-sS", url, "-u", "curl@example.test:wrong", "--cacert", certificate, *options, check=False).returncode)


@pytest.mark.parametrize("base, options", [("pop3://localhost:{pop3}", []), ("pop3://localhost:{pop3}", ["--ssl-reqd"]),
                                           ("pop3s://localhost:{pop3s}", []), ("pop3://localhost:{pop3}", ["--login-options", "AUTH=CRAM-MD5"]),
                                           ("pop3://localhost:{pop3}", ["--login-options", "AUTH=PLAIN"])])
def test_curl_reads_pop3(mail, certificate, base, options):
    url = base.format(**mail.port)
    c = ["--cacert", str(certificate), *CURL_USER, *options]
    empty(mail, "curl")
    deliver(mail, "curl", "first")
    until_subject(mail, "curl", "first")
    deliver(mail, "curl", "second", b".dot\r\n..\r\n")
    wait_for("mail", lambda: len(subjects(mail, "curl")) == 2)
    assert [l.split()[0] for l in curl(url, *c).splitlines()] == ["1", "2"]
    uidl = dict(l.split() for l in curl(url, "-X", "UIDL", *c).splitlines())
    assert sorted(uidl) == ["1", "2"] and len(set(uidl.values())) == 2
    assert curl(f"{url}/2", *c).replace("\r", "").endswith("\n\n.dot\n..\n")
    assert "Subject: first" in curl(url, "-X", "TOP 1 0", *c)
    curl(f"{url}/1", "-X", "DELE", "-I", *c)
    assert subjects(mail, "curl") == ["second"]


# --- fetchmail ---

FETCHMAIL = [("pop3", "pop3", "sslproto ''"), ("pop3", "pop3", "sslproto 'TLS1.2+' sslcertck"), ("pop3", "pop3s", "ssl sslcertck"),
             ("imap", "imap", "sslproto ''"), ("imap", "imap", "sslproto 'TLS1.2+' sslcertck"), ("imap", "imaps", "ssl sslcertck")]


@pytest.mark.parametrize("protocol, port, tls", FETCHMAIL)
def test_fetchmail(mail, certificate, tmp_path, protocol, port, tls):
    empty(mail, "fetch")
    bodies = {}
    for i in range(5):
        bodies[f"fetched-{i}"] = b"".join(b"%sline %d of message %d\r\n" % (b"." if j % 7 == 0 else b"", j, i) for j in range(1 + i * 100))
        deliver(mail, "fetch", f"fetched-{i}", bodies[f"fetched-{i}"])
    wait_for("mail", lambda: len(subjects(mail, "fetch")) == 5)
    out = tmp_path / "out"
    out.mkdir()
    script = tmp_path / "mda"
    script.write_text(f"#!/bin/sh\nexec cat > $(mktemp {out}/XXXXXXXX)\n")
    script.chmod(0o755)
    rc = tmp_path / "rc"
    rc.write_text(f"""set no bouncemail
poll localhost protocol {protocol} port {mail.port[port]} timeout 30 {'uidl' if protocol == 'pop3' else ''}
  user "fetch@example.test" password "{PASSWORD}" {tls} {f'sslcertfile "{certificate}"' if 'sslcertck' in tls else ''}
  keep mda "{script}"
""")
    rc.chmod(0o600)

    def fetch(*options, codes=(0,)):
        r = run("fetchmail", "-f", rc, "--pidfile", tmp_path / "pid", "-i", tmp_path / "ids", "-v", *options, check=False)
        assert r.returncode in codes, r.stdout + r.stderr
        return r.stdout

    said = fetch()
    assert ("sslproto ''" in tls) == ("SSL/TLS: using protocol TLSv1" not in said), said
    got = {}
    for f in out.iterdir():
        m = email.message_from_bytes(f.read_bytes())
        got[m["Subject"]] = m.get_payload(decode=False).replace("\n", "\r\n").encode()
    assert got == bodies
    fetch(codes=(0, 1))       # nothing new: they were seen
    assert len(list(out.iterdir())) == 5
    deliver(mail, "fetch", "later")
    until_subject(mail, "fetch", "later")
    fetch()
    assert len(list(out.iterdir())) == 6
    fetch("--all", "--nokeep")
    assert subjects(mail, "fetch") == []
    assert len(list(out.iterdir())) == 12


# --- mbsync ---

class Mbsync:
    def __init__(self, server, directory, certificate, tls="STARTTLS", mechanisms="*"):
        self.server, self.dir = server, directory
        self.maildir = directory / "mail"
        self.maildir.mkdir()
        self.rc = directory / "mbsyncrc"
        port = server.port["imaps" if tls == "IMAPS" else "imap"]
        self.rc.write_text(f"""IMAPAccount there
Host localhost
Port {port}
User sync@example.test
Pass {PASSWORD}
AuthMechs {mechanisms}
SSLType {tls}
CertificateFile {certificate}

IMAPStore there
Account there

MaildirStore here
Path {self.maildir}/
Inbox {self.maildir}/INBOX
SubFolders Verbatim

Channel all
Far :there:
Near :here:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
""")

    def sync(self):
        return run("mbsync", "-c", self.rc, "-V", "all", env={**os.environ, "HOME": str(self.dir)}).stdout

    def files(self, folder="INBOX"):
        """Subject -> (path, flags)"""
        out = {}
        for sub in ("cur", "new"):
            for f in (self.maildir / folder / sub).iterdir():
                subject = re.search(rb"Subject: (.*?)\r?\n", f.read_bytes()).group(1).decode()
                out[subject] = (f, f.name.partition(":2,")[2])
        return out

    def flag(self, subject, flags, folder="INBOX"):
        f, _ = self.files(folder)[subject]
        f.rename(self.maildir / folder / "cur" / (f.name.partition(":2,")[0] + ":2," + flags))


def flags_of(server, user, folder="INBOX"):
    """Subject -> flags"""
    c = login(server, user)
    out = {}
    if c.select(folder, "EXAMINE"):
        for r in fetched(c, "FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)]"):
            out[re.search(rb"Subject: (.*?)\r\n", r).group(1).decode()] = \
                {f for f in re.search(rb"FLAGS \(([^)]*)\)", r).group(1).decode().split()} - {"\\Recent"}
    c.logout()
    return out


@pytest.mark.parametrize("tls, mechanisms", [("None", "LOGIN"), ("STARTTLS", "PLAIN"), ("IMAPS", "SCRAM-SHA-256"), ("STARTTLS", "SCRAM-SHA-1"),
                                             ("None", "CRAM-MD5")])
def test_mbsync_logs_in(mail, certificate, tmp_path, tls, mechanisms):
    Mbsync(mail, tmp_path, certificate, tls, mechanisms).sync()


def test_mbsync_mirrors_an_account(mail, certificate, tmp_path):
    empty(mail, "sync")
    for i in range(20):
        deliver(mail, "sync", f"m{i}", b"body %d\r\n" % i * (i * 50 + 1))
    wait_for("mail", lambda: len(subjects(mail, "sync")) == 20)
    m = Mbsync(mail, tmp_path, certificate)

    # The first synchronisation brings all messages and all folders, octet for octet but for the line ends.
    m.sync()
    here = m.files()
    assert sorted(here) == sorted(f"m{i}" for i in range(20))
    assert {"INBOX", "Drafts", "Sent", "Trash", "Junk", "Archive"} <= {d.name for d in m.maildir.iterdir()}
    c = login(mail, "sync")
    c.select(command="EXAMINE")
    for i, s in enumerate(subjects(mail, "sync")):
        assert c.fetch_literal(i + 1).replace(b"\r\n", b"\n") == re.sub(rb"X-TUID: .*\n", b"", here[s][0].read_bytes())
    c.logout()

    # New mail there, new mail here.
    deliver(mail, "sync", "new-there")
    until_subject(mail, "sync", "new-there")
    (m.maildir / "INBOX/cur/1762000000.1_1.here:2,S").write_bytes(b"From: a@b.test\nSubject: new-here\n\nwritten here\n")
    m.sync()
    assert "new-there" in m.files() and "new-here" in subjects(mail, "sync")
    assert flags_of(mail, "sync")["new-here"] == {"\\Seen"}

    # Flags both ways in one run.
    c = login(mail, "sync")
    c.select()
    order = subjects(mail, "sync")
    c.command(f"STORE {order.index('m1') + 1} +FLAGS (\\Answered \\Flagged)")
    c.logout()
    m.flag("m2", "FS")
    m.flag("m3", "R")
    m.sync()
    assert set(m.files()["m1"][1]) == set("FR")
    f = flags_of(mail, "sync")
    assert f["m2"] == {"\\Flagged", "\\Seen"} and f["m3"] == {"\\Answered"}
    assert f["m1"] == {"\\Answered", "\\Flagged"}

    # Deletion both ways; expunged on both sides.
    c = login(mail, "sync")
    c.select()
    c.command(f"STORE {order.index('m4') + 1} +FLAGS (\\Deleted)")
    c.command("EXPUNGE")
    c.logout()
    m.flag("m5", "T")
    m.sync()
    assert not {"m4", "m5"} & set(m.files()) and not {"m4", "m5"} & set(subjects(mail, "sync"))
    assert sorted(m.files()) == sorted(subjects(mail, "sync"))

    # Folders made on both sides, with nested and non-ASCII names.
    c = login(mail, "sync")
    c.command("CREATE there")
    c.command("CREATE there/below")
    c.command('CREATE "Entw&APw-rfe 2"')
    c.append("there/below", b"Subject: deep\r\n\r\nx\r\n", "(\\Flagged)")
    c.logout()
    for d in ("here", "here/inside"):
        for sub in ("cur", "new", "tmp"):
            (m.maildir / d / sub).mkdir(parents=True)
    (m.maildir / "here/inside/new/1762000001.1_2.here").write_bytes(b"Subject: found-here\n\nx\n")
    m.sync()
    assert {"there", "there/below", "here", "here/inside"} <= set(folders(mail, "sync"))
    assert m.files("there/below")["deep"][1] == "F"
    assert subjects(mail, "sync", "here/inside") == ["found-here"]
    assert any("2" in d.name and d.name.startswith("Entw") for d in m.maildir.iterdir())

    # Nothing to do is nothing done.
    before = {f: f.stat().st_mtime_ns for f in m.maildir.rglob("*") if f.is_file() and "mbsync" not in f.name}
    m.sync()
    assert before == {f: f.stat().st_mtime_ns for f in m.maildir.rglob("*") if f.is_file() and "mbsync" not in f.name}


# --- mutt ---

def muttrc(mail, certificate, directory, extra="", tls="starttls"):
    imap = f"imaps://localhost:{mail.port['imaps']}" if tls == "tls" else f"imap://localhost:{mail.port['imap']}"
    smtp = f"smtps://mutt%40example.test@localhost:{mail.port['smtps']}" if tls == "tls" else \
        f"smtp://mutt%40example.test@localhost:{mail.port['submission']}"
    f = directory / "muttrc"
    f.write_text(f"""set imap_user="mutt@example.test" imap_pass="{PASSWORD}" smtp_pass="{PASSWORD}"
set smtp_url="{smtp}" folder="{imap}" spoolfile="{imap}/INBOX" record="{imap}/Sent" postponed="{imap}/Drafts"
set from="mutt@example.test" realname="Mutt" use_from=yes hostname=client.test
set ssl_starttls={'yes' if tls == 'starttls' else 'no'} ssl_force_tls={'no' if tls == 'none' else 'yes'} certificate_file="{certificate}"
set header_cache="" tmpdir="{directory}" editor="true" wait_key=no confirmappend=no confirmcreate=no delete=yes quit=yes move=no
set mark_old=no beep=no imap_idle=yes timeout=1 mail_check=1 collapse_unread=no sort=mailbox-order
{extra}
""")
    return f


def mutt(rc, *words, keys="", body=None, timeout=60, done=None):
    """With keys mutt runs in a terminal, as it insists on; else it sends a message. `done` is asked with what the terminal has
    shown until it is true, then mutt is told to quit."""
    env = {**os.environ, "HOME": str(rc.parent), "TERM": "vt100", "LC_ALL": "C.UTF-8"}
    command = ["mutt", "-F", str(rc), *words]
    if not keys:
        return run(*command, input=body, env=env)
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe("mutt", [*command, "-e", f'push "{keys}"'], env)
    screen, end = b"", time.monotonic() + timeout
    try:
        while True:
            assert time.monotonic() < end, screen[-4000:].decode(errors="replace")
            ready = select.select([fd], [], [], 0.1)[0]
            try:
                got = os.read(fd, 65536) if ready else None
            except OSError:
                got = b""
            if got == b"":
                break
            screen += got or b""
            if done and done(screen):
                os.write(fd, b"q")
                done = None
    finally:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        status = os.waitpid(pid, 0)[1]
        os.close(fd)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, screen[-4000:].decode(errors="replace")
    return screen.decode(errors="replace")


# Debian's mutt prefers SCRAM-SHA-256-PLUS by TLS but cannot bind to the channel: by TLS it has to be told another one, or the
# server has to be told not to offer it.
@pytest.mark.parametrize("tls, authenticators", [("none", ""), ("none", "login"), ("starttls", "plain"), ("starttls", "cram-md5"),
                                                 ("tls", "scram-sha-256")])
def test_mutt_reads(mail, certificate, tmp_path, tls, authenticators):
    """Everything is copied to a local mailbox, the first is flagged, the last deleted."""
    empty(mail, "mutt")
    bodies = [b"".join(b"line %d of %d\r\n" % (j, i) for j in range(i * 10 + 1)) for i in range(6)]
    for i, b in enumerate(bodies):
        deliver(mail, "mutt", f"read-{i}", b)
        until_subject(mail, "mutt", f"read-{i}")
    out = tmp_path / "copy"
    rc = muttrc(mail, certificate, tmp_path, f'set imap_authenticators="{authenticators}" mbox_type=mbox', tls)
    mutt(rc, keys=f"<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>{out}<enter>"
                  "<untag-pattern>~A<enter><first-entry><flag-message><last-entry><delete-message><sync-mailbox><exit>")
    text = out.read_text()
    assert [int(n) for n in re.findall(r"^Subject: read-(\d)$", text, re.M)] == list(range(6))
    for b in bodies:
        assert b.decode().replace("\r\n", "\n") in text
    flags = flags_of(mail, "mutt")
    assert sorted(flags) == [f"read-{i}" for i in range(5)]
    assert "\\Flagged" in flags["read-0"] and "\\Flagged" not in flags["read-1"]


@pytest.mark.parametrize("tls, authenticators", [("none", ""), ("none", "login"), ("starttls", "plain"), ("tls", "digest-md5"),
                                                 ("starttls", "scram-sha-256")])
def test_mutt_sends(mail, certificate, tmp_path, tls, authenticators):
    """By the submission service, with an attachment, and a copy into Sent by APPEND."""
    attachment = tmp_path / "data.bin"
    attachment.write_bytes(bytes(range(256)) * 100)
    rc = muttrc(mail, certificate, tmp_path, f'set smtp_authenticators="{authenticators}"', tls)
    subject = f"sent-{tls}-{authenticators}"
    mutt(rc, "-s", subject, "-a", str(attachment), "--", "other@example.test", "mutt@example.test", body="Grüße\n.dot\n")
    for user in ("other", "mutt"):
        until_subject(mail, user, subject)
    c = login(mail, "other")
    n = c.select(command="EXAMINE")
    m = email.message_from_bytes(c.fetch_literal(n))
    c.logout()
    parts = list(m.walk())
    assert parts[1].get_payload(decode=True).decode(parts[1].get_content_charset()) == "Grüße\r\n.dot\r\n"
    assert parts[2].get_payload(decode=True) == attachment.read_bytes()
    assert subject in subjects(mail, "mutt", "Sent")
    assert "\\Seen" in flags_of(mail, "mutt", "Sent")[subject]


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_mutt_sends_as_it_likes_when_nothing_is_bound_to_the_channel(mail, certificate, tmp_path, tls):
    """It takes the strongest mechanism that is left."""
    rc = muttrc(mail, certificate, tmp_path, "", tls)
    for name in ("auth.scram_sha256_plus", "auth.scram_sha1_plus"):
        mail.tool("set", name, "no")
    try:
        mutt(rc, "-s", f"unbound-{tls}", "--", "mutt@example.test", body="text\n")
    finally:
        for name in ("auth.scram_sha256_plus", "auth.scram_sha1_plus"):
            mail.tool("reset", name)
    until_subject(mail, "mutt", f"unbound-{tls}")
    session = mail.log_text("s").rsplit("<mutt@example.test>... Recipient ok", 1)[0].rsplit("Connected", 1)[1]
    assert re.search(r"<<< AUTH (DIGEST-MD5|SCRAM-SHA-256)\b(?!-PLUS)", session), session


def test_mutt_sees_new_mail_while_idle(mail, certificate, tmp_path):
    """It stays in the INBOX until it shows a message that comes later, copies between folders on the server, and quits."""
    empty(mail, "mutt")
    empty(mail, "mutt", "Archive")
    deliver(mail, "mutt", "before")
    until_subject(mail, "mutt", "before")
    rc = muttrc(mail, certificate, tmp_path, 'set imap_authenticators="plain"')
    sent = []

    def done(screen):
        rows = [r for r in mail.tool_json("sessions")["rows"] if r["service"] == "imap" and r["account"] == mail.address("mutt")]
        if rows and not sent and "before" in subjects(mail, "mutt", "Archive"):
            deliver(mail, "mutt", "while-idle")
            sent.append(True)
        return bool(sent) and b"while-idle" in screen

    screen = mutt(rc, keys="<first-entry><copy-message><kill-line>=Archive<enter>", done=done)
    assert "while-idle" in screen
    assert subjects(mail, "mutt", "Archive") == ["before"]
