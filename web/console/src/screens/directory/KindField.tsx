import type { Account } from "../../api/schema";
import { useText } from "../../i18n";
import { Field } from "../../ui/Field";
import { kinds } from "./editable";

/** A person's mailbox, or an address whose mail goes to members. */
export function KindField({ value, error, onChange }: { value: Account["kind"]; error?: string | undefined; onChange: (kind: Account["kind"]) => void }) {
  const t = useText();
  return (
    <Field label={t("account.kind")} hint={t(`kind.${value}.hint`)} error={error}>
      {(p) => (
        <select {...p} value={value} onChange={(e) => { onChange(e.target.value as Account["kind"]); }}>
          {kinds.map((k) => <option key={k} value={k}>{t(`kind.${k}`)}</option>)}
        </select>
      )}
    </Field>
  );
}
