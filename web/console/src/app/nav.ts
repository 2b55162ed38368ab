import type { Me } from "../api/schema";
import type { Key } from "../i18n";
import type { IconName } from "../ui/icons";

export interface NavItem {
  to: string;
  icon: IconName;
  label: Key;
  /** The screen is shown to those who may read this. */
  scope: string;
  /** Pages elsewhere that belong to it. */
  also?: string;
  /** The letter after g. */
  key?: string;
  /** A counter of waiting work. */
  count?: "queue" | "moderation" | "sessions";
  /** In the menu of this role only; the others find it in the menu of the user. */
  role?: Me["role"];
  /** Stands in the bar at the foot of the phone, by this name. */
  foot?: Key;
}

/** The tree of screens; only those whose API exists. */
export const navigation: readonly { label?: Key; items: readonly NavItem[] }[] = [
  {
    items: [
      { to: "/me", icon: "user", label: "nav.me", scope: "self", role: "user", foot: "nav.me" },
      { to: "/overview", icon: "overview", label: "nav.overview", scope: "metrics:read", key: "o", foot: "nav.overview" },
      { to: "/trace", icon: "trace", label: "nav.trace", scope: "messages:read", key: "f", also: "/messages" },
    ],
  },
  {
    label: "nav.status",
    items: [
      { to: "/status/queue", icon: "queue", label: "nav.queue", scope: "queue:read", key: "q", count: "queue", foot: "nav.queue.short", also: "/hosts" },
      { to: "/status/moderation", icon: "flag", label: "nav.moderation", scope: "queue:read", key: "m", count: "moderation" },
      { to: "/status/sessions", icon: "sessions", label: "nav.sessions", scope: "sessions:read", key: "s", count: "sessions", foot: "nav.sessions", also: "/ip" },
      { to: "/status/archive", icon: "disk", label: "nav.archive", scope: "messages:read", key: "h" },
      { to: "/status/events", icon: "bell", label: "nav.events", scope: "messages:read", key: "n" },
      { to: "/status/logs", icon: "logs", label: "nav.logs", scope: "logs:read", key: "l", foot: "nav.logs" },
      { to: "/status/traffic", icon: "chart", label: "nav.traffic", scope: "metrics:read", key: "t" },
      { to: "/status/statistics", icon: "stats", label: "nav.statistics", scope: "metrics:read", key: "c" },
    ],
  },
  {
    label: "nav.directory",
    items: [
      { to: "/domains", icon: "at", label: "nav.domains", scope: "directory:read", key: "d" },
      { to: "/accounts", icon: "users", label: "nav.accounts", scope: "directory:read", key: "a" },
      { to: "/patterns", icon: "list", label: "nav.patterns", scope: "settings:read", key: "p" },
      { to: "/filters", icon: "filter", label: "nav.rules", scope: "directory:read", key: "i" },
      { to: "/senders", icon: "ban", label: "nav.senders", scope: "directory:read", key: "b" },
    ],
  },
  {
    label: "nav.system",
    items: [
      { to: "/system/services", icon: "server", label: "nav.services", scope: "services:read", key: "v" },
      { to: "/system/settings", icon: "sliders", label: "nav.settings", scope: "settings:read", key: "e" },
      { to: "/system/routes", icon: "send", label: "nav.routes", scope: "settings:read", key: "r" },
      { to: "/system/dns", icon: "globe", label: "nav.dns", scope: "services:read", key: "w" },
      { to: "/system/tokens", icon: "key", label: "nav.tokens", scope: "tokens:read", key: "k" },
      { to: "/system/audit", icon: "report", label: "nav.audit", scope: "audit:read", key: "u" },
    ],
  },
];

export function isCurrent(item: NavItem, path: string): boolean {
  return [item.to, item.also].some((to) => to !== undefined && (path === to || path.startsWith(`${to}/`)));
}

/** The screens in the menu of who has signed in, group by group. */
export function menuOf(me: Pick<Me, "role" | "scopes">): typeof navigation {
  return navigation
    .map((g) => ({ ...g, items: g.items.filter((i) => me.scopes.includes(i.scope) && (!i.role || i.role === me.role)) }))
    .filter((g) => g.items.length > 0);
}
