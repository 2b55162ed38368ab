import { expect, test } from "vitest";
import { barsOf } from "../src/lib/histogram";

test("bars have a round length and hold every line", () => {
  const bars = barsOf(["10:31:00", null, "10:31:59", "10:52:30"], 24);
  expect(bars[0]).toEqual({ from: "10:31:00", to: "10:31:59", n: 3 });
  expect(bars.at(-1)).toEqual({ from: "10:52:00", to: "10:52:59", n: 1 });
  expect(bars.reduce((n, b) => n + b.n, 0)).toBe(4);
});

test("fewer bars are longer ones", () => {
  expect(barsOf(["10:31:00", "10:52:30"], 12)[0]).toEqual({ from: "10:30:00", to: "10:34:59", n: 1 });
});

test("a whole day fits; what has no span has no bars", () => {
  expect(barsOf(["00:00:00", "23:59:59"], 24)).toHaveLength(24);
  expect(barsOf(["00:00:00", "23:59:59"], 24).at(-1)?.to).toBe("23:59:59");
  expect(barsOf(["10:00:00"], 24)).toEqual([]);
  expect(barsOf([null, null], 24)).toEqual([]);
  expect(barsOf(["10:00:00", "10:00:00"], 24)).toEqual([]);
});
