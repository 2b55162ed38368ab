// The screen of a list: head, filter line, table with its foot, drawer beside it. Screens say what is in it.
import type { ReactNode } from "react";
import { useText } from "../i18n";
import { useKeys } from "../lib/keys";
import type { Paged } from "../lib/paged";
import type { FilterFields } from "../lib/usefilter";
import { FilterLine } from "./FilterLine";
import { Icon } from "./Icon";
import { ListState, type ListStateProps } from "./ListState";
import { PageHead } from "./Page";
import { ErrorNote } from "./States";
import { ColumnsButton } from "./table/ColumnsButton";
import { DataTable, type DataTableProps } from "./table/DataTable";

export function HoldButton({ held, onHold, className = "" }: { held: boolean; onHold: (held: boolean) => void; className?: string }) {
  const t = useText();
  return (
    <button type="button" className={`btn ghost ${className}`} aria-pressed={held} onClick={() => { onHold(!held); }}>
      <Icon name={held ? "play" : "pause"} />{held ? t("live.goon") : t("live.hold")}
    </button>
  );
}

type OfTable<T extends object> = Pick<DataTableProps<T>, "columns" | "idOf" | "nameOf" | "sort" | "onSort" | "selection" | "openId" | "onOpen" | "onCurrent">;

export interface ListScreenProps<T extends object> extends OfTable<T> {
  /** Of the layout that the reader chose. */
  name: string;
  title: string;
  /** Of the table; the title without it. */
  label?: string;
  live?: ReactNode;
  actions?: ReactNode;
  tabs?: ReactNode;
  filter: { label: string; placeholder: string; fields: FilterFields };
  /** Beside the filter line. */
  controls?: ReactNode;
  fixedColumns?: boolean;
  /** A second line of controls. */
  below?: ReactNode;
  list: Paged<T>;
  /** The list knows how many there are, also of those that it has not read. */
  counted?: boolean;
  state: Omit<ListStateProps, "list">;
  foot: ReactNode;
  /** The end of the foot: which keys do what here. */
  keys?: ReactNode;
  drawer?: ReactNode;
}

export function ListScreen<T extends object>(p: ListScreenProps<T>) {
  const t = useText();
  const { list } = p;
  useKeys({ r: list.refresh });
  return (
    <>
      <PageHead title={p.title} live={p.live}>{p.actions}</PageHead>
      {p.tabs}
      <div className={`bar ${p.below ? "" : "line"}`}>
        <FilterLine {...p.filter} />
        {p.controls}
        {!p.fixedColumns && <ColumnsButton name={p.name} columns={p.columns} />}
      </div>
      {p.below}
      {list.error && list.items && <div className="page-note"><ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} /></div>}
      {list.fresh > 0 && <button type="button" className="btn sm newbar" onClick={list.refresh}>{t("live.new", { n: list.fresh })}</button>}
      <div className="split">
        <div className="l">
          <DataTable
            name={p.name}
            label={p.label ?? p.title}
            columns={p.columns}
            rows={list.items}
            idOf={p.idOf}
            {...(p.nameOf && { nameOf: p.nameOf })}
            total={p.counted ? list.total : undefined}
            {...(p.sort !== undefined && { sort: p.sort })}
            {...(p.onSort && { onSort: p.onSort })}
            {...(p.selection && { selection: p.selection })}
            {...(p.openId !== undefined && { openId: p.openId })}
            {...(p.onOpen && { onOpen: p.onOpen })}
            onMore={list.more}
            {...(p.onCurrent && { onCurrent: p.onCurrent })}
            rowClass={(row) => (list.leaving.has(p.idOf(row)) ? "leaving" : "")}
          >
            <ListState list={list} {...p.state} />
          </DataTable>
          <div className="foot">
            {p.foot}
            {p.keys && <><span className="grow" /><span className="deskonly">{p.keys}</span></>}
          </div>
        </div>
        {p.drawer}
      </div>
    </>
  );
}

/** One key and what it does, for the foot of a list. */
export function KeyHint({ keys, children }: { keys: readonly string[]; children: ReactNode }) {
  return <span className="keyhint">{keys.map((k) => <kbd key={k}>{k}</kbd>)} {children}</span>;
}

/** A choice beside the filter line. */
export function Choice({ label, value, options, onChange, all }: { label: string; /** What no choice means; everything without it. */ all?: string; value: string; options: readonly { id: string; label: string; raw?: boolean }[]; onChange: (id: string) => void }) {
  const t = useText();
  return (
    <label className="field">
      <span className="lb">{label}</span>
      <select value={value} onChange={(e) => { onChange(e.target.value); }} aria-label={label}>
        <option value="">{all ?? t("all")}</option>
        {options.map((o) => <option key={o.id} value={o.id} translate={o.raw ? "no" : undefined}>{o.label}</option>)}
      </select>
    </label>
  );
}
