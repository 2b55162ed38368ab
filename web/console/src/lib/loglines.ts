// Lines of the text logs as the log screen needs them. Pure.
import type { LogLine } from "../api/schema";

/** Text without the arrows that its kind says already. Outgoing sessions keep their prefix. */
export function bodyOf(line: Pick<LogLine, "kind" | "text">): string {
  return line.kind === "in" || line.kind === "out" ? line.text.replace(/^(Client session )?(<<<|>>>) ?/, "$1") : line.text;
}

/** Lines that tell of a failure, for the eye: replies 4xx and 5xx, failed connections and sign-ins. */
export function tone(line: Pick<LogLine, "kind" | "text">): "e" | "w" | "" {
  if (line.kind === "in" || line.kind === "out") {
    const code = /^(?:Client session )?(?:<<<|>>>) ?([2-5]\d\d)[ -]/.exec(line.text)?.[1];
    return code?.startsWith("5") ? "e" : code?.startsWith("4") ? "w" : "";
  }
  if (/could not|failed|refused|INCOMPLETE-SESSION|TIMEOUT/i.test(line.text)) return line.kind === "summary" ? "w" : "e";
  return "";
}

/** One of six colours, the same for the same session. */
export function hue(session: string): string {
  let n = 0;
  for (const c of session) n = (n * 31 + c.charCodeAt(0)) >>> 0;
  return session ? `h${(n % 5) + 1}` : "h0";
}

/** Where words occur in a text, without overlaps, in order. Case does not count. */
export function hitsIn(text: string, words: readonly string[]): [number, number][] {
  const lower = text.toLowerCase();
  const found: [number, number][] = [];
  for (const w of words) {
    const word = w.toLowerCase();
    if (!word) continue;
    for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, at + word.length)) found.push([at, at + word.length]);
  }
  found.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  const out: [number, number][] = [];
  for (const f of found) if (f[0] >= (out[out.length - 1]?.[1] ?? 0)) out.push(f);
  return out;
}

/** New lines behind old ones that were read from the same second again: what both have comes once. */
export function append<T extends Pick<LogLine, "time" | "session" | "text">>(old: readonly T[], next: readonly T[], most: number): T[] {
  const key = (l: T) => `${l.time}|${l.session}|${l.text}`;
  const from = next[0]?.time;
  let at = old.length;
  while (at > 0 && (old[at - 1]?.time === from || old[at - 1]?.time === null)) at--;
  const overlap = old.slice(at);
  // The server's answer begins at a second: all of it stands in the answer again, in the same order.
  let same = 0;
  while (same < overlap.length && same < next.length && key(overlap[same] as T) === key(next[same] as T)) same++;
  return [...old.slice(0, at), ...overlap.slice(0, same), ...next.slice(same)].slice(-most);
}
