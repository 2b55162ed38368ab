// What stands where rows would stand, on every list: nothing yet, nothing by this filter, no right, failed, switched off.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { base, go, open, quit, violations } from "./browser.mjs";
import { send } from "./mail.mjs";
import { prepare, release } from "./prepare.mjs";

before(prepare);
after(async () => {
  await release();
  await quit();
});

/** `api`: what the list reads, to be cut off. */
const lists = [
  { path: "/trace", title: "Find messages", api: "**/api/v1/messages?*", scope: "messages", none: "No message matches" },
  { path: "/status/queue", title: "Message queue", api: "**/api/v1/queue/outgoing/messages?*", none: "Nothing fits the filter" },
  { path: "/status/sessions", title: "Sessions", api: "**/api/v1/sessions?*", none: "Nothing fits the filter" },
  { path: "/status/sessions/history", title: "Sessions", api: "**/api/v1/sessions?*", none: "Nothing fits the filter" },
  { path: "/status/logs/smtp", title: "Logs", api: "**/api/v1/logs/smtp/lines?*", none: "No line fits the filter" },
  { path: "/domains", title: "Domains", api: "**/api/v1/domains?*", none: "Nothing fits the filter" },
  { path: "/accounts", title: "Accounts", api: "**/api/v1/accounts?*", none: "Nothing fits the filter" },
  { path: "/system/settings", title: "Settings", api: "**/api/v1/settings/schema*", none: "Nothing fits the filter" },
  { path: "/system/audit", title: "Audit", api: "**/api/v1/audit?*", none: "Nothing fits the filter" },
];

describe("nothing by this filter: the filter is named, and can be taken away", () => {
  for (const l of lists)
    test(l.path, async () => {
      const b = await open();
      await go(b.page, `${l.path}?q=no-such-${"<b>"}word`);
      const empty = b.page.locator(".empty");
      await empty.waitFor();
      await empty.locator(".tok", { hasText: "no-such-<b>word" }).waitFor();
      assert.deepEqual(await violations(b.page, l.path), []);
      await empty.getByRole("button", { name: "Remove filter" }).click();
      await b.page.waitForFunction(() => !new URL(location.href).searchParams.has("q"));
      await empty.locator(".tok").waitFor({ state: "detached" });
      b.calm();
      await b.close();
    });
});

describe("failed: it is said, tried again by itself and by the button", () => {
  for (const l of lists)
    test(l.path, async () => {
      const b = await open();
      let cut = true;
      await b.page.route(l.api, (r) => (cut ? r.abort() : r.continue()));
      await go(b.page, "/system/services");
      await go(b.page, l.path);
      const alert = b.page.getByRole("alert").filter({ hasText: "The server does not answer" });
      await alert.getByText(/Next try in/).waitFor();
      cut = false;
      await alert.getByRole("button", { name: "Try again" }).click();
      await alert.waitFor({ state: "detached" });
      b.calm();
      await b.close();
    });
});

test("no right: a link to what one may not see says what one may see", async () => {
  const b = await open({ account: "domainadmin@other.example" });
  for (const path of ["/system/audit", "/system/settings/smtp", "/status/logs/smtp", "/status/traffic", "/status/statistics/smtp", "/system/services"]) {
    await go(b.page, path);
    await b.page.locator(".empty").getByText("other.example").waitFor();
    assert.equal(await b.page.getByRole("table").count(), 0, path);
  }
  b.calm();
  await b.close();
});

test("no right that was withdrawn while the console was open: the list says so, too", async () => {
  const b = await open();
  await b.page.route("**/api/v1/audit?*", (r) => r.fulfill({ status: 403, contentType: "application/problem+json", body: JSON.stringify({ title: "Forbidden", status: 403, code: "missing_scope", detail: "needs the scope audit:read" }) }));
  await go(b.page, "/system/audit");
  await b.page.locator(".empty").getByText("needs the scope audit:read").waitFor();
  assert.equal(await b.page.getByRole("button", { name: "Try again" }).count(), 0);
  b.calm();
  await b.close();
});

test("nothing yet is good news, or says what to do first", async () => {
  const b = await open({ account: "domainadmin@other.example" });
  await go(b.page, "/status/queue");
  await b.page.locator(".empty").getByText("Nothing is waiting.").waitFor();
  await go(b.page, "/status/sessions");
  await b.page.locator(".empty").getByText("Nobody is connected.").waitFor();
  b.calm();
  await b.close();
});

test("switched off: the setting is named, and switched on in place", async () => {
  const b = await open();
  const me = await (await b.page.request.get(`${base}/api/v1/me`)).json();
  const set = (value) => b.page.request.patch(`${base}/api/v1/settings/events.enabled`, { data: { value }, headers: { "X-CSRF-Token": me.csrf_token, Origin: base } });
  assert.equal((await set("no")).status(), 200);
  try {
    await send({ to: "anna@demo.example", subject: "not recorded" });
    const future = new Date(Date.now() + 3_600_000).toISOString();
    for (const [path, title] of [["/status/sessions/history", "Sessions are not recorded"], ["/trace", "Messages are not recorded"]]) {
      await go(b.page, `${path}?from=${future}`);
      await b.page.locator(".empty").getByText(title).waitFor();
      await b.page.locator(".empty").getByText("events.enabled").waitFor();
    }
    await b.page.getByRole("button", { name: "Switch on" }).click();
    await b.page.getByText("events.enabled is on.").waitFor();
    await b.page.locator(".empty").getByText("No message came or left").waitFor();
    assert.equal((await (await b.page.request.get(`${base}/api/v1/settings/events.enabled`)).json()).value, "yes");
  } finally {
    await set("yes");
  }
  b.calm();
  await b.close();
});
