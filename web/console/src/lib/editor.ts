// A form over one object of the server: what is changed, saving with If-Match, and what others changed meanwhile.
import { useEffect, useRef, useState } from "react";
import { ApiError, type Result } from "../api/client";
import { changesOf, meetings, merge, type Meeting, type Values } from "./merge";

export interface Editor<T extends Values> {
  value: T | undefined;
  set: (change: Partial<T>) => void;
  changes: Partial<T>;
  dirty: boolean;
  busy: boolean;
  error: ApiError | undefined;
  /** Fields that somebody else changed too: ask, then call resolve. */
  conflict: readonly Meeting[] | undefined;
  save: () => Promise<boolean>;
  resolve: (take: ReadonlySet<string> | undefined) => Promise<boolean>;
  reset: () => void;
}

export function useEditor<T extends Values>(
  id: string,
  read: () => Promise<Result<T>>,
  write: (changes: Partial<T>, etag: string | undefined) => Promise<Result<T>>,
): Editor<T> & { missing: ApiError | undefined; reload: () => void } {
  const [base, setBase] = useState<Result<T>>();
  const [value, setValue] = useState<T>();
  const [missing, setMissing] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const [theirs, setTheirs] = useState<{ now: Result<T>; fields: Meeting[] }>();
  const [turn, setTurn] = useState(0);
  const io = useRef({ read, write });
  useEffect(() => {
    io.current = { read, write };
  });
  useEffect(() => {
    let wanted = true;
    io.current.read().then(
      (r) => {
        if (!wanted) return;
        setBase(r);
        setValue(r.data);
        setMissing(undefined);
        setError(undefined);
      },
      (e: unknown) => {
        if (wanted && e instanceof ApiError) setMissing(e);
      },
    );
    return () => {
      wanted = false;
    };
  }, [id, turn]);

  const changes = base && value ? changesOf(base.data, value) : {};
  const store = async (from: Result<T>, mine: T): Promise<boolean> => {
    setBusy(true);
    setError(undefined);
    try {
      const r = await io.current.write(changesOf(from.data, mine), from.etag);
      setTheirs(undefined);
      // The answer of a write carries no ETag of its own: read what is there now.
      const now = r.etag ? r : await io.current.read();
      setBase(now);
      setValue(now.data);
      return true;
    } catch (e) {
      if (!(e instanceof ApiError)) throw e;
      if (e.status === 412) {
        const now = await io.current.read();
        const fields = meetings(from.data, mine, now.data);
        if (fields.length === 0) return await store(now, merge(from.data, mine, now.data, new Set()));
        setTheirs({ now, fields });
      } else setError(e);
      return false;
    } finally {
      setBusy(false);
    }
  };
  return {
    value,
    set: (change) => { setValue((v) => (v ? { ...v, ...change } : v)); },
    changes,
    dirty: Object.keys(changes).length > 0,
    busy,
    error,
    conflict: theirs?.fields,
    save: async () => (base && value ? await store(base, value) : false),
    resolve: async (take) => {
      if (!theirs || !base || !value || !take) {
        setTheirs(undefined);
        return false;
      }
      const merged = merge(base.data, value, theirs.now.data, take);
      return await store(theirs.now, merged);
    },
    reset: () => {
      setValue(base?.data);
      setError(undefined);
    },
    missing,
    reload: () => { setTurn((n) => n + 1); },
  };
}
