import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { go, open, quit, shot } from "./browser.mjs";
import { send, Smtp } from "./mail.mjs";
import { prepare, release } from "./prepare.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});
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
  assert.match(text, /^127\.0\.0\.1 +\[[0-9A-F]{4}\] \d\d:\d\d:\d\d <<< EHLO ws-042\.demo\.example$/m);
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
  assert.equal(await b.page.locator(".lg-l img, .lg-l svg").count(), 0);
  b.calm();
  await b.close();
});
