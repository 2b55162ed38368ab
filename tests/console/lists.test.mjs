// Mailing lists, limits of sending, automatic replies: set in the console, in force for real mail.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { go, open, quit, read, saved, shot, violations, widths, write } from "./browser.mjs";
import { Imap, send, Smtp } from "./mail.mjs";

after(quit);

test("a mailing list is made, gets members and sends to them; who may not post is refused", async () => {
  const b = await open();
  await go(b.page, "/accounts?dialog=new");
  const dialog = b.page.getByRole("dialog");
  await dialog.getByLabel("Address").fill("team@demo.example");
  await dialog.getByLabel("Kind").selectOption("list");
  assert.equal(await dialog.getByLabel("Password", { exact: true }).count(), 0);
  await dialog.getByRole("button", { name: "Create account" }).click();
  await b.page.getByRole("heading", { name: "team@demo.example" }).waitFor();
  await b.page.getByText("It has no member yet").waitFor();

  await b.page.getByRole("button", { name: "Add members" }).click();
  await dialog.getByLabel("Addresses").fill("nonsense");
  await dialog.getByRole("button", { name: "Add 1 address" }).click();
  await dialog.getByRole("alert").first().waitFor();
  await dialog.getByLabel("Addresses").fill("");
  await dialog.getByLabel("File").setInputFiles({ name: "members.txt", mimeType: "text/plain", buffer: Buffer.from("# two\nanna@demo.example\naway@elsewhere.example\n") });
  await dialog.getByRole("button", { name: "Add 2 addresses" }).click();
  await b.page.getByText("There are 2 members now.").waitFor();
  await b.page.getByLabel("Owners").fill("carla@other.example");
  await saved(b.page, () => b.page.getByRole("button", { name: "Save", exact: true }).click());
  assert.deepEqual((await read(b.page, "/accounts/team%40demo.example")).list_owner, ["carla@other.example"]);
  await shot(b.page, "list");

  await assert.rejects(send({ to: "team@demo.example", subject: "from outside" }));
  await b.page.getByLabel("Who may post").selectOption("anyone");
  await saved(b.page, () => b.page.getByRole("button", { name: "Save", exact: true }).click());
  await send({ to: "team@demo.example", subject: "to the team" });
  const anna = await Imap.open("anna@demo.example", "secret-anna");
  await anna.arrived("to the team");
  anna.close();

  await b.page.getByRole("searchbox", { name: "Filter members" }).fill("away");
  await b.page.getByText("1 member", { exact: true }).waitFor();
  await b.page.getByRole("button", { name: "Remove away@elsewhere.example" }).click();
  await b.page.getByText("No member matches.").waitFor();
  await b.page.getByRole("button", { name: "Undo" }).click();
  await b.page.getByText("Taken back.").waitFor();
  assert.deepEqual((await read(b.page, "/accounts/team%40demo.example/members")).items.map((m) => m.address).sort(), ["anna@demo.example", "away@elsewhere.example"]);
  b.calm();
  await b.close();
});

test("limits of sending and an automatic reply hold", async () => {
  const b = await open();
  await write(b.page, "POST", "/accounts", { address: "rita@demo.example", name: "Rita", password: "secret-rita-1" });
  await go(b.page, "/accounts/rita%40demo.example");
  await b.page.getByLabel("Messages in an hour").fill("1");
  await b.page.getByLabel("Recipients in 24 hours").fill("50");
  await b.page.getByLabel("Text of the reply").fill("Back on Monday.\nRita");
  await b.page.getByLabel("Subject of the reply").fill("Rita is away");
  await b.page.getByLabel("Days until the next reply").fill("0");
  await b.page.getByLabel("First day").fill("2026-01-02");
  await b.page.getByLabel("Last day").fill("2099-12-31");
  await saved(b.page, () => b.page.getByRole("button", { name: "Save", exact: true }).click());
  const stored = await read(b.page, "/accounts/rita%40demo.example");
  const { max_messages_hour, max_recipients_day, auto_reply_subject, auto_reply_from, auto_reply_until, auto_reply_days } = stored;
  assert.deepEqual({ max_messages_hour, max_recipients_day, auto_reply_subject, auto_reply_from, auto_reply_until, auto_reply_days }, { max_messages_hour: 1, max_recipients_day: 50, auto_reply_subject: "Rita is away", auto_reply_from: "2026-01-02", auto_reply_until: "2099-12-31", auto_reply_days: 0 });
  assert.equal(stored.auto_reply, "Back on Monday.\nRita");

  await send({ to: "rita@demo.example", subject: "are you there" });
  const user = await Imap.open("user@demo.example", "secret-user");
  await user.arrived("Rita is away");
  user.close();

  await send({ from: "rita@demo.example", password: "secret-rita-1", to: "anna@demo.example", subject: "the first" });
  const s = await Smtp.open(Number(process.env.SUBMISSION_PORT));
  await s.login("rita@demo.example", "secret-rita-1");
  const replies = [await s.say("MAIL FROM:<rita@demo.example>"), await s.say("RCPT TO:<anna@demo.example>")];
  assert.ok(replies.some((r) => r.startsWith("450 4.7.1")), replies.join(" | "));
  s.close();
  b.calm();
  await b.close();
});

test("the pages of a list and of a user are accessible", async () => {
  for (const theme of ["light", "dark"])
    for (const width of Object.values(widths)) {
      const b = await open({ theme, width });
      for (const account of ["crew@demo.example", "anna@demo.example"]) {
        await go(b.page, `/accounts/${encodeURIComponent(account)}`);
        assert.deepEqual(await violations(b.page, `${account} ${theme} ${width}`), []);
      }
      b.calm();
      await b.close();
    }
});
