"""Events: nothing that was acknowledged is missing after kills; counters, events, text logs and sessions agree; timelines,
transcripts and reasons from the command line, with and without a server; a store that is deleted or cannot be written."""
import collections
import contextlib
import imaplib
import itertools
import re
import shutil
import smtplib
import subprocess
import threading
import time

import pytest
from conftest import BIN, wait_for
from test_basics import BODY, imap, message_count, send
from wire import Smtp


def events(server, limit=5000, **filters):
    rows, cursor = [], None
    while True:
        words = [f"{k}={v}" for k, v in filters.items()] + [f"limit={limit}"] + ([f"cursor={cursor}"] if cursor else [])
        got = server.tool_json("events", *words)
        rows += got["rows"]
        cursor = got["next_cursor"]
        if not cursor:
            return rows


def counters(server):
    return {r["name"]: r["value"] for r in server.tool_json("stats")["rows"]}


def accepted_id(reply):
    return re.search(r"Message id ([A-Z]{3}\d{5}) accepted", reply if isinstance(reply, str) else reply.decode()).group(1)


def send_one(server, to="bob", sender="someone@elsewhere.test", body=BODY):
    """The message id of the 250."""
    with smtplib.SMTP("127.0.0.1", server.port["smtp"], timeout=20) as c:
        c.ehlo("client.test")
        c.mail(sender)
        c.rcpt(server.address(to))
        code, text = c.data(body)
        assert code == 250, text
        return accepted_id(text)


# --- nothing is missing ---

def test_kill_9_loses_no_accepted_event(make_server):
    s = make_server()
    ids, stop, lock = [], threading.Event(), threading.Lock()

    def client():
        while not stop.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=20) as c:
                    c.ehlo("client.test")
                    for _ in range(20):
                        c.mail("k@elsewhere.test")
                        c.rcpt(s.address("bob"))
                        code, text = c.data(BODY)
                        if code == 250:
                            with lock:
                                ids.append(accepted_id(text))
            except (OSError, smtplib.SMTPException):
                pass

    threads = [threading.Thread(target=client) for _ in range(4)]
    for t in threads:
        t.start()
    for i in range(6):
        n = len(ids)
        wait_for("messages", lambda: len(ids) > n + 60)
        if "smtp" in s.pids():
            pid = s.kill("smtp")
            wait_for("the new module", lambda: s.pids().get("smtp", pid) != pid)
    stop.set()
    for t in threads:
        t.join()
    assert len(ids) > 300 and len(set(ids)) == len(ids)
    have = collections.Counter(e["fields"]["msgid"] for e in events(s, name="smtp.message.accepted"))
    assert [i for i in ids if have[i] != 1] == []


def refused(c, line):
    code, _ = c.docmd(line)
    assert code >= 400, line


def test_counters_events_logs_and_sessions_agree(make_server):
    s = make_server(settings={"smtp.max_message_size": "20KiB", "auth.failure_delay": "0s", "log.imap": "debug"})
    before = counters(s)
    good = 0
    for i in range(40):
        with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=20) as c:
            c.ehlo("client.test")
            for k in range(i % 4):
                c.mail(f"s{k}@elsewhere.test")
                c.rcpt(s.address("bob"))
                if k % 2:
                    refused(c, f"RCPT TO:<nobody{i}@{s.domain}>")
                    c.rcpt(s.address("carol"))
                assert c.data(BODY)[0] == 250
                good += 1
            if i % 5 == 0:
                refused(c, "RCPT TO:<someone@far.test>")
                refused(c, "FOO bar")
            if i % 7 == 0:
                c.mail("big@elsewhere.test")
                c.rcpt(s.address("bob"))
                assert c.data(b"Subject: big\r\n\r\n" + b"x" * 70 + (b"\r\n" + b"x" * 70) * 400)[0] == 554
            if i % 11 == 0:
                c.mail("rset@elsewhere.test")
                c.rset()
            if i % 3 == 0:
                c.sock.close()
                c.close()
                c.file = c.sock = None
    for _ in range(5):
        c = imaplib.IMAP4("127.0.0.1", s.port["imap"])
        with pytest.raises(imaplib.IMAP4.error):
            c.login(s.address("bob"), "wrong")
        c.logout()
    imap(s, "alice").logout()

    def settled():
        c = counters(s)
        done = c["deliver_local"] - before["deliver_local"]
        ends = len(events(s, name="session.end", service="smtp"))
        return done >= good and ends == len(events(s, name="session.start", service="smtp")) and c

    after = wait_for("all deliveries and ends", settled)
    by_name = collections.Counter((e["name"], e["service"]) for e in events(s))
    total = collections.Counter(e["name"] for e in events(s))
    for counter, name in [("smtp_messages_in", "smtp.message.accepted"), ("smtp_messages_refused", "smtp.message.refused"),
                          ("smtp_rcpt_ok", "smtp.rcpt.accepted"), ("smtp_rcpt_refused", "smtp.rcpt.refused"),
                          ("smtp_bad_commands", "smtp.command.refused"), ("deliver_local", "delivery.local.done"),
                          ("auth_failed", "auth.failed"), ("auth_ok", "auth.succeeded")]:
        assert after[counter] == total[name], (counter, name)
    starts = by_name["session.start", "smtp"] + by_name["session.start", "submission"]
    assert after["smtp_sessions"] == starts == by_name["session.end", "smtp"] + by_name["session.end", "submission"]
    assert after["imap_sessions"] == by_name["session.start", "imap"]
    assert total["smtp.message.accepted"] == good
    log = wait_for("the log of all sessions", lambda: t if (t := s.log_text("s")).count("Disconnected") == starts else "")
    outcome = collections.Counter(re.findall(r" \*\*\* <.*> \d+ \d+ \d\d:\d\d:\d\d ([A-Z-]+)", log))
    assert outcome["OK"] == good
    assert outcome["INCOMPLETE-SESSION"] == total["smtp.message.incomplete"] + total["smtp.session.empty"]
    ends = [e["fields"] for e in events(s, name="session.end", service="smtp")]
    assert sum(e["messages"] for e in ends) == good
    assert {e["outcome"] for e in ends} == {"success", "failed", "disconnected"}
    assert after["events_lost"] == after["transcript_lines_lost"] == 0


