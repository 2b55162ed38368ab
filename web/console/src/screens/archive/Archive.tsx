// The mail archive: copies of what was received and sent. Each look is recorded in the audit, so nothing is asked again by itself.
import { useCallback } from "react";
import { api } from "../../api/client";
import type { ArchivedMessage } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import type { PageOf } from "../../lib/paged";
import type { StoredQuery } from "../../lib/stored";
import { asText, type FilterFields } from "../../lib/usefilter";
import { StoredScreen } from "../../ui/StoredScreen";
import { ArchivedDrawer } from "./ArchivedDrawer";
import { ArchiveStatus } from "./ArchiveStatus";
import { archiveColumns } from "./columns";

const fields: FilterFields = { address: asText("address"), from: asText("sender"), to: asText("recipient"), subject: asText("subject"), id: asText("id") };
const idOf = (m: ArchivedMessage) => m.name;

/** The archive knows whole seconds, and has names of its own for the span. */
function asked({ from, to, ...rest }: StoredQuery & Record<string, string | number>) {
  const second = (iso: string) => iso.replace(/\.\d+Z$/, "Z");
  return { ...rest, ...(from && { since: second(from) }), ...(to && { until: second(to) }) };
}

export default function Archive() {
  const t = useText();
  const mayDirectory = useMay("directory:read");
  return (
    <StoredScreen<ArchivedMessage>
      name="archive"
      source="archive"
      title={t("nav.archive")}
      fields={fields}
      usual="7d"
      read={(query, signal) => api.get("/archive/messages", { query: asked(query), signal }) as Promise<PageOf<ArchivedMessage>>}
      idOf={idOf}
      still
      counted={{ searching: "message.searching", more: "message.atleast", all: "message.count" }}
      tabs={<ArchiveStatus />}
      filter={{ label: t("archive.filter"), placeholder: t("archive.filter.hint") }}
      choices={[]}
      columns={useCallback((open: (m: ArchivedMessage) => void) => archiveColumns(t, mayDirectory, open), [t, mayDirectory])}
      nothing={{ icon: "disk", title: t("archive.none") }}
      off={{ setting: "archive.enabled", title: t("archive.off") }}
      foot={<span>{t("archive.audited")}</span>}
      drawer={({ id, row, close }) => <ArchivedDrawer key={id} name={id} known={row} onClose={close} />}
    />
  );
}
