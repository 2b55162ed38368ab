// The mail of one account where the queue is looked at: chosen by the selector, listed as IMAP shows it, read, deleted.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { go, open, quit, read, shot, violations, widths, write } from "./browser.mjs";
import { Imap, send } from "./mail.mjs";

after(quit);
const inbox = "/status/queue/mailbox/anna%40demo.example/inbox";
const row = (p, text) => p.locator("tbody tr", { hasText: text });
const subjects = (p) => p.locator("tbody .lnk").allTextContents();

test("an account is chosen from accounts, groups and domains; only those with a mailbox can be", async () => {
  const anna = await Imap.open("anna@demo.example", "secret-anna");
  for (const subject of ["Offer <b>one</b>", "Invoice two", "Photos three"]) { // one after the other: that is their order
    await send({ to: "anna@demo.example", subject, body: `Dear Anna, ${subject}` });
    await anna.arrived(subject);
  }
  await anna.say('UID STORE 1:* -FLAGS (\\Seen)');
  const b = await open();
  const p = b.page;
  await go(p, "/status/queue");
  await p.getByRole("navigation", { name: "Message queue" }).getByRole("link", { name: "Mailbox" }).click();
  await p.getByText("No account is chosen.").waitFor();
  await p.getByRole("button", { name: "Select an account" }).click();
  const dialog = p.getByRole("dialog", { name: "Select an account" });
  const list = (name) => dialog.getByRole("group", { name }).getByRole("option");
  await list("Accounts").filter({ hasText: "anna@demo.example" }).waitFor();
  await list("Domains").filter({ hasText: "other.example" }).waitFor();
  const crew = list("Groups and mailing lists").filter({ hasText: "crew@demo.example" });
  assert.match(await crew.textContent(), /A mailing list has no mailbox/);
  assert.equal(await crew.getAttribute("aria-disabled"), "true");
  await crew.click({ force: true });
  await dialog.waitFor(); // nothing was chosen
  await shot(p, "select-item");
  await dialog.getByRole("combobox").fill("ann");
  await list("Accounts").filter({ hasText: "carla@other.example" }).waitFor({ state: "detached" });
  await list("Accounts").filter({ hasText: "anna@demo.example" }).waitFor();
  await p.keyboard.press("Enter");
  await row(p, "Photos three").waitFor();
  assert.equal(new URL(p.url()).pathname, inbox);
  assert.equal(await p.getByRole("textbox", { name: "Account" }).inputValue(), "anna@demo.example");
  const shown = await subjects(p);
  assert.ok(["Photos three", "Invoice two", "Offer <b>one</b>"].every((s) => shown.includes(s)), shown.join());
  assert.deepEqual(shown.slice(0, 1), ["Photos three"]); // the newest first
  assert.equal(await row(p, "Photos three").getByText("Unread").count(), 1);
  await anna.say('UID STORE 1:* +FLAGS (\\Seen)');
  await p.getByRole("button", { name: "Refresh" }).click();
  await row(p, "Photos three").getByText("Read", { exact: true }).waitFor();
  await p.getByRole("columnheader", { name: "UID" }).getByRole("button").first().click();
  await p.waitForFunction(() => !document.querySelector("tbody .lnk")?.textContent?.includes("Photos"));
  await shot(p, "mailbox");
  anna.close();
  b.calm();
  await b.close();
});

test("the list is filtered, a message opens as text, and each look is in the audit", async () => {
  const b = await open();
  const p = b.page;
  for (const [q, found] of [["subject:invoice", ["Invoice two"]], ["offer", ["Offer <b>one</b>"]]]) {
    await go(p, `${inbox}?q=${encodeURIComponent(q)}`);
    await p.waitForFunction((n) => document.querySelectorAll("tbody .lnk").length === n, found.length);
    assert.deepEqual(await subjects(p), found, q);
  }
  await row(p, "Offer").getByRole("button").click();
  const drawer = p.getByRole("complementary");
  await drawer.getByText("UIDVALIDITY").waitFor();
  await drawer.getByRole("button", { name: "Open as text" }).click();
  await p.getByRole("dialog").getByText("Dear Anna, Offer <b>one</b>").waitFor();
  assert.equal(await p.locator("[role=dialog] pre b").count(), 0);
  await p.keyboard.press("Escape");
  const id = new URL(p.url()).searchParams.get("open");
  const { items } = await read(p, "/audit?limit=100");
  assert.equal(items.filter((r) => r.field === "looked at" && r.object === `mailbox anna@demo.example inbox ${id}`).length, 1);
  assert.ok(items.some((r) => r.field === "looked at" && r.object === "listMailboxMessages anna@demo.example inbox"));
  await go(p, `${inbox}?q=subject:nothing-like-it`);
  await p.getByText("Nothing matches this filter").waitFor();
  b.calm();
  await b.close();
});

