"""A domain admin never sees another domain's row: random domains, accounts, aliases and mail; every operation of the API's document
is asked, with every id that exists; what may be seen is worked out here, from what was done.

SCOPE_SEED repeats a run."""
import base64
import http.client
import imaplib
import json
import os
import random
import re
import smtplib
import threading
import time
import urllib.parse

import pytest

from api import Client, Document, sign_in
from conftest import PASSWORD, wait_for
from test_basics import BODY
from test_events import accepted_id

SEED = int(os.environ.get("SCOPE_SEED", random.SystemRandom().randrange(10**6)))
ROOT = "root@root.test"


class World:
    """tokens: text that is nowhere else -> those who may see it (keys of views)."""

    def __init__(self, make):
        self.rnd = random.Random(SEED)
        print(f"SCOPE_SEED={SEED}")
        self.tokens, self.n = {}, 0
        self.domains = {d: [] for d in ("aaa.test", "bbb.test", "ccc.test", "ddd.test")}
        # view -> its domains; bc administers two.
        self.views = {"a": ["aaa.test"], "bc": ["bbb.test", "ccc.test"]}
        s = self.server = make(start=False, domain="root.test", users=(), hostname="mail.root.test",
                               settings={"auth.failure_delay": "0s", "deliver.relay_host": "127.0.0.1:1", "queue.retry_schedule": "1h",
                                         "web.console_path": "/nonexistent", "archive.enabled": "yes"})
        lines = [f"create account {ROOT} password={{PLAIN}}{PASSWORD} role=system-admin"]
        self.aliases, self.labels, self.scripts, self.filters, self.remotes, self.senders = [], [], [], [], [], []
        for d, accounts in self.domains.items():
            lines.append(f"create domain {d}")
            for _ in range(self.rnd.randint(2, 5)):
                local, name = self.token({d}), self.token({d})
                accounts.append(f"{local}@{d}")
                lines.append(f"create account {local}@{d} password={{PLAIN}}{PASSWORD} name={name}")
        for view, domains in self.views.items():
            lines.append(f"create account adm-{view}@{domains[0]} password={{PLAIN}}{PASSWORD} role=domain-admin admin_domains={';'.join(domains)}")
        (s.dir / "more.txt").write_text("\n".join(lines) + "\n")
        s.tool("batch", str(s.dir / "more.txt"))
        self.root = Client(s, "root", token=s.tool("create", "token", ROOT, "tests").stdout.strip())
        self.who = {v: Client(s, v, token=s.tool("create", "token", f"adm-{v}@{d[0]}", "tests").stdout.strip()) for v, d in self.views.items()}
        s.start()
        self.doc = Document(wait_for("the web server", self.document))
        self.live = []
        self.fill()

    def document(self):
        try:
            return Client(self.server).get("/openapi.json").json()
        except (OSError, http.client.HTTPException):
            return None

    def token(self, domains):
        """A text that only those who administer one of the domains may see."""
        text = "".join(self.rnd.choice("bcdfghjklmnpqrstvwxz") for _ in range(12))
        self.tokens[text] = {v for v, d in self.views.items() if set(d) & set(domains)}
        return text

    def reveal(self, address, domains):
        """These domains have had mail with the address: their admins may know it."""
        local = address.split("@")[0]
        if local in self.tokens:
            self.tokens[local] |= {v for v, d in self.views.items() if set(d) & set(domains)}

    def any_account(self):
        return self.rnd.choice([a for l in self.domains.values() for a in l])

    def address_of_client(self):
        """A source address whose second half no domain admin is shown."""
        self.n += 1
        text = f"127.{self.rnd.randint(1, 9)}.{self.rnd.randint(100, 250)}.{100 + self.n % 150}"
        self.tokens[text] = set()
        return text

    def fill(self):
        for d in self.domains:
            alias = f"{self.token({d})}@{d}"
            target = self.rnd.choice([self.rnd.choice(self.domains[d]), f"{self.token({d})}@far.test"])
            assert self.root.call("PUT", f"/aliases/{alias}", {"targets": [target]}).status == 200
            self.aliases.append(alias)
            account = self.rnd.choice(self.domains[d])
            label = self.token({d})
            assert self.root.call("POST", f"/accounts/{account}/app-passwords", {"label": label}).status == 201
            self.labels.append((account, label))
            script = self.token({d})
            assert self.root.call("PUT", f"/accounts/{account}/sieve/{script}", {"text": f"# {script}"}).status == 200
            self.scripts.append((account, script))
            for owner in (d, account):
                rule = self.token({d})
                assert self.root.call("POST", "/filters", {"owner": owner, "text": f'rule "{rule}" if size over 1G then stop'}).status == 200
                self.filters.append((owner, rule))
            for owner, seen in ((d, {d}), ("server", ())):
                sender = f"{self.token(seen)}@far.test"
                assert self.root.call("PUT", f"/sender-lists/{owner}/{sender}", {"verdict": "deny"}).status == 200
                self.senders.append((owner, sender))
            remote = self.root.call("POST", f"/accounts/{account}/remote-accounts", {"host": "127.0.0.9", "user": self.token({d}), "password": "p", "enabled": False})
            assert remote.status == 201
            self.remotes.append((account, remote.json()["id"]))
        self.messages = [self.send() for _ in range(60)]
        for l in self.domains.values():
            for account in l:
                c = imaplib.IMAP4("127.0.0.1", self.server.port["imap"], timeout=20) if self.rnd.random() < 0.3 else self.imap(self.address_of_client())
                c.login(account, PASSWORD)
                if self.rnd.random() < 0.5:
                    self.live.append(c)
                else:
                    c.logout()
        wait_for("all deliveries and attempts", self.is_quiet)
        # Sessions of accounts, live and ended, and of messages.
        self.sessions = {}
        for state in ("active", "history"):
            for row in self.root.rows("/sessions", state=state, limit=2000):
                self.sessions[row["id"]] = row["account"]
                self.tokens[row["id"]] = {v for v, d in self.views.items() if row["account"].partition("@")[2] in d}
        self.keys = {m["key"]: m for m in self.root.rows("/messages", limit=2000)}
        # A message's key is told to those who see the message.
        for key, m in self.keys.items():
            self.tokens[key] = self.tokens.get(m["id"], {v for v, d in self.views.items() if {a.partition("@")[2] for a in [m["sender"], *m["recipients"]]} & set(d)})
        self.queue = self.root.rows("/queue/outgoing/messages", limit=2000)
        assert self.queue and len(self.keys) > 40
        # id of a message -> the account in whose mailbox it is
        self.mail = {m["id"]: a for l in self.domains.values() for a in l for m in self.root.rows(f"/queue/mailbox/{a}/inbox/messages")}
        assert self.mail
        # What waits behind a destination that is away was not tried yet, and is not archived yet.
        self.archived = [r["name"] for r in self.root.rows("/archive/messages")]
        assert len(self.archived) > 20

    def imap(self, source):
        class Bound(imaplib.IMAP4):
            def _create_socket(self, timeout):
                import socket
                return socket.create_connection((self.host, self.port), 20, source_address=(source, 0))
        return Bound("127.0.0.1", self.server.port["imap"])

    def send(self):
        """A message of random kind; its id."""
        kind = self.rnd.choice(("in", "in", "submit", "submit", "out", "mixed"))
        here = self.rnd.sample([a for l in self.domains.values() for a in l] + self.aliases, self.rnd.randint(1, 4))
        source = self.address_of_client() if kind == "submit" else "127.0.0.1"
        far = [f"{self.token(())}@far.test"] if kind in ("out", "mixed") else []
        to = far if kind == "out" else here + far
        account = None if kind == "in" else self.any_account()
        sender = account or f"{self.token(())}@outside.test"
        with smtplib.SMTP(source_address=(source, 0), timeout=20) as c:
            c.connect("127.0.0.1", self.server.port["submission" if account else "smtp"])
            c.ehlo("client.test")
            if account:
                c.login(account, PASSWORD)
            c.mail(sender)
            for r in to:
                c.rcpt(r)
            if self.rnd.random() < 0.3:
                d = self.rnd.choice(list(self.domains))
                nobody = f"{self.token({d})}@{d}"
                c.rcpt(nobody)
                to = [*to, nobody]  # those who administer the domain see that somebody has tried
            msgid = accepted_id(c.data(BODY)[1])
        domains = {a.partition("@")[2] for a in [sender, *to]}
        self.tokens[msgid] = {v for v, d in self.views.items() if set(d) & domains}
        for r in to:
            self.reveal(sender, {r.partition("@")[2]})  # a recipient's admin knows the sender
            self.reveal(r, {sender.partition("@")[2]})  # a sender's admin knows all his recipients
        return msgid

    def is_quiet(self):
        rows = self.root.rows("/messages", limit=2000)
        return len(rows) >= 60 and all(m["status"] not in ("accepted",) for m in rows)

    def leaks(self, view, text):
        """Tokens in text that the view may not see, and what is around them."""
        low = text.lower()
        return [low[max(0, low.index(t.lower()) - 150):][:200] for t, who in self.tokens.items() if view not in who and t.lower() in low]


