import { useEffect, useRef, useState } from "react";
import { useText } from "../i18n";
import { parseFilter, withoutTerm } from "../lib/filterline";
import { readFilter, type FilterFields } from "../lib/usefilter";
import { useKeys } from "../lib/keys";
import { useParam } from "../lib/router";
import { Icon } from "./Icon";
import { Raw } from "./Raw";

/**
 * The filter of a list, kept in ?q=. Typing applies after 250 ms. What is understood as field:value shows as a chip; a
 * wrong field name is named, and the list stays as it was.
 */
export function FilterLine({ label, placeholder, fields }: { label: string; placeholder: string; fields: FilterFields }) {
  const t = useText();
  const [q, setQ] = useParam("q");
  const [text, setText] = useState(q);
  const input = useRef<HTMLInputElement>(null);
  const applied = useRef(q);
  useEffect(() => {
    if (q !== applied.current) {
      applied.current = q;
      setText(q);
    }
  }, [q]);
  useEffect(() => {
    if (text === applied.current) return;
    const timer = setTimeout(() => {
      applied.current = text;
      setQ(text);
    }, 250);
    return () => { clearTimeout(timer); };
  }, [text, setQ]);
  useKeys({ f: () => input.current?.focus() });
  const names = Object.keys(fields);
  const named = parseFilter(text, names).filter((x) => x.field !== undefined && x.value);
  const { fault } = readFilter(text, fields);
  return (
    <div className={`field q ${fault ? "wrong" : ""}`}>
      <Icon name="filter" />
      <input
        ref={input}
        value={text}
        onChange={(e) => { setText(e.target.value); }}
        onKeyDown={(e) => {
          if (e.key === "Escape") {
            e.preventDefault();
            if (text) setText("");
            else input.current?.blur();
          }
        }}
        placeholder={placeholder}
        aria-label={label}
        aria-invalid={!!fault}
        autoComplete="off"
        spellCheck={false}
      />
      {named.map((x) => (
        <span key={x.start} className={`tok ${x.field === fault?.field ? "bad" : ""}`}>
          <Raw>{x.source}</Raw>
          <button type="button" aria-label={t("filter.remove", { term: x.source })} onClick={() => { setText(withoutTerm(text, x)); input.current?.focus(); }}>
            <Icon name="x" small />
          </button>
        </span>
      ))}
      {fault && (
        <span className="bad filter-note" role="status">
          {fault.value === undefined ? t("filter.unknown", { field: fault.field, known: names.join(", ") }) : t("filter.value", { field: fault.field, value: fault.value })}
        </span>
      )}
    </div>
  );
}
