"""Sieve scripts of accounts by the API: check, store, activate, delete; who may."""
import pytest

from api import Client
from conftest import PASSWORD

SCRIPT = 'require "fileinto";\nfileinto "Sport";\n'


@pytest.fixture(scope="module")
def host(make_module_server):
    s = make_module_server()
    s.tool("change", "account", "alice@example.test", "role=system-admin")
    s.tool("create", "domain", "other.test")
    s.tool("create", "account", "dora@other.test", f"password={{PLAIN}}{PASSWORD}", "role=domain-admin", "admin_domains=other.test")
    s.tool("create", "account", "eva@other.test", f"password={{PLAIN}}{PASSWORD}")
    return s


def client(host, address, *words):
    return Client(host, address, token=host.tool("create", "token", address, "tests", *words).stdout.strip())


def test_life_of_a_script(host):
    c = client(host, "alice@example.test")
    at = "/accounts/bob@example.test/sieve"
    assert c.get(at).json()["items"] == []
    dry = c.call("PUT", f"{at}/main?dry_run=true", {"text": "keep;\nnonsense;\nfileinto \"x\";\n"})
    assert dry.status == 200 and [p["line"] for p in dry.json()["problems"]] == [2, 3]
    r = c.call("PUT", f"{at}/main", {"text": "keep;\nnonsense;\n"})
    assert r.status == 422 and "line 2" in r.json()["detail"]
    dry = c.call("PUT", f"{at}/main?dry_run=true", {"text": SCRIPT})
    assert dry.json()["problems"] == [] and c.get(at).json()["items"] == []
    made = c.call("PUT", f"{at}/main", {"text": SCRIPT})
    assert made.status == 200 and made.json()["text"] == SCRIPT and not made.json()["active"] and made.json()["bytes"] == len(SCRIPT)
    assert c.call("POST", f"{at}/main/actions", {"action": "activate"}).json()["active"]
    renamed = c.call("POST", f"{at}/main/actions", {"action": "rename", "name": "zu Hause"})
    assert renamed.status == 200 and renamed.json()["name"] == "zu Hause" and renamed.json()["active"] and renamed.json()["text"] == SCRIPT
    assert c.get(f"{at}/main").status == 404
    assert c.call("POST", f"{at}/main/actions", {"action": "rename", "name": "x"}).status == 404
    for body in ({"action": "rename"}, {"action": "activate", "name": "x"}, {"action": "rename", "name": ""}):
        r = c.call("POST", f"{at}/zu%20Hause/actions", body)
        assert r.status == 422 and [f["name"] for f in r.json()["fields"]] == ["name"], r.body
    for name, status in (("zu Hause", 409), ("a\nb", 422), ("a/b", 422)):
        assert c.call("POST", f"{at}/zu%20Hause/actions", {"action": "rename", "name": name}).status == status
    assert c.call("POST", f"{at}/zu%20Hause/actions", {"action": "rename", "name": "main"}).status == 200
    assert c.call("PUT", f"{at}/second%20one", {"text": ""}).status == 200
    assert not c.call("POST", f"{at}/second%20one/actions", {"action": "deactivate"}).json()["active"]
    assert [(i["name"], i["active"]) for i in c.get(at).json()["items"]] == [("main", True), ("second one", False)]
    refused = c.call("DELETE", f"{at}/main")
    assert refused.status == 409 and "active" in refused.json()["detail"]
    assert not c.call("POST", f"{at}/main/actions", {"action": "deactivate"}).json()["active"]
    assert c.call("DELETE", f"{at}/main").status == 204
    assert c.get(f"{at}/main").status == 404
    for method, body in (("DELETE", None), ("POST", {"action": "activate"}), ("POST", {"action": "deactivate"})):
        assert c.call(method, f"{at}/main" + ("/actions" if body else ""), body).status == 404
    assert "alice@example.test" in [l for l in host.tool("audit").stdout.splitlines() if "sieve main" in l][0]


def test_limits_and_names(host):
    c = client(host, "alice@example.test")
    at = "/accounts/carol@example.test/sieve"
    host.tool("set", "sieve.max_scripts", "1")
    try:
        assert c.call("PUT", f"{at}/a", {"text": "keep;"}).status == 200
        assert c.call("PUT", f"{at}/a", {"text": "discard;"}).status == 200
        for query in ("", "?dry_run=true"):
            r = c.call("PUT", f"{at}/b{query}", {"text": "keep;"})
            assert r.status == 409 and "sieve.max_scripts" in r.json()["detail"]
    finally:
        host.tool("reset", "sieve.max_scripts")
    assert c.call("PUT", f"{at}/{'x' * 129}", {"text": "keep;"}).status == 422
    large = "#" + "x" * 300_000 + "\n"
    assert "sieve.max_script_size" in c.call("PUT", f"{at}/a", {"text": large}).json()["detail"]
    host.tool("set", "sieve.max_script_size", "1MiB")
    largest = "#" + "x" * (2**20 - 2) + "\n"
    assert c.call("PUT", f"{at}/a", {"text": largest}).status == 200
    assert c.get(f"{at}/a").json()["text"] == largest


def test_whose_scripts(host):
    dora, eva = "/accounts/dora@other.test/sieve", "/accounts/eva@other.test/sieve"
    c = client(host, "dora@other.test")
    for at in (dora, eva):
        assert c.call("PUT", f"{at}/main", {"text": SCRIPT}).status == 200
        assert c.get(f"{at}/main").json()["text"] == SCRIPT
    assert c.call("PUT", "/accounts/bob@example.test/sieve/main", {"text": SCRIPT}).status == 404
    assert c.get("/accounts/bob@example.test/sieve").status == 404
    reader = client(host, "dora@other.test", "scopes=directory:read")
    assert reader.get(f"{eva}/main").status == 200
    for method, path, body in (("PUT", f"{eva}/main", {"text": ""}), ("DELETE", f"{eva}/main", None), ("POST", f"{eva}/main/actions", {"action": "activate"})):
        assert reader.call(method, path, body).status == 403
    # The same by the commands of posthorn tool.
    run = lambda who, op, **args: who.call("POST", f"/commands/{op}", {"args": args})
    assert run(c, "sieve.list", address="eva@other.test").json()["rows"][0]["name"] == "main"
    assert run(c, "sieve.put", address="eva@other.test", name="two", text="keep;").status == 200
    assert run(c, "sieve.check", text="keep;").status == 200
    assert run(c, "sieve.rename", address="eva@other.test", name="two", new_name="three").status == 200
    assert run(c, "sieve.rename", address="eva@other.test", name="three", new_name="two").status == 200
    assert run(c, "sieve.rename", address="bob@example.test", name="main", new_name="three").status == 404
    assert run(reader, "sieve.rename", address="eva@other.test", name="two", new_name="three").status == 403
    assert run(c, "sieve.put", address="bob@example.test", name="two", text="keep;").status == 404
    assert run(c, "sieve.get", address="alice@example.test", name="main").status == 404
    assert run(reader, "sieve.delete", address="eva@other.test", name="two").status == 403
