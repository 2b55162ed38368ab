import assert from "node:assert/strict";
import { after, test } from "node:test";
import { base, go, login, open, quit } from "./browser.mjs";
import { routes } from "./routes.mjs";

after(quit);

test("a wrong password is refused, the right one leads to the overview", async () => {
  const b = await open({ signIn: false });
  await b.page.goto(base + "/status/queue");
  await b.page.locator("input[name=username]").fill(process.env.CONSOLE_ADMIN);
  await b.page.locator("input[name=password]").fill("wrong");
  await b.page.keyboard.press("Enter");
  await b.page.getByRole("alert").filter({ hasText: "Address or password is wrong" }).waitFor();
  await login(b.page);
  // The address asked for is still the address.
  await b.page.getByRole("heading", { name: "Message queue" }).waitFor();
  assert.equal(new URL(b.page.url()).pathname, "/status/queue");
  b.calm();
  await b.close();
});

test("language and theme are chosen before signing in, on the phone too", async () => {
  const b = await open({ signIn: false, width: 390 });
  await b.page.goto(base + "/");
  await b.page.getByRole("button", { name: "Switch between light and dark" }).click();
  await b.page.locator("html[data-theme=dark]").waitFor({ state: "attached" });
  await b.page.getByLabel("Language").selectOption("it");
  await b.page.getByRole("heading", { name: "Accedi" }).waitFor();
  await b.page.getByRole("button", { name: "Passa da chiaro a scuro e viceversa" }).click();
  await b.page.locator("html[data-theme=light]").waitFor({ state: "attached" });
  b.calm();
  await b.close();
});

test("the cookie is not for scripts, and signing out ends the session", async () => {
  const b = await open();
  const cookie = (await b.context.cookies()).find((c) => c.name === "posthorn");
  assert.equal(cookie?.httpOnly, true);
  assert.equal(cookie?.sameSite, "Strict");
  await b.page.locator(".ava").click();
  await b.page.getByRole("button", { name: "Sign out" }).click();
  await b.page.getByRole("heading", { name: "Sign in" }).waitFor();
  const r = await b.page.request.get(base + "/api/v1/me", { headers: { Cookie: `posthorn=${cookie?.value}` } });
  assert.equal(r.status(), 401);
  b.calm();
  await b.close();
});

test("every screen opens by its address", async () => {
  const b = await open();
  for (const { path } of routes.filter((r) => typeof r.path === "string")) {
    const answer = await b.page.goto(base + path);
    assert.equal(answer.status(), 200, path);
    await b.page.locator("main h1").first().waitFor();
  }
  b.calm();
  await b.close();
});

test("signing out takes what was looked for with it; without an answer nobody is signed out", async () => {
  const b = await open();
  await b.page.evaluate(() => { localStorage.setItem("posthorn.recent", '[{"to":"/accounts/anna%40demo.example"}]'); });
  await b.page.route("**/api/v1/logout", (r) => r.abort());
  await b.page.locator(".ava").click();
  await b.page.getByRole("button", { name: "Sign out" }).click();
  await b.page.getByText("You are still signed in").waitFor();
  assert.equal(await b.page.getByRole("heading", { name: "Sign in" }).count(), 0);
  await b.page.unroute("**/api/v1/logout");
  if (await b.page.getByRole("button", { name: "Sign out" }).count() === 0) await b.page.locator(".ava").click();
  await b.page.getByRole("button", { name: "Sign out" }).click();
  await b.page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await b.page.evaluate(() => localStorage.getItem("posthorn.recent")), null);
  await b.close();
});

test("a session that ends while the console is open asks to sign in, and goes on where one was", async () => {
  const b = await open();
  await go(b.page, "/accounts?q=anna");
  await b.context.clearCookies();
  await b.page.keyboard.press("r");
  await b.page.getByText("Your session has ended").waitFor();
  await login(b.page);
  await b.page.getByRole("heading", { name: "Accounts" }).waitFor();
  assert.equal(new URL(b.page.url()).search, "?q=anna");
  await b.close();
});

test("a domain administrator sees his domains only", async () => {
  const b = await open({ account: "domainadmin@other.example" });
  const nav = b.page.getByRole("navigation", { name: "Main" }).first();
  assert.equal(await nav.getByRole("link", { name: "Settings" }).count(), 0);
  await go(b.page, "/accounts");
  await b.page.getByRole("link", { name: "carla@other.example" }).waitFor();
  assert.equal(await b.page.locator("main").getByText("demo.example").count(), 0);
  await go(b.page, "/system/settings/smtp");
  await b.page.getByRole("heading", { name: "Not for this account" }).waitFor();
  await b.page.getByText("You may see other.example only.").waitFor();
  b.calm();
  await b.close();
});

test("first load stays below 250 kB, all from this origin", async () => {
  const b = await open({ signIn: false });
  const sizes = [];
  b.page.on("response", (r) => {
    if (new URL(r.url()).pathname.startsWith("/api/")) return; // the event stream has no end
    sizes.push((async () => {
      const s = await r.request().sizes();
      return { url: new URL(r.url()).pathname, bytes: s.responseBodySize };
    })());
  });
  await b.page.goto(base + "/");
  await login(b.page);
  await b.page.getByRole("heading", { name: "Overview" }).waitFor();
  await b.page.waitForTimeout(500);
  const settledSizes = (await Promise.all(sizes.map((p) => p.catch(() => undefined)))).filter((x) => x);
  const total = settledSizes.reduce((n, x) => n + x.bytes, 0);
  console.log(`first load: ${(total / 1000).toFixed(1)} kB in ${settledSizes.length} files, code ${(settledSizes.filter((x) => !x.url.endsWith("woff2")).reduce((n, x) => n + x.bytes, 0) / 1000).toFixed(1)} kB`);
  assert.ok(total <= 250_000, JSON.stringify(settledSizes));
  b.calm();
  await b.close();
});
