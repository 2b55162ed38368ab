"""The API as a program meets it: connections that are kept, and answers that are compared with the document of the API."""
import datetime
import http.client
import json
import urllib.parse

import jsonschema


class Answer:
    def __init__(self, r, body):
        self.status, self.headers, self.body = r.status, r.headers, body

    def json(self):
        return json.loads(self.body)

    def field(self):
        """The field that the problem is about, or None."""
        fields = self.json()["fields"]
        return fields[0]["name"] if fields else None


class Client:
    """Somebody who asks: by a token, by a session's cookie, or nobody."""

    def __init__(self, server, name="nobody", token=None, cookie=None, csrf=None):
        self.port, self.name, self.http = server.port["http"], name, None
        self.cookie = cookie
        self.headers = {}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        if cookie:
            self.headers["Cookie"] = cookie
        if csrf:
            self.headers["X-CSRF-Token"] = csrf

    def call(self, method, path, body=None, headers=None):
        """body: bytes as they are, else JSON; ... = none."""
        h = {**self.headers, **(headers or {})}
        if body is ...:
            body = None
        elif body is not None or method in ("POST", "PUT", "PATCH"):
            h.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        for fresh in (False, True):
            if not self.http:
                fresh, self.http = True, http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                self.http.request(method, "/api/v1" + path, body, h)
                r = self.http.getresponse()
                return Answer(r, r.read())
            except (http.client.HTTPException, OSError):
                self.close()
                if fresh:
                    raise
        return None

    def close(self):
        if self.http:
            self.http.close()
            self.http = None

    def get(self, path, **query):
        return self.call("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""), ...)

    def rows(self, path, **query):
        """The items of all pages."""
        items, cursor = [], None
        while True:
            page = self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            assert page.status == 200, (path, query, page.body)
            items += page.json()["items"]
            assert cursor is None or cursor != page.json()["next_cursor"], (path, query, "does not go on")
            cursor = page.json()["next_cursor"]
            if not cursor:
                return items


def sign_in(server, user, password):
    """A client with a session of the console."""
    a = Client(server).call("POST", "/login", {"user": user, "password": password})
    assert a.status == 200, a.body
    return Client(server, f"session of {user}", cookie=a.headers["Set-Cookie"].split(";")[0], csrf=a.json()["csrf_token"])


formats = jsonschema.FormatChecker(formats=())


@formats.checks("date-time", raises=ValueError)
def is_time(v):
    return not isinstance(v, str) or (v.endswith("Z") and bool(datetime.datetime.strptime(v, "%Y-%m-%dT%H:%M:%S.%fZ")))


class Operation:
    def __init__(self, doc, method, path, op):
        self.method, self.path, self.id, self.scope, self.op = method.upper(), path, op["operationId"], op["x-scope"], op
        params = op.get("parameters", [])
        self.query = [p for p in params if p["in"] == "query"]
        self.in_path = [p["name"] for p in params if p["in"] == "path"]
        self.body = None
        if "requestBody" in op:
            self.body = doc.resolve(op["requestBody"]["content"]["application/json"]["schema"])
        self.is_write = self.method != "GET"

    def __repr__(self):
        return f"{self.method} {self.path}"

    def url(self, values=None, query=None):
        path = self.path
        for name in self.in_path:
            path = path.replace("{%s}" % name, urllib.parse.quote(str((values or {}).get(name, "1")), safe=""))
        return path + ("?" + urllib.parse.urlencode(query) if query else "")


class Document:
    """The OpenAPI document that the server gives."""

    def __init__(self, doc):
        self.doc, self.schemas, self.validators = doc, doc["components"]["schemas"], {}
        for s in self.schemas.values():
            jsonschema.Draft202012Validator.check_schema(s)
            if s.get("properties"):
                s.setdefault("additionalProperties", False)  # an answer has nothing that is not in the document
        self.operations = [Operation(self, m, p, op) for p, item in doc["paths"].items() for m, op in item.items()]
        assert len({o.id for o in self.operations}) == len(self.operations)

    def resolve(self, schema):
        return self.schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema

    def validate(self, name, schema, value, what):
        v = self.validators.get(name)
        if not v:
            if "properties" in schema:
                schema = {**schema, "additionalProperties": False}
            v = jsonschema.Draft202012Validator({**schema, "components": self.doc["components"]}, format_checker=formats)
            self.validators[name] = v
        for e in v.iter_errors(value):
            raise AssertionError(f"{what}: {'/'.join(map(str, e.absolute_path))}: {e.message[:300]}")

    def check(self, op, answer, what="", cut=False):
        """Whatever was asked: no 5xx, and an answer as the document says. cut: by ?fields="""
        what = f"{op} {what}: {answer.status} {answer.body[:300]}"
        assert answer.status < 500, what
        kind = answer.headers.get("Content-Type", "")
        if answer.status >= 400:
            assert kind == "application/problem+json", what
            p = answer.json()
            self.validate("Problem", self.schemas["Problem"], p, what)
            assert p["status"] == answer.status and p["request_id"] == answer.headers["X-Request-Id"], what
            assert p["code"] and p["detail"] and p["type"] == "urn:posthorn:problem:" + p["code"], what
            return answer
        response = op.op["responses"].get(str(answer.status))
        assert response, f"{what}: the document has no such status"
        if answer.status == 204:
            assert not answer.body, what
        elif "content" in response and not cut:
            (want, content), = response["content"].items()
            assert kind.split(";")[0] == want, what
            if kind == "application/json":
                self.validate(f"{op} {answer.status}", content["schema"], answer.json(), what)
        return answer
