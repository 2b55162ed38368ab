import type { Session } from "../../api/schema";
import type { Text } from "../../i18n";
import { formatBytes, formatClock, formatMoment, utcTitle } from "../../lib/format";
import { Badge, type Tone } from "../../ui/Badge";
import type { IconName } from "../../ui/icons";
import { Raw } from "../../ui/Raw";
import type { Column } from "../../ui/table/columns";
import { services } from "./names";

export type Outcome = NonNullable<Session["outcome"]>;
const looks: Record<Outcome, { mark: string; tone: Tone; icon: IconName }> = {
  success: { mark: "ok", tone: "ok", icon: "check" },
  failed: { mark: "bad", tone: "bad", icon: "x" },
  disconnected: { mark: "gone", tone: "gone", icon: "dash" },
};
export const outcomes = Object.keys(looks) as Outcome[];

/** S round: they call us. C square: we call them. Letter, shape and rim tell it without colour. */
export function SessionMark({ session, t, pulse = false }: { session: Pick<Session, "direction" | "state" | "outcome">; t: Text; pulse?: boolean }) {
  const k = session.direction === "out" ? "C" : "S";
  const state = session.state === "active" ? "active" : session.outcome ? looks[session.outcome].mark : "gone";
  const label = session.state === "active" ? t(`sessions.mark.${session.direction}`) : t("sessions.mark.ended", { mark: t(`sessions.mark.${session.direction}`), outcome: t(`outcome.${session.outcome ?? "unknown"}`) });
  return <span className={`sc ${k} ${state} ${pulse ? "pulse" : ""}`} role="img" aria-label={label}><span aria-hidden="true" translate="no">{k}</span></span>;
}

export function OutcomeBadge({ outcome, t }: { outcome: Session["outcome"]; t: Text }) {
  const look = outcome ? looks[outcome] : { tone: "idle" as const, icon: "dash" as const };
  return <Badge tone={look.tone} icon={look.icon}>{t(`outcome.${outcome ?? "unknown"}`)}</Badge>;
}

/** Who called us; nobody when we called, or when the address is not whole. */
export function callerOf(s: Pick<Session, "direction" | "peer"> | undefined): string {
  return s?.direction === "in" && !s.peer.includes("*") ? s.peer : "";
}

export const serviceNames: Readonly<Record<string, string>> = {
  smtp: "SMTP",
  submission: "Submission",
  "smtp-client": "SMTP",
  pop3: "POP3",
  imap: "IMAP",
  managesieve: "ManageSieve",
  control: "Control",
};

export function serviceOptions(t: Text): { id: string; label: string; raw: boolean }[] {
  return services.map((s) => ({ id: s, label: s === "smtp-client" ? t("sessions.smtpclient") : (serviceNames[s] ?? s), raw: true }));
}

export function lasted(s: Session, now: number): number {
  if (s.duration_ms !== null) return s.duration_ms / 1000;
  const end = s.ended_at ? Date.parse(s.ended_at) : now;
  return s.started_at ? Math.max(0, (end - Date.parse(s.started_at)) / 1000) : 0;
}

/** How it ended, in words. */
export function whyText(s: Pick<Session, "why">, t: Text): string {
  const key = `why.${s.why ?? ""}`;
  return t.has(key) ? t(key) : (s.why ?? "");
}

function shared(t: Text, open: (s: Session) => void) {
  const column = {
    mark: { id: "mark", head: t("sessions.mark"), quiet: true, fixed: true, size: 58, phone: "s", cell: (s) => <SessionMark session={s} t={t} /> },
    service: { id: "service", head: t("sessions.service"), size: 104, phone: "q", className: "med", cell: (s) => <Raw>{serviceNames[s.service] ?? s.service}</Raw> },
    id: { id: "log_id", head: t("sessions.id"), size: 66, give: "x", className: "mono t2", cell: (s) => <Raw>{s.log_id}</Raw> },
    peer: {
      id: "peer",
      head: t("sessions.peer"),
      sort: "peer",
      fixed: true,
      size: 190,
      phone: "t",
      title: (s) => s.peer,
      cell: (s) => <button type="button" className="lnk" onClick={() => { open(s); }}>{s.host || s.peer || s.local ? <Raw>{s.host || s.peer || s.local}</Raw> : t("sessions.noconnection")}</button>,
    },
    account: { id: "account", head: t("sessions.account"), sort: "account", size: 200, give: "y", phone: "m", title: (s) => s.account, cell: (s) => (s.account ? <Raw>{s.account}</Raw> : <span className="t3">{t("sessions.nobody")}</span>) },
    bytes: { id: "bytes", head: t("sessions.data"), sort: "bytes", size: 84, right: true, give: "x", className: "t2", cell: (s) => formatBytes(s.bytes_in + s.bytes_out, t.locale) },
    tls: { id: "tls", head: t("sessions.tls"), size: 64, hidden: true, cell: (s) => (s.tls ? t("yes") : t("no")) },
    local: { id: "local", head: t("sessions.local"), size: 170, hidden: true, className: "mono t2", cell: (s) => <Raw>{s.local}</Raw> },
  } satisfies Record<string, Column<Session>>;
  return column;
}

export function sessionColumns(t: Text, now: number, open: (s: Session) => void): Column<Session>[] {
  const c = shared(t, open);
  return [
    c.mark,
    c.service,
    c.id,
    c.peer,
    c.account,
    { id: "age", head: t("sessions.duration"), sort: "age", size: 92, right: true, phone: "r", title: (s) => (s.started_at ? utcTitle(s.started_at) : ""), cell: (s) => formatClock(lasted(s, now)) },
    c.bytes,
    c.tls,
    c.local,
    { id: "doing", head: t("sessions.doing"), phone: "u", className: "t2", title: (s) => s.doing, cell: (s) => <Raw>{s.doing}</Raw> },
  ];
}

export function historyColumns(t: Text, open: (s: Session) => void): Column<Session>[] {
  const c = shared(t, open);
  const number = (n: number | null) => (n === null ? "" : new Intl.NumberFormat(t.locale).format(n));
  const columns: Column<Session>[] = [
    c.mark,
    { id: "ended", head: t("sessions.endedat"), size: 148, phone: "r", className: "num t2", title: (s) => (s.ended_at ? utcTitle(s.ended_at) : ""), cell: (s) => (s.ended_at ? formatMoment(s.ended_at, t.locale) : <span className="t3">{t("outcome.unknown")}</span>) },
    c.service,
    c.id,
    c.peer,
    c.account,
    { id: "outcome", head: t("sessions.outcome"), size: 128, phone: "u", cell: (s) => <OutcomeBadge outcome={s.outcome} t={t} /> },
    { id: "why", head: t("sessions.why"), give: "y", className: "t2", cell: (s) => whyText(s, t) },
    { id: "age", head: t("sessions.duration"), size: 92, right: true, give: "y", title: (s) => (s.started_at ? utcTitle(s.started_at) : ""), cell: (s) => formatClock(lasted(s, 0)) },
    { id: "messages", head: t("sessions.messages"), size: 86, right: true, give: "x", cell: (s) => number(s.messages) },
    { id: "commands", head: t("sessions.commands"), size: 92, right: true, hidden: true, cell: (s) => number(s.commands) },
    { id: "errors", head: t("sessions.errors"), size: 86, right: true, hidden: true, cell: (s) => number(s.errors) },
    c.bytes,
    c.tls,
    c.local,
  ];
  // What is stored has one order: the newest first.
  for (const column of columns) delete column.sort;
  return columns;
}
