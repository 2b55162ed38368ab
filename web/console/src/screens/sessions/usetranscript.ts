// What was said in a session: all of it for one that has ended; of a living one it goes on while one looks.
import { useEffect, useRef, useState } from "react";
import { api, ApiError } from "../../api/client";
import type { TranscriptLine } from "../../lib/transcript";

/** The newest lines that are kept here. */
const most = 5000;
const page = 1000;
const pace = 1200;
const pauses = [2000, 5000, 10_000];

export interface TranscriptState {
  id: string;
  lines: TranscriptLine[];
  /** All that there is has been read once. */
  read: boolean;
  /** More may come. */
  following: boolean;
  /** Lines before the first one that is kept. */
  dropped: number;
  error: ApiError | undefined;
}

const begin = (id: string): TranscriptState => ({ id, lines: [], read: false, following: false, dropped: 0, error: undefined });

export function useTranscript(id: string, held: boolean): { state: TranscriptState; retry: () => void } {
  const [state, setState] = useState<TranscriptState>(begin(id));
  const [turn, setTurn] = useState(0);
  const cursor = useRef<{ id: string; at: string | null | undefined }>({ id, at: undefined });
  useEffect(() => {
    if (held) return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;
    if (cursor.current.id !== id) {
      cursor.current = { id, at: undefined };
      setState(begin(id));
    }
    const run = async () => {
      const at = cursor.current.at;
      if (at === null) return;
      try {
        const next = await api.get("/sessions/{id}/transcript", { path: { id }, query: { limit: page, ...(at ? { cursor: at } : {}) }, signal: stop.signal });
        if (stop.signal.aborted) return;
        failures = 0;
        cursor.current.at = next.next_cursor;
        const full = next.items.length >= page;
        const alive = next.state === "active";
        setState((old) => {
          const all = [...(old.id === id ? old.lines : []), ...next.items];
          return { id, lines: all.slice(-most), read: old.read || !full, following: alive && next.next_cursor !== null, dropped: old.dropped + Math.max(0, all.length - most), error: undefined };
        });
        if (next.next_cursor !== null) timer = setTimeout(() => void run(), full ? 0 : pace);
      } catch (e) {
        if (stop.signal.aborted) return;
        const error = e instanceof ApiError ? e : new ApiError({ title: String(e), status: 0, code: "console" });
        setState((old) => ({ ...old, read: true, following: false, error }));
        if (error.status < 400 || error.status >= 500 || error.status === 429) timer = setTimeout(() => void run(), pauses[Math.min(failures++, 2)]);
      }
    };
    void run();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [id, held, turn]);
  return { state: state.id === id ? state : begin(id), retry: () => { setTurn((n) => n + 1); } };
}
