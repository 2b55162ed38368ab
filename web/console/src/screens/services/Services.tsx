import { useCallback, useMemo, useState } from "react";
import { api } from "../../api/client";
import type { Service } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText, type Text } from "../../i18n";
import { useNow } from "../../lib/clock";
import { formatBytes, formatDuration, utcTitle } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { useResource } from "../../lib/resource";
import { Link, useOpen } from "../../lib/router";
import { toast } from "../../lib/toast";
import { Badge } from "../../ui/Badge";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { Drawer } from "../../ui/Drawer";
import { Icon } from "../../ui/Icon";
import { PageHead } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { ErrorNote, failed, Skeleton } from "../../ui/States";
import type { Column } from "../../ui/table/columns";
import { DataTable } from "../../ui/table/DataTable";
import { logOf } from "../sessions/names";

const idOf = (s: Service) => s.service;
const levels = ["none", "summary", "debug", "extended"] as const;

export function serviceLabel(service: string, t: Text): string {
  const key = `service.${service}`;
  return t.has(key) ? t(key) : service;
}
function moduleLabel(module: string, t: Text): string {
  const key = `module.${module}`;
  return t.has(key) ? t(key) : module;
}
export function ServiceState({ s, t }: { s: Service; t: Text }) {
  return s.state === "running" ? <Badge tone="ok" icon="check">{t("service.running")}</Badge> : <Badge tone="bad" icon="alert">{t("service.silent")}</Badge>;
}
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

function ServiceDrawer({ s, onClose, onRestart }: { s: Service; onClose: () => void; onRestart: (() => void) | undefined }) {
  const t = useText();
  const now = useNow(5);
  const label = serviceLabel(s.service, t);
  return (
    <Drawer
      width="narrow"
      label={label}
      title={label}
      sub={<>{t.rich("service.module", { module: <Raw mono>{s.module}</Raw> })}{s.started_at && <>, {t("service.since", { time: formatDuration((now - Date.parse(s.started_at)) / 1000, t) })}</>}</>}
      onClose={onClose}
      foot={
        <>
          <Link className="btn" to={`/status/sessions?q=service:${s.service}`}><Icon name="sessions" />{t("nav.sessions")}</Link>
          <Link className="btn" to={`/status/logs/${logOf(s.service)}`}><Icon name="logs" />{t("nav.logs")}</Link>
          {onRestart && <button type="button" className="btn" onClick={onRestart}><Icon name="refresh" />{t("service.restart")}</button>}
        </>
      }
    >
      <div className="pad">
        <dl className="kv">
          <dt>{t("service.state")}</dt><dd><ServiceState s={s} t={t} /></dd>
          <dt>{t("service.connections")}</dt><dd className="num">{s.sessions}</dd>
          {s.memory !== null && <><dt>{t("service.memory")}</dt><dd>{formatBytes(s.memory, t.locale)}</dd></>}
          {s.started_at && <><dt>{t("service.started")}</dt><dd title={utcTitle(s.started_at)}>{new Date(s.started_at).toLocaleString(t.locale)}</dd></>}
        </dl>
        <h3 className="s">{t("service.bindings")}</h3>
        {s.listen.length + s.listen_tls.length === 0 && <p className="t3">{t("service.nobindings")}</p>}
        <ul className="plain-list">
          {s.listen.map((a) => <li key={a}><Raw mono>{a}</Raw></li>)}
          {s.listen_tls.map((a) => <li key={`tls ${a}`}><Raw mono>{a}</Raw> <Badge tone="line" icon="lock">TLS</Badge></li>)}
        </ul>
        <p><Link to={`/system/settings/${s.module === "control" ? "web" : s.service === "pop3" || s.service === "imap" ? s.service : "smtp"}`}>{t("service.settings")}</Link></p>
      </div>
    </Drawer>
  );
}

export default function Services() {
  const t = useText();
  const now = useNow(5);
  const mayAct = useMay("services:write");
  const mayWrite = useMay("settings:write");
  const [open, setOpen] = useOpen();
  const [asked, setAsked] = useState<Service>();
  const list = useResource("services", (signal) => api.get("/services", { signal }), 3);
  const { refresh } = list;
  useKeys({ r: refresh });
  const restart = (s: Service) => {
    api.post("/services/{service}/actions", { path: { service: s.service }, body: { action: "restart" } }).then(
      () => {
        toast(s.module === "control" ? t("service.restarting.self") : t("service.restarting", { module: s.module }));
        refresh();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
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
        size: 96,
        right: true,
        cell: (s) => (
          <span className="acts show">
            {s.actions.includes("restart") && <button type="button" className="ib sm" aria-label={t("service.restartof", { module: s.module })} title={t("service.restartof", { module: s.module })} onClick={() => { setAsked(s); }}><Icon name="refresh" /></button>}
            <Link className="ib sm" to={`/status/logs/${logOf(s.service)}`} aria-label={t("service.logsof", { service: serviceLabel(s.service, t) })}><Icon name="logs" /></Link>
          </span>
        ),
      },
    ],
    [t, now, mayWrite, refresh, openRow],
  );
  const rows = list.data?.items;
  const shown = rows?.find((s) => s.service === open);
  const together = asked ? (rows ?? []).filter((s) => s.module === asked.module).map((s) => serviceLabel(s.service, t)) : [];
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
            groupOf={(s) => ({ id: s.module, head: <span className="row"><b className="strong">{moduleLabel(s.module, t)}</b><Raw mono className="t3">{s.module}</Raw></span> })}
          >
            {!rows && !list.error && <Skeleton />}
          </DataTable>
          <div className="foot"><span>{t("service.foot")}</span></div>
        </div>
        {shown && <ServiceDrawer s={shown} onClose={() => { setOpen(""); }} onRestart={mayAct && shown.actions.includes("restart") ? () => { setAsked(shown); } : undefined} />}
      </div>
      {asked && (
        <ConfirmDialog title={t("service.restart.title", { module: asked.module })} verb={t("service.restart")} onClose={() => { setAsked(undefined); }} onConfirm={() => { restart(asked); }}>
          {asked.module === "control" ? t("service.restart.self") : t("service.restart.text", { services: together.join(", "), n: (rows ?? []).filter((s) => s.module === asked.module).reduce((n, s) => n + s.sessions, 0) })}
        </ConfirmDialog>
      )}
    </>
  );
}
