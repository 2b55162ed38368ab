import { expect, test } from "vitest";
import { showsAll } from "../src/lib/livelist";

const idOf = (r: { id: string }) => r.id;
const row = (id: string, doing = "") => ({ id, doing });

test("a list that has the rows of the snapshot needs no second look", () => {
  expect(showsAll({ items: [row("b"), row("a")], total: 2 }, { items: [row("a"), row("b")], total: 2 }, idOf)).toBe(true);
  expect(showsAll({ items: [], total: 0 }, { items: [], total: 0 }, idOf)).toBe(true);
});

test("a row that came, went or changed between the two is seen", () => {
  expect(showsAll({ items: [row("a"), row("b")], total: 2 }, { items: [row("a")], total: 1 }, idOf)).toBe(false);
  expect(showsAll({ items: [], total: 0 }, { items: [row("a")], total: 1 }, idOf)).toBe(false);
  expect(showsAll({ items: [row("b")], total: 1 }, { items: [row("a")], total: 1 }, idOf)).toBe(false);
  expect(showsAll({ items: [row("a", "QUIT")], total: 1 }, { items: [row("a", "NOOP")], total: 1 }, idOf)).toBe(false);
});

test("a part of the rows proves nothing, nor a list that is not read yet", () => {
  expect(showsAll({ items: [row("a")], total: 9 }, { items: [row("a")], total: 1 }, idOf)).toBe(false);
  expect(showsAll({ items: [row("a")], total: 1 }, { items: [row("a")], total: 9 }, idOf)).toBe(false);
  expect(showsAll({ items: [row("a")], total: 1 }, { items: undefined, total: undefined }, idOf)).toBe(false);
  expect(showsAll({}, { items: [], total: 0 }, idOf)).toBe(false);
});
