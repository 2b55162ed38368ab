import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { go, open, quit, read, shot, violations, widths } from "./browser.mjs";
import { send, Smtp } from "./mail.mjs";
import { prepare, release } from "./prepare.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});
const row = (page, text) => page.locator("tbody tr", { hasText: text });
const lines = (page) => page.locator(".lg-l .ln");

test("a message is followed through the log: filter, session, find, save", async () => {
  const id = await send({ to: "anna@demo.example", subject: "log" });
  const b = await open();
  await go(b.page, `/status/logs/smtp?q=${id}`);
  await lines(b.page).filter({ hasText: "OK" }).first().waitFor();
  await b.page.locator("mark", { hasText: id }).first().waitFor();
  await lines(b.page).first().locator(".thr").click();
  await lines(b.page).filter({ hasText: "EHLO ws-042.demo.example" }).first().waitFor();
  await lines(b.page).filter({ hasText: "RCPT TO:<anna@demo.example>" }).first().waitFor();
  await b.page.getByRole("textbox", { name: "Find in these lines" }).fill("rcpt");
  await b.page.keyboard.press("Enter");
  await b.page.locator("mark.hit").first().waitFor();
  await shot(b.page, "logs-find");
  const download = b.page.waitForEvent("download");
  await b.page.getByRole("button", { name: "Save to file" }).click();
  const text = fs.readFileSync(await (await download).path(), "utf8");
  await b.page.getByText(/^\d+ lines saved\.$/).waitFor();
  assert.match(text, /^127\.0\.0\.1 +\[[0-9A-F]{4}\] \d\d:\d\d:\d\d <<< EHLO ws-042\.demo\.example$/m);
  b.calm();
  await b.close();
});

test("lines around a hit, whatever the filter; Esc gives the hits back", async () => {
  const id = await send({ to: "anna@demo.example", subject: "around" });
  const b = await open();
  await go(b.page, `/status/logs/smtp?q=${id}`);
  const hits = await lines(b.page).filter({ hasText: id }).count().then(async () => { await lines(b.page).first().waitFor(); return lines(b.page).count(); });
  const text = await lines(b.page).first().locator(".tx").innerText();
  await lines(b.page).first().hover();
  await lines(b.page).first().getByRole("button", { name: "Lines around" }).click();
  await b.page.getByText(/^SMTP, lines around \d\d:\d\d:\d\d$/).waitFor();
  await lines(b.page).filter({ hasText: "RCPT TO:<anna@demo.example>" }).first().waitFor();
  assert.equal(await b.page.locator(".lg-l .ln.cur .tx").innerText(), text);
  const few = await lines(b.page).count();
  assert.ok(few > hits, `${few} lines around ${hits}`);
  await b.page.getByRole("button", { name: "More lines" }).click();
  await b.page.waitForFunction((n) => Number(/\d+/.exec(document.querySelector(".foot span")?.textContent ?? "")?.[0]) >= n, few);
  await shot(b.page, "logs-around");
  await b.page.keyboard.press("Escape");
  await b.page.waitForFunction(() => !location.search.includes("around"));
  assert.equal(new URL(b.page.url()).searchParams.get("q"), id);
  b.calm();
  await b.close();
});

test("a session in all logs: what it said, and what its message did", async () => {
  const id = await send({ to: "anna@demo.example", subject: "all logs" });
  const b = await open();
  await go(b.page, `/status/logs/smtp?q=${id}`);
  await lines(b.page).first().locator(".thr").click();
  await lines(b.page).filter({ hasText: "EHLO ws-042.demo.example" }).first().waitFor();
  await b.page.getByRole("button", { name: "In all logs" }).click();
  await lines(b.page).filter({ hasText: "EHLO ws-042.demo.example" }).first().waitFor();
  await lines(b.page).filter({ hasText: "Authentication" }).first().waitFor();
  assert.match(await b.page.locator(".foot").innerText(), /of [2-9] logs/);
  await shot(b.page, "logs-thread");
  await go(b.page, `/status/logs/smtp?thread=${id}`);
  await b.page.locator("mark", { hasText: id }).first().waitFor();
  await b.page.getByRole("button", { name: "Back to one log" }).click();
  await b.page.waitForFunction(() => !location.search.includes("thread"));
  b.calm();
  await b.close();
});

