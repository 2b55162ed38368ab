import { useEffect, useState } from "react";
import { api, ApiError, dryRun } from "../../api/client";
import type { ImportPreview, Operation } from "../../api/schema";
import { useText } from "../../i18n";
import { Badge } from "../../ui/Badge";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { ErrorNote } from "../../ui/States";

function Progress({ id, onDone }: { id: string; onDone: () => void }) {
  const t = useText();
  const [op, setOp] = useState<Operation>();
  useEffect(() => {
    const stop = new AbortController();
    const ask = async () => {
      const now = await api.get("/operations/{id}", { path: { id }, signal: stop.signal });
      setOp(now);
      if (now.state === "done") onDone();
      else setTimeout(() => void ask().catch(() => undefined), 500);
    };
    void ask().catch(() => undefined);
    return () => { stop.abort(); };
  }, [id, onDone]);
  if (!op) return null;
  const finished = op.done + op.failed;
  return (
    <div className="form" aria-live="polite">
      <p>{op.state === "done" ? t("import.done", { done: op.done, failed: op.failed }) : t("import.running", { done: finished, total: op.total })}</p>
      <div className="meter" role="progressbar" aria-label={t("import")} aria-valuemin={0} aria-valuemax={op.total} aria-valuenow={finished}><i style={{ width: `${op.total ? (finished / op.total) * 100 : 100}%` }} /></div>
      {op.failures.length > 0 && (
        <ul className="plain-list preview" tabIndex={0} aria-label={t("import.failures")}>
          {op.failures.map((f) => <li key={f.id}><Icon name="alert" /><Raw>{`${f.id}: ${f.detail}`}</Raw></li>)}
        </ul>
      )}
      <p className="t3">{t("import.server")}</p>
    </div>
  );
}

/** Accounts from CSV: the server checks every row first and shows what would come of it. */
export function ImportDialog({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const t = useText();
  const [csv, setCsv] = useState("");
  const [preview, setPreview] = useState<ImportPreview>();
  const [operation, setOperation] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const run = async (preview: boolean) => {
    setBusy(true);
    setError(undefined);
    try {
      if (preview) setPreview(await dryRun("post", "/accounts/import", { body: { csv } }));
      else setOperation((await api.post("/accounts/import", { body: { csv } })).id);
    } catch (e) {
      if (e instanceof ApiError) setError(e);
    }
    setBusy(false);
  };
  const bad = preview ? preview.total - preview.good : 0;
  return (
    <Dialog title={t("import.title")} onClose={onClose} wide>
      {operation ? (
        <>
          <Progress id={operation} onDone={onDone} />
          <div className="form"><div className="acts-row"><button type="button" className="btn pri" onClick={onClose}>{t("close")}</button></div></div>
        </>
      ) : (
        <form className="form" onSubmit={(e) => { e.preventDefault(); void run(!preview); }}>
          {error && <ErrorNote error={error} />}
          {!preview ? (
            <>
              <Field label={t("import.file")} hint={t("import.file.hint")} type="file" accept=".csv,.tsv,.txt,text/csv" onChange={(e) => void e.target.files?.[0]?.text().then(setCsv)} />
              <Field label={t("import.text")} hint={t("import.text.hint")}>
                {(p) => <textarea {...p} rows={8} value={csv} onChange={(e) => { setCsv(e.target.value); }} spellCheck={false} translate="no" placeholder="address,name,password&#10;anna@example.org,Anna,secret" />}
              </Field>
            </>
          ) : (
            <>
              <p role="status">{t("import.preview", { good: preview.good, bad })}</p>
              <div className="preview" tabIndex={0} role="region" aria-label={t("import.rows")}>
                <table className="mini">
                  <thead><tr><th className="num">{t("import.line")}</th><th>{t("account.address")}</th><th>{t("import.result")}</th></tr></thead>
                  <tbody>
                    {preview.rows.map((r) => (
                      <tr key={r.line}>
                        <td className="num">{r.line}</td>
                        <td><Raw>{r.address}</Raw></td>
                        <td>{r.ok ? <Badge tone="ok" icon="check">{t("import.ok")}</Badge> : <Raw className="bad">{r.detail ?? ""}</Raw>}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            </>
          )}
          <div className="acts-row">
            {preview && <button type="button" className="btn" onClick={() => { setPreview(undefined); }}>{t("import.back")}</button>}
            <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
            <button type="submit" className="btn pri" disabled={busy || !csv.trim() || (preview && preview.good === 0)}>
              {preview ? t("import.go", { n: preview.good }) : t("import.check")}
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}