@pytest.fixture(scope="module")
def world(make_module_server):
    w = World(make_module_server)
    yield w
    for c in w.live:
        c.shutdown()


def ids_of(w):
    """Values for the parts of paths, by the operation's path."""
    accounts = [a for l in w.domains.values() for a in l] + [ROOT, "nobody@aaa.test", "nobody@bbb.test"]
    values = {"account": accounts, "address": w.aliases + accounts, "domain": [*w.domains, "root.test", "nowhere.test"], "name": ["outgoing"], "folder": ["inbox", "junk"],
              "service": ["smtp", "imap"], "label": [l for _, l in w.labels], "script": [n for _, n in w.scripts], "owner": [*accounts[:-2], *w.domains, "nowhere.test", "server"], "rule": [n for _, n in w.filters], "pattern": ["relayed.test"], "remote": [i for _, i in w.remotes], "sender": [n for _, n in w.senders], "command": ["account.show", "account.list", "domain.delete", "queue.list", "message.why"]}
    ids = {"/self/consoles": ["0" * 16], "/self/sessions": w.sessions, "/self/messages": [*w.keys, *w.messages], "/queue/mailbox": [*w.mail], "/queue": [m["id"] for m in w.queue], "/messages": [*w.keys, *w.messages], "/sessions": [*w.sessions, *(i[-4:] for i in w.sessions)],
           "/operations": w.operations, "/audit": ["1", "2"], "/tokens": [t["id"] for t in w.root.rows("/tokens")], "/annotations": ["1"]}
    return values, ids


