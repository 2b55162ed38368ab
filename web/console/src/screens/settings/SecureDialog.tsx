// A secure destination from a certificate: the server reads its fields, the entry goes to the list under edit.
import { useState } from "react";
import { api, ApiError } from "../../api/client";
import type { Certificate } from "../../api/schema";
import { useText, type Key } from "../../i18n";
import { formatDate } from "../../lib/format";
import { unusable, type Entry } from "../../lib/secure";
import { Badge } from "../../ui/Badge";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { ErrorNote } from "../../ui/States";

const warnings: Readonly<Record<string, Key>> = {
  expired: "secure.expired",
  "not-yet-valid": "secure.notyet",
  "subject-unusable": "secure.subject.unusable",
  "issuer-unusable": "secure.issuer.unusable",
};
const fields = { sha256: "secure.sha256", subject: "secure.subject", issuer: "secure.issuer" } as const satisfies Partial<Record<keyof Entry, Key>>;

export function SecureDialog({ onClose, onDone }: { onClose: () => void; onDone: (entry: Entry) => void }) {
  const t = useText();
  const [entry, setEntry] = useState<Entry>({ pattern: "", sha256: "", subject: "", issuer: "" });
  const [read, setRead] = useState<Certificate>();
  const [error, setError] = useState<ApiError>();
  const set = (change: Partial<Entry>) => { setEntry((old) => ({ ...old, ...change })); };
  const fill = async (file: File) => {
    setError(undefined);
    setRead(undefined);
    try {
      const c = await api.post("/secure-destinations/certificate", { body: { pem: await file.text() } });
      const usable = (name: "subject" | "issuer") => (c.warnings.includes(`${name}-unusable`) ? "" : c[name]);
      set({ sha256: c.sha256, subject: usable("subject"), issuer: usable("issuer") });
      setRead(c);
    } catch (e) {
      if (!(e instanceof ApiError)) throw e;
      setError(e);
    }
  };
  const wrong = (text: string) => (unusable(text) ? t("secure.fault") : undefined);
  const bad = !entry.pattern.trim() || Object.values(entry).some(unusable);
  return (
    <Dialog title={t("secure.title")} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); onDone(entry); }}>
        <Field label={t("secure.pattern")} hint={t("secure.pattern.hint")} error={wrong(entry.pattern)} value={entry.pattern} onChange={(e) => { set({ pattern: e.target.value }); }} required autoFocus autoComplete="off" spellCheck={false} />
        <Field label={t("secure.file")} hint={t("secure.file.hint")} type="file" accept=".pem,.crt,.cer,application/x-pem-file" onChange={(e) => { const f = e.target.files?.[0]; if (f) void fill(f); }} />
        {error && <ErrorNote error={error} />}
        {read && (
          <p role="status" className="acts-row">
            {t("secure.until", { at: formatDate(read.valid_until, t.locale) })}
            {read.warnings.map((w) => { const k = warnings[w]; return k && <Badge key={w} tone="warn" icon="alert">{t(k)}</Badge>; })}
          </p>
        )}
        {(Object.keys(fields) as (keyof typeof fields)[]).map((f) => (
          <Field key={f} label={t(fields[f])} hint={f === "sha256" ? t("secure.sha256.hint") : undefined} error={wrong(entry[f])} value={entry[f]} onChange={(e) => { set({ [f]: e.target.value }); }} autoComplete="off" spellCheck={false} translate="no" />
        ))}
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri" disabled={bad}>{t("secure.add")}</button>
        </div>
      </form>
    </Dialog>
  );
}
