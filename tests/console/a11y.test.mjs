import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { base, go, open, quit, settled, shot, violations, widths } from "./browser.mjs";
import { prepare, release } from "./prepare.mjs";
import { pathOf, routes } from "./routes.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});

describe("every screen is accessible and calm", () => {
  for (const theme of ["light", "dark"])
    for (const [name, width] of Object.entries(widths))
      test(`${theme}, ${name}`, async () => {
        const b = await open({ theme, width });
        const found = [];
        for (const r of routes) {
          await go(b.page, await pathOf(r, b.page));
          await b.page.waitForTimeout(150);
          found.push(...(await violations(b.page, r.name)));
          await shot(b.page, `${r.name}-${theme}-${width}`);
        }
        assert.deepEqual(found, []);
        b.calm();
        await b.close();
      });
});

describe("what opens over a screen is accessible", () => {
  const overlays = [
    ["queue drawer", "/status/queue", async (p) => p.locator("tbody tr .lnk").first().click()],
    ["sessions drawer", "/status/sessions", async (p) => p.locator("tbody tr .lnk").first().click()],
    ["message drawer", "/trace?span=24h", async (p) => { await p.locator("tbody tr .lnk").first().click(); await p.locator(".drawer .verdicts").waitFor(); }],
    ["ended session drawer", "/status/sessions/history?q=service:submission", async (p) => { await p.locator("tbody tr .lnk").first().click(); await p.locator(".drawer .tr").waitFor(); }],
    ["reply code", "/status/sessions/history?q=service:submission", async (p) => { await p.locator("tbody tr .lnk").first().click(); await p.locator(".drawer .code").first().click(); await p.locator(".code-in h3").waitFor(); }],
    ["no message", "/trace?q=nothing-of-this-name", async (p) => p.getByText("No message matches").waitFor()],
    ["services drawer", "/system/services", async (p) => p.locator("tbody tr .lnk").first().click()],
    ["new account", "/accounts?dialog=new", async () => undefined],
    ["import", "/accounts?dialog=import", async () => undefined],
    ["new members", "/accounts/crew%40demo.example", async (p) => p.getByRole("button", { name: "Add members" }).click()],
    ["new route", "/system/routes?dialog=new", async () => undefined],
    ["edit route", "/system/routes", async (p) => { await p.locator("tbody tr .lnk").first().click(); await p.getByRole("dialog").getByLabel("Server").waitFor(); }],
    ["new rule", "/filters?dialog=new", async () => undefined],
    ["edit rule", "/filters", async (p) => { await p.locator("tbody tr .lnk").first().click(); await p.getByRole("dialog").getByLabel("Text of the rule").waitFor(); }],
    ["try rules", "/filters?dialog=test", async (p) => { await p.getByRole("dialog").getByRole("button", { name: "Try" }).click(); await p.getByRole("dialog").getByRole("status").waitFor(); }],
    ["new remote account", "/accounts/anna%40demo.example", async (p) => p.getByRole("button", { name: "Add a remote account" }).click()],
    ["new pattern", "/patterns?dialog=new", async () => undefined],
    ["new senders", "/senders?dialog=new", async () => undefined],
    ["keep the sender out", "/status/queue", async (p) => { await p.locator("tbody tr input[type=checkbox]").first().click(); await p.locator(".bulk").getByRole("button", { name: "More actions" }).click(); await p.getByRole("menuitem", { name: "Keep the sender out" }).click(); await p.getByRole("dialog").getByLabel("Whose list").waitFor(); }],
    ["new backup domain", "/domains?dialog=new", async (p) => { await p.getByRole("dialog").getByLabel("Type").selectOption("backup"); }],
    ["new domain", "/domains?dialog=new", async () => undefined],
    ["new token", "/system/tokens?dialog=new", async () => undefined],
    ["event drawer", "/status/events?span=7d", async (p) => p.locator("tbody tr .lnk").first().click()],
    ["delete account", "/accounts/anna%40demo.example", async (p) => p.getByRole("button", { name: "Delete" }).click()],
    ["new password", "/accounts/anna%40demo.example", async (p) => p.getByRole("button", { name: "Change password" }).click()],
    ["new alias", "/domains/demo.example", async (p) => p.getByRole("button", { name: "New alias" }).click()],
    ["stop a service", "/system/services", async (p) => { await p.locator("tbody tr .lnk", { hasText: "POP3" }).click(); await p.getByRole("complementary").getByRole("button", { name: "Stop" }).click(); }],
    ["session details", "/status/sessions/history?q=service:submission", async (p) => { await p.locator("tbody tr .lnk").first().click(); await p.getByRole("tab", { name: "Details" }).click(); }],
    ["message as text", "/status/queue", async (p) => { await p.locator("tbody tr .lnk").first().click(); await p.getByRole("button", { name: "Open as text" }).click(); }],
    ["keys", "/overview", async (p) => p.keyboard.press("?")],
    ["search", "/overview", async (p) => { await p.keyboard.press("/"); await p.keyboard.type("demo"); await p.locator("[role=option]").first().waitFor(); }],
    // On the phone the menu of the user and all screens are behind More.
    ["user menu", "/overview", async (p, width) => (width > 720 ? p.locator(".ava") : p.getByRole("button", { name: "More" })).click()],
    ["columns", "/status/queue", async (p, width) => { if (width > 720) await p.getByRole("button", { name: "Columns" }).click(); }],
    ["selection", "/status/queue", async (p) => { await p.locator("tbody tr input[type=checkbox]").first().click(); }],
    ["unknown address", "/nowhere", async () => undefined],
  ];
  // Drawers lie over the list at 1024, and are sheets at 390, as dialogs are.
  for (const theme of ["light", "dark"])
    for (const width of Object.values(widths))
      test(`${theme} ${width}`, async () => {
        const found = [];
        const b = await open({ theme, width });
        for (const [name, path, act] of overlays) {
          await b.page.goto(base + path);
          await settled(b.page);
          await act(b.page, width);
          await settled(b.page);
          // Nothing moves: reduced motion is asked for. The position of a menu is set one frame later.
          await b.page.evaluate(() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r))));
          found.push(...(await violations(b.page, name)));
          await shot(b.page, `over-${name.replaceAll(" ", "-")}-${theme}-${width}`);
        }
        b.calm();
        await b.close();
        assert.deepEqual(found, []);
      });
  test("sign in", async () => {
    for (const theme of ["light", "dark"])
      for (const width of Object.values(widths)) {
        const b = await open({ theme, width, signIn: false });
        await b.page.goto(process.env.CONSOLE_URL + "/");
        await settled(b.page);
        assert.deepEqual(await violations(b.page, `${theme} ${width}`), []);
        await shot(b.page, `login-${theme}-${width}`);
        b.calm();
        await b.close();
      }
  });
});
