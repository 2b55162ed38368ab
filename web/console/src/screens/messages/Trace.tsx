// Find messages: every message that came, was refused or left, with what became of it.
import { useCallback, useMemo } from "react";
import { api } from "../../api/client";
import { useLiveState } from "../../api/live";
import { useText } from "../../i18n";
import { withField } from "../../lib/filterline";
import { useKeys } from "../../lib/keys";
import type { PageOf } from "../../lib/paged";
import { useStoredList } from "../../lib/stored";
import { asAddress, asChoice, asKey, asText, type FilterFields } from "../../lib/usefilter";
import { download } from "../../ui/Copy";
import { Icon } from "../../ui/Icon";
import { Choice, HoldButton, KeyHint, ListScreen } from "../../ui/ListScreen";
import { LiveBadge } from "../../ui/Page";
import { SpanField } from "../../ui/SpanField";
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
const names = Object.keys(fields);
const idOf = (m: Message) => m.key;
const usual = "1h";

export default function Trace() {
  const t = useText();
  const { list, filter, choice, searching, held, setHeld, open, setOpen, text, setText, shown } = useStoredList<Message>({
    key: "messages",
    fields,
    usual,
    read: (query, signal) => api.get("/messages", { query: query as object, signal }) as Promise<PageOf<Message>>,
    idOf,
    topic: "messages",
  });
  const live = useLiveState(held);
  const openRow = useCallback((m: Message) => { setOpen(m.key); }, [setOpen]);
  const columns = useMemo(() => messageColumns(t, openRow), [t, openRow]);
  useKeys({ ".": () => { setHeld(!held); } });
  const save = () => {
    download("posthorn-messages.ndjson", "application/x-ndjson", (list.items ?? []).map((m) => JSON.stringify(m)).join("\n") + "\n");
  };
  const n = list.items?.length ?? 0;
  return (
    <ListScreen
      name="messages"
      title={t("nav.trace")}
      live={!choice.to && <LiveBadge {...live} />}
      actions={
        <>
          <HoldButton held={held} onHold={setHeld} className="deskonly" />
          <button type="button" className="btn deskonly" disabled={n === 0} onClick={save}><Icon name="download" /><span translate="no">NDJSON</span></button>
        </>
      }
      filter={{ label: t("message.filter"), placeholder: t("message.filter.hint"), fields }}
      controls={<Choice label={t("message.status")} value={String(filter.params["status"] ?? "")} options={statuses.map((s) => ({ id: s, label: t(`message.status.${s}`) }))} onChange={(s) => { setText(withField(text, "status", s, names)); }} />}
      below={<div className="bar line spanbar"><SpanField choice={choice} usual={usual} /></div>}
      list={list}
      columns={columns}
      idOf={idOf}
      openId={open}
      onOpen={openRow}
      state={{
        searching,
        filter: { text: filter.text, onReset: () => { setText(""); }, none: t("message.none.filter") },
        span: choice,
        nothing: { icon: "mail", title: t("message.none") },
        off: { setting: "events.enabled", title: t("message.off") },
      }}
      foot={<span role="status">{searching ? t("message.searching", { n }) : list.more ? t("message.atleast", { n }) : t("message.count", { n })}</span>}
      keys={<><KeyHint keys={["j", "k"]}>{t("keys.move")}</KeyHint><KeyHint keys={["↵"]}>{t("keys.open")}</KeyHint><KeyHint keys={["f"]}>{t("keys.filter")}</KeyHint><KeyHint keys={["?"]}>{t("keys.all")}</KeyHint></>}
      drawer={open && <MessageDrawer id={open} known={shown} onClose={() => { setOpen(""); }} />}
    />
  );
}
