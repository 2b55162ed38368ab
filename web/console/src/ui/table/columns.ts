// Columns of a list: which, in what order, how wide. The reader's choice is kept on this device, per list.
import { columnOrderingFeature, columnSizingFeature, columnVisibilityFeature, tableFeatures, type ColumnDef } from "@tanstack/react-table";
import { useMemo, type ReactNode } from "react";
import { preference, usePreference } from "../../lib/prefs";

export interface Column<T> {
  id: string;
  head: string;
  cell: (row: T) => ReactNode;
  /** Pixels; without one it shares what is left. */
  size?: number;
  /** What the server calls this order; "-" before it turns it round. */
  sort?: string;
  right?: boolean;
  /** Gives way when the list is narrow: x before y. */
  give?: "x" | "y";
  /** Place in the two-line item of the phone: title, under it, meta, right, badge, mark. */
  phone?: "t" | "u" | "m" | "r" | "q" | "s";
  /** Not shown until chosen. */
  hidden?: boolean;
  /** Cannot be hidden. */
  fixed?: boolean;
  className?: string;
  title?: (row: T) => string;
  /** The head is for screen readers only. */
  quiet?: boolean;
}

export const features = tableFeatures({ columnVisibilityFeature, columnOrderingFeature, columnSizingFeature });
export type TableColumn<T extends object> = ColumnDef<typeof features, T, unknown>;

export interface Layout {
  order: string[];
  hidden: Record<string, boolean>;
  sizes: Record<string, number>;
}

export function parseLayout(text: string, ids: readonly string[], hiddenByDefault: readonly string[]): Layout {
  let stored: Partial<Layout> = {};
  try {
    const value: unknown = JSON.parse(text || "{}");
    if (typeof value === "object" && value !== null) stored = value;
  } catch {
    // A layout of another version: the default.
  }
  const order = Array.isArray(stored.order) ? stored.order.filter((x) => ids.includes(x)) : [];
  for (const [i, id] of ids.entries()) if (!order.includes(id)) order.splice(i, 0, id);
  const hidden: Record<string, boolean> = {};
  for (const id of ids) hidden[id] = stored.hidden?.[id] ?? hiddenByDefault.includes(id);
  const sizes: Record<string, number> = {};
  for (const id of ids) {
    const n = stored.sizes?.[id];
    if (typeof n === "number" && n >= 40 && n <= 1200) sizes[id] = n;
  }
  return { order, hidden, sizes };
}

export function useLayout<T>(name: string, columns: readonly Column<T>[]): [Layout, (change: Partial<Layout> | null) => void] {
  const key = `columns.${name}`;
  const [text] = usePreference(key);
  const ids = columns.map((c) => c.id).join(" ");
  const hidden = columns.filter((c) => c.hidden).map((c) => c.id).join(" ");
  const layout = useMemo(() => parseLayout(text, ids.split(" "), hidden.split(" ")), [text, ids, hidden]);
  return [layout, (change) => { preference.set(key, change ? JSON.stringify({ ...layout, ...change }) : ""); }];
}
