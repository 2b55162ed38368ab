import { useState } from "react";
import { api } from "../../api/client";
import type { Session } from "../../api/schema";
import { useText } from "../../i18n";
import { formatMoment } from "../../lib/format";
import { sessionAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { Link, useParam } from "../../lib/router";
import { toast } from "../../lib/toast";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { Drawer, InnerTabs } from "../../ui/Drawer";
import { Icon } from "../../ui/Icon";
import { MenuButton } from "../../ui/MenuButton";
import { Raw } from "../../ui/Raw";
import { Empty, ErrorNote, failed, Skeleton } from "../../ui/States";
import { callerOf, serviceNames, SessionMark } from "./columns";
import { SessionFacts, SessionLinks } from "./facts";
import { logOf } from "./names";
import { Following, Transcript, TranscriptTools } from "./Transcript";
import { useTranscript } from "./usetranscript";

export function SessionDrawer({ id, known, onClose, onEnd, onChanged, held = false }: {
  id: string;
  known: Session | undefined;
  onClose: () => void;
  onEnd: ((s: Session) => void) | undefined;
  onChanged: () => void;
  held?: boolean;
}) {
  const t = useText();
  const [all, setAll] = useState<{ field: "account" | "peer"; value: string; n: number }>();
  const [part, setPart] = useParam("part");
  const tab = part === "details" ? "details" : "transcript";
  const r = useResource(`session ${id}`, (signal) => api.get("/sessions/{id}", { path: { id }, signal }), known?.state === "ended" ? 0 : 2);
  const { state, retry } = useTranscript(id, held);
  const s = r.data ?? known;
  const gone = r.error?.status === 404;
  const ended = gone || s?.state === "ended";
  // Without its name none of the web server's is meant.
  const web = s?.service === "control" ? { service: s.service } as const : undefined;
  // What cannot be taken back is named with its number.
  const askAll = (field: "account" | "peer", value: string) => {
    api.get("/sessions", { query: { [field]: value, ...web, limit: 2000 } }).then(
      (x) => { setAll({ field, value, n: x.items.filter((y) => y[field].toLowerCase() === value.toLowerCase()).length }); },
      (e: unknown) => { failed(e, t); },
    );
  };
  const endAll = (field: "account" | "peer", value: string) => {
    api.post("/sessions/actions", { body: { action: "end", filter: { [field]: value, ...web } } }).then(
      (x) => {
        toast(t("sessions.endedall", { n: x?.count ?? 0, of: value }));
        onChanged();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  return (
    <Drawer
      label={t("sessions.session", { id: s?.log_id ?? id })}
      mark={s && <SessionMark session={s} t={t} pulse={!ended} />}
      title={s ? t.rich(`sessions.title.${s.direction}`, { id: <Raw mono>{s.log_id}</Raw> }) : <Raw mono>{id}</Raw>}
      sub={s?.started_at && t("sessions.since", { service: serviceNames[s.service] ?? s.service, peer: s.peer, at: formatMoment(s.started_at, t.locale) })}
      page={sessionAddress(id)}
      onClose={onClose}
      tabs={
        <InnerTabs
          label={t("sessions.parts")}
          value={tab}
          tabs={[{ id: "transcript", label: t("transcript") }, { id: "details", label: t("details") }]}
          onChange={(x) => { setPart(x === "details" ? x : ""); }}
        />
      }
      foot={
        s && (
          <>
            {onEnd && !ended && <button type="button" className="btn danger" onClick={() => { onEnd(s); }}><Icon name="kill" />{t("sessions.end")}</button>}
            <Link className="btn" to={`/status/logs/${logOf(s.service)}?q=${s.log_id}`}><Icon name="logs" />{t("sessions.lines")}</Link>
            <span className="grow" />
            <TranscriptTools id={s.log_id} lines={state.lines} />
            {onEnd && !ended && (
              <MenuButton
                label={t("more")}
                className="ib"
                entries={[
                  s.account !== "" && { id: "account", label: t("sessions.endaccount", { account: s.account }), icon: "user", danger: true, run: () => { askAll("account", s.account); } },
                  s.peer !== "" && { id: "peer", label: t("sessions.endpeer", { peer: s.peer }), icon: "globe", danger: true, run: () => { askAll("peer", s.peer); } },
                ]}
              />
            )}
          </>
        )
      }
    >
      {s && (
        <div className="bar drawer-links">
          <SessionLinks session={s} />
          <span className="grow" />
          <Following state={state} held={held} />
        </div>
      )}
      {ended && onEnd && <p className="pad strong row" role="status"><Icon name="stop" />{t("sessions.over")}</p>}
      {gone && !known && <Empty icon="sessions" title={t("sessions.gone")} />}
      {r.error && !gone && <div className="pad"><ErrorNote error={r.error} retryAt={r.retryAt} onRetry={r.refresh} /></div>}
      {tab === "transcript" && !(gone && !known) && <Transcript state={state} held={held} peer={callerOf(s)} onRetry={retry} />}
      {tab === "details" && s && <div className="pad"><SessionFacts session={s} /></div>}
      {!s && !r.error && tab === "details" && <Skeleton rows={6} />}
      {all && (
        <ConfirmDialog title={t("sessions.endall")} verb={t("sessions.endall")} onClose={() => { setAll(undefined); }} onConfirm={() => { endAll(all.field, all.value); }}>
          {t.rich("sessions.endall.text", { n: all.n, of: <b className="strong"><Raw>{all.value}</Raw></b> })}
        </ConfirmDialog>
      )}
    </Drawer>
  );
}
