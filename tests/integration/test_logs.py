"""The settings of the text logs (room log): levels, rotation, deletion and archive, directory, cache, the system log."""
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest
from conftest import BIN, PASSWORD, wait_for
from wire import Imap, Smtp

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
    token = server.tool("create", "token", server.address("bob"), f"maint-{level}", "scopes=queue:read").stdout.strip()
    refuse(server, token)
    server.tool("set", "log.maintenance", "extended")
    server.tool("set", "deliver.threads", "3")
    server.tool("reset", "deliver.threads")
    text = wait_for("the log", lambda: (t := sub_log(server, "maintenance")[len(before):]) if
                    sub_log(server, "maintenance")[len(before):].count("'deliver.threads' ") >= 2 else None)
    assert ("'smtp.max_recipients' updated" in text) == bool(changes), text
    assert bool(re.search(r"refused|denied", text)) == bool(refused), text
