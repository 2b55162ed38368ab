import { useState } from "react";

const complete = /^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$/;

/** A time of day as the server writes it, hh:mm or hh:mm:ss. The browser's own field follows its language, not the reader's. */
export function TimeField({ label, value, onChange }: { label: string; value: string; onChange: (time: string) => void }) {
  const [text, setText] = useState(value);
  const [shown, setShown] = useState(value);
  if (shown !== value) {
    setShown(value);
    setText(value);
  }
  const wrong = text !== "" && !complete.test(text);
  return (
    <label className={`field ${wrong ? "wrong" : ""}`}>
      <span className="lb">{label}</span>
      <input
        value={text}
        size={8}
        className="num"
        placeholder="hh:mm:ss"
        aria-label={label}
        aria-invalid={wrong}
        inputMode="numeric"
        autoComplete="off"
        translate="no"
        onChange={(e) => {
          setText(e.target.value);
          if (e.target.value === "" || complete.test(e.target.value)) {
            setShown(e.target.value);
            onChange(e.target.value);
          }
        }}
      />
    </label>
  );
}
