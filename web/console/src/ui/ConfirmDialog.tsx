import { useState, type ReactNode } from "react";
import { useText } from "../i18n";
import { Dialog } from "./Dialog";
import { Raw } from "./Raw";

/** Only for what cannot be taken back. `word` must be typed before the button works. */
export function ConfirmDialog({ title, children, word, verb, onConfirm, onClose }: {
  title: string;
  children: ReactNode;
  word?: string;
  verb: string;
  onConfirm: () => void;
  onClose: () => void;
}) {
  const t = useText();
  const [typed, setTyped] = useState("");
  const ready = !word || typed.trim() === word;
  return (
    <Dialog title={title} onClose={onClose} alert>
      <form
        className="form"
        onSubmit={(e) => {
          e.preventDefault();
          if (!ready) return;
          onClose();
          onConfirm();
        }}
      >
        <div className="t2">{children}</div>
        {word && (
          <label className="f">
            <span>{t.rich("confirm.type", { word: <b><Raw mono>{word}</Raw></b> })}</span>
            <input className="inp" value={typed} onChange={(e) => { setTyped(e.target.value); }} autoComplete="off" spellCheck={false} />
          </label>
        )}
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn danger" disabled={!ready}>{verb}</button>
        </div>
      </form>
    </Dialog>
  );
}
