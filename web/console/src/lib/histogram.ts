// How many lines there are when: bars over the hours of a log. Pure.

export interface Bar {
  /** hh:mm:ss */
  from: string;
  to: string;
  n: number;
}

const steps = [1, 5, 10, 30, 60, 300, 600, 1800, 3600];

function secondsOf(time: string): number {
  const [h, m, s] = time.split(":").map(Number);
  return (h ?? 0) * 3600 + (m ?? 0) * 60 + (s ?? 0);
}
function timeOf(seconds: number): string {
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  const s = Math.min(seconds, 86_399);
  return `${two(s / 3600)}:${two((s % 3600) / 60)}:${two(s % 60)}`;
}

/** At most `most` bars of a round length from the first line's to the last one's; none for lines without a span. */
export function barsOf(times: readonly (string | null)[], most: number): Bar[] {
  // A line without a time goes on from the one before.
  let before = 0;
  const at = times.slice(Math.max(0, times.findIndex((x) => x !== null))).map((x) => (before = x === null ? before : secondsOf(x)));
  if (at.length < 2) return [];
  const first = Math.min(...[at[0] ?? 0, ...at.slice(-1)]);
  const last = Math.max(...[at[0] ?? 0, ...at.slice(-1)]);
  const step = steps.find((s) => Math.floor(last / s) - Math.floor(first / s) < most) ?? 3600;
  const begin = Math.floor(first / step);
  const n = Math.floor(last / step) - begin + 1;
  if (n < 2) return [];
  const counts = new Array<number>(n).fill(0);
  for (const s of at) {
    const i = Math.floor(s / step) - begin;
    if (i >= 0 && i < n) counts[i] = (counts[i] ?? 0) + 1;
  }
  return counts.map((count, i) => ({ from: timeOf((begin + i) * step), to: timeOf((begin + i + 1) * step - 1), n: count }));
}
