#!/usr/bin/python3
"""Mixed load for a while, with the memory of every process: it has to stay flat.

    tools/netns.sh /usr/bin/python3 tests/fault/soak.py [--seconds 1200] [--bin build/posthorn]

Prints a line for each sample (RSS/PSS/anonymous memory in MiB) and the trends; ends with 1 if RSS or anonymous memory of a
process grows. (PSS also rises when other processes that share libraries end: it is printed, not judged.)
"""
import argparse
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


KINDS = ("RSS", "PSS", "anonymous")
JUDGED = ("RSS", "anonymous")


def memory(pid):
    """KiB by KINDS."""
    got = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            name, _, rest = line.partition(":")
            if name in ("Rss", "Pss", "Anonymous"):
                got[name] = int(rest.split()[0])
    return got["Rss"], got["Pss"], got["Anonymous"]


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
    """Samples of every process."""

    def __init__(self, server):
        self.server = server
        self.times, self.samples = [], {}

    def sample(self, start, books):
        now = time.monotonic() - start
        line = []
        self.times.append(now)
        for name, pid in [("supervisor", self.server.proc.pid), *sorted(self.server.pids().items())]:
            values = memory(pid)
            self.samples.setdefault(name, []).append(values)
            line.append(name + " " + "/".join(f"{v / 1024:.1f}" for v in values))
        print(f"{now:7.1f} s  {books.latest:8d} messages  " + "  ".join(line), flush=True)

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
                mean, growth, error = trend(self.times[first:], values)
                grows = what in JUDGED and growth > max(slack_kib + share * mean, 3 * error)
                print(f"{name:11s} {what:9s}: {values[0] / 1024:6.1f} -> {values[-1] / 1024:6.1f} MiB, mean {mean / 1024:.1f}, "
                      f"least {min(values) / 1024:.1f}, most {max(values) / 1024:.1f}; trend {growth / 1024:+.2f} "
                      f"+- {error / 1024:.2f} MiB{' GROWS' if grows else ''}")
                if grows:
                    bad.append(f"{name} {what} {growth / 1024:+.2f} MiB")
        return bad


def run(server, password, seconds, every, seed=1, pause=0.02, slack_kib=1024, share=0.05, messages=0):
    """The soak on a running server, of so many seconds and, on a slow machine, until there were so many messages. Returns
    (what grows, books, verdict)."""
    books = load.Books(USERS, seed)
    stop = threading.Event()
    work = load.Load(server, books, password, 0, senders=0, readers=0, idlers=0, poppers=0)
    work.stop_event = stop
    work.want = lambda: True
    work.threads = [threading.Thread(target=work.run, args=(c,), daemon=True)
                    for c in clients(server, books, password, stop, seed * 1000, pause)]
    watch, start = Watch(server), time.monotonic()
    work.start()
    while time.monotonic() - start < seconds or books.latest < messages:
        time.sleep(every)
        watch.sample(start, books)
    work.stop()
    bad = watch.growing(slack_kib, share)
    verify.wait_queue_empty(server)
    v = verify.judge(books, verify.read_all(server, books, password))
    print(f"{dict(books.count)}\nsessions that ended early: {dict(books.reasons.most_common(12))}\n{v.line()}")
    return bad, books, v


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
        bad, books, v = run(server, conftest.PASSWORD, o.seconds, o.every or max(o.seconds / 60, 1), o.seed)
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
