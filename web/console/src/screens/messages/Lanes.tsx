// Where the time went: how the message came in, then each recipient. Time runs on a logarithmic axis.
import { useText, type Text } from "../../i18n";
import { useNow } from "../../lib/clock";
import { formatDuration } from "../../lib/format";
import { Link } from "../../lib/router";
import { sessionAddress } from "../../lib/places";
import { timeScale } from "../../lib/timescale";
import { useMay } from "../../app/me";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { endOf, startOf, stepsOf, type Step, type TimelineEvent } from "./steps";
import type { MessageDetail } from "./types";

/** "0.42 s" for what is short, else as everywhere. */
export function shortTime(seconds: number, t: Text): string {
  if (seconds >= 10) return formatDuration(seconds, t);
  const digits = seconds < 1 ? 2 : 1;
  return t("dur.fine", { s: new Intl.NumberFormat(t.locale, { maximumFractionDigits: digits }).format(seconds) });
}

const colours = { in: "arrive", ok: "done", fail: "fail" } as const;

function Label({ step, t }: { step: Step; t: Text }) {
  if (step.kind === "received")
    return (
      <>
        <span className={`sc S ${step.status === "accepted" ? "ok" : "bad"}`} aria-hidden="true" translate="no">S</span>
        <span className="ell">{step.label ? t.rich("message.step.received", { peer: <Raw>{step.label}</Raw> }) : t("message.step.made")}</span>
      </>
    );
  const mark = step.status === "delivered" ? "ok" : step.status === "waiting" ? "active" : step.status === "accepted" ? "active" : "bad";
  return (
    <>
      {step.kind === "local" ? <Icon name="mail" /> : <span className={`sc C ${mark}`} aria-hidden="true" translate="no">C</span>}
      <span className="ell" title={step.label}><Raw>{step.label}</Raw>{step.recipients > 1 && <span className="t3"> {t("message.step.recipients", { n: step.recipients })}</span>}</span>
    </>
  );
}

export function Lanes({ message, events }: { message: MessageDetail; events: readonly TimelineEvent[] }) {
  const t = useText();
  const now = useNow(5);
  const maySessions = useMay("sessions:read");
  const steps = stepsOf(events, message.lanes);
  const start = startOf(events);
  const open = message.lanes.some((l) => l.status === "waiting" || l.status === "accepted") && message.status !== "deleted";
  const end = ((open ? now : endOf(events)) - start) / 1000;
  const scale = timeScale(end);
  const tick = (s: number, i: number) =>
    i === 0 ? t("message.start") : i === scale.ticks.length - 1 ? (open ? t("message.now") : shortTime(s, t)) : formatDuration(s, t);
  const words = (step: Step) => {
    const tries = step.segments.length;
    const key = `lane.${step.status}`;
    const state = t.has(key) ? t(key) : step.status;
    return t("message.step.words", { state, n: tries, time: shortTime(step.seconds, t) });
  };
  if (steps.length === 0) return <p className="t3">{t("message.nosteps")}</p>;
  return (
    <div className="wf" role="group" aria-label={t("message.steps")}>
      <div className="wf-r hd" aria-hidden="true">
        <div className="lb" />
        <div className="ln">{scale.ticks.map((s, i) => <span key={s} style={{ left: `${scale.at(s)}%` }}>{tick(s, i)}</span>)}</div>
        <div className="du" />
      </div>
      {steps.map((step) => (
        <div className="wf-r" key={step.key}>
          <div className="lb">
            {step.session && maySessions ? <Link className="row ell" to={sessionAddress(step.session)}><Label step={step} t={t} /></Link> : <Label step={step} t={t} />}
            <span className="grow" />
            <span className="sr">{words(step)}</span>
            <span className="mobonly t3 num" aria-hidden="true">{shortTime(step.seconds, t)}</span>
          </div>
          <div className="ln" aria-hidden="true" style={{ backgroundSize: `${100 / (scale.ticks.length - 1)}% 100%` }}>
            {step.segments.map((g, i) => <i key={i} className={`seg1 ${colours[g.kind]}`} style={{ left: `${scale.at(g.from)}%`, width: `${scale.at(g.to) - scale.at(g.from)}%` }} />)}
            {open && <i className="now" style={{ left: `${scale.at(end)}%` }} />}
          </div>
          <div className="du" aria-hidden="true">{step.segments.length ? shortTime(step.seconds, t) : ""}</div>
        </div>
      ))}
    </div>
  );
}
