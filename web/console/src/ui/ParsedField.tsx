import { useState } from "react";

/** A short text with a meaning: applied as soon as it can be read, marked while it cannot; "" is none. */
export function ParsedField({ label, value, size, placeholder, parse, show = (v) => v, onChange }: {
  label: string;
  value: string;
  size: number;
  placeholder: string;
  /** What the text means; undefined while it is not complete. */
  parse: (text: string) => string | undefined;
  /** The meaning as people type it. */
  show?: (value: string) => string;
  onChange: (value: string) => void;
}) {
  const [text, setText] = useState(show(value));
  const [shown, setShown] = useState(value);
  if (shown !== value) {
    setShown(value);
    setText(show(value));
  }
  const read = (typed: string) => (typed === "" ? "" : parse(typed));
  const wrong = read(text) === undefined;
  return (
    <label className={`field ${wrong ? "wrong" : ""}`}>
      <span className="lb">{label}</span>
      <input
        value={text}
        size={size}
        className="num"
        placeholder={placeholder}
        aria-label={label}
        aria-invalid={wrong}
        inputMode="numeric"
        autoComplete="off"
        translate="no"
        onChange={(e) => {
          setText(e.target.value);
          const next = read(e.target.value);
          if (next === undefined || show(next) === show(value)) return;
          setShown(next);
          onChange(next);
        }}
      />
    </label>
  );
}
