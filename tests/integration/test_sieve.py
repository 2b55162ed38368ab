"""Sieve scripts: stored by `posthorn tool`, run at delivery, told by the log and by the timeline."""
import smtplib

from conftest import wait_for
from test_basics import imap, message_count, send

FILE_LISTS = """require ["fileinto", "mailbox", "imap4flags"];
if header :contains "list-id" "dev" {
    fileinto :create :flags "\\\\Flagged" "Lists";
    stop;
}
"""


def folder_count(server, user, folder):
    c = imap(server, user)
    typ, data = c.select(folder)
    c.logout()
    return int(data[0]) if typ == "OK" else 0


def body(n, more=""):
    return f"From: x@elsewhere.test\r\nTo: alice@example.test\r\nMessage-ID: <{n}@elsewhere.test>\r\n{more}Subject: m{n}\r\n\r\ntext\r\n".encode()


def test_scripts_by_the_tool(make_server):
    s = make_server()
    t = s.tool
    t("sieve", "put", "alice@example.test", "main", FILE_LISTS)
    assert "* " not in t("sieve", "list", "alice@example.test").stdout
    t("sieve", "activate", "alice@example.test", "main")
    listed = t("sieve", "list", "alice@example.test").stdout
    assert "main" in listed and "*" in listed
    assert t("sieve", "get", "alice@example.test", "main").stdout.strip() == FILE_LISTS.strip()
    r = t("sieve", "put", "alice@example.test", "bad", "keep;\nfilinto \"x\";", check=False)
    assert r.returncode == 1 and "line 2, column 1: there is no 'filinto' command" in r.stderr
    r = t("sieve", "check", "keep 3;\nstp;", check=False)
    assert "line 1" in r.stderr and "line 2" in r.stderr
    r = t("sieve", "delete", "alice@example.test", "main", check=False)
    assert r.returncode == 1 and "active" in r.stderr
    t("sieve", "put", "alice@example.test", "other", "keep;")
    for words, why in (((("main", "other")), "there is a script 'other' already"), (("nobody", "x"), "nobody"), (("main", ""), "name")):
        r = t("sieve", "rename", "alice@example.test", *words, check=False)
        assert r.returncode == 1 and why in r.stderr, (words, r.stderr)
    t("sieve", "rename", "alice@example.test", "main", "newer")
    assert [(x["name"], x["active"]) for x in s.tool_json("sieve", "list", "alice@example.test")["rows"]] == [("newer", "*"), ("other", "")]
    t("sieve", "rename", "alice@example.test", "newer", "main")
    t("sieve", "delete", "alice@example.test", "other")
    t("sieve", "deactivate", "alice@example.test")
    t("sieve", "delete", "alice@example.test", "main")
    assert "no scripts" in t("sieve", "list", "alice@example.test").stdout
    assert "sieve main" in t("audit").stdout


def test_filed_and_told(make_server):
    s = make_server()
    s.tool("sieve", "put", "alice@example.test", "main", FILE_LISTS)
    s.tool("sieve", "activate", "alice@example.test", "main")
    send(s, "alice", body=body(1, "List-Id: <dev.elsewhere.test>\r\n"))
    wait_for("the folder", lambda: folder_count(s, "alice", "Lists") == 1)
    send(s, "alice", body=body(2))
    wait_for("the inbox", lambda: message_count(s, "alice") == 1)
    c = imap(s, "alice")
    c.select("Lists")
    assert b"\\Flagged" in c.fetch("1", "(FLAGS)")[1][0]
    c.logout()
    events = s.tool("events", "name=sieve.filed").stdout
    assert "Filed into Lists by the script 'main' of alice@example.test, line 3" in events
    msgid = s.tool_json("events", "name=smtp.message.accepted")["rows"][-1]["fields"]["msgid"]  # the first one
    assert "Filed into Lists by the script 'main' of alice@example.test, line 3" in s.tool("trace", msgid).stdout
    # From now on without: the change is in force when the tool returns.
    s.tool("sieve", "deactivate", "alice@example.test")
    send(s, "alice", body=body(3, "List-Id: <dev.elsewhere.test>\r\n"))
    wait_for("the inbox", lambda: message_count(s, "alice") == 2)


