"""The SMTP log reads like the known transcripts of good and of incomplete sessions, line type by line type: the lines
are compared after addresses, host names, ids, times and numbers were made the same."""
import re
import shutil
import tempfile
import time

import pytest

from api import Client
from conftest import wait_for
from peers import NameServer, neighbour, SECOND
from wire import Imap, Pop3, Smtp

CLIENT_GOOD = """
SYSTEM      [1140] 10:47:14 Client session Message id OSA88513 item 201110051047140042.tms
SYSTEM      [1140] 10:47:14 Client session DNS query 'example.it' 0 (2) [OK - 1]
SYSTEM      [1140] 10:47:14 Client session Connecting to 'mail.example.it'
203.0.113.168 [1140] 10:47:14 Client session Connected, local IP= 192.168.26.218
203.0.113.168 [1140] 10:47:14 Client session <<< 220 mail.example.it ESMTP Product 10.3.4 (2011-09-22); Wed, 05 Oct 2011 10:47:12 +0200
203.0.113.168 [1140] 10:47:14 Client session >>> EHLO localhost
203.0.113.168 [1140] 10:47:14 Client session <<< 250 HELP
203.0.113.168 [1140] 10:47:14 Client session >>> STARTTLS
203.0.113.168 [1140] 10:47:14 Client session <<< 220 2.0.0 Ready to start TLS
203.0.113.168 [1140] 10:47:14 Client session SSL: Not verified (18) - proceed anyway
203.0.113.168 [1140] 10:47:14 Client session >>> EHLO localhost
203.0.113.168 [1140] 10:47:14 Client session <<< 250 HELP
203.0.113.168 [1140] 10:47:14 Client session >>> MAIL From:<admin@example.com> SIZE=589 TRANSID=<201110051047140042@example.com>
203.0.113.168 [1140] 10:47:14 Client session <<< 250 2.1.0 <admin@example.com>... Sender ok
203.0.113.168 [1140] 10:47:14 Client session >>> RCPT To:<test@example.it>
203.0.113.168 [1140] 10:47:14 Client session <<< 250 2.1.5 <test@example.it>... Recipient ok
203.0.113.168 [1140] 10:47:14 Client session >>> DATA
203.0.113.168 [1140] 10:47:14 Client session <<< 354 Enter mail, end with "." on a line by itself
203.0.113.168 [1140] 10:47:14 Client session >>> 589 bytes (overall data transfer speed=293275 B/s)
203.0.113.168 [1140] 10:47:15 Client session <<< 250 2.6.0 589 bytes received in 00:00:00; Message id OSA57912 accepted for delivery
203.0.113.168 [1140] 10:47:15 Client session *** <admin@example.com> <test@example.it> 1 589 00:00:00 OK OSA88513
203.0.113.168 [1140] 10:47:15 Client session >>> QUIT
203.0.113.168 [1140] 10:47:15 Client session <<< 221 2.0.0 mail.example.it closing connection
203.0.113.168 [1140] 10:47:15 Client session Disconnected
"""

