// What an account collects elsewhere, old mail, backup domains: set in the console, in force for real mail.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { go, open, quit, read, saved, shot, violations, widths, write } from "./browser.mjs";
import { Imap, send } from "./mail.mjs";

after(quit);
const gather = "gather@demo.example";
const source = "source@demo.example";
const path = `/accounts/${encodeURIComponent(gather)}`;
const remotes = async (page) => (await read(page, `${path}/remote-accounts`)).items;

test("a remote account is added, collects mail, fails by a name, and is deleted", async () => {
  const b = await open();
  const p = b.page;
  for (const [address, password] of [[gather, "secret-gather-1"], [source, "secret-source-1"]]) await write(p, "POST", "/accounts", { address, name: "Collects", password });
  await send({ to: source, subject: "from elsewhere" });
  await go(p, path);
  const part = p.getByRole("region", { name: "Remote accounts" });
  await part.getByText("There is no remote account.").waitFor();
  await part.getByRole("button", { name: "Add a remote account" }).click();
  const dialog = p.getByRole("dialog");
  await dialog.getByLabel("Server", { exact: true }).fill("not a host");
  await dialog.getByLabel("TLS").selectOption("never");
  await dialog.getByLabel("Port").fill(process.env.IMAP_PORT);
  await dialog.getByLabel("Login").fill(source);
  await dialog.getByLabel("Password").fill("secret-source-1");
  await dialog.getByRole("button", { name: "Add account" }).click();
  await dialog.getByRole("alert").filter({ hasText: "is no name or address of a server" }).waitFor();
  await dialog.getByLabel("Server", { exact: true }).fill("127.0.0.1");
  await dialog.getByLabel("Collected mail").selectOption("days");
  await dialog.getByLabel("Days there").fill("14");
  await dialog.getByLabel("Minutes between two looks").fill("30");
  await dialog.getByRole("button", { name: "Add account" }).click();
  await dialog.waitFor({ state: "detached" });
  await part.getByText("1 message collected").waitFor({ timeout: 60_000 });
  const [made] = await remotes(p);
  assert.deepEqual([made.leave, made.interval, made.tls, made.port, made.protocol], ["14", 1800, "never", Number(process.env.IMAP_PORT), "imap"]);
  const box = await Imap.open(gather, "secret-gather-1");
  await box.arrived("from elsewhere");
  box.close();

  await part.getByRole("button", { name: `${source} at 127.0.0.1`, exact: true }).click();
  assert.equal(await dialog.getByLabel("Password").inputValue(), "");
  assert.equal(await dialog.getByRole("button", { name: "Save" }).isDisabled(), true);
  await dialog.getByLabel("Password").fill("wrong");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  await part.getByRole("button", { name: `Collect now: ${source} at 127.0.0.1` }).click();
  await p.getByText("is asked for mail.").waitFor();
  await part.getByText(/^Failed/).waitFor({ timeout: 60_000 });
  await shot(p, "remote-accounts");

  const remove = part.getByRole("button", { name: `Delete ${source} at 127.0.0.1` });
  await remove.click();
  await part.getByText("There is no remote account.").waitFor();
  await p.locator(".toast").getByRole("button", { name: "Undo" }).click();
  await remove.waitFor();
  assert.equal((await remotes(p)).length, 1);
  b.calm();
  await b.close();
});

test("the remote accounts of a domain are its administrator's too", async () => {
  const b = await open({ account: "domainadmin@other.example" });
  const p = b.page;
  await go(p, "/accounts/carla%40other.example");
  const part = p.getByRole("region", { name: "Remote accounts" });
  await part.getByRole("button", { name: "Add a remote account" }).waitFor();
  const answer = await p.request.get(`${process.env.CONSOLE_URL}/api/v1${path}/remote-accounts`);
  assert.equal(answer.status(), 404);
  b.calm();
  await b.close();
});

