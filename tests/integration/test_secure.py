"""Secure destinations by certificates that are handed in: what is read of them is what OpenSSL shows, and what an entry then asks."""
import json
import subprocess

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
    token = box.tool_json("create", "token", ADMIN, "test", "scopes=settings:read")["token"]
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
