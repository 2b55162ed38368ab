import { useState } from "react";
import { api } from "../../api/client";
import type { Session } from "../../api/schema";
import { useText } from "../../i18n";
import { useNow } from "../../lib/clock";
import { formatBytes, formatClock, formatMoment, utcTitle } from "../../lib/format";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { toast } from "../../lib/toast";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { Drawer } from "../../ui/Drawer";
import { Icon } from "../../ui/Icon";
import { MenuButton } from "../../ui/MenuButton";
import { Raw } from "../../ui/Raw";
import { Empty, ErrorNote, failed, Skeleton } from "../../ui/States";
import { lasted, serviceNames, SessionMark } from "./columns";

/** Which text log has the lines of a service. */
export function logOf(service: string): string {
  return service === "pop3" || service === "imap" ? service : service === "control" ? "control" : "smtp";
}

export function SessionDrawer({ id, known, onClose, onEnd, onChanged }: {
  id: string;
  known: Session | undefined;
  onClose: () => void;
  onEnd: ((s: Session) => void) | undefined;
  onChanged: () => void;
}) {
  const t = useText();
  const now = useNow();
  const [all, setAll] = useState<{ field: "account" | "peer"; value: string }>();
  const r = useResource(`session ${id}`, (signal) => api.get("/sessions/{id}", { path: { id }, signal }), 2);
  const s = r.data ?? known;
  const ended = r.error?.status === 404;
  const endAll = (field: "account" | "peer", value: string) => {
    api.post("/sessions/actions", { body: { action: "end", filter: { [field]: value } } }).then(
      (x) => {
        toast(t("sessions.endedall", { n: x?.count ?? 0, of: value }));
        onChanged();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  return (
    <Drawer
      label={t("sessions.session", { id: s?.log_id ?? id })}
      mark={s && <SessionMark direction={s.direction} t={t} pulse={!ended} />}
      title={s ? t.rich(`sessions.title.${s.direction}`, { id: <Raw mono>{s.log_id}</Raw> }) : <Raw mono>{id}</Raw>}
      sub={s?.started_at && t("sessions.since", { service: serviceNames[s.service] ?? s.service, peer: s.peer, at: formatMoment(s.started_at, t.locale) })}
      onClose={onClose}
      foot={
        s && !ended && (
          <>
            {onEnd && <button type="button" className="btn danger" onClick={() => { onEnd(s); }}><Icon name="kill" />{t("sessions.end")}</button>}
            <Link className="btn" to={`/status/logs/${logOf(s.service)}?q=${s.log_id}`}><Icon name="logs" />{t("sessions.lines")}</Link>
            <span className="grow" />
            {onEnd && (
              <MenuButton
                label={t("more")}
                className="ib"
                entries={[
                  s.account !== "" && { id: "account", label: t("sessions.endaccount", { account: s.account }), icon: "user", danger: true, run: () => { setAll({ field: "account", value: s.account }); } },
                  s.peer !== "" && { id: "peer", label: t("sessions.endpeer", { peer: s.peer }), icon: "globe", danger: true, run: () => { setAll({ field: "peer", value: s.peer }); } },
                ]}
              />
            )}
          </>
        )
      }
    >
      {ended && <Empty icon="stop" title={t("sessions.over")} />}
      {r.error && !ended && <div className="pad"><ErrorNote error={r.error} retryAt={r.retryAt} onRetry={r.refresh} /></div>}
      {s && (
        <div className="pad">
          <div className="row wrap">
            {s.account && <Link className="b" to={`/accounts/${encodeURIComponent(s.account)}`}><Icon name="user" /><Raw>{s.account}</Raw></Link>}
            {s.peer && <Link className="b" to={`/status/sessions?q=${encodeURIComponent(`ip:${s.peer}`)}`}><Icon name="globe" /><Raw>{s.peer}</Raw></Link>}
          </div>
          <h3 className="s">{t("details")}</h3>
          <dl className="kv">
            <dt>{t("sessions.doing")}</dt><dd className="mono"><Raw>{s.doing}</Raw></dd>
            <dt>{t("sessions.duration")}</dt><dd className="num">{formatClock(lasted(s, now))}</dd>
            {s.active_at && <><dt>{t("sessions.lastcommand")}</dt><dd title={utcTitle(s.active_at)}>{formatMoment(s.active_at, t.locale)}</dd></>}
            <dt>{t("sessions.in")}</dt><dd>{formatBytes(s.bytes_in, t.locale)}</dd>
            <dt>{t("sessions.out")}</dt><dd>{formatBytes(s.bytes_out, t.locale)}</dd>
            <dt>{t("sessions.tls")}</dt><dd>{s.tls ? t("yes") : t("no")}</dd>
            <dt>{t("sessions.local")}</dt><dd><Raw mono>{s.local}</Raw></dd>
            <dt>{t("sessions.id")}</dt><dd><Raw mono>{s.id}</Raw></dd>
          </dl>
        </div>
      )}
      {!s && !r.error && <Skeleton rows={6} />}
      {all && (
        <ConfirmDialog title={t("sessions.endall")} verb={t("sessions.endall")} onClose={() => { setAll(undefined); }} onConfirm={() => { endAll(all.field, all.value); }}>
          {t.rich("sessions.endall.text", { of: <b className="strong" translate="no">{all.value}</b> })}
        </ConfirmDialog>
      )}
    </Drawer>
  );
}
