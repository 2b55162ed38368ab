// From the filter line in ?q= to the parameters of a list. What cannot be read is named, and the list stays as it was.
import { useMemo, useRef } from "react";
import { parseBytes, parseDuration } from "./format";
import { parseFilter, toQuery } from "./filterline";
import { useSearch } from "./router";

/** What one field of the line becomes; undefined when its value cannot be read. */
export type FieldReader = (value: string) => Record<string, string | number> | undefined;
export type FilterFields = Readonly<Record<string, FieldReader>>;

export const asText = (name: string): FieldReader => (v) => (v.startsWith("-") || /^[<>]/.test(v) ? undefined : { [name]: v });
/** Whole addresses only: what is stored is found by the whole address. */
export const asAddress = (name: string): FieldReader => (v) => (/^[^\s@<>-][^\s<>]*@[^\s@<>]+$/.test(v) ? { [name]: v } : undefined);
/** Sixteen hex digits. */
export const asKey = (name: string): FieldReader => (v) => (/^[0-9a-f]{16}$/i.test(v) ? { [name]: v } : undefined);
export const asChoice = (name: string, choices: readonly string[]): FieldReader => (v) => (choices.includes(v) ? { [name]: v } : undefined);
export const asSeconds = (name: string): FieldReader => (v) => {
  const s = parseDuration(v.replace(/^>/, ""));
  return s === undefined ? undefined : { [name]: Math.round(s) };
};
export const asBytes = (name: string): FieldReader => (v) => {
  const n = parseBytes(v.replace(/^>/, ""));
  return n === undefined ? undefined : { [name]: n };
};

export interface FilterState {
  text: string;
  params: Record<string, string | number>;
  /** The first thing that is wrong: a field that is not there, or a value that its field cannot read. */
  fault: { field: string; value: string | undefined } | undefined;
}

export function readFilter(text: string, fields: FilterFields): FilterState {
  const query = toQuery(parseFilter(text, Object.keys(fields)));
  const params: Record<string, string | number> = {};
  let fault: FilterState["fault"];
  if (query.q) params["q"] = query.q;
  for (const [field, value] of Object.entries(query.fields)) {
    const read = fields[field]?.(value);
    if (read) Object.assign(params, read);
    else fault ??= { field, value };
  }
  if (query.unknown[0] !== undefined) fault ??= { field: query.unknown[0], value: undefined };
  return { text, params, fault };
}

export function useFilter(fields: FilterFields): FilterState {
  const text = useSearch().get("q") ?? "";
  const now = useMemo(() => readFilter(text, fields), [text, fields]);
  const valid = useRef<FilterState["params"]>({});
  if (!now.fault) valid.current = now.params;
  return { ...now, params: valid.current };
}
