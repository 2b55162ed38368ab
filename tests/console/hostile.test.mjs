// Text of strangers, wherever it is shown: never markup, and it turns nothing around itself.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { base, go, open, quit } from "./browser.mjs";
import { send, Smtp } from "./mail.mjs";

after(quit);
const markup = `<img src=x onerror=alert(1)><svg onload=alert(2)>"'&amp;`;
const turning = "\u202Egpj.exe\u2069";
const evil = `${markup} ${turning} שלום`;
const written = "[U+202E]gpj.exe[U+2069]";

let b;
before(async () => {
  b = await open();
  b.page.on("dialog", () => assert.fail("the text of a stranger ran"));
});
after(async () => { await b?.close(); });

async function call(method, what, data) {
  const me = await (await b.page.request.get(`${base}/api/v1/me`)).json();
  return b.page.request.fetch(`${base}/api/v1${what}`, { method, data, headers: { "X-CSRF-Token": me.csrf_token, Origin: base } });
}
async function must(method, what, data) {
  const r = await call(method, what, data);
  assert.ok(r.ok(), `${method} ${what}: ${r.status()} ${await r.text()}`);
}

/** What is wrong with the page: elements made of text, and text that turns more than itself. */
async function faults(page) {
  return page.evaluate(() => {
    const found = [];
    for (const e of document.querySelectorAll("main img, main script, main iframe, [onerror], [onload], img[src=x]")) found.push(`element ${e.outerHTML.slice(0, 80)}`);
    const turns = /[\u202A-\u202E\u2066-\u2069]/;
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let n = walk.nextNode(); n; n = walk.nextNode()) {
      const e = n.parentElement;
      if (!e || e.closest("script, style, textarea")) continue;
      if (turns.test(n.data)) found.push(`turns: ${e.outerHTML.slice(0, 120)}`);
      if (!n.data.includes("onerror")) continue;
      let isolated = false;
      for (let up = e; up && up !== document.body && !isolated; up = up.parentElement) isolated = /isolate|plaintext/.test(getComputedStyle(up).unicodeBidi);
      if (!isolated) found.push(`not isolated: ${e.outerHTML.slice(0, 120)}`);
    }
    for (const e of document.querySelectorAll("[title], [aria-label]")) for (const a of ["title", "aria-label"]) if (turns.test(e.getAttribute(a) ?? "")) found.push(`${a} turns: ${e.getAttribute(a)}`);
    if (turns.test(document.title)) found.push("the page's title turns");
    return found;
  });
}
/** The screen shows the text as it is, and nothing comes of it. */
async function shows(path, text = markup) {
  await go(b.page, path);
  await b.page.getByText(text).first().waitFor();
  assert.deepEqual(await faults(b.page), [], path);
}

test("display name", async () => {
  await must("PATCH", "/accounts/carla%40other.example", { name: evil });
  await shows("/accounts?q=carla");
  await b.page.getByText(written).first().waitFor();
  await go(b.page, "/accounts/carla%40other.example");
  assert.equal(await b.page.getByLabel("Name").inputValue(), evil, "a field holds the text itself");
  assert.deepEqual(await faults(b.page), []);
  await shows("/system/audit?q=carla");
});

test("alias: what is no address is refused in words, and the words are text", async () => {
  await go(b.page, "/domains/demo.example");
  await b.page.getByRole("button", { name: "New alias" }).click();
  const dialog = b.page.getByRole("dialog");
  await dialog.getByLabel("Address").fill(`${markup}${turning}@demo.example`);
  await dialog.getByLabel("Leads to").fill("anna@demo.example");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByRole("alert").first().waitFor();
  assert.deepEqual(await faults(b.page), []);
  await b.page.keyboard.press("Escape");
  await must("PUT", `/aliases/${encodeURIComponent(`"<b>bold</b>"@demo.example`)}`, { targets: ["anna@demo.example"] }).catch(() => undefined); // where quoted parts are taken
  await go(b.page, "/domains/demo.example");
  await b.page.getByRole("heading", { name: "Aliases" }).waitFor();
  assert.equal(await b.page.locator("main b", { hasText: /^bold$/ }).count(), 0);
});

test("app-password label, in its list, its dialog, its notice and the audit", async () => {
  await go(b.page, "/accounts/carla%40other.example");
  const label = `phone ${evil}`.slice(0, 100);
  await b.page.getByRole("textbox", { name: "Program that will use the password" }).fill(label);
  await b.page.getByRole("button", { name: "New app password" }).click();
  await b.page.getByRole("alertdialog").getByText(markup).waitFor();
  assert.deepEqual(await faults(b.page), []);
  await b.page.getByRole("button", { name: "I have noted it" }).click();
  await b.page.getByRole("listitem").getByText(markup).waitFor();
  assert.deepEqual(await faults(b.page), []);
  await b.page.getByRole("button", { name: "Withdraw" }).click();
  await b.page.locator(".toast").getByText(markup).waitFor();
  assert.deepEqual(await faults(b.page), []);
  await shows("/system/audit");
});

