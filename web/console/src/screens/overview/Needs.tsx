import { useState } from "react";
import type { HealthCheck } from "../../api/schema";
import { useText, type Text } from "../../i18n";
import { formatBytes, formatMoment, formatTime } from "../../lib/format";
import { useMuted } from "../../lib/muted";
import type { Resource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { Icon } from "../../ui/Icon";
import type { IconName } from "../../ui/icons";
import { Raw } from "../../ui/Raw";
import { Served } from "../../ui/Served";
import { ErrorNote } from "../../ui/States";
import { kindOf, placesOf } from "./places";

const day = 86_400;

function Title({ check, t }: { check: HealthCheck; t: Text }) {
  const kind = kindOf(check);
  const key = kind === "certificate" && check.state === "bad" ? "check.certificate.ended" : `check.${kind}`;
  if (!t.has(key)) return <Raw>{check.title}</Raw>;
  return t.rich(key, { n: check.value ?? 0, of: <Raw>{check.object ?? ""}</Raw> });
}

function Found({ check, t }: { check: HealthCheck; t: Text }) {
  const values = {
    value: check.value,
    bytes_free: formatBytes(check.bytes_free ?? 0, t.locale),
    answer: <Raw>{check.answer ?? ""}</Raw>,
    at: check.at && formatMoment(check.at, t.locale),
  };
  return <Served name={`found.${kindOf(check)}`} values={values}>{check.detail}</Served>;
}

function iconOf(check: HealthCheck): IconName {
  return kindOf(check) === "certificate" ? "cert" : "alert";
}

/** What needs somebody, the worst first; each with what was found, and where it is put right. */
export function Needs({ checks }: { checks: Omit<Resource<{ items: HealthCheck[] }>, "update"> }) {
  const t = useText();
  const muted = useMuted();
  const [all, setAll] = useState(false);
  const bad = (checks.data?.items ?? []).filter((c) => c.state !== "ok").sort((a, b) => a.state.localeCompare(b.state));
  const shown = bad.filter((c) => all || !muted.has(c.id));
  const hidden = bad.length - shown.length;
  return (
    <section className="card" aria-labelledby="att">
      <header>
        <h2 id="att">{checks.data ? t("overview.needs", { n: shown.length }) : t("overview.checking")}</h2>
        {checks.at && <span className="t3 deskonly">{shown.length ? t("overview.rest") : ""} {t("overview.checked", { at: formatTime(checks.at, t.locale) })}</span>}
        <span className="grow" />
        {hidden > 0 && <button type="button" className="btn sm ghost" onClick={() => { setAll(true); }}>{t("overview.muted", { n: hidden })}</button>}
        {all && <button type="button" className="btn sm ghost" onClick={() => { muted.clear(); setAll(false); }}>{t("overview.unmute")}</button>}
      </header>
      {checks.error && <div className="bd"><ErrorNote error={checks.error} retryAt={checks.retryAt} onRetry={checks.refresh} /></div>}
      {checks.data && bad.length === 0 && !checks.error && <p className="bd t2 row"><Icon name="okc" className="ok" />{t("overview.well", { n: checks.data.items.length })}</p>}
      <ul className="find-list">
        {shown.map((c) => (
          <li key={c.id}>
            <Icon name={iconOf(c)} className={c.state} />
            <div>
              <b className="strong"><Title check={c} t={t} /></b> <span className="t2"><Found check={c} t={t} />. {c.remedy && <Served name={`do.${kindOf(c)}`}>{c.remedy}</Served>}</span>
            </div>
            <div className="row go">
              {placesOf(c).map((p, i) => <Link key={p.to} className={`btn sm ${i ? "ghost deskonly" : ""}`} to={p.to}>{t(p.label)}</Link>)}
              {!muted.has(c.id) && (
                <button type="button" className="ib sm" aria-label={t("overview.mute", { of: c.object ?? c.title })} title={t("overview.mute.day")} onClick={() => { setAll(false); muted.mute(c.id, day); }}>
                  <Icon name="clock" small />
                </button>
              )}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
