import { expect, test } from "vitest";
import { entryText, unusable, withEntry } from "../src/lib/secure";

const entry = { pattern: "mx.a.test", sha256: "AA:BB", subject: "", issuer: "CN = Own CA" };

test("an entry has the fields that are filled", () => {
  expect(entryText(entry)).toBe("mx.a.test|sha256=AA:BB|issuer=CN = Own CA");
  expect(entryText({ pattern: " b.test ", sha256: "", subject: " ", issuer: "" })).toBe("b.test");
  expect([unusable("CN = a"), unusable("CN = a;b"), unusable("a|b")]).toEqual([false, true, true]);
});
test("it replaces its own, and stands before what would hold in its place", () => {
  const e = { ...entry, issuer: "" };
  expect(withEntry("", e)).toBe("mx.a.test|sha256=AA:BB");
  expect(withEntry("x.test; y.test", e)).toBe("x.test;y.test;mx.a.test|sha256=AA:BB");
  expect(withEntry("x.test;MX.a.test|sha256=CC;*", e)).toBe("x.test;mx.a.test|sha256=AA:BB;*");
  expect(withEntry("*.a.test;*", e)).toBe("mx.a.test|sha256=AA:BB;*.a.test;*");
  expect(withEntry("*.mx.a.test;*", e)).toBe("*.mx.a.test;mx.a.test|sha256=AA:BB;*");
});
