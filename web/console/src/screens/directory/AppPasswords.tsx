import { useState } from "react";
import { api } from "../../api/client";
import type { AppPassword, AppPasswordShown } from "../../api/schema";
import { useText } from "../../i18n";
import { formatDateTime, utcTitle } from "../../lib/format";
import { useResource } from "../../lib/resource";
import { toast } from "../../lib/toast";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { Secret } from "../../ui/Secret";
import { ErrorNote, failed, Skeleton } from "../../ui/States";

/** Where app passwords are kept: those of an account, or one's own. */
export interface AppPasswordsOf {
  key: string;
  list: (signal: AbortSignal) => Promise<{ items: readonly AppPassword[] }>;
  create: (label: string) => Promise<AppPasswordShown>;
  withdraw: (label: string) => Promise<unknown>;
}
export function ofAccount(account: string): AppPasswordsOf {
  return {
    key: `app passwords ${account}`,
    list: (signal) => api.get("/accounts/{account}/app-passwords", { path: { account }, query: { limit: 2000 }, signal }),
    create: (label) => api.post("/accounts/{account}/app-passwords", { path: { account }, body: { label } }),
    withdraw: (label) => api.delete("/accounts/{account}/app-passwords/{label}", { path: { account, label } }),
  };
}
export const myOwn: AppPasswordsOf = {
  key: "own app passwords",
  list: (signal) => api.get("/self/app-passwords", { query: { limit: 2000 }, signal }),
  create: (label) => api.post("/self/app-passwords", { body: { label } }),
  withdraw: (label) => api.delete("/self/app-passwords/{label}", { path: { label } }),
};

/** A password of one program: it can be withdrawn alone. */
export function AppPasswords({ of, mayChange }: { of: AppPasswordsOf; mayChange: boolean }) {
  const t = useText();
  const [label, setLabel] = useState("");
  const [shown, setShown] = useState<{ label: string; password: string }>();
  const list = useResource(of.key, (signal) => of.list(signal));
  const create = () => {
    of.create(label.trim()).then(
      (made) => {
        setShown(made);
        setLabel("");
        list.refresh();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  const withdraw = (name: string) => {
    of.withdraw(name).then(
      () => {
        toast(t("app.withdrawn", { label: name }));
        list.refresh();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  return (
    <section aria-labelledby="apps">
      <h2 className="s" id="apps">{t("app.title")}</h2>
      <p className="t2">{t("app.text")}</p>
      {list.error && <ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} />}
      {!list.data && !list.error && <Skeleton rows={2} />}
      {list.data?.items.length === 0 && <p className="t3">{t("app.none")}</p>}
      <ul className="plain-list">
        {list.data?.items.map((a) => (
          <li key={a.label}>
            <Icon name="key" />
            <Raw className="med">{a.label}</Raw>
            <span className="grow" />
            <span className="t3" title={a.used_at ? utcTitle(a.used_at) : ""}>{a.used_at ? t("app.used", { at: formatDateTime(a.used_at, t.locale) }) : t("app.unused")}</span>
            {mayChange && <button type="button" className="btn sm danger" onClick={() => { withdraw(a.label); }}>{t("app.withdraw")}</button>}
          </li>
        ))}
      </ul>
      {mayChange && (
        <form className="row app-new" onSubmit={(e) => { e.preventDefault(); create(); }}>
          <input className="inp" value={label} onChange={(e) => { setLabel(e.target.value); }} aria-label={t("app.label")} placeholder={t("app.label.hint")} maxLength={100} required autoComplete="off" />
          <button type="submit" className="btn" disabled={!label.trim()}><Icon name="plus" />{t("app.new")}</button>
        </form>
      )}
      {shown && <Secret title={t("app.shown", { label: shown.label })} text={t("app.once")} secret={shown.password} copy={t("account.password.copy")} onClose={() => { setShown(undefined); }} />}
    </section>
  );
}
