"""What is wrong about an account or a domain is told with its field, so that a form can mark it (RFC 9457, `fields`); nothing of a change
that is refused is done."""
import pytest

from api import Client
from conftest import PASSWORD, wait_for

ADMIN, ANN, TEAM = "root@example.test", "ann@example.test", "team@example.test"


@pytest.fixture(scope="module")
def admin(make_module_server):
    s = make_module_server(settings={"web.console_path": "/nonexistent"}, start=False)
    for name, more in ((ADMIN, ["role=system-admin"]), (ANN, ["aliases=ann.b"]), (TEAM, ["kind=list"])):
        s.tool("create", "account", name, f"password={{PLAIN}}{PASSWORD}", *more)
    s.tool("create", "domain", "backup.test", "type=backup")
    token = s.tool("create", "token", ADMIN, "tests").stdout.strip()
    s.start()
    c = Client(s, "admin", token=token)
    wait_for("the web server", lambda: c.get("/me").status == 200)
    return c


WRONG = [
    ("name", "a\x07b", 422),
    ("password", "{NOSUCH}x", 422),
    ("aliases", ["not an address@"], 422),
    ("aliases", ["x@nowhere.test"], 422),
    ("aliases", ["[no such pattern]@example.test"], 422),
    ("aliases", ["x@backup.test"], 409),
    ("aliases", [TEAM], 409),
    ("admin_domains", ["nowhere.test"], 422),
    ("admin_domains", ["not a domain"], 422),
    ("forward_to", ["not an address@"], 422),
    ("copy_incoming", ["a b@example.test"], 422),
    ("copy_outgoing", ["@"], 422),
    ("forward_older_to", ["nobody"], 422),
    ("list_owner", ["nobody"], 422),
    ("auto_reply_from", "12.3.2026", 422),
    ("auto_reply_until", "2026-13-1", 422),
    ("auto_reply_subject", "two\nlines", 422),
    ("quota", -1, 422),
    ("quota", 1 << 60, 422),
    ("soft_quota", 1 << 60, 422),
    ("max_message", 1 << 60, 422),
    ("max_messages_hour", 1 << 40, 422),
    ("role", "emperor", 422),
    ("kind", "crowd", 422),
    ("list_post", "nobody", 422),
]


@pytest.mark.parametrize("field, value, status", WRONG, ids=[f"{f}-{i}" for i, (f, _, _) in enumerate(WRONG)])
def test_accounts(admin, field, value, status):
    before = admin.get(f"/accounts/{ANN}").json()
    # Beside what is right: nothing of it is done either.
    for call in (("PATCH", f"/accounts/{ANN}", {"local_only": True, field: value}), ("POST", "/accounts", {"address": "new@example.test", field: value})):
        a = admin.call(*call)
        assert (a.status, a.field()) == (status, field), (call, a.body)
        assert field in a.json()["detail"]
    assert admin.get(f"/accounts/{ANN}").json() == before
    assert admin.get("/accounts/new@example.test").status == 404


def test_own_address(admin):
    for field in ("aliases", "forward_to", "copy_incoming", "copy_outgoing"):
        a = admin.call("PATCH", f"/accounts/{ANN}", {field: [ANN]})
        assert (a.status, a.field()) == (409, field), a.body


def test_address_of_a_new_account(admin):
    for address, status in ((ANN, 409), ("ann.b@example.test", 409), ("x@nowhere.test", 422), ("x@backup.test", 409), ("a..b@example.test", 422),
                            ("nobody", 422), ("a" * 65 + "@example.test", 422)):
        a = admin.call("POST", "/accounts", {"address": address})
        assert (a.status, a.field()) == (status, "address"), (address, a.body)
    # What the path names is not there: no field is wrong.
    a = admin.call("PATCH", "/accounts/nobody@example.test", {"name": "x"})
    assert (a.status, a.field()) == (404, None)


def test_domains(admin):
    for field, value, status in (("unknown_to", "nobody@example.test", 422), ("unknown_to", "not an address@", 422), ("backup_host", "relay.test", 409), ("quota", 1 << 60, 422)):
        a = admin.call("PATCH", "/domains/example.test", {field: value, **({"unknown": "forward"} if field == "unknown_to" else {})})
        assert (a.status, a.field()) == (status, field), (field, value, a.body)
