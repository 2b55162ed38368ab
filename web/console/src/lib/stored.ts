// A list of what is stored, of a span: searched by the server from the newest on, and what is new comes by itself.
import { useState } from "react";
import { usePaged, type Paged, type PageOf } from "./paged";
import { useOpen, useParam, useSearch } from "./router";
import { useNewest, useSearchOn } from "./searched";
import { readSpan, spanQuery, type Span, type SpanChoice } from "./span";
import { useFilter, type FilterFields, type FilterState } from "./usefilter";

export interface StoredList<T> {
  list: Paged<T>;
  filter: FilterState;
  choice: SpanChoice;
  searching: boolean;
  held: boolean;
  setHeld: (held: boolean) => void;
  open: string;
  setOpen: (id: string) => void;
  text: string;
  setText: (text: string) => void;
  shown: T | undefined;
}

export interface StoredQuery {
  limit: number;
  cursor?: string;
  from?: string;
  to?: string;
}

/** `topic` tells that something has come; without it the list looks by itself. */
export function useStoredList<T>(o: {
  key: string;
  fields: FilterFields;
  usual: Span;
  read: (query: StoredQuery & Record<string, string | number>, signal: AbortSignal) => Promise<PageOf<T>>;
  idOf: (row: T) => string;
  topic?: string;
  /** What is there is looked at once: each look is recorded. */
  still?: boolean;
}): StoredList<T> {
  const filter = useFilter(o.fields);
  const choice = readSpan(useSearch(), o.usual);
  const [text, setText] = useParam("q");
  const [open, setOpen] = useOpen();
  const [held, setHeld] = useState(false);
  const read = (cursor: string | undefined, signal: AbortSignal, limit = 100) =>
    o.read({ ...filter.params, ...spanQuery(choice, Date.now()), limit, ...(cursor ? { cursor } : {}) }, signal);
  const list = usePaged<T>(`${o.key} ${JSON.stringify([filter.params, choice])}`, read, o.idOf, !held && !open);
  const searching = useSearchOn(list);
  useNewest(list, (signal) => read(undefined, signal, 50), !held && !choice.to && !o.still, o.topic);
  const shown = list.items?.find((row) => o.idOf(row) === open);
  return { list, filter, choice, searching, held, setHeld, open, setOpen, text, setText, shown };
}
