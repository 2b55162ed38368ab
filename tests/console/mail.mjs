// Real mail and real sessions for the screens: a small SMTP and IMAP client over sockets.
import net from "node:net";
import { once } from "node:events";

const sockets = new Set();
/** At the end of a file: a test that failed must not keep the run alive. */
export function closeAll() {
  for (const s of sockets) s.destroy();
  sockets.clear();
}

class Lines {
  constructor(socket) {
    this.socket = socket;
    this.text = "";
    this.waiting = [];
    socket.setEncoding("utf8");
    socket.on("data", (d) => {
      this.text += d;
      this.pump();
    });
    socket.on("close", () => {
      this.closed = true;
      this.pump();
    });
    socket.on("error", () => undefined);
  }
  pump() {
    while (this.waiting.length) {
      const at = this.text.indexOf("\r\n");
      if (at >= 0) {
        const line = this.text.slice(0, at);
        this.text = this.text.slice(at + 2);
        this.waiting.shift()(line);
      } else if (this.closed) this.waiting.shift()(undefined);
      else return;
    }
  }
  line() {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.pump();
    });
  }
}

async function connect(port) {
  const socket = net.connect(port, "127.0.0.1");
  await once(socket, "connect");
  sockets.add(socket);
  return new Lines(socket);
}

export class Smtp {
  static async open(port = Number(process.env.SMTP_PORT)) {
    const s = new Smtp();
    s.lines = await connect(port);
    await s.reply();
    await s.say("EHLO ws-042.demo.example");
    return s;
  }
  async reply() {
    let line;
    do line = await this.lines.line();
    while (line?.[3] === "-");
    return line ?? "";
  }
  async say(command) {
    this.lines.socket.write(command + "\r\n");
    return this.reply();
  }
  async login(user, password) {
    return this.say(`AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString("base64")}`);
  }
  close() {
    this.lines.socket.destroy();
  }
}

/** Submits one message; returns the reply to its data. */
export async function send({ from = "user@demo.example", password = "secret-user", to, subject = "Test", body = "Hello" }) {
  const s = await Smtp.open(Number(process.env.SUBMISSION_PORT));
  await s.login(from, password);
  await s.say(`MAIL FROM:<${from}>`);
  for (const rcpt of [to].flat()) await s.say(`RCPT TO:<${rcpt}>`);
  await s.say("DATA");
  const reply = await s.say(`From: <${from}>\r\nTo: <${[to].flat()[0]}>\r\nSubject: ${subject}\r\n\r\n${body}\r\n.`);
  await s.say("QUIT");
  s.close();
  if (!reply.startsWith("250")) throw new Error(`not accepted: ${reply}`);
  return /Message id ([A-Z]{3}\d{5})/.exec(reply)?.[1] ?? "";
}

export class Imap {
  static async open(user, password) {
    const s = new Imap();
    s.lines = await connect(Number(process.env.IMAP_PORT));
    s.n = 0;
    await s.lines.line();
    const r = await s.say(`LOGIN ${user} ${password}`);
    if (!/OK/.test(r)) throw new Error(r);
    return s;
  }
  async say(command) {
    const tag = `a${++this.n}`;
    this.lines.socket.write(`${tag} ${command}\r\n`);
    for (;;) {
      const line = await this.lines.line();
      if (line === undefined || line.startsWith(tag)) return line ?? "";
    }
  }
  /** Waits until the mailbox has a message with this in its subject. */
  async arrived(subject) {
    await this.say("SELECT INBOX");
    for (;;) {
      const tag = `a${++this.n}`;
      this.lines.socket.write(`${tag} SEARCH SUBJECT "${subject}"\r\n`);
      let found = false;
      for (;;) {
        const line = await this.lines.line();
        if (line === undefined) throw new Error("the connection was closed");
        if (/^\* SEARCH \d/.test(line)) found = true;
        if (line.startsWith(tag)) break;
      }
      if (found) return;
      await new Promise((r) => setTimeout(r, 200));
    }
  }
  /** Resolves when the server has closed the connection. */
  async ended() {
    while ((await this.lines.line()) !== undefined);
  }
  close() {
    this.lines.socket.destroy();
  }
}
