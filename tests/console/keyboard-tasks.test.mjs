// More tasks without a mouse: each control is reached by Tab, by the arrows or by a letter, never by being pointed at.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { base, goBy, login, open, quit, read, saved, write as change } from "./browser.mjs";
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
  const file = p.waitForEvent("download");
  await tabTo(p, p.getByRole("button", { name: "Save to file" }), "Shift+Tab");
  await p.keyboard.press("Enter");
  assert.match(fs.readFileSync(await (await file).path(), "utf8"), /EHLO ws-042/);
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
  await saved(p, () => p.keyboard.press("Enter"));
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
  await saved(p, () => p.keyboard.press("Enter"));
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
  const gone = p.waitForResponse(async (r) => r.url().includes("/api/v1/operations/") && (await r.json()).state === "done");
  await press(p, p.getByRole("button", { name: "Withdraw by keys" }));
  await gone;
  assert.equal((await mine()).status, 401);
  b.calm();
  await b.close();
});

test("a list gets members, one goes and comes back", async () => {
  const b = await open();
  const p = b.page;
  await goBy(p, "a", "Accounts");
  await press(p, p.getByRole("button", { name: "New account" }));
  await p.waitForFunction(() => document.activeElement?.matches("[role=dialog] input"));
  await p.keyboard.type("keys@other.example");
  await tabTo(p, p.getByRole("dialog").getByLabel("Kind"));
  await p.keyboard.type("Mailing");
  await press(p, p.getByRole("dialog").getByRole("button", { name: "Create account" }));
  await p.getByRole("heading", { name: "keys@other.example", level: 1 }).waitFor();
  await press(p, p.getByRole("button", { name: "Add members" }));
  await tabTo(p, p.getByRole("dialog").getByLabel("Addresses"));
  await p.keyboard.insertText("anna@demo.example\nfar@elsewhere.example");
  await press(p, p.getByRole("dialog").getByRole("button", { name: "Add 2 addresses" }));
  await p.getByText("There are 2 members now.").waitFor();
  await press(p, p.getByRole("button", { name: "Remove far@elsewhere.example" }));
  await p.getByText("far@elsewhere.example is no more a member.").waitFor();
  await p.keyboard.press("u");
  await p.getByText("Taken back.").waitFor();
  assert.equal((await read(p, "/accounts/keys%40other.example/members")).total.value, 2);
  b.calm();
  await b.close();
});

test("a route is made, changed, deleted and brought back", async () => {
  const b = await open();
  const p = b.page;
  await goBy(p, "r", "Routes");
  await press(p, p.getByRole("button", { name: "New route" }));
  await p.waitForFunction(() => document.activeElement?.matches("[role=dialog] input"));
  await p.keyboard.type("keyed.example");
  await tabTo(p, p.getByRole("dialog").getByLabel("Server"));
  await p.keyboard.type("relay.keyed.example");
  await p.keyboard.press("Enter");
  await row(p, "keyed.example").waitFor();
  await tabTo(p, p.locator("tbody tr[tabindex='0']"));
  while (!(await row(p, "relay.keyed.example").evaluate((e) => e === document.activeElement))) await p.keyboard.press("j");
  await p.keyboard.press("Enter");
  await tabTo(p, p.getByRole("dialog").getByLabel("TLS"));
  await p.keyboard.type("Req");
  await saved(p, () => press(p, p.getByRole("dialog").getByRole("button", { name: "Save" })));
  assert.equal((await read(p, "/routes/keyed.example")).tls, "require");
  await p.getByRole("dialog").waitFor({ state: "detached" });
  await press(p, p.getByRole("button", { name: "Delete route keyed.example" }));
  await row(p, "relay.keyed.example").waitFor({ state: "detached" });
  await p.keyboard.press("u");
  await row(p, "relay.keyed.example").waitFor();
  await change(p, "DELETE", "/routes/keyed.example");
  b.calm();
  await b.close();
});

