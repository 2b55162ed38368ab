// The span of a list: the last hour, day, week, or from one moment to another. Kept in the address. Pure but for the clock
// that is handed in.

export const spans = { "1h": 3600, "24h": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400 } as const;
export type Span = keyof typeof spans;
export const spanNames = Object.keys(spans) as Span[];

export interface SpanChoice {
  /** The named span, unless from or to is given. */
  span: Span;
  from: string;
  to: string;
}

/** What the address says; a name that is none is the usual one. */
export function readSpan(search: URLSearchParams, usual: Span): SpanChoice {
  const named = search.get("span") ?? "";
  return { span: Object.hasOwn(spans, named) ? (named as Span) : usual, from: validMoment(search.get("from")), to: validMoment(search.get("to")) };
}

function validMoment(text: string | null): string {
  return text && !Number.isNaN(Date.parse(text)) ? text : "";
}

/** The parameters of the list. */
export function spanQuery(choice: SpanChoice, now: number): { from?: string; to?: string } {
  const query: { from?: string; to?: string } = {};
  if (choice.from) query.from = new Date(choice.from).toISOString();
  if (choice.to) query.to = new Date(choice.to).toISOString();
  if (!choice.from && !choice.to) query.from = new Date(now - spans[choice.span] * 1000).toISOString();
  return query;
}

export function isCustom(choice: SpanChoice): boolean {
  return choice.from !== "" || choice.to !== "";
}

/** The next longer one; undefined at the end. */
export function longer(span: Span): Span | undefined {
  return spanNames[spanNames.indexOf(span) + 1];
}

const moment = /^(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2}))?)?$/;

/** A moment as typed in the reader's zone, "2026-03-12" or "2026-03-12 10:31"; undefined when it is none. */
export function parseMoment(text: string): string | undefined {
  const m = moment.exec(text.trim());
  if (!m) return undefined;
  const [y, mon, d, h, min, s] = m.slice(1).map((x) => Number(x ?? 0)) as [number, number, number, number, number, number];
  const at = new Date(y, mon - 1, d, h, min, s);
  // The 31st of June would become the 1st of July.
  if (at.getMonth() !== mon - 1 || at.getDate() !== d || h > 23 || min > 59 || s > 59) return undefined;
  return at.toISOString();
}

/** The same the other way round. */
export function typedMoment(iso: string): string {
  if (!iso) return "";
  const at = new Date(iso);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}
