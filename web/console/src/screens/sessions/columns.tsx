import type { Session } from "../../api/schema";
import type { Text } from "../../i18n";
import { formatBytes, formatClock, utcTitle } from "../../lib/format";
import { Raw } from "../../ui/Raw";
import type { Column } from "../../ui/table/columns";

/** S round: they call us. C square: we call them. Letter, shape and rim tell it without colour. */
export function SessionMark({ direction, t, pulse = false }: { direction: Session["direction"]; t: Text; pulse?: boolean }) {
  const k = direction === "out" ? "C" : "S";
  return <span className={`sc ${k} active ${pulse ? "pulse" : ""}`} role="img" aria-label={t(`sessions.mark.${direction}`)}><span aria-hidden="true" translate="no">{k}</span></span>;
}

export const serviceNames: Readonly<Record<string, string>> = {
  smtp: "SMTP",
  submission: "Submission",
  "smtp-client": "SMTP",
  pop3: "POP3",
  imap: "IMAP",
  control: "Control",
};

export function lasted(s: Session, now: number): number {
  return s.started_at ? (now - Date.parse(s.started_at)) / 1000 : 0;
}

export function sessionColumns(t: Text, now: number, open: (s: Session) => void): Column<Session>[] {
  return [
    { id: "mark", head: t("sessions.mark"), quiet: true, fixed: true, size: 58, phone: "s", cell: (s) => <SessionMark direction={s.direction} t={t} /> },
    { id: "service", head: t("sessions.service"), size: 104, phone: "q", className: "med", cell: (s) => <Raw>{serviceNames[s.service] ?? s.service}</Raw> },
    { id: "log_id", head: t("sessions.id"), size: 66, give: "x", className: "mono t2", cell: (s) => <Raw>{s.log_id}</Raw> },
    {
      id: "peer",
      head: t("sessions.peer"),
      sort: "peer",
      fixed: true,
      size: 190,
      phone: "t",
      title: (s) => s.peer,
      cell: (s) => <button type="button" className="lnk" onClick={() => { open(s); }}><Raw>{s.peer || s.local}</Raw></button>,
    },
    { id: "account", head: t("sessions.account"), sort: "account", size: 200, give: "y", phone: "m", title: (s) => s.account, cell: (s) => (s.account ? <Raw>{s.account}</Raw> : <span className="t3">{t("sessions.nobody")}</span>) },
    { id: "age", head: t("sessions.duration"), sort: "age", size: 92, right: true, phone: "r", title: (s) => (s.started_at ? utcTitle(s.started_at) : ""), cell: (s) => formatClock(lasted(s, now)) },
    { id: "bytes", head: t("sessions.data"), sort: "bytes", size: 84, right: true, give: "x", className: "t2", cell: (s) => formatBytes(s.bytes_in + s.bytes_out, t.locale) },
    { id: "tls", head: t("sessions.tls"), size: 64, hidden: true, cell: (s) => (s.tls ? t("yes") : t("no")) },
    { id: "local", head: t("sessions.local"), size: 170, hidden: true, className: "mono t2", cell: (s) => <Raw>{s.local}</Raw> },
    { id: "doing", head: t("sessions.doing"), phone: "u", className: "t2", title: (s) => s.doing, cell: (s) => <Raw>{s.doing}</Raw> },
  ];
}
