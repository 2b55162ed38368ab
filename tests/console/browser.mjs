// Chromium, signed in, with an eye on everything that must not happen: script errors, refusals of the content policy, requests
// to another origin, server errors.
import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { closeAll } from "./mail.mjs";

const require = createRequire(new URL("../../web/console/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const axeSource = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const base = process.env.CONSOLE_URL;
export const widths = { wide: 1440, tablet: 1024, phone: 390 };

let browser;
export async function launch() {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  return browser;
}
export async function quit() {
  closeAll();
  await browser?.close();
  browser = undefined;
}

/** A page with watchers; `expectTrouble` lists patterns of console messages that a test provokes itself. */
export async function open({ width = 1440, height = 900, theme = "light", language = "en", signIn = true, account = process.env.CONSOLE_ADMIN, expectTrouble = [], url = base } = {}) {
  const context = await (await launch()).newContext({ viewport: { width, height }, colorScheme: theme, locale: language === "it" ? "it-IT" : "en-GB", reducedMotion: "reduce", ignoreHTTPSErrors: true, permissions: ["clipboard-read", "clipboard-write"] });
  await context.addInitScript(([t, l]) => {
    localStorage.setItem("posthorn.theme", t);
    localStorage.setItem("posthorn.language", l);
  }, [theme, language]);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const trouble = [];
  page.on("console", (m) => {
    // Refusals by status are the tests' own doing; they are checked by their status below.
    if (m.type() === "error" && !/Failed to load resource/.test(m.text())) trouble.push(`console: ${m.text()}`);
  });
  page.on("pageerror", (e) => trouble.push(`script: ${e.message}`));
  page.on("request", (r) => {
    const u = r.url();
    if (!u.startsWith(url) && !u.startsWith("blob:") && !u.startsWith("data:")) trouble.push(`other origin: ${u}`);
  });
  page.on("response", (r) => {
    if (r.status() >= 500) trouble.push(`server: ${r.status()} ${r.url()}`);
  });
  if (signIn) {
    await page.goto(url + "/");
    await login(page, account);
  }
  return {
    page,
    context,
    calm() {
      assert.deepEqual(trouble.filter((t) => !expectTrouble.some((p) => p.test(t))), []);
    },
    async close() {
      await context.close();
    },
  };
}

export async function login(page, account = process.env.CONSOLE_ADMIN, password = process.env.CONSOLE_PASSWORD) {
  await page.locator("input[name=username]").fill(account);
  await page.locator("input[name=password]").fill(password);
  await page.locator("form button[type=submit]").click();
  await page.locator("main h1").first().waitFor();
  await page.locator("input[name=password]").waitFor({ state: "detached" });
  await listens(page);
}

/** Waits until the page listens to keys: those that come before are lost. */
async function listens(page) {
  await page.locator("html[data-keys=ready]").waitFor({ state: "attached" });
}

/** The keys g and then a letter. Both are on their way before the page has seen the first: nothing comes between them. */
export async function goBy(page, letter, title) {
  const there = page.getByRole("heading", { name: title, exact: true, level: 1 });
  await listens(page);
  await Promise.all([page.keyboard.press("g"), page.keyboard.press(letter)]);
  await there.waitFor();
}

/** A write by the API, with the rights of who has signed in. */
export async function write(page, method, what, data) {
  const me = await (await page.request.get(`${base}/api/v1/me`)).json();
  const r = await page.request.fetch(`${base}/api/v1${what}`, { method, data, headers: { "X-CSRF-Token": me.csrf_token, Origin: base } });
  assert.ok(r.ok(), `${method} ${what}: ${r.status()} ${await r.text()}`);
  return r.status() === 204 ? undefined : r.json();
}
export async function read(page, what) {
  const r = await page.request.get(`${base}/api/v1${what}`);
  assert.ok(r.ok(), `${what}: ${r.status()} ${await r.text()}`);
  return r.json();
}

/** Does what saves a form, and waits until it is saved. The notice alone does not tell: the one of the save before may still stand there. */
export async function saved(page, act) {
  const [answer] = await Promise.all([page.waitForResponse((r) => r.request().method() !== "GET"), act()]);
  assert.ok(answer.ok(), `${answer.url()}: ${answer.status()}`);
  await page.getByText("Saved.").last().waitFor();
}

/** Goes to an address inside the console and waits until its first data stands there. */
export async function go(page, to) {
  // The title is set by the new screen's head; another address of the same screen keeps it.
  const other = new URL(to, base).pathname !== new URL(page.url()).pathname;
  await page.evaluate(([x, clear]) => {
    if (clear) document.title = "";
    history.pushState(null, "", x);
    dispatchEvent(new Event("posthorn:moved"));
  }, [to, other]);
  if (other) await page.waitForFunction(() => document.title !== "", undefined, { timeout: 3000 }).catch(() => undefined);
  await settled(page);
}
export async function settled(page) {
  await page.locator("main h1, .login h1").first().waitFor({ state: "attached" });
  await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
  if (await page.locator(".app").count()) await listens(page); // where one signs in there are no keys
}

/** Violations that axe-core finds by WCAG 2.2 AA. Run in the page by the debugger, not by the page's own policy. */
export async function violations(page, what) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    const r = await globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] });
    return r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target.join(" ")} ${n.failureSummary?.split("\n")[1] ?? ""}`).slice(0, 4).join(" | ")}`);
  });
  return found.map((f) => `${what}: ${f}`);
}

export async function shot(page, name) {
  const dir = process.env.SHOTS;
  if (!dir) return;
  fs.mkdirSync(dir, { recursive: true });
  await page.screenshot({ path: path.join(dir, `${name}.png`) });
}
export const tmp = os.tmpdir();
