import { useText } from "../../i18n";
import { usePath } from "../../lib/router";
import { Tabs } from "../../ui/Page";

/** What waits, and where it waits to go. */
export function QueueTabs({ messages }: { messages?: number | undefined }) {
  const t = useText();
  const destinations = usePath().endsWith("/destinations");
  return (
    <Tabs
      label={t("nav.queue")}
      tabs={[
        { to: "/status/queue", label: <>{t("queue.tab.messages")}{messages !== undefined && <span className="n">{new Intl.NumberFormat(t.locale).format(messages)}</span>}</>, current: !destinations },
        { to: "/status/queue/destinations", label: t("queue.tab.destinations"), current: destinations },
      ]}
    />
  );
}
