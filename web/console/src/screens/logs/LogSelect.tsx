import { useText } from "../../i18n";
import { logLabel } from "./names";

const groups = [
  { label: "logs.group.mail", services: ["smtp", "imap", "pop3", "managesieve", "mailflow"] },
  { label: "logs.group.server", services: ["control", "errors", "auth", "maintenance", "dns", "sql"] },
] as const;

/** Which log. `known`: those that the server has; all of them until it has said. */
export function LogSelect({ service, known, onChange }: { service: string; known: readonly { service: string }[]; onChange: (service: string) => void }) {
  const t = useText();
  const has = (s: string) => known.length === 0 || known.some((l) => l.service === s);
  return (
    <label className="field">
      <span className="lb">{t("sessions.service")}</span>
      <select value={service} aria-label={t("sessions.service")} onChange={(e) => { onChange(e.target.value); }}>
        {groups.map((g) => (
          <optgroup key={g.label} label={t(g.label)}>
            {g.services.filter(has).map((s) => <option key={s} value={s}>{logLabel(s, t)}</option>)}
          </optgroup>
        ))}
      </select>
    </label>
  );
}
