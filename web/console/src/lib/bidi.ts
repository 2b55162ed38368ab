// Text of strangers may hold characters that turn the direction of what follows: "gpj.exe" then reads "exe.jpg", and the
// sentence around it turns too. They are shown as what they are. Pure.

const turning = /[\u202A-\u202E\u2066-\u2069]/g;

/** The same text with embeddings, overrides and isolates (Unicode 9, 2.1 to 2.5) written out: "[U+202E]". Fields show the text itself. */
export function visible(text: string): string {
  return text.replace(turning, (c) => `[U+${c.charCodeAt(0).toString(16).toUpperCase()}]`);
}
