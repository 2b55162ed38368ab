// Inputs that domains and accounts share.
import { useState } from "react";
import { ApiError } from "../../api/client";
import { useText } from "../../i18n";
import { formatBytes, parseBytes } from "../../lib/format";
import { Field } from "../../ui/Field";

/** The fault of one field of a problem: fields[] names it. */
export function faultOf(error: ApiError | undefined, field: string): string | undefined {
  return error?.problem.fields?.find((f) => f.name === field)?.detail;
}
/** A problem that no field of the form shows. */
export function generalFault(error: ApiError | undefined, shown: readonly string[]): ApiError | undefined {
  if (!error) return undefined;
  return error.problem.fields?.some((f) => shown.includes(f.name ?? "")) ? undefined : error;
}

/** A size as people write it: "10 GB"; empty is 0. */
export function SizeField({ label, hint, value, error, onChange }: { label: string; hint: string; value: number; error?: string | undefined; onChange: (bytes: number) => void }) {
  const t = useText();
  const [text, setText] = useState(value ? formatBytes(value, "en").replace("\u202f", " ") : "");
  const [shown, setShown] = useState(value);
  if (shown !== value && parseBytes(text) !== value) {
    setShown(value);
    setText(value ? formatBytes(value, "en").replace("\u202f", " ") : "");
  }
  const wrong = text.trim() !== "" && parseBytes(text) === undefined;
  return (
    <Field
      label={label}
      hint={hint}
      error={wrong ? t("size.wrong") : error}
      value={text}
      inputMode="text"
      onChange={(e) => {
        setText(e.target.value);
        const n = e.target.value.trim() === "" ? 0 : parseBytes(e.target.value);
        if (n !== undefined) {
          setShown(n);
          onChange(n);
        }
      }}
    />
  );
}

/** A whole number; an empty field is 0, which stands there as a number only where it means one. */
export function NumberField({ label, hint, value, max, zero = false, error, onChange }: { label: string; hint: string; value: number; max: number; zero?: boolean; error?: string | undefined; onChange: (n: number) => void }) {
  const read = (text: string) => Math.min(max, Math.max(0, Math.trunc(Number(text)) || 0));
  return <Field label={label} hint={hint} error={error} type="number" min={0} max={max} step={1} inputMode="numeric" value={value || zero ? value : ""} onChange={(e) => { onChange(read(e.target.value)); }} />;
}

/** Several texts, one in each line. */
export function LinesField({ label, hint, value, error, disabled, onChange }: { label: string; hint: string; value: readonly string[]; error?: string | undefined; disabled?: boolean; onChange: (lines: string[]) => void }) {
  const [text, setText] = useState(value.join("\n"));
  const lines = (s: string) => s.split(/[\n,;]/).map((x) => x.trim()).filter(Boolean);
  if (lines(text).join("\n") !== value.join("\n")) setText(value.join("\n"));
  return (
    <Field label={label} hint={hint} error={error}>
      {(p) => (
        <textarea {...p} rows={3} value={text} disabled={disabled} spellCheck={false} onChange={(e) => { setText(e.target.value); onChange(lines(e.target.value)); }} />
      )}
    </Field>
  );
}

export function Check({ label, hint, checked, onChange }: { label: string; hint?: string; checked: boolean; onChange: (on: boolean) => void }) {
  return (
    <label className="row check">
      <input type="checkbox" className="sw" checked={checked} onChange={(e) => { onChange(e.target.checked); }} />
      <span><span className="med">{label}</span>{hint && <span className="t3"> {hint}</span>}</span>
    </label>
  );
}

/** A password that is easy to read aloud: without letters and digits that look alike. */
export function newPassword(length = 20): string {
  const letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
  const random = crypto.getRandomValues(new Uint32Array(length));
  return Array.from(random, (r) => letters[r % letters.length]).join("");
}
