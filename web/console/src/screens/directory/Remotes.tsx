// Accounts elsewhere whose mail an account collects, with what became of the last attempt.
import { useState } from "react";
import { api } from "../../api/client";
import type { RemoteAccount } from "../../api/schema";
import { useText, type Text } from "../../i18n";
import { useNow } from "../../lib/clock";
import { formatDuration, formatMoment, utcTitle } from "../../lib/format";
import { undoSeconds } from "../../lib/operation";
import { later } from "../../lib/pending";
import { useResource } from "../../lib/resource";
import { toast } from "../../lib/toast";
import { Badge } from "../../ui/Badge";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { ErrorNote, failed, Skeleton } from "../../ui/States";
import { EditRemote, NewRemote } from "./RemoteForm";

const look = 5;

function Result({ remote: r, t }: { remote: RemoteAccount; t: Text }) {
  if (!r.last_at) return <span className="t3">{t("remote.never")}</span>;
  const at = <span className="t3 nowrap" title={utcTitle(r.last_at)}>{formatMoment(r.last_at, t.locale)}</span>;
  if (r.last_result === "ok") return <><Badge tone="ok" icon="check">{t("remote.collected", { n: r.last_count })}</Badge> {at}</>;
  return <><Badge tone="bad" icon="alert">{t("remote.failed", { n: r.failures })}</Badge> {at} <Raw className="t2">{r.last_result}</Raw></>;
}

function Next({ remote: r, now, t }: { remote: RemoteAccount; now: number; t: Text }) {
  if (!r.enabled) return <Badge icon="dash">{t("off")}</Badge>;
  const s = r.next_at ? (Date.parse(r.next_at) - now) / 1000 : 0;
  return <span className="t2 nowrap" title={r.next_at ? utcTitle(r.next_at) : ""}>{s < 1 ? t("remote.due") : t("remote.next", { in: formatDuration(s, t) })}</span>;
}

export function Remotes({ address, mayChange }: { address: string; mayChange: boolean }) {
  const t = useText();
  const now = useNow(look);
  const [form, setForm] = useState<{ remote?: RemoteAccount }>();
  const [going, setGoing] = useState<ReadonlySet<string>>(new Set());
  const list = useResource(`remote accounts ${address}`, (signal) => api.get("/accounts/{account}/remote-accounts", { path: { account: address }, query: { limit: 2000 }, signal }), look);
  const items = list.data?.items.filter((r) => !going.has(r.id));
  const pathOf = (r: RemoteAccount) => ({ account: address, remote: r.id });
  const nameOf = (r: RemoteAccount) => t("remote.name", { user: r.user, host: r.host });
  const collect = (r: RemoteAccount) => {
    api.post("/accounts/{account}/remote-accounts/{remote}/collect", { path: pathOf(r) }).then(
      () => {
        toast(t("remote.asked", { name: nameOf(r) }));
        list.refresh();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  const mark = (id: string, on: boolean) => { setGoing((old) => new Set(on ? [...old, id] : [...old].filter((x) => x !== id))); };
  const remove = (r: RemoteAccount) => {
    mark(r.id, true);
    later(t("remote.deleted", { name: nameOf(r), s: undoSeconds }), () => api.delete("/accounts/{account}/remote-accounts/{remote}", { path: pathOf(r) }), t, {
      done: () => {
        list.refresh();
        mark(r.id, false);
      },
      undone: () => { mark(r.id, false); },
    });
  };
  return (
    <section aria-labelledby="remotes">
      <h2 className="s" id="remotes">{t("remote.title")}</h2>
      <p className="t2">{t("remote.text")}</p>
      {list.error && <ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} />}
      {!list.data && !list.error && <Skeleton rows={2} />}
      {items?.length === 0 && <p className="t3">{t("remote.none")}</p>}
      <ul className="plain-list facts">
        {items?.map((r) => (
          <li key={r.id}>
            <div className="grow">
              <div className="row wrap">
                {mayChange
                  ? <button type="button" className="lnk" translate="no" onClick={() => { setForm({ remote: r }); }}>{nameOf(r)}</button>
                  : <Raw className="med">{nameOf(r)}</Raw>}
                <Badge tone="line"><Raw>{r.protocol.toUpperCase()}</Raw></Badge>
                <Next remote={r} now={now} t={t} />
              </div>
              <div className="row wrap" role="status"><Result remote={r} t={t} /></div>
            </div>
            {mayChange && (
              <span className="row">
                {r.enabled && <button type="button" className="btn sm" aria-label={t("remote.collect.of", { name: nameOf(r) })} onClick={() => { collect(r); }}><Icon name="download" small />{t("remote.collect")}</button>}
                <button type="button" className="ib sm" aria-label={t("filters.delete.of", { name: nameOf(r) })} title={t("filters.delete.of", { name: nameOf(r) })} onClick={() => { remove(r); }}><Icon name="trash" small /></button>
              </span>
            )}
          </li>
        ))}
      </ul>
      {mayChange && <button type="button" className="btn" onClick={() => { setForm({}); }}><Icon name="plus" />{t("remote.new")}</button>}
      {form && !form.remote && <NewRemote address={address} onClose={() => { setForm(undefined); }} onDone={list.refresh} />}
      {form?.remote && <EditRemote key={form.remote.id} address={address} remote={form.remote} onClose={() => { setForm(undefined); }} onDone={list.refresh} />}
    </section>
  );
}
