// Lists that the server searches among stored events: a page may be short or empty although there is more. What is new is
// asked for when the server tells that something moved, and now and then.
import { useEffect, useRef } from "react";
import { useTopic } from "../api/live";
import type { Paged, PageOf } from "./paged";

/** Fewer rows than this are not worth stopping for. */
const enough = 60;
const every = 10_000;

/** Reads on while there are few rows; true while it does. */
export function useSearchOn<T>(list: Paged<T>): boolean {
  const { more, items } = list;
  const on = !!more && !!items && items.length < enough;
  useEffect(() => {
    if (on) more();
  }, [on, more]);
  return on;
}

/** Asks for the newest rows while the page is seen, and when `topic` tells of some; each new one is told to the list once. */
export function useNewest<T>(list: Paged<T>, read: (signal: AbortSignal) => Promise<PageOf<T>>, active: boolean, topic = ""): void {
  const told = useRef(new Set<string>());
  const reader = useRef(read);
  const soon = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const ask = useRef<() => void>(() => undefined);
  const { upsert, asOf } = list;
  useEffect(() => {
    reader.current = read;
  });
  useEffect(() => {
    told.current.clear();
  }, [asOf]);
  useEffect(() => {
    if (!active) return;
    const stop = new AbortController();
    ask.current = () => {
      if (document.hidden) return;
      reader.current(stop.signal).then(
        (page) => {
          for (const row of page.items) {
            const key = JSON.stringify(row);
            if (told.current.has(key)) continue;
            told.current.add(key);
            upsert(row);
          }
        },
        () => undefined,
      );
    };
    const timer = setInterval(() => { ask.current(); }, every);
    return () => {
      clearInterval(timer);
      clearTimeout(soon.current);
      soon.current = undefined;
      stop.abort();
    };
  }, [active, upsert]);
  useTopic(active ? topic : "", (e) => {
    if (e.type !== "resync") return;
    soon.current ??= setTimeout(() => {
      soon.current = undefined;
      ask.current();
    }, 500);
  });
}
