// The chains of cross links: what is named leads on, and back.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { base, go, open, quit, settled, shot } from "./browser.mjs";
import { Imap, send, Smtp } from "./mail.mjs";
import { prepare, release } from "./prepare.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});
const heading = (page, name) => page.getByRole("heading", { name, level: 1 });
const row = (page, text) => page.locator("tbody tr", { hasText: text });
const drawer = (page) => page.getByRole("complementary");
const main = (page) => page.locator("main");

test("chart peak > sessions of the span > transcript > message > account > what it did", async () => {
  const id = await send({ to: "anna@demo.example", subject: "a peak" });
  const b = await open();
  await go(b.page, "/status/traffic?service=smtp");
  const chart = b.page.getByRole("slider");
  await chart.focus();
  await b.page.keyboard.press("End");
  await b.page.locator(".tip").waitFor();
  for (let i = 0; i < 4; i++) {
    const was = b.page.url();
    await b.page.keyboard.press("+");
    await b.page.waitForFunction((x) => location.href !== x, was);
  }
  // The message may have come after the last look of the chart: the span reaches to now.
  await b.page.getByRole("navigation", { name: "Of this span:" }).getByRole("link", { name: "Sessions" }).click();
  await heading(b.page, "Sessions").waitFor();
  const at = new URL(b.page.url());
  assert.equal(at.pathname, "/status/sessions/history");
  const hours = (Date.parse(at.searchParams.get("to")) - Date.parse(at.searchParams.get("from"))) / 3_600_000;
  assert.ok(hours > 1 && hours < 2, `a sixteenth of a day, not ${hours} h`);
  await go(b.page, `/status/sessions/history?q=service:submission account:user@demo.example&from=${encodeURIComponent(at.searchParams.get("from"))}`);
  await row(b.page, "user@demo.example").first().locator(".lnk").click();
  await drawer(b.page).locator(".tr").getByRole("link", { name: id }).first().click();
  await heading(b.page, `Message ${id}`).waitFor();
  await drawer(b.page).getByRole("link", { name: "user@demo.example" }).last().click();
  await heading(b.page, "user@demo.example").waitFor();
  await main(b.page).getByRole("link", { name: "Messages", exact: true }).click();
  await heading(b.page, "Find messages").waitFor();
  await row(b.page, "anna@demo.example").first().waitFor();
  await b.page.goBack();
  await main(b.page).getByRole("link", { name: "Ended sessions" }).click();
  await row(b.page, "user@demo.example").first().waitFor();
  b.calm();
  await b.close();
});

test("the messages and the log lines of a span are those of just this span", async () => {
  const b = await open();
  await go(b.page, "/status/traffic?service=delivery&from=2026-03-12T08:50:00Z&to=2026-03-12T10:50:00Z");
  const of = b.page.getByRole("navigation", { name: "Of this span:" });
  const hrefs = await of.getByRole("link").evaluateAll((a) => a.map((x) => x.getAttribute("href")));
  assert.deepEqual(hrefs.map((h) => new URL(h, base).pathname), ["/status/sessions/history", "/trace", "/status/logs/mailflow"]);
  for (const h of hrefs.slice(0, 2)) {
    const q = new URL(h, base).searchParams;
    assert.deepEqual([q.get("from"), q.get("to")], ["2026-03-12T08:50:00.000Z", "2026-03-12T10:50:00.000Z"]);
  }
  assert.match(hrefs[2], /date=2026-03-1[123]&from=\d\d:\d\d:00/);
  await of.getByRole("link", { name: "Messages" }).click();
  await b.page.getByText("No message came or left").waitFor();
  b.calm();
  await b.close();
});

test("log line > address > its messages > address > an ended session", async () => {
  const id = await send({ to: "anna@demo.example", subject: "from an address" });
  const b = await open();
  await go(b.page, `/status/logs/smtp?q=${id}`);
  const line = b.page.locator(".lg-l .ln", { hasText: id }).filter({ hasText: "127.0.0.1" }).first();
  await line.getByRole("link", { name: "127.0.0.1" }).click();
  await heading(b.page, "Address 127.0.0.1").waitFor();
  await row(b.page, "anna@demo.example").first().waitFor();
  const messages = b.page.getByRole("table", { name: "Messages" });
  await messages.getByRole("link", { name: "anna@demo.example" }).first().click();
  await heading(b.page, /^Message/).waitFor();
  // The message names the address that it came from.
  await drawer(b.page).getByRole("link", { name: "127.0.0.1", exact: true }).click();
  await heading(b.page, "Address 127.0.0.1").waitFor();
  await b.page.getByRole("table", { name: "Ended sessions" }).getByRole("link").first().click();
  await heading(b.page, /^Session/).waitFor();
  b.calm();
  await b.close();
});

