import { visible } from "../lib/bidi";
import { decoded } from "../lib/base64";
import { useResource } from "../lib/resource";
import { Dialog } from "./Dialog";
import { ErrorNote, Skeleton } from "./States";

/** A message as text, from the answer of a content route: markup in it stays text. */
export function TextDialog({ title, note, source, read, onClose }: {
  title: string;
  note: string;
  /** Of what is read. */
  source: string;
  read: (signal: AbortSignal) => Promise<{ content: string }>;
  onClose: () => void;
}) {
  const r = useResource(source, read);
  return (
    <Dialog title={title} onClose={onClose} wide>
      <div className="form">
        <p className="t3">{note}</p>
        {r.error && <ErrorNote error={r.error} onRetry={r.refresh} />}
        {r.data ? <pre className="tr message-text" translate="no" tabIndex={0} aria-label={title}>{visible(new TextDecoder().decode(decoded(r.data.content)))}</pre> : !r.error && <Skeleton rows={6} />}
      </div>
    </Dialog>
  );
}
