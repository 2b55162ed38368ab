import assert from "node:assert/strict";
import { after, test } from "node:test";
import { base, go, open, quit, shot } from "./browser.mjs";

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
