// Which rows are selected: some by id, or everything that matches the filter.
import { useCallback, useMemo, useRef, useState } from "react";

export interface Selection {
  ids: ReadonlySet<string>;
  /** The filter itself is selected, also what is not loaded. */
  everything: boolean;
  count: (total: number) => number;
  has: (id: string) => boolean;
  toggle: (id: string) => void;
  /** From the last toggled row to this one. */
  extend: (id: string) => void;
  page: (on: boolean) => void;
  all: () => void;
  clear: () => void;
}

export function useSelection(shown: readonly string[]): Selection {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set());
  const [everything, setEverything] = useState(false);
  const anchor = useRef("");
  const list = useRef(shown);
  list.current = shown;
  const toggle = useCallback((id: string) => {
    anchor.current = id;
    setEverything(false);
    setIds((old) => {
      const next = new Set(old);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  }, []);
  const extend = useCallback((id: string) => {
    const from = list.current.indexOf(anchor.current);
    const to = list.current.indexOf(id);
    if (from < 0 || to < 0) {
      toggle(id);
      return;
    }
    const range = list.current.slice(Math.min(from, to), Math.max(from, to) + 1);
    setIds((old) => new Set([...old, ...range]));
  }, [toggle]);
  const clear = useCallback(() => {
    setIds((old) => (old.size ? new Set() : old));
    setEverything(false);
  }, []);
  const page = useCallback((on: boolean) => {
    setEverything(false);
    setIds(new Set(on ? list.current : []));
  }, []);
  const all = useCallback(() => {
    setIds(new Set(list.current));
    setEverything(true);
  }, []);
  // A row that has left the list is no longer selected.
  const present = useMemo(() => {
    if (ids.size === 0) return ids;
    const here = new Set(shown);
    const left = [...ids].filter((id) => here.has(id));
    return left.length === ids.size ? ids : new Set(left);
  }, [ids, shown]);
  return {
    ids: present,
    everything,
    count: (total) => (everything ? total : present.size),
    has: (id) => everything || present.has(id),
    toggle,
    extend,
    page,
    all,
    clear,
  };
}
