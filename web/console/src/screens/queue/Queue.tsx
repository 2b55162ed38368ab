import { useCallback, useMemo, useState } from "react";
import { api } from "../../api/client";
import { useLiveState } from "../../api/live";
import type { QueueMessage } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { useNow } from "../../lib/clock";
import { withField } from "../../lib/filterline";
import { formatDuration } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { undoable, undoSeconds } from "../../lib/operation";
import { usePaged, type PageOf } from "../../lib/paged";
import { useLiveList } from "../../lib/livelist";
import { useResource } from "../../lib/resource";
import { useOpen, useParam } from "../../lib/router";
import { toast } from "../../lib/toast";
import { asBytes, asChoice, asSeconds, asText, useFilter, type FilterFields } from "../../lib/usefilter";
import { FilterLine } from "../../ui/FilterLine";
import { Icon } from "../../ui/Icon";
import { LiveBadge, PageHead } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { Empty, ErrorNote, failed, Skeleton } from "../../ui/States";
import { ColumnsButton } from "../../ui/table/ColumnsButton";
import { DataTable } from "../../ui/table/DataTable";
import { useSelection } from "../../ui/table/selection";
import { queueColumns } from "./columns";
import { MessageDrawer } from "./MessageDrawer";

const states = ["queued", "sending", "waiting", "overdue", "held", "paused"] as const;
const fields: FilterFields = {
  from: asText("sender"),
  to: asText("recipient"),
  host: asText("destination"),
  state: asChoice("state", states),
  older: asSeconds("older_s"),
  larger: asBytes("larger"),
};
const path = { name: "outgoing" };
const sizes = [100, 500, 1000, 2000] as const;
const idOf = (m: QueueMessage) => m.id;

