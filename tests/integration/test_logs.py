"""The settings of the text logs (room log): levels, rotation, deletion and archive, directory, cache, the system log."""
import http.client
import json
import re
import shutil
import smtplib
import ssl
import subprocess
import time
import urllib.parse

import pytest
from conftest import PASSWORD, wait_for
from scram import Scram
from wire import Imap, Smtp, insecure_tls

LEVELS = ("none", "summary", "debug", "extended")


@pytest.fixture(scope="module")
def server(make_module_server):
    return make_module_server(settings={"auth.failure_delay": "0s"})


def mail(server, marker, to="alice"):
    """One message, whose sender has the marker."""
    with Smtp(server.port["smtp"]) as c:
        c.envelope(f"{marker}@elsewhere.test", server.address(to))
        c.data(b"Subject: x\r\n\r\ntext\r\n")
        c.quit()


def marked(server, letter, marker):
    """Lines of the session that says marker."""
    lines = server.log_text(letter).splitlines()
    ids = {m.group() for line in lines if marker in line and (m := re.search(r"\[[0-9A-F]{4}\]", line))}
    return [line for line in lines if any(i in line for i in ids)]


def sub_log(server, name):
    return "".join(f.read_text(errors="replace") for f in sorted((server.logs / name).glob("*.log")))


def refuse(server, token):
    """A request that the token's role does not allow."""
    c = http.client.HTTPConnection("127.0.0.1", server.port["http"], timeout=20)
    c.request("GET", "/api/v1/settings", headers={"Authorization": f"Bearer {token}"})
    assert c.getresponse().status == 403
    c.close()


# --- levels ---

def test_levels_of_a_service(server):
    """logcfg.levels: none, then one line a message, the dialogue, and more."""
    sizes = []
    for level in LEVELS:
        server.tool("set", "log.smtp", level)
        mail(server, f"level-{level}")
        server.tool("set", "log.smtp", "debug")
        mail(server, f"behind-{level}")
        wait_for("the log", lambda: f"behind-{level}" in server.log_text("s") and
                 [line for line in marked(server, "s", f"behind-{level}@") if line.endswith(" Disconnected")])
        lines = marked(server, "s", f"<level-{level}@") if level != "none" else []
        assert level != "none" or f"level-{level}" not in server.log_text("s")
        sizes.append(len(lines))
        assert sum(" *** " in line for line in lines) == (level != "none")
        assert any(f"<<< MAIL FROM:<level-{level}@" in line for line in lines) == (level in ("debug", "extended")), lines
    print(sizes)
    assert sizes[0] == 0 and sizes[1] == 1 < sizes[2] <= sizes[3]


@pytest.mark.parametrize("level,policy,failure,success", [("none", 0, 0, 0), ("summary", 1, 1, 0), ("debug", 1, 1, 1),
                                                          ("extended", 1, 1, 1)])
def test_levels_of_authentication(server, level, policy, failure, success):
    """logcfg.auth, log.auth.*: policy and failures at summary, all attempts above; the name as typed unless it was right."""
    server.tool("set", "log.auth", level)
    before = sub_log(server, "auth")
    for password in ("wrong", PASSWORD):
        with Imap(server.port["imap"]) as c:
            c.command(f"LOGIN alice {password}", "OK" if password == PASSWORD else "NO")
            c.logout()
    server.tool("set", "log.auth", "extended")
    with Imap(server.port["imap"], "carol") as c:
        c.logout()
    text = wait_for("the log", lambda: (t := sub_log(server, "auth")[len(before):]) if
                    "User=carol@" in sub_log(server, "auth")[len(before):] else None)
    assert ("increased failed login count to 1, user=" in text) == bool(policy)
    assert ("cleared failed login count, user=" in text) == bool(policy)
    assert len(re.findall(r"Authentication \[IMAP\] - Result=0, User=alice, Method=0\n", text)) == failure
    assert len(re.findall(r"Authentication \[IMAP\] - Result=1, User=alice@example.test, Method=0\n", text)) == success
    assert all(re.match(r"127\.0\.0\.1 {7}\[[0-9A-F]{4}\] \d\d:\d\d:\d\d:\d{3} ", line) for line in text.splitlines())


