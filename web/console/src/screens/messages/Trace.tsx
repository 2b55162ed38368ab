// Find messages: every message that came, was refused or left, with what became of it.
import { useCallback, useMemo, useState } from "react";
import { api } from "../../api/client";
import { useLiveState } from "../../api/live";
import { useText } from "../../i18n";
import { withField } from "../../lib/filterline";
import { useKeys } from "../../lib/keys";
import { usePaged, type PageOf } from "../../lib/paged";
import { addressWith, navigate, useOpen, useParam, useSearch } from "../../lib/router";
import { useNewest, useSearchOn } from "../../lib/searched";
import { isCustom, longer, readSpan, spanQuery } from "../../lib/span";
import { asAddress, asChoice, asKey, asText, useFilter, type FilterFields } from "../../lib/usefilter";
import { FilterLine } from "../../ui/FilterLine";
import { Icon } from "../../ui/Icon";
import { LiveBadge, PageHead } from "../../ui/Page";
import { SpanField } from "../../ui/SpanField";
import { Empty, ErrorNote, Skeleton } from "../../ui/States";
import { ColumnsButton } from "../../ui/table/ColumnsButton";
import { DataTable } from "../../ui/table/DataTable";
import { download } from "../../ui/Copy";
import { messageColumns, statuses } from "./columns";
import { MessageDrawer } from "./MessageDrawer";
import type { Message } from "./types";

const directions = ["in", "out", "local"] as const;
const fields: FilterFields = {
  address: asAddress("address"),
  from: asAddress("sender"),
  to: asAddress("recipient"),
  ip: asText("ip"),
  session: asKey("session"),
  status: asChoice("status", statuses),
  direction: asChoice("direction", directions),
};
const names = Object.keys(fields);
const idOf = (m: Message) => m.key;
const usual = "1h";

export default function Trace() {
  const t = useText();
  const filter = useFilter(fields);
  const choice = readSpan(useSearch(), usual);
  const [text, setText] = useParam("q");
  const [open, setOpen] = useOpen();
  const [held, setHeld] = useState(false);
  const read = (cursor: string | undefined, signal: AbortSignal, limit = 100) =>
    api.get("/messages", { query: { ...filter.params, ...spanQuery(choice, Date.now()), limit, ...(cursor ? { cursor } : {}) } as object, signal }) as Promise<PageOf<Message>>;
  const list = usePaged<Message>(`messages ${JSON.stringify([filter.params, choice])}`, read, idOf, !held && !open);
  const searching = useSearchOn(list);
  useNewest(list, (signal) => read(undefined, signal, 50), !held && !choice.to, "messages");
  const live = useLiveState(held);
  const openRow = useCallback((m: Message) => { setOpen(m.key); }, [setOpen]);
  const columns = useMemo(() => messageColumns(t, openRow), [t, openRow]);
  useKeys({ r: list.refresh, ".": () => { setHeld(!held); } });

  const status = String(filter.params["status"] ?? "");
  const next = isCustom(choice) ? undefined : longer(choice.span);
  const save = () => {
    download("posthorn-messages.ndjson", "application/x-ndjson", (list.items ?? []).map((m) => JSON.stringify(m)).join("\n") + "\n");
  };
  const shown = list.items?.find((m) => m.key === open);
  const n = list.items?.length ?? 0;
  return (
    <>
      <PageHead title={t("nav.trace")} live={!choice.to && <LiveBadge {...live} />}>
        <button type="button" className="btn ghost deskonly" aria-pressed={held} onClick={() => { setHeld(!held); }}>
          <Icon name={held ? "play" : "pause"} />{held ? t("live.goon") : t("live.hold")}
        </button>
        <button type="button" className="btn deskonly" disabled={n === 0} onClick={save}><Icon name="download" /><span translate="no">NDJSON</span></button>
      </PageHead>
      <div className="bar">
        <FilterLine label={t("message.filter")} placeholder={t("message.filter.hint")} fields={fields} />
        <label className="field">
          <span className="lb">{t("message.status")}</span>
          <select value={status} onChange={(e) => { setText(withField(text, "status", e.target.value, names)); }} aria-label={t("message.status")}>
            <option value="">{t("all")}</option>
            {statuses.map((s) => <option key={s} value={s}>{t(`message.status.${s}`)}</option>)}
          </select>
        </label>
        <ColumnsButton name="messages" columns={columns} />
      </div>
      <div className="bar line spanbar">
        <SpanField choice={choice} usual={usual} />
      </div>
      {list.error && list.items && <div className="page-note"><ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} /></div>}
      {list.fresh > 0 && <button type="button" className="btn sm newbar" onClick={list.refresh}>{t("live.new", { n: list.fresh })}</button>}
      <div className="split">
        <div className="l">
          <DataTable name="messages" label={t("nav.trace")} columns={columns} rows={list.items} idOf={idOf} openId={open} onOpen={openRow} onMore={list.more}>
            {((!list.items && list.loading && !list.error) || (searching && n === 0)) && <Skeleton />}
            {!list.items && list.error && <div className="page-note"><ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} /></div>}
            {list.items && n === 0 && !searching && (
              <Empty icon={filter.text ? "filter" : "mail"} title={filter.text ? t("message.none.filter") : t("message.none")}>
                {!isCustom(choice) && <span>{t("message.none.span", { span: t(`span.${choice.span}.last`) })}</span>}
                <div className="row wrap">
                  {filter.text && <button type="button" className="btn" onClick={() => { setText(""); }}>{t("filter.reset")}</button>}
                  {next && <button type="button" className="btn" onClick={() => { navigate(addressWith({ span: next }), true); }}>{t("message.longer", { span: t(`span.${next}.last`) })}</button>}
                </div>
              </Empty>
            )}
          </DataTable>
          <div className="foot">
            <span role="status">{searching ? t("message.searching", { n }) : list.more ? t("message.atleast", { n }) : t("message.count", { n })}</span>
            <span className="grow" />
            <span className="deskonly"><kbd>j</kbd> <kbd>k</kbd> {t("keys.move")} &nbsp; <kbd>↵</kbd> {t("keys.open")} &nbsp; <kbd>f</kbd> {t("keys.filter")} &nbsp; <kbd>?</kbd> {t("keys.all")}</span>
          </div>
        </div>
        {open && <MessageDrawer id={open} known={shown} onClose={() => { setOpen(""); }} />}
      </div>
    </>
  );
}
