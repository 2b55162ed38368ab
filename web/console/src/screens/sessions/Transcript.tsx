import { useEffect, useRef, useState } from "react";
import { useText } from "../../i18n";
import { copyText } from "../../lib/clipboard";
import { useNow } from "../../lib/clock";
import { formatTime, utcTitle } from "../../lib/format";
import { bare, codeOf, lookOf, quiet, transcriptText, withSilence, type TranscriptLine } from "../../lib/transcript";
import { toast } from "../../lib/toast";
import { download } from "../../ui/Copy";
import { Icon } from "../../ui/Icon";
import { LiveBadge } from "../../ui/Page";
import { Empty, ErrorNote, Skeleton } from "../../ui/States";
import { Marked } from "../logs/Marked";
import { Code } from "./Code";
import type { TranscriptState } from "./usetranscript";

const arrows = { in: "<<<", out: ">>>", sum: "***", sys: "·" } as const;

function Text({ line, peer }: { line: TranscriptLine; peer: string }) {
  const text = bare(line);
  const code = codeOf(line);
  return (
    <span className="tx" translate="no" dir="auto">
      {code ? <><Code code={code} reply={text} peer={peer} /><Marked text={text.slice(3)} words={[]} find="" tab /></> : <Marked text={text} words={[]} find="" tab />}
    </span>
  );
}

/** Buttons that copy and save what is shown. */
export function TranscriptTools({ id, lines }: { id: string; lines: readonly TranscriptLine[] }) {
  const t = useText();
  return (
    <>
      <button type="button" className="ib" disabled={!lines.length} aria-label={t("transcript.copy")} title={t("transcript.copy")} onClick={() => void copyText(transcriptText(lines)).then(() => { toast(t("copied")); })}><Icon name="copy" /></button>
      <button type="button" className="ib" disabled={!lines.length} aria-label={t("transcript.save")} title={t("transcript.save")} onClick={() => { download(`posthorn-session-${id}.txt`, "text/plain", transcriptText(lines)); }}><Icon name="download" /></button>
    </>
  );
}

/** What was said. A living session is followed while its end is in view; scrolling back stops that, as reading is calm. */
export function Transcript({ state, held, peer = "", onRetry }: { state: TranscriptState; held: boolean; /** Of a session that came to us. */ peer?: string; onRetry: () => void }) {
  const t = useText();
  const now = useNow();
  const box = useRef<HTMLDivElement>(null);
  const [end, setEnd] = useState(true);
  const { lines, following } = state;
  useEffect(() => {
    // The box that scrolls is the drawer's or the page's.
    const scroller = box.current?.closest<HTMLElement>(".db, .scroll");
    if (!scroller) return;
    const look = () => { setEnd(scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 48); };
    scroller.addEventListener("scroll", look, { passive: true });
    return () => { scroller.removeEventListener("scroll", look); };
  }, []);
  useEffect(() => {
    const scroller = box.current?.closest<HTMLElement>(".db, .scroll");
    if (following && end && !held) scroller?.scrollTo({ top: scroller.scrollHeight });
  }, [lines.length, following, end, held]);
  const last = lines[lines.length - 1];
  const silent = following && last ? Math.floor((now - Date.parse(last.time)) / 1000) : 0;
  return (
    <div ref={box}>
      {state.error && <div className="pad"><ErrorNote error={state.error} onRetry={onRetry} /></div>}
      {!state.read && lines.length === 0 && !state.error && <Skeleton rows={6} />}
      {state.read && lines.length === 0 && !state.error && <Empty icon="sessions" title={t(following ? "transcript.nothing.yet" : "transcript.nothing")}>{!following && t("transcript.nothing.sub")}</Empty>}
      {state.dropped > 0 && <p className="pad t3">{t("transcript.dropped", { n: state.dropped })}</p>}
      {lines.length > 0 && (
        <div className="tr" role="group" aria-label={t("transcript")}>
          {withSilence(lines).map(({ line, silence }, i) => {
            const { look, tone } = lookOf(line);
            return [
              silence > 0 && <div key={`gap ${i}`} className="ln gapl"><span /><span /><span className="tx">{t("transcript.silence", { s: silence })}</span></div>,
              <div key={i} className={`ln ${look} ${tone}`}>
                <time className="tm" translate="no" dateTime={line.time} title={utcTitle(line.time)}>{formatTime(line.time, t.locale)}</time>
                <span className="ar" aria-hidden="true" translate="no">{arrows[look]}</span>
                <span className="sr">{look === "in" ? t("transcript.in") : look === "out" ? t("transcript.out") : ""}</span>
                <Text line={line} peer={peer} />
              </div>,
            ];
          })}
          {silent >= quiet && !held && <div className="ln gapl"><span /><span /><span className="tx">{t("transcript.waiting", { s: silent })}</span></div>}
        </div>
      )}
    </div>
  );
}

export function Following({ state, held }: { state: TranscriptState; held: boolean }) {
  const t = useText();
  if (!state.following) return null;
  return held ? <LiveBadge state="held" /> : <span className="live live-follow"><span className="dot" />{t("transcript.following")}</span>;
}
