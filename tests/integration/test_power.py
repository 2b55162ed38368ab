"""Simulated power cuts under load: what was acknowledged is there afterwards. See docs/durability.md for what is
simulated and what is promised."""
import collections
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

import pytest
from conftest import PASSWORD

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))

import harness  # noqa: E402
import load  # noqa: E402
import sink  # noqa: E402
import verify  # noqa: E402

USERS = [f"u{i:02d}" for i in range(20)]
CONNECTIONS = 4
SETTINGS = {"queue.journal_segment": "1MiB", "deliver.per_destination": str(CONNECTIONS), "queue.sync_interval": "1s", "log.smtp": "summary", "log.imap": "summary",
            "log.pop3": "summary", "log.mailflow": "none"}
EXPUNGE_SYNC_S = 5  # an expunge is durable this long after its OK at the latest


def one_boot(server, disk, books, rng, seed, most):
    """Load until the power goes, after up to so many messages. Returns the time of the cut and the disk's report."""
    names = rng.choice(("posix", "follow"))
    server.env.update(disk.env, POWERCUT_NAMES=names)
    if server.proc:
        harness.start_again(server)
    else:
        server.start()
    before = books.latest
    work = load.Load(server, books, PASSWORD, 10 ** 9, seed, keep=60).start()
    end = time.monotonic() + 30
    want = rng.choice((rng.randint(20, 300), rng.randint(20, 300), rng.randint(20, most)))
    while books.latest - before < want and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(rng.random() * 0.2)
    cut = time.monotonic()
    harness.kill_all(server)
    work.stop()
    mode = rng.choice(("drop", "drop", "mix"))
    return cut, f"{books.latest - before} acknowledged, {names} {mode}: {disk.cut(mode, seed)}"


def look_again(server, disk, books):
    """The next boot recovers; everything is compared."""
    server.env.update(disk.env)
    harness.start_again(server)
    verify.wait_queue_empty(server)
    seen = verify.read_all(server, books, PASSWORD)
    return seen, verify.judge(books, seen)


def run(make_server, cuts, seed, most, roads=False):
    far = sink.Sink()
    server = make_server(start=False, users=USERS, settings=dict(SETTINGS, **{"deliver.relay_host": f"127.0.0.1:{far.port}"}))
    rng = random.Random(seed)
    books = load.Books(USERS, seed)
    if roads:
        harness.lay_roads(server, books)
    times = []
    total = collections.Counter()
    torn = set()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ph-disk-", dir="/var/tmp") as d:
        os.chmod(d, 0o755)
        disk = harness.Disk(d, server.data)
        for i in range(cuts):
            synced = set(books.durable)
            began = time.monotonic()
            cut, report = one_boot(server, disk, books, rng, seed * 100 + i, most)
            times.append(cut)
            seen, v = look_again(server, disk, books)
            missing, unexplained, again = far.judge(books, times)
            ages = [cut - when for _, _, when in v.back]
            print(f"\ncut {i + 1} (seed {seed}, {time.monotonic() - began:.1f} s): {report}\n  {seen.messages} messages after it; {v.line()}"
                  + (f"; expunged at most {max(ages):.2f} s before the cut" if ages else ""), end="")
            total["messages acknowledged"] = books.latest
            total["expunged and back"] += len(v.back)
            total["flags older"] += len(v.flags_old)
            total["left"], total["left again"] = len(far.taken), again
            assert not books.faults, "\n".join(books.faults[:20])
            assert not v.lost and not missing, (v.lost[:10], missing[:10])
            assert not unexplained and again <= CONNECTIONS * len(times), (unexplained, again)
            assert not v.doubled and not v.both, (v.doubled + v.both)[:10]
            assert not v.unasked, v.unasked[:10]
            assert not ages or max(ages) < EXPUNGE_SYNC_S, v.back[:10]
            verify.settle(books, seen)
            # The machine is switched off properly, then on: nothing new may go wrong by that.
            assert server.stop() == 0
            faults, on_disk = verify.check_disk(server)
            assert not faults, "\n".join(faults[:20])
            assert on_disk["damaged spool files"] == 0, on_disk
            # A torn index is only to be expected where nothing was ever promised to be durable.
            assert not (verify.rebuilt(server) - torn) & synced, on_disk
            torn |= verify.rebuilt(server)
        server.env.pop("LD_PRELOAD")
    far.close()
    print(f"\n{cuts} cuts in {time.monotonic() - start:.0f} s: {dict(total)}, {dict(books.count)}")


