// What the reader does not want to see for a time, on this device.
import { usePreference } from "./prefs";

export interface Muted {
  has: (id: string) => boolean;
  mute: (id: string, seconds: number) => void;
  clear: () => void;
}

/** Reads {"id": milliseconds since 1970}; what has passed is left out, what is no such thing too. */
export function readMuted(text: string, now: number): Record<string, number> {
  let all: unknown;
  try {
    all = JSON.parse(text || "{}");
  } catch {
    return {};
  }
  if (typeof all !== "object" || all === null) return {};
  return Object.fromEntries(Object.entries(all).filter((e): e is [string, number] => typeof e[1] === "number" && e[1] > now));
}

export function useMuted(): Muted {
  const [text, setText] = usePreference("muted");
  const now = Date.now();
  const all = readMuted(text, now);
  return {
    has: (id) => Object.hasOwn(all, id),
    mute: (id, seconds) => { setText(JSON.stringify({ ...all, [id]: now + seconds * 1000 })); },
    clear: () => { setText(""); },
  };
}
