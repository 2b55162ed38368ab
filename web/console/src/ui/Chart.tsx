import { useEffect, useId, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import { niceMax, pieces, timeAt, timeTicks, valueAt, xOf, yOf, zoomed, type Scale, type Span } from "../lib/chart";

export interface ChartSeries {
  name: string;
  label: string;
  color: string;
  dash: string;
  values: readonly (number | null)[];
}
export interface ChartProps {
  label: string;
  series: readonly ChartSeries[];
  /** Begin of the first point, and length of one, in milliseconds. */
  from: number;
  step: number;
  /** What the axis spans: may begin within the first point and end within the last. */
  span: Span;
  /** How far zooming out goes. */
  whole: Span;
  /** Upper edge chosen by a rectangle; 0 = by the values. */
  top: number;
  marks: readonly { index: number; n: number }[];
  /** Index of the point under the cursor; -1 = none. */
  cursor: number;
  locale: string;
  format: (value: number) => string;
  /** What is said of a point: its time and each value. */
  timeLabel: (index: number) => string;
  gapLabel: string;
  onCursor: (index: number) => void;
  onZoom: (span: Span, top: number) => void;
  onReset: () => void;
}

interface Drag {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

const drawn = 24; // a rectangle lower than this many pixels chooses a time only

export function Chart(p: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ w: 0, h: 0 });
  const [drag, setDrag] = useState<Drag>();
  const clip = useId();
  useEffect(() => {
    const e = host.current;
    if (!e) return;
    const look = () => { setSize({ w: e.clientWidth, h: e.clientHeight }); };
    const observer = new ResizeObserver(look);
    observer.observe(e);
    look();
    return () => { observer.disconnect(); };
  }, []);

  const points = p.series[0]?.values.length ?? 0;
  const most = Math.max(0, ...p.series.flatMap((s) => s.values.map((v) => v ?? 0)));
  const max = p.top || niceMax(most * 1.04);
  const scale: Scale = { ...p.span, max, box: { left: 52, top: 12, right: Math.max(60, size.w - 10), bottom: Math.max(30, size.h - 24) } };
  const middle = (i: number) => Math.min(p.from + (i + 0.5) * p.step, p.span.to);
  const x = (i: number) => xOf(scale, middle(i));
  const indexAt = (px: number) => Math.max(0, Math.min(points - 1, Math.floor((timeAt(scale, px) - p.from) / p.step)));

  const place = (e: PointerEvent) => {
    const r = host.current?.getBoundingClientRect();
    return { x: e.clientX - (r?.left ?? 0), y: e.clientY - (r?.top ?? 0) };
  };
  const down = (e: PointerEvent) => {
    const at = place(e);
    p.onCursor(indexAt(at.x));
    if (e.pointerType === "touch" || e.button !== 0) return;
    host.current?.setPointerCapture(e.pointerId);
    setDrag({ x0: at.x, y0: at.y, x1: at.x, y1: at.y });
  };
  const move = (e: PointerEvent) => {
    const at = place(e);
    if (drag) setDrag({ ...drag, x1: at.x, y1: at.y });
    if (e.pointerType !== "touch") p.onCursor(indexAt(at.x));
  };
  const up = () => {
    if (!drag) return;
    setDrag(undefined);
    const a = timeAt(scale, Math.min(drag.x0, drag.x1));
    const b = timeAt(scale, Math.max(drag.x0, drag.x1));
    if (Math.abs(drag.x1 - drag.x0) < 8) return;
    const high = Math.abs(drag.y1 - drag.y0) > drawn ? valueAt(scale, Math.min(drag.y0, drag.y1)) : 0;
    p.onZoom({ from: Math.round(a), to: Math.round(Math.max(b, a + least)) }, high >= 1 ? Math.ceil(high) : 0);
  };
  const least = 3 * 60_000;
  const zoomBy = (factor: number) => {
    const around = p.cursor < 0 ? (p.span.from + p.span.to) / 2 : middle(p.cursor);
    p.onZoom(zoomed(p.span, p.whole, around, factor, least), p.top);
  };
  const key = (e: KeyboardEvent) => {
    const at = p.cursor < 0 ? points - 1 : p.cursor;
    const by = e.shiftKey ? 10 : 1;
    const act: Record<string, () => void> = {
      ArrowLeft: () => { p.onCursor(Math.max(0, at - by)); },
      ArrowRight: () => { p.onCursor(Math.min(points - 1, at + by)); },
      Home: () => { p.onCursor(0); },
      End: () => { p.onCursor(points - 1); },
      "+": () => { zoomBy(0.5); },
      "-": () => { zoomBy(2); },
      Escape: p.onReset,
    };
    const run = e.ctrlKey || e.metaKey || e.altKey ? undefined : act[e.key];
    if (!run) return;
    e.preventDefault();
    run();
  };

  const said = (i: number) => `${p.timeLabel(i)}: ${p.series.map((s) => { const v = s.values[i]; return `${s.label} ${v === null || v === undefined ? p.gapLabel : p.format(v)}`; }).join(", ")}`;
  const rows = size.h < 200 ? 2 : 4;
  const ticks = timeTicks(p.span, Math.floor((scale.box.right - scale.box.left) / 92), new Date(p.span.from).getTimezoneOffset());
  const tick = (at: number) => {
    const d = new Date(at);
    const midnight = d.getHours() === 0 && d.getMinutes() === 0;
    return new Intl.DateTimeFormat(p.locale, ticks.step >= 86_400_000 || midnight ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" }).format(d);
  };
  const cursor = p.cursor >= 0 && p.cursor < points ? p.cursor : -1;
  const tipLeft = cursor >= 0 ? x(cursor) : 0;
  return (
    <div
      ref={host}
      className="chart big"
      role="slider"
      tabIndex={0}
      aria-label={p.label}
      aria-valuemin={0}
      aria-valuemax={Math.max(0, points - 1)}
      aria-valuenow={Math.max(0, cursor < 0 ? points - 1 : cursor)}
      aria-valuetext={points ? said(cursor < 0 ? points - 1 : cursor) : p.gapLabel}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={() => { setDrag(undefined); }}
      onPointerLeave={(e) => { if (!drag && e.pointerType !== "touch") p.onCursor(-1); }}
      onDoubleClick={p.onReset}
      onKeyDown={key}
    >
      {size.w > 60 && (
        <div className="drawing" translate="no">
        <svg width={size.w} height={size.h} viewBox={`0 0 ${size.w} ${size.h}`} aria-hidden="true">
          <defs><clipPath id={clip}><rect x={scale.box.left} y={0} width={scale.box.right - scale.box.left + 4} height={scale.box.bottom + 4} /></clipPath></defs>
          {Array.from({ length: rows + 1 }, (_, i) => (max / rows) * i).map((v) => (
            <g key={v}>
              <line x1={scale.box.left} x2={scale.box.right} y1={yOf(scale, v)} y2={yOf(scale, v)} stroke="var(--grid)" />
              <text x={scale.box.left - 8} y={yOf(scale, v) + 4} textAnchor="end" fill="var(--axis)" fontSize="11">{p.format(v)}</text>
            </g>
          ))}
          {ticks.at.filter((at) => xOf(scale, at) > scale.box.left + 10 && xOf(scale, at) < scale.box.right - 14).map((at) => (
            <text key={at} x={xOf(scale, at)} y={size.h - 4} textAnchor="middle" fill="var(--axis)" fontSize="11">{tick(at)}</text>
          ))}
          <g clipPath={`url(#${clip})`}>
            {p.series.map((s, k) => pieces(s.values).map((piece) => {
              const first = piece[0];
              const last = piece[piece.length - 1];
              if (!first || !last) return null;
              const line = piece.map(([i, v]) => `${x(i).toFixed(1)},${yOf(scale, v).toFixed(1)}`).join(" ");
              return (
                <g key={`${s.name}${first[0]}`}>
                  {k === 0 && piece.length > 1 && <polygon points={`${x(first[0]).toFixed(1)},${scale.box.bottom} ${line} ${x(last[0]).toFixed(1)},${scale.box.bottom}`} fill={`var(${s.color})`} opacity="0.1" />}
                  {piece.length > 1
                    ? <polyline data-series={s.name} points={line} fill="none" stroke={`var(${s.color})`} strokeWidth="1.8" strokeLinejoin="round" strokeDasharray={s.dash || undefined} />
                    : <circle data-series={s.name} cx={x(first[0])} cy={yOf(scale, first[1])} r="2.5" fill={`var(${s.color})`} />}
                </g>
              );
            }))}
          </g>
          {p.marks.map((m) => (
            <g key={m.n} data-mark={m.n}>
              <line x1={x(m.index)} x2={x(m.index)} y1={scale.box.top} y2={scale.box.bottom} stroke="var(--text-3)" strokeDasharray="2 3" />
              <circle cx={x(m.index)} cy={scale.box.top + 4} r="9" fill="var(--surface)" stroke="var(--text-3)" />
              <text x={x(m.index)} y={scale.box.top + 8} textAnchor="middle" fill="var(--axis)" fontSize="11" fontWeight="600">{m.n}</text>
            </g>
          ))}
          {cursor >= 0 && (
            <g className="hv">
              <line x1={x(cursor)} x2={x(cursor)} y1={scale.box.top} y2={scale.box.bottom} stroke="var(--text-3)" />
              {p.series.map((s) => {
                const v = s.values[cursor];
                return v === null || v === undefined ? null : <circle key={s.name} cx={x(cursor)} cy={yOf(scale, v)} r="4" fill={`var(${s.color})`} stroke="var(--surface)" strokeWidth="2" />;
              })}
            </g>
          )}
          {drag && <rect className="br" x={Math.min(drag.x0, drag.x1)} y={Math.min(drag.y0, drag.y1)} width={Math.abs(drag.x1 - drag.x0)} height={Math.abs(drag.y1 - drag.y0)} fill="var(--brush)" stroke="var(--c1)" strokeDasharray="4 3" />}
        </svg>
        </div>
      )}
      {cursor >= 0 && (
        <div className="tip" aria-hidden="true" style={tipLeft > size.w / 2 ? { right: `${size.w - tipLeft + 14}px`, top: "14px" } : { left: `${tipLeft + 14}px`, top: "14px" }}>
          <div className="strong num" translate="no">{p.timeLabel(cursor)}</div>
          {p.series.map((s) => {
            const v = s.values[cursor];
            return <div key={s.name} className="k"><span className="sw-l" style={{ background: `var(${s.color})` }} />{s.label}<b>{v === null || v === undefined ? p.gapLabel : p.format(v)}</b></div>;
          })}
        </div>
      )}
    </div>
  );
}