SERVER_GOOD = """
192.168.26.42 [0EC4] 10:47:13 Connected, local IP=192.168.26.218
192.168.26.42 [0EC4] 10:47:13 >>> 220 localhost ESMTP Product 10.3.4; Wed, 05 Oct 2011 10:47:13 +0200
192.168.26.42 [0EC4] 10:47:13 <<< EHLO example.com [127.0.0.1]
192.168.26.42 [0EC4] 10:47:13 >>> 250-localhost Hello example.com [192.168.26.42], pleased to meet you.
192.168.26.42 [0EC4] 10:47:13 <<< MAIL FROM:<admin@example.com>
192.168.26.42 [0EC4] 10:47:13 >>> 250 2.1.0 <admin@example.com>... Sender ok
192.168.26.42 [0EC4] 10:47:13 <<< RCPT TO:<test@example.it>
192.168.26.42 [0EC4] 10:47:13 >>> 250 2.1.5 <test@example.it>... Recipient ok; will forward
192.168.26.42 [0EC4] 10:47:13 <<< DATA
192.168.26.42 [0EC4] 10:47:13 >>> 354 Enter mail, end with "." on a line by itself
192.168.26.42 [0EC4] 10:47:13 <<< 387 bytes (overall data transfer speed=383859 B/s)
192.168.26.42 [0EC4] 10:47:13 Start of mail processing
192.168.26.42 [0EC4] 10:47:13 *** <admin@example.com> <test@example.it> 1 382 00:00:00 OK OSA88513
192.168.26.42 [0EC4] 10:47:13 >>> 250 2.6.0 382 bytes received in 00:00:00; Message id OSA88513 accepted for delivery
192.168.26.42 [0EC4] 10:47:13 <<< quit
192.168.26.42 [0EC4] 10:47:13 >>> 221 2.0.0 localhost closing connection
192.168.26.42 [0EC4] 10:47:13 Disconnected
"""

CLIENT_NO_CONNECTION = """
SYSTEM [1B6C] 12:03:40 Client session Message id WTQ78139 item 201109131203391673.tms
SYSTEM [1B6C] 12:03:40 Client session DNS query 'example.it' 0 (1) [OK - 2]
SYSTEM [1B6C] 12:03:40 Client session Connecting to 'mx.example.it'
SYSTEM [1B6C] 12:04:01 Client session Could not connect to 'mx.example.it(203.0.113.72)'
SYSTEM [1B6C] 12:04:01 Client session *** <user@example.com> <info@example.it> 1 32304 00:00:00 INCOMPLETE-SESSION WTQ78139
SYSTEM [1B6C] 12:04:01 Client session Disconnected
"""

SERVER_PROBE = """
127.0.0.1 [0208] 16:20:47 Connected, local IP=127.0.0.1
127.0.0.1 [0208] 16:20:47 >>> 220 localhost ESMTP Product 10.3.2; Thu, 01 Sep 2011 16:20:47 +0200
127.0.0.1 [0208] 16:20:47 <<< EHLO [127.0.0.1]
127.0.0.1 [0208] 16:20:47 >>> 250-localhost Hello [127.0.0.1] [127.0.0.1], pleased to meet you.
127.0.0.1 [0208] 16:20:47 <<< QUIT
127.0.0.1 [0208] 16:20:47 >>> 221 2.0.0 localhost closing connection
127.0.0.1 [0208] 16:20:47 *** <> <> 0 0 00:00:00 INCOMPLETE-SESSION
127.0.0.1 [0208] 16:20:47 Disconnected
"""

SERVER_TIMEOUT = """
192.0.2.7 [05DC] 18:07:04 Connected, local IP=10.0.0.20
192.0.2.7 [05DC] 18:07:04 >>> 220 smtp.example.it ESMTP Product 10.3.1; Thu, 25 Aug 2011 18:07:04 +0200
192.0.2.7 [05DC] 18:07:04 <<< EHLO localhost
192.0.2.7 [05DC] 18:07:04 >>> 250-smtp.example.it Hello localhost [192.0.2.7], pleased to meet you.
250-ENHANCEDSTATUSCODES
250-SIZE
250-DSN
250-8BITMIME
250-AUTH PLAIN LOGIN
250-STARTTLS
250 HELP
192.0.2.7 [05DC] 18:07:04 <<< MAIL FROM:<admin@example.com> SIZE=19687
192.0.2.7 [05DC] 18:07:04 >>> 250 2.1.0 <admin@example.com>... Sender ok
192.0.2.7 [05DC] 18:07:04 <<< RCPT TO:<test@example.it>
192.0.2.7 [05DC] 18:07:04 >>> 250 2.1.5 <test@example.it>... Recipient ok
192.0.2.7 [05DC] 18:07:04 <<< DATA
192.0.2.7 [05DC] 18:07:04 >>> 354 Enter mail, end with "." on a line by itself
192.0.2.7 [05DC] 18:12:09 <<< 2736 bytes (overall data transfer speed=9 B/s)
192.0.2.7 [05DC] 18:12:09 *** <admin@example.com> <test@example.it> 1 0 00:00:00 TIMEOUT IYG80904
192.0.2.7 [05DC] 18:12:09 Disconnected
"""

