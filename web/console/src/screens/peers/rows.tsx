// Rows of the parts: each leads to what it names.
import type { Event, Message, QueueMessage, Session } from "../../api/schema";
import type { Text } from "../../i18n";
import { formatDuration, formatMoment, utcTitle } from "../../lib/format";
import { accountAddress, sessionAddress } from "../../lib/places";
import { Link } from "../../lib/router";
import { Raw } from "../../ui/Raw";
import { idOf, SeverityBadge } from "../events/columns";
import { addressOf, StatusBadge } from "../messages/columns";
import { StateBadge, waitedFor } from "../queue/columns";
import { OutcomeBadge, serviceNames, SessionMark } from "../sessions/columns";

export function sessionRow(s: Session, t: Text, mayDirectory: boolean) {
  const at = s.ended_at ?? s.started_at;
  return (
    <tr key={s.id}>
      <th scope="row"><span className="row"><SessionMark session={s} t={t} /><Link to={sessionAddress(s.id)}><Raw>{serviceNames[s.service] ?? s.service}</Raw> <Raw mono>{s.log_id}</Raw></Link></span></th>
      <td className="ell">{s.account ? mayDirectory ? <Link to={accountAddress(s.account)}><Raw>{s.account}</Raw></Link> : <Raw>{s.account}</Raw> : s.host ? <Raw>{s.host}</Raw> : <span className="t3">{t("sessions.nobody")}</span>}</td>
      <td className="deskonly t2 ell">{s.state === "active" ? <Raw>{s.doing}</Raw> : <OutcomeBadge outcome={s.outcome} t={t} />}</td>
      <td className="t3 num nowrap w-time deskonly" title={at ? utcTitle(at) : ""}>{at ? formatMoment(at, t.locale) : ""}</td>
    </tr>
  );
}

export function eventRow(e: Event, t: Text) {
  return (
    <tr key={idOf(e)}>
      <th scope="row" className="ell" title={e.sentence} lang="en">{e.session ? <Link to={sessionAddress(e.session)}><Raw>{e.sentence}</Raw></Link> : <Raw>{e.sentence}</Raw>}</th>
      <td className="w-badge"><SeverityBadge severity={e.severity} t={t} /></td>
      <td className="t3 num nowrap w-time deskonly" title={utcTitle(e.time)}>{formatMoment(e.time, t.locale)}</td>
    </tr>
  );
}

export function messageRow(m: Message, t: Text) {
  return (
    <tr key={m.key}>
      <th scope="row" className="ell"><Link to={addressOf(m)}>{m.recipients[0] ? <Raw>{m.recipients[0]}</Raw> : t("message.norecipient")}</Link></th>
      <td className="deskonly t2 ell" title={m.answer}><Raw>{m.answer}</Raw></td>
      <td className="w-badge"><StatusBadge status={m.status} t={t} /></td>
      <td className="t3 num nowrap w-time deskonly" title={utcTitle(m.time)}>{formatMoment(m.time, t.locale)}</td>
    </tr>
  );
}

export function queueRow(m: QueueMessage, t: Text, now: number) {
  return (
    <tr key={m.id}>
      <th scope="row" className="ell"><Link to={`/status/queue?open=${m.id}`}><Raw>{m.recipient}</Raw></Link></th>
      <td className="deskonly t2 ell" title={m.answer}><Raw>{m.answer}</Raw></td>
      <td className="w-badge"><StateBadge state={m.state} t={t} /></td>
      <td className="t3 num nowrap w-time deskonly">{formatDuration(waitedFor(m, now), t)}</td>
    </tr>
  );
}
