// From the events of a message to what is drawn: lanes with their attempts, and a list in which what repeats is folded. Pure.

export type Fields = Readonly<Record<string, unknown>>;

export interface TimelineEvent {
  time: string;
  name: string;
  severity: string;
  sentence: string;
  module: string;
  session: string | null;
  /** Key of the message that it tells of: also of a notice about ours. */
  message: string | null;
  fields: Fields;
}

export function textField(e: { fields: Fields }, name: string): string {
  const v = e.fields[name];
  return typeof v === "string" ? v : typeof v === "number" ? String(v) : "";
}
function numberField(e: { fields: Fields }, name: string): number {
  const v = e.fields[name];
  return typeof v === "number" ? v : 0;
}

export type Look = "ok" | "bad" | "warn" | "";

/** How an event looks: by what it says of the message, not by how much it matters to the server. */
export function lookOf(e: Pick<TimelineEvent, "name" | "severity">): Look {
  if (/\.done$|\.accepted$/.test(e.name)) return "ok";
  if (/\.refused$|\.failed$|\.lost$|\.dropped$|\.deleted$/.test(e.name)) return "bad";
  if (/\.deferred$|\.waiting$|\.incomplete$|\.timeout$|\.closed$|\.retried$/.test(e.name)) return "warn";
  return e.severity === "error" ? "bad" : e.severity === "warning" ? "warn" : "";
}

export interface Segment {
  /** Seconds after the start. */
  from: number;
  to: number;
  kind: "ok" | "fail" | "in";
}

export interface Step {
  key: string;
  label: string;
  kind: "received" | "local" | "remote";
  /** More than one recipient when lanes are grouped. */
  recipients: number;
  status: string;
  segments: Segment[];
  /** Session of the last attempt. */
  session: string;
  seconds: number;
}

export interface LaneOf {
  recipient: string;
  status: string;
}

/** Above this many recipients lanes are grouped by destination and state. */
export const mostLanes = 200;

const attempts: Readonly<Record<string, Segment["kind"]>> = {
  "delivery.local.done": "ok",
  "delivery.remote.done": "ok",
  "delivery.local.failed": "fail",
  "delivery.remote.deferred": "fail",
  "delivery.failed": "fail",
};

/** When the first thing happened: the beginning of the transaction that brought the message. */
export function startOf(events: readonly TimelineEvent[]): number {
  let start = Infinity;
  for (const e of events) {
    const at = Date.parse(e.time);
    const began = e.name === "smtp.message.accepted" || e.name === "smtp.message.refused" ? at - numberField(e, "duration") : at;
    if (began < start) start = began;
  }
  return Number.isFinite(start) ? start : 0;
}

export function endOf(events: readonly TimelineEvent[]): number {
  return events.reduce((last, e) => Math.max(last, Date.parse(e.time)), 0);
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1);
}

/** Without what happened to the notices about it. */
export function ownEvents(events: readonly TimelineEvent[], key: string): TimelineEvent[] {
  return events.filter((e) => !e.message || e.message.toUpperCase() === key.toUpperCase());
}

/** The lanes: how the message came in, then each recipient with its attempts; from its own events. */
export function stepsOf(own: readonly TimelineEvent[], lanes: readonly LaneOf[]): Step[] {
  const start = startOf(own);
  const after = (iso: string) => Math.max(0, (Date.parse(iso) - start) / 1000);
  const steps: Step[] = [];

  const arrival = own.find((e) => /^(smtp\.message\.(accepted|refused|incomplete|timeout)|notice\.accepted)$/.test(e.name)) ?? own.findLast((e) => e.name.startsWith("smtp."));
  if (arrival) {
    const to = after(arrival.time);
    const from = Math.max(0, to - numberField(arrival, "duration") / 1000);
    const kind = lookOf(arrival) === "ok" ? "in" : "fail";
    steps.push({ key: "received", label: textField(arrival, "peer"), kind: "received", recipients: 0, status: kind === "in" ? "accepted" : "refused", segments: [{ from, to, kind }], session: arrival.session ?? "", seconds: to - from });
  }
  const accepted = arrival ? after(arrival.time) : 0;

  const grouped = lanes.length > mostLanes;
  const keyOf = (lane: LaneOf) => (grouped ? `${domainOf(lane.recipient)} ${lane.status}` : lane.recipient);
  const byKey = new Map<string, Step>();
  const byRecipient = new Map<string, Step>();
  for (const lane of lanes) {
    const key = keyOf(lane);
    let step = byKey.get(key);
    if (!step) {
      step = { key, label: grouped ? domainOf(lane.recipient) : lane.recipient, kind: "remote", recipients: 0, status: lane.status, segments: [], session: "", seconds: 0 };
      byKey.set(key, step);
      steps.push(step);
    }
    step.recipients++;
    byRecipient.set(lane.recipient.toLowerCase(), step);
  }
  for (const e of own) {
    const kind = attempts[e.name];
    if (!kind) continue;
    const step = byRecipient.get(textField(e, "rcpt").toLowerCase()) ?? byRecipient.get(textField(e, "original").toLowerCase());
    if (!step) continue;
    const to = after(e.time);
    // The transaction of the same session says how long it took; a local delivery begins when the message was there.
    const transaction = e.session ? own.findLast((x) => x.name === "delivery.transaction" && x.session === e.session && Math.abs(after(x.time) - to) < 60) : undefined;
    const took = numberField(e, "duration") / 1000 || (transaction ? numberField(transaction, "duration") / 1000 : 0);
    const local = e.name.startsWith("delivery.local");
    const last = step.segments[step.segments.length - 1];
    const from = took ? Math.max(accepted, to - took) : local && !last ? Math.min(accepted, to) : to;
    if (local) step.kind = "local";
    if (e.session) step.session = e.session;
    // Recipients of one group share their attempts.
    if (!last || last.kind !== kind || Math.abs(last.to - to) > 0.2) step.segments.push({ from, to, kind });
  }
  for (const step of byKey.values()) {
    const last = step.segments[step.segments.length - 1];
    if (last) step.seconds = last.to - accepted;
  }
  return steps;
}

