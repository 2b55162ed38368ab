// What happened on the server, whatever the logs were set to: who tried to get in, what was refused, what failed.
import { useCallback, useMemo } from "react";
import { api } from "../../api/client";
import type { Event } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText, type Key } from "../../i18n";
import { withField } from "../../lib/filterline";
import { useKeys } from "../../lib/keys";
import type { PageOf } from "../../lib/paged";
import { useStoredList } from "../../lib/stored";
import { asAddress, asChoice, asKey, asText, type FilterFields } from "../../lib/usefilter";
import { Choice, HoldButton, KeyHint, ListScreen } from "../../ui/ListScreen";
import { SpanField } from "../../ui/SpanField";
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
const names = Object.keys(fields);
const usual = "24h";
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
  const { list, filter, choice, searching, held, setHeld, open, setOpen, text, setText, shown } = useStoredList<Event>({
    key: "events",
    fields,
    usual,
    read: (query, signal) => api.get("/event-log", { query, signal }) as Promise<PageOf<Event>>,
    idOf,
  });
  const openRow = useCallback((e: Event) => { setOpen(idOf(e)); }, [setOpen]);
  const columns = useMemo(() => eventColumns(t, maySessions, openRow), [t, maySessions, openRow]);
  useKeys({ ".": () => { setHeld(!held); } });
  const chosen = (field: string) => String(filter.params[field] ?? "");
  const set = (field: string) => (value: string) => { setText(withField(text, field, value, names)); };
  const n = list.items?.length ?? 0;
  return (
    <ListScreen
      name="events"
      title={t("nav.events")}
      actions={<HoldButton held={held} onHold={setHeld} />}
      filter={{ label: t("event.filter"), placeholder: t("event.filter.hint"), fields }}
      controls={
        <>
          <Choice label={t("event.kind")} value={kinds.some((k) => k.id === chosen("name")) ? chosen("name") : ""} options={kinds.map((k) => ({ id: k.id, label: t(k.label) }))} onChange={set("name")} />
          <Choice label={t("event.atleast")} value={chosen("severity")} options={severities.slice(1).map((s) => ({ id: s, label: t(`event.severity.${s}`) }))} onChange={set("severity")} />
          <Choice label={t("sessions.service")} value={chosen("service")} options={serviceOptions(t)} onChange={set("service")} />
        </>
      }
      below={<div className="bar line spanbar"><SpanField choice={choice} usual={usual} /></div>}
      list={list}
      columns={columns}
      idOf={idOf}
      openId={open}
      onOpen={openRow}
      state={{
        searching,
        filter: { text: filter.text, onReset: () => { setText(""); } },
        span: choice,
        nothing: { icon: "okc", title: t("event.none") },
        off: { setting: "events.enabled", title: t("event.off") },
      }}
      foot={<span role="status">{searching ? t("event.searching", { n }) : list.more ? t("event.more", { n }) : t("event.count", { n })}</span>}
      keys={<><KeyHint keys={["j", "k"]}>{t("keys.move")}</KeyHint><KeyHint keys={["↵"]}>{t("keys.open")}</KeyHint><KeyHint keys={["f"]}>{t("keys.filter")}</KeyHint><KeyHint keys={["?"]}>{t("keys.all")}</KeyHint></>}
      drawer={shown && <EventDrawer event={shown} onClose={() => { setOpen(""); }} />}
    />
  );
}