test("old mail goes on, by a rule of the account", async () => {
  const b = await open();
  const p = b.page;
  await go(p, path);
  await p.getByLabel("Days", { exact: true }).fill("30");
  await p.getByLabel("Forward old mail to").fill("no address");
  await p.getByRole("button", { name: "Save", exact: true }).click();
  await p.getByRole("alert").filter({ hasText: "is not allowed there" }).first().waitFor();
  await p.getByLabel("Forward old mail to").fill(gather);
  await p.getByRole("button", { name: "Save", exact: true }).click();
  await p.getByRole("alert").filter({ hasText: "is the account itself" }).first().waitFor();
  await p.getByLabel("Forward old mail to").fill("anna@demo.example");
  await p.getByRole("checkbox", { name: /^Delete it then/ }).check();
  await saved(p, () => p.getByRole("button", { name: "Save", exact: true }).click());
  const stored = await read(p, path);
  assert.deepEqual([stored.forward_older_days, stored.forward_older_to, stored.forward_older_delete], [30, ["anna@demo.example"], true]);
  b.calm();
  await b.close();
});

test("a backup domain is made, changed and becomes a local one", async () => {
  const b = await open();
  const p = b.page;
  await go(p, "/domains?dialog=new");
  const dialog = p.getByRole("dialog");
  await dialog.getByLabel("Domain", { exact: true }).fill("away.example");
  await dialog.getByLabel("Type").selectOption("backup");
  await dialog.getByLabel("Its own server").fill("two words");
  await dialog.getByRole("button", { name: "Create domain" }).click();
  await dialog.getByRole("alert").filter({ hasText: "backup_host" }).waitFor();
  await dialog.getByLabel("Its own server").fill("mail.away.example:2525");
  await dialog.getByRole("button", { name: "Create domain" }).click();
  await p.getByRole("heading", { name: "away.example" }).waitFor();
  await p.getByLabel("Its own server").waitFor();
  assert.equal(await p.getByLabel("Mail to unknown accounts").count(), 0);
  assert.equal(await p.getByRole("region", { name: "Aliases" }).count(), 0);
  assert.deepEqual(await violations(p, "a backup domain"), []);
  await shot(p, "backup-domain");
  await go(p, "/domains");
  await p.locator("tbody tr", { hasText: "away.example" }).getByText("goes to mail.away.example:2525").waitFor();
  await go(p, "/domains/away.example");
  await p.getByLabel("Type").selectOption("local");
  await saved(p, () => p.getByRole("button", { name: "Save", exact: true }).click());
  await p.getByRole("region", { name: "Aliases" }).waitFor();
  const stored = await read(p, "/domains/away.example");
  assert.deepEqual([stored.type, stored.backup_host], ["local", ""]);
  // A domain with accounts cannot be one: the server says so beside the field.
  await go(p, "/domains/other.example");
  await p.getByLabel("Type").selectOption("backup");
  await p.getByRole("button", { name: "Save", exact: true }).click();
  await p.getByRole("alert").filter({ hasText: "has accounts or aliases" }).waitFor();
  await write(p, "DELETE", "/domains/away.example");
  b.calm();
  await b.close();
});

test("the page of an account that collects is accessible, its dialog too", async () => {
  for (const theme of ["light", "dark"])
    for (const width of Object.values(widths)) {
      const b = await open({ theme, width });
      await go(b.page, path);
      const part = b.page.getByRole("region", { name: "Remote accounts" });
      await part.getByText(/^Failed/).waitFor();
      assert.deepEqual(await violations(b.page, `${theme} ${width}`), []);
      await part.getByRole("button", { name: "Add a remote account" }).click();
      await b.page.getByRole("dialog").getByLabel("TLS").waitFor();
      assert.deepEqual(await violations(b.page, `dialog ${theme} ${width}`), []);
      b.calm();
      await b.close();
    }
});

test("what these tests have made goes", async () => {
  const b = await open();
  for (const address of [gather, source]) await write(b.page, "DELETE", `/accounts/${encodeURIComponent(address)}`);
  await b.close();
});
