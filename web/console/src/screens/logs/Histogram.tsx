import { useMemo } from "react";
import type { LogLine } from "../../api/schema";
import { useText } from "../../i18n";
import { barsOf } from "../../lib/histogram";

/** How many of the lines came when; a bar is a span to look into. */
export function Histogram({ lines, onSpan }: { lines: readonly LogLine[]; onSpan: (from: string, to: string) => void }) {
  const t = useText();
  const bars = useMemo(() => barsOf(lines.map((l) => l.time), 24), [lines]);
  if (!bars.length) return null;
  const most = Math.max(...bars.map((b) => b.n));
  return (
    <div className="lg-h deskonly" role="group" aria-label={t("logs.histogram")}>
      {bars.map((b) => {
        const label = t("logs.histogram.bar", { from: b.from, to: b.to, n: b.n });
        return <button key={b.from} type="button" title={label} aria-label={label} disabled={b.n === 0} onClick={() => { onSpan(b.from, b.to); }}><i style={{ height: `${b.n ? Math.max(6, (b.n / most) * 100) : 0}%` }} /></button>;
      })}
    </div>
  );
}
