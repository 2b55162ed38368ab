// What the address says: service, figures, span, zoom. Pure.
import type { Metric } from "../../api/schema";
import type { Span } from "../../lib/chart";

export const spans = { "1d": 86_400_000, "1w": 7 * 86_400_000, "1m": 30 * 86_400_000 } as const;
export type SpanName = keyof typeof spans | "own";

const day = 86_400_000;
/** What a service shows before somebody chooses. */
const first: Readonly<Record<string, readonly string[]>> = {
  smtp: ["smtp_messages_in", "smtp_rcpt_refused", "smtp_messages_refused"],
  delivery: ["deliver_local", "deliver_remote", "deliver_remote_deferred", "deliver_bounced"],
  logins: ["auth_ok", "auth_failed"],
  network: ["conn_accepted", "conn_refused_limit"],
};

/** The chosen figures of a service: those of the address that are its own, of one unit; else its usual ones. */
export function chosen(metrics: readonly Metric[], service: string, cat: string): Metric[] {
  const own = metrics.filter((m) => m.service === service);
  const named = cat.split(",").map((n) => own.find((m) => m.name === n)).filter((m) => m !== undefined);
  const usual = first[service] ? own.filter((m) => first[service]?.includes(m.name)) : own.filter((m) => m.unit === "count").slice(0, 3);
  const list = named.length ? named : usual.length ? usual : own.slice(0, 1);
  return list.filter((m) => m.unit === list[0]?.unit).slice(0, 8);
}

/** The names after one was switched on or off: an axis has one unit, so the other unit's figures give way; one stays. */
export function toggled(list: readonly Metric[], metric: Metric): string {
  const on = list.some((m) => m.name === metric.name);
  if (on) return (list.length > 1 ? list.filter((m) => m.name !== metric.name) : list).map((m) => m.name).join(",");
  return [...list.filter((m) => m.unit === metric.unit).slice(-7), metric].map((m) => m.name).join(",");
}

export function looksBad(name: string): boolean {
  return /failed|lost|errors|bounced/.test(name);
}
const colors = ["--c1", "--c3", "--c2", "--c5", "--c7", "--c6", "--c8", "--c3"];
const dashes = ["", "7 3", "2 3", "9 3 2 3", "4 4", "1 4", "12 4", "5 2 1 2"];
/** Red only for failure; the dash tells them apart without colour. */
export function styleOf(list: readonly Metric[], i: number): { color: string; dash: string } {
  const name = list[i]?.name ?? "";
  const red = looksBad(name) && list.findIndex((m) => looksBad(m.name)) === i;
  return { color: red ? "--c4" : (colors[i % colors.length] ?? "--c1"), dash: dashes[i % dashes.length] ?? "" };
}

/** The whole span that the address asks for. */
export function spanOf(search: URLSearchParams, now: number): Span & { name: SpanName } {
  const from = Date.parse(search.get("from") ?? "");
  const to = Date.parse(search.get("to") ?? "");
  if (from < to) return { from, to, name: "own" };
  const name = search.get("span") ?? "";
  const known: SpanName = name === "1w" || name === "1m" ? name : "1d";
  return { from: now - spans[known], to: now, name: known };
}

/** The rectangle that was drawn in it: "from,to" or "from,to,top". */
export function zoomOf(text: string): (Span & { top: number }) | undefined {
  const [a = "", b = "", c = "0"] = text.split(",");
  const from = Date.parse(a);
  const to = Date.parse(b);
  const top = Number(c);
  return from < to && top >= 0 && Number.isFinite(top) ? { from, to, top } : undefined;
}
export function zoomText(span: Span, top: number): string {
  const iso = (t: number) => new Date(t).toISOString().replace(".000Z", "Z");
  return [iso(span.from), iso(span.to), ...(top ? [String(top)] : [])].join(",");
}

/** For a field of type datetime-local, in the reader's zone. */
export function localInput(at: number): string {
  const d = new Date(at);
  return new Date(at - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

const sessionsOf: Readonly<Record<string, string>> = { smtp: "smtp", delivery: "smtp-client", pop3: "pop3", imap: "imap", managesieve: "managesieve", control: "control" };
const logOf: Readonly<Record<string, string>> = { delivery: "mailflow", pop3: "pop3", imap: "imap", managesieve: "managesieve", logins: "auth", control: "control", database: "sql", logs: "errors" };

/** The lists of exactly this span. The log has days: it begins with the span's, and ends with it when that is the same day. */
export function spanLinks(span: Span, service: string): { sessions: string; messages: string; log: string } {
  const iso = (at: number) => encodeURIComponent(new Date(at).toISOString());
  const times = `from=${iso(span.from)}&to=${iso(span.to)}`;
  const kind = sessionsOf[service];
  const [date = "", from = ""] = localSecond(span.from).split("T");
  const [last = "", to = ""] = localSecond(span.to).split("T");
  return {
    sessions: `/status/sessions/history?${kind ? `q=service:${kind}&` : ""}${times}`,
    messages: `/trace?${times}`,
    log: `/status/logs/${logOf[service] ?? "smtp"}?date=${date}&from=${from}${date === last ? `&to=${to}` : ""}`,
  };
}
function localSecond(at: number): string {
  return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** How the title names a step. */
export function stepName(ms: number): { n: number; unit: "min" | "h" | "d" } {
  if (ms >= day) return { n: ms / day, unit: "d" };
  return ms >= 3_600_000 ? { n: ms / 3_600_000, unit: "h" } : { n: ms / 60_000, unit: "min" };
}
