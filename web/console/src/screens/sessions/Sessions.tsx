import { useCallback, useEffect, useMemo } from "react";
import { api } from "../../api/client";
import type { Session } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { useNow } from "../../lib/clock";
import { withField } from "../../lib/filterline";
import { useKeys } from "../../lib/keys";
import { useLiveScreen } from "../../lib/livescreen";
import type { PageOf } from "../../lib/paged";
import { toast } from "../../lib/toast";
import { asChoice, asText, type FilterFields } from "../../lib/usefilter";
import { Choice, HoldButton, KeyHint, ListScreen } from "../../ui/ListScreen";
import { LiveBadge } from "../../ui/Page";
import { failed } from "../../ui/States";
import { serviceOptions, sessionColumns } from "./columns";
import { services } from "./names";
import { SessionDrawer } from "./SessionDrawer";
import { SessionTabs } from "./SessionTabs";

const fields: FilterFields = { service: asChoice("service", services), account: asText("account"), ip: asText("peer") };
const names = Object.keys(fields);
const idOf = (s: Session) => s.id;
const every = 5000;

export default function Sessions() {
  const t = useText();
  const now = useNow();
  const mayEnd = useMay("sessions:write");
  const { list, filter, found, text, setText, order, setSort, open, setOpen, held, setHeld, current, setCurrent, live, shown } = useLiveScreen<Session>({
    key: "sessions",
    topic: "sessions",
    fields,
    order: "age",
    limit: 200,
    read: (query, signal) => api.get("/sessions", { query, signal }) as Promise<PageOf<Session>>,
    idOf,
  });
  // Of the web server's connections the stream does not tell: it is one of them.
  const { refresh } = list;
  const asked = filter.params["service"] === "control" && !held;
  useEffect(() => {
    if (!asked) return;
    const timer = setInterval(refresh, every);
    return () => { clearInterval(timer); };
  }, [asked, refresh]);
  const openRow = useCallback((s: Session) => { setOpen(s.id); }, [setOpen]);
  const columns = useMemo(() => sessionColumns(t, now, openRow), [t, now, openRow]);

  const end = (s: Session) => {
    api.delete("/sessions/{id}", { path: { id: s.id } }).then(
      () => {
        toast(t("sessions.ended", { id: s.log_id }));
        list.remove(s.id);
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  useKeys({ ".": () => { setHeld(!held); }, ...(mayEnd && current && { K: () => { end(current); } }) });
  return (
    <ListScreen
      name="sessions"
      title={t("nav.sessions")}
      label={t("sessions.active")}
      live={<LiveBadge {...live} />}
      actions={<HoldButton held={held} onHold={setHeld} />}
      tabs={<SessionTabs active={filter.text ? undefined : list.total} />}
      filter={{ label: t("sessions.filter"), placeholder: t("sessions.filter.hint"), fields }}
      controls={<Choice label={t("sessions.service")} all={t("sessions.allmail")} value={String(filter.params["service"] ?? "")} options={serviceOptions(t)} onChange={(s) => { setText(withField(text, "service", s, names)); }} />}
      list={list}
      counted
      columns={columns}
      idOf={idOf}
      sort={order}
      onSort={setSort}
      openId={open}
      onOpen={openRow}
      onCurrent={setCurrent}
      state={{ filter: found, nothing: { title: t("sessions.empty") } }}
      foot={
        <>
          <span>{t("sessions.count", { n: list.total ?? 0 })}</span>
          <div className="key deskonly">
            <span><i className="sc S active" aria-hidden="true" translate="no">S</i>{t("sessions.mark.in")}</span>
            <span><i className="sc C active" aria-hidden="true" translate="no">C</i>{t("sessions.mark.out")}</span>
          </div>
        </>
      }
      keys={<><KeyHint keys={["j", "k"]}>{t("keys.move")}</KeyHint><KeyHint keys={["K"]}>{t("sessions.end")}</KeyHint><KeyHint keys={["."]}>{t("keys.hold")}</KeyHint><KeyHint keys={["?"]}>{t("keys.all")}</KeyHint></>}
      drawer={open && <SessionDrawer id={open} known={shown} onClose={() => { setOpen(""); }} onEnd={mayEnd ? end : undefined} onChanged={list.refresh} held={held} />}
    />
  );
}
