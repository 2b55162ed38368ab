import { useState } from "react";
import { api } from "../../api/client";
import type { MailboxMessage } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { formatBytes, formatMoment, utcTitle } from "../../lib/format";
import { accountAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { CopyButton } from "../../ui/Copy";
import { Drawer } from "../../ui/Drawer";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { Empty, ErrorNote, Skeleton } from "../../ui/States";
import { TextDialog } from "../../ui/TextDialog";

export function MailboxDrawer({ path, id, known, onDelete, onClose }: {
  path: { account: string; folder: string };
  id: string;
  known: MailboxMessage | undefined;
  onDelete: ((m: MailboxMessage) => void) | undefined;
  onClose: () => void;
}) {
  const t = useText();
  const mayRead = useMay("messages:content");
  const mayDirectory = useMay("directory:read");
  const [content, setContent] = useState(false);
  // The list has it all; only who follows a link to it looks once more.
  const r = useResource(known ? "" : `mailbox message ${path.account} ${path.folder} ${id}`, (signal) => api.get("/queue/mailbox/{account}/{folder}/messages/{id}", { path: { ...path, id }, signal }));
  const m = known ?? r.data;
  return (
    <Drawer
      label={t("mailbox.message", { id })}
      title={m ? m.subject ? <Raw>{m.subject}</Raw> : t("archive.nosubject") : <Raw mono>{id}</Raw>}
      sub={m && <Raw>{m.from}</Raw>}
      onClose={onClose}
      foot={m && (
        <>
          {mayRead && <button type="button" className="btn" onClick={() => { setContent(true); }}><Icon name="code" />{t("queue.open")}</button>}
          {mayDirectory && <Link className="btn" to={accountAddress(path.account)}><Icon name="user" />{t("mailbox.account")}</Link>}
          <span className="grow" />
          {onDelete && <button type="button" className="btn danger" onClick={() => { onDelete(m); onClose(); }}><Icon name="trash" />{t("delete")}</button>}
        </>
      )}
    >
      {r.error?.status === 404 && <Empty icon="mail" title={t("mailbox.gone")} />}
      {r.error && r.error.status !== 404 && <div className="pad"><ErrorNote error={r.error} retryAt={r.retryAt} onRetry={r.refresh} /></div>}
      {!m && !r.error && <Skeleton rows={6} />}
      {m && (
        <div className="pad">
          <h3 className="s">{t("archive.header")}</h3>
          <dl className="kv">
            <dt>{t("queue.from")}</dt><dd><Raw>{m.from}</Raw></dd>
            <dt>{t("queue.to")}</dt><dd><Raw>{m.to}</Raw></dd>
            <dt>{t("archive.subject")}</dt><dd><Raw>{m.subject}</Raw></dd>
            <dt>{t("mailbox.date")}</dt><dd><Raw>{m.date}</Raw></dd>
            {m.message_id && <><dt>{t("mailbox.messageid")}</dt><dd><Raw mono>{m.message_id}</Raw> <CopyButton text={m.message_id} label={t("queue.copyid")} /></dd></>}
          </dl>
          <h3 className="s">{t("details")}</h3>
          <dl className="kv">
            {m.received_at && <><dt>{t("queue.received")}</dt><dd title={utcTitle(m.received_at)}>{formatMoment(m.received_at, t.locale)}</dd></>}
            <dt>{t("queue.size")}</dt><dd>{formatBytes(m.size, t.locale)}</dd>
            <dt>{t("queue.state")}</dt><dd>{m.seen ? t("mailbox.read") : t("mailbox.unread")}</dd>
            {m.flags.length > 0 && <><dt>{t("mailbox.flags")}</dt><dd><Raw mono>{m.flags.join(" ")}</Raw></dd></>}
            <dt>{t("mailbox.uid")}</dt><dd className="num">{m.uid}</dd>
            <dt>{t("mailbox.uidvalidity")}</dt><dd className="num">{m.uidvalidity}</dd>
          </dl>
        </div>
      )}
      {m && content && (
        <TextDialog
          title={t("queue.content", { id })}
          note={t("queue.content.audited")}
          source={`mailbox content ${path.account} ${path.folder} ${id}`}
          read={(signal) => api.get("/queue/mailbox/{account}/{folder}/messages/{id}/content", { path: { ...path, id }, signal })}
          onClose={() => { setContent(false); }}
        />
      )}
    </Drawer>
  );
}
