// Posts that wait for the moderators of their lists: looked at, approved, rejected. A decision can be taken back for some seconds.
import { useCallback, useMemo } from "react";
import { api } from "../../api/client";
import type { QueueMessage } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText, type Text } from "../../i18n";
import { useNow } from "../../lib/clock";
import { formatBytes, formatDuration, utcTitle } from "../../lib/format";
import { useGoing } from "../../lib/going";
import { useKeys } from "../../lib/keys";
import { useLiveScreen } from "../../lib/livescreen";
import { undoSeconds } from "../../lib/operation";
import type { PageOf } from "../../lib/paged";
import { accountAddress } from "../../lib/places";
import { Link } from "../../lib/router";
import { asBytes, asSeconds, asText, type FilterFields } from "../../lib/usefilter";
import { Icon } from "../../ui/Icon";
import { HoldButton, KeyHint, ListScreen } from "../../ui/ListScreen";
import { LiveBadge } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import type { Column } from "../../ui/table/columns";
import { useSelection } from "../../ui/table/selection";
import { toldOf, type Act } from "../queue/actions";
import { waitedFor } from "../queue/columns";
import { MessageDrawer } from "../queue/MessageDrawer";
import { useActs } from "../queue/useacts";

const fields: FilterFields = { from: asText("sender"), to: asText("recipient"), subject: asText("subject"), older: asSeconds("older_s"), larger: asBytes("larger") };
const path = { name: "outgoing" };
const idOf = (m: QueueMessage) => m.id;
const waits = (m: QueueMessage) => m.state === "moderation";
type Decision = "approve" | "reject";
const isDecision = (action: string): action is Decision => action === "approve" || action === "reject";

function postColumns(t: Text, now: number, mayDirectory: boolean, open: (m: QueueMessage) => void, decide: ((action: Decision, m: QueueMessage) => void) | undefined): Column<QueueMessage>[] {
  const button = (m: QueueMessage, action: Decision) => decide && (
    <button type="button" className="btn sm" aria-label={t(`moderation.${action}.of`, { sender: m.sender || t("queue.bounce.sender") })} onClick={() => { decide(action, m); }}>
      <Icon name={action === "approve" ? "check" : "bounce"} small />{t(`queue.act.${action}`)}
    </button>
  );
  return [
    { id: "sender", head: t("queue.from"), sort: "sender", fixed: true, phone: "t", title: (m) => m.sender, cell: (m) => <button type="button" className="lnk" onClick={() => { open(m); }}>{m.sender ? <Raw>{m.sender}</Raw> : t("queue.bounce.sender")}</button> },
    { id: "list", head: t("kind.list"), sort: "recipient", phone: "u", title: (m) => m.recipient, cell: (m) => (mayDirectory ? <Link to={accountAddress(m.recipient)}><Raw>{m.recipient}</Raw></Link> : <Raw>{m.recipient}</Raw>) },
    { id: "subject", head: t("archive.subject"), give: "y", title: (m) => m.subject, cell: (m) => <Raw>{m.subject}</Raw> },
    { id: "id", head: t("queue.id"), size: 100, give: "y", className: "mono t2", cell: (m) => <Raw>{m.id}</Raw> },
    { id: "size", head: t("queue.size"), sort: "size", size: 84, right: true, give: "x", className: "t2", cell: (m) => formatBytes(m.size, t.locale) },
    { id: "age", head: t("queue.waiting"), sort: "age", size: 104, right: true, phone: "r", title: (m) => (m.received_at ? utcTitle(m.received_at) : ""), cell: (m) => formatDuration(waitedFor(m, now), t) },
    { id: "actions", head: t("audit.actions"), quiet: true, size: 210, right: true, phone: "m", cell: (m) => decide && <span className="row">{button(m, "approve")}{button(m, "reject")}</span> },
  ];
}

