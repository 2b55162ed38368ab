// Where messages wait to go: how the other side is, how many connections it takes, when it is tried again.
import { useEffect, useMemo } from "react";
import { api } from "../../api/client";
import type { Destination } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { useNow } from "../../lib/clock";
import { formatDuration } from "../../lib/format";
import type { PageOf } from "../../lib/paged";
import { hostAddress } from "../../lib/places";
import { Link } from "../../lib/router";
import { useRows } from "../../lib/rows";
import type { FilterFields } from "../../lib/usefilter";
import { Badge, type Tone } from "../../ui/Badge";
import { Icon } from "../../ui/Icon";
import type { IconName } from "../../ui/icons";
import { ListScreen } from "../../ui/ListScreen";
import { Raw } from "../../ui/Raw";
import type { Column } from "../../ui/table/columns";
import { usePauses } from "./pauses";
import { QueueTabs } from "./QueueTabs";

const fields: FilterFields = {};
const every = 10_000;
const idOf = (d: Destination) => d.domain;
const looks: Record<Destination["state"], [Tone, IconName]> = {
  open: ["ok", "check"],
  full: ["note", "send"],
  resting: ["bad", "clock"],
  paused: ["hold", "pause"],
};

export default function Destinations() {
  const t = useText();
  const now = useNow(5);
  const mayWrite = useMay("queue:write");
  const { list, found } = useRows<Destination>({
    key: "queue destinations",
    fields,
    limit: 100,
    read: (query, signal) => api.get("/destinations", { query, signal }) as Promise<PageOf<Destination>>,
    idOf,
  });
  const { refresh } = list;
  useEffect(() => {
    const timer = setInterval(refresh, every);
    return () => { clearInterval(timer); };
  }, [refresh]);
  const { pauses, set } = usePauses(refresh);
  const paused = useMemo(() => new Set(pauses.map((p) => p.id)), [pauses]);
  const columns: Column<Destination>[] = [
    { id: "state", head: t("queue.state"), size: 116, phone: "q", cell: (d) => <Badge tone={looks[d.state][0]} icon={looks[d.state][1]}>{t(`queue.dest.${d.state}`)}</Badge> },
    { id: "domain", head: t("queue.destination"), fixed: true, phone: "t", cell: (d) => <Link to={hostAddress(d.domain)}><Raw>{d.domain}</Raw></Link> },
    { id: "messages", head: t("queue.tab.messages"), size: 100, right: true, phone: "r", className: "num", cell: (d) => new Intl.NumberFormat(t.locale).format(d.messages) },
    { id: "connections", head: t("queue.dest.connections"), size: 120, right: true, give: "y", className: "num t2", cell: (d) => t("queue.dest.of", { now: d.connections, most: d.allowed }) },
    { id: "next", head: t("queue.next"), size: 130, give: "y", className: "t2", cell: (d) => (d.next_try_at && Date.parse(d.next_try_at) > now ? t("dur.in", { time: formatDuration((Date.parse(d.next_try_at) - now) / 1000, t) }) : "") },
    { id: "oldest", head: t("queue.waiting"), size: 110, right: true, give: "x", className: "t2", cell: (d) => (d.oldest_at ? formatDuration(Math.max(0, (now - Date.parse(d.oldest_at)) / 1000), t) : "") },
    { id: "answer", head: t("queue.answer"), phone: "m", className: "t2", title: (d) => d.answer, cell: (d) => <Raw>{d.answer}</Raw> },
    {
      id: "actions",
      head: t("audit.actions"),
      quiet: true,
      size: 130,
      right: true,
      cell: (d) => {
        const id = `destination:${d.domain}`, on = !paused.has(id);
        return mayWrite && <button type="button" className="btn sm" onClick={() => { set(id, on); }}><Icon name={on ? "pause" : "play"} small />{on ? t("queue.pause") : t("queue.resume")}</button>;
      },
    },
  ];
  const all = paused.has("all");
  return (
    <ListScreen
      name="destinations"
      title={t("nav.queue")}
      label={t("queue.tab.destinations")}
      tabs={<QueueTabs />}
      actions={mayWrite && <button type="button" className="btn" onClick={() => { set("all", !all); }}><Icon name={all ? "play" : "pause"} />{all ? t("queue.resumeall") : t("queue.pauseall")}</button>}
      filter={{ label: t("queue.dest.filter"), placeholder: t("queue.dest.filter.hint"), fields }}
      below={
        pauses.length > 0 && (
          <div className="bar chips-bar">
            <div className="chips" role="group" aria-label={t("queue.pauses")} tabIndex={0}>
              {pauses.map((p) => (
                <button key={p.id} type="button" className="chipb" disabled={!mayWrite} onClick={() => { set(p.id, false); }}>
                  <Icon name="pause" small />{t.rich(`queue.pause.${p.what}`, { domain: <Raw>{p.domain}</Raw> })}<Icon name="x" small />
                </button>
              ))}
            </div>
          </div>
        )
      }
      list={list}
      columns={columns}
      idOf={idOf}
      state={{ filter: found, nothing: { title: t("queue.empty"), children: t("queue.empty.sub") } }}
      foot={<span>{t("queue.dest.count", { n: list.total ?? 0 })}</span>}
    />
  );
}
