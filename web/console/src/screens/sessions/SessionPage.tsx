// One session on its own page: the whole transcript, and what it is.
import { useState } from "react";
import { api } from "../../api/client";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { formatMoment } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { toast } from "../../lib/toast";
import { Icon } from "../../ui/Icon";
import { PageHead } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { Empty, ErrorNote, failed, Skeleton } from "../../ui/States";
import { callerOf, serviceNames, SessionMark } from "./columns";
import { SessionFacts, SessionLinks } from "./facts";
import { logOf } from "./names";
import { Following, Transcript, TranscriptTools } from "./Transcript";
import { useTranscript } from "./usetranscript";

function Whole({ id, held, tools, peer }: { id: string; held: boolean; tools: string; peer: string }) {
  const { state, retry } = useTranscript(id, held);
  return (
    <>
      <div className="row transcript-head"><Following state={state} held={held} /><span className="grow" /><TranscriptTools id={tools} lines={state.lines} /></div>
      <Transcript state={state} held={held} peer={peer} onRetry={retry} />
    </>
  );
}

export default function SessionPage({ params }: { params: Record<string, string> }) {
  const t = useText();
  const id = params["id"] ?? "";
  const mayEnd = useMay("sessions:write");
  const mayLogs = useMay("logs:read");
  const [held, setHeld] = useState(false);
  const [over, setOver] = useState(false);
  const r = useResource(`session ${id}`, (signal) => api.get("/sessions/{id}", { path: { id }, signal }), over ? 0 : 3);
  const s = r.data;
  if (s && over !== (s.state === "ended")) setOver(s.state === "ended");
  const end = () => {
    if (!s) return;
    api.delete("/sessions/{id}", { path: { id: s.id } }).then(
      () => {
        toast(t("sessions.ended", { id: s.log_id }));
        r.refresh();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  const alive = s?.state === "active";
  useKeys({ r: r.refresh, ".": () => { setHeld(!held); }, ...(mayEnd && alive && { K: end }) });
  return (
    <>
      <PageHead title={t("sessions.session", { id: s?.log_id ?? id })} sub={s && <SessionMark session={s} t={t} pulse={alive} />}>
        {alive && (
          <button type="button" className="btn ghost deskonly" aria-pressed={held} onClick={() => { setHeld(!held); }}>
            <Icon name={held ? "play" : "pause"} />{held ? t("live.goon") : t("transcript.hold")}
          </button>
        )}
        {s && mayLogs && <Link className="btn" to={`/status/logs/${logOf(s.service)}?q=${s.log_id}`}><Icon name="logs" />{t("sessions.lines")}</Link>}
        {alive && mayEnd && <button type="button" className="btn danger" onClick={end}><Icon name="kill" />{t("sessions.end")}</button>}
      </PageHead>
      <div className="mh t2">
        <nav className="crumbs" aria-label={t("crumbs")}>
          <Link to={over ? "/status/sessions/history" : "/status/sessions"}>{over ? t("sessions.tab.history") : t("sessions.active")}</Link> / <Raw mono>{s?.log_id ?? id}</Raw>
        </nav>
        {s?.started_at && <p>{t("sessions.since", { service: serviceNames[s.service] ?? s.service, peer: s.host ?? s.peer, at: formatMoment(s.started_at, t.locale) })}</p>}
        {s && <div className="row wrap"><SessionLinks session={s} /></div>}
      </div>
      <div className="scroll edge" tabIndex={0} role="region" aria-label={t("transcript")}>
        <div className="pad">
          {r.error?.status === 404 && <Empty icon="sessions" title={t("sessions.gone")}><Link className="btn" to="/status/sessions/history">{t("sessions.tab.history")}</Link></Empty>}
          {r.error && r.error.status !== 404 && <ErrorNote error={r.error} retryAt={r.retryAt} onRetry={r.refresh} />}
          {!s && !r.error && <Skeleton />}
          {s && (
            <div className="mg">
              <section className="mg-l card-tr" aria-label={t("transcript")}><Whole id={s.id} held={held} tools={s.log_id} peer={callerOf(s)} /></section>
              <aside aria-label={t("details")}><section className="fact"><h2>{t("details")}</h2><SessionFacts session={s} /></section></aside>
            </div>
          )}
        </div>
      </div>
    </>
  );
}
