// The filter line of every list: free text, field:value, "quoted text", - for not, > and < for sizes and ages, ; for AND. Pure.

export interface Term {
  /** As typed, for its chip. */
  source: string;
  start: number;
  end: number;
  field?: string;
  op: "=" | ">" | "<";
  value: string;
  negated: boolean;
  /** The list has no such field. */
  unknown: boolean;
}

const space = /[\s;]/;

export function parseFilter(text: string, fields: readonly string[]): Term[] {
  const terms: Term[] = [];
  let at = 0;
  const value = () => {
    if (text[at] === '"') {
      const end = text.indexOf('"', at + 1);
      const v = text.slice(at + 1, end < 0 ? undefined : end);
      at = end < 0 ? text.length : end + 1;
      return v;
    }
    const from = at;
    while (at < text.length && !space.test(text[at] as string)) at++;
    return text.slice(from, at);
  };
  while (at < text.length) {
    if (space.test(text[at] as string)) {
      at++;
      continue;
    }
    const start = at;
    const negated = text[at] === "-" && at + 1 < text.length && !space.test(text[at + 1] as string);
    if (negated) at++;
    const named = /^([a-z][a-z_]*):([<>]?)/i.exec(text.slice(at));
    let field: string | undefined;
    let op: Term["op"] = "=";
    if (named?.[1] && text.slice(at + named[0].length, at + named[0].length + 2) !== "//") {
      field = named[1].toLowerCase();
      if (named[2]) op = named[2] as "<" | ">";
      at += named[0].length;
    }
    const v = value();
    const term: Term = { source: text.slice(start, at), start, end: at, op, value: v, negated, unknown: false };
    if (field !== undefined) {
      term.field = field;
      // An IPv6 address has colons too: what no list calls a field is one only if it looks like a word before the colon.
      term.unknown = !fields.includes(field);
      if (term.unknown && /^[0-9a-f]{1,4}$/.test(field) && /^[0-9a-f:.]*$/i.test(v)) {
        term.value = term.source;
        term.unknown = false;
        delete term.field;
      }
    }
    if (term.value || term.field) terms.push(term);
  }
  return terms;
}

export interface Query {
  /** Free text, joined by ;. */
  q: string;
  fields: Record<string, string>;
  unknown: string[];
}

/** What goes to the server: q for the free words, a parameter for each known field. Unknown fields are named, not sent. */
export function toQuery(terms: readonly Term[]): Query {
  const query: Query = { q: "", fields: {}, unknown: [] };
  const free: string[] = [];
  for (const t of terms) {
    if (t.unknown) query.unknown.push(t.field ?? "");
    else if (t.field) {
      if (t.value) query.fields[t.field] = (t.negated ? "-" : "") + (t.op === "=" ? "" : t.op) + t.value;
    } else free.push((t.negated ? "-" : "") + t.value);
  }
  query.q = free.join(";");
  return query;
}

/** The line without one of its terms: for the cross of a chip. */
export function withoutTerm(text: string, term: Term): string {
  return (text.slice(0, term.start) + text.slice(term.end)).replace(/\s+/g, " ").replace(/^[\s;]+|[\s;]+$/g, "");
}

/** The line with field:value, replacing what was there of this field. */
export function withField(text: string, field: string, value: string, fields: readonly string[]): string {
  let rest = text;
  for (const t of parseFilter(text, fields).reverse()) if (t.field === field) rest = withoutTerm(rest, t);
  if (!value) return rest;
  return `${rest} ${field}:${space.test(value) ? `"${value}"` : value}`.trim();
}
