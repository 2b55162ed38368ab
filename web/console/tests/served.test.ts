/// <reference types="vite/client" />
import { describe, expect, test } from "vitest";
import document from "../../../docs/openapi.json";
import explainRows from "../../../src/event/explain.def?raw";
import healthRows from "../../../src/server/api/health.def?raw";
import { formatMessage, parseMessage, placeholders } from "../src/i18n/icu";
import { it as italian } from "../src/i18n/it";
import { served } from "../src/i18n/served.it";

/** The arguments of each row of a table such as explain.def: the texts in quotes. */
function rows(table: string, macro: string): string[][] {
  return [...table.matchAll(new RegExp(`^${macro}\\((.*)\\)$`, "gm"))].map((row) => [...(row[1] ?? "").matchAll(/"([^"]*)"/g)].map((m) => m[1] ?? ""));
}
const named = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();

// The server's sources are the list of what there is to say: what is added there needs a translation here.
const explanations = rows(explainRows, "EXPLAIN").map(([id = "", , cause = "", remedy = ""]) => ({ id, cause, remedy }));
const checks = rows(healthRows, "HEALTH").map(([id = "", , , detail = "", remedy = ""]) => ({ id, detail, remedy }));
const statuses: string[] = document.components.schemas.Verdict.properties.status.enum;

describe("what the server says", () => {
  test("is found", () => {
    expect(explanations.length).toBeGreaterThan(100);
    expect(checks.length).toBeGreaterThan(10);
    expect(statuses).toContain("delivered");
    expect(explanations.every((e) => e.cause && e.remedy)).toBe(true);
  });
  test("has each text in Italian, and no other", () => {
    const keys = [
      ...explanations.flatMap((e) => [`cause.${e.id}`, `remedy.${e.id}`]),
      ...["cause.code.4", "cause.code.5"],
      ...checks.flatMap((c) => [`found.${c.id}`, `do.${c.id}`]),
      ...statuses.map((s) => `verdict.${s}`),
    ];
    expect(Object.keys(served).sort()).toEqual(keys.sort());
  });
  test("has the same places for the same facts", () => {
    const facts = ["value", "bytes_free", "answer", "at"]; // the server fills in these
    for (const c of checks) {
      const names = named(c.detail);
      expect([c.id, ...[...placeholders(parseMessage(served[`found.${c.id}`] ?? ""))].sort()]).toEqual([c.id, ...names]);
      expect(names.filter((n) => !facts.includes(n ?? ""))).toEqual([]);
    }
    const counts = new Set(["n", "delivered", "waiting", "not", "told", "deleted"]);
    for (const s of statuses) expect([...placeholders(parseMessage(served[`verdict.${s}`] ?? ""))].filter((p) => !counts.has(p))).toEqual([]);
    for (const e of explanations) for (const k of ["cause", "remedy"]) expect(placeholders(parseMessage(served[`${k}.${e.id}`] ?? "{x}")).size).toBe(0);
  });
  test("counts in Italian", () => {
    const say = (key: string, values: Record<string, number | string>) => formatMessage(parseMessage(served[key] ?? ""), values, "it").join("");
    expect(say("verdict.bounced", { not: 1, n: 1, told: "yes", deleted: 0 })).toBe("1 di 1 destinatario non lo riceverà; il mittente è stato avvisato");
    expect(say("verdict.mixed", { not: 2, n: 3, told: "no", deleted: 2 })).toBe("2 di 3 destinatari non lo riceveranno; eliminati da un amministratore, senza avviso: 2");
    expect(say("found.queue.overdue", { value: 1 })).toBe("1 messaggio attende da più di 4 ore");
  });
  test("keeps the names of settings, commands and fields", () => {
    const names = (text: string) => [...text.matchAll(/`[^`]*`|\b[a-z]+_[a-z_]+\b|\b(?:milter|auth|filter)\.[a-z]+\b/g)].map((m) => m[0]).sort();
    for (const e of explanations) expect([e.id, ...names(served[`remedy.${e.id}`] ?? "")]).toEqual([e.id, ...names(e.remedy)]);
    for (const c of checks) expect([c.id, ...names(served[`do.${c.id}`] ?? "")]).toEqual([c.id, ...names(c.remedy)]);
  });
});

describe("Italian addresses nobody", () => {
  const texts = Object.entries({ ...italian, ...served });
  const without = (form: RegExp) => { expect(texts.filter(([, text]) => form.test(text))).toEqual([]); };
  test("as Lei", () => {
    without(/(?<![.!?] |^)\b(Lei|Suo|Sua|Suoi|Sue)\b/);
    without(/\b(scriva|scelga|acceda|inserisca|incolli|chiuda|prema|apra|provi|attenda|corregga|imposti|riprovi|cambi la)\b/i);
  });
  test("as tu", () => {
    without(/\b(tu|ti|te|tuo|tua|tuoi|tue|hai|sei|puoi|vuoi|devi|tienilo)\b/i);
  });
});
