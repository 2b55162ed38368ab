import type { Text } from "../../i18n";
import { formatBytes, formatMoment, utcTitle } from "../../lib/format";
import { Badge, type Tone } from "../../ui/Badge";
import type { IconName } from "../../ui/icons";
import { Raw } from "../../ui/Raw";
import type { Column } from "../../ui/table/columns";
import { logIdOf } from "./steps";
import type { Message } from "./types";

export type Status = Message["status"];
const looks: Record<Status, [Tone, IconName]> = {
  accepted: ["note", "check"],
  waiting: ["warn", "clock"],
  delivered: ["ok", "check"],
  mixed: ["warn", "alert"],
  bounced: ["bad", "bounce"],
  refused: ["bad", "ban"],
  incomplete: ["gone", "dash"],
  timeout: ["gone", "clock"],
  lost: ["bad", "alert"],
  deleted: ["idle", "trash"],
};
export const statuses = Object.keys(looks) as Status[];

export function StatusBadge({ status, t }: { status: Status; t: Text }) {
  const [tone, icon] = looks[status];
  return <Badge tone={tone} icon={icon}>{t(`message.status.${status}`)}</Badge>;
}

/** Where its timeline is: a message that was refused early has no id, only a key. */
export function addressOf(m: { id?: string | null; key?: string | null }): string {
  return `/messages/${encodeURIComponent(m.id ?? m.key ?? "")}`;
}

export function messageColumns(t: Text, open: (m: Message) => void): Column<Message>[] {
  const sender = (m: Message) => m.sender || t("queue.bounce.sender");
  return [
    { id: "time", head: t("message.time"), size: 148, phone: "r", className: "num t2", title: (m) => utcTitle(m.time), cell: (m) => formatMoment(m.time, t.locale) },
    { id: "status", head: t("message.status"), size: 124, phone: "q", cell: (m) => <StatusBadge status={m.status} t={t} /> },
    {
      id: "sender",
      head: t("queue.from"),
      phone: "u",
      title: sender,
      cell: (m) => <><span className="mobonly t3">{t("queue.from")} </span>{m.sender ? <Raw>{m.sender}</Raw> : <span className="t3">{t("queue.bounce.sender")}</span>}</>,
    },
    {
      id: "recipient",
      head: t("queue.to"),
      fixed: true,
      phone: "t",
      title: (m) => m.recipients.join(", "),
      cell: (m) => (
        <>
          <button type="button" className="lnk" onClick={() => { open(m); }}>{m.recipients[0] ? <Raw>{m.recipients[0]}</Raw> : t("message.norecipient")}</button>
          {m.recipients_total > 1 && <span className="t3"> +{m.recipients_total - 1}</span>}
        </>
      ),
    },
    { id: "size", head: t("queue.size"), size: 84, right: true, give: "x", className: "t2", cell: (m) => (m.size === null ? "" : formatBytes(m.size, t.locale)) },
    { id: "id", head: t("queue.id"), size: 100, give: "y", className: "mono t2", cell: (m) => <Raw>{m.id ?? ""}</Raw> },
    { id: "peer", head: t("sessions.peer"), size: 130, hidden: true, className: "t2", cell: (m) => <Raw>{m.peer}</Raw> },
    { id: "account", head: t("sessions.account"), size: 180, hidden: true, className: "t2", cell: (m) => <Raw>{m.account}</Raw> },
    { id: "direction", head: t("message.direction"), size: 90, hidden: true, className: "t2", cell: (m) => t(`message.direction.${m.direction}`) },
    { id: "session", head: t("message.session"), size: 80, hidden: true, className: "mono t2", cell: (m) => <Raw>{m.session ? logIdOf(m.session) : ""}</Raw> },
    { id: "answer", head: t("queue.answer"), phone: "m", className: "t2", title: (m) => m.answer, cell: (m) => <Raw>{m.answer}</Raw> },
  ];
}
