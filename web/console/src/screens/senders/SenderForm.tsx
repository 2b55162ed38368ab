// Senders for a list: one in each line.
import { useState } from "react";
import { api, ApiError } from "../../api/client";
import type { SenderEntry } from "../../api/schema";
import { useText } from "../../i18n";
import { toast } from "../../lib/toast";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { ErrorNote } from "../../ui/States";
import { faultOf, generalFault, LinesField } from "../directory/fields";

export type Verdict = SenderEntry["verdict"];
export const verdicts = ["deny", "allow"] as const satisfies readonly Verdict[];

export function OwnerField({ value, error, onChange }: { value: string; error: string | undefined; onChange: (owner: string) => void }) {
  const t = useText();
  return <Field label={t("sender.owner")} hint={t("sender.owner.hint")} error={error} value={value} onChange={(e) => { onChange(e.target.value); }} required autoComplete="off" spellCheck={false} />;
}

export function NewSenders({ owner, onClose, onDone }: { owner: string; onClose: () => void; onDone: () => void }) {
  const t = useText();
  const [whose, setWhose] = useState(owner);
  const [senders, setSenders] = useState<string[]>([]);
  const [verdict, setVerdict] = useState<Verdict>("deny");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const submit = async () => {
    setBusy(true);
    setError(undefined);
    let left = senders;
    try {
      // One after the other: what was refused stays in the field, with what comes after it.
      for (const sender of senders) {
        await api.put("/sender-lists/{owner}/{sender}", { path: { owner: whose.trim(), sender }, body: { verdict } });
        left = left.slice(1);
      }
      toast(t(`sender.added.${verdict}`, { n: senders.length }));
      onDone();
      onClose();
    } catch (e) {
      if (e instanceof ApiError) setError(e);
      if (left.length < senders.length) onDone();
      setSenders(left);
      setBusy(false);
    }
  };
  const general = generalFault(error, ["owner", "sender"]);
  return (
    <Dialog title={t("sender.new")} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {general && <ErrorNote error={general} />}
        <OwnerField value={whose} error={faultOf(error, "owner")} onChange={setWhose} />
        <Field label={t("sender.verdict")} hint={t(`sender.${verdict}.hint`)}>
          {(p) => (
            <select {...p} value={verdict} onChange={(e) => { setVerdict(e.target.value as Verdict); }}>
              {verdicts.map((v) => <option key={v} value={v}>{t(`sender.${v}`)}</option>)}
            </select>
          )}
        </Field>
        <LinesField label={t("sender.senders")} hint={t("sender.senders.hint")} value={senders} error={faultOf(error, "sender")} onChange={setSenders} />
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri" disabled={busy || senders.length === 0}>{t("sender.add", { n: senders.length })}</button>
        </div>
      </form>
    </Dialog>
  );
}
