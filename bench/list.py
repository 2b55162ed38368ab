#!/usr/bin/env python3
"""One message to a mailing list of many members here: seconds until all have it, CPU seconds, mailboxes per second.

    bench/list.py [--members N] [--messages N] [--size BYTES] [--rounds N] [--peers]

Starts a private server in a network namespace of its own (bench/posthorn.sh). The first message makes the mailboxes; it is
printed, but does not count. --peers: in turns with Postfix, whose alias has the members, and Dovecot, which takes them by LMTP
and links the files of one delivery; once as they come (50 recipients in one delivery) and once with 1,000. That needs root and
Debian's packages. POSTHORN_BIN names the program, BENCH_DIR the directory for the data.
"""
import argparse
import json
import os
import pathlib
import smtplib
import statistics
import subprocess
import sys
import tempfile
import time

from peers import Dovecot, Postfix, tree_cpu, wait_for

HERE = pathlib.Path(__file__).resolve().parent
BASE = 12000
DOMAIN = "bench.test"
LIST = f"all@{DOMAIN}"


class Ours:
    name = "posthorn"

    def __init__(self, directory, members):
        self.dir = pathlib.Path(directory)
        self.bin = os.environ["POSTHORN_BIN"]
        env = dict(os.environ, USERS=str(members), PREFIX="u%05d", DOMAIN=DOMAIN)
        subprocess.run([HERE / "posthorn.sh", "start", directory, str(BASE)], env=env, check=True, stdout=subprocess.DEVNULL)
        self.roots = [int((self.dir / "posthorn.pid").read_text())]
        self.tool("create", "account", LIST, "kind=list", "list_post=anyone")
        self.tool("import", "members", LIST, "members=-", text="".join(f"{m}\n" for m in addresses(members)))

    def tool(self, *words, text=None):
        user = ["--user", "posthorn"] if os.geteuid() == 0 else []
        r = subprocess.run([self.bin, "tool", "--data", self.dir / "data", *user, *words], input=text, text=True, check=True,
                           capture_output=True)
        return r.stdout

    def all_there(self, _messages):
        return not json.loads(self.tool("--json", "queue"))["rows"]

    def stop(self):
        subprocess.run([HERE / "posthorn.sh", "stop", self.dir], check=True)


SETTINGS = f"""virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_maps = static:all
virtual_alias_maps = texthash:{{d}}/list
virtual_alias_expansion_limit = {{limit}}
virtual_transport = lmtp:unix:{{lmtp}}
lmtp_destination_recipient_limit = {{at_once}}
"""


class Peers:
    """Postfix and Dovecot. at_once: recipients of one LMTP delivery."""

    def __init__(self, directory, members, at_once):
        d = pathlib.Path(directory)
        self.dovecot = Dovecot(d / "dovecot")
        (d / "list").write_text(f"{LIST} {','.join(addresses(members))}\n")
        try:
            self.postfix = Postfix(d / "postfix", BASE + 25, SETTINGS.format(d=d, limit=members + 1, at_once=at_once,
                                                                             lmtp=self.dovecot.socket))
        except BaseException:
            self.dovecot.stop()
            raise
        self.roots = [self.postfix.pid, self.dovecot.pid]

    def all_there(self, messages):
        return self.postfix.removed() >= messages

    def stop(self):
        self.postfix.stop()
        self.dovecot.stop()


SERVERS = {
    "posthorn": Ours,
    "postfix+dovecot, 50 at once": lambda d, members: Peers(d, members, 50),
    "postfix+dovecot, 1000 at once": lambda d, members: Peers(d, members, 1000),
}


def addresses(members):
    return [f"u{i:05d}@{DOMAIN}" for i in range(members)]


def send(size):
    line = "0123456789" * 7 + "\r\n"
    body = f"From: a@elsewhere.test\r\nTo: {LIST}\r\nSubject: news\r\n\r\n" + line * (size // len(line))
    with smtplib.SMTP("127.0.0.1", BASE + 25, timeout=60) as c:
        c.sendmail("a@elsewhere.test", [LIST], body)


def measure(name, where, o):
    """Seconds of wall clock and of CPU for one message, each the mean."""
    d = tempfile.mkdtemp(dir=where)
    os.chmod(d, 0o755)
    server = SERVERS[name](d, o.members)
    try:
        return measure_server(name, server, o)
    finally:
        server.stop()
        for pid in server.roots:
            wait_for(lambda p=pid: not os.path.exists(f"/proc/{p}"))


def measure_all(names, o):
    """Nothing is removed before the end: ext4 makes new files more slowly for some time after that, for whoever is next."""
    with tempfile.TemporaryDirectory(prefix="posthorn-list.", dir=os.environ.get("BENCH_DIR", "/var/tmp")) as where:
        os.chmod(where, 0o755)
        return [{name: measure(name, where, o) for name in names} for _ in range(o.rounds)]


def measure_server(name, server, o):
    took, used = [], []
    for i in range(o.messages + 1):
        begin, cpu = time.monotonic(), sum(map(tree_cpu, server.roots))
        send(o.size)
        wait_for(lambda n=i + 1: server.all_there(n), 1800)
        took.append(time.monotonic() - begin)
        used.append(sum(map(tree_cpu, server.roots)) - cpu)
        print(f"{name}, {f'message {i}' if i else 'new mailboxes'}: {took[-1]:.2f} s ({used[-1]:.2f} s of CPU),"
              f" {o.members / took[-1]:.0f} mailboxes/s", flush=True)
    return statistics.mean(took[1:]), statistics.mean(used[1:])


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--members", type=int, default=10000)
    p.add_argument("--messages", type=int, default=5)
    p.add_argument("--size", type=int, default=5000)
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--peers", action="store_true")
    o = p.parse_args()
    os.environ.setdefault("POSTHORN_BIN", str(HERE.parent / "build/posthorn"))
    if "POSTHORN_NETNS" not in os.environ:
        os.execv(HERE.parent / "tools/netns.sh", ["netns.sh", sys.executable, *sys.argv])
    names = list(SERVERS) if o.peers else ["posthorn"]
    rounds = measure_all(names, o)
    for name in names:
        took, used = (statistics.median(r[name][k] for r in rounds) for k in (0, 1))
        print(f"list of {o.members}, {name}: {took:.2f} s ({used:.2f} s of CPU), {1 / took:.2f} messages/s, {o.members / took:.0f} mailboxes/s")
    if o.peers:
        for what, k in (("time", 0), ("CPU", 1)):
            ratio = [min(r[name][k] for name in names[1:]) / r["posthorn"][k] for r in rounds]
            print(f"{what}: {statistics.median(ratio):.1f} times less than the better peer ({min(ratio):.1f} to {max(ratio):.1f})")


if __name__ == "__main__":
    main()
