// What a screen shows of the server: old data stays while new data comes or an error lasts.
import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError } from "../api/client";

export interface Resource<T> {
  data: T | undefined;
  error: ApiError | undefined;
  loading: boolean;
  /** When the data was read. */
  at: Date | undefined;
  /** When the next try comes after an error. */
  retryAt: number | undefined;
  refresh: () => void;
  /** Changes the data in place: live updates, and writes before the server has answered. */
  update: (change: (old: T) => T) => void;
}

interface State<T> {
  key: string;
  data?: T;
  error?: ApiError;
  loading: boolean;
  at?: Date;
  retryAt?: number;
}

const pauses = [2, 5, 10, 30];
const kept = new Map<string, { data: unknown; at: Date }>();
function keep(key: string, data: unknown): void {
  kept.delete(key);
  kept.set(key, { data, at: new Date() });
  if (kept.size > 40) kept.delete(kept.keys().next().value as string);
}
/** After signing out: nothing of the last reader stays. */
export function forgetResources(): void {
  kept.clear();
}

/**
 * Reads `key` by `read`; a changed key reads again. `every` reads again after so many seconds. An empty key reads nothing.
 * Coming back to a key shows what was there last while it is read again.
 */
export function useResource<T>(key: string, read: (signal: AbortSignal) => Promise<T>, every = 0): Resource<T> {
  const [state, setState] = useState<State<T>>({ key: "", loading: true });
  const [turn, setTurn] = useState(0);
  const reader = useRef(read);
  useEffect(() => {
    reader.current = read;
  });

  useEffect(() => {
    if (!key) return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;
    const run = async () => {
      try {
        const data = await reader.current(stop.signal);
        if (stop.signal.aborted) return;
        keep(key, data);
        failures = 0;
        setState({ key, data, loading: false, at: new Date() });
        if (every) timer = setTimeout(() => void run(), every * 1000);
      } catch (e) {
        if (stop.signal.aborted) return;
        const error = e instanceof ApiError ? e : new ApiError({ title: String(e), status: 0, code: "console" });
        // What is not there or not allowed will not be so in two seconds.
        const lasting = error.status >= 400 && error.status < 500 && error.status !== 429 && error.status !== 408;
        const pause = error.retryAfter ?? pauses[Math.min(failures++, pauses.length - 1)] ?? 30;
        const next: Partial<State<T>> = { error, loading: false };
        if (!lasting) {
          next.retryAt = Date.now() + pause * 1000;
          timer = setTimeout(() => void run(), pause * 1000);
        }
        setState((old) => ({ ...(old.key === key ? old : { key }), ...next }) as State<T>);
      }
    };
    setState((old) => {
      const last = kept.get(key);
      if (old.key === key) return { ...old, loading: true };
      return last ? { key, data: last.data as T, at: last.at, loading: true } : { key, loading: true };
    });
    void run();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [key, turn, every]);

  const refresh = useCallback(() => { setTurn((t) => t + 1); }, []);
  const update = useCallback((change: (old: T) => T) => {
    setState((s) => (s.data === undefined ? s : { ...s, data: change(s.data) }));
  }, []);
  const mine = state.key === key;
  return {
    data: mine ? state.data : undefined,
    error: mine ? state.error : undefined,
    loading: mine ? state.loading : true,
    at: mine ? state.at : undefined,
    retryAt: mine ? state.retryAt : undefined,
    refresh,
    update,
  };
}
