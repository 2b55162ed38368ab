// Entries of deliver.secure_destinations as text. Pure.

export interface Entry {
  pattern: string;
  sha256: string;
  subject: string;
  issuer: string;
}

export function entryText(e: Entry): string {
  const fields = (["sha256", "subject", "issuer"] as const).filter((f) => e[f].trim());
  return [e.pattern.trim(), ...fields.map((f) => `${f}=${e[f].trim()}`)].join("|");
}

const patternOf = (item: string) => item.split("|")[0]?.trim().toLowerCase() ?? "";

function holds(pattern: string, host: string): boolean {
  return pattern === "*" || pattern === host || (pattern.startsWith("*.") && host.endsWith(pattern.slice(1)) && host.length >= pattern.length);
}

/** The list with the entry in place of the one of its pattern, else before the first that would hold in its place, else at its end. */
export function withEntry(list: string, e: Entry): string {
  const items = list.split(";").map((x) => x.trim()).filter(Boolean);
  const mine = patternOf(e.pattern);
  const same = items.findIndex((x) => patternOf(x) === mine);
  const at = same >= 0 ? same : items.findIndex((x) => holds(patternOf(x), mine));
  const rest = items.map((x) => (patternOf(x) === mine ? undefined : x));
  rest.splice(at < 0 ? rest.length : at, 0, entryText(e));
  return rest.filter((x) => x !== undefined).join(";");
}

/** ; and | end entries and fields. */
export function unusable(text: string): boolean {
  return /[;|]/.test(text);
}
