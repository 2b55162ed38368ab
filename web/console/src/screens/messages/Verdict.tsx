import type { ReactNode } from "react";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { useNow } from "../../lib/clock";
import { formatDuration, formatMoment, utcTitle } from "../../lib/format";
import { Link } from "../../lib/router";
import { eventsAddress, hostAddress, settingAddress } from "../../lib/places";
import { Icon } from "../../ui/Icon";
import type { IconName } from "../../ui/icons";
import { Raw } from "../../ui/Raw";
import { Served } from "../../ui/Served";
import { troubles } from "./steps";
import type { MessageDetail, Verdict as VerdictOf } from "./types";

const looks: Readonly<Record<string, [string, IconName]>> = {
  accepted: ["", "mail"],
  waiting: ["warn", "clock"],
  delivered: ["ok", "okc"],
  mixed: ["warn", "alert"],
  bounced: ["bad", "bounce"],
  refused: ["bad", "ban"],
  incomplete: ["warn", "dash"],
  timeout: ["warn", "clock"],
  lost: ["bad", "alert"],
  deleted: ["", "trash"],
};

function SettingLink({ name }: { name: string }) {
  const may = useMay("settings:read");
  return may ? <Link className="btn sm" to={settingAddress(name)}><Icon name="gear" small /><Raw mono>{name}</Raw></Link> : <Raw mono>{name}</Raw>;
}

/** What is so, why, by which line, what one can do, and the setting that decides: in this order. */
function Call({ status, head, cause, line, remedy, explanation, setting, next, children }: {
  status: string;
  head: ReactNode;
  cause: string | null;
  line: string;
  remedy: string | null;
  /** Id of the row that cause and remedy are from. */
  explanation: string | null;
  setting: string | null;
  next: string | null;
  children?: ReactNode;
}) {
  const t = useText();
  const now = useNow(5);
  const [tone, icon] = looks[status] ?? ["", "info"];
  const id = explanation ?? `code.${line.charAt(0)}`;
  const left = next ? (Date.parse(next) - now) / 1000 : 0;
  return (
    <div className={`call ${tone}`} data-status={status}>
      <Icon name={icon} />
      <div className="grow">
        <p className="strong">{head}</p>
        {cause && <p><Served name={`cause.${id}`}>{cause}</Served></p>}
        {line && <p className="decisive"><Raw mono>{line}</Raw></p>}
        {next && <p title={utcTitle(next)}>{left > 0 ? t("message.next", { at: formatMoment(next, t.locale), in: formatDuration(left, t) }) : t("message.next.now")}</p>}
        {remedy && <p><Served name={`remedy.${id}`}>{remedy}</Served></p>}
        {(setting || children) && <div className="row wrap verdict-acts">{setting && <SettingLink name={setting} />}{children}</div>}
      </div>
    </div>
  );
}

/** The verdict in words; the counts are of those who were not refused. */
function Words({ message }: { message: MessageDetail }) {
  const count = (status: string) => message.lanes.filter((l) => l.status === status).length;
  const [bounced, deleted] = [count("bounced"), count("deleted")];
  const values = {
    n: message.lanes.length - count("refused"),
    delivered: count("delivered"),
    waiting: count("waiting"),
    not: bounced + deleted,
    told: bounced ? "yes" : "no",
    deleted,
  };
  return <Served name={`verdict.${message.status}`} values={values}>{message.verdict.text}</Served>;
}

export function Verdict({ message }: { message: MessageDetail }) {
  const t = useText();
  const mayQueue = useMay("queue:read");
  const v: VerdictOf = message.verdict;
  const others = troubles(message.lanes, v.line);
  const waiting = message.lanes.find((l) => l.status === "waiting");
  const host = waiting ? waiting.recipient.slice(waiting.recipient.lastIndexOf("@") + 1) : "";
  return (
    <section className="verdicts" aria-label={t("message.verdict")}>
      <Call status={v.status} head={<Words message={message} />} cause={v.cause} line={v.line} remedy={v.remedy} explanation={v.explanation} setting={v.setting} next={v.next_try_at}>
        {v.status === "refused" && message.peer && !message.peer.includes("*") && <Link className="btn sm" to={eventsAddress("ip", message.peer)}><Icon name="bell" small />{t("event.ofaddress")}</Link>}
        {mayQueue && host && <><Link className="btn sm" to={`/status/queue?q=${encodeURIComponent(`host:${host}`)}`}><Icon name="queue" small />{t("message.samehost")}</Link><Link className="btn sm" to={hostAddress(host)}><Icon name="globe" small /><Raw>{host}</Raw></Link></>}
      </Call>
      {others.map((o) => (
        <Call
          key={o.answer + o.status}
          status={o.status}
          head={t.rich("message.trouble", { recipient: <Raw>{o.recipients[0] ?? ""}</Raw>, more: o.recipients.length - 1 })}
          cause={o.cause}
          line={o.answer}
          remedy={o.remedy}
          explanation={o.explanation}
          setting={o.setting}
          next={o.next}
        />
      ))}
    </section>
  );
}
