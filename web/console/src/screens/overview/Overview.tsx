import { api } from "../../api/client";
import { useLiveState } from "../../api/live";
import type { HealthCheck } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { useNow } from "../../lib/clock";
import { formatDuration, formatNumber, formatTime } from "../../lib/format";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { useMetrics } from "../../lib/metrics";
import { ratesOf } from "../../lib/samples";
import { Icon } from "../../ui/Icon";
import { LiveBadge, PageHead } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { Spark } from "../../ui/Spark";
import { Empty, ErrorNote, Skeleton } from "../../ui/States";
import { serviceLabel } from "../services/Services";

function placeOf(check: HealthCheck): { to: string; key: "overview.queue" | "overview.services" | "overview.errors" } | undefined {
  if (check.id.startsWith("queue.")) return { to: "/status/queue?q=state:overdue", key: "overview.queue" };
  if (check.id.startsWith("module.")) return { to: "/system/services", key: "overview.services" };
  if (check.id === "log.lost" || check.id === "db.errors") return { to: "/status/logs/errors", key: "overview.errors" };
  return undefined;
}

function Needs() {
  const t = useText();
  const checks = useResource("health", (signal) => api.get("/health/checks", { signal }), 10);
  const bad = (checks.data?.items ?? []).filter((c) => c.state !== "ok").sort((a, b) => a.state.localeCompare(b.state));
  return (
    <section className="card" aria-labelledby="att">
      <header>
        <h2 id="att">{checks.data ? t("overview.needs", { n: bad.length }) : t("overview.checking")}</h2>
        {checks.at && <span className="t3 deskonly">{bad.length ? t("overview.rest") : ""} {t("overview.checked", { at: formatTime(checks.at, t.locale) })}</span>}
      </header>
      {checks.error && <div className="bd"><ErrorNote error={checks.error} retryAt={checks.retryAt} onRetry={checks.refresh} /></div>}
      {checks.data && bad.length === 0 && !checks.error && <p className="bd t2 row"><Icon name="okc" className="ok" />{t("overview.well", { n: checks.data.items.length })}</p>}
      <ul className="find-list">
        {bad.map((c) => {
          const place = placeOf(c);
          const key = `check.${c.id}`;
          return (
            <li key={c.id}>
              <Icon name="alert" className={c.state} />
              <div>
                <b className="strong">{t.has(key) ? t(key) : <Raw>{c.title}</Raw>}</b> <span className="t2" lang="en" translate="no">{c.detail}. {c.remedy}</span>
              </div>
              <div className="row go">{place && <Link className="btn sm" to={place.to}>{t(place.key)}</Link>}</div>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Figures() {
  const t = useText();
  const { catalogue: metrics, values, samples } = useMetrics();
  const figure = (names: readonly string[]) => names.reduce((n, k) => n + (values?.[k] ?? 0), 0);
  const spark = (name: string) => ratesOf(samples, name);
  const tiles = [
    { label: t("overview.received"), names: ["smtp_messages_in"], to: "/status/statistics/smtp", color: "--c1" },
    { label: t("overview.delivered"), names: ["deliver_local", "deliver_remote"], to: "/status/statistics/delivery", color: "--c3" },
    { label: t("overview.refused"), names: ["smtp_rcpt_refused", "smtp_messages_refused"], to: "/status/statistics/smtp", color: "--c2" },
    { label: t("overview.bounced"), names: ["deliver_bounced"], to: "/status/statistics/delivery", color: "--c4" },
    { label: t("overview.logins"), names: ["auth_failed"], to: "/status/logs/auth", color: "--c4" },
  ];
  if (metrics.error && !metrics.data) return <ErrorNote error={metrics.error} retryAt={metrics.retryAt} onRetry={metrics.refresh} />;
  if (!metrics.data) return <Skeleton rows={2} />;
  return (
    <section className="kpis" aria-label={t("overview.figures")}>
      {tiles.map((x) => (
        <Link key={x.label} className="kpi" to={x.to}>
          <div className="l">{x.label}</div>
          <div className="v">{formatNumber(figure(x.names), t.locale)}</div>
          <div className="d">{t("overview.sincestart")}</div>
          <Spark values={spark(x.names[0] ?? "")} color={x.color} />
        </Link>
      ))}
    </section>
  );
}

function Destinations() {
  const t = useText();
  const now = useNow(5);
  const list = useResource("destinations", (signal) => api.get("/destinations", { query: { limit: 12 }, signal }), 10);
  const items = list.data?.items ?? [];
  const most = Math.max(1, ...items.map((d) => d.messages));
  return (
    <section className="card" aria-labelledby="wd">
      <header><h2 id="wd">{t("overview.destinations")}</h2><span className="grow" /><Link to="/status/queue">{t("nav.queue")}</Link></header>
      <div className="bd">
        {list.error && <ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} />}
        {list.data && items.length === 0 && <Empty title={t("queue.empty")} />}
        {items.length > 0 && (
          <table className="mini dest" aria-label={t("overview.destinations")}>
            <tbody>
              {items.slice(0, 8).map((d) => (
                <tr key={d.domain}>
                  <th scope="row" className="med ell"><Link to={`/status/queue?q=${encodeURIComponent(`host:${d.domain}`)}`}><Raw>{d.domain}</Raw></Link></th>
                  <td className="num">{formatNumber(d.messages, t.locale)}</td>
                  <td className="deskonly w-meter"><div className="meter"><i style={{ width: `${Math.max(4, (d.messages / most) * 100)}%` }} /></div></td>
                  <td className="t2 deskonly ell" title={d.answer}><Raw>{d.answer}</Raw></td>
                  <td className="t3 num nowrap">{d.oldest_at ? formatDuration((now - Date.parse(d.oldest_at)) / 1000, t) : ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
    </section>
  );
}

function ServiceList() {
  const t = useText();
  const list = useResource("services", (signal) => api.get("/services", { signal }), 10);
  return (
    <section className="card" aria-labelledby="sv">
      <header><h2 id="sv">{t("nav.services")}</h2><span className="grow" /><Link to="/system/services">{t("all")}</Link></header>
      <div className="bd">
        {list.error && <ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} />}
        {!list.data && !list.error && <Skeleton rows={4} />}
        {list.data && (
          <table className="mini" aria-label={t("nav.services")}>
            <tbody>
              {list.data.items.map((s) => (
                <tr key={s.service}>
                  <th scope="row"><span className="row"><span className={`dot ${s.state === "running" ? "ok" : s.state === "silent" ? "bad" : "idle"}`} role="img" aria-label={t(`service.${s.state}`)} />{serviceLabel(s.service, t)}</span></th>
                  <td className="t3 num">{s.state === "running" ? t("service.connected", { n: s.sessions }) : t(`service.${s.state}`)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
    </section>
  );
}

export default function Overview() {
  const t = useText();
  const queue = useMay("queue:read");
  const services = useMay("services:read");
  const live = useLiveState();
  return (
    <>
      <PageHead title={t("nav.overview")} live={<LiveBadge {...live} />} />
      <div className="scroll" tabIndex={0} role="region" aria-label={t("nav.overview")}>
        <div className="pad grid">
          {services && <Needs />}
          <Figures />
          <div className="ov">
            {queue && <Destinations />}
            {services && <ServiceList />}
          </div>
        </div>
      </div>
    </>
  );
}
