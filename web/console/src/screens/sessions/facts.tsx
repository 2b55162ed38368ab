import type { Session } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { useNow } from "../../lib/clock";
import { formatBytes, formatClock, formatMoment, utcTitle } from "../../lib/format";
import { accountAddress, auditAddress, hostAddress, ipAddress, traceAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { api } from "../../api/client";
import { addressOf } from "../messages/columns";
import { lasted, OutcomeBadge, whyText } from "./columns";

/** Where a session leads: its account, the address, the messages that it brought. */
export function SessionLinks({ session: s }: { session: Session }) {
  const mayDirectory = useMay("directory:read");
  const mayTrace = useMay("messages:read");
  const carries = mayTrace && (s.messages ?? 1) > 0 && (s.service === "smtp" || s.service === "submission" || s.service === "smtp-client");
  const brought = useResource(carries ? `messages of ${s.id} ${s.state}` : "", (signal) => api.get("/messages", { query: { session: s.id, limit: 4 }, signal }), s.state === "active" ? 5 : 0);
  return (
    <>
      {brought.data?.items.filter((m) => m.id !== null).slice(0, 3).map((m) => <Link key={m.key} className="b note" to={addressOf(m)}><Icon name="mail" /><Raw mono>{m.id}</Raw></Link>)}
      {s.account && (mayDirectory ? <Link className="b" to={accountAddress(s.account)}><Icon name="user" /><Raw>{s.account}</Raw></Link> : <span className="b"><Icon name="user" /><Raw>{s.account}</Raw></span>)}
      {s.peer && !s.peer.includes("*") && (
        <Link className="b" to={ipAddress(s.peer)}><Icon name="globe" /><Raw>{s.peer}</Raw></Link>
      )}
    </>
  );
}

export function SessionFacts({ session: s }: { session: Session }) {
  const t = useText();
  const now = useNow();
  const mayTrace = useMay("messages:read");
  const mayQueue = useMay("queue:read");
  const mayAudit = useMay("audit:read");
  const number = (n: number) => new Intl.NumberFormat(t.locale).format(n);
  return (
    <dl className="kv">
      {s.outcome && <><dt>{t("sessions.outcome")}</dt><dd className="row"><OutcomeBadge outcome={s.outcome} t={t} />{s.why && <span className="t2">{whyText(s, t)}</span>}</dd></>}
      {s.doing && <><dt>{t("sessions.doing")}</dt><dd className="mono"><Raw>{s.doing}</Raw></dd></>}
      {s.started_at && <><dt>{t("sessions.began")}</dt><dd title={utcTitle(s.started_at)}>{formatMoment(s.started_at, t.locale)}</dd></>}
      {s.ended_at && <><dt>{t("sessions.endedat")}</dt><dd title={utcTitle(s.ended_at)}>{formatMoment(s.ended_at, t.locale)}</dd></>}
      <dt>{t("sessions.duration")}</dt><dd className="num">{formatClock(lasted(s, now))}</dd>
      {s.state === "active" && s.active_at && <><dt>{t("sessions.lastcommand")}</dt><dd title={utcTitle(s.active_at)}>{formatMoment(s.active_at, t.locale)}</dd></>}
      <dt>{t("sessions.in")}</dt><dd>{formatBytes(s.bytes_in, t.locale)}</dd>
      <dt>{t("sessions.out")}</dt><dd>{formatBytes(s.bytes_out, t.locale)}</dd>
      {s.commands !== null && <><dt>{t("sessions.commands")}</dt><dd>{number(s.commands)}</dd></>}
      {s.errors !== null && <><dt>{t("sessions.errors")}</dt><dd>{number(s.errors)}</dd></>}
      {s.messages !== null && <><dt>{t("sessions.messages")}</dt><dd>{mayTrace && s.messages > 0 ? <Link to={traceAddress("session", s.id)}>{number(s.messages)}</Link> : number(s.messages)}</dd></>}
      {s.helo && <><dt>{t("sessions.helo")}</dt><dd><Raw mono>{s.helo}</Raw></dd></>}
      {s.host && <><dt>{t("sessions.host")}</dt><dd>{mayQueue ? <Link to={hostAddress(s.host)}><Raw mono>{s.host}</Raw></Link> : <Raw mono>{s.host}</Raw>}</dd></>}
      <dt>{t("sessions.tls")}</dt><dd>{s.tls_info ? <Raw mono>{s.tls_info}</Raw> : s.tls ? t("yes") : t("no")}</dd>
      {s.local && <><dt>{t("sessions.local")}</dt><dd><Raw mono>{s.local}</Raw></dd></>}
      <dt>{t("sessions.id")}</dt><dd><Raw mono>{s.id}</Raw></dd>
      {mayAudit && <><dt>{t("nav.audit")}</dt><dd><Link to={auditAddress(s.id)}>{t("audit.looks")}</Link></dd></>}
    </dl>
  );
}
