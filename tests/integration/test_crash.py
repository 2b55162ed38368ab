"""kill -9 of modules and of the supervisor at random moments under load: nothing that was acknowledged is lost, no
mailbox is damaged, nothing is there twice."""
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import BIN, PASSWORD, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))

import harness  # noqa: E402
import load  # noqa: E402
import sink  # noqa: E402
import verify  # noqa: E402

USERS = [f"u{i:02d}" for i in range(20)]
CONNECTIONS = 4
SENDERS = 6
SETTINGS = {"queue.journal_segment": "4MiB", "deliver.per_destination": str(CONNECTIONS), "log.smtp": "summary", "log.imap": "summary", "log.pop3": "summary"}
# One supervisor's life: its modules are killed once or twice each, so that their restarts are never held back long.
ROUND = ("smtp", "access", "control", "smtp", "access", "supervisor")


class Killer:
    """Kills the next victim each time that enough messages were acknowledged since the last one."""

    def __init__(self, server, books, kills, messages, seed):
        self.server, self.books = server, books
        self.kills, self.every = kills, messages / kills
        self.rng = random.Random(seed)
        self.done = dict.fromkeys(("smtp", "access", "control", "supervisor"), 0)
        self.order = []
        self.times = []

    def total(self):
        return sum(self.done.values())

    def next_victim(self):
        if not self.order:
            self.order = list(ROUND[:-1])
            self.rng.shuffle(self.order)
            self.order.append(ROUND[-1])
        return self.order.pop(0)

    def kill_module(self, name, deadline):
        while time.monotonic() < deadline:
            pid = self.server.pids().get(name)
            if pid and harness.alive(pid):
                time.sleep(self.rng.choice((0, 0, 0.02, 0.1)) * self.rng.random())
                self.server.expect_end(pid)
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                return
            time.sleep(0.005)
        raise AssertionError(f"module {name} does not come back\n{self.server.output()[-3000:]}")

    def kill_supervisor(self):
        self.server.proc.kill()
        self.server.proc.wait()
        # Half of the time the next one comes while the modules of the old one still end.
        if self.rng.random() < 0.5:
            time.sleep(self.rng.random() * 0.3)
        harness.start_again(self.server, wait=False)

    def run(self, limit_s):
        deadline = time.monotonic() + limit_s
        for i in range(1, self.kills + 1):
            while self.books.latest < i * self.every and time.monotonic() < deadline:
                if self.server.proc.poll() is not None:
                    raise AssertionError(f"the supervisor ended by itself\n{self.server.output()[-3000:]}")
                time.sleep(0.002)
            if time.monotonic() >= deadline:
                raise AssertionError(f"after {limit_s} s only {self.books.latest} messages and {self.total()} kills "
                                     f"{self.done}\n{self.server.output()[-3000:]}")
            victim = self.next_victim()
            self.times.append(time.monotonic())
            if victim == "supervisor":
                self.kill_supervisor()
            else:
                self.kill_module(victim, deadline)
            self.done[victim] += 1