test("messages are deleted after the time to undo; waiting sessions see it", async () => {
  const anna = await Imap.open("anna@demo.example", "secret-anna");
  await anna.say("SELECT INBOX");
  const b = await open();
  const p = b.page;
  await go(p, inbox);
  await row(p, "Invoice two").locator("input[type=checkbox]").click();
  await p.getByRole("toolbar").getByRole("button", { name: "Delete" }).click();
  await row(p, "Invoice two").waitFor({ state: "detached" });
  await p.getByRole("button", { name: /Undo/ }).click();
  await row(p, "Invoice two").waitFor();
  anna.lines.socket.write("i1 IDLE\r\n");
  assert.match(await anna.lines.line(), /^\+/);
  for (const subject of ["Invoice two", "Photos three"]) await row(p, subject).locator("input[type=checkbox]").click();
  await p.getByText("2 selected").waitFor();
  await p.getByRole("toolbar").getByRole("button", { name: "Delete" }).click();
  await p.getByText("2 messages of anna@demo.example deleted.").waitFor();
  for (let n = 0; n < 2;) if (/^\* \d+ EXPUNGE$/.test(await anna.lines.line())) n++;
  const deleted = (await read(p, "/audit?limit=50")).items.filter((r) => r.field === "delete" && r.object.startsWith("mailbox anna@demo.example inbox "));
  assert.equal(deleted.length, 2);
  await go(p, inbox);
  await row(p, "Offer").waitFor();
  assert.equal(await row(p, "Invoice two").count() + await row(p, "Photos three").count(), 0);
  anna.close();
  b.calm();
  await b.close();
});

test("the junk folder, an empty one, none, and an account that is not there", async () => {
  const carla = await Imap.open("carla@other.example", "secret-carla");
  const b = await open();
  const p = b.page;
  await go(p, "/status/queue/mailbox/carla%40other.example/inbox");
  await p.getByRole("combobox", { name: "Folder" }).selectOption({ label: "Junk" });
  await p.getByText("The junk folder has no message.").waitFor();
  assert.match(p.url(), /\/junk$/);
  carla.lines.socket.write("b1 APPEND Junk {21}\r\n");
  assert.match(await carla.lines.line(), /^\+/);
  carla.lines.socket.write("Subject: Cheap\r\n\r\nx\r\n\r\n");
  assert.match(await carla.lines.line(), /^b1 OK/);
  await p.getByRole("button", { name: "Refresh" }).click();
  await row(p, "Cheap").waitFor();
  await carla.say("DELETE Junk");
  await p.getByRole("button", { name: "Refresh" }).click();
  await p.getByRole("alert").filter({ hasText: "no junk folder yet" }).waitFor();
  await carla.say("CREATE Junk (USE (\\Junk))");
  const account = p.getByRole("textbox", { name: "Account" });
  await account.fill("nobody@demo.example");
  await account.press("Enter");
  await p.getByRole("alert").filter({ hasText: "nobody@demo.example" }).waitFor();
  await account.fill("crew@demo.example");
  await account.press("Enter");
  await p.getByRole("alert").filter({ hasText: "has no mailbox" }).waitFor();
  carla.close();
  await b.close();
});

test("the administrator of a domain chooses among his own, and reads no source", async () => {
  const b = await open({ account: "domainadmin@other.example" });
  const p = b.page;
  await go(p, "/status/queue/mailbox");
  await p.getByRole("button", { name: "Select an account" }).click();
  const dialog = p.getByRole("dialog", { name: "Select an account" });
  await dialog.getByRole("option").filter({ hasText: "carla@other.example" }).waitFor();
  assert.equal(await dialog.getByRole("option").filter({ hasText: "demo.example" }).count(), 0);
  await dialog.getByRole("option").filter({ hasText: "carla@other.example" }).click();
  await p.getByRole("textbox", { name: "Filter the mailbox" }).waitFor();
  b.calm();
  await b.close();
});

