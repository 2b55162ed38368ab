import { useMemo, useState } from "react";
import { api, ApiError } from "../../api/client";
import type { Domain } from "../../api/schema";
import { useMay, useMe } from "../../app/me";
import { useText, type Text } from "../../i18n";
import { formatBytes } from "../../lib/format";
import type { PageOf } from "../../lib/paged";
import { domainAddress } from "../../lib/places";
import { Link, navigate, useParam } from "../../lib/router";
import { useRowPages, useRows } from "../../lib/rows";
import { toast } from "../../lib/toast";
import type { FilterFields } from "../../lib/usefilter";
import { Badge } from "../../ui/Badge";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { ListScreen } from "../../ui/ListScreen";
import { Raw } from "../../ui/Raw";
import { ErrorNote } from "../../ui/States";
import type { Column } from "../../ui/table/columns";
import { EnabledBadge } from "./Accounts";
import { TypeField } from "./Domain";
import { faultOf, generalFault } from "./fields";

const fields: FilterFields = {};
const idOf = (d: Domain) => d.domain;

function domainColumns(t: Text): Column<Domain>[] {
  return [
    { id: "domain", head: t("domain.name"), sort: "domain", fixed: true, phone: "t", cell: (d) => <><Link to={domainAddress(d.domain)}><Raw>{d.domain}</Raw></Link> {d.primary && <Badge tone="line">{t("domain.primary")}</Badge>}{d.type === "backup" && <Badge tone="line">{t("domain.type.backup")}</Badge>}</> },
    { id: "state", head: t("account.state"), size: 130, phone: "q", cell: (d) => <EnabledBadge enabled={d.enabled} t={t} /> },
    { id: "unknown", head: t("domain.unknown"), size: 260, phone: "u", className: "t2", cell: (d) => (d.type === "backup" ? (d.backup_host ? t.rich("domain.backup.to", { host: <Raw>{d.backup_host}</Raw> }) : d.fetched_by ? t.rich("domain.backup.fetched", { account: <Raw>{d.fetched_by}</Raw> }) : t("domain.backup.mx")) : d.unknown === "forward" ? t.rich("domain.unknown.forwardto", { to: <Raw>{d.unknown_to}</Raw> }) : t(`domain.unknown.${d.unknown}`)) },
    { id: "quota", head: t("domain.quota"), size: 150, right: true, phone: "r", cell: (d) => (d.quota ? formatBytes(d.quota, t.locale) : <span className="t3">{t("domain.quota.server")}</span>) },
    { id: "total", head: t("domain.totalquota"), size: 200, right: true, cell: (d) => (d.total_quota ? t("domain.usage", { size: formatBytes(d.used ?? 0, t.locale), quota: formatBytes(d.total_quota, t.locale) }) : <span className="t3">{t("account.nolimit")}</span>) },
    { id: "max", head: t("account.maxmessage"), size: 150, right: true, cell: (d) => (d.max_message ? formatBytes(d.max_message, t.locale) : <span className="t3">{t("account.servers")}</span>) },
    { id: "accounts", head: t("nav.accounts"), size: 120, right: true, cell: (d) => <Link to={`/accounts?q=${encodeURIComponent(`domain:${d.domain}`)}`}>{t("domain.accounts")}</Link> },
  ];
}

function NewDomain({ onClose }: { onClose: () => void }) {
  const t = useText();
  const [domain, setDomain] = useState("");
  const [type, setType] = useState<Domain["type"]>("local");
  const [host, setHost] = useState("");
  const [error, setError] = useState<ApiError>();
  const submit = async () => {
    setError(undefined);
    try {
      const made = await api.post("/domains", { body: { domain: domain.trim(), ...(type === "backup" && { type, backup_host: host.trim() }) } });
      toast(t("domain.made", { domain }));
      navigate(domainAddress(made?.domain ?? domain.trim()));
    } catch (e) {
      if (e instanceof ApiError) setError(e);
    }
  };
  const general = generalFault(error, ["domain", "type", "backup_host"]);
  return (
    <Dialog title={t("domain.new")} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {general && <ErrorNote error={general} />}
        <Field label={t("domain.name")} hint={t("domain.name.hint")} error={faultOf(error, "domain")} value={domain} onChange={(e) => { setDomain(e.target.value); }} required autoFocus autoComplete="off" spellCheck={false} />
        <TypeField value={type} error={faultOf(error, "type")} onChange={setType} />
        {type === "backup" && <Field label={t("domain.backuphost")} hint={t("domain.backuphost.hint")} error={faultOf(error, "backup_host")} value={host} onChange={(e) => { setHost(e.target.value); }} autoComplete="off" spellCheck={false} />}
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri">{t("domain.create")}</button>
        </div>
      </form>
    </Dialog>
  );
}

export default function Domains() {
  const t = useText();
  const me = useMe();
  const mayWrite = useMay("directory:write") && me.role !== "domain-admin";
  const [dialog, setDialog] = useParam("dialog");
  const columns = useMemo(() => domainColumns(t), [t]);
  const { list, order, setSort, found } = useRows<Domain>({
    key: "domains",
    fields,
    order: "domain",
    limit: 200,
    read: (query, signal) => api.get("/domains", { query, signal }) as Promise<PageOf<Domain>>,
    idOf,
  });
  const setCurrent = useRowPages<Domain>((d) => domainAddress(d.domain));
  return (
    <>
      <ListScreen
        name="domains"
        title={t("nav.domains")}
        actions={
          mayWrite && <button type="button" className="btn pri" onClick={() => { setDialog("new"); }}><Icon name="plus" />{t("domain.new")}</button>
        }
        filter={{ label: t("domain.filter"), placeholder: t("domain.filter.hint"), fields }}
        fixedColumns
        list={list}
        counted
        columns={columns}
        idOf={idOf}
        sort={order}
        onSort={setSort}
        onCurrent={setCurrent}
        state={{
          filter: found,
          nothing: { icon: "at", title: t("domain.empty"), children: mayWrite && <button type="button" className="btn" onClick={() => { setDialog("new"); }}>{t("domain.new")}</button> },
        }}
        foot={<span>{t("domain.count", { n: list.total ?? 0 })}</span>}
      />
      {dialog === "new" && mayWrite && <NewDomain onClose={() => { setDialog("", true); }} />}
    </>
  );
}