def run(make_server, kills, messages, limit_s, seed, roads=False, **how):
    far = sink.Sink()
    server = make_server(users=USERS, settings=dict(SETTINGS, **{"deliver.relay_host": f"127.0.0.1:{far.port}"}))
    books = load.Books(USERS, seed)
    if roads:
        harness.lay_roads(server, books)
    start = time.monotonic()
    work = load.Load(server, books, PASSWORD, messages, seed, senders=SENDERS, **how).start()
    killer = Killer(server, books, kills, messages, seed)
    try:
        killer.run(limit_s)
    finally:
        work.stop()
    took = time.monotonic() - start
    for name in ("smtp", "submission", "imap", "pop3"):
        server.wait_port(server.port[name])
    verify.wait_queue_empty(server)
    seen = verify.read_all(server, books, PASSWORD)
    v = verify.judge(books, seen)
    missing, unexplained, again = far.judge(books, killer.times)
    far.close()
    print(f"\n{killer.total()} kills {killer.done} in {took:.0f} s, seed {seed}; {dict(books.count)}\n"
          f"sessions that ended early: {dict(books.reasons.most_common(8))}\n"
          f"{seen.messages} messages, {seen.bytes >> 20} MiB in {len(USERS)} mailboxes, {len(books.uids)} uids seen\n"
          f"{v.line()}\nanother server: {len(books.far)} to come, {len(far.taken)} came, {again} of them again")
    assert server.stop() == 0
    faults, disk = verify.check_disk(server)
    print(f"on disk: {dict(disk)}; verified after {time.monotonic() - start:.0f} s")
    assert not books.faults, "\n".join(books.faults[:20])
    assert not v.lost and not missing, (v.lost[:10], missing[:10])
    assert not v.doubled and not v.both, (v.doubled + v.both)[:10]
    assert not v.back, v.back[:10]
    assert not v.unasked, v.unasked[:10]
    assert not v.flags_old, v.flags_old[:10]
    assert not faults, "\n".join(faults[:20])
    assert disk["spool files"] == 0 and disk["rebuilt indexes"] == 0 and disk["temporary files"] == 0, disk
    # Appends that got no answer may leave their file: `verify` brings it to INBOX.
    assert disk["files without a row"] <= books.count["append unknown"]
    # A module whose supervisor is gone says so (421), once to each sender that it has.
    assert books.count["smtp refused"] <= SENDERS * killer.done["supervisor"]
    assert books.count["append refused"] <= messages // 100
    assert books.latest >= messages
    # What left when a kill came may not have been recorded yet: one message on each connection.
    assert not unexplained and again <= CONNECTIONS * len(killer.times), (unexplained, again)


def test_supervisor_is_succeeded(make_server):
    """Its modules have sessions in all states when it is killed; the next one is started at once."""
    server = make_server(users=USERS[:2], settings=SETTINGS)
    books = load.Books(USERS[:2])
    stop = threading.Event()
    idle = load.Imap(server.port["imap"], "u00", PASSWORD, stop)
    idle.select("INBOX", books)
    idle.begin("IDLE")
    upload = load.Imap(server.port["imap"], "u01", PASSWORD, stop)
    upload.send(b"a APPEND INBOX {100000}\r\n")
    data = load.Smtp(server.port["smtp"], stop)
    data.send(f"MAIL FROM:<a@b.test>\r\nRCPT TO:<u00@{load.DOMAIN}>\r\nDATA\r\n".encode())
    assert [data.reply() for _ in range(3)] == [250, 250, 354]
    data.send(b"Subject: unfinished\r\n")
    old = server.pids()
    server.proc.kill()
    server.proc.wait()
    begin = time.monotonic()
    harness.start_again(server)
    took = time.monotonic() - begin
    print(f"\nanswers again after {took:.2f} s")
    assert took < 15
    wait_for("its own modules", lambda: set(server.pids()) >= set(old))  # until then it may have been the old ones that answered
    assert not [p for p in old.values() if harness.alive(p)]
    c = load.Imap(server.port["imap"], "u00", PASSWORD, stop)
    c.select("INBOX", books)
    assert c.exists == 0
    for x in (idle, upload, data, c):
        x.close()


def test_a_second_server_is_refused(make_server):
    server = make_server(users=USERS[:1], settings=SETTINGS)
    r = subprocess.run([BIN, "serve", *server.args(), "--quiet"], capture_output=True, text=True, timeout=60)
    assert r.returncode == 1
    assert "another posthorn serves this data directory" in r.stderr


def test_kills_short(make_server):
    run(make_server, kills=20, messages=2000, limit_s=600, seed=random.randrange(10 ** 6))


def test_kills_on_the_road_short(make_server):
    """The same with forwarding, copies, a list and a Sieve script in the path."""
    run(make_server, kills=20, messages=1500, limit_s=600, seed=random.randrange(10 ** 6), roads=True)


@pytest.mark.slow
def test_kills(make_server):
    run(make_server, kills=200, messages=20000, limit_s=600, seed=random.randrange(10 ** 6))


@pytest.mark.slow
def test_kills_on_the_road(make_server):
    run(make_server, kills=200, messages=20000, limit_s=900, seed=random.randrange(10 ** 6), roads=True)
