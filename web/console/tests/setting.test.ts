import { expect, test } from "vitest";
import { fault, numberOf } from "../src/screens/settings/setting";

test("numbers with units", () => {
  expect(numberOf("int", "20")).toBe(20);
  expect(numberOf("int", "20 x")).toBeUndefined();
  expect(numberOf("size", "4KiB")).toBe(4096);
  expect(numberOf("size", "50 MiB")).toBe(52_428_800);
  expect(numberOf("duration", "5min")).toBe(300_000);
  expect(numberOf("duration", "250ms")).toBe(250);
});
test("bounds and choices", () => {
  const int = { type: "int", min: 1, max: 100, choices: [] } as const;
  expect(["1", "100", "0", "101", "abc"].map((x) => fault({ ...int, choices: [] }, x))).toEqual([undefined, undefined, "bounds", "bounds", "number"]);
  expect(fault({ type: "enum", min: null, max: null, choices: ["reject", "allow"] }, "maybe")).toBe("choice");
  expect(fault({ type: "list", min: null, max: null, choices: [] }, "anything")).toBeUndefined();
});
