// Senders that are kept out or let in, by lists of the server and of domains.
import { useCallback, useMemo } from "react";
import { api } from "../../api/client";
import type { SenderEntry } from "../../api/schema";
import { useMay, useMe } from "../../app/me";
import { useText, type Text } from "../../i18n";
import { withField } from "../../lib/filterline";
import { formatMoment, utcTitle } from "../../lib/format";
import { useGoing } from "../../lib/going";
import { undoSeconds } from "../../lib/operation";
import type { PageOf } from "../../lib/paged";
import { domainAddress } from "../../lib/places";
import { Link, useParam } from "../../lib/router";
import { useRows } from "../../lib/rows";
import { toast } from "../../lib/toast";
import { asChoice, asText, type FilterFields } from "../../lib/usefilter";
import { Badge } from "../../ui/Badge";
import { Icon } from "../../ui/Icon";
import { Choice, ListScreen } from "../../ui/ListScreen";
import { Raw } from "../../ui/Raw";
import { failed } from "../../ui/States";
import type { Column } from "../../ui/table/columns";
import { NewSenders, verdicts, type Verdict } from "./SenderForm";

const fields: FilterFields = { owner: asText("owner"), verdict: asChoice("verdict", verdicts) };
const idOf = (s: SenderEntry) => `${s.owner}/${s.sender}`;
const pathOf = (s: SenderEntry) => ({ owner: s.owner, sender: s.sender });
const other: Readonly<Record<Verdict, Verdict>> = { deny: "allow", allow: "deny" };

export function VerdictBadge({ verdict, t }: { verdict: Verdict; t: Text }) {
  return verdict === "deny" ? <Badge tone="bad" icon="ban">{t("sender.deny")}</Badge> : <Badge tone="ok" icon="check">{t("sender.allow")}</Badge>;
}

interface Acts {
  turn: (s: SenderEntry) => void;
  remove: (s: SenderEntry) => void;
  mayWrite: boolean;
}

function senderColumns(t: Text, { turn, remove, mayWrite }: Acts): Column<SenderEntry>[] {
  return [
    { id: "sender", head: t("sender.sender"), fixed: true, phone: "t", title: (s) => s.sender, cell: (s) => <Raw className="med">{s.sender}</Raw> },
    { id: "verdict", head: t("sender.verdict"), size: 120, phone: "q", cell: (s) => <VerdictBadge verdict={s.verdict} t={t} /> },
    { id: "owner", head: t("sender.owner"), size: 180, phone: "u", title: (s) => s.owner, cell: (s) => (s.owner === "server" ? t("rule.level.server") : <Link to={domainAddress(s.owner)}><Raw>{s.owner}</Raw></Link>) },
    { id: "changed", head: t("route.changed"), size: 150, phone: "r", className: "t2 num", title: (s) => (s.changed_at ? utcTitle(s.changed_at) : ""), cell: (s) => (s.changed_at ? formatMoment(s.changed_at, t.locale) : "") },
    { id: "by", head: t("audit.who"), size: 160, give: "y", className: "t2", title: (s) => s.changed_by, cell: (s) => <Raw>{s.changed_by}</Raw> },
    {
      id: "actions",
      head: t("audit.actions"),
      quiet: true,
      size: 160,
      right: true,
      phone: "s",
      cell: (s) => mayWrite && (
        <span className="row">
          <button type="button" className="btn sm" aria-label={t(`sender.turn.${other[s.verdict]}.of`, { sender: s.sender })} onClick={() => { turn(s); }}>{t(`sender.turn.${other[s.verdict]}`)}</button>
          <button type="button" className="ib sm" aria-label={t("filters.delete.of", { name: s.sender })} title={t("filters.delete.of", { name: s.sender })} onClick={() => { remove(s); }}><Icon name="trash" small /></button>
        </span>
      ),
    },
  ];
}

export default function Senders() {
  const t = useText();
  const me = useMe();
  const mayWrite = useMay("directory:write");
  const [dialog, setDialog] = useParam("dialog");
  const { list: all, filter, found, text, setText } = useRows<SenderEntry>({
    key: "senders",
    fields,
    limit: 200,
    read: (query, signal) => api.get("/sender-lists", { query, signal }) as Promise<PageOf<SenderEntry>>,
    idOf,
  });
  const { refresh } = all;
  const { list, go } = useGoing(all, idOf);
  const turn = useCallback((s: SenderEntry) => {
    const verdict = other[s.verdict];
    api.put("/sender-lists/{owner}/{sender}", { path: pathOf(s), body: { verdict } }).then(
      () => {
        toast(t(`sender.turned.${verdict}`, { sender: s.sender }));
        refresh();
      },
      (e: unknown) => { failed(e, t); },
    );
  }, [refresh, t]);
  const remove = useCallback((s: SenderEntry) => {
    go(s, t("sender.deleted", { sender: s.sender, s: undoSeconds }), () => api.delete("/sender-lists/{owner}/{sender}", { path: pathOf(s) }));
  }, [go, t]);
  const columns = useMemo(() => senderColumns(t, { turn, remove, mayWrite }), [t, turn, remove, mayWrite]);
  const owner = me.role === "domain-admin" ? (me.domains?.[0] ?? "") : "server";
  const chosen = filter.params["verdict"];
  const start = () => { setDialog("new"); };
  return (
    <>
      <ListScreen
        name="senders"
        title={t("nav.senders")}
        actions={mayWrite && <button type="button" className="btn pri" onClick={start}><Icon name="plus" />{t("sender.new")}</button>}
        filter={{ label: t("sender.filter"), placeholder: t("sender.filter.hint"), fields }}
        controls={<Choice label={t("sender.verdict")} value={typeof chosen === "string" ? chosen : ""} options={verdicts.map((id) => ({ id, label: t(`sender.${id}`) }))} onChange={(id) => { setText(withField(text, "verdict", id, Object.keys(fields))); }} />}
        list={list}
        counted
        columns={columns}
        idOf={idOf}
        nameOf={(s) => s.sender}
        state={{
          filter: found,
          nothing: { icon: "ban", title: t("sender.empty"), children: <><p>{t("sender.empty.sub")}</p>{mayWrite && <button type="button" className="btn" onClick={start}>{t("sender.new")}</button>}</> },
        }}
        foot={<><span>{t("sender.count", { n: list.total ?? 0 })}</span><span>{t("sender.foot")}</span></>}
      />
      {dialog === "new" && mayWrite && <NewSenders owner={owner} onClose={() => { setDialog("", true); }} onDone={refresh} />}
    </>
  );
}
