import { useState } from "react";
import { api } from "../../api/client";
import type { Message } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText, type Key } from "../../i18n";
import type { Span } from "../../lib/chart";
import { formatNumber } from "../../lib/format";
import { hostAddress, ipAddress, traceAddress } from "../../lib/places";
import { rankingsOf, type Rank } from "../../lib/ranking";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { ErrorNote, Skeleton } from "../../ui/States";

const shown = 5;
/** So many messages are counted at most: the newest of the span. */
const most = 6000;
const page = 2000;

interface Sample {
  messages: Message[];
  complete: boolean;
}

async function sampleOf(span: Span, signal: AbortSignal): Promise<Sample> {
  const messages: Message[] = [];
  let cursor: string | null | undefined;
  do {
    const query = { from: new Date(span.from).toISOString(), to: new Date(span.to).toISOString(), limit: page, ...(cursor ? { cursor } : {}) };
    const next = await api.get("/messages", { query, signal });
    messages.push(...next.items);
    cursor = next.next_cursor;
  } while (cursor && messages.length < most);
  return { messages, complete: !cursor };
}

function Ranking({ title, ranks, to }: { title: Key; ranks: readonly Rank[]; to: (name: string) => string }) {
  const t = useText();
  const highest = Math.max(1, ...ranks.map((r) => r.n));
  return (
    <section aria-label={t(title)}>
      <h3 className="s">{t(title)}</h3>
      {ranks.length === 0 && <p className="t3">{t("none")}</p>}
      {ranks.length > 0 && (
        <table className="mini rank" aria-label={t(title)}>
          <tbody>
            {ranks.map((r) => (
              <tr key={r.name}>
                <th scope="row" className="ell"><Link to={to(r.name)}><Raw>{r.name}</Raw></Link></th>
                <td className="w-meter"><div className="meter"><i style={{ width: `${Math.max(4, (r.n / highest) * 100)}%` }} /></div></td>
                <td className="num">{formatNumber(r.n, t.locale)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** Who stands out in the span. Counted when it is asked for: the messages are read for it. */
export function Rankings({ span }: { span: Span }) {
  const t = useText();
  const may = useMay("messages:read");
  const [asked, setAsked] = useState<Span>();
  const r = useResource(asked ? `rankings ${asked.from} ${asked.to}` : "", (signal) => sampleOf(asked ?? span, signal));
  if (!may) return null;
  const ranks = r.data && rankingsOf(r.data.messages, shown);
  const moved = asked && (asked.from !== span.from || asked.to !== span.to);
  return (
    <section className="rankings" aria-label={t("rank.title")}>
      <div className="row wrap">
        <h2 className="s">{t("rank.title")}</h2>
        {r.data && <span className="t3" role="status">{t(r.data.complete ? "rank.of" : "rank.newest", { n: r.data.messages.length })}</span>}
        <span className="grow" />
        <button type="button" className="btn sm" onClick={() => { setAsked(span); }} disabled={!!asked && !moved && r.loading}><Icon name="users" small />{t(asked ? "rank.again" : "rank.count")}</button>
      </div>
      {asked && r.error && <ErrorNote error={r.error} retryAt={r.retryAt} onRetry={r.refresh} />}
      {asked && !r.data && !r.error && <Skeleton rows={4} />}
      {ranks && (
        <div className="rank-grid">
          <Ranking title="rank.senders" ranks={ranks.senders} to={(x) => traceAddress("address", x)} />
          <Ranking title="rank.recipients" ranks={ranks.recipients} to={(x) => traceAddress("address", x)} />
          <Ranking title="rank.failed" ranks={ranks.failed} to={hostAddress} />
          <Ranking title="rank.refused" ranks={ranks.refused} to={ipAddress} />
        </div>
      )}
    </section>
  );
}
