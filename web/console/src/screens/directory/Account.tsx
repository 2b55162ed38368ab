import { useState } from "react";
import { api, ApiError, request, type Result } from "../../api/client";
import type { Account as AccountValue } from "../../api/schema";
import { useMe } from "../../app/me";
import { useText, type Key } from "../../i18n";
import { useEditor } from "../../lib/editor";
import { formatBytes } from "../../lib/format";
import { auditAddress, eventsAddress, historyAddress, logAddress, traceAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { Link, navigate } from "../../lib/router";
import { toast } from "../../lib/toast";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { CopyButton } from "../../ui/Copy";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { ErrorNote, failed } from "../../ui/States";
import { AppPasswords, ofAccount } from "./AppPasswords";
import { Filters } from "./Filters";
import { ObjectPage } from "./ObjectPage";
import { Check, faultOf, generalFault, LinesField, newPassword, SizeField } from "./fields";

type Editable = Pick<AccountValue, "name" | "enabled" | "quota" | "soft_quota" | "max_message" | "local_only" | "aliases" | "role" | "admin_domains">;
const labels: Record<keyof Editable, Key> = {
  name: "account.name",
  enabled: "account.enabled",
  quota: "account.quota",
  soft_quota: "account.softquota",
  max_message: "account.maxmessage",
  local_only: "account.localonly",
  aliases: "account.aliases",
  role: "account.role",
  admin_domains: "account.admindomains",
};

function pick(a: AccountValue): Editable {
  return { name: a.name, enabled: a.enabled, quota: a.quota, soft_quota: a.soft_quota, max_message: a.max_message, local_only: a.local_only, aliases: a.aliases, role: a.role, admin_domains: a.admin_domains };
}
const onlyEditable = (r: Result<AccountValue>): Result<Editable> => ({ ...r, data: pick(r.data) });

function PasswordDialog({ address, onClose }: { address: string; onClose: () => void }) {
  const t = useText();
  const [password, setPassword] = useState(newPassword);
  const [error, setError] = useState<ApiError>();
  const submit = async () => {
    try {
      await api.patch("/accounts/{account}", { path: { account: address }, body: { password } });
      toast(t("account.password.set"));
      onClose();
    } catch (e) {
      if (e instanceof ApiError) setError(e);
    }
  };
  return (
    <Dialog title={t("account.password.title", { address })} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {generalFault(error, ["password"]) && error && <ErrorNote error={error} />}
        <Field label={t("password")} hint={t("account.password.hint")} error={faultOf(error, "password")} value={password} onChange={(e) => { setPassword(e.target.value); }} autoComplete="new-password" spellCheck={false} />
        <p className="t3">{t("account.password.ends")}</p>
        <div className="row">
          <button type="button" className="btn sm" onClick={() => { setPassword(newPassword()); }}>{t("account.password.new")}</button>
          <CopyButton text={password} label={t("account.password.copy")} />
        </div>
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri">{t("account.password.save")}</button>
        </div>
      </form>
    </Dialog>
  );
}

export default function Account({ params }: { params: Record<string, string> }) {
  const t = useText();
  const me = useMe();
  const may = (scope: string) => me.scopes.includes(scope);
  const address = params["account"] ?? "";
  const path = { account: address };
  const [dialog, setDialog] = useState<"password" | "delete">();
  const usage = useResource(`usage ${address}`, (signal) => api.get("/accounts/{account}/usage", { path, signal }));
  const whole = useResource(`account ${address}`, (signal) => api.get("/accounts/{account}", { path, signal }));
  const edit = useEditor<Editable>(
    address,
    async () => onlyEditable(await request("get", "/accounts/{account}", { path })),
    async (changes, etag) => onlyEditable(await request("patch", "/accounts/{account}", { path, body: changes, ifMatch: etag })),
  );
  const v = edit.value;
  const mayChange = whole.data?.actions.includes("change") ?? false;
  const mayDelete = whole.data?.actions.includes("delete") ?? false;
  const system = me.role === "system-admin" || me.proof === "local";
  const remove = () => {
    api.delete("/accounts/{account}", { path }).then(
      () => {
        toast(t("account.deleted", { address }));
        navigate("/accounts");
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  return (
    <>
      <ObjectPage
        name={address}
        list={{ to: "/accounts", label: t("nav.accounts") }}
        icon="user"
        gone={t("account.gone")}
        edit={edit}
        labels={labels}
        mayChange={mayChange}
        actions={
          <>
            {mayChange && <button type="button" className="btn" onClick={() => { setDialog("password"); }}><Icon name="key" />{t("account.password.change")}</button>}
            {mayDelete && address !== me.account && <button type="button" className="btn danger" onClick={() => { setDialog("delete"); }}><Icon name="trash" />{t("delete")}</button>}
          </>
        }
        links={
          <>
            {usage.data && <span className="t2">{t("account.usage", { size: formatBytes(usage.data.used, t.locale), n: usage.data.messages })}</span>}
            <Link to={`/status/sessions?q=${encodeURIComponent(`account:${address}`)}`}>{t("account.sessions")}</Link>
            <Link to={`/status/queue?q=${encodeURIComponent(`from:${address}`)}`}>{t("account.queue")}</Link>
            {may("messages:read") && <Link to={traceAddress("address", address)}>{t("account.messages")}</Link>}
            {may("sessions:read") && <Link to={historyAddress(`account:${address}`)}>{t("account.history")}</Link>}
            {may("messages:read") && <Link to={eventsAddress("account", address)}>{t("nav.events")}</Link>}
            <Link to={logAddress("smtp", address)}>{t("account.logs")}</Link>
            {may("audit:read") && <Link to={auditAddress(`account ${address}`)}>{t("account.audit")}</Link>}
          </>
        }
        below={<><Filters address={address} mayChange={mayChange} /><AppPasswords of={ofAccount(address)} mayChange={mayChange} /></>}
      >
        {v && (
          <>
            <Check label={t("account.enabled")} hint={t("account.enabled.hint")} checked={v.enabled} onChange={(enabled) => { edit.set({ enabled }); }} />
            <Check label={t("account.localonly")} hint={t("account.localonly.hint")} checked={v.local_only} onChange={(local_only) => { edit.set({ local_only }); }} />
            <div className="two">
              <Field label={t("account.name")} error={faultOf(edit.error, "name")} value={v.name} onChange={(e) => { edit.set({ name: e.target.value }); }} autoComplete="off" />
              <SizeField label={t("account.quota")} hint={t("account.quota.hint")} value={v.quota} error={faultOf(edit.error, "quota")} onChange={(quota) => { edit.set({ quota }); }} />
              <SizeField label={t("account.softquota")} hint={t("account.softquota.hint")} value={v.soft_quota} error={faultOf(edit.error, "soft_quota")} onChange={(soft_quota) => { edit.set({ soft_quota }); }} />
              <SizeField label={t("account.maxmessage")} hint={t("account.maxmessage.hint")} value={v.max_message} error={faultOf(edit.error, "max_message")} onChange={(max_message) => { edit.set({ max_message }); }} />
            </div>
            <LinesField label={t("account.aliases")} hint={t("account.aliases.hint")} value={v.aliases} error={faultOf(edit.error, "aliases")} onChange={(aliases) => { edit.set({ aliases }); }} />
            {system && (
              <div className="two">
                <Field label={t("account.role")} hint={t("account.role.hint")} error={faultOf(edit.error, "role")}>
                  {(p) => (
                    <select {...p} value={v.role} onChange={(e) => { edit.set({ role: e.target.value as Editable["role"] }); }}>
                      {(["user", "domain-admin", "system-admin"] as const).map((r) => <option key={r} value={r}>{t(`role.${r}`)}</option>)}
                    </select>
                  )}
                </Field>
                <LinesField label={t("account.admindomains")} hint={t("account.admindomains.hint")} value={v.admin_domains} error={faultOf(edit.error, "admin_domains")} disabled={v.role !== "domain-admin"} onChange={(admin_domains) => { edit.set({ admin_domains }); }} />
              </div>
            )}
          </>
        )}
      </ObjectPage>
      {dialog === "password" && <PasswordDialog address={address} onClose={() => { setDialog(undefined); }} />}
      {dialog === "delete" && (
        <ConfirmDialog title={t("account.delete.title")} word={address} verb={t("account.delete.verb")} onClose={() => { setDialog(undefined); }} onConfirm={remove}>
          {t.rich("account.delete.text", { address: <b className="strong"><Raw>{address}</Raw></b>, n: usage.data?.messages ?? 0, size: formatBytes(usage.data?.used ?? 0, t.locale) })}
        </ConfirmDialog>
      )}
    </>
  );
}
