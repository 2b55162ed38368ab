// What happened, as sentences, the newest first; what repeats is folded. Behind each sentence stands its record.
import { useState, type ReactNode } from "react";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { visible } from "../../lib/bidi";
import { formatDate, formatTime, utcTitle } from "../../lib/format";
import { Link } from "../../lib/router";
import { messageAddress, sessionAddress, traceAddress } from "../../lib/places";
import { Icon } from "../../ui/Icon";
import type { IconName } from "../../ui/icons";
import { Raw } from "../../ui/Raw";
import { foldEvents, linkParts, logIdOf, lookOf, textField, type Look, type TimelineEvent } from "./steps";

const icons: Record<Look, IconName> = { ok: "check", bad: "x", warn: "clock", "": "info" };

function targetsOf(e: TimelineEvent, own: string | null): [string, string][] {
  const targets: [string, string][] = [];
  for (const name of ["child", "parent", "msgid"]) {
    const v = textField(e, name);
    if (v && v !== own) targets.push([v, messageAddress(v)]);
  }
  for (const name of ["rcpt", "original", "sender", "account"]) {
    const v = textField(e, name);
    if (v.includes("@")) targets.push([v, traceAddress("address", v)]);
  }
  for (const name of ["peer", "remote_ip", "address"]) {
    const v = textField(e, name);
    if (v) targets.push([v, traceAddress("ip", v)]);
  }
  return targets;
}

function Sentence({ event, own }: { event: TimelineEvent; own: string | null }): ReactNode {
  return <span translate="no" lang="en" dir="auto">{linkParts(event.sentence, targetsOf(event, own)).map((p, i) => (typeof p === "string" ? visible(p) : <Link key={i} to={p.to}>{visible(p.text)}</Link>))}</span>;
}

/** The record as it is kept: for who wants to know exactly. */
function Record({ event }: { event: TimelineEvent }) {
  const t = useText();
  const [open, setOpen] = useState(false);
  return (
    <details className="rec" onToggle={(e) => { setOpen(e.currentTarget.open); }}>
      <summary><span className="sr">{t("message.record")}</span><Icon name="code" small /></summary>
      {open && (
        <dl className="kv mono" translate="no">
          <dt>time</dt><dd>{utcTitle(event.time)}</dd>
          <dt>event</dt><dd>{event.name}</dd>
          <dt>module</dt><dd>{event.module}</dd>
          {event.session && <><dt>session</dt><dd>{event.session}</dd></>}
          {Object.entries(event.fields).map(([k, v]) => [<dt key={k}>{k}</dt>, <dd key={`${k}=`}><Raw>{typeof v === "object" ? JSON.stringify(v) : String(v)}</Raw></dd>])}
        </dl>
      )}
    </details>
  );
}

export function Events({ events, own, level = 3 }: { events: readonly TimelineEvent[]; own: string | null; level?: 2 | 3 }) {
  const t = useText();
  const maySessions = useMay("sessions:read");
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const rows = foldEvents(events, opened);
  let day = "";
  const Day = level === 2 ? "h3" : "h4";
  return (
    <ol className="ev">
      {rows.map((r) => {
        if (r.kind === "fold")
          return (
            <li key={`fold ${r.key}`} className="gap">
              <span className="tm" /><span className="ic"><Icon name="more" /></span>
              <span className="bx">{t("message.folded", { n: r.hidden })} <button type="button" className="linkb" onClick={() => { setOpened(new Set([...opened, r.key])); }}>{t("show")}</button></span>
            </li>
          );
        const e = r.event;
        const look = lookOf(e);
        const date = formatDate(e.time, t.locale);
        const head = date !== day;
        day = date;
        return [
          head && <li key={`day ${date}`} className="day"><Day className="t3" translate="no">{date}</Day></li>,
          <li key={r.index} className={look}>
            <time className="tm" dateTime={e.time} title={utcTitle(e.time)}>{formatTime(e.time, t.locale)}</time>
            <span className="ic"><Icon name={icons[look]} /></span>
            <div className="bx">
              <Sentence event={e} own={own} />{" "}
              {e.session && maySessions && <Link className="nowrap" to={sessionAddress(e.session)}>{t.rich("message.insession", { id: <Raw mono>{logIdOf(e.session)}</Raw> })}</Link>}{" "}
              <Record event={e} />
            </div>
          </li>,
        ];
      })}
    </ol>
  );
}
