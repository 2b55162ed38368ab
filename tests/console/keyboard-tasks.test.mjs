// More tasks without a mouse: each control is reached by Tab, by the arrows or by a letter, never by being pointed at.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { base, open, quit } from "./browser.mjs";
import { Imap, send } from "./mail.mjs";
import { prepare, release } from "./prepare.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});

const at = (page) => page.evaluate(() => {
  const e = document.activeElement;
  return e ? `${e.tagName} ${e.getAttribute("aria-label") ?? e.textContent?.trim().slice(0, 60) ?? ""}` : "nothing";
});
/** Presses Tab until the control has the focus. */
async function tabTo(page, control, key = "Tab", most = 150) {
  await control.first().waitFor();
  const passed = [];
  for (let i = 0; i < most; i++) {
    if (await control.first().evaluate((e) => e === document.activeElement)) return;
    await page.keyboard.press(key);
    passed.push(await at(page));
  }
  assert.fail(`not reached; passed ${passed.slice(0, 40).join(" | ")}`);
}
async function press(page, control, key = "Enter") {
  await tabTo(page, control);
  await page.keyboard.press(key);
}
/** Puts a text in place of what stands in the field. */
async function write(page, field, text) {
  await tabTo(page, field);
  await page.keyboard.press("Control+a");
  await page.keyboard.type(text);
}
async function goBy(page, letter, title) {
  // The second letter counts for a second after the first: a slow machine needs another try, as slow fingers do.
  for (let tries = 1; ; tries++) {
    await page.keyboard.press("g");
    await page.keyboard.press(letter);
    try {
      return await page.getByRole("heading", { name: title, exact: true, level: 1 }).waitFor({ timeout: 5000 });
    } catch (e) {
      if (tries === 5) throw e;
    }
  }
}
const row = (page, text) => page.locator("tbody tr", { hasText: text });
const setting = async (page, name) => (await (await page.request.get(`${base}/api/v1/settings/${name}`)).json()).value;

