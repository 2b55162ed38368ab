"""Messages of 50 MB by every way in and out, in bounded memory; the size limits."""
import hashlib
import os
import re
import subprocess
import threading

import pytest

from conftest import SANITIZED, wait_for
from corpus import below_trace
from wire import Imap, Pop3, Smtp, stuff

SIZE = 50_000_000


def big_message():
    """Octets that no compression or line logic finds easy: dots, lone CRs, 8 bit, long lines; same in each run."""
    import random
    r = random.Random(5)
    block = r.randbytes(1 << 20).replace(b"\n", b"\r\n").replace(b"\0", b"\r\n.")
    head = b"From: a@example.test\r\nTo: b@example.test\r\nSubject: fifty million\r\n\r\n"
    return (head + block * (SIZE // len(block) + 1))[:SIZE - 2].rstrip(b"\r") + b"\r\n"


BIG = big_message()


@pytest.fixture(scope="module")
def big(make_module_server):
    s = make_module_server(users=("swaks", "data", "starttls", "bdat", "append", "smtps"))
    yield s
    if not SANITIZED:
        peaks = {name: high_water(pid) for name, pid in s.pids().items()}
        assert peaks and max(peaks.values()) < 100 << 20, f"a module needed more than a few buffers: {peaks}"


def high_water(pid):
    return int(re.search(r"VmHWM:\s+(\d+) kB", open(f"/proc/{pid}/status").read()).group(1)) << 10


def arrived(server, user):
    c = Imap(server.port["imap"], server.address(user), timeout=120)
    wait_for("the big message", lambda: c.select(command="EXAMINE") == 1, timeout=120)
    return c


def check(server, user, folder="INBOX", trace=True):
    c = arrived(server, user) if trace else Imap(server.port["imap"], server.address(user), timeout=120)
    c.select(folder, "EXAMINE")
    stored = c.fetch_literal(1)
    same = (below_trace(stored) if trace else stored) == BIG
    assert same, f"{len(stored)} octets came back for {len(BIG)}"
    # In pieces, as clients do: BODY[]<offset.count>
    tag = c.start("FETCH 1 (BODY.PEEK[]<49000000.100000>)")
    n = int(re.search(rb"BODY\[\]<49000000> \{(\d+)\}\Z", c.line()).group(1))
    assert n == 100000 and c.exactly(n) == stored[49000000:49100000]
    c.line()
    c.finish(tag)
    c.logout()
    return stored


def test_fifty_megabytes_by_swaks(big, tmp_path):
    f = tmp_path / "big"
    f.write_bytes(stuff(BIG) + b".")
    r = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(big.port["smtp"]), "--helo", "client.test", "--from",
                        "big@client.test", "--to", big.address("swaks"), "--data", f"@{f}", "--no-data-fixup", "--silent", "2",
                        "--suppress-data", "--timeout", "120"], stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    assert r.returncode == 0, r.stderr[-500:]
    stored = check(big, "swaks")
    p = Pop3(big.port["pop3"], big.address("swaks"), timeout=120)
    assert p.retr(1) == stored
    p.quit()


@pytest.mark.parametrize("way", ["data", "starttls", "bdat"])
def test_fifty_megabytes_by_socket(big, way):
    with Smtp(big.port["smtp"], timeout=120) as c:
        if way == "starttls":
            c.starttls()
        c.envelope("big@client.test", big.address(way), parameters=f" SIZE={len(BIG)}")
        if way == "bdat":
            c.bdat(BIG, 7_654_321)
        else:
            c.data(BIG)
        c.quit()
    stored = check(big, way)
    p = Pop3(big.port["pop3s"], big.address(way), tls=True, timeout=120)
    digest = hashlib.sha256(p.retr(1)).digest()
    assert digest == hashlib.sha256(stored).digest()
    p.quit()


def test_fifty_megabytes_by_append(big):
    c = Imap(big.port["imap"], big.address("append"), timeout=120)
    c.append("Archive", BIG)
    c.logout()
    check(big, "append", "Archive", trace=False)


def test_a_message_above_the_limit(big):
    """Told at MAIL when the client says the size, at the end of DATA else; nothing is kept, the session goes on."""
    big.tool("set", "smtp.max_message_size", "1000000")
    try:
        with Smtp(big.port["smtp"], timeout=120) as c:
            assert "SIZE 1000000" in c.capabilities
            c.command("MAIL FROM:<big@client.test> SIZE=1000001", 501)
            c.command("MAIL FROM:<big@client.test> SIZE=999999", 250)
            c.command(f"RCPT TO:<{big.address('smtps')}>", 250)
            c.command("DATA", 354)
            c.send(stuff(BIG[:3_000_000]) + b".\r\n")
            assert c.reply() == (554, ["5.3.4 Message size exceeds fixed maximum message size"])
            c.envelope("big@client.test", big.address("smtps"))
            c.send(b"BDAT 3000000 LAST\r\n" + BIG[:3_000_000])
            assert c.reply()[0] in (552, 554)
            c.command("RSET", 250)
            c.envelope("big@client.test", big.address("smtps"))
            c.data(BIG[:900_000])
            c.quit()
    finally:
        big.tool("reset", "smtp.max_message_size")
    arrived(big, "smtps").logout()


def test_clients_that_give_up(big):
    """A client that goes away in the middle of 50 MB leaves nothing behind while others are served."""
    part = stuff(BIG[:20_000_000])

    def quitter():
        c = Smtp(big.port["smtp"], timeout=120)
        c.envelope("quitter@client.test", big.address("smtps"))
        c.command("DATA", 354)
        c.send(part)
        c.close()

    before = set(files_of(big))
    threads = [threading.Thread(target=quitter) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    wait_for("the spool files to go", lambda: set(files_of(big)) <= before)
    c = Imap(big.port["imap"], big.address("smtps"))
    n = c.select(command="EXAMINE")
    c.logout()
    assert n <= 1
    assert "quitter" not in big.tool("queue").stdout


def files_of(server):
    """Files that a reception could have left, larger than any bookkeeping."""
    for top, _, names in os.walk(server.data):
        for n in names:
            f = os.path.join(top, n)
            try:
                if not top.endswith("logs") and ".jnl" not in n and os.path.getsize(f) > 1_000_000:
                    yield f
            except OSError:
                pass
