// Sessions that have ended: who, how long, how it ended; each with its transcript.
import { useCallback, useMemo, useState } from "react";
import { api } from "../../api/client";
import type { Session } from "../../api/schema";
import { useText } from "../../i18n";
import { withField } from "../../lib/filterline";
import { useKeys } from "../../lib/keys";
import { usePaged, type PageOf } from "../../lib/paged";
import { addressWith, navigate, useOpen, useParam, useSearch } from "../../lib/router";
import { useNewest, useSearchOn } from "../../lib/searched";
import { isCustom, longer, readSpan, spanQuery } from "../../lib/span";
import { asAddress, asChoice, asText, useFilter, type FilterFields } from "../../lib/usefilter";
import { FilterLine } from "../../ui/FilterLine";
import { Icon } from "../../ui/Icon";
import { PageHead } from "../../ui/Page";
import { SpanField } from "../../ui/SpanField";
import { Empty, ErrorNote, Skeleton } from "../../ui/States";
import { ColumnsButton } from "../../ui/table/ColumnsButton";
import { DataTable } from "../../ui/table/DataTable";
import { historyColumns, outcomes, serviceNames } from "./columns";
import { services } from "./names";
import { SessionDrawer } from "./SessionDrawer";
import { SessionTabs } from "./SessionTabs";

const fields: FilterFields = { service: asChoice("service", services), account: asAddress("account"), ip: asText("peer"), outcome: asChoice("outcome", outcomes) };
const names = Object.keys(fields);
const idOf = (s: Session) => s.id;
const usual = "24h";

export default function History() {
  const t = useText();
  const filter = useFilter(fields);
  const choice = readSpan(useSearch(), usual);
  const [text, setText] = useParam("q");
  const [open, setOpen] = useOpen();
  const [held, setHeld] = useState(false);
  const read = (cursor: string | undefined, signal: AbortSignal, limit = 100) =>
    api.get("/sessions", { query: { state: "history", ...filter.params, ...spanQuery(choice, Date.now()), limit, ...(cursor ? { cursor } : {}) }, signal }) as Promise<PageOf<Session>>;
  const list = usePaged<Session>(`session history ${JSON.stringify([filter.params, choice])}`, read, idOf, !held && !open);
  const searching = useSearchOn(list);
  useNewest(list, (signal) => read(undefined, signal, 50), !held && !choice.to);
  const openRow = useCallback((s: Session) => { setOpen(s.id); }, [setOpen]);
  const columns = useMemo(() => historyColumns(t, openRow), [t, openRow]);
  useKeys({ r: list.refresh, ".": () => { setHeld(!held); } });

  const chosen = (field: string) => text.match(new RegExp(`(?:^|\\s)${field}:(\\S+)`))?.[1] ?? "";
  const next = isCustom(choice) ? undefined : longer(choice.span);
  const shown = list.items?.find((s) => s.id === open);
  const n = list.items?.length ?? 0;
  return (
    <>
      <PageHead title={t("nav.sessions")}>
        <button type="button" className="btn ghost" aria-pressed={held} onClick={() => { setHeld(!held); }}>
          <Icon name={held ? "play" : "pause"} />{held ? t("live.goon") : t("live.hold")}
        </button>
      </PageHead>
      <SessionTabs />
      <div className="bar">
        <FilterLine label={t("sessions.filter")} placeholder={t("sessions.history.hint")} fields={fields} />
        <label className="field">
          <span className="lb">{t("sessions.service")}</span>
          <select value={chosen("service")} onChange={(e) => { setText(withField(text, "service", e.target.value, names)); }} aria-label={t("sessions.service")}>
            <option value="">{t("all")}</option>
            {services.map((s) => <option key={s} value={s} translate="no">{s === "smtp-client" ? t("sessions.smtpclient") : serviceNames[s]}</option>)}
          </select>
        </label>
        <label className="field">
          <span className="lb">{t("sessions.outcome")}</span>
          <select value={chosen("outcome")} onChange={(e) => { setText(withField(text, "outcome", e.target.value, names)); }} aria-label={t("sessions.outcome")}>
            <option value="">{t("all")}</option>
            {outcomes.map((o) => <option key={o} value={o}>{t(`outcome.${o}`)}</option>)}
          </select>
        </label>
        <ColumnsButton name="history" columns={columns} />
      </div>
      <div className="bar line spanbar"><SpanField choice={choice} usual={usual} /></div>
      {list.error && list.items && <div className="page-note"><ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} /></div>}
      {list.fresh > 0 && <button type="button" className="btn sm newbar" onClick={list.refresh}>{t("live.new", { n: list.fresh })}</button>}
      <div className="split">
        <div className="l">
          <DataTable name="history" label={t("sessions.ended.list")} columns={columns} rows={list.items} idOf={idOf} openId={open} onOpen={openRow} onMore={list.more}>
            {((!list.items && list.loading && !list.error) || (searching && n === 0)) && <Skeleton />}
            {!list.items && list.error && <div className="page-note"><ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} /></div>}
            {list.items && n === 0 && !searching && (
              <Empty icon={filter.text ? "filter" : "sessions"} title={filter.text ? t("filter.none") : t("sessions.none")}>
                {!isCustom(choice) && <span>{t("message.none.span", { span: t(`span.${choice.span}.last`) })}</span>}
                <div className="row wrap">
                  {filter.text && <button type="button" className="btn" onClick={() => { setText(""); }}>{t("filter.reset")}</button>}
                  {next && <button type="button" className="btn" onClick={() => { navigate(addressWith({ span: next }), true); }}>{t("message.longer", { span: t(`span.${next}.last`) })}</button>}
                </div>
              </Empty>
            )}
          </DataTable>
          <div className="foot">
            <span role="status">{searching ? t("sessions.searching", { n }) : list.more ? t("sessions.atleast", { n }) : t("sessions.count", { n })}</span>
            <div className="key deskonly">
              {outcomes.map((o) => <span key={o}><i className={`dot ${o === "success" ? "ok" : o === "failed" ? "bad" : "gone"}`} aria-hidden="true" />{t(`outcome.${o}`)}</span>)}
            </div>
            <span className="grow" />
            <span className="deskonly"><kbd>j</kbd> <kbd>k</kbd> {t("keys.move")} &nbsp; <kbd>↵</kbd> {t("keys.open")} &nbsp; <kbd>?</kbd> {t("keys.all")}</span>
          </div>
        </div>
        {open && <SessionDrawer id={open} known={shown} onClose={() => { setOpen(""); }} onEnd={undefined} onChanged={list.refresh} />}
      </div>
    </>
  );
}
