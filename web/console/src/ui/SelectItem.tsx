// Select an item: accounts, groups and mailing lists, domains, with a search. For every "…" beside a field that names one.
import { useEffect, useState } from "react";
import { api, type ApiError } from "../api/client";
import type { AccountRow, Domain } from "../api/schema";
import { useText } from "../i18n";
import { usePaged, type Paged, type PageOf } from "../lib/paged";
import { Chooser, type ChooserEntry } from "./Chooser";
import type { IconName } from "./icons";
import { problemText } from "./States";

export type Item = { kind: AccountRow["kind"]; id: string; name: string } | { kind: "domain"; id: string; name: string };

interface Entry extends ChooserEntry {
  choose: () => void;
}

const page = 200;
const icons: Record<Item["kind"], IconName> = { user: "user", list: "users", group: "users", domain: "at" };
/** After the last key. */
const pause = 150;

/** What was typed, when no key has followed for a moment. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => { setSettled(text); }, pause);
    return () => { clearTimeout(timer); };
  }, [text]);
  return settled;
}

const queryOf = (q: string, cursor: string | undefined) => ({ limit: page, ...(q && { q }), ...(cursor && { cursor }) });

export function SelectItem({ title, unfit, onChoose, onClose }: {
  title: string;
  /** Why an item cannot be chosen here; undefined: it can. */
  unfit: (item: Item) => string | undefined;
  onChoose: (item: Item) => void;
  onClose: () => void;
}) {
  const t = useText();
  const [text, setText] = useState("");
  const q = useSettled(text.trim());
  const accounts = usePaged<AccountRow>(`select accounts ${q}`, (cursor, signal) => api.get("/accounts", { query: queryOf(q, cursor), signal }) as Promise<PageOf<AccountRow>>, (a) => a.address);
  const domains = usePaged<Domain>(`select domains ${q}`, (cursor, signal) => api.get("/domains", { query: queryOf(q, cursor), signal }) as Promise<PageOf<Domain>>, (d) => d.domain);
  const entry = (item: Item): Entry => {
    const why = unfit(item);
    return { id: `${item.kind} ${item.id}`, icon: icons[item.kind], title: item.id, detail: why ?? item.name, raw: true, off: why !== undefined, choose: () => { onChoose(item); } };
  };
  /** Stands where the next page will stand. */
  const rest = (of: string, { more, items, total }: Paged<AccountRow> | Paged<Domain>): Entry[] => (more ? [{ id: `more ${of}`, icon: "more", title: t("selectitem.more", { n: (total ?? 0) - (items?.length ?? 0) }), detail: "", raw: false, choose: more }] : []);
  const found = accounts.items ?? [];
  const ofAccount = (a: AccountRow) => entry({ kind: a.kind, id: a.address, name: a.name });
  // Who types a whole address means it, whatever else it is a part of.
  const exact = q.toLowerCase();
  const users = found.filter((a) => a.kind === "user").sort((a, b) => Number(b.address === exact) - Number(a.address === exact));
  const groups = [
    { label: t("find.account"), entries: [...users.map(ofAccount), ...rest("accounts", accounts)] },
    { label: t("selectitem.groups"), entries: found.filter((a) => a.kind !== "user").map(ofAccount) },
    { label: t("find.domain"), entries: [...(domains.items ?? []).map((d) => entry({ kind: "domain", id: d.domain, name: "" })), ...rest("domains", domains)] },
  ].filter((g) => g.entries.length > 0);
  const error: ApiError | undefined = accounts.error ?? domains.error;
  const read = accounts.items && domains.items;
  return (
    <Chooser
      label={title}
      placeholder={t("selectitem.placeholder")}
      text={text}
      onText={setText}
      groups={groups}
      total={(accounts.total ?? 0) + (domains.total ?? 0)}
      pending={q !== text.trim() || (!read && !error)}
      nothing={error ? problemText(error, t) : read ? t("find.nothing") : t("loading")}
      verb={t("selectitem.select")}
      onChoose={(e) => { e.choose(); }}
      onClose={onClose}
    />
  );
}
