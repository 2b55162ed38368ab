/**
 * Every screen; `path` may be asked of the server when an id is in it. What stands there is the data that prepare() makes.
 */
export const routes = [
  { name: "me", path: "/me" },
  { name: "overview", path: "/overview" },
  { name: "trace", path: "/trace?span=24h" },
  { name: "message", path: async (api) => `/messages/${(await api("/messages?recipient=info@arrigonovelli.example&limit=1")).items[0].id}` },
  { name: "message-log", path: async (api) => `/messages/${(await api("/messages?recipient=info@arrigonovelli.example&limit=1")).items[0].id}?tab=log` },
  { name: "queue", path: "/status/queue" },
  { name: "destinations", path: "/status/queue/destinations" },
  { name: "mailbox", path: "/status/queue/mailbox/anna%40demo.example/inbox" },
  { name: "mailbox-none", path: "/status/queue/mailbox" },
  { name: "moderation", path: "/status/moderation" },
  { name: "archive", path: "/status/archive" },
  { name: "sessions", path: "/status/sessions" },
  { name: "history", path: "/status/sessions/history" },
  { name: "session", path: async (api) => `/status/sessions/${(await api("/sessions?state=history&service=submission&limit=1")).items[0].id}` },
  { name: "ip", path: "/ip/127.0.0.1" },
  { name: "host", path: "/hosts/arrigonovelli.example" },
  { name: "events", path: "/status/events" },
  { name: "events-ip", path: "/status/events?q=ip:127.0.0.1&span=7d" },
  { name: "log-around", path: async (api) => `/status/logs/smtp?around=${encodeURIComponent((await api("/logs/smtp/lines?filter=EHLO&limit=1")).items[0].at)}` },
  { name: "log-thread", path: async (api) => `/status/logs/smtp?thread=${(await api("/logs/smtp/lines?filter=EHLO&limit=1")).items[0].session}` },
  { name: "logs", path: "/status/logs/smtp" },
  { name: "log-files", path: "/status/logs/smtp/files" },
  { name: "traffic", path: "/status/traffic" },
  { name: "traffic-table", path: "/status/traffic?view=table&span=1w" },
  { name: "statistics", path: "/status/statistics/smtp" },
  { name: "domains", path: "/domains" },
  { name: "domain", path: "/domains/demo.example" },
  { name: "accounts", path: "/accounts" },
  { name: "account", path: "/accounts/user%40demo.example" },
  { name: "list", path: "/accounts/crew%40demo.example" },
  { name: "patterns", path: "/patterns" },
  { name: "filters", path: "/filters" },
  { name: "senders", path: "/senders" },
  { name: "services", path: "/system/services" },
  { name: "settings", path: "/system/settings/smtp" },
  { name: "routes", path: "/system/routes" },
  { name: "dns", path: "/system/dns" },
  { name: "tokens", path: "/system/tokens" },
  { name: "audit", path: "/system/audit" },
];

/** Where a route leads in this run, for a page that has signed in. */
export async function pathOf(route, page) {
  if (typeof route.path === "string") return route.path;
  return route.path(async (what) => {
    const answer = await page.request.get(`${process.env.CONSOLE_URL}/api/v1${what}`);
    if (!answer.ok()) throw new Error(`${what}: ${answer.status()} ${await answer.text()}`);
    return answer.json();
  });
}
