// A pattern under edit: new, or as it is stored, with what uses it.
import { useState } from "react";
import { api, ApiError, request, type Result } from "../../api/client";
import type { Pattern } from "../../api/schema";
import { useText } from "../../i18n";
import { useEditor } from "../../lib/editor";
import { toast } from "../../lib/toast";
import { Conflict } from "../../ui/Conflict";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { ErrorNote, Skeleton } from "../../ui/States";
import { faultOf, generalFault, LinesField } from "../directory/fields";
import { PatternUsers } from "./PatternUsers";

function Items({ value, error, onChange }: { value: readonly string[]; error: ApiError | undefined; onChange: (items: string[]) => void }) {
  const t = useText();
  return <LinesField label={t("pattern.items")} hint={t("pattern.items.hint")} value={value} error={faultOf(error, "items")} onChange={onChange} />;
}

export function NewPattern({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const t = useText();
  const [name, setName] = useState("");
  const [items, setItems] = useState<string[]>([]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const submit = async () => {
    const path = { pattern: name.trim() };
    setBusy(true);
    setError(undefined);
    try {
      // What is there already must not be replaced by what was meant to be new.
      const known = await api.get("/patterns/{pattern}", { path }).then(() => true, (e: unknown) => {
        if (e instanceof ApiError && e.status === 404) return false;
        throw e;
      });
      if (known) throw new ApiError({ title: t("pattern.known"), status: 409, code: "exists", fields: [{ name: "name", detail: t("pattern.known") }] });
      const made = await api.put("/patterns/{pattern}", { path, body: { items } });
      toast(t("pattern.made", { name: made.name }));
      onDone();
      onClose();
    } catch (e) {
      if (e instanceof ApiError) setError(e);
      setBusy(false);
    }
  };
  const general = generalFault(error, ["name", "items"]);
  return (
    <Dialog title={t("pattern.new")} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {general && <ErrorNote error={general} />}
        <Field label={t("pattern.name")} hint={t("pattern.name.hint")} error={faultOf(error, "name")} value={name} onChange={(e) => { setName(e.target.value); }} required maxLength={60} autoFocus autoComplete="off" spellCheck={false} />
        <Items value={items} error={error} onChange={setItems} />
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri" disabled={busy || items.length === 0}>{t("pattern.create")}</button>
        </div>
      </form>
    </Dialog>
  );
}

interface Editable extends Record<string, unknown> {
  items: string[];
}

const only = (r: Result<Pattern>): Result<Editable> => ({ ...r, data: { items: r.data.items } });

export function EditPattern({ pattern, onClose, onDone }: { pattern: Pattern; onClose: () => void; onDone: () => void }) {
  const t = useText();
  const path = { pattern: pattern.name };
  const edit = useEditor<Editable>(
    pattern.name,
    async () => only(await request("get", "/patterns/{pattern}", { path })),
    async (changes, etag) => only(await request("put", "/patterns/{pattern}", { path, body: { items: changes.items ?? pattern.items }, ifMatch: etag })),
  );
  const told = (ok: boolean) => {
    if (!ok) return;
    toast(t("saved"));
    onDone();
    onClose();
  };
  const error = edit.missing ?? edit.error;
  const general = generalFault(error, ["items"]);
  if (edit.conflict) return <Conflict what={pattern.name} fields={edit.conflict} nameOf={() => t("pattern.items")} onClose={() => void edit.resolve(undefined)} onChoose={(take) => void edit.resolve(take).then(told)} />;
  return (
    <Dialog title={t("pattern.edit", { name: pattern.name })} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); void edit.save().then(told); }}>
        {general && <ErrorNote error={general} />}
        {edit.value ? <Items value={edit.value.items} error={error} onChange={(items) => { edit.set({ items }); }} /> : <Skeleton rows={3} />}
        <PatternUsers name={pattern.name} />
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri" disabled={edit.busy || !edit.dirty || edit.value?.items.length === 0}>{t("save")}</button>
        </div>
      </form>
    </Dialog>
  );
}