def paths_of(w, op):
    values, ids = ids_of(w)
    if op.path.startswith("/archive/"):
        values["name"] = w.archived
    if op.path.startswith("/settings/"):
        values["name"] = ["smtp.max_errors"]
    out = [{}]
    for name in op.in_path:
        some = values.get(name) or next(v for k, v in ids.items() if op.path.startswith(k))
        out = [{**o, name: v} for o in out for v in some]
    if "folder" in op.in_path and "id" in op.in_path:  # where the message is, and elsewhere
        out = [o for o in out if w.mail[o["id"]] == o["account"]] + w.rnd.sample(out, 20)
    return w.rnd.sample(out, min(len(out), 150))


def text_of(answer):
    """The body, and what its cursor hides."""
    text = answer.body.decode()
    for cursor in re.findall(r'"next_cursor":"([^"]+)"', text):
        text += base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("latin-1")
    return text


@pytest.fixture(scope="module")
def operations(world):
    """One operation of each: of the system admin and of the others."""
    world.operations = []
    for who, m in [(world.root, world.queue[0])] + [(world.who[v], next((q for q in world.queue if q["sender"].partition("@")[2] in d), None))
                                                    for v, d in world.views.items()]:
        if m:
            a = who.call("POST", "/queue/outgoing/messages/actions", {"action": "send_now", "ids": [m["id"]], "undo_seconds": 300})
            assert a.status == 202, (who.name, a.body)
            world.operations.append(a.json()["id"])
            view = who.name if who.name in world.views else None
            world.tokens[a.json()["id"]] = {view}
    return world.operations


def test_the_system_admin_sees_all_of_it(world, operations):
    """Else the others' seeing nothing would prove nothing."""
    text = "".join(text_of(world.root.get(p, limit=2000)) for p in ("/accounts", "/aliases", "/messages", "/sessions", "/queue/outgoing/messages"))
    text += text_of(world.root.get("/sessions", state="history", limit=2000))
    unseen = [t for t in world.tokens if len(t) == 12 and t.isalpha() and t not in text]
    assert len(unseen) < len(world.tokens) / 3, unseen


@pytest.mark.parametrize("view", ["a", "bc"])
def test_nothing_of_another_domain_is_read(world, operations, view):
    w, who = world, world.who[view]
    seen, calls = "", 0
    for op in w.doc.operations:
        if op.is_write or op.id in ("streamEvents", "getOpenapi", "search"):
            continue
        for path in paths_of(w, op):
            a = w.doc.check(op, who.call(op.method, op.url(path), ...))
            calls += 1
            if a.status == 200:
                seen += text_of(a)
                assert not w.leaks(view, text_of(a)), (op, path, w.leaks(view, text_of(a)), a.body[:2000])
    own = [t for t, v in w.tokens.items() if view in v]
    assert calls > 100 and sum(t.lower() in seen.lower() for t in own) > len(own) / 2, (calls, len(own))


