import { useMemo, useRef, useState } from "react";
import { api } from "../../api/client";
import type { Annotation, Metric, MetricsOverTime } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText, type Text } from "../../i18n";
import { clustered, csvOf, type Span } from "../../lib/chart";
import { copyText } from "../../lib/clipboard";
import { useNow } from "../../lib/clock";
import { formatBytes, formatDateTime, formatNumber, formatPoint } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { useResource } from "../../lib/resource";
import { addressWith, navigate, useSearch } from "../../lib/router";
import { beforeLine, comparableStep, weekBefore } from "../../lib/series";
import { toast } from "../../lib/toast";
import { Chart } from "../../ui/Chart";
import { download } from "../../ui/Copy";
import { Icon } from "../../ui/Icon";
import { MenuButton } from "../../ui/MenuButton";
import { LiveBadge, PageHead, Segments } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { Empty, ErrorNote, failed, Skeleton } from "../../ui/States";
import { counterLabel, groupLabel } from "../statistics/Statistics";
import { NoteDialog } from "./NoteDialog";
import { Comparison } from "./Comparison";
import { Rankings } from "./Rankings";
import { SpanLinks } from "./SpanLinks";
import { chosen, localInput, spanOf, stepName, styleOf, toggled, zoomOf, zoomText, type SpanName } from "./view";

const few = 5; // changed settings shown before somebody asks for more
const live = 15; // seconds between two looks at what runs now

/** Changes of the address: what one would take back with Back adds an entry to the history. */
function change(changes: Readonly<Record<string, string>>, replace = false): void {
  navigate(addressWith(changes), replace);
}

