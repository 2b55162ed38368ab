"""Named patterns: made, used wherever they may stand, changed and deleted without a restart."""
import smtplib
import socket

import pytest

import milter_peer as mp
from api import Client
from conftest import wait_for
from milter_peer import Milter
from test_accounts import body, submit
from test_basics import message_count
from test_filters import put


@pytest.fixture
def s(make_server):
    return make_server()


def rcpt(s, address):
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60) as c:
        c.ehlo("client.test")
        c.mail("x@elsewhere.test")
        return c.rcpt(address)[0]


def test_aliases_with_patterns(s):
    t = s.tool
    assert rcpt(s, "sales-1@example.test") == 550
    t("create", "pattern", "Sales", "items=sales-*@example.test;offers")
    t("create", "alias", "[Sales]@example.test", "targets=bob@example.test")
    t("change", "account", "alice@example.test", "aliases=ally;[Sales]")
    assert {r["name"]: r["items"] for r in s.tool_json("list", "patterns")["rows"]} == {"[sales]": "sales-*@example.test\noffers"}
    assert "[sales]@example.test" in t("list", "aliases").stdout
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60) as c:
        c.sendmail("x@elsewhere.test", ["Sales-1@example.test"], body(1))
    wait_for("both", lambda: message_count(s, "alice") == message_count(s, "bob") == 1)
    assert message_count(s, "carol") == 0
    assert rcpt(s, "nothing@example.test") == 550 and rcpt(s, "best-offers@example.test") == 250
    t("change", "pattern", "[sales]", "items=nothing")
    assert rcpt(s, "nothing@example.test") == 250 and rcpt(s, "sales-1@example.test") == 550
    for words, part in ((("delete", "pattern", "sales"), "is used by '[sales]@example.test'"),
                        (("create", "pattern", "x", "items=[none]"), "pattern '[none]' does not exist"),
                        (("change", "pattern", "sales", "items=[sales]"), "would contain itself"),
                        (("create", "pattern", "x y", "items=a"), "letters, digits"),
                        (("create", "alias", "[none]@example.test", "targets=bob@example.test"), "pattern '[none]' does not exist")):
        r = t(*words, check=False)
        assert r.returncode == 1 and part in r.stderr, r.stderr
    t("delete", "alias", "[sales]@example.test")
    t("delete", "pattern", "sales")
    assert rcpt(s, "nothing@example.test") == 550
    assert "pattern [sales]" in t("audit").stdout


def with_api(make_server):
    s = make_server(settings={"web.console_path": "/nonexistent"}, start=False)
    s.tool("create", "account", "root@example.test", "role=system-admin")
    root = Client(s, "root", token=s.tool("create", "token", "root@example.test", "t").stdout.strip())
    s.start()
    wait_for("the web server", lambda: root.get("/me").status == 200)
    return s, root


def test_what_stands_for_an_address(make_server):
    s, root = with_api(make_server)
    for name, items in (("staff", ["alice@", "bob@"]), ("all", ["[staff]", "sales-*@example.test"]), ("none", ["nobody@"])):
        assert root.call("PUT", f"/patterns/{name}", {"items": items}).status == 200

    def fit(address):
        return [r["name"] for r in root.rows("/patterns", address=address)]

    assert fit("Alice@Example.test") == ["all", "staff"] and fit("sales-7@example.test") == ["all"] and fit("x@example.test") == []
    assert [r["name"] for r in root.rows("/patterns", address="bob@example.test", q="sales")] == ["all"]
    assert [r["name"] for r in root.rows("/patterns", address="bob@example.test", limit=1)] == ["all", "staff"]
    for wrong in ("alice", "a b@", "@@@"):
        a = root.get("/patterns", address=wrong)
        assert (a.status, a.field()) == (422, "address")
    a = root.call("PUT", "/patterns/no%20name", {"items": ["x"]})
    assert (a.status, a.field()) == (422, "name")
    a = root.call("PUT", "/patterns/new", {"items": ["[missing]"]})
    assert (a.status, a.field()) == (422, "items")
    assert root.call("DELETE", "/patterns/staff", ...).status == 409


