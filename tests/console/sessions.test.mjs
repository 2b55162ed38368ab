import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { go, open, quit } from "./browser.mjs";
import { Imap } from "./mail.mjs";
import { prepare, release } from "./prepare.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});

test("sessions are shown, one is ended, all of an account are ended", async () => {
  const carla = await Imap.open("carla@other.example", "secret-carla");
  const b = await open();
  await go(b.page, "/status/sessions?q=account:carla");
  const rows = b.page.locator("tbody tr", { hasText: "carla@other.example" });
  await rows.first().waitFor();
  await rows.first().locator(".lnk").click();
  await b.page.getByRole("heading", { name: /Server session/ }).waitFor();
  await b.page.getByRole("button", { name: "End session" }).click();
  await carla.ended();
  await b.page.getByText("This session has ended.").waitFor();
  b.calm();
  const one = await Imap.open("carla@other.example", "secret-carla");
  const two = await Imap.open("carla@other.example", "secret-carla");
  await go(b.page, "/status/sessions?q=account:carla");
  await rows.nth(1).waitFor();
  await rows.first().locator(".lnk").click();
  await b.page.getByRole("complementary").getByRole("button", { name: "More" }).click();
  await b.page.getByRole("menuitem", { name: "End all of carla@other.example" }).click();
  await b.page.getByRole("alertdialog").getByText("All 2 sessions of carla@other.example end at once.").waitFor();
  await b.page.getByRole("alertdialog").getByRole("button", { name: "End all sessions" }).click();
  await b.page.getByText("2 sessions of carla@other.example ended.").waitFor();
  await Promise.all([one.ended(), two.ended()]);
  b.calm();
  await b.close();
});

test("the list moves by itself, and not while it is held", async () => {
  const b = await open();
  await go(b.page, "/status/sessions?q=account:carla");
  await b.page.getByText("Live", { exact: true }).waitFor();
  await b.page.getByRole("button", { name: "Hold the list" }).click();
  await b.page.getByText("Held by you").waitFor();
  const carla = await Imap.open("carla@other.example", "secret-carla");
  const rows = b.page.locator("tbody tr", { hasText: "carla@other.example" });
  await b.page.waitForTimeout(1500); // the stream's pace is a quarter of a second: nothing must come in six of them
  assert.equal(await rows.count(), 0);
  await b.page.getByRole("button", { name: "Go on" }).click();
  await rows.first().waitFor();
  carla.close();
  await rows.first().waitFor({ state: "detached", timeout: 15_000 });
  b.calm();
  await b.close();
});

test("a session leads to its account and its log lines", async () => {
  const b = await open();
  await go(b.page, "/status/sessions?q=account:anna");
  await b.page.locator("tbody tr .lnk").first().click();
  await b.page.getByRole("complementary").getByRole("link", { name: "anna@demo.example" }).click();
  await b.page.getByRole("heading", { name: "anna@demo.example" }).waitFor();
  await b.page.goBack();
  await b.page.getByRole("complementary").getByRole("link", { name: "Log lines" }).click();
  await b.page.getByRole("heading", { name: "Logs" }).waitFor();
  await b.page.locator(".lg-l .ln", { hasText: "LOGIN" }).first().waitFor();
  assert.equal(await b.page.locator(".lg-l", { hasText: "secret-anna" }).count(), 0);
  b.calm();
  await b.close();
});

test("connections of consoles are there by their name, and not between those of mail", async () => {
  const b = await open();
  await go(b.page, "/status/sessions");
  await b.page.locator("tbody tr", { hasText: "IMAP" }).first().waitFor();
  assert.equal(await b.page.locator("tbody tr", { hasText: "Control" }).count(), 0);
  await b.page.getByLabel("Service", { exact: true }).selectOption("control");
  const mine = b.page.locator("tbody tr", { hasText: "admin@demo.example" });
  // Another connection may have fetched a file of the console last.
  await mine.filter({ hasText: "GET /api/v1/events?***" }).first().locator(".lnk").click();
  await b.page.getByRole("complementary").getByRole("tab", { name: "Details" }).click();
  await b.page.getByRole("complementary").getByText(/^GET \/api\/v1\//).waitFor();
  b.calm();
  await b.close();
});
