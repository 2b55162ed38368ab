import { useState } from "react";
import { api } from "../../api/client";
import type { QueueMessage } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { useNow } from "../../lib/clock";
import { formatBytes, formatDuration, formatMoment, utcTitle } from "../../lib/format";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { messageAddress } from "../../lib/places";
import { CopyButton } from "../../ui/Copy";
import { Drawer } from "../../ui/Drawer";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { Empty, ErrorNote, Skeleton } from "../../ui/States";
import { MenuButton } from "../../ui/MenuButton";
import { menuOf, onSenders, type Act } from "./actions";
import { Content } from "./Content";
import { nextTry, StateBadge, waitedFor } from "./columns";

/** What stands in the menu; the others have buttons. */
const kept: readonly string[] = ["bounce", "priority", ...onSenders];

export function MessageDrawer({ id, known, onClose, onAct }: {
  id: string;
  known: QueueMessage | undefined;
  onClose: () => void;
  onAct: ((act: Act) => void) | undefined;
}) {
  const t = useText();
  const now = useNow();
  const mayRead = useMay("messages:content");
  const mayTrace = useMay("messages:read");
  const [content, setContent] = useState(false);
  const r = useResource(`queue message ${id}`, (signal) => api.get("/queue/{name}/messages/{id}", { path: { name: "outgoing", id }, signal }), 5);
  const m = r.data ?? known;
  const gone = r.error?.status === 404;
  return (
    <Drawer
      label={t("queue.message", { id })}
      title={<Raw mono>{id}</Raw>}
      sub={m && <Raw>{m.recipient}</Raw>}
      {...(mayTrace && { page: messageAddress(id) })}
      onClose={onClose}
      foot={
        m && !gone && (
          <>
            {onAct && m.actions.includes("send_now") && <button type="button" className="btn" onClick={() => { onAct({ action: "send_now" }); }}><Icon name="send" />{t("queue.send")}</button>}
            {onAct && m.actions.includes("approve") && <button type="button" className="btn" onClick={() => { onAct({ action: "approve" }); }}><Icon name="check" />{t("queue.act.approve")}</button>}
            {onAct && m.actions.includes("reject") && <button type="button" className="btn" onClick={() => { onAct({ action: "reject" }); }}><Icon name="bounce" />{t("queue.act.reject")}</button>}
            {onAct && m.actions.includes("hold") && <button type="button" className="btn" onClick={() => { onAct({ action: "hold" }); }}><Icon name="pause" />{t("queue.act.hold")}</button>}
            {onAct && m.actions.includes("release") && <button type="button" className="btn" onClick={() => { onAct({ action: "release" }); }}><Icon name="play" />{t("queue.act.release")}</button>}
            {mayRead && <button type="button" className="btn" onClick={() => { setContent(true); }}><Icon name="code" />{t("queue.open")}</button>}
            {mayTrace ? <Link className="btn" to={messageAddress(id)}><Icon name="trace" />{t("message.timeline")}</Link> : <Link className="btn" to={`/status/logs/smtp?q=${encodeURIComponent(id)}`}><Icon name="logs" />{t("nav.logs")}</Link>}
            <span className="grow" />
            {onAct && m.actions.some((a) => kept.includes(a)) && (
              <MenuButton
                label={t("queue.actions")}
                className="btn"
                entries={menuOf(t, m.actions.filter((a) => kept.includes(a)), (act) => { onAct(act); if (act.action === "bounce") onClose(); }, m.priority)}
              />
            )}
            {onAct && m.actions.includes("delete") && <button type="button" className="btn danger" onClick={() => { onAct({ action: "delete" }); onClose(); }}><Icon name="trash" />{t("delete")}</button>}
          </>
        )
      }
    >
      {gone && <Empty title={t("queue.gone")}>{mayTrace ? <Link className="btn" to={messageAddress(id)}>{t("message.timeline")}</Link> : t("queue.gone.sub")}</Empty>}
      {r.error && !gone && <div className="pad"><ErrorNote error={r.error} retryAt={r.retryAt} onRetry={r.refresh} /></div>}
      {m && !gone && (
        <div className="pad">
          <div className={`call ${m.state === "overdue" ? "bad" : m.state === "waiting" ? "warn" : ""}`}>
            <Icon name={m.state === "sending" ? "send" : "clock"} />
            <div className="grow">
              <p>{t.rich(`queue.verdict.${m.state}`, { recipient: <b className="strong"><Raw>{m.recipient}</Raw></b>, n: m.attempts, next: nextTry(m, t, now) })}</p>
              {m.answer && <p><Raw mono>{m.answer}</Raw></p>}
            </div>
          </div>
          <h3 className="s">{t("details")}</h3>
          <dl className="kv">
            <dt>{t("queue.state")}</dt><dd><StateBadge state={m.state} t={t} /></dd>
            <dt>{t("queue.from")}</dt><dd>{m.sender ? <Raw>{m.sender}</Raw> : t("queue.bounce.sender")}</dd>
            {m.subject && <><dt>{t("archive.subject")}</dt><dd><Raw>{m.subject}</Raw></dd></>}
            <dt>{t("queue.recipients")}</dt><dd>{t("queue.recipients.of", { waiting: m.waiting, all: m.recipients })}</dd>
            <dt>{t("queue.destination")}</dt><dd><Link to={`/status/queue?q=${encodeURIComponent(`host:${m.destination}`)}`}><Raw>{m.destination}</Raw></Link></dd>
            <dt>{t("queue.priority")}</dt><dd>{t(`queue.priority.${m.priority}`)}</dd>
            <dt>{t("queue.size")}</dt><dd>{formatBytes(m.size, t.locale)}</dd>
            {m.received_at && <><dt>{t("queue.received")}</dt><dd title={utcTitle(m.received_at)}>{formatMoment(m.received_at, t.locale)}, {t("dur.ago", { time: formatDuration(waitedFor(m, now), t) })}</dd></>}
            <dt>{t("queue.next")}</dt><dd>{nextTry(m, t, now)}</dd>
            <dt>{t("queue.attempts")}</dt><dd>{m.attempts}</dd>
            <dt>{t("queue.id")}</dt><dd><Raw mono>{m.id}</Raw> <CopyButton text={m.id} label={t("queue.copyid")} /></dd>
            <dt>{t("queue.item")}</dt><dd><Raw mono>{m.item}</Raw></dd>
          </dl>
        </div>
      )}
      {!m && !r.error && <Skeleton rows={6} />}
      {content && <Content id={id} onClose={() => { setContent(false); }} />}
    </Drawer>
  );
}
