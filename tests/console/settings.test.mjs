import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, test } from "node:test";
import { base, go, open, quit, read, settled, shot, violations, write } from "./browser.mjs";

after(quit);
const value = async (page, name) => (await (await page.request.get(`${base}/api/v1/settings/${name}`)).json()).value;

test("a setting is found, refused out of range, changed, and taken back in the audit", async () => {
  const b = await open();
  await go(b.page, "/system/settings?q=smtp.max_errors");
  const field = b.page.getByLabel("smtp.max_errors");
  const before = await value(b.page, "smtp.max_errors");
  await field.fill("0");
  await b.page.getByRole("alert").filter({ hasText: "Out of range" }).waitFor();
  assert.equal(await b.page.getByRole("button", { name: "Save changes" }).isDisabled(), true);
  await shot(b.page, "settings-fault");
  await field.fill("33");
  await b.page.getByText("1 change is not saved").waitFor();
  await b.page.getByRole("button", { name: "Save changes" }).click();
  await b.page.getByText("Setting saved and in force.").waitFor();
  assert.equal(await value(b.page, "smtp.max_errors"), "33");
  await b.page.getByRole("link", { name: "History" }).first().click();
  const entry = b.page.locator("tbody tr", { hasText: "smtp.max_errors" }).first();
  await entry.getByText("33", { exact: true }).waitFor(); // not the time of day
  await entry.getByRole("button", { name: "Take back" }).click();
  await b.page.getByText("is as it was before").waitFor();
  assert.equal(await value(b.page, "smtp.max_errors"), before);
  b.calm();
  await b.close();
});

test("the server's own refusal stands at its setting", async () => {
  const b = await open();
  await go(b.page, "/system/settings?q=net.trusted_ips");
  await b.page.getByLabel("net.trusted_ips").fill("not-an-address");
  await b.page.getByRole("button", { name: "Save changes" }).click();
  await b.page.locator(".set .err").waitFor();
  b.calm();
  await b.close();
});

test("what somebody else saved meanwhile is shown, not lost", async () => {
  const b = await open();
  await go(b.page, "/system/settings?q=smtp.max_hops");
  await b.page.getByLabel("smtp.max_hops").fill("40");
  const me = await (await b.page.request.get(`${base}/api/v1/me`)).json();
  const r = await b.page.request.patch(`${base}/api/v1/settings/smtp.max_hops`, { data: { value: "50" }, headers: { "X-CSRF-Token": me.csrf_token, Origin: base } });
  assert.equal(r.status(), 200, await r.text());
  await b.page.getByRole("button", { name: "Save changes" }).click();
  const dialog = b.page.getByRole("alertdialog");
  await dialog.getByText("50").waitFor();
  await dialog.getByRole("button", { name: "Save this choice" }).click();
  await b.page.getByText("saved and in force").waitFor();
  assert.equal(await value(b.page, "smtp.max_hops"), "40");
  b.calm();
  await b.close();
});

test("logging is changed in the list of services; a module is restarted and the console says what happens", async () => {
  const b = await open();
  await go(b.page, "/system/services");
  await b.page.getByRole("combobox", { name: "Logging of POP3" }).selectOption("debug");
  await b.page.getByText("Logging of POP3: Debug.").waitFor();
  assert.equal(await value(b.page, "log.pop3"), "debug");
  await b.page.getByRole("button", { name: "Restart module access" }).first().click();
  await b.page.getByRole("alertdialog").getByRole("button", { name: "Restart module" }).click();
  await b.page.getByText("Module access restarts.").waitFor();
  await b.page.locator("tbody tr", { hasText: "IMAP" }).getByText("Running").waitFor({ timeout: 30_000 });
  b.calm();
  await b.close();
});

test("a certificate fills the fields of a secure destination, as openssl shows them", async () => {
  const name = "deliver.secure_destinations";
  const file = `${process.env.SERVER_DIR}/im.crt`;
  const shown = (...words) => execFileSync("openssl", ["x509", "-noout", ...words, "-in", file], { encoding: "utf8" }).trim().replace(/^[^=]*=/, "");
  const sha256 = shown("-fingerprint", "-sha256"), subject = shown("-subject"), issuer = shown("-issuer");
  const b = await open();
  await go(b.page, `/system/settings?q=${name}`);
  await b.page.getByLabel(name).fill("*.demo.example");
  await b.page.getByRole("button", { name: "From a certificate" }).click();
  const dialog = b.page.getByRole("dialog");
  const add = dialog.getByRole("button", { name: "Add to the list" });
  await dialog.getByLabel("Certificate").setInputFiles(`${process.env.SERVER_DIR}/im.key`);
  await dialog.getByText("there is no certificate in it").waitFor();
  assert.equal(await dialog.getByLabel("SHA-256 fingerprint").inputValue(), "");
  await dialog.getByLabel("Certificate").setInputFiles(file);
  await dialog.getByText("Valid until").waitFor();
  assert.equal(await dialog.getByText("there is no certificate in it").count(), 0);
  const read = await Promise.all(["SHA-256 fingerprint", "Subject", "Issuer"].map((l) => dialog.getByLabel(l).inputValue()));
  assert.deepEqual(read, [sha256, subject, issuer]);
  assert.equal(await add.isDisabled(), true);
  await dialog.getByLabel("Host or domain").fill("im.demo.example");
  assert.deepEqual(await violations(b.page, "a secure destination"), []);
  await shot(b.page, "secure-destination");
  await add.click();
  await b.page.getByRole("button", { name: "Save changes" }).click();
  await b.page.getByText("Setting saved and in force.").waitFor();
  assert.equal(await value(b.page, name), `im.demo.example|sha256=${sha256}|subject=${subject}|issuer=${issuer};*.demo.example`);
  await b.page.getByRole("button", { name: "Back to the default" }).click();
  await b.page.getByRole("button", { name: "Save changes" }).click();
  await b.page.getByText("1 change is not saved").waitFor({ state: "hidden" });
  assert.equal(await value(b.page, name), "");
  b.calm();
  await b.close();
});

