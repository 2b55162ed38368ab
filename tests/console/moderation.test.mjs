// Posts for a list's moderators: seen as they come, approved and rejected by one, by many and by filter, taken back in time.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { go, open, quit, read, shot, violations, widths, write } from "./browser.mjs";
import { Imap, send } from "./mail.mjs";

const list = "board@demo.example";
const waiting = async (page) => (await read(page, "/queue/outgoing/messages?state=moderation&limit=100")).items;
async function until(what, ok) {
  for (const end = Date.now() + 60_000; Date.now() < end; await new Promise((r) => { setTimeout(r, 200); })) if (await ok()) return;
  assert.fail(what);
}
const post = (subject) => send({ from: "anna@demo.example", password: "secret-anna", to: list, subject });

before(async () => {
  const b = await open();
  await write(b.page, "POST", "/accounts", { address: list, kind: "list", list_post: "anyone", list_moderators: ["admin@demo.example"], list_moderate: "all" });
  await write(b.page, "PUT", `/accounts/${encodeURIComponent(list)}/members`, { members: ["user@demo.example"] });
  await b.close();
});
after(quit);

test("nothing waits: it is said, and where one says what waits", async () => {
  const b = await open();
  await go(b.page, "/status/moderation");
  await b.page.locator(".empty").getByText("No post waits for a moderator.").waitFor();
  await shot(b.page, "moderation-empty");
  b.calm();
  await b.close();
});

test("a post comes by itself, is looked at, approved, taken back, and approved for good", async () => {
  const b = await open();
  const p = b.page;
  await go(p, "/status/moderation");
  await post("to be approved");
  await p.locator("tbody").getByRole("button", { name: "anna@demo.example", exact: true }).waitFor(); // live
  assert.equal((await waiting(p)).length, 1);
  await p.locator("tbody .lnk").first().click();
  const drawer = p.getByRole("complementary");
  await drawer.getByText("approve or reject it").waitFor();
  await drawer.getByRole("button", { name: "Open as text" }).click();
  await p.getByRole("dialog").getByText("Subject: to be approved").waitFor();
  await p.keyboard.press("Escape");
  await p.getByRole("dialog").waitFor({ state: "detached" });
  await drawer.getByRole("button", { name: "Approve" }).click();
  await p.locator("tbody .lnk").waitFor({ state: "detached" });
  await p.locator(".toast", { hasText: "Post approved." }).getByRole("button", { name: "Undo" }).click();
  await p.getByText("Taken back.").waitFor();
  await p.locator("tbody .lnk").waitFor();
  assert.equal((await waiting(p)).length, 1);
  // The link to the list, and back from its page.
  await p.locator("tbody").getByRole("link", { name: list }).click();
  await p.getByRole("heading", { name: list }).waitFor();
  await p.getByRole("link", { name: "Posts for moderators" }).click();
  await p.locator("tbody .lnk").waitFor();
  await p.getByRole("button", { name: "Approve the post of anna@demo.example" }).click();
  await until("it goes out", async () => (await waiting(p)).length === 0);
  const user = await Imap.open("user@demo.example", "secret-user");
  await user.arrived("to be approved");
  user.close();
  await p.locator(".empty").waitFor();
  b.calm();
  await b.close();
});

test("many by the keyboard, and all of a filter", async () => {
  const b = await open();
  const p = b.page;
  for (const subject of ["first", "second", "third"]) await post(subject);
  await go(p, "/status/moderation");
  await p.locator("tbody tr .lnk").nth(2).waitFor();
  await shot(p, "moderation");
  await p.locator("tbody input[type=checkbox]").nth(0).click();
  await p.locator("tbody input[type=checkbox]").nth(1).click();
  await p.keyboard.press("#");
  await p.locator(".toast", { hasText: "2 posts rejected." }).waitFor();
  await p.locator("tbody tr .lnk").nth(1).waitFor({ state: "detached" });
  await until("two are rejected", async () => (await waiting(p)).length === 1);
  await go(p, "/status/moderation?q=from:nobody");
  await p.locator(".empty").getByText("Nothing matches", { exact: false }).waitFor();
  await go(p, `/status/moderation?q=to:${list}`);
  await p.locator("thead input[type=checkbox]").click();
  await p.locator(".bulk").getByRole("button", { name: "Reject" }).click();
  const [{ id }] = await waiting(p);
  await until("the third is rejected", async () => (await waiting(p)).length === 0);
  await until("its author is told", async () => (await read(p, `/messages/${id}`)).status === "bounced");
  b.calm();
  await b.close();
});

test("what waits for other reasons is not here", async () => {
  const b = await open();
  const p = b.page;
  await go(p, "/status/moderation");
  await send({ to: "someone@nowhere-at-all.example", subject: "in the queue" });
  await post("the one");
  await p.locator("tbody tr .lnk").waitFor();
  const [{ id }] = await waiting(p); // what waits is a message of its own, made of what came
  assert.equal(await p.locator("tbody tr .lnk").count(), 1);
  assert.equal(await p.locator(".foot").getByText("1 post waits").count(), 1);
  // Decided elsewhere: it leaves by itself.
  await write(p, "POST", "/queue/outgoing/messages/actions", { action: "reject", ids: [id] });
  await p.locator(".empty").waitFor();
  await write(p, "POST", "/queue/outgoing/messages/actions", { action: "delete", filter: { destination: "nowhere-at-all.example" } });
  b.calm();
  await b.close();
});

test("the screen and its drawer are accessible", async () => {
  await post("for the eyes");
  const w = await open();
  await until("it waits", async () => (await waiting(w.page)).length === 1);
  const [{ id }] = await waiting(w.page);
  await w.close();
  for (const theme of ["light", "dark"])
    for (const width of Object.values(widths)) {
      const b = await open({ theme, width });
      await go(b.page, "/status/moderation");
      await b.page.locator("tbody .lnk").first().waitFor();
      assert.deepEqual(await violations(b.page, `${theme} ${width}`), []);
      await shot(b.page, `moderation-${theme}-${width}`);
      await go(b.page, `/status/moderation?open=${id}`);
      await b.page.getByRole("complementary").getByRole("button", { name: "Approve" }).waitFor();
      assert.deepEqual(await violations(b.page, `drawer ${theme} ${width}`), []);
      b.calm();
      await b.close();
    }
});

test("what these tests have made goes", async () => {
  const b = await open();
  await write(b.page, "POST", "/queue/outgoing/messages/actions", { action: "delete", filter: { state: "moderation" } });
  await write(b.page, "DELETE", `/accounts/${encodeURIComponent(list)}`);
  b.calm();
  await b.close();
});
