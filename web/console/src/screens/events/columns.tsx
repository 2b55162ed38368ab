import type { Event } from "../../api/schema";
import type { Text } from "../../i18n";
import { formatMoment, utcTitle } from "../../lib/format";
import { ipAddress, sessionAddress } from "../../lib/places";
import { Link } from "../../lib/router";
import { Badge, type Tone } from "../../ui/Badge";
import type { IconName } from "../../ui/icons";
import { Raw } from "../../ui/Raw";
import type { Column } from "../../ui/table/columns";
import { logIdOf, textField } from "../messages/steps";
import { serviceNames } from "../sessions/columns";

export type Severity = Event["severity"];
const looks: Record<Severity, [Tone, IconName]> = { info: ["idle", "info"], notice: ["note", "info"], warning: ["warn", "alert"], error: ["bad", "alert"] };
export const severities = Object.keys(looks) as Severity[];

export function SeverityBadge({ severity, t }: { severity: Severity; t: Text }) {
  const [tone, icon] = looks[severity];
  return <Badge tone={tone} icon={icon}>{t(`event.severity.${severity}`)}</Badge>;
}

/** Events have no id of their own: the same record twice is one. */
export function idOf(e: Event): string {
  return `${e.time} ${e.name} ${e.session ?? ""} ${e.message ?? ""} ${JSON.stringify(e.fields)}`;
}

/** Whom it came from, or whom we called. */
export function peerOf(e: Event): string {
  return textField(e, "peer") || textField(e, "address") || textField(e, "remote_ip");
}

export function eventColumns(t: Text, maySessions: boolean, open: (e: Event) => void): Column<Event>[] {
  return [
    { id: "time", head: t("message.time"), size: 148, phone: "r", className: "num t2", title: (e) => utcTitle(e.time), cell: (e) => formatMoment(e.time, t.locale) },
    { id: "severity", head: t("event.severity"), size: 112, phone: "q", cell: (e) => <SeverityBadge severity={e.severity} t={t} /> },
    { id: "sentence", head: t("event.what"), fixed: true, phone: "t", title: (e) => e.sentence, cell: (e) => <button type="button" className="lnk" lang="en" onClick={() => { open(e); }}><Raw>{e.sentence}</Raw></button> },
    { id: "service", head: t("sessions.service"), size: 104, give: "y", className: "t2", cell: (e) => <Raw>{e.service ? (serviceNames[e.service] ?? e.service) : e.module}</Raw> },
    {
      id: "peer",
      head: t("sessions.peer"),
      size: 150,
      phone: "u",
      cell: (e) => {
        const peer = peerOf(e);
        return peer && maySessions && !peer.includes("*") ? <Link to={ipAddress(peer)}><Raw>{peer}</Raw></Link> : <Raw>{peer}</Raw>;
      },
    },
    { id: "session", head: t("message.session"), size: 80, give: "y", className: "mono t2", cell: (e) => e.session && (maySessions ? <Link to={sessionAddress(e.session)}><Raw>{logIdOf(e.session)}</Raw></Link> : <Raw>{logIdOf(e.session)}</Raw>) },
    { id: "name", head: t("event.name"), size: 210, hidden: true, className: "mono t2", cell: (e) => <Raw>{e.name}</Raw> },
  ];
}
