// A remote account under edit: new, or as it is stored. The password is never read; an empty one stays as it is.
import { useState, type ReactNode } from "react";
import { api, ApiError } from "../../api/client";
import type { RemoteAccount } from "../../api/schema";
import { useText } from "../../i18n";
import { changesOf } from "../../lib/merge";
import { toast } from "../../lib/toast";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { ErrorNote } from "../../ui/States";
import { Check, faultOf, generalFault, NumberField } from "./fields";

const protocols = ["imap", "pop3", "atrn"] as const satisfies readonly RemoteAccount["protocol"][];
const tlsLevels = ["tls", "starttls", "never"] as const satisfies readonly RemoteAccount["tls"][];
const usualPorts: Readonly<Record<RemoteAccount["protocol"], { tls: number; other: number }>> = { imap: { tls: 993, other: 143 }, pop3: { tls: 995, other: 110 }, atrn: { tls: 366, other: 366 } };
const keeps = ["forever", "days", "never"] as const;
const mostDays = 3650;
const mostMinutes = 43200;

type Editable = Pick<RemoteAccount, "protocol" | "host" | "port" | "tls" | "verify" | "user" | "leave" | "interval" | "enabled" | "domains"> & { password: string };
const fresh: Editable = { protocol: "imap", host: "", port: 0, tls: "tls", verify: true, user: "", password: "", leave: "forever", interval: 0, enabled: true, domains: "" };
const shown: readonly string[] = Object.keys(fresh);

/** "forever", days, or "0": deleted there at once. */
function LeaveField({ value, error, onChange }: { value: string; error: string | undefined; onChange: (leave: string) => void }) {
  const t = useText();
  const keep = value === "forever" ? "forever" : value === "0" ? "never" : "days";
  const chosen = (id: string) => { onChange(id === "forever" ? "forever" : id === "never" ? "0" : "7"); };
  return (
    <>
      <Field label={t("remote.leave")} hint={t("remote.leave.hint")} error={error}>
        {(p) => (
          <select {...p} value={keep} onChange={(e) => { chosen(e.target.value); }}>
            {keeps.map((x) => <option key={x} value={x}>{t(`remote.leave.${x}`)}</option>)}
          </select>
        )}
      </Field>
      {keep === "days" && <NumberField label={t("remote.days")} hint={t("remote.days.hint")} value={Number(value) || 1} max={mostDays} onChange={(n) => { onChange(String(Math.max(1, n))); }} />}
    </>
  );
}

function Fields({ value: v, set, error, hasPassword }: { value: Editable; set: (change: Partial<Editable>) => void; error: ApiError | undefined; hasPassword: boolean }) {
  const t = useText();
  return (
    <>
      <Check label={t("account.enabled")} hint={t("remote.enabled.hint")} checked={v.enabled} onChange={(enabled) => { set({ enabled }); }} />
      <div className="two">
        <Field label={t("remote.protocol")} error={faultOf(error, "protocol")}>
          {(p) => (
            <select {...p} value={v.protocol} translate="no" onChange={(e) => { const protocol = e.target.value as Editable["protocol"]; set({ protocol, ...(protocol === "atrn" ? { tls: "starttls" as const } : { domains: "" }) }); }}>
              {protocols.map((x) => <option key={x} value={x}>{x.toUpperCase()}</option>)}
            </select>
          )}
        </Field>
        <Field label={t("remote.tls")} hint={t(`remote.tls.${v.tls}.hint`)} error={faultOf(error, "tls")}>
          {(p) => (
            <select {...p} value={v.tls} onChange={(e) => { set({ tls: e.target.value as Editable["tls"] }); }}>
              {tlsLevels.map((x) => <option key={x} value={x}>{t(`remote.tls.${x}`)}</option>)}
            </select>
          )}
        </Field>
        <Field label={t("route.host")} hint={t("remote.host.hint")} error={faultOf(error, "host")} value={v.host} onChange={(e) => { set({ host: e.target.value }); }} required autoComplete="off" spellCheck={false} />
        <NumberField label={t("remote.port")} hint={t("remote.port.hint")} value={v.port} max={65535} error={faultOf(error, "port")} onChange={(port) => { set({ port }); }} />
        <Field label={t("route.user")} hint={t("remote.user.hint")} error={faultOf(error, "user")} value={v.user} onChange={(e) => { set({ user: e.target.value }); }} required autoComplete="off" spellCheck={false} />
        <Field label={t("password")} hint={hasPassword ? t("route.password.kept") : t("remote.password.hint")} error={faultOf(error, "password")} type="password" value={v.password} onChange={(e) => { set({ password: e.target.value }); }} required={!hasPassword} autoComplete="new-password" />
        {v.protocol === "atrn"
          ? <Field label={t("remote.domains")} hint={t("remote.domains.hint")} error={faultOf(error, "domains")} value={v.domains} onChange={(e) => { set({ domains: e.target.value }); }} autoComplete="off" spellCheck={false} />
          : <LeaveField value={v.leave} error={faultOf(error, "leave")} onChange={(leave) => { set({ leave }); }} />}
        <NumberField label={t("remote.interval")} hint={t("remote.interval.hint")} value={Math.ceil(v.interval / 60)} max={mostMinutes} error={faultOf(error, "interval")} onChange={(n) => { set({ interval: n * 60 }); }} />
      </div>
      {v.tls !== "never" && <Check label={t("remote.verify")} hint={t("remote.verify.hint")} checked={v.verify} onChange={(verify) => { set({ verify }); }} />}
    </>
  );
}

