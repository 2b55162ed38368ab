import { api } from "../../api/client";
import { useText } from "../../i18n";
import { visible } from "../../lib/bidi";
import { useResource } from "../../lib/resource";
import { Dialog } from "../../ui/Dialog";
import { ErrorNote, Skeleton } from "../../ui/States";

/** The message as it will be sent, as text: markup in it stays text. The look is recorded in the audit. */
export function Content({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useText();
  const r = useResource(`content ${id}`, (signal) => api.get("/queue/{name}/messages/{id}/content", { path: { name: "outgoing", id }, signal }));
  const text = r.data ? new TextDecoder().decode(Uint8Array.from(atob(r.data.content), (c) => c.charCodeAt(0))) : "";
  return (
    <Dialog title={t("queue.content", { id })} onClose={onClose} wide>
      <div className="form">
        <p className="t3">{t("queue.content.audited")}</p>
        {r.error && <ErrorNote error={r.error} onRetry={r.refresh} />}
        {r.data ? <pre className="tr message-text" translate="no" tabIndex={0} aria-label={t("queue.content", { id })}>{visible(text)}</pre> : !r.error && <Skeleton rows={6} />}
      </div>
    </Dialog>
  );
}
