// What happened on the server, whatever the logs were set to: who tried to get in, what was refused, what failed.
import { useCallback } from "react";
import { api } from "../../api/client";
import type { Event } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText, type Key } from "../../i18n";
import type { PageOf } from "../../lib/paged";
import { asAddress, asChoice, asKey, asText, type FilterFields } from "../../lib/usefilter";
import { StoredScreen } from "../../ui/StoredScreen";
import { serviceOptions } from "../sessions/columns";
import { services } from "../sessions/names";
import { eventColumns, idOf, severities } from "./columns";
import { EventDrawer } from "./EventDrawer";

const fields: FilterFields = {
  name: asText("name"),
  severity: asChoice("severity", severities),
  service: asChoice("service", services),
  account: asAddress("account"),
  ip: asText("peer"),
  session: asKey("session"),
  message: asText("message"),
};
/** The questions that are asked most, by the names of the events that answer them. */
const kinds: readonly { id: string; label: Key }[] = [
  { id: "auth.failed", label: "event.kind.auth" },
  { id: "auth.locked", label: "event.kind.locked" },
  { id: "connection.refused", label: "event.kind.connection" },
  { id: "tls.", label: "event.kind.tls" },
  { id: "smtp.rcpt.refused", label: "event.kind.rcpt" },
  { id: "delivery.", label: "event.kind.delivery" },
  { id: "admin.", label: "event.kind.admin" },
  { id: "server.", label: "event.kind.server" },
];

export default function Events() {
  const t = useText();
  const maySessions = useMay("sessions:read");
  return (
    <StoredScreen<Event>
      name="events"
      source="events"
      title={t("nav.events")}
      fields={fields}
      usual="24h"
      read={(query, signal) => api.get("/event-log", { query, signal }) as Promise<PageOf<Event>>}
      idOf={idOf}
      counted={{ searching: "event.searching", more: "event.more", all: "event.count" }}
      filter={{ label: t("event.filter"), placeholder: t("event.filter.hint") }}
      choices={[
        { field: "name", label: t("event.kind"), options: kinds.map((k) => ({ id: k.id, label: t(k.label) })) },
        { field: "severity", label: t("event.atleast"), options: severities.slice(1).map((s) => ({ id: s, label: t(`event.severity.${s}`) })) },
        { field: "service", label: t("sessions.service"), options: serviceOptions(t) },
      ]}
      columns={useCallback((open: (e: Event) => void) => eventColumns(t, maySessions, open), [t, maySessions])}
      nothing={{ icon: "okc", title: t("event.none") }}
      off={t("event.off")}
      drawer={({ row, close }) => row && <EventDrawer event={row} onClose={close} />}
    />
  );
}
