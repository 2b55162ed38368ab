import { useState } from "react";
import { api, ApiError } from "../../api/client";
import { useText } from "../../i18n";
import { toast } from "../../lib/toast";
import { Field } from "../../ui/Field";
import { ErrorNote } from "../../ui/States";
import { Check, faultOf, generalFault } from "../directory/fields";

/** The new one is typed twice: nobody sees what he types, and nobody else could tell him. */
export function OwnPassword() {
  const t = useText();
  const [old, setOld] = useState("");
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const [tokens, setTokens] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const differ = second !== "" && first !== second;
  const submit = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await api.put("/self/password", { body: { old, new: first, ...(tokens ? { tokens } : {}) } });
      toast(t("account.password.set"));
      for (const clear of [setOld, setFirst, setSecond]) clear("");
    } catch (e) {
      if (e instanceof ApiError) setError(e);
    }
    setBusy(false);
  };
  const general = generalFault(error, ["old", "new"]);
  return (
    <section aria-labelledby="own-password">
      <h2 className="s" id="own-password">{t("password")}</h2>
      <form className="form card-form" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {general && <ErrorNote error={general} />}
        <Field label={t("me.password.old")} error={faultOf(error, "old")} type="password" autoComplete="current-password" value={old} onChange={(e) => { setOld(e.target.value); }} required />
        <div className="two">
          <Field label={t("me.password.new")} error={faultOf(error, "new")} type="password" autoComplete="new-password" value={first} onChange={(e) => { setFirst(e.target.value); }} required />
          <Field label={t("me.password.again")} error={differ ? t("me.password.differ") : undefined} type="password" autoComplete="new-password" value={second} onChange={(e) => { setSecond(e.target.value); }} required />
        </div>
        <Check label={t("me.password.tokens")} checked={tokens} onChange={setTokens} />
        <p className="t3">{t("me.password.ends")}</p>
        <div className="acts-row"><button type="submit" className="btn pri" disabled={busy || !old || !first || first !== second}>{t("account.password.change")}</button></div>
      </form>
    </section>
  );
}
