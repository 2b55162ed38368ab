// Two people change the same thing: what each of them changed, and where they meet. Pure.

export type Values = Readonly<Record<string, unknown>>;

export function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The fields of `mine` that differ from `base`: what a merge patch sends. */
export function changesOf<T extends Values>(base: T, mine: T): Partial<T> {
  const out: Record<string, unknown> = {};
  for (const [k, v] of Object.entries(mine)) if (!same(v, base[k])) out[k] = v;
  return out as Partial<T>;
}

export interface Meeting {
  field: string;
  base: unknown;
  mine: unknown;
  theirs: unknown;
}

/** Fields that both changed, to different values. */
export function meetings<T extends Values>(base: T, mine: T, theirs: T): Meeting[] {
  return Object.keys(changesOf(base, mine))
    .filter((k) => !same(base[k], theirs[k]) && !same(mine[k], theirs[k]))
    .map((field) => ({ field, base: base[field], mine: mine[field], theirs: theirs[field] }));
}

/** Theirs with my changes on top, but for the fields in `take`, where theirs stay. */
export function merge<T extends Values>(base: T, mine: T, theirs: T, take: ReadonlySet<string>): T {
  const out: Record<string, unknown> = { ...theirs };
  for (const [k, v] of Object.entries(changesOf(base, mine))) if (!take.has(k)) out[k] = v;
  return out as T;
}