@pytest.mark.parametrize("level,changes,refused", [("none", 0, 0), ("summary", 1, 0), ("debug", 0, 1), ("extended", 1, 1)])
def test_levels_of_maintenance(server, level, changes, refused):
    """logcfg.maint: four levels, four sets of kinds."""
    before = sub_log(server, "maintenance")
    server.tool("set", "log.maintenance", level)
    server.tool("set", "smtp.max_recipients", {"none": "71", "summary": "72", "debug": "73", "extended": "74"}[level])
    token = server.tool("create", "token", server.address("bob"), f"maint-{level}").stdout.strip()
    refuse(server, token)
    server.tool("set", "log.maintenance", "extended")
    server.tool("set", "deliver.local_workers", "3")
    server.tool("reset", "deliver.local_workers")
    text = wait_for("the log", lambda: (t := sub_log(server, "maintenance")[len(before):]) if
                    sub_log(server, "maintenance")[len(before):].count("'deliver.local_workers' ") >= 2 else None)
    assert len(re.findall(r"\] \d\d:\d\d:\d\d 'smtp.max_recipients' updated '", text)) == changes, text
    assert len(re.findall(r"Access denied 'bob@example.test[^']*': GET /api/v1/settings\n", text)) == refused, text


def test_methods_of_authentication(server):
    """log.auth.methods, log.auth.api: the code of the mechanism; the API is called Control."""
    server.tool("set", "log.auth", "extended")
    server.tool("set", "auth.cram_md5", "yes")
    server.tool("set", "auth.digest_md5", "yes")
    before, user = sub_log(server, "auth"), server.address("bob")
    tls = insecure_tls()
    tls.maximum_version = ssl.TLSVersion.TLSv1_2  # Python computes no channel binding but that of TLS 1.2
    codes = {"PLAIN": 0, "LOGIN": 0, "CRAM-MD5": 2, "SCRAM-SHA-1": 8, "SCRAM-SHA-256": 9, "SCRAM-SHA-1-PLUS": 10, "SCRAM-SHA-256-PLUS": 11}
    for mechanism in codes:
        with smtplib.SMTP("127.0.0.1", server.port["submission"], timeout=60) as c:
            c.starttls(context=tls)
            c.ehlo("client.test")
            c.user, c.password = user, PASSWORD
            scram = Scram(mechanism, user, PASSWORD, c.sock.get_channel_binding() if mechanism.endswith("-PLUS") else None)
            answers = {"PLAIN": c.auth_plain, "LOGIN": c.auth_login, "CRAM-MD5": c.auth_cram_md5}
            c.auth(mechanism, answers.get(mechanism, scram.answer))
    subprocess.run(["curl", "-sS", "--fail", f"imap://127.0.0.1:{server.port['imap']}/", "--login-options", "AUTH=DIGEST-MD5", "-u", f"{user}:{PASSWORD}"],
                   check=True, timeout=60, capture_output=True)
    c = http.client.HTTPConnection("127.0.0.1", server.port["http"], timeout=20)
    c.request("POST", "/api/v1/login", json.dumps({"user": user, "password": PASSWORD}), {"Content-Type": "application/json"})
    assert c.getresponse().status == 200
    c.close()
    def lines():
        return re.findall(r"Authentication \[(\w+)\] - Result=1, User=bob@example.test, Method=(\d+)\n",
                          sub_log(server, "auth")[len(before):])
    # Modules hand their lines over in batches: in order are those of one module.
    found = wait_for("the log", lambda: f if len(f := lines()) >= len(codes) + 2 else None)
    assert [f for f in found if f[0] == "SMTP"] == [("SMTP", str(code)) for code in codes.values()]
    assert sorted(f for f in found if f[0] != "SMTP") == [("Control", "0"), ("IMAP", "4")]


