// A list that is read page by page with cursors and changes in place while one looks.
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { ApiError } from "../api/client";
import { useResource } from "./resource";

export interface PageOf<T> {
  items: T[];
  next_cursor: string | null;
  total: { value: number; relation: "exact" | "at_least" };
  as_of: string;
  facets?: Record<string, unknown>;
}

export interface Paged<T> {
  items: readonly T[] | undefined;
  total: number | undefined;
  exact: boolean;
  asOf: string | undefined;
  facets: Record<string, unknown> | undefined;
  error: ApiError | undefined;
  retryAt: number | undefined;
  loading: boolean;
  /** Reads the next page; absent at the end. */
  more: (() => void) | undefined;
  refresh: () => void;
  /** At most once a second, however often it is called. */
  refreshSoon: () => void;
  /** Rows that came while the list was held, and are not shown yet. */
  fresh: number;
  upsert: (row: T) => void;
  remove: (id: string) => void;
  setTotal: (total: number) => void;
  leaving: ReadonlySet<string>;
}

/** A row that left stays this long, so that one sees what happened to it. */
const farewell = 3000;

/**
 * `key` names what is read (all parameters); `calm` is true while nobody scrolls or selects: then new rows come at once,
 * else they wait.
 */
export function usePaged<T>(key: string, read: (cursor: string | undefined, signal: AbortSignal) => Promise<PageOf<T>>, idOf: (row: T) => string, calm = true): Paged<T> {
  const first = useResource(key, (signal) => read(undefined, signal));
  const [pages, setPages] = useState<{ key: string; of: unknown; list: PageOf<T>[] }>({ key, of: undefined, list: [] });
  const [fresh, setFresh] = useState(0);
  const [leaving, setLeaving] = useState<ReadonlySet<string>>(new Set());
  const reader = useRef(read);
  const timers = useRef(new Set<ReturnType<typeof setTimeout>>());
  const soon = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const { update, refresh } = first;
  useEffect(() => {
    reader.current = read;
  });
  const at = first.at;
  useEffect(() => {
    setPages({ key, of: at, list: [] });
    setFresh(0);
  }, [key, at]);
  useEffect(() => {
    const pending = timers.current;
    return () => {
      pending.forEach(clearTimeout);
      clearTimeout(soon.current);
      soon.current = undefined;
    };
  }, []);

  const extra = pages.key === key && pages.of === at ? pages.list : undefined;
  const items = useMemo(() => {
    if (!first.data) return undefined;
    const all = [...first.data.items, ...(extra ?? []).flatMap((p) => p.items)];
    const seen = new Set<string>();
    return all.filter((row) => {
      const id = idOf(row);
      return !seen.has(id) && seen.add(id);
    });
  }, [first.data, extra]);

  const last = extra?.[extra.length - 1] ?? first.data;
  const cursor = last?.next_cursor ?? undefined;
  const busy = useRef("");
  const more = useCallback(() => {
    if (!cursor || busy.current === cursor) return;
    busy.current = cursor;
    reader.current(cursor, new AbortController().signal).then(
      (page) => { setPages((p) => (p.key === key && p.of === at ? { ...p, list: [...p.list, page] } : p)); },
      () => { busy.current = ""; },
    );
  }, [cursor, key, at]);

  const items_ = useRef(items);
  items_.current = items;
  const calm_ = useRef(calm);
  calm_.current = calm;
  const change = useCallback((fn: (rows: T[]) => T[]) => {
    update((page) => ({ ...page, items: fn(page.items) }));
    setPages((p) => ({ ...p, list: p.list.map((page) => ({ ...page, items: fn(page.items) })) }));
  }, [update]);
  const refreshSoon = useCallback(() => {
    soon.current ??= setTimeout(() => {
      soon.current = undefined;
      refresh();
    }, 1000);
  }, [refresh]);
  const upsert = useCallback((row: T) => {
    const id = idOf(row);
    if (items_.current?.some((r) => idOf(r) === id)) change((rows) => rows.map((r) => (idOf(r) === id ? row : r)));
    else if (calm_.current) refreshSoon();
    else setFresh((n) => n + 1);
  }, [change, refreshSoon]);
  const remove = useCallback((id: string) => {
    if (!items_.current?.some((r) => idOf(r) === id)) return;
    setLeaving((old) => new Set(old).add(id));
    const timer = setTimeout(() => {
      timers.current.delete(timer);
      change((rows) => rows.filter((r) => idOf(r) !== id));
      setLeaving((old) => {
        const next = new Set(old);
        next.delete(id);
        return next;
      });
    }, farewell);
    timers.current.add(timer);
  }, [change]);
  const setTotal = useCallback((value: number) => {
    update((page) => ({ ...page, total: { value, relation: "exact" } }));
  }, [update]);

  return {
    items,
    total: first.data?.total.value,
    exact: first.data?.total.relation !== "at_least",
    asOf: first.data?.as_of,
    facets: first.data?.facets,
    error: first.error,
    retryAt: first.retryAt,
    loading: first.loading,
    more: cursor ? more : undefined,
    refresh,
    refreshSoon,
    fresh,
    upsert,
    remove,
    setTotal,
    leaving,
  };
}