SERVER_LOWER_CASE = """
192.168.26.20 [135C] 16:41:20 Connected, local IP=192.168.26.20
192.168.26.20 [135C] 16:41:20 >>> 220 localhost ESMTP Product 10.3.3 (2011-09-14); Thu, 15 Sep 2011 16:41:20 +0200
192.168.26.20 [135C] 16:41:22 <<< HELO smtp.test.com
192.168.26.20 [135C] 16:41:22 >>> 250 localhost Hello smtp.test.com [192.168.26.20], pleased to meet you.
192.168.26.20 [135C] 16:41:28 <<< rset
192.168.26.20 [135C] 16:41:28 >>> 250 2.0.0 Reset state
192.168.26.20 [135C] 16:41:30 <<< rset
192.168.26.20 [135C] 16:41:30 >>> 250 2.0.0 Reset state
192.168.26.20 [135C] 16:42:00 <<< mail from:<user@example.com>
192.168.26.20 [135C] 16:42:00 >>> 250 2.1.0 <user@example.com>... Sender ok
192.168.26.20 [135C] 16:42:12 <<< rcpt to:<admin@example.com>
192.168.26.20 [135C] 16:42:12 >>> 250 2.1.5 <admin@example.com>... Recipient ok
192.168.26.20 [135C] 16:42:15 <<< data
192.168.26.20 [135C] 16:42:15 >>> 354 Enter mail, end with "." on a line by itself
192.168.26.20 [135C] 16:42:27 <<< 26 bytes (overall data transfer speed=2 B/s)
192.168.26.20 [135C] 16:42:28 Start of mail processing
192.168.26.20 [135C] 16:42:28 *** <user@example.com> <admin@example.com> 1 21 00:00:12 OK WXD75015
192.168.26.20 [135C] 16:42:28 >>> 250 2.6.0 21 bytes received in 00:00:12; Message id WXD75015 accepted for delivery
192.168.26.20 [135C] 16:42:30 <<< quit
192.168.26.20 [135C] 16:42:30 >>> 221 2.0.0 localhost closing connection
192.168.26.20 [135C] 16:42:30 Disconnected
"""

LINE = re.compile(r"(SYSTEM|[0-9.]+) +\[([0-9A-F]{4})\] (\d\d:\d\d:\d\d) (.*)")


def normal(lines):
    """Lines with what differs from session to session replaced; continuation lines of replies go."""
    out = []
    for line in lines:
        m = LINE.fullmatch(line)
        if not m:
            assert re.match(r"250[- ]", line), f"neither a log line nor the continuation of a reply: {line}"
            continue
        source, text = m.group(1) if m.group(1) == "SYSTEM" else "PEER", m.group(4)
        for pattern, by in (
                (r"TRANSID=<\d{14}\d+@[^>]+>", "TRANSID=ID"),
                (r"220 \S+ ESMTP .*; .*", "220 HOST ESMTP PRODUCT; DATE"),
                (r"<[^ @>]+@[^ >]+>", "<ADDRESS>"),
                (r"\b[A-Z]{3}\d{5}\b", "ID"),
                (r"item \d{14}\d+\.tms", "item ITEM"),
                (r"Hello \S+ \[", "Hello NAME ["),
                (r"(EHLO|HELO) .*", r"\1 NAME"),
                (r"250([- ])\S+ Hello", r"250\1HOST Hello"),
                (r"(2\.0\.0) \S+ closing", r"\1 HOST closing"),
                (r"'[^'(]*\([0-9.]+\)'", "'HOST(IP)'"),
                (r"'[^']*'", "'HOST'"),
                (r"IP= ?[0-9.]+", "IP=IP"),
                (r"\[[0-9.]+\]", "[IP]"),
                (r"\d\d:\d\d:\d\d", "TIME"),
                (r"0 \(\d+\) \[OK - \d+\]", "0 (MS) [OK - COUNT]"),
                (r"SIZE=\d+", "SIZE=N"),
                (r"\d+ bytes", "N bytes"),
                (r"speed=\d+", "speed=N"),
                (r"(\*\*\* <[^>]*> <[^>]*> \d+) \d+", r"\1 N")):
            text = re.sub(pattern, by, text)
        out.append((source, text))
    return out


