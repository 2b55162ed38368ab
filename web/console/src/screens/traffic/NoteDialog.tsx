import { useState } from "react";
import { api } from "../../api/client";
import { useText } from "../../i18n";
import { toast } from "../../lib/toast";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { failed } from "../../ui/States";
import { localInput } from "./view";

/** A note at a time: the one under the cursor, or now. */
export function NoteDialog({ at, onClose, onDone }: { at: number; onClose: () => void; onDone: () => void }) {
  const t = useText();
  const [text, setText] = useState("");
  const [time, setTime] = useState(localInput(at));
  const [busy, setBusy] = useState(false);
  const when = new Date(time);
  const ready = text.trim() !== "" && !Number.isNaN(when.getTime()) && !busy;
  const save = () => {
    if (!ready) return;
    setBusy(true);
    api.post("/annotations", { body: { text: text.trim(), at: when.toISOString() } }).then(
      () => {
        toast(t("saved"));
        onDone();
        onClose();
      },
      (e: unknown) => {
        setBusy(false);
        failed(e, t);
      },
    );
  };
  return (
    <Dialog title={t("traffic.note.new")} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); save(); }}>
        <Field label={t("traffic.note.text")} value={text} maxLength={200} autoFocus onChange={(e) => { setText(e.target.value); }} />
        <Field label={t("traffic.note.at")} type="datetime-local" value={time} onChange={(e) => { setTime(e.target.value); }} />
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri" disabled={!ready}>{t("save")}</button>
        </div>
      </form>
    </Dialog>
  );
}
