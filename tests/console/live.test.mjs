// Lists that change by themselves: nothing that happens between reading the list and the begin of the stream is lost, nor what
// happens while the stream is away.
import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { base, go, open, quit } from "./browser.mjs";
import { Imap } from "./mail.mjs";

after(quit);
let carla;
afterEach(() => { carla?.close(); });
const row = (page) => page.locator("tbody tr", { hasText: "carla@other.example" });

/** Opens a session and waits until the server itself lists it. */
async function connect(page) {
  carla = await Imap.open("carla@other.example", "secret-carla");
  for (;;) {
    const r = await page.request.get(`${base}/api/v1/sessions?account=carla@other.example`);
    if (r.ok() && (await r.json()).items.length > 0) return;
  }
}

for (const q of ["", "?q=account:carla"])
  test(`a session that begins after the list was read and before the stream begins is shown ${q}`, async () => {
    const b = await open();
    // The list is read before the session is there, and comes late; the stream begins after it.
    let answered;
    const read = new Promise((resolve) => { answered = resolve; });
    let begin;
    const begun = new Promise((resolve) => { begin = resolve; });
    let first = true;
    await b.page.route(/\/api\/v1\/sessions\?.*sort=age/, async (route) => {
      if (!first) return route.continue();
      first = false;
      const response = await route.fetch();
      assert.equal((await response.json()).items.some((s) => s.account === "carla@other.example"), false);
      answered();
      await begun;
      await route.fulfill({ response });
    });
    await b.page.route(/\/api\/v1\/events\?/, async (route) => {
      await begun;
      await route.continue();
    });
    await b.page.goto(`${base}/status/sessions${q}`);
    await read;
    await connect(b.page);
    begin();
    await row(b.page).first().waitFor();
    b.calm();
    await b.close();
    carla.close();
  });

test("while the stream is away the list says so; when it comes again the list is true again", async () => {
  const b = await open();
  let away = true;
  await b.page.route(/\/api\/v1\/events\?/, (route) => (away ? route.abort() : route.continue()));
  await b.page.goto(`${base}/status/sessions`);
  await b.page.locator("tbody tr, .empty").first().waitFor();
  await b.page.getByText("Reconnecting", { exact: true }).waitFor();
  await connect(b.page);
  assert.equal(await row(b.page).count(), 0);
  away = false;
  await row(b.page).first().waitFor({ timeout: 30_000 });
  await b.page.getByText("Live", { exact: true }).waitFor();
  carla.close();
  await row(b.page).first().waitFor({ state: "detached", timeout: 30_000 });
  b.calm();
  await b.close();
});

test("the server that carries the console starts again: the list goes on, with what came meanwhile", async () => {
  const b = await open({ expectTrouble: [/^server: 503/] });
  // Through the browser, as a reader does it: the answer may not come any more, and that is no failure.
  await go(b.page, "/system/services");
  await b.page.getByRole("button", { name: "Restart module control" }).click();
  const again = b.page.waitForResponse((r) => r.url().includes("/events?") && r.status() === 200, { timeout: 60_000 });
  await b.page.getByRole("alertdialog").getByRole("button", { name: "Restart module" }).click();
  await b.page.getByText("The console is back in about 5 s.").waitFor();
  assert.equal(await b.page.locator(".toast.bad").count(), 0);
  await go(b.page, "/status/sessions");
  carla = await Imap.open("carla@other.example", "secret-carla");
  await again;
  await b.page.getByText("Live", { exact: true }).waitFor();
  await row(b.page).first().waitFor({ timeout: 30_000 });
  b.calm();
  await b.close();
});
