import fs from "node:fs";
import { Imap, send, Smtp } from "./mail.mjs";

let made;
/** Mail that waits (no host of these domains resolves here), mail that was delivered, sessions that stay open. */
export function prepare() {
  made ??= (async () => {
    // The server is the same for all files of tests; its queue is filled once.
    const mark = `${process.env.SERVER_DIR}/prepared`;
    if (!fs.existsSync(mark)) {
      await fill();
      fs.writeFileSync(mark, "");
    }
    const sessions = [await Imap.open("anna@demo.example", "secret-anna"), await Imap.open("user@demo.example", "secret-user")];
    for (const s of sessions) await s.say("SELECT INBOX");
    const smtp = await Smtp.open();
    await smtp.say("MAIL FROM:<stranger@elsewhere.example>");
    return { sessions, smtp };
  })();
  return made;
}

async function fill() {
  for (const [to, subject] of [
    ["info@arrigonovelli.example", "Quarterly order forms"],
    ["acquisti@arrigonovelli.example", "Re: Delivery note 20318"],
    ["ordini@arrigonovelli.example", "Reminder: open items"],
    ["buero@kontor.example", "Meeting Thursday"],
    ["contato@vendas.example", "<script>alert(1)</script> & <b>bold</b>"],
    [["test@partner.example", "second@partner.example"], "Offer no. 1195"],
  ])
    await send({ to, subject });
  await send({ to: "anna@demo.example", subject: "Hello Anna" });
  const refused = await Smtp.open();
  await refused.say("MAIL FROM:<stranger@elsewhere.example>");
  await refused.say("RCPT TO:<nobody@demo.example>");
  await refused.say("QUIT");
  refused.close();
}
export async function release() {
  if (!made) return;
  const { sessions, smtp } = await made;
  for (const s of sessions) s.close();
  smtp.close();
  made = undefined;
}
