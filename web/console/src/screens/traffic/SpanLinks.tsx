import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import type { Span } from "../../lib/chart";
import { Link } from "../../lib/router";
import { Icon } from "../../ui/Icon";
import { spanLinks } from "./view";

/** From a peak to what made it: sessions, messages and log lines of exactly this span. */
export function SpanLinks({ span, service }: { span: Span; service: string }) {
  const t = useText();
  const to = spanLinks(span, service);
  const maySessions = useMay("sessions:read");
  const mayMessages = useMay("messages:read");
  const mayLogs = useMay("logs:read");
  return (
    <nav className="row wrap span-links" aria-label={t("traffic.ofspan")}>
      <span className="t2">{t("traffic.ofspan")}</span>
      {maySessions && <Link className="btn sm" to={to.sessions}><Icon name="sessions" small />{t("nav.sessions")}</Link>}
      {mayMessages && <Link className="btn sm" to={to.messages}><Icon name="mail" small />{t("traffic.messages")}</Link>}
      {mayLogs && <Link className="btn sm" to={to.log}><Icon name="logs" small />{t("sessions.lines")}</Link>}
    </nav>
  );
}
