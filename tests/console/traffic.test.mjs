import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { go, open, quit, shot, violations } from "./browser.mjs";
import { send, Smtp } from "./mail.mjs";
import { prepare, release } from "./prepare.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});
const chart = (page) => page.getByRole("slider");
const param = (page, name) => new URL(page.url()).searchParams.get(name);

test("the running minute is drawn, and the tooltip says what the counters say", async () => {
  await send({ to: "anna@demo.example", subject: "traffic" });
  const b = await open();
  await go(b.page, "/status/traffic");
  await chart(b.page).waitFor();
  // The last point of the day is what runs now.
  await chart(b.page).focus();
  await b.page.keyboard.press("End");
  await b.page.locator(".tip").waitFor();
  const told = await b.page.evaluate(async () => {
    const to = new Date();
    const from = new Date(to.getTime() - 86_400_000);
    const r = await fetch(`/api/v1/metrics/query?metric=smtp_messages_in&from=${from.toISOString()}&to=${to.toISOString()}`);
    return (await r.json()).series[0].values.filter((v) => v !== null);
  });
  assert.ok(told.at(-1) > 0, "the server tells the mail just sent");
  await b.page.locator(".tip .k", { hasText: "Messages accepted" }).locator("b").filter({ hasText: new RegExp(`^${told.at(-1)}$`) }).waitFor({ timeout: 20_000 });
  // Most of the day before the server's start is a gap: nothing is drawn there.
  assert.ok((await b.page.locator('[data-series="smtp_messages_in"]').count()) >= 1);
  await b.page.keyboard.press("Home");
  await b.page.locator(".tip", { hasText: "no sample" }).waitFor();
  b.calm();
  await b.close();
});

test("a rectangle zooms in, Back and Esc and a double click zoom out", async () => {
  const b = await open();
  await go(b.page, "/status/traffic");
  const box = await chart(b.page).boundingBox();
  const drag = async () => {
    await b.page.mouse.move(box.x + box.width * 0.5, box.y + 60);
    await b.page.mouse.down();
    await b.page.mouse.move(box.x + box.width * 0.75, box.y + 200, { steps: 4 });
    await b.page.locator(".chart .br").waitFor();
    await b.page.mouse.up();
    await b.page.waitForFunction(() => new URL(location.href).searchParams.has("zoom"));
  };
  await drag();
  const [from, to, top] = param(b.page, "zoom").split(",");
  const hours = (Date.parse(to) - Date.parse(from)) / 3_600_000;
  assert.ok(hours > 5 && hours < 8, `a quarter of a day is chosen, not ${hours} h`);
  assert.ok(Number(top) > 0, "and the height of the rectangle");
  await b.page.getByRole("button", { name: "Whole span" }).waitFor();
  await b.page.goBack();
  await b.page.waitForFunction(() => !new URL(location.href).searchParams.has("zoom"));
  await drag();
  await chart(b.page).focus();
  await b.page.keyboard.press("Escape");
  await b.page.waitForFunction(() => !new URL(location.href).searchParams.has("zoom"));
  await drag();
  await chart(b.page).dblclick({ position: { x: 200, y: 100 } });
  await b.page.waitForFunction(() => !new URL(location.href).searchParams.has("zoom"));
  b.calm();
  await b.close();
});

test("zoom by keyboard and buttons; the address is the view", async () => {
  const b = await open();
  await go(b.page, "/status/traffic");
  await chart(b.page).focus();
  await b.page.keyboard.press("ArrowLeft");
  await b.page.keyboard.press("+");
  await b.page.waitForFunction(() => new URL(location.href).searchParams.has("zoom"));
  const span = () => { const [a, z] = param(b.page, "zoom").split(","); return Date.parse(z) - Date.parse(a); };
  assert.ok(Math.abs(span() / 3_600_000 - 12) < 0.2, "half of a day");
  await b.page.getByRole("button", { name: "Zoom in" }).click();
  await b.page.waitForFunction(() => { const [a, z] = new URL(location.href).searchParams.get("zoom").split(","); return Date.parse(z) - Date.parse(a) < 7 * 3_600_000; });
  const copied = b.page.url();
  await b.page.getByRole("button", { name: "Zoom out" }).click();
  await b.page.waitForFunction((x) => location.href !== x, copied);
  await b.page.getByRole("button", { name: "Refresh" }).click();
  await b.page.waitForFunction(() => !new URL(location.href).searchParams.has("zoom"));
  await b.page.goto(copied);
  await chart(b.page).waitFor();
  await b.page.getByRole("button", { name: "Whole span" }).waitFor();
  b.calm();
  await b.close();
});

