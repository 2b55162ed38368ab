// Lists of senders: filled by name and from the queue, in force at once, each administrator for his domains.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { go, open, quit, read, shot, violations, widths, write } from "./browser.mjs";
import { send, Smtp } from "./mail.mjs";
import { prepare, release } from "./prepare.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});
const listed = async (page) => (await read(page, "/sender-lists?limit=2000")).items.map((s) => [s.owner, s.sender, s.verdict]);
async function until(what, ok) {
  for (const end = Date.now() + 60_000; Date.now() < end; await new Promise((r) => { setTimeout(r, 200); })) if (await ok()) return;
  assert.fail(what);
}
async function asked(sender, to) {
  const s = await Smtp.open();
  await s.say(`MAIL FROM:<${sender}>`);
  const reply = await s.say(`RCPT TO:<${to}>`);
  s.close();
  return reply.slice(0, 3);
}

test("senders are kept out, let in and taken off", async () => {
  const b = await open();
  const p = b.page;
  await go(p, "/senders");
  await p.getByText("No sender is in a list.").waitFor();
  await p.locator(".empty").getByRole("button", { name: "Add senders" }).click();
  const dialog = p.getByRole("dialog");
  await dialog.getByLabel("Senders").fill("pests.example\nnot an address@\nlast.example");
  await dialog.getByRole("button", { name: "Add 3 senders" }).click();
  await dialog.getByRole("alert").filter({ hasText: "is no address and no domain" }).waitFor();
  assert.equal(await dialog.getByLabel("Senders").inputValue(), "not an address@\nlast.example", "what is in the list is not asked for again");
  await dialog.getByLabel("Senders").fill("last.example");
  await dialog.getByRole("button", { name: "Add 1 sender" }).click();
  await dialog.waitFor({ state: "detached" });
  assert.deepEqual(await listed(p), [["server", "last.example", "deny"], ["server", "pests.example", "deny"]]);
  assert.equal(await asked("x@mail.pests.example", "anna@demo.example"), "554");

  await go(p, "/senders?dialog=new");
  await dialog.getByLabel("Whose list").fill("nowhere.example");
  await dialog.getByLabel("Verdict").selectOption("allow");
  await dialog.getByLabel("Senders").fill("pests.example");
  await dialog.getByRole("button", { name: "Add 1 sender" }).click();
  await dialog.getByRole("alert").filter({ hasText: "does not exist" }).waitFor();
  await dialog.getByLabel("Whose list").fill("other.example");
  await dialog.getByRole("button", { name: "Add 1 sender" }).click();
  await dialog.waitFor({ state: "detached" });
  assert.equal(await asked("x@mail.pests.example", "carla@other.example"), "250");
  assert.equal(await asked("x@mail.pests.example", "anna@demo.example"), "554");
  await shot(p, "senders");

  await p.getByLabel("Verdict").selectOption("allow");
  await p.getByText("1 entry").waitFor();
  assert.match(p.url(), /verdict(:|%3A)allow/);
  await go(p, "/senders?q=nothing-of-this-name");
  await p.getByText("Nothing matches").or(p.locator(".empty")).first().waitFor();
  await go(p, "/senders?q=owner:server");
  await p.getByRole("button", { name: "Let in last.example" }).click();
  await p.getByText("last.example is let in.").waitFor();
  await p.getByRole("button", { name: "Delete pests.example" }).click();
  await p.getByText("pests.example is off the list.").waitFor();
  await p.locator("tbody").getByText("pests.example").waitFor({ state: "detached" });
  await p.locator(".toast").getByRole("button", { name: "Undo" }).last().click();
  await p.locator("tbody").getByText("pests.example").waitFor();
  await p.getByRole("button", { name: "Delete pests.example" }).click();
  await until("it goes in the end", async () => !(await listed(p)).some(([owner, sender]) => owner === "server" && sender === "pests.example"));
  assert.equal(await asked("x@mail.pests.example", "anna@demo.example"), "250");
  b.calm();
  await b.close();
});

