// A picture of each screen that the design has a picture of, in the same state, by the same name; and of some that it has none of.
// Only for who wants them: SHOTS (see pictures.sh).
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { go, open, quit, shot, violations } from "./browser.mjs";
import { prepare, release } from "./prepare.mjs";
import { pathOf, routes } from "./routes.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});

const first = (p) => p.locator("tbody tr .lnk").first().click();
const message = routes.find((r) => r.name === "message");
const screens = [
  ["03-overview", "/overview"],
  ["04-message-timeline", (p) => pathOf(message, p)],
  ["05-message-queue", "/status/queue", async (p) => { for (const i of [0, 1, 2]) await p.locator("tbody input[type=checkbox]").nth(i).click(); }],
  ["07-sessions", "/status/sessions", async (p) => { await first(p); await p.locator(".drawer .tr .ln").first().waitFor(); }],
  ["08-traffic-charts", "/status/traffic"],
  ["09-logs", "/status/logs/smtp?q=arrigonovelli", async (p) => { await p.locator("mark").first().waitFor(); }],
  ["11-services", "/system/services", (p, width) => (width > 720 ? first(p) : undefined)],
  ["13-search", "/overview", async (p) => { await p.keyboard.press("/"); await p.keyboard.type("user"); await p.locator("[role=option]").first().waitFor(); await p.getByText("user@demo.example").first().waitFor(); }],
];
const others = ["account", "accounts", "audit", "domain", "history", "ip", "list", "log-files", "routes", "settings", "statistics", "trace"];

for (const [theme, width, height] of [["light", 1440, 900], ["dark", 390, 844]])
  test(`${theme} ${width}`, { skip: !process.env.SHOTS }, async () => {
    const start = await open({ theme, width, height, signIn: false });
    await start.page.goto(`${process.env.CONSOLE_URL}/`);
    await start.page.locator("input[name=username]").waitFor();
    await shot(start.page, `01-login-${theme}-${width}`);
    await start.close();
    const b = await open({ theme, width, height });
    const found = [];
    for (const [name, path, act] of screens) {
      await go(b.page, typeof path === "string" ? path : await path(b.page));
      await act?.(b.page, width);
      await b.page.evaluate(() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r))));
      found.push(...(await violations(b.page, name)));
      await shot(b.page, `${name}-${theme}-${width}`);
      await b.page.keyboard.press("Escape");
    }
    for (const r of width > 720 ? routes.filter((x) => others.includes(x.name)) : []) {
      await go(b.page, await pathOf(r, b.page));
      await shot(b.page, `${r.name}-${theme}-${width}`);
    }
    assert.deepEqual(found, []);
    b.calm();
    await b.close();
  });
