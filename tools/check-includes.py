#!/usr/bin/env python3
"""Fails when a room includes what does not lie below it (tools/rooms.txt), or a file is too long."""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MAX_LINES = 1000


def read_rooms():
    rooms = {}
    with open(os.path.join(TOP, "tools/rooms.txt")) as f:
        for line in f:
            line = line.split("#")[0].strip()
            if line:
                name, allowed = line.split(":")
                rooms[name.strip()] = set(allowed.split())
    return rooms


def room_of(path, rooms):
    """Longest room name that is a folder of path (path below src/)."""
    parts = path.split("/")
    for n in range(len(parts) - 1, 0, -1):
        name = "/".join(parts[:n])
        if name in rooms:
            return name
    return None


def main():
    rooms = read_rooms()
    bad = []
    files = subprocess.run(["git", "ls-files", "src/*.c", "src/*.h"], cwd=TOP, capture_output=True, text=True, check=True)
    for path in files.stdout.split():
        full = os.path.join(TOP, path)
        if not os.path.exists(full):
            continue
        with open(full, errors="replace") as f:
            lines = f.readlines()
        if len(lines) > MAX_LINES:
            bad.append(f"{path}: {len(lines)} lines, more than {MAX_LINES}")
        own = room_of(path[4:], rooms)
        if own is None:
            if path != "src/main.c":
                bad.append(f"{path}: belongs to no room of tools/rooms.txt")
            continue
        allowed = rooms[own]
        for number, line in enumerate(lines, 1):
            m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if m:
                inc = m.group(1)
                if not os.path.exists(os.path.join(TOP, "src", inc)):
                    bad.append(f"{path}:{number}: \"{inc}\" is not below src/ (generated files have their own rule)")
                    continue
                other = room_of(inc, rooms)
                if other != own and other not in allowed and inc not in allowed and "*" not in allowed:
                    bad.append(f"{path}:{number}: room {own} may not include {inc} (room {other})")
            m = re.match(r"\s*#\s*include\s+<((event2|openssl/ssl|sqlite3|libpq-fe|mysql|mariadb|microhttpd|gnutls)[^>]*)>", line)
            if m and not own_may_use(own, path, m.group(1)):
                bad.append(f"{path}:{number}: room {own} may not include <{m.group(1)}>")
    for b in bad:
        print(b)
    return 1 if bad else 0


def own_may_use(own, path, header):
    if header.startswith(("event2", "openssl/ssl")):
        return own == "net"
    if header.startswith(("microhttpd", "gnutls")):
        return own == "server/http"
    return own == "db" and "driver_" in path


sys.exit(main())
