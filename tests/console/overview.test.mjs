import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { go, open, quit } from "./browser.mjs";
import { Imap, send } from "./mail.mjs";
import { prepare, release } from "./prepare.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});
const need = (page, text) => page.locator(".find-list li", { hasText: text });
const api = (page, what) => page.evaluate(async (x) => (await fetch(`/api/v1${x}`)).json(), what);

test("the figures are those of the samples, and lead to their charts", async () => {
  const b = await open();
  await go(b.page, "/overview?span=1h");
  const tile = (id) => b.page.locator(`[data-figure=${id}]`);
  await tile("received").waitFor();
  await send({ to: "anna@demo.example", subject: "one more" });
  const counted = async () => {
    const from = new Date(Date.now() - 3_600_000).toISOString();
    const r = await api(b.page, `/metrics/query?metric=smtp_messages_in&step=5m&from=${from}`);
    return r.series[0].values.reduce((n, v) => n + (v ?? 0), 0);
  };
  const n = await counted();
  assert.ok(n >= 8);
  await tile("received").locator(".v", { hasText: new RegExp(`^${n}$`) }).waitFor({ timeout: 30_000 });
  const queue = await api(b.page, "/queue/outgoing");
  await tile("waiting").locator(".v", { hasText: new RegExp(`^${queue.messages}$`) }).waitFor();
  const disk = (await api(b.page, "/health/checks")).items.find((c) => c.id === "disk");
  await tile("disk").locator(".v", { hasText: `${disk.value}% used` }).waitFor();
  // The server is not a week old: there is nothing to compare with, and that is said.
  await tile("received").getByText("nothing to compare with yet").waitFor();
  await tile("received").click();
  await b.page.getByRole("heading", { name: "Traffic charts" }).waitFor();
  const at = new URL(b.page.url());
  assert.equal(at.searchParams.get("cat"), "smtp_messages_in");
  assert.ok(at.searchParams.get("zoom"), "the hour, as a part of the day");
  b.calm();
  await b.close();
});

test("a part of the flow of mail leads to the charts of just that part", async () => {
  const b = await open();
  await go(b.page, "/overview");
  const chart = b.page.getByRole("slider", { name: /^Mail flow/ });
  await chart.focus();
  await b.page.keyboard.press("End");
  await b.page.locator(".tip").waitFor();
  await b.page.keyboard.press("+");
  await b.page.getByRole("heading", { name: "Traffic charts" }).waitFor();
  const [from, to] = new URL(b.page.url()).searchParams.get("zoom").split(",").map((x) => Date.parse(x));
  assert.ok(Math.abs((to - from) / 3_600_000 - 12) < 0.2);
  b.calm();
  await b.close();
});

test("a certificate that ends soon needs somebody, and can be hidden for a day", async () => {
  const b = await open();
  await go(b.page, "/overview");
  const row = need(b.page, "The certificate for im.demo.example ends in");
  await row.waitFor();
  await row.getByRole("button", { name: "Hide for a day: im.demo.example" }).click();
  await row.waitFor({ state: "detached" });
  await b.page.reload();
  await b.page.getByRole("button", { name: /is hidden|are hidden/ }).click();
  await row.waitFor();
  await b.page.getByRole("button", { name: "Show all again" }).click();
  await row.getByRole("link", { name: "Open settings" }).click();
  await b.page.getByRole("heading", { name: "Settings" }).waitFor();
  assert.match(b.page.url(), /\/system\/settings\/web$/);
  b.calm();
  await b.close();
});

test("a destination that takes nothing needs somebody: its messages, then its attempts", async () => {
  const ids = [];
  for (let i = 0; i < 5; i++) ids.push(await send({ to: `box${i}@silent.example`, subject: "waits" }));
  const b = await open();
  await go(b.page, "/overview");
  const row = need(b.page, "5 messages wait for silent.example");
  await row.waitFor({ timeout: 60_000 });
  await row.getByRole("link", { name: "Show messages" }).click();
  await b.page.getByRole("heading", { name: "Message queue" }).waitFor();
  await b.page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 5);
  await b.page.goBack();
  await row.getByRole("link", { name: "Show attempts" }).click();
  await b.page.getByRole("tab", { name: "History" }).or(b.page.getByRole("link", { name: /History/ })).first().waitFor();
  // The server's picture of the queue is left as it was.
  await b.page.evaluate(async (list) => {
    const me = await (await fetch("/api/v1/me")).json();
    await fetch("/api/v1/queue/outgoing/messages/actions", { method: "POST", headers: { "Content-Type": "application/json", "X-CSRF-Token": me.csrf_token, "Idempotency-Key": "overview" }, body: JSON.stringify({ action: "delete", ids: list, undo_seconds: 0 }) });
  }, ids);
  await b.page.waitForFunction(async () => (await (await fetch("/api/v1/queue/outgoing/messages?destination=silent.example")).json()).items.length === 0, undefined, { timeout: 30_000 });
  await go(b.page, "/overview");
  await row.waitFor({ state: "detached", timeout: 30_000 });
  b.calm();
  await b.close();
});

test("refused sign-ins are counted, and a few are no alarm", async () => {
  await assert.rejects(Imap.open("anna@demo.example", "wrong"));
  const b = await open();
  await go(b.page, "/overview");
  const check = (await api(b.page, "/health/checks")).items.find((c) => c.id === "logins.refused");
  assert.equal(check.state, "ok");
  assert.ok(check.value >= 1);
  b.calm();
  await b.close();
});