test("a bar of the histogram is a span; a level that is raised can be taken back", async () => {
  const b = await open();
  await go(b.page, "/status/logs/smtp?from=00:00&to=23:59:59");
  await lines(b.page).first().waitFor();
  await b.page.getByRole("group", { name: "Lines over time" }).waitFor();
  const bar = b.page.locator(".lg-h button:enabled").first();
  const said = await bar.getAttribute("aria-label");
  await bar.click();
  const [, from, to, n] = /^([\d:]+) to ([\d:]+): (\d+) line/.exec(said);
  await b.page.waitForFunction(([f, z]) => { const s = new URLSearchParams(location.search); return s.get("from") === f && s.get("to") === z; }, [from, to]);
  await b.page.getByRole("status").getByText(`${n} line`).first().waitFor();
  await go(b.page, "/status/logs/auth");
  const raise = b.page.getByRole("button", { name: "Set to Debug" });
  await raise.click();
  await b.page.getByText("Logging of Authentication: Debug.").waitFor();
  await raise.waitFor({ state: "detached" });
  await b.page.getByRole("button", { name: /^Undo/ }).click();
  await b.page.getByText("Logging of Authentication: Summary.").waitFor();
  await raise.waitFor();
  b.calm();
  await b.close();
});

test("a span of time is a part of the address; half a time changes nothing", async () => {
  const b = await open();
  await go(b.page, "/status/logs/smtp");
  await lines(b.page).first().waitFor();
  await b.page.getByRole("textbox", { name: "From" }).fill("23:5");
  assert.equal(new URL(b.page.url()).searchParams.get("from"), null);
  await b.page.getByRole("textbox", { name: "to", exact: true }).fill("00:00:00");
  await b.page.getByText("No line matches").waitFor();
  assert.equal(new URL(b.page.url()).searchParams.get("to"), "00:00:00");
  b.calm();
  await b.close();
});

test("a refusal in the log tells what it means and leads to the setting", async () => {
  const s = await Smtp.open();
  await s.say("EHLO logs.example");
  await s.say("MAIL FROM:<big@elsewhere.example> SIZE=99999999999");
  s.close();
  const b = await open();
  await go(b.page, "/status/logs/smtp?q=Message is too long");
  await lines(b.page).locator(".code").first().click();
  await b.page.getByRole("dialog").getByText("The announced size is beyond the limit").waitFor();
  await b.page.getByRole("dialog").getByRole("link", { name: "smtp.max_message_size" }).click();
  await b.page.waitForURL(/\/system\/settings/);
  b.calm();
  await b.close();
});

test("following shows new lines at the end", async () => {
  const b = await open();
  await go(b.page, "/status/logs/smtp?follow=1&q=follow-me");
  await b.page.getByText("Live", { exact: true }).waitFor();
  const s = await Smtp.open();
  await s.say("MAIL FROM:<follow-me@elsewhere.example>");
  s.close();
  await lines(b.page).filter({ hasText: "follow-me@elsewhere.example" }).first().waitFor({ timeout: 10_000 });
  b.calm();
  await b.close();
});

test("what peers send is text, also in the log", async () => {
  const s = await Smtp.open();
  await s.say("MAIL FROM:<x@y.example> <img src=x onerror=alert(1)>");
  await s.say("NOOP <svg/onload=alert(2)>");
  s.close();
  const b = await open();
  b.page.on("dialog", () => assert.fail("a peer's text ran"));
  await go(b.page, "/status/logs/smtp?q=onerror");
  await lines(b.page).filter({ hasText: "<img src=x onerror=alert(1)>" }).first().waitFor();
  assert.equal(await b.page.locator(".lg-l .tx img, .lg-l .tx svg").count(), 0);
  b.calm();
  await b.close();
});

