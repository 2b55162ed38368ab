// Ties a list to its topic of the event stream.
import { useEffect, useRef } from "react";
import { useTopic } from "../api/live";
import type { Paged } from "./paged";

/** Whether a list shows what the server had when the stream began. A list that shows only a part cannot tell. */
export function showsAll<T>(snapshot: { items?: readonly T[]; total?: number }, list: { items: readonly T[] | undefined; total: number | undefined }, idOf: (row: T) => string): boolean {
  const theirs = snapshot.items;
  const mine = list.items;
  if (!theirs || !mine || snapshot.total !== theirs.length || list.total !== mine.length || theirs.length !== mine.length) return false;
  const rows = new Map(mine.map((row) => [idOf(row), JSON.stringify(row)]));
  return theirs.every((row) => rows.get(idOf(row)) === JSON.stringify(row));
}

/**
 * upsert and remove change rows in place; held, nothing moves. A filtered list learns only of the rows that it shows: which
 * others would fit, the server knows. `fits` tells which rows of the topic can be in it at all.
 */
export function useLiveList<T>(topic: string, list: Paged<T>, held: boolean, filtered: boolean, idOf: (row: T) => string, fits?: (row: T) => boolean): void {
  const wasHeld = useRef(false);
  const { refreshSoon } = list;
  useEffect(() => {
    if (wasHeld.current && !held) refreshSoon();
    wasHeld.current = held;
  }, [held, refreshSoon]);
  useTopic(held ? "" : topic, (e) => {
    const data = e.data as { item?: T; id?: string; total?: number; items?: readonly T[] };
    if (e.type === "upsert" && data.item && fits && !fits(data.item)) list.remove(idOf(data.item));
    else if (e.type === "upsert" && data.item) list.upsert(data.item);
    else if (e.type === "remove" && data.id) list.remove(data.id);
    else if (e.type === "count" && data.total !== undefined) {
      if (!filtered) list.setTotal(data.total);
    } else if (e.type === "resync" || e.type === "invalidate") refreshSoon();
    else if (e.type === "snapshot" && (filtered || !showsAll(data, list, idOf))) refreshSoon(); // what moved between reading the list and the begin of the stream is told by nobody else
  });
}
