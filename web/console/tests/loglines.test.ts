import { expect, test } from "vitest";
import { append, bodyOf, hitsIn, hue, tone } from "../src/lib/loglines";

const line = (time: string | null, text: string, session = "0EC4") => ({ time, session, text, kind: "text" as const, source: "x" });

test("arrows are told by the kind", () => {
  expect(bodyOf({ kind: "in", text: "<<< EHLO x" })).toBe("EHLO x");
  expect(bodyOf({ kind: "text", text: "<<< not a command" })).toBe("<<< not a command");
});
test("failures are seen", () => {
  expect(tone({ kind: "out", text: ">>> 554 5.7.1 no" })).toBe("e");
  expect(tone({ kind: "out", text: ">>> 452 4.2.2 full" })).toBe("w");
  expect(tone({ kind: "out", text: ">>> 250 ok" })).toBe("");
  expect(tone({ kind: "in", text: "Client session <<< 550 5.1.1 no such user" })).toBe("e");
  expect(bodyOf({ kind: "in", text: "Client session <<< 550 5.1.1 no such user" })).toBe("Client session 550 5.1.1 no such user");
  expect(tone({ kind: "text", text: "Client session Could not connect to 'x'" })).toBe("e");
});
test("a session keeps its colour", () => {
  expect(hue("0EC4")).toBe(hue("0EC4"));
  expect(new Set(["0EC4", "1140", "17D2", "18A4", "19F0"].map(hue)).size).toBeGreaterThan(1);
});
test("hits do not overlap", () => {
  expect(hitsIn("anna@demo.example", ["demo", "mo.ex", "ANNA"])).toEqual([[0, 4], [5, 9]]);
  expect(hitsIn("aaaa", ["aa"])).toEqual([[0, 2], [2, 4]]);
  expect(hitsIn("x", [""])).toEqual([]);
});
test("following adds what is new, once", () => {
  const old = [line("10:00:00", "a"), line("10:00:01", "b"), line("10:00:01", "b")];
  const next = [line("10:00:01", "b"), line("10:00:01", "b"), line("10:00:01", "b"), line("10:00:02", "c")];
  expect(append(old, next, 100).map((l) => l.text)).toEqual(["a", "b", "b", "b", "c"]);
  expect(append(old, [], 100)).toEqual(old);
  expect(append([], next, 2).map((l) => l.text)).toEqual(["b", "c"]);
});
