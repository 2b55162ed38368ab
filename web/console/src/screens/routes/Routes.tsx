// Where outgoing mail goes other than by MX: the first route whose pattern fits the recipient's domain holds.
import { useCallback, useMemo } from "react";
import { api } from "../../api/client";
import type { Route } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText, type Text } from "../../i18n";
import { formatMoment, utcTitle } from "../../lib/format";
import { useGoing } from "../../lib/going";
import { undoSeconds } from "../../lib/operation";
import type { PageOf } from "../../lib/paged";
import { useOpen, useParam } from "../../lib/router";
import { useRows } from "../../lib/rows";
import type { FilterFields } from "../../lib/usefilter";
import { Badge } from "../../ui/Badge";
import { Icon } from "../../ui/Icon";
import { ListScreen } from "../../ui/ListScreen";
import { Raw } from "../../ui/Raw";
import type { Column } from "../../ui/table/columns";
import { EditRoute, NewRoute } from "./RouteForm";

const fields: FilterFields = {};
const idOf = (r: Route) => r.pattern;

function routeColumns(t: Text, mayWrite: boolean, edit: (r: Route) => void, remove: (r: Route) => void): Column<Route>[] {
  return [
    { id: "position", head: t("route.position"), size: 84, right: true, phone: "q", className: "num t2", cell: (r) => r.position },
    { id: "pattern", head: t("route.pattern"), fixed: true, phone: "t", title: (r) => r.pattern, cell: (r) => (mayWrite ? <button type="button" className="lnk" translate="no" onClick={() => { edit(r); }}>{r.pattern}</button> : <Raw className="med">{r.pattern}</Raw>) },
    { id: "host", head: t("route.host"), phone: "u", title: (r) => r.host, cell: (r) => (r.host ? <Raw>{r.host}</Raw> : <span className="t3">{t("route.bymx")}</span>) },
    { id: "user", head: t("route.user"), size: 180, give: "y", className: "t2", title: (r) => r.user, cell: (r) => <Raw>{r.user}</Raw> },
    { id: "tls", head: t("route.tls"), size: 150, phone: "r", className: "t2", cell: (r) => t(`route.tls.${r.tls}`) },
    { id: "family", head: t("route.family"), size: 140, hidden: true, className: "t2", cell: (r) => t(`route.family.${r.family}`) },
    { id: "source", head: t("route.source"), size: 140, hidden: true, className: "t2", cell: (r) => <Raw>{r.source_ip}</Raw> },
    { id: "trouble", head: t("route.trouble"), phone: "m", title: (r) => r.trouble ?? "", cell: (r) => (r.trouble ? <Badge tone="bad" icon="alert"><Raw>{r.trouble}</Raw></Badge> : "") },
    { id: "changed", head: t("route.changed"), size: 150, give: "x", className: "t2 num", title: (r) => (r.changed_at ? utcTitle(r.changed_at) : ""), cell: (r) => (r.changed_at ? formatMoment(r.changed_at, t.locale) : "") },
    {
      id: "actions",
      head: t("audit.actions"),
      quiet: true,
      size: 60,
      right: true,
      phone: "s",
      cell: (r) => r.actions.includes("delete") && <button type="button" className="ib sm" aria-label={t("route.delete", { pattern: r.pattern })} title={t("route.delete", { pattern: r.pattern })} onClick={() => { remove(r); }}><Icon name="trash" small /></button>,
    },
  ];
}

export default function Routes() {
  const t = useText();
  const mayWrite = useMay("settings:write");
  const [dialog, setDialog] = useParam("dialog");
  const [open, setOpen] = useOpen();
  const { list: all, found } = useRows<Route>({
    key: "routes",
    fields,
    limit: 200,
    read: (query, signal) => api.get("/routes", { query, signal }) as Promise<PageOf<Route>>,
    idOf,
  });
  const { refresh } = all;
  const { list, go } = useGoing(all, idOf);
  const edit = useCallback((r: Route) => { setOpen(r.pattern); }, [setOpen]);
  const remove = useCallback((r: Route) => {
    go(r, t("route.deleted", { pattern: r.pattern, s: undoSeconds }), () => api.delete("/routes/{pattern}", { path: { pattern: r.pattern } }));
  }, [go, t]);
  const columns = useMemo(() => routeColumns(t, mayWrite, edit, remove), [t, mayWrite, edit, remove]);
  const shown = list.items?.find((r) => r.pattern === open);
  const start = () => { setDialog("new"); };
  return (
    <>
      <ListScreen
        name="routes"
        title={t("nav.routes")}
        actions={mayWrite && <button type="button" className="btn pri" onClick={start}><Icon name="plus" />{t("route.new")}</button>}
        filter={{ label: t("route.filter"), placeholder: t("route.filter.hint"), fields }}
        list={list}
        columns={columns}
        idOf={idOf}
        {...(mayWrite && { onOpen: edit })}
        state={{
          filter: found,
          nothing: { icon: "send", title: t("route.empty"), children: <><p>{t("route.empty.sub")}</p>{mayWrite && <button type="button" className="btn" onClick={start}>{t("route.new")}</button>}</> },
        }}
        foot={<span>{t("route.foot")}</span>}
      />
      {dialog === "new" && mayWrite && <NewRoute onClose={() => { setDialog(""); }} onDone={refresh} />}
      {shown && mayWrite && <EditRoute key={shown.pattern} route={shown} onClose={() => { setOpen(""); }} onDone={refresh} />}
    </>
  );
}
