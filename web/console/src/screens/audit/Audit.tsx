import { useMemo, useState } from "react";
import { api } from "../../api/client";
import type { AuditEntry } from "../../api/schema";
import { useText, type Text } from "../../i18n";
import { formatMoment, utcTitle } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { usePaged, type PageOf } from "../../lib/paged";
import { messageAddress, sessionAddress, settingAddress } from "../../lib/places";
import { Link, navigate, useParam } from "../../lib/router";
import { toast } from "../../lib/toast";
import { asText, useFilter, type FilterFields } from "../../lib/usefilter";
import { Icon } from "../../ui/Icon";
import { ListScreen } from "../../ui/ListScreen";
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
  if (kind === "queue") return "/status/queue";
  if (kind === "module" || kind === "service") return "/system/services";
  if (kind === "token") return "/system/tokens";
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
  const filter = useFilter(fields);
  const [, setText] = useParam("q");
  const list = usePaged<AuditEntry>(
    `audit ${JSON.stringify(filter.params)}`,
    (cursor, signal) => api.get("/audit", { query: { ...filter.params, limit: 100, ...(cursor ? { cursor } : {}) }, signal }) as Promise<PageOf<AuditEntry>>,
    idOf,
  );
  const { refresh } = list;
  const [current, setCurrent] = useState<AuditEntry>();
  const place = current && placeOf(current.object);
  useKeys({ ...(place && { Enter: () => { navigate(place); }, o: () => { navigate(place); } }) });
  const columns = useMemo<Column<AuditEntry>[]>(() => {
    const revert = (e: AuditEntry) => {
      api.post("/audit/{id}/revert", { path: { id: e.id } }).then(
        () => {
          toast(t("audit.reverted", { field: e.field, object: e.object }));
          refresh();
        },
        (x: unknown) => { failed(x, t); },
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
    <ListScreen
      name="audit"
      title={t("nav.audit")}
      filter={{ label: t("audit.filter"), placeholder: t("audit.filter.hint"), fields }}
      fixedColumns
      list={list}
      columns={columns}
      idOf={idOf}
      onCurrent={setCurrent}
      state={{ filter: { text: filter.text, onReset: () => { setText(""); } }, nothing: { icon: "report", title: t("audit.empty") } }}
      foot={<span>{t("audit.foot")}</span>}
    />
  );
}