@pytest.mark.parametrize("view", ["a", "bc"])
def test_lists_that_are_filtered_and_paged(world, view):
    """By texts of others: no row, and no sum. By pages of one: the cursors tell nothing."""
    w, who = world, world.who[view]
    foreign = [t for t, v in w.tokens.items() if view not in v]
    for op in w.doc.operations:
        names = [p["name"] for p in op.query]
        if op.is_write or op.scope not in who.get("/me").json()["scopes"] or "cursor" not in names:
            continue
        for path in paths_of(w, op)[:1]:
            if op.in_path and op.in_path != ["name"]:
                continue
            for t in w.rnd.sample(foreign, 25):
                for name in {"q", "sender", "recipient", "address", "account", "peer", "ip", "destination"} & set(names):
                    whole = t if name == "q" or "." in t else next((a for l in w.domains.values() for a in l if a.startswith(t)), t)
                    for extra in [{}] + [{"state": "history"}] * (op.id == "listSessions"):
                        a = w.doc.check(op, who.get(op.url(path), **{name: whole}, **extra))
                        assert not w.leaks(view, text_of(a).replace(whole, "")), (op, name, a.body)
                        if a.status == 200 and "." not in t:
                            assert a.json()["items"] == [] and a.json()["total"]["value"] == 0, (op, name, whole, a.body)
            sorts = next((p["schema"]["enum"] for p in op.query if p["name"] == "sort"), [None])
            for sort in sorts:
                query, n = {"limit": 1, **({"sort": sort} if sort else {})}, 0
                while n < 30:
                    a = w.doc.check(op, who.get(op.url(path), **query))
                    assert a.status == 200 and not w.leaks(view, text_of(a)), (op, sort, text_of(a))
                    n += 1
                    query["cursor"] = a.json()["next_cursor"]
                    if not query["cursor"]:
                        break


@pytest.mark.parametrize("view", ["a", "bc"])
def test_the_hidden_half_of_an_address_is_not_found_out(world, view):
    """Asking by a whole address gives the same as asking by another with the same first half."""
    w, who = world, world.who[view]
    hidden = [t for t in w.tokens if t.startswith("127.")]
    for path, name, extra in (("/sessions", "peer", {}), ("/sessions", "q", {}), ("/sessions", "peer", {"state": "history"}),
                              ("/sessions", "q", {"state": "history"}), ("/messages", "ip", {}), ("/messages", "q", {})):
        for ip in hidden:
            other = ".".join(ip.split(".")[:2]) + ".99.98"
            found = [[json.dumps(i["id"]) for i in who.rows(path, **{name: v}, **extra)] for v in (ip, other)]
            assert found[0] == found[1], (path, name, ip, found)
    for ip in hidden[:10]:
        counts = [who.call("POST", "/sessions/actions", {"action": "end", "filter": {"peer": v, "account": "x@nowhere.test"}}).json() for v in (ip, "127.9.9.9")]
        assert counts[0] == counts[1]
        assert [i for i in who.get("/search", q=ip).json()["items"]] == []


@pytest.mark.parametrize("view", ["a", "bc"])
def test_messages_are_found_by_what_is_shown_only(world, view):
    """By an address or a session that a message's row does not show, the message is not found."""
    w, who = world, world.who[view]
    for local in [t for t, v in w.tokens.items() if view not in v and len(t) == 12]:
        for d in [*w.domains, "far.test", "outside.test"]:
            for name in ("address", "sender", "recipient"):
                assert who.get("/messages", **{name: f"{local}@{d}"}).json()["items"] == [], (name, local, d)
    for session in w.sessions:
        if view not in w.tokens[session]:
            assert who.get("/messages", session=session).json()["items"] == [], session
    for m in who.rows("/messages"):
        if m["sender"].partition("@")[2] not in w.views[view]:
            assert all(r.partition("@")[2] in w.views[view] for r in m["recipients"]), m