# --- what is told ---

def test_transcript_is_the_log(make_server):
    s = make_server()
    with Smtp(s.port["smtp"], hello=None) as c:
        for line in (b"EHLO client.test", b"MAIL FROM:<a@elsewhere.test>", b"RCPT TO:<nobody@example.test>",
                     b"AUTH PLAIN c2VjcmV0", b"QUIT"):
            c.send(line + b"\r\n")
            c.reply()
    end = wait_for("the end", lambda: [e for e in events(s, name="session.end", service="smtp") if e["fields"].get("commands") == 5])
    key = end[0]["session"]
    whole = wait_for("its end in the log", lambda: t if re.search(rf"\[{key[-4:]}\].*Disconnected", t := s.log_text("s")) else "")
    log = [part for part in re.split(r"(?m)^(?=\S+ +\[[0-9A-F]{4}\] \d\d:)", whole)
           if f"[{key[-4:]}]" in part[:30]]
    texts = [re.sub(r"^\S+ +\[.{4}\] \d\d:\d\d:\d\d ", "", part).rstrip("\n") for part in log]
    marks = {"in": "<<< ", "out": ">>> ", "note": ""}
    lines = s.tool_json("session", key)
    assert [marks[r["type"]] + r["text"] for r in lines["rows"]] == texts and len(texts) > 10
    assert "c2VjcmV0" not in str(lines) and "AUTH PLAIN ****" in str(lines)
    assert s.tool_json("session", key[-4:])["session"] == key
    # Independent of the log's level, and switched off by its own setting.
    s.tool("set", "log.smtp", "none")
    first = send_one(s)
    session = s.tool_json("trace", first)["rows"][0]["session"]
    wait_for("its transcript", lambda: any("MAIL FROM" in r["text"].upper() for r in s.tool_json("session", session)["rows"]))
    assert first not in s.log_text("s")
    s.tool("set", "events.transcripts", "no")
    second = send_one(s)
    session = wait_for("its events", lambda: s.tool("trace", second, check=False).returncode == 0 and
                       s.tool_json("trace", second)["rows"][0]["session"])
    assert s.tool_json("session", session)["rows"] == []


def test_timeline_of_a_delivered_message(make_server):
    s = make_server()
    msgid = send_one(s)
    got = wait_for("delivery", lambda: g if (g := s.tool_json("trace", msgid))["message"]["state"] == "delivered" else None)
    names = [r["name"] for r in got["rows"]]
    assert names == ["smtp.rcpt.accepted", "smtp.message.accepted", "delivery.local.done"]
    assert len({r["message"] for r in got["rows"]}) == 1 and re.fullmatch("[0-9A-F]{16}", got["rows"][0]["message"])
    assert got["message"]["recipients"][0] == {"address": s.address("bob"), "state": "delivered", "host": "",
                                               "reply": "250 2.1.5 Delivered to mailbox", "explanation": None}
    rows = s.tool_json("trace", s.address("BOB"))["rows"]
    assert [r["id"] for r in rows] == [msgid]
    assert [r["id"] for r in s.tool_json("trace", "127.0.0.1")["rows"]] == [msgid]
    text = s.tool("trace", msgid).stdout
    assert "delivered to 1 of 1 recipient" in text and "smtp.message.accepted" in text
    s.stop()
    assert s.tool("trace", msgid).stdout == text  # the same without a server
    assert s.tool("trace", "ABC00000", check=False).returncode == 1


