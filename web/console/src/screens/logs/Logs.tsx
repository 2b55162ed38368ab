import { useCallback, useEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import { api } from "../../api/client";
import type { LogLine } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { formatBytes } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { append, bodyOf, hitsIn } from "../../lib/loglines";
import { logFilesAddress, messageId, sessionAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { addressWith, Link, navigate, useParam } from "../../lib/router";
import { toast } from "../../lib/toast";
import { download } from "../../ui/Copy";
import { Icon } from "../../ui/Icon";
import { LiveBadge, PageHead } from "../../ui/Page";
import { ListState } from "../../ui/ListState";
import { ErrorNote, failed } from "../../ui/States";
import { TimeField } from "../../ui/TimeField";
import { Around } from "./Around";
import { Histogram } from "./Histogram";
import { LogSelect } from "./LogSelect";
import { logLabel } from "./names";
import { Rows, saveLines, useRows } from "./Rows";
import { Thread } from "./Thread";

const most = 10_000;
type Levels = "none" | "summary" | "debug" | "extended";

/** Words of the filter that lines are marked by. */
function wordsOf(filter: string): string[] {
  return filter.split(";").map((w) => w.trim()).filter((w) => w && !w.startsWith("-"));
}

/** Esc leaves a field for its lines: letters act again. */
function leave(e: KeyboardEvent<HTMLInputElement>): void {
  if (e.key !== "Escape") return;
  e.preventDefault();
  document.querySelector<HTMLElement>(".scroll")?.focus();
}

interface View {
  key: string;
  /** Earlier lines that were read and are not kept here. */
  dropped: number;
  lines: LogLine[];
  cursor: string | null;
  done: boolean;
}

export default function Logs({ params }: { params: Record<string, string> }) {
  const service = params["service"] ?? "smtp";
  const [q] = useParam("q");
  const [date] = useParam("date");
  const [around] = useParam("around");
  const [thread] = useParam("thread");
  if (thread) return <Thread key={`${thread} ${date}`} of={thread} date={date} />;
  if (around) return <Around key={around} service={service} at={around} words={wordsOf(q)} />;
  return <Lines service={service} />;
}

function Lines({ service }: { service: string }) {
  const t = useText();
  const mayWrite = useMay("settings:write");
  const maySessions = useMay("sessions:read");
  const [q, setQ] = useParam("q");
  const [date, setDate] = useParam("date");
  const [from, setFrom] = useParam("from");
  const [to, setTo] = useParam("to");
  const [follow, setFollow] = useParam("follow");
  const [wrap, setWrap] = useParam("wrap");
  const [text, setText] = useState(q);
  const [find, setFind] = useState("");
  const [hit, setHit] = useState(0);
  const filterInput = useRef<HTMLInputElement>(null);
  const findInput = useRef<HTMLInputElement>(null);
  const logs = useResource("logs", (signal) => api.get("/logs", { query: { limit: 100 }, signal }), 60);
  const log = logs.data?.items.find((l) => l.service === service);
  const days = log?.days ?? [];
  const newest = days[0]?.date ?? "";
  const day = date || newest;
  const live = follow !== "" && !to && (!date || date === newest);

  useEffect(() => {
    setText(q);
  }, [q]);
  useEffect(() => {
    if (text === q) return;
    const timer = setTimeout(() => { setQ(text); }, 250);
    return () => { clearTimeout(timer); };
  }, [text, q, setQ]);

  // Lines are read from the start of the span on; following reads the last second again and adds what is new.
  const query = useMemo(() => ({ ...(date && { date }), ...(from && { from }), ...(to && { to }), ...(q && { filter: q }) }), [date, from, to, q]);
  // At midnight the day that is followed becomes another one, and is read from its start.
  const [today, setToday] = useState({ day: "", turn: 0 });
  if (newest && newest !== today.day) setToday({ day: newest, turn: today.day ? today.turn + 1 : 0 });
  const key = `lines ${service} ${JSON.stringify(query)} ${today.turn}`;
  const [view, setView] = useState<View>({ key: "", dropped: 0, lines: [], cursor: null, done: false });
  const page = useResource(key, (signal) => api.get("/logs/{service}/lines", { path: { service }, query: { ...query, limit: 2000 }, signal }));
  useEffect(() => {
    if (page.data) setView({ key, dropped: 0, lines: page.data.items, cursor: page.data.next_cursor, done: page.data.next_cursor === null });
  }, [page.data, key]);
  const lines = view.key === key ? view.lines : [];
  const cursor = view.key === key ? view.cursor : null;
  const busy = useRef(false);
  const more = useCallback(async () => {
    if (!cursor || busy.current) return;
    busy.current = true;
    try {
      const next = await api.get("/logs/{service}/lines", { path: { service }, query: { ...query, limit: 2000, cursor } });
      setView((v) => (v.key === key ? { ...v, dropped: v.dropped + Math.max(0, v.lines.length + next.items.length - most), lines: [...v.lines, ...next.items].slice(-most), cursor: next.next_cursor, done: next.next_cursor === null } : v));
    } catch (e) {
      failed(e, t);
    }
    busy.current = false;
  }, [cursor, key, query, service, t]);
  // A search stops after two seconds and goes on from there: an empty page with a cursor is no end.
  useEffect(() => {
    if (cursor && (lines.length < 500 || live)) void more();
  }, [cursor, lines.length, live, more]);

  const lastTime = lines.findLast((l) => l.time)?.time;
  useEffect(() => {
    if (!live || !view.done || view.key !== key) return;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      api.get("/logs/{service}/lines", { path: { service }, query: { ...query, ...(lastTime && { from: lastTime }), limit: 2000 }, signal: stop.signal }).then(
        (next) => { setView((v) => (v.key === key ? { ...v, lines: append(v.lines, next.items, most) } : v)); },
        () => { setView((v) => ({ ...v })); },
      );
    }, 1500);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [live, view, key, lastTime, query, service]);

  const rows = useRows(lines);
  const { virtualizer, current, setCurrent, move } = rows;
  useEffect(() => {
    if (live && lines.length) virtualizer.scrollToIndex(lines.length - 1);
  }, [live, lines.length, virtualizer]);

  const words = useMemo(() => wordsOf(q), [q]);
  const hits = useMemo(() => (find ? lines.flatMap((l, i) => (hitsIn(bodyOf(l), [find]).length ? [i] : [])) : []), [lines, find]);
  const goHit = (by: number) => {
    if (!hits.length) return;
    const at = (hit + by + hits.length) % hits.length;
    setHit(at);
    const line = hits[at] ?? 0;
    setCurrent(line);
    virtualizer.scrollToIndex(line, { align: "center" });
  };
  const onlyThread = (session: string | null) => {
    if (session) setQ(session, false);
  };
  const everywhere = (what: string | null) => {
    if (what) navigate(addressWith({ thread: what, ...(day !== newest && { date: day }) }));
  };
  const aroundOf = (line: LogLine | undefined) => {
    if (line) navigate(addressWith({ around: line.at }));
  };
  // Four digits name a session; of an earlier day, the one of that day.
  const thread = maySessions ? (/^[0-9A-F]{4}$/.exec(q.trim())?.[0] ?? "") : "";
  const threadAddress = day === newest ? sessionAddress(thread) : `/status/sessions/history?q=${thread}&from=${new Date(`${day}T00:00:00`).toISOString()}&to=${new Date(`${day}T23:59:59`).toISOString()}`;
  const setLive = (on: boolean) => {
    setFollow(on ? "1" : "");
  };
  useKeys({
    n: () => { goHit(1); },
    N: () => { goHit(-1); },
    t: () => { onlyThread(lines[current]?.session ?? null); },
    T: () => { everywhere(lines[current]?.session ?? null); },
    ...(lines[current] && { Enter: () => { aroundOf(lines[current]); } }),
    ...(thread && { o: () => { navigate(threadAddress); } }),
    f: () => { setLive(!live); },
    ".": () => { setLive(!live); },
    r: page.refresh,
    j: () => { move(1); },
    k: () => { move(-1); },
  });

  const left = view.dropped > 0 || cursor !== null;
  const save = (kind: "txt" | "ndjson") => {
    const name = `posthorn-${service}-${day}.${kind}`;
    if (kind === "txt") saveLines(name, lines);
    else download(name, "application/x-ndjson", lines.map((l) => JSON.stringify(l)).join("\n") + "\n");
    toast(t(left ? "logs.saved.part" : "logs.saved", { n: lines.length }));
  };
  const raise = () => {
    const setting = log?.setting;
    if (!setting) return;
    const set = (value: string, undo?: () => void) => {
      api.patch("/settings/{name}", { path: { name: setting }, body: { value } }).then(
        () => {
          toast(t("service.levelset", { service: logLabel(service, t), level: t(`level.${value as Levels}`) }), { seconds: 10, ...(undo && { undo }) });
          logs.refresh();
        },
        (e: unknown) => { failed(e, t); },
      );
    };
    set("debug", () => { set(log.level); });
  };
  const low = log && (log.level === "none" || log.level === "summary");
  const bytes = lines.reduce((n, l) => n + l.text.length + 32, 0);

  return (
    <>
      <PageHead title={t("nav.logs")} live={live && <LiveBadge state={page.error ? "reconnecting" : "live"} />}>
        <button type="button" className="btn" aria-pressed={live} disabled={!!to || (!!date && date !== newest)} onClick={() => { setLive(!live); }}>
          <Icon name={live ? "pause" : "play"} />{live ? t("logs.pause") : t("logs.follow")}
        </button>
        <Link className="btn" to={logFilesAddress(service)}><Icon name="disk" />{t("file.files")}</Link>
        <button type="button" className="btn deskonly" disabled={!lines.length} onClick={() => { save("ndjson"); }}><Icon name="download" /><span translate="no">NDJSON</span></button>
        <button type="button" className="btn" disabled={!lines.length} onClick={() => { save("txt"); }}><Icon name="download" />{t("logs.save")}</button>
      </PageHead>
      <div className="bar">
        <LogSelect service={service} known={logs.data?.items ?? []} onChange={(to) => { navigate(`/status/logs/${to}${location.search}`); }} />
        <label className="field">
          <span className="lb">{t("logs.date")}</span>
          <select value={day} aria-label={t("logs.date")} onChange={(e) => { setDate(e.target.value === newest ? "" : e.target.value); }}>
            {days.length === 0 && <option value="">{t("none")}</option>}
            {days.map((d) => <option key={d.date} value={d.date}>{d.date} ({formatBytes(d.size, t.locale)})</option>)}
          </select>
        </label>
        <TimeField label={t("from")} value={from} onChange={setFrom} />
        <TimeField label={t("logs.to")} value={to} onChange={setTo} />
        <label className="field q">
          <Icon name="filter" />
          <input ref={filterInput} value={text} onChange={(e) => { setText(e.target.value); }} onKeyDown={leave} placeholder={t("logs.filter.hint")} aria-label={t("logs.filter")} autoComplete="off" spellCheck={false} />
          {text && <button type="button" className="ib sm" aria-label={t("filter.reset")} onClick={() => { setText(""); setQ(""); }}><Icon name="x" small /></button>}
        </label>
      </div>
      <div className="bar line">
        <span className="t2 num" role="status">{view.done || !cursor ? t("logs.count", { n: lines.length }) : t("logs.searching", { n: lines.length })}</span>
        {left && !cursor && <span className="t3">{t("logs.dropped", { n: view.dropped })}</span>}
        {(thread || messageId.test(q.trim())) && <button type="button" className="btn sm" onClick={() => { everywhere(q.trim()); }}><Icon name="analyzer" small />{t("logs.everywhere")}</button>}
        {thread && <Link className="btn sm" to={threadAddress}><Icon name="sessions" small />{t.rich("logs.session", { id: <span className="mono" translate="no">{thread}</span> })}</Link>}
        <span className="grow" />
        <label className="row deskonly"><input type="checkbox" checked={wrap !== ""} onChange={(e) => { setWrap(e.target.checked ? "1" : ""); }} /> {t("logs.wrap")}</label>
        <span className="findbar deskonly">
          <label className="field">
            <Icon name="search" small />
            <input ref={findInput} value={find} size={14} onChange={(e) => { setFind(e.target.value); setHit(-1); }} onKeyDown={(e) => { if (e.key === "Enter") goHit(e.shiftKey ? -1 : 1); else leave(e); }} aria-label={t("logs.find")} placeholder={t("logs.find")} />
            {find && <span className="t3 num">{t("logs.hit", { n: hits.length ? Math.max(0, hit) + 1 : 0, of: hits.length })}</span>}
          </label>
          <button type="button" className="ib sm" aria-label={t("logs.previoushit")} disabled={!hits.length} onClick={() => { goHit(-1); }}><Icon name="up" /></button>
          <button type="button" className="ib sm" aria-label={t("logs.nexthit")} disabled={!hits.length} onClick={() => { goHit(1); }}><Icon name="down" /></button>
        </span>
      </div>
      {low && (
        <div className="page-note">
          <div className="call warn"><Icon name="info" /><div className="grow">{t("logs.low", { level: t(`level.${log.level as Levels}`) })}</div>{mayWrite && log.setting && <button type="button" className="btn sm" onClick={raise}>{t("logs.raise")}</button>}</div>
        </div>
      )}
      {page.error && page.data && <div className="page-note"><ErrorNote error={page.error} retryAt={page.retryAt} onRetry={page.refresh} /></div>}
      {view.done && <Histogram lines={lines} onSpan={(a, z) => { navigate(addressWith({ from: a, to: z })); }} />}
      <Rows rows={rows} wrap={wrap !== ""} words={words} find={find} label={t("logs.lines")} onThread={(l) => { onlyThread(l.session); }} onAround={aroundOf} onEnd={() => void more()}>
        <ListState
          list={{ items: page.data && (lines.length > 0 || view.key === key) ? lines : undefined, loading: page.loading, error: page.error, retryAt: page.retryAt, refresh: page.refresh }}
          searching={!!cursor}
          filter={{ text: q || [from, to].filter(Boolean).join(" – "), onReset: () => { setText(""); navigate(addressWith({ q: "", from: "", to: "" }), true); }, none: t("logs.nothing.filter") }}
          nothing={{ icon: "logs", title: t("logs.nothing") }}
          {...(log?.setting && { off: { setting: log.setting, title: t("logs.off"), off: "none", on: "debug" } })}
        />
      </Rows>
      <div className="foot">
        <span>{t("logs.foot", { log: logLabel(service, t), day, n: lines.length, size: formatBytes(bytes, t.locale) })}</span>
        <span className="grow" />
        <span className="deskonly"><kbd>n</kbd> <kbd>N</kbd> {t("logs.hits")} &nbsp; <kbd>↵</kbd> {t("logs.around")} &nbsp; <kbd>t</kbd> {t("logs.thread")} &nbsp; <kbd>f</kbd> {t("logs.follow")}</span>
      </div>
    </>
  );
}
