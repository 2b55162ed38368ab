// The list of every screen: heads that sort, a keyboard row, selection, further rows while scrolling. Above 200 rows only
// what is seen is drawn. Roles are explicit, because on the phone rows are drawn as items.
import { useTable } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState, type MouseEvent, type ReactNode } from "react";
import { useText } from "../../i18n";
import { visible as written } from "../../lib/bidi";
import { useKeys } from "../../lib/keys";
import { Icon } from "../Icon";
import { features, useLayout, type Column, type TableColumn } from "./columns";
import type { Selection } from "./selection";

const virtualFrom = 200;
const none: never[] = [];

export interface DataTableProps<T extends object> {
  name: string;
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[] | undefined;
  idOf: (row: T) => string;
  nameOf?: (row: T) => string;
  /** All that match, also what is not loaded. */
  total?: number | undefined;
  sort?: string;
  onSort?: (sort: string) => void;
  selection?: Selection;
  openId?: string;
  onOpen?: (row: T) => void;
  /** Reads the next rows; absent when there are none. */
  onMore?: (() => void) | undefined;
  /** Rows of one group stand under its head. */
  groupOf?: (row: T) => { id: string; head: ReactNode };
  rowClass?: (row: T) => string;
  /** Below or instead of the rows: loading, nothing, an error. */
  children?: ReactNode;
  onCurrent?: (row: T | undefined) => void;
}

const interactive = "a, button, input, select, textarea, label";

