// Everybody's own page: what the account is, its password, the passwords of programs, who is signed in with it, its mail.
import { api } from "../../api/client";
import type { OwnConsole, Session } from "../../api/schema";
import { useSession } from "../../app/session";
import { useText } from "../../i18n";
import { formatBytes, formatMoment, utcTitle } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { useResource } from "../../lib/resource";
import { toast } from "../../lib/toast";
import { Badge } from "../../ui/Badge";
import { Icon } from "../../ui/Icon";
import { PageHead } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { ErrorNote, failed, Skeleton } from "../../ui/States";
import { AppPasswords, myOwn } from "../directory/AppPasswords";
import { serviceNames } from "../sessions/columns";
import { OwnMail } from "./OwnMail";
import { OwnPassword } from "./OwnPassword";

const every = 10;

/** What a browser calls itself, in short: its name and the system. The whole is in the title. */
function agentName(agent: string): string {
  const browser = /(Firefox|Edg|OPR|Chrome|Safari)\/[\d.]+/.exec(agent)?.[1];
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(agent)?.[1];
  const names: Readonly<Record<string, string>> = { Edg: "Edge", OPR: "Opera", "Mac OS X": "macOS" };
  return [browser, system].filter((x) => x !== undefined).map((x) => names[x] ?? x).join(", ") || agent;
}

function Consoles() {
  const t = useText();
  const session = useSession();
  const list = useResource("own consoles", (signal) => api.get("/self/consoles", { query: { limit: 200 }, signal }), every);
  const end = (c: OwnConsole) => {
    if (c.current) {
      session.signOut();
      return;
    }
    api.delete("/self/consoles/{id}", { path: { id: c.id } }).then(
      () => {
        toast(t("me.console.ended"));
        list.refresh();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  return (
    <section aria-labelledby="consoles">
      <h2 className="s" id="consoles">{t("me.consoles")}</h2>
      <p className="t2">{t("me.consoles.text")}</p>
      {list.error && <ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} />}
      {!list.data && !list.error && <Skeleton rows={2} />}
      <ul className="plain-list">
        {list.data?.items.map((c) => (
          <li key={c.id}>
            <Icon name="globe" />
            <Raw className="med ell" title={c.agent ?? ""}>{agentName(c.agent ?? "") || (c.peer ?? "")}</Raw>
            {c.current && <Badge tone="ok" icon="check">{t("me.console.this")}</Badge>}
            <Raw className="t2">{c.peer}</Raw>
            <span className="grow" />
            {c.used_at && <span className="t3" title={utcTitle(c.used_at)}>{t("app.used", { at: formatMoment(c.used_at, t.locale) })}</span>}
            <button type="button" className="btn sm" aria-label={t("me.console.end.of", { name: agentName(c.agent ?? ""), peer: c.peer ?? "" })} onClick={() => { end(c); }}>{t("signout")}</button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Programs() {
  const t = useText();
  const list = useResource("own sessions", (signal) => api.get("/self/sessions", { query: { limit: 200 }, signal }), every);
  const end = (s: Session) => {
    api.delete("/self/sessions/{id}", { path: { id: s.id } }).then(
      () => {
        toast(t("sessions.ended", { id: s.log_id }));
        list.refresh();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  return (
    <section aria-labelledby="programs">
      <h2 className="s" id="programs">{t("me.programs")}</h2>
      {list.error && <ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} />}
      {!list.data && !list.error && <Skeleton rows={2} />}
      {list.data?.items.length === 0 && <p className="t3">{t("me.programs.none")}</p>}
      <ul className="plain-list">
        {list.data?.items.map((s) => (
          <li key={s.id}>
            <Icon name="sessions" />
            <Raw className="med">{serviceNames[s.service] ?? s.service}</Raw>
            <Raw className="t2">{s.host || s.peer}</Raw>
            <span className="grow" />
            {s.started_at && <span className="t3" title={utcTitle(s.started_at)}>{t("me.since", { at: formatMoment(s.started_at, t.locale) })}</span>}
            <button type="button" className="btn sm danger" aria-label={t("me.program.end.of", { name: serviceNames[s.service] ?? s.service, peer: s.peer })} onClick={() => { end(s); }}>{t("me.program.end")}</button>
          </li>
        ))}
      </ul>
    </section>
  );
}

export default function Me() {
  const t = useText();
  const r = useResource("self", (signal) => api.get("/self", { signal }), 60);
  useKeys({ r: r.refresh });
  const me = r.data;
  return (
    <>
      <PageHead title={t("nav.me")} />
      <div className="scroll" tabIndex={0} role="region" aria-label={t("nav.me")}>
        <div className="pad narrow-page">
          {r.error && <ErrorNote error={r.error} retryAt={r.retryAt} onRetry={r.refresh} />}
          {!me && !r.error && <Skeleton rows={4} />}
          {me && (
            <>
              <dl className="kv">
                <dt>{t("account.address")}</dt><dd><Raw className="med">{me.address}</Raw></dd>
                {me.name && <><dt>{t("account.name")}</dt><dd><Raw>{me.name}</Raw></dd></>}
                {me.aliases.length > 0 && <><dt>{t("account.aliases")}</dt><dd><Raw>{me.aliases.join(", ")}</Raw></dd></>}
                <dt>{t("me.space")}</dt>
                <dd>
                  {me.quota ? t("me.used.of", { used: formatBytes(me.used, t.locale), quota: formatBytes(me.quota, t.locale), n: me.messages }) : t("account.usage", { size: formatBytes(me.used, t.locale), n: me.messages })}
                  {me.quota > 0 && <div className={`meter me-space ${me.used >= me.quota ? "bad" : me.used > me.quota * 0.9 ? "warn" : ""}`} role="meter" aria-label={t("me.space")} aria-valuemin={0} aria-valuemax={me.quota} aria-valuenow={Math.min(me.used, me.quota)} aria-valuetext={t("me.used.of", { used: formatBytes(me.used, t.locale), quota: formatBytes(me.quota, t.locale), n: me.messages })}><i style={{ width: `${Math.min(100, (me.used / me.quota) * 100)}%` }} /></div>}
                </dd>
              </dl>
              <OwnPassword />
              <AppPasswords of={myOwn} mayChange />
              <Consoles />
              <Programs />
              <OwnMail />
            </>
          )}
        </div>
      </div>
    </>
  );
}