@pytest.mark.parametrize("view", ["a", "bc"])
def test_search_finds_nothing_of_another_domain(world, view):
    w, who = world, world.who[view]
    for t in w.tokens:
        for q in {t, next((a for l in w.domains.values() for a in l if a.startswith(t)), t), t[-4:], t[:3]}:
            a = who.get("/search", q=q, limit=50)
            found = text_of(a)
            assert a.status == 200 and not w.leaks(view, found), (q, found)
            if view not in w.tokens[t] and q == t:
                assert a.json()["items"] == [], (q, found)


@pytest.mark.parametrize("view", ["a", "bc"])
def test_sums_are_of_the_own_rows(world, view):
    w, who, domains = world, world.who[view], world.views[view]
    mine = [m for m in w.queue if m["sender"].partition("@")[2] in domains]
    listed = who.rows("/queue/outgoing/messages")
    assert {m["id"] for m in mine} <= {m["id"] for m in listed}
    sums = who.get("/queue/outgoing").json()
    assert sums["messages"] == len(listed) == sum(sums["states"].values())
    assert sum(d["messages"] for d in who.rows("/destinations")) <= len(listed)
    for path in ("/accounts", "/aliases", "/domains", "/sessions", "/tokens", "/queue/outgoing/messages"):
        rows = who.rows(path)
        assert who.get(path, limit=1).json()["total"]["value"] == len(rows), path
    assert {d["domain"] for d in who.rows("/domains")} == set(domains)
    assert all(a["address"].partition("@")[2] in domains for a in who.rows("/accounts") + who.rows("/aliases"))


def state_of(w):
    """All that the domain admins could change, as the system admin sees it."""
    rows = {p: w.root.rows(p, limit=2000) for p in ("/accounts", "/aliases", "/domains", "/settings/schema") if p != "/settings/schema"}
    rows["settings"] = w.root.get("/settings").json()["items"]
    rows["accounts"] = [w.root.get(f"/accounts/{a['address']}").json() for a in rows["/accounts"]]
    rows["labels"] = {a: w.root.rows(f"/accounts/{a}/app-passwords") for a, _ in w.labels}
    rows["scripts"] = {a: w.root.rows(f"/accounts/{a}/sieve") for a, _ in w.scripts}
    rows["filters"] = [{k: v for k, v in r.items() if "hit" not in k} for r in w.root.rows("/filters", limit=2000)]
    rows["remotes"] = {a: w.root.rows(f"/accounts/{a}/remote-accounts") for a, _ in w.remotes}
    rows["senders"] = w.root.rows("/sender-lists", limit=2000)
    rows["queue"] = sorted(m["id"] for m in w.root.rows("/queue/outgoing/messages", limit=2000))
    rows["mail"] = sorted(m["id"] for a in set(w.mail.values()) for m in w.root.rows(f"/queue/mailbox/{a}/inbox/messages", limit=2000))
    rows["tokens"] = sorted(t["id"] for t in w.root.rows("/tokens"))
    rows["operations"] = [(i, w.root.get(f"/operations/{i}").json()["state"]) for i in w.operations]
    return rows


BODIES = {"actOnTokens": {"action": "withdraw", "ids": ["ID"]}, "actOnQueueMessages": {"action": "delete", "ids": ["ID"]}, "sendArchivedMessage": {"to": ["x@nowhere.test"]}, "actOnSessions": {"action": "end", "filter": {"account": "ID"}},
          "createDomain": {"domain": "new.test"}, "updateDomain": {"enabled": False}, "putAlias": {"targets": [ROOT]},
          "putMembers": {"members": [ROOT]}, "testSms": {"to": "+393331234567", "text": "x"}, "patchMembers": {"add": [ROOT]},
          "updateAccount": {"name": "taken", "password": "taken-over"}, "createAppPassword": {"label": "x"}, "putSieveScript": {"text": "discard;"}, "addFilters": {"owner": "server", "text": "rule \"x\" then delete"}, "testFilters": {"owner": "server", "text": "x"}, "putFilters": {"text": ""},
          "putFilter": {"text": "rule \"x\" then delete"}, "updateFilter": {"enabled": False}, "createRemoteAccount": {"host": "127.0.0.9", "user": "x", "password": "p", "enabled": False}, "updateRemoteAccount": {"user": "x"}, "putSender": {"verdict": "allow"}, "putPattern": {"items": ["x"]}, "actOnSieveScript": {"action": "activate"}, "updateSettings": {"values": {"smtp.vrfy": "yes"}},
          "updateSetting": {"value": "1"}, "actOnService": {"action": "restart"}, "createAnnotation": {"text": "x"}, "setOwnPassword": {"old": PASSWORD, "new": "taken-over"}, "createOwnAppPassword": {"label": "x"}}


