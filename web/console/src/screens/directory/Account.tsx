import { useState } from "react";
import { api, ApiError, request } from "../../api/client";
import { useMe } from "../../app/me";
import { useText } from "../../i18n";
import { formatBytes } from "../../lib/format";
import { archiveAddress, auditAddress, eventsAddress, historyAddress, logAddress, mailboxAddress, moderationAddress, traceAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { toast } from "../../lib/toast";
import { CopyButton } from "../../ui/Copy";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { ErrorNote } from "../../ui/States";
import { AppPasswords, ofAccount } from "./AppPasswords";
import { editable, labels, type AccountForm, type Editable } from "./editable";
import { Filters } from "./Filters";
import { KindField } from "./KindField";
import { ListFields } from "./ListFields";
import { Members } from "./Members";
import { ObjectPage } from "./ObjectPage";
import { Remotes } from "./Remotes";
import { UserFields } from "./UserFields";
import { Check, faultOf, generalFault, LinesField, newPassword, SizeField } from "./fields";
import { useObject } from "./useobject";

const list = "/accounts";

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

function Fields({ form, system }: { form: AccountForm; system: boolean }) {
  const t = useText();
  const { value: v, set } = form;
  const person = v.kind === "user";
  return (
    <>
      <Check label={t("account.enabled")} hint={t(person ? "account.enabled.hint" : "list.enabled.hint")} checked={v.enabled} onChange={(enabled) => { set({ enabled }); }} />
      <div className="two">
        <Field label={t("account.name")} error={form.faultOf("name")} value={v.name} onChange={(e) => { set({ name: e.target.value }); }} autoComplete="off" />
        <KindField value={v.kind} error={form.faultOf("kind")} onChange={(kind) => { set({ kind }); }} />
        {person && <SizeField label={t("account.quota")} hint={t("account.quota.hint")} value={v.quota} error={form.faultOf("quota")} onChange={(quota) => { set({ quota }); }} />}
        {person && <SizeField label={t("account.softquota")} hint={t("account.softquota.hint")} value={v.soft_quota} error={form.faultOf("soft_quota")} onChange={(soft_quota) => { set({ soft_quota }); }} />}
      </div>
      <LinesField label={t("account.aliases")} hint={t("account.aliases.hint")} value={v.aliases} error={form.faultOf("aliases")} onChange={(aliases) => { set({ aliases }); }} />
      {person ? <UserFields form={form} system={system} /> : <ListFields form={form} />}
    </>
  );
}

export default function Account({ params }: { params: Record<string, string> }) {
  const t = useText();
  const me = useMe();
  const has = (scope: string) => me.scopes.includes(scope);
  const address = params["account"] ?? "";
  const path = { account: address };
  const [password, setPassword] = useState(false);
  const usage = useResource(`usage ${address}`, (signal) => api.get("/accounts/{account}/usage", { path, signal }));
  const account = useObject({
    id: address,
    fields: editable,
    read: () => request("get", "/accounts/{account}", { path }),
    write: (changes: Partial<Editable>, etag) => request("patch", "/accounts/{account}", { path, body: changes, ifMatch: etag }),
    remove: () => api.delete("/accounts/{account}", { path }),
    removed: t("account.deleted", { address }),
    list,
  });
  const { edit, stored } = account;
  const mayChange = account.may("change");
  const person = stored?.kind === "user";
  return (
    <>
      <ObjectPage
        name={address}
        list={{ to: list, label: t("nav.accounts") }}
        icon="user"
        gone={t("account.gone")}
        object={account}
        labels={labels}
        actions={mayChange && person && <button type="button" className="btn" onClick={() => { setPassword(true); }}><Icon name="key" />{t("account.password.change")}</button>}
        links={
          <>
            {usage.data && <span className="t2">{t("account.usage", { size: formatBytes(usage.data.used, t.locale), n: usage.data.messages })}</span>}
            <Link to={`/status/sessions?q=${encodeURIComponent(`account:${address}`)}`}>{t("account.sessions")}</Link>
            <Link to={`/status/queue?q=${encodeURIComponent(`from:${address}`)}`}>{t("account.queue")}</Link>
            {person && mayChange && has("queue:read") && has("messages:read") && <Link to={mailboxAddress(address)}>{t("account.mailbox")}</Link>}
            {has("messages:read") && <Link to={traceAddress("address", address)}>{t("account.messages")}</Link>}
            {has("messages:read") && <Link to={archiveAddress("address", address)}>{t("account.archived")}</Link>}
            {has("sessions:read") && <Link to={historyAddress(`account:${address}`)}>{t("account.history")}</Link>}
            {has("messages:read") && <Link to={eventsAddress("account", address)}>{t("nav.events")}</Link>}
            <Link to={logAddress("smtp", address)}>{t("account.logs")}</Link>
            {stored && !person && has("queue:read") && <Link to={moderationAddress(address)}>{t("list.waiting")}</Link>}
            {person && <Link to={`/filters?q=${encodeURIComponent(`owner:${address}`)}`}>{t("nav.rules")}</Link>}
            {has("audit:read") && <Link to={auditAddress(`account ${address}`)}>{t("account.audit")}</Link>}
          </>
        }
        below={
          <>
            {stored && !person && <Members account={address} mayChange={mayChange} />}
            {person && <Filters address={address} mayChange={mayChange} />}
            {person && <Remotes address={address} mayChange={mayChange} />}
            {person && <AppPasswords of={ofAccount(address)} mayChange={mayChange} />}
          </>
        }
        end={
          address === me.account
            ? undefined
            : {
                title: t("account.delete.title"),
                verb: t("account.delete.verb"),
                text: t.rich("account.delete.text", { address: <b className="strong"><Raw>{address}</Raw></b>, n: usage.data?.messages ?? 0, size: formatBytes(usage.data?.used ?? 0, t.locale) }),
              }
        }
      >
        {edit.value && <Fields form={{ value: edit.value, set: edit.set, faultOf: (field) => faultOf(edit.error, field) }} system={me.role === "system-admin" || me.proof === "local"} />}
      </ObjectPage>
      {password && <PasswordDialog address={address} onClose={() => { setPassword(false); }} />}
    </>
  );
}
