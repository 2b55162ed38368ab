"""A milter that does what a test says: the milter protocol (version 6) from the milter's side, written from the protocol's
description and not from the server's codec.

answers: {step: bytes, list of bytes or a function(connection, data)}; step "connect", "helo", "mail", "rcpt", "data", "header",
"eoh", "body", "eom". What is not named is answered with "continue". `seen` has (step, data) of all connections in order, `macros`
the last value of each macro.
"""
import socket
import struct
import threading
import time

STEPS = {"C": "connect", "H": "helo", "M": "mail", "R": "rcpt", "T": "data", "L": "header", "N": "eoh", "B": "body", "E": "eom"}
NO = {"connect": 0x1, "helo": 0x2, "mail": 0x4, "rcpt": 0x8, "body": 0x10, "header": 0x20, "eoh": 0x40, "data": 0x200}
SILENT = {"header": 0x80, "connect": 0x1000, "helo": 0x2000, "mail": 0x4000, "rcpt": 0x8000, "data": 0x10000, "eoh": 0x40000,
          "body": 0x80000}
LEADING = 0x100000
CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, SKIP, PROGRESS, SHUTDOWN = (p.encode() for p in "c a r t d s p 4".split())


def reply(text):
    return b"y" + text.encode() + b"\0"


def add_header(name, value):
    return b"h" + name.encode() + b"\0" + value.encode() + b"\0"


def insert_header(index, name, value):
    return b"i" + struct.pack("!I", index) + name.encode() + b"\0" + value.encode() + b"\0"


def change_header(index, name, value):
    return b"m" + struct.pack("!I", index) + name.encode() + b"\0" + value.encode() + b"\0"


def address(kind, text):
    return kind.encode() + text.encode() + b"\0"


class Milter:
    def __init__(self, answers=None, protocol=0, actions=0x1ff, path=None, version=6, macros=b"", raw_negotiation=None):
        self.answers, self.protocol, self.actions, self.version = answers or {}, protocol, actions, version
        self.wishes, self.raw_negotiation = macros, raw_negotiation
        self.seen, self.macros, self.offers, self.connections, self.ended = [], {}, [], 0, []
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.bind(str(path) if path else ("127.0.0.1", 0))
        if path:
            path.chmod(0o777)
        self.listener.listen(64)
        self.open, self.stopped = [], False
        threading.Thread(target=self.accept, daemon=True).start()

    def address(self):
        return f"unix:{self.path}" if self.path else f"inet:{self.listener.getsockname()[1]}@127.0.0.1"

    def accept(self):
        while not self.stopped:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(c)
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def stop(self):
        self.stopped = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        except OSError:
            pass
        self.listener.close()
        for c in self.open:
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            c.close()

    def steps(self):
        return [s for s, _ in self.seen]

    def data(self, step):
        return [d for s, d in self.seen if s == step]

    @staticmethod
    def exactly(c, n):
        out = b""
        while len(out) < n:
            part = c.recv(n - len(out))
            if not part:
                raise ConnectionError("closed")
            out += part
        return out

    @staticmethod
    def send(c, packet):
        c.sendall(struct.pack("!I", len(packet)) + packet)

    def serve(self, c):
        try:
            while self.one(c):
                pass
        except OSError:
            pass
        self.ended.append(c)
        c.close()

    def one(self, c):
        n = struct.unpack("!I", self.exactly(c, 4))[0]
        packet = self.exactly(c, n)
        kind, data = packet[:1].decode(), packet[1:]
        if kind == "O":
            self.offers.append(struct.unpack("!III", data))
            self.send(c, self.raw_negotiation or b"O" + struct.pack("!III", self.version, self.actions, self.protocol) + self.wishes)
        elif kind == "D":
            words = data[1:].split(b"\0")
            self.macros.update({(data[:1].decode(), k.decode()): v.decode() for k, v in zip(words[::2], words[1::2])})
        elif kind == "A":
            self.seen.append(("abort", b""))
        elif kind == "Q":
            self.seen.append(("quit", b""))
            return False
        else:
            return self.answer(c, STEPS[kind], data)
        return True

    def answer(self, c, step, data):
        self.seen.append((step, data))
        assert not self.protocol & NO.get(step, 0), f"{step} was declined"
        what = self.answers.get(step, CONTINUE)
        if callable(what):
            what = what(c, data)
        if what is None:
            return True
        if what is False:
            return False
        if step in SILENT and self.protocol & SILENT[step]:
            return True
        for packet in what if isinstance(what, list) else [what]:
            self.send(c, packet)
        return True


def silence(c, data):
    return None


def close(c, data):
    return False


def garbage(c, data):
    c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    return None


def huge(c, data):
    c.sendall(b"\xff\xff\xff\xffc")
    return None


def trickle(c, data):
    """One byte a second, for ever."""
    try:
        for b in struct.pack("!I", 1000) + b"h" + b"x" * 1000:
            c.sendall(bytes([b]))
            time.sleep(1)
    except OSError:
        pass
    return None


def unending(c, data):
    """Always at work."""
    try:
        while True:
            Milter.send(c, PROGRESS)
            time.sleep(0.2)
    except OSError:
        return None