def test_log_of_the_web_server(server):
    """log.type.c: a request makes the file of the day and a line in it."""
    server.tool("set", "log.control", "debug")
    c = http.client.HTTPConnection("127.0.0.1", server.port["http"], timeout=20)
    c.request("GET", "/api/v1/no-such-thing-as-this")
    assert c.getresponse().read()
    c.close()
    line = r"^127\.0\.0\.1 {7}\[[0-9A-F]{4}\] \d\d:\d\d:\d\d GET /api/v1/no-such-thing-as-this 404 "
    today = server.logs / f"c{time.strftime('%Y%m%d')}-00.log"
    wait_for("the line", lambda: today.exists() and re.search(line, today.read_text(), re.M))


def test_item_of_a_waiting_message(make_server):
    """smtp.item: by the name that the log says the message is found on the disk, once the queue has gone from its journal into files:
    when the server has stopped, at the latest."""
    s = make_server()
    with Smtp(s.port["smtp"]) as c:
        c.envelope(s.address("alice"), "x@away.invalid")
        c.data(b"Subject: x\r\n\r\nthe text that waits\r\n")
        c.quit()
    logged = r"Client session Message id \w+ item (\d{15,})\.tms\n"
    item = wait_for("the line", lambda: re.search(logged, s.log_text("s")))[1]
    assert s.stop() == 0
    queue = s.data / "mail/_outgoing"
    assert b"the text that waits" in (queue / f"{item}.tms").read_bytes()
    assert b"x@away.invalid" in (queue / f"{item}.tm$").read_bytes()


# --- the reader ---

def ask(server, path):
    c = http.client.HTTPConnection("127.0.0.1", server.port["http"], timeout=20)
    c.request("GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {server.token}"})
    r = c.getresponse()
    body = json.loads(r.read())
    c.close()
    assert r.status == 200, body
    return body["items"]


def test_the_reader_of_logs(server):
    """st.logs.service, date, fromto, filter: every log; the files of the day, all parts in order; the window; words with ; between
    them."""
    server.tool("change", "account", server.address("carol"), "role=system-admin")
    server.token = server.tool("create", "token", server.address("carol"), "reader").stdout.strip()
    day, other = days_ago(3), days_ago(4)
    line = "192.0.2.{0}       [16{0:02}] {1} <<< MAIL FROM:<{2}@example.org>\n"
    plant(server, day, "s{}-00.log", text=line.format(1, "00:00:00", "ann") + line.format(2, "08:59:59", "bob"))
    plant(server, day, "s{}-01.log", text=line.format(3, "09:00:00", "ann") + "250-continued\n" + line.format(4, "23:59:59", "cid"))
    plant(server, other, "s{}-00.log", text=line.format(5, "09:00:00", "ann"))
    logs = {i["service"]: i for i in ask(server, "/logs")}
    assert set(logs) == {"smtp", "pop3", "imap", "control", "errors", "auth", "maintenance", "mailflow", "dns", "sql", "managesieve"}
    days = {d["date"].replace("-", ""): d for d in logs["smtp"]["days"]}
    assert days[day]["files"] == 2 and days[other]["files"] == 1, days
    date = f"{day[:4]}-{day[4:6]}-{day[6:]}"

    def found(**query):
        rows = ask(server, f"/logs/smtp/lines?{urllib.parse.urlencode({'date': date, **query})}")
        return [r["session"] or r["text"] for r in rows]

    assert found() == ["1601", "1602", "1603", "250-continued", "1604"]
    assert found(**{"from": "09:00", "to": "09:00"}) == ["1603", "250-continued"]
    assert found(**{"from": "08:59:59", "to": "09:00:00"}) == ["1602", "1603", "250-continued"]
    assert found(filter="1603;ANN@example") == ["1603"]
    assert found(filter="ann@") == ["1601", "1603"]
    assert found(filter="1603;bob") == []


