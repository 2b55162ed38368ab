// Routes of outgoing mail: made, in force for the next message, changed by two, deleted with time to think.
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, test } from "node:test";
import { base, go, open, quit, read, saved, shot, violations, widths, write } from "./browser.mjs";
import { send } from "./mail.mjs";

after(quit);
const row = (page, text) => page.locator("tbody tr", { hasText: text });

test("a route sends mail where it says", async () => {
  const relay = net.createServer((s) => { s.on("error", () => undefined); s.end("421 4.3.2 not now\r\n"); });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  const b = await open();
  await go(b.page, "/system/routes?dialog=new");
  const dialog = b.page.getByRole("dialog");
  await dialog.getByLabel("Domain").fill("two words");
  await dialog.getByRole("button", { name: "Create route" }).click();
  await dialog.getByRole("alert").first().waitFor();
  await dialog.getByLabel("Domain").fill("routed.example");
  await dialog.getByLabel("Server").fill(`127.0.0.1:${relay.address().port}`);
  await dialog.getByRole("button", { name: "Create route" }).click();
  await b.page.getByText("Route routed.example created.").waitFor();
  await row(b.page, "routed.example").getByText(`127.0.0.1:${relay.address().port}`).waitFor();
  const asked = once(relay, "connection");
  await send({ to: "who@routed.example", subject: "by the route" });
  await asked;
  await go(b.page, "/system/audit?q=object:route");
  await row(b.page, "route routed.example").first().getByRole("link").click();
  await dialog.getByText("Route routed.example").waitFor();
  b.calm();
  await b.close();
  relay.close();
});

test("two change a route; its password is never shown", async () => {
  const b = await open();
  await go(b.page, "/system/routes");
  await row(b.page, "*.cloud.example").getByRole("button", { name: "*.cloud.example", exact: true }).click();
  const dialog = b.page.getByRole("dialog");
  await dialog.getByText("Empty: it stays as it is.").waitFor();
  assert.equal(await dialog.getByLabel("Password").inputValue(), "");
  await dialog.getByLabel("TLS").selectOption("require");
  await dialog.getByLabel("Server").fill("relay.cloud.example:465");
  await write(b.page, "PATCH", `/routes/${encodeURIComponent("*.cloud.example")}`, { tls: "verify", family: "ipv4-only" });
  await dialog.getByRole("button", { name: "Save" }).click();
  const conflict = b.page.getByRole("alertdialog");
  await conflict.getByText("verify").waitFor();
  await saved(b.page, () => conflict.getByRole("button", { name: "Save this choice" }).click());
  const now = await read(b.page, `/routes/${encodeURIComponent("*.cloud.example")}`);
  assert.deepEqual([now.tls, now.family, now.host, now.user, now.has_password], ["require", "ipv4-only", "relay.cloud.example:465", "us@cloud.example", true]);
  assert.doesNotMatch(await b.page.content(), /relay-secret/);
  b.calm();
  await b.close();
});

test("a route is deleted after the time of Undo", async () => {
  const b = await open();
  await write(b.page, "POST", "/routes", { pattern: "short.example", host: "relay.short.example" });
  await go(b.page, "/system/routes");
  const there = async () => (await b.page.request.get(`${base}/api/v1/routes/short.example`)).status();
  await b.page.getByRole("button", { name: "Delete route short.example" }).click();
  await b.page.getByText("Route short.example deleted.").waitFor();
  await row(b.page, "short.example").waitFor({ state: "detached" });
  await b.page.getByRole("button", { name: "Undo" }).click();
  await row(b.page, "short.example").waitFor();
  assert.equal(await there(), 200);
  const gone = b.page.waitForResponse((r) => r.request().method() === "DELETE");
  await b.page.getByRole("button", { name: "Delete route short.example" }).click();
  assert.equal((await gone).status(), 204);
  assert.equal(await there(), 404);
  b.calm();
  await b.close();
});

test("the screen and its dialogs are accessible", async () => {
  for (const theme of ["light", "dark"])
    for (const width of Object.values(widths)) {
      const b = await open({ theme, width });
      await go(b.page, "/system/routes");
      assert.deepEqual(await violations(b.page, `routes ${theme} ${width}`), []);
      await shot(b.page, `routes-${theme}-${width}`);
      await b.page.getByRole("button", { name: "New route" }).click();
      await b.page.getByRole("dialog").getByLabel("Server").waitFor();
      assert.deepEqual(await violations(b.page, `new route ${theme} ${width}`), []);
      b.calm();
      await b.close();
    }
});
