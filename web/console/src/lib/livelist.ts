// Ties a list to its topic of the event stream.
import { useEffect, useRef } from "react";
import { useTopic } from "../api/live";
import type { Paged } from "./paged";

/**
 * upsert and remove change rows in place; held, nothing moves. A filtered list learns only of the rows that it shows: which
 * others would fit, the server knows.
 */
export function useLiveList<T>(topic: string, list: Paged<T>, held: boolean, filtered: boolean): void {
  const began = useRef("");
  const wasHeld = useRef(false);
  const { refreshSoon } = list;
  useEffect(() => {
    if (wasHeld.current && !held) refreshSoon();
    wasHeld.current = held;
  }, [held, refreshSoon]);
  useTopic(held ? "" : topic, (e) => {
    const data = e.data as { item?: T; id?: string; total?: number };
    if (e.type === "upsert" && data.item) list.upsert(data.item);
    else if (e.type === "remove" && data.id) list.remove(data.id);
    else if (e.type === "count" && data.total !== undefined) {
      if (!filtered) list.setTotal(data.total);
    } else if (e.type === "resync" || e.type === "invalidate") refreshSoon();
    else if (e.type === "snapshot") {
      // The first one tells what the list has just read itself; a later one, that the stream was interrupted.
      if (began.current === topic) refreshSoon();
      began.current = topic;
    }
  });
}
