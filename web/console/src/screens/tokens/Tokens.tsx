// Tokens of programs: who made them, what they may, when they end.
import { useCallback, useMemo, useState } from "react";
import { api } from "../../api/client";
import type { Token, TokenShown } from "../../api/schema";
import { useMay, useMe } from "../../app/me";
import { useText, type Text } from "../../i18n";
import { useNow } from "../../lib/clock";
import { formatDate, formatMoment, utcTitle } from "../../lib/format";
import { useGoing } from "../../lib/going";
import type { PageOf } from "../../lib/paged";
import { undoSeconds } from "../../lib/operation";
import { accountAddress } from "../../lib/places";
import { Link, useParam } from "../../lib/router";
import { useRows } from "../../lib/rows";
import type { FilterFields } from "../../lib/usefilter";
import { Badge } from "../../ui/Badge";
import { Icon } from "../../ui/Icon";
import { ListScreen } from "../../ui/ListScreen";
import { Raw } from "../../ui/Raw";
import { Secret } from "../../ui/Secret";
import type { Column } from "../../ui/table/columns";
import { areaLabel } from "./names";
import { inShort } from "./scopes";
import { TokenForm } from "./TokenForm";

const fields: FilterFields = {};
const idOf = (x: Token) => x.id;
const soon = 14 * 86_400_000;

function Ends({ at, now, t }: { at: string | null; now: number; t: Text }) {
  if (at === null) return <span className="t3">{t("token.ends.never")}</span>;
  const left = Date.parse(at) - now;
  if (left <= 0) return <Badge tone="bad" icon="x">{t("token.ended")}</Badge>;
  return left < soon ? <Badge tone="warn" icon="clock">{formatDate(at, t.locale)}</Badge> : <>{formatDate(at, t.locale)}</>;
}

function scopesText(x: Token, t: Text): string {
  if (x.scopes.length === 0) return t("token.all");
  return inShort(x.scopes).map((s) => (s.write ? t("token.mayboth", { area: areaLabel(s.name, t) }) : areaLabel(s.name, t))).join(", ") || t("token.self");
}

function tokenColumns(t: Text, now: number, mayDirectory: boolean, withdraw: ((x: Token) => void) | undefined): Column<Token>[] {
  return [
    { id: "name", head: t("token.name"), fixed: true, phone: "t", className: "med", title: (x) => x.name, cell: (x) => <Raw>{x.name}</Raw> },
    { id: "account", head: t("token.account"), size: 210, phone: "u", title: (x) => x.account, cell: (x) => (mayDirectory ? <Link to={accountAddress(x.account)}><Raw>{x.account}</Raw></Link> : <Raw>{x.account}</Raw>) },
    { id: "scopes", head: t("token.scopes"), phone: "m", className: "t2", title: (x) => x.scopes.join(" "), cell: (x) => scopesText(x, t) },
    { id: "used", head: t("token.used"), size: 150, give: "y", className: "t2 num", title: (x) => (x.used_at ? utcTitle(x.used_at) : ""), cell: (x) => (x.used_at ? formatMoment(x.used_at, t.locale) : <span className="t3">{t("token.unused")}</span>) },
    { id: "created", head: t("token.created"), size: 130, give: "x", className: "t2 num", title: (x) => (x.created_at ? utcTitle(x.created_at) : ""), cell: (x) => (x.created_at ? formatDate(x.created_at, t.locale) : "") },
    { id: "ends", head: t("token.ends"), size: 140, phone: "r", className: "num", title: (x) => (x.expires_at ? utcTitle(x.expires_at) : ""), cell: (x) => <Ends at={x.expires_at} now={now} t={t} /> },
    {
      id: "actions",
      head: t("audit.actions"),
      quiet: true,
      size: 120,
      right: true,
      phone: "q",
      cell: (x) => withdraw && <button type="button" className="btn sm danger" aria-label={t("token.withdraw.of", { name: x.name })} onClick={() => { withdraw(x); }}>{t("app.withdraw")}</button>,
    },
  ];
}

export default function Tokens() {
  const t = useText();
  const me = useMe();
  const now = useNow(60);
  const mayWrite = useMay("tokens:write");
  const mayDirectory = useMay("directory:read");
  const [dialog, setDialog] = useParam("dialog");
  const [made, setMade] = useState<TokenShown & { name: string }>();
  const { list, found } = useRows<Token>({
    key: "tokens",
    fields,
    limit: 200,
    read: (query, signal) => api.get("/tokens", { query, signal }) as Promise<PageOf<Token>>,
    idOf,
  });
  const { refresh } = list;
  const { list: left, hold } = useGoing(list, idOf);
  const withdraw = useCallback((x: Token) => {
    hold([x], t("token.withdrawn", { name: x.name, s: undoSeconds }), () => api.post("/tokens/actions", { body: { action: "withdraw", ids: [x.id], undo_seconds: undoSeconds } }));
  }, [t, hold]);
  const columns = useMemo(() => tokenColumns(t, now, mayDirectory, mayWrite ? withdraw : undefined), [t, now, mayDirectory, mayWrite, withdraw]);
  const start = () => { setDialog("new"); };
  return (
    <>
      <ListScreen
        name="tokens"
        title={t("nav.tokens")}
        actions={mayWrite && <button type="button" className="btn pri" onClick={start}><Icon name="plus" />{t("token.new")}</button>}
        filter={{ label: t("token.filter"), placeholder: t("token.filter.hint"), fields }}
        list={left}
        columns={columns}
        idOf={idOf}
        state={{
          filter: found,
          nothing: { icon: "key", title: t("token.empty"), children: <><p>{t("token.empty.sub")}</p>{mayWrite && <button type="button" className="btn" onClick={start}>{t("token.new")}</button>}</> },
        }}
        foot={<span>{me.role === "system-admin" ? t("token.foot.all") : t("token.foot.own")}</span>}
      />
      {dialog === "new" && mayWrite && !made && <TokenForm onClose={() => { setDialog(""); }} onMade={(x) => { setMade(x); setDialog(""); refresh(); }} />}
      {made && <Secret title={t("token.shown", { name: made.name })} text={t("token.once")} secret={made.token} copy={t("token.copy")} onClose={() => { setMade(undefined); }} />}
    </>
  );
}
