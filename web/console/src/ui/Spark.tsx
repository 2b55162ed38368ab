/** A small line without axes, beside a figure. Decoration: the figure says it in words. */
export function Spark({ values, color = "--c1", area = true }: { values: readonly number[]; color?: string; area?: boolean }) {
  if (values.length < 2) return null;
  const w = 84;
  const h = 30;
  const max = Math.max(...values);
  const min = Math.min(...values);
  const points = values
    .map((v, i) => `${((i / (values.length - 1)) * w).toFixed(1)},${(h - 2 - ((v - min) / (max - min || 1)) * (h - 4)).toFixed(1)}`)
    .join(" ");
  return (
    <svg className="spark" viewBox={`0 0 ${w} ${h}`} preserveAspectRatio="none" aria-hidden="true">
      {area && <polygon points={`0,${h} ${points} ${w},${h}`} fill={`var(${color})`} opacity=".12" />}
      <polyline points={points} fill="none" stroke={`var(${color})`} strokeWidth="1.6" vectorEffect="non-scaling-stroke" strokeLinejoin="round" />
    </svg>
  );
}
