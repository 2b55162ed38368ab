// The pseudo language: text without its brackets was not taken from a catalogue.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { base, go, open, quit, read, settled } from "./browser.mjs";
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
  // Dates are the browser's, in the locale of the language: "27 Nov 2026" of what was before midnight.
  const dates = /\b\d{1,2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec) \d{4}\b/g;
  const plain = (text) => text.replace(/⟦[^⟧]*⟧/g, "").replace(dates, "").replace(/\b(kB|MB|GB|TB|B|min|s|h|d)\b/g, "");
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

// Labels that are names: what the server, a person or the standard calls something.
const names = new Set(["demo.example", "user@demo.example", "anna@demo.example", "nobody@demo.example", "crew@demo.example"]);
async function untranslatedNow(page) {
  // "Dismiss" for screen readers is the library's, which has it in the languages of the console.
  return (await page.evaluate(untranslated)).filter((x) => x !== "aria-label=Dismiss" && !names.has(x.replace(/^[a-z-]+=/, "")));
}

for (const [when, later] of [["", 0], [", of things of yesterday", 86_400_000]])
  test(`no text without translation${when}`, async () => {
    const b = await open({ language: "pseudo" });
    if (later) await b.context.clock.setFixedTime(Date.now() + later);
    const left = {};
    for (const r of routes) {
      await go(b.page, await pathOf(r, b.page));
      const found = await untranslatedNow(b.page);
      if (found.length) left[r.name] = found;
    }
    assert.deepEqual(left, {});
    b.calm();
    await b.close();
  });

test("no text without translation in dialogs, drawers, menus and errors", async () => {
  const b = await open({ language: "pseudo", expectTrouble: [/^server: 503/] });
  const row = (p) => p.locator("tbody tr .lnk").first().click();
  const places = {
    "queue drawer": ["/status/queue", row],
    "message as text": ["/status/queue", async (p) => { await row(p); await p.locator("aside.drawer button.btn:not(.danger, .pri)").last().click(); }],
    selection: ["/status/queue", async (p) => p.locator("tbody input[type=checkbox]").first().click()],
    columns: ["/status/queue", async (p) => p.locator(".bar > button.btn").last().click()],
    "wrong filter": ["/status/queue?q=form:x", (p) => p.locator(".filter-note").waitFor()],
    "nothing found": ["/status/queue?q=nothing-of-this-name", (p) => p.locator(".empty").waitFor()],
    "session drawer": ["/status/sessions", row],
    "session details": ["/status/sessions?part=details", row],
    "session menu": ["/status/sessions", async (p) => { await row(p); await p.locator("aside.drawer .df button[aria-haspopup]").click(); await p.locator("[role=menuitem]").first().waitFor(); }],
    "ended session": ["/status/sessions/history?q=service:submission", row],
    "reply code": ["/status/sessions/history?q=service:submission", async (p) => { await row(p); await p.locator(".drawer .code").first().click(); await p.locator(".code-in h3").waitFor(); }],
    "message drawer": ["/trace?span=24h", row],
    "event drawer": ["/status/events?span=7d", row],
    "own span": ["/status/events", (p) => p.locator(".seg button").last().click()],
    "services drawer": ["/system/services", row],
    "stop a service": ["/system/services", async (p) => { await row(p); await p.locator("aside.drawer .df button").first().click(); }],
    "new account": ["/accounts?dialog=new", undefined],
    "account refused": ["/accounts?dialog=new", async (p) => { await p.locator("[role=dialog] input").first().fill("no address"); await p.locator("[role=dialog] button[type=submit]").click(); await p.locator("[role=dialog] [role=alert]").first().waitFor(); }],
    import: ["/accounts?dialog=import", undefined],
    "import preview": ["/accounts?dialog=import", async (p) => { await p.locator("textarea").fill("address,name,password\nx@demo.example,X,secret-x-1\nwrong,,"); await p.locator("[role=dialog] button[type=submit]").click(); await p.locator(".preview").waitFor(); }],
    "new list": ["/accounts?dialog=new", (p) => p.locator("[role=dialog] select").selectOption("list")],
    "new members": ["/accounts/crew%40demo.example", (p) => p.locator("[aria-labelledby=members] button.btn").first().click()],
    "new route": ["/system/routes?dialog=new", undefined],
    "new rule": ["/filters?dialog=new", undefined],
    "rule refused": ["/filters?dialog=new", async (p) => { await p.locator("[role=dialog] textarea").fill("rule then"); await p.locator("[role=dialog] button[type=submit]").click(); await p.locator("#rule-problem").waitFor(); }],
    "edit rule": ["/filters", row],
    "try rules": ["/filters?dialog=test", async (p) => { await p.locator("[role=dialog] button[type=submit]").click(); await p.locator("[role=dialog] [role=status]").waitFor(); }],
    "new remote account": ["/accounts/anna%40demo.example", async (p) => { await p.locator("[aria-labelledby=remotes] button.btn").click(); await p.locator("[role=dialog] select").last().selectOption("days"); }],
    "new pattern": ["/patterns?dialog=new", undefined],
    "new senders": ["/senders?dialog=new", undefined],
    "keep the sender out": ["/status/queue", async (p) => { await p.locator("tbody tr input[type=checkbox]").first().click(); await p.locator(".bulk [aria-haspopup]").click(); await p.locator("[role=menuitem]").last().click(); await p.locator("[role=dialog] input").waitFor(); }],
    "backup domain": ["/domains?dialog=new", (p) => p.locator("[role=dialog] select").selectOption("backup")],
    "edit route": ["/system/routes", row],
    "new domain": ["/domains?dialog=new", undefined],
    "account's password": ["/accounts/anna%40demo.example", (p) => p.locator(".ph button.btn").first().click()],
    "delete account": ["/accounts/anna%40demo.example", (p) => p.locator(".ph button.danger").click()],
    "unknown account": ["/accounts/nobody%40demo.example", (p) => p.locator(".empty").waitFor()],
    "new alias": ["/domains/demo.example", (p) => p.locator("section button.btn").last().click()],
    "new token": ["/system/tokens?dialog=new", undefined],
    "setting out of range": ["/system/settings?q=smtp.max_errors", async (p) => { await p.locator(".set input").fill("0"); await p.locator(".set .err").waitFor(); await p.locator(".changes summary").click(); }],
    "adapted domains": ["/system/settings?q=deliver.secure_adapt", async (p) => { await p.locator(".set .linkb").last().click(); await p.locator("[role=dialog] .empty").waitFor(); }],
    "shut out": ["/system/settings?q=net.access_mode", async (p) => { await p.locator("[id='set-net.access_mode']").selectOption("grant"); await p.locator(".changes .btn.pri").click(); await p.locator("[role=alertdialog]").waitFor(); }],
    "access test": ["/system/services?open=pop3", async (p) => { await p.locator(".access-test input").fill("203.0.113.9"); await p.keyboard.press("Enter"); await p.locator(".access-test li").first().waitFor(); }],
    "note on a chart": ["/status/traffic", (p) => p.locator("button.btn.ghost").first().click()],
    keys: ["/overview", (p) => p.keyboard.press("?")],
    search: ["/overview", async (p) => { await p.keyboard.press("/"); await p.keyboard.type("demo"); await p.locator("[role=option]").first().waitFor(); }],
    "search without a find": ["/overview", async (p) => { await p.keyboard.press("/"); await p.locator("[role=combobox]").waitFor(); }],
    "user menu": ["/overview", (p) => p.locator(".ava").click()],
    "no such screen": ["/nowhere", undefined],
  };
  const left = {};
  for (const [name, [path, act]] of Object.entries(places)) {
    await b.page.goto(base + path);
    await settled(b.page);
    await act?.(b.page);
    await settled(b.page);
    const found = await untranslatedNow(b.page);
    if (found.length) left[name] = found;
  }
  assert.deepEqual(left, {});
  // The server is away: what is said about it is ours.
  await b.page.route("**/api/v1/accounts?**", (r) => r.abort());
  await b.page.goto(`${base}/accounts`);
  await b.page.locator(".call.bad").waitFor();
  assert.deepEqual(await untranslatedNow(b.page), []);
  b.calm();
  await b.close();
});