export type Row = { kind: "event"; event: TimelineEvent; index: number } | { kind: "fold"; key: string; hidden: number };

/** What is the same but for figures: another try, another second. */
function signature(e: TimelineEvent): string {
  return `${e.name} ${textField(e, "rcpt")} ${e.sentence.replace(/\d+/g, "#")}`;
}

/**
 * The newest first. Of what repeats more than three times the newest and the oldest stay; the others wait behind one row
 * unless their key is among `open`.
 */
export function foldEvents(events: readonly TimelineEvent[], open: ReadonlySet<string>): Row[] {
  const counts = new Map<string, number>();
  for (const e of events) counts.set(signature(e), (counts.get(signature(e)) ?? 0) + 1);
  const seen = new Map<string, number>();
  const rows: Row[] = [];
  for (let i = events.length - 1; i >= 0; i--) {
    const event = events[i];
    if (!event) continue;
    const key = signature(event);
    const all = counts.get(key) ?? 1;
    const nth = (seen.get(key) ?? 0) + 1;
    seen.set(key, nth);
    if (all > 3 && !open.has(key) && nth > 1 && nth < all) {
      if (nth === 2) rows.push({ kind: "fold", key, hidden: all - 2 });
      continue;
    }
    rows.push({ kind: "event", event, index: i });
  }
  return rows;
}

export interface SessionOf {
  id: string;
  logId: string;
  kind: "in" | "out";
  host: string;
}

/** The sessions that carried the message, in the order of time. */
export function sessionsOf(events: readonly TimelineEvent[]): SessionOf[] {
  const found = new Map<string, SessionOf>();
  for (const e of events) {
    if (!e.session) continue;
    const out = /^(delivery\.|client\.)/.test(e.name);
    const known = found.get(e.session);
    if (!known) found.set(e.session, { id: e.session, logId: logIdOf(e.session), kind: out ? "out" : "in", host: textField(e, "host") || textField(e, "peer") });
    else if (!known.host) known.host = textField(e, "host");
  }
  return [...found.values()];
}

/** The four digits that log lines show. */
export function logIdOf(session: string): string {
  return session.slice(-4).toUpperCase();
}

/** Pieces of a sentence, some of which lead on. Longer values are looked for first. */
export function linkParts(text: string, targets: readonly (readonly [value: string, to: string])[]): (string | { text: string; to: string })[] {
  const wanted = targets.filter(([v]) => v.length > 1).sort((a, b) => b[0].length - a[0].length);
  const out: (string | { text: string; to: string })[] = [];
  const word = /[\p{L}\p{N}@._-]/u;
  let plain = "";
  for (let at = 0; at < text.length; ) {
    const inside = at > 0 && word.test(text[at - 1] ?? "") && word.test(text[at] ?? "");
    // A name within a longer name is not that name; a full stop behind it ends the sentence.
    const hit = inside ? undefined : wanted.find(([v]) => text.startsWith(v, at) && !/^[\p{L}\p{N}@_-]|^\.[\p{L}\p{N}]/u.test(text.slice(at + v.length)));
    if (hit) {
      if (plain) out.push(plain);
      plain = "";
      out.push({ text: hit[0], to: hit[1] });
      at += hit[0].length;
    } else plain += text[at++];
  }
  if (plain) out.push(plain);
  return out;
}

export interface Trouble {
  status: string;
  answer: string;
  cause: string | null;
  remedy: string | null;
  explanation: string | null;
  setting: string | null;
  next: string | null;
  recipients: string[];
}

export interface TroubledLane extends LaneOf {
  answer: string;
  cause: string | null;
  remedy: string | null;
  explanation: string | null;
  setting: string | null;
  next_try_at: string | null;
}

/** What else went wrong, the same answer once; the one that the verdict speaks of is left out. */
export function troubles(lanes: readonly TroubledLane[], told: string, most = 5): Trouble[] {
  const found = new Map<string, Trouble>();
  for (const l of lanes) {
    if (l.status !== "waiting" && l.status !== "bounced" && l.status !== "refused") continue;
    const key = `${l.status} ${l.answer}`;
    const known = found.get(key);
    if (known) known.recipients.push(l.recipient);
    else found.set(key, { status: l.status, answer: l.answer, cause: l.cause, remedy: l.remedy, explanation: l.explanation, setting: l.setting, next: l.next_try_at, recipients: [l.recipient] });
  }
  return [...found.values()].filter((x) => x.answer !== told).slice(0, most);
}

/** The days on which something happened, in the reader's zone and in UTC: the server names its logs by its own. At most six. */
export function daysOf(events: readonly Pick<TimelineEvent, "time">[]): string[] {
  const two = (n: number) => String(n).padStart(2, "0");
  const days = new Set<string>();
  for (const e of events) {
    const at = new Date(e.time);
    days.add(at.toISOString().slice(0, 10));
    days.add(`${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`);
  }
  return [...days].sort().slice(0, 6);
}
