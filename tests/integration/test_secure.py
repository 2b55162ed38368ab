"""Secure destinations by certificates that are handed in: what is read of them is what OpenSSL shows, and what an entry then asks.
Domains that were adapted to: what is shown of them, and that they can be forgotten (how they come there: test_secure_adapt.py)."""
import datetime
import json
import sqlite3
import subprocess
import time

import pytest
from api import Client

ADMIN = "alice@example.test"


@pytest.fixture(scope="module")
def box(make_module_server):
    s = make_module_server(settings={"web.console_path": "/nonexistent"}, start=False)
    s.tool("change", "account", ADMIN, "role=system-admin")
    return s.start()


@pytest.fixture(scope="module")
def client(box):
    token = box.tool_json("create", "token", ADMIN, "test", "scopes=settings:read settings:write")["token"]
    c = Client(box, token=token)
    yield c
    c.close()


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Certificates by name: the files, in a directory."""
    d = tmp_path_factory.mktemp("pem")

    def make(name, subject, *words):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8", "-subj", subject,
                "-keyout", str(d / f"{name}.key"), "-out", str(d / f"{name}.pem"), *(words or ("-days", "30")))

    make("ca", "/C=IT/O=Own CA, Inc./CN=Own Root")
    make("host", "/CN=mx.secure.test/O=Corp")
    openssl("req", "-new", "-key", str(d / "host.key"), "-subj", "/C=DE/O=Büro/CN=mx.secure.test", "-utf8", "-out", str(d / "host.csr"))
    openssl("x509", "-req", "-in", str(d / "host.csr"), "-CA", str(d / "ca.pem"), "-CAkey", str(d / "ca.key"), "-CAcreateserial", "-days", "20", "-out", str(d / "signed.pem"))
    openssl("x509", "-req", "-in", str(d / "host.csr"), "-CA", str(d / "ca.pem"), "-CAkey", str(d / "ca.key"), "-days", "-1", "-out", str(d / "expired.pem"))
    make("semicolon", "/CN=a;b|c")
    make("long", "/CN=x" + "".join(f"/OU={'o' * 60}" for _ in range(6)))
    read = lambda n: (d / n).read_text()
    (d / "several.pem").write_text(read("host.pem") + read("ca.pem"))
    (d / "with-key.pem").write_text(read("host.key") + "Text in front of it.\n" + read("host.pem"))
    (d / "key.pem").write_text(read("host.key"))
    (d / "broken.pem").write_text(read("host.pem").replace("MII", "!!!", 1))
    (d / "empty.pem").write_text("")
    (d / "host.der").write_bytes(openssl("x509", "-in", str(d / "host.pem"), "-outform", "DER"))
    return d


def shown(path):
    """The fields as `openssl x509` prints them."""
    def field(*words):
        return openssl("x509", "-noout", "-nameopt", "oneline,-esc_msb", "-in", str(path), *words).decode().strip().split("=", 1)[1]
    return {"subject": field("-subject"), "issuer": field("-issuer"), "sha256": field("-fingerprint", "-sha256")}


def fields(reply):
    return {k: reply[k] for k in ("subject", "issuer", "sha256")}


@pytest.mark.parametrize("name", ["host.pem", "signed.pem", "ca.pem", "with-key.pem", "expired.pem"])
def test_fields_are_those_of_openssl(box, client, made, name):
    answer = client.call("POST", "/secure-destinations/certificate", {"pem": (made / name).read_text()})
    assert answer.status == 200, answer.body
    assert fields(answer.json()) == shown(made / name)
    assert answer.json()["warnings"] == (["expired"] if name == "expired.pem" else [])
    out = box.tool("secure", "read", str(made / name)).stdout
    assert out.startswith("".join(f"{k}={v}\n" for k, v in shown(made / name).items()))
    assert ("warning: it has expired" in out) == (name == "expired.pem")


@pytest.mark.parametrize("name,wrong", [("key.pem", "there is no certificate in it"), ("empty.pem", "there is no certificate in it"), ("host.der", "there is no certificate in it"),
                                        ("several.pem", "there are several certificates in it"), ("broken.pem", "the certificate cannot be read")])
def test_what_is_wrong_is_named(box, client, made, name, wrong):
    r = box.tool("secure", "import", "mx.secure.test", str(made / name), check=False)
    assert r.returncode == 1 and wrong in r.stderr and "pem: " in r.stderr
    if name not in ("host.der", "empty.pem"):
        answer = client.call("POST", "/secure-destinations/certificate", {"pem": (made / name).read_text()})
        assert answer.status in (400, 422) and wrong in answer.json()["detail"]
    assert box.tool("get", "deliver.secure_destinations").stdout.strip() == ""


def test_size_is_bounded(box, client, made):
    answer = client.call("POST", "/secure-destinations/certificate", {"pem": "x\n" * 40000 + (made / "host.pem").read_text()})
    assert answer.status == 422 and answer.field() == "pem"
    assert client.call("POST", "/secure-destinations/certificate", {"pem": "x" * 200000}).status == 413
    (made / "large.pem").write_text("x\n" * 40000 + (made / "host.pem").read_text())
    r = box.tool("secure", "read", str(made / "large.pem"), check=False)
    assert r.returncode == 1 and "more than 64 KiB" in r.stderr


def test_nobody_else_may_read_one(box, made):
    assert Client(box).call("POST", "/secure-destinations/certificate", {"pem": (made / "host.pem").read_text()}).status == 401


def test_import_makes_an_entry(box, made):
    s = box
    want = shown(made / "signed.pem")
    try:
        s.tool("set", "deliver.secure_destinations", "a.test;*.secure.test;z.test")
        s.tool("secure", "import", "mx.secure.test", str(made / "signed.pem"))
        entry = f"mx.secure.test|sha256={want['sha256']}|subject={want['subject']}|issuer={want['issuer']}"
        # Before the entry that would hold in its place.
        assert s.tool("get", "deliver.secure_destinations").stdout.strip() == f"a.test;{entry};*.secure.test;z.test"
        assert {"pattern": "mx.secure.test", **want} in s.tool_json("secure", "list")["rows"]
        s.tool("secure", "import", "A.TEST", str(made / "host.pem"))
        s.tool("secure", "import", "new.test", "-", input=(made / "host.pem").read_text())
        listed = s.tool_json("secure", "list")["rows"]
        assert [r["pattern"] for r in listed] == ["A.TEST", "mx.secure.test", "*.secure.test", "z.test", "new.test"]
        assert fields(listed[0]) == fields(listed[4]) == shown(made / "host.pem")
        assert "deliver.secure_destinations" in s.tool("audit").stdout
        s.tool("secure", "delete", "a.test")
        assert "A.TEST" not in s.tool("secure", "list").stdout
        r = s.tool("secure", "delete", "a.test", check=False)
        assert r.returncode == 1 and "'a.test' is no secure destination" in r.stderr
        for bad in ("a;b", "a|b", "a b", ""):
            assert "is no host" in s.tool("secure", "import", bad, str(made / "host.pem"), check=False).stderr
    finally:
        s.tool("reset", "deliver.secure_destinations")


@pytest.mark.parametrize("name", ["semicolon", "long"])
def test_names_that_an_entry_cannot_hold_are_left_out(box, made, name):
    s = box
    told = json.loads(s.tool("--json", "secure", "import", "odd.test", str(made / f"{name}.pem")).stdout)
    assert told["warnings"] == ["subject-unusable", "issuer-unusable"]
    assert s.tool("get", "deliver.secure_destinations").stdout.strip() == f"odd.test|sha256={shown(made / f'{name}.pem')['sha256']}"
    assert "warning: the subject is not part of an entry" in s.tool("secure", "read", str(made / f"{name}.pem")).stdout
    s.tool("secure", "delete", "odd.test")


# --- domains that were adapted to ---

NONE = "no domain has been adapted to"


@pytest.fixture
def adapted(box):
    """Rows as mail makes them: a.test is fresh, b.test has not been seen for two days, c0.test to c6.test are there, too."""
    now = int(time.time() * 1000)
    day = 86400_000
    rows = [("a.test", "mx.shared.test", "CN = mx.shared.test", "CN = Own CA", "192.0.2.1", now - 9 * day, now - day),
            ("b.test", "b.test", "", "CN = Other CA", "2001:db8::1", now - 9 * day, now - 2 * day - 60_000),
            *((f"c{i}.test", f"c{i}.test", "CN = x\x1b[1m", "CN = Own CA", "192.0.2.2", now, now) for i in range(7))]
    with sqlite3.connect(box.data / "config" / "system.db", timeout=30) as db:
        db.executemany("INSERT INTO secure_adapted VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    yield rows
    with sqlite3.connect(box.data / "config" / "system.db", timeout=30) as db:
        db.execute("DELETE FROM secure_adapted")
    box.tool("reset", "deliver.secure_adapt")


def in_force(box):
    return [r["domain"] for r in box.tool_json("secure", "adapted")["rows"] if r["in_force"]]


def test_an_empty_list_tells_why(box):
    assert box.tool("secure", "adapted").stdout.strip() == f"{NONE}; deliver.secure_adapt is off"
    box.tool("set", "deliver.secure_adapt", "30d")
    assert box.tool("secure", "adapted").stdout.strip() == NONE
    assert box.tool("secure", "adapted", "x").stdout.strip() == "no such domain has been adapted to"
    box.tool("reset", "deliver.secure_adapt")


def test_adapted_domains_are_shown(box, adapted):
    keys = ("domain", "name", "subject", "issuer", "ip", "since_ms", "seen_ms")
    assert [tuple(r[k] for k in keys) for r in box.tool_json("secure", "adapted")["rows"]] == adapted
    assert in_force(box) == []  # the setting is off
    box.tool("set", "deliver.secure_adapt", "2d")
    assert in_force(box) == [r[0] for r in adapted if r[0] != "b.test"]
    head, first, second = box.tool("secure", "adapted", "limit=2").stdout.splitlines()[:3]
    assert [head.split()[0], head.split()[-2:]] == ["DOMAIN", ["IN", "FORCE"]]
    assert first.split()[:2] == ["a.test", "mx.shared.test"] and first.endswith("yes") and second.split()[0] == "b.test" and second.endswith("no")


def test_adapted_domains_come_in_pieces_and_by_text(box, adapted):
    reply = box.tool_json("secure", "adapted", "limit=3")
    assert [r["domain"] for r in reply["rows"]] == ["a.test", "b.test", "c0.test"] and reply["next"] == "c0.test"
    assert "(there are more: after=c0.test)" in box.tool("secure", "adapted", "limit=3").stdout
    reply = box.tool_json("secure", "adapted", "c", "after=c3.test", "limit=3")
    assert [r["domain"] for r in reply["rows"]] == ["c4.test", "c5.test", "c6.test"] and "next" not in reply
    assert [r["domain"] for r in box.tool_json("secure", "adapted", "MX.shared")["rows"]] == ["a.test"]
    assert "limit: " in box.tool("secure", "adapted", "limit=0", check=False).stderr


def test_an_adapted_domain_is_forgotten(box, adapted):
    box.tool("secure", "forget", "B.Test")
    assert "b.test" not in box.tool("secure", "adapted").stdout
    assert "adapted domain b.test" in box.tool("audit").stdout
    r = box.tool("secure", "forget", "b.test", check=False)
    assert r.returncode == 1 and "'b.test' is none that was adapted to" in r.stderr
    assert "domain: " in box.tool("secure", "forget", "no domain@", check=False).stderr


def test_adapted_domains_by_the_api(box, client, adapted):
    def moment(ms):
        return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    box.tool("set", "deliver.secure_adapt", "2d")
    at = "/secure-destinations/adapted"
    first = client.get(at, limit=2).json()
    assert first["items"][0] == {**dict(zip(("domain", "name", "subject", "issuer", "ip"), adapted[0])), "since": moment(adapted[0][5]), "last_at": moment(adapted[0][6]), "in_force": True}
    assert first["items"][1]["in_force"] is False and first["total"] == {"value": 9, "relation": "exact"}
    assert [r["domain"] for r in client.rows(at, limit=4)] == [r[0] for r in adapted]
    assert [r["domain"] for r in client.rows(at, q="own ca;-mx", limit=1)] == [f"c{i}.test" for i in range(7)]
    assert [r["domain"] for r in client.rows(at, q="MX.shared")] == ["a.test"]
    page = client.get(at, q="-b.test", limit=3, cursor=client.get(at, q="-b.test", limit=3).json()["next_cursor"]).json()
    assert [r["domain"] for r in page["items"]] == ["c2.test", "c3.test", "c4.test"]
    assert client.call("DELETE", f"{at}/a.test?dry_run=true").json()["effect"][0]["object"] == "adapted domain a.test"
    assert client.call("DELETE", f"{at}/a.test").status == 204
    assert client.call("DELETE", f"{at}/a.test").status == 404
    assert client.call("DELETE", f"{at}/a%20b@").status == 422
    assert "a.test" not in [r["domain"] for r in client.rows(at)]
