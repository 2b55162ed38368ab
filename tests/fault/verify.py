"""Compares what the server has with what the clients know (load.Books), by IMAP and on the disk."""
import collections
import json
import pathlib
import shutil
import sqlite3
import tempfile
import threading
import time

import load


def queue_items(server):
    r = server.tool("--json", "queue", check=False)
    if r.returncode:
        return None
    return json.loads(r.stdout)["rows"]


def wait_queue_empty(server, timeout=120):
    end = time.monotonic() + timeout
    items = None
    while time.monotonic() < end:
        items = queue_items(server)
        if items == []:
            return
        time.sleep(0.1)
    raise AssertionError(f"the queue is not empty after {timeout} s: {items and items[:3]}\n{server.output()[-3000:]}")


class Seen:
    """All mailboxes as IMAP shows them."""

    def __init__(self):
        self.where = collections.defaultdict(list)  # (user, number) -> [(folder, uid, flags), ...]
        self.messages = self.bytes = 0


def read_folder(c, books, folder, seen):
    c.select(folder, books)
    where = f"{c.user} {folder}"
    rows, step, last = 0, 50, 0
    unseen = 0
    for first in range(1, c.exists + 1, step):
        top = min(first + step - 1, c.exists)
        _, untagged = c.ok(f"FETCH {first}:{top} (UID FLAGS RFC822.SIZE BODY.PEEK[])")
        for uid, flags, size, data in load.fetched(untagged):
            rows += 1
            if uid <= last:
                books.fault(f"{where}: uid {uid} after {last}")
            last = uid
            if data is None:
                books.fault(f"{where}: uid {uid} has no content")
                continue
            if len(data) != size:
                books.fault(f"{where}: uid {uid}: RFC822.SIZE {size}, but {len(data)} bytes")
            number = load.check_content(books, f"{where} uid {uid}", data)
            books.saw_uid(c.user, folder, c.validity, uid, number)
            seen.where[c.user, number].append((folder, uid, flags))
            seen.bytes += len(data)
            unseen += b"\\Seen" not in flags
    if rows != c.exists:
        books.fault(f"{where}: {c.exists} EXISTS, but {rows} were fetched")
    if last >= c.uidnext:
        books.fault(f"{where}: uid {last} with UIDNEXT {c.uidnext}")
    if c.exists:
        _, untagged = c.ok("FETCH 1:* (UID ENVELOPE BODYSTRUCTURE)")
        broken = [u[0] for u in untagged if b" FETCH " in u[0] and b'"message ' not in u[0]]
        if broken:
            books.fault(f"{where}: ENVELOPE without the subject: {broken[0][:300]!r}")
    counts = (c.exists, unseen)
    seen.messages += rows
    return counts


def read_user(server, books, user, password, seen):
    c = load.Imap(server.port["imap"], user, password, threading.Event())
    try:
        names = [u[0].rsplit(b" ", 1)[1].strip(b'"').decode() for u in c.ok('LIST "" *')[1] if u[0].startswith(b"* LIST")]
        for folder in names:
            exists, unseen = read_folder(c, books, folder, seen)
            status = c.ok(f"STATUS {folder} (MESSAGES UNSEEN)")[1][0][0]
            if b"MESSAGES %d" % exists not in status or b"UNSEEN %d" % unseen not in status:
                books.fault(f"{user} {folder}: {status!r}, but {exists} messages, {unseen} unseen")
        c.command("LOGOUT")
    finally:
        c.close()


def read_all(server, books, password):
    seen = Seen()
    for user in books.users:
        try:
            read_user(server, books, user, password, seen)
        except ConnectionError as e:
            books.fault(f"{user}: the mailbox cannot be read: {e}\n{server.output()[-2000:]}")
    return seen


class Verdict:
    def __init__(self):
        self.lost, self.doubled, self.both, self.back, self.unasked, self.flags_old = [], [], [], [], [], []

    def line(self):
        return (f"lost {len(self.lost)}, duplicates {len(self.doubled)}, in two folders {len(self.both)}, "
                f"expunged and back {len(self.back)}, refused but there {len(self.unasked)}, "
                f"flags older {len(self.flags_old)}")


def expected(books):
    """(user, number) -> True: has to be there, False: may be; and those that were refused."""
    must, refused = {}, set()
    for key, folder in getattr(books, "baseline", {}).items():
        must[key] = True
    for n, (state, users) in books.mail.items():
        for u in users:
            if state == "refused":
                refused.add((u, n))
            else:
                must[u, n] = state == "acked"
    for n, (state, user) in books.appended.items():
        if state == "refused":
            refused.add((user, n))
        else:
            must[user, n] = state == "acked"
    return must, refused


