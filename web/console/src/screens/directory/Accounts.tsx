import { useMemo } from "react";
import { api } from "../../api/client";
import type { AccountRow } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText, type Text } from "../../i18n";
import { formatBytes } from "../../lib/format";
import type { PageOf } from "../../lib/paged";
import { Link, navigate, useParam } from "../../lib/router";
import { useRowPages, useRows } from "../../lib/rows";
import { asText, type FilterFields } from "../../lib/usefilter";
import { Badge } from "../../ui/Badge";
import { Icon } from "../../ui/Icon";
import { ListScreen } from "../../ui/ListScreen";
import { Raw } from "../../ui/Raw";
import type { Column } from "../../ui/table/columns";
import { AccountForm } from "./AccountForm";
import { ImportDialog } from "./ImportDialog";

const fields: FilterFields = { domain: asText("domain") };
const idOf = (a: AccountRow) => a.address;
export const accountPath = (address: string) => `/accounts/${encodeURIComponent(address)}`;

export function EnabledBadge({ enabled, t }: { enabled: boolean; t: Text }) {
  return enabled ? <Badge tone="ok" icon="check">{t("state.enabled")}</Badge> : <Badge tone="idle" icon="stop">{t("state.disabled")}</Badge>;
}

function accountColumns(t: Text): Column<AccountRow>[] {
  return [
    { id: "address", head: t("account.address"), fixed: true, phone: "t", title: (a) => a.address, cell: (a) => <Link to={accountPath(a.address)}><Raw>{a.address}</Raw></Link> },
    { id: "name", head: t("account.name"), phone: "u", cell: (a) => <Raw>{a.name}</Raw> },
    { id: "kind", head: t("account.kind"), size: 110, className: "t2", cell: (a) => t(`kind.${a.kind}`) },
    { id: "state", head: t("account.state"), size: 120, phone: "q", cell: (a) => <EnabledBadge enabled={a.enabled} t={t} /> },
    { id: "role", head: t("account.role"), size: 190, phone: "m", className: "t2", cell: (a) => t(`role.${a.role}`) },
    { id: "quota", head: t("account.quota"), size: 110, right: true, phone: "r", cell: (a) => (a.quota ? formatBytes(a.quota, t.locale) : <span className="t3">{t("account.nolimit")}</span>) },
    { id: "soft_quota", head: t("account.softquota"), size: 120, right: true, hidden: true, cell: (a) => (a.soft_quota ? formatBytes(a.soft_quota, t.locale) : <span className="t3">{t("none")}</span>) },
    { id: "max_message", head: t("account.maxmessage"), size: 130, right: true, hidden: true, cell: (a) => (a.max_message ? formatBytes(a.max_message, t.locale) : <span className="t3">{t("account.servers")}</span>) },
    { id: "local_only", head: t("account.localonly"), size: 120, hidden: true, cell: (a) => (a.local_only ? t("yes") : t("no")) },
  ];
}

export default function Accounts() {
  const t = useText();
  const mayWrite = useMay("directory:write");
  const [dialog, setDialog] = useParam("dialog");
  const columns = useMemo(() => accountColumns(t), [t]);
  const { list, filter, found } = useRows<AccountRow>({
    key: "accounts",
    fields,
    limit: 200,
    read: (query, signal) => api.get("/accounts", { query, signal }) as Promise<PageOf<AccountRow>>,
    idOf,
  });
  const setCurrent = useRowPages<AccountRow>((a) => accountPath(a.address));
  const close = () => { setDialog("", true); };
  return (
    <>
      <ListScreen
        name="accounts"
        title={t("nav.accounts")}
        actions={
          mayWrite && (
          <>
            <button type="button" className="btn deskonly" onClick={() => { setDialog("import"); }}><Icon name="upload" />{t("import")}</button>
            <button type="button" className="btn pri" onClick={() => { setDialog("new"); }}><Icon name="plus" />{t("account.new")}</button>
          </>
        )
        }
        filter={{ label: t("account.filter"), placeholder: t("account.filter.hint"), fields }}
        list={list}
        counted
        columns={columns}
        idOf={idOf}
        onCurrent={setCurrent}
        state={{
          filter: found,
          nothing: { icon: "users", title: t("account.empty"), children: mayWrite && <button type="button" className="btn" onClick={() => { setDialog("new"); }}>{t("account.new")}</button> },
        }}
        foot={<span>{t("account.count", { n: list.total ?? 0 })}</span>}
      />
      {dialog === "new" && mayWrite && <AccountForm domain={String(filter.params["domain"] ?? "")} onClose={close} onDone={(address) => { navigate(accountPath(address)); }} />}
      {dialog === "import" && mayWrite && <ImportDialog onClose={close} onDone={list.refresh} />}
    </>
  );
}
