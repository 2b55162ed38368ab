"""Which messages of the queue are meant: by sender, recipient and subject, in the list, in actions on all that match, and with the tool."""
import pytest
from api import Client
from conftest import PASSWORD, wait_for
from wire import Smtp

PATH = "/queue/outgoing/messages"
MAILS = {  # recipient: sender, Subject as it is sent, as it is read
    "one@first.test": ("news@shop.test", "=?UTF-8?Q?=C3=9Cbergr=C3=B6=C3=9Fe_eingetroffen?=", "Übergröße eingetroffen"),
    "two@second.test": ("anna@else.test", "Invoice 4711\r\n\tof <b>May</b>", "Invoice 4711 of <b>May</b>"),
    "three@third.test": ("bob@else.test", None, ""),
}


@pytest.fixture(scope="module")
def box(make_module_server):
    return make_module_server(settings={"deliver.relay_host": "127.0.0.1:1", "queue.retry_schedule": "1h", "net.trusted_ips": "127.0.0.1", "web.console_path": "/nonexistent"})


def client(s, address, *words):
    s.tool("create", "account", address, *words)
    return Client(s, token=s.tool("create", "token", address, "tests").stdout.strip())


@pytest.fixture(scope="module")
def root(box):
    """With three messages in the queue."""
    who = client(box, "root@example.test", "role=system-admin")
    with Smtp(box.port["smtp"]) as c:
        for to, (sender, raw, _) in MAILS.items():
            c.envelope(sender, to)
            c.data(f"From: {sender}\r\n{f'Subject: {raw}' + chr(13) + chr(10) if raw else ''}To: {to}\r\n\r\nSubject: of the body\r\n".encode())
        c.quit()
    wait_for("the end of first attempts", lambda: {m["state"] for m in who.rows(PATH)} <= {"queued", "waiting"})
    return who


def found(who, **query):
    return sorted(m["recipient"] for m in who.rows(PATH, **query))


def subjects(who):
    return {m["recipient"]: m["subject"] for m in who.rows(PATH)}


AS_READ = {to: read for to, (_, _, read) in MAILS.items()}


@pytest.mark.parametrize("query, expected", [
    ({"sender": "@else"}, ["three@third.test", "two@second.test"]),
    ({"sender": "NEWS@"}, ["one@first.test"]),
    ({"recipient": "three@"}, ["three@third.test"]),
    ({"recipient": "d.test"}, ["three@third.test", "two@second.test"]),
    ({"subject": "invoice 4711 OF"}, ["two@second.test"]),
    ({"subject": "übergröße"}, ["one@first.test"]),
    ({"subject": "ÜBERGRÖßE EIN"}, ["one@first.test"]),
    ({"subject": "UTF-8"}, []),          # as it is sent
    ({"subject": "of the body"}, []),
    ({"subject": "@else.test"}, []),     # of another field
    ({"sender": "4711"}, []),
    ({"recipient": "@shop"}, []),
    ({"sender": "@else", "subject": "may"}, ["two@second.test"]),
    ({"sender": "news", "subject": "may"}, []),
])
def test_a_filter_on_each_field(root, query, expected):
    assert found(root, **query) == expected
    page = root.get(PATH, **query, limit=1).json()
    assert page["total"]["value"] == len(expected)


def test_free_text_looks_at_the_subject(root):
    assert found(root, q="grösse") == [] and found(root, q="GRÖßE") == ["one@first.test"]
    assert found(root, q="4711;anna@") == ["two@second.test"] and found(root, q="-4711") == ["one@first.test", "three@third.test"]


def test_the_tool(box, root):
    def tool(*words):
        return sorted(r["recipient"] for r in box.tool_json("queue", "list", *words)["rows"])

    assert tool() == sorted(MAILS) and {r["recipient"]: r["subject"] for r in box.tool_json("queue")["rows"]} == AS_READ
    assert tool("subject=übergr") == tool("eingetroffen") == ["one@first.test"]
    assert tool("sender=@else") == ["three@third.test", "two@second.test"] and tool("recipient=two@", "subject=invoice") == ["two@second.test"]
    assert tool("older=1d") == [] and "is not a time" in box.tool("queue", "older=soon", check=False).stderr
    shown = box.tool("queue").stdout
    assert "SUBJECT" in shown and "Übergröße eingetroffen" in shown
    box.tool("queue", "hold", "subject=übergröße")
    assert found(root, state="held") == ["one@first.test"]
    box.tool("queue", "release", "subject=Übergröße")
    assert found(root, state="held") == []


def test_a_domain_admin_finds_what_he_sees(box, root):
    box.tool("create", "domain", "other.test")
    dora = client(box, "dora@other.test", "role=domain-admin", "admin_domains=other.test", f"password={{PLAIN}}{PASSWORD}")
    assert found(dora) == found(dora, subject="invoice") == found(dora, q="4711") == []
    with Smtp(box.port["submission"]) as c:
        c.login("dora@other.test")
        c.envelope("dora@other.test", "far@away.test")
        c.data(b"From: dora@other.test\r\nSubject: invoice of her own\r\n\r\nx\r\n")
        c.quit()
    assert found(dora, subject="invoice") == ["far@away.test"] and found(root, subject="invoice") == ["far@away.test", "two@second.test"]
    one = dora.rows(PATH)[0]
    assert dora.get(f"{PATH}/{one['id']}").json()["subject"] == "invoice of her own"
    a = dora.call("POST", PATH + "/actions", {"action": "delete", "filter": {"subject": "invoice"}})
    wait_for("the deletion", lambda: found(root, subject="invoice") == ["two@second.test"])
    assert a.json()["total"] == 1


def test_subjects_survive_kill_and_restart(box, root):
    assert subjects(root) == AS_READ
    before = box.kill("smtp")
    wait_for("a new process", lambda: box.pids().get("smtp", before) != before)
    wait_for("the queue", lambda: root.get(PATH).status == 200 and len(root.rows(PATH)) == len(MAILS))
    assert subjects(root) == AS_READ
    box.stop()
    box.start()
    root.close()
    wait_for("the queue", lambda: root.get(PATH).status == 200 and len(root.rows(PATH)) == len(MAILS))
    assert subjects(root) == AS_READ and found(root, subject="größe") == ["one@first.test"]


def test_an_action_by_subject_takes_those_only(root):
    a = root.call("POST", PATH + "/actions", {"action": "hold", "filter": {"subject": "GRÖßE"}})
    assert a.status == 202 and a.json()["total"] == 1
    wait_for("the hold", lambda: found(root, state="held") == ["one@first.test"])
    a = root.call("POST", PATH + "/actions", {"action": "delete", "filter": {"subject": "invoice"}, "undo_seconds": 1})
    assert a.json()["total"] == 1
    wait_for("the deletion", lambda: found(root) == ["one@first.test", "three@third.test"])
    assert root.call("POST", PATH + "/actions", {"action": "delete", "filter": {"subject": "nobody wrote this"}}).json()["total"] == 0
    assert found(root) == ["one@first.test", "three@third.test"]
