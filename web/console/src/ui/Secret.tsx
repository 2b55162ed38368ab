import { useText } from "../i18n";
import { CopyButton } from "./Copy";
import { Dialog } from "./Dialog";

/** A password or token that is shown this once. */
export function Secret({ title, text, secret, copy, onClose }: { title: string; text: string; secret: string; copy: string; onClose: () => void }) {
  const t = useText();
  return (
    <Dialog title={title} onClose={onClose} alert>
      <div className="form">
        <p>{text}</p>
        <div className="row"><div className="secret grow" translate="no">{secret}</div><CopyButton text={secret} label={copy} /></div>
        <div className="acts-row"><button type="button" className="btn pri" onClick={onClose}>{t("app.noted")}</button></div>
      </div>
    </Dialog>
  );
}
