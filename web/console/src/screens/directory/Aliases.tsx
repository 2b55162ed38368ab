import { useState } from "react";
import { api, ApiError } from "../../api/client";
import type { Alias } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { useResource } from "../../lib/resource";
import { toast } from "../../lib/toast";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { ErrorNote, failed, Skeleton } from "../../ui/States";
import { faultOf, generalFault, LinesField } from "./fields";

function AliasForm({ alias, domain, onClose, onDone }: { alias: Alias | undefined; domain: string; onClose: () => void; onDone: () => void }) {
  const t = useText();
  const [address, setAddress] = useState(alias?.address ?? `@${domain}`);
  const [targets, setTargets] = useState<string[]>(alias?.targets ?? []);
  const [error, setError] = useState<ApiError>();
  const submit = async () => {
    setError(undefined);
    try {
      await api.put("/aliases/{address}", { path: { address: address.trim() }, body: { targets } });
      toast(t("saved"));
      onDone();
      onClose();
    } catch (e) {
      if (e instanceof ApiError) setError(e);
    }
  };
  const general = generalFault(error, ["address", "targets"]);
  return (
    <Dialog title={alias ? t("alias.edit") : t("alias.new")} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {general && <ErrorNote error={general} />}
        <Field label={t("account.address")} error={faultOf(error, "address")} value={address} disabled={!!alias} onChange={(e) => { setAddress(e.target.value); }} required autoComplete="off" spellCheck={false} />
        <LinesField label={t("alias.targets")} hint={t("alias.targets.hint")} value={targets} error={faultOf(error, "targets")} onChange={setTargets} />
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri" disabled={targets.length === 0}>{t("save")}</button>
        </div>
      </form>
    </Dialog>
  );
}

/** Addresses of the domain that lead to others. */
export function Aliases({ domain }: { domain: string }) {
  const t = useText();
  const mayWrite = useMay("directory:write");
  const [form, setForm] = useState<{ alias?: Alias }>();
  const list = useResource(`aliases ${domain}`, (signal) => api.get("/aliases", { query: { domain, limit: 2000 }, signal }));
  const remove = (a: Alias) => {
    api.delete("/aliases/{address}", { path: { address: a.address } }).then(
      () => {
        list.refresh();
        toast(t("alias.deleted", { address: a.address }), {
          seconds: 10,
          undo: () => {
            api.put("/aliases/{address}", { path: { address: a.address }, body: { targets: a.targets } }).then(list.refresh, (e: unknown) => { failed(e, t); });
          },
        });
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  return (
    <section aria-labelledby="aliases">
      <h2 className="s" id="aliases">{t("alias.title")}</h2>
      {list.error && <ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} />}
      {!list.data && !list.error && <Skeleton rows={2} />}
      {list.data?.items.length === 0 && <p className="t3">{t("alias.none")}</p>}
      <ul className="plain-list">
        {list.data?.items.map((a) => (
          <li key={a.address}>
            <Raw className="med">{a.address}</Raw>
            <Icon name="right" small />
            <Raw className="t2 ell grow">{a.targets.join(", ")}</Raw>
            {mayWrite && (
              <>
                <button type="button" className="ib sm" aria-label={t("alias.editone", { address: a.address })} onClick={() => { setForm({ alias: a }); }}><Icon name="pen" small /></button>
                <button type="button" className="ib sm" aria-label={t("alias.delete", { address: a.address })} onClick={() => { remove(a); }}><Icon name="trash" small /></button>
              </>
            )}
          </li>
        ))}
      </ul>
      {mayWrite && <button type="button" className="btn sm" onClick={() => { setForm({}); }}><Icon name="plus" small />{t("alias.new")}</button>}
      {form && <AliasForm alias={form.alias} domain={domain} onClose={() => { setForm(undefined); }} onDone={list.refresh} />}
    </section>
  );
}
