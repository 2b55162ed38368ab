// Patterns: made, changed, tried with an address, used by an alias that real mail goes through, deleted.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { go, open, quit, read, shot, violations, widths, write } from "./browser.mjs";
import { Imap, send } from "./mail.mjs";

after(quit);
const stored = async (page) => Object.fromEntries((await read(page, "/patterns?limit=200")).items.map((p) => [p.name, p.items]));
async function until(what, ok) {
  for (const end = Date.now() + 60_000; Date.now() < end; await new Promise((r) => { setTimeout(r, 200); })) if (await ok()) return;
  assert.fail(what);
}

test("a pattern is made, and mail goes where its alias leads", async () => {
  const b = await open();
  const p = b.page;
  await go(p, "/patterns");
  await p.locator(".empty").getByText("There is no pattern.").waitFor();
  await p.locator(".empty").getByRole("button", { name: "New pattern" }).click();
  const dialog = p.getByRole("dialog");
  await dialog.getByLabel("Name").fill("not a name");
  await dialog.getByLabel("Stands for").fill("desk-*@demo.example\n[missing]");
  await dialog.getByRole("button", { name: "Create pattern" }).click();
  await dialog.getByRole("alert").filter({ hasText: "letters, digits" }).waitFor();
  await dialog.getByLabel("Name").fill("desk");
  await dialog.getByRole("button", { name: "Create pattern" }).click();
  await dialog.getByRole("alert").filter({ hasText: "does not exist" }).waitFor();
  await dialog.getByLabel("Stands for").fill("desk-*@demo.example");
  await dialog.getByRole("button", { name: "Create pattern" }).click();
  await p.getByText("Pattern desk created.").waitFor();
  assert.deepEqual(await stored(p), { desk: ["desk-*@demo.example"] });

  // Its name is taken.
  await p.getByRole("button", { name: "New pattern" }).click();
  await dialog.getByLabel("Name").fill("Desk");
  await dialog.getByLabel("Stands for").fill("x");
  await dialog.getByRole("button", { name: "Create pattern" }).click();
  await dialog.getByRole("alert").filter({ hasText: "is there already" }).waitFor();
  await dialog.getByLabel("Name").fill("office");
  await dialog.getByLabel("Stands for").fill("[desk]\nreception@");
  await dialog.getByRole("button", { name: "Create pattern" }).click();
  await p.getByText("Pattern office created.").waitFor();

  await write(p, "PUT", `/aliases/${encodeURIComponent("[desk]@demo.example")}`, { targets: ["anna@demo.example"] });
  await send({ to: "desk-7@demo.example", subject: "by a pattern" });
  const anna = await Imap.open("anna@demo.example", "secret-anna");
  await anna.arrived("by a pattern");
  anna.close();
  b.calm();
  await b.close();
});

test("an address is tried, and who uses a pattern is told", async () => {
  const b = await open();
  const p = b.page;
  await go(p, "/patterns");
  await p.locator("tbody .lnk").nth(1).waitFor();
  await shot(p, "patterns");
  await p.getByLabel("Address to try").fill("reception@demo.example");
  await p.keyboard.press("Enter");
  await p.getByText("1 pattern stands for").waitFor();
  assert.deepEqual(await p.locator("tbody .lnk").allTextContents(), ["[office]"]);
  await p.getByLabel("Address to try").fill("desk-1@demo.example");
  await p.getByRole("button", { name: "Try" }).click();
  await p.getByText("2 patterns stand for").waitFor();
  await p.getByLabel("Address to try").fill("nobody@demo.example");
  await p.getByRole("button", { name: "Try" }).click();
  await p.locator(".empty").getByText("No pattern stands for nobody@demo.example.").waitFor();
  await go(p, "/patterns");
  await p.locator("tbody .lnk", { hasText: "[desk]" }).click();
  const dialog = p.getByRole("dialog");
  await dialog.getByRole("link", { name: "[desk]@demo.example" }).waitFor();
  await dialog.getByRole("link", { name: "[office]" }).waitFor();
  await dialog.getByLabel("Stands for").fill("[desk]");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByRole("alert").filter({ hasText: "contain itself" }).waitFor();
  await dialog.getByLabel("Stands for").fill("desk-*@demo.example\ncounter@");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  assert.deepEqual((await stored(p)).desk, ["desk-*@demo.example", "counter@"]);
  b.calm();
  await b.close();
});

