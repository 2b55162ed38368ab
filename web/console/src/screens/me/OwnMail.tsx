import { useState } from "react";
import { api } from "../../api/client";
import type { Message } from "../../api/schema";
import { useText } from "../../i18n";
import { formatMoment, utcTitle } from "../../lib/format";
import { useResource } from "../../lib/resource";
import { Dialog } from "../../ui/Dialog";
import { Raw } from "../../ui/Raw";
import { ErrorNote, Skeleton } from "../../ui/States";
import { StatusBadge } from "../messages/columns";
import { Verdict } from "../messages/Verdict";

const rows = 20;

function One({ message: m, onClose }: { message: Message; onClose: () => void }) {
  const t = useText();
  const r = useResource(`own message ${m.key}`, (signal) => api.get("/self/messages/{id}", { path: { id: m.id ?? m.key }, signal }));
  return (
    <Dialog title={t("message.title", { id: m.id ?? m.key })} onClose={onClose} wide>
      <div className="form">
        {r.error && <ErrorNote error={r.error} retryAt={r.retryAt} onRetry={r.refresh} />}
        {!r.data && !r.error && <Skeleton rows={3} />}
        {r.data && <Verdict message={r.data} />}
      </div>
    </Dialog>
  );
}

/** What came and went with one's own address: where is my message? */
export function OwnMail() {
  const t = useText();
  const [open, setOpen] = useState<Message>();
  const list = useResource("own messages", (signal) => api.get("/self/messages", { query: { from: "7d", limit: rows }, signal }), 30);
  return (
    <section aria-labelledby="own-mail">
      <h2 className="s" id="own-mail">{t("me.mail")}</h2>
      <p className="t2">{t("me.mail.text")}</p>
      {list.error && <ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} />}
      {!list.data && !list.error && <Skeleton rows={3} />}
      {list.data?.items.length === 0 && <p className="t3">{t("ip.messages.none")}</p>}
      {!!list.data?.items.length && (
        <table className="mini part" aria-label={t("me.mail")}>
          <thead><tr><th scope="col">{t("queue.from")}</th><th scope="col">{t("queue.to")}</th><th scope="col" className="w-badge">{t("message.status")}</th><th scope="col" className="w-time deskonly">{t("message.time")}</th></tr></thead>
          <tbody>
            {list.data.items.map((m) => (
              <tr key={m.key}>
                <td className="ell">{m.sender ? <Raw>{m.sender}</Raw> : <span className="t3">{t("queue.bounce.sender")}</span>}</td>
                <th scope="row" className="ell"><button type="button" className="linkb" onClick={() => { setOpen(m); }}>{m.recipients[0] ? <Raw>{m.recipients[0]}</Raw> : t("message.norecipient")}</button></th>
                <td className="w-badge"><StatusBadge status={m.status} t={t} /></td>
                <td className="t3 num nowrap w-time deskonly" title={utcTitle(m.time)}>{formatMoment(m.time, t.locale)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {open && <One message={open} onClose={() => { setOpen(undefined); }} />}
    </section>
  );
}