function Form({ title, verb, idle, start, hasPassword, write, told, onClose, onDone, children }: {
  title: string;
  verb: string;
  /** Nothing to save while the fields are as they were. */
  idle: boolean;
  start: Editable;
  hasPassword: boolean;
  write: (value: Editable) => Promise<unknown>;
  told: string;
  onClose: () => void;
  onDone: () => void;
  children?: ReactNode;
}) {
  const t = useText();
  const [value, setValue] = useState(start);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const submit = () => {
    setBusy(true);
    setError(undefined);
    write(value).then(
      () => {
        toast(told);
        onDone();
        onClose();
      },
      (e: unknown) => {
        if (e instanceof ApiError) setError(e);
        setBusy(false);
      },
    );
  };
  const same = Object.keys(changesOf(start, value)).length === 0;
  const general = generalFault(error, shown);
  return (
    <Dialog title={title} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); submit(); }}>
        {general && <ErrorNote error={general} />}
        {children}
        <Fields value={value} set={(change) => { setValue({ ...value, ...change }); }} error={error} hasPassword={hasPassword} />
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri" disabled={busy || (idle && same)}>{verb}</button>
        </div>
      </form>
    </Dialog>
  );
}

export function NewRemote({ address, onClose, onDone }: { address: string; onClose: () => void; onDone: () => void }) {
  const t = useText();
  return (
    <Form
      title={t("remote.new")}
      verb={t("remote.create")}
      idle={false}
      start={fresh}
      hasPassword={false}
      write={(value) => api.post("/accounts/{account}/remote-accounts", { path: { account: address }, body: value })}
      told={t("remote.made")}
      onClose={onClose}
      onDone={onDone}
    />
  );
}

export function EditRemote({ address, remote: r, onClose, onDone }: { address: string; remote: RemoteAccount; onClose: () => void; onDone: () => void }) {
  const t = useText();
  // The usual port follows protocol and TLS.
  const usual = usualPorts[r.protocol][r.tls === "tls" ? "tls" : "other"];
  const start: Editable = { protocol: r.protocol, host: r.host, port: r.port === usual ? 0 : r.port, tls: r.tls, verify: r.verify, user: r.user, password: "", leave: r.leave, interval: r.interval, enabled: r.enabled, domains: r.domains };
  return (
    <Form
      title={t("remote.name", { user: r.user, host: r.host })}
      verb={t("save")}
      idle
      start={start}
      hasPassword={r.has_password}
      write={(value) => api.patch("/accounts/{account}/remote-accounts/{remote}", { path: { account: address, remote: r.id }, body: changesOf(start, value) })}
      told={t("saved")}
      onClose={onClose}
      onDone={onDone}
    />
  );
}
