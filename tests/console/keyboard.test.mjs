// The main tasks without a mouse.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { go, goBy, open, quit } from "./browser.mjs";
import { Imap, send } from "./mail.mjs";
import { prepare, release } from "./prepare.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});
const focus = (page) => page.evaluate(() => document.activeElement?.outerHTML.slice(0, 120));

test("sign in by keyboard, go by letters, skip to the content", async () => {
  const b = await open({ signIn: false });
  await b.page.goto(process.env.CONSOLE_URL + "/");
  await b.page.locator("input[name=username]").waitFor();
  assert.equal(await b.page.locator("html[data-keys]").count(), 0, "no keys are listened to where one signs in");
  await b.page.keyboard.type(process.env.CONSOLE_ADMIN);
  await b.page.keyboard.press("Tab");
  await b.page.keyboard.type(process.env.CONSOLE_PASSWORD);
  await b.page.keyboard.press("Enter");
  await b.page.getByRole("heading", { name: "Overview" }).waitFor();
  for (const [keys, title] of [["gf", "Find messages"], ["gq", "Message queue"], ["gs", "Sessions"], ["gn", "Events"], ["gl", "Logs"], ["gt", "Traffic charts"], ["gc", "Statistics"], ["gd", "Domains"], ["ga", "Accounts"], ["gi", "Content filters"], ["gb", "Sender lists"], ["gv", "Services"], ["ge", "Settings"], ["gr", "Routes"], ["gk", "Tokens"], ["gu", "Audit"], ["go", "Overview"]]) {
    await goBy(b.page, keys[1], title);
  }
  b.calm();
  await b.close();
});

test("the queue: move, open, close, select, delete, undo", async () => {
  await send({ to: "key@keys.example", subject: "keys" });
  const b = await open();
  await go(b.page, "/status/queue?q=host:keys.example");
  await b.page.locator("tbody tr").first().waitFor();
  await b.page.keyboard.press("j");
  await b.page.waitForFunction(() => document.activeElement?.matches("tbody tr.cur"));
  await b.page.keyboard.press("Enter");
  await b.page.getByRole("complementary").getByText("key@keys.example").first().waitFor();
  assert.match(b.page.url(), /open=/);
  await b.page.keyboard.press("Escape");
  await b.page.getByRole("complementary").waitFor({ state: "detached" });
  await b.page.waitForFunction(() => document.activeElement?.matches("tbody tr"), undefined, { timeout: 5000 }).catch(async () => assert.fail(`the focus is at ${await focus(b.page)}`));
  await b.page.keyboard.press("x");
  await b.page.getByText("1 selected").waitFor();
  await b.page.keyboard.press("#");
  await b.page.getByText("Message deleted. Gone for good").waitFor();
  await b.page.keyboard.press("u");
  await b.page.getByText("Taken back.").waitFor();
  b.calm();
  await b.close();
});

test("a session is ended with K", async () => {
  const carla = await Imap.open("carla@other.example", "secret-carla");
  const b = await open();
  await go(b.page, "/status/sessions?q=account:carla");
  await b.page.locator("tbody tr", { hasText: "carla" }).first().waitFor();
  await b.page.keyboard.press("j");
  await b.page.waitForFunction(() => document.activeElement?.matches("tbody tr.cur"));
  await b.page.keyboard.press("Shift+K");
  await carla.ended();
  b.calm();
  await b.close();
});

test("search finds an account, a setting, a message and a screen; Esc gives the focus back", async () => {
  const id = await send({ to: "needle@haystack.example", subject: "needle" });
  const b = await open();
  for (const [text, group, option, title] of [["anna@", "Accounts", "anna@demo.example", "anna@demo.example"], ["smtp.max_errors", "Settings", "smtp.max_errors", "Settings"], [id, "Messages", id, `Message ${id}`], ["statis", "Screens", "Statistics", "Statistics"]]) {
    await b.page.keyboard.press("/");
    await b.page.getByRole("combobox", { name: "Find" }).fill(text);
    // What the server finds comes after what the console knows: the first one of all is opened.
    await b.page.getByRole("group", { name: group, exact: true }).locator("#pal-0", { hasText: option }).waitFor();
    await b.page.keyboard.press("Enter");
    await b.page.getByRole("heading", { name: title, level: 1 }).waitFor();
  }
  const opener = b.page.getByRole("button", { name: "Find a message" });
  await opener.focus();
  await b.page.keyboard.press("Control+k");
  await b.page.getByRole("combobox", { name: "Find" }).waitFor();
  await b.page.keyboard.press("Escape");
  await b.page.getByRole("combobox", { name: "Find" }).waitFor({ state: "detached" });
  await b.page.waitForFunction(() => document.activeElement?.classList.contains("find"));
  b.calm();
  await b.close();
});

test("letters do not act in fields, and not at all when switched off", async () => {
  const b = await open();
  await go(b.page, "/status/queue");
  await b.page.keyboard.press("f");
  await b.page.waitForFunction(() => document.activeElement?.matches("input"));
  await b.page.keyboard.type("gs?#");
  assert.equal(await b.page.getByRole("textbox", { name: "Filter the queue" }).inputValue(), "gs?#");
  await b.page.keyboard.press("Escape");
  await b.page.keyboard.press("Escape");
  await b.page.keyboard.press("?");
  await b.page.getByRole("checkbox", { name: "Single letters act" }).uncheck();
  await b.page.keyboard.press("Escape");
  await b.page.getByRole("dialog").waitFor({ state: "detached" });
  await b.page.keyboard.press("g");
  await b.page.keyboard.press("s");
  assert.equal(new URL(b.page.url()).pathname, "/status/queue");
  b.calm();
  await b.close();
});

test("every control of the sessions screen is reached by Tab, and the focus is seen", async () => {
  const b = await open();
  await go(b.page, "/status/sessions");
  await b.page.locator("tbody tr").first().waitFor();
  const seen = new Set();
  for (let i = 0; i < 60; i++) {
    await b.page.keyboard.press("Tab");
    const at = await b.page.evaluate(() => {
      const e = document.activeElement;
      if (!e || e === document.body) return undefined;
      const r = e.getBoundingClientRect();
      const top = document.elementFromPoint(Math.max(0, Math.min(innerWidth - 1, r.left + r.width / 2)), Math.max(0, Math.min(innerHeight - 1, r.top + r.height / 2)));
      return { what: e.getAttribute("aria-label") ?? e.textContent?.trim().slice(0, 30), hidden: !!top && !e.contains(top) && !top.contains(e) };
    });
    if (!at) continue;
    assert.equal(at.hidden, false, `${at.what} is covered`);
    seen.add(at.what);
  }
  for (const wanted of ["Filter sessions", "Service", "Hold the list", "Columns"]) assert.ok([...seen].some((x) => x?.includes(wanted)), `${wanted} is not reached; ${[...seen].join(", ")}`);
  b.calm();
  await b.close();
});