# --- files ---

def test_rotation_by_size(make_server):
    """logcfg.rotate, log.name: the next number of the day."""
    s = make_server(settings={"log.rotate_size": "20KiB"})
    for i in range(30):
        mail(s, f"m{i}")
    wait_for("a third file", lambda: len(list(s.logs.glob("s????????-02.log"))))
    names = sorted(f.name for f in s.logs.glob("s*.log"))
    day = time.strftime("%Y%m%d")
    assert names[:3] == [f"s{day}-00.log", f"s{day}-01.log", f"s{day}-02.log"]
    assert all((s.logs / n).stat().st_size <= 20 << 10 for n in names)
    # 0: by the day alone.
    s.tool("set", "log.rotate_size", "0")
    for i in range(30):
        mail(s, f"n{i}")
    wait_for("the last", lambda: "n29@" in s.log_text("s"))
    assert max((f.stat().st_size for f in s.logs.glob("s*.log"))) > 25 << 10


def test_another_directory(make_server):
    """logcfg.dir: the next line is there."""
    s = make_server()
    mail(s, "before")
    wait_for("the old place", lambda: "before@" in s.log_text("s"))
    old, s.logs = s.logs, s.data / "other/logs"
    s.tool("set", "system.log_path", str(s.logs))
    mail(s, "after")
    wait_for("the new place", lambda: "after@" in s.log_text("s"))
    assert not any("after@" in f.read_text() for f in old.glob("s*.log"))


def plant(server, day, *names, text="old\n"):
    """Logs of another day."""
    made = []
    for n in names:
        p = server.logs / n.format(day)
        p.parent.mkdir(parents=True, exist_ok=True)
        p.write_text(text)
        if server.user:
            shutil.chown(p.parent, server.user)
            shutil.chown(p, server.user)
        made.append(p)
    return made


def days_ago(n):
    return time.strftime("%Y%m%d", time.localtime(time.time() - n * 86400))


OLD = ("s{}-00.log", "s{}-01.log", "e{}-00.log", "auth/{}-00.log")


def test_deletion_by_age(make_server):
    """logcfg.delete: 0 = never."""
    s = make_server(settings={"log.delete_days": "0"})
    old, young = plant(s, days_ago(5), *OLD), plant(s, days_ago(2), *OLD)
    s.tool("set", "log.delete_days", "10")
    mail(s, "x")
    wait_for("a line", lambda: "x@" in s.log_text("s"))
    assert all(p.exists() for p in old + young)
    s.tool("set", "log.delete_days", "3")
    wait_for("the old go", lambda: not any(p.exists() for p in old))
    assert all(p.exists() for p in young)