def said(port, source="127.0.0.1", host="127.0.0.1"):
    """The first words of a service to a client at this address; b"": it hangs up."""
    with socket.create_connection((host, port), timeout=30, source_address=(source, 0)) as c:
        return c.recv(200)


def listens(port, host):
    try:
        return said(port, host, host)
    except ConnectionRefusedError:
        return None


def refused(s, *words):
    r = s.tool(*words, check=False)
    assert r.returncode == 1, (words, r.stdout)
    return r.stderr


def pattern(s, name, *items):
    s.tool("create", "pattern", name, "items=" + ";".join(items))


def mail(s, sender, to="alice", source="127.0.0.1", code=250):
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=60, source_address=(source, 0)) as c:
        c.ehlo("client.test")
        c.mail(sender)
        got = c.rcpt(to if "@" in to else s.address(to))
        if got[0] == 250:
            c.putcmd("DATA")
            assert c.getreply()[0] == 354
            c.send(body(1))
            c.send(b"\r\n.\r\n")
            got = c.getreply()
    assert got[0] == code, got
    return got[1].decode()


def test_items(s):
    t = s.tool
    ok = ["192.0.2.7", "10.0.0.0/8", "192.168.*.*", "192-193.*.*.*", "2001:db8::1", "2001:db8::/32", "info", "v1.2", "@10.0.0.1", "*2024/05*"]
    pattern(s, "all", *ok)
    assert s.tool_json("list", "patterns")["rows"][0]["items"].split("\n") == ok
    for item in ("192.0.2.300", "10.0.0.0/33", "10.0/8", "1.2.3.*4", "2001:db8::/129", "2001:db8:::1", "1-.2.3.4", "192.0.2.7/"):
        text = refused(s, "change", "pattern", "all", f"items=info;{item}")
        assert f"items: '{item}' is no IP address and no network; write it as" in text, text
    # Nested works, loops refused.
    pattern(s, "inner", "127.0.0.2")
    pattern(s, "outer", "[inner]", "x@example.test")
    assert "would contain itself" in refused(s, "change", "pattern", "inner", "items=[outer]")
    t("set", "pop3.access_mode", "deny")
    t("set", "pop3.access_ips", "[outer]")
    assert said(s.port["pop3"], "127.0.0.2").startswith(b"-ERR [SYS/PERM]") and said(s.port["pop3"]).startswith(b"+OK")


def test_access_lists(make_server):
    s = make_server()
    pattern(s, "Inside", "127.0.0.2", "127.0.1.0/24", "someone@example.test")
    for service, no in (("smtp", b"554 5.7.1"), ("imap", b"* BYE"), ("pop3", b"-ERR [SYS/PERM]")):
        s.tool("set", f"{service}.access_mode", "deny")
        s.tool("set", f"{service}.access_ips", "[Inside]")
        assert s.tool("get", f"{service}.access_ips").stdout.count("[Inside]")
        for source in ("127.0.0.2", "127.0.1.77"):
            assert said(s.port[service], source).startswith(no), (service, source)
        assert not said(s.port[service], "127.0.2.77").startswith(no)
    # Without a restart, and again.
    s.tool("change", "pattern", "inside", "items=127.0.2.0/24")
    assert said(s.port["smtp"], "127.0.2.77").startswith(b"554") and said(s.port["smtp"], "127.0.0.2").startswith(b"220")
    s.tool("change", "pattern", "inside", "items=127.0.0.2")
    assert said(s.port["smtp"], "127.0.2.77").startswith(b"220") and said(s.port["smtp"], "127.0.0.2").startswith(b"554")
    # The web server's, and that of all services.
    for setting in ("web", "net"):
        s.tool("set", f"{setting}.access_mode", "deny")
        s.tool("set", f"{setting}.access_ips", "[inside]")
    with pytest.raises(OSError):
        ask_web(s, "127.0.0.2")
    assert ask_web(s, "127.0.0.3").startswith(b"HTTP/1.1")
    assert said(s.port["managesieve"], "127.0.0.2").upper().startswith((b"BYE", b"NO", b"")) and b"SIEVE" not in said(s.port["managesieve"], "127.0.0.2")
    # What is not there, what is of no use, and what is still needed.
    text = refused(s, "set", "smtp.access_ips", "127.0.0.1;[nobody]")
    assert "smtp.access_ips: '[nobody]': pattern '[nobody]' does not exist; create it first" in text
    pattern(s, "mails", "a@example.test")
    assert "smtp.access_ips: '[mails]': pattern '[mails]' has no IP address and no network; add one" in refused(s, "set", "smtp.access_ips", "[mails]")
    assert "pattern '[inside]': imap.access_ips: '[Inside]'" in refused(s, "change", "pattern", "inside", "items=a@example.test")
    assert "is used by 'setting imap.access_ips'" in refused(s, "delete", "pattern", "inside")


