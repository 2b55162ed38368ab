import { useCallback, useMemo } from "react";
import { api } from "../../api/client";
import type { QueueMessage } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { useNow } from "../../lib/clock";
import { withField } from "../../lib/filterline";
import { formatDuration } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { useLiveScreen } from "../../lib/livescreen";
import type { PageOf } from "../../lib/paged";
import { hostAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { Link, useParam } from "../../lib/router";
import { asBytes, asChoice, asSeconds, asText, type FilterFields } from "../../lib/usefilter";
import { Icon } from "../../ui/Icon";
import { HoldButton, KeyHint, ListScreen } from "../../ui/ListScreen";
import { LiveBadge } from "../../ui/Page";
import { MenuButton } from "../../ui/MenuButton";
import { Raw } from "../../ui/Raw";
import { useSelection } from "../../ui/table/selection";
import { queueColumns } from "./columns";
import { inMenu, levels, menuOf, onSenders, type Act } from "./actions";
import { MessageDrawer } from "./MessageDrawer";
import { QueueTabs } from "./QueueTabs";
import { useActs } from "./useacts";

const states = ["queued", "sending", "waiting", "overdue", "held", "paused", "moderation"] as const;
const lists = ["outgoing", "incoming", "mda", "sms", "retry"] as const;
const fields: FilterFields = {
  from: asText("sender"),
  to: asText("recipient"),
  subject: asText("subject"),
  host: asText("destination"),
  state: asChoice("state", states),
  in: asChoice("queue", lists),
  priority: asChoice("priority", levels),
  answer: asText("answer"),
  older: asSeconds("older_s"),
  larger: asBytes("larger"),
};
const names = Object.keys(fields);
const path = { name: "outgoing" };
const sizes = [100, 500, 1000, 2000] as const;
const idOf = (m: QueueMessage) => m.id;

export default function Queue() {
  const t = useText();
  const now = useNow(5);
  const mayWrite = useMay("queue:write");
  const mayList = useMay("directory:write");
  const [show, setShow] = useParam("show");
  const limit = sizes.find((n) => String(n) === show) ?? 100;
  const { list, filter, found, text, setText, order, setSort, open, setOpen, held, setHeld, current, setCurrent, live, shown } = useLiveScreen<QueueMessage>({
    key: "queue",
    topic: "queue.outgoing",
    fields,
    order: "-age",
    limit,
    read: (query, signal) => api.get("/queue/{name}/messages", { path, query, signal }) as Promise<PageOf<QueueMessage>>,
    idOf,
  });
  const destinations = useResource("destinations", (signal) => api.get("/destinations", { query: { limit: 12 }, signal }), 10);
  const sum = useResource("queue sum", (signal) => api.get("/queue/{name}", { path, signal }), 10);

  const ids = useMemo(() => (list.items ?? []).map(idOf), [list.items]);
  const selection = useSelection(ids);
  const count = selection.count(list.total ?? 0);
  const openRow = useCallback((m: QueueMessage) => { setOpen(m.id); }, [setOpen]);
  const columns = useMemo(() => queueColumns(t, now, openRow), [t, now, openRow]);

  const acts = useActs(() => {
    selection.clear();
    list.refresh();
  });
  const act = (what: Act, of: { ids: string[] } | { all: true }, n: number) => { acts.act(what, "ids" in of ? { ids: of.ids } : { filter: filter.params }, n); };
  const chosen = selection.everything ? ({ all: true } as const) : { ids: [...selection.ids] };
  const onTarget = (action: "send_now" | "delete") => {
    if (!mayWrite) return;
    if (count > 0) act({ action }, chosen, count);
    else if (current) act({ action }, { ids: [current.id] }, 1);
  };
  useKeys({ s: () => { onTarget("send_now"); }, "#": () => { onTarget("delete"); }, ".": () => { setHeld(!held); } });

  const total = list.total ?? 0;
  const host = filter.params["destination"];
  const which = filter.params["queue"];
  const oldest = sum.data?.oldest_at;
  const strip = selection.ids.size > 0 ? (
    <div className="bulk" role="toolbar" aria-label={t("select.actions")}>
      <span className="strong nowrap num" role="status">{t("select.count", { n: count })}</span>
      {!selection.everything && total > selection.ids.size && (
        <button type="button" className="all nowrap deskonly" onClick={selection.all}>{t("select.all", { n: total })}</button>
      )}
      <span className="grow deskonly" />
      {mayWrite && (
        <>
          <button type="button" className="btn sm" onClick={() => act({ action: "send_now" }, chosen, count)}><Icon name="send" small />{t("queue.send")}</button>
          <MenuButton label={t("queue.actions")} className="btn sm" entries={menuOf(t, mayList ? [...inMenu, ...onSenders] : inMenu, (what) => act(what, chosen, count))}><Icon name="more" small /></MenuButton>
          <button type="button" className="btn sm danger" onClick={() => act({ action: "delete" }, chosen, count)}><Icon name="trash" small />{t("delete")}</button>
        </>
      )}
      <button type="button" className="ib sm" aria-label={t("select.clear")} onClick={selection.clear}><Icon name="x" /></button>
    </div>
  ) : (
    <div className="bar chips-bar">
      <div className="chips" role="group" aria-label={t("queue.destinations")} tabIndex={0}>
        <button type="button" className="chipb" aria-pressed={!host} onClick={() => { setText(withField(text, "host", "", names)); }}>
          {t("all")}<span className="num">{sum.data?.messages ?? total}</span>
        </button>
        {destinations.data?.items.map((d) => (
          <button key={d.domain} type="button" className="chipb" aria-pressed={host === d.domain} title={d.answer} onClick={() => { setText(withField(text, "host", host === d.domain ? "" : d.domain, names)); }}>
            <Raw>{d.domain}</Raw><span className="num">{d.messages}</span>
          </button>
        ))}
      </div>
      {typeof host === "string" && <Link className="btn sm ghost nowrap" to={hostAddress(host)}><Icon name="globe" small /><Raw>{host}</Raw></Link>}
    </div>
  );
  return (
    <>
      <ListScreen
        name="queue"
        title={t("nav.queue")}
        live={<LiveBadge {...live} />}
        tabs={<QueueTabs messages={filter.text ? undefined : list.total} />}
        actions={
          <>
            <HoldButton held={held} onHold={setHeld} className="deskonly" />
            {mayWrite && (
              <button type="button" className="btn" disabled={total === 0} onClick={() => act({ action: "send_now" }, { all: true }, total)}>
                <Icon name="send" />{filter.text ? t("queue.sendmatching", { n: total }) : t("queue.sendall")}
              </button>
            )}
          </>
        }
        filter={{ label: t("queue.filter"), placeholder: t("queue.filter.hint"), fields }}
        controls={<>
          <label className="field">
            <span className="lb">{t("queue.list")}</span>
            <select value={typeof which === "string" ? which : ""} onChange={(e) => { setText(withField(text, "in", e.target.value, names)); }}>
              <option value="">{t("all")}</option>
              {lists.map((l) => <option key={l} value={l}>{t(`queue.list.${l}`)}</option>)}
            </select>
          </label>
          <label className="field deskonly">
            <span className="lb">{t("list.show")}</span>
            <select value={limit} onChange={(e) => { setShow(e.target.value === "100" ? "" : e.target.value); }} aria-label={t("list.most")}>
              {sizes.map((n) => <option key={n} value={n}>{new Intl.NumberFormat(t.locale).format(n)}</option>)}
            </select>
          </label>
        </>}
        below={strip}
        list={list}
        counted
        columns={columns}
        idOf={idOf}
        nameOf={idOf}
        sort={order}
        onSort={setSort}
        {...(mayWrite && { selection })}
        openId={open}
        onOpen={openRow}
        onCurrent={setCurrent}
        state={{ filter: found, nothing: { title: t("queue.empty"), children: t("queue.empty.sub") } }}
        foot={
          <>
            <span>{t("queue.count", { n: total })}</span>
            {oldest && <span>{t("queue.oldest", { time: formatDuration((now - Date.parse(oldest)) / 1000, t) })}</span>}
          </>
        }
        keys={<><KeyHint keys={["j", "k"]}>{t("keys.move")}</KeyHint><KeyHint keys={["x"]}>{t("keys.select")}</KeyHint><KeyHint keys={["s"]}>{t("queue.send")}</KeyHint><KeyHint keys={["#"]}>{t("delete")}</KeyHint><KeyHint keys={["?"]}>{t("keys.all")}</KeyHint></>}
        drawer={
          open && (
            <MessageDrawer
              id={open}
              known={shown}
              onClose={() => { setOpen(""); }}
              onAct={mayWrite ? (what) => act(what, { ids: [open] }, 1) : undefined}
            />
          )
        }
      />
      {acts.dialog}
    </>
  );
}
