import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { base, go, open, quit, shot } from "./browser.mjs";
import { send, Smtp } from "./mail.mjs";
import { prepare, release } from "./prepare.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});
const row = (page, text) => page.locator("tbody tr", { hasText: text });
const heading = (page, name) => page.getByRole("heading", { name, level: 1 });

test("what was delivered, waits and was refused is found, each with its reason", async () => {
  const b = await open();
  await go(b.page, "/trace?span=24h");
  await row(b.page, "anna@demo.example").getByText("Delivered").first().waitFor();
  await row(b.page, "info@arrigonovelli.example").getByText("Waiting").first().waitFor();
  await row(b.page, "nobody@demo.example").getByText("Refused").first().waitFor();
  await b.page.getByRole("textbox", { name: "Filter messages" }).fill("to:info@arrigonovelli.example");
  await b.page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
  assert.match(b.page.url(), /q=to%3Ainfo%40arrigonovelli\.example/);
  await b.page.getByRole("textbox", { name: "Filter messages" }).fill("form:x");
  await b.page.getByText("There is no field “form”").waitFor();
  assert.equal(await b.page.locator("tbody tr").count(), 1);
  b.calm();
  await b.close();
});

test("three steps: find, open the drawer, read the timeline", async () => {
  const b = await open();
  await go(b.page, "/trace?span=24h&q=to:info@arrigonovelli.example");
  await b.page.getByRole("button", { name: "info@arrigonovelli.example", exact: true }).click();
  const drawer = b.page.getByRole("complementary");
  await drawer.locator(".verdicts .call").first().waitFor();
  assert.match(b.page.url(), /open=[0-9A-F]{16}/);
  await drawer.getByRole("link", { name: "Timeline", exact: true }).click();
  await heading(b.page, /^Message [A-Z]{3}\d{5}$/).waitFor();
  await b.page.locator(".verdicts .call[data-status=waiting]").waitFor();
  // The first wait is a minute: with all files before this one it is over.
  await b.page.getByText(/Next try at|The next try is due now/).first().waitFor();
  await b.page.getByRole("group", { name: "Where the time went" }).getByText("info@arrigonovelli.example").first().waitFor();
  assert.ok((await b.page.locator(".ev li").count()) >= 3);
  await shot(b.page, "message-waiting");
  b.calm();
  await b.close();
});

test("a timeline leads to its session, the session to its message, its account and its log lines", async () => {
  const id = await send({ to: "anna@demo.example", subject: "chain" });
  const b = await open();
  await go(b.page, `/messages/${id}`);
  await b.page.locator(".verdicts .call[data-status=delivered]").waitFor();
  await b.page.getByRole("link", { name: /how it came in/ }).first().click();
  await heading(b.page, /^Session [0-9A-F]{4}$/).waitFor();
  await b.page.locator(".tr .ln", { hasText: "MAIL FROM" }).waitFor();
  assert.equal(await b.page.locator(".tr", { hasText: "secret-user" }).count(), 0);
  await b.page.locator(".mh").getByRole("link", { name: id }).click();
  await heading(b.page, `Message ${id}`).waitFor();
  await b.page.getByRole("complementary").getByRole("link", { name: "user@demo.example" }).last().click();
  await heading(b.page, "user@demo.example").waitFor();
  b.calm();
  await b.close();
});

test("a line of the log leads to its session and to its message", async () => {
  const id = await send({ to: "anna@demo.example", subject: "from the log" });
  const b = await open();
  await go(b.page, `/status/logs/smtp?q=${id}`);
  const line = b.page.locator(".lg-l .ln", { hasText: id }).first();
  await line.waitFor();
  const thread = await line.locator(".thr").innerText();
  await line.locator(".thr").click();
  await b.page.getByRole("link", { name: `Session ${thread}` }).click();
  await heading(b.page, `Session ${thread}`).waitFor();
  await b.page.locator(".tr .ln", { hasText: id }).first().waitFor();
  await b.page.locator(".tr").getByRole("link", { name: id }).first().click();
  await heading(b.page, `Message ${id}`).waitFor();
  await b.page.getByRole("navigation", { name: "Views of the message" }).getByRole("link", { name: "Log lines" }).click();
  await b.page.locator(".tr .ln", { hasText: id }).first().waitFor();
  b.calm();
  await b.close();
});

test("the queue leads to the timeline, and the timeline sends now", async () => {
  await send({ to: "now@hurry.example", subject: "now" });
  const b = await open();
  await go(b.page, "/status/queue?q=to:now");
  await b.page.getByRole("button", { name: "now@hurry.example" }).click();
  await b.page.getByRole("complementary").getByRole("link", { name: "Timeline" }).click();
  await heading(b.page, /^Message/).waitFor();
  await b.page.getByRole("button", { name: "Send now" }).waitFor();
  await b.page.keyboard.press("s");
  await b.page.getByText("moved to the front of the queue").waitFor();
  await b.page.getByRole("link", { name: "In the queue" }).click();
  await heading(b.page, "Message queue").waitFor();
  b.calm();
  await b.close();
});