def test_power_cuts_short(make_server):
    run(make_server, cuts=5, seed=random.randrange(10 ** 6), most=300)


@pytest.mark.slow
def test_power_cuts(make_server):
    run(make_server, cuts=40, seed=random.randrange(10 ** 6), most=2000)


def test_power_cuts_on_the_road_short(make_server):
    """The same with forwarding, copies, a list and a Sieve script in the path."""
    run(make_server, cuts=4, seed=random.randrange(10 ** 6), most=300, roads=True)


@pytest.mark.slow
def test_power_cuts_on_the_road(make_server):
    run(make_server, cuts=40, seed=random.randrange(10 ** 6), most=2000, roads=True)


def test_first_message_of_an_installation(make_server):
    """The directories that the server made for it are as durable as the message. The disk keeps a name only when its
    directory was synced, and nothing has synced everything yet."""
    server = make_server(start=False, users=USERS[:1], settings=dict(SETTINGS, **{"queue.sync_interval": "1h"}))
    books = load.Books(USERS[:1])
    with tempfile.TemporaryDirectory(prefix="ph-disk-", dir="/var/tmp") as d:
        os.chmod(d, 0o755)
        disk = harness.Disk(d, server.data, "posix")
        server.env.update(disk.env)
        server.start()
        stop = threading.Event()
        sender = load.Sender(books, server.port["smtp"], stop, lambda: True, 1)
        c = load.Smtp(server.port["smtp"], stop)
        sender.by_data(c, books.number(), USERS[:1], load.make_message(1, 3000), False)
        harness.kill_all(server)
        c.close()
        assert books.count["smtp acked"] == 1, books.count
        disk.cut("drop", 1)
        _, v = look_again(server, disk, books)
        assert not books.faults, books.faults
        assert not v.lost
        assert server.stop() == 0  # while it still has a disk
        server.env.pop("LD_PRELOAD")


SCRIPT = """
import os, sys
root = sys.argv[1]
def put(path, text, sync):
    fd = os.open(root + path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, text)
    if sync:
        os.fdatasync(fd)
    os.close(fd)
put("/a/unsynced", b"x", False)
put("/a/synced", b"y", True)
put("/a/renamed", b"z" * 10000, True)
put("/a/old", b"newer", False)
d = os.open(root + "/a", os.O_RDONLY)
os.fsync(d)
put("/a/late", b"late", True)
os.rename(root + "/a/renamed", root + "/a/other")
os.unlink(root + "/a/gone")
print(open("/proc/sys/kernel/random/boot_id").read().strip())
"""


@pytest.mark.parametrize("names", ["posix", "follow"])
def test_the_simulation_itself(tmp_path, names):
    """What the simulated disk keeps and what it forgets."""
    data = tmp_path / "data"
    (data / "a").mkdir(parents=True)
    (data / "a/old").write_text("old")
    (data / "a/gone").write_text("gone")
    disk = harness.Disk(tmp_path, data, names)
    boot = disk.boot.read_text().strip()
    r = subprocess.run([sys.executable, "-c", SCRIPT, str(data)], env=dict(os.environ, **disk.env), check=True,
                       capture_output=True, text=True)
    assert r.stdout.strip() == boot
    assert (data / "a/old").read_text() == "newer"
    disk.cut("drop", 1)
    assert disk.boot.read_text().strip() != boot
    left = {f.name: f.read_bytes() for f in (data / "a").iterdir()}
    want = {"unsynced": b"", "synced": b"y", "renamed": b"z" * 10000, "old": b"old", "gone": b"gone"}
    if names == "follow":
        want["late"] = b"late"
    assert left == want
