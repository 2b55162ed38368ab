import { expect, test } from "vitest";
import type { Metric } from "../src/api/schema";
import { clustered, csvOf, niceMax, pieces, timeAt, timeTicks, valueAt, xOf, yOf, zoomed, type Scale } from "../src/lib/chart";
import { chosen, spanOf, stepName, styleOf, toggled, zoomOf, zoomText } from "../src/screens/traffic/view";

const minute = 60_000;
const hour = 60 * minute;

test("an axis ends at a number that divides well, at or above the largest value", () => {
  expect([0, 3, 5, 11, 99, 101, 1700, 81_000].map(niceMax)).toEqual([4, 4, 8, 12, 100, 120, 2000, 100_000]);
});
test("a gap ends a line", () => {
  expect(pieces([1, 2, null, null, 3, null])).toEqual([[[0, 1], [1, 2]], [[4, 3]]]);
  expect(pieces([null])).toEqual([]);
});
test("places and values are each other's inverse", () => {
  const s: Scale = { from: 0, to: hour, max: 80, box: { left: 50, top: 10, right: 650, bottom: 210 } };
  expect(xOf(s, hour / 2)).toBe(350);
  expect(timeAt(s, 350)).toBe(hour / 2);
  expect(timeAt(s, 9999)).toBe(hour);
  expect(yOf(s, 40)).toBe(110);
  expect(valueAt(s, 110)).toBe(40);
  expect(yOf(s, 500)).toBe(10);
});
test("ticks stand at round times of the reader's zone", () => {
  const span = { from: Date.UTC(2026, 2, 12, 8, 50), to: Date.UTC(2026, 2, 12, 10, 50) };
  expect(timeTicks(span, 6, 0)).toEqual({ step: 30 * minute, at: [9, 9.5, 10, 10.5].map((h) => Date.UTC(2026, 2, 12) + h * hour) });
  // Half an hour beside UTC: full hours there are half hours here.
  expect(timeTicks(span, 2, -330).at.map((t) => new Date(t + 330 * minute).getUTCMinutes())).toEqual([0, 0]);
});
test("zooming stays within the whole span and around the cursor", () => {
  const whole = { from: 0, to: 24 * hour };
  expect(zoomed(whole, whole, 6 * hour, 0.5, minute)).toEqual({ from: 3 * hour, to: 15 * hour });
  expect(zoomed({ from: 0, to: hour }, whole, 0, 2, minute)).toEqual({ from: 0, to: 2 * hour });
  expect(zoomed({ from: 22 * hour, to: 24 * hour }, whole, 22 * hour, 20, minute)).toEqual(whole);
  expect(zoomed({ from: 0, to: 4 * minute }, whole, 2 * minute, 0.1, 3 * minute).to).toBeCloseTo(3.5 * minute, -3);
});
test("marks of one point are one", () => {
  const at = (s: number) => ({ at: new Date(s * 1000).toISOString() });
  expect(clustered([at(10), at(50), at(70), at(999)], 0, minute, 3).map((c) => [c.index, c.items.length])).toEqual([[0, 2], [1, 1]]);
});
test("CSV quotes what needs it, a gap is empty", () => {
  expect(csvOf(["time", "a,b"], [["x", 1], ['"y"', null]])).toBe('time,"a,b"\r\nx,1\r\n"""y""",\r\n');
});

const metric = (name: string, service: string, unit: Metric["unit"] = "count"): Metric => ({ name, service, unit, kind: "counter", help: "", value: 0 });
const all = [metric("smtp_messages_in", "smtp"), metric("smtp_bytes_in", "smtp", "bytes"), metric("smtp_rcpt_refused", "smtp"), metric("deliver_bounced", "delivery")];

test("the address says what is shown; what it does not know is left out", () => {
  expect(chosen(all, "smtp", "").map((m) => m.name)).toEqual(["smtp_messages_in", "smtp_rcpt_refused"]);
  expect(chosen(all, "smtp", "smtp_bytes_in,smtp_messages_in,x,deliver_bounced").map((m) => m.name)).toEqual(["smtp_bytes_in"]);
  expect(chosen(all, "nothing", "")).toEqual([]);
});
test("one axis has one unit, and something stays on it", () => {
  const smtp = chosen(all, "smtp", "");
  expect(toggled(smtp, metric("smtp_bytes_in", "smtp", "bytes"))).toBe("smtp_bytes_in");
  expect(toggled(smtp, smtp[0] as Metric)).toBe("smtp_rcpt_refused");
  expect(toggled(smtp.slice(0, 1), smtp[0] as Metric)).toBe("smtp_messages_in");
});
test("red is for failure only", () => {
  expect(styleOf(chosen(all, "delivery", ""), 0).color).toBe("--c4");
  expect(styleOf(chosen(all, "smtp", ""), 0)).toEqual({ color: "--c1", dash: "" });
});
test("spans and zoom are read from the address and written to it", () => {
  const now = Date.UTC(2026, 2, 12, 10, 50);
  expect(spanOf(new URLSearchParams(""), now)).toEqual({ from: now - 24 * hour, to: now, name: "1d" });
  expect(spanOf(new URLSearchParams("span=1w"), now).from).toBe(now - 7 * 24 * hour);
  expect(spanOf(new URLSearchParams("from=2026-03-12T08:50:00Z&to=2026-03-12T10:50:00Z"), 0)).toEqual({ from: now - 2 * hour, to: now, name: "own" });
  expect(spanOf(new URLSearchParams("from=2026-03-12T10:50:00Z&to=2026-03-12T08:50:00Z"), now).name).toBe("1d");
  const zoom = { from: now - hour, to: now, top: 40 };
  expect(zoomOf(zoomText(zoom, zoom.top))).toEqual(zoom);
  expect(zoomOf(zoomText(zoom, 0))).toEqual({ ...zoom, top: 0 });
  expect([zoomOf(""), zoomOf("x,y"), zoomOf(`${zoomText(zoom, 0)},-1`)]).toEqual([undefined, undefined, undefined]);
});
test("steps are named by their largest unit", () => {
  expect([minute, 15 * minute, hour, 6 * hour, 24 * hour].map(stepName)).toEqual([{ n: 1, unit: "min" }, { n: 15, unit: "min" }, { n: 1, unit: "h" }, { n: 6, unit: "h" }, { n: 1, unit: "d" }]);
});
