import { useCallback, useMemo, useState } from "react";
import { api } from "../../api/client";
import { useLiveState } from "../../api/live";
import type { Session } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { useNow } from "../../lib/clock";
import { withField } from "../../lib/filterline";
import { useKeys } from "../../lib/keys";
import { useLiveList } from "../../lib/livelist";
import { usePaged, type PageOf } from "../../lib/paged";
import { useOpen, useParam } from "../../lib/router";
import { toast } from "../../lib/toast";
import { asChoice, asText, useFilter, type FilterFields } from "../../lib/usefilter";
import { FilterLine } from "../../ui/FilterLine";
import { Icon } from "../../ui/Icon";
import { LiveBadge, PageHead } from "../../ui/Page";
import { Empty, ErrorNote, failed, Skeleton } from "../../ui/States";
import { ColumnsButton } from "../../ui/table/ColumnsButton";
import { DataTable } from "../../ui/table/DataTable";
import { serviceNames, sessionColumns } from "./columns";
import { services } from "./names";
import { SessionDrawer } from "./SessionDrawer";
import { SessionTabs } from "./SessionTabs";

const fields: FilterFields = { service: asChoice("service", services), account: asText("account"), ip: asText("peer") };
const idOf = (s: Session) => s.id;

export default function Sessions() {
  const t = useText();
  const now = useNow();
  const mayEnd = useMay("sessions:write");
  const filter = useFilter(fields);
  const [sort, setSort] = useParam("sort");
  const [open, setOpen] = useOpen();
  const [text, setText] = useParam("q");
  const [held, setHeld] = useState(false);
  const [current, setCurrent] = useState<Session>();
  const order = sort || "age";
  const list = usePaged<Session>(
    `sessions ${JSON.stringify(filter.params)} ${order}`,
    (cursor, signal) => api.get("/sessions", { query: { ...filter.params, sort: order as "age", limit: 200, ...(cursor ? { cursor } : {}) }, signal }) as Promise<PageOf<Session>>,
    idOf,
    !held && !open,
  );
  useLiveList("sessions", list, held, filter.text !== "");
  const live = useLiveState(held);
  const openRow = useCallback((s: Session) => { setOpen(s.id); }, [setOpen]);
  const columns = useMemo(() => sessionColumns(t, now, openRow), [t, now, openRow]);

  const end = (s: Session) => {
    api.delete("/sessions/{id}", { path: { id: s.id } }).then(
      () => {
        toast(t("sessions.ended", { id: s.log_id }));
        list.remove(s.id);
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  useKeys({ r: list.refresh, ".": () => { setHeld(!held); }, ...(mayEnd && current && { K: () => { end(current); } }) });
  const service = String(filter.params["service"] ?? "");
  const shown = list.items?.find((s) => s.id === open);
  return (
    <>
      <PageHead title={t("nav.sessions")} live={<LiveBadge {...live} />}>
        <button type="button" className="btn ghost" aria-pressed={held} onClick={() => { setHeld(!held); }}>
          <Icon name={held ? "play" : "pause"} />{held ? t("live.goon") : t("live.hold")}
        </button>
      </PageHead>
      <SessionTabs active={filter.text ? undefined : list.total} />
      <div className="bar line">
        <FilterLine label={t("sessions.filter")} placeholder={t("sessions.filter.hint")} fields={fields} />
        <label className="field">
          <span className="lb">{t("sessions.service")}</span>
          <select value={service} onChange={(e) => { setText(withField(text, "service", e.target.value, Object.keys(fields))); }} aria-label={t("sessions.service")}>
            <option value="">{t("all")}</option>
            {services.map((s) => <option key={s} value={s} translate="no">{s === "smtp-client" ? t("sessions.smtpclient") : serviceNames[s]}</option>)}
          </select>
        </label>
        <ColumnsButton name="sessions" columns={columns} />
      </div>
      {list.error && list.items && <div className="page-note"><ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} /></div>}
      {list.fresh > 0 && <button type="button" className="btn sm newbar" onClick={list.refresh}>{t("live.new", { n: list.fresh })}</button>}
      <div className="split">
        <div className="l">
          <DataTable
            name="sessions"
            label={t("sessions.active")}
            columns={columns}
            rows={list.items}
            idOf={idOf}
            total={list.total}
            sort={order}
            onSort={setSort}
            openId={open}
            onOpen={openRow}
            onMore={list.more}
            onCurrent={setCurrent}
            rowClass={(s) => (list.leaving.has(s.id) ? "leaving" : "")}
          >
            {!list.items && list.loading && !list.error && <Skeleton />}
            {!list.items && list.error && <div className="page-note"><ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} /></div>}
            {list.items?.length === 0 &&
              (filter.text ? (
                <Empty icon="filter" title={t("filter.none")}><button type="button" className="btn" onClick={() => { setText(""); }}>{t("filter.reset")}</button></Empty>
              ) : (
                <Empty title={t("sessions.empty")} />
              ))}
          </DataTable>
          <div className="foot">
            <span>{t("sessions.count", { n: list.total ?? 0 })}</span>
            <div className="key deskonly">
              <span><i className="sc S active" aria-hidden="true" translate="no">S</i>{t("sessions.mark.in")}</span>
              <span><i className="sc C active" aria-hidden="true" translate="no">C</i>{t("sessions.mark.out")}</span>
            </div>
            <span className="grow" />
            <span className="deskonly"><kbd>j</kbd> <kbd>k</kbd> {t("keys.move")} &nbsp; <kbd>K</kbd> {t("sessions.end")} &nbsp; <kbd>.</kbd> {t("keys.hold")} &nbsp; <kbd>?</kbd> {t("keys.all")}</span>
          </div>
        </div>
        {open && <SessionDrawer id={open} known={shown} onClose={() => { setOpen(""); }} onEnd={mayEnd ? end : undefined} onChanged={list.refresh} held={held} />}
      </div>
    </>
  );
}
