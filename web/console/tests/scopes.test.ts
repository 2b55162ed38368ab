import { expect, test } from "vitest";
import { areasOf, choose, inShort } from "../src/screens/tokens/scopes";

const queue = { name: "queue", read: "queue:read", write: "queue:write" };

test("scopes are grouped by area; what everybody may is none", () => {
  expect(areasOf(["public", "self", "queue:write", "audit:read", "queue:read"])).toEqual([{ name: "audit", read: "audit:read", write: undefined }, queue]);
});

test("changing needs seeing", () => {
  expect([...choose(new Set(), queue, "write", true)].sort()).toEqual(["queue:read", "queue:write"]);
  expect([...choose(new Set(["queue:read", "queue:write"]), queue, "read", false)]).toEqual([]);
  expect([...choose(new Set(["queue:read", "queue:write"]), queue, "write", false)]).toEqual(["queue:read"]);
  expect([...choose(new Set(["x:read"]), { ...queue, read: undefined }, "write", true)].sort()).toEqual(["queue:write", "x:read"]);
});

test("a row says each area once", () => {
  expect(inShort(["self", "queue:read", "queue:write", "logs:read"])).toEqual([{ name: "logs", write: false }, { name: "queue", write: true }]);
});
