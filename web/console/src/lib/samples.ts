// Figures over time while the console is open: the server tells sums since its start, two of them make a rate.
import { useEffect, useState } from "react";

export interface Sample {
  at: number;
  values: Readonly<Record<string, number>>;
}

const kept: Sample[] = [];
const most = 120;

/** Adds a sample unless it is the last one again; a sum that went back (the server was restarted) begins anew. */
export function addSample(list: Sample[], sample: Sample): void {
  const last = list[list.length - 1];
  if (last && sample.at <= last.at) return;
  if (last && Object.entries(sample.values).some(([k, v]) => v < (last.values[k] ?? 0))) list.length = 0;
  list.push(sample);
  if (list.length > most) list.shift();
}

/** Increase per second between the samples. */
export function ratesOf(list: readonly Sample[], name: string): number[] {
  const out: number[] = [];
  for (let i = 1; i < list.length; i++) {
    const a = list[i - 1];
    const b = list[i];
    if (a && b) out.push((((b.values[name] ?? 0) - (a.values[name] ?? 0)) * 1000) / Math.max(1, b.at - a.at));
  }
  return out;
}

/** The samples that this tab has seen, with the newest one added. */
export function useSamples(at: Date | undefined, values: Readonly<Record<string, number>> | undefined): readonly Sample[] {
  const [list, setList] = useState<readonly Sample[]>(kept);
  useEffect(() => {
    if (!at || !values) return;
    addSample(kept, { at: at.getTime(), values });
    setList([...kept]);
    // Only a new reading is a new sample.
  }, [at]);
  return list;
}