def ask_web(s, source):
    with socket.create_connection(("127.0.0.1", s.port["http"]), timeout=30, source_address=(source, 0)) as c:
        c.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        got = c.recv(200)
    if not got:
        raise ConnectionResetError
    return got


def test_trusted_ips(make_server):
    s = make_server(settings={"deliver.relay_host": "127.0.0.1:1", "queue.retry_schedule": "1h"})
    relayed = lambda source, code: mail(s, "x@example.test", "far@elsewhere.test", source, code)
    pattern(s, "near", "127.0.0.2")
    s.tool("set", "net.trusted_ips", "[near]")
    relayed("127.0.0.2", 250)
    assert "5.7.1 We do not relay" in relayed("127.0.0.3", 550)
    s.tool("change", "pattern", "near", "items=127.0.0.3/32")
    relayed("127.0.0.3", 250)
    relayed("127.0.0.2", 550)
    assert "is used by 'setting net.trusted_ips'" in refused(s, "delete", "pattern", "near")
    s.tool("reset", "net.trusted_ips")
    s.tool("delete", "pattern", "near")


def test_binding(make_server):
    s = make_server()
    port = s.base + 199
    pattern(s, "here", "127.0.0.7", "127.0.0.8", "127.9.0.0/16", "a@example.test")
    s.tool("set", "imap.listen", f"127.0.0.1:{s.port['imap']};[Here]:{port}")
    assert all(listens(port, a).startswith(b"* OK") for a in ("127.0.0.7", "127.0.0.8"))
    assert listens(port, "127.9.0.1") is None and listens(port, "127.0.0.1") is None
    assert {b["address"] for b in of_imap(s)} >= {f"127.0.0.7:{port}", f"127.0.0.8:{port}"}
    s.tool("change", "pattern", "here", "items=127.0.0.8;127.0.0.9")
    assert listens(port, "127.0.0.7") is None
    wait_for("the new address", lambda: (listens(port, "127.0.0.9") or b"").startswith(b"* OK"))
    assert listens(port, "127.0.0.8").startswith(b"* OK")
    pattern(s, "nets", "127.0.0.0/24")
    text = refused(s, "set", "imap.listen", f"[nets]:{port}")
    assert f"imap.listen: '[nets]:{port}': pattern '[nets]' has no IP address to listen at (networks and masks are not); add one" in text
    assert "pattern '[here]': imap.listen" in refused(s, "change", "pattern", "here", "items=127.0.0.0/24")
    assert "is used by 'setting imap.listen'" in refused(s, "delete", "pattern", "here")


def of_imap(s):
    return next(r["bindings"] for r in s.tool_json("service", "list")["rows"] if r["service"] == "imap")