def sessions(server):
    """Sessions of the SMTP log, each a list of its lines."""
    out, thread = {}, None
    for line in server.log_text("s").splitlines():
        m = LINE.fullmatch(line)
        thread = m.group(2) if m else thread
        out.setdefault(thread, []).append(line)
    return list(out.values())


def session_with(server, text):
    """The ended session whose log has text."""
    def look():
        found = [s for s in sessions(server) if any(text in l for l in s) and s[-1].endswith("Disconnected")]
        return found and found[0]
    return wait_for(f"session with {text}", look)


def compare(ours, known):
    assert normal(ours) == normal(known.strip().splitlines()), "\n".join(ours)


@pytest.fixture(scope="module")
def pair(make_module_server):
    d = tempfile.mkdtemp(prefix="phdns-", dir="/var/tmp")
    dns = NameServer(d)
    try:
        dns.start()
        yield neighbour(make_module_server), neighbour(make_module_server, "second.test", SECOND, users=("frank",),
                                                       settings={"smtp.transid": "yes"})
    finally:
        dns.stop()
        shutil.rmtree(d, ignore_errors=True)


def test_good_delivery_seen_by_both_sides(pair):
    first, second = pair
    with Smtp(first.port["smtp"]) as c:
        c.envelope("alice@example.test", "frank@second.test")
        text = c.data(b"Subject: transcript\r\n\r\nfrom the first to the second server\r\n")
        c.quit()
    number = re.search(r"Message id (\w+)", text).group(1)
    ours = session_with(first, f"Client session Message id {number} ")
    compare(ours, CLIENT_GOOD)
    assert all(f"[{LINE.fullmatch(ours[0]).group(2)}]" in l for l in ours)
    assert ours[-4].endswith(f"OK {number}"), "the summary names the message as it was accepted here"

    # The other server saw the mirror of it: what one side wrote, the other side read.
    mirror = [l for l in session_with(second, "<frank@second.test>... Recipient ok") if LINE.fullmatch(l)]
    said = [t.replace("Client session ", "") for _, t in normal(ours) if t[15:18] in ("<<<", ">>>")]
    heard = [t for _, t in normal(mirror) if t[:3] in ("<<<", ">>>")]
    swap = {"<<<": ">>>", ">>>": "<<<"}
    hello = ">>> 250-HOST Hello NAME [IP], pleased to meet you."   # the client logs the last line of a reply
    assert [swap[t[:3]] + t[3:] for t in said] == [">>> 250 HELP" if t == hello else t for t in heard]


def test_good_reception(pair):
    first, _ = pair
    with Smtp(first.port["smtp"], hello="example.com [127.0.0.1]") as c:
        c.command("MAIL FROM:<admin@example.com>", 250)
        c.command("RCPT TO:<test@second.test>", 250)
        c.data(b"Subject: x\r\n\r\nhello\r\n")
        c.command("quit", 221)
    ours = session_with(first, "<admin@example.com>... Sender ok")
    compare(ours, SERVER_GOOD)
    wire, content = (int(re.search(p, "\n".join(ours)).group(1)) for p in (r"<<< (\d+) bytes", r"250 2\.6\.0 (\d+) bytes"))
    assert (wire, content) == (21 + 3, 21), "the end mark counts as transferred, not as content"