test("services, categories and spans; own times only when they are chosen", async () => {
  const b = await open();
  await go(b.page, "/status/traffic");
  assert.equal(await b.page.locator("input[type=datetime-local]").count(), 0);
  await b.page.getByRole("combobox", { name: "Service" }).selectOption("imap");
  await b.page.getByRole("heading", { name: "IMAP, per 5 min" }).waitFor();
  await b.page.getByRole("button", { name: "Sessions at once" }).click();
  await b.page.waitForFunction(() => new URL(location.href).searchParams.get("cat")?.includes("sessions_imap"));
  await b.page.getByRole("button", { name: "1 month" }).click();
  await b.page.getByRole("heading", { name: "IMAP, per h" }).waitFor();
  await b.page.getByRole("button", { name: "From, to" }).click();
  await b.page.locator("input[type=datetime-local]").first().waitFor();
  assert.ok(param(b.page, "from") && param(b.page, "to"));
  // A unit of its own: bytes take the place of numbers.
  await go(b.page, "/status/traffic?service=network");
  await b.page.getByRole("button", { name: "Data in" }).click();
  await b.page.waitForFunction(() => new URL(location.href).searchParams.get("cat") === "bytes_in");
  b.calm();
  await b.close();
});

test("the table has the same figures; CSV, SVG and PNG are saved", async () => {
  const b = await open({ theme: "dark" });
  await go(b.page, "/status/traffic");
  await chart(b.page).waitFor();
  const save = async (entry) => {
    await b.page.getByRole("button", { name: "Save", exact: true }).click();
    const download = b.page.waitForEvent("download");
    await b.page.getByRole("menuitem", { name: entry }).click();
    const d = await download;
    return { name: d.suggestedFilename(), bytes: fs.readFileSync(await d.path()) };
  };
  const svg = await save("As SVG image");
  assert.match(svg.name, /^posthorn-traffic-smtp-\d{4}-\d\d-\d\d\.svg$/);
  assert.match(svg.bytes.toString(), /^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  assert.match(svg.bytes.toString(), /SMTP, per 5 min/);
  assert.doesNotMatch(svg.bytes.toString(), /var\(--/);
  const png = await save("As PNG image");
  assert.equal(png.bytes.subarray(1, 4).toString(), "PNG");
  assert.ok(png.bytes.readUInt32BE(16) > 1000, "twice the width of the screen's picture");
  const csv = (await save("As CSV")).bytes.toString().trim().split("\r\n");
  assert.match(csv[0], /^time,smtp_messages_in,/);
  await b.page.getByRole("button", { name: "As table" }).click();
  await b.page.locator(".ctab tbody tr").first().waitFor();
  assert.ok(Math.abs((await b.page.locator(".ctab tbody tr").count()) - (csv.length - 1)) <= 1);
  assert.equal(param(b.page, "view"), "table");
  b.calm();
  await b.close();
});

test("a start and a note are marks; a note is added and deleted", async () => {
  const b = await open();
  await go(b.page, "/status/traffic");
  await b.page.getByText("The server was started.").first().waitFor();
  await b.page.locator("[data-mark]").first().waitFor();
  await b.page.getByRole("button", { name: "Add note" }).click();
  await b.page.getByRole("textbox", { name: "What happened?" }).fill("New line <b>to the net</b>");
  assert.deepEqual(await violations(b.page, "note"), []);
  await b.page.getByRole("button", { name: "Save", exact: true }).last().click();
  await b.page.getByText("New line <b>to the net</b>").waitFor();
  await shot(b.page, "traffic-note");
  await b.page.getByRole("button", { name: "Delete note New line" }).click();
  await b.page.getByText("New line <b>to the net</b>").waitFor({ state: "detached" });
  b.calm();
  await b.close();
});

test("what was refused just now comes into the open chart by itself", async () => {
  const b = await open();
  await go(b.page, "/status/traffic?cat=smtp_rcpt_refused&view=table");
  const first = b.page.locator(".ctab tbody tr td").first();
  const before = Number((await first.textContent()).replace(/\D/g, "") || "0");
  const s = await Smtp.open();
  await s.say("MAIL FROM:<stranger@elsewhere.example>");
  for (let i = 0; i < 3; i++) await s.say(`RCPT TO:<nobody${i}@demo.example>`);
  s.close();
  await b.page.waitForFunction((n) => {
    const cells = [...document.querySelectorAll(".ctab tbody tr td")].slice(0, 2).map((c) => Number(c.textContent.replace(/\D/g, "") || "0"));
    return cells.some((c) => c >= 3) && cells.reduce((a, c) => a + c, 0) >= Math.min(n + 3, 3);
  }, before, { timeout: 40_000 });
  b.calm();
  await b.close();
});

/** A day as the server would tell it, with two hours in which it did not run. */
function day(url) {
  const step = 300;
  const to = Math.floor(Date.now() / 1000 / step) * step + step;
  const wave = (i, top, shift) => Math.round(top * (0.55 - 0.45 * Math.cos(((i + shift) / 288) * 2 * Math.PI)) + ((i * 7919) % 11));
  const off = (i) => i >= 100 && i < 124;
  const series = url.searchParams.get("metric").split(",").map((name, k) => ({
    name, kind: "counter", unit: "count", values: Array.from({ length: 288 }, (_, i) => (off(i) ? null : wave(i, 120 / (k * 2 + 1), 120))),
  }));
  return {
    from: new Date((to - 288 * step) * 1000).toISOString(), step_seconds: step, covered_seconds: Array.from({ length: 288 }, (_, i) => (off(i) ? 0 : step)),
    series, since: "2026-01-01T00:00:00.000Z", as_of: new Date().toISOString(),
  };
}

test("a gap is drawn as a gap", async () => {
  const b = await open();
  await b.page.route("**/api/v1/metrics/query*", (route) => route.fulfill({ json: day(new URL(route.request().url())) }));
  await go(b.page, "/status/traffic");
  const lines = b.page.locator('polyline[data-series="smtp_messages_in"]');
  await lines.first().waitFor();
  assert.equal(await lines.count(), 2);
  const [first, second] = await lines.evaluateAll((list) => list.map((e) => e.getAttribute("points").split(" ").map((x) => Number(x.split(",")[0]))));
  const width = second[0] - first.at(-1);
  const whole = second.at(-1) - first[0];
  assert.ok(Math.abs(width / whole - 25 / 287) < 0.005, "as wide as it was long");
  await chart(b.page).hover({ position: { x: 900, y: 150 } });
  await b.page.locator(".tip").waitFor();
  await shot(b.page, "traffic-charts");
  b.calm();
  await b.close();
});

test("on a phone: a tap tells the values", async () => {
  const b = await open({ width: 390, height: 844, language: "it" });
  await go(b.page, "/status/traffic");
  await b.page.getByRole("heading", { name: "Grafici del traffico" }).waitFor();
  await chart(b.page).click({ position: { x: 300, y: 100 } });
  await b.page.locator(".tip").waitFor();
  assert.equal(await b.page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
  b.calm();
  await b.close();
});

test("the week before: told in figures and, where it was counted, drawn", async () => {
  const b = await open();
  await go(b.page, "/status/traffic?service=smtp");
  await b.page.getByRole("button", { name: "Week before" }).click();
  await b.page.waitForFunction(() => new URL(location.href).searchParams.get("compare") === "week");
  const table = b.page.getByRole("table", { name: "This span and the week before" });
  const received = table.getByRole("row", { name: /Messages accepted/ });
  // This server is younger than a week: no figure, and no comparison with nought.
  await received.getByText("no sample").waitFor();
  await received.getByText("nothing to compare with yet").waitFor();
  assert.deepEqual(await violations(b.page, "comparison"), []);
  // With a week before that the test makes up, as a day of real samples cannot wait so long.
  await b.page.route("**/api/v1/metrics/query?*", async (r) => {
    const u = new URL(r.request().url());
    if (Date.parse(u.searchParams.get("to")) > Date.now() - 86_400_000) return r.continue();
    const answer = await (await r.fetch()).json();
    answer.covered_seconds = answer.covered_seconds.map(() => answer.step_seconds);
    answer.series = answer.series.map((s) => ({ ...s, values: answer.covered_seconds.map((_, i) => (i === 3 ? 1 : 0)) }));
    return r.fulfill({ json: answer });
  });
  await b.page.reload();
  await received.getByText("% more than a week before").waitFor();
  await b.page.locator('[data-series="smtp_messages_in:before"]').first().waitFor({ state: "attached" });
  await b.page.getByRole("button", { name: "As table" }).click();
  await b.page.getByRole("columnheader", { name: "Messages accepted by SMTP, a week before" }).or(b.page.getByRole("columnheader", { name: /, a week before$/ })).first().waitFor();
  b.calm();
  await b.close();
});

test("who stands out in the span leads on: senders, recipients, destinations, addresses", async () => {
  for (let i = 0; i < 3; i++) await send({ to: "anna@demo.example", subject: "many" });
  const b = await open();
  await go(b.page, "/status/traffic?service=smtp");
  await b.page.getByRole("button", { name: "Count", exact: true }).click();
  const part = (name) => b.page.getByRole("table", { name, exact: true });
  await part("Senders").getByRole("link", { name: "user@demo.example" }).waitFor();
  await part("Recipients").getByRole("link", { name: "anna@demo.example" }).waitFor();
  await part("Refused, by address").getByRole("link", { name: "127.0.0.1" }).waitFor();
  assert.deepEqual(await violations(b.page, "rankings"), []);
  // The sum is what the list of messages has.
  const said = await b.page.getByRole("status").filter({ hasText: /counted/ }).innerText();
  assert.ok(Number(said.match(/\d+/)[0]) >= 11, said);
  await part("Waiting or failed, by destination").getByRole("link", { name: "arrigonovelli.example" }).click();
  await b.page.getByRole("heading", { name: "Host arrigonovelli.example" }).waitFor();
  b.calm();
  await b.close();
});
