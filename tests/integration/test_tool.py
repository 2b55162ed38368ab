"""`posthorn tool`: with a server and without one, batches, refusals, secrets, what it shows of the server at work."""
import fcntl
import json
import os
import pwd
import re
import smtplib
import stat
import subprocess

import pytest
from conftest import BIN, TOP, wait_for
from test_basics import imap, send


@pytest.fixture
def offline(make_server):
    return make_server(start=False)


@pytest.fixture(params=["offline", "online"])
def either(request, make_server):
    """The same commands work on the database itself and through the running server."""
    return make_server(start=request.param == "online")


def refused(server, *words, code=1, **kw):
    r = server.tool(*words, check=False, **kw)
    assert r.returncode == code, (words, r)
    assert r.stdout == ""
    assert r.stderr.startswith("posthorn tool: ") and r.stderr.count("\n") == 1, r.stderr
    return r.stderr


def test_domains_accounts_aliases(either):
    t = either.tool
    t("create", "domain", "other.test", "quota=10MiB")
    t("create", "account", "dora@other.test", "password=a good secret", "name=Dora D", "aliases=dd;d.d")
    assert "dora@other.test" in t("list", "accounts", "other.test").stdout
    shown = t("show", "account", "dora@other.test").stdout
    assert "Dora D" in shown and "dd@other.test;d.d@other.test" in shown and "0 in 0 messages" in shown
    t("change", "account", "dora@other.test", "enabled=no")
    assert "enabled:  no" in t("show", "account", "dora@other.test").stdout
    t("create", "alias", "all@other.test", "targets=dora@other.test;someone@elsewhere.test")
    assert "dora@other.test;someone@elsewhere.test" in t("list", "aliases").stdout
    t("change", "alias", "all@other.test", "targets=dora@other.test")
    t("delete", "alias", "all@other.test")
    assert "all@other.test" not in t("list", "aliases", "other.test").stdout
    password = t("create", "app-password", "dora@other.test", "phone").stdout.strip()
    assert len(password) >= 16
    assert password not in t("audit").stdout + t("list", "app-passwords", "dora@other.test").stdout
    t("delete", "app-password", "dora@other.test", "phone")
    assert t("verify", "mailbox", "dora@other.test").stdout == "no faults\n"
    assert "other.test" in refused(either, "delete", "domain", "other.test")
    t("delete", "domain", "other.test", "with_accounts=yes")
    assert "other.test" not in t("list", "domains").stdout


def test_refusals_name_thing_value_and_remedy(either):
    for words, parts in [
        (("set", "smtp.max_recipients", "0"), ("smtp.max_recipients", "'0'", "1", "100000")),
        (("set", "smtp.max_recipients", "many"), ("smtp.max_recipients", "'many'")),
        (("set", "log.smtp", "loud"), ("log.smtp", "'loud'", "none", "extended")),
        (("set", "smtp.max_recipient", "1"), ("'smtp.max_recipient'", "smtp.max_recipients")),
        (("get", "nothing"), ("'nothing'", "posthorn tool list")),
        (("create", "domain", "not a domain"), ("'not a domain'",)),
        (("create", "domain", "example.test"), ("example.test", "exists")),
        (("create", "domain", "x.test", "unknown=bounce"), ("'bounce'", "reject")),
        (("create", "account", "x@none.test"), ("none.test",)),
        (("create", "account", "x@example.test", "password=short"), ("password", "8")),
        (("create", "account", "x@example.test", "quota=lots"), ("quota", "'lots'", "MiB")),
        (("create", "account", "x@example.test", "pasword=long enough"), ("'pasword'", "password")),
        (("change", "account", "nobody@example.test", "name=x"), ("nobody@example.test",)),
        (("delete", "account", "alice@example.test", "keep_mail=si"), ("keep_mail", "'si'", "yes, no")),
        (("create", "alias", "x@example.test", "targets=no address"), ("'no address'",)),
        (("verify", "mailbox", "nobody@example.test"), ("nobody@example.test",)),
        (("audit", "all"), ("limit", "'all'", "number")),
    ]:
        text = refused(either, *words)
        for p in parts:
            assert p in text, (words, text)
    for words, part in [
        (("frobnicate",), "unknown command 'frobnicate'; `posthorn tool help`"),
        (("set", "smtp.vrfy"), "usage: posthorn tool set NAME VALUE"),
        (("create", "account", "x@example.test", "password"), "key=value"),
        (("batch",), "usage: posthorn tool batch FILE"),
    ]:
        assert part in refused(either, *words, code=2)
    r = either.tool("--frob", check=False)
    assert r.returncode == 2 and "--frob" in r.stderr and "posthorn tool help" in r.stderr


