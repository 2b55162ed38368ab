import { expect, test } from "vitest";
import { english, textOf } from "../src/i18n";
import { visible } from "../src/lib/bidi";

test("what turns the direction is written out, letters of all scripts stay", () => {
  expect(visible("a\u202Egpj.exe\u2069")).toBe("a[U+202E]gpj.exe[U+2069]");
  expect(visible("שלום סلام ‏x")).toBe("שלום סلام ‏x");
  expect(visible("")).toBe("");
});

test("a name inside a sentence does not turn the sentence", () => {
  const t = textOf(english);
  expect(t("app.withdrawn", { label: "x\u202E" })).toBe("App password “x[U+202E]” withdrawn.");
});
