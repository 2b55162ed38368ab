import { useRef } from "react";

/** A text with the numbers of its lines; wrong ones are marked. `problems`: id of what says why. */
export function ScriptField({ label, text, wrong, problems, disabled, rows = 18, onChange }: {
  label: string;
  text: string;
  wrong: ReadonlySet<number>;
  problems: string;
  disabled: boolean;
  rows?: number;
  onChange: (text: string) => void;
}) {
  const numbers = useRef<HTMLDivElement>(null);
  const lines = text.split("\n").length;
  return (
    <div className="script">
      <div className="script-lines" ref={numbers} aria-hidden="true">
        {Array.from({ length: lines }, (_, i) => <div key={i} className={wrong.has(i + 1) ? "wrong" : undefined}>{i + 1}</div>)}
      </div>
      <textarea
        aria-label={label}
        aria-describedby={wrong.size ? problems : undefined}
        aria-invalid={wrong.size > 0}
        value={text}
        readOnly={disabled}
        rows={rows}
        wrap="off"
        spellCheck={false}
        autoComplete="off"
        autoCapitalize="off"
        translate="no"
        onChange={(e) => { onChange(e.target.value); }}
        onScroll={(e) => { if (numbers.current) numbers.current.scrollTop = e.currentTarget.scrollTop; }}
      />
    </div>
  );
}
