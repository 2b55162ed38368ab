// Where what needs somebody is put right. Pure.
import type { HealthCheck } from "../../api/schema";
import type { Key } from "../../i18n";

export interface Place {
  to: string;
  label: Key;
}

const errors: Place = { to: "/status/logs/errors", label: "overview.errors" };
const events: Place = { to: "/system/settings/events", label: "overview.settings" };

/** The kind of a check, without the object that it is about: "destination" of "destination.b.example". */
export function kindOf(check: Pick<HealthCheck, "id" | "object">): string {
  return check.object !== null && check.id.endsWith(`.${check.object}`) ? check.id.slice(0, -check.object.length - 1) : check.id;
}

/** The screens that help, the one that puts it right first. */
export function placesOf(check: Pick<HealthCheck, "id" | "object">): Place[] {
  const kind = kindOf(check);
  if (kind === "queue.overdue") return [{ to: "/status/queue?q=state:overdue", label: "overview.queue" }];
  if (kind === "destination")
    return [
      { to: `/status/queue?q=${encodeURIComponent(`host:${check.object}`)}`, label: "overview.queue" },
      { to: "/status/sessions/history?q=service:smtp-client&span=24h", label: "overview.attempts" },
    ];
  if (kind === "certificate") return [{ to: "/system/settings/web", label: "overview.settings" }];
  if (kind === "disk") return [{ to: "/system/settings/log", label: "overview.retention" }, events];
  if (kind === "logins.refused") return [{ to: "/status/logs/auth", label: "overview.auth" }, { to: "/system/settings/auth", label: "overview.settings" }];
  if (kind === "delivery.local") return [errors, { to: "/status/queue", label: "overview.queue" }];
  if (kind === "events.lost" || kind === "transcripts.lost") return [errors, events];
  if (kind === "log.lost") return [errors, { to: "/system/settings/log", label: "overview.settings" }];
  if (kind === "db.errors") return [errors];
  if (kind.startsWith("module.")) return [{ to: "/system/services", label: "overview.services" }, errors];
  return [];
}