function Marks({ groups, locale, mayDelete, onDeleted }: { groups: readonly { index: number; items: Annotation[] }[]; locale: string; mayDelete: boolean; onDeleted: () => void }) {
  const t = useText();
  const [all, setAll] = useState(false);
  const rows = groups.flatMap((g, n) => g.items.map((a) => ({ a, n: n + 1 })));
  // Settings come in dozens; notes and restarts are always shown.
  const hidden = new Set(all ? [] : rows.filter((r) => r.a.kind === "setting").slice(few));
  const remove = (id: string) => {
    api.delete("/annotations/{id}", { path: { id } }).then(
      () => {
        toast(t("traffic.note.deleted"));
        onDeleted();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  const words = (a: Annotation) => {
    if (a.kind === "restart") return t("traffic.restart");
    if (a.kind === "setting") return t.rich("traffic.setting", { who: <Raw>{a.who ?? ""}</Raw>, name: <Raw>{a.text}</Raw>, old: <Raw>{a.old || "–"}</Raw>, new: <Raw>{a.new || "–"}</Raw> });
    return <><Raw>{a.text}</Raw>{a.who && <span className="t3"> <Raw>{a.who}</Raw></span>}</>;
  };
  return (
    <ul className="ann t2" aria-label={t("traffic.happened")}>
      {rows.filter((r) => !hidden.has(r)).map(({ a, n }) => (
        <li key={a.id}>
          <b className="strong num">{n}</b>
          <span className="num nowrap" translate="no">{formatDateTime(a.at, locale)}</span>
          <span className="grow">{words(a)}</span>
          {mayDelete && a.actions.includes("delete") && <button type="button" className="ib sm" aria-label={t("traffic.note.delete", { text: a.text })} onClick={() => { remove(a.id); }}><Icon name="trash" small /></button>}
        </li>
      ))}
      {hidden.size > 0 && <li><button type="button" className="btn sm" onClick={() => { setAll(true); }}>{t("traffic.more", { n: hidden.size })}</button></li>}
    </ul>
  );
}

function label(m: Metric, t: Text): string {
  return counterLabel(m.name, t) ?? m.name;
}

function SpanFields({ span }: { span: Span }) {
  const t = useText();
  const set = (which: "from" | "to", text: string) => {
    const at = Date.parse(text);
    if (Number.isNaN(at)) return;
    const next = { ...span, [which]: at };
    if (next.from < next.to) change({ from: new Date(next.from).toISOString(), to: new Date(next.to).toISOString(), zoom: "" }, true);
  };
  return (
    <>
      <label className="field"><span className="lb">{t("from")}</span><input type="datetime-local" aria-label={t("from")} value={localInput(span.from)} max={localInput(span.to)} onChange={(e) => { set("from", e.target.value); }} /></label>
      <label className="field"><span className="lb">{t("logs.to")}</span><input type="datetime-local" aria-label={t("logs.to")} value={localInput(span.to)} min={localInput(span.from)} onChange={(e) => { set("to", e.target.value); }} /></label>
    </>
  );
}

export default function Traffic() {
  const t = useText();
  const search = useSearch();
  const now = useNow(live);
  const mayWrite = useMay("metrics:write");
  const host = useRef<HTMLDivElement>(null);
  const [cursor, setCursor] = useState(-1);
  const [note, setNote] = useState<number>();
  const catalogue = useResource("metrics", (signal) => api.get("/metrics", { query: { limit: 2000 }, signal }), 60);
  const metrics = useMemo(() => catalogue.data?.items ?? [], [catalogue.data]);
  const services = [...new Set(metrics.map((m) => m.service))];
  const asked = search.get("service") ?? "smtp";
  const service = services.includes(asked) || !services.length ? asked : (services[0] ?? asked);
  const list = chosen(metrics, service, search.get("cat") ?? "");
  const whole = spanOf(search, now);
  const zoom = zoomOf(search.get("zoom") ?? "");
  const span: Span = zoom ?? whole;
  const table = search.get("view") === "table";
  const compare = search.get("compare") === "week";
  const names = list.map((m) => m.name).join(",");
  // Spans that end now move on; zoomed ones and those of the reader's own stand still.
  const moving = !zoom && whole.name !== "own";
  const key = names && `traffic ${compare ? "compared " : ""}${names} ${moving ? whole.name : `${span.from} ${span.to}`}`;
  const times = () => {
    const length = whole.to - whole.from;
    const s = moving ? { from: Date.now() - length, to: Date.now() } : span;
    return { from: new Date(s.from).toISOString(), to: new Date(s.to).toISOString() };
  };
  // Both weeks by the same steps, of a length that both are still kept in.
  const stepOf = compare ? { step: comparableStep(span, now) } : {};
  const every = moving || span.to > now ? live : 0;
  const fetched = useResource(key, (signal) => api.get("/metrics/query", { query: { metric: names, ...stepOf, ...times() }, signal }), every);
  const before = useResource(compare && key ? `${key} week before` : "", (signal) => {
    const { from: a, to: b } = weekBefore({ from: Date.parse(times().from), to: Date.parse(times().to) });
    return api.get("/metrics/query", { query: { metric: names, ...stepOf, from: new Date(a).toISOString(), to: new Date(b).toISOString() }, signal });
  }, moving ? 60 : 0);
  const notes = useResource(key && `annotations ${key}`, (signal) => api.get("/annotations", { query: times(), signal }), every);

  // While another span is read, the chart of the last one stays, and with it the place of the keyboard.
  const kept = useRef<{ names: string; data: MetricsOverTime }>(undefined);
  if (fetched.data) kept.current = { names, data: fetched.data };
  const data = { ...fetched, data: fetched.data ?? (kept.current?.names === names && !fetched.error ? kept.current.data : undefined) };
  const from = data.data ? Date.parse(data.data.from) : 0;
  const step = (data.data?.step_seconds ?? 60) * 1000;
  const points = data.data?.covered_seconds.length ?? 0;
  // The axis ends where the data ends: it is as old as the last look at most.
  const shown: Span = moving && data.at ? { from: Math.max(from, data.at.getTime() - (whole.to - whole.from)), to: data.at.getTime() } : span;
  const series = list.flatMap((m, i) => {
    const s = data.data?.series.find((x) => x.name === m.name);
    return s ? [{ name: m.name, label: label(m, t), values: s.values, ...styleOf(list, i) }] : [];
  });
  // One line of the week before, grey and dotted: of the first figure, as more of them could not be told apart.
  const first = series[0];
  const old = compare && first ? beforeLine(data.data, before.data, first.name) : undefined;
  const drawn = first && old ? [...series, { name: `${first.name}:before`, label: t("compare.line", { name: first.label }), color: "--text-3", dash: "2 4", values: old }] : series;
  const unit = list[0]?.unit;
  const format = (v: number) => (unit === "bytes" ? formatBytes(v, t.locale) : formatNumber(v, t.locale));
  const timeLabel = (i: number) => formatPoint(from + i * step, step, t.locale);
  const marks = clustered(notes.data?.items ?? [], from, step, points);
  const empty = points > 0 && series.every((s) => s.values.every((v) => v === null));
  const length = stepName(step);
  const title = t("traffic.title", { service: groupLabel(service, t), n: length.n, unit: t(`traffic.unit.${length.unit}`) });
  const range = data.data ? t("traffic.range", { from: formatPoint(shown.from, 60_000, t.locale), to: formatPoint(shown.to, 60_000, t.locale) }) : "";
  const zoomTo = (s: Span, top: number) => {
    setCursor(-1);
    if (s.to - s.from >= whole.to - whole.from && !top) change({ zoom: "" });
    else change({ zoom: zoomText(s, top) });
  };
  const reset = () => {
    setCursor(-1);
    change({ zoom: "" });
  };
  const refresh = () => {
    reset();
    data.refresh();
    notes.refresh();
  };
  const by = (factor: number) => {
    const middle = (span.from + span.to) / 2;
    const half = Math.max(90_000, ((span.to - span.from) / 2) * factor);
    zoomTo({ from: Math.max(whole.from, Math.round(middle - half)), to: Math.min(whole.to, Math.round(middle + half)) }, 0);
  };
  const file = `posthorn-traffic-${service}-${new Date(shown.from || now).toISOString().slice(0, 10)}`;
  const rows = () => Array.from({ length: points }, (_, i) => [new Date(from + i * step).toISOString(), ...drawn.map((s) => s.values[i] ?? null)] as const);
  const saveCsv = () => { download(`${file}.csv`, "text/csv", csvOf(["time", ...drawn.map((s) => s.name)], rows())); };
  const saveImage = (kind: "png" | "svg") => {
    const svg = host.current?.querySelector<SVGSVGElement>(".chart svg");
    if (svg) import("../../lib/chartimage").then((x) => x.saveChart(svg, file, `${location.hostname}, ${title}, ${range}`, drawn, kind)).catch((e: unknown) => { failed(e, t); });
  };
  const link = () => void copyText(location.href).then(() => { toast(t("copied.link")); });
  useKeys({ r: refresh, v: () => { change({ view: table ? "" : "table" }, true); } });

  return (
    <>
      <PageHead title={t("nav.traffic")} live={moving && <LiveBadge state={data.error ? "reconnecting" : "live"} />}>
        <button type="button" className="btn" aria-pressed={table} onClick={() => { change({ view: table ? "" : "table" }, true); }}><Icon name="table" />{t("traffic.table")}</button>
        <MenuButton
          label={t("traffic.save")}
          className="btn"
          entries={[
            !table && { id: "png", label: t("traffic.save.png"), icon: "image", run: () => { saveImage("png"); } },
            !table && { id: "svg", label: t("traffic.save.svg"), icon: "image", run: () => { saveImage("svg"); } },
            { id: "csv", label: t("traffic.save.csv"), icon: "download", run: saveCsv },
            { id: "link", label: t("keys.copy"), icon: "link", run: link },
          ]}
        >
          <Icon name="download" />{t("traffic.save")}
        </MenuButton>
      </PageHead>
      <div className="bar line">
        <label className="field">
          <span className="lb">{t("sessions.service")}</span>
          <select value={service} aria-label={t("sessions.service")} onChange={(e) => { change({ service: e.target.value, cat: "", zoom: "" }); }}>
            {(services.length ? services : [service]).map((s) => <option key={s} value={s}>{groupLabel(s, t)}</option>)}
          </select>
        </label>
        <Segments<SpanName>
          label={t("traffic.interval")}
          value={whole.name}
          options={[{ id: "1d", label: t("traffic.1d") }, { id: "1w", label: t("traffic.1w") }, { id: "1m", label: t("traffic.1m") }, { id: "own", label: t("traffic.own") }]}
          onChange={(id) => {
            if (id === "own") change({ span: "", zoom: "", from: new Date(span.from).toISOString(), to: new Date(span.to).toISOString() });
            else change({ span: id === "1d" ? "" : id, zoom: "", from: "", to: "" });
          }}
        />
        {whole.name === "own" && <SpanFields span={whole} />}
        <button type="button" className="btn" aria-pressed={compare} onClick={() => { change({ compare: compare ? "" : "week" }, true); }}>{t("compare.week")}</button>
        <span className="grow deskonly" />
        {mayWrite && <button type="button" className="btn ghost" onClick={() => { setNote(cursor >= 0 ? from + cursor * step : Date.now()); }}><Icon name="flag" />{t("traffic.note.add")}</button>}
        <button type="button" className="btn ghost" onClick={refresh}><Icon name="refresh" />{t("keys.refresh")}</button>
      </div>
      <div className="scroll" tabIndex={0} role="region" aria-label={t("nav.traffic")}>
        <div className="pad traffic" ref={host}>
          {catalogue.error && <ErrorNote error={catalogue.error} retryAt={catalogue.retryAt} onRetry={catalogue.refresh} />}
          {data.error && <ErrorNote error={data.error} retryAt={data.retryAt} onRetry={data.refresh} />}
          <div className="row wrap traffic-head">
            <h2>{title}</h2>
            <span className="t3 num" translate="no">{range}</span>
            <span className="grow" />
            <span className="row">
              <button type="button" className="ib" aria-label={t("traffic.zoomin")} title={t("traffic.zoomin")} disabled={table || !points} onClick={() => { by(0.5); }}><Icon name="plus" /></button>
              <button type="button" className="ib" aria-label={t("traffic.zoomout")} title={t("traffic.zoomout")} disabled={table || !zoom} onClick={() => { by(2); }}><Icon name="dash" /></button>
              {zoom && <button type="button" className="btn sm" onClick={reset}><Icon name="zoom" />{t("traffic.whole")}</button>}
            </span>
          </div>
          <div className="row wrap legends" role="group" aria-label={t("traffic.category")}>
            {metrics.filter((m) => m.service === service).map((m) => {
              const at = list.findIndex((x) => x.name === m.name);
              return (
                <button key={m.name} type="button" className="lgb" aria-pressed={at >= 0} title={t.language === "en" ? m.help : undefined} onClick={() => { change({ cat: toggled(list, m) }, true); }}>
                  <span className="sw-l" style={{ background: at >= 0 ? `var(${styleOf(list, at).color})` : "var(--border-strong)" }} />{counterLabel(m.name, t) ?? <Raw>{m.name}</Raw>}
                </button>
              );
            })}
          </div>
          {!data.data && !data.error && <Skeleton rows={6} />}
          {data.data && !table && (
            <Chart
              label={`${title}, ${range}`}
              series={drawn}
              from={from}
              step={step}
              span={shown}
              whole={whole}
              top={zoom?.top ?? 0}
              marks={marks.map((m, i) => ({ index: m.index, n: i + 1 }))}
              cursor={cursor}
              locale={t.locale}
              format={format}
              timeLabel={timeLabel}
              gapLabel={t("traffic.gap")}
              onCursor={setCursor}
              onZoom={zoomTo}
              onReset={reset}
            />
          )}
          {data.data && table && (
            <div className="ctab" tabIndex={0} role="region" aria-label={t("traffic.table")}>
              <table>
                <caption className="t3">{title}</caption>
                <thead><tr><th scope="col">{t("traffic.time")}</th>{drawn.map((s) => <th key={s.name} scope="col" className="num">{s.label}</th>)}</tr></thead>
                <tbody>
                  {Array.from({ length: points }, (_, i) => points - 1 - i).map((i) => (
                    <tr key={i}>
                      <th scope="row" className="num" translate="no">{timeLabel(i)}</th>
                      {drawn.map((s) => { const v = s.values[i]; return <td key={s.name} className="num">{v === null || v === undefined ? t("traffic.gap") : format(v)}</td>; })}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
          {empty && <Empty icon="chart" title={t("traffic.nothing")}>{data.data?.since ? t("traffic.since", { at: formatDateTime(data.data.since, t.locale) }) : null}</Empty>}
          {compare && before.error && <ErrorNote error={before.error} retryAt={before.retryAt} onRetry={before.refresh} />}
          {compare && data.data && <Comparison series={series} now={data.data} before={before.data} format={format} />}
          {data.data && <SpanLinks span={shown} service={service} />}
          {notes.error && <ErrorNote error={notes.error} retryAt={notes.retryAt} onRetry={notes.refresh} />}
          <Marks groups={marks} locale={t.locale} mayDelete={mayWrite} onDeleted={notes.refresh} />
          {data.data && <Rankings span={shown} />}
          {!table && <p className="t3 hint"><span className="deskonly">{t("traffic.help")}</span><span className="mobonly">{t("traffic.help.touch")}</span></p>}
        </div>
      </div>
      {note !== undefined && <NoteDialog at={note} onClose={() => { setNote(undefined); }} onDone={notes.refresh} />}
    </>
  );
}