test("events: filter, move with the drawer open, to the session, back", async () => {
  const id = await send({ to: "anna@demo.example", subject: "keys in events" });
  const b = await open();
  const p = b.page;
  await goBy(p, "n", "Events");
  await p.keyboard.press("f");
  await p.waitForFunction(() => document.activeElement?.matches("input"));
  await p.keyboard.type(`message:${id}`);
  await p.waitForURL(/message/);
  await row(p, id).first().waitFor();
  await tabTo(p, p.locator("tbody tr[tabindex='0']"));
  await p.keyboard.press("j");
  await p.waitForFunction(() => document.activeElement?.matches("tbody tr.cur"));
  await p.keyboard.press("Enter");
  const drawer = p.getByRole("complementary");
  await drawer.waitFor();
  const first = p.url();
  await p.keyboard.press("j");
  await p.waitForFunction((was) => location.href !== was, first);
  await tabTo(p, drawer.getByRole("link").first());
  await p.keyboard.press("Escape");
  await drawer.waitFor({ state: "detached" });
  await p.waitForFunction(() => document.activeElement?.matches("tbody tr, tbody tr *"));
  await tabTo(p, p.getByRole("combobox", { name: "At least" }), "Shift+Tab");
  await p.keyboard.press("End");
  await p.waitForURL(/severity/);
  b.calm();
  await b.close();
});

test("own page: a password of a program, a console ended, what became of a message, a new password", async () => {
  const admin = await open();
  await change(admin.page, "POST", "/accounts", { address: "own@demo.example", name: "Own", password: "secret-own-1" });
  await admin.close();
  const id = await send({ to: "own@demo.example", subject: "for the keys" });
  const other = await open({ signIn: false });
  await other.page.goto(`${base}/`);
  await login(other.page, "own@demo.example", "secret-own-1");
  const b = await open({ signIn: false });
  const p = b.page;
  await p.goto(`${base}/`);
  await p.locator("input[name=username]").waitFor();
  await tabTo(p, p.locator("input[name=username]"));
  await p.keyboard.type("own@demo.example");
  await tabTo(p, p.locator("input[name=password]"));
  await p.keyboard.type("secret-own-1");
  await p.keyboard.press("Enter");
  await p.getByRole("heading", { name: "My account", level: 1 }).waitFor();
  await tabTo(p, p.getByRole("textbox", { name: "Program that will use the password" }));
  await p.keyboard.type("keys");
  await p.keyboard.press("Enter");
  const secret = await p.locator(".secret").innerText();
  await press(p, p.getByRole("button", { name: "I have noted it" }));
  (await Imap.open("own@demo.example", secret)).close();
  await press(p, p.getByRole("button", { name: "Withdraw" }));
  await p.getByText("There is no app password.").waitFor();
  const ends = p.getByRole("region", { name: "Signed in to the console" }).locator("li").filter({ hasNotText: "This one" }).getByRole("button");
  await press(p, ends);
  await p.getByText("Signed out there.").waitFor();
  assert.equal((await other.page.request.get(`${base}/api/v1/self`)).status(), 401);
  await press(p, p.getByRole("region", { name: "My messages" }).getByRole("button", { name: "own@demo.example" }));
  await p.getByRole("dialog").getByText(id).first().waitFor();
  await p.keyboard.press("Escape");
  await p.getByRole("dialog").waitFor({ state: "detached" });
  const form = p.getByRole("region", { name: "Password", exact: true });
  await tabTo(p, form.getByLabel("Password of now"), "Shift+Tab");
  await p.keyboard.type("secret-own-1");
  await tabTo(p, form.getByLabel("New password", { exact: true }));
  await p.keyboard.type("secret-own-2");
  await tabTo(p, form.getByLabel("New password again"));
  await p.keyboard.type("secret-own-2");
  await p.keyboard.press("Enter");
  await p.getByText("Password set.").waitFor();
  (await Imap.open("own@demo.example", "secret-own-2")).close();
  b.calm();
  await b.close();
  await other.close();
});
