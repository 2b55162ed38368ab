import type { Service } from "../../api/schema";
import { useText } from "../../i18n";
import { useNow } from "../../lib/clock";
import { formatBytes, formatDuration, utcTitle } from "../../lib/format";
import { Link } from "../../lib/router";
import { Badge } from "../../ui/Badge";
import { Drawer } from "../../ui/Drawer";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { logOf } from "../sessions/names";
import { AccessTest } from "./AccessTest";
import type { Action } from "./actions";
import { serviceLabel, ServiceState } from "./names";
import { ServiceSettings } from "./ServiceSettings";

function Bindings({ s }: { s: Service }) {
  const t = useText();
  if (s.bindings.length === 0) return <p className="t3">{t("service.nobindings")}</p>;
  return (
    <ul className="plain-list">
      {s.bindings.map((b) => (
        <li key={`${b.address} ${String(b.tls)}`}>
          <Raw mono>{b.address}</Raw> {b.tls && <Badge tone="line" icon="lock"><Raw>TLS</Raw></Badge>} {!b.open && <Badge tone={b.fault ? "bad" : "idle"} icon={b.fault ? "alert" : "stop"}>{t("service.closed")}</Badge>}
          {b.fault && <p className="t2" lang="en" translate="no">{b.fault}</p>}
        </li>
      ))}
    </ul>
  );
}

export function ServiceDrawer({ s, mayReadSettings, mayWrite, onClose, onAct, onSaved }: {
  s: Service;
  mayReadSettings: boolean;
  mayWrite: boolean;
  onClose: () => void;
  onAct: (action: Action) => void;
  onSaved: () => void;
}) {
  const t = useText();
  const now = useNow(5);
  const label = serviceLabel(s.service, t);
  return (
    <Drawer
      label={label}
      title={label}
      sub={<>{t.rich("service.module", { module: <Raw mono>{s.module}</Raw> })}{s.started_at && <>, {t("service.since", { time: formatDuration((now - Date.parse(s.started_at)) / 1000, t) })}</>}</>}
      onClose={onClose}
      foot={
        <>
          {s.actions.includes("start") && <button type="button" className="btn pri" onClick={() => { onAct("start"); }}><Icon name="play" />{t("service.start.verb")}</button>}
          {s.actions.includes("stop") && <button type="button" className="btn" onClick={() => { onAct("stop"); }}><Icon name="stop" />{t("service.stop.verb")}</button>}
          {s.actions.includes("restart") && <button type="button" className="btn" onClick={() => { onAct("restart"); }}><Icon name="refresh" />{t("service.restart.verb")}</button>}
          <Link className="btn" to={`/status/sessions?q=service:${s.service}`}><Icon name="sessions" />{t("nav.sessions")}</Link>
          <Link className="btn" to={`/status/logs/${logOf(s.service)}`}><Icon name="logs" />{t("nav.logs")}</Link>
        </>
      }
    >
      <div className="pad">
        <dl className="kv">
          <dt>{t("service.state")}</dt><dd><ServiceState s={s} t={t} /></dd>
          <dt>{t("service.connections")}</dt><dd className="num">{s.sessions}</dd>
          {s.memory !== null && <><dt>{t("service.memory")}</dt><dd>{formatBytes(s.memory, t.locale)}</dd></>}
          {s.started_at && <><dt>{t("service.started")}</dt><dd title={utcTitle(s.started_at)}>{new Date(s.started_at).toLocaleString(t.locale)}</dd></>}
        </dl>
        <h3 className="s">{t("service.bindings")}</h3>
        <Bindings s={s} />
        {s.access_mode !== null && (
          <>
            <h3 className="s">{t("access.title")}</h3>
            <AccessTest key={s.service} service={s.service} />
          </>
        )}
        {mayReadSettings && s.settings.length > 0 && (
          <>
            <h3 className="s">{t("service.properties")}</h3>
            <ServiceSettings key={s.service} s={s} mayWrite={mayWrite} onSaved={onSaved} />
          </>
        )}
        <p><Link to={`/system/settings/${s.module === "control" ? "web" : s.service === "pop3" || s.service === "imap" || s.service === "managesieve" ? s.service : "smtp"}`}>{t("service.settings")}</Link></p>
      </div>
    </Drawer>
  );
}
