#!/usr/bin/env python3
"""One message to a mailing list of many members here: seconds until all have it, CPU seconds of module smtp, mailboxes per second.

    bench/list.py [--members N] [--messages N] [--size BYTES]

Starts a private server in a network namespace of its own (bench/posthorn.sh). The first message makes the mailboxes; it is
printed, but does not count. POSTHORN_BIN names the program, BENCH_DIR the directory for its data.
"""
import argparse
import json
import os
import pathlib
import smtplib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
BASE = 12000
DOMAIN = "bench.test"
LIST = f"all@{DOMAIN}"


class Server:
    def __init__(self, directory, members):
        self.dir, self.members = pathlib.Path(directory), members
        self.bin = os.environ["POSTHORN_BIN"]
        env = dict(os.environ, USERS=str(members), PREFIX="u%05d", DOMAIN=DOMAIN)
        subprocess.run([HERE / "posthorn.sh", "start", directory, str(BASE)], env=env, check=True, stdout=subprocess.DEVNULL)
        self.tool("create", "account", LIST, "kind=list", "list_post=anyone")
        self.tool("import", "members", LIST, "members=-", text="".join(f"u{i:05d}@{DOMAIN}\n" for i in range(members)))

    def tool(self, *words, text=None):
        user = ["--user", "posthorn"] if os.geteuid() == 0 else []
        r = subprocess.run([self.bin, "tool", "--data", self.dir / "data", *user, *words], input=text, text=True, check=True,
                           capture_output=True)
        return r.stdout

    def send(self, size):
        line = "0123456789" * 7 + "\r\n"
        body = f"From: a@elsewhere.test\r\nTo: {LIST}\r\nSubject: news\r\n\r\n" + line * (size // len(line))
        with smtplib.SMTP("127.0.0.1", BASE + 25, timeout=60) as c:
            c.sendmail("a@elsewhere.test", [LIST], body)

    def wait(self):
        while json.loads(self.tool("--json", "queue"))["rows"]:
            time.sleep(0.01)

    def cpu(self):
        """Seconds that module smtp has used."""
        supervisor = (self.dir / "posthorn.pid").read_text().strip()
        total = 0
        for p in pathlib.Path("/proc").iterdir():
            try:
                f = (p / "stat").read_text().rsplit(")", 1)[1].split()
                if f[1] == supervisor and b"smtp" in (p / "cmdline").read_bytes().split(b"\0"):
                    total += (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")
            except (OSError, IndexError):
                pass
        return total

    def stop(self):
        subprocess.run([HERE / "posthorn.sh", "stop", self.dir], check=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--members", type=int, default=10000)
    p.add_argument("--messages", type=int, default=5)
    p.add_argument("--size", type=int, default=5000)
    o = p.parse_args()
    os.environ.setdefault("POSTHORN_BIN", str(HERE.parent / "build/posthorn"))
    if "POSTHORN_NETNS" not in os.environ:
        os.execv(HERE.parent / "tools/netns.sh", ["netns.sh", sys.executable, *sys.argv])
    with tempfile.TemporaryDirectory(prefix="posthorn-list.", dir=os.environ.get("BENCH_DIR", "/var/tmp")) as d:
        os.chmod(d, 0o755)
        server = Server(d, o.members)
        took = []
        for i in range(o.messages + 1):
            begin, cpu = time.monotonic(), server.cpu()
            server.send(o.size)
            server.wait()
            took.append(time.monotonic() - begin)
            print(f"{'new mailboxes' if i == 0 else f'message {i}'}: {took[-1]:.2f} s ({server.cpu() - cpu:.2f} s of CPU), {o.members / took[-1]:.0f} mailboxes/s", flush=True)
        server.stop()
    best, mean = min(took[1:]), sum(took[1:]) / o.messages
    print(f"list of {o.members}: mean {mean:.2f} s, best {best:.2f} s; {1 / mean:.2f} messages/s, {o.members / mean:.0f} mailboxes/s")


if __name__ == "__main__":
    main()
