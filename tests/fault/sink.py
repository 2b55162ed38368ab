"""Another mail server: takes everything, and remembers which messages when."""
import socketserver
import threading
import time

import load


class Session(socketserver.StreamRequestHandler):
    def reply(self, text):
        self.wfile.write(text + b"\r\n")

    def data(self):
        lines = []
        while True:
            line = self.rfile.readline()
            if not line:
                return None
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b"..") else line)

    def handle(self):
        try:
            self.session()
        except OSError:
            pass  # the client was killed

    def session(self):
        self.reply(b"220 sink.test")
        for line in iter(self.rfile.readline, b""):
            verb = line[:4].upper()
            if verb == b"DATA":
                self.reply(b"354 go on")
                data = self.data()
                if data is None:
                    return
                self.server.took(load.message_number(data))
                self.reply(b"250 taken")
            elif verb == b"QUIT":
                self.reply(b"221 bye")
                return
            else:
                self.reply(b"250 ok")


class Sink(socketserver.ThreadingTCPServer):
    """On a free port of loopback, until close()."""
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Session)
        self.port = self.server_address[1]
        self.lock = threading.Lock()
        self.taken = {}  # number -> times
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def took(self, number):
        with self.lock:
            self.taken.setdefault(number, []).append(time.monotonic())

    def close(self):
        self.shutdown()
        self.server_close()

    def judge(self, books, kills):
        """Messages that are missing; those that came again without a kill in between; how often any came again. What was
        killed may work for some seconds more: modules end after their supervisor."""
        missing = [n for n in books.far if n not in self.taken]
        unexplained, again = [], 0
        for n, times in self.taken.items():
            for a, b in zip(times, times[1:]):
                again += 1
                if not any(a - 5 <= k <= b for k in kills):
                    unexplained.append(n)
        return missing, unexplained, again