def is_own(w, view, op, path):
    """Is it about a row that the domain admin may change?"""
    text = " ".join(path.values())
    if "sender" in path:
        return path["owner"] in w.views[view]
    own = any(text.endswith("@" + d) or text == d or f"@{d} " in text for d in w.views[view])
    tokens = [t for t in w.tokens if t in text]
    return own or any(view in w.tokens[t] for t in tokens if len(tokens) == 1)


@pytest.mark.parametrize("view", ["a", "bc"])
def test_nothing_of_another_domain_is_changed(world, operations, view):
    """Each change of each foreign row: refused as if the row did not exist, and nothing has changed."""
    w, who = world, world.who[view]
    before, calls = state_of(w), 0
    tokens = {t["id"] for t in who.rows("/tokens")}
    for op in w.doc.operations:
        if not op.is_write or op.id in ("login", "logout", "createToken", "createAccount", "importAccounts", "runCommand"):  # test_remote.py runs commands
            continue
        for path in paths_of(w, op) if op.in_path and op.in_path != ["name"] else [{n: "outgoing" for n in op.in_path}]:
            if is_own(w, view, op, path) or op.id == "deleteToken" and path["id"] in tokens or \
                    op.id == "endSession" and (len(path["id"]) == 4 or view in w.tokens[path["id"]]):
                continue
            body = BODIES.get(op.id, {}) if op.body else ...
            if op.id == "actOnQueueMessages":
                foreign = [m["id"] for m in w.queue if view not in w.tokens.get(m["id"], ())]
                body = {"action": "delete", "ids": foreign[:1] or ["AAA00000"]}
            if op.id == "actOnSessions":
                body = {"action": "end", "filter": {"account": next(a for d, l in w.domains.items() for a in l if d not in w.views[view])}}
            a = w.doc.check(op, who.call(op.method, op.url(path), body), f"{path} {body}")
            calls += 1
            if op.id == "actOnSessions":
                assert a.json() == {"count": 0}, a.body
            else:
                assert a.status in (403, 404), (op, path, a.status, a.body)
            assert not w.leaks(view, re.sub(r"'[^']*'", "", a.body.decode())), (op, path, a.body)
    for address in [a for l in w.domains.values() for a in l if a.partition("@")[2] not in w.views[view]][:3]:
        assert who.call("POST", "/accounts", {"address": "new-" + address}).status in (403, 404)
        assert who.call("POST", "/accounts", {"address": f"{w.rnd.random()}@{w.views[view][0]}", "aliases": ["new-" + address]}).status in (403, 404, 422)
        got = who.call("POST", "/accounts/import?dry_run=true", {"csv": f"address\nnew-{address}\n{address}\n"}).json()
        assert [r["ok"] for r in got["rows"]] == [False, False] and not w.leaks(view, re.sub(re.escape(address), "", json.dumps(got)))
    # Nor does he become more than he is.
    for address, body in ((who.get("/me").json()["account"], {"role": "system-admin"}), (who.get("/me").json()["account"], {"admin_domains": list(w.domains)}),
                          (w.domains[w.views[view][0]][0], {"role": "domain-admin"}), (w.domains[w.views[view][0]][0], {"role": "system-admin"})):
        assert who.call("PATCH", f"/accounts/{address}", body).status in (403, 404, 422), body
    assert who.call("POST", "/tokens", {"name": "more", "scopes": ["settings:write"]}).status == 403
    assert calls > 50
    assert state_of(w) == before
    for c in w.live:
        assert c.noop()[0] == "OK"


