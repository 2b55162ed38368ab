// The pseudo language: text without its brackets was not taken from a catalogue.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { go, open, quit } from "./browser.mjs";
import { prepare, release } from "./prepare.mjs";
import { pathOf, routes } from "./routes.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});

/** Visible words outside of what the server said (translate=no), of keys and of figures. */
function untranslated() {
  const found = new Set();
  const plain = (text) => text.replace(/⟦[^⟧]*⟧/g, "").replace(/\b(kB|MB|GB|TB|B|min|s|h|d)\b/g, "");
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n = walk.nextNode(); n; n = walk.nextNode()) {
    const e = n.parentElement;
    if (!e || e.closest("[translate=no], kbd, script, style, code")) continue;
    // A sentence may be divided among siblings; its brackets are then at its ends.
    const whole = e.closest("p, td, th, dd, dt, li, h1, h2, h3, button, a, label, span, div")?.textContent ?? n.data;
    if (/[a-zA-Z]{2,}/.test(plain(n.data)) && !(whole.includes("⟦") && whole.includes("⟧"))) found.add(n.data.trim());
  }
  for (const e of document.querySelectorAll("[aria-label], [placeholder]"))
    for (const a of ["aria-label", "placeholder"]) {
      const v = e.getAttribute(a);
      if (v && !e.closest("[translate=no]") && /[a-zA-Z]{3,}/.test(v) && !v.includes("⟦") && v !== "Posthorn") found.add(`${a}=${v}`);
    }
  return [...found];
}

test("no text without translation", async () => {
  const b = await open({ language: "pseudo" });
  const names = new Set(["demo.example", "user@demo.example"]);
  for (const r of routes) {
    await go(b.page, await pathOf(r, b.page));
    await b.page.waitForTimeout(150);
    const left = (await b.page.evaluate(untranslated)).filter((x) => !names.has(x.replace(/^[a-z-]+=/, "")) && !/^aria-label=[A-Z][\w ,]*$/.test(x));
    assert.deepEqual(left, [], r.name);
  }
  b.calm();
  await b.close();
});

test("Italian is Italian", async () => {
  const b = await open({ language: "it" });
  await go(b.page, "/status/queue");
  await b.page.getByRole("heading", { name: "Coda messaggi" }).waitFor();
  assert.equal(await b.page.evaluate(() => document.documentElement.lang), "it");
  await b.page.getByRole("link", { name: "Impostazioni" }).click();
  await b.page.getByRole("heading", { name: "Impostazioni", exact: true }).waitFor();
  b.calm();
  await b.close();
});