export default function Moderation() {
  const t = useText();
  const now = useNow(5);
  const mayWrite = useMay("queue:write");
  const mayDirectory = useMay("directory:read");
  const screen = useLiveScreen<QueueMessage>({
    key: "moderation",
    topic: "queue.outgoing",
    fields,
    order: "-age",
    limit: 100,
    read: (query, signal) => api.get("/queue/{name}/messages", { path, query: { ...query, state: "moderation" }, signal }) as Promise<PageOf<QueueMessage>>,
    idOf,
    fits: waits,
  });
  const { filter, found, order, setSort, open, setOpen, held, setHeld, current, setCurrent, live } = screen;
  const { list, hold } = useGoing(screen.list, idOf);
  const hidden = (screen.list.items?.length ?? 0) - (list.items?.length ?? 0);
  const total = Math.max(0, (list.total ?? 0) - hidden);
  const ids = useMemo(() => (list.items ?? []).map(idOf), [list.items]);
  const selection = useSelection(ids);
  const count = selection.count(total);
  const acts = useActs(list.refresh);

  const decide = useCallback((action: Decision, rows: readonly QueueMessage[], which: { ids: string[] } | { filter: Record<string, string | number> }, n: number) => {
    hold(rows, toldOf(t, action, n, undoSeconds), () => api.post("/queue/{name}/messages/actions", { path, body: { action, ...which, undo_seconds: undoSeconds } }));
  }, [hold, t]);
  const decideOne = useCallback((action: Decision, m: QueueMessage) => { decide(action, [m], { ids: [m.id] }, 1); }, [decide]);
  const decideChosen = (action: Decision) => {
    if (!mayWrite) return;
    if (count > 0) {
      const rows = (list.items ?? []).filter((m) => selection.everything || selection.ids.has(m.id));
      decide(action, rows, selection.everything ? { filter: { ...filter.params, state: "moderation" } } : { ids: [...selection.ids] }, count);
      selection.clear();
    } else if (current && list.items?.includes(current)) decideOne(action, current);
  };
  useKeys({ a: () => { decideChosen("approve"); }, "#": () => { decideChosen("reject"); }, ".": () => { setHeld(!held); } });
  const openRow = useCallback((m: QueueMessage) => { setOpen(m.id); }, [setOpen]);
  const columns = useMemo(() => postColumns(t, now, mayDirectory, openRow, mayWrite ? decideOne : undefined), [t, now, mayDirectory, openRow, mayWrite, decideOne]);
  const shown = list.items?.find((m) => m.id === open);
  const onAct = (what: Act) => {
    if (!isDecision(what.action)) acts.act(what, { ids: [open] }, 1);
    else if (shown) {
      decideOne(what.action, shown);
      setOpen("");
    }
  };

  return (
    <>
      <ListScreen
        name="moderation"
        title={t("nav.moderation")}
        live={<LiveBadge {...live} />}
        actions={<HoldButton held={held} onHold={setHeld} className="deskonly" />}
        filter={{ label: t("moderation.filter"), placeholder: t("moderation.filter.hint"), fields }}
        below={selection.ids.size > 0 && (
          <div className="bulk" role="toolbar" aria-label={t("select.actions")}>
            <span className="strong nowrap num" role="status">{t("select.count", { n: count })}</span>
            {!selection.everything && total > selection.ids.size && <button type="button" className="all nowrap deskonly" onClick={selection.all}>{t("select.all", { n: total })}</button>}
            <span className="grow deskonly" />
            <button type="button" className="btn sm" onClick={() => { decideChosen("approve"); }}><Icon name="check" small />{t("queue.act.approve")}</button>
            <button type="button" className="btn sm danger" onClick={() => { decideChosen("reject"); }}><Icon name="bounce" small />{t("queue.act.reject")}</button>
            <button type="button" className="ib sm" aria-label={t("select.clear")} onClick={selection.clear}><Icon name="x" /></button>
          </div>
        )}
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
        state={{ filter: found, nothing: { icon: "okc", title: t("moderation.empty"), children: <p>{t("moderation.empty.sub")}</p> } }}
        foot={<span>{t("moderation.count", { n: total })}</span>}
        keys={<><KeyHint keys={["j", "k"]}>{t("keys.move")}</KeyHint><KeyHint keys={["x"]}>{t("keys.select")}</KeyHint><KeyHint keys={["a"]}>{t("queue.act.approve")}</KeyHint><KeyHint keys={["#"]}>{t("queue.act.reject")}</KeyHint><KeyHint keys={["?"]}>{t("keys.all")}</KeyHint></>}
        drawer={open && <MessageDrawer id={open} known={shown} onClose={() => { setOpen(""); }} onAct={mayWrite ? onAct : undefined} />}
      />
      {acts.dialog}
    </>
  );
}
