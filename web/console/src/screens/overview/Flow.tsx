import { useState } from "react";
import type { Annotation, MetricsOverTime } from "../../api/schema";
import { useText } from "../../i18n";
import { clustered, type Span } from "../../lib/chart";
import { formatNumber, formatPoint } from "../../lib/format";
import { addedUp, totalOf } from "../../lib/series";
import { navigate } from "../../lib/router";
import { Chart, type ChartSeries } from "../../ui/Chart";
import { Empty } from "../../ui/States";
import { stepName } from "../traffic/view";
import { figures } from "./Tiles";

const lines = [
  { id: "received", color: "--c1", dash: "" },
  { id: "sent", color: "--c3", dash: "7 3" },
  { id: "refused", color: "--c2", dash: "2 3" },
  { id: "failed", color: "--c4", dash: "" },
] as const;

/** Mail flow in the span. A rectangle, or + on the keyboard, leads to the charts of just that part. */
export function Flow({ data, notes, span, at, address }: {
  data: MetricsOverTime;
  notes: readonly Annotation[];
  span: Span;
  at: number;
  address: (zoom: Span) => string;
}) {
  const t = useText();
  const [cursor, setCursor] = useState(-1);
  const from = Date.parse(data.from);
  const step = data.step_seconds * 1000;
  const points = data.covered_seconds.length;
  const length = stepName(step);
  const per = t("overview.per", { n: length.n, unit: t(`traffic.unit.${length.unit}`) });
  const series: ChartSeries[] = lines.map((l) => ({ name: l.id, label: t(`overview.${l.id}`), color: l.color, dash: l.dash, values: addedUp(data, figures[l.id]) }));
  const shown: Span = { from: Math.max(from, at - (span.to - span.from)), to: at };
  const marks = clustered(notes.filter((a) => a.kind !== "setting"), from, step, points);
  const nothing = lines.every((l) => totalOf(data, figures[l.id]) === undefined);
  const said = lines.map((l) => `${t(`overview.${l.id}`)} ${formatNumber(totalOf(data, figures[l.id]) ?? 0, t.locale)}`).join(", ");
  return (
    <section className="card" aria-labelledby="mf">
      <header className="wrap">
        <h2 id="mf">{t("overview.flow")}</h2>
        <span className="t3 deskonly">{per}</span>
        <span className="grow" />
        <div className="legend">{lines.map((l) => <span key={l.id}><i className="sw-l" style={{ background: `var(${l.color})` }} />{t(`overview.${l.id}`)}</span>)}</div>
      </header>
      <div className="bd flow">
        {nothing ? <Empty icon="chart" title={t("traffic.nothing")} /> : (
          <Chart
            label={`${t("overview.flow")}, ${per}. ${said}`}
            series={series}
            from={from}
            step={step}
            span={shown}
            whole={shown}
            top={0}
            marks={marks.map((m, i) => ({ index: m.index, n: i + 1 }))}
            cursor={cursor}
            locale={t.locale}
            format={(v) => formatNumber(v, t.locale)}
            timeLabel={(i) => formatPoint(from + i * step, step, t.locale)}
            gapLabel={t("traffic.gap")}
            onCursor={setCursor}
            onZoom={(zoom) => { navigate(address(zoom)); }}
            onReset={() => { setCursor(-1); }}
          />
        )}
      </div>
    </section>
  );
}
