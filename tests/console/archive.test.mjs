// The mail archive: switched on, filled by real mail, searched, read, saved, and sent once more.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, test } from "node:test";
import { go, open, quit, read, shot, violations, widths, write } from "./browser.mjs";
import { Imap, send } from "./mail.mjs";

after(quit);
let id;

test("off: it is said, and switched on in place", async () => {
  const b = await open();
  const p = b.page;
  await go(p, "/status/archive");
  await p.locator(".empty").getByText("Mail is not archived").waitFor();
  await p.locator(".archive-status").getByText("Off").waitFor();
  await p.getByRole("button", { name: "Switch on" }).click();
  await p.getByText("archive.enabled is on.").waitFor();
  await p.locator(".empty").getByText("The archive has no message.").waitFor();
  assert.equal((await read(p, "/archive")).enabled, true);
  b.calm();
  await b.close();
});

test("mail is found by its parts, read, and saved as it was", async () => {
  id = await send({ to: ["anna@demo.example", "orders@demo.example"], subject: "Contract 4711", body: "Signed." });
  await send({ from: "anna@demo.example", password: "secret-anna", to: "user@demo.example", subject: "Lunch" });
  const anna = await Imap.open("anna@demo.example", "secret-anna"), user = await Imap.open("user@demo.example", "secret-user");
  await anna.arrived("Contract 4711");
  await user.arrived("Lunch");
  anna.close();
  user.close();
  const b = await open();
  const p = b.page;
  await go(p, "/status/archive");
  await p.locator("tbody .lnk").nth(1).waitFor();
  await p.locator(".archive-status").getByText("messages").first().waitFor();
  for (const [q, subjects] of [["subject:contract", ["Contract 4711"]], ["from:anna", ["Lunch"]], ["to:orders", ["Contract 4711"]], [`id:${id}`, ["Contract 4711"]], ["4711", ["Contract 4711"]]]) {
    await go(p, `/status/archive?q=${encodeURIComponent(q)}`);
    await p.locator("tbody .lnk").first().waitFor();
    assert.deepEqual(await p.locator("tbody .lnk").allTextContents(), subjects, q);
  }
  await go(p, "/status/archive?q=subject:nothing-like-it");
  await p.locator(".empty").getByRole("button", { name: "Reset" }).or(p.locator(".empty button").first()).first().waitFor();
  await go(p, "/status/archive?q=4711");
  await p.locator("tbody .lnk").first().click();
  const drawer = p.getByRole("complementary");
  await drawer.getByText("orders@demo.example").first().waitFor();
  await shot(p, "archive");
  await drawer.getByRole("button", { name: "Open as text" }).click();
  const dialog = p.getByRole("dialog");
  await dialog.getByText("Subject: Contract 4711").waitFor();
  assert.equal(await dialog.getByText("X-Archive").count(), 0);
  await p.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  const saving = p.waitForEvent("download");
  await drawer.getByRole("button", { name: "Save as file" }).click();
  const file = await saving;
  assert.match(file.suggestedFilename(), new RegExp(`-${id}-[0-9A-F]{16}\\.eml$`));
  assert.match(fs.readFileSync(await file.path(), "utf8"), /^Return-Path: <user@demo\.example>\r\n[^]*\r\n\r\nSigned\.\r\n$/);
  await drawer.getByRole("link", { name: "Timeline" }).click();
  await p.getByRole("heading", { name: `Message ${id}` }).waitFor();
  await p.getByRole("link", { name: "In the archive" }).click();
  await p.locator("tbody .lnk", { hasText: "Contract 4711" }).waitFor();
  // All of it stands in the audit, and nothing is asked again by itself.
  const looks = (await read(p, "/audit?limit=200")).items.filter((r) => r.field === "looked at" && /ArchivedMessage/.test(r.object));
  assert.ok(["listArchivedMessages", "getArchivedMessageContent"].every((x) => looks.some((r) => r.object.startsWith(x))));
  b.calm();
  await b.close();
});

test("a message is sent once more, to who has lost it", async () => {
  const b = await open();
  const p = b.page;
  await go(p, `/status/archive?q=id:${id}`);
  await p.locator("tbody .lnk").first().click();
  await p.getByRole("complementary").getByRole("button", { name: "Send again" }).click();
  const dialog = p.getByRole("dialog");
  const to = dialog.getByRole("textbox", { name: "To" });
  assert.deepEqual((await to.inputValue()).split("\n").sort(), ["anna@demo.example", "user@demo.example"]);
  await to.fill("nobody@demo.example");
  await dialog.getByRole("button", { name: "Send again" }).click();
  await dialog.getByRole("alert").filter({ hasText: "does not exist" }).waitFor();
  await to.fill("carla@other.example");
  await dialog.getByRole("button", { name: "Send again" }).click();
  await p.getByText("On its way as message").waitFor();
  const carla = await Imap.open("carla@other.example", "secret-carla");
  await carla.arrived("Contract 4711");
  carla.close();
  const { items } = await read(p, `/audit?limit=50`);
  assert.ok(items.some((r) => r.field === "send" && r.object.startsWith("archive ") && r.new === "carla@other.example"), JSON.stringify(items.slice(0, 5)));
  b.calm();
  await b.close();
});

test("the screen, its drawer and dialogs are accessible", async () => {
  for (const theme of ["light", "dark"])
    for (const width of Object.values(widths)) {
      const b = await open({ theme, width });
      const p = b.page;
      await go(p, "/status/archive");
      await p.locator("tbody .lnk").first().waitFor();
      assert.deepEqual(await violations(p, `${theme} ${width}`), []);
      await p.locator("tbody .lnk").first().click();
      await p.getByRole("complementary").getByRole("button", { name: "Send again" }).waitFor();
      assert.deepEqual(await violations(p, `drawer ${theme} ${width}`), []);
      await shot(p, `archive-${theme}-${width}`);
      await p.getByRole("complementary").getByRole("button", { name: "Send again" }).click();
      await p.getByRole("dialog").getByRole("textbox", { name: "To" }).waitFor();
      assert.deepEqual(await violations(p, `dialog ${theme} ${width}`), []);
      b.calm();
      await b.close();
    }
});

test("the administrator of a domain sees what is his", async () => {
  const b = await open({ account: "domainadmin@other.example" });
  const p = b.page;
  await go(p, "/status/archive");
  await p.locator("tbody .lnk").first().waitFor();
  assert.equal(await p.locator(".archive-status").count(), 0);
  assert.deepEqual(await p.locator("tbody .lnk").allTextContents(), ["Contract 4711"]);
  b.calm();
  await b.close();
});

test("it is switched off again", async () => {
  const b = await open();
  await write(b.page, "PATCH", "/settings/archive.enabled", { value: "no" });
  b.calm();
  await b.close();
});