test("no text without translation where one signs in", async () => {
  const b = await open({ language: "pseudo", signIn: false });
  await b.page.goto(`${base}/`);
  await settled(b.page);
  assert.deepEqual(await untranslatedNow(b.page), []);
  await b.page.locator("input[name=username]").fill("anna@demo.example");
  await b.page.locator("input[name=password]").fill("wrong");
  await b.page.keyboard.press("Enter");
  await b.page.getByRole("alert").waitFor();
  assert.deepEqual(await untranslatedNow(b.page), []);
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

test("Italian screens say in Italian what the server says", async () => {
  const b = await open({ language: "it" });
  const p = b.page;
  const { items: [refused] } = await read(p, "/messages?recipient=nobody@demo.example&status=refused&limit=1");
  await go(p, `/messages/${refused.key}`);
  const verdict = p.locator(".verdicts");
  for (const text of ["rifiutato; il messaggio è rimasto al server che lo inviava", "Qualcuno dei nostri ha scritto a un nostro indirizzo che non esiste.", "Correggere l’indirizzo."])
    await verdict.getByText(text).first().waitFor();
  assert.equal(await verdict.locator("[lang=en]").count(), 0);
  await go(p, `/status/sessions/${refused.session}`);
  await p.locator(".code", { hasText: "550" }).first().click();
  await p.locator(".code-in").getByText("Correggere l’indirizzo.").waitFor();
  assert.equal(await p.locator(".code-in [lang=en]").count(), 0);
  await p.keyboard.press("Escape");
  await go(p, "/overview");
  const needs = p.locator(".find-list");
  await needs.getByText("Mettere quello nuovo nella cartella dei certificati").first().waitFor();
  assert.equal(await needs.locator("[lang=en]").count(), 0);
  b.calm();
  await b.close();
});
