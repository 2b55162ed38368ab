// Who would shut himself out of the console is told so, and does it only on purpose; and who would get in is told by a test.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, test } from "node:test";
import { base, go, open, quit, read, shot, violations, widths, write } from "./browser.mjs";

const tool = (...args) => execFileSync(process.env.POSTHORN_BIN, ["tool", "--data", `${process.env.SERVER_DIR}/data`, "--user", process.env.SERVER_USER, ...args], { encoding: "utf8" });
const open_again = () => { for (const name of ["web.access_mode", "web.access_ips"]) tool("set", name, name.endsWith("mode") ? "off" : ""); };
const value = async (page, name) => (await read(page, `/settings/${name}`)).value;
/** Does a new connection get an answer? */
const answers = () => fetch(`${base}/`, { headers: { Connection: "close" } }).then((r) => r.ok, () => false);

after(async () => {
  open_again();
  await quit();
});

test("settings: what would happen is said, nothing is done before the name is typed, then it is", async () => {
  const b = await open({ expectTrouble: [/./] });
  await go(b.page, "/system/settings?q=web.access");
  await b.page.getByLabel("web.access_ips").fill("192.0.2.0/24");
  await b.page.getByLabel("web.access_mode").selectOption("grant");
  await b.page.getByRole("button", { name: "Save changes" }).click();
  const dialog = b.page.getByRole("alertdialog", { name: "You would shut yourself out" });
  await dialog.getByText("192.0.2.0/24").waitFor();
  await dialog.getByText("127.0.0.1").waitFor();
  await dialog.getByText("posthorn tool set web.access_mode off").waitFor();
  await shot(b.page, "lockout");
  assert.deepEqual(await violations(b.page, "lock-out"), []);
  assert.equal(await dialog.getByRole("button", { name: "Save and shut me out" }).isDisabled(), true);
  await dialog.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await value(b.page, "web.access_mode"), "off");
  assert.equal(await answers(), true);

  // Once more, by the keyboard alone, to its end.
  await b.page.getByRole("button", { name: "Save changes" }).focus();
  await b.page.keyboard.press("Enter");
  await dialog.waitFor();
  while (!(await b.page.evaluate(() => document.activeElement?.matches("[role=alertdialog] input")))) await b.page.keyboard.press("Tab");
  await b.page.keyboard.type("web.access_ips");
  const done = b.page.waitForResponse((r) => r.request().method() === "PATCH" && r.url().includes("confirm=true"));
  await b.page.keyboard.press("Enter");
  assert.equal((await done).status(), 200);
  for (let i = 0; i < 100 && (await answers()); i++) await new Promise((r) => setTimeout(r, 100));
  assert.equal(await answers(), false);
  // What the dialog said is true: this lets him in again.
  tool("set", "web.access_mode", "off");
  for (let i = 0; i < 100 && !(await answers()); i++) await new Promise((r) => setTimeout(r, 100));
  assert.equal(await answers(), true);
  open_again();
  await b.close();
});

test("a service's own settings and the audit ask too", async () => {
  const b = await open();
  await go(b.page, "/system/services");
  await b.page.locator("tbody tr .lnk", { hasText: "Web" }).first().click();
  const drawer = b.page.getByRole("complementary");
  await drawer.getByLabel("web.access_mode").selectOption("grant");
  await drawer.getByRole("button", { name: "Save changes" }).click();
  const dialog = b.page.getByRole("alertdialog", { name: "You would shut yourself out" });
  await dialog.getByText("web.access_mode").first().waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await value(b.page, "web.access_mode"), "off");
  // To take back what opened the console would shut it.
  await write(b.page, "PATCH", "/settings/web.access_ips", { value: "192.0.2.0/24" });
  await write(b.page, "PATCH", "/settings/web.access_ips", { value: "127.0.0.1" });
  await write(b.page, "PATCH", "/settings/web.access_mode", { value: "grant" });
  await go(b.page, "/system/audit?q=object:web.access_ips");
  await b.page.locator("tbody tr", { hasText: "127.0.0.1" }).first().getByRole("button", { name: "Take back" }).click();
  await dialog.getByText("192.0.2.0/24").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await value(b.page, "web.access_ips"), "127.0.0.1");
  await write(b.page, "PATCH", "/settings/web.access_mode", { value: null });
  await write(b.page, "PATCH", "/settings/web.access_ips", { value: null });
  b.calm();
  await b.close();
});

test("the access test says whether an address gets in, and by which list", async () => {
  const b = await open();
  await write(b.page, "PATCH", "/settings", { values: { "pop3.access_mode": "deny", "pop3.access_ips": "198.51.100.0/24" } });
  await go(b.page, "/system/services");
  await b.page.locator("tbody tr .lnk", { hasText: "POP3" }).click();
  const drawer = b.page.getByRole("complementary");
  const ip = drawer.getByLabel("Address to test");
  await ip.fill("nowhere");
  await b.page.keyboard.press("Enter");
  await drawer.getByRole("alert").first().waitFor();
  await ip.fill("198.51.100.7");
  await b.page.keyboard.press("Enter");
  await drawer.getByText("198.51.100.7 may not connect").waitFor();
  await drawer.getByText("pop3.access_ips denies it by 198.51.100.0/24.").waitFor();
  await shot(b.page, "access-test");
  await ip.fill("203.0.113.9");
  await drawer.getByRole("button", { name: "Test", exact: true }).click();
  await drawer.getByText("203.0.113.9 may connect").waitFor();
  await write(b.page, "PATCH", "/settings", { values: { "pop3.access_mode": null, "pop3.access_ips": null } });
  b.calm();
  await b.close();
  for (const theme of ["light", "dark"])
    for (const width of Object.values(widths)) {
      const c = await open({ theme, width });
      await go(c.page, "/system/services?open=pop3");
      await c.page.getByLabel("Address to test").fill("203.0.113.9");
      await c.page.keyboard.press("Enter");
      await c.page.getByText("203.0.113.9 may connect").waitFor();
      assert.deepEqual(await violations(c.page, `access test ${theme} ${width}`), []);
      await go(c.page, "/system/settings?q=net.access_mode");
      await c.page.getByLabel("net.access_mode").selectOption("grant");
      await c.page.getByRole("button", { name: "Save changes" }).click();
      await c.page.getByRole("alertdialog").getByText("127.0.0.1").waitFor();
      assert.deepEqual(await violations(c.page, `lock-out ${theme} ${width}`), []);
      c.calm();
      await c.close();
    }
});
