import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { go, open, quit, shot } from "./browser.mjs";
import { send } from "./mail.mjs";
import { prepare, release } from "./prepare.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});
const row = (page, text) => page.locator("tbody tr", { hasText: text });

test("what waits is shown with its reason; markup in addresses and answers stays text", async () => {
  const b = await open();
  await go(b.page, "/status/queue");
  await row(b.page, "info@arrigonovelli.example").waitFor();
  assert.ok((await b.page.locator("tbody tr").count()) >= 6);
  await b.page.getByRole("button", { name: /arrigonovelli\.example 3/ }).click();
  await b.page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 3);
  assert.match(b.page.url(), /q=host%3Aarrigonovelli\.example/);
  b.calm();
  await b.close();
});

test("a wrong field is named and the list stays as it was", async () => {
  const b = await open();
  await go(b.page, "/status/queue");
  await row(b.page, "buero@kontor.example").waitFor();
  const rows = await b.page.locator("tbody tr").count();
  await b.page.getByRole("textbox", { name: "Filter the queue" }).fill("form:anna");
  await b.page.getByText("There is no field “form”").waitFor();
  assert.equal(await b.page.locator("tbody tr").count(), rows);
  await b.page.getByRole("textbox", { name: "Filter the queue" }).fill("to:kontor");
  await b.page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
  b.calm();
  await b.close();
});

test("From, To and Subject choose by one field each", async () => {
  const b = await open();
  for (const [q, to] of [
    ["to:kontor", "buero@kontor.example"],
    ["subject:thursday", "buero@kontor.example"],
    ['subject:"delivery note"', "acquisti@arrigonovelli.example"],
    ["from:user host:partner.example", "test@partner.example"],
  ]) {
    await go(b.page, `/status/queue?q=${encodeURIComponent(q)}`);
    await row(b.page, to).waitFor();
    await b.page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
  }
  await go(b.page, `/status/queue?q=${encodeURIComponent("subject:partner.example")}`);
  await b.page.locator(".empty").waitFor(); // it is in an address only
  b.calm();
  await b.close();
});

test("delete is held back and can be undone; without undo the message goes", async () => {
  const keep = await send({ to: "keep@undo.example", subject: "keep" });
  const lose = await send({ to: "lose@undo.example", subject: "lose" });
  const b = await open();
  await go(b.page, "/status/queue?q=host:undo.example");
  await row(b.page, "keep@undo.example").waitFor();
  await row(b.page, "keep@undo.example").locator("input[type=checkbox]").click();
  await b.page.getByRole("toolbar").getByRole("button", { name: "Delete" }).click();
  await b.page.getByRole("button", { name: /Undo/ }).click();
  await b.page.getByText("Taken back.").waitFor();
  await row(b.page, "lose@undo.example").locator("input[type=checkbox]").click();
  await b.page.getByRole("toolbar").getByRole("button", { name: "Delete" }).click();
  await b.page.getByText("Message deleted. Gone for good").waitFor();
  await shot(b.page, "queue-undo");
  // The server holds it for ten seconds; the live stream takes the row away.
  await row(b.page, "lose@undo.example").waitFor({ state: "detached", timeout: 30_000 });
  await row(b.page, "keep@undo.example").waitFor();
  await go(b.page, `/status/queue?open=${lose}`);
  await b.page.getByText("This message has left the queue.").waitFor();
  await go(b.page, `/status/queue?open=${keep}`);
  await b.page.getByText("keep@undo.example").first().waitFor();
  b.calm();
  await b.close();
});

test("select all that match acts on the filter", async () => {
  for (let i = 0; i < 105; i++) await send({ to: `n${i}@many.example`, subject: `no ${i}` });
  const b = await open();
  await go(b.page, "/status/queue?q=host:many.example");
  await b.page.getByRole("checkbox", { name: "Select all shown" }).click();
  await b.page.getByRole("button", { name: "Select all 105 that match" }).click();
  await b.page.getByText("105 selected").waitFor();
  await b.page.getByRole("button", { name: "Send now", exact: true }).click();
  await b.page.getByText("105 messages moved to the front of the queue.").waitFor();
  // Further rows come while scrolling.
  await b.page.locator(".tw").evaluate((e) => { e.scrollTop = e.scrollHeight; });
  await b.page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 105);
  b.calm();
  await b.close();
});

test("the message opens as text; the look is in the audit", async () => {
  const b = await open();
  await go(b.page, "/status/queue?q=to:contato");
  await b.page.getByRole("button", { name: "contato@vendas.example" }).click();
  await b.page.getByRole("button", { name: "Open as text" }).click();
  await b.page.getByText("Subject: <script>alert(1)</script> & <b>bold</b>").waitFor();
  assert.equal(await b.page.locator("[role=dialog] script, [role=dialog] pre b").count(), 0);
  await b.page.keyboard.press("Escape");
  await go(b.page, "/system/audit");
  await b.page.locator("tbody tr", { hasText: /message|queue/i }).first().waitFor();
  b.calm();
  await b.close();
});

test("new mail comes by itself", async () => {
  const b = await open();
  await go(b.page, "/status/queue?sort=age"); // the newest first
  await b.page.getByText("Live", { exact: true }).waitFor();
  await send({ to: "live@arrives.example", subject: "live" });
  await row(b.page, "live@arrives.example").waitFor({ timeout: 10_000 });
  b.calm();
  await b.close();
});

test("a message is held, released and preferred; a destination is paused and resumed", async () => {
  await send({ to: "one@steer.example", subject: "one" });
  const b = await open();
  await go(b.page, "/status/queue?q=host:steer.example");
  await row(b.page, "one@steer.example").waitFor();
  await b.page.getByRole("button", { name: "one@steer.example" }).click();
  const drawer = b.page.getByRole("complementary");
  await drawer.getByRole("button", { name: "Hold" }).click();
  await b.page.getByText("Message held.").waitFor();
  await drawer.getByText("Held by an administrator").waitFor();
  assert.equal(await drawer.getByRole("button", { name: "Send now" }).count(), 0);
  await drawer.getByRole("button", { name: "Release" }).click();
  await drawer.getByRole("button", { name: "Hold" }).waitFor();
  await drawer.getByRole("button", { name: "More actions" }).click();
  await b.page.getByRole("menuitem", { name: "Priority high" }).click();
  await drawer.locator("dd", { hasText: "High" }).waitFor();
  await go(b.page, "/status/queue/destinations?q=steer.example");
  await row(b.page, "steer.example").getByRole("button", { name: "Pause" }).click();
  await row(b.page, "steer.example").getByText("Paused").waitFor();
  await shot(b.page, "destinations-paused");
  await b.page.getByRole("button", { name: /Mail for steer\.example/ }).click();
  await row(b.page, "steer.example").getByRole("button", { name: "Pause" }).waitFor();
  await go(b.page, "/status/queue?q=host:steer.example");
  await row(b.page, "one@steer.example").locator("input[type=checkbox]").click();
  await b.page.getByRole("toolbar").getByRole("button", { name: "More actions" }).click();
  await b.page.getByRole("menuitem", { name: "Return to sender" }).click();
  await b.page.getByText("Message goes back to its sender").waitFor();
  await row(b.page, "one@steer.example").waitFor({ state: "detached", timeout: 60_000 });
  b.calm();
  await b.close();
});
