"""Raw protocol clients: every byte that goes out is the test's, every byte that comes back is kept as it came."""
import re
import socket
import ssl

from conftest import PASSWORD


def insecure_tls():
    c = ssl.create_default_context()
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    return c


class Closed(Exception):
    """The peer closed the connection."""


class Line:
    """A connection that is read by lines and by bytes."""

    def __init__(self, port, host="127.0.0.1", timeout=60, tls=False, rcvbuf=0, source=None):
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if source:
            self.sock.bind((source, 0))
        self.sock.settimeout(timeout)
        self.sock.connect((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        if tls:
            self.wrap_tls()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def wrap_tls(self, context=None):
        assert not self.buffer, self.buffer
        self.sock = (context or insecure_tls()).wrap_socket(self.sock, server_hostname="mail.example.test")

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def more(self):
        try:
            got = self.sock.recv(1 << 16)
        except ConnectionResetError:
            got = b""
        if not got:
            raise Closed(self.buffer)
        self.buffer += got

    def line(self):
        """One line without its CRLF."""
        while True:
            end = self.buffer.find(b"\n")
            if end >= 0:
                line, self.buffer = self.buffer[:end + 1], self.buffer[end + 1:]
                assert line.endswith(b"\r\n"), line
                return line[:-2]
            self.more()

    def exactly(self, n):
        parts, have = [self.buffer], len(self.buffer)
        while have < n:
            got = self.sock.recv(min(n - have, 1 << 20))
            if not got:
                raise Closed(b"".join(parts)[-200:])
            parts.append(got)
            have += len(got)
        data = b"".join(parts)
        self.buffer = data[n:]
        return data[:n]

    def at_end(self):
        """True when the peer has closed and everything was read."""
        try:
            while True:
                self.more()
        except Closed:
            return True
        except (socket.timeout, TimeoutError):
            return False


def stuff(content):
    """Content as DATA sends it, without the end mark: dots doubled after CRLF only, never after a bare LF or CR."""
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return re.sub(rb"(\A|\r\n)\.", rb"\1..", content)


class Smtp(Line):
    def __init__(self, port, greeting=True, hello="client.test", **kw):
        super().__init__(port, **kw)
        if greeting:
            self.expect(220)
            if hello:
                self.hello(hello)

    def reply(self):
        """(code, [line without code, ...])"""
        texts = []
        while True:
            line = self.line()
            texts.append(line[4:].decode("utf-8", "replace"))
            if line[3:4] != b"-":
                return int(line[:3]), texts

    def expect(self, code):
        got, texts = self.reply()
        assert got == code, (got, texts)
        return texts

    def command(self, text, code):
        self.send(text.encode() + b"\r\n")
        return self.expect(code)

    def hello(self, name="client.test"):
        self.capabilities = self.command(f"EHLO {name}", 250)[1:]

    def starttls(self, context=None):
        self.command("STARTTLS", 220)
        self.wrap_tls(context)
        self.hello()

    def login(self, user, password=PASSWORD):
        import base64
        self.command("AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode(), 235)

    def envelope(self, sender, *rcpts, parameters=""):
        self.command(f"MAIL FROM:<{sender}>{parameters}", 250)
        for r in rcpts:
            self.command(f"RCPT TO:<{r}>", 250)

    def data(self, content):
        """Content has CRLF line ends already."""
        self.command("DATA", 354)
        self.send(stuff(content) + b".\r\n")
        return self.expect(250)[0]

    def bdat(self, content, chunk):
        """RFC 3030: octets as they are; each chunk is answered."""
        for at in range(0, max(len(content), 1), chunk):
            piece = content[at:at + chunk]
            last = at + chunk >= len(content)
            self.send(b"BDAT %d%s\r\n" % (len(piece), b" LAST" if last else b"") + piece)
            text = self.expect(250)[0]
        return text

    def quit(self):
        self.command("QUIT", 221)
        self.close()


class Pop3(Line):
    def __init__(self, port, user=None, password=PASSWORD, greeting=True, **kw):
        super().__init__(port, **kw)
        if greeting:
            self.ok()
        if user:
            self.command(f"USER {user}")
            self.command(f"PASS {password}")

    def ok(self):
        line = self.line()
        assert line.startswith(b"+OK"), line
        return line.decode()

    def command(self, text):
        self.send(text.encode() + b"\r\n")
        return self.ok()

    def lines(self):
        """A multi-line answer, dots undone, with its CRLFs."""
        out = []
        while True:
            line = self.line()
            if line == b".":
                return b"".join(out)
            out.append((line[1:] if line.startswith(b".") else line) + b"\r\n")

    def multi(self, text):
        self.command(text)
        return self.lines()

    def retr(self, n):
        return self.multi(f"RETR {n}")

    def quit(self):
        self.command("QUIT")
        self.close()


class Imap(Line):
    """Responses are bytes as they came, literals in place."""

    def __init__(self, port, user=None, password=PASSWORD, greeting=True, **kw):
        super().__init__(port, **kw)
        self.count = 0
        if greeting:
            self.greeting = self.line().decode()
            assert self.greeting.startswith("* OK"), self.greeting
        if user:
            self.command(f'LOGIN {user} "{password}"')

    def response(self):
        """One response: bytes of its lines joined, literals in place."""
        whole = self.line()
        while True:
            m = re.search(rb"\{(\d+)\}\Z", whole)
            if not m:
                return whole
            literal = self.exactly(int(m.group(1)))
            whole += b"\r\n" + literal + self.line()

    def start(self, text):
        self.count += 1
        tag = f"a{self.count}"
        self.send(f"{tag} {text}\r\n".encode())
        return tag

    def finish(self, tag, want="OK"):
        untagged = []
        while True:
            r = self.response()
            if r.startswith(tag.encode() + b" "):
                assert r.split()[1] == want.encode(), (r, untagged[-5:])
                self.tagged = r.decode("utf-8", "replace")
                return untagged
            untagged.append(r)

    def command(self, text, want="OK"):
        return self.finish(self.start(text), want)

    def fetch_literal(self, seq, what="BODY.PEEK[]", uid=False):
        """The one literal of a FETCH."""
        tag = self.start(f"{'UID ' if uid else ''}FETCH {seq} ({what})")
        first = self.line()
        m = re.search(rb"\{(\d+)\}\Z", first)
        assert m, first
        literal = self.exactly(int(m.group(1)))
        self.line()
        self.finish(tag)
        return literal

    def append(self, folder, content, flags="()", date=""):
        tag = self.start(f'APPEND {folder} {flags}{" " + chr(34) + date + chr(34) if date else ""} {{{len(content)}}}')
        cont = self.line()
        assert cont.startswith(b"+"), cont
        self.send(content + b"\r\n")
        self.finish(tag)

    def select(self, folder="INBOX", command="SELECT"):
        """Number of messages."""
        for r in self.command(f"{command} {folder}"):
            if r.endswith(b" EXISTS"):
                exists = int(r.split()[1])
        return exists

    def idle(self):
        tag = self.start("IDLE")
        r = self.line()
        while not r.startswith(b"+"):
            r = self.line()
        return tag

    def done(self, tag):
        self.send(b"DONE\r\n")
        return self.finish(tag)

    def logout(self):
        self.command("LOGOUT")
        self.close()
