import { useEffect, useState } from "react";
import { api, ApiError, dryRun } from "../../api/client";
import type { SieveProblem } from "../../api/schema";
import { useText } from "../../i18n";
import { formatBytes, formatDateTime } from "../../lib/format";
import { useResource } from "../../lib/resource";
import { toast } from "../../lib/toast";
import { Badge } from "../../ui/Badge";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { ScriptField } from "../../ui/ScriptField";
import { ErrorNote, failed, Skeleton } from "../../ui/States";

const template = 'require ["fileinto", "mailbox"];\n\nif header :contains "list-id" "example" {\n    fileinto :create "Lists";\n}\n';

/** name undefined: a new script. */
function Editor({ address, name, mayChange, onClose, onStored }: { address: string; name: string | undefined; mayChange: boolean; onClose: () => void; onStored: () => void }) {
  const t = useText();
  const [title, setTitle] = useState(name ?? "");
  const [text, setText] = useState(name === undefined ? template : "");
  const [known, setKnown] = useState(name === undefined);
  const [problems, setProblems] = useState<readonly SieveProblem[]>([]);
  const [error, setError] = useState<ApiError>();
  useEffect(() => {
    if (name === undefined) return;
    api.get("/accounts/{account}/sieve/{script}", { path: { account: address, script: name } }).then(
      (s) => {
        setText(s.text);
        setKnown(true);
      },
      (e: unknown) => { if (e instanceof ApiError) setError(e); },
    );
  }, [address, name]);
  const submit = async () => {
    const path = { account: address, script: title.trim() };
    try {
      const found = await dryRun("put", "/accounts/{account}/sieve/{script}", { path, body: { text } });
      setProblems(found.problems);
      setError(undefined);
      if (found.problems.length) return;
      await api.put("/accounts/{account}/sieve/{script}", { path, body: { text } });
      toast(t("filters.stored", { name: title.trim() }));
      onStored();
    } catch (e) {
      if (e instanceof ApiError) setError(e);
    }
  };
  return (
    <Dialog title={name === undefined ? t("filters.new") : t("filters.edit", { name })} onClose={onClose} wide>
      <form className="form" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {error && <ErrorNote error={error} />}
        {name === undefined && <Field label={t("filters.name")} value={title} onChange={(e) => { setTitle(e.target.value); }} maxLength={128} required autoComplete="off" />}
        <ScriptField label={t("filters.script")} text={text} wrong={new Set(problems.map((p) => p.line))} problems="script-problems" disabled={!mayChange || !known} onChange={(v) => { setText(v); setProblems([]); }} />
        {problems.length > 0 && (
          <ul className="script-problems" id="script-problems" role="alert">
            {problems.map((p) => <li key={`${p.line} ${p.column}`}><b>{t("filters.line", { line: p.line, column: p.column })}</b> <Raw>{p.text}</Raw></li>)}
          </ul>
        )}
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t(mayChange ? "cancel" : "close")}</button>
          {mayChange && <button type="submit" className="btn pri" disabled={!known || !title.trim()}>{t("filters.store")}</button>}
        </div>
      </form>
    </Dialog>
  );
}

/** The account's Sieve scripts: what becomes of its mail at delivery. */
export function Filters({ address, mayChange }: { address: string; mayChange: boolean }) {
  const t = useText();
  const path = { account: address };
  const [open, setOpen] = useState<{ name: string | undefined }>();
  const list = useResource(`filters ${address}`, (signal) => api.get("/accounts/{account}/sieve", { path, query: { limit: 2000 }, signal }));
  const done = (text: string) => {
    toast(text);
    list.refresh();
  };
  const act = (script: string, action: "activate" | "deactivate") => {
    api.post("/accounts/{account}/sieve/{script}/actions", { path: { account: address, script }, body: { action } }).then(
      () => { done(t(action === "activate" ? "filters.activated" : "filters.deactivated", { name: script })); },
      (e: unknown) => { failed(e, t); },
    );
  };
  const remove = (script: string) => {
    api.delete("/accounts/{account}/sieve/{script}", { path: { account: address, script } }).then(
      () => { done(t("filters.deleted", { name: script })); },
      (e: unknown) => { failed(e, t); },
    );
  };
  return (
    <section aria-labelledby="filters">
      <h2 className="s" id="filters">{t("filters.title")}</h2>
      <p className="t2">{t("filters.text")}</p>
      {list.error && <ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} />}
      {!list.data && !list.error && <Skeleton rows={2} />}
      {list.data?.items.length === 0 && <p className="t3">{t("filters.none")}</p>}
      <ul className="plain-list">
        {list.data?.items.map((s) => (
          <li key={s.name}>
            <Icon name="filter" />
            <button type="button" className="lnk" translate="no" onClick={() => { setOpen({ name: s.name }); }}>{s.name}</button>
            {s.active && <Badge tone="ok" icon="check">{t("filters.active")}</Badge>}
            <span className="grow" />
            <span className="t3">{formatBytes(s.bytes, t.locale)} · {s.changed_at && formatDateTime(s.changed_at, t.locale)}</span>
            {mayChange && (s.active
              ? <button type="button" className="btn sm" aria-label={t("filters.deactivate.of", { name: s.name })} onClick={() => { act(s.name, "deactivate"); }}>{t("filters.deactivate")}</button>
              : <button type="button" className="btn sm" aria-label={t("filters.activate.of", { name: s.name })} onClick={() => { act(s.name, "activate"); }}>{t("filters.activate")}</button>)}
            {mayChange && !s.active && <button type="button" className="btn sm danger" aria-label={t("filters.delete.of", { name: s.name })} onClick={() => { remove(s.name); }}>{t("delete")}</button>}
          </li>
        ))}
      </ul>
      {mayChange && <button type="button" className="btn" onClick={() => { setOpen({ name: undefined }); }}><Icon name="plus" />{t("filters.new")}</button>}
      {open && (
        <Editor
          address={address}
          name={open.name}
          mayChange={mayChange}
          onClose={() => { setOpen(undefined); }}
          onStored={() => {
            setOpen(undefined);
            list.refresh();
          }}
        />
      )}
    </section>
  );
}
