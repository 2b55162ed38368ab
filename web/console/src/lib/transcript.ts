// The lines of a session as the transcript shows them. Pure.

export interface TranscriptLine {
  time: string;
  kind: "in" | "out" | "summary" | "text";
  text: string;
}

/** Who asks and who answers: of a server's session the client asks (in), of ours with another server we do (out). */
export function codeOf(line: TranscriptLine): string | undefined {
  if (line.kind !== "in" && line.kind !== "out") return undefined;
  return /^([2-5]\d\d)(?=[ -]|$)/.exec(line.text)?.[1];
}

export type LineLook = "in" | "out" | "sum" | "sys";

export function lookOf(line: TranscriptLine): { look: LineLook; tone: "err" | "okk" | "" } {
  const look: LineLook = line.kind === "summary" ? "sum" : line.kind === "text" ? "sys" : line.kind;
  const code = codeOf(line);
  if (code) return { look, tone: code.startsWith("5") || code.startsWith("4") ? "err" : "" };
  if (look === "in" || look === "out") {
    const imap = /^(?:\S+ (?:NO|BAD) |-ERR\b)/i.test(line.text);
    return { look, tone: imap ? "err" : "" };
  }
  if (/could not|failed|refused|INCOMPLETE-SESSION|TIMEOUT/i.test(line.text)) return { look, tone: "err" };
  return { look, tone: look === "sum" && /\bOK\b/.test(line.text) ? "okk" : "" };
}

export interface Shown {
  line: TranscriptLine;
  /** Seconds of silence before this line, when they are worth a word. */
  silence: number;
}

/** Silence of this length is shown between lines. */
export const quiet = 10;

export function withSilence(lines: readonly TranscriptLine[]): Shown[] {
  return lines.map((line, i) => {
    const before = lines[i - 1];
    const gap = before ? (Date.parse(line.time) - Date.parse(before.time)) / 1000 : 0;
    return { line, silence: gap >= quiet ? Math.round(gap) : 0 };
  });
}

const arrows = { in: "<<<", out: ">>>", summary: "***", text: "" } as const;

/** For the clipboard and a file: as the text logs write it. */
export function transcriptText(lines: readonly TranscriptLine[]): string {
  return lines.map((l) => `${l.time.slice(11, 19)} ${arrows[l.kind] ? `${arrows[l.kind]} ` : ""}${l.text.replace(/^(<<<|>>>|\*\*\*) ?/, "")}`).join("\n") + "\n";
}

/** The text without the arrow that its kind says already. */
export function bare(line: TranscriptLine): string {
  return line.text.replace(/^(<<<|>>>|\*\*\*) ?/, "");
}
