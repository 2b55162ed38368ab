// Who administers nothing signs in too: to his own page.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { base, go, login, open, quit, shot, violations, widths } from "./browser.mjs";
import { Imap, send } from "./mail.mjs";

after(quit);

async function signedIn(password, options = {}) {
  const b = await open({ ...options, signIn: false });
  await b.page.goto(base + "/");
  await login(b.page, "anna@demo.example", password);
  return b;
}

test("a user comes to his own page, sees nothing else, and it is accessible", async () => {
  await send({ to: "anna@demo.example", subject: "for me" });
  for (const width of Object.values(widths)) {
    const b = await signedIn("secret-anna", { width, theme: width === 390 ? "dark" : "light" });
    await b.page.getByRole("heading", { name: "My account", level: 1 }).waitFor({ state: "attached" });
    await b.page.getByRole("row", { name: /anna@demo\.example/ }).first().waitFor();
    assert.equal(await b.page.getByRole("navigation", { name: "Main" }).first().getByRole("link").count(), 1);
    assert.deepEqual(await violations(b.page, `own page ${width}`), []);
    await shot(b.page, `me-user-${width}`);
    for (const other of ["/status/queue", "/accounts", "/system/settings/smtp", "/status/events"]) {
      await go(b.page, other);
      await b.page.getByText("This account may not see this screen.").waitFor();
    }
    b.calm();
    await b.close();
  }
});

test("own password: the old one is needed; other consoles end, this one goes on", async () => {
  const b = await signedIn("secret-anna");
  const other = await signedIn("secret-anna");
  const form = b.page.getByRole("region", { name: "Password", exact: true });
  await form.getByLabel("Password of now").fill("wrong");
  await form.getByLabel("New password", { exact: true }).fill("secret-anna-2");
  await form.getByLabel("New password again").fill("secret-anna-3");
  await form.getByText("The two are not the same").waitFor();
  assert.equal(await form.getByRole("button", { name: "Change password" }).isDisabled(), true);
  await form.getByLabel("New password again").fill("secret-anna-2");
  await form.getByRole("button", { name: "Change password" }).click();
  await form.getByRole("alert").first().waitFor();
  (await Imap.open("anna@demo.example", "secret-anna")).close();
  await form.getByLabel("Password of now").fill("secret-anna");
  await form.getByRole("button", { name: "Change password" }).click();
  await b.page.getByText("Password set.").waitFor();
  (await Imap.open("anna@demo.example", "secret-anna-2")).close();
  await assert.rejects(Imap.open("anna@demo.example", "secret-anna"));
  assert.equal((await b.page.request.get(`${base}/api/v1/self`)).status(), 200);
  assert.equal((await other.page.request.get(`${base}/api/v1/self`)).status(), 401);
  // As it was, for the tests after this one.
  await form.getByLabel("Password of now").fill("secret-anna-2");
  await form.getByLabel("New password", { exact: true }).fill("secret-anna");
  await form.getByLabel("New password again").fill("secret-anna");
  const set = b.page.waitForResponse((r) => r.url().endsWith("/self/password"));
  await form.getByRole("button", { name: "Change password" }).click();
  assert.equal((await set).status(), 204);
  b.calm();
  await b.close();
  await other.close();
});

test("own app password, own mail program, own consoles, own mail", async () => {
  await send({ from: "anna@demo.example", password: "secret-anna", to: "someone@nowhere.example", subject: "mine" });
  const b = await signedIn("secret-anna");
  const other = await signedIn("secret-anna");
  await b.page.getByRole("textbox", { name: "Program that will use the password" }).fill("my phone");
  await b.page.getByRole("button", { name: "New app password" }).click();
  const secret = await b.page.locator(".secret").innerText();
  await b.page.getByRole("button", { name: "I have noted it" }).click();
  const phone = await Imap.open("anna@demo.example", secret);
  await b.page.keyboard.press("Escape");
  await b.page.reload();
  await b.page.getByRole("button", { name: /^End IMAP/ }).first().click();
  await phone.ended();
  await b.page.getByRole("button", { name: "Withdraw" }).click();
  await b.page.getByText("There is no app password.").waitFor();
  await assert.rejects(Imap.open("anna@demo.example", secret));

  const consoles = b.page.getByRole("region", { name: "Signed in to the console" });
  await consoles.getByText("This one").waitFor();
  await consoles.getByRole("listitem").filter({ hasNotText: "This one" }).first().getByRole("button").click();
  await b.page.getByText("Signed out there.").waitFor();
  assert.equal((await other.page.request.get(`${base}/api/v1/self`)).status(), 401);
  assert.equal((await b.page.request.get(`${base}/api/v1/self`)).status(), 200);

  const mail = b.page.getByRole("table", { name: "My messages" });
  await mail.getByRole("button", { name: "someone@nowhere.example" }).first().click();
  await b.page.getByRole("dialog").locator(".verdicts .call").first().waitFor();
  assert.deepEqual(await violations(b.page, "own message"), []);
  b.calm();
  await b.close();
  await other.close();
});

test("an administrator finds his own page in his menu", async () => {
  const b = await open();
  await b.page.locator(".ava").click();
  await b.page.getByRole("link", { name: "My account" }).click();
  await b.page.getByRole("heading", { name: "My account", level: 1 }).waitFor();
  b.calm();
  await b.close();
});