export function DataTable<T extends object>(props: DataTableProps<T>) {
  const { columns, idOf, selection, onOpen, openId } = props;
  const t = useText();
  const rows = (props.rows ?? none) as T[];
  const [layout] = useLayout(props.name, columns);
  const specs = useMemo(() => new Map(columns.map((c) => [c.id, c])), [columns]);
  const defs = useMemo<TableColumn<T>[]>(
    () => columns.map((c) => ({ id: c.id, header: c.head, cell: ({ row }) => c.cell(row.original), ...(c.size ? { size: c.size } : {}) })),
    [columns],
  );
  const visibility = useMemo(() => Object.fromEntries(Object.entries(layout.hidden).map(([k, v]) => [k, !v])), [layout]);
  const table = useTable({
    features,
    columns: defs,
    data: rows,
    getRowId: idOf,
    state: { columnVisibility: visibility, columnOrder: layout.order, columnSizing: layout.sizes },
  });
  const scroll = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const [current, setCurrent] = useState("");
  const model = table.getRowModel().rows;
  const virtual = model.length > virtualFrom;
  const virtualizer = useVirtualizer({
    count: model.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => 36,
    overscan: 12,
    enabled: virtual,
    getItemKey: (i) => model[i]?.id ?? i,
  });

  const index = model.findIndex((r) => r.id === current);
  const { onCurrent } = props;
  const currentRow = index >= 0 ? model[index]?.original : undefined;
  useEffect(() => {
    onCurrent?.(currentRow);
  }, [onCurrent, currentRow]);

  const go = (to: number) => {
    const row = model[Math.max(0, Math.min(model.length - 1, to))];
    if (!row) return;
    setCurrent(row.id);
    if (virtual) virtualizer.scrollToIndex(row.index);
    requestAnimationFrame(() => body.current?.querySelector<HTMLElement>(`tr[data-id="${CSS.escape(row.id)}"]`)?.focus());
    if (openId) onOpen?.(row.original);
  };
  useKeys({
    j: () => { go(index + 1); },
    k: () => { go(index < 0 ? 0 : index - 1); },
    ArrowDown: () => { go(index + 1); },
    ArrowUp: () => { go(index < 0 ? 0 : index - 1); },
    ...(onOpen && currentRow && {
      Enter: () => { onOpen(currentRow); },
      o: () => { onOpen(currentRow); },
    }),
    ...(selection && current && { x: () => { selection.toggle(current); }, " ": () => { selection.toggle(current); }, X: () => { selection.extend(current); } }),
    ...(selection && selection.ids.size > 0 && { Escape: () => { selection.clear(); } }),
  });

  const { onMore } = props;
  const nearEnd = () => {
    const e = scroll.current;
    if (onMore && e && e.scrollHeight - e.scrollTop - e.clientHeight < 800) onMore();
  };
  useEffect(nearEnd, [model.length, onMore]);

  const click = (e: MouseEvent, row: T) => {
    const id = idOf(row);
    const on = (e.target as Element).closest(interactive);
    if (on && on !== e.currentTarget) return;
    setCurrent(id);
    if (selection && (e.ctrlKey || e.metaKey)) selection.toggle(id);
    else if (selection && e.shiftKey) selection.extend(id);
    else onOpen?.(row);
  };

  const visible = table.getVisibleFlatColumns();
  const width = (id: string) => layout.sizes[id] ?? specs.get(id)?.size;
  const sortButton = (c: Column<T>) => {
    const desc = props.sort === `-${c.sort}`;
    const asc = props.sort === c.sort;
    return (
      <button type="button" className="th" onClick={() => props.onSort?.(desc ? (c.sort ?? "") : `-${c.sort}`)}>
        {c.head}
        {(asc || desc) && <Icon name={asc ? "up" : "down"} />}
      </button>
    );
  };
  const shown = selection ? model.filter((r) => selection.has(r.id)).length : 0;

  const drawn = virtual ? virtualizer.getVirtualItems() : undefined;
  const before = drawn?.[0]?.start ?? 0;
  const after = drawn ? virtualizer.getTotalSize() - (drawn[drawn.length - 1]?.end ?? 0) : 0;
  const indices = drawn ? drawn.map((d) => d.index) : model.map((_, i) => i);
  const span = visible.length + (selection ? 1 : 0);
  let lastGroup = "";

  return (
    <div className="tw" ref={scroll} onScroll={nearEnd} tabIndex={-1}>
      <table className="tbl fx" role="table" aria-label={props.label} aria-rowcount={props.total !== undefined ? props.total + 1 : model.length + 1}>
        <colgroup>
          {selection && <col className="w-sel" />}
          {visible.map((c) => <col key={c.id} className={specs.get(c.id)?.give} style={{ width: width(c.id) }} />)}
        </colgroup>
        <thead role="rowgroup">
          <tr role="row" aria-rowindex={1}>
            {selection && (
              <th role="columnheader" className="fit">
                <input
                  type="checkbox"
                  aria-label={t("select.page")}
                  checked={shown > 0 && shown === model.length}
                  ref={(e) => { if (e) e.indeterminate = shown > 0 && shown < model.length; }}
                  onChange={(e) => { selection.page(e.target.checked); }}
                />
              </th>
            )}
            {visible.map((col) => {
              const c = specs.get(col.id);
              if (!c) return null;
              const sorted = c.sort && (props.sort === c.sort ? "ascending" : props.sort === `-${c.sort}` ? "descending" : undefined);
              return (
                <th key={c.id} role="columnheader" className={`${c.right ? "r" : ""} ${c.give ?? ""}`} aria-sort={sorted || undefined}>
                  {c.quiet ? <span className="sr">{c.head}</span> : c.sort && props.onSort ? sortButton(c) : c.head}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody role="rowgroup" ref={body}>
          {before > 0 && <tr aria-hidden="true" className="gap"><td colSpan={span} style={{ height: before }} /></tr>}
          {indices.map((i) => {
            const row = model[i];
            if (!row) return null;
            const id = row.id;
            const group = props.groupOf?.(row.original);
            const head = group && group.id !== lastGroup ? group : undefined;
            if (group) lastGroup = group.id;
            const cur = id === current;
            const selected = selection ? selection.has(id) : id === openId;
            return [
              head && <tr key={`group ${head.id}`} role="row" className="grp"><td role="cell" colSpan={span}>{head.head}</td></tr>,
              <tr
                key={id}
                role="row"
                data-id={id}
                data-index={i}
                ref={virtual ? virtualizer.measureElement : undefined}
                aria-rowindex={i + 2}
                aria-selected={selected}
                className={`${cur ? "cur" : ""} ${id === openId ? "open" : ""} ${props.rowClass?.(row.original) ?? ""}`}
                tabIndex={cur || (index < 0 && i === 0) ? 0 : -1}
                onFocus={(e) => { if (e.target === e.currentTarget) setCurrent(id); }}
                onClick={(e) => { click(e, row.original); }}
              >
                {selection && (
                  <td role="cell" className="fit" data-m="s">
                    <input
                      type="checkbox"
                      tabIndex={-1}
                      aria-label={t("select.row", { name: props.nameOf?.(row.original) ?? id })}
                      checked={selected}
                      onChange={() => undefined}
                      onClick={(e) => { if (e.shiftKey) selection.extend(id); else selection.toggle(id); }}
                    />
                  </td>
                )}
                {row.getVisibleCells().map((cell) => {
                  const c = specs.get(cell.column.id);
                  if (!c) return null;
                  return (
                    <td key={c.id} role="cell" data-m={c.phone} className={`${c.right ? "r" : ""} ${c.give ?? ""} ${c.className ?? ""}`} title={c.title && written(c.title(row.original))}>
                      {c.cell(row.original)}
                    </td>
                  );
                })}
              </tr>,
            ];
          })}
          {after > 0 && <tr aria-hidden="true" className="gap"><td colSpan={span} style={{ height: after }} /></tr>}
        </tbody>
      </table>
      {props.children}
    </div>
  );
}