def test_why_it_waits_and_why_it_was_refused(make_server):
    s = make_server(settings={"deliver.relay_host": "127.0.0.1:1", "net.trusted_ips": "127.0.0.1", "queue.retry_schedule": "1h"})
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=20) as c:
        c.ehlo("client.test")
        c.mail(s.address("alice"))
        c.rcpt("far@away.test")
        code, text = c.data(BODY)
        msgid = accepted_id(text)
        c.mail("stranger@elsewhere.test")
        refused(c, f"RCPT TO:<nobody@{s.domain}>")
    got = wait_for("the attempt", lambda: g if (g := s.tool_json("why", f"id={msgid}")["message"])["state"] == "waiting" else None)
    assert got["recipients"][0]["explanation"]["id"] == "smtp.err.c.connecting" and got["next_try"]
    assert got["recipients"][0]["explanation"]["setting"] == "queue.retry_schedule"
    text = s.tool("why", f"id={msgid}").stdout
    assert "cause:" in text and "remedy:" in text and "next try" in text
    rows = s.tool_json("why", f"to=nobody@{s.domain}")["rows"]
    assert rows[0]["state"] == "refused" and rows[0]["explanation"]["id"] == "smtp.err.550.ulocal"
    assert s.tool("why", check=False).returncode == 1
    short = subprocess.run([BIN, "why", "--data", s.data, msgid], capture_output=True, text=True, timeout=30)
    assert short.stdout == s.tool("why", msgid).stdout == text


def test_a_bounce_and_its_message_belong_together(make_server):
    s = make_server(settings={"deliver.relay_host": "127.0.0.1:1", "net.trusted_ips": "127.0.0.1", "queue.lifetime": "1s"})
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=20) as c:
        c.ehlo("client.test")
        c.mail(s.address("alice"))
        c.rcpt("far@away.test")
        msgid = accepted_id(c.data(BODY)[1])
    s.tool("queue", "retry", check=False)
    wait_for("the notice", lambda: s.tool("queue", "retry", check=False) and message_count(s, "alice") == 1)
    got = s.tool_json("trace", msgid)
    assert got["message"]["state"] == "bounced"
    names = [r["name"] for r in got["rows"]]
    assert {"delivery.failed", "notice.queued", "notice.accepted", "delivery.local.done"} <= set(names)
    child = next(r["fields"]["child"] for r in got["rows"] if r["name"] == "notice.queued")
    assert s.tool_json("trace", child)["message"]["state"] == "delivered"


def test_bad_questions_name_value_and_remedy(server):
    for words, told in [(("events", "name=no.such"), "no.such"), (("events", "severity=loud"), "notice"),
                        (("events", "since=yesterday"), "since"), (("events", "cursor=1"), "cursor"),
                        (("session", "FFFFFFFF"), "FFFFFFFF"), (("why", "id=x"), "OSA88513")]:
        r = server.tool(*words, check=False)
        assert r.returncode and told in r.stderr, (words, r.stderr)


# --- the store ---

def take_away(folder, file=None):
    """At once, as the server goes on writing, and makes it again; a file in its place."""
    for n in itertools.count():
        aside = folder.with_name(f"{folder.name}.{n}")
        with contextlib.suppress(FileNotFoundError):
            folder.rename(aside)
            while aside.exists():
                shutil.rmtree(aside, ignore_errors=True)
        if file is None:
            return
        with contextlib.suppress(FileExistsError), open(folder, "x") as f:
            f.write(file)
            return


def test_a_deleted_store_is_made_again(make_server):
    s = make_server()
    send_one(s)
    wait_for("delivery", lambda: message_count(s, "bob") == 1)
    take_away(s.data / "status" / "events")
    msgid = send_one(s)
    wait_for("its event", lambda: [e for e in events(s, name="smtp.message.accepted") if e["fields"]["msgid"] == msgid])
    assert (s.data / "status" / "events" / "smtp").is_dir()


def test_a_store_that_cannot_be_written_does_not_stop_mail(make_server):
    s = make_server()
    store = s.data / "status" / "events"
    take_away(store, "in the way")
    began = time.monotonic()
    n = 0
    # More than the ring of transcripts holds.
    while counters(s)["transcript_lines_lost"] == 0:
        with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=20) as c:
            c.ehlo("client.test")
            for _ in range(200):
                assert c.docmd("NOOP", "x" * 400)[0] == 250
            c.mail("m@elsewhere.test")
            c.rcpt(s.address("bob"))
            assert c.data(BODY)[0] == 250
        n += 1
        assert time.monotonic() - began < 60
    wait_for("delivery", lambda: message_count(s, "bob") == n)
    store.unlink()
    lost = wait_for("the report", lambda: events(s, name="events.lost"))
    assert lost[0]["fields"]["transcripts"] > 0 and "status/events" in lost[0]["fields"]["reason"]


def test_nothing_is_kept_when_switched_off(make_server):
    s = make_server(settings={"events.enabled": "no"})
    send_one(s)
    wait_for("delivery", lambda: message_count(s, "bob") == 1)
    assert not events(s, name="smtp.message.accepted")
    s.tool("set", "events.enabled", "yes")
    msgid = send_one(s)
    wait_for("its event", lambda: s.tool("trace", msgid, check=False).returncode == 0)
