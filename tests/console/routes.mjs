/** Every screen; `ready` is what stands there with the data that prepare() makes. */
export const routes = [
  { name: "overview", path: "/overview" },
  { name: "queue", path: "/status/queue" },
  { name: "sessions", path: "/status/sessions" },
  { name: "logs", path: "/status/logs/smtp" },
  { name: "traffic", path: "/status/traffic" },
  { name: "traffic-table", path: "/status/traffic?view=table&span=1w" },
  { name: "statistics", path: "/status/statistics/smtp" },
  { name: "domains", path: "/domains" },
  { name: "domain", path: "/domains/demo.example" },
  { name: "accounts", path: "/accounts" },
  { name: "account", path: "/accounts/user%40demo.example" },
  { name: "services", path: "/system/services" },
  { name: "settings", path: "/system/settings/smtp" },
  { name: "audit", path: "/system/audit" },
];
