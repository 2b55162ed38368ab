import { api } from "../../api/client";
import { useLiveState } from "../../api/live";
import type { Metric } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText, type Text } from "../../i18n";
import { formatBytes, formatDuration, formatNumber } from "../../lib/format";
import { useNow } from "../../lib/clock";
import { useKeys } from "../../lib/keys";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { nameOf } from "../../lib/names";
import { useMetrics } from "../../lib/metrics";
import { ratesOf } from "../../lib/samples";
import { download } from "../../ui/Copy";
import { Icon } from "../../ui/Icon";
import { LiveBadge, PageHead, Tabs } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { Spark } from "../../ui/Spark";
import { ListState } from "../../ui/ListState";
import { ErrorNote } from "../../ui/States";

function value(m: Metric, t: Text): string {
  return m.unit === "bytes" ? formatBytes(m.value, t.locale) : formatNumber(m.value, t.locale);
}
function rate(m: Metric, perSecond: number, t: Text): string {
  return m.unit === "bytes" ? t("stats.rate", { n: formatBytes(Math.round(perSecond), t.locale) }) : t("stats.rate", { n: new Intl.NumberFormat(t.locale, { maximumFractionDigits: 1 }).format(perSecond) });
}
export function groupLabel(service: string, t: Text): string {
  return nameOf("stats.group", service, t);
}
/** The name of a counter for people: its translation, or its name. */
export function counterLabel(name: string, t: Text): string | undefined {
  const key = `counter.${name}`;
  return t.has(key) ? t(key) : undefined;
}

/** The sessions and the log of a group of counters, where there are some. */
const ofGroup: Readonly<Record<string, { service: string; log: string }>> = {
  smtp: { service: "smtp", log: "smtp" },
  delivery: { service: "smtp-client", log: "mailflow" },
  pop3: { service: "pop3", log: "pop3" },
  imap: { service: "imap", log: "imap" },
  managesieve: { service: "managesieve", log: "managesieve" },
  control: { service: "control", log: "control" },
};

export default function Statistics({ params }: { params: Record<string, string> }) {
  const t = useText();
  const now = useNow(5);
  const { catalogue: metrics, items, samples } = useMetrics();
  const live = useLiveState();
  const maySeeServices = useMay("services:read");
  const services = useResource(maySeeServices ? "services" : "", (signal) => api.get("/services", { signal }), 30);
  const groups = [...new Set(items.map((m) => m.service))];
  const group = params["service"] ?? groups[0] ?? "";
  const of = ofGroup[group];
  const shown = items.filter((m) => m.service === group);
  const started = services.data?.items.map((s) => s.started_at ?? "").filter(Boolean).sort()[0];
  useKeys({ r: metrics.refresh });
  const csv = () => {
    download(`posthorn-statistics-${new Date().toISOString().slice(0, 19)}.csv`, "text/csv", ["name,service,unit,value", ...items.map((m) => `${m.name},${m.service},${m.unit},${m.value}`)].join("\n") + "\n");
  };
  return (
    <>
      <PageHead title={t("nav.statistics")} live={<LiveBadge {...live} />} sub={started && <span className="sub">{t("stats.since", { time: formatDuration((now - Date.parse(started)) / 1000, t) })}</span>}>
        <Link className="btn" to={`/status/traffic?service=${group}`}><Icon name="chart" />{t("stats.charts")}</Link>
        {of && <Link className="btn deskonly" to={`/status/sessions?q=service:${of.service}`}><Icon name="sessions" />{t("nav.sessions")}</Link>}
        {of && <Link className="btn deskonly" to={`/status/logs/${of.log}`}><Icon name="logs" />{t("sessions.lines")}</Link>}
        <button type="button" className="btn" onClick={csv} disabled={items.length === 0}><Icon name="download" />{t("export")}</button>
      </PageHead>
      <Tabs label={t("nav.statistics")} tabs={groups.map((g) => ({ to: `/status/statistics/${g}`, label: groupLabel(g, t), current: g === group }))} />
      <div className="scroll" tabIndex={0} role="region" aria-label={groupLabel(group, t)}>
        <div className="pad">
          {metrics.error && !!metrics.data && <ErrorNote error={metrics.error} retryAt={metrics.retryAt} onRetry={metrics.refresh} />}
          <ListState list={{ items: metrics.data ? shown : undefined, loading: metrics.loading, error: metrics.error, retryAt: metrics.retryAt, refresh: metrics.refresh }} nothing={{ icon: "stats", title: t("stats.nothing") }} />
          <div className="kpis auto">
            {shown.map((m) => {
              const rates = ratesOf(samples, m.name);
              const last = rates[rates.length - 1];
              return (
                <div className="kpi" key={m.name}>
                  <h2 className="l">{counterLabel(m.name, t) ?? <Raw>{m.name}</Raw>}</h2>
                  <div className="v">{value(m, t)}</div>
                  <div className="d">{last !== undefined && last > 0 ? rate(m, last, t) : t("stats.still")}</div>
                  <p className="t3 kpi-help" lang="en" translate="no">{m.help}</p>
                  <Spark values={rates} color={/failed|refused|lost|errors|bounced|deferred/.test(m.name) ? "--c4" : "--c1"} />
                </div>
              );
            })}
          </div>
        </div>
      </div>
    </>
  );
}
