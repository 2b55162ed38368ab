import assert from "node:assert/strict";
import { after, test } from "node:test";
import { base, go, open, quit, shot, violations } from "./browser.mjs";

after(quit);
const list = async (page) => (await (await page.request.get(`${base}/api/v1/tokens`)).json()).items;
const call = (token, what, method = "GET") => fetch(`${base}/api/v1${what}`, { method, headers: { Authorization: `Bearer ${token}` } });
const row = (page, name) => page.locator("tbody tr", { hasText: name });

/** Makes one through the screen; returns its secret. */
async function make(page, name, scopes, ends) {
  await page.getByRole("button", { name: "New token" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Program").fill(name);
  assert.equal(await dialog.getByRole("button", { name: "Create token" }).isDisabled(), true, "a token that may nothing");
  for (const s of scopes) await dialog.getByRole("checkbox", { name: s }).check();
  if (ends) await dialog.getByLabel("Ends").selectOption({ label: ends });
  await dialog.getByRole("button", { name: "Create token" }).click();
  const shown = page.getByRole("alertdialog");
  const secret = await shown.locator(".secret").innerText();
  await shown.getByRole("button", { name: "Copy the token" }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), secret);
  await shown.getByRole("button", { name: "I have noted it" }).click();
  await shown.waitFor({ state: "detached" });
  await row(page, name).waitFor();
  return secret;
}

test("there is none; one is made, is shown once, may what was chosen, and is withdrawn", async () => {
  const b = await open();
  await go(b.page, "/system/tokens");
  await b.page.getByText("There is no token").waitFor();
  await shot(b.page, "tokens-empty");
  const secret = await make(b.page, "watcher", ["See: Message queue"], "in 30 days");
  assert.equal(await b.page.locator("main", { hasText: secret }).count(), 0, "the secret is shown again");
  await row(b.page, "watcher").getByText("Message queue").waitFor();
  const [stored] = await list(b.page);
  assert.deepEqual(stored.scopes.filter((s) => s.includes(":")), ["queue:read"]);
  const days = (Date.parse(stored.expires_at) - Date.parse(stored.created_at)) / 86_400_000;
  assert.ok(Math.abs(days - 30) < 0.1, `${days} days`);
  assert.equal((await call(secret, "/queue/outgoing")).status, 200);
  assert.equal((await call(secret, "/accounts")).status, 403);

  // Undo within its time: nothing has happened.
  await row(b.page, "watcher").getByRole("button", { name: "Withdraw watcher" }).click();
  await b.page.getByText("Token “watcher” is withdrawn in 10 s.").waitFor();
  assert.equal(await row(b.page, "watcher").count(), 0);
  await b.page.getByRole("button", { name: /^Undo/ }).click();
  await row(b.page, "watcher").waitFor();
  assert.equal((await call(secret, "/queue/outgoing")).status, 200);

  const gone = b.page.waitForResponse(async (r) => r.url().includes("/api/v1/operations/") && (await r.json()).state === "done");
  await row(b.page, "watcher").getByRole("button", { name: "Withdraw watcher" }).click();
  await gone;
  await b.page.getByText("There is no token").waitFor();
  assert.equal((await call(secret, "/queue/outgoing")).status, 401);
  b.calm();
  await b.close();
});

test("who signs out or leaves within the time of undo has withdrawn all the same", async () => {
  const b = await open();
  await go(b.page, "/system/tokens");
  const until = Date.now() + 120_000;
  const one = await make(b.page, "left-behind", ["See: Logs"]);
  const two = await make(b.page, "signed-out", ["See: Logs"]);
  await row(b.page, "left-behind").getByRole("button", { name: "Withdraw left-behind" }).click();
  await b.page.goto(`${base}/system/audit`);
  // The server waits, not the page.
  while ((await call(one, "/me")).status !== 401) assert.ok(Date.now() < until, "the token is not withdrawn");
  await go(b.page, "/system/tokens");
  await row(b.page, "signed-out").getByRole("button", { name: "Withdraw signed-out" }).click();
  await b.page.locator(".ava").click();
  await b.page.getByRole("button", { name: "Sign out" }).click();
  await b.page.getByRole("heading", { name: "Sign in" }).waitFor();
  while ((await call(two, "/me")).status !== 401) assert.ok(Date.now() < until, "the token of who signed out is not withdrawn");
  b.calm();
  await b.close();
});

test("a domain administrator gives no more than he has, and sees his own only", async () => {
  const admin = await open();
  await go(admin.page, "/system/tokens");
  const theirs = await make(admin.page, "not-yours", ["See: Audit"]);
  const b = await open({ account: "domainadmin@other.example" });
  await go(b.page, "/system/tokens");
  await b.page.getByText("There is no token").waitFor();
  await b.page.getByRole("button", { name: "New token" }).first().click();
  const dialog = b.page.getByRole("dialog");
  await dialog.getByRole("checkbox", { name: "See: Message queue" }).waitFor();
  assert.equal(await dialog.getByRole("checkbox", { name: "See: Settings" }).count(), 0);
  assert.deepEqual(await violations(b.page, "new token"), []);
  await shot(b.page, "tokens-new");
  await b.page.keyboard.press("Escape");
  await make(b.page, "mine", ["Change: Message queue"]);
  assert.deepEqual((await list(b.page)).map((x) => x.name), ["mine"]);
  await row(b.page, "mine").getByText("Message queue (also change)").waitFor();
  assert.deepEqual(await violations(b.page, "tokens"), []);
  assert.equal((await call(theirs, "/me")).status, 200);
  for (const x of await list(admin.page)) {
    const me = await (await admin.page.request.get(`${base}/api/v1/me`)).json();
    await admin.page.request.delete(`${base}/api/v1/tokens/${x.id}`, { headers: { "X-CSRF-Token": me.csrf_token, Origin: base } });
  }
  b.calm();
  admin.calm();
  await b.close();
  await admin.close();
});
