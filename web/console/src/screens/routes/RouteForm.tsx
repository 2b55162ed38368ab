// A route of outgoing mail under edit: new, or as it is stored.
import { useState, type ReactNode } from "react";
import { api, ApiError, request, type Result } from "../../api/client";
import type { Route } from "../../api/schema";
import { useText, type Key } from "../../i18n";
import { useEditor } from "../../lib/editor";
import { toast } from "../../lib/toast";
import { Conflict } from "../../ui/Conflict";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { ErrorNote, Skeleton } from "../../ui/States";
import { faultOf, generalFault, NumberField } from "../directory/fields";

export const tlsLevels = ["default", "never", "may", "require", "verify", "dane"] as const satisfies readonly Route["tls"][];
const families = ["default", "ipv4-first", "ipv6-first", "ipv4-only", "ipv6-only"] as const satisfies readonly Route["family"][];
const most = 1000;

/** The password is never read: an empty one stays as it is. */
type Editable = Pick<Route, "host" | "user" | "tls" | "family" | "source_ip" | "position"> & { password: string };
const labels: Record<keyof Editable, Key> = {
  host: "route.host",
  user: "route.user",
  password: "password",
  tls: "route.tls",
  family: "route.family",
  source_ip: "route.source",
  position: "route.position",
};

interface FieldsProps {
  value: Editable;
  set: (change: Partial<Editable>) => void;
  error: ApiError | undefined;
  hasPassword: boolean;
}

function Fields({ value: v, set, error, hasPassword }: FieldsProps) {
  const t = useText();
  return (
    <>
      <Field label={t("route.host")} hint={t("route.host.hint")} error={faultOf(error, "host")} value={v.host} onChange={(e) => { set({ host: e.target.value }); }} autoComplete="off" spellCheck={false} />
      <div className="two">
        <Field label={t("route.user")} hint={t("route.user.hint")} error={faultOf(error, "user")} value={v.user} onChange={(e) => { set({ user: e.target.value }); }} autoComplete="off" spellCheck={false} />
        <Field label={t("password")} hint={hasPassword ? t("route.password.kept") : t("route.password.hint")} error={faultOf(error, "password")} type="password" value={v.password} onChange={(e) => { set({ password: e.target.value }); }} autoComplete="new-password" />
        <Field label={t("route.tls")} hint={t(`route.tls.${v.tls}.hint`)} error={faultOf(error, "tls")}>
          {(p) => (
            <select {...p} value={v.tls} onChange={(e) => { set({ tls: e.target.value as Editable["tls"] }); }}>
              {tlsLevels.map((x) => <option key={x} value={x}>{t(`route.tls.${x}`)}</option>)}
            </select>
          )}
        </Field>
        <Field label={t("route.family")} error={faultOf(error, "family")}>
          {(p) => (
            <select {...p} value={v.family} onChange={(e) => { set({ family: e.target.value as Editable["family"] }); }}>
              {families.map((x) => <option key={x} value={x}>{t(`route.family.${x}`)}</option>)}
            </select>
          )}
        </Field>
        <Field label={t("route.source")} hint={t("route.source.hint")} error={faultOf(error, "source_ip")} value={v.source_ip} onChange={(e) => { set({ source_ip: e.target.value }); }} autoComplete="off" spellCheck={false} />
        <NumberField label={t("route.position")} hint={t("route.position.hint")} value={v.position} max={most} error={faultOf(error, "position")} onChange={(position) => { set({ position }); }} />
      </div>
    </>
  );
}

function Form({ title, verb, busy, error, shown, onSubmit, onClose, children }: {
  title: string;
  verb: string;
  busy: boolean;
  error: ApiError | undefined;
  shown: readonly string[];
  onSubmit: () => void;
  onClose: () => void;
  children: ReactNode;
}) {
  const t = useText();
  const general = generalFault(error, shown);
  return (
    <Dialog title={title} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); onSubmit(); }}>
        {general && <ErrorNote error={general} />}
        {children}
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri" disabled={busy}>{verb}</button>
        </div>
      </form>
    </Dialog>
  );
}

const fresh: Editable = { host: "", user: "", password: "", tls: "default", family: "default", source_ip: "", position: 0 };

export function NewRoute({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const t = useText();
  const [pattern, setPattern] = useState("");
  const [value, setValue] = useState(fresh);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const submit = async () => {
    setBusy(true);
    setError(undefined);
    const { position, ...rest } = value;
    try {
      const made = await api.post("/routes", { body: { pattern: pattern.trim(), ...rest, ...(position ? { position } : {}) } });
      toast(t("route.made", { pattern: made.pattern }));
      onDone();
      onClose();
    } catch (e) {
      if (e instanceof ApiError) setError(e);
      setBusy(false);
    }
  };
  return (
    <Form title={t("route.new")} verb={t("route.create")} busy={busy} error={error} shown={["pattern", ...Object.keys(labels)]} onSubmit={() => void submit()} onClose={onClose}>
      <Field label={t("route.pattern")} hint={t("route.pattern.hint")} error={faultOf(error, "pattern")} value={pattern} onChange={(e) => { setPattern(e.target.value); }} required autoFocus autoComplete="off" spellCheck={false} />
      <Fields value={value} set={(change) => { setValue({ ...value, ...change }); }} error={error} hasPassword={false} />
    </Form>
  );
}

const only = (r: Result<Route>): Result<Editable> => ({
  ...r,
  data: { host: r.data.host, user: r.data.user, password: "", tls: r.data.tls, family: r.data.family, source_ip: r.data.source_ip, position: r.data.position },
});

export function EditRoute({ route, onClose, onDone }: { route: Route; onClose: () => void; onDone: () => void }) {
  const t = useText();
  const path = { pattern: route.pattern };
  const edit = useEditor<Editable>(
    route.pattern,
    async () => only(await request("get", "/routes/{pattern}", { path })),
    async (changes, etag) => only(await request("patch", "/routes/{pattern}", { path, body: changes, ifMatch: etag })),
  );
  const told = (ok: boolean) => {
    if (!ok) return;
    toast(t("saved"));
    onDone();
    onClose();
  };
  const error = edit.missing ?? edit.error;
  if (edit.conflict) return <Conflict what={route.pattern} fields={edit.conflict} nameOf={(f) => t(labels[f as keyof Editable])} onClose={() => void edit.resolve(undefined)} onChoose={(take) => void edit.resolve(take).then(told)} />;
  return (
    <Form title={t("route.edit", { pattern: route.pattern })} verb={t("save")} busy={edit.busy || !edit.dirty} error={error} shown={Object.keys(labels)} onSubmit={() => void edit.save().then(told)} onClose={onClose}>
      {edit.value ? <Fields value={edit.value} set={edit.set} error={error} hasPassword={route.has_password} /> : <Skeleton rows={4} />}
    </Form>
  );
}
