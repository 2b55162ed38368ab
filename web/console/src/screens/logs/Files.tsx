// The files of a log: which there are, to be taken away as they are, to be deleted.
import { useCallback, useMemo, useState } from "react";
import { api, bytes } from "../../api/client";
import type { LogFile } from "../../api/schema";
import { useText, type Text } from "../../i18n";
import { formatBytes } from "../../lib/format";
import type { PageOf } from "../../lib/paged";
import { logFilesAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { Link, navigate } from "../../lib/router";
import { useRows } from "../../lib/rows";
import { toast } from "../../lib/toast";
import type { FilterFields } from "../../lib/usefilter";
import { Badge } from "../../ui/Badge";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { download } from "../../ui/Copy";
import { Icon } from "../../ui/Icon";
import { ListScreen } from "../../ui/ListScreen";
import { Raw } from "../../ui/Raw";
import { failed } from "../../ui/States";
import type { Column } from "../../ui/table/columns";
import { LogSelect } from "./LogSelect";
import { logLabel } from "./names";

const fields: FilterFields = {};
const idOf = (f: LogFile) => f.name;

/** One answer has a part of a long file: the parts are put together, up to the length that the list told. */
async function whole(service: string, f: LogFile): Promise<Blob> {
  const parts: Blob[] = [];
  let offset = 0;
  do {
    const part = await bytes("/logs/{service}/files/{name}", { path: { service, name: f.name }, query: { offset } });
    if (part.size === 0) break;
    parts.push(part);
    offset += part.size;
  } while (offset < f.size);
  return new Blob(parts, { type: "text/plain" });
}

function fileColumns(t: Text, service: string, busy: ReadonlySet<string>, take: (f: LogFile) => void, remove: (f: LogFile) => void): Column<LogFile>[] {
  return [
    { id: "name", head: t("file.name"), fixed: true, phone: "t", title: (f) => f.path, cell: (f) => <><Raw className="med">{f.name}</Raw> {f.current && <Badge tone="note">{t("file.current")}</Badge>}</> },
    { id: "date", head: t("logs.date"), size: 130, phone: "u", className: "num", cell: (f) => <Link to={`/status/logs/${service}?date=${f.date}`}><Raw>{f.date}</Raw></Link> },
    { id: "size", head: t("file.size"), size: 110, right: true, phone: "r", className: "num", cell: (f) => formatBytes(f.size, t.locale) },
    { id: "path", head: t("file.path"), give: "x", className: "t2", title: (f) => f.path, cell: (f) => <Raw mono>{f.path}</Raw> },
    {
      id: "actions",
      head: t("audit.actions"),
      quiet: true,
      size: 90,
      right: true,
      phone: "q",
      cell: (f) => (
        <span className="acts show">
          <button type="button" className="ib sm" disabled={busy.has(f.name)} aria-label={t("file.download", { name: f.name })} title={t("file.download", { name: f.name })} onClick={() => { take(f); }}><Icon name="download" /></button>
          {f.actions.includes("delete") && <button type="button" className="ib sm" aria-label={t("file.delete.of", { name: f.name })} title={t("file.delete.of", { name: f.name })} onClick={() => { remove(f); }}><Icon name="trash" /></button>}
        </span>
      ),
    },
  ];
}

export default function Files({ params }: { params: Record<string, string> }) {
  const t = useText();
  const service = params["service"] ?? "smtp";
  const [busy, setBusy] = useState<ReadonlySet<string>>(new Set());
  const [ending, setEnding] = useState<LogFile>();
  const logs = useResource("logs", (signal) => api.get("/logs", { query: { limit: 100 }, signal }), 60);
  const { list, found } = useRows<LogFile>({
    key: `log files ${service}`,
    fields,
    limit: 100,
    read: (query, signal) => api.get("/logs/{service}/files", { path: { service }, query, signal }) as Promise<PageOf<LogFile>>,
    idOf,
  });
  const { refresh } = list;
  const take = useCallback((f: LogFile) => {
    setBusy((old) => new Set(old).add(f.name));
    whole(service, f)
      .then(
        (blob) => {
          download(f.name, "text/plain", blob);
          toast(t("file.downloaded", { name: f.name, size: formatBytes(blob.size, t.locale) }));
        },
        (e: unknown) => { failed(e, t); },
      )
      .finally(() => { setBusy((old) => new Set([...old].filter((x) => x !== f.name))); });
  }, [service, t]);
  const remove = (f: LogFile) => {
    api.delete("/logs/{service}/files/{name}", { path: { service, name: f.name } }).then(
      () => {
        toast(t("file.deleted", { name: f.name }));
        refresh();
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  const columns = useMemo(() => fileColumns(t, service, busy, take, setEnding), [t, service, busy, take]);
  return (
    <>
      <ListScreen
        name="logfiles"
        title={t("nav.logs")}
        label={t("file.title", { log: logLabel(service, t) })}
        actions={<Link className="btn" to={`/status/logs/${service}`}><Icon name="logs" />{t("logs.lines")}</Link>}
        filter={{ label: t("file.filter"), placeholder: t("file.filter.hint"), fields }}
        controls={<LogSelect service={service} known={logs.data?.items ?? []} onChange={(s) => { navigate(logFilesAddress(s)); }} />}
        list={list}
        counted
        columns={columns}
        idOf={idOf}
        state={{ filter: found, nothing: { icon: "logs", title: t("file.none") } }}
        foot={<span>{t("file.count", { n: list.total ?? 0 })}</span>}
      />
      {ending && (
        <ConfirmDialog title={t("file.delete.title")} word={ending.name} verb={t("file.delete.verb")} onClose={() => { setEnding(undefined); }} onConfirm={() => { remove(ending); }}>
          {t.rich("file.delete.text", { name: <b className="strong"><Raw>{ending.name}</Raw></b>, log: logLabel(service, t), day: <Raw>{ending.date}</Raw>, size: formatBytes(ending.size, t.locale) })}
        </ConfirmDialog>
      )}
    </>
  );
}
