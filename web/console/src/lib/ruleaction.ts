// Actions of content filters as a form: which there are for whom, their text, and where it goes in a rule. Pure.

export const priorities = ["high", "normal", "low"] as const;
export type Level = "server" | "domain" | "account";
export type ArgumentName = "text" | "reply" | "header" | "address" | "folder" | "name" | "subject" | "days" | "score" | "seconds" | "priority";
export interface Argument {
  name: ArgumentName;
  optional?: boolean;
}

const early: readonly Level[] = ["server", "domain"];
const all: readonly Level[] = ["server", "domain", "account"];
const header: Argument = { name: "header" };
const text: Argument = { name: "text" };
const address: Argument = { name: "address" };
const maybe = (name: ArgumentName): Argument => ({ name, optional: true });

export const actions = {
  move: { levels: all, args: [{ name: "folder" }] },
  respond: { levels: all, args: [{ name: "reply" }, maybe("subject"), maybe("days")] },
  reject: { levels: all, args: [maybe("text")] },
  delete: { levels: all, args: [] },
  quarantine: { levels: early, args: [maybe("text")] },
  accept: { levels: all, args: [] },
  stop: { levels: all, args: [] },
  score: { levels: all, args: [{ name: "score" }] },
  "tag-subject": { levels: all, args: [text] },
  "add-header": { levels: all, args: [header, text] },
  "set-header": { levels: all, args: [header, text] },
  "remove-header": { levels: all, args: [header] },
  priority: { levels: early, args: [{ name: "priority" }] },
  forward: { levels: all, args: [address] },
  copy: { levels: all, args: [address] },
  "deny-sender": { levels: early, args: [] },
  "allow-sender": { levels: early, args: [] },
  tarpit: { levels: early, args: [{ name: "seconds" }] },
  command: { levels: ["server"], args: [{ name: "name" }] },
  milter: { levels: ["server"], args: [{ name: "name" }] },
} as const satisfies Record<string, { levels: readonly Level[]; args: readonly Argument[] }>;
export type ActionWord = keyof typeof actions;

export const argumentsOf = (word: ActionWord): readonly Argument[] => actions[word].args;

export function levelOf(owner: string): Level {
  const name = owner.trim();
  return name === "" || name === "server" ? "server" : name.includes("@") ? "account" : "domain";
}

export function actionsFor(level: Level): ActionWord[] {
  return (Object.keys(actions) as ActionWord[]).filter((w) => (actions[w].levels as readonly Level[]).includes(level));
}

const quoted = (value: string) => `"${value.replace(/[\\"]/g, "\\$&")}"`;

/** undefined: something that it needs is not there. */
export function actionText(word: ActionWord, values: Readonly<Partial<Record<ArgumentName, string>>>): string | undefined {
  let out: string = word;
  for (const { name, optional } of argumentsOf(word)) {
    const value = (values[name] ?? "").trim();
    if (!value) {
      if (optional) continue;
      return undefined;
    }
    if (name === "subject") out += ` subject ${quoted(value)}`;
    else if (name === "days") out += ` days ${value}`;
    else out += ` ${name === "score" || name === "seconds" || name === "priority" ? value : quoted(value)}`;
  }
  return out;
}

// What a rule ends with, when nothing may be done after it.
const ending = /(\bthen\s+|,\s*)(accept|stop|delete|reject(?:\s*"(?:[^"\\]|\\.)*")?)\s*$/i;
const ends = /^(accept|stop|delete|reject)\b/;

/** The text with the action as another one of its last rule, in front of what ends the rule. */
export function withAction(rules: string, action: string): string {
  const body = rules.trimEnd();
  if (!body) return `rule "new"\n  then ${action}\n`;
  const end = ending.exec(body);
  if (end?.[1] !== undefined && end[2] !== undefined) {
    const before = body.slice(0, end.index) + end[1];
    return `${before}${action}${ends.test(action) ? "" : `, ${end[2]}`}\n`;
  }
  if (/\bthen$/i.test(body)) return `${body} ${action}\n`;
  // Behind a comment a new line begins.
  const lastLine = body.slice(body.lastIndexOf("\n") + 1);
  return `${body}${lastLine.includes("#") ? "\n  " : ""}, ${action}\n`;
}