test("the sender of a message in the queue is kept out, alone and with others", async () => {
  const [one] = [await send({ to: "one@pests-queue.example", subject: "pest 1" }), await send({ to: "two@pests-queue.example", subject: "pest 2" })];
  const b = await open();
  const p = b.page;
  await go(p, "/status/queue?q=host:pests-queue.example");
  await p.locator("tbody tr").nth(1).waitFor();
  await go(p, `/status/queue?q=host:pests-queue.example&open=${one}`);
  const drawer = p.getByRole("complementary");
  await drawer.getByRole("button", { name: "More actions" }).click();
  await p.getByRole("menuitem", { name: "Keep the sender out" }).click();
  const dialog = p.getByRole("dialog");
  await dialog.getByText("Mail of the sender of this message is refused from now on.").waitFor();
  await dialog.getByLabel("Whose list").fill("nowhere.example");
  await dialog.getByRole("button", { name: "Keep the sender out" }).click();
  await dialog.getByRole("alert").filter({ hasText: "does not exist" }).waitFor();
  await dialog.getByLabel("Whose list").fill("other.example");
  await dialog.getByRole("button", { name: "Keep the sender out" }).click();
  await dialog.waitFor({ state: "detached" });
  const { sender } = await read(p, `/queue/outgoing/messages/${one}`);
  await until("the sender is in the list", async () => (await listed(p)).some((s) => s.join(" ") === `other.example ${sender} deny`));
  await p.keyboard.press("Escape");
  await p.getByRole("complementary").waitFor({ state: "detached" });

  // All that match, taken back in time.
  await p.locator("thead input[type=checkbox]").click();
  await p.locator(".bulk").getByRole("button", { name: "More actions" }).click();
  await p.getByRole("menuitem", { name: "Keep the sender out" }).click();
  await dialog.getByText("of 2 messages").waitFor();
  await dialog.getByRole("button", { name: "Keep the sender out" }).click();
  await p.locator(".toast", { hasText: "kept out" }).getByRole("button", { name: "Undo" }).last().click();
  await p.getByText("Taken back.").waitFor();
  assert.equal((await listed(p)).some(([owner, s]) => owner === "server" && s === sender), false);
  assert.equal((await read(p, "/queue/outgoing/messages?destination=pests-queue.example")).total.value, 2);
  await write(p, "POST", "/queue/outgoing/messages/actions", { action: "delete", filter: { destination: "pests-queue.example" } });
  b.calm();
  await b.close();
});

test("the administrator of a domain sees and changes its list only", async () => {
  const b = await open({ account: "domainadmin@other.example" });
  const p = b.page;
  await go(p, "/senders");
  await p.locator("tbody tr").first().waitFor();
  assert.deepEqual([...new Set((await listed(p)).map(([owner]) => owner))], ["other.example"]);
  await p.getByRole("button", { name: "Add senders" }).click();
  const dialog = p.getByRole("dialog");
  assert.equal(await dialog.getByLabel("Whose list").inputValue(), "other.example");
  await dialog.getByLabel("Whose list").fill("server");
  await dialog.getByLabel("Senders").fill("pests.example");
  await dialog.getByRole("button", { name: "Add 1 sender" }).click();
  await dialog.getByRole("alert").filter({ hasText: "system admins" }).waitFor();
  b.calm();
  await b.close();
});

test("the lists are accessible", async () => {
  for (const theme of ["light", "dark"])
    for (const width of Object.values(widths)) {
      const b = await open({ theme, width });
      await go(b.page, "/senders");
      await b.page.locator("tbody tr").first().waitFor();
      assert.deepEqual(await violations(b.page, `${theme} ${width}`), []);
      await go(b.page, "/senders?dialog=new");
      await b.page.getByRole("dialog").getByLabel("Senders").waitFor();
      assert.deepEqual(await violations(b.page, `dialog ${theme} ${width}`), []);
      b.calm();
      await b.close();
    }
});

test("what these tests have made goes", async () => {
  const b = await open();
  for (const [owner, sender] of await listed(b.page)) await write(b.page, "DELETE", `/sender-lists/${owner}/${encodeURIComponent(sender)}`);
  assert.deepEqual(await listed(b.page), []);
  await b.close();
});
