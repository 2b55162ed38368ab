// Members of a list or group: some of many, found by a filter, added by the dozen, removed one by one.
import { useState } from "react";
import { api, ApiError } from "../../api/client";
import type { Member } from "../../api/schema";
import { useText } from "../../i18n";
import { usePaged, type PageOf } from "../../lib/paged";
import { accountAddress } from "../../lib/places";
import { Link } from "../../lib/router";
import { toast } from "../../lib/toast";
import { Badge } from "../../ui/Badge";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { ErrorNote, failed, Skeleton } from "../../ui/States";
import { faultOf, generalFault, LinesField } from "./fields";

const page = 100;

function AddMembers({ account, onClose, onDone }: { account: string; onClose: () => void; onDone: () => void }) {
  const t = useText();
  const [add, setAdd] = useState<string[]>([]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const submit = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const now = await api.patch("/accounts/{account}/members", { path: { account }, body: { add } });
      toast(t("member.added", { n: now.members }));
      onDone();
      onClose();
    } catch (e) {
      if (e instanceof ApiError) setError(e);
      setBusy(false);
    }
  };
  const general = generalFault(error, ["add"]);
  return (
    <Dialog title={t("member.add")} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {general && <ErrorNote error={general} />}
        <Field label={t("member.file")} hint={t("member.file.hint")} type="file" accept=".txt,.csv,text/plain" onChange={(e) => void e.target.files?.[0]?.text().then((text) => { setAdd(text.split(/\r?\n/).map((x) => x.trim()).filter((x) => x && !x.startsWith("#"))); })} />
        <LinesField label={t("member.addresses")} hint={t("alias.targets.hint")} value={add} error={faultOf(error, "add")} onChange={setAdd} />
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri" disabled={busy || add.length === 0}>{t("member.add.n", { n: add.length })}</button>
        </div>
      </form>
    </Dialog>
  );
}

export function Members({ account, mayChange }: { account: string; mayChange: boolean }) {
  const t = useText();
  const [q, setQ] = useState("");
  const [adding, setAdding] = useState(false);
  const list = usePaged<Member>(
    `members ${account} ${q}`,
    (cursor, signal) => api.get("/accounts/{account}/members", { path: { account }, query: { limit: page, ...(q && { q }), ...(cursor && { cursor }) }, signal }) as Promise<PageOf<Member>>,
    (m) => m.address,
  );
  const change = (body: { add: string[] } | { remove: string[] }, then: () => void) => {
    api.patch("/accounts/{account}/members", { path: { account }, body }).then(
      () => {
        then();
        list.refresh();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  const remove = (address: string) => {
    change({ remove: [address] }, () => {
      toast(t("member.removed", { address }), { seconds: 10, undo: () => { change({ add: [address] }, () => { toast(t("undone")); }); } });
    });
  };
  return (
    <section aria-labelledby="members">
      <h2 className="s" id="members">{t("member.title")}</h2>
      <div className="row wrap">
        <input className="inp members-find" type="search" value={q} onChange={(e) => { setQ(e.target.value); }} aria-label={t("member.filter")} placeholder={t("member.filter.hint")} autoComplete="off" spellCheck={false} />
        <span className="t2 grow" role="status">{list.total !== undefined && t("member.count", { n: list.total })}</span>
        {mayChange && <button type="button" className="btn" onClick={() => { setAdding(true); }}><Icon name="plus" />{t("member.add")}</button>}
      </div>
      {list.error && <ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} />}
      {!list.items && !list.error && <Skeleton rows={2} />}
      {list.items?.length === 0 && <p className="t3">{q ? t("member.none.filter") : t("member.none")}</p>}
      <ul className="plain-list">
        {list.items?.map((m) => (
          <li key={m.address}>
            <Icon name={m.local ? "user" : "globe"} />
            {m.local ? <Link to={accountAddress(m.address)}><Raw>{m.address}</Raw></Link> : <Raw className="med">{m.address}</Raw>}
            {m.local && <Badge tone="line">{t("member.local")}</Badge>}
            {!m.listed && <Badge tone="line">{t("member.queried")}</Badge>}
            <span className="grow" />
            {mayChange && m.listed && <button type="button" className="ib sm" aria-label={t("member.remove", { address: m.address })} onClick={() => { remove(m.address); }}><Icon name="trash" small /></button>}
          </li>
        ))}
      </ul>
      {list.more && <button type="button" className="btn sm" onClick={list.more}>{t("member.more")}</button>}
      {adding && <AddMembers account={account} onClose={() => { setAdding(false); }} onDone={list.refresh} />}
    </section>
  );
}