test("code > explanation > setting", async () => {
  const s = await Smtp.open();
  await s.say("VRFY <anna@demo.example>");
  await s.say("MAIL FROM:<x@elsewhere.example>");
  await s.say("RCPT TO:<user@far.example>");
  await s.say("QUIT");
  s.close();
  const b = await open();
  const list = await (await b.page.request.get(`${base}/api/v1/reference/reply-codes?limit=2000`)).json();
  assert.ok(list.items.some((x) => x.setting));
  await go(b.page, "/status/sessions/history?q=service:smtp&span=1h");
  await b.page.locator("tbody tr .lnk").first().click();
  await drawer(b.page).locator(".tr .code").first().waitFor();
  const codes = drawer(b.page).locator(".tr .ln.err .code");
  let found = false;
  for (let i = 0; i < (await codes.count()) && !found; i++) {
    await codes.nth(i).click();
    const dialog = b.page.getByRole("dialog");
    await dialog.locator("h3").first().waitFor();
    const setting = dialog.locator("a[href^='/system/settings/']");
    found = (await setting.count()) > 0;
    if (found) await setting.first().click();
    else await b.page.keyboard.press("Escape");
  }
  assert.ok(found, "a refusal of this session is decided by a setting");
  await heading(b.page, "Settings").waitFor();
  await b.page.locator(".set").first().waitFor();
  b.calm();
  await b.close();
});

test("a group of counters leads to its charts, sessions and log", async () => {
  const b = await open();
  for (const [link, to] of [["Charts", /\/status\/traffic\?service=imap$/], ["Sessions", /\/status\/sessions\?q=service:imap$/], ["Log lines", /\/status\/logs\/imap$/]]) {
    await go(b.page, "/status/statistics/imap");
    await main(b.page).getByRole("link", { name: link, exact: true }).click();
    await b.page.waitForFunction((x) => new RegExp(x).test(location.href), to.source);
    await settled(b.page);
  }
  b.calm();
  await b.close();
});

test("destination > host > what waits, the attempts, a session with it", async () => {
  const b = await open();
  await go(b.page, "/overview");
  await b.page.getByRole("table", { name: "Waiting, by destination" }).getByRole("link", { name: "arrigonovelli.example" }).click();
  await heading(b.page, "Host arrigonovelli.example").waitFor();
  await b.page.getByRole("table", { name: "3 messages wait" }).getByRole("link", { name: "info@arrigonovelli.example" }).waitFor();
  await b.page.getByRole("table", { name: "Messages from and to it" }).getByRole("link", { name: "info@arrigonovelli.example" }).click();
  await heading(b.page, /^Message/).waitFor();
  await b.page.locator(".verdicts").getByRole("link", { name: "arrigonovelli.example", exact: true }).click();
  await heading(b.page, "Host arrigonovelli.example").waitFor();
  b.calm();
  await b.close();
});

test("the search knows addresses of the net and hosts by their looks", async () => {
  const b = await open();
  for (const [text, title] of [["198.51.100.72", "Address 198.51.100.72"], ["2001:db8::25", "Address 2001:db8::25"], ["mx1.far.example", "Host mx1.far.example"]]) {
    await go(b.page, "/status/queue");
    await b.page.keyboard.press("/");
    await b.page.getByRole("combobox", { name: "Find" }).fill(text);
    await b.page.getByRole("option", { name: text, exact: true }).first().click();
    await heading(b.page, title).waitFor();
  }
  b.calm();
  await b.close();
});

