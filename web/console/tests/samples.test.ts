import { expect, test } from "vitest";
import { addSample, ratesOf, type Sample } from "../src/lib/samples";

test("two sums make a rate", () => {
  const list: Sample[] = [];
  addSample(list, { at: 0, values: { in: 10 } });
  addSample(list, { at: 2000, values: { in: 30 } });
  addSample(list, { at: 3000, values: { in: 30 } });
  expect(ratesOf(list, "in")).toEqual([10, 0]);
  expect(ratesOf(list, "other")).toEqual([0, 0]);
});
test("the same reading counts once, a restart begins anew, old ones go", () => {
  const list: Sample[] = [];
  addSample(list, { at: 1, values: { in: 5 } });
  addSample(list, { at: 1, values: { in: 6 } });
  expect(list).toHaveLength(1);
  addSample(list, { at: 2, values: { in: 2 } });
  expect(list).toEqual([{ at: 2, values: { in: 2 } }]);
  for (let i = 3; i < 400; i++) addSample(list, { at: i, values: { in: i } });
  expect(list).toHaveLength(120);
});
