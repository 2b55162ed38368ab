// The arithmetic of charts: scales, ticks, lines with gaps, zoom. Pure.

export interface Span {
  /** Milliseconds since 1970. */
  from: number;
  to: number;
}
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}
export interface Scale extends Span {
  box: Box;
  /** Value at the upper edge; the lower one is 0. */
  max: number;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** The least value at or above `m` that divides well by four: the grid stands at whole numbers. */
export function niceMax(m: number): number {
  if (m <= 12) return Math.max(4, Math.ceil(m / 4) * 4);
  const e = 10 ** Math.floor(Math.log10(m));
  const f = m / e;
  return ([1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8].find((x) => f <= x) ?? 10) * e;
}

export function xOf(s: Scale, at: number): number {
  return s.box.left + ((at - s.from) / (s.to - s.from || 1)) * (s.box.right - s.box.left);
}
export function yOf(s: Scale, value: number): number {
  return s.box.bottom - (Math.min(value, s.max) / s.max) * (s.box.bottom - s.box.top);
}
export function timeAt(s: Scale, x: number): number {
  const part = (x - s.box.left) / (s.box.right - s.box.left || 1);
  return s.from + Math.min(1, Math.max(0, part)) * (s.to - s.from);
}
export function valueAt(s: Scale, y: number): number {
  return Math.max(0, ((s.box.bottom - y) / (s.box.bottom - s.box.top || 1)) * s.max);
}

/** Pieces of a line as [index, value]: a null ends one, so that a gap is seen as a gap. */
export function pieces(values: readonly (number | null)[]): [number, number][][] {
  const out: [number, number][][] = [];
  let open: [number, number][] | undefined;
  values.forEach((v, i) => {
    if (v === null) open = undefined;
    else if (open) open.push([i, v]);
    else out.push((open = [[i, v]]));
  });
  return out;
}

const steps = [minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute, hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, day, 2 * day, 7 * day, 14 * day, 28 * day, 56 * day];

/** Round times of the reader's zone (`offset` minutes behind UTC, as Date tells it), at most `most` of them. */
export function timeTicks(span: Span, most: number, offset: number): { step: number; at: number[] } {
  const step = steps.find((s) => (span.to - span.from) / s <= Math.max(1, most)) ?? 56 * day;
  const shift = offset * minute;
  const at: number[] = [];
  for (let t = Math.ceil((span.from - shift) / step) * step + shift; t <= span.to; t += step) at.push(t);
  return { step, at };
}

/** The middle part of a span, or twice of it around the middle, never beyond `whole` nor below three steps. */
export function zoomed(span: Span, whole: Span, around: number, factor: number, least: number): Span {
  const length = Math.min(whole.to - whole.from, Math.max(least, (span.to - span.from) * factor));
  let from = around - (around - span.from) * (length / (span.to - span.from || 1));
  from = Math.max(whole.from, Math.min(from, whole.to - length));
  return { from: Math.round(from), to: Math.round(from + length) };
}

/** Marks that fall on one point are one mark. */
export function clustered<T extends { at: string }>(items: readonly T[], from: number, step: number, points: number): { index: number; items: T[] }[] {
  const out: { index: number; items: T[] }[] = [];
  for (const item of items) {
    const index = Math.floor((Date.parse(item.at) - from) / step);
    if (index < 0 || index >= points) continue;
    const last = out[out.length - 1];
    if (last?.index === index) last.items.push(item);
    else out.push({ index, items: [item] });
  }
  return out;
}

/** RFC 4180. */
export function csvOf(head: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  const cell = (v: string | number | null) => {
    const s = v === null ? "" : String(v);
    return /[",\r\n]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s;
  };
  return [head, ...rows].map((r) => r.map(cell).join(",")).join("\r\n") + "\r\n";
}
