import { describe, expect, test } from "vitest";
import { timeScale } from "../src/lib/timescale";
import { foldEvents, linkParts, lookOf, ownEvents, sessionsOf, startOf, stepsOf, troubles, type TimelineEvent } from "../src/screens/messages/steps";

const event = (time: string, name: string, fields: Record<string, unknown> = {}, session: string | null = null, sentence = name): TimelineEvent => ({
  time: `2026-03-12T10:${time}Z`, name, severity: "info", sentence, module: "smtp", session, message: null, fields,
});

describe("axis of time", () => {
  test("begins at 0, ends at the end, and never goes back", () => {
    for (const end of [0, 0.4, 1, 21, 1262, 9e4, 4e6]) {
      const s = timeScale(end);
      expect(s.at(0)).toBe(0);
      expect(s.at(Math.max(end, 1))).toBe(100);
      let last = 0;
      for (let x = 0; x <= end; x += end / 50 || 1) {
        expect(s.at(x)).toBeGreaterThanOrEqual(last);
        last = s.at(x);
      }
      expect(s.ticks.length).toBeLessThanOrEqual(6);
      expect(s.at(end * 2 + 1)).toBe(100);
      expect(s.at(-5)).toBe(0);
    }
  });
  test("steps are of equal width", () => {
    const s = timeScale(1262);
    expect(s.ticks).toEqual([0, 1, 10, 60, 600, 1262]);
    expect([1, 10, 60, 600].map((x) => s.at(x))).toEqual([20, 40, 60, 80]);
  });
});

describe("lanes", () => {
  const events = [
    event("31:12", "smtp.rcpt.accepted", { rcpt: "a@x.example" }, "00000000000000aa"),
    event("31:13", "smtp.message.accepted", { duration: 1000, msgid: "WTQ78139", peer: "192.0.2.1" }, "00000000000000aa"),
    event("31:14", "delivery.local.done", { rcpt: "anna@demo.example", msgid: "WTQ78139" }),
    event("31:35", "delivery.remote.deferred", { rcpt: "a@x.example", duration: 21_000 }, "00000000000000bb"),
    event("41:35", "delivery.remote.done", { rcpt: "A@x.example", duration: 2000, host: "mx.x.example" }, "00000000000000cc"),
    { ...event("41:36", "delivery.remote.done", { rcpt: "a@x.example" }, "00000000000000dd"), message: "00000000000000A2" },
  ];
  const steps = stepsOf(ownEvents(events, "00000000000000a1"), [{ recipient: "a@x.example", status: "delivered" }, { recipient: "anna@demo.example", status: "delivered" }]);
  test("begin with how the message came in", () => {
    expect(startOf(events)).toBe(Date.parse("2026-03-12T10:31:12Z"));
    expect(steps[0]).toMatchObject({ kind: "received", label: "192.0.2.1", session: "00000000000000aa", seconds: 1 });
  });
  test("have an attempt each, and not those of another message", () => {
    expect(steps[1]?.segments).toEqual([{ from: 2, to: 23, kind: "fail" }, { from: 621, to: 623, kind: "ok" }]);
    expect(steps[1]?.session).toBe("00000000000000cc");
    expect(steps[2]).toMatchObject({ kind: "local", segments: [{ from: 1, to: 2, kind: "ok" }] });
  });
  test("are grouped by destination and state when they are many", () => {
    const many = Array.from({ length: 250 }, (_, i) => ({ recipient: `u${i}@${i % 2 ? "x" : "y"}.example`, status: i % 5 ? "delivered" : "waiting" }));
    const groups = stepsOf([], many);
    expect(groups.map((s) => [s.label, s.status, s.recipients])).toEqual([["y.example", "waiting", 25], ["x.example", "delivered", 100], ["y.example", "delivered", 100], ["x.example", "waiting", 25]]);
  });
  test("of a refused message show the refusal", () => {
    expect(stepsOf([event("31:12", "smtp.rcpt.refused", { rcpt: "n@x.example", peer: "192.0.2.9" }, "1")], [])).toMatchObject([{ status: "refused", label: "192.0.2.9", segments: [{ kind: "fail" }] }]);
  });
});

describe("troubles", () => {
  const lane = (recipient: string, status: string, answer: string) => ({ recipient, status, answer, cause: null, remedy: null, explanation: null, setting: null, next_try_at: null });
  test("are told once for the same answer, without what the verdict tells", () => {
    const found = troubles([lane("a@x", "delivered", "250"), lane("b@x", "waiting", "451"), lane("c@x", "waiting", "451"), lane("d@x", "bounced", "550")], "550");
    expect(found.map((f) => [f.answer, f.recipients])).toEqual([["451", ["b@x", "c@x"]]]);
  });
});

describe("events", () => {
  test("that repeat are folded, and unfold", () => {
    const tries = Array.from({ length: 6 }, (_, i) => event(`3${i}:00`, "delivery.remote.deferred", { rcpt: "a@x.example" }, null, `waits after ${i}`));
    const rows = foldEvents([event("30:00", "smtp.message.accepted"), ...tries], new Set());
    expect(rows.map((r) => r.kind)).toEqual(["event", "fold", "event", "event"]);
    const fold = rows[1];
    if (fold?.kind !== "fold") throw new Error("no fold");
    expect(fold.hidden).toBe(4);
    expect(foldEvents(tries, new Set([fold.key]))).toHaveLength(6);
  });
  test("three alike are not worth a fold; the newest comes first", () => {
    const rows = foldEvents([1, 2, 3].map((i) => event(`3${i}:00`, "x")), new Set());
    expect(rows.map((r) => (r.kind === "event" ? r.index : -1))).toEqual([2, 1, 0]);
  });
  test("look by what they say of the message", () => {
    expect(["delivery.remote.done", "smtp.rcpt.refused", "delivery.remote.deferred", "delivery.failed", "session.start"].map((name) => lookOf({ name, severity: "info" }))).toEqual(["ok", "bad", "warn", "bad", ""]);
  });
  test("name their sessions once", () => {
    expect(sessionsOf([event("1:00", "smtp.rcpt.accepted", { peer: "192.0.2.1" }, "00aa"), event("1:01", "smtp.message.accepted", {}, "00aa"), event("2:00", "delivery.remote.done", { host: "mx.x" }, "00bb")])).toEqual([
      { id: "00aa", logId: "00AA", kind: "in", host: "192.0.2.1" },
      { id: "00bb", logId: "00BB", kind: "out", host: "mx.x" },
    ]);
  });
});

describe("links in sentences", () => {
  test("whole names only, the longer first", () => {
    expect(linkParts("a@x.example waits for xa@x.example.", [["a@x.example", "/1"]])).toEqual([{ text: "a@x.example", to: "/1" }, " waits for xa@x.example."]);
    expect(linkParts("to b@x.example.", [["x.example", "/h"], ["b@x.example", "/b"]])).toEqual(["to ", { text: "b@x.example", to: "/b" }, "."]);
    expect(linkParts("nothing", [["", "/1"]])).toEqual(["nothing"]);
    expect(linkParts("192.0.2.1 and 192.0.2.10", [["192.0.2.1", "/ip"]])).toEqual([{ text: "192.0.2.1", to: "/ip" }, " and 192.0.2.10"]);
  });
  test("lose no text", () => {
    const text = "Message WTQ78139 from <user@demo.example> [192.0.2.1] \u{1F600}";
    const parts = linkParts(text, [["WTQ78139", "/m"], ["192.0.2.1", "/ip"]]);
    expect(parts.map((p) => (typeof p === "string" ? p : p.text)).join("")).toBe(text);
  });
});
