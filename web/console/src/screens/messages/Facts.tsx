// Beside the timeline: who gets it, what it is, what belongs to it.
import { useState, type ReactNode } from "react";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { formatBytes, formatDateTime, utcTitle } from "../../lib/format";
import { Link } from "../../lib/router";
import { accountAddress, auditAddress, ipAddress, messageAddress, sessionAddress, traceAddress } from "../../lib/places";
import { Badge, type Tone } from "../../ui/Badge";
import { CopyButton } from "../../ui/Copy";
import { Icon } from "../../ui/Icon";
import type { IconName } from "../../ui/icons";
import { Raw } from "../../ui/Raw";
import { sessionsOf, type TimelineEvent } from "./steps";
import type { Lane, MessageDetail } from "./types";

const looks: Record<Lane["status"], [Tone, IconName]> = {
  accepted: ["note", "dash"],
  waiting: ["warn", "clock"],
  delivered: ["ok", "check"],
  bounced: ["bad", "bounce"],
  deleted: ["gone", "trash"],
  refused: ["bad", "ban"],
};
/** More recipients than this are shown when one asks for them. */
const few = 10;

export function Recipients({ lanes }: { lanes: readonly Lane[] }) {
  const t = useText();
  const [all, setAll] = useState(false);
  const shown = all ? lanes.slice(0, 1000) : lanes.slice(0, few);
  if (lanes.length === 0) return <p className="t3">{t("message.norecipient")}</p>;
  return (
    <ul className="rcpts">
      {shown.map((l) => {
        const [tone, icon] = looks[l.status];
        return (
          <li key={`${l.original ?? ""} ${l.recipient}`} className="row" title={l.answer}>
            <span className="grow ell"><Link to={traceAddress("address", l.recipient)}><Raw>{l.recipient}</Raw></Link>{l.original && l.original !== l.recipient && <span className="t3"> {t.rich("message.alias", { alias: <Raw>{l.original}</Raw> })}</span>}</span>
            <Badge tone={tone} icon={icon}>{t(`lane.${l.status}`)}</Badge>
          </li>
        );
      })}
      {shown.length < lanes.length && <li><button type="button" className="linkb" onClick={() => { setAll(true); }}>{t("message.allrecipients", { n: lanes.length })}</button></li>}
    </ul>
  );
}

function Fact({ title, children }: { title: string; children: ReactNode }) {
  return <section className="fact"><h2>{title}</h2>{children}</section>;
}

export function Facts({ message, events }: { message: MessageDetail; events: readonly TimelineEvent[] }) {
  const t = useText();
  const maySessions = useMay("sessions:read");
  const mayDirectory = useMay("directory:read");
  const mayAudit = useMay("audit:read");
  const sessions = maySessions ? sessionsOf(events).slice(-8) : [];
  return (
    <aside aria-label={t("message.facts")}>
      <Fact title={t("queue.recipients")}><Recipients lanes={message.lanes} /></Fact>
      <Fact title={t("message.identity")}>
        <dl className="kv">
          <dt>{t("queue.id")}</dt><dd>{message.id ? <><Raw mono>{message.id}</Raw> <CopyButton text={message.id} label={t("queue.copyid")} /></> : <span className="t3">{t("message.noid")}</span>}</dd>
          <dt>{t("message.key")}</dt><dd><Raw mono>{message.key}</Raw></dd>
          <dt>{t("message.time")}</dt><dd translate="no" title={utcTitle(message.time)}>{formatDateTime(message.time, t.locale)}</dd>
          <dt>{t("queue.from")}</dt><dd>{message.sender ? <Link to={traceAddress("address", message.sender)}><Raw>{message.sender}</Raw></Link> : t("queue.bounce.sender")}</dd>
          {message.account && <><dt>{t("sessions.account")}</dt><dd>{mayDirectory ? <Link to={accountAddress(message.account)}><Raw>{message.account}</Raw></Link> : <Raw>{message.account}</Raw>}</dd></>}
          {message.peer && <><dt>{t("sessions.peer")}</dt><dd>{message.peer.includes("*") ? <Raw>{message.peer}</Raw> : <Link to={maySessions ? ipAddress(message.peer) : traceAddress("ip", message.peer)}><Raw>{message.peer}</Raw></Link>}</dd></>}
          <dt>{t("message.direction")}</dt><dd>{t(`message.direction.${message.direction}`)}</dd>
          {message.size !== null && <><dt>{t("queue.size")}</dt><dd>{formatBytes(message.size, t.locale)}</dd></>}
          {mayAudit && <><dt>{t("nav.audit")}</dt><dd><Link to={auditAddress(message.id ?? message.key)}>{t("audit.looks")}</Link></dd></>}
        </dl>
      </Fact>
      {(sessions.length > 0 || message.related.length > 0) && (
        <Fact title={t("message.together")}>
          <ul className="together">
            {sessions.map((s) => (
              <li key={s.id}><Link className="row" to={sessionAddress(s.id)}><Icon name="sessions" small /><span>{t.rich(s.host ? `message.sessionlink.${s.kind}` : "message.sessionlink", { id: <Raw mono>{s.logId}</Raw>, host: <Raw>{s.host}</Raw> })}</span></Link></li>
            ))}
            {message.related.map((r) => (
              <li key={r.id ?? r.key}><Link className="row" to={messageAddress(r.id ?? r.key ?? "")}><Icon name="mail" small /><span>{t.rich(`message.related.${r.relation}`, { id: <Raw mono>{r.id ?? r.key ?? ""}</Raw> })}</span></Link></li>
            ))}
          </ul>
        </Fact>
      )}
    </aside>
  );
}
