import { useState } from "react";
import { api } from "../../api/client";
import type { ArchivedMessage } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { decoded } from "../../lib/base64";
import { formatBytes, formatMoment, utcTitle } from "../../lib/format";
import { accountAddress, ipAddress, messageAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { CopyButton, download } from "../../ui/Copy";
import { Drawer } from "../../ui/Drawer";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { Empty, ErrorNote, failed, Skeleton } from "../../ui/States";
import { TextDialog } from "../../ui/TextDialog";
import { RecipientName } from "./columns";
import { SendAgain } from "./SendAgain";

/** All pieces of it. */
async function whole(name: string): Promise<Blob> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let offset = 0, size = 1; offset < size;) {
    const piece = await api.get("/archive/messages/{name}/content", { path: { name }, query: { offset } });
    const bytes = decoded(piece.content);
    if (bytes.length === 0) break;
    parts.push(bytes);
    offset += bytes.length;
    size = piece.size;
  }
  return new Blob(parts, { type: "message/rfc822" });
}

function Envelope({ message: m }: { message: ArchivedMessage }) {
  const t = useText();
  const mayDirectory = useMay("directory:read");
  const maySessions = useMay("sessions:read");
  const mayTrace = useMay("messages:read");
  return (
    <div className="pad">
      <h3 className="s">{t("details")}</h3>
      <dl className="kv">
        {m.received_at && <><dt>{t("queue.received")}</dt><dd title={utcTitle(m.received_at)}>{formatMoment(m.received_at, t.locale)}</dd></>}
        <dt>{t("archive.sender")}</dt><dd>{m.sender ? <Raw>{m.sender}</Raw> : t("queue.bounce.sender")}</dd>
        {m.login && <><dt>{t("archive.login")}</dt><dd>{mayDirectory ? <Link to={accountAddress(m.login)}><Raw>{m.login}</Raw></Link> : <Raw>{m.login}</Raw>}</dd></>}
        {m.peer && <><dt>{t("sessions.peer")}</dt><dd>{maySessions ? <Link to={ipAddress(m.peer)}><Raw>{m.peer}</Raw></Link> : <Raw>{m.peer}</Raw>}</dd></>}
        <dt>{t("queue.size")}</dt><dd>{formatBytes(m.size, t.locale)}</dd>
        <dt>{t("queue.id")}</dt><dd><Raw mono>{m.id}</Raw> <CopyButton text={m.id} label={t("queue.copyid")} /></dd>
        {m.original && <><dt>{t("archive.original")}</dt><dd>{mayTrace ? <Link to={messageAddress(m.original)}><Raw mono>{m.original}</Raw></Link> : <Raw mono>{m.original}</Raw>}</dd></>}
        <dt>{t("queue.item")}</dt><dd><Raw mono>{`${m.name}.eml`}</Raw></dd>
      </dl>
      <h3 className="s">{t("archive.header")}</h3>
      <dl className="kv">
        <dt>{t("queue.from")}</dt><dd><Raw>{m.from}</Raw></dd>
        <dt>{t("queue.to")}</dt><dd><Raw>{m.to}</Raw></dd>
        <dt>{t("archive.subject")}</dt><dd><Raw>{m.subject}</Raw></dd>
      </dl>
      <h3 className="s">{t("queue.recipients")}</h3>
      <ul className="rcpts">
        {m.recipients.slice(0, 100).map((r) => (
          <li key={`${r.original} ${r.address}`} className="row">
            <span className="grow ell"><RecipientName recipient={r} linked={mayDirectory} />{r.original && <span className="t3"> {t.rich("message.alias", { alias: <Raw>{r.original}</Raw> })}</span>}</span>
          </li>
        ))}
      </ul>
      {m.n_recipients > 100 && <p className="t3">{t("archive.recipients", { n: m.n_recipients })}</p>}
    </div>
  );
}

export function ArchivedDrawer({ name, known, onClose }: { name: string; known: ArchivedMessage | undefined; onClose: () => void }) {
  const t = useText();
  const mayRead = useMay("messages:content");
  const mayTrace = useMay("messages:read");
  const mayWrite = useMay("queue:write");
  const [dialog, setDialog] = useState<"text" | "send">();
  // The list has it all; only who follows a link to it looks once more.
  const r = useResource(known ? "" : `archived ${name}`, (signal) => api.get("/archive/messages/{name}", { path: { name }, signal }));
  const m = known ?? r.data;
  const close = () => { setDialog(undefined); };
  const save = () => { whole(name).then((blob) => { download(`${name}.eml`, "message/rfc822", blob); }, (e: unknown) => { failed(e, t); }); };
  return (
    <Drawer
      label={t("archive.message", { id: m?.id ?? name })}
      title={m ? m.subject ? <Raw>{m.subject}</Raw> : t("archive.nosubject") : <Raw mono>{name}</Raw>}
      sub={m && <Raw mono>{m.id}</Raw>}
      onClose={onClose}
      foot={m && (
        <>
          {mayRead && <button type="button" className="btn" onClick={() => { setDialog("text"); }}><Icon name="code" />{t("queue.open")}</button>}
          {mayRead && <button type="button" className="btn" onClick={save}><Icon name="download" />{t("archive.save")}</button>}
          {mayRead && mayWrite && <button type="button" className="btn" onClick={() => { setDialog("send"); }}><Icon name="send" />{t("archive.send")}</button>}
          {mayTrace && <Link className="btn" to={messageAddress(m.id)}><Icon name="trace" />{t("message.timeline")}</Link>}
        </>
      )}
    >
      {r.error?.status === 404 && <Empty icon="disk" title={t("archive.gone")} />}
      {r.error && r.error.status !== 404 && <div className="pad"><ErrorNote error={r.error} retryAt={r.retryAt} onRetry={r.refresh} /></div>}
      {!m && !r.error && <Skeleton rows={6} />}
      {m && <Envelope message={m} />}
      {m && dialog === "text" && (
        <TextDialog
          title={t("queue.content", { id: m.id })}
          note={t("queue.content.audited")}
          source={`archived content ${name}`}
          read={(signal) => api.get("/archive/messages/{name}/content", { path: { name }, signal })}
          onClose={close}
        />
      )}
      {m && dialog === "send" && <SendAgain message={m} onClose={close} />}
    </Drawer>
  );
}
