import { useMemo, useState } from "react";
import { api } from "../../api/client";
import type { AuditEntry } from "../../api/schema";
import { useText, type Text } from "../../i18n";
import { formatMoment, utcTitle } from "../../lib/format";
import type { PageOf } from "../../lib/paged";
import { logFilesAddress, messageAddress, sessionAddress, settingAddress } from "../../lib/places";
import { Link } from "../../lib/router";
import { useRowPages, useRows } from "../../lib/rows";
import { toast } from "../../lib/toast";
import { asText, type FilterFields } from "../../lib/usefilter";
import { Icon } from "../../ui/Icon";
import { ListScreen } from "../../ui/ListScreen";
import { LockOut, lockOutOf, type LockedOut } from "../../ui/LockOut";
import { Raw } from "../../ui/Raw";
import { failed } from "../../ui/States";
import type { Column } from "../../ui/table/columns";

const fields: FilterFields = { who: asText("admin"), object: asText("object") };
const idOf = (e: AuditEntry) => e.id;

/** "account a@b" leads to the account, "setting smtp.vrfy" to the setting. */
function placeOf(object: string): string | undefined {
  const [kind, name = ""] = object.split(/ (.*)/s);
  if (kind === "account") return `/accounts/${encodeURIComponent(name)}`;
  if (kind === "domain") return `/domains/${encodeURIComponent(name)}`;
  if (kind === "setting") return settingAddress(name);
  if (kind === "alias" && name.includes("@")) return `/domains/${encodeURIComponent(name.slice(name.lastIndexOf("@") + 1))}`;
  if (kind === "adapted") return settingAddress("deliver.secure_adapt");
  if (kind === "queue") return "/status/queue";
  if (kind === "module" || kind === "service") return "/system/services";
  if (kind === "token") return "/system/tokens";
  if (kind === "route") return `/system/routes?open=${encodeURIComponent(name)}`;
  if (kind === "senders") return "/senders?q=owner:server";
  if (kind === "filters") return "/filters?q=owner:server";
  if (kind === "log") return logFilesAddress(name);
  // A look is recorded as the call that was made, with what it asked for.
  if ((kind === "session" || kind === "getTranscript") && /^[0-9a-f]{16}$/i.test(name)) return sessionAddress(name);
  // "getQueueMessageContent outgoing OSA88513"
  const last = name.split(" ").at(-1) ?? "";
  if (/^get\w*Content$/.test(kind ?? "") && last) return messageAddress(last);
  return undefined;
}

function Value({ text, t }: { text: string | null; t: Text }) {
  return text === null ? <span className="t3">{t("none")}</span> : text === "" ? <span className="t3">{t("audit.empty.value")}</span> : <Raw>{text}</Raw>;
}

export default function Audit() {
  const t = useText();
  const { list, found } = useRows<AuditEntry>({
    key: "audit",
    fields,
    limit: 100,
    read: (query, signal) => api.get("/audit", { query, signal }) as Promise<PageOf<AuditEntry>>,
    idOf,
  });
  const { refresh } = list;
  const [lockOut, setLockOut] = useState<LockedOut>();
  const setCurrent = useRowPages<AuditEntry>((e) => placeOf(e.object));
  const columns = useMemo<Column<AuditEntry>[]>(() => {
    const revert = (e: AuditEntry, confirm = false) => {
      api.post("/audit/{id}/revert", { path: { id: e.id }, ...(confirm && { query: { confirm } }) }).then(
        () => {
          toast(t("audit.reverted", { field: e.field, object: e.object }));
          refresh();
        },
        (x: unknown) => {
          const shut = lockOutOf(x);
          if (shut === undefined) failed(x, t);
          else setLockOut({ setting: shut, value: e.old ?? "", go: () => { revert(e, true); } });
        },
      );
    };
    return [
      { id: "at", head: t("audit.at"), size: 170, phone: "r", className: "num t2", title: (e) => utcTitle(e.at), cell: (e) => formatMoment(e.at, t.locale) },
      { id: "admin", head: t("audit.who"), size: 190, phone: "u", cell: (e) => <Raw>{e.admin}</Raw> },
      {
        id: "object",
        head: t("audit.object"),
        phone: "t",
        fixed: true,
        title: (e) => e.object,
        cell: (e) => {
          const to = placeOf(e.object);
          return to ? <Link to={to}><Raw>{e.object}</Raw></Link> : <Raw>{e.object}</Raw>;
        },
      },
      { id: "field", head: t("audit.field"), size: 140, className: "mono t2", cell: (e) => <Raw>{e.field}</Raw> },
      { id: "old", head: t("audit.old"), phone: "m", className: "t2", title: (e) => e.old ?? "", cell: (e) => <Value text={e.old} t={t} /> },
      { id: "new", head: t("audit.new"), title: (e) => e.new ?? "", cell: (e) => <Value text={e.new} t={t} /> },
      {
        id: "actions",
        head: t("audit.actions"),
        quiet: true,
        size: 150,
        right: true,
        phone: "q",
        cell: (e) => e.actions.includes("revert") && <button type="button" className="btn sm" onClick={() => { revert(e); }}><Icon name="bounce" small />{t("audit.revert")}</button>,
      },
    ];
  }, [t, refresh]);
  return (
    <>
      <ListScreen
        name="audit"
        title={t("nav.audit")}
        filter={{ label: t("audit.filter"), placeholder: t("audit.filter.hint"), fields }}
        fixedColumns
        list={list}
        columns={columns}
        idOf={idOf}
        onCurrent={setCurrent}
        state={{ filter: found, nothing: { icon: "report", title: t("audit.empty") } }}
        foot={<span>{t("audit.foot")}</span>}
      />
      {lockOut && <LockOut {...lockOut} onClose={() => { setLockOut(undefined); }} />}
    </>
  );
}
