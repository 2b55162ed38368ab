#!/usr/bin/python3
"""A large queue: what it costs to start with it, to look at it, to act on all of it, and to send other mail beside it.

    tools/netns.sh bench/queue.py [--messages 100000] [--destinations 5000] [--live 10000] [--size 1000] [--bin build/posthorn]

Half of the dead destinations refuse connections, half take them and say nothing. Rates of the live destination (smtp-sink) are
of all of --live messages, from the first byte until the sink has counted the last; the median of three. Needs root, Debian's postfix (smtp-sink,
smtp-source) and unbound.
"""
import argparse
import http.client
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time

from peers import Sink, wait_for

HERE = pathlib.Path(__file__).resolve().parent
BASE, DNS, SINK, SILENT, NOBODY = 12000, "127.0.0.53", "127.0.0.2", "127.0.0.8", "127.0.0.9"
SENDERS = 16
UNBOUND = f"""server:
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    interface: {DNS}@53
    access-control: 127.0.0.0/8 allow
    num-threads: 1
    local-zone: "." static
    local-zone: "silent.test." redirect
    local-data: "silent.test. 600 IN A {SILENT}"
    local-zone: "refused.test." redirect
    local-data: "refused.test. 600 IN A {NOBODY}"
    local-zone: "live.test." redirect
    local-data: "live.test. 600 IN A {SINK}"
remote-control:
    control-enable: no
"""


class Silent:
    """Takes connections on port 25 and never answers; the caller's end closes them."""

    def __init__(self):
        self.socket = socket.create_server((SILENT, 25), backlog=1000)
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        held = []
        while True:
            held.append(self.socket.accept()[0])
            del held[:-1000]


def listens(host, port):
    try:
        socket.create_connection((host, port), timeout=5).close()
        return True
    except OSError:
        return False


def destination(i, o):
    return f"d{i % o.destinations:05d}.{'silent' if i % 2 else 'refused'}.test"


