import type { ArchivedMessage } from "../../api/schema";
import type { Text } from "../../i18n";
import { formatBytes, formatMoment, utcTitle } from "../../lib/format";
import { accountAddress } from "../../lib/places";
import { Link } from "../../lib/router";
import { Raw } from "../../ui/Raw";
import type { Column } from "../../ui/table/columns";

export type Recipient = ArchivedMessage["recipients"][number];

/** Accounts here have a page; others are only named. */
export function RecipientName({ recipient: r, linked }: { recipient: Recipient; linked: boolean }) {
  return r.local && linked ? <Link to={accountAddress(r.address)}><Raw>{r.address}</Raw></Link> : <Raw>{r.address}</Raw>;
}

export function archiveColumns(t: Text, mayDirectory: boolean, open: (m: ArchivedMessage) => void): Column<ArchivedMessage>[] {
  const sender = (m: ArchivedMessage) => m.sender || t("queue.bounce.sender");
  return [
    { id: "time", head: t("queue.received"), size: 148, phone: "r", className: "num t2", title: (m) => (m.received_at ? utcTitle(m.received_at) : ""), cell: (m) => (m.received_at ? formatMoment(m.received_at, t.locale) : "") },
    { id: "subject", head: t("archive.subject"), fixed: true, phone: "t", title: (m) => m.subject, cell: (m) => <button type="button" className="lnk" onClick={() => { open(m); }}>{m.subject ? <Raw>{m.subject}</Raw> : t("archive.nosubject")}</button> },
    { id: "sender", head: t("queue.from"), phone: "u", title: sender, cell: (m) => <><span className="mobonly t3">{t("queue.from")} </span>{m.sender ? <Raw>{m.sender}</Raw> : <span className="t3">{t("queue.bounce.sender")}</span>}</> },
    {
      id: "recipient",
      head: t("queue.to"),
      phone: "m",
      title: (m) => m.recipients.slice(0, 20).map((r) => r.address).join(", "),
      cell: (m) => <>{m.recipients[0] && <RecipientName recipient={m.recipients[0]} linked={mayDirectory} />}{m.n_recipients > 1 && <span className="t3"> +{m.n_recipients - 1}</span>}</>,
    },
    { id: "size", head: t("queue.size"), size: 84, right: true, give: "x", className: "t2", cell: (m) => formatBytes(m.size, t.locale) },
    { id: "id", head: t("queue.id"), size: 100, give: "y", className: "mono t2", cell: (m) => <Raw>{m.id}</Raw> },
    { id: "login", head: t("archive.login"), size: 180, hidden: true, className: "t2", cell: (m) => <Raw>{m.login}</Raw> },
  ];
}
