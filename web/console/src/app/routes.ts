import type { ComponentType } from "react";

export type Screen = () => Promise<{ default: ComponentType<{ params: Record<string, string> }> }>;

/** Each screen is loaded when it is first opened. */
export const routes: readonly { path: string; scope: string; load: Screen }[] = [
  { path: "/me", scope: "self", load: () => import("../screens/me/Me") },
  { path: "/overview", scope: "metrics:read", load: () => import("../screens/overview/Overview") },
  { path: "/trace", scope: "messages:read", load: () => import("../screens/messages/Trace") },
  { path: "/messages/{id}", scope: "messages:read", load: () => import("../screens/messages/Message") },
  { path: "/status/queue", scope: "queue:read", load: () => import("../screens/queue/Queue") },
  { path: "/status/queue/destinations", scope: "queue:read", load: () => import("../screens/queue/Destinations") },
  { path: "/status/sessions", scope: "sessions:read", load: () => import("../screens/sessions/Sessions") },
  { path: "/status/sessions/history", scope: "sessions:read", load: () => import("../screens/sessions/History") },
  { path: "/status/sessions/{id}", scope: "sessions:read", load: () => import("../screens/sessions/SessionPage") },
  { path: "/status/events", scope: "messages:read", load: () => import("../screens/events/Events") },
  { path: "/ip/{ip}", scope: "sessions:read", load: () => import("../screens/peers/Ip") },
  { path: "/hosts/{host}", scope: "queue:read", load: () => import("../screens/peers/Host") },
  { path: "/status/logs", scope: "logs:read", load: () => import("../screens/logs/Logs") },
  { path: "/status/logs/{service}", scope: "logs:read", load: () => import("../screens/logs/Logs") },
  { path: "/status/logs/{service}/files", scope: "logs:read", load: () => import("../screens/logs/Files") },
  { path: "/status/traffic", scope: "metrics:read", load: () => import("../screens/traffic/Traffic") },
  { path: "/status/statistics", scope: "metrics:read", load: () => import("../screens/statistics/Statistics") },
  { path: "/status/statistics/{service}", scope: "metrics:read", load: () => import("../screens/statistics/Statistics") },
  { path: "/domains", scope: "directory:read", load: () => import("../screens/directory/Domains") },
  { path: "/domains/{domain}", scope: "directory:read", load: () => import("../screens/directory/Domain") },
  { path: "/accounts", scope: "directory:read", load: () => import("../screens/directory/Accounts") },
  { path: "/accounts/{account}", scope: "directory:read", load: () => import("../screens/directory/Account") },
  { path: "/filters", scope: "directory:read", load: () => import("../screens/rules/Rules") },
  { path: "/senders", scope: "directory:read", load: () => import("../screens/senders/Senders") },
  { path: "/system/services", scope: "services:read", load: () => import("../screens/services/Services") },
  { path: "/system/settings", scope: "settings:read", load: () => import("../screens/settings/Settings") },
  { path: "/system/settings/{area}", scope: "settings:read", load: () => import("../screens/settings/Settings") },
  { path: "/system/routes", scope: "settings:read", load: () => import("../screens/routes/Routes") },
  { path: "/system/tokens", scope: "tokens:read", load: () => import("../screens/tokens/Tokens") },
  { path: "/system/audit", scope: "audit:read", load: () => import("../screens/audit/Audit") },
];
