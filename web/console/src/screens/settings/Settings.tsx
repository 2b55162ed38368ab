import { useEffect, useMemo, useState } from "react";
import { api, ApiError, request } from "../../api/client";
import type { SettingSchema } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { useKeys } from "../../lib/keys";
import { meetings, type Meeting } from "../../lib/merge";
import { useResource } from "../../lib/resource";
import { Link, useParam } from "../../lib/router";
import { toast } from "../../lib/toast";
import { Conflict } from "../../ui/Conflict";
import { FilterLine } from "../../ui/FilterLine";
import { LockOut, lockOutOf, type LockedOut } from "../../ui/LockOut";
import { PageHead } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { ListState } from "../../ui/ListState";
import { ErrorNote, failed } from "../../ui/States";
import { fault } from "./setting";
import { SettingRow } from "./SettingRow";

type Changes = Readonly<Record<string, string | null>>;
const noFields = {};

function without<T>(values: Readonly<Record<string, T>>, name: string): Record<string, T> {
  return Object.fromEntries(Object.entries(values).filter(([k]) => k !== name));
}

function fits(s: SettingSchema, words: readonly string[]): boolean {
  const text = `${s.name} ${s.help} ${s.group} ${s.api_variable ?? ""}`.toLowerCase();
  return words.every((w) => text.includes(w));
}

