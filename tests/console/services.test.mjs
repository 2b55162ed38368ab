import assert from "node:assert/strict";
import net from "node:net";
import { after, test } from "node:test";
import { base, go, open, quit, shot, violations } from "./browser.mjs";
import { Imap } from "./mail.mjs";

const POP3 = 2110, IMAP = Number(process.env.IMAP_PORT), SMTP = Number(process.env.SMTP_PORT);
const value = async (page, name) => (await (await page.request.get(`${base}/api/v1/settings/${name}`)).json()).value;
async function set(page, name, to) {
  const me = await (await page.request.get(`${base}/api/v1/me`)).json();
  const r = await page.request.patch(`${base}/api/v1/settings/${name}`, { data: { value: to }, headers: { "X-CSRF-Token": me.csrf_token, Origin: base } });
  assert.equal(r.status(), 200, await r.text());
}
/** The greeting of whoever listens, or nothing. */
const greeting = (port) => new Promise((resolve) => {
  const s = net.connect(port, "127.0.0.1");
  s.on("error", () => { resolve(undefined); });
  s.on("data", (d) => { s.destroy(); resolve(String(d)); });
});
const row = (page, service) => page.locator("tbody tr", { hasText: service });

after(async () => {
  const b = await open();
  for (const [name, to] of [["net.drain_time", null], ["pop3.listen", `127.0.0.1:${POP3}`], ["pop3.access_mode", null], ["pop3.access_ips", null], ["pop3.autostart", null]]) await set(b.page, name, to);
  await b.close();
  await quit();
});

test("a service is stopped for good and started again; the others go on; the audit tells", async () => {
  const b = await open();
  await set(b.page, "net.drain_time", "0ms");
  await go(b.page, "/system/services");
  const other = await Imap.open("user@demo.example", "secret-user");
  await b.page.getByRole("button", { name: "Stop POP3" }).click();
  const dialog = b.page.getByRole("alertdialog");
  await dialog.getByText("Its ports are closed.").waitFor();
  await dialog.getByLabel("Keep it stopped when the server starts").check();
  await shot(b.page, "services-stop");
  assert.deepEqual(await violations(b.page, "stop a service"), []);
  await dialog.getByRole("button", { name: "Stop" }).click();
  await b.page.getByText("POP3 stops.").waitFor();
  await row(b.page, "POP3").getByText("Stopped").waitFor();
  assert.equal(await greeting(POP3), undefined);
  assert.match(await greeting(IMAP), /^\* OK/);
  assert.equal(await value(b.page, "pop3.autostart"), "no");
  assert.match(await other.say("NOOP"), /OK/);
  other.close();
  // The keyboard does it too.
  await b.page.getByRole("button", { name: "Start POP3" }).focus();
  await b.page.keyboard.press("Enter");
  await b.page.getByText("POP3 starts.").waitFor();
  await row(b.page, "POP3").getByText("Running").waitFor();
  assert.match(await greeting(POP3), /^\+OK/);
  await go(b.page, "/system/audit?q=service");
  await b.page.locator("tbody tr", { hasText: "service pop3" }).first().waitFor();
  b.calm();
  await b.close();
});

test("a restart lets sessions go with a word", async () => {
  const b = await open();
  await set(b.page, "net.drain_time", "0ms");
  await go(b.page, "/system/services");
  const told = new Promise((resolve) => {
    const s = net.connect(POP3, "127.0.0.1");
    let text = "";
    s.on("data", (d) => { text += d; });
    s.on("close", () => { resolve(text); });
  });
  await b.page.locator("tbody tr", { hasText: "POP3" }).getByRole("link", { name: "1", exact: true }).waitFor();
  await b.page.getByRole("button", { name: "Restart POP3" }).click();
  await b.page.getByRole("alertdialog").getByText("1 connection has the drain time").waitFor();
  await b.page.getByRole("alertdialog").getByRole("button", { name: "Restart" }).click();
  await b.page.getByText("POP3 starts again.").waitFor();
  assert.match(await told, /^\+OK.*\r\n-ERR /);
  assert.match(await greeting(POP3), /^\+OK/);
  b.calm();
  await b.close();
});

test("addresses and access are changed in the drawer; an address that cannot be is refused there", async () => {
  const b = await open();
  await go(b.page, "/system/services?open=pop3");
  const drawer = b.page.getByRole("complementary", { name: "POP3" });
  const listen = drawer.getByLabel("pop3.listen", { exact: true });
  await listen.fill(`127.0.0.1:${SMTP}`);
  await drawer.getByRole("button", { name: "Save changes" }).click();
  const fault = drawer.locator(".set .err");
  await fault.filter({ hasText: "another program has this port" }).waitFor();
  assert.match(await fault.textContent(), new RegExp(`127\\.0\\.0\\.1:${SMTP}`));
  await shot(b.page, "services-fault");
  assert.deepEqual(await violations(b.page, "a refused address"), []);
  assert.equal(await value(b.page, "pop3.listen"), `127.0.0.1:${POP3}`);
  await listen.fill(`127.0.0.1:${POP3}\n127.0.0.1:2111`);
  await drawer.getByRole("button", { name: "Save changes" }).click();
  await drawer.locator(".plain-list").getByText("127.0.0.1:2111").waitFor();
  assert.match(await greeting(2111), /^\+OK/);
  await listen.fill(`127.0.0.1:${POP3}`);
  await drawer.getByLabel("pop3.access_mode").selectOption("grant");
  await drawer.getByLabel("pop3.access_ips").fill("192.0.2.0/24");
  await drawer.getByRole("button", { name: "Save changes" }).click();
  await b.page.getByText("3 settings saved").waitFor();
  assert.equal(await greeting(2111), undefined);
  assert.match(await greeting(POP3), /^-ERR \[SYS\/PERM\]/);
  await shot(b.page, "services-drawer");
  b.calm();
  await b.close();
});
