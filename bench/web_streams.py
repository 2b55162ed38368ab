#!/usr/bin/env python3
"""What open event streams cost: CPU and memory of module control while N consoles watch and nothing happens.

  bench/posthorn.sh start DIR BASEPORT; bench/web_streams.py DIR [N ...]; bench/posthorn.sh stop DIR
"""
import json
import os
import pathlib
import resource
import select
import socket
import sys
import time


def control_pid(parent):
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
            cmd = pathlib.Path(f"/proc/{p}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(stat[1]) == parent and cmd[1:3] == [b"module", b"control"]:
            return int(p)
    raise SystemExit("module control is not there")


def cpu_s(pid):
    f = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")


def pss_kb(pid):
    return sum(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup") if line.startswith("Pss:"))


def drain(streams, seconds):
    """Reads what comes; returns bytes and how many streams have ended."""
    poll = select.epoll()
    by_fd = {s.fileno(): s for s in streams}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    end, total, ended = time.monotonic() + seconds, 0, 0
    while (left := end - time.monotonic()) > 0:
        for fd, _ in poll.poll(left):
            data = by_fd[fd].recv(65536)
            total += len(data)
            if not data:
                ended += 1
                poll.unregister(fd)
    return total, ended


def main():
    d = pathlib.Path(sys.argv[1])
    target, admin = (json.loads((d / n).read_text()) for n in ("target.json", "admin.json"))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    pid = control_pid(target["pids"][0])
    head = (f"GET /api/v1/events?topics=sessions,queue.outgoing,statistics,operations,messages HTTP/1.1\r\nHost: {target['host']}\r\n"
            f"Authorization: Bearer {admin['token']}\r\n\r\n").encode()
    streams = []
    for n in [int(a) for a in sys.argv[2:]] or [200]:
        before = pss_kb(pid)
        had = len(streams)
        while len(streams) < n:
            s = socket.create_connection((target["host"], target["http"]), timeout=30)
            s.sendall(head)
            streams.append(s)
        drain(streams, 3)
        began, t = cpu_s(pid), time.monotonic()
        data, ended = drain(streams, 20)
        took = time.monotonic() - t
        print(f"{n} streams: {100 * (cpu_s(pid) - began) / took:.2f} % of a core at rest, {data} bytes in {took:.0f} s, {ended} ended, "
              f"{(pss_kb(pid) - before) / max(n - had, 1):.1f} kB each", flush=True)


main()