@pytest.mark.parametrize("view", ["a", "bc"])
def test_a_foreign_row_is_like_none(world, operations, view):
    """The answer does not tell whether something exists that is not the caller's."""
    w, who = world, world.who[view]

    def shape(a):
        p = a.json()
        return a.status, p["code"], re.sub(r"'[^']*'", "''", p["detail"]), sorted(a.headers.keys())

    foreign = next(d for d in w.domains if d not in w.views[view])
    account, alias = w.domains[foreign][0], next(a for a in w.aliases if a.endswith(foreign))
    message = next((m["id"] for m in w.queue if view not in w.tokens.get(m["id"], ())), None)
    session = next(i for i in w.sessions if view not in w.tokens[i])
    key = next((k for k in w.keys if view not in w.tokens[k]), None)
    pairs = [("GET", "/accounts/{}", account, "x@nowhere.test", ...), ("PATCH", "/accounts/{}", account, "x@nowhere.test", {"name": "x"}),
             ("DELETE", "/accounts/{}", account, "x@nowhere.test", ...), ("GET", "/accounts/{}/usage", account, "x@nowhere.test", ...),
             ("GET", "/accounts/{}/app-passwords", account, "x@nowhere.test", ...), ("GET", "/domains/{}", foreign, "nowhere.test", ...), ("GET", "/domains/{}/usage", foreign, "nowhere.test", ...),
             ("GET", "/accounts?domain={}", foreign, "nowhere.test", ...), ("DELETE", "/aliases/{}", alias, "x@nowhere.test", ...),
             ("PUT", "/aliases/{}", alias, "x@nowhere.test", {"targets": ["a@b.test"]}), ("GET", "/sessions/{}", session, "0000000000000001", ...),
             ("DELETE", "/sessions/{}", session, "0000000000000001", ...), ("GET", "/sessions/{}/transcript", session, "0000000000000001", ...),
             ("GET", "/operations/{}", w.operations[0], "999999", ...), ("POST", "/operations/{}/undo", w.operations[0], "999999", None)]
    pairs += [("GET", "/queue/outgoing/messages/{}", message, "ZZZ99999", ...)] if message else []
    pairs += [("GET", "/messages/{}", key, "0000000000000001", ...)] if key else []
    for method, path, there, nowhere, body in pairs:
        answers = [who.call(method, path.format(urllib.parse.quote(v, safe="")), ... if body is None else body) for v in (there, nowhere)]
        assert answers[0].status >= 400 and shape(answers[0]) == shape(answers[1]), (method, path, there, [a.body for a in answers])


def test_a_domain_admin_acts_for_his_recipients(world):
    """A message for several domains: each admin deletes his own recipients, holds and returns nothing; pauses concern his domains' mail only."""
    w, s, path = world, world.server, "/queue/outgoing/messages"
    for d, name in (("aaa.test", "away-a"), ("bbb.test", "away-b")):  # from nobody's domain, to two that leave by aliases
        assert w.root.call("PUT", f"/aliases/{name}@{d}", {"targets": [f"{name}@far.test"]}).status == 200
    with smtplib.SMTP("127.0.0.1", s.port["smtp"], timeout=20) as c:
        c.ehlo()
        c.mail("x@strange.test")
        for r in ("away-a@aaa.test", "away-b@bbb.test"):
            code, text = c.rcpt(r)
            assert code == 250, text
        msgid = accepted_id(c.data(b"Subject: two\r\n\r\nx\r\n")[1])

    def row(who):
        return next((m for m in who.rows(path, limit=2000) if m["id"] == msgid), None)

    def act(who, action, **more):
        op = who.call("POST", path + "/actions", {"action": action, "ids": [msgid], **more})
        assert op.status == 202, op.body
        return wait_for("the operation", lambda: next((o for o in [who.get(f"/operations/{op.json()['id']}").json()] if o["state"] == "done"), None))

    waits = ("queued", "waiting")  # its server may be known to be away
    wait_for("the attempt", lambda: row(w.root)["state"] in waits)
    who_a, who_b = w.who["a"], w.who["bc"]
    assert row(who_a)["recipient"] == "away-a@far.test" and row(who_b)["recipient"] == "away-b@far.test"
    for action, more in (("hold", {}), ("bounce", {}), ("priority", {"priority": "low"})):
        done = act(who_a, action, **more)
        assert (done["done"], done["failed"]) == (0, 1) and "recipients of other domains" in done["failures"][0]["detail"], done
    assert row(w.root)["state"] in waits and row(w.root)["priority"] == "normal"
    assert act(who_a, "delete")["done"] == 1
    assert row(who_a) is None and row(who_b)["recipient"] == "away-b@far.test" and row(w.root)["waiting"] == 1
    fates = {lane["original"]: lane["status"] for lane in w.root.get(f"/messages/{msgid}").json()["lanes"]}
    assert fates == {"away-a@aaa.test": "deleted", "away-b@bbb.test": "waiting"}
    assert act(w.root, "hold")["done"] == 1 and row(who_b)["state"] == "held"
    assert act(who_b, "release")["done"] == 1 and row(who_b)["state"] in waits  # all that wait are his now
    assert act(who_b, "delete")["done"] == 1 and row(w.root) is None
    pauses = "/queue/outgoing/pauses/"
    for id in ("all", "destination:far.test", "sender:bbb.test"):
        assert who_a.call("PUT", pauses + id, ...).status == 403 and who_a.call("DELETE", pauses + id).status == 403
    assert who_a.call("PUT", pauses + "sender:aaa.test", ...).status == 200
    assert w.root.call("PUT", pauses + "sender:ccc.test", ...).status == 200
    assert [p["id"] for p in who_a.rows("/queue/outgoing/pauses")] == ["sender:aaa.test"]
    assert [p["id"] for p in w.root.rows("/queue/outgoing/pauses")] == ["sender:aaa.test", "sender:ccc.test"]
    for id in ("sender:aaa.test", "sender:ccc.test"):
        assert w.root.call("DELETE", pauses + id).status == 204
    assert w.root.rows("/queue/outgoing/pauses") == []


