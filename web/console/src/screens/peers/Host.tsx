// A domain or server that mail goes to: what waits for it, how the attempts went, and what it got.
import { api } from "../../api/client";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { useNow } from "../../lib/clock";
import { useKeys } from "../../lib/keys";
import { historyAddress, logAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { toast } from "../../lib/toast";
import { CopyButton } from "../../ui/Copy";
import { Icon } from "../../ui/Icon";
import { PageHead } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { failed } from "../../ui/States";
import { Part } from "./Part";
import { messageRow, queueRow, sessionRow } from "./rows";

const rows = 8;
const every = 5;
const path = { name: "outgoing" };

export default function Host({ params }: { params: Record<string, string> }) {
  const t = useText();
  const now = useNow(5);
  const host = params["host"] ?? "";
  const maySessions = useMay("sessions:read");
  const mayMessages = useMay("messages:read");
  const mayLogs = useMay("logs:read");
  const mayWrite = useMay("queue:write");
  const waiting = useResource(`host queue ${host}`, (signal) => api.get("/queue/{name}/messages", { path, query: { destination: host, sort: "-age", limit: rows }, signal }), every);
  const attempts = useResource(maySessions ? `host sessions ${host}` : "", (signal) => api.get("/sessions", { query: { state: "history", service: "smtp-client", q: host, from: "7d", limit: rows }, signal }), 3 * every);
  const messages = useResource(mayMessages ? `host messages ${host}` : "", (signal) => api.get("/messages", { query: { q: `@${host}`, from: "7d", limit: rows }, signal }), 3 * every);
  const n = waiting.data?.total.value ?? 0;
  useKeys({ r: () => { for (const r of [waiting, attempts, messages]) r.refresh(); } });
  const send = () => {
    api.post("/queue/{name}/messages/actions", { path, body: { action: "send_now", filter: { destination: host }, undo_seconds: 0 } }).then(
      () => {
        toast(t("queue.sent", { n }));
        waiting.refresh();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  return (
    <>
      <PageHead title={t("host.title", { host })}>
        {mayLogs && <Link className="btn" to={logAddress("smtp", host)}><Icon name="logs" />{t("sessions.lines")}</Link>}
        {mayWrite && <button type="button" className="btn" disabled={n === 0} onClick={send}><Icon name="send" />{t("queue.sendmatching", { n })}</button>}
      </PageHead>
      <div className="mh t2">
        <nav className="crumbs" aria-label={t("crumbs")}><Link to="/status/queue">{t("nav.queue")}</Link> / <Raw mono>{host}</Raw> <CopyButton text={host} label={t("host.copy")} /></nav>
      </div>
      <div className="scroll" tabIndex={0} role="region" aria-label={t("host.title", { host })}>
        <div className="pad grid">
          <Part title={t("host.waiting", { n })} all={`/status/queue?q=${encodeURIComponent(`host:${host}`)}`} list={waiting} empty={t("queue.empty")} row={(m) => queueRow(m, t, now)} />
          {maySessions && <Part title={t("host.attempts")} all={historyAddress(`service:smtp-client ${host}`)} list={attempts} empty={t("host.attempts.none")} row={(s) => sessionRow(s, t, false)} />}
          {mayMessages && <Part title={t("host.messages")} all={`/trace?q=${encodeURIComponent(`@${host}`)}&span=7d`} list={messages} empty={t("host.messages.none")} row={(m) => messageRow(m, t)} />}
        </div>
      </div>
    </>
  );
}
