import assert from "node:assert/strict";
import { after, test } from "node:test";
import { base, go, open, quit, saved, shot } from "./browser.mjs";
import { Imap } from "./mail.mjs";

after(quit);

test("a domain and an account are made, changed and deleted", async () => {
  const b = await open();
  await go(b.page, "/domains");
  await b.page.getByRole("button", { name: "New domain" }).click();
  await b.page.getByLabel("Domain", { exact: true }).fill("not a domain");
  await b.page.getByRole("button", { name: "Create domain" }).click();
  await b.page.getByRole("dialog").getByRole("alert").first().waitFor();
  await b.page.getByLabel("Domain", { exact: true }).fill("fresh.example");
  await b.page.getByRole("button", { name: "Create domain" }).click();
  await b.page.getByRole("heading", { name: "fresh.example" }).waitFor();
  await b.page.getByLabel("Quota of all accounts").fill("1 GB");
  await b.page.getByLabel("Messages of all accounts in 24 hours").fill("5000");
  await b.page.getByLabel("Recipients of an account in an hour").fill("70");
  await b.page.getByRole("button", { name: "Save", exact: true }).click();
  await b.page.getByText("0 B of 1 GB").waitFor();
  const domain = await (await b.page.request.get(`${base}/api/v1/domains/fresh.example`)).json();
  assert.deepEqual([domain.total_quota, domain.total_messages_day, domain.max_recipients_hour, domain.max_messages_day], [1_000_000_000, 5000, 70, 0]);

  await go(b.page, "/accounts?q=domain:fresh.example&dialog=new");
  const dialog = b.page.getByRole("dialog");
  await dialog.getByLabel("Address").fill("eva@fresh.example");
  await dialog.getByLabel("Name").fill("Eva");
  await dialog.getByLabel("Password", { exact: true }).fill("secret-eva-1");
  await dialog.getByLabel("Quota").fill("2 GB");
  await dialog.getByRole("button", { name: "Create account" }).click();
  await b.page.getByRole("heading", { name: "eva@fresh.example" }).waitFor();
  (await Imap.open("eva@fresh.example", "secret-eva-1")).close();

  await b.page.getByLabel("Name").fill("Eva Nova");
  await b.page.getByLabel("Aliases").fill("info@fresh.example");
  await b.page.getByLabel("Forward mail to").fill("eva@fresh.example\n");
  await b.page.getByRole("button", { name: "Save", exact: true }).click();
  await b.page.getByText("is the account itself").first().waitFor();
  await b.page.getByLabel("Forward mail to").fill("anna@demo.example\nx@elsewhere.example");
  await b.page.getByRole("checkbox", { name: /^Keep a copy/ }).uncheck();
  await b.page.getByLabel("Copy sent mail to").fill("anna@demo.example");
  await saved(b.page, () => b.page.getByRole("button", { name: "Save", exact: true }).click());
  const stored = await (await b.page.request.get(`${base}/api/v1/accounts/eva%40fresh.example`)).json();
  assert.equal(stored.name, "Eva Nova");
  assert.equal(stored.quota, 2_000_000_000);
  assert.deepEqual(stored.aliases, ["info@fresh.example"]);
  assert.deepEqual(stored.forward_to, ["anna@demo.example", "x@elsewhere.example"]);
  assert.deepEqual(stored.copy_outgoing, ["anna@demo.example"]);
  assert.equal(stored.keep_copy, false);

  await b.page.getByRole("textbox", { name: "Program that will use the password" }).fill("phone");
  await b.page.getByRole("button", { name: "New app password" }).click();
  const secret = await b.page.locator(".secret").innerText();
  await b.page.getByRole("button", { name: "I have noted it" }).click();
  (await Imap.open("eva@fresh.example", secret)).close();
  await b.page.getByRole("button", { name: "Withdraw" }).click();
  await b.page.getByText("There is no app password.").waitFor();
  await assert.rejects(Imap.open("eva@fresh.example", secret));

  await b.page.getByRole("button", { name: "Delete" }).click();
  const confirm = b.page.getByRole("alertdialog");
  assert.equal(await confirm.getByRole("button", { name: "Delete account and mail" }).isDisabled(), true);
  await confirm.getByRole("textbox").fill("eva@fresh.example");
  await confirm.getByRole("button", { name: "Delete account and mail" }).click();
  await b.page.getByText("Account eva@fresh.example deleted.").waitFor();
  b.calm();
  await b.close();
});

