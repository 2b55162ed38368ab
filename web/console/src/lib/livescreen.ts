// A list of what is there now: the stream changes it in place, and it can be held.
import { useState } from "react";
import { useLiveState, type LiveState } from "../api/live";
import { useLiveList } from "./livelist";
import type { PageOf } from "./paged";
import { useOpen } from "./router";
import { useRows, type Rows } from "./rows";
import type { FilterFields } from "./usefilter";

export interface LiveScreen<T> extends Rows<T> {
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
  /** The list is a part of its topic: which rows can be in it. */
  fits?: (row: T) => boolean;
}): LiveScreen<T> {
  const [open, setOpen] = useOpen();
  const [held, setHeld] = useState(false);
  const [current, setCurrent] = useState<T>();
  const rows = useRows({ ...o, calm: !held && !open });
  const { list, filter } = rows;
  useLiveList(o.topic, list, held, filter.text !== "" || !!o.fits, o.idOf, o.fits);
  const live = useLiveState(held);
  const shown = list.items?.find((row) => o.idOf(row) === open);
  return { ...rows, open, setOpen, held, setHeld, current, setCurrent, live, shown };
}
