import { expect, test } from "vitest";
import type { MetricsOverTime } from "../src/api/schema";
import { readMuted } from "../src/lib/muted";
import { addedUp, changeOf, comparableStep, thinned, totalOf, week, weekBefore } from "../src/lib/series";
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
