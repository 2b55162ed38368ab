import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, test } from "node:test";
import { base, go, open, quit, shot, violations } from "./browser.mjs";

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