test("every account of ten thousand is found: by what is typed, and page after page", async () => {
  const b = await open();
  const p = b.page;
  const names = [...Array.from({ length: 9_998 }, (_, n) => `n${String(n).padStart(4, "0")}`), "a-team", "team"];
  await write(p, "POST", "/domains", { domain: "many.example" });
  await write(p, "POST", "/accounts/import", { csv: ["address", ...names.map((n) => `${n}@many.example`)].join("\n") });
  for (const end = Date.now() + 300_000; (await read(p, "/accounts?domain=many.example&limit=1")).total.value < names.length;) {
    assert.ok(Date.now() < end, "the import does not end");
    await new Promise((r) => { setTimeout(r, 200); });
  }
  const dialog = p.getByRole("dialog", { name: "Select an account" });
  const field = dialog.getByRole("combobox");
  const accounts = dialog.getByRole("group", { name: "Accounts" }).getByRole("option");
  const chosen = dialog.getByRole("option", { selected: true });
  const select = async () => {
    await go(p, "/status/queue/mailbox");
    await p.getByRole("button", { name: "Select an account" }).click();
    await accounts.first().waitFor();
  };
  const arrives = (name) => p.waitForURL((u) => u.pathname === `/status/queue/mailbox/${encodeURIComponent(`${name}@many.example`)}/inbox`);

  // Enter does not choose what was there before the answer came.
  await select();
  await field.pressSequentially("n9876@");
  await p.keyboard.press("Enter");
  await arrives("n9876");
  // Part of another address, which comes before it.
  await select();
  await field.fill("Team@many.example");
  await p.keyboard.press("Enter");
  await arrives("team");

  // The keyboard goes on where the page ends; what is chosen and how many there are is said.
  await select();
  await field.fill("@many");
  await dialog.getByRole("status").getByText("10,000 results").waitFor();
  assert.equal(await accounts.count(), 201);
  await p.keyboard.press("ArrowUp");
  assert.match(await chosen.textContent(), /Show more: 9,800 are not listed/);
  await shot(p, "select-item-more");
  await p.keyboard.press("Enter");
  await accounts.nth(400).waitFor();
  assert.equal(await accounts.nth(200).textContent(), "n0199@many.example");
  assert.equal(await chosen.getAttribute("id"), await accounts.nth(200).getAttribute("id"));
  assert.equal(await field.getAttribute("aria-activedescendant"), await chosen.getAttribute("id"));
  assert.deepEqual(await violations(p, "more accounts"), []);
  // So does the mouse, and the keys stay in the field.
  await accounts.last().click();
  await accounts.nth(600).waitFor();
  await p.mouse.move(0, 0);
  assert.ok(await field.evaluate((e) => e === document.activeElement));
  await p.keyboard.press("ArrowDown");
  await p.keyboard.press("Enter");
  await arrives("n0400");

  await select();
  await field.fill("nobody-like-this");
  await dialog.getByText("Nothing found.").waitFor();
  await p.keyboard.press("Enter");
  await dialog.waitFor(); // nothing was chosen
  await p.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await write(p, "DELETE", "/domains/many.example?with_accounts=true");
  b.calm();
  await b.close();
});

test("the screen, its drawer and the selector are accessible", async () => {
  for (const theme of ["light", "dark"])
    for (const width of Object.values(widths)) {
      const b = await open({ theme, width });
      const p = b.page;
      await go(p, inbox);
      await row(p, "Offer").waitFor();
      assert.deepEqual(await violations(p, `${theme} ${width}`), []);
      await p.locator("tbody .lnk").first().click();
      await p.getByRole("complementary").getByText("UIDVALIDITY").waitFor();
      assert.deepEqual(await violations(p, `drawer ${theme} ${width}`), []);
      await shot(p, `mailbox-${theme}-${width}`);
      await go(p, "/status/queue/mailbox");
      await p.getByRole("button", { name: "Select an account" }).click();
      await p.getByRole("dialog").getByRole("option").filter({ hasText: "anna@demo.example" }).waitFor();
      assert.deepEqual(await violations(p, `selector ${theme} ${width}`), []);
      b.calm();
      await b.close();
    }
});
