import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { go, open, quit, settled, shot, violations, widths } from "./browser.mjs";
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
    ["new domain", "/domains?dialog=new", async () => undefined],
    ["keys", "/overview", async (p) => p.keyboard.press("?")],
    ["search", "/overview", async (p) => { await p.keyboard.press("/"); await p.keyboard.type("demo"); await p.locator("[role=option]").first().waitFor(); }],
    ["user menu", "/overview", async (p) => p.locator(".ava").click()],
    ["columns", "/status/queue", async (p) => p.getByRole("button", { name: "Columns" }).click()],
    ["selection", "/status/queue", async (p) => { await p.locator("tbody tr input[type=checkbox]").first().click(); }],
    ["unknown address", "/nowhere", async () => undefined],
  ];
  for (const theme of ["light", "dark"])
    test(theme, async () => {
      const found = [];
      for (const [name, path, act] of overlays) {
        const b = await open({ theme });
        await go(b.page, path);
        await act(b.page);
        await settled(b.page);
        await b.page.waitForTimeout(200);
        found.push(...(await violations(b.page, name)));
        if (theme === "light") await shot(b.page, `over-${name.replaceAll(" ", "-")}`);
        b.calm();
        await b.close();
      }
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
