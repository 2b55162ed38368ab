// The mail of one account instead of the queue: its inbox or its junk folder. Each look is recorded, so nothing is asked again by itself.
import { useCallback, useMemo, useState } from "react";
import { api } from "../../api/client";
import type { MailboxMessage } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText, type Text } from "../../i18n";
import { formatBytes, formatMoment, utcTitle } from "../../lib/format";
import { useGoing } from "../../lib/going";
import { useKeys } from "../../lib/keys";
import { undoSeconds } from "../../lib/operation";
import type { PageOf } from "../../lib/paged";
import { mailboxAddress } from "../../lib/places";
import { navigate, useOpen } from "../../lib/router";
import { useRows } from "../../lib/rows";
import { useSearchOn } from "../../lib/searched";
import { asText, type FilterFields } from "../../lib/usefilter";
import { Badge } from "../../ui/Badge";
import { Icon } from "../../ui/Icon";
import { KeyHint, ListScreen } from "../../ui/ListScreen";
import { PageHead } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { Empty } from "../../ui/States";
import type { Column } from "../../ui/table/columns";
import { useSelection } from "../../ui/table/selection";
import { AccountField } from "./AccountField";
import { MailboxDrawer } from "./MailboxDrawer";
import { QueueTabs } from "./QueueTabs";

type Folder = "inbox" | "junk";
const fields: FilterFields = { from: asText("sender"), to: asText("recipient"), subject: asText("subject") };
const idOf = (m: MailboxMessage) => m.id;

function mailboxColumns(t: Text, open: (m: MailboxMessage) => void): Column<MailboxMessage>[] {
  return [
    { id: "state", head: t("queue.state"), size: 104, phone: "q", cell: (m) => (m.seen ? <Badge tone="idle" icon="check">{t("mailbox.read")}</Badge> : <Badge tone="note" icon="mail">{t("mailbox.unread")}</Badge>) },
    { id: "uid", head: t("mailbox.uid"), sort: "uid", size: 84, right: true, give: "y", className: "num t2", cell: (m) => m.uid },
    { id: "from", head: t("queue.from"), phone: "u", title: (m) => m.from, cell: (m) => <><span className="mobonly t3">{t("queue.from")} </span><Raw>{m.from}</Raw></> },
    { id: "to", head: t("queue.to"), phone: "m", className: "t2", title: (m) => m.to, cell: (m) => <Raw>{m.to}</Raw> },
    { id: "subject", head: t("archive.subject"), fixed: true, phone: "t", title: (m) => m.subject, cell: (m) => <button type="button" className={`lnk ${m.seen ? "" : "strong"}`} onClick={() => { open(m); }}>{m.subject ? <Raw>{m.subject}</Raw> : t("archive.nosubject")}</button> },
    { id: "date", head: t("mailbox.date"), size: 200, hidden: true, className: "t2", cell: (m) => <Raw>{m.date}</Raw> },
    { id: "size", head: t("queue.size"), sort: "size", size: 84, right: true, give: "x", className: "t2", cell: (m) => formatBytes(m.size, t.locale) },
    { id: "received", head: t("queue.received"), sort: "received", size: 148, phone: "r", className: "num t2", title: (m) => (m.received_at ? utcTitle(m.received_at) : ""), cell: (m) => (m.received_at ? formatMoment(m.received_at, t.locale) : "") },
  ];
}

/** Each by itself: one that is gone already keeps none of the others. */
async function removeAll(path: { account: string; folder: Folder }, ids: readonly string[]): Promise<void> {
  const ends = await Promise.allSettled(ids.map((id) => api.delete("/queue/mailbox/{account}/{folder}/messages/{id}", { path: { ...path, id } })));
  const bad = ends.find((e) => e.status === "rejected");
  if (bad) throw bad.reason;
}

