// The lines of a log, only those in view drawn, with one that the keyboard is on.
import { useVirtualizer, type Virtualizer } from "@tanstack/react-virtual";
import { useRef, useState, type ReactNode, type RefObject } from "react";
import type { LogLine } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { bodyOf, hue, refusalIn, tone } from "../../lib/loglines";
import { ipAddress, ipText } from "../../lib/places";
import { Link } from "../../lib/router";
import { download } from "../../ui/Copy";
import { Icon } from "../../ui/Icon";
import { Code } from "../sessions/Code";
import { Marked } from "./Marked";

export interface RowsState<T> {
  lines: readonly T[];
  scroll: RefObject<HTMLDivElement | null>;
  virtualizer: Virtualizer<HTMLDivElement, Element>;
  current: number;
  setCurrent: (index: number) => void;
  /** The line that the keyboard is on goes on by so many. */
  move: (by: number) => void;
}

export function useRows<T extends LogLine>(lines: readonly T[]): RowsState<T> {
  const scroll = useRef<HTMLDivElement>(null);
  const [current, setCurrent] = useState(-1);
  const virtualizer = useVirtualizer({ count: lines.length, getScrollElement: () => scroll.current, estimateSize: () => 24, overscan: 30 });
  const move = (by: number) => {
    const to = Math.max(0, Math.min(lines.length - 1, current + by));
    setCurrent(to);
    virtualizer.scrollToIndex(to);
  };
  return { lines, scroll, virtualizer, current, setCurrent, move };
}

/** A line's text; the code of a refusal tells what it means. Another server's words are not looked up among ours. */
function Body({ line, words, find }: { line: LogLine; words: readonly string[]; find: string }) {
  const text = bodyOf(line);
  const refusal = refusalIn(line);
  if (!refusal) return <Marked text={text} words={words} find={find} />;
  return (
    <>
      {refusal.before}
      <Code code={refusal.code} reply={refusal.before ? refusal.code : text} peer={refusal.before ? "" : (line.source ?? "")} tab={false} />
      <Marked text={text.slice(refusal.before.length + 3)} words={words} find={find} />
    </>
  );
}

export function Rows<T extends LogLine>({ rows, wrap, words, find = "", label, sourceOf, onThread, onAround, onEnd, children }: {
  rows: RowsState<T>;
  wrap: boolean;
  words: readonly string[];
  find?: string;
  label: string;
  /** What stands in the place of the address. */
  sourceOf?: (line: T) => ReactNode;
  onThread: (line: T) => void;
  onAround: (line: T) => void;
  /** The end comes into view. */
  onEnd?: () => void;
  children?: ReactNode;
}) {
  const t = useText();
  const maySessions = useMay("sessions:read");
  const { lines, virtualizer, current } = rows;
  return (
    <div className="scroll" ref={rows.scroll} tabIndex={0} role="region" aria-label={label} onScroll={(e) => { const x = e.currentTarget; if (x.scrollHeight - x.scrollTop - x.clientHeight < 800) onEnd?.(); }}>
      {children}
      <div className={`lg-l ${wrap ? "wrapped" : ""}`} style={{ height: lines.length ? virtualizer.getTotalSize() + 24 : 0, position: "relative" }}>
        {virtualizer.getVirtualItems().map((item) => {
          const l = lines[item.index];
          if (!l) return null;
          const source = l.source && maySessions && ipText.test(l.source) ? <Link to={ipAddress(l.source)} tabIndex={-1}>{l.source}</Link> : l.source;
          return (
            <div key={item.key} data-index={item.index} ref={virtualizer.measureElement} className={`ln ${l.kind === "summary" ? "sum" : l.kind} ${tone(l)} ${hue(l.session ?? "")} ${item.index === current ? "cur" : ""}`} style={{ position: "absolute", top: 0, left: 0, right: 0, transform: `translateY(${item.start}px)` }} onClick={() => { rows.setCurrent(item.index); }}>
              <span className="tm" translate="no">{l.time}</span>
              {l.session ? <button type="button" className="thr" title={t("logs.thread")} translate="no" onClick={() => { onThread(l); }}>{l.session}</button> : <span />}
              <span className="ip" translate={sourceOf ? undefined : "no"}>{sourceOf ? sourceOf(l) : source}</span>
              <span className="ar" aria-hidden="true" translate="no">{l.kind === "in" ? "<<<" : l.kind === "out" ? ">>>" : ""}</span>
              <span className="tx" translate="no" dir="auto"><Body line={l} words={words} find={find} /></span>
              <button type="button" className="ib sm ctx" tabIndex={item.index === current ? 0 : -1} aria-label={t("logs.around")} title={t("logs.around")} onClick={(e) => { e.stopPropagation(); onAround(l); }}><Icon name="expand" small /></button>
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** As the log has them. */
export function saveLines(name: string, lines: readonly LogLine[]): void {
  download(name, "text/plain", lines.map((l) => (l.time ? `${(l.source ?? "").padEnd(15)} [${l.session ?? ""}] ${l.time} ${l.text}` : l.text)).join("\n") + "\n");
}