def test_conditions_of_rules(make_server, tmp_path):
    s = make_server()
    pattern(s, "Spies", "@spy.test", "127.0.0.66", "bob@example.test")
    put(s, 'rule "sender" if sender is "[Spies]" then reject "of the sender"\nrule "ip" if ip in "10.0.0.0/8", "[Spies]" then reject "of the ip"\n'
           'rule "rcpt" if recipient is "[spies]" and not sender is "friend@example.test" then reject "of the recipient"', tmp_path)
    assert "of the sender" in mail(s, "A@Spy.test", code=550)
    assert "of the ip" in mail(s, "a@else.test", source="127.0.0.66", code=550)
    assert "of the recipient" in mail(s, "a@else.test", "bob", code=550)
    mail(s, "friend@example.test", "bob")
    mail(s, "a@else.test")
    tried = s.tool_json("filter", "test", str(write(tmp_path, "m.eml", "Subject: x\n\nx\n")), "sender=a@spy.test")
    assert [r["rule"] for r in tried["rows"]] == ["sender"]
    s.tool("change", "pattern", "spies", "items=@other.test")
    mail(s, "a@spy.test")
    mail(s, "a@else.test", source="127.0.0.66")
    assert "of the sender" in mail(s, "x@other.test", code=550)
    # Of domains and of accounts.
    put(s, 'rule "of the domain" if sender is "[spies]" then reject "of the domain"', tmp_path, "owner=example.test")
    s.tool("filter", "delete", "sender")
    assert "of the domain" in mail(s, "x@other.test", code=550)
    s.tool("filter", "delete", "of the domain", "owner=example.test")
    put(s, 'rule "mine" if sender is "[spies]" then delete', tmp_path, "owner=carol@example.test")
    mail(s, "x@other.test", "carol")
    mail(s, "x@spy.test", "carol")
    wait_for("the other one", lambda: message_count(s, "carol") == 1)
    wait_for("the deletion", lambda: s.tool_json("filter", "list", "carol@example.test")["rows"][0]["hits"] == 1)
    assert message_count(s, "carol") == 1
    text = refused(s, "filter", "put", str(write(tmp_path, "r.txt", 'rule "new" if ip is "[none]" then stop')))
    assert "rule 'new': pattern '[none]' does not exist" in text
    assert "is used by 'rule 'ip' of the server'" in refused(s, "delete", "pattern", "spies")


def write(tmp_path, name, text):
    f = tmp_path / name
    f.write_text(text)
    return f


def test_whom_milters_and_commands_pass_by(make_server, request):
    """What the reference calls bypass."""
    refuses = Milter(answers={"rcpt": mp.reply("550 5.7.1 said the milter")})
    request.addfinalizer(refuses.stop)
    s = make_server()
    pattern(s, "Own", "127.0.0.2", "@own.test")
    s.tool("set", "smtp.milters", f"{refuses.address()}|name=m|except=trusted,[Own],127.0.0.5")
    s.tool("set", "net.trusted_ips", "127.0.0.9")
    for source, code in (("127.0.0.2", 250), ("127.0.0.5", 250), ("127.0.0.9", 250), ("127.0.0.3", 550)):
        mail(s, "x@own.test", source=source, code=code)
    s.tool("change", "pattern", "own", "items=127.0.0.3")
    mail(s, "x@own.test", source="127.0.0.3")
    assert "said the milter" in mail(s, "x@own.test", source="127.0.0.2", code=550)
    assert "pattern '[none]' does not exist" in refused(s, "set", "smtp.commands", "one|except=[none]")
    assert "is used by 'setting smtp.milters'" in refused(s, "delete", "pattern", "own")


