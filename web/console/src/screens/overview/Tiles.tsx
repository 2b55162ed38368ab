import type { ReactNode } from "react";
import type { HealthCheck, MetricsOverTime, Queue } from "../../api/schema";
import { useText, type Text } from "../../i18n";
import { formatBytes, formatDuration, formatNumber } from "../../lib/format";
import { addedUp, changeOf, thinned, totalOf } from "../../lib/series";
import { Link } from "../../lib/router";
import { Spark } from "../../ui/Spark";

export const figures = {
  received: ["smtp_messages_in"],
  sent: ["deliver_remote"],
  refused: ["smtp_rcpt_refused", "smtp_messages_refused"],
  failed: ["deliver_bounced", "deliver_local_failed"],
  tries: ["deliver_remote", "deliver_remote_deferred"],
} as const;
export const metricNames = [...new Set(Object.values(figures).flat())].join(",");

const points = 60;

/** "4% more than the week before", where there is a week before. */
export function changeText(change: number | undefined, t: Text): string {
  if (change === undefined) return t("compare.nothing");
  return t(change === 0 ? "compare.same" : change > 0 ? "compare.more" : "compare.fewer", { n: formatNumber(Math.abs(change), t.locale) });
}

interface Tile {
  id: string;
  label: string;
  value: string;
  unit?: string;
  sub: ReactNode;
  to: string;
  spark: number[];
  color: string;
}

/** Five figures of the span: each leads to where it comes from. */
export function Tiles({ now, before, queue, disk, address, at }: {
  now: MetricsOverTime | undefined;
  before: MetricsOverTime | undefined;
  queue: Queue | undefined;
  disk: HealthCheck | undefined;
  /** The charts of these figures in this span. */
  address: (service: string, names: readonly string[]) => string;
  at: number;
}) {
  const t = useText();
  const n = (names: readonly string[]) => { const v = totalOf(now, names); return v === undefined ? "–" : formatNumber(v, t.locale); };
  const spark = (names: readonly string[]) => thinned(addedUp(now, names), points);
  const tries = totalOf(now, figures.tries);
  const sent = totalOf(now, figures.sent);
  const overdue = Number(queue?.states["overdue"] ?? 0);
  const percent = (part: number, of: number) => new Intl.NumberFormat(t.locale, { style: "percent", maximumFractionDigits: 1 }).format(part / of);
  const tiles: (Tile | false | undefined)[] = [
    { id: "received", label: t("overview.received"), value: n(figures.received), sub: changeText(changeOf(now, before, figures.received), t), to: address("smtp", figures.received), spark: spark(figures.received), color: "--c1" },
    {
      id: "sent",
      label: t("overview.sent"),
      value: n(figures.sent),
      sub: tries ? t("overview.firsttry", { part: percent(sent ?? 0, tries) }) : t("overview.notries"),
      to: address("delivery", figures.tries),
      spark: spark(figures.sent),
      color: "--c3",
    },
    queue && {
      id: "waiting",
      label: t("overview.waiting"),
      value: formatNumber(queue.messages, t.locale),
      sub: overdue ? <span className="bad">{t("overview.overdue", { n: overdue })}</span> : queue.oldest_at ? t("queue.oldest", { time: formatDuration((at - Date.parse(queue.oldest_at)) / 1000, t) }) : t("queue.empty"),
      to: "/status/queue",
      spark: [],
      color: "--c4",
    },
    { id: "refused", label: t("overview.refused"), value: n(figures.refused), sub: changeText(changeOf(now, before, figures.refused), t), to: address("smtp", figures.refused), spark: spark(figures.refused), color: "--c2" },
    disk?.value !== undefined && disk.value !== null && {
      id: "disk",
      label: t("overview.disk"),
      value: formatNumber(disk.value, t.locale),
      unit: t("overview.used"),
      sub: t("overview.free", { size: formatBytes(disk.bytes_free ?? 0, t.locale) }),
      to: "/system/settings/log",
      spark: [],
      color: "--c8",
    },
  ];
  return (
    <section className="kpis fit" aria-label={t("overview.figures")}>
      {tiles.filter((x): x is Tile => !!x).map((x) => (
        <Link key={x.id} className="kpi" to={x.to} data-figure={x.id}>
          <div className="l">{x.label}</div>
          <div className="v">{x.value}{x.unit && <small>{x.unit}</small>}</div>
          <div className="d">{x.sub}</div>
          {x.spark.some((v) => v > 0) && <Spark values={x.spark} color={x.color} />}
        </Link>
      ))}
    </section>
  );
}
