import { expect, test } from "vitest";
import { changesOf, meetings, merge } from "../src/lib/merge";

const base = { name: "Anna", quota: 10, aliases: ["a"] };

test("only what changed is sent", () => {
  expect(changesOf(base, { ...base, quota: 20 })).toEqual({ quota: 20 });
  expect(changesOf(base, { ...base, aliases: ["a"] })).toEqual({});
  expect(changesOf(base, { ...base, aliases: ["a", "b"] })).toEqual({ aliases: ["a", "b"] });
});
test("changes of different fields do not meet", () => {
  const mine = { ...base, quota: 20 };
  const theirs = { ...base, name: "Anne" };
  expect(meetings(base, mine, theirs)).toEqual([]);
  expect(merge(base, mine, theirs, new Set())).toEqual({ name: "Anne", quota: 20, aliases: ["a"] });
});
test("changes of the same field meet, unless they agree", () => {
  const mine = { ...base, quota: 20 };
  const theirs = { ...base, quota: 30 };
  expect(meetings(base, mine, theirs)).toEqual([{ field: "quota", base: 10, mine: 20, theirs: 30 }]);
  expect(meetings(base, mine, { ...base, quota: 20 })).toEqual([]);
  expect(merge(base, mine, theirs, new Set()).quota).toBe(20);
  expect(merge(base, mine, theirs, new Set(["quota"])).quota).toBe(30);
});
