import type { Text } from "../../i18n";

/** An area that the catalogue does not know yet keeps its own name. */
export function areaLabel(area: string, t: Text): string {
  const key = `token.area.${area}`;
  return t.has(key) ? t(key) : area;
}
