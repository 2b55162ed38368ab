// A list behind a filter line: the line and the order stand in the address, the rows come page by page.
import { useState } from "react";
import { useKeys } from "./keys";
import { usePaged, type Paged, type PageOf } from "./paged";
import { navigate, useParam } from "./router";
import { useFilter, type FilterFields, type FilterState } from "./usefilter";

export interface Rows<T> {
  list: Paged<T>;
  filter: FilterState;
  text: string;
  setText: (text: string) => void;
  order: string;
  setSort: (sort: string) => void;
  /** What stands where the rows would stand, as far as the filter goes. */
  found: { text: string; onReset: () => void };
}

export function useRows<T>(o: {
  key: string;
  fields: FilterFields;
  /** The order without another choice; a list without one has only its own. */
  order?: string;
  limit: number;
  /** Nobody scrolls or selects: new rows come at once. */
  calm?: boolean;
  read: (query: Record<string, string | number>, signal: AbortSignal) => Promise<PageOf<T>>;
  idOf: (row: T) => string;
}): Rows<T> {
  const filter = useFilter(o.fields);
  const [sort, setSort] = useParam("sort");
  const [text, setText] = useParam("q");
  const order = o.order === undefined ? "" : sort || o.order;
  const list = usePaged<T>(
    `${o.key} ${JSON.stringify(filter.params)} ${order} ${o.limit}`,
    (cursor, signal) => o.read({ ...filter.params, ...(order && { sort: order }), limit: o.limit, ...(cursor && { cursor }) }, signal),
    o.idOf,
    o.calm,
  );
  return { list, filter, text, setText, order, setSort, found: { text: filter.text, onReset: () => { setText(""); } } };
}

/** Rows with a page of their own: Enter and o go there. For the table's onCurrent. */
export function useRowPages<T>(pathOf: (row: T) => string | undefined): (row: T | undefined) => void {
  const [current, setCurrent] = useState<T>();
  const path = current === undefined ? undefined : pathOf(current);
  const go = () => { if (path !== undefined) navigate(path); };
  useKeys({ ...(path !== undefined && { Enter: go, o: go }) });
  return setCurrent;
}