def test_lists_of_senders(s):
    pattern(s, "Bad", "@bad.test", "worse@")
    s.tool("senders", "deny", "[Bad]")
    for sender in ("x@bad.test", "Worse@else.test"):
        assert "rules rejection" in mail(s, sender, code=554)
    mail(s, "x@good.test")
    s.tool("change", "pattern", "bad", "items=@good.test")
    mail(s, "x@bad.test")
    mail(s, "x@good.test", code=554)
    # An address before patterns, and these before its domain.
    s.tool("senders", "allow", "y@good.test")
    mail(s, "y@good.test")
    s.tool("senders", "deny", "third.test")
    pattern(s, "fine", "@third.test")
    s.tool("senders", "allow", "[fine]", "owner=example.test")
    mail(s, "z@third.test")
    s.tool("senders", "remove", "[fine]", "owner=example.test")
    mail(s, "z@third.test", code=554)
    assert "sender: pattern '[none]' does not exist" in refused(s, "senders", "deny", "[none]")
    assert "is used by 'list of senders of the server'" in refused(s, "delete", "pattern", "bad")


def test_forward_and_copies(s):
    pattern(s, "more", "carol@example.test", "sales")
    pattern(s, "Team", "bob@example.test", "*@example.test", "[more]", "127.0.0.1")
    s.tool("change", "account", "alice@example.test", "forward_to=[Team]", "keep_copy=no")
    assert "[team]" in s.tool("show", "account", "alice@example.test").stdout
    mail(s, "x@else.test")
    wait_for("both", lambda: message_count(s, "bob") == message_count(s, "carol") == 1)
    assert message_count(s, "alice") == 0
    s.tool("change", "pattern", "more", "items=sales")
    mail(s, "x@else.test")
    wait_for("the one", lambda: message_count(s, "bob") == 2)
    s.tool("change", "account", "alice@example.test", "forward_to=", "keep_copy=yes", "copy_incoming=[team]")
    mail(s, "x@else.test")
    wait_for("the copy", lambda: message_count(s, "bob") == 3 and message_count(s, "alice") == 1)
    s.tool("change", "account", "alice@example.test", "copy_incoming=", "copy_outgoing=[Team];carol@example.test")
    submit(s, "alice", ["alice@example.test"], body(4, "alice@example.test"))
    wait_for("the copies", lambda: message_count(s, "bob") == 4 and message_count(s, "carol") == 2)
    # Loops refused, from both ends; and what leads nowhere.
    pattern(s, "round", "alice@example.test", "bob@example.test")
    for field in ("forward_to", "copy_incoming", "copy_outgoing"):
        text = refused(s, "change", "account", "alice@example.test", f"{field}=[round]")
        assert f"{field}: pattern '[round]' has the account itself, alice@example.test" in text, text
    text = refused(s, "change", "pattern", "more", "items=Alice@example.test")
    assert "pattern '[more]': copy_outgoing of alice@example.test: pattern '[team]' has the account itself" in text
    text = refused(s, "change", "account", "alice@example.test", "forward_to=[more]")
    assert "forward_to: pattern '[more]' has no whole address to send to; add one" in text
    assert "forward_to: pattern '[none]' does not exist" in refused(s, "change", "account", "alice@example.test", "forward_to=[none]")
    assert "is used by 'copy_outgoing of alice@example.test'" in refused(s, "delete", "pattern", "team")