def test_the_seeds_spelling(either):
    either.tool("set", "system", "c_system_adv_protocols_sessiontimeout", "200s")
    assert either.tool("get", "system", "c_system_adv_protocols_sessiontimeout").stdout.strip() in ("200s", "200")
    assert either.tool("get", "net.session_timeout").stdout.strip() in ("200s", "200")
    described = either.tool("describe", "net.session_timeout").stdout
    assert "API variable: c_system_adv_protocols_sessiontimeout" in described and "from 1000 to" in described
    either.tool("reset", "net.session_timeout")
    assert "changed" not in either.tool("list", "net.session_timeout").stdout


# Variables of the administration interface that people know, our setting, a value other than the default.
VARIABLES = [
    ("c_system_services_smtp_altport", "smtp.altport", "366"),
    ("C_Mail_SMTP_Delivery_MessageSubmission", "smtp.submission_required", "yes"),
    ("C_Mail_Security_Protection_RejectMX", "smtp.reject_unknown_domain", "yes"),
    ("C_Mail_Security_Protection_RejectrDNS", "smtp.reject_no_rdns", "yes"),
    ("C_Mail_SMTP_Other_FullMailboxPermanentError", "smtp.full_mailbox_permanent", "yes"),
    ("C_System_Services_Firewall", "net.access_mode", "deny"),
    ("c_mail_smtp_general_parallelipconnectionslimit", "smtp.parallel_per_ip", "7"),
    ("C_Mail_SMTP_Other_MaxHopCount", "smtp.max_hops", "17"),
    ("C_Mail_SMTP_Other_SPFSRSNDRVerify", "smtp.srs_verify", "no"),
    ("c_system_adv_protocols_sessiontimeout", "net.session_timeout", "310s"),
    ("C_System_Logging_General_SystemLogFunction", "log.syslog", "yes"),
    ("c_system_log_maxlogsize", "log.max_line", "4KiB"),
]


def test_every_known_variable(either):
    known = {r["api_variable"]: r["name"] for r in either.tool_json("list")["rows"] if r.get("api_variable")}
    assert known == {v: n for v, n, _ in VARIABLES}
    for variable, name, value in VARIABLES:
        before = either.tool("get", "system", variable).stdout
        either.tool("set", "system", variable.upper(), value)
        assert either.tool("get", "system", variable.lower()).stdout.strip() == value
        assert either.tool("get", name).stdout.strip() == value != before.strip()
        either.tool("reset", "system", variable)
        assert either.tool("get", name).stdout == before


def test_variables_of_accounts(either):
    """api.var.fwdolder: the name that people know, and the field's own."""
    bob = "bob@example.test"
    assert either.tool("get", "account", bob, "u_forwardolderdays").stdout == "0\n"
    either.tool("set", "account", bob, "U_ForwardOlderDays", "20")
    for name in ("u_forwardolderdays", "forward_older_days"):
        assert either.tool("get", "account", bob, name).stdout == "20\n"
    assert "36500" in refused(either, "set", "account", bob, "u_forwardolderdays", "40000")
    assert "u_forwardolder'" in refused(either, "get", "account", bob, "u_forwardolder")
    assert "u_forwardolder'" in refused(either, "set", "account", bob, "u_forwardolder", "1")
    assert "nobody@example.test" in refused(either, "get", "account", "nobody@example.test", "u_forwardolderdays")
    assert "forward_older_days" in either.tool("audit").stdout
    either.tool("set", "account", bob, "u_forwardolderdays", "0")
    assert either.tool("get", "account", bob, "u_forwardolderdays").stdout == "0\n"


def test_json(either):
    rows = either.tool_json("list", "accounts")["rows"]
    assert [r["address"] for r in rows] == [f"{u}@example.test" for u in ("alice", "bob", "carol")]
    r = either.tool("--json", "get", "nothing", check=False)
    assert r.returncode == 1 and json.loads(r.stdout)["error"]["code"] < 0
    assert "posthorn tool: " in r.stderr


