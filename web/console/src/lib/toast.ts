// Undo instead of "are you sure": the server holds the action for some seconds, the toast counts them down.
import { useSyncExternalStore } from "react";

export interface Toast {
  id: number;
  text: string;
  bad?: boolean;
  /** Until when undo works; milliseconds since 1970. */
  until?: number;
  undo?: () => void;
}

let shown: readonly Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();
function put(list: readonly Toast[]): void {
  shown = list;
  for (const l of listeners) l();
}

export function dismiss(id: number): void {
  put(shown.filter((t) => t.id !== id));
}

export function toast(text: string, options: { bad?: boolean; undo?: () => void; seconds?: number } = {}): void {
  const id = next++;
  const seconds = options.seconds ?? (options.bad ? 12 : 6);
  const t: Toast = { id, text };
  if (options.bad) t.bad = true;
  if (options.undo) {
    t.undo = options.undo;
    t.until = Date.now() + seconds * 1000;
  }
  put([...shown.slice(-2), t]);
  setTimeout(() => { dismiss(id); }, seconds * 1000);
}

/** The key u: takes back the newest thing that can be. */
export function undoLast(): boolean {
  const last = shown.findLast((t) => t.undo);
  if (!last?.undo) return false;
  dismiss(last.id);
  last.undo();
  return true;
}

export function useToasts(): readonly Toast[] {
  return useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => shown,
  );
}
