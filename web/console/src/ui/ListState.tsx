// What stands where the rows of a list would stand. The one place that decides which of these it is: still loading, no
// right to see it, failed, switched off, nothing found by this filter, nothing there yet.
import type { ReactNode } from "react";
import { api, type ApiError } from "../api/client";
import { useMay, useMe } from "../app/me";
import { useText } from "../i18n";
import { parseFilter } from "../lib/filterline";
import { useResource } from "../lib/resource";
import { addressWith, navigate } from "../lib/router";
import { isCustom, longer, type SpanChoice } from "../lib/span";
import { toast } from "../lib/toast";
import type { IconName } from "./icons";
import { Raw } from "./Raw";
import { Empty, ErrorNote, failed, Skeleton } from "./States";

export interface ListSource {
  items: readonly unknown[] | undefined;
  loading: boolean;
  error: ApiError | undefined;
  retryAt: number | undefined;
  refresh: () => void;
}

export interface ListStateProps {
  list: ListSource;
  /** The server still searches; what it has found so far is none. */
  searching?: boolean;
  /** The filter in force, "" = none. */
  filter?: { text: string; onReset: () => void; none?: string };
  /** Good news, or what to do first. */
  nothing: { icon?: IconName; title: string; children?: ReactNode };
  /** The list has a span: a longer one is offered. */
  span?: SpanChoice;
  /** The setting without which nothing comes into this list. */
  off?: { setting: string; title: string; on?: string; off?: string };
}

/** What he may see instead, and what the server says. */
export function NoRight({ error }: { error?: ApiError }) {
  const t = useText();
  const me = useMe();
  return (
    <Empty icon="lock" title={t("forbidden.title")}>
      {me.domains?.length ? <p>{t.rich("forbidden.domains", { domains: <Raw>{me.domains.join(", ")}</Raw> })}</p> : null}
      {error?.problem.detail && <p className="t3" lang="en"><Raw>{error.problem.detail}</Raw></p>}
    </Empty>
  );
}

function Found({ filter, span }: Pick<ListStateProps, "filter" | "span">) {
  const t = useText();
  const next = span && !isCustom(span) ? longer(span.span) : undefined;
  return (
    <>
      {filter?.text && (
        <p className="chips still" aria-label={t("filter.inforce")} role="group">
          {parseFilter(filter.text, []).map((x) => <span key={x.start} className="tok"><Raw>{x.source}</Raw></span>)}
        </p>
      )}
      {span && !isCustom(span) && <p>{t("message.none.span", { span: t(`span.${span.span}.last`) })}</p>}
      {(filter?.text || next) && (
        <div className="row wrap">
          {filter?.text && <button type="button" className="btn" onClick={filter.onReset}>{t("filter.reset")}</button>}
          {next && <button type="button" className="btn" onClick={() => { navigate(addressWith({ span: next }), true); }}>{t("message.longer", { span: t(`span.${next}.last`) })}</button>}
        </div>
      )}
    </>
  );
}

function SwitchedOff({ setting, title, on: value = "yes", onDone }: { setting: string; title: string; on?: string; onDone: () => void }) {
  const t = useText();
  const may = useMay("settings:write");
  const on = () => {
    api.patch("/settings/{name}", { path: { name: setting }, body: { value } }).then(
      () => {
        toast(t("off.switched", { setting }));
        onDone();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  return (
    <Empty icon="stop" title={title}>
      <p>{t.rich("off.by", { setting: <Raw mono>{setting}</Raw> })}</p>
      {may && <button type="button" className="btn" onClick={on}>{t("off.on")}</button>}
    </Empty>
  );
}

export function ListState({ list, searching = false, filter, nothing, span, off }: ListStateProps) {
  const mayRead = useMay("settings:read");
  const empty = list.items?.length === 0 && !searching;
  const setting = useResource(empty && off && mayRead ? `setting ${off.setting}` : "", (signal) => api.get("/settings/{name}", { path: { name: off?.setting ?? "" }, signal }));
  if (!list.items && list.error) return list.error.status === 403 ? <NoRight error={list.error} /> : <div className="page-note"><ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} /></div>;
  if (!list.items || (searching && list.items.length === 0)) return <Skeleton />;
  if (!empty) return null;
  if (off && setting.data?.value === (off.off ?? "no")) return <SwitchedOff {...off} onDone={() => { setting.refresh(); list.refresh(); }} />;
  if (filter?.text) return <Empty icon="filter" title={filter.none ?? <Nothing />}><Found filter={filter} {...(span && { span })} /></Empty>;
  return <Empty {...(nothing.icon && { icon: nothing.icon })} title={nothing.title}>{nothing.children}{span && <Found span={span} />}</Empty>;
}

function Nothing() {
  return useText()("filter.none");
}