def test_batch(either, tmp_path):
    f = tmp_path / "batch.txt"
    f.write_bytes(b"\xef\xbb\xbf# accounts\r\ncreate account \"erik@example.test\" \"name=Erik \\\"E\\\"\" password={PLAIN}x\r\n\n"
                  b"set smtp.max_recipients 0\n"
                  b"create account fred@example.test\n"
                  b"create account \"open\n"
                  b"nonsense\n"
                  b"create account gerd@example.test password=-\n"
                  b"create account hans@example.test name=\0\n"
                  b"create account ida@example.test name=" + b"x" * 70000 + b"\n"
                  b"get smtp.max_recipients")
    r = either.tool("batch", str(f), check=False)
    assert r.returncode == 1
    assert r.stdout.splitlines() == ["1000", "3 commands done, 6 refused"]
    lines = r.stderr.splitlines()
    assert [l.split(": ")[:2] for l in lines] == [[str(f), f"line {n}"] for n in (4, 6, 7, 8, 9, 10)]
    assert "smtp.max_recipients" in lines[0] and "quoted word" in lines[1] and "'nonsense'" in lines[2]
    assert "password" in lines[3] and "NUL" in lines[4] and "70" in lines[5]
    assert 'Erik "E"' in either.tool("show", "account", "erik@example.test").stdout
    r = either.tool("batch", "-", check=False, input="get smtp.vrfy\nget x\n")
    assert r.returncode == 1 and r.stderr.startswith("standard input: line 2: ")
    r = either.tool("--json", "batch", "-", check=False, input="get smtp.vrfy\nget x\n")
    assert [("ok" in json.loads(l)) for l in r.stdout.splitlines()] == [True, False]
    r = either.tool("batch", str(tmp_path / "none"), check=False)
    assert r.returncode == 1 and "No such file" in r.stderr


def test_passwords_are_read_and_never_shown(either):
    secret = "Sehr geheim 123"
    r = either.tool("create", "account", "kim@example.test", "password=-", input=secret + "\n")
    assert secret not in r.stdout + r.stderr
    assert "standard input has none" in refused(either, "create", "account", "lea@example.test", "password=-", input="", code=2)
    assert "UTF-8" in refused(either, "create", "account", "lea@example.test", "password=-", input="\udcff\n", code=2,
                              errors="surrogateescape")
    either.tool("change", "account", "kim@example.test", f"password={secret}2")
    shown = "".join(either.tool(*w).stdout for w in (("audit",), ("--json", "audit"), ("show", "account", "kim@example.test"),
                                                     ("--json", "show", "account", "kim@example.test")))
    assert secret not in shown and "password" in shown
    for f in either.data.rglob("*.log"):
        assert secret not in f.read_text(errors="replace"), f


def test_help_and_version():
    r = subprocess.run([BIN, "tool", "help"], capture_output=True, text=True, check=True)
    for word in ("create alias", "verify mailbox", "queue retry", "batch FILE", "sessions kill", "--json"):
        assert word in r.stdout
    assert subprocess.run([BIN, "tool"], capture_output=True).returncode == 2
    assert subprocess.run([BIN, "--version"], capture_output=True, text=True).stdout.startswith("posthorn ")
    r = subprocess.run([BIN, "frob"], capture_output=True, text=True)
    assert r.returncode == 2 and "unknown command 'frob'" in r.stderr
    r = subprocess.run([BIN, "serve", "extra"], capture_output=True, text=True)
    assert r.returncode == 2 and "unexpected argument 'extra'" in r.stderr
    r = subprocess.run([BIN, "module", "smtp"], capture_output=True, text=True)
    assert r.returncode == 1 and "started by `posthorn serve`" in r.stderr
    assert subprocess.run([BIN, "module", "none"], capture_output=True).returncode == 2


def manual(name):
    """Synopsis -> the text of its entry, from the source of a manual page."""
    out, now = {}, None
    for line in (TOP / "packaging/man" / name).read_text().splitlines():
        if line.startswith(".It Cm "):
            now = " ".join(w for w in line[4:].split() if w not in ("Cm", "Ar"))
            now = now.replace("Op key Ns = Ns value ...", "[key=value ...]")
            now = re.sub(r"Op (\w+)", r"[\1]", now)
            out[now] = ""
        elif line.startswith((".El", ".S")):
            now = None
        elif now:
            out[now] += line + "\n"
    return out