def judge(books, seen):
    v = Verdict()
    must, refused = expected(books)
    for key, sure in must.items():
        places = seen.where.get(key, [])
        removed = books.removed.get(key)
        if sure and not places and not removed:
            v.lost.append((key, books.moved.get(key), getattr(books, "baseline", {}).get(key)))
        folders = [p[0] for p in places]
        if len(set(folders)) != len(folders):
            v.doubled.append((key, places))
        elif len(folders) > 1:
            v.both.append((key, places))
        if removed and removed[0] == "sure" and places:
            v.back.append((key, places, removed[1]))
        if places and books.moved.get(key, ("",))[0] == "sure" and "Archive" not in folders and not removed:
            v.flags_old.append((key, "not moved"))
        if places and books.flagged.get(key, ("",))[0] == "sure" and b"\\Flagged" not in places[0][2]:
            v.flags_old.append((key, "not flagged"))
    for key, places in seen.where.items():
        if key in refused or key not in must:
            v.unasked.append((key, places))
    return v


def settle(books, seen):
    """What is there now is what is to be there after the next cut."""
    with books.lock:
        books.baseline = {key: places[0][0] for key, places in seen.where.items()}
        for book in (books.mail, books.appended, books.removed, books.moved, books.flagged):
            book.clear()
        books.claimed.clear()
        books.settled.clear()


# --- the disk ---

def check_index(directory, faults):
    """One account's index against itself and its files, on a copy. Returns (messages, files without a row)."""
    with tempfile.TemporaryDirectory(dir=directory.parent) as t:
        for f in directory.glob("index.db*"):
            if not f.name.endswith("-shm"):
                shutil.copy(f, t)
        db = sqlite3.connect(pathlib.Path(t) / "index.db")
        if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            faults.append(f"{directory}: the index is damaged")
        wrong = db.execute(
            "SELECT f.name, f.messages, COUNT(m.uid), f.unseen, COALESCE(SUM(m.flags & 1 = 0), 0), f.bytes,"
            " COALESCE(SUM(m.size), 0) FROM folder f LEFT JOIN msg m ON m.folder_id = f.id GROUP BY f.id"
            " HAVING f.messages != COUNT(m.uid) OR f.bytes != COALESCE(SUM(m.size), 0)"
            " OR f.unseen != COALESCE(SUM(CASE WHEN m.uid IS NOT NULL AND m.flags & 1 = 0 THEN 1 ELSE 0 END), 0)"
        ).fetchall()
        faults += [f"{directory}: sums of a folder are wrong: {w}" for w in wrong]
        rows = dict(db.execute("SELECT key, size FROM msg"))
        trash = {k for (k,) in db.execute("SELECT key FROM trash")}
        db.close()
    files = {}
    for f in directory.glob("msg/*.eml"):
        key = int(f.name[:16], 16)
        files[key - (1 << 64) if key >> 63 else key] = f.stat().st_size
    for key, size in rows.items():
        if files.get(key) != size:
            faults.append(f"{directory}: message {key & (1 << 64) - 1:016x} has size {size}, its file {files.get(key)}")
    strays = [k for k in files if k not in rows and k not in trash]
    return len(rows), len(strays)


def check_disk(server):
    """After a clean stop. Returns (faults, counts)."""
    faults, count = [], collections.Counter()
    mail = server.data / "mail"
    faults += [f"{d}: left by a module that was killed" for d in mail.glob("**/.template-*")]
    for index in mail.glob("**/index.db"):
        rows, strays = check_index(index.parent, faults)
        count["accounts"] += 1
        count["messages"] += rows
        count["files without a row"] += strays
    count["spool files"] = len([f for f in (mail / "_outgoing").glob("*.tm*")])
    count["damaged spool files"] = len([f for f in (mail / "_outgoing").glob("*.bad")])
    for sub in ("SMTP", "POP3", "Control"):
        count["temporary files"] += len(list((server.data / "temp" / sub).glob("*")))
    count["rebuilt indexes"] = len(rebuilt(server))
    return faults, count


def rebuilt(server):
    """Users whose index was found damaged and made anew."""
    return {f.parent.name for f in (server.data / "mail").glob("**/index.db.corrupt")}
