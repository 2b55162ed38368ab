import { describe, expect, test } from "vitest";
import { english, textOf } from "../src/i18n";
import { formatBytes, formatClock, formatDuration, parseBytes, parseDuration } from "../src/lib/format";
import { matchPath } from "../src/lib/router";
import { parseLayout } from "../src/ui/table/columns";
import { addressOf } from "../src/api/client";

const t = textOf(english);

describe("formats", () => {
  test("sizes", () => {
    expect([0, 999, 1000, 1536, 12_345_678, 2.1e9].map((n) => formatBytes(n, "en-GB").replace("\u202f", " "))).toEqual(["0 B", "999 B", "1 kB", "1.5 kB", "12 MB", "2.1 GB"]);
    expect(formatBytes(1536, "it").replace("\u202f", " ")).toBe("1,5 kB");
  });
  test("durations", () => {
    expect([0, 59, 60, 3600, 4320, 97_200, 172_800].map((n) => formatDuration(n, t))).toEqual(["0 s", "59 s", "1 min", "1 h", "1 h 12 min", "1 d 3 h", "2 d"]);
    expect(formatClock(10_193)).toBe("2:49:53");
  });
  test("sizes and durations as typed", () => {
    expect(["10 kB", "1.5GB", "2GiB", "77", "x", "-1"].map(parseBytes)).toEqual([10_000, 1.5e9, 2 ** 31, 77, undefined, undefined]);
    expect(["90", "90s", "15min", "1h", "2d", "1x"].map(parseDuration)).toEqual([90, 90, 900, 3600, 172_800, undefined]);
  });
});

describe("addresses", () => {
  test("paths match and are decoded", () => {
    expect(matchPath("/accounts/{id}", "/accounts/a%40b.test")).toEqual({ id: "a@b.test" });
    expect(matchPath("/accounts/{id}", "/accounts/")).toBeUndefined();
    expect(matchPath("/accounts/{id}", "/accounts/%E0%A4")).toBeUndefined();
    expect(matchPath("/", "/")).toEqual({});
  });
  test("API addresses are encoded", () => {
    expect(addressOf("/accounts/{id}/x", { id: "a/b@c" }, { q: "ü&", limit: 5, none: undefined, empty: "" })).toBe("/api/v1/accounts/a%2Fb%40c/x?q=%C3%BC%26&limit=5");
  });
});

describe("columns", () => {
  test("what was stored is checked", () => {
    const ids = ["a", "b", "c"];
    expect(parseLayout("no json", ids, ["c"])).toEqual({ order: ids, hidden: { a: false, b: false, c: true }, sizes: {} });
    const stored = JSON.stringify({ order: ["c", "gone", "a"], hidden: { a: true }, sizes: { a: 99, b: -1, c: "x" } });
    expect(parseLayout(stored, ids, [])).toEqual({ order: ["c", "b", "a"], hidden: { a: true, b: false, c: false }, sizes: { a: 99 } });
  });
});