@pytest.mark.parametrize("view", ["a", "bc"])
def test_streams_tell_nothing(world, view):
    w, who = world, world.who[view]
    topics = "sessions,queue.outgoing,operations,messages"
    assert who.get("/events", topics="statistics").status == 403
    text = []

    def listen():
        c = http.client.HTTPConnection("127.0.0.1", w.server.port["http"], timeout=20)
        c.request("GET", f"/api/v1/events?topics={topics}", headers=who.headers)
        r = c.getresponse()
        while not any("operations" in t and "upsert" in t for t in text) and len(text) < 200:
            line = r.readline().decode()
            text.append(line)
            if len([t for t in text if t.startswith("event: ")]) >= 7:
                break
        c.close()

    t = threading.Thread(target=listen)
    t.start()
    end = time.monotonic() + 15
    while t.is_alive() and time.monotonic() < end:
        w.messages.append(w.send())
        c = w.imap("127.0.0.1")
        c.login(w.any_account(), PASSWORD)
        c.logout()
        t.join(0.2)
    assert not t.is_alive() and not w.leaks(view, "".join(text)), text
    assert {x.split(": ")[1].strip() for x in text if x.startswith("event: ")} <= {"invalidate", "resync"}, text


def test_a_user_sees_himself(world, operations):
    """Somebody without a role: nothing but himself."""
    w = world
    account = w.domains["aaa.test"][0]
    who = sign_in(w.server, account, PASSWORD)
    rules = [name for owner, name in w.filters if owner == account]
    his = {account, *(a["address"] for a in w.root.rows("/aliases") if account in a["targets"])}
    for op in w.doc.operations:
        if op.is_write or op.id in ("getOpenapi", "streamEvents"):
            continue
        for path in paths_of(w, op)[:10]:
            a = w.doc.check(op, who.call(op.method, op.url(path, {"q": account} if op.id == "search" else None), ...))
            text = text_of(a).replace(account, "")
            assert a.status in (200, 400, 403, 404)
            if op.path.startswith("/filters"):
                for name in rules:
                    text = text.replace(name, "")
            if op.path.startswith("/self"):  # his own row, and the mail that he has sent or was to receive
                mail = a.json().get("items", [a.json()]) if a.status == 200 and "Message" in op.id else []
                assert all(his & {m["sender"], *m["recipients"]} for m in mail), (op, path, a.body)
                assert a.status != 200 or op.id != "getSelf" or a.json()["address"] == account
                continue
            assert a.status != 200 or not [t for t in w.tokens if t.lower() in text.lower()], (op, path, a.body)
    assert who.get("/search", q="test").json()["items"] == []


def test_notices_about_messages(world, operations):
    """The last of this file: it empties the queue. A notice goes to the sender; those who see him see it, others do not."""
    w = world
    w.server.tool("set", "queue.lifetime", "1s")
    waiting = {m["id"]: m["sender"].partition("@")[2] for m in w.queue}

    def notices():
        w.server.tool("queue", "retry", check=False)
        rows = [m for m in w.root.rows("/messages", limit=2000) if m["sender"] == "" and m["id"]]
        return rows if len(rows) >= len(waiting) else None

    for n in wait_for("a notice for each", notices):
        to = {r.partition("@")[2] for r in n["recipients"]}
        for text in (n["id"], n["key"]):
            w.tokens[text] = {v for v, d in w.views.items() if set(d) & to}
        w.keys[n["key"]] = n
    for view in w.views:
        test_nothing_of_another_domain_is_read(w, operations, view)
        test_search_finds_nothing_of_another_domain(w, view)