/** As mail does it that comes with a certificate. */
function adapt(...domains) {
  const sql = domains.map(([domain, name, issuer, ip, seen]) => `INSERT INTO secure_adapted VALUES ('${domain}', '${name}', 'CN = ${name}', '${issuer}', '${ip}', ${seen - 86400_000}, ${seen});`).join("\n");
  execFileSync("python3", ["-c", "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=20); db.executescript(sys.argv[2])", `${process.env.SERVER_DIR}/data/config/system.db`, sql]);
}

test("domains that were adapted to are shown at their setting, found and forgotten", async () => {
  const name = "deliver.secure_adapt", there = "/secure-destinations/adapted";
  const b = await open();
  const p = b.page;
  const dialog = p.getByRole("dialog", { name: "Adapted domains" });
  const openAt = async () => {
    await go(p, "/system/services");
    await go(p, `/system/settings?q=${name}`);
    await p.getByRole("button", { name: "Adapted domains" }).click();
    await dialog.waitFor();
    await settled(p);
  };
  await openAt();
  await dialog.getByText("No domain has been adapted to").waitFor();
  await dialog.getByText("deliver.secure_adapt is off").waitFor();
  assert.equal(await dialog.getByRole("searchbox").count(), 0);
  assert.deepEqual(await violations(p, "no adapted domain"), []);

  adapt(["partner.example", "mx.partner.example", "CN = Great CA", "192.0.2.7", Date.now()], ["old.example", "old.example", "CN = Other CA", "192.0.2.8", Date.now() - 40 * 86400_000]);
  await write(p, "PATCH", `/settings/${name}`, { value: "30d" });
  await openAt();
  await dialog.getByText("deliver.secure_adapt is off").waitFor({ state: "detached" });
  const row = (domain) => dialog.locator("li", { hasText: domain });
  await row("partner.example").getByText("Certificate of mx.partner.example, issued by CN = Great CA").waitFor();
  assert.equal(await row("partner.example").getByText("Not in force").count(), 0);
  await row("old.example").getByText("Not in force").waitFor();
  assert.deepEqual(await violations(p, "adapted domains"), []);
  await shot(p, "adapted-domains");

  const find = dialog.getByRole("searchbox", { name: "Find domains" });
  const reading = `**/api/v1${there}?**`;
  await p.route(reading, (r) => r.abort());
  await find.fill("great");
  await dialog.getByRole("alert").filter({ hasText: "The server does not answer." }).waitFor();
  await p.unroute(reading); // it is asked again by itself
  await row("old.example").waitFor({ state: "detached" });
  await row("partner.example").waitFor();
  await find.fill("nobody");
  await dialog.getByText("Nothing matches this filter").waitFor();
  await dialog.getByRole("button", { name: "Remove filter" }).click();
  await row("old.example").getByRole("link", { name: "192.0.2.8" }).waitFor();

  await row("partner.example").getByRole("button", { name: "Forget partner.example" }).click();
  const question = p.getByRole("alertdialog", { name: "Forget partner.example" });
  assert.deepEqual(await violations(p, "forgetting a domain"), []);
  await question.getByRole("button", { name: "Cancel" }).click();
  await question.waitFor({ state: "detached" });
  await row("partner.example").getByRole("button", { name: "Forget partner.example" }).click();
  await question.getByRole("button", { name: "Forget", exact: true }).click();
  await dialog.getByRole("status").filter({ hasText: "partner.example is forgotten." }).waitFor();
  await row("partner.example").waitFor({ state: "detached" });
  assert.deepEqual((await read(p, there)).items.map((d) => d.domain), ["old.example"]);

  // What somebody else has taken away meanwhile.
  await write(p, "DELETE", `${there}/old.example`);
  await row("old.example").getByRole("button", { name: "Forget old.example" }).click();
  await p.getByRole("alertdialog").getByRole("button", { name: "Forget", exact: true }).click();
  await dialog.getByText("is none that was adapted to").waitFor();
  await dialog.getByText("No domain has been adapted to").waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();

  await go(p, `/system/audit?q=${encodeURIComponent("adapted domain partner.example")}`);
  await p.getByRole("link", { name: "adapted domain partner.example" }).click();
  await p.getByLabel(name).waitFor();
  await write(p, "PATCH", `/settings/${name}`, { value: "0" });
  b.calm();
  await b.close();
});