def fill_share(first, o, errors):
    """Messages first, first + SENDERS, ... of all, 50 pipelined at a time (RFC 2920, RFC 3030)."""
    try:
        with socket.create_connection(("127.0.0.1", BASE + 25), timeout=120) as s:
            f = s.makefile("rb")
            f.readline()
            s.sendall(b"EHLO bench\r\n")
            while f.readline()[3:4] == b"-":
                pass
            line = b"0123456789" * 7 + b"\r\n"
            body = b"From: a@bench.test\r\nSubject: waits\r\n\r\n" + line * (o.size // len(line))
            todo = range(first, o.messages, SENDERS)
            for at in range(0, len(todo), 50):
                part = todo[at:at + 50]
                s.sendall(b"".join(b"MAIL FROM:<u%03d@bench.test>\r\nRCPT TO:<x@%s>\r\nBDAT %d LAST\r\n%s" %
                                   (i % 100, destination(i, o).encode(), len(body), body) for i in part))
                for _ in range(3 * len(part)):
                    reply = f.readline()
                    if not reply.startswith(b"250"):
                        raise SystemExit(f"refused: {reply!r}")
            s.sendall(b"QUIT\r\n")
            f.readline()
    except BaseException as e:
        errors.append(e)


def fill(o):
    errors, begin = [], time.monotonic()
    threads = [threading.Thread(target=fill_share, args=(i, o, errors)) for i in range(SENDERS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise SystemExit(f"filling failed: {errors[0]}")
    return o.messages / (time.monotonic() - begin)


class Server:
    def __init__(self, d, o):
        self.d, self.bin = pathlib.Path(d), os.path.abspath(o.bin)
        self.start()
        self.token = json.loads((self.d / "admin.json").read_text())["token"]

    def start(self):
        env = {**os.environ, "POSTHORN_BIN": self.bin, "RESOLVER": f"{DNS}:53"}
        subprocess.run([HERE / "posthorn.sh", "start", self.d, str(BASE)], env=env, check=True, stdout=subprocess.DEVNULL)
        self.supervisor = int((self.d / "posthorn.pid").read_text())

    def stop(self):
        subprocess.run([HERE / "posthorn.sh", "stop", self.d], check=True)

    def kill(self):
        """As a power cut does it, but for what the kernel holds."""
        kids = [self.supervisor, *self.modules().values()]
        for pid in kids:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(os.path.exists(f"/proc/{p}") for p in kids[1:]), 60)
        (self.d / "posthorn.pid").unlink()

    def modules(self):
        found = {}
        for p in filter(str.isdigit, os.listdir("/proc")):
            try:
                parent = int(open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()[1])
                words = open(f"/proc/{p}/cmdline", "rb").read().split(b"\0")
            except OSError:
                continue
            if parent == self.supervisor and words[1:2] == [b"module"]:
                found[words[2].decode()] = int(p)
        return found

    def memory_mb(self, key="VmRSS"):
        status = open(f"/proc/{self.modules()['smtp']}/status").read()
        return int(status.split(f"{key}:")[1].split()[0]) / 1024

    def memory_text(self, o):
        """What a message takes: growth over the same module with an empty queue."""
        now, most = self.memory_mb(), self.memory_mb("VmHWM")
        each, each_most = ((mb - self.empty_mb) * 2**20 / o.messages for mb in (now, most))
        return f"{now:.0f} MB, at most {most:.0f} MB: {each:.0f} bytes for each message, at most {each_most:.0f}"

    def queue_ticks(self):
        """CPU time of the thread that writes what waits to files."""
        for t in pathlib.Path(f"/proc/{self.modules()['smtp']}/task").iterdir():
            if (t / "comm").read_text().strip() == "queue":
                return sum(map(int, (t / "stat").read_text().rsplit(")", 1)[1].split()[11:13]))
        raise SystemExit("module smtp has no thread named queue")

    def ask(self, path, method="GET", body=None):
        c = http.client.HTTPConnection("127.0.0.1", BASE + 80, timeout=300)
        c.request(method, "/api/v1" + path, body and json.dumps(body),
                  {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
        r = c.getresponse()
        data = r.read()
        c.close()
        if r.status >= 300:
            raise SystemExit(f"{method} {path}: {r.status} {data[:300]!r}")
        return json.loads(data) if data else None

    def waiting(self):
        return self.ask("/queue/outgoing")["messages"]


def timed(what):
    begin = time.monotonic()
    what()
    return 1000 * (time.monotonic() - begin)


def spread(times):
    return f"median {statistics.median(times):.1f} ms, worst {max(times):.1f} ms"


def live_rate(sink, o):
    had, begin = sink.count(), time.monotonic()
    subprocess.run(["smtp-source", "-s", "10", "-d", "-l", "5000", "-m", str(o.live), "-f", "u000@bench.test", "-t", "b@live.test",
                    f"127.0.0.1:{BASE + 25}"], check=True)
    wait_for(lambda: sink.count() >= had + o.live, 600)
    return o.live / (time.monotonic() - begin)


def look(server, o):
    name = destination(o.messages // 2, o)
    for what, path in (("first page", "?limit=50"), ("newest first", "?limit=50&sort=-age"), ("by sender", "?limit=50&sort=sender"),
                       ("of one destination", f"?limit=50&destination={name}"), ("by a text", f"?limit=50&q={name}")):
        times = [timed(lambda p=path: server.ask("/queue/outgoing/messages" + p)) for _ in range(20)]
        print(f"list, {what}: {spread(times)}", flush=True)
    times = [timed(lambda: server.ask("/destinations?limit=50")) for _ in range(20)]
    print(f"destinations, fullest first: {spread(times)}", flush=True)


def median_rate(sink, o):
    return statistics.median(live_rate(sink, o) for _ in range(3))


def wait_until_written(server):
    """What waits gets files for some time after it was accepted: until the queue's thread does nothing any more."""
    before = -10
    while server.queue_ticks() - before > 1:
        before = server.queue_ticks()
        time.sleep(3)


def act(server, o, action, **more):
    """All of the queue at once; meanwhile messages are accepted and the list is read."""
    accepts, pages, ends = [], [], threading.Event()

    def accept():
        while not ends.is_set():
            accepts.append(timed(lambda: subprocess.run(["smtp-source", "-l", "1000", "-f", "u000@bench.test", "-t", "u001@bench.test",
                                                         f"127.0.0.1:{BASE + 25}"], check=True)))

    t = threading.Thread(target=accept)
    t.start()
    begin = time.monotonic()
    operation = server.ask("/queue/outgoing/messages/actions", "POST", {"action": action, "filter": {}, **more})
    while operation["state"] not in ("done", "failed", "undone"):
        pages.append(timed(lambda: server.ask("/queue/outgoing/messages?limit=50")))
        operation = server.ask(f"/operations/{operation['id']}")
    took = time.monotonic() - begin
    ends.set()
    t.join()
    print(f"{action} of all: {operation['state']}, {operation['done']} done, {operation['failed']} not, {took:.1f} s; meanwhile one accept"
          f" {spread(accepts)}, list {spread(pages) if pages else 'not asked'}", flush=True)


def restart(server, o, how):
    getattr(server, how)()
    begin = time.monotonic()
    server.start()
    up = time.monotonic() - begin
    wait_for(lambda: server.waiting() >= o.messages, 600)
    print(f"start after {how}: answers after {up:.1f} s, has all {o.messages} after {time.monotonic() - begin:.1f} s; module smtp"
          f" {server.memory_text(o)}", flush=True)


def measure(server, sink, o):
    rate = median_rate(sink, o)
    print(f"live destination, empty queue: {rate:.0f} msg/s", flush=True)
    server.empty_mb = server.memory_mb()
    print(f"filled at {fill(o):.0f} msg/s; module smtp {server.memory_text(o)}", flush=True)
    for when in ("are written to files", "wait"):
        beside = median_rate(sink, o)
        print(f"live destination beside {server.waiting()} that {when}: {beside:.0f} msg/s ({beside / rate:.2f} of the empty queue)", flush=True)
        wait_until_written(server)
    look(server, o)
    for action, more in (("send_now", {}), ("hold", {}), ("release", {}), ("priority", {"priority": "low"})):
        act(server, o, action, **more)
    restart(server, o, "stop")
    restart(server, o, "kill")
    look(server, o)
    beside = median_rate(sink, o)
    print(f"live destination after the start: {beside:.0f} msg/s ({beside / rate:.2f} of the empty queue)", flush=True)
    act(server, o, "delete")
    print(f"left: {server.waiting()}", flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--messages", type=int, default=100000)
    ap.add_argument("--destinations", type=int, default=5000)
    ap.add_argument("--live", type=int, default=10000)
    ap.add_argument("--size", type=int, default=1000)
    ap.add_argument("--bin", default=str(HERE.parent / "build/posthorn"))
    ap.add_argument("--dir", default="/var/tmp", help="on the disk to measure")
    o = ap.parse_args()
    Silent()
    with tempfile.TemporaryDirectory(prefix="posthorn-queue-", dir=o.dir) as d:
        os.chmod(d, 0o755)
        pathlib.Path(d, "unbound.conf").write_text(UNBOUND)
        dns = subprocess.Popen(["unbound", "-d", "-c", f"{d}/unbound.conf"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        sink = Sink(f"{SINK}:25")
        try:
            wait_for(lambda: listens(DNS, 53))
            server = Server(d, o)
            try:
                measure(server, sink, o)
            finally:
                server.stop()
        finally:
            sink.stop()
            dns.terminate()
            dns.wait()


main()