export default function Settings({ params }: { params: Record<string, string> }) {
  const t = useText();
  const mayWrite = useMay("settings:write");
  const [q, setQ] = useParam("q");
  const schema = useResource("settings schema", (signal) => api.get("/settings/schema", { signal }));
  const values = useResource("settings", (signal) => request("get", "/settings", { signal }));
  const [changes, setChanges] = useState<Changes>({});
  const [errors, setErrors] = useState<Readonly<Record<string, string>>>({});
  const [general, setGeneral] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  const [lockOut, setLockOut] = useState<LockedOut>();
  const [conflict, setConflict] = useState<{ fields: Meeting[]; etag: string | undefined }>();
  useKeys({ r: values.refresh });

  const all = schema.data?.items ?? [];
  const stored = useMemo(() => new Map(values.data?.data.items.map((v) => [v.name, v])), [values.data]);
  const areas = [...new Set(all.map((s) => s.room))];
  const area = params["area"] ?? areas[0] ?? "";
  const words = q.toLowerCase().split(/[\s;]+/).filter(Boolean);
  const shown = all.filter((s) => (words.length ? fits(s, words) : s.room === area));
  const groups = [...new Set(shown.map((s) => (words.length ? s.room : s.group)))];
  const names = Object.keys(changes);
  const wrong = all.filter((s) => { const v = changes[s.name]; return typeof v === "string" && fault(s, v) !== undefined; });

  // Leaving the page would lose what was typed.
  useEffect(() => {
    if (names.length === 0) return;
    const ask = (e: BeforeUnloadEvent) => { e.preventDefault(); };
    addEventListener("beforeunload", ask);
    return () => { removeEventListener("beforeunload", ask); };
  }, [names.length]);

  const change = (name: string, value: string | null | undefined) => {
    setErrors((old) => without(old, name));
    setChanges((old) => (value === undefined ? without(old, name) : { ...old, [name]: value }));
  };
  const save = async (send: Changes, etag: string | undefined, confirm = false) => {
    setBusy(true);
    setGeneral(undefined);
    setErrors({});
    try {
      await request("patch", "/settings", { body: { values: send }, ifMatch: etag, ...(confirm && { query: { confirm } }) });
      const restart = all.some((s) => !s.live && s.name in send);
      setChanges({});
      setConflict(undefined);
      values.refresh();
      toast(restart ? t("settings.saved.restart") : t("settings.saved", { n: Object.keys(send).length }));
    } catch (e) {
      if (!(e instanceof ApiError)) throw e;
      const fields = e.problem.fields ?? [];
      const shut = lockOutOf(e);
      if (shut !== undefined) setLockOut({ setting: shut, value: send[shut] ?? stored.get(shut)?.default ?? "", go: () => { start(send, etag, true); } });
      else if (e.status === 412) await compare(send);
      else if (fields.some((f) => f.name !== undefined && f.name in send)) setErrors(Object.fromEntries(fields.map((f) => [f.name ?? "", f.detail ?? ""])));
      else setGeneral(e);
    } finally {
      setBusy(false);
    }
  };
  const start = (send: Changes, etag: string | undefined, confirm = false) => void save(send, etag, confirm).catch((e: unknown) => { failed(e, t); });
  /** Somebody else saved first: only what both changed needs an answer. */
  const compare = async (send: Changes) => {
    const now = await request("get", "/settings");
    const theirs = Object.fromEntries(now.data.items.map((v) => [v.name, v.value]));
    const base = Object.fromEntries([...stored.values()].map((v) => [v.name, v.value]));
    const mine = { ...base, ...Object.fromEntries(Object.entries(send).map(([k, v]) => [k, v ?? stored.get(k)?.default ?? ""])) };
    const fields = meetings(base, mine, theirs);
    if (fields.length === 0) await save(send, now.etag);
    else setConflict({ fields, etag: now.etag });
  };

  return (
    <>
      <PageHead title={t("nav.settings")} />
      <div className="bar line"><FilterLine label={t("settings.filter")} placeholder={t("settings.filter.hint")} fields={noFields} /></div>
      <div className="set-layout">
        <nav className="set-nav" aria-label={t("settings.areas")}>
          <ul>
            {areas.map((a) => (
              <li key={a}>
                <Link to={`/system/settings/${a}`} aria-current={!words.length && a === area ? "page" : undefined} translate="no">
                  {a}
                  {names.some((n) => n.startsWith(`${a}.`)) && <span className="n note">•</span>}
                </Link>
              </li>
            ))}
          </ul>
        </nav>
        <div className="set-body" tabIndex={0} role="region" aria-label={t("nav.settings")}>
          {general && <ErrorNote error={general} />}
          <ListState
            list={{
              items: schema.data && values.data ? shown : undefined,
              loading: schema.loading || values.loading,
              error: schema.error ?? values.error,
              retryAt: schema.retryAt ?? values.retryAt,
              refresh: () => { schema.refresh(); values.refresh(); },
            }}
            filter={{ text: q, onReset: () => { setQ(""); } }}
            nothing={{ icon: "sliders", title: t("settings.none") }}
          />
          {schema.data && values.data && groups.map((g) => (
            <section key={g} aria-labelledby={`group ${g}`.replaceAll(" ", "-")}>
              <h2 className="s" id={`group ${g}`.replaceAll(" ", "-")} lang="en" translate="no">{g}</h2>
              {shown.filter((s) => (words.length ? s.room : s.group) === g).map((s) => {
                const v = stored.get(s.name);
                if (!v) return null;
                const mine = changes[s.name];
                return <SettingRow key={s.name} schema={s} stored={v} value={mine === undefined ? v.value : mine} error={errors[s.name]} mayWrite={mayWrite} onChange={(x) => { change(s.name, x); }} />;
              })}
            </section>
          ))}
        </div>
      </div>
      {names.length > 0 && (
        <div className="changes" role="region" aria-label={t("settings.pending")}>
          <details className="grow">
            <summary>{t("settings.pending.count", { n: names.length })}</summary>
            <ul>{names.map((n) => <li key={n}><Raw mono>{n}</Raw>: <Raw>{stored.get(n)?.value}</Raw> → <Raw className="med">{changes[n] ?? stored.get(n)?.default}</Raw></li>)}</ul>
          </details>
          <button type="button" className="btn" onClick={() => { setChanges({}); setErrors({}); }}>{t("discard")}</button>
          <button type="button" className="btn pri" disabled={busy || wrong.length > 0} onClick={() => { start(changes, values.data?.etag); }}>{t("settings.save")}</button>
        </div>
      )}
      {lockOut && <LockOut {...lockOut} onClose={() => { setLockOut(undefined); }} />}
      {conflict && (
        <Conflict
          what={t("nav.settings")}
          fields={conflict.fields}
          nameOf={(f) => f}
          onClose={() => { setConflict(undefined); }}
          onChoose={(take) => {
            const rest = Object.fromEntries(Object.entries(changes).filter(([k]) => !take.has(k)));
            if (Object.keys(rest).length) start(rest, conflict.etag);
            else {
              setConflict(undefined);
              setChanges({});
              values.refresh();
            }
          }}
        />
      )}
    </>
  );
}