test("a refusal tells its cause, what to do and the setting, and has no id", async () => {
  const s = await Smtp.open();
  await s.say("MAIL FROM:<stranger@elsewhere.example>");
  await s.say("RCPT TO:<refused-here@demo.example>");
  await s.say("QUIT");
  s.close();
  const b = await open();
  await go(b.page, "/trace?q=to:refused-here@demo.example");
  await row(b.page, "refused-here@demo.example").first().waitFor({ timeout: 30_000 });
  await b.page.getByRole("button", { name: "refused-here@demo.example", exact: true }).click();
  await b.page.getByRole("link", { name: "Open on its own page" }).click();
  const verdict = b.page.locator(".verdicts .call[data-status=refused]");
  await verdict.getByText(/550/).waitFor();
  assert.match(b.page.url(), /\/messages\/[0-9A-F]{16}$/);
  b.calm();
  await b.close();
});

test("nothing found: the next longer span is offered, an unknown id says so", async () => {
  const b = await open();
  await go(b.page, "/trace?q=no-such-word-anywhere");
  await b.page.getByText("No message matches").waitFor();
  await b.page.getByRole("button", { name: "Search the last 24 hours" }).click();
  await b.page.waitForFunction(() => location.search.includes("span=24h"));
  await b.page.getByText("Looked at the last 24 hours.").waitFor();
  await go(b.page, "/messages/AAA00000");
  await b.page.getByText("Nothing is known of this message").waitFor();
  b.calm();
  await b.close();
});

test("markup in addresses stays text", async () => {
  await send({ to: "x@vendas.example", subject: "<b>bold</b>" });
  const b = await open();
  await go(b.page, "/trace?span=24h&q=to:contato@vendas.example");
  await b.page.getByRole("button", { name: "contato@vendas.example", exact: true }).click();
  await b.page.locator(".drawer .ev li").first().waitFor();
  assert.equal(await b.page.locator(".drawer .ev b, .drawer .ev script").count(), 0);
  b.calm();
  await b.close();
});

test("by keyboard: find, open, close, and the transcript of the last session", async () => {
  const id = await send({ to: "anna@demo.example", subject: "keys" });
  const b = await open();
  await go(b.page, `/trace?q=${id}`);
  await row(b.page, id).waitFor({ timeout: 30_000 });
  await b.page.keyboard.press("j");
  await b.page.waitForFunction(() => document.activeElement?.matches("tbody tr.cur"));
  await b.page.keyboard.press("Enter");
  await b.page.getByRole("complementary").locator(".verdicts").waitFor();
  await b.page.keyboard.press("Escape");
  await b.page.getByRole("complementary").waitFor({ state: "detached" });
  await b.page.keyboard.press("/");
  await b.page.getByRole("combobox", { name: "Find" }).fill(id);
  await b.page.getByRole("option", { name: id }).first().waitFor();
  await b.page.waitForTimeout(200); // the search waits for the last key
  await b.page.keyboard.press("Enter");
  await heading(b.page, `Message ${id}`).waitFor();
  await b.page.locator(".verdicts").waitFor();
  await b.page.keyboard.press("t");
  await heading(b.page, /^Session/).waitFor();
  b.calm();
  await b.close();
});

test("new messages come by themselves, and wait while one reads", async () => {
  const b = await open();
  await go(b.page, "/trace");
  await b.page.getByText("Live", { exact: true }).waitFor();
  const first = await send({ to: "anna@demo.example", subject: "comes" });
  await row(b.page, first).waitFor({ timeout: 15_000 });
  await row(b.page, first).locator(".lnk").click();
  await b.page.getByRole("complementary").locator(".verdicts").waitFor();
  const second = await send({ to: "anna@demo.example", subject: "waits" });
  await b.page.locator(".newbar").click({ timeout: 15_000 });
  await row(b.page, second).waitFor();
  b.calm();
  await b.close();
});

test("an administrator of a domain finds only mail of it", async () => {
  await send({ to: "carla@other.example", subject: "for carla" });
  const b = await open({ account: "domainadmin@other.example" });
  await go(b.page, "/trace?span=24h");
  await row(b.page, "carla@other.example").first().waitFor({ timeout: 30_000 });
  assert.deepEqual(await row(b.page, "arrigonovelli").allInnerTexts(), []);
  const to = async (recipient) => (await (await b.page.request.get(`${base}/api/v1/messages?recipient=${recipient}`)).json()).items;
  assert.deepEqual(await to("info@arrigonovelli.example"), []);
  // What an address of his domain has sent he sees, too: a list that belongs to it may have.
  assert.deepEqual((await to("anna@demo.example")).filter((m) => !m.sender.endsWith("@other.example")), []);
  b.calm();
  await b.close();
});
