#!/usr/bin/python3
"""Mixed load for a while, with the memory of every process: it has to stay flat.

    tools/netns.sh /usr/bin/python3 tests/fault/soak.py [--seconds 1200] [--bin build/posthorn]

Prints a line for each sample (RSS/PSS/anonymous memory/allocated of the heap in MiB, threads), the trends, and what each process
has at rest, behind the first third of the load and at its end. Ends with 1 if memory grows under load, or what is allocated at
rest. (PSS also rises when other processes that share libraries end: it is printed, not judged.) The mailboxes do not grow
either, or memory would with them.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import socket
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import load  # noqa: E402
import verify  # noqa: E402

USERS = [f"u{i:02d}" for i in range(20)]
SETTINGS = {"queue.journal_segment": "16MiB", "log.smtp": "debug", "log.imap": "summary", "log.pop3": "summary"}


class Stranger:
    """What the Internet sends besides mail: wrong passwords, nonsense, talk that breaks off in the middle."""

    def __init__(self, server, books, stop, seed):
        self.server, self.books, self.stop = server, books, stop
        self.rng = random.Random(seed)

    def session(self):
        name, data, wait = self.rng.choice((
            ("smtp", b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<u01@example.test>\r\nDATA\r\nSubject: never ends\r\n", 0.2),
            ("smtp", b"GET / HTTP/1.0\r\nHost: x\r\n\r\n" * 20, 0.2),
            ("smtp", b"EHLO x\r\n" + b"RCPT TO:<nobody-%d@example.test>\r\n" % self.rng.randrange(10 ** 9) * 10, 0.2),
            ("imap", b"a LOGIN nobody-%d@example.test wrong\r\n" % self.rng.randrange(10 ** 9), 1.5),
            ("imap", b"a LOGIN {5}\r\n", 0.1),
            ("imaps", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 0.1),
            ("pop3", b"USER x\r\nPASS y\r\n", 1.5),
            ("pop3s", b"USER x\r\n", 0.1),
        ))
        try:
            with socket.create_connection(("127.0.0.1", self.server.port[name]), timeout=10) as s:
                s.sendall(data)
                s.settimeout(wait)
                while s.recv(65536):
                    pass
        except OSError:
            pass


def clients(server, books, password, stop, seed, pause):
    """Every way in and out, about a hundred messages a second at most."""
    p = server.port
    load.Connection.tls_ports = (p["imaps"], p["pop3s"], p["smtps"])
    made = [load.Sender(books, p["smtp"], stop, lambda: True, seed + i, pause=pause) for i in range(3)]
    made.append(load.Sender(books, p["smtps"], stop, lambda: True, seed + 10, pause=pause))
    made[-1].login = (f"{USERS[0]}@{load.DOMAIN}", password)
    made[-1].sender = made[-1].login[0]
    made += [load.Reader(books, p[name], password, stop, seed + 20 + i, keep=100, pause=pause)
             for i, name in enumerate(("imap", "imap", "imaps"))]
    made += [load.Idler(books, p[name], password, stop, seed + 30 + i) for i, name in enumerate(("imap", "imaps"))]
    made += [load.Popper(books, p[name], password, stop, seed + 40 + i) for i, name in enumerate(("pop3", "pop3s"))]
    made += [Stranger(server, books, stop, seed + 50 + i) for i in range(3)]
    return made


KINDS = ("RSS", "PSS", "anonymous", "allocated")
JUDGED = ("RSS", "anonymous", "allocated")
SERVICES = {"access": "imap", "control": "control", "smtp": "smtp"}  # a service of each module


def allocated(server, module):
    """KiB of the heap in use, as the module says; None where it is not known."""
    if module not in SERVICES:
        return None
    bytes_used = json.loads(server.tool("api", "GET", f"/statistics/{SERVICES[module]}").stdout)["memory"]["allocated"]
    return bytes_used // 1024 or None


def memory(pid):
    """KiB: RSS, PSS, anonymous."""
    got = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            name, _, rest = line.partition(":")
            if name in ("Rss", "Pss", "Anonymous"):
                got[name] = int(rest.split()[0])
    return got["Rss"], got["Pss"], got["Anonymous"]


def processes(server):
    return [("supervisor", server.proc.pid), *sorted(server.pids().items())]


def mib(kib):
    return "-" if kib is None else f"{kib / 1024:.2f}"


def trend(times, values):
    """Least squares: (mean, growth from the first to the last moment, its standard error)."""
    n = len(times)
    mt, mv = sum(times) / n, sum(values) / n
    stt = sum((t - mt) ** 2 for t in times)
    slope = sum((t - mt) * (v - mv) for t, v in zip(times, values)) / stt
    rest = sum((v - mv - slope * (t - mt)) ** 2 for t, v in zip(times, values))
    span = times[-1] - times[0]
    return mv, slope * span, (rest / max(n - 2, 1) / stt) ** 0.5 * span


class Watch:
    """Samples of every process under load."""

    def __init__(self, server):
        self.server = server
        self.times, self.samples = [], {}

    def sample(self, now, books):
        line = []
        self.times.append(now)
        for name, pid in processes(self.server):
            values = (*memory(pid), allocated(self.server, name))
            self.samples.setdefault(name, []).append(values)
            line.append(f"{name} {'/'.join(map(mib, values))} {len(os.listdir(f'/proc/{pid}/task'))}t")
        print(f"{now:7.1f} s  {books.latest:8d} messages  load {os.getloadavg()[0]:.1f}  {'  '.join(line)}", flush=True)

    def growing(self, slack_kib, share):
        """Prints the trends behind the warm-up (the first third); the names of those that grow beyond noise."""
        bad = []
        first = len(self.times) // 3
        for name, s in self.samples.items():
            if len(s) != len(self.times):
                bad.append(f"{name}: was restarted")
                continue
            for i, what in enumerate(KINDS):
                values = [v[i] for v in s[first:]]
                if None in values:
                    continue
                mean, growth, error = trend(self.times[first:], values)
                grows = what in JUDGED and growth > max(slack_kib + share * mean, 3 * error)
                print(f"{name:11s} {what:9s}: {values[0] / 1024:6.1f} -> {values[-1] / 1024:6.1f} MiB, mean {mean / 1024:.1f}, "
                      f"least {min(values) / 1024:.1f}, most {max(values) / 1024:.1f}; trend {growth / 1024:+.2f} "
                      f"+- {error / 1024:.2f} MiB{' GROWS' if grows else ''}")
                if grows:
                    bad.append(f"{name} {what} {growth / 1024:+.2f} MiB")
        return bad


# What a module keeps that nobody uses goes within these seconds: indexes, idle threads, logs of changes, gaps of the heap.
REST_S = 45
REST_MAX_S = 240


def at_rest(server):
    """{process: KiB by KINDS} without load, when nothing has become less for REST_S."""
    verify.wait_queue_empty(server)
    least, since, end = {}, time.monotonic(), time.monotonic() + REST_MAX_S
    while time.monotonic() - since < REST_S and time.monotonic() < end:
        time.sleep(1)
        for name, pid in processes(server):
            now = memory(pid)[2]
            if now < least.get(name, now + 1) - 16 or name not in least:
                since = time.monotonic()
            least[name] = min(now, least.get(name, now))
    return {name: (*memory(pid), allocated(server, name)) for name, pid in processes(server)}


def kept(before, after, slack_kib, share):
    """Prints what is more at rest than it was; the names of those that hold too much more. Only what is allocated is judged: how
    many gaps of the heap were given back depends on how busy the last seconds were. The slack is for malloc's caches of the
    threads that stay, which count as allocated."""
    bad = []
    for name, values in after.items():
        line = []
        for what, b, a in zip(KINDS, before[name], values):
            if a is None or b is None:
                continue
            grows = what == "allocated" and a - b > slack_kib + share * b
            line.append(f"{what} {mib(b)} -> {mib(a)}{' GROWS' if grows else ''}")
            if grows:
                bad.append(f"{name} {what} at rest {(a - b) / 1024:+.2f} MiB")
        print(f"{name:11s} at rest: {', '.join(line)} MiB")
    return bad


class Run:
    """The load on a running server, with pauses."""

    def __init__(self, server, password, seed, pause):
        self.books = load.Books(USERS, seed)
        self.server, self.watch, self.now = server, Watch(server), 0.0
        self.load = work = load.Load(server, self.books, password, 0, senders=0, readers=0, idlers=0, poppers=0)
        work.want = lambda: True
        work.threads = [threading.Thread(target=work.run, args=(c,), daemon=True)
                        for c in clients(server, self.books, password, work.stop_event, seed * 1000, pause)]
        work.start()

    def go_on(self, seconds, every, messages):
        """So many seconds of load more, and until there were so many messages; pauses do not count."""
        self.load.gate.open()
        before, start = self.now, time.monotonic()
        while self.now - before < seconds or self.books.latest < messages:
            time.sleep(every)
            self.now = before + time.monotonic() - start
            self.watch.sample(self.now, self.books)

    def rest(self):
        self.load.gate.close()
        return at_rest(self.server)


def run(server, password, seconds, every, seed=1, pause=0.02, slack_kib=1024, share=0.05, messages=0, rests=False):
    """The soak on a running server, of so many seconds and, on a slow machine, until there were so many messages. With rests
    the memory is also compared without load, behind the first third and at the end: there what many threads hold for a
    moment does not hide what is kept. Returns (what grows, books, verdict)."""
    r = Run(server, password, seed, pause)
    bad = []
    r.go_on(seconds / 3, every, messages / 3)
    before = r.rest() if rests else None
    r.go_on(seconds * 2 / 3, every, messages)
    if rests:
        bad += kept(before, r.rest(), slack_kib / 2, share / 2)
    r.load.stop()
    bad += r.watch.growing(slack_kib, share)
    verify.wait_queue_empty(server)
    v = verify.judge(r.books, verify.read_all(server, r.books, password))
    print(f"{dict(r.books.count)}\nsessions that ended early: {dict(r.books.reasons.most_common(12))}\n{v.line()}")
    return bad, r.books, v


def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--seconds", type=float, default=1200)
    a.add_argument("--every", type=float, default=None, help="seconds between samples")
    a.add_argument("--bin", default=None, help="the program (POSTHORN_BIN)")
    a.add_argument("--seed", type=int, default=1)
    o = a.parse_args()
    if o.bin:
        os.environ["POSTHORN_BIN"] = o.bin
    if os.environ.get("POSTHORN_NETNS") != os.readlink("/proc/self/ns/net"):
        sys.exit("run this with tools/netns.sh: no packet may leave this machine")
    import conftest
    d = tempfile.mkdtemp(prefix="ph-soak-", dir="/var/tmp")
    server = conftest.Server(d, users=USERS, settings=SETTINGS).start()
    try:
        bad, books, v = run(server, conftest.PASSWORD, o.seconds, o.every or max(o.seconds / 60, 1), o.seed, rests=True)
        bad += books.faults[:10]
        bad += [f"lost {v.lost[:5]}"] if v.lost else []
        code = server.stop()
        bad += [f"ended with {code}"] if code else []
    finally:
        server.stop()
        shutil.rmtree(d, ignore_errors=True)
    print("\n".join(bad) if bad else "flat")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
