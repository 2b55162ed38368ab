// Names that come from the server, in the reader's language where the catalogue has them. Apart from the screens: what only
// needs a name must not load a screen for it.
import type { Text } from "../i18n";

export function nameOf(kind: "service" | "stats.group", name: string, t: Text): string {
  const key = `${kind}.${name}`;
  return t.has(key) ? t(key) : name;
}