def test_scripts_of_the_server(make_server):
    """Included by those of accounts; a change holds for the next message; a missing one loses nothing."""
    s = make_server()
    t = s.tool
    t("sieve", "put", "global", "lists", FILE_LISTS)
    t("sieve", "put", "alice@example.test", "helper", 'require "fileinto"; if header :contains "subject" "m2" { fileinto "Junk"; }')
    t("sieve", "put", "alice@example.test", "main", 'require "include";\ninclude :global "lists";\ninclude "helper";\ninclude "missing";')
    t("sieve", "activate", "alice@example.test", "main")
    assert "lists" in t("sieve", "list", "global").stdout and "lists" not in t("sieve", "list", "alice@example.test").stdout
    send(s, "alice", body=body(1, "List-Id: <dev.elsewhere.test>\r\n"))
    wait_for("the folder", lambda: folder_count(s, "alice", "Lists") == 1)
    send(s, "alice", body=body(2))
    wait_for("the inbox", lambda: message_count(s, "alice") == 1)
    failed = s.tool_json("events", "name=sieve.failed")["rows"][-1]["fields"]
    assert failed["reason"] == "there is no personal script 'missing' to include" and failed["line"] == 4
    t("sieve", "put", "alice@example.test", "missing", "discard;")
    send(s, "alice", body=body(3))
    wait_for("the event", lambda: s.tool_json("events", "name=sieve.discarded")["rows"])
    t("sieve", "put", "global", "lists", "keep;")
    send(s, "alice", body=body(4))
    wait_for("the inbox", lambda: message_count(s, "alice") == 2)
    r = t("sieve", "activate", "global", "lists", check=False)
    assert r.returncode == 1 and "none of them is active" in r.stderr
    t("sieve", "delete", "global", "lists")


def test_before_and_after(make_server):
    """The server's scripts around those of all accounts, also of those that have none."""
    s = make_server()
    t = s.tool
    t("sieve", "put", "global", "before", 'require ["fileinto", "copy", "mailbox"]; fileinto :copy :create "Archive";\n'
                                          'if header :contains "subject" "m9" { discard; }')
    t("sieve", "put", "global", "after", 'require ["fileinto", "mailbox"]; if header :contains "subject" "m2" { fileinto :create "Twos"; }')
    t("sieve", "put", "alice@example.test", "main", FILE_LISTS)
    t("sieve", "activate", "alice@example.test", "main")
    send(s, "alice", body=body(1, "List-Id: <dev.elsewhere.test>\r\n"))  # her own script has the last word
    send(s, "alice", body=body(2))
    send(s, "bob", body=body(2))
    send(s, "bob", body=body(3))
    send(s, "bob", body=body(9))
    wait_for("her folders", lambda: [folder_count(s, "alice", f) for f in ("Archive", "Lists", "Twos", "INBOX")] == [2, 1, 1, 0])
    wait_for("his folders", lambda: [folder_count(s, "bob", f) for f in ("Archive", "Twos", "INBOX")] == [3, 1, 1])
    events = s.tool("events", "name=sieve.filed").stdout
    for part in ("Filed into Archive by the script 'before' of bob@example.test, line 1", "Filed into Twos by the script 'after' of alice@example.test, line 1",
                 "Filed into Lists by the script 'main' of alice@example.test"):
        assert part in events, events
    t("sieve", "delete", "global", "before")
    t("sieve", "delete", "global", "after")
    send(s, "bob", body=body(2))
    wait_for("the inbox", lambda: folder_count(s, "bob", "INBOX") == 2)
    assert folder_count(s, "bob", "Archive") == 3


def test_killed_while_scripts_run(make_server):
    """Each accepted message is once in its folder; the copy that was sent on comes at least once."""
    s = make_server()
    s.tool("sieve", "put", "alice@example.test", "main",
           'require ["fileinto", "mailbox", "copy"];\nredirect :copy "bob@example.test";\nfileinto :create "Filed";\n')
    s.tool("sieve", "activate", "alice@example.test", "main")
    accepted = []
    for n in range(120):
        if n % 30 == 20:
            s.kill("smtp")
        try:
            with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60) as c:
                c.sendmail("x@elsewhere.test", ["alice@example.test"], body(n))
            accepted.append(n)
        except (OSError, smtplib.SMTPException):
            wait_for("the module", lambda: s.pids().get("smtp"))
    assert len(accepted) > 80

    def ids(user, folder):
        c = imap(s, user)
        typ, data = c.select(folder)
        found = []
        if typ == "OK" and int(data[0]):
            for part in c.fetch("1:*", "(BODY[HEADER.FIELDS (MESSAGE-ID)])")[1]:
                if isinstance(part, tuple):
                    found.append(int(part[1].split(b"<")[1].split(b"@")[0]))
        c.logout()
        return found

    wait_for("all deliveries", lambda: set(accepted) <= set(ids("alice", "Filed")) and set(accepted) <= set(ids("bob", "INBOX")))
    filed = ids("alice", "Filed")
    for n in accepted:
        assert filed.count(n) == 1, n
    assert message_count(s, "alice") == 0
