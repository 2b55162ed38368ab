// What was said in a session: all of it for one that has ended; of a living one it goes on while one looks.
import { useEffect, useRef, useState } from "react";
import { api, ApiError } from "../../api/client";
import { useLiveState, useTopic } from "../../api/live";
import type { TranscriptLine } from "../../lib/transcript";

/** The newest lines that are kept here. */
const most = 5000;
const page = 1000;
/** Looks of our own: while the stream is away, and for the last lines of a session that has just ended. */
const pace = 1200;
/** The stream tells of what a session does; what the server notes about it without that is seen after so long. */
const slow = 10_000;
const pauses = [2000, 5000, 10_000];

export interface TranscriptState {
  id: string;
  /** The session's key: `id` may be the four digits of a log line. */
  key: string;
  lines: TranscriptLine[];
  /** All that there is has been read once. */
  read: boolean;
  /** More may come. */
  following: boolean;
  /** Lines before the first one that is kept. */
  dropped: number;
  error: ApiError | undefined;
}

const begin = (id: string): TranscriptState => ({ id, key: "", lines: [], read: false, following: false, dropped: 0, error: undefined });

export function useTranscript(id: string, held: boolean): { state: TranscriptState; retry: () => void } {
  const [state, setState] = useState<TranscriptState>(begin(id));
  const [turn, setTurn] = useState(0);
  const cursor = useRef<{ id: string; at: string | null | undefined }>({ id, at: undefined });
  const poke = useRef<() => void>(() => undefined);
  const told = useLiveState().state === "live";
  const mine = state.id === id;
  useTopic(!held && mine && state.following ? `sessions.${state.key}.transcript` : "", (e) => {
    if (e.type === "resync" || e.type === "invalidate") poke.current();
  });
  const everySoOften = useRef(pace);
  everySoOften.current = told ? slow : pace;
  useEffect(() => {
    if (held) return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;
    if (cursor.current.id !== id) {
      cursor.current = { id, at: undefined };
      setState(begin(id));
    }
    let busy = false;
    let again = false;
    const run = async () => {
      const at = cursor.current.at;
      if (at === null) return;
      if (busy) {
        again = true;
        return;
      }
      busy = true;
      again = false;
      clearTimeout(timer);
      try {
        const next = await api.get("/sessions/{id}/transcript", { path: { id }, query: { limit: page, ...(at ? { cursor: at } : {}) }, signal: stop.signal });
        if (stop.signal.aborted) return;
        failures = 0;
        cursor.current.at = next.next_cursor;
        const full = next.items.length >= page;
        const alive = next.state === "active";
        setState((old) => {
          const all = [...(old.id === id ? old.lines : []), ...next.items];
          return { id, key: next.id, lines: all.slice(-most), read: old.read || !full, following: alive && next.next_cursor !== null, dropped: old.dropped + Math.max(0, all.length - most), error: undefined };
        });
        busy = false;
        if (next.next_cursor !== null) timer = setTimeout(() => void run(), full || again ? 0 : alive ? everySoOften.current : pace);
      } catch (e) {
        if (stop.signal.aborted) return;
        busy = false;
        const error = e instanceof ApiError ? e : new ApiError({ title: String(e), status: 0, code: "console" });
        setState((old) => ({ ...old, read: true, following: false, error }));
        if (error.status < 400 || error.status >= 500 || error.status === 429) timer = setTimeout(() => void run(), pauses[Math.min(failures++, 2)]);
      }
    };
    poke.current = () => void run();
    void run();
    return () => {
      stop.abort();
      clearTimeout(timer);
      poke.current = () => undefined;
    };
  }, [id, held, turn]);
  return { state: mine ? state : begin(id), retry: () => { setTurn((n) => n + 1); } };
}