test("token name, in its list, its dialog, its notice and the audit", async () => {
  await go(b.page, "/system/tokens?dialog=new");
  const dialog = b.page.getByRole("dialog");
  await dialog.getByLabel("Program").fill(evil);
  await dialog.getByRole("checkbox", { name: "See: Logs" }).check();
  await dialog.getByRole("button", { name: "Create token" }).click();
  await b.page.getByRole("alertdialog").getByText(markup).waitFor();
  assert.deepEqual(await faults(b.page), []);
  await b.page.getByRole("button", { name: "I have noted it" }).click();
  await b.page.locator("tbody").getByText(markup).waitFor();
  assert.deepEqual(await faults(b.page), []);
  const gone = b.page.waitForResponse((r) => r.request().method() === "POST" && r.url().endsWith("/tokens/actions"));
  await b.page.getByRole("button", { name: /^Withdraw / }).click();
  await b.page.locator(".toast").getByText(markup).last().waitFor();
  assert.deepEqual(await faults(b.page), []);
  await gone;
});

test("annotation of a chart", async () => {
  await must("POST", "/annotations", { text: evil, at: new Date().toISOString() });
  await shows("/status/traffic");
});

test("subject of a queued message, in the list and its drawer", async () => {
  const subject = `=?UTF-8?B?${Buffer.from(`<svg onload=alert(2)> ${turning} onerror`).toString("base64")}?=`;
  const id = await send({ to: "evil@subject.example", subject });
  await shows("/status/queue?q=subject:onerror", "<svg onload=alert(2)>");
  await b.page.getByText(written).first().waitFor();
  await go(b.page, `/status/queue?open=${id}`);
  await b.page.getByRole("complementary").locator("dd", { hasText: "<svg onload=alert(2)>" }).waitFor();
  assert.deepEqual(await faults(b.page), []);
});

test("HELO, in transcript, session and log", async () => {
  const s = await Smtp.open();
  await s.say(`HELO ${markup}`);
  await s.say(`EHLO ${Buffer.from(turning).toString("utf8")}.example`);
  await s.say(`MAIL FROM:<${turning}x@y.example>`);
  await s.say("QUIT");
  s.close();
  await shows("/status/logs/smtp?q=onerror", "onerror=alert(1)");
  const found = await (await b.page.request.get(`${base}/api/v1/sessions?state=history&service=smtp&limit=1`)).json();
  await shows(`/status/sessions/${found.items[0].id}`, "onerror=alert(1)");
});

test("setting value, before it is saved, in the list and in the audit", async () => {
  await go(b.page, "/system/settings?q=deliver.bounce_from");
  await b.page.getByLabel("deliver.bounce_from").fill(evil);
  await b.page.getByText("1 change is not saved").click();
  await b.page.locator(".changes").getByText(markup).waitFor();
  assert.deepEqual(await faults(b.page), []);
  await b.page.getByRole("button", { name: "Save changes" }).click();
  // Taken or refused: either way it is told as text.
  await b.page.locator(".toast, .set .err, .call.bad").first().waitFor();
  assert.deepEqual(await faults(b.page), []);
  await call("PATCH", "/settings/deliver.bounce_from", { value: evil });
  await go(b.page, "/system/audit?q=bounce_from");
  await b.page.locator("tbody tr, .empty").first().waitFor();
  assert.deepEqual(await faults(b.page), []);
  await must("PATCH", "/settings/deliver.bounce_from", { value: null });
});

test("CSV: cells, a wrong row and the name of the file", async () => {
  await go(b.page, "/accounts?dialog=import");
  const csv = `address,name,password\n"${evil.replaceAll('"', '""')}@other.example",x,secret-1-abc\nevil-csv@other.example,"${evil.replaceAll('"', '""')}",secret-2-abc\n`;
  await b.page.getByLabel("CSV file").setInputFiles({ name: `<img src=x onerror=alert(3)>${turning}.csv`, mimeType: "text/csv", buffer: Buffer.from(csv) });
  await b.page.getByRole("button", { name: "Check rows" }).click();
  await b.page.getByText("1 account will be created").waitFor();
  await b.page.locator(".preview").getByText("onerror").first().waitFor();
  assert.deepEqual(await faults(b.page), []);
  await b.page.getByRole("button", { name: "Create 1 account" }).click();
  await b.page.getByText("1 account created, 1 failed.").waitFor({ timeout: 60_000 });
  assert.deepEqual(await faults(b.page), []);
  await b.page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
  await shows("/accounts?q=evil-csv");
});

test("search, addresses of the browser and the filter line", async () => {
  await go(b.page, `/accounts?q=${encodeURIComponent(evil)}`);
  await b.page.locator(".empty").waitFor();
  assert.deepEqual(await faults(b.page), []);
  await go(b.page, `/accounts/${encodeURIComponent(`${markup}${turning}`)}`);
  assert.deepEqual(await faults(b.page), []);
  await go(b.page, `/hosts/${encodeURIComponent(`${markup}${turning}`)}`);
  assert.deepEqual(await faults(b.page), []);
  await b.page.keyboard.press("/");
  await b.page.getByRole("combobox", { name: "Find" }).fill(evil);
  await b.page.getByRole("option").first().waitFor();
  assert.deepEqual(await faults(b.page), []);
  await b.page.keyboard.press("Escape");
  await must("PATCH", "/accounts/carla%40other.example", { name: "Carla" });
  b.calm();
});
