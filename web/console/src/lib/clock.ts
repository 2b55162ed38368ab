import { useSyncExternalStore } from "react";

// One clock for all rows that show how long something lasts, so that they turn together.
let now = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const l of listeners) l();
  }, 1000);
  return () => {
    listeners.delete(changed);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** Milliseconds since 1970, in steps of `step` seconds. */
export function useNow(step = 1): number {
  return useSyncExternalStore(subscribe, () => Math.floor(now / (step * 1000)) * step * 1000);
}
