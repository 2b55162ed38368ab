import { expect, test } from "vitest";
import type { MetricsOverTime } from "../src/api/schema";
import { readMuted } from "../src/lib/muted";
import { rankingsOf, type Counted } from "../src/lib/ranking";
import { addedUp, beforeLine, changeOf, comparableStep, thinned, totalOf, week, weekBefore } from "../src/lib/series";
import { kindOf, placesOf } from "../src/screens/overview/places";

function over(values: Record<string, (number | null)[]>, covered = 300): MetricsOverTime {
  const n = Object.values(values)[0]?.length ?? 0;
  return { from: "2026-03-12T00:00:00Z", step_seconds: 300, covered_seconds: Array<number>(n).fill(covered), series: Object.entries(values).map(([name, v]) => ({ name, kind: "counter", unit: "count", values: v })), since: null, as_of: "2026-03-12T01:00:00Z" };
}

test("sums leave gaps out; nothing sampled is no nought", () => {
  expect(totalOf(over({ a: [1, null, 2], b: [5, 5, 5] }), ["a"])).toBe(3);
  expect(totalOf(over({ a: [null, null] }), ["a"])).toBeUndefined();
  expect(totalOf(undefined, ["a"])).toBeUndefined();
});
test("figures are added up step by step, gaps stay gaps", () => {
  expect(addedUp(over({ a: [1, null, 2], b: [4, null, null] }), ["a", "b"])).toEqual([5, null, 2]);
});
test("a week is compared with a week that was counted", () => {
  const now = over({ a: [3, 3] });
  expect(changeOf(now, over({ a: [2, 2] }), ["a"])).toBe(50);
  expect(changeOf(now, over({ a: [4, 4] }), ["a"])).toBe(-25);
  expect(changeOf(now, over({ a: [0, 0] }), ["a"])).toBeUndefined();
  expect(changeOf(now, over({ a: [null, 4] }, 60), ["a"])).toBeUndefined();
});
test("the week before is the same time of the same days", () => {
  expect(weekBefore({ from: week, to: week + 5 })).toEqual({ from: 0, to: 5 });
});
test("steps are those that both weeks are kept in", () => {
  const now = Date.UTC(2026, 2, 12);
  const hour = 3_600_000;
  expect(comparableStep({ from: now - hour, to: now }, now)).toBe("5m");
  expect(comparableStep({ from: now - 24 * hour, to: now }, now)).toBe("5m");
  expect(comparableStep({ from: now - 6.5 * 24 * hour, to: now }, now)).toBe("15m");
  expect(comparableStep({ from: now - 30 * 24 * hour, to: now }, now)).toBe("1h");
  expect(comparableStep({ from: now - 400 * 24 * hour, to: now }, now)).toBe("1d");
});
test("a small line keeps the sum", () => {
  expect(thinned([1, 2, 3, null, 5], 3)).toEqual([3, 3, 5]);
});
test("what is hidden comes back; what cannot be read is nothing", () => {
  expect(readMuted('{"a":2000,"b":500,"c":"x"}', 1000)).toEqual({ a: 2000 });
  expect(readMuted("[nonsense", 1000)).toEqual({});
});
test("each check leads to where it is put right; what its object is called changes nothing", () => {
  expect(kindOf({ id: "destination.b.example", object: "b.example" })).toBe("destination");
  expect(kindOf({ id: "log.lost", object: null })).toBe("log.lost");
  expect(placesOf({ id: "destination.a&q=x", object: "a&q=x" })[0]?.to).toBe("/status/queue?q=host%3Aa%26q%3Dx");
  for (const [id, object] of [["certificate.x", "x"], ["disk", null], ["logins.refused", null], ["delivery.local", null], ["events.lost", null], ["transcripts.lost", null], ["log.lost", null], ["db.errors", null], ["module.smtp", null], ["queue.overdue", null]] as const)
    expect(placesOf({ id, object }).length, id).toBeGreaterThan(0);
});
test("the line of the week before lies under that of now, also where it begins elsewhere", () => {
  const now = { ...over({ a: [1, 2, 3] }), from: "2026-03-12T00:00:00Z" };
  expect(beforeLine(now, { ...over({ a: [7, 8, 9] }), from: "2026-03-05T00:00:00Z" }, "a")).toEqual([7, 8, 9]);
  expect(beforeLine(now, { ...over({ a: [7, 8, 9] }), from: "2026-03-05T00:05:00Z" }, "a")).toEqual([null, 7, 8]);
  expect(beforeLine(now, { ...over({ a: [7] }), step_seconds: 60 }, "a")).toBeUndefined();
  expect(beforeLine(now, over({ b: [7] }), "a")).toBeUndefined();
});
test("who stands out: senders and recipients of what was taken, hosts that fail, addresses that were refused", () => {
  const m = (x: Partial<Counted>): Counted => ({ sender: "s@a.example", recipients: ["r@b.example"], recipients_total: 1, peer: "192.0.2.1", account: "", direction: "in", status: "delivered", ...x });
  const r = rankingsOf(
    [
      m({}),
      m({ account: "s@a.example", sender: "other@a.example", status: "waiting", recipients: ["x@c.example", "y@C.example"] }),
      m({ sender: "t@a.example", status: "bounced", recipients: ["x@c.example"] }),
      m({ status: "refused", sender: "spam@z.example", recipients: ["nobody@b.example"], peer: "198.51.100.7" }),
      m({ status: "refused", peer: "198.51.*" }),
      m({ sender: "" }),
    ],
    2,
  );
  expect(r.senders).toEqual([{ name: "s@a.example", n: 2 }, { name: "t@a.example", n: 1 }]);
  expect(r.recipients).toEqual([{ name: "r@b.example", n: 2 }, { name: "x@c.example", n: 2 }]);
  expect(r.failed).toEqual([{ name: "c.example", n: 2 }]);
  expect(r.refused).toEqual([{ name: "198.51.100.7", n: 1 }]);
});
