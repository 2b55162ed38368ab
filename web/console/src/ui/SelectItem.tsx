// Select an item: accounts, groups and mailing lists, domains, with a search. For every "…" beside a field that names one.
import { useEffect, useState } from "react";
import { api, type ApiError } from "../api/client";
import type { AccountRow, Domain } from "../api/schema";
import { useText } from "../i18n";
import { useResource } from "../lib/resource";
import { Chooser, type ChooserEntry } from "./Chooser";
import type { IconName } from "./icons";
import { problemText } from "./States";

export type Item = { kind: AccountRow["kind"]; id: string; name: string } | { kind: "domain"; id: string; name: string };

const most = 200;
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
  const query = { limit: most, ...(q && { q }) };
  const accounts = useResource(`select accounts ${q}`, (signal) => api.get("/accounts", { query, signal }));
  const domains = useResource(`select domains ${q}`, (signal) => api.get("/domains", { query, signal }));
  const entry = (item: Item): ChooserEntry & { item: Item } => {
    const why = unfit(item);
    return { id: `${item.kind} ${item.id}`, icon: icons[item.kind], title: item.id, detail: why ?? item.name, raw: true, off: why !== undefined, item };
  };
  const found = accounts.data?.items ?? [];
  const ofAccount = (a: AccountRow) => entry({ kind: a.kind, id: a.address, name: a.name });
  const ofDomain = (d: Domain) => entry({ kind: "domain", id: d.domain, name: "" });
  const groups = [
    { label: t("find.account"), entries: found.filter((a) => a.kind === "user").map(ofAccount) },
    { label: t("selectitem.groups"), entries: found.filter((a) => a.kind !== "user").map(ofAccount) },
    { label: t("find.domain"), entries: (domains.data?.items ?? []).map(ofDomain) },
  ].filter((g) => g.entries.length > 0);
  const error: ApiError | undefined = accounts.error ?? domains.error;
  return (
    <Chooser
      label={title}
      placeholder={t("selectitem.placeholder")}
      text={text}
      onText={setText}
      groups={groups}
      nothing={error ? problemText(error, t) : accounts.data && domains.data ? t("find.nothing") : t("loading")}
      verb={t("selectitem.select")}
      onChoose={(e) => { onChoose(e.item); }}
      onClose={onClose}
    />
  );
}
