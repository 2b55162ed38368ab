// Rows that are about to go: the list is without them while they can be brought back.
import { useCallback, useMemo, useState } from "react";
import { useText } from "../i18n";
import type { Paged } from "./paged";
import { later } from "./pending";

export function useGoing<T>(list: Paged<T>, idOf: (row: T) => string): { list: Paged<T>; go: (row: T, told: string, act: () => Promise<unknown>) => void } {
  const t = useText();
  const [going, setGoing] = useState<ReadonlySet<string>>(new Set());
  const { refresh } = list;
  const go = useCallback((row: T, told: string, act: () => Promise<unknown>) => {
    const id = idOf(row);
    const mark = (on: boolean) => {
      setGoing((old) => {
        const next = new Set(old);
        if (on) next.add(id);
        else next.delete(id);
        return next;
      });
    };
    mark(true);
    later(told, act, t, {
      done: () => {
        refresh();
        mark(false);
      },
      undone: () => { mark(false); },
    });
  }, [idOf, refresh, t]);
  const items = useMemo(() => list.items?.filter((row) => !going.has(idOf(row))), [list.items, going, idOf]);
  return { list: { ...list, items }, go };
}