test("audit > object, and object > audit: accounts, domains, settings, sessions, messages", async () => {
  const s = await Imap.open("anna@demo.example", "secret-anna");
  const b = await open();
  const me = await (await b.page.request.get(`${base}/api/v1/me`)).json();
  const write = (method, path, data) => b.page.request.fetch(`${base}/api/v1${path}`, { method, data, headers: { "X-CSRF-Token": me.csrf_token, Origin: base } });
  const once = Date.now() % 1000;
  for (const [path, data] of [["/accounts/anna@demo.example", { name: `Anna ${once}` }], ["/domains/other.example", { max_message: 1_000_000 + once }], ["/settings/smtp.max_hops", { value: String(50 + (once % 40)) }]])
    assert.equal((await write("PATCH", path, data)).status(), 200, path);

  // From the object to its changes, and from a change to its object.
  await go(b.page, "/accounts/anna%40demo.example");
  await main(b.page).getByRole("link", { name: "Changes" }).click();
  await row(b.page, `Anna ${once}`).first().getByRole("link", { name: "account anna@demo.example" }).click();
  await heading(b.page, "anna@demo.example").waitFor();
  await go(b.page, "/domains/other.example");
  await main(b.page).getByRole("link", { name: "Changes" }).click();
  await row(b.page, String(1_000_000 + once)).first().getByRole("link", { name: "domain other.example" }).click();
  await heading(b.page, "other.example").waitFor();
  await go(b.page, "/system/settings?q=smtp.max_hops");
  await b.page.getByRole("link", { name: "History" }).first().click();
  await row(b.page, "setting smtp.max_hops").first().getByRole("link", { name: "setting smtp.max_hops" }).click();
  await b.page.getByLabel("smtp.max_hops").waitFor();

  // Looks are in the audit too.
  const waits = (await (await b.page.request.get(`${base}/api/v1/queue/outgoing/messages?destination=kontor.example`)).json()).items[0].id;
  await go(b.page, `/messages/${waits}`);
  await b.page.getByRole("button", { name: "Open as text" }).click();
  await b.page.getByRole("dialog").getByText("Meeting Thursday").waitFor();
  await b.page.keyboard.press("Escape");
  await drawer(b.page).getByRole("link", { name: "Who looked at it or changed it" }).click();
  await row(b.page, `outgoing ${waits}`).first().getByRole("link").click();
  await heading(b.page, `Message ${waits}`).waitFor();
  const [mine] = (await (await b.page.request.get(`${base}/api/v1/sessions?service=imap&account=anna&sort=age&limit=50`)).json()).items;
  await go(b.page, `/status/sessions/${mine.id}`);
  await b.page.locator(".tr .ln").first().waitFor();
  await drawer(b.page).getByRole("link", { name: "Who looked at it or changed it" }).click();
  await row(b.page, mine.id).first().getByRole("link").first().click();
  await heading(b.page, `Session ${mine.log_id}`).waitFor();
  s.close();
  b.calm();
  await b.close();
});

test("on a phone the pages of addresses and hosts fit", async () => {
  const b = await open({ width: 390, height: 844 });
  for (const path of ["/ip/127.0.0.1", "/hosts/arrigonovelli.example"]) {
    await go(b.page, path);
    await b.page.locator(".mini.part tr").first().waitFor();
    const wide = await b.page.evaluate(() => [...document.querySelectorAll(".mini.part")].filter((t) => t.getBoundingClientRect().right > t.closest(".card").getBoundingClientRect().right).length);
    assert.equal(wide, 0, path);
  }
  b.calm();
  await b.close();
});

test("by keyboard: overview, address, charts", async () => {
  const b = await open();
  await go(b.page, "/ip/127.0.0.1");
  const all = b.page.getByRole("link", { name: "All" });
  await all.first().waitFor();
  const seen = new Set();
  for (let i = 0; i < 60; i++) {
    await b.page.keyboard.press("Tab");
    seen.add(await b.page.evaluate(() => document.activeElement?.textContent?.trim() ?? ""));
  }
  for (const name of ["Log lines", "End all sessions", "All"]) assert.ok(seen.has(name), `Tab reaches ${name}`);
  await go(b.page, "/overview");
  const chart = b.page.getByRole("slider", { name: /^Mail flow/ });
  await chart.waitFor();
  await b.page.getByRole("button", { name: "7 d" }).focus();
  await b.page.keyboard.press("Enter");
  await b.page.waitForFunction(() => location.search.includes("span=7d"));
  await go(b.page, "/status/traffic");
  await b.page.getByRole("button", { name: "Week before" }).focus();
  await b.page.keyboard.press("Enter");
  await b.page.getByRole("table", { name: "This span and the week before" }).waitFor();
  await b.page.getByRole("button", { name: "Count", exact: true }).focus();
  await b.page.keyboard.press("Enter");
  await b.page.getByRole("table", { name: "Senders", exact: true }).waitFor();
  await shot(b.page, "traffic-compared");
  b.calm();
  await b.close();
});

test("a destination's hostile name stays text on every way", async () => {
  const b = await open();
  const bad = '<img src=x onerror="alert(1)">.example';
  for (const path of [`/hosts/${encodeURIComponent(bad)}`, `/ip/${encodeURIComponent(bad)}`, `/system/audit?q=${encodeURIComponent(`object:"${bad.replaceAll('"', "'")}"`)}`]) {
    await go(b.page, path);
    await b.page.waitForTimeout(300);
    assert.equal(await b.page.locator("main img").count(), 0, path);
  }
  b.calm();
  await b.close();
});
