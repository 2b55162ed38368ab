// What uses a pattern: each with the way to where it is changed.
import { api } from "../../api/client";
import type { PatternUser } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { accountAddress, domainAddress, settingAddress } from "../../lib/places";
import { usePaged, type PageOf } from "../../lib/paged";
import { Link } from "../../lib/router";
import { Badge } from "../../ui/Badge";
import { Raw } from "../../ui/Raw";
import { ErrorNote, Skeleton } from "../../ui/States";
import { labels } from "../directory/editable";

const page = 100;

/** A list as its filter line shows it, with a dialog open where that is how it is changed. */
function listed(path: string, q: string, open = ""): string {
  return `${path}?${new URLSearchParams({ q, ...(open && { open }) }).toString()}`;
}

function addressOf({ kind, name, owner }: PatternUser): string {
  switch (kind) {
    case "alias": return domainAddress(owner);
    case "pattern": return listed("/patterns", name, name);
    case "setting": return settingAddress(name);
    case "account": return accountAddress(owner);
    case "senders": return listed("/senders", `owner:${owner} ${name}`);
    case "rule": return listed("/filters", `owner:${owner}`, `${owner}/${name}`);
  }
}

function User({ user }: { user: PatternUser }) {
  const t = useText();
  const { kind, name, owner } = user;
  const whose = owner === "server" ? t("rule.level.server") : <Raw>{owner}</Raw>;
  const field = name in labels ? t(labels[name as keyof typeof labels]) : name;
  return (
    <li>
      <Badge tone="line">{t(`pattern.user.${kind}`)}</Badge>
      <Link to={addressOf(user)}>{kind === "senders" || kind === "account" ? whose : <Raw>{kind === "pattern" ? `[${name}]` : name}</Raw>}</Link>
      {kind === "account" && <span className="t2 ell">{field}</span>}
      {kind === "rule" && <span className="t2 ell">{whose}</span>}
    </li>
  );
}

function UserList({ name }: { name: string }) {
  const t = useText();
  const list = usePaged<PatternUser>(
    `pattern users ${name}`,
    (cursor, signal) => api.get("/patterns/{pattern}/users", { path: { pattern: name }, query: { limit: page, ...(cursor && { cursor }) }, signal }) as Promise<PageOf<PatternUser>>,
    (u) => u.text,
  );
  return (
    <section aria-labelledby="pattern-users">
      <h3 className="s" id="pattern-users">{t("pattern.users")}</h3>
      {list.error && <ErrorNote error={list.error} retryAt={list.retryAt} onRetry={list.refresh} />}
      {!list.items && !list.error && <Skeleton rows={1} />}
      {list.items?.length === 0 && <p className="t3">{t("pattern.unused", { name: `[${name}]` })}</p>}
      <ul className="plain-list">{list.items?.map((u) => <User key={u.text} user={u} />)}</ul>
      {list.more && <button type="button" className="btn sm" onClick={list.more}>{t("member.more")}</button>}
      {!list.more && !list.exact && <p className="t3">{t("pattern.users.more", { n: list.total ?? 0 })}</p>}
    </section>
  );
}

export function PatternUsers({ name }: { name: string }) {
  return useMay("directory:read") ? <UserList name={name} /> : null;
}
