// Who attacked from this address: the events answer, and what tells one to look at them leads there.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { go, open, quit, shot } from "./browser.mjs";
import { Imap, Smtp } from "./mail.mjs";
import { prepare, release } from "./prepare.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});
const row = (page, text) => page.locator("tbody tr", { hasText: text });

test("failed logins of an address are found, with what they mean and where they belong", async () => {
  await assert.rejects(Imap.open("attacked-one@demo.example", "guess"));
  const b = await open();
  await go(b.page, "/status/events");
  await b.page.getByRole("combobox", { name: "What" }).selectOption({ label: "Failed logins" });
  await b.page.waitForFunction(() => location.search.includes("name%3Aauth.failed"));
  await row(b.page, "attacked-one").first().locator(".lnk").click();
  const drawer = b.page.getByRole("complementary");
  await drawer.getByText("A login was wrong").waitFor();
  await drawer.getByRole("link", { name: "127.0.0.1" }).waitFor();
  await shot(b.page, "events-drawer");
  await drawer.getByRole("link", { name: "Events of this address" }).click();
  await b.page.waitForFunction(() => location.search.includes("ip%3A127.0.0.1"));
  await row(b.page, "attacked-one").first().waitFor();
  await row(b.page, "attacked-one").first().locator(".lnk").click();
  await b.page.getByRole("complementary").getByRole("link", { name: "Its session" }).click();
  await b.page.locator(".tr .ln", { hasText: "LOGIN" }).first().waitFor();
  b.calm();
  await b.close();
});

test("the page of an address shows the trouble with it and leads to all of it", async () => {
  await assert.rejects(Imap.open("attacked-two@demo.example", "guess"));
  const b = await open();
  await go(b.page, "/ip/127.0.0.1");
  const part = b.page.getByRole("region", { name: "Failed, refused and other trouble" });
  await part.getByText("attacked-two").first().waitFor();
  await part.getByRole("link", { name: "All" }).click();
  await b.page.getByRole("heading", { name: "Events", level: 1 }).waitFor();
  await row(b.page, "attacked-two").first().waitFor();
  b.calm();
  await b.close();
});

test("a refused login in a transcript tells what it means and leads to the events of the address", async () => {
  const s = await Smtp.open(Number(process.env.SUBMISSION_PORT));
  assert.match(await s.login("attacked-three@demo.example", "guess"), /^535/);
  await s.say("QUIT");
  s.close();
  const b = await open();
  await go(b.page, "/status/sessions/history?q=service:submission outcome:failed");
  await b.page.locator("tbody tr .lnk").first().click();
  await b.page.getByRole("complementary").locator(".code", { hasText: "535" }).first().click();
  await b.page.getByRole("dialog").getByRole("link", { name: "Events of 127.0.0.1" }).click();
  await b.page.getByRole("heading", { name: "Events", level: 1 }).waitFor();
  await row(b.page, "attacked-three").first().waitFor();
  b.calm();
  await b.close();
});

test("a domain administrator sees what happened with his accounts only", async () => {
  await assert.rejects(Imap.open("attacked-four@demo.example", "guess"));
  const b = await open({ account: "domainadmin@other.example" });
  await go(b.page, "/status/events?span=7d");
  await b.page.locator("tbody tr, .empty").first().waitFor();
  assert.equal(await b.page.locator("main").getByText("demo.example").count(), 0);
  b.calm();
  await b.close();
});
