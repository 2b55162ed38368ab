// A list of what is there now: the stream changes it in place, and it can be held.
import { useState } from "react";
import { useLiveState, type LiveState } from "../api/live";
import { useLiveList } from "./livelist";
import { usePaged, type Paged, type PageOf } from "./paged";
import { useOpen, useParam } from "./router";
import { useFilter, type FilterFields, type FilterState } from "./usefilter";

export interface LiveScreen<T> {
  list: Paged<T>;
  filter: FilterState;
  text: string;
  setText: (text: string) => void;
  order: string;
  setSort: (sort: string) => void;
  open: string;
  setOpen: (id: string) => void;
  held: boolean;
  setHeld: (held: boolean) => void;
  /** The row that the keyboard is on. */
  current: T | undefined;
  setCurrent: (row: T | undefined) => void;
  live: { state: LiveState; since: Date };
  shown: T | undefined;
}

export function useLiveScreen<T>(o: {
  key: string;
  topic: string;
  fields: FilterFields;
  order: string;
  limit: number;
  read: (query: Record<string, string | number>, signal: AbortSignal) => Promise<PageOf<T>>;
  idOf: (row: T) => string;
}): LiveScreen<T> {
  const filter = useFilter(o.fields);
  const [sort, setSort] = useParam("sort");
  const [open, setOpen] = useOpen();
  const [text, setText] = useParam("q");
  const [held, setHeld] = useState(false);
  const [current, setCurrent] = useState<T>();
  const order = sort || o.order;
  const list = usePaged<T>(
    `${o.key} ${JSON.stringify(filter.params)} ${order} ${o.limit}`,
    (cursor, signal) => o.read({ ...filter.params, sort: order, limit: o.limit, ...(cursor ? { cursor } : {}) }, signal),
    o.idOf,
    !held && !open,
  );
  useLiveList(o.topic, list, held, filter.text !== "", o.idOf);
  const live = useLiveState(held);
  const shown = list.items?.find((row) => o.idOf(row) === open);
  return { list, filter, text, setText, order, setSort, open, setOpen, held, setHeld, current, setCurrent, live, shown };
}
