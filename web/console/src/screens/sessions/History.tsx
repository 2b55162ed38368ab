// Sessions that have ended: who, how long, how it ended; each with its transcript.
import { useCallback, useMemo } from "react";
import { api } from "../../api/client";
import type { Session } from "../../api/schema";
import { useText } from "../../i18n";
import { withField } from "../../lib/filterline";
import { useKeys } from "../../lib/keys";
import type { PageOf } from "../../lib/paged";
import { useStoredList } from "../../lib/stored";
import { asAddress, asChoice, asText, type FilterFields } from "../../lib/usefilter";
import { Choice, HoldButton, KeyHint, ListScreen } from "../../ui/ListScreen";
import { SpanField } from "../../ui/SpanField";
import { historyColumns, outcomes, serviceOptions } from "./columns";
import { services } from "./names";
import { SessionDrawer } from "./SessionDrawer";
import { SessionTabs } from "./SessionTabs";

const fields: FilterFields = { service: asChoice("service", services), account: asAddress("account"), ip: asText("peer"), outcome: asChoice("outcome", outcomes) };
const names = Object.keys(fields);
const idOf = (s: Session) => s.id;
const usual = "24h";

export default function History() {
  const t = useText();
  const { list, filter, choice, searching, held, setHeld, open, setOpen, text, setText, shown } = useStoredList<Session>({
    key: "session history",
    fields,
    usual,
    read: (query, signal) => api.get("/sessions", { query: { state: "history", ...query }, signal }) as Promise<PageOf<Session>>,
    idOf,
  });
  const openRow = useCallback((s: Session) => { setOpen(s.id); }, [setOpen]);
  const columns = useMemo(() => historyColumns(t, openRow), [t, openRow]);
  useKeys({ ".": () => { setHeld(!held); } });
  const chosen = (field: string) => text.match(new RegExp(`(?:^|\\s)${field}:(\\S+)`))?.[1] ?? "";
  const set = (field: string) => (value: string) => { setText(withField(text, field, value, names)); };
  const n = list.items?.length ?? 0;
  return (
    <ListScreen
      name="history"
      title={t("nav.sessions")}
      label={t("sessions.ended.list")}
      actions={<HoldButton held={held} onHold={setHeld} />}
      tabs={<SessionTabs />}
      filter={{ label: t("sessions.filter"), placeholder: t("sessions.history.hint"), fields }}
      controls={
        <>
          <Choice label={t("sessions.service")} value={chosen("service")} options={serviceOptions(t)} onChange={set("service")} />
          <Choice label={t("sessions.outcome")} value={chosen("outcome")} options={outcomes.map((o) => ({ id: o, label: t(`outcome.${o}`) }))} onChange={set("outcome")} />
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
        nothing: { icon: "sessions", title: t("sessions.none") },
        off: { setting: "events.enabled", title: t("sessions.off") },
      }}
      foot={
        <>
          <span role="status">{searching ? t("sessions.searching", { n }) : list.more ? t("sessions.atleast", { n }) : t("sessions.count", { n })}</span>
          <div className="key deskonly">
            {outcomes.map((o) => <span key={o}><i className={`dot ${o === "success" ? "ok" : o === "failed" ? "bad" : "gone"}`} aria-hidden="true" />{t(`outcome.${o}`)}</span>)}
          </div>
        </>
      }
      keys={<><KeyHint keys={["j", "k"]}>{t("keys.move")}</KeyHint><KeyHint keys={["↵"]}>{t("keys.open")}</KeyHint><KeyHint keys={["?"]}>{t("keys.all")}</KeyHint></>}
      drawer={open && <SessionDrawer id={open} known={shown} onClose={() => { setOpen(""); }} onEnd={undefined} onChanged={list.refresh} />}
    />
  );
}
