import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { base, go, open, quit, shot } from "./browser.mjs";
import { Imap, Smtp } from "./mail.mjs";
import { prepare, release } from "./prepare.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});

test("a session that has ended is in the history, with how it ended and its transcript", async () => {
  const s = await Smtp.open();
  await s.say("MAIL FROM:<history@elsewhere.example>");
  await s.say("RCPT TO:<nobody-at-all@demo.example>");
  await s.say("QUIT");
  s.close();
  const b = await open();
  await go(b.page, "/status/sessions");
  await b.page.keyboard.press("]");
  await b.page.waitForFunction(() => location.pathname === "/status/sessions/history");
  await go(b.page, "/status/sessions/history?q=service:smtp");
  await b.page.locator("tbody tr").first().locator(".lnk").click();
  const drawer = b.page.getByRole("complementary");
  await drawer.locator(".tr .ln", { hasText: "EHLO" }).first().waitFor();
  await drawer.getByRole("tab", { name: "Details" }).click();
  await drawer.getByText("Outcome").waitFor();
  await drawer.getByRole("tab", { name: "Transcript" }).click();
  await drawer.getByRole("link", { name: "Open on its own page" }).click();
  await b.page.getByRole("heading", { name: /^Session [0-9A-F]{4}$/, level: 1 }).waitFor();
  await b.page.locator(".tr .ln.err", { hasText: "550" }).first().waitFor();
  await shot(b.page, "session-ended");
  await b.page.locator(".tr .ln.err .code").first().click();
  await b.page.getByRole("dialog").getByText("Codes that begin with 5 are final.").waitFor();
  await b.page.keyboard.press("Escape");
  b.calm();
  await b.close();
});

test("a living session is followed: what is said comes by itself, also its end", async () => {
  const s = await Smtp.open();
  await s.say("MAIL FROM:<follow@elsewhere.example>");
  const b = await open();
  const now = await (await b.page.request.get(`${base}/api/v1/sessions?service=smtp&sort=age&limit=50`)).json();
  const [mine] = now.items.toSorted((x, y) => y.started_at.localeCompare(x.started_at));
  await go(b.page, `/status/sessions?q=service:smtp&open=${mine.id}`);
  const drawer = b.page.getByRole("complementary");
  await drawer.locator(".tr .ln", { hasText: "follow@elsewhere.example" }).first().waitFor();
  await drawer.getByText("Following").waitFor();
  await s.say("NOOP said-while-watched");
  await drawer.locator(".tr .ln", { hasText: "said-while-watched" }).waitFor({ timeout: 15_000 });
  await shot(b.page, "session-live");
  await drawer.getByRole("button", { name: "End session" }).click();
  await b.page.getByText("This session has ended.").waitFor({ timeout: 15_000 });
  await drawer.getByText("Following").waitFor({ state: "detached", timeout: 15_000 });
  s.close();
  b.calm();
  await b.close();
});

test("new lines are told by the stream: nothing is asked for while nothing is said", async () => {
  const s = await Smtp.open();
  await s.say("MAIL FROM:<told@elsewhere.example>");
  const b = await open();
  const asked = [];
  const topics = [];
  b.page.on("request", (r) => {
    const u = new URL(r.url());
    if (u.pathname.endsWith("/transcript")) asked.push(r.url());
    if (u.pathname.endsWith("/events")) topics.push(...u.searchParams.get("topics").split(","));
  });
  const now = await (await b.page.request.get(`${base}/api/v1/sessions?service=smtp&sort=age&limit=50`)).json();
  const [mine] = now.items.toSorted((x, y) => y.started_at.localeCompare(x.started_at));
  await go(b.page, `/status/sessions/${mine.id.toLowerCase()}`);
  await b.page.locator(".tr .ln", { hasText: "told@elsewhere.example" }).first().waitFor();
  while (!topics.includes(`sessions.${mine.id}.transcript`)) await b.page.waitForEvent("request");
  await b.page.waitForTimeout(3000); // the stream has begun, and what came before it has been told
  const before = asked.length;
  await b.page.waitForTimeout(4000); // more than three looks at the pace of one that must ask by itself
  assert.ok(asked.length <= before + 1, `asked ${asked.length - before} times for nothing`);
  await s.say("NOOP one-<b>bold</b>-line");
  await b.page.locator(".tr .ln", { hasText: "one-<b>bold</b>-line" }).waitFor({ timeout: 5000 });
  assert.equal(await b.page.locator(".tr b").count(), 0);
  await s.say("QUIT");
  await b.page.locator(".tr .ln", { hasText: "QUIT" }).first().waitFor({ timeout: 5000 });
  await b.page.getByText("Following").waitFor({ state: "detached", timeout: 15_000 });
  s.close();
  b.calm();
  await b.close();
});

test("history is filtered by account and outcome; passwords are in no transcript", async () => {
  const carla = await Imap.open("carla@other.example", "secret-carla");
  await carla.say("LOGOUT");
  carla.close();
  await assert.rejects(Imap.open("carla@other.example", "wrong-secret-word"));
  const b = await open();
  await go(b.page, "/status/sessions/history?q=account:carla@other.example outcome:success");
  await b.page.locator("tbody tr", { hasText: "carla@other.example" }).first().locator(".lnk").click({ timeout: 30_000 });
  await b.page.getByRole("complementary").locator(".tr .ln", { hasText: "LOGIN" }).first().waitFor();
  assert.equal(await b.page.locator(".tr", { hasText: "secret-carla" }).count(), 0);
  await b.page.getByRole("combobox", { name: "Outcome" }).selectOption("failed");
  await b.page.waitForFunction(() => location.search.includes("outcome%3Afailed"));
  b.calm();
  await b.close();
});
