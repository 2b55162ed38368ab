import type { QueueMessage } from "../../api/schema";
import type { Text } from "../../i18n";
import { formatBytes, formatDuration, utcTitle } from "../../lib/format";
import { Badge, type Tone } from "../../ui/Badge";
import type { IconName } from "../../ui/icons";
import { Raw } from "../../ui/Raw";
import type { Column } from "../../ui/table/columns";

const looks: Record<QueueMessage["state"], [Tone, IconName]> = {
  queued: ["idle", "dash"],
  sending: ["note", "send"],
  waiting: ["warn", "clock"],
  overdue: ["bad", "alert"],
  held: ["note", "clock"],
  paused: ["note", "clock"],
  moderation: ["note", "clock"],
};

export function StateBadge({ state, t }: { state: QueueMessage["state"]; t: Text }) {
  const [tone, icon] = looks[state];
  return <Badge tone={tone} icon={icon}>{t(`queue.state.${state}`)}</Badge>;
}

export function waitedFor(m: QueueMessage, now: number): number {
  return m.received_at ? Math.max(0, (now - Date.parse(m.received_at)) / 1000) : 0;
}

export function nextTry(m: QueueMessage, t: Text, now: number): string {
  if (m.state === "sending") return m.ordered ? t(`queue.next.then.${m.ordered}`) : t("queue.next.sending");
  if (m.state === "queued" || !m.next_try_at) return t("queue.next.queued");
  const s = (Date.parse(m.next_try_at) - now) / 1000;
  return s < 1 ? t("queue.next.now") : t("dur.in", { time: formatDuration(s, t) });
}

export function queueColumns(t: Text, now: number, open: (m: QueueMessage) => void): Column<QueueMessage>[] {
  const sender = (m: QueueMessage) => m.sender || t("queue.bounce.sender");
  return [
    { id: "state", head: t("queue.state"), size: 116, phone: "q", cell: (m) => <StateBadge state={m.state} t={t} /> },
    { id: "id", head: t("queue.id"), size: 96, hidden: true, className: "mono t2", cell: (m) => <Raw>{m.id}</Raw> },
    {
      id: "sender",
      head: t("queue.from"),
      sort: "sender",
      phone: "u",
      title: sender,
      cell: (m) => <><span className="mobonly t3">{t("queue.from")} </span>{m.sender ? <Raw>{m.sender}</Raw> : <span className="t3">{t("queue.bounce.sender")}</span>}</>,
    },
    {
      id: "recipient",
      head: t("queue.to"),
      sort: "recipient",
      fixed: true,
      phone: "t",
      title: (m) => m.recipient,
      cell: (m) => (
        <>
          <button type="button" className="lnk" onClick={() => { open(m); }}><Raw>{m.recipient}</Raw></button>
          {m.waiting > 1 && <span className="t3"> +{m.waiting - 1}</span>}
        </>
      ),
    },
    { id: "subject", head: t("archive.subject"), give: "y", className: "t2", title: (m) => m.subject, cell: (m) => <Raw>{m.subject}</Raw> },
    { id: "destination", head: t("queue.destination"), hidden: true, cell: (m) => <Raw>{m.destination}</Raw> },
    { id: "priority", head: t("queue.priority"), size: 96, hidden: true, className: "t2", cell: (m) => t(`queue.priority.${m.priority}`) },
    { id: "size", head: t("queue.size"), sort: "size", size: 84, right: true, give: "y", className: "t2", cell: (m) => formatBytes(m.size, t.locale) },
    {
      id: "age",
      head: t("queue.waiting"),
      sort: "age",
      size: 104,
      right: true,
      phone: "r",
      title: (m) => (m.received_at ? utcTitle(m.received_at) : ""),
      cell: (m) => formatDuration(waitedFor(m, now), t),
    },
    {
      id: "next",
      head: t("queue.next"),
      sort: "next_try",
      size: 130,
      give: "y",
      className: "t2",
      title: (m) => t("queue.tries", { n: m.attempts }),
      cell: (m) => <>{nextTry(m, t, now)}{m.attempts > 1 && <span className="t3"> ×{m.attempts}</span>}</>,
    },
    { id: "answer", head: t("queue.answer"), phone: "m", className: "t2", title: (m) => m.answer, cell: (m) => <Raw>{m.answer}</Raw> },
  ];
}