def test_no_connection(pair):
    first, _ = pair
    with Smtp(first.port["smtp"]) as c:
        c.envelope("alice@example.test", "info@down.test")
        c.data(b"Subject: x\r\n\r\nhello\r\n")
        c.quit()
    compare(session_with(first, "Could not connect"), CLIENT_NO_CONNECTION)


def test_probe(pair):
    first, _ = pair
    with Smtp(first.port["smtp"], hello="[127.0.0.1]") as c:
        c.command("QUIT", 221)
    compare(session_with(first, "Hello [127.0.0.1] [127.0.0.1]"), SERVER_PROBE)


def test_commands_in_lower_case(pair):
    first, _ = pair
    with Smtp(first.port["smtp"], hello=None) as c:
        c.command("HELO smtp.test.com", 250)
        for _ in range(2):
            c.command("rset", 250)
        c.command("mail from:<user@lower.test>", 250)
        c.command("rcpt to:<bob@example.test>", 250)
        c.command("data", 354)
        c.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        c.expect(250)
        c.command("quit", 221)
    compare(session_with(first, "<user@lower.test>... Sender ok"), SERVER_LOWER_CASE)


def test_the_api_gives_the_same_lines(pair):
    """Every session of the log, good and failed, ours with others and others' with us."""
    first, _ = pair
    root = "root@example.test"
    first.tool("create", "account", root, "role=system-admin")
    client = Client(first, token=first.tool("create", "token", root, "transcripts").stdout.strip())
    with Smtp(first.port["smtp"]) as c:
        c.envelope("alice@example.test", "info@down.test")
        c.data(b"Subject: x\r\n\r\nhello\r\n")
    session_with(first, "Could not connect")
    ended = [s for s in sessions(first) if s[-1].endswith("Disconnected")]
    marks = {"in": "<<< ", "out": ">>> ", "text": "", "summary": ""}
    kinds = set()
    for lines in ended:
        want = []
        for line in lines:
            m = LINE.fullmatch(line)
            if m:
                want.append(m.group(4).removeprefix("Client session "))
            else:
                want[-1] += "\n" + line

        def shown():
            a = client.get(f"/sessions/{LINE.fullmatch(lines[0]).group(2)}/transcript", limit=2000)
            assert a.status == 200, (a.body, lines)
            page = a.json()
            return page["items"] if page["state"] == "ended" and page["next_cursor"] is None else None

        items = wait_for("the whole transcript", shown)
        kinds |= {i["kind"] for i in items}
        assert [marks[i["kind"]] + i["text"].removeprefix("Client session ") for i in items] == want
        assert all(i["text"].startswith("*** ") == (i["kind"] == "summary") for i in items)
    assert kinds == set(marks) and len(ended) >= 2


