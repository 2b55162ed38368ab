// Rules of content filters: of the server, of domains, of accounts, each in the order in which they are asked.
import { useCallback, useMemo } from "react";
import { api } from "../../api/client";
import type { FilterRow } from "../../api/schema";
import { useMay, useMe } from "../../app/me";
import { useText, type Text } from "../../i18n";
import { formatMoment, formatNumber, utcTitle } from "../../lib/format";
import { useGoing } from "../../lib/going";
import { undoSeconds } from "../../lib/operation";
import type { PageOf } from "../../lib/paged";
import { accountAddress, domainAddress } from "../../lib/places";
import { Link, useOpen, useParam } from "../../lib/router";
import { useRows } from "../../lib/rows";
import { toast } from "../../lib/toast";
import { asText, type FilterFields } from "../../lib/usefilter";
import { Badge } from "../../ui/Badge";
import { Icon } from "../../ui/Icon";
import { ListScreen } from "../../ui/ListScreen";
import { Raw } from "../../ui/Raw";
import { failed } from "../../ui/States";
import type { Column } from "../../ui/table/columns";
import { EditRule, NewRule } from "./RuleForm";
import { RuleTest } from "./RuleTest";

const fields: FilterFields = { owner: asText("owner") };
const idOf = (r: FilterRow) => `${r.owner}/${r.name}`;

interface Acts {
  edit: (r: FilterRow) => void;
  remove: (r: FilterRow) => void;
  change: (r: FilterRow, body: { enabled: boolean } | { order: number }) => void;
  mayWrite: boolean;
}

function Owner({ rule, t }: { rule: FilterRow; t: Text }) {
  if (rule.level === "server") return <>{t("rule.level.server")}</>;
  return <Link to={rule.level === "domain" ? domainAddress(rule.owner) : accountAddress(rule.owner)}><Raw>{rule.owner}</Raw></Link>;
}

function ruleColumns(t: Text, acts: Acts): Column<FilterRow>[] {
  const tools = (r: FilterRow) => (
    <span className="row">
      <button type="button" className="ib sm" disabled={r.order === 1} aria-label={t("rule.up", { name: r.name })} title={t("rule.up", { name: r.name })} onClick={() => { acts.change(r, { order: r.order - 1 }); }}><Icon name="up" small /></button>
      <button type="button" className="btn sm" aria-label={t(r.enabled ? "filters.deactivate.of" : "filters.activate.of", { name: r.name })} onClick={() => { acts.change(r, { enabled: !r.enabled }); }}>{t(r.enabled ? "filters.deactivate" : "filters.activate")}</button>
      <button type="button" className="ib sm" aria-label={t("filters.delete.of", { name: r.name })} title={t("filters.delete.of", { name: r.name })} onClick={() => { acts.remove(r); }}><Icon name="trash" small /></button>
    </span>
  );
  return [
    { id: "owner", head: t("rule.owner"), size: 190, phone: "u", title: (r) => r.owner, cell: (r) => <Owner rule={r} t={t} /> },
    { id: "order", head: t("rule.order"), size: 76, right: true, phone: "m", className: "num t2", cell: (r) => formatNumber(r.order, t.locale) },
    { id: "name", head: t("rule.name"), fixed: true, phone: "t", title: (r) => r.name, cell: (r) => <button type="button" className="lnk" translate="no" onClick={() => { acts.edit(r); }}>{r.name}</button> },
    { id: "state", head: t("queue.state"), size: 100, phone: "q", cell: (r) => (r.enabled ? <Badge tone="ok" icon="check">{t("filters.active")}</Badge> : <Badge icon="dash">{t("off")}</Badge>) },
    { id: "hits", head: t("rule.hits"), size: 88, right: true, phone: "r", className: "num", cell: (r) => formatNumber(r.hits, t.locale) },
    { id: "hit", head: t("rule.lasthit"), size: 150, give: "y", className: "t2 num", title: (r) => (r.last_hit_at ? utcTitle(r.last_hit_at) : ""), cell: (r) => (r.last_hit_at ? formatMoment(r.last_hit_at, t.locale) : <span className="t3">{t("token.unused")}</span>) },
    { id: "changed", head: t("route.changed"), size: 150, hidden: true, give: "y", className: "t2 num", title: (r) => (r.changed_at ? utcTitle(r.changed_at) : ""), cell: (r) => (r.changed_at ? formatMoment(r.changed_at, t.locale) : "") },
    { id: "actions", head: t("audit.actions"), quiet: true, size: 190, right: true, phone: "s", cell: (r) => acts.mayWrite && tools(r) },
  ];
}

export default function Rules() {
  const t = useText();
  const me = useMe();
  const mayWrite = useMay("directory:write");
  const [dialog, setDialog] = useParam("dialog");
  const [open, setOpen] = useOpen();
  const { list: all, found } = useRows<FilterRow>({
    key: "rules",
    fields,
    limit: 200,
    read: (query, signal) => api.get("/filters", { query, signal }) as Promise<PageOf<FilterRow>>,
    idOf,
  });
  const { refresh } = all;
  const { list, go } = useGoing(all, idOf);
  const edit = useCallback((r: FilterRow) => { setOpen(idOf(r)); }, [setOpen]);
  const remove = useCallback((r: FilterRow) => {
    go(r, t("rule.deleted", { name: r.name, s: undoSeconds }), () => api.delete("/filters/{owner}/{rule}", { path: { owner: r.owner, rule: r.name } }));
  }, [go, t]);
  const change = useCallback((r: FilterRow, body: { enabled: boolean } | { order: number }) => {
    api.patch("/filters/{owner}/{rule}", { path: { owner: r.owner, rule: r.name }, body }).then(
      (now) => {
        toast("order" in body ? t("rule.moved", { name: now.name, n: now.order }) : t(now.enabled ? "filters.activated" : "filters.deactivated", { name: now.name }));
        refresh();
      },
      (e: unknown) => {
        failed(e, t);
        refresh();
      },
    );
  }, [refresh, t]);
  const columns = useMemo(() => ruleColumns(t, { edit, remove, change, mayWrite }), [t, edit, remove, change, mayWrite]);
  const shown = list.items?.find((r) => idOf(r) === open);
  const owner = me.role === "system-admin" ? "server" : (me.domains?.[0] ?? "");
  const start = () => { setDialog("new"); };
  const close = () => { setDialog(""); };
  return (
    <>
      <ListScreen
        name="rules"
        title={t("nav.rules")}
        actions={(
          <>
            <button type="button" className="btn" onClick={() => { setDialog("test"); }}><Icon name="play" />{t("rule.test")}</button>
            {mayWrite && <button type="button" className="btn pri" onClick={start}><Icon name="plus" />{t("rule.new")}</button>}
          </>
        )}
        filter={{ label: t("rule.filter"), placeholder: t("rule.filter.hint"), fields }}
        list={list}
        columns={columns}
        idOf={idOf}
        onOpen={edit}
        state={{
          filter: found,
          nothing: { icon: "filter", title: t("rule.empty"), children: <><p>{t("rule.empty.sub")}</p>{mayWrite && <button type="button" className="btn" onClick={start}>{t("rule.new")}</button>}</> },
        }}
        foot={<span>{t("rule.foot")}</span>}
      />
      {dialog === "new" && mayWrite && <NewRule owner={owner} onClose={close} onDone={refresh} />}
      {dialog === "test" && <RuleTest owner={owner} onClose={close} />}
      {shown && <EditRule key={idOf(shown)} owner={shown.owner} name={shown.name} mayChange={mayWrite} onClose={() => { setOpen(""); }} onDone={refresh} />}
    </>
  );
}
