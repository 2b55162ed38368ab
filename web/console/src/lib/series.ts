// Sums of figures over time, and how they differ from the week before. Pure.
import type { MetricsOverTime } from "../api/schema";
import type { Span } from "./chart";

const day = 86_400_000;
export const week = 7 * day;

/** The same span a week before: the same days of the week. */
export function weekBefore(span: Span): Span {
  return { from: span.from - week, to: span.to - week };
}

/** What was counted in all steps together; undefined when none was sampled. */
export function totalOf(data: MetricsOverTime | undefined, names: readonly string[]): number | undefined {
  let sum: number | undefined;
  for (const s of data?.series ?? [])
    if (names.includes(s.name)) for (const v of s.values) if (v !== null) sum = (sum ?? 0) + v;
  return sum;
}

/** Several figures as one line: a step without a sample stays a gap. */
export function addedUp(data: MetricsOverTime | undefined, names: readonly string[]): (number | null)[] {
  const lines = (data?.series ?? []).filter((s) => names.includes(s.name));
  return (lines[0]?.values ?? []).map((_, i) => lines.reduce<number | null>((sum, s) => (s.values[i] === null || s.values[i] === undefined ? sum : (sum ?? 0) + s.values[i]), null));
}

function covered(data: MetricsOverTime): number {
  return data.covered_seconds.reduce<number>((n, s) => n + (s ?? 0), 0);
}

/**
 * By how many percent the sum differs from that of the week before. undefined: there is nothing to compare with, as the
 * server was not there for a good part of it, or nothing was counted.
 */
export function changeOf(now: MetricsOverTime | undefined, before: MetricsOverTime | undefined, names: readonly string[]): number | undefined {
  const a = totalOf(now, names);
  const b = totalOf(before, names);
  if (!now || !before || a === undefined || !b || covered(before) < 0.9 * covered(now)) return undefined;
  return Math.round(((a - b) / b) * 100);
}

/** A step that both the span and the week before it are still kept in: minutes are not. */
export function comparableStep(span: Span, now: number): "5m" | "15m" | "1h" | "6h" | "1d" {
  const length = span.to - span.from;
  const fine = now - (span.from - week) < 14 * day;
  if (fine && length <= 800 * 300_000) return "5m";
  if (fine && length <= 800 * 900_000) return "15m";
  if (length <= 800 * 3_600_000) return "1h";
  return length <= 200 * day ? "6h" : "1d";
}

/** Fewer points of the same shape, for a small line: each is the sum of those it stands for. */
export function thinned(values: readonly (number | null)[], most: number): number[] {
  const each = Math.max(1, Math.ceil(values.length / most));
  const out: number[] = [];
  for (let i = 0; i < values.length; i += each) out.push(values.slice(i, i + each).reduce<number>((n, v) => n + (v ?? 0), 0));
  return out;
}

/** The values of the week before under those of now, step by step; undefined while they are not there. */
export function beforeLine(now: MetricsOverTime | undefined, before: MetricsOverTime | undefined, name: string): (number | null)[] | undefined {
  const old = before?.series.find((s) => s.name === name);
  if (!now || !before || !old || now.step_seconds !== before.step_seconds) return undefined;
  const shift = Math.round((Date.parse(now.from) - week - Date.parse(before.from)) / (1000 * now.step_seconds));
  return now.covered_seconds.map((_, i) => old.values[i + shift] ?? null);
}
