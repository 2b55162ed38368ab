// The part of ICU MessageFormat the catalogues use: {name}, {n, number}, {n, plural, =0 {..} one {..} other {..}} with #,
// {x, select, a {..} other {..}}, and 'quoted {text}'. Pure.

export type Node =
  | { kind: "text"; text: string }
  | { kind: "value"; name: string; number: boolean }
  | { kind: "hash" }
  | { kind: "choice"; name: string; plural: boolean; cases: Map<string, Node[]> };

export type Part<V> = string | V;

class Parser {
  private at = 0;
  constructor(private readonly source: string) {}

  message(plural: boolean, nested: boolean): Node[] {
    const nodes: Node[] = [];
    let text = "";
    const flush = () => {
      if (text) nodes.push({ kind: "text", text });
      text = "";
    };
    for (;;) {
      const c = this.source[this.at];
      if (c === undefined) {
        if (nested) throw this.error("a closing brace is missing");
        break;
      }
      if (c === "}") {
        if (!nested) throw this.error("a closing brace without an opening one");
        break;
      }
      this.at++;
      if (c === "'" && this.source[this.at] === "'") {
        text += "'";
        this.at++;
      } else if (c === "'" && /[{}#]/.test(this.source[this.at] ?? "")) {
        const end = this.source.indexOf("'", this.at);
        text += this.source.slice(this.at, end < 0 ? undefined : end);
        this.at = end < 0 ? this.source.length : end + 1;
      } else if (c === "{") {
        flush();
        nodes.push(this.argument(plural));
      } else if (c === "#" && plural) {
        flush();
        nodes.push({ kind: "hash" });
      } else {
        text += c;
      }
    }
    flush();
    return nodes;
  }

  private argument(plural: boolean): Node {
    const name = this.until(/[,}]/);
    if (!name) throw this.error("a placeholder has no name");
    if (this.source[this.at++] === "}") return { kind: "value", name, number: false };
    const type = this.until(/[,}]/);
    const end = this.source[this.at++];
    if (type === "number" && end === "}") return { kind: "value", name, number: true };
    if ((type !== "plural" && type !== "select") || end !== ",") throw this.error(`unknown format "${type}"`);
    const cases = new Map<string, Node[]>();
    for (;;) {
      const key = this.until(/[{}]/);
      const c = this.source[this.at++];
      if (c === "}" && !key) break;
      if (c !== "{" || !key) throw this.error(`a case of ${name} is not complete`);
      cases.set(key, this.message(type === "plural" || plural, true));
      this.at++;
    }
    if (!cases.has("other")) throw this.error(`${name} has no case "other"`);
    return { kind: "choice", name, plural: type === "plural", cases };
  }

  private until(stop: RegExp): string {
    const from = this.at;
    while (this.at < this.source.length && !stop.test(this.source[this.at] as string)) this.at++;
    return this.source.slice(from, this.at).trim();
  }

  private error(what: string): Error {
    return new Error(`message "${this.source}": ${what} at ${this.at}`);
  }
}

/** Throws an Error that names the message and the place when it is malformed. */
export function parseMessage(source: string): Node[] {
  return new Parser(source).message(false, false);
}

/** The names of all placeholders: translations must use the same ones. */
export function placeholders(nodes: readonly Node[]): Set<string> {
  const names = new Set<string>();
  for (const n of nodes) {
    if (n.kind === "value" || n.kind === "choice") names.add(n.name);
    if (n.kind === "choice") for (const c of n.cases.values()) for (const p of placeholders(c)) names.add(p);
  }
  return names;
}

/** Values of other types than number and string are passed through, so that links can stand inside a sentence. */
export function formatMessage<V>(
  nodes: readonly Node[],
  values: Readonly<Record<string, V>>,
  locale: string,
  literal: (text: string) => string = (x) => x,
  hash?: number,
): Part<V>[] {
  const out: Part<V>[] = [];
  const push = (part: Part<V>) => {
    const last = out.length - 1;
    if (typeof part === "string" && typeof out[last] === "string") out[last] = out[last] + part;
    else out.push(part);
  };
  const number = (n: number) => new Intl.NumberFormat(locale).format(n);
  for (const n of nodes) {
    if (n.kind === "text") push(literal(n.text));
    else if (n.kind === "hash") push(number(hash ?? 0));
    else if (n.kind === "value") {
      const v = values[n.name];
      if (v === undefined) push(`{${n.name}}`);
      else if (typeof v === "number") push(n.number ? number(v) : String(v));
      else push(v);
    } else {
      const v = values[n.name];
      const count = typeof v === "number" ? v : Number(v);
      const key = n.plural ? new Intl.PluralRules(locale).select(count) : String(v);
      const chosen = (n.plural && n.cases.get(`=${count}`)) || n.cases.get(key) || n.cases.get("other") || [];
      for (const p of formatMessage(chosen, values, locale, literal, n.plural ? count : hash)) push(p);
    }
  }
  return out;
}
