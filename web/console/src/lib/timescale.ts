// A logarithmic axis of time: seconds and days stay readable side by side. Pure.

const second = 1;
const marks = [second, 10, 60, 600, 3600, 6 * 3600, 86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400];

export interface Scale {
  /** Where marks stand, in seconds after the start; the first is 0, the last is the end. */
  ticks: readonly number[];
  /** Per cent of the width for seconds after the start. */
  at: (seconds: number) => number;
}

/** From 0 to `end` seconds, in steps of equal width: the first second linear, the others logarithmic. */
export function timeScale(end: number, most = 6): Scale {
  const last = Math.max(end, second);
  let inner = marks.filter((m) => m < last * 0.8);
  // Too many marks do not fit side by side: every second one, and always the first second.
  while (inner.length > most - 2) inner = inner.filter((_, i) => i % 2 === 0);
  const ticks = [0, ...inner, last];
  const steps = ticks.length - 1;
  const at = (seconds: number) => {
    const s = Math.min(Math.max(seconds, 0), last);
    for (let i = 0; i < steps; i++) {
      const a = ticks[i] ?? 0;
      const b = ticks[i + 1] ?? last;
      if (s > b) continue;
      const part = a === 0 ? s / b : Math.log(s / a) / Math.log(b / a);
      return ((i + part) / steps) * 100;
    }
    return 100;
  };
  return { ticks, at };
}
