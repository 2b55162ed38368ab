"""Commands that are run on mail: verdicts, what they are told, their bounds, and the process that runs them."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest

from conftest import ensure_user, wait_for
from corpus import below_trace
from test_basics import message_count
from wire import Imap, Smtp, stuff

BODY = b"From: a@example.test\r\nTo: bob@example.test\r\nSubject: first\r\nX-Old: 1\r\n\r\nHello\r\n.dot\r\nend\r\n"
LATER = "4.7.1 Service not available, try again later"
NEVER = "5.7.1 Message cannot be accepted, rules rejection"


class World:
    """Servers with a directory of commands; scripts are those of a shell."""

    def __init__(self, make_server):
        self.make_server = make_server
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ph-commands-", dir="/var/tmp"))
        self.dir.chmod(0o755)
        self.out = self.dir / "out"  # where scripts leave notes
        self.out.mkdir()
        self.out.chmod(0o777)

    def script(self, name, text, interpreter="/bin/sh"):
        f = self.dir / name
        f.write_text(f"#!{interpreter}\n{text}\n")
        f.chmod(0o755)

    def serve(self, commands, settings=None, **kw):
        if os.geteuid() == 0:
            ensure_user("posthorn-command")
        return self.make_server(settings={"smtp.commands": commands, **(settings or {})}, env={"POSTHORN_COMMANDS": str(self.dir)}, **kw)

    def note(self, name):
        f = self.out / name
        return f.read_text().split() if f.exists() else []


@pytest.fixture
def world(make_server):
    w = World(make_server)
    yield w
    shutil.rmtree(w.dir, ignore_errors=True)


def newest(server, user="bob"):
    c = Imap(server.port["imap"], server.address(user))
    wait_for("the message", lambda: c.select(command="EXAMINE") > 0)
    text = c.fetch_literal(c.select(command="EXAMINE"))
    c.logout()
    return text


def answer(server, body=BODY, sender="someone@elsewhere.test", to=("bob@example.test",)):
    """What the end of the content is answered with: (code, text)."""
    with Smtp(server.port["smtp"]) as c:
        c.envelope(sender, *to)
        c.command("DATA", 354)
        c.send(stuff(body) + b".\r\n")
        code, texts = c.reply()
        c.command("QUIT", 221)
    return code, texts[0]


def logged(server, text):
    return wait_for(f"a line with '{text}'", lambda: [l for l in server.log_text("s").splitlines() if text in l])


def alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_what_it_is_told_and_what_it_may_do(world):
    world.script("tell", 'env | sort > "$OUT/env"; id -u > "$OUT/uid"; cat > "$OUT/message"; ls /proc/self/fd > "$OUT/fds"\n'
                 'printf "posthorn 1\\nadd-header X-Score: 7.3\\nset-header Subject: [L] Grüße\\nremove-header X-Old\\n"'.replace("$OUT", str(world.out)))
    s = world.serve("tell")
    assert answer(s)[0] == 250
    got = newest(s)
    head, body = below_trace(got).split(b"\r\n\r\n", 1)
    assert body == BODY.split(b"\r\n\r\n", 1)[1]
    assert b"X-Score: 7.3" in head and b"X-Old" not in head and head.count(b"Subject:") == 1 and b"=?utf-8?" in head.lower()
    env = dict(l.split("=", 1) for l in (world.out / "env").read_text().splitlines())
    assert env["POSTHORN_SENDER"] == "someone@elsewhere.test" and env["POSTHORN_RECIPIENTS"] == "bob@example.test"
    assert env["POSTHORN_RECIPIENT_COUNT"] == "1" and env["POSTHORN_CLIENT_ADDRESS"] == "127.0.0.1"
    assert env["POSTHORN_CLIENT_HELO"] == "client.test" and env["POSTHORN_SERVICE"] == "smtp" and env["POSTHORN_USER"] == ""
    assert env["POSTHORN_SERVER"] == "mail.example.test" and env["POSTHORN_MESSAGE_ID"] in got.decode()
    assert not {k for k in env if not k.startswith("POSTHORN_")} - {"PATH", "LANG", "HOME", "PWD", "SHLVL", "_", "OLDPWD"}
    assert "POSTHORN_MODULE" not in env and "POSTHORN_RUNNER" not in env
    seen = (world.out / "message").read_bytes()
    assert seen.endswith(BODY) and b"Received: from client.test" in seen and int(env["POSTHORN_MESSAGE_SIZE"]) == len(seen)
    assert set(world.note("fds")) <= {"0", "1", "2", "3"}  # 3: the directory that ls reads
    if os.geteuid() == 0:
        uid = int(world.note("uid")[0])
        assert uid not in (0, s.data.stat().st_uid)
    logged(s, "Command tell changed the header, after")


@pytest.mark.parametrize("text,option,code,said", [
    ("exit 100", "", 554, NEVER), ("exit 75", "", 451, LATER),
    ("printf 'posthorn 1\\nreply 550 5.7.9 Not this\\n'; exit 100", "", 550, "5.7.9 Not this"),
    ("printf 'posthorn 1\\nreply 452 4.2.9 Not now\\n'; exit 75", "", 452, "4.2.9 Not now"),
    ("echo 'stdin: Eicar FOUND'; exit 1", "|exit=1:reject", 554, NEVER),
    ("exit 1", "", 451, LATER), ("exit 1", "|failure=reject", 554, NEVER), ("exit 1", "|failure=accept", 250, "2.6.0"),
    ("printf 'posthorn 1\\nreply 450 4.2.9 Not now\\n'; exit 100", "", 451, LATER),
    ("printf 'posthorn 1\\nwhat is this\\n'", "", 451, LATER),
    ("kill -SEGV $$", "", 451, LATER), ("kill -SEGV $$", "|failure=accept", 250, "2.6.0"),
    ("exec yes", "", 451, LATER), ("sleep 1000", "|timeout=1s", 451, LATER),
    ("head -c 70000 /dev/zero", "|failure=accept", 250, "2.6.0"),
])
def test_verdicts(world, text, option, code, said):
    world.script("judge", text)
    s = world.serve("judge" + option)
    got = answer(s)
    assert got[0] == code and got[1].startswith(said), got
    if code == 250:
        newest(s)
    else:
        assert message_count(s, "bob") == 0
    if "FOUND" in text:
        logged(s, "Command judge refused the message after")
        assert [l for l in logged(s, "Command judge refused") if "stdin: Eicar FOUND" in l]
    elif "exit 100" not in text and "exit 75" not in text:
        logged(s, "Command judge failed after")


def test_hold_and_discard(world):
    world.script("hold", "echo 'posthorn 1'; echo 'reason looks odd'; echo 'add-header X-Held: yes'; exit 3")
    world.script("drop", '[ "$POSTHORN_SENDER" = drop@elsewhere.test ] && exit 99; exit 0')
    s = world.serve("drop;hold|exit=3:hold")
    assert answer(s, sender="drop@elsewhere.test")[0] == 250
    logged(s, "Command drop had the message dropped")
    assert answer(s)[0] == 250
    logged(s, "Command hold holds the message: looks odd")
    item = wait_for("the held message", lambda: [q for q in s.tool_json("queue")["rows"] if q["state"] == "held"])[0]
    s.tool("queue", "release", item["id"])
    assert b"X-Held: yes" in newest(s)
    assert message_count(s, "bob") == 1


def test_each_sees_what_those_before_made(world):
    world.script("one", 'echo "posthorn 1"; echo "add-header X-One: yes"')
    world.script("two", 'grep -q "^X-One: yes" && echo "posthorn 1" && echo "add-header X-Two: yes"')
    s = world.serve("one;two")
    assert answer(s)[0] == 250
    assert b"X-Two: yes\r\nX-One: yes\r\n" in newest(s)


def test_large_messages_and_who_does_not_read(world):
    """A message that is in a file, and one that nobody reads."""
    world.script("count", f'wc -c > {world.out}/size; echo "posthorn 1"; echo "add-header X-Seen: yes"')
    world.script("ignore", "exit 0")
    s = world.serve("ignore;count|timeout=5m")
    body = BODY + b"x" * 70 + b"\r\n"
    body += (b"y" * 70 + b"\r\n") * (10_000_000 // 72)
    assert answer(s, body)[0] == 250
    got = newest(s)
    assert below_trace(got).endswith(body[-1000:]) and b"X-Seen: yes" in got
    assert int(world.note("size")[0]) >= len(body)


def test_who_is_asked_about(world):
    world.script("no", "exit 100")
    s = world.serve("no|services=smtp|except=authenticated")
    assert answer(s)[0] == 554
    with Smtp(s.port["submission"]) as c:
        c.starttls()
        c.login("alice@example.test")
        c.envelope("alice@example.test", "bob@example.test")
        c.data(BODY)
        c.quit()
    newest(s)


def test_nothing_is_left_of_a_command(world):
    """Children in sessions and groups of their own end with the run, at its deadline and after its end."""
    world.script("breed", f'''
: > {world.out}/pids
setsid sh -c 'echo $$ >> {world.out}/pids; exec sleep 1000' &
(setsid sh -c 'echo $$ >> {world.out}/pids; trap "" TERM HUP; sleep 1000; sleep 1000' &) &
while [ "$(wc -l < {world.out}/pids)" -lt 2 ]; do sleep 0.1; done
[ "$POSTHORN_SENDER" = hang@elsewhere.test ] && sleep 1000
exit 0''')
    s = world.serve("breed|timeout=10s")
    assert answer(s)[0] == 250
    pids = world.note("pids")
    assert len(pids) == 2
    wait_for("their end", lambda: not any(alive(p) for p in pids))
    (world.out / "pids").unlink()
    assert answer(s, sender="hang@elsewhere.test") == (451, LATER)
    pids = world.note("pids")
    wait_for("their end", lambda: not any(alive(p) for p in pids))


def test_bounds(world):
    """Memory, and no way to become somebody else or to open many files."""
    world.script("memory", "x = 'x' * (300 * 1024 * 1024)", "/usr/bin/python3")
    world.script("limits", f"ulimit -n > {world.out}/files; grep NoNewPrivs /proc/self/status > {world.out}/privs; ulimit -c > {world.out}/core")
    s = world.serve("limits;memory|memory=128MiB")
    assert answer(s) == (451, LATER)
    assert [l for l in logged(s, "Command memory failed") if "MemoryError" in l or "status 1" in l]
    assert world.note("files") == ["1024"] and world.note("privs") == ["NoNewPrivs:", "1"] and world.note("core") == ["0"]


def test_what_may_not_be_run(world):
    world.script("mine", "exit 0")
    (world.dir / "mine").chmod(0o775)
    world.script("plain", "exit 0")
    (world.dir / "plain").chmod(0o644)
    s = world.serve("mine|failure=accept;absent|failure=accept;plain|failure=accept")
    assert answer(s)[0] == 250
    logged(s, "Command mine failed after")
    text = "\n".join(logged(s, "failed after"))
    assert "only root may write" in text and "No such file" in text
    logged(s, "cannot be run: Permission denied")
    for bad in ("/bin/sh", "../../bin/sh", "sh -c id", "x|exit=1", "x|memory=1KiB"):
        r = s.tool("set", "smtp.commands", bad, check=False)
        assert r.returncode != 0 and "smtp.commands" in r.stderr, bad


def test_the_runner_is_killed(world):
    """Mail meanwhile is refused for now, the commands that ran end, and the next mail is judged again."""
    world.script("wait", f'[ "$POSTHORN_SENDER" = wait@elsewhere.test ] || exit 0; echo $$ > {world.out}/pid; exec sleep 1000')
    s = world.serve("wait")
    got = []
    t = threading.Thread(target=lambda: got.append(answer(s, sender="wait@elsewhere.test")))
    t.start()
    pid = wait_for("the command", lambda: world.note("pid"))[0]
    first = s.kill("commands")
    t.join()
    assert got == [(451, LATER)]
    wait_for("the end of the command", lambda: not alive(pid))
    logged(s, "the process that runs commands has ended meanwhile")
    assert wait_for("another", lambda: s.pids().get("commands")) != first
    assert answer(s)[0] == 250
    newest(s)
    assert message_count(s, "bob") == 1 and s.pids()["smtp"]


def test_smtp_is_killed(world):
    """Commands that it has asked for end; the process that runs them goes on, for the next smtp."""
    world.script("wait", f'[ "$POSTHORN_SENDER" = wait@elsewhere.test ] || exit 100; echo $$ > {world.out}/pid; exec sleep 1000')
    s = world.serve("wait")
    t = threading.Thread(target=_answer_or_end, args=(s, "wait@elsewhere.test"))
    t.start()
    pid = wait_for("the command", lambda: world.note("pid"))[0]
    runner = s.pids()["commands"]
    first = s.kill("smtp")
    t.join()
    wait_for("the end of the command", lambda: not alive(pid))
    assert wait_for("another", lambda: s.pids().get("smtp")) != first
    assert answer(s) == (554, NEVER)
    assert s.pids()["commands"] == runner


def test_what_the_runner_has(world):
    """No file of the server's, no rights, no way to get any."""
    world.script("no", "exit 100")
    s = world.serve("no")
    assert answer(s) == (554, NEVER)
    proc = pathlib.Path(f"/proc/{s.pids()['commands']}")
    status = dict(l.split(":", 1) for l in (proc / "status").read_text().splitlines())
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
    if os.geteuid() == 0:
        uids = set(status["Uid"].split())
        assert len(uids) == 1 and not uids & {"0", str(s.data.stat().st_uid)}
        assert {int(status[c], 16) for c in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
        links = {f.name: os.readlink(f) for f in (proc / "fd").iterdir() if int(f.name) > 2}
        assert not {n: l for n, l in links.items() if not l.startswith(("socket:", "anon_inode:[signalfd]"))}
        assert len(links) == 3  # orders, the supervisor, signals


def test_it_comes_and_goes_with_the_setting(world):
    world.script("no", "exit 100")
    s = world.serve("")
    assert "commands" not in s.pids()
    assert answer(s)[0] == 250
    s.tool("set", "smtp.commands", "no")
    assert answer(s) == (554, NEVER)
    assert "commands" in s.pids()
    s.tool("set", "smtp.commands", "")
    wait_for("its end", lambda: "commands" not in s.pids())
    assert answer(s)[0] == 250


def test_many_at_the_same_time(world):
    """20 messages, of which few run at a time; none is lost, each has its mark once."""
    world.script("mark", f'''mkdir {world.out}/$$; ls {world.out} | wc -l >> {world.out}.most; sleep 0.2; rmdir {world.out}/$$
echo "posthorn 1"; echo "add-header X-Mark: $POSTHORN_SENDER"''')
    most = pathlib.Path(f"{world.out}.most")
    most.touch()
    most.chmod(0o666)
    s = world.serve("mark|timeout=2m", settings={"smtp.commands_max": "4", "net.workers_slow": "20"})
    got = []

    def send(i):
        got.append(answer(s, sender=f"s{i}@elsewhere.test"))

    threads = [threading.Thread(target=send, args=(i,)) for i in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [g[0] for g in got] == [250] * 20, got
    c = Imap(s.port["imap"], "bob@example.test")
    wait_for("the messages", lambda: c.select(command="EXAMINE") == 20)
    marks = {m for i in range(1, 21) for m in c.fetch_literal(i).split(b"\r\n") if m.startswith(b"X-Mark: ")}
    c.logout()
    assert marks == {b"X-Mark: s%d@elsewhere.test" % i for i in range(20)}
    assert 1 <= max(int(n) for n in most.read_text().split()) <= 4


def test_the_server_stops_meanwhile(world):
    """It waits for no command: the client is told to come again."""
    world.script("hang", f"echo $$ > {world.out}/pid; exec sleep 1000")
    s = world.serve("hang|timeout=10m|failure=accept")
    got = []
    t = threading.Thread(target=lambda: got.append(_answer_or_end(s)))
    t.start()
    pid = wait_for("the command", lambda: world.note("pid"))[0]
    s.stop(signal.SIGTERM)
    t.join()
    assert got[0] in (451, None)
    wait_for("its end", lambda: not alive(pid))


def _answer_or_end(s, sender="someone@elsewhere.test"):
    try:
        return answer(s, sender=sender)[0]
    except Exception:  # the connection has ended first
        return None


GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@pytest.fixture
def spamd(world):
    """SpamAssassin's daemon, by loopback and without the network; its port."""
    if not shutil.which("spamd") or not shutil.which("spamc"):
        pytest.skip("needs spamd and spamc")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = world.dir / "spamd"
    home.mkdir()
    log = open(home / "log", "wb")
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    shutil.chown(home, "nobody") if user else None
    p = subprocess.Popen(["spamd", "-L", "-x", "-i", "127.0.0.1", "-p", str(port), "-m", "2", "-H", str(home), *user], stdout=log, stderr=log)

    def up():
        assert p.poll() is None, (home / "log").read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            return False

    wait_for("spamd", up, timeout=180)
    yield port
    p.terminate()
    p.wait(60)


def test_spamassassin(world, spamd):
    """The script of docs/commands.md with the real program."""
    world.script("spamcheck", f'''score=$(spamc -d 127.0.0.1 -p {spamd} -x -c)
case $? in 0) spam=no ;; 1) spam=yes ;; *) exit 1 ;; esac
echo "posthorn 1"
echo "add-header X-Spam-Flag: $spam"
echo "add-header X-Spam-Score: ${{score%/*}}"
echo "reason score $score"
[ "${{score%%.*}}" -ge 15 ] && exit 100
exit 0''')
    s = world.serve("spamcheck|timeout=3m")
    assert answer(s, BODY + GTUBE + b"\r\n") == (554, NEVER)
    assert [l for l in logged(s, "Command spamcheck refused") if "score 1" in l]
    assert answer(s)[0] == 250
    got = newest(s)
    assert b"X-Spam-Flag: no" in got and b"X-Spam-Score: " in got
    s.tool("set", "smtp.commands", "spamcheck|failure=accept")
    world.script("spamcheck", "spamc -d 127.0.0.1 -p 1 -x -c; exit $?")  # nobody listens there
    assert answer(s)[0] == 250
    logged(s, "Command spamcheck failed after")
