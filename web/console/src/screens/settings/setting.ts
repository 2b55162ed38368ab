// Settings as the schema describes them: checked while typing, with the server's rules as the last word. Pure.
import type { SettingSchema } from "../../api/schema";

const durations: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };
const sizes: Readonly<Record<string, number>> = { "": 1, b: 1, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3, kb: 1000, mb: 1e6, gb: 1e9 };

/** The number that bounds are about: as typed, bytes of a size, milliseconds of a duration. */
export function numberOf(type: SettingSchema["type"], text: string): number | undefined {
  const m = /^(-?\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (!m) return undefined;
  const n = Number(m[1]);
  const unit = (m[2] ?? "").toLowerCase();
  if (type === "int") return unit === "" && Number.isInteger(n) ? n : undefined;
  const factor = type === "size" ? sizes[unit] : unit === "" ? 1000 : durations[unit];
  return factor === undefined ? undefined : n * factor;
}

/** What is wrong with a value, as far as the console can tell: not a number, or out of bounds. */
export function fault(s: Pick<SettingSchema, "type" | "min" | "max" | "choices">, text: string): "number" | "bounds" | "choice" | undefined {
  if (s.type === "enum") return s.choices.includes(text) ? undefined : "choice";
  if (s.type !== "int" && s.type !== "size" && s.type !== "duration") return undefined;
  const n = numberOf(s.type, text);
  // Durations and sizes have forms that only the server knows: it decides.
  if (n === undefined) return s.type === "int" ? "number" : undefined;
  if ((s.min !== null && n < s.min) || (s.max !== null && n > s.max)) return "bounds";
  return undefined;
}
