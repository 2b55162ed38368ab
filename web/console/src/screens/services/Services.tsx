import { useCallback, useMemo, useState } from "react";
import { api } from "../../api/client";
import type { Service } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText, type Text } from "../../i18n";
import { useNow } from "../../lib/clock";
import { formatBytes, formatDuration } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { useResource } from "../../lib/resource";
import { Link, useOpen } from "../../lib/router";
import { toast } from "../../lib/toast";
import { Icon } from "../../ui/Icon";
import { PageHead } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { ErrorNote, failed, Skeleton } from "../../ui/States";
import type { Column } from "../../ui/table/columns";
import { DataTable } from "../../ui/table/DataTable";
import { logOf } from "../sessions/names";
import { ActionDialog } from "./ActionDialog";
import { act, type Action } from "./actions";
import { moduleLabel, serviceLabel, ServiceState } from "./names";
import { ServiceDrawer } from "./ServiceDrawer";

export { serviceLabel } from "./names";

const idOf = (s: Service) => s.service;
const levels = ["none", "summary", "debug", "extended"] as const;

/** "127.0.0.1:25" and "[::]:25" are both port 25. */
function ports(addresses: readonly string[]): string {
  return [...new Set(addresses.map((a) => a.slice(a.lastIndexOf(":") + 1)))].join(", ");
}

function Level({ s, mayWrite, t, onChanged }: { s: Service; mayWrite: boolean; t: Text; onChanged: () => void }) {
  const setting = s.level_setting;
  if (!setting || !s.level) return <span className="t3">{t("none")}</span>;
  const set = (level: string) => {
    api.patch("/settings/{name}", { path: { name: setting }, body: { value: level } }).then(
      () => {
        toast(t("service.levelset", { service: serviceLabel(s.service, t), level: t(`level.${level as "none"}`) }));
        onChanged();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  return (
    <select className="sel" value={s.level} disabled={!mayWrite} aria-label={t("service.levelof", { service: serviceLabel(s.service, t) })} onChange={(e) => { set(e.target.value); }}>
      {levels.map((l) => <option key={l} value={l}>{t(`level.${l}`)}</option>)}
    </select>
  );
}

const buttons = [["start", "play"], ["stop", "stop"], ["restart", "refresh"]] as const;

export default function Services() {
  const t = useText();
  const now = useNow(5);
  const mayReadSettings = useMay("settings:read");
  const mayWrite = useMay("settings:write");
  const [open, setOpen] = useOpen();
  const [asked, setAsked] = useState<{ s: Service; action: Exclude<Action, "start"> }>();
  const list = useResource("services", (signal) => api.get("/services", { signal }), 3);
  const { refresh } = list;
  useKeys({ r: refresh });
  const order = useCallback((s: Service, action: Action) => {
    if (action === "start") act(s, "start", false, t, refresh);
    else setAsked({ s, action });
  }, [t, refresh]);
  const openRow = useCallback((s: Service) => { setOpen(s.service); }, [setOpen]);
  const columns = useMemo<Column<Service>[]>(
    () => [
      { id: "service", head: t("service.service"), size: 230, fixed: true, phone: "t", cell: (s) => <button type="button" className="lnk" onClick={() => { openRow(s); }}>{serviceLabel(s.service, t)}</button> },
      { id: "state", head: t("service.state"), size: 118, phone: "r", cell: (s) => <ServiceState s={s} t={t} /> },
      { id: "ports", head: t("service.ports"), phone: "u", className: "num", cell: (s) => <Raw>{ports(s.listen)}{s.listen_tls.length > 0 && <span className="t3"> {ports(s.listen_tls)} TLS</span>}</Raw> },
      { id: "level", head: t("service.level"), size: 130, cell: (s) => <Level s={s} mayWrite={mayWrite} t={t} onChanged={refresh} /> },
      { id: "since", head: t("service.runningfor"), size: 110, right: true, give: "x", className: "t2", cell: (s) => (s.started_at ? formatDuration((now - Date.parse(s.started_at)) / 1000, t) : "") },
      { id: "sessions", head: t("service.connections"), size: 120, right: true, phone: "q", cell: (s) => <Link to={`/status/sessions?q=service:${s.service}`} className="num">{s.sessions}</Link> },
      { id: "memory", head: t("service.memory"), size: 96, right: true, give: "x", className: "t3", cell: (s) => (s.memory === null ? "" : formatBytes(s.memory, t.locale)) },
      {
        id: "actions",
        head: t("audit.actions"),
        quiet: true,
        size: 116,
        right: true,
        cell: (s) => (
          <span className="acts show">
            {buttons.map(([action, icon]) => {
              const label = t(`service.${action}.of`, { service: serviceLabel(s.service, t) });
              return s.actions.includes(action) && <button key={action} type="button" className="ib sm" aria-label={label} title={label} onClick={() => { order(s, action); }}><Icon name={icon} /></button>;
            })}
            <Link className="ib sm" to={`/status/logs/${logOf(s.service)}`} aria-label={t("service.logsof", { service: serviceLabel(s.service, t) })}><Icon name="logs" /></Link>
          </span>
        ),
      },
    ],
    [t, now, mayWrite, refresh, openRow, order],
  );
  const rows = list.data?.items;
  const shown = rows?.find((s) => s.service === open);
  return (
    <>
      <PageHead title={t("nav.services")} />
      {list.error && <div className="page-note"><ErrorNote error={list.error} retryAt={list.retryAt} onRetry={refresh} /></div>}
      <div className="split">
        <div className="l">
          <DataTable
            name="services"
            label={t("nav.services")}
            columns={columns}
            rows={rows}
            idOf={idOf}
            openId={open}
            onOpen={openRow}
            groupOf={(s) => ({
              id: s.module,
              head: (
                <span className="row">
                  <b className="strong">{moduleLabel(s.module, t)}</b><Raw mono className="t3">{s.module}</Raw>
                  {s.actions.includes("restart_module") && <button type="button" className="linkb" aria-label={t("service.restartof", { module: s.module })} onClick={() => { order(s, "restart_module"); }}>{t("service.restart")}</button>}
                </span>
              ),
            })}
          >
            {!rows && !list.error && <Skeleton />}
          </DataTable>
          <div className="foot"><span>{t("service.foot")}</span></div>
        </div>
        {shown && <ServiceDrawer s={shown} mayReadSettings={mayReadSettings} mayWrite={mayWrite} onClose={() => { setOpen(""); }} onAct={(action) => { order(shown, action); }} onSaved={refresh} />}
      </div>
      {asked && (
        <ActionDialog
          {...asked}
          together={(rows ?? []).filter((s) => s.module === asked.s.module)}
          mayRemember={mayWrite}
          onClose={() => { setAsked(undefined); }}
          onConfirm={(remember) => { act(asked.s, asked.action, remember, t, refresh); }}
        />
      )}
    </>
  );
}
