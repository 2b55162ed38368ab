import { useState } from "react";
import { api, ApiError } from "../../api/client";
import type { TokenShown } from "../../api/schema";
import { useMe } from "../../app/me";
import { useText } from "../../i18n";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { ErrorNote } from "../../ui/States";
import { faultOf, generalFault } from "../directory/fields";
import { areasOf, choose } from "./scopes";
import { areaLabel } from "./names";

const days = [7, 30, 90, 365, 0] as const;

/** A token of one's own: what it may is chosen, nothing is on by itself. */
export function TokenForm({ onClose, onMade }: { onClose: () => void; onMade: (made: TokenShown & { name: string }) => void }) {
  const t = useText();
  const me = useMe();
  const areas = areasOf(me.scopes);
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<ReadonlySet<string>>(new Set());
  const [ends, setEnds] = useState<number>(90);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const every = areas.flatMap((a) => [a.read, a.write]).filter((s) => s !== undefined);
  const submit = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const made = await api.post("/tokens", { body: { name: name.trim(), scopes: [...scopes], ...(ends ? { expires_days: ends } : {}) } });
      onMade({ ...made, name: name.trim() });
    } catch (e) {
      if (e instanceof ApiError) setError(e);
      setBusy(false);
    }
  };
  const general = generalFault(error, ["name"]);
  return (
    <Dialog title={t("token.new")} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {general && <ErrorNote error={general} />}
        <Field label={t("token.name")} hint={t("token.name.hint")} error={faultOf(error, "name")} value={name} onChange={(e) => { setName(e.target.value); }} maxLength={100} required autoFocus autoComplete="off" />
        <Field label={t("token.ends")} hint={ends ? undefined : t("token.ends.never.hint")}>
          {(p) => (
            <select {...p} value={ends} onChange={(e) => { setEnds(Number(e.target.value)); }}>
              {days.map((d) => <option key={d} value={d}>{d ? t("token.ends.in", { n: d }) : t("token.ends.never")}</option>)}
            </select>
          )}
        </Field>
        <fieldset className="scopes">
          <legend className="med">{t("token.scopes")}</legend>
          <div className="row">
            <span className="t3 grow">{t("token.scopes.hint")}</span>
            <button type="button" className="linkb" onClick={() => { setScopes(scopes.size === every.length ? new Set() : new Set(every)); }}>{scopes.size === every.length ? t("token.scopes.none") : t("token.scopes.all")}</button>
          </div>
          <table className="mini">
            <thead><tr><th>{t("token.area")}</th><th className="ck">{t("token.read")}</th><th className="ck">{t("token.write")}</th></tr></thead>
            <tbody>
              {areas.map((a) => (
                <tr key={a.name}>
                  <th scope="row">{areaLabel(a.name, t)}</th>
                  {(["read", "write"] as const).map((kind) => {
                    const scope = a[kind];
                    return <td key={kind} className="ck">{scope && <input type="checkbox" aria-label={t(`token.${kind}.of`, { area: areaLabel(a.name, t) })} checked={scopes.has(scope)} onChange={(e) => { setScopes(choose(scopes, a, kind, e.target.checked)); }} />}</td>;
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </fieldset>
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri" disabled={busy || !name.trim() || scopes.size === 0}>{t("token.create")}</button>
        </div>
      </form>
    </Dialog>
  );
}
