// A language that only looks different: accents show which text is translatable, brackets show cut ends, 40 % more length
// shows what does not fit. Digits and placeholders stay.
const from = "aceinouyACEINOUYdglrstz";
const to = "áçéïñöüýÁÇÉÏÑÖÜÝðǧļŕšţž";
const fill = "·";

export function pseudo(text: string): string {
  let out = "";
  for (const c of text) {
    const i = from.indexOf(c);
    out += i < 0 ? c : to[i];
  }
  const letters = text.replace(/[^\p{L}]/gu, "").length;
  return letters ? `⟦${out}${fill.repeat(Math.ceil(letters * 0.4))}⟧` : out;
}