def unzip(*words):
    r = subprocess.run(["unzip", *map(str, words)], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr
    return r.stdout


def test_archive(make_server):
    """logcfg.archive: what is deleted is in the ZIP file."""
    s = make_server(settings={"log.delete_days": "0"})
    s.logs.mkdir(parents=True, exist_ok=True)
    archive = s.data / "old logs.zip"
    plant(s, days_ago(5), *OLD, text="five days old\n")
    s.tool("set", "log.archive", str(archive))
    s.tool("set", "log.delete_days", "3")
    wait_for("the old go", lambda: not list(s.logs.glob(f"**/*{days_ago(5)}*")))
    assert sorted(unzip("-Z1", archive).split()) == sorted(n.format(days_ago(5)) for n in OLD)
    assert "No errors" in unzip("-t", archive)
    # Again, into the same one.
    again = plant(s, days_ago(6), *OLD, text="six days old\n")
    s.tool("set", "log.delete_days", "2")
    wait_for("the older go", lambda: not any(p.exists() for p in again))
    assert len(unzip("-Z1", archive).split()) == 2 * len(OLD)
    assert unzip("-p", archive, f"auth/{days_ago(5)}-00.log") == "five days old\n"
    assert unzip("-p", archive, f"s{days_ago(6)}-01.log") == "six days old\n"
    assert "No errors" in unzip("-t", archive)
    assert not list(s.data.glob("old logs.zip.new*"))


def test_an_archive_that_is_a_folder(make_server):
    """Refused when it is set, and when it has become one."""
    s = make_server(settings={"log.delete_days": "0"})
    folder = s.data / "archive.zip"
    folder.mkdir()
    (folder / "precious").write_text("x")
    for value in (folder, f"{s.data}/", s.data / "logs.tar"):
        r = s.tool("set", "log.archive", str(value), check=False)
        assert r.returncode and f"log.archive: '{value}'" in r.stderr and "logs.zip" in r.stderr, r.stderr
        assert "folder" in r.stderr
    target = s.data / "later.zip"
    s.tool("set", "log.archive", str(target))
    target.mkdir()
    (target / "precious").write_text("x")
    if s.user:
        shutil.chown(target, s.user)
    old = plant(s, days_ago(5), *OLD)
    s.tool("set", "log.delete_days", "3")
    wait_for("the error", lambda: f"log.archive: '{target}' is a folder; name a file in it" in s.log_text("e"))
    assert all(p.exists() for p in old) and (target / "precious").read_text() == "x"
    # The remedy; it is done as soon as the setting is right.
    s.tool("set", "log.archive", f"{target}/logs.zip")
    wait_for("the old go", lambda: not any(p.exists() for p in old))
    assert len(unzip("-Z1", target / "logs.zip").split()) == len(OLD)


def test_an_archive_on_a_full_disk_keeps_the_logs(make_server):
    s = make_server(settings={"log.delete_days": "0", "log.archive": "/dev/full/logs.zip"})
    old = plant(s, days_ago(5), *OLD)
    s.tool("set", "log.delete_days", "3")
    wait_for("the error", lambda: "old logs are not archived and not deleted: " in s.log_text("e"))
    assert "/dev/full/logs.zip" in s.log_text("e")
    assert all(p.exists() for p in old)


# --- cache ---

def test_cache(make_server):
    """logcfg.cache: lines wait in memory, and come when it is full, old, at an error, at the end."""
    s = make_server(settings={"log.cache": "1MiB"})
    mail(s, "cached")
    assert "cached@" not in s.log_text("s")
    wait_for("they age", lambda: "cached@" in s.log_text("s"), timeout=20)
    mail(s, "second")
    s.kill("access")
    wait_for("an error takes all with it", lambda: "second@" in s.log_text("s"), timeout=4)
    mail(s, "third")
    s.stop()
    assert "third@" in s.log_text("s")


def test_a_crash_costs_no_more_than_the_cache(make_server):
    s = make_server(settings={"log.cache": "20KiB"})
    for i in range(100):
        mail(s, f"m{i:03}")
    one = len("\n".join(marked(s, "s", "<m000@"))) + 200  # bytes of a session, with the lines of its delivery
    in_cache = (20 << 10) // one + 2
    wait_for("all but the cache is written", lambda: len(re.findall(r"<<< MAIL FROM:<m\d{3}@", s.log_text("s"))) >= 100 - in_cache,
             timeout=4)
    # The cache may just have been written: one more waits in it when the crash comes.
    for sent in range(101, 120):
        mail(s, f"m{sent - 1:03}")
        if f"m{sent - 1:03}@" not in s.log_text("s"):
            break
    for name in s.pids():
        s.expect_end(name)
    s.proc.kill()
    s.proc.wait()
    kept = len(re.findall(r"<<< MAIL FROM:<m\d{3}@", s.log_text("s")))
    print(f"{kept} of {sent} sessions of {one} bytes")
    assert sent - in_cache <= kept < sent
