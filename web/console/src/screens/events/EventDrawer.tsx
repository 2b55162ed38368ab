import { api } from "../../api/client";
import type { Event } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { formatMoment, utcTitle } from "../../lib/format";
import { eventsAddress, ipAddress, messageAddress, sessionAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { Drawer } from "../../ui/Drawer";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { textField } from "../messages/steps";
import { peerOf, SeverityBadge } from "./columns";

/** What an event means, where it belongs, and its record. */
export function EventDrawer({ event: e, onClose }: { event: Event; onClose: () => void }) {
  const t = useText();
  const maySessions = useMay("sessions:read");
  const kinds = useResource("event kinds", (signal) => api.get("/reference/events", { query: { limit: 2000 }, signal }));
  const help = kinds.data?.items.find((k) => k.name === e.name)?.help;
  const peer = peerOf(e);
  const whole = peer !== "" && !peer.includes("*");
  const msgid = textField(e, "msgid") || e.message;
  return (
    <Drawer label={t("event.one", { name: e.name })} title={<Raw mono>{e.name}</Raw>} sub={<span title={utcTitle(e.time)}>{formatMoment(e.time, t.locale)}</span>} mark={<SeverityBadge severity={e.severity} t={t} />} onClose={onClose} width="narrow">
      <div className="pad">
        <p className="strong" translate="no" lang="en" dir="auto"><Raw>{e.sentence}</Raw></p>
        {help && <p className="t2" translate="no" lang="en">{help}</p>}
        <div className="row wrap event-links">
          {e.session && maySessions && <Link className="btn sm" to={sessionAddress(e.session)}><Icon name="sessions" small />{t("event.session")}</Link>}
          {msgid && <Link className="btn sm" to={messageAddress(msgid)}><Icon name="mail" small />{t("event.message")}</Link>}
          {whole && maySessions && <Link className="btn sm" to={ipAddress(peer)}><Icon name="globe" small /><Raw>{peer}</Raw></Link>}
          {whole && <Link className="btn sm" to={eventsAddress("ip", peer)}><Icon name="bell" small />{t("event.ofaddress")}</Link>}
        </div>
        <h3 className="s">{t("message.record")}</h3>
        <dl className="kv mono" translate="no">
          <dt>time</dt><dd>{utcTitle(e.time)}</dd>
          <dt>module</dt><dd>{e.module}</dd>
          {e.service && <><dt>service</dt><dd>{e.service}</dd></>}
          {e.session && <><dt>session</dt><dd>{e.session}</dd></>}
          {e.message && <><dt>message</dt><dd>{e.message}</dd></>}
          {Object.entries(e.fields).map(([k, v]) => [<dt key={k}>{k}</dt>, <dd key={`${k}=`}><Raw>{typeof v === "object" ? JSON.stringify(v) : String(v)}</Raw></dd>])}
        </dl>
      </div>
    </Drawer>
  );
}
