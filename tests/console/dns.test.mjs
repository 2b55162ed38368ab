import assert from "node:assert/strict";
import dgram from "node:dgram";
import { after, test } from "node:test";
import { base, go, open, quit, shot, violations } from "./browser.mjs";

// Two that answer and one that never does; who was asked what comes in `asked`.
const ADDRESSES = ["127.0.0.81", "127.0.0.82", "127.0.0.83"], SILENT = ADDRESSES[1], PORT = 5353;
const asked = [];
const sockets = [];
let heard = () => undefined;
for (const address of ADDRESSES) {
  const s = dgram.createSocket("udp4");
  s.on("message", (m, from) => {
    asked.push(address);
    heard(address);
    if (address === SILENT) return;
    const answer = Buffer.from(m);
    answer[2] = 0x81;
    answer[3] = 0x83; // there is no such name
    s.send(answer, from.port, from.address);
  });
  await new Promise((resolve) => { s.bind(PORT, address, resolve); });
  sockets.push(s);
}
async function set(page, name, to) {
  const me = await (await page.request.get(`${base}/api/v1/me`)).json();
  const r = await page.request.patch(`${base}/api/v1/settings/${name}`, { data: { value: to }, headers: { "X-CSRF-Token": me.csrf_token, Origin: base } });
  assert.equal(r.status(), 200, await r.text());
}
const servers = ADDRESSES.map((a) => `${a}@${PORT}`).join(";");
after(async () => {
  const b = await open();
  await set(b.page, "dns.servers", "127.0.0.1@9");
  await b.close();
  await quit();
  for (const s of sockets) s.close();
});
const rows = (page) => page.getByRole("region", { name: "Answers" }).locator("tbody tr");

test("two rounds over three servers give six results, one by one", async () => {
  const b = await open();
  await set(b.page, "dns.servers", servers);
  await go(b.page, "/system/dns");
  await b.page.getByLabel("Time for an answer").fill("300ms");
  await b.page.getByLabel("Name").fill("whole.example");
  await b.page.getByRole("button", { name: "Test" }).click();
  await b.page.getByText("All 6 questions asked").waitFor();
  assert.equal(await rows(b.page).count(), 6);
  assert.deepEqual(await rows(b.page).locator("td:nth-child(1)").allTextContents(), ["1", "1", "1", "2", "2", "2"]);
  assert.deepEqual(await rows(b.page).locator("td:nth-child(2)").allTextContents(), [...servers.split(";"), ...servers.split(";")]);
  assert.equal(await rows(b.page).getByText("NXDOMAIN").count(), 4);
  assert.deepEqual(await violations(b.page, "test of name servers"), []);
  await shot(b.page, "dns");
  b.calm();
  await b.close();
});

/** Begins a test, and returns while the silent server is waited for. */
async function begin(b) {
  const waited = new Promise((resolve) => { heard = (a) => { if (a === SILENT) resolve(); }; });
  await b.page.getByLabel("Time for an answer").fill("1s");
  await b.page.getByLabel("Name").fill("stopped.example");
  asked.length = 0;
  await b.page.getByRole("button", { name: "Test" }).click();
  await rows(b.page).first().waitFor();
  await waited;
}
/** What is asked by somebody else, after the question that was under way has come to its end. */
async function later(page) {
  const me = await (await page.request.get(`${base}/api/v1/me`)).json();
  const r = await page.request.post(`${base}/api/v1/dns/test`, { data: { from: 1, timeout: "2s" }, headers: { "X-CSRF-Token": me.csrf_token, Origin: base } });
  assert.equal((await r.json()).result.server, `${SILENT}@${PORT}`);
}

test("Stop ends it: the servers behind the silent one are not asked", async () => {
  const b = await open();
  await go(b.page, "/system/dns");
  await begin(b);
  await b.page.getByRole("button", { name: "Stop" }).click();
  await b.page.getByText("Stopped after 1 of 6 questions").waitFor();
  assert.equal(await b.page.getByRole("button", { name: "Stop" }).isDisabled(), true);
  await later(b.page);
  assert.equal(asked.includes(ADDRESSES[2]), false);
  assert.equal(await rows(b.page).count(), 1);
  // Another one begins anew.
  await b.page.getByLabel("Time for an answer").fill("200ms");
  await b.page.getByRole("button", { name: "Test" }).click();
  await b.page.getByText("All 6 questions asked").waitFor();
  assert.equal(await rows(b.page).count(), 6);
  b.calm();
  await b.close();
});

test("so does going away", async () => {
  const b = await open();
  await go(b.page, "/system/dns");
  await begin(b);
  await b.close();
  const other = await open();
  await later(other.page);
  assert.equal(asked.includes(ADDRESSES[2]), false);
  await other.close();
});

test("what is wrong stands at its field", async () => {
  const b = await open();
  await go(b.page, "/system/dns");
  await b.page.getByLabel("Time for an answer").fill("1h");
  await b.page.getByRole("button", { name: "Test" }).click();
  await b.page.getByRole("alert").filter({ hasText: "is not a time from 100ms to 60s" }).waitFor();
  assert.equal(await b.page.getByRole("button", { name: "Test" }).isEnabled(), true);
  await b.close();
});