def test_users(make_server, tmp_path):
    """Who uses a pattern: told by the tool, its operation and the API, to those who may know."""
    s, root = with_api(make_server)
    pattern(s, "Desk", "bob@example.test", "desk-*@example.test", "192.0.2.7")
    pattern(s, "other", "x@")
    assert s.tool("pattern", "users", "desk").stdout == "nothing uses the pattern\n"
    assert root.rows("/patterns/desk/users") == []
    s.tool("create", "alias", "[Desk]@example.test", "targets=bob@example.test;carol@example.test")
    pattern(s, "all", "[desk]")
    s.tool("set", "smtp.access_ips", "127.0.0.3;[DESK]")
    s.tool("change", "account", "alice@example.test", "forward_to=[desk]", "copy_outgoing=[desk]")
    s.tool("senders", "deny", "[desk]")
    s.tool("senders", "allow", "[desk]", "owner=example.test")
    put(s, 'rule "r" if ip in "[desk]" then stop', tmp_path)
    put(s, 'rule "mine" off if sender is "[Desk]" then delete', tmp_path, "owner=carol@example.test")
    want = [
        ("alias", "[desk]@example.test", "example.test"),
        ("pattern", "all", "server"),
        ("setting", "smtp.access_ips", "server"),
        ("account", "copy_outgoing", "alice@example.test"),
        ("account", "forward_to", "alice@example.test"),
        ("senders", "[desk]", "server"),
        ("senders", "[desk]", "example.test"),
        ("rule", "r", "server"),
        ("rule", "mine", "carol@example.test"),
    ]
    told = lambda rows: [(r["kind"], r["name"], r["owner"]) for r in rows]
    answer = s.tool_json("pattern", "users", "[Desk]")
    assert told(answer["rows"]) == want and "more" not in answer
    shown = s.tool("pattern", "users", "desk").stdout.splitlines()
    assert shown[0].split() == ["KIND", "NAME", "OF"] and [tuple(line.split()) for line in shown[1:]] == want
    for limit in (1, 2, 200):
        assert told(root.rows("/patterns/desk/users", limit=limit)) == want
    assert told(root.rows("/patterns/%5BDESK%5D/users", q="mine")) == want[-1:]
    assert root.get("/patterns/desk/users").json()["total"] == {"value": 9, "relation": "exact"}
    assert root.rows("/patterns/other/users") == []
    # No such pattern.
    assert "pattern 'none' does not exist" in refused(s, "pattern", "users", "none")
    for name in ("none", "no%20name"):
        assert root.get(f"/patterns/{name}/users").status == 404
    # Who may read one half of it only learns nothing.
    run = lambda who: who.call("POST", "/commands/pattern.users", {"args": {"name": "desk"}})
    assert told(run(root).json()["rows"]) == want
    for scopes, status, command in (("settings:read", 403, 403), ("directory:read", 403, 200), ("settings:read directory:read", 200, 200)):
        who = Client(s, token=s.tool("create", "token", "root@example.test", scopes, "scopes=" + scopes).stdout.strip())
        assert (who.get("/patterns/desk/users").status, run(who).status) == (status, command), scopes
    s.tool("create", "account", "dom@example.test", "role=domain-admin", "admin_domains=example.test")
    dom = Client(s, token=s.tool("create", "token", "dom@example.test", "t").stdout.strip())
    assert dom.get("/patterns/desk/users").status == run(dom).status == 403
    # They are what keeps it from being deleted: each is named, until none is left.
    for text, words in (("[desk]@example.test", ("delete", "alias", "[desk]@example.test")),
                        ("pattern [all]", ("delete", "pattern", "all")),
                        ("setting smtp.access_ips", ("reset", "smtp.access_ips")),
                        ("copy_outgoing of alice@example.test", ("change", "account", "alice@example.test", "copy_outgoing=")),
                        ("forward_to of alice@example.test", ("change", "account", "alice@example.test", "forward_to=")),
                        ("list of senders of the server", ("senders", "remove", "[desk]")),
                        ("list of senders of example.test", ("senders", "remove", "[desk]", "owner=example.test")),
                        ("rule 'r' of the server", ("filter", "delete", "r")),
                        ("rule 'mine' of carol@example.test", ("filter", "delete", "mine", "owner=carol@example.test"))):
        assert [r["text"] for r in s.tool_json("pattern", "users", "desk")["rows"]][0] == text
        assert f"is used by '{text}'" in refused(s, "delete", "pattern", "desk")
        s.tool(*words)
    assert s.tool_json("pattern", "users", "desk")["rows"] == []
    s.tool("delete", "pattern", "desk")


