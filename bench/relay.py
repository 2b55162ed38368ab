#!/usr/bin/python3
"""Outgoing mail: messages a second to a sink, beside Postfix on the same disk, in turns.

    tools/netns.sh bench/relay.py [--messages 5000] [--rounds 3] [--sessions 20] [--bin build/posthorn]

Each server takes the messages by SMTP on loopback and sends all of them to Postfix's smtp-sink as its relay host. Time is from
the first byte until the sink has counted the last message; CPU is that of the server's whole process tree. Needs root and
Debian's postfix.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

from peers import Postfix, Sink, tree_cpu, wait_for

HERE = pathlib.Path(__file__).resolve().parent
SINK, OURS, THEIRS = 12900, 12000, 12825


def posthorn(d, binary):
    env = {**os.environ, "POSTHORN_BIN": binary, "RELAY": f"127.0.0.1:{SINK}", "USERS": "1"}
    t = json.loads(subprocess.run([HERE / "posthorn.sh", "start", d, str(OURS)], env=env, check=True, capture_output=True).stdout)
    return t["smtp"], t["pids"][0], lambda: subprocess.run([HERE / "posthorn.sh", "stop", d], check=True)


def postfix(d, _binary):
    p = Postfix(d, THEIRS, f"relayhost = [127.0.0.1]:{SINK}\n")
    return THEIRS, p.pid, p.stop


def run(start, binary, args):
    with tempfile.TemporaryDirectory(prefix="posthorn-relay-", dir=args.dir) as d:
        os.chmod(d, 0o755)
        sink = Sink(f"127.0.0.1:{SINK}")
        port, pid, stop = start(d, binary)
        try:
            cpu, begin = tree_cpu(pid), time.monotonic()
            subprocess.run(["smtp-source", "-s", str(args.sessions), "-d", "-l", "5000", "-m", str(args.messages), "-f", "a@bench.test",
                            "-t", "b@far.test", f"127.0.0.1:{port}"], check=True)
            accepted = time.monotonic() - begin
            wait_for(lambda: sink.count() >= args.messages, 600)
            took = time.monotonic() - begin
            cpu = tree_cpu(pid) - cpu
        finally:
            stop()
            sink.stop()
    return args.messages / took, 1000 * cpu / args.messages, args.messages / accepted


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--messages", type=int, default=5000)
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--sessions", type=int, default=20)
    ap.add_argument("--bin", default=str(HERE.parent / "build/posthorn"))
    ap.add_argument("--dir", default="/var/tmp", help="on the disk to measure")
    args = ap.parse_args()
    ratios, cpu_ratios = [], []
    for _ in range(args.rounds):
        row = {}
        for name, start in (("postfix", postfix), ("posthorn", posthorn)):
            rate, cpu, accepted = row[name] = run(start, os.path.abspath(args.bin), args)
            print(f"{name:9} {rate:8.0f} msg/s sent, {cpu:6.3f} ms CPU each (accepted at {accepted:.0f} msg/s)", flush=True)
        ratios.append(row["posthorn"][0] / row["postfix"][0])
        cpu_ratios.append(row["postfix"][1] / row["posthorn"][1])
    for what, r in (("messages a second", ratios), ("CPU", cpu_ratios)):
        print(f"{what}: {statistics.median(r):.2f} times Postfix ({min(r):.2f} to {max(r):.2f})")


main()
