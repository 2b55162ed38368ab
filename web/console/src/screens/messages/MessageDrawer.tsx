import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { formatBytes, formatMoment } from "../../lib/format";
import { archiveAddress } from "../../lib/places";
import { Link } from "../../lib/router";
import { Drawer } from "../../ui/Drawer";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { Empty, ErrorNote, Skeleton } from "../../ui/States";
import { addressOf, StatusBadge } from "./columns";
import { Events } from "./Events";
import { Recipients } from "./Facts";
import type { Message } from "./types";
import { useMessage } from "./usemessage";
import { Verdict } from "./Verdict";

/** The short form beside the list: verdict, recipients, events. */
export function MessageDrawer({ id, known, onClose }: { id: string; known: Message | undefined; onClose: () => void }) {
  const t = useText();
  const mayQueue = useMay("queue:read");
  const r = useMessage(id);
  const head = r.data ?? known;
  const page = head ? addressOf(head) : `/messages/${id}`;
  return (
    <Drawer
      label={t("message.title", { id: head?.id ?? id })}
      title={head ? head.id ? <Raw mono>{head.id}</Raw> : t("message.noid") : <Raw mono>{id}</Raw>}
      sub={head && <>{head.sender ? <Raw>{head.sender}</Raw> : t("queue.bounce.sender")}, {formatMoment(head.time, t.locale)}{head.size !== null && <>, {formatBytes(head.size, t.locale)}</>}</>}
      mark={head && <StatusBadge status={head.status} t={t} />}
      page={page}
      onClose={onClose}
      foot={
        <>
          <Link className="btn" to={page}><Icon name="trace" />{t("message.timeline")}</Link>
          {mayQueue && head?.id && head.status === "waiting" && <Link className="btn" to={`/status/queue?open=${head.id}`}><Icon name="queue" />{t("message.inqueue")}</Link>}
          {head?.id && <Link className="btn" to={archiveAddress("id", head.id)}><Icon name="disk" />{t("message.archived")}</Link>}
        </>
      }
    >
      {r.error?.status === 404 && <Empty icon="mail" title={t("message.gone")} />}
      {r.error && r.error.status !== 404 && <div className="pad"><ErrorNote error={r.error} retryAt={r.retryAt} onRetry={r.refresh} /></div>}
      {!r.data && !r.error && <Skeleton rows={6} />}
      {r.data && (
        <div className="pad">
          <Verdict message={r.data} />
          <h3 className="s">{t("queue.recipients")}</h3>
          <Recipients lanes={r.data.lanes} />
          <h3 className="s">{t("message.events")}</h3>
          <Events events={r.data.events} own={r.data.id} />
        </div>
      )}
    </Drawer>
  );
}
