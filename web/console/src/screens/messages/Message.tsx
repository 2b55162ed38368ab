// One message: the verdict first, the evidence below it, the raw lines last.
import { useState } from "react";
import { api } from "../../api/client";
import { useLiveState } from "../../api/live";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { formatBytes, formatMoment, utcTitle } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { archiveAddress, sessionAddress, traceAddress } from "../../lib/places";
import { Link, navigate, usePath, useSearch } from "../../lib/router";
import { toast } from "../../lib/toast";
import { CopyButton } from "../../ui/Copy";
import { Icon } from "../../ui/Icon";
import { LiveBadge, PageHead, Tabs } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { Empty, ErrorNote, failed, Skeleton } from "../../ui/States";
import { Content } from "../queue/Content";
import { StatusBadge } from "./columns";
import { Events } from "./Events";
import { Facts } from "./Facts";
import { Lanes } from "./Lanes";
import { LogLines } from "./LogLines";
import { ownEvents, sessionsOf, type TimelineEvent } from "./steps";
import type { MessageDetail } from "./types";
import { useMessage } from "./usemessage";
import { Verdict } from "./Verdict";

function Timeline({ message, own }: { message: MessageDetail; own: readonly TimelineEvent[] }) {
  const t = useText();
  return (
    <div className="mg">
      <div className="mg-l">
        <Verdict message={message} />
        {message.missing.length > 0 && (
          <ul className="missing t3">{message.missing.map((m) => <li key={m} translate="no" lang="en">{m}</li>)}</ul>
        )}
        <h2 className="s">{t("message.steps")}</h2>
        <Lanes message={message} events={own} />
        <h2 className="s">{t("message.events")}</h2>
        <Events events={message.events} own={message.id} level={2} />
      </div>
      <Facts message={message} events={message.events} />
    </div>
  );
}

export default function Message({ params }: { params: Record<string, string> }) {
  const t = useText();
  const id = params["id"] ?? "";
  const path = usePath();
  const mayWrite = useMay("queue:write");
  const mayQueue = useMay("queue:read");
  const mayRead = useMay("messages:content");
  const mayLogs = useMay("logs:read");
  const tab = useSearch().get("tab") === "log" && mayLogs ? "log" : "timeline";
  const [content, setContent] = useState("");
  const r = useMessage(id);
  const live = useLiveState();
  const m = r.data;
  const own = m ? ownEvents(m.events, m.key) : [];
  const waiting = m?.lanes.some((l) => l.status === "waiting" || l.status === "accepted") ?? false;
  const queued = m?.id && waiting && m.status !== "deleted" ? m.id : "";
  const last = m && sessionsOf(m.events).at(-1);

  const send = () => {
    if (!queued) return;
    api.post("/queue/{name}/messages/actions", { path: { name: "outgoing" }, body: { action: "send_now", ids: [queued], undo_seconds: 0 } }).then(
      () => {
        toast(t("queue.sent", { n: 1 }));
        r.refresh();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  useKeys({ r: r.refresh, ...(mayWrite && queued && { s: send }), ...(last && { t: () => { navigate(sessionAddress(last.id)); } }) });

  const name = m?.id ?? (m ? t("message.noid") : id);
  const delivered = m?.lanes.filter((l) => l.status === "delivered").length ?? 0;
  return (
    <>
      <PageHead
        title={t("message.title", { id: name })}
        sub={m && (m.lanes.length > 1 && delivered > 0 && delivered < m.lanes.length ? <span className="b warn"><Icon name="clock" />{t("message.delivered", { n: delivered, of: m.lanes.length })}</span> : <StatusBadge status={m.status} t={t} />)}
        live={r.moving && <LiveBadge state={r.error ? "reconnecting" : live.state === "connecting" ? "live" : live.state} since={live.since} />}
      >
        {mayWrite && queued && <button type="button" className="btn pri" onClick={send}><Icon name="send" />{t("queue.send")}</button>}
        {mayRead && mayQueue && queued && <button type="button" className="btn deskonly" onClick={() => { setContent(queued); }}><Icon name="code" />{t("queue.open")}</button>}
        {m?.id && <Link className="btn deskonly" to={archiveAddress("id", m.id)}><Icon name="disk" />{t("message.archived")}</Link>}
        {mayQueue && queued && <Link className="btn" to={`/status/queue?open=${queued}`}><Icon name="queue" />{t("message.inqueue")}</Link>}
      </PageHead>
      <div className="mh t2">
        <nav className="crumbs" aria-label={t("crumbs")}><Link to="/trace">{t("nav.trace")}</Link> / <Raw mono>{m?.id ?? id}</Raw>{m?.id && <CopyButton text={m.id} label={t("queue.copyid")} />}</nav>
        {m && (
          <p title={utcTitle(m.time)}>
            {t.rich("message.line", {
              sender: m.sender ? <Link to={traceAddress("address", m.sender)}><Raw>{m.sender}</Raw></Link> : t("queue.bounce.sender"),
              n: m.recipients_total,
              size: m.size === null ? "" : `, ${formatBytes(m.size, t.locale)}`,
              at: formatMoment(m.time, t.locale),
            })}
          </p>
        )}
      </div>
      {mayLogs && m?.id && (
        <Tabs
          label={t("message.views")}
          tabs={[
            { to: path, label: t("message.timeline"), current: tab === "timeline" },
            { to: `${path}?tab=log`, label: t("logs.lines"), current: tab === "log" },
          ]}
        />
      )}
      <div className="scroll" tabIndex={0} role="region" aria-label={t("message.title", { id: name })}>
        <div className="pad">
          {r.error?.status === 404 && (
            <Empty icon="mail" title={t("message.gone")}>
              <span>{t("message.gone.sub")}</span>
              <Link className="btn" to="/trace">{t("nav.trace")}</Link>
            </Empty>
          )}
          {r.error && r.error.status !== 404 && <ErrorNote error={r.error} retryAt={r.retryAt} onRetry={r.refresh} />}
          {!m && !r.error && <Skeleton />}
          {m && tab === "timeline" && <Timeline message={m} own={own} />}
          {m?.id && tab === "log" && <LogLines id={m.id} events={m.events} />}
        </div>
      </div>
      {content && <Content id={content} onClose={() => { setContent(""); }} />}
    </>
  );
}
