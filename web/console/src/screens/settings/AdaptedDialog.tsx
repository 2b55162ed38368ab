// Domains that deliver.secure_adapt has made secure destinations: found by a text, forgotten one by one.
import { useState } from "react";
import { api, ApiError } from "../../api/client";
import type { AdaptedDomain } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { formatMoment, utcTitle } from "../../lib/format";
import { usePaged, type PageOf } from "../../lib/paged";
import { hostAddress, ipAddress } from "../../lib/places";
import { Link } from "../../lib/router";
import { Badge } from "../../ui/Badge";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { Dialog } from "../../ui/Dialog";
import { Icon } from "../../ui/Icon";
import { ListState } from "../../ui/ListState";
import { Raw } from "../../ui/Raw";
import { ErrorNote } from "../../ui/States";

function Facts({ d }: { d: AdaptedDomain }) {
  const t = useText();
  const mayHost = useMay("queue:read");
  const mayIp = useMay("sessions:read");
  const time = (at: string | null) => (at ? <span className="num" title={utcTitle(at)}>{formatMoment(at, t.locale)}</span> : "");
  return (
    <div className="grow">
      <div className="row wrap">
        {mayHost ? <Link to={hostAddress(d.domain)}><Raw className="med">{d.domain}</Raw></Link> : <Raw className="med">{d.domain}</Raw>}
        {!d.in_force && <Badge tone="line">{t("adapted.over")}</Badge>}
      </div>
      <div className="t2">{t.rich("adapted.certificate", { name: <Raw title={d.subject}>{d.name}</Raw>, issuer: <Raw>{d.issuer}</Raw> })}</div>
      <div className="t2">{t.rich("adapted.seen", { last: time(d.last_at), ip: mayIp ? <Link to={ipAddress(d.ip)}><Raw>{d.ip}</Raw></Link> : <Raw>{d.ip}</Raw>, since: time(d.since) })}</div>
    </div>
  );
}

export function AdaptedDialog({ off, mayWrite, onClose }: { off: boolean; mayWrite: boolean; onClose: () => void }) {
  const t = useText();
  const [q, setQ] = useState("");
  const [asked, setAsked] = useState<string>();
  const [forgotten, setForgotten] = useState<string>();
  const [error, setError] = useState<ApiError>();
  const list = usePaged<AdaptedDomain>(
    `adapted ${q}`,
    (cursor, signal) => api.get("/secure-destinations/adapted", { query: { limit: 100, ...(q && { q }), ...(cursor && { cursor }) }, signal }) as Promise<PageOf<AdaptedDomain>>,
    (d) => d.domain,
  );
  const forget = async (domain: string) => {
    setError(undefined);
    try {
      await api.delete("/secure-destinations/adapted/{domain}", { path: { domain } });
      setForgotten(domain);
    } catch (e) {
      if (!(e instanceof ApiError)) throw e;
      setError(e);
    }
    list.refresh();
  };
  return (
    <Dialog title={t("adapted.title")} onClose={onClose} wide>
      <div className="form">
        <p className="t2">{off ? t("adapted.off") : t("adapted.text")}</p>
        {(q || list.items?.length !== 0) && (
          <div className="row wrap">
            <input className="inp members-find" type="search" value={q} onChange={(e) => { setQ(e.target.value); setForgotten(undefined); }} aria-label={t("adapted.filter")} placeholder={t("adapted.filter.hint")} autoComplete="off" spellCheck={false} />
            <span className="t2 grow" role="status">{forgotten ? t.rich("adapted.forgotten", { domain: <Raw>{forgotten}</Raw> }) : list.total !== undefined && t("adapted.count", { n: list.total })}</span>
          </div>
        )}
        {error && <ErrorNote error={error} />}
        {list.items && list.error && <ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} />}
        <ul className="plain-list facts">
          {list.items?.map((d) => (
            <li key={d.domain}>
              <Facts d={d} />
              {mayWrite && <button type="button" className="btn sm" aria-label={t("adapted.forget.of", { domain: d.domain })} onClick={() => { setAsked(d.domain); }}><Icon name="trash" small />{t("adapted.forget")}</button>}
            </li>
          ))}
        </ul>
        <ListState list={list} filter={{ text: q, onReset: () => { setQ(""); } }} nothing={{ icon: "lock", title: t("adapted.none") }} />
        {list.more && <div><button type="button" className="btn sm" onClick={list.more}>{t("member.more")}</button></div>}
      </div>
      {asked && (
        <ConfirmDialog title={t("adapted.forget.of", { domain: asked })} verb={t("adapted.forget")} onConfirm={() => void forget(asked)} onClose={() => { setAsked(undefined); }}>
          {t("adapted.forget.text")}
        </ConfirmDialog>
      )}
    </Dialog>
  );
}
