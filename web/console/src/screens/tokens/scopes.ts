// Scopes as people choose them: an area, to read or to change. Pure.

export interface Area {
  name: string;
  read: string | undefined;
  write: string | undefined;
}

/** "queue:read", "queue:write": one area. What every token may, is none. */
export function areasOf(scopes: readonly string[]): Area[] {
  const areas = new Map<string, Area>();
  for (const s of scopes) {
    const [name = "", kind = ""] = s.split(":");
    if (kind !== "read" && kind !== "write") continue;
    const area = areas.get(name) ?? { name, read: undefined, write: undefined };
    area[kind] = s;
    areas.set(name, area);
  }
  return [...areas.values()].sort((a, b) => a.name.localeCompare(b.name));
}

/** One scope on or off. Who may change something may see it: one without the other is of no use. */
export function choose(chosen: ReadonlySet<string>, area: Area, kind: "read" | "write", on: boolean): ReadonlySet<string> {
  const next = new Set(chosen);
  const put = (scope: string | undefined) => { if (scope) next.add(scope); };
  if (on) {
    put(area[kind]);
    if (kind === "write") put(area.read);
  } else {
    if (area[kind]) next.delete(area[kind]);
    if (kind === "read" && area.write) next.delete(area.write);
  }
  return next;
}

/** How a row of the list says it: each area once. */
export function inShort(scopes: readonly string[]): { name: string; write: boolean }[] {
  return areasOf(scopes).map((a) => ({ name: a.name, write: a.write !== undefined }));
}
