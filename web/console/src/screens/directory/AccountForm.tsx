import { useState } from "react";
import { api, ApiError } from "../../api/client";
import type { Account } from "../../api/schema";
import { useText } from "../../i18n";
import { toast } from "../../lib/toast";
import { CopyButton } from "../../ui/Copy";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { ErrorNote } from "../../ui/States";
import { KindField } from "./KindField";
import { faultOf, generalFault, newPassword, SizeField } from "./fields";

/** A new account. A list or group is not signed in to: it has no password and no mailbox. A password is proposed, so that nobody has to think one up; it may be left empty. */
export function AccountForm({ domain, onClose, onDone }: { domain: string; onClose: () => void; onDone: (address: string) => void }) {
  const t = useText();
  const [address, setAddress] = useState(domain ? `@${domain}` : "");
  const [name, setName] = useState("");
  const [kind, setKind] = useState<Account["kind"]>("user");
  const [password, setPassword] = useState(newPassword);
  const [quota, setQuota] = useState(0);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const person = kind === "user";
  const submit = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const made = await api.post("/accounts", { body: { address: address.trim(), name, ...(person ? { password, ...(quota ? { quota } : {}) } : { kind }) } });
      toast(t("account.made", { address: made?.address ?? address }));
      onDone(made?.address ?? address.trim());
    } catch (e) {
      if (e instanceof ApiError) setError(e);
      setBusy(false);
    }
  };
  const general = generalFault(error, ["address", "name", "kind", "password", "quota"]);
  return (
    <Dialog title={t("account.new")} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {general && <ErrorNote error={general} />}
        <Field label={t("account.address")} hint={t("account.address.hint")} error={faultOf(error, "address")} value={address} onChange={(e) => { setAddress(e.target.value); }} required autoFocus autoComplete="off" spellCheck={false} />
        <Field label={t("account.name")} error={faultOf(error, "name")} value={name} onChange={(e) => { setName(e.target.value); }} autoComplete="off" />
        <KindField value={kind} error={faultOf(error, "kind")} onChange={setKind} />
        {person && (
          <>
            <div>
              <Field label={t("password")} hint={t("account.password.hint")} error={faultOf(error, "password")} value={password} onChange={(e) => { setPassword(e.target.value); }} autoComplete="new-password" spellCheck={false} />
              <div className="row">
                <button type="button" className="btn sm" onClick={() => { setPassword(newPassword()); }}>{t("account.password.new")}</button>
                <CopyButton text={password} label={t("account.password.copy")} />
              </div>
            </div>
            <SizeField label={t("account.quota")} hint={t("account.quota.hint")} value={quota} error={faultOf(error, "quota")} onChange={setQuota} />
          </>
        )}
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri" disabled={busy}>{t("account.create")}</button>
        </div>
      </form>
    </Dialog>
  );
}
