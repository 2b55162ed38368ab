// Sessions that have ended: who, how long, how it ended; each with its transcript.
import { useCallback } from "react";
import { api } from "../../api/client";
import type { Session } from "../../api/schema";
import { useText } from "../../i18n";
import type { PageOf } from "../../lib/paged";
import { asAddress, asChoice, asText, type FilterFields } from "../../lib/usefilter";
import { StoredScreen } from "../../ui/StoredScreen";
import { historyColumns, outcomes, serviceOptions } from "./columns";
import { services } from "./names";
import { SessionDrawer } from "./SessionDrawer";
import { SessionTabs } from "./SessionTabs";

const fields: FilterFields = { service: asChoice("service", services), account: asAddress("account"), ip: asText("peer"), outcome: asChoice("outcome", outcomes) };
const idOf = (s: Session) => s.id;

export default function History() {
  const t = useText();
  return (
    <StoredScreen<Session>
      name="history"
      source="session history"
      title={t("nav.sessions")}
      label={t("sessions.ended.list")}
      fields={fields}
      usual="24h"
      read={(query, signal) => api.get("/sessions", { query: { state: "history", ...query }, signal }) as Promise<PageOf<Session>>}
      idOf={idOf}
      counted={{ searching: "sessions.searching", more: "sessions.atleast", all: "sessions.count" }}
      tabs={<SessionTabs />}
      filter={{ label: t("sessions.filter"), placeholder: t("sessions.history.hint") }}
      choices={[
        { field: "service", label: t("sessions.service"), options: serviceOptions(t) },
        { field: "outcome", label: t("sessions.outcome"), options: outcomes.map((o) => ({ id: o, label: t(`outcome.${o}`) })) },
      ]}
      columns={useCallback((open: (s: Session) => void) => historyColumns(t, open), [t])}
      nothing={{ icon: "sessions", title: t("sessions.none") }}
      off={t("sessions.off")}
      foot={
        <div className="key deskonly">
          {outcomes.map((o) => <span key={o}><i className={`dot ${o === "success" ? "ok" : o === "failed" ? "bad" : "gone"}`} aria-hidden="true" />{t(`outcome.${o}`)}</span>)}
        </div>
      }
      drawer={({ id, row, close, refresh }) => <SessionDrawer id={id} known={row} onClose={close} onEnd={undefined} onChanged={refresh} />}
    />
  );
}