def test_the_manual_has_every_command(offline):
    """What `help` lists and the manual lists are the same, and the manual names every key of every command."""
    told = re.findall(r"^  (\S.*?) {2,}\S|^  (\S.{41}\S*) ", subprocess.run([BIN, "tool", "help"], capture_output=True, text=True).stdout, re.M)
    commands = {re.sub(r"[A-Z]+", lambda w: w[0].lower(), (a or b).strip()) for a, b in told}
    pages = manual("posthorn-tool.8")
    assert len(commands) > 30
    assert commands | {"help"} == set(pages)
    operations = {r["op"]: r["args"] for r in offline.tool_json("list", "operations")["rows"]}
    keys = {"create domain": "domain.create", "remote create": "remote.create", "delete domain": "domain.delete", "create account": "account.create",
            "delete account": "account.delete", "create alias": "alias.set", "change alias": "alias.set", "change members": "member.change", "import members": "member.set", "verify mailbox": "mailbox.verify",
            "trace": "message.trace", "why": "message.why", "create token": "token.create", "dns name": "dns.lookup", "service start": "service.start", "service stop": "service.stop",
            "queue hold": "queue.hold", "queue pause": "queue.pause", "events": "event.list", "dns test": "dns.test", "route create": "route.create",
            "create pattern": "pattern.set", "change pattern": "pattern.set",
            "archive list": "archive.list", "queue mailbox address": "queue.mailbox", "queue [filter]": "queue.list", "sms send": "sms.send", "sms test": "sms.test", "secure adapted": "secure.adapted",
            **{f"senders {verb}": f"sender.{verb}" for verb in ("deny", "allow", "remove")},
            **{f"filter {verb}": f"filter.{verb}" for verb in ("show", "put", "enable", "delete", "move", "test")}}
    for words, op in keys.items():
        entry, = (t for s, t in pages.items() if s.startswith(words + " "))
        for key in operations[op].split()[1:]:
            assert re.search(rf"\b{key.strip('[]')}\b", entry), (words, key)
    same = {s for s in commands if s.endswith("[key=value ...]") and not any(s.startswith(w + " ") for w in keys)}
    assert same == {"remote change address id [key=value ...]", "route change pattern [key=value ...]", "change domain domain [key=value ...]", "change account address [key=value ...]", "queue resume [key=value ...]",
                    "queue priority priority [id] [key=value ...]",
                    *(f"queue {verb} [id] [key=value ...]" for verb in ("release", "retry", "bounce", "delete", "allow-sender", "deny-sender"))}
    assert all("The same keys" in pages[s] for s in same)
    for page in (TOP / "packaging/man").glob("*.8"):
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
        assert lint.returncode == 0, lint.stdout


def test_the_manual_has_every_option():
    page = (TOP / "packaging/man/posthorn.8").read_text()
    told = subprocess.run([BIN, "--help"], capture_output=True, text=True).stdout
    for option in set(re.findall(r"--([a-z]+)", told)):
        assert f"Fl Fl {option}" in page, option


def test_without_a_server(offline):
    for words in (("sessions",), ("queue",), ("stats",), ("queue", "retry"), ("reload",), ("sessions", "kill", "1A")):
        assert "the server is not running; start it with `posthorn serve`" in refused(offline, *words)


def test_offline_files_belong_to_the_server(offline):
    if os.geteuid():
        pytest.skip("needs root")
    uid = pwd.getpwnam(offline.user).pw_uid
    for p in offline.data.rglob("*"):
        assert p.lstat().st_uid == uid, p
        assert not p.lstat().st_mode & stat.S_IRWXO, p