test("logs: filter, move, only this session, find, save", async () => {
  const id = await send({ to: "anna@demo.example", subject: "keys in logs" });
  const b = await open();
  const p = b.page;
  await goBy(p, "l", "Logs");
  await write(p, p.getByRole("textbox", { name: /^Filter:/ }), id);
  const lines = p.locator(".lg-l .ln");
  await p.locator("mark", { hasText: id }).first().waitFor();
  await p.keyboard.press("Escape");
  await p.keyboard.press("j");
  await p.locator(".lg-l .ln.cur").waitFor();
  await p.keyboard.press("t");
  await lines.filter({ hasText: "EHLO ws-042.demo.example" }).first().waitFor();
  await write(p, p.getByRole("textbox", { name: "Find in these lines" }), "rcpt");
  await p.keyboard.press("Enter");
  await p.locator("mark.hit").first().waitFor();
  await p.keyboard.press("Escape");
  await p.keyboard.press("n");
  const saved = p.waitForEvent("download");
  await tabTo(p, p.getByRole("button", { name: "Save to file" }), "Shift+Tab");
  await p.keyboard.press("Enter");
  assert.match(fs.readFileSync(await (await saved).path(), "utf8"), /EHLO ws-042/);
  await p.keyboard.press("o");
  await p.waitForURL(/\/status\/sessions\//);
  b.calm();
  await b.close();
});

test("services: open, change logging, stop and start", async () => {
  const b = await open();
  const p = b.page;
  await goBy(p, "v", "Services");
  await row(p, "POP3").waitFor();
  await tabTo(p, p.getByRole("combobox", { name: "Logging of POP3" }));
  const other = (await setting(p, "log.pop3")) === "extended" ? "summary" : "extended";
  await p.keyboard.press(other === "extended" ? "End" : "s");
  await p.getByText(/Logging of POP3: /).waitFor();
  assert.equal(await setting(p, "log.pop3"), other);
  await press(p, p.getByRole("button", { name: "Stop POP3" }));
  await press(p, p.getByRole("alertdialog").getByRole("button", { name: "Stop" }));
  await row(p, "POP3").getByText("Stopped").waitFor();
  await press(p, p.getByRole("button", { name: "Start POP3" }));
  await row(p, "POP3").getByText("Running").waitFor();
  await tabTo(p, p.locator("tbody tr[tabindex='0']"), "Shift+Tab");
  await p.keyboard.press("j");
  await p.keyboard.press("Enter");
  await p.getByRole("complementary").getByText("Properties").waitFor();
  await p.keyboard.press("Escape");
  await p.getByRole("complementary").waitFor({ state: "detached" });
  await p.waitForFunction(() => document.activeElement?.matches("tbody tr, tbody tr *"));
  b.calm();
  await b.close();
});

test("settings: find, change, look who did, take back", async () => {
  const b = await open();
  const p = b.page;
  const was = await setting(p, "smtp.max_errors");
  await goBy(p, "e", "Settings");
  await p.keyboard.press("f");
  await p.keyboard.type("smtp.max_errors");
  await p.waitForURL(/q=smtp\.max_errors/);
  await write(p, p.getByLabel("smtp.max_errors"), "34");
  await press(p, p.getByRole("button", { name: "Save changes" }));
  await p.getByText("Setting saved and in force.").waitFor();
  assert.equal(await setting(p, "smtp.max_errors"), "34");
  await press(p, p.getByRole("link", { name: "History" }));
  await p.getByRole("heading", { name: "Audit", level: 1 }).waitFor();
  await row(p, "smtp.max_errors").first().waitFor();
  await press(p, p.getByRole("button", { name: "Take back" }));
  await p.getByText("is as it was before").waitFor();
  assert.equal(await setting(p, "smtp.max_errors"), was);
  b.calm();
  await b.close();
});

test("a domain and an account are made and changed", async () => {
  const b = await open();
  const p = b.page;
  await goBy(p, "d", "Domains");
  await press(p, p.getByRole("button", { name: "New domain" }));
  await p.getByRole("dialog").waitFor();
  await p.waitForFunction(() => document.activeElement?.matches("[role=dialog] input"));
  await p.keyboard.type("tasks.example");
  await p.keyboard.press("Enter");
  await p.getByRole("heading", { name: "tasks.example", level: 1 }).waitFor();
  await write(p, p.getByLabel("Largest message"), "30 MB");
  await p.keyboard.press("Enter");
  await p.getByText("Saved.").waitFor();
  assert.equal((await (await p.request.get(`${base}/api/v1/domains/tasks.example`)).json()).max_message, 30_000_000);
  await press(p, p.getByRole("button", { name: "New alias" }));
  await write(p, p.getByRole("dialog").getByLabel("Address"), "post@tasks.example");
  await tabTo(p, p.getByRole("dialog").getByLabel("Leads to"));
  await p.keyboard.type("anna@demo.example");
  await press(p, p.getByRole("dialog").getByRole("button", { name: "Save" }));
  await p.locator("section").getByText("post@tasks.example").waitFor();

  await p.locator("body").press("Escape");
  await goBy(p, "a", "Accounts");
  await press(p, p.getByRole("button", { name: "New account" }));
  await p.waitForFunction(() => document.activeElement?.matches("[role=dialog] input"));
  await p.keyboard.type("kay@tasks.example");
  await write(p, p.getByRole("dialog").getByLabel("Password", { exact: true }), "secret-kay-1");
  await p.keyboard.press("Enter");
  await p.getByRole("heading", { name: "kay@tasks.example", level: 1 }).waitFor();
  (await Imap.open("kay@tasks.example", "secret-kay-1")).close();
  await write(p, p.getByLabel("Name"), "Kay of the keys");
  await p.keyboard.press("Enter");
  await p.getByText("Saved.").last().waitFor();
  await tabTo(p, p.getByRole("checkbox", { name: /^Enabled/ }), "Shift+Tab");
  await p.keyboard.press(" ");
  await press(p, p.getByRole("button", { name: "Discard" }));
  await press(p, p.getByRole("button", { name: "Delete" }), "Enter");
  await p.getByRole("alertdialog").waitFor();
  await tabTo(p, p.getByRole("alertdialog").getByRole("textbox"));
  await p.keyboard.type("kay@tasks.example");
  await p.keyboard.press("Enter");
  await p.getByText("Account kay@tasks.example deleted.").waitFor();
  b.calm();
  await b.close();
});

test("accounts are imported", async () => {
  const b = await open();
  const p = b.page;
  await goBy(p, "a", "Accounts");
  await press(p, p.getByRole("button", { name: "Import" }));
  await tabTo(p, p.getByLabel("or paste the rows here"));
  await p.keyboard.insertText("address,name,password\nkeyed@other.example,Keyed,secret-keyed-1\nwrong,Nobody,x");
  await press(p, p.getByRole("button", { name: "Check rows" }));
  await p.getByText("1 account will be created").waitFor();
  await press(p, p.getByRole("button", { name: "Create 1 account" }));
  await p.getByText("1 account created, 1 failed.").waitFor({ timeout: 60_000 });
  await press(p, p.getByRole("dialog").getByRole("button", { name: "Close" }).last());
  await p.getByRole("dialog").waitFor({ state: "detached" });
  b.calm();
  await b.close();
});

test("audit: filter, move, go to what was changed", async () => {
  const b = await open();
  const p = b.page;
  await goBy(p, "u", "Audit");
  await p.keyboard.press("f");
  await p.keyboard.type("object:account");
  await p.waitForURL(/object/);
  await row(p, "account ").first().waitFor();
  await p.keyboard.press("Tab");
  await tabTo(p, p.locator("tbody tr[tabindex='0']"));
  await p.keyboard.press("j");
  await p.waitForFunction(() => document.activeElement?.matches("tbody tr.cur"));
  await p.keyboard.press("Enter");
  await p.waitForURL(/\/accounts\//);
  b.calm();
  await b.close();
});

test("tokens: make with chosen rights, copy, withdraw, undo", async () => {
  const b = await open();
  const p = b.page;
  await goBy(p, "k", "Tokens");
  await press(p, p.getByRole("button", { name: "New token" }));
  await p.waitForFunction(() => document.activeElement?.matches("[role=dialog] input"));
  await p.keyboard.type("by keys");
  await press(p, p.getByRole("checkbox", { name: "Change: Message queue" }), " ");
  assert.equal(await p.getByRole("checkbox", { name: "See: Message queue" }).isChecked(), true);
  await press(p, p.getByRole("button", { name: "Create token" }));
  await press(p, p.getByRole("button", { name: "Copy the token" }));
  const secret = await p.evaluate(() => navigator.clipboard.readText());
  const mine = () => fetch(`${base}/api/v1/queue/outgoing`, { headers: { Authorization: `Bearer ${secret}` } });
  assert.equal((await mine()).status, 200);
  await press(p, p.getByRole("button", { name: "I have noted it" }));
  await press(p, p.getByRole("button", { name: "Withdraw by keys" }));
  await p.getByText("is withdrawn in 10 s").waitFor();
  await p.keyboard.press("u");
  await row(p, "by keys").waitFor();
  assert.equal((await mine()).status, 200);
  const gone = p.waitForResponse((r) => r.request().method() === "DELETE");
  await press(p, p.getByRole("button", { name: "Withdraw by keys" }));
  await gone;
  assert.equal((await mine()).status, 401);
  b.calm();
  await b.close();
});
