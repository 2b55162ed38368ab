import { describe, expect, test } from "vitest";
import { parseFilter, toQuery, withField, withoutTerm } from "../src/lib/filterline";

const fields = ["from", "to", "state", "older", "larger", "ip"];
const query = (text: string) => toQuery(parseFilter(text, fields));

describe("filter line", () => {
  test("free words are ANDed", () => {
    expect(query("anna ; offer").q).toBe("anna;offer");
    expect(query("anna offer").q).toBe("anna;offer");
  });
  test("fields, quotes, not, comparisons", () => {
    expect(query('from:anna@demo.example to:"b c" -state:held larger:>10kB').fields).toEqual({
      from: "anna@demo.example",
      to: "b c",
      state: "-held",
      larger: ">10kB",
    });
    expect(query("-spam").q).toBe("-spam");
  });
  test("an unknown field is named and not sent", () => {
    expect(query("form:anna x")).toEqual({ q: "x", fields: {}, unknown: ["form"] });
  });
  test("addresses with colons are no fields", () => {
    expect(query("2001:db8::1").q).toBe("2001:db8::1");
    expect(query("fe80::1").q).toBe("fe80::1");
    expect(query("ip:2001:db8::1").fields).toEqual({ ip: "2001:db8::1" });
    expect(query("http://x.example").q).toBe("http://x.example");
  });
  test("an open quote ends with the line", () => {
    expect(query('to:"b c').fields).toEqual({ to: "b c" });
  });
  test("chips can go and change", () => {
    const text = "from:a x to:b";
    const [first] = parseFilter(text, fields);
    expect(first && withoutTerm(text, first)).toBe("x to:b");
    expect(withField(text, "to", "c.example", fields)).toBe("from:a x to:c.example");
    expect(withField(text, "to", "", fields)).toBe("from:a x");
    expect(withField("", "to", "a b", fields)).toBe('to:"a b"');
  });
  test("never throws and never loses its place", () => {
    const parts = ["from:", "-", '"', ";", " ", "x", ":", "<", "é", "to:>"];
    for (let i = 0; i < 3000; i++) {
      let text = "";
      for (let n = i; n > 0; n = Math.floor(n / parts.length)) text += parts[n % parts.length];
      for (const t of parseFilter(text, fields)) expect(text.slice(t.start, t.end)).toBe(t.source);
    }
  });
});
