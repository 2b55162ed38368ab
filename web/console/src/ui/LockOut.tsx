// A change of settings that would shut out the one who makes it: the server refuses it, this says what would happen, and it is
// done by who types the name of the setting.
import { api, ApiError } from "../api/client";
import { useText } from "../i18n";
import { useResource } from "../lib/resource";
import { ConfirmDialog } from "./ConfirmDialog";
import { CopyButton } from "./Copy";
import { Raw } from "./Raw";

/** The setting by which one would be shut out; undefined: another error. */
export function lockOutOf(error: unknown): string | undefined {
  return error instanceof ApiError && error.problem.code === "locks_you_out" ? (error.problem.fields?.[0]?.name ?? "") : undefined;
}

/** How it is taken back at the local socket, which stays open. */
function remedy(setting: string, now: string): string {
  const area = /^(.*)\.access_(?:mode|ips)$/.exec(setting)?.[1];
  return area ? `posthorn tool set ${area}.access_mode off` : `posthorn tool set ${setting} '${now}'`;
}

export interface LockedOut {
  setting: string;
  /** What it would become. */
  value: string;
  go: () => void;
}

export function LockOut({ setting, value, go, onClose }: LockedOut & { onClose: () => void }) {
  const t = useText();
  const now = useResource(`setting ${setting}`, (signal) => api.get("/settings/{name}", { path: { name: setting }, signal }));
  const consoles = useResource("own consoles", (signal) => api.get("/self/consoles", { query: { limit: 200 }, signal }));
  const ip = consoles.data?.items.find((c) => c.current)?.peer ?? "";
  const why = setting === "net.ipv6" ? "ipv6" : /\.access_(mode|ips)$/.test(setting) ? "access" : "port";
  const command = remedy(setting, now.data?.value ?? "");
  return (
    <ConfirmDialog title={t("lockout.title")} word={setting} verb={t("lockout.verb")} onClose={onClose} onConfirm={go}>
      <p>{t.rich(value ? "lockout.change" : "lockout.change.empty", { setting: <Raw mono>{setting}</Raw>, value: <b className="strong"><Raw>{value}</Raw></b> })}</p>
      <p>{t.rich(`lockout.why.${why}`, { ip: <b className="strong"><Raw>{ip}</Raw></b>, host: <Raw mono>{location.host}</Raw> })}</p>
      <p>{t("lockout.back")}</p>
      <p className="row"><code translate="no">{command}</code><CopyButton text={command} label={t("lockout.copy")} /></p>
    </ConfirmDialog>
  );
}
