// Content filters: a rule is written, refused with the line that is wrong, tried, moved, switched off, deleted and brought back.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { go, open, quit, read, write } from "./browser.mjs";

after(async () => {
  // The rules would meet the mail of other tests.
  const b = await open();
  await write(b.page, "PUT", `/filters/${owner}`, { text: "" });
  await b.close();
  await quit();
});
const owner = "other.example";
const rules = async (page) => (await read(page, `/filters?owner=${owner}`)).items;

test("a rule of a domain from its text to the list", async () => {
  const b = await open();
  const p = b.page;
  await go(p, `/filters?q=owner:${owner}&dialog=new`);
  const dialog = p.getByRole("dialog");
  await dialog.getByLabel("Whose").fill(owner);
  await dialog.getByLabel("Text of the rule").fill('rule "one"\n  if size ovr 1K\n  then stop\n');
  await dialog.getByRole("button", { name: "Check and save" }).click();
  await dialog.getByRole("alert").filter({ hasText: /line 2, column \d+/ }).waitFor();
  assert.equal(await dialog.locator(".script-lines .wrong").innerText(), "2");
  assert.equal((await rules(p)).length, 0);
  await dialog.getByLabel("Text of the rule").fill('rule "one"\n  if header "Subject" contains "pills"\n  then reject "No pills"\n\nrule "two" then score 1\n');
  await dialog.getByRole("button", { name: "Check and save" }).click();
  await dialog.waitFor({ state: "detached" });
  await p.locator("tbody").getByRole("button", { name: "one", exact: true }).waitFor();
  assert.deepEqual((await rules(p)).map((r) => [r.name, r.order, r.enabled]), [["one", 1, true], ["two", 2, true]]);
  b.calm();
  await b.close();
});

test("actions are chosen and filled in", async () => {
  const b = await open();
  const p = b.page;
  await go(p, `/filters?q=owner:${owner}&dialog=new`);
  const dialog = p.getByRole("dialog");
  await dialog.getByLabel("Whose").fill(owner);
  const text = dialog.getByLabel("Text of the rule");
  await text.fill('rule "three" if header "Subject" is "never"\n  then stop\n');
  const action = dialog.getByLabel("Action", { exact: true });
  const add = dialog.getByRole("button", { name: "Add to the rule" });
  assert.equal(await action.locator("option", { hasText: "Run a command" }).count(), 0); // the server's alone
  assert.equal(await add.isDisabled(), true);
  await dialog.getByLabel("Folder").fill('Junk "mail"');
  await add.click();
  await action.selectOption({ label: "Reply automatically" });
  await dialog.getByLabel("Text of the reply").fill("We are away");
  await dialog.getByLabel(/^Subject of the reply/).fill("Away");
  await dialog.getByLabel(/^Days until/).fill("3");
  await add.click();
  await action.selectOption({ label: "Keep out the sender (list of senders)" });
  await add.click();
  const wanted = 'rule "three" if header "Subject" is "never"\n  then move "Junk \\"mail\\"", respond "We are away" subject "Away" days 3, deny-sender, stop';
  assert.equal((await text.inputValue()).trim(), wanted);
  await dialog.getByRole("button", { name: "Check and save" }).click();
  await dialog.waitFor({ state: "detached" });
  assert.equal((await rules(p)).find((r) => r.name === "three").text, wanted);
  await write(p, "DELETE", `/filters/${owner}/three`);
  b.calm();
  await b.close();
});

test("rules are tried without a message", async () => {
  const b = await open();
  const p = b.page;
  await go(p, "/filters?dialog=test");
  const dialog = p.getByRole("dialog");
  await dialog.getByLabel("Whose").fill(owner);
  await dialog.getByLabel("Message", { exact: true }).fill("Subject: cheap pills\n\nx\n");
  await dialog.getByRole("button", { name: "Try" }).click();
  const verdict = dialog.getByRole("status");
  await verdict.getByText("Refused").waitFor();
  await verdict.getByText("one", { exact: true }).waitFor();
  await dialog.getByLabel("Message", { exact: true }).fill("Subject: hello\n\nx\n");
  await dialog.getByRole("button", { name: "Try" }).click();
  await verdict.getByText("Goes on").waitFor();
  await verdict.getByText("Goes on Score 1").waitFor();
  assert.ok((await rules(p)).every((r) => r.hits === 0));
  b.calm();
  await b.close();
});

test("a rule is moved, switched off, changed, deleted and brought back", async () => {
  const b = await open({ expectTrouble: [] });
  const p = b.page;
  await go(p, `/filters?q=owner:${owner}`);
  await p.getByRole("button", { name: "Ask two earlier" }).click();
  await p.getByText("“two” is number 1 now.").waitFor();
  await p.getByRole("button", { name: "Deactivate two" }).click();
  await p.getByRole("button", { name: "Activate two" }).waitFor();
  assert.deepEqual((await rules(p)).map((r) => [r.name, r.enabled]), [["two", false], ["one", true]]);
  // Somebody else changes it while it is open: nothing is overwritten.
  await p.locator("tbody").getByRole("button", { name: "one", exact: true }).click();
  const dialog = p.getByRole("dialog");
  await dialog.getByLabel("Text of the rule").fill('rule "one" then stop\n');
  await write(p, "PATCH", `/filters/${owner}/one`, { enabled: false });
  await dialog.getByRole("button", { name: "Check and save" }).click();
  await dialog.getByRole("alert").first().waitFor();
  assert.match((await rules(p)).find((r) => r.name === "one").text, /No pills/);
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "detached" });
  await p.getByRole("button", { name: "Delete two" }).click();
  await p.getByText("Rule “two” deleted.").waitFor();
  await p.locator("tbody").getByRole("button", { name: "two", exact: true }).waitFor({ state: "detached" });
  await p.locator(".toast").getByRole("button", { name: "Undo" }).click();
  await p.locator("tbody").getByRole("button", { name: "two", exact: true }).waitFor();
  assert.equal((await rules(p)).length, 2);
  b.calm();
  await b.close();
});

test("the administrator of a domain sees its rules, not the server's", async () => {
  const b = await open({ account: "domainadmin@other.example" });
  const p = b.page;
  await go(p, "/filters");
  await p.locator("tbody").getByRole("button", { name: "one", exact: true }).waitFor();
  assert.equal(await p.getByText("Kept, not asked").count(), 0);
  b.calm();
  await b.close();
});