function Messages({ account, folder }: { account: string; folder: Folder }) {
  const t = useText();
  const mayWrite = useMay("queue:write");
  const [open, setOpen] = useOpen();
  const [current, setCurrent] = useState<MailboxMessage>();
  const path = useMemo(() => ({ account, folder }), [account, folder]);
  const rows = useRows<MailboxMessage>({
    key: `mailbox ${account} ${folder}`,
    fields,
    order: "-uid",
    limit: 100,
    read: (query, signal) => api.get("/queue/mailbox/{account}/{folder}/messages", { path, query, signal }) as Promise<PageOf<MailboxMessage>>,
    idOf,
  });
  const filtered = rows.filter.text !== "";
  const searching = useSearchOn(rows.list) && filtered;
  const { list, goAll } = useGoing(rows.list, idOf);
  const hidden = (rows.list.items?.length ?? 0) - (list.items?.length ?? 0);
  const total = filtered ? (list.items?.length ?? 0) : Math.max(0, (list.total ?? 0) - hidden);
  const selection = useSelection(useMemo(() => (list.items ?? []).map(idOf), [list.items]));
  const openRow = useCallback((m: MailboxMessage) => { setOpen(m.id); }, [setOpen]);
  const columns = useMemo(() => mailboxColumns(t, openRow), [t, openRow]);
  const remove = (chosen: readonly MailboxMessage[]) => {
    if (!mayWrite || chosen.length === 0) return;
    selection.clear();
    goAll(chosen, t("mailbox.deleted", { n: chosen.length, account, s: undoSeconds }), () => removeAll(path, chosen.map(idOf)));
  };
  const chosen = (list.items ?? []).filter((m) => selection.ids.has(m.id));
  useKeys({ "#": () => { remove(chosen.length ? chosen : current ? [current] : []); } });
  const shown = list.items?.find((m) => m.id === open);
  const go = (to: string, where: Folder = folder) => { navigate(mailboxAddress(to, where)); };
  return (
    <ListScreen
      name="mailbox"
      title={t("nav.queue")}
      label={t("mailbox.of", { account })}
      tabs={<QueueTabs />}
      actions={<button type="button" className="btn" onClick={list.refresh}><Icon name="refresh" />{t("keys.refresh")}</button>}
      filter={{ label: t("mailbox.filter"), placeholder: t("mailbox.filter.hint"), fields }}
      controls={<>
        <AccountField value={account} onChoose={go} />
        <label className="field">
          <span className="lb">{t("mailbox.folder")}</span>
          <select value={folder} onChange={(e) => { go(account, e.target.value === "junk" ? "junk" : "inbox"); }}>
            <option value="inbox">{t("mailbox.inbox")}</option>
            <option value="junk">{t("mailbox.junk")}</option>
          </select>
        </label>
      </>}
      below={chosen.length > 0 && (
        <div className="bulk" role="toolbar" aria-label={t("select.actions")}>
          <span className="strong nowrap num" role="status">{t("select.count", { n: chosen.length })}</span>
          <span className="grow deskonly" />
          <button type="button" className="btn sm danger" onClick={() => { remove(chosen); }}><Icon name="trash" small />{t("delete")}</button>
          <button type="button" className="ib sm" aria-label={t("select.clear")} onClick={selection.clear}><Icon name="x" /></button>
        </div>
      )}
      list={list}
      counted={!filtered}
      columns={columns}
      idOf={idOf}
      nameOf={(m) => m.subject || m.id}
      sort={rows.order}
      onSort={rows.setSort}
      {...(mayWrite && { selection })}
      openId={open}
      onOpen={openRow}
      onCurrent={setCurrent}
      state={{ filter: rows.found, searching, nothing: { icon: "mail", title: t(`mailbox.empty.${folder}`) } }}
      foot={<><span role="status">{t("queue.count", { n: total })}</span><span>{t("mailbox.audited")}</span></>}
      keys={<><KeyHint keys={["j", "k"]}>{t("keys.move")}</KeyHint><KeyHint keys={["x"]}>{t("keys.select")}</KeyHint><KeyHint keys={["#"]}>{t("delete")}</KeyHint><KeyHint keys={["?"]}>{t("keys.all")}</KeyHint></>}
      drawer={open && <MailboxDrawer key={open} path={path} id={open} known={shown} onDelete={mayWrite ? (m) => { remove([m]); } : undefined} onClose={() => { setOpen(""); }} />}
    />
  );
}

export default function Mailbox({ params }: { params: Record<string, string> }) {
  const t = useText();
  const { account, folder } = params;
  if (account) return <Messages key={`${account} ${folder}`} account={account} folder={folder === "junk" ? "junk" : "inbox"} />;
  return (
    <>
      <PageHead title={t("nav.queue")} />
      <QueueTabs />
      <div className="bar line"><AccountField value="" onChoose={(a) => { navigate(mailboxAddress(a)); }} /></div>
      <Empty icon="mail" title={t("mailbox.none")}><p>{t("mailbox.none.sub")}</p></Empty>
    </>
  );
}
