// Find messages: every message that came, was refused or left, with what became of it.
import { useCallback } from "react";
import { api } from "../../api/client";
import { useText } from "../../i18n";
import type { Paged, PageOf } from "../../lib/paged";
import { asAddress, asChoice, asKey, asText, type FilterFields } from "../../lib/usefilter";
import { download } from "../../ui/Copy";
import { Icon } from "../../ui/Icon";
import { StoredScreen } from "../../ui/StoredScreen";
import { messageColumns, statuses } from "./columns";
import { MessageDrawer } from "./MessageDrawer";
import type { Message } from "./types";

const directions = ["in", "out", "local"] as const;
const fields: FilterFields = {
  address: asAddress("address"),
  from: asAddress("sender"),
  to: asAddress("recipient"),
  ip: asText("ip"),
  session: asKey("session"),
  status: asChoice("status", statuses),
  direction: asChoice("direction", directions),
};
const idOf = (m: Message) => m.key;

function SaveButton({ list }: { list: Paged<Message> }) {
  const rows = list.items ?? [];
  const save = () => {
    download("posthorn-messages.ndjson", "application/x-ndjson", rows.map((m) => JSON.stringify(m)).join("\n") + "\n");
  };
  return <button type="button" className="btn deskonly" disabled={rows.length === 0} onClick={save}><Icon name="download" /><span translate="no">NDJSON</span></button>;
}

export default function Trace() {
  const t = useText();
  return (
    <StoredScreen<Message>
      name="messages"
      source="messages"
      title={t("nav.trace")}
      fields={fields}
      usual="1h"
      read={(query, signal) => api.get("/messages", { query: query as object, signal }) as Promise<PageOf<Message>>}
      idOf={idOf}
      topic="messages"
      counted={{ searching: "message.searching", more: "message.atleast", all: "message.count" }}
      actions={(list) => <SaveButton list={list} />}
      filter={{ label: t("message.filter"), placeholder: t("message.filter.hint"), none: t("message.none.filter") }}
      choices={[{ field: "status", label: t("message.status"), options: statuses.map((s) => ({ id: s, label: t(`message.status.${s}`) })) }]}
      columns={useCallback((open: (m: Message) => void) => messageColumns(t, open), [t])}
      nothing={{ icon: "mail", title: t("message.none") }}
      off={t("message.off")}
      drawer={({ id, row, close }) => <MessageDrawer id={id} known={row} onClose={close} />}
    />
  );
}
