// What the reader chose on this device: theme, density, language, letter keys, columns of each list.
import { useSyncExternalStore } from "react";

const prefix = "posthorn.";
const memory = new Map<string, string>();
const listeners = new Set<() => void>();

export const preference = {
  get(name: string): string {
    try {
      return localStorage.getItem(prefix + name) ?? memory.get(name) ?? "";
    } catch {
      return memory.get(name) ?? "";
    }
  },
  /** "" removes it. */
  set(name: string, value: string): void {
    if (value) memory.set(name, value);
    else memory.delete(name);
    try {
      if (value) localStorage.setItem(prefix + name, value);
      else localStorage.removeItem(prefix + name);
    } catch {
      // Storage is switched off or full: the choice holds until the page is left.
    }
    for (const l of listeners) l();
  },
};

export function usePreference(name: string): [string, (value: string) => void] {
  const value = useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      addEventListener("storage", changed);
      return () => {
        listeners.delete(changed);
        removeEventListener("storage", changed);
      };
    },
    () => preference.get(name),
  );
  return [value, (v) => { preference.set(name, v); }];
}
