// All that is known of an address: who is connected from there, who was, and the messages that came from there or went there.
import { useState } from "react";
import { api } from "../../api/client";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { useKeys } from "../../lib/keys";
import { eventsAddress, historyAddress, logAddress, traceAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { toast } from "../../lib/toast";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { CopyButton } from "../../ui/Copy";
import { Icon } from "../../ui/Icon";
import { PageHead } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { failed } from "../../ui/States";
import { Part } from "./Part";
import { eventRow, messageRow, sessionRow } from "./rows";

const rows = 8;
const every = 5;

export default function Ip({ params }: { params: Record<string, string> }) {
  const t = useText();
  const ip = params["ip"] ?? "";
  const mayMessages = useMay("messages:read");
  const mayLogs = useMay("logs:read");
  const mayEnd = useMay("sessions:write");
  const mayDirectory = useMay("directory:read");
  const [ending, setEnding] = useState(false);
  const active = useResource(`ip active ${ip}`, async (signal) => {
    const all = await api.get("/sessions", { query: { peer: ip, limit: 2000 }, signal });
    return { ...all, items: all.items.filter((s) => s.peer === ip) };
  }, every);
  const ended = useResource(`ip ended ${ip}`, (signal) => api.get("/sessions", { query: { state: "history", peer: ip, from: "7d", limit: rows }, signal }), 3 * every);
  const messages = useResource(mayMessages ? `ip messages ${ip}` : "", (signal) => api.get("/messages", { query: { ip, from: "7d", limit: rows }, signal }), 3 * every);
  // What went wrong with it: failed logins, refusals, broken handshakes.
  const events = useResource(mayMessages ? `ip events ${ip}` : "", (signal) => api.get("/event-log", { query: { peer: ip, severity: "notice", from: "7d", limit: rows }, signal }), 3 * every);
  const n = active.data?.items.length ?? 0;
  const refresh = () => { for (const r of [active, ended, messages, events]) r.refresh(); };
  useKeys({ r: refresh });
  const end = () => {
    api.post("/sessions/actions", { body: { action: "end", filter: { peer: ip } } }).then(
      (x) => {
        toast(t("sessions.endedall", { n: x?.count ?? 0, of: ip }));
        refresh();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  const shown = { ...active, data: active.data && { ...active.data, items: active.data.items.slice(0, rows) } };
  return (
    <>
      <PageHead title={t("ip.title", { ip })}>
        {mayLogs && <Link className="btn" to={logAddress("smtp", ip)}><Icon name="logs" />{t("sessions.lines")}</Link>}
        {mayEnd && n > 0 && <button type="button" className="btn danger" onClick={() => { setEnding(true); }}><Icon name="kill" />{t("sessions.endall")}</button>}
      </PageHead>
      <div className="mh t2">
        <nav className="crumbs" aria-label={t("crumbs")}><Link to="/status/sessions">{t("nav.sessions")}</Link> / <Raw mono>{ip}</Raw> <CopyButton text={ip} label={t("ip.copy")} /></nav>
      </div>
      <div className="scroll" tabIndex={0} role="region" aria-label={t("ip.title", { ip })}>
        <div className="pad grid">
          {mayMessages && <Part title={t("ip.events")} all={eventsAddress("ip", ip)} list={events} empty={t("ip.events.none")} row={(e) => eventRow(e, t)} />}
          <Part title={t("ip.active", { n })} all={`/status/sessions?q=${encodeURIComponent(`ip:${ip}`)}`} list={shown} empty={t("ip.active.none")} row={(s) => sessionRow(s, t, mayDirectory)} />
          <Part title={t("ip.ended")} all={historyAddress(`ip:${ip}`)} list={ended} empty={t("ip.ended.none")} row={(s) => sessionRow(s, t, mayDirectory)} />
          {mayMessages && <Part title={t("ip.messages")} all={traceAddress("ip", ip)} list={messages} empty={t("ip.messages.none")} row={(m) => messageRow(m, t)} />}
        </div>
      </div>
      {ending && (
        <ConfirmDialog title={t("sessions.endall")} verb={t("sessions.endall")} onClose={() => { setEnding(false); }} onConfirm={end}>
          {t.rich("sessions.endall.text", { n, of: <b className="strong"><Raw>{ip}</Raw></b> })}
        </ConfirmDialog>
      )}
    </>
  );
}