test("whatever uses a pattern is listed in its dialog, and leads to where it is changed", async () => {
  const rule = encodeURIComponent("By [team]");
  const b = await open();
  const p = b.page;
  await write(p, "PUT", "/patterns/team", { items: ["anna@demo.example", "127.0.0.77"] });
  await go(p, "/patterns?open=team");
  const dialog = p.getByRole("dialog");
  const list = dialog.getByRole("region", { name: "Used by" });
  await list.getByText("Nothing uses [team].").waitFor();
  await write(p, "PUT", `/aliases/${encodeURIComponent("[team]@other.example")}`, { targets: ["carla@other.example"] });
  await write(p, "PUT", "/patterns/everybody", { items: ["[Team]"] });
  await write(p, "PATCH", "/settings", { values: { "smtp.access_ips": "[team]" } });
  await write(p, "PATCH", "/accounts/user@demo.example", { copy_incoming: ["[team]"], copy_outgoing: ["[team]"] });
  await write(p, "PUT", "/sender-lists/server/%5Bteam%5D", { verdict: "allow" });
  await write(p, "PUT", "/sender-lists/other.example/%5Bteam%5D", { verdict: "deny" });
  await write(p, "POST", "/filters", { owner: "demo.example", text: 'rule "By [team]" off if sender is "[team]" then stop' });
  const users = [
    ["Alias", "[team]@other.example", "", "/domains/other.example", p.getByRole("button", { name: "Edit alias [team]@other.example" })],
    ["Pattern", "[everybody]", "", "/patterns", p.getByRole("dialog", { name: "Pattern everybody" })],
    ["Setting", "smtp.access_ips", "", "/system/settings/smtp", p.getByLabel("smtp.access_ips", { exact: true })],
    ["Account", "user@demo.example", "Copy incoming mail to", "/accounts/user@demo.example", p.getByLabel("Copy incoming mail to")],
    ["Account", "user@demo.example", "Copy sent mail to", "/accounts/user@demo.example", p.getByLabel("Copy sent mail to")],
    ["Sender list", "The server", "", "/senders", p.locator("tbody tr", { hasText: "[team]" }).filter({ hasText: "The server" })],
    ["Sender list", "other.example", "", "/senders", p.locator("tbody tr", { hasText: "[team]" }).filter({ hasText: "other.example" })],
    ["Rule", "By [team]", "demo.example", "/filters", p.getByRole("dialog", { name: "Rule “By [team]”" })],
  ];
  for (const [i, [, , , path, there]] of users.entries()) {
    await go(p, "/system/audit"); // so that it is read again
    await go(p, "/patterns?open=team");
    await list.getByRole("listitem").nth(users.length - 1).waitFor();
    assert.deepEqual(await list.getByRole("listitem").evaluateAll((all) => all.map((li) => [...li.children].map((e) => e.textContent).join("|"))), users.map((u) => u.slice(0, 3).filter(Boolean).join("|")));
    if (i === 0) {
      await shot(p, "pattern-users");
      assert.deepEqual(await violations(p, "users of a pattern"), []);
    }
    await list.getByRole("listitem").nth(i).getByRole("link").click();
    await there.first().waitFor();
    assert.equal(decodeURIComponent(new URL(p.url()).pathname), path);
  }
  b.calm();
  await b.close();
  const it = await open({ language: "it" });
  await go(it.page, "/patterns?open=team");
  await it.page.getByRole("dialog").getByRole("region", { name: "Usato da" }).getByText("Elenco di mittenti").first().waitFor();
  await write(it.page, "DELETE", `/filters/demo.example/${rule}`);
  for (const owner of ["server", "other.example"]) await write(it.page, "DELETE", `/sender-lists/${owner}/%5Bteam%5D`);
  await write(it.page, "PATCH", "/accounts/user@demo.example", { copy_incoming: [], copy_outgoing: [] });
  await write(it.page, "PATCH", "/settings", { values: { "smtp.access_ips": null } });
  await write(it.page, "DELETE", "/patterns/everybody");
  await write(it.page, "DELETE", `/aliases/${encodeURIComponent("[team]@other.example")}`);
  await go(it.page, "/system/audit");
  await go(it.page, "/patterns?open=team");
  await it.page.getByRole("dialog").getByText("Nulla usa [team].").waitFor();
  await write(it.page, "DELETE", "/patterns/team");
  it.calm();
  await it.close();
});

test("the screen and its dialogs are accessible", async () => {
  for (const theme of ["light", "dark"])
    for (const width of Object.values(widths)) {
      const b = await open({ theme, width });
      for (const [path, ready] of [["/patterns", "tbody .lnk"], ["/patterns?dialog=new", "[role=dialog] textarea"], ["/patterns?open=desk", "[role=dialog] textarea"]]) {
        await go(b.page, path);
        await b.page.locator(ready).first().waitFor();
        assert.deepEqual(await violations(b.page, `${path} ${theme} ${width}`), []);
      }
      b.calm();
      await b.close();
    }
});

test("what is used stays; what is not used goes, and may come back for a while", async () => {
  const b = await open();
  const p = b.page;
  await go(p, "/patterns");
  await p.getByRole("button", { name: "Delete desk" }).click();
  await p.locator(".toast").filter({ hasText: "is used by" }).waitFor();
  await p.locator("tbody .lnk", { hasText: "[desk]" }).waitFor();
  await p.getByRole("button", { name: "Delete office" }).click();
  await p.locator("tbody .lnk", { hasText: "[office]" }).waitFor({ state: "detached" });
  await p.locator(".toast", { hasText: "office deleted" }).getByRole("button", { name: "Undo" }).click();
  await p.locator("tbody .lnk", { hasText: "[office]" }).waitFor();
  await p.getByRole("button", { name: "Delete office" }).click();
  await until("it goes", async () => !("office" in (await stored(p))));
  await write(p, "DELETE", `/aliases/${encodeURIComponent("[desk]@demo.example")}`);
  await write(p, "DELETE", "/patterns/desk");
  b.calm();
  await b.close();
});
