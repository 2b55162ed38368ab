import { useText } from "../../i18n";
import { usePath } from "../../lib/router";
import { Tabs } from "../../ui/Page";

/** Who is connected now, and who was. */
export function SessionTabs({ active }: { active?: number | undefined }) {
  const t = useText();
  const history = usePath().endsWith("/history");
  return (
    <Tabs
      label={t("nav.sessions")}
      tabs={[
        { to: "/status/sessions", label: <>{t("sessions.tab.active")}{active !== undefined && <span className="n">{new Intl.NumberFormat(t.locale).format(active)}</span>}</>, current: !history },
        { to: "/status/sessions/history", label: t("sessions.tab.history"), current: history },
      ]}
    />
  );
}
