// The server's counters, live: the catalogue is read once, the values come by the event stream.
import { useEffect, useMemo, useState } from "react";
import { api } from "../api/client";
import { useTopic } from "../api/live";
import type { Metric } from "../api/schema";
import { useResource, type Resource } from "./resource";
import { useSamples, type Sample } from "./samples";

export interface Metrics {
  /** Whether the catalogue could be read. */
  catalogue: Omit<Resource<unknown>, "update">;
  items: readonly Metric[];
  values: Readonly<Record<string, number>> | undefined;
  samples: readonly Sample[];
}

/** A sample at most every so many milliseconds. */
const pace = 2000;

/** Peaks go down too: they are no sums, and only the charts show them. */
async function countersOf(signal: AbortSignal) {
  const all = await api.get("/metrics", { query: { limit: 2000 }, signal });
  return { ...all, items: all.items.filter((m) => m.kind === "counter") };
}

export function useMetrics(): Metrics {
  const catalogue = useResource("counters", (signal) => countersOf(signal), 60);
  const [live, setLive] = useState<Readonly<Record<string, number>>>({});
  const [at, setAt] = useState<Date>();
  useTopic("statistics", (e) => {
    const { values } = e.data as { values?: Record<string, number> };
    if (values) setLive((old) => ({ ...old, ...values }));
  });
  const values = useMemo(
    () => catalogue.data && { ...Object.fromEntries(catalogue.data.items.map((m) => [m.name, m.value])), ...live },
    [catalogue.data, live],
  );
  const known = !!values;
  useEffect(() => {
    if (!known) return;
    setAt(new Date());
    const timer = setInterval(() => { setAt(new Date()); }, pace);
    return () => { clearInterval(timer); };
  }, [known]);
  const samples = useSamples(at, values);
  const items = useMemo(() => (catalogue.data?.items ?? []).map((m) => ({ ...m, value: values?.[m.name] ?? m.value })), [catalogue.data, values]);
  return { catalogue, items, values, samples };
}
