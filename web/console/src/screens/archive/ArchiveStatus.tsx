import { api } from "../../api/client";
import { useMay, useMe } from "../../app/me";
import { useText } from "../../i18n";
import { formatBytes, formatDuration } from "../../lib/format";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { Badge } from "../../ui/Badge";
import { Raw } from "../../ui/Raw";
import { ErrorNote } from "../../ui/States";

/** Where it is and how much is in it; of the whole server, so for system administrators. */
export function ArchiveStatus() {
  const t = useText();
  const me = useMe();
  const maySettings = useMay("settings:read");
  const all = me.role === "system-admin" || me.proof === "local";
  const r = useResource(all ? "archive status" : "", (signal) => api.get("/archive", { signal }), 60);
  const s = r.data;
  if (!all) return null;
  return (
    <div className="bar line wrap archive-status">
      {r.error && !s && <ErrorNote error={r.error} retryAt={r.retryAt} onRetry={r.refresh} />}
      {s && (
        <>
          <Badge tone={s.enabled ? "ok" : "idle"} icon={s.enabled ? "check" : "stop"}>{t(s.enabled ? "archive.on" : "archive.isoff")}</Badge>
          <Raw mono className="t2">{s.path}</Raw>
          <span className="num">{t(s.complete ? "archive.messages" : "archive.messages.atleast", { n: s.messages, size: formatBytes(s.bytes, t.locale) })}</span>
          {s.days > 0 && <span className="t2">{t.rich("archive.days", { n: s.days, first: <Raw>{s.first_day}</Raw>, last: <Raw>{s.last_day}</Raw> })}</span>}
          <span className="t2">{s.keep_s ? t("archive.keep", { time: formatDuration(s.keep_s, t) }) : t("archive.keep.always")}</span>
        </>
      )}
      <span className="grow" />
      {maySettings && <Link className="btn sm" to="/system/settings/archive">{t("nav.settings")}</Link>}
    </div>
  );
}