def test_very_many_users(make_server, tmp_path):
    s, root = with_api(make_server)
    pattern(s, "desk", "bob@example.test")
    s.tool("batch", str(write(tmp_path, "batch", "".join(f"create pattern n{n} items=[desk]\n" for n in range(1000)))))
    answer = s.tool_json("pattern", "users", "desk")
    assert len(answer["rows"]) == 1000 and "more" not in answer
    assert "there are more" not in s.tool("pattern", "users", "desk").stdout
    s.tool("senders", "deny", "[desk]")
    answer = s.tool_json("pattern", "users", "desk")
    assert len(answer["rows"]) == 1000 and answer["more"] is True
    assert s.tool("pattern", "users", "desk").stdout.endswith("(there are more: these are the first 1000)\n")
    assert root.get("/patterns/desk/users").json()["total"] == {"value": 1000, "relation": "at_least"}
    assert len(root.rows("/patterns/desk/users", limit=200)) == 1000


def test_long_patterns(make_server):
    """10,000 items of each kind."""
    s, root = with_api(make_server)

    def pattern(s, name, *items):
        assert root.call("PUT", f"/patterns/{name}", {"items": items}).status == 200

    pattern(s, "ips", *(f"10.{n >> 8}.{n & 255}.0/24" for n in range(9999)), "127.0.0.2")
    s.tool("set", "smtp.access_mode", "deny")
    s.tool("set", "smtp.access_ips", "[ips]")
    assert said(s.port["smtp"], "127.0.0.2").startswith(b"554") and said(s.port["smtp"]).startswith(b"220")
    pattern(s, "mails", *(f"n{n}@many.test" for n in range(10000)))
    s.tool("senders", "deny", "[mails]")
    mail(s, "n9999@many.test", code=554)
    mail(s, "m@many.test")


def test_the_api_names_the_field(make_server):
    s, root = with_api(make_server)
    assert root.call("PUT", "/patterns/near", {"items": ["127.0.0.1", "x@example.test"]}).status == 200
    a = root.call("PUT", "/patterns/wrong", {"items": ["10.0.0.0/40"]})
    assert (a.status, a.field()) == (422, "items")
    for dry in ("", "?dry_run=true"):
        a = root.call("PATCH", f"/settings{dry}", {"values": {"smtp.access_ips": "[far]"}})
        assert (a.status, a.field()) == (422, "smtp.access_ips"), (a.status, a.body)
    assert root.call("PATCH", "/settings", {"values": {"web.access_ips": "[near]", "web.access_mode": "grant"}}).status == 200
    a = root.call("PUT", "/patterns/near", {"items": ["y@example.test"]})
    assert a.status == 409 and "web.access_ips" in a.json()["detail"]
    a = root.call("PATCH", "/accounts/alice@example.test", {"forward_to": ["[near]", "bob@example.test"]})
    assert a.status == 200 and a.json()["forward_to"] == ["[near]", "bob@example.test"]
    a = root.call("PATCH", "/accounts/alice@example.test", {"copy_incoming": ["[far]"]})
    assert (a.status, a.field()) == (422, "copy_incoming")
    assert root.call("PUT", "/sender-lists/server/%5BNear%5D", {"verdict": "deny"}).status in (200, 201)
    a = root.call("PUT", "/sender-lists/server/%5Bfar%5D", {"verdict": "deny"})
    assert (a.status, a.field()) == (422, "sender"), (a.status, a.body)
    a = root.call("DELETE", "/patterns/near", ...)
    assert a.status == 409 and "is used by 'setting web.access_ips'" in a.json()["detail"]
    assert root.get("/services/imap/access-test", ip="127.0.0.1").json()["allowed"] is True
    a = root.call("PATCH", "/settings", {"values": {"web.access_mode": "deny"}})
    assert (a.status, a.field()) == (409, "web.access_mode")  # it would shut out who asks
    a = root.call("PUT", "/filters/server", {"text": 'rule "r" if sender is "[far]" then stop'})
    assert a.status == 422 and "rule 'r': pattern '[far]' does not exist" in a.json()["detail"], a.body
