import { useState } from "react";
import { api, ApiError, request } from "../../api/client";
import type { Service } from "../../api/schema";
import { useText } from "../../i18n";
import { useResource } from "../../lib/resource";
import { toast } from "../../lib/toast";
import { LockOut, lockOutOf } from "../../ui/LockOut";
import { ErrorNote, failed, Skeleton } from "../../ui/States";
import { fault } from "../settings/setting";
import { SettingRow } from "../settings/SettingRow";

type Changes = Readonly<Record<string, string | null>>;

function without<T>(values: Readonly<Record<string, T>>, name: string): Record<string, T> {
  return Object.fromEntries(Object.entries(values).filter(([k]) => k !== name));
}

/** Addresses, start, access and log level: rows of the one table of settings, with the server's word on each. */
export function ServiceSettings({ s, mayWrite, onSaved }: { s: Service; mayWrite: boolean; onSaved: () => void }) {
  const t = useText();
  const schema = useResource("settings schema", (signal) => api.get("/settings/schema", { signal }));
  const values = useResource("settings", (signal) => request("get", "/settings", { signal }));
  const [changes, setChanges] = useState<Changes>({});
  const [errors, setErrors] = useState<Readonly<Record<string, string>>>({});
  const [general, setGeneral] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  const [lockOut, setLockOut] = useState<string>();

  const all = new Map(schema.data?.items.map((x) => [x.name, x]));
  const stored = new Map(values.data?.data.items.map((x) => [x.name, x]));
  const names = Object.keys(changes);
  const wrong = names.some((name) => {
    const row = all.get(name), v = changes[name];
    return row !== undefined && typeof v === "string" && fault(row, v) !== undefined;
  });
  const change = (name: string, value: string | null | undefined) => {
    setErrors((old) => without(old, name));
    setChanges((old) => (value === undefined ? without(old, name) : { ...old, [name]: value }));
  };
  const save = async (confirm = false) => {
    setBusy(true);
    setGeneral(undefined);
    try {
      await request("patch", "/settings", { body: { values: changes }, ifMatch: values.data?.etag, ...(confirm && { query: { confirm } }) });
      setChanges({});
      setErrors({});
      toast(names.some((n) => !all.get(n)?.live) ? t("settings.saved.restart") : t("settings.saved", { n: names.length }));
      onSaved();
    } catch (e) {
      if (!(e instanceof ApiError)) throw e;
      const shut = lockOutOf(e);
      const fields = (e.problem.fields ?? []).filter((f) => f.name !== undefined && f.name in changes);
      if (shut !== undefined) setLockOut(shut);
      else if (fields.length) {
        setErrors(Object.fromEntries(fields.map((f) => [f.name ?? "", f.detail ?? ""])));
        document.getElementById(`set-${fields[0]?.name ?? ""}`)?.focus(); // the button may be a page below it
      } else setGeneral(e);
    } finally {
      setBusy(false);
      values.refresh();
    }
  };
  const unread = schema.error ?? values.error;
  if (unread) return <ErrorNote error={unread} onRetry={() => { schema.refresh(); values.refresh(); }} />;
  if (!schema.data || !values.data) return <Skeleton />;
  const start = (confirm = false) => void save(confirm).catch((x: unknown) => { failed(x, t); });
  return (
    <>
      <form onSubmit={(e) => { e.preventDefault(); start(); }}>
        {s.settings.map((name) => {
          const row = all.get(name), v = stored.get(name);
          const mine = changes[name];
          return row && v && <SettingRow key={name} schema={row} stored={v} value={mine === undefined ? v.value : mine} error={errors[name]} mayWrite={mayWrite} onChange={(x) => { change(name, x); }} />;
        })}
        {general && <ErrorNote error={general} />}
        {names.length > 0 && (
          <div className="acts-row">
            <button type="button" className="btn" onClick={() => { setChanges({}); setErrors({}); }}>{t("discard")}</button>
            <button type="submit" className="btn pri" disabled={busy || wrong}>{t("settings.save")}</button>
          </div>
        )}
      </form>
      {lockOut !== undefined && <LockOut setting={lockOut} value={changes[lockOut] ?? all.get(lockOut)?.default ?? ""} go={() => { start(true); }} onClose={() => { setLockOut(undefined); }} />}
    </>
  );
}