test("a filter is written, its faults are shown by line, and it is activated", async () => {
  const b = await open();
  await go(b.page, "/accounts/carla%40other.example");
  await b.page.getByText("There is no filter").waitFor();
  await b.page.getByRole("button", { name: "New filter" }).click();
  const dialog = b.page.getByRole("dialog");
  await dialog.getByLabel("Name of the filter").fill("main");
  const text = dialog.getByLabel("Sieve script");
  assert.match(await text.inputValue(), /fileinto :create/);
  await text.fill('require "fileinto";\nnonsense;\nfileinto "Sport";\n');
  await dialog.getByRole("button", { name: "Check and save" }).click();
  await dialog.getByRole("alert").getByText("Line 2, column 1:").waitFor();
  assert.equal(await dialog.locator(".script-lines .wrong").innerText(), "2");
  await shot(b.page, "filter-faults");
  await text.fill('require ["fileinto", "mailbox"];\nfileinto :create "Sport";\n');
  assert.equal(await dialog.getByRole("alert").count(), 0);
  await dialog.getByRole("button", { name: "Check and save" }).click();
  await b.page.getByText("Filter “main” saved.").waitFor();
  await b.page.getByRole("button", { name: "Activate main" }).click();
  await b.page.getByText("Filter “main” is active.").waitFor();
  assert.equal(await b.page.getByRole("button", { name: "Delete main" }).count(), 0);
  const stored = await (await b.page.request.get(`${base}/api/v1/accounts/carla%40other.example/sieve/main`)).json();
  assert.equal(stored.active, true);
  assert.match(stored.text, /Sport/);

  await b.page.getByRole("button", { name: "main", exact: true }).click();
  await b.page.getByRole("dialog").getByLabel("Sieve script").filter({ hasText: "Sport" }).waitFor();
  await b.page.keyboard.press("Escape");
  await b.page.getByRole("button", { name: "Deactivate main" }).click();
  await b.page.getByRole("button", { name: "Delete main" }).click();
  await b.page.getByText("There is no filter").waitFor();
  b.calm();
  await b.close();
});

test("accounts are imported after a preview that names the wrong rows", async () => {
  const b = await open();
  await go(b.page, "/accounts?dialog=import");
  const csv = ["address,name,password", ...Array.from({ length: 20 }, (_, i) => `imp${i}@other.example,Imported ${i},secret-${i}-abc`), "broken,Nobody,x", "anna@demo.example,Twice,x"].join("\n");
  await b.page.getByLabel("or paste the rows here").fill(csv);
  await b.page.getByRole("button", { name: "Check rows" }).click();
  await b.page.getByText("20 accounts will be created, 2 rows are wrong and left out.").waitFor();
  await shot(b.page, "import-preview");
  await b.page.getByRole("button", { name: "Create 20 accounts" }).click();
  await b.page.getByText("20 accounts created, 2 failed.").waitFor({ timeout: 60_000 });
  await b.page.getByRole("button", { name: "Close" }).last().click();
  await go(b.page, "/accounts?q=imp1");
  await b.page.getByRole("link", { name: "imp11@other.example" }).waitFor();
  b.calm();
  await b.close();
});

test("two people change an account: nothing is lost", async () => {
  const b = await open();
  await go(b.page, "/accounts/anna%40demo.example");
  await b.page.getByLabel("Name").fill("Anna Mine");
  await b.page.getByLabel("Largest message").fill("20 MB");
  // Somebody else saves first: the quota, and the name too.
  const me = await (await b.page.request.get(`${base}/api/v1/me`)).json();
  const r = await b.page.request.patch(`${base}/api/v1/accounts/anna%40demo.example`, { data: { name: "Anna Theirs", quota: 5_000_000_000 }, headers: { "X-CSRF-Token": me.csrf_token, Origin: base } });
  assert.equal(r.status(), 200, await r.text());
  await b.page.getByRole("button", { name: "Save", exact: true }).click();
  const dialog = b.page.getByRole("alertdialog");
  await dialog.getByText("Anna Theirs").waitFor();
  await shot(b.page, "conflict");
  await dialog.getByRole("radio").last().click();
  await saved(b.page, () => dialog.getByRole("button", { name: "Save this choice" }).click());
  const now = await (await b.page.request.get(`${base}/api/v1/accounts/anna%40demo.example`)).json();
  assert.equal(now.name, "Anna Theirs");
  assert.equal(now.quota, 5_000_000_000);
  assert.equal(now.max_message, 20_000_000);
  b.calm();
  await b.close();
});