def test_timeout(pair):
    """RFC 5321 4.5.3.2.7 wants the peer told: the 421 is the one line more."""
    first, _ = pair
    first.tool("set", "net.session_timeout", "5s")
    try:
        with Smtp(first.port["smtp"], hello="localhost") as c:
            # Together: no pause of this program may be long enough for the timeout.
            c.send(b"MAIL FROM:<admin@slow.test> SIZE=19687\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
            assert [c.reply()[0] for _ in range(3)] == [250, 250, 354]
            began = time.monotonic()
            c.send(b"Subject: x\r\n\r\nhi\r\n")
            assert c.at_end() and c.buffer.startswith(b"421 4.4.2 ")
            assert time.monotonic() - began > 4.5
    finally:
        first.tool("reset", "net.session_timeout")
    ours = session_with(first, "<admin@slow.test>... Sender ok")
    told = [l for l in ours if ">>> 421 4.4.2 " in l]
    assert len(told) == 1
    compare([l for l in ours if l not in told], SERVER_TIMEOUT)


def test_every_line_has_the_form(pair):
    """Name of the file, form of each line, and no password in it."""
    first, _ = pair
    with Smtp(first.port["submission"]) as c:
        c.starttls()
        c.login("alice@example.test")
        c.quit()
    files = sorted(f.name for f in (first.data / "logs").glob("s*.log"))
    assert files and all(re.fullmatch(r"s\d{8}-\d\d\.log", f) for f in files), files
    text = first.log_text("s")
    for line in text.splitlines():
        assert LINE.fullmatch(line) or re.match(r"\d{3}[- ]", line), line
    session_with(first, "AUTH PLAIN")
    assert "AGFsaWNl" not in first.log_text("s") and "secret-word" not in first.log_text("s")


def one_of_each(server):
    """A delivery and its reading by both protocols: what each level makes of it."""
    with Smtp(server.port["smtp"]) as c:
        c.envelope("x@client.test", "bob@example.test")
        number = re.search(r"Message id (\w+)", c.data(b"Subject: x\r\n\r\nhello\r\n")).group(1)
        c.quit()

    def there():
        p = Pop3(server.port["pop3"], "bob@example.test")
        n = p.command("STAT").split()[1]
        p.quit()
        return n != "0"
    wait_for("mail", there)
    p = Pop3(server.port["pop3"], "bob@example.test")
    p.retr(1)
    p.command("DELE 1")
    p.quit()
    c = Imap(server.port["imap"], "bob@example.test")
    c.command("NOOP")
    c.logout()
    return number


def test_levels(make_server):
    """None writes nothing, Summary one line a session, Debug the transcript, Extended no less."""
    s = make_server()
    names = {"s": "log.smtp", "p": "log.pop3", "m": "log.imap"}
    seen = {k: "" for k in names}
    lines = {}
    for level in ("none", "summary", "debug", "extended", "none"):
        for name in names.values():
            s.tool("set", name, level)
        one_of_each(s)
        if level != "none":
            for k in names:
                done = "Disconnected" if level != "summary" else "*** "
                wait_for(f"{names[k]} {level}", lambda: done in s.log_text(k)[len(seen[k]):].rstrip().rpartition("\n")[2])
        for k in names:
            text = s.log_text(k)
            lines[k, level] = text[len(seen[k]):].splitlines()
            seen[k] = text
    for k in names:
        assert lines[k, "none"] == []
        assert lines[k, "summary"] and all(LINE.fullmatch(l).group(4).startswith("*** ") for l in lines[k, "summary"]), lines[k, "summary"]
        assert len(lines[k, "debug"]) > 3 * len(lines[k, "summary"])
        assert len(lines[k, "extended"]) >= len(lines[k, "debug"]) - 20   # POP3 asked as often as it took
        text = "\n".join(lines[k, "debug"])
        assert " <<< " in text and " >>> " in text and " *** " in text and "secret-word" not in text


def test_local_delivery_in_the_mailflow_log(pair):
    """With the id of the SMTP session that brought the message."""
    first, _ = pair
    with Smtp(first.port["smtp"], hello="mailflow.test") as c:
        c.envelope("x@client.test", "bob@example.test", "carol@example.test")
        c.data(b"Subject: mailflow\r\n\r\nhello\r\n")
        c.quit()
    thread = LINE.fullmatch(session_with(first, "EHLO mailflow.test")[0]).group(2)

    def mine():
        text = "".join(f.read_text() for f in sorted((first.data / "logs/mailflow").iterdir()))
        found = [m.group(4) for m in map(LINE.fullmatch, text.splitlines()) if m and m.group(2) == thread]
        return found if "HandleLocalMail End" in found else None

    assert [t for t in wait_for("delivery", mine) if t.startswith("HandleLocalMail")] == ["HandleLocalMail Begin", "HandleLocalMail End"]