def test_two_tools_at_once(offline):
    """Offline tools take turns or say why not; none damages anything."""
    procs = [subprocess.Popen([BIN, "tool", *offline.args(), "create", "account", f"many{i}@example.test"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=offline.env) for i in range(8)]
    done = 0
    for p in procs:
        out, err = p.communicate(timeout=60)
        done += p.returncode == 0
        assert p.returncode == 0 or "try again" in err, err
    assert done >= 1
    rows = offline.tool_json("list", "accounts")["rows"]
    assert sum(r["address"].startswith("many") for r in rows) == done


def test_a_server_that_just_starts_or_ends_is_waited_for(make_server):
    """While somebody has the data and nobody answers, the tool waits instead of failing."""
    s = make_server(start=False)
    lock = os.open(s.data / "run/lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    tool = subprocess.Popen([BIN, "tool", *s.args(), "list", "domains"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with pytest.raises(subprocess.TimeoutExpired):
        tool.wait(1)
    os.close(lock)
    assert "example.test" in tool.communicate(timeout=60)[0] and tool.returncode == 0
    # A server takes the lock long before it answers.
    server = subprocess.Popen([BIN, "serve", *s.args(), "--quiet"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    s.proc = server
    wait_for("the server has the data", lambda: str(server.pid) in [l.split()[4] for l in open("/proc/locks") if "FLOCK" in l])
    for _ in range(20):
        assert "example.test" in s.tool("list", "domains").stdout
    wait_for("the server", lambda: s.tool("sessions", check=False).returncode == 0)


def test_empty_states(make_server):
    s = make_server(users=())
    assert s.tool("queue").stdout == "the queue is empty\n"
    wait_for("the probes of the start are gone", lambda: s.tool("sessions").stdout == "no sessions\n")
    assert "create account" in s.tool("list", "accounts").stdout
    stats = {r["name"]: r["value"] for r in s.tool_json("stats")["rows"]}
    assert len(stats) > 20 and stats["smtp_messages_in"] == 0
    assert s.tool("stats").stdout.count("\n") == len(stats)
    s.tool("delete", "domain", "example.test")
    assert "create domain" in s.tool("list", "domains").stdout


def test_sessions_and_stats(server):
    c = imap(server, "alice")
    rows = server.tool_json("sessions", server.address("alice"))["rows"]
    assert len(rows) == 1 and rows[0]["service"] == "imap" and rows[0]["tls"] is False
    shown = server.tool("sessions", "alice").stdout.splitlines()
    assert shown[0].split()[:3] == ["SESSION", "SERVICE", "PEER"] and rows[0]["id"] in shown[1]
    assert server.tool("sessions", "nobody").stdout == "no sessions\n"
    for bad in ("xyz", "-1", "0x10", ""):
        assert "is not a session id" in refused(server, "sessions", "kill", bad)
    assert "no session 'FFFFFFFF'" in refused(server, "sessions", "kill", "FFFFFFFF")
    server.tool("sessions", "kill", rows[0]["id"])
    wait_for("the session is gone", lambda: not server.tool_json("sessions", "alice")["rows"])
    c.shutdown()
    before = {r["name"]: r["value"] for r in server.tool_json("stats")["rows"]}
    send(server, "carol")
    wait_for("counted", lambda: {r["name"]: r["value"] for r in server.tool_json("stats")["rows"]}["smtp_messages_in"] ==
             before["smtp_messages_in"] + 1)


def test_queue_commands(make_server):
    """A message to a domain that cannot be reached waits; it is shown, tried and deleted."""
    s = make_server(settings={"dns.servers": "127.0.0.1@9", "dns.timeout": "200ms"})
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60) as c:
        c.ehlo("client.test")
        c.sendmail("alice@example.test", ["x@unreachable.test"], b"Subject: waits\r\n\r\nbody\r\n")
    row = wait_for("tried once", lambda: [r for r in s.tool_json("queue")["rows"] if r["attempts"] >= 1])[0]
    assert row["recipient"] == "x@unreachable.test" and row["waiting"] == 1 and row["next_try_ms"] > row["received_ms"]
    shown = s.tool("queue").stdout
    assert row["id"] in shown and "x@unreachable.test" in shown
    assert s.tool("queue", "nomatch").stdout == "the queue is empty\n"
    view = s.tool("queue", "view", row["id"]).stdout
    assert view.endswith("Subject: waits\n\nbody\n") or "Subject: waits" in view
    s.tool("queue", "retry", row["id"])
    wait_for("tried again", lambda: s.tool_json("queue")["rows"][0]["attempts"] >= 2)
    s.tool("queue", "retry")
    for words in (("queue", "retry", "NONE0001"), ("queue", "delete", "NONE0001"), ("queue", "view", "NONE0001")):
        assert "'NONE0001'" in refused(s, *words)
    s.tool("queue", "delete", row["id"])
    wait_for("the end of an attempt that may run", lambda: s.tool("queue").stdout == "the queue is empty\n")


def test_reload(server):
    server.tool("reload")
    assert server.tool("list", "domains").stdout
