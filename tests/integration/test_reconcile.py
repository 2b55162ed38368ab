"""After much mixed mail what the clients saw, the counters, the events, the text logs and the sessions' totals agree exactly."""
import collections
import os
import re

import pytest

from conftest import SANITIZED, TOP, wait_for
from mail_mix import Mix, Relay
from test_events import counters, events

COUNT = int(os.environ.get("RECONCILE_MESSAGES", 5000 if SANITIZED else 50000))


def counted_events():
    """Counter -> names of the events that raise it, from the table of events."""
    names = collections.defaultdict(set)
    for name, counter in re.findall(r'^EVENT\(\d+, \w+, "([\w.]+)", \w+, (\w+),', (TOP / "src/event/events.def").read_text(), re.M):
        if counter != "NONE":
            names[counter].add(name)
    return names


def services_of(counter):
    """session.start is one name for several services."""
    return {"smtp_sessions": ("smtp", "submission"), "pop3_sessions": ("pop3",), "imap_sessions": ("imap",), "managesieve_sessions": ("managesieve",)}.get(counter)


def reconcile(make_server, count, held=False, **kw):
    """held: the other server answers only when all messages are there, so that they go by few connections."""
    relay = Relay()
    if not held:
        relay.greets.set()
    s = make_server(settings={"smtp.max_message_size": "20KiB", "deliver.relay_host": f"127.0.0.1:{relay.server_address[1]}",
                              "queue.retry_schedule": "10h", "smtp.max_errors": "1000", "log.smtp": "debug"})
    # The fixture has looked whether the ports answer.
    wait_for("the ends of the first sessions", lambda: len(starts := events(s, name="session.start")) == len(events(s, name="session.end")) and
             s.log_text("s").count("Disconnected") == len([e for e in starts if e["service"] in ("smtp", "submission")]))
    before, log_before, sessions_before = counters(s), len(s.log_text("s")), {e["session"] for e in events(s)}
    mix = Mix(s, count, **kw)
    relay.greets.set()
    seen = mix.seen

    def is_settled():
        c = {k: v - before[k] for k, v in counters(s).items()}
        return c["deliver_local"] >= seen["local"] + seen["never"] and c["deliver_remote"] >= seen["far"] and \
            c["deliver_remote_deferred"] >= seen["later"] and c["deliver_bounced"] >= seen["never"]

    wait_for("all deliveries", is_settled, timeout=600, interval=0.5)
    mix.read()
    wait_for("the ends of all sessions", lambda: s.log_text("s")[log_before:].count("Disconnected") >= seen["sessions"], timeout=60, interval=0.5)
    wait_for("the last events", lambda: len(events(s, name="session.end", service="pop3")) >= seen["pop3 sessions"])
    rows, after = events(s), counters(s)
    check_counters(after, rows)
    rows = [e for e in rows if e["session"] is None or e["session"] not in sessions_before]
    check(seen, {k: after[k] - before[k] for k in after}, rows, s.log_text("s")[log_before:])


def check_counters(after, rows):
    """The counters = the events that raise them, since the start of the server."""
    total = collections.Counter(e["name"] for e in rows)
    by_service = collections.Counter((e["name"], e["service"]) for e in rows)
    for counter, names in counted_events().items():
        services = services_of(counter)
        n = sum(by_service[name, v] for name in names for v in services) if services else sum(total[name] for name in names)
        assert after[counter] == n, (counter, after[counter], n)
    for name in ("events_lost", "transcript_lines_lost", "log_lines_lost", "db_errors"):
        assert after[name] == 0, name


def check(seen, delta, rows, log):
    total = collections.Counter(e["name"] for e in rows)
    by_service = collections.Counter((e["name"], e["service"]) for e in rows)
    # What the clients saw = the counters.
    for counter, n in {"smtp_sessions": seen["sessions"], "smtp_messages_in": seen["accepted"], "smtp_messages_refused": seen["refused"],
                       "smtp_rcpt_ok": seen["rcpt ok"], "smtp_rcpt_refused": seen["rcpt refused"], "smtp_bad_commands": seen["bad commands"],
                       "smtp_terminations": seen["left"], "deliver_local": seen["local"] + seen["never"], "deliver_remote": seen["far"],
                       "deliver_remote_deferred": seen["later"], "deliver_bounced": seen["never"], "pop3_sessions": seen["pop3 sessions"],
                       "imap_sessions": seen["imap sessions"], "pop3_retr": seen["pop3 retr"], "imap_fetch_messages": seen["imap fetched"],
                       "mailbox_messages_added": seen["local"] + seen["never"], "mailbox_messages_expunged": seen["expunged"],
                       "auth_ok": seen["logins"], "auth_failed": 0, "deliver_local_failed": 0}.items():
        assert delta[counter] == n, (counter, delta[counter], n)
    # Each message that was acknowledged: once accepted; each of its recipients: one outcome.
    ids = {k for k in seen if re.fullmatch(r"[A-Z]{3}\d{5}", k)}
    accepted = collections.Counter(e["fields"]["msgid"] for e in rows if e["name"] == "smtp.message.accepted")
    assert len(ids) == seen["accepted"] and accepted == {i: 1 for i in ids}
    # The text logs.
    calls = [e["fields"] for e in rows if e["name"] == "delivery.transaction"]  # ours with the relay are in the same log
    outcomes = collections.Counter(re.findall(r" \*\*\* <.*> \d+ \d+ \d\d:\d\d:\d\d ([A-Z-]+)", log))
    called = collections.Counter(c["outcome"] for c in calls)
    assert outcomes["OK"] == seen["accepted"] + called["OK"], called
    assert outcomes["INCOMPLETE-SESSION"] == total["smtp.message.incomplete"] + total["smtp.session.empty"] + called["INCOMPLETE-SESSION"], called
    told = collections.Counter(re.findall(r" \*\*\* <.*> \d+ \d+ \d\d:\d\d:\d\d OK ([A-Z]{3}\d{5})\b", log))
    assert told == accepted + collections.Counter(c["msgid"] for c in calls if c["outcome"] == "OK")
    sessions = seen["sessions"] + by_service["session.start", "smtp-client"]
    assert log.count("Connected, local IP") == log.count("Disconnected") == sessions
    # The sessions' totals.
    ends = [e["fields"] for e in rows if e["name"] == "session.end" and e["service"] == "smtp"]
    sums = {k: sum(e.get(k, 0) for e in ends) for k in ("messages", "commands", "errors", "bytes_in")}
    assert sums == {"messages": seen["accepted"], "commands": seen["commands"], "errors": seen["errors"], "bytes_in": seen["bytes"]}
    assert collections.Counter(e["outcome"] for e in ends)["disconnected"] == seen["left"]
    assert by_service["session.start", "smtp"] == by_service["session.end", "smtp"] == seen["sessions"]


def test_some_mixed_messages_agree(make_server):
    reconcile(make_server, 600)


def test_more_messages_than_a_connection_takes_agree(make_server):
    """One connection after the other to the same server: each transaction is of its message."""
    reconcile(make_server, 500, kinds=("far",), held=True)


@pytest.mark.slow
def test_fifty_thousand_mixed_messages_agree(make_server):
    reconcile(make_server, COUNT)
