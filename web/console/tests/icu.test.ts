import { describe, expect, it as test } from "vitest";
import { en } from "../src/i18n/en";
import { it as italian } from "../src/i18n/it";
import { formatMessage, parseMessage, placeholders } from "../src/i18n/icu";
import { pseudo } from "../src/i18n/pseudo";

const say = (source: string, values: Record<string, string | number> = {}, locale = "en") => formatMessage(parseMessage(source), values, locale).join("");

describe("messages", () => {
  test("put values in", () => {
    expect(say("{a} to {b}", { a: "x", b: 3 })).toBe("x to 3");
    expect(say("{n, number}", { n: 12345 })).toBe("12,345");
  });
  test("choose by plural and exact number", () => {
    const m = "{n, plural, =0 {none} one {# message} other {# messages}}";
    expect([0, 1, 2, 1200].map((n) => say(m, { n }))).toEqual(["none", "1 message", "2 messages", "1,200 messages"]);
    expect(say("{n, plural, one {# sessione} other {# sessioni}}", { n: 2 }, "it")).toBe("2 sessioni");
  });
  test("choose by word", () => {
    const m = "{state, select, up {runs} other {is {state}}}";
    expect([say(m, { state: "up" }), say(m, { state: "down" })]).toEqual(["runs", "is down"]);
  });
  test("keep braces in quotes", () => {
    expect(say("it''s '{x}'")).toBe("it's {x}");
  });
  test("pass objects through", () => {
    const link = { link: true };
    expect(formatMessage(parseMessage("see {link} now"), { link }, "en")).toEqual(["see ", link, " now"]);
  });
  test.each(["{", "{a", "}", "{n, plural, one {x}}", "{n, date}", "{, number}"])("name the fault of %s", (m) => {
    expect(() => parseMessage(m)).toThrow(m);
  });
});

describe("catalogues", () => {
  test("every message is well formed, and Italian uses the same placeholders", () => {
    for (const [key, source] of Object.entries(en)) {
      const theirs = italian[key as keyof typeof en];
      expect([key, ...placeholders(parseMessage(theirs))].sort()).toEqual([key, ...placeholders(parseMessage(source))].sort());
    }
  });
  test("Italian is translated", () => {
    const same = Object.entries(en).filter(([k, v]) => italian[k as keyof typeof en] === v && /[a-z]{4}/.test(v.replace(/\{[^}]*\}/g, "")));
    expect(same.map(([k]) => k).length).toBeLessThan(Object.keys(en).length / 10);
  });
  test("pseudo text is longer and bracketed", () => {
    expect(pseudo("Sign in")).toMatch(/^⟦.*⟧$/);
    expect(pseudo("Message queue").length).toBeGreaterThan("Message queue".length * 1.35);
    expect(pseudo("12 : 3")).toBe("12 : 3");
  });
});
