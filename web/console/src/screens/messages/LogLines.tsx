// The raw lines of the text logs that name the message, of all days on which something happened to it.
import { Fragment } from "react";
import { api, ApiError } from "../../api/client";
import type { LogLine } from "../../api/schema";
import { useText } from "../../i18n";
import { bodyOf, tone } from "../../lib/loglines";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { Raw } from "../../ui/Raw";
import { Empty, ErrorNote, Skeleton } from "../../ui/States";
import { Marked } from "../logs/Marked";
import { logLabel } from "../logs/names";
import { daysOf, type TimelineEvent } from "./steps";

const logs = ["smtp", "mailflow"] as const;

interface Part {
  service: string;
  date: string;
  lines: LogLine[];
}

async function linesOf(id: string, days: readonly string[], signal: AbortSignal): Promise<Part[]> {
  const parts: Part[] = [];
  for (const date of days)
    for (const service of logs) {
      try {
        const page = await api.get("/logs/{service}/lines", { path: { service }, query: { date, filter: id, limit: 500 }, signal });
        if (page.items.length) parts.push({ service, date, lines: page.items });
      } catch (e) {
        // A day without this log has no lines of it.
        if (!(e instanceof ApiError) || e.status !== 404) throw e;
      }
    }
  return parts;
}

export function LogLines({ id, events }: { id: string; events: readonly TimelineEvent[] }) {
  const t = useText();
  const days = daysOf(events);
  const r = useResource(`message lines ${id} ${days.join()}`, (signal) => linesOf(id, days, signal));
  if (r.error) return <ErrorNote error={r.error} retryAt={r.retryAt} onRetry={r.refresh} />;
  if (!r.data) return <Skeleton rows={6} />;
  if (r.data.length === 0) return <Empty icon="logs" title={t("message.nolines")}>{t("message.nolines.sub")}</Empty>;
  return (
    <>
      {r.data.map((p) => (
        <Fragment key={p.service + p.date}>
          <h2 className="s row">
            <Link to={`/status/logs/${p.service}?q=${id}&date=${p.date}`}>{logLabel(p.service, t)}</Link> <span className="t3 num" translate="no">{p.date}</span>
          </h2>
          <div className="tr wide" role="group" aria-label={logLabel(p.service, t)}>
            {p.lines.map((l, i) => (
              <div key={i} className={`ln ${l.kind === "summary" ? "sum" : l.kind === "text" ? "sys" : l.kind} ${tone(l) === "e" ? "err" : ""}`}>
                <span className="tm" translate="no">{l.time}</span>
                <span className="ar" translate="no">{l.session && <Raw>{l.session}</Raw>}</span>
                <span className="tx" translate="no" dir="auto"><Marked text={bodyOf(l)} words={[]} find="" /></span>
              </div>
            ))}
          </div>
        </Fragment>
      ))}
    </>
  );
}