export default function Queue() {
  const t = useText();
  const now = useNow(5);
  const mayWrite = useMay("queue:write");
  const filter = useFilter(fields);
  const [sort, setSort] = useParam("sort");
  const [show, setShow] = useParam("show");
  const [open, setOpen] = useOpen();
  const [text, setText] = useParam("q");
  const [held, setHeld] = useState(false);
  const limit = sizes.find((n) => String(n) === show) ?? 100;
  const order = sort || "-age";
  const key = `queue ${JSON.stringify(filter.params)} ${order} ${limit}`;
  const [current, setCurrent] = useState<QueueMessage>();

  const list = usePaged<QueueMessage>(
    key,
    (cursor, signal) =>
      api.get("/queue/{name}/messages", { path, query: { ...filter.params, sort: order as "-age", limit, ...(cursor ? { cursor } : {}) }, signal }) as Promise<PageOf<QueueMessage>>,
    idOf,
    !held && !open,
  );
  const destinations = useResource("destinations", (signal) => api.get("/destinations", { query: { limit: 12 }, signal }), 10);
  const sum = useResource("queue sum", (signal) => api.get("/queue/{name}", { path, signal }), 10);
  useLiveList("queue.outgoing", list, held, filter.text !== "");
  const live = useLiveState(held);

  const ids = useMemo(() => (list.items ?? []).map(idOf), [list.items]);
  const selection = useSelection(ids);
  const count = selection.count(list.total ?? 0);
  const openRow = useCallback((m: QueueMessage) => { setOpen(m.id); }, [setOpen]);
  const columns = useMemo(() => queueColumns(t, now, openRow), [t, now, openRow]);

  const act = async (action: "send_now" | "delete", of: { ids: string[] } | { all: true }, n: number) => {
    if (n === 0) return;
    const which = "ids" in of ? { ids: of.ids } : { filter: filter.params };
    try {
      const operation = await api.post("/queue/{name}/messages/actions", {
        path,
        body: { action, ...which, undo_seconds: action === "delete" ? undoSeconds : 0 },
      });
      if (!operation) return;
      if (action === "delete") undoable(operation, t("queue.deleted", { n, s: undoSeconds }), t, list.refresh);
      else toast(t("queue.sent", { n }));
      selection.clear();
      list.refresh();
    } catch (e) {
      failed(e, t);
    }
  };
  const chosen = selection.everything ? ({ all: true } as const) : { ids: [...selection.ids] };
  const onTarget = (action: "send_now" | "delete") => {
    if (!mayWrite) return;
    if (count > 0) void act(action, chosen, count);
    else if (current) void act(action, { ids: [current.id] }, 1);
  };
  useKeys({ s: () => { onTarget("send_now"); }, "#": () => { onTarget("delete"); }, r: list.refresh, ".": () => { setHeld(!held); } });

  const total = list.total ?? 0;
  const host = filter.params["destination"];
  const oldest = sum.data?.oldest_at;
  const shown = list.items?.find((m) => m.id === open);
  return (
    <>
      <PageHead title={t("nav.queue")} live={<LiveBadge {...live} />}>
        <button type="button" className="btn ghost deskonly" aria-pressed={held} onClick={() => { setHeld(!held); }}>
          <Icon name={held ? "play" : "pause"} />{held ? t("live.goon") : t("live.hold")}
        </button>
        {mayWrite && (
          <button type="button" className="btn" disabled={total === 0} onClick={() => void act("send_now", { all: true }, total)}>
            <Icon name="send" />{filter.text ? t("queue.sendmatching", { n: total }) : t("queue.sendall")}
          </button>
        )}
      </PageHead>
      <div className="bar">
        <FilterLine label={t("queue.filter")} placeholder={t("queue.filter.hint")} fields={fields} />
        <label className="field deskonly">
          <span className="lb">{t("list.show")}</span>
          <select value={limit} onChange={(e) => { setShow(e.target.value === "100" ? "" : e.target.value); }} aria-label={t("list.most")}>
            {sizes.map((n) => <option key={n} value={n}>{new Intl.NumberFormat(t.locale).format(n)}</option>)}
          </select>
        </label>
        <ColumnsButton name="queue" columns={columns} />
      </div>
      {selection.ids.size > 0 ? (
        <div className="bulk" role="toolbar" aria-label={t("select.actions")}>
          <span className="strong nowrap num" role="status">{t("select.count", { n: count })}</span>
          {!selection.everything && total > selection.ids.size && (
            <button type="button" className="all nowrap deskonly" onClick={selection.all}>{t("select.all", { n: total })}</button>
          )}
          <span className="grow deskonly" />
          {mayWrite && (
            <>
              <button type="button" className="btn sm" onClick={() => void act("send_now", chosen, count)}><Icon name="send" small />{t("queue.send")}</button>
              <button type="button" className="btn sm danger" onClick={() => void act("delete", chosen, count)}><Icon name="trash" small />{t("delete")}</button>
            </>
          )}
          <button type="button" className="ib sm" aria-label={t("select.clear")} onClick={selection.clear}><Icon name="x" /></button>
        </div>
      ) : (
        <div className="bar chips-bar">
          <div className="chips" role="group" aria-label={t("queue.destinations")} tabIndex={0}>
            <button type="button" className="chipb" aria-pressed={!host} onClick={() => { setText(withField(text, "host", "", Object.keys(fields))); }}>
              {t("all")}<span className="num">{sum.data?.messages ?? total}</span>
            </button>
            {destinations.data?.items.map((d) => (
              <button key={d.domain} type="button" className="chipb" aria-pressed={host === d.domain} title={d.answer} onClick={() => { setText(withField(text, "host", host === d.domain ? "" : d.domain, Object.keys(fields))); }}>
                <Raw>{d.domain}</Raw><span className="num">{d.messages}</span>
              </button>
            ))}
          </div>
        </div>
      )}
      {list.error && list.items && <div className="page-note"><ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} /></div>}
      {list.fresh > 0 && <button type="button" className="btn sm newbar" onClick={list.refresh}>{t("live.new", { n: list.fresh })}</button>}
      <div className="split">
        <div className="l">
          <DataTable
            name="queue"
            label={t("nav.queue")}
            columns={columns}
            rows={list.items}
            idOf={idOf}
            nameOf={(m) => m.id}
            total={list.total}
            sort={order}
            onSort={setSort}
            {...(mayWrite && { selection })}
            openId={open}
            onOpen={openRow}
            onMore={list.more}
            onCurrent={setCurrent}
            rowClass={(m) => (list.leaving.has(m.id) ? "leaving" : "")}
          >
            {!list.items && list.loading && !list.error && <Skeleton />}
            {!list.items && list.error && <div className="page-note"><ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} /></div>}
            {list.items?.length === 0 &&
              (filter.text ? (
                <Empty icon="filter" title={t("filter.none")}><button type="button" className="btn" onClick={() => { setText(""); }}>{t("filter.reset")}</button></Empty>
              ) : (
                <Empty title={t("queue.empty")}>{t("queue.empty.sub")}</Empty>
              ))}
          </DataTable>
          <div className="foot">
            <span>{t("queue.count", { n: total })}</span>
            {oldest && <span>{t("queue.oldest", { time: formatDuration((now - Date.parse(oldest)) / 1000, t) })}</span>}
            <span className="grow" />
            <span className="deskonly"><kbd>j</kbd> <kbd>k</kbd> {t("keys.move")} &nbsp; <kbd>x</kbd> {t("keys.select")} &nbsp; <kbd>s</kbd> {t("queue.send")} &nbsp; <kbd>#</kbd> {t("delete")} &nbsp; <kbd>?</kbd> {t("keys.all")}</span>
          </div>
        </div>
        {open && (
          <MessageDrawer
            id={open}
            known={shown}
            onClose={() => { setOpen(""); }}
            onAct={mayWrite ? (action) => void act(action, { ids: [open] }, 1) : undefined}
          />
        )}
      </div>
    </>
  );
}