test("files of a log are listed, taken away whole, and deleted by name", async () => {
  const old = "s20240103-00.log";
  const b = await open();
  const dir = path.dirname((await read(b.page, "/logs/smtp/files")).items[0].path);
  fs.writeFileSync(path.join(dir, old), "192.0.2.1       [0001] 10:00:01 <<< EHLO of.old.example\n");
  await go(b.page, "/status/logs/smtp");
  await b.page.getByRole("link", { name: "Files" }).click();
  await b.page.getByRole("table", { name: "Files of SMTP" }).waitFor();
  const now = row(b.page, "lines still come");
  await now.waitFor();
  assert.equal(await now.getByRole("button", { name: /^Delete/ }).count(), 0);
  const saved = b.page.waitForEvent("download");
  await now.getByRole("button", { name: /^Download/ }).click();
  const file = await saved;
  const text = fs.readFileSync(await file.path(), "utf8");
  const name = file.suggestedFilename();
  assert.ok(fs.readFileSync(path.join(dir, name), "utf8").startsWith(text) && text.includes("EHLO"), `${name} is not as it lies there`);
  await b.page.getByText(`${name} downloaded`).waitFor();
  await shot(b.page, "log-files");
  await b.page.getByRole("button", { name: `Delete ${old}` }).click();
  const dialog = b.page.getByRole("alertdialog");
  assert.deepEqual(await violations(b.page, "delete a log file"), []);
  assert.equal(await dialog.getByRole("button", { name: "Delete file" }).isDisabled(), true);
  await dialog.getByRole("textbox").fill(old);
  await dialog.getByRole("button", { name: "Delete file" }).click();
  await b.page.getByText(`${old} deleted.`).waitFor();
  await row(b.page, old).waitFor({ state: "detached" });
  assert.equal(fs.existsSync(path.join(dir, old)), false);
  await go(b.page, "/system/audit?q=object:log");
  await row(b.page, "log smtp").filter({ hasText: name }).first().waitFor();
  b.calm();
  await b.close();
});

test("a long file comes in parts, which are put together", async () => {
  const long = "s20240104-00.log";
  const b = await open();
  const dir = path.dirname((await read(b.page, "/logs/smtp/files")).items[0].path);
  const line = "192.0.2.1       [0001] 10:00:01 <<< NOOP of a very long day\n";
  const text = line.repeat(Math.ceil((17 * 1024 * 1024) / line.length));
  fs.writeFileSync(path.join(dir, long), text);
  await go(b.page, "/status/logs/smtp/files");
  const saved = b.page.waitForEvent("download");
  await b.page.getByRole("button", { name: `Download ${long}` }).click();
  assert.equal(fs.readFileSync(await (await saved).path(), "utf8"), text);
  fs.rmSync(path.join(dir, long));
  b.calm();
  await b.close();
});

test("the list of files is accessible, and worked by keys", async () => {
  for (const theme of ["light", "dark"])
    for (const width of Object.values(widths)) {
      const b = await open({ theme, width });
      await go(b.page, "/status/logs/smtp/files");
      assert.deepEqual(await violations(b.page, `log files ${theme} ${width}`), []);
      b.calm();
      await b.close();
    }
  const b = await open();
  await go(b.page, "/status/logs/smtp/files");
  await b.page.locator("tbody tr").first().waitFor();
  await b.page.keyboard.press("j");
  await b.page.waitForFunction(() => document.activeElement?.matches("tbody tr.cur"));
  const saved = b.page.waitForEvent("download");
  while (!(await b.page.evaluate(() => document.activeElement?.getAttribute("aria-label")?.startsWith("Download")))) await b.page.keyboard.press("Tab");
  await b.page.keyboard.press("Enter");
  await saved;
  b.calm();
  await b.close();
});
