// Numbers, sizes, times for people. The API sends plain bytes, seconds and UTC; the reader sees his own zone and language.
import type { Text } from "../i18n";

const units = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** 1,234,567 -> "1.2 MB"; narrow no-break space before the unit. */
export function formatBytes(bytes: number, locale: string): string {
  let v = bytes;
  let i = 0;
  while (v >= 999.5 && i < units.length - 1) {
    v /= 1000;
    i++;
  }
  const digits = i > 0 && v < 9.95 ? 1 : 0;
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(v)}\u202f${units[i]}`;
}

export function formatNumber(n: number, locale: string): string {
  return new Intl.NumberFormat(locale).format(n);
}

/** Two units at most: "21 min", "1 h 12 min", "3 d 4 h". */
export function formatDuration(seconds: number, t: Text): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return t("dur.s", { s });
  const min = Math.floor(s / 60);
  if (min < 60) return t("dur.min", { min });
  const h = Math.floor(min / 60);
  if (h < 24) return min % 60 ? t("dur.hmin", { h, min: min % 60 }) : t("dur.h", { h });
  const d = Math.floor(h / 24);
  return h % 24 ? t("dur.dh", { d, h: h % 24 }) : t("dur.d", { d });
}

/** "2:49:53": for what runs right now. */
export function formatClock(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

export function formatDateTime(iso: string | Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(iso));
}
export function formatDate(iso: string | Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium" }).format(new Date(iso));
}
export function formatTime(iso: string | Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, { timeStyle: "medium" }).format(new Date(iso));
}
/** A point of a chart whose steps are `step` milliseconds long. */
export function formatPoint(at: number, step: number, locale: string): string {
  const day = step >= 86_400_000;
  return new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric", month: "short", ...(day ? { year: "numeric" } : { hour: "2-digit", minute: "2-digit" }) }).format(at);
}
/** Times of today without the date, others with it. */
export function formatMoment(iso: string, locale: string, now = new Date()): string {
  const at = new Date(iso);
  return at.toDateString() === now.toDateString() ? formatTime(at, locale) : formatDateTime(at, locale);
}
/** For the title of a shown time: exact and in UTC. */
export function utcTitle(iso: string): string {
  return new Date(iso).toISOString().replace("T", " ").replace("Z", " UTC");
}

/** Seconds from a text like 90, 90s, 15min, 1h, 2d; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  const m = /^(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w)?$/i.exec(text.trim());
  if (!m) return undefined;
  const factor = { s: 1, m: 60, min: 60, h: 3600, d: 86400, w: 604800 }[(m[2] ?? "s").toLowerCase()] ?? 1;
  return Number(m[1]) * factor;
}

/** Bytes from a text like 500, 10 kB, 1.5GB, 2GiB; undefined when it is none. */
export function parseBytes(text: string): number | undefined {
  const m = /^(\d+(?:[.,]\d+)?)\s*(?:([kmgtp])(i)?)?b?$/i.exec(text.trim());
  if (!m) return undefined;
  const power = m[2] ? "kmgtp".indexOf(m[2].toLowerCase()) + 1 : 0;
  return Math.round(Number((m[1] ?? "").replace(",", ".")) * (m[3] ? 1024 : 1000) ** power);
}
