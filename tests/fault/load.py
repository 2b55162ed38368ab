"""Mixed load that keeps books: what was acknowledged, what was removed, which uid meant which message.

The clients never repeat a message by themselves, so that a message may be in a mailbox once at most. Every message has
a number (header X-Test-Id) and a length, and its bytes follow from both.
"""
import base64
import collections
import itertools
import random
import re
import select
import socket
import ssl
import threading
import time

DOMAIN = "example.test"
RETRY = 0.03  # between connection attempts while the server is down


def make_message(number, size):
    """size bytes of content that only this number and size give; no line begins with a dot."""
    head = (f"X-Test-Id: {number}\r\nX-Test-Size: {size}\r\nFrom: a@elsewhere.test\r\nTo: all@{DOMAIN}\r\n"
            f"Subject: message {number}\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\n").encode()
    line = (b"%09d " % number) * 7 + b"\r\n"
    left = max(size - len(head) - 2, 0)
    body = (line * (left // len(line) + 1))[:left]
    if body.endswith(b"\r"):
        body = body[:-1] + b"x"
    return head + body + b"\r\n"


ID = re.compile(rb"^X-Test-Id: (\d+)\r\nX-Test-Size: (\d+)\r\n", re.M)


def message_number(data):
    m = ID.search(data)
    return int(m.group(1)) if m else None


class Books:
    """What the clients know for certain. One lock guards everything."""

    def __init__(self, users, seed=1):
        self.lock = threading.Lock()
        self.users = list(users)
        self.numbers = itertools.count(1)
        self.random = random.Random(seed)
        self.mail = {}  # number -> (state, users): sent "acked", "unknown" (no answer came), "refused"
        self.appended = {}  # number -> (state, user)
        self.removed = {}  # (user, number) -> (state, time): "sure" after OK, "unknown" without an answer
        self.moved = {}  # (user, number) -> state: to the folder Archive
        self.flagged = {}  # (user, number) -> "sure" or "unknown": \Flagged
        self.claimed = set()  # (user, number): one session at a time changes a message
        self.settled = set()  # (user, number): moved or flagged for certain; may be removed
        self.uids = {}  # (user, folder, uidvalidity, uid) -> number
        self.validity = {}  # (user, folder) -> uidvalidity
        self.durable = set()  # users whose mailbox has to survive a power cut: an APPEND got its OK
        self.faults = []
        self.count = collections.Counter()
        self.reasons = collections.Counter()  # why sessions were lost
        self.latest = 0  # messages acknowledged, for waiting
        self.roads = {}  # address -> users who have its mail in the end, each once (others: themselves)
        self.far = set()  # numbers that have to come to another server
        self.leave = set()  # addresses whose mail goes there, too

    def number(self):
        with self.lock:
            return next(self.numbers)

    def reached(self, addresses):
        return [u for a in addresses for u in self.roads.get(a, (a,))]

    def apart(self, addresses):
        """Those whose mail reaches nobody that the ones before reach: then each has it once."""
        chosen = []
        for a in addresses:
            if not set(self.reached([a])) & set(self.reached(chosen)):
                chosen.append(a)
        return chosen

    def fault(self, text):
        with self.lock:
            self.faults.append(text)

    def sent(self, number, state, users):
        with self.lock:
            self.mail[number] = (state, tuple(self.reached(users)))
            if state == "acked" and self.leave & set(users):
                self.far.add(number)
            self.count["smtp " + state] += 1
            self.latest += state == "acked"

    def note_append(self, number, state, user):
        with self.lock:
            self.appended[number] = (state, user)
            if state == "acked":
                self.durable.add(user)
            self.count["append " + state] += 1
            self.latest += state == "acked"

    def saw_validity(self, user, folder, value):
        with self.lock:
            known = self.validity.setdefault((user, folder), value)
            if known == value:
                return
            if user in self.durable or value < known:
                self.faults.append(f"{user} {folder}: UIDVALIDITY was {known}, is {value}")
            self.count["UIDVALIDITY of mailboxes that were never synced"] += 1
            self.validity[user, folder] = value

    def saw_uid(self, user, folder, validity, uid, number):
        with self.lock:
            known = self.uids.setdefault((user, folder, validity, uid), number)
            if known != number:
                self.faults.append(f"{user} {folder}: uid {uid} was message {known}, is {number}")

    def claim(self, user, numbers):
        """One of numbers that no session has changed yet, or None."""
        with self.lock:
            for n in numbers:
                if n is not None and (user, n) not in self.claimed:
                    self.claimed.add((user, n))
                    return n
        return None

    def settled_of(self, user):
        """Numbers whose place is certain: from here on only claim_settled changes them."""
        with self.lock:
            return {n for u, n in self.settled if u == user}

    def claim_settled(self, user, number):
        """For its removal, once. What was done to it before is no longer asked for."""
        with self.lock:
            if (user, number) not in self.settled:
                return False
            self.settled.discard((user, number))
            for book in (self.moved, self.flagged):
                book.pop((user, number), None)
            return True

    def forget(self, user, numbers):
        """Messages whose fate was settled by a verification."""
        with self.lock:
            for n in numbers:
                for book in (self.removed, self.moved, self.flagged):
                    book.pop((user, n), None)


class Connection:
    """Lines and bytes; every way to lose it is ConnectionError."""

    tls_ports = ()  # ports that speak TLS from the start
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE

    def __init__(self, port, stop, timeout=60):
        while True:
            try:
                self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
                break
            except OSError:
                if stop.is_set():
                    raise ConnectionError("stopped")
                time.sleep(RETRY)
        self.sock.settimeout(timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        if port in self.tls_ports:
            try:
                self.sock = self.tls.wrap_socket(self.sock)
            except OSError as e:
                raise ConnectionError(str(e))

    def ready(self, seconds):
        """Something can be read without waiting longer than that."""
        if self.buffer or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return True
        return bool(select.select([self.sock], [], [], seconds)[0])

    def close(self):
        self.sock.close()

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as e:
            raise ConnectionError(str(e))

    def more(self):
        try:
            got = self.sock.recv(1 << 18)
        except OSError as e:
            raise ConnectionError(str(e))
        if not got:
            raise ConnectionError("closed")
        self.buffer += got

    def line(self):
        while True:
            end = self.buffer.find(b"\r\n")
            if end >= 0:
                line, self.buffer = self.buffer[:end], self.buffer[end + 2:]
                return line
            self.more()

    def exactly(self, n):
        parts, have = [self.buffer], len(self.buffer)
        while have < n:
            try:
                got = self.sock.recv(min(max(n - have, 4096), 1 << 20))
            except OSError as e:
                raise ConnectionError(str(e))
            if not got:
                raise ConnectionError("closed")
            parts.append(got)
            have += len(got)
        data = b"".join(parts)
        self.buffer = data[n:]
        return data[:n]


# --- SMTP ---

class Smtp(Connection):
    def __init__(self, port, stop, login=None):
        super().__init__(port, stop)
        self.expect(220)
        self.send(b"EHLO client.test\r\n")
        self.expect(250)
        if login:
            self.send(b"AUTH PLAIN " + base64.b64encode(b"\0" + b"\0".join(t.encode() for t in login)) + b"\r\n")
            self.expect(235)

    def reply(self):
        while True:
            line = self.line()
            if line[3:4] != b"-":
                return int(line[:3])

    def expect(self, code):
        got = self.reply()
        if got != code:
            raise ConnectionError(f"{got} instead of {code}")


def pick_size(rng):
    """Mostly small; one in twenty is larger than what the queue keeps in memory (256 KiB)."""
    r = rng.random()
    if r < 0.80:
        return rng.randint(1000, 6000)
    if r < 0.95:
        return rng.randint(6000, 60000)
    return rng.randint(200000, 400000)


class Sender:
    """One SMTP client after the other."""

    def __init__(self, books, port, stop, want, seed, sizes=pick_size, pause=0.0):
        self.books, self.port, self.stop, self.want = books, port, stop, want
        self.rng = random.Random(seed)
        self.sizes, self.pause = sizes, pause
        self.login = None  # (name, password) for a submission port
        self.sender = "a@elsewhere.test"

    def envelope(self, users, command=b"DATA\r\n"):
        lines = [f"MAIL FROM:<{self.sender}>\r\n".encode()]
        lines += [f"RCPT TO:<{u}@{DOMAIN}>\r\n".encode() for u in users]
        return b"".join(lines) + command

    def next_message(self):
        targets = self.books.users + [a for a in self.books.roads if a not in self.books.users]
        users = self.books.apart(self.rng.sample(targets, self.rng.choice((1, 1, 1, 2, 3))))
        number = self.books.number()
        return number, users, make_message(number, self.sizes(self.rng))

    def finish(self, c, number, users):
        code = c.reply()
        self.books.count[f"smtp reply {code}"] += 1
        self.books.sent(number, "acked" if code == 250 else "refused", users)

    def by_data(self, c, number, users, data, pipelined):
        if pipelined:
            c.send(self.envelope(users))
        for i, command in enumerate(self.envelope(users).splitlines(True)):
            if not pipelined:
                c.send(command)
            code = c.reply()
            if code != (354 if command == b"DATA\r\n" else 250):
                self.books.count[f"smtp reply {code}"] += 1
                self.books.sent(number, "refused", users)
                raise ConnectionError(f"{code} to {command}")
        c.send(data + b".\r\n")
        self.finish(c, number, users)

    def by_bdat(self, c, number, users, data):
        """All in one go: envelope and message in two chunks."""
        half = len(data) // 2
        c.send(self.envelope(users, b"BDAT %d\r\n" % half) + data[:half] + b"BDAT %d LAST\r\n" % (len(data) - half) +
               data[half:])
        for _ in range(len(users) + 2):
            code = c.reply()
            if code != 250:
                self.books.count[f"smtp reply {code}"] += 1
                self.books.sent(number, "refused", users)
                raise ConnectionError(f"{code} in BDAT")
        self.finish(c, number, users)

    def session(self):
        c = Smtp(self.port, self.stop, self.login)
        way = self.rng.choice(("single", "lines", "pipelined", "bdat"))
        try:
            for _ in range(1 if way == "single" else self.rng.randint(2, 30)):
                if self.stop.is_set() or not self.want():
                    break
                number, users, data = self.next_message()
                try:
                    if way == "bdat":
                        self.by_bdat(c, number, users, data)
                    else:
                        self.by_data(c, number, users, data, way == "pipelined")
                except ConnectionError:
                    with self.books.lock:
                        told = number in self.books.mail
                    if not told:
                        self.books.sent(number, "unknown", users)
                    raise
                if self.pause:
                    time.sleep(self.pause)
            c.send(b"QUIT\r\n")
            c.reply()
        finally:
            c.close()


# --- IMAP ---

class Imap(Connection):
    def __init__(self, port, user, password, stop, timeout=60):
        super().__init__(port, stop, timeout)
        self.user, self.tag = user, 0
        self.line()
        if not self.command(f"LOGIN {user}@{DOMAIN} {password}")[0].startswith(b"OK"):
            raise ConnectionError("login refused")

    def response(self):
        """One response with its literals: [line, literal, line ...]"""
        parts = []
        while True:
            line = self.line()
            parts.append(line)
            m = re.search(rb"\{(\d+)\}$", line)
            if not m:
                return parts
            parts.append(self.exactly(int(m.group(1))))

    def begin(self, text):
        self.tag += 1
        data = text if isinstance(text, bytes) else text.encode()
        self.send(b"t%d " % self.tag + data + b"\r\n")
        return b"t%d " % self.tag

    def finish(self, tag):
        untagged = []
        while True:
            r = self.response()
            if r[0].startswith(tag):
                return r[0][len(tag):], untagged
            untagged.append(r)

    def command(self, text):
        return self.finish(self.begin(text))

    def ok(self, text):
        status, untagged = self.command(text)
        if not status.startswith(b"OK"):
            raise ConnectionError(f"{text}: {status}")
        return status, untagged

    def select(self, folder, books):
        status, untagged = self.ok(f"SELECT {folder}")
        text = b"\n".join(u[0] for u in untagged)
        self.folder = folder
        self.validity = int(re.search(rb"UIDVALIDITY (\d+)", text).group(1))
        self.uidnext = int(re.search(rb"UIDNEXT (\d+)", text).group(1))
        self.exists = int(re.search(rb"(\d+) EXISTS", text).group(1))
        books.saw_validity(self.user, folder, self.validity)
        return status


def fetched(untagged):
    """(uid, flags, size, literal) of FETCH responses; what was not asked for is None."""
    for parts in untagged:
        if not re.match(rb"\* \d+ FETCH", parts[0]):
            continue
        text = b" ".join(parts[0::2])
        uid = re.search(rb"UID (\d+)", text)
        if not uid:
            continue
        flags = re.search(rb"FLAGS \(([^)]*)\)", text)
        size = re.search(rb"RFC822.SIZE (\d+)", text)
        yield (int(uid.group(1)), flags and flags.group(1).split(), size and int(size.group(1)),
               parts[1] if len(parts) > 1 else None)


HEADER = "(UID FLAGS BODY.PEEK[HEADER.FIELDS (X-TEST-ID X-TEST-SIZE)])"


class Reader:
    """IMAP sessions that read, store, append, move and expunge."""

    def __init__(self, books, port, password, stop, seed, keep=100, pause=0.0, sizes=pick_size):
        self.books, self.port, self.password, self.stop = books, port, password, stop
        self.rng = random.Random(seed)
        self.keep, self.pause, self.sizes = keep, pause, sizes

    def look(self, c, uids):
        """Learns what is behind uids; {uid: number}"""
        found = {}
        for uid, _, _, literal in fetched(c.ok(f"UID FETCH {uids} {HEADER}")[1]):
            if literal is None:
                continue
            found[uid] = message_number(literal)
            self.books.saw_uid(c.user, c.folder, c.validity, uid, found[uid])
        return found

    def append(self, c):
        number = self.books.number()
        data = make_message(number, self.sizes(self.rng))
        try:
            status, _ = c.command(b"APPEND INBOX (\\Seen) {%d+}\r\n" % len(data) + data)
        except ConnectionError:
            self.books.note_append(number, "unknown", c.user)
            raise
        if not status.startswith(b"OK"):
            self.books.note_append(number, "refused", c.user)
            return
        self.books.note_append(number, "acked", c.user)
        m = re.search(rb"APPENDUID (\d+) (\d+)", status)
        self.books.saw_uid(c.user, "INBOX", int(m.group(1)), int(m.group(2)), number)

    def change(self, c, known, book, command, after=None):
        """Claims a message, does command to it and writes into book what is certain."""
        n = self.books.claim(c.user, self.rng.sample(sorted(known.values(), key=str), len(known))[:20])
        if n is None:
            return
        uid = next(u for u, k in known.items() if k == n)
        book[c.user, n] = ("unknown", time.monotonic())
        status, untagged = b"", []
        for one in command(uid):
            status, untagged = c.ok(one)
        book[c.user, n] = ("sure", time.monotonic())
        if book is not self.books.removed:
            with self.books.lock:
                self.books.settled.add((c.user, n))
        if after:
            after(uid, n, status, untagged)
        known.pop(uid, None)

    def expunge(self, c, known):
        self.change(c, known, self.books.removed,
                    lambda uid: (f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)", f"UID EXPUNGE {uid}"))

    def flag(self, c, known):
        self.change(c, known, self.books.flagged, lambda uid: (f"UID STORE {uid} +FLAGS.SILENT (\\Flagged kw)",))

    def move(self, c, known):
        def after(uid, n, status, untagged):
            text = status + b" " + b" ".join(u[0] for u in untagged)
            m = re.search(rb"COPYUID (\d+) (\d+) (\d+)", text)
            if m:
                self.books.saw_uid(c.user, "Archive", int(m.group(1)), int(m.group(3)), n)
        self.change(c, known, self.books.moved, lambda uid: (f"UID MOVE {uid} Archive",), after)

    def thin(self, c, known, settled):
        """Removes the oldest half of a full folder. settled: what settled_of gave before the folder was looked at (a message
        that was moved since is elsewhere now). Without these a folder of flagged or moved messages would grow for ever."""
        if len(known) <= self.keep:
            return
        old = sorted(u for u, n in known.items())[:len(known) - self.keep // 2]
        mine = {u: known[u] for u in old if self.books.claim(c.user, [known[u]]) is not None or
                (known[u] in settled and self.books.claim_settled(c.user, known[u]))}
        if not mine:
            return
        for n in mine.values():
            self.books.removed[c.user, n] = ("unknown", time.monotonic())
        uids = ",".join(map(str, mine))
        c.ok(f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)")
        c.ok(f"UID EXPUNGE {uids}")
        for u, n in mine.items():
            self.books.removed[c.user, n] = ("sure", time.monotonic())
            known.pop(u)

    def session(self):
        c = Imap(self.port, self.rng.choice(self.books.users), self.password, self.stop)
        try:
            folder = "Archive" if self.rng.random() < 0.1 else "INBOX"
            c.select(folder, self.books)
            settled = self.books.settled_of(c.user)
            known = self.look(c, "1:*") if c.exists else {}
            self.thin(c, known, settled)
            for _ in range(self.rng.randint(3, 15)):
                if self.stop.is_set():
                    break
                what = self.rng.random()
                if what < 0.4:
                    self.append(c)
                elif what < 0.6:
                    self.flag(c, known)
                elif what < 0.75:
                    self.expunge(c, known)
                elif what < 0.9 and folder == "INBOX":
                    self.move(c, known)
                else:
                    low = max(known, default=0) + 1
                    known.update(self.look(c, f"{low}:*"))
                if self.pause:
                    time.sleep(self.pause)
            c.command("LOGOUT")
        finally:
            c.close()


class Idler:
    """Waits for news and looks at them."""

    def __init__(self, books, port, password, stop, seed):
        self.reader = Reader(books, port, password, stop, seed)
        self.books, self.stop = books, stop

    def session(self):
        r = self.reader
        c = Imap(r.port, r.rng.choice(self.books.users), r.password, self.stop)
        try:
            c.select("INBOX", self.books)
            low = c.uidnext
            for _ in range(10):
                tag = c.begin("IDLE")
                end = time.monotonic() + 1
                while time.monotonic() < end and not self.stop.is_set():
                    if c.ready(0.2) and b"EXISTS" in c.response()[0]:
                        break
                c.send(b"DONE\r\n")
                if not c.finish(tag)[0].startswith(b"OK") or self.stop.is_set():
                    break
                low = max(r.look(c, f"{low}:*"), default=low - 1) + 1
            c.command("LOGOUT")
        finally:
            c.close()


# --- POP3 ---

class Popper:
    """POP3 sessions that read everything new and delete some."""

    def __init__(self, books, port, password, stop, seed):
        self.books, self.port, self.password, self.stop = books, port, password, stop
        self.rng = random.Random(seed)

    def command(self, c, text, multi=False):
        c.send(text.encode() + b"\r\n")
        line = c.line()
        if not line.startswith(b"+OK"):
            raise ConnectionError(f"{text}: {line}")
        lines = []
        while multi:
            got = c.line()
            if got == b".":
                break
            lines.append(got[1:] if got.startswith(b".") else got)
        return lines if multi else line

    def session(self):
        user = self.rng.choice(self.books.users)
        c = Connection(self.port, self.stop)
        try:
            c.line()
            self.command(c, f"USER {user}@{DOMAIN}")
            self.command(c, f"PASS {self.password}")
            count = int(self.command(c, "STAT").split()[1])
            if len(self.command(c, "UIDL", True)) != count:
                self.books.fault(f"{user}: UIDL and STAT disagree")
            gone = []
            for i in self.rng.sample(range(1, count + 1), min(count, 6)):
                data = b"\r\n".join(self.command(c, f"RETR {i}", True)) + b"\r\n"
                n = message_number(data)
                check_content(self.books, f"{user} POP3", data)
                if self.rng.random() < 0.5 and self.books.claim(user, [n]) is not None:
                    self.command(c, f"DELE {i}")
                    gone.append(n)
            for n in gone:
                self.books.removed[user, n] = ("unknown", time.monotonic())
            self.command(c, "QUIT")
            for n in gone:
                self.books.removed[user, n] = ("sure", time.monotonic())
        finally:
            c.close()


def check_content(books, where, data):
    """The message, whatever trace headers stand above it."""
    m = ID.search(data)
    if not m:
        books.fault(f"{where}: a message without its headers: {data[:200]!r}")
        return None
    number, size = int(m.group(1)), int(m.group(2))
    expected = make_message(number, size)
    if not data.endswith(expected):
        books.fault(f"{where}: message {number} has {len(data)} bytes, of which the last {size} are not those sent")
    return number


class Gate:
    """Sessions enter it; closed, it waits until the last one has left, and lets no other in until it is opened."""

    def __init__(self):
        self.changed = threading.Condition()
        self.inside, self.closed = 0, False

    def __enter__(self):
        with self.changed:
            self.changed.wait_for(lambda: not self.closed)
            self.inside += 1

    def __exit__(self, *error):
        with self.changed:
            self.inside -= 1
            self.changed.notify_all()

    def close(self, timeout=120):
        with self.changed:
            self.closed = True
            if not self.changed.wait_for(lambda: self.inside == 0, timeout):
                raise AssertionError(f"{self.inside} sessions did not end within {timeout} s")

    def open(self):
        with self.changed:
            self.closed = False
            self.changed.notify_all()


class Load:
    """All clients, each kind in several threads, until stop()."""

    def __init__(self, server, books, password, messages, seed=1, senders=6, readers=3, idlers=2, poppers=1, keep=100,
                 pause=0.0, sizes=pick_size):
        self.books = books
        self.stop_event = threading.Event()
        self.gate = Gate()
        self.messages = messages
        p = server.port
        stop = self.stop_event
        made = [Sender(books, p["smtp"], stop, self.want, seed * 1000 + i, sizes, pause) for i in range(senders)]
        made += [Reader(books, p["imap"], password, stop, seed * 1000 + 100 + i, keep, pause, sizes)
                 for i in range(readers)]
        made += [Idler(books, p["imap"], password, stop, seed * 1000 + 200 + i) for i in range(idlers)]
        made += [Popper(books, p["pop3"], password, stop, seed * 1000 + 300 + i) for i in range(poppers)]
        self.threads = [threading.Thread(target=self.run, args=(m,), daemon=True) for m in made]

    def want(self):
        return self.books.latest < self.messages

    def run(self, client):
        while not self.stop_event.is_set():
            if isinstance(client, Sender) and not self.want():
                return
            try:
                with self.gate:
                    client.session()
                self.books.count[type(client).__name__ + " sessions"] += 1
            except ConnectionError as e:
                self.books.count[type(client).__name__ + " sessions lost"] += 1
                self.books.reasons[f"{type(client).__name__}: {e}"[:100]] += 1
                time.sleep(RETRY)
            except Exception as e:  # pylint: disable=broad-except
                self.books.fault(f"{type(client).__name__}: {type(e).__name__}: {e}")
                time.sleep(0.5)
            if isinstance(client, (Reader, Popper)):
                time.sleep(client.pause if isinstance(client, Reader) and client.pause else 0.01)

    def start(self):
        for t in self.threads:
            t.start()
        return self

    def stop(self, timeout=60):
        self.stop_event.set()
        self.gate.open()
        end = time.monotonic() + timeout
        for t in self.threads:
            t.join(max(end - time.monotonic(), 0.1))
        stuck = [t for t in self.threads if t.is_alive()]
        if stuck:
            self.books.fault(f"{len(stuck)} clients did not end within {timeout} s")
