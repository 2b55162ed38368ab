// Rows that are about to go: the list is without them while they can be brought back.
import { useCallback, useMemo, useState } from "react";
import type { Operation } from "../api/schema";
import { useText } from "../i18n";
import { failed } from "../ui/States";
import { ended, undoable } from "./operation";
import type { Paged } from "./paged";
import { later } from "./pending";
import { toast } from "./toast";

export interface Going<T> {
  list: Paged<T>;
  /** `act` is done here when the time of Undo is over. */
  go: (row: T, told: string, act: () => Promise<unknown>) => void;
  goAll: (rows: readonly T[], told: string, act: () => Promise<unknown>) => void;
  /** `start` hands them to the server, which holds it for that time. */
  hold: (rows: readonly T[], told: string, start: () => Promise<Operation>) => void;
}

export function useGoing<T>(list: Paged<T>, idOf: (row: T) => string): Going<T> {
  const t = useText();
  const [going, setGoing] = useState<ReadonlySet<string>>(new Set());
  const { refresh } = list;
  const mark = useCallback((ids: readonly string[], on: boolean) => {
    setGoing((old) => {
      const next = new Set(old);
      for (const id of ids) {
        if (on) next.add(id);
        else next.delete(id);
      }
      return next;
    });
  }, []);
  const goAll = useCallback((rows: readonly T[], told: string, act: () => Promise<unknown>) => {
    const ids = rows.map(idOf);
    mark(ids, true);
    later(told, act, t, {
      done: () => {
        refresh();
        mark(ids, false);
      },
      undone: () => { mark(ids, false); },
    });
  }, [idOf, mark, refresh, t]);
  const go = useCallback((row: T, told: string, act: () => Promise<unknown>) => { goAll([row], told, act); }, [goAll]);
  const hold = useCallback((rows: readonly T[], told: string, start: () => Promise<Operation>) => {
    const ids = rows.map(idOf);
    mark(ids, true);
    start().then((operation) => {
      undoable(operation, told, t, () => { mark(ids, false); });
      return ended(operation);
    }).then(
      (operation) => {
        const failure = operation.failures[0];
        if (failure) {
          toast(failure.detail, { bad: true });
          mark(ids, false);
        }
        refresh();
      },
      (e: unknown) => {
        failed(e, t);
        mark(ids, false);
      },
    );
  }, [idOf, mark, refresh, t]);
  const items = useMemo(() => list.items?.filter((row) => !going.has(idOf(row))), [list.items, going, idOf]);
  return { list: { ...list, items }, go, goAll, hold };
}
