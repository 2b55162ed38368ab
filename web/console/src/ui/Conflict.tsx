import { useState } from "react";
import { useText } from "../i18n";
import type { Meeting } from "../lib/merge";
import { Dialog } from "./Dialog";
import { Raw } from "./Raw";

/** Somebody else changed the same: side by side, and for each field whose value stays. */
export function Conflict({ what, fields, nameOf, onChoose, onClose }: {
  what: string;
  fields: readonly Meeting[];
  nameOf: (field: string) => string;
  /** The fields in which theirs stay. */
  onChoose: (take: ReadonlySet<string>) => void;
  onClose: () => void;
}) {
  const t = useText();
  const [take, setTake] = useState<ReadonlySet<string>>(new Set());
  const show = (v: unknown) => (v === "" || v === undefined ? t("none") : Array.isArray(v) ? v.join(", ") : String(v));
  const pick = (field: string, theirs: boolean) => {
    const next = new Set(take);
    if (theirs) next.add(field);
    else next.delete(field);
    setTake(next);
  };
  return (
    <Dialog title={t("conflict")} onClose={onClose} wide alert>
      <div className="form">
        <p>{t.rich("conflict.text", { what: <b className="strong"><Raw>{what}</Raw></b> })}</p>
        <table className="mini">
          <thead>
            <tr><th>{t("conflict.field")}</th><th>{t("conflict.before")}</th><th>{t("conflict.mine")}</th><th>{t("conflict.theirs")}</th></tr>
          </thead>
          <tbody>
            {fields.map((f) => (
              <tr key={f.field}>
                <td className="med">{nameOf(f.field)}</td>
                <td className="t3"><Raw>{show(f.base)}</Raw></td>
                <td><label className="row"><input type="radio" name={f.field} checked={!take.has(f.field)} onChange={() => { pick(f.field, false); }} /><Raw>{show(f.mine)}</Raw></label></td>
                <td><label className="row"><input type="radio" name={f.field} checked={take.has(f.field)} onChange={() => { pick(f.field, true); }} /><Raw>{show(f.theirs)}</Raw></label></td>
              </tr>
            ))}
          </tbody>
        </table>
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="button" className="btn pri" onClick={() => { onChoose(take); }}>{t("conflict.save")}</button>
        </div>
      </div>
    </Dialog>
  );
}
