import { useState } from "react";
import type { Setting, SettingSchema } from "../../api/schema";
import { useText } from "../../i18n";
import { parseDuration } from "../../lib/format";
import { Link } from "../../lib/router";
import { withEntry } from "../../lib/secure";
import { Badge } from "../../ui/Badge";
import { Raw } from "../../ui/Raw";
import { AdaptedDialog } from "./AdaptedDialog";
import { SecureDialog } from "./SecureDialog";
import { fault } from "./setting";

export function SettingRow({ schema, stored, value, error, mayWrite, onChange }: {
  schema: SettingSchema;
  stored: Setting;
  /** As the form has it; null = back to the default. */
  value: string | null;
  error: string | undefined;
  mayWrite: boolean;
  onChange: (value: string | null | undefined) => void;
}) {
  const t = useText();
  const [dialog, setDialog] = useState(false);
  const id = `set-${schema.name}`;
  const secures = schema.name === "deliver.secure_destinations", adapts = schema.name === "deliver.secure_adapt";
  const now = value ?? schema.default;
  const wrong = value === null ? undefined : fault(schema, now);
  const text = error ?? (wrong && t(`settings.fault.${wrong}`, { allowed: schema.allowed }));
  const changed = value !== stored.value && !(value === null && !stored.changed);
  const set = (v: string) => { onChange(v === stored.value ? undefined : v); };
  const common = {
    id,
    disabled: !mayWrite,
    "aria-describedby": `${id}-h${text ? ` ${id}-e` : ""}`,
    "aria-invalid": !!text,
  };
  return (
    <div className={`set ${changed ? "changed" : ""}`}>
      <div>
        <h3>
          <label htmlFor={id} className="mono" translate="no">{schema.name}</label>
          {stored.changed && <Badge tone="note">{t("settings.changed")}</Badge>}
          {!schema.live && <Badge tone="warn">{t("settings.restart")}</Badge>}
        </h3>
        <p className="help" id={`${id}-h`} lang="en" translate="no">{schema.help}</p>
        <div className="meta">
          <span>{t("settings.default")} <Raw mono>{schema.default === "" ? "—" : schema.default}</Raw></span>
          {schema.allowed && schema.type !== "bool" && schema.type !== "enum" && <span>{t("settings.allowed")} <span lang="en" translate="no">{schema.allowed}</span></span>}
          {mayWrite && stored.changed && value !== null && <button type="button" className="linkb" onClick={() => { onChange(null); }}>{t("settings.reset")}</button>}
          {value !== stored.value && changed && <button type="button" className="linkb" onClick={() => { onChange(undefined); }}>{t("discard")}</button>}
          <Link to={`/system/audit?q=${encodeURIComponent(schema.name)}`}>{t("settings.history")}</Link>
        </div>
      </div>
      <div>
        <div className="with-unit">
          {schema.type === "bool" ? (
            <label className="row">
              <input {...common} type="checkbox" className="sw" checked={now === "yes"} onChange={(e) => { set(e.target.checked ? "yes" : "no"); }} />
              {now === "yes" ? t("on") : t("off")}
            </label>
          ) : schema.type === "enum" ? (
            <select {...common} className="inp" value={now} onChange={(e) => { set(e.target.value); }}>
              {schema.choices.map((c) => <option key={c} value={c} translate="no">{c}</option>)}
            </select>
          ) : schema.type === "secret" ? (
            <input {...common} className="inp" type="password" autoComplete="new-password" value={value === stored.value ? "" : now} placeholder={stored.value ? t("settings.secret.set") : ""} onChange={(e) => { set(e.target.value || stored.value); }} />
          ) : schema.type === "list" ? (
            <textarea {...common} className="inp" rows={Math.max(2, now.split(";").length)} value={now.split(";").join("\n")} spellCheck={false} onChange={(e) => { set(e.target.value.split("\n").join(";")); }} />
          ) : (
            <input {...common} className="inp" value={now} inputMode={schema.type === "int" ? "numeric" : "text"} spellCheck={false} autoComplete="off" onChange={(e) => { set(e.target.value); }} />
          )}
          {schema.unit && schema.type !== "bool" && <span className="t3" lang="en" translate="no">{schema.unit}</span>}
        </div>
        {secures && mayWrite && <button type="button" className="linkb" onClick={() => { setDialog(true); }}>{t("secure.open")}</button>}
        {secures && dialog && <SecureDialog onClose={() => { setDialog(false); }} onDone={(entry) => { set(withEntry(now, entry)); setDialog(false); }} />}
        {adapts && <button type="button" className="linkb" onClick={() => { setDialog(true); }}>{t("adapted.open")}</button>}
        {adapts && dialog && <AdaptedDialog off={parseDuration(stored.value) === 0} mayWrite={mayWrite} onClose={() => { setDialog(false); }} />}
        {text && <p className="err" id={`${id}-e`} role="alert" translate={error ? "no" : undefined}>{text}</p>}
      </div>
    </div>
  );
}
