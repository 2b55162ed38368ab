import { api } from "../../api/client";
import { useLiveState } from "../../api/live";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import type { Span } from "../../lib/chart";
import { useNow } from "../../lib/clock";
import { formatDuration, formatNumber } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { hostAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { addressWith, Link, navigate, useSearch } from "../../lib/router";
import { comparableStep, weekBefore } from "../../lib/series";
import { readSpan, spans } from "../../lib/span";
import { LiveBadge, PageHead, Segments } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { Empty, ErrorNote, Skeleton } from "../../ui/States";
import { serviceLabel } from "../services/Services";
import { zoomText } from "../traffic/view";
import { Flow } from "./Flow";
import { Needs } from "./Needs";
import { figures, metricNames, Tiles } from "./Tiles";

const usual = "24h";
const choices = ["1h", "24h", "7d"] as const;
type Choice = (typeof choices)[number];
const every = 10; // seconds between two looks

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
                  <th scope="row" className="med ell"><Link to={hostAddress(d.domain)}><Raw>{d.domain}</Raw></Link></th>
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
                  <th scope="row"><span className="row"><span className={`dot ${s.state === "running" ? "ok" : s.state === "silent" ? "bad" : "idle"}`} role="img" aria-label={t(`service.${s.state}`)} /><Link to={`/system/services?open=${s.service}`}>{serviceLabel(s.service, t)}</Link></span></th>
                  <td className="t3 num">{s.state === "running" ? <Link to={`/status/sessions?q=service:${s.service}`}>{t("service.connected", { n: s.sessions })}</Link> : t(`service.${s.state}`)}</td>
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
  const mayQueue = useMay("queue:read");
  const mayServices = useMay("services:read");
  const live = useLiveState();
  const now = useNow(5);
  const asked = readSpan(useSearch(), usual).span;
  const span: Choice = choices.find((c) => c === asked) ?? usual;
  const length = spans[span] * 1000;
  const times = (s: Span) => ({ from: new Date(s.from).toISOString(), to: new Date(s.to).toISOString() });
  const read = (signal: AbortSignal, of: (s: Span) => Span) => {
    const s = { from: Date.now() - length, to: Date.now() };
    return api.get("/metrics/query", { query: { metric: metricNames, step: comparableStep(s, s.to), ...times(of(s)) }, signal });
  };
  const data = useResource(`overview ${span}`, (signal) => read(signal, (s) => s), every);
  const before = useResource(`overview before ${span}`, (signal) => read(signal, weekBefore), 300);
  const notes = useResource(`overview notes ${span}`, (signal) => api.get("/annotations", { query: times({ from: Date.now() - length, to: Date.now() }), signal }), 60);
  const checks = useResource(mayServices ? "health" : "", (signal) => api.get("/health/checks", { signal }), every);
  const sum = useResource(mayQueue ? "queue sum" : "", (signal) => api.get("/queue/{name}", { path: { name: "outgoing" }, signal }), every);
  const at = data.at?.getTime() ?? now;
  const shown: Span = { from: at - length, to: at };
  // The charts have no span of an hour; there it is a part of the day.
  const chartSpan = span === "7d" ? "1w" : "";
  const charts = (service: string, names: readonly string[], zoom = span === "1h" ? shown : undefined) =>
    `/status/traffic?service=${service}&cat=${names.join(",")}${chartSpan && `&span=${chartSpan}`}${zoom ? `&zoom=${zoomText(zoom, 0)}` : ""}`;
  useKeys({
    r: () => { for (const r of [data, before, notes, checks, sum]) r.refresh(); },
  });
  return (
    <>
      <PageHead title={t("nav.overview")} live={<LiveBadge {...live} />}>
        <Segments<Choice>
          label={t("span")}
          value={span}
          options={choices.map((c) => ({ id: c, label: t(`span.${c}`) }))}
          onChange={(c) => { navigate(addressWith({ span: c === usual ? "" : c }), true); }}
        />
      </PageHead>
      <div className="scroll" tabIndex={0} role="region" aria-label={t("nav.overview")}>
        <div className="pad grid">
          {mayServices && <Needs checks={checks} />}
          {data.error && <ErrorNote error={data.error} retryAt={data.retryAt} onRetry={data.refresh} />}
          {!data.data && !data.error && <Skeleton rows={2} />}
          {data.data && <Tiles now={data.data} before={before.data} queue={sum.data} disk={checks.data?.items.find((c) => c.id === "disk")} address={charts} at={now} />}
          <div className="ov">
            <div className="grid">
              {data.data && <Flow data={data.data} notes={notes.data?.items ?? []} span={shown} at={at} address={(zoom) => charts("smtp", [...figures.received, ...figures.refused], zoom)} />}
              {mayQueue && <Destinations />}
            </div>
            {mayServices && <ServiceList />}
          </div>
        </div>
      </div>
    </>
  );
}
