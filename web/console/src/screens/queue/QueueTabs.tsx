import { useMay } from "../../app/me";
import { useText } from "../../i18n";
import { usePath } from "../../lib/router";
import { Tabs } from "../../ui/Page";

/** What waits, where it waits to go, and what has arrived in one mailbox. */
export function QueueTabs({ messages }: { messages?: number | undefined }) {
  const t = useText();
  const path = usePath();
  const mayMail = useMay("messages:read");
  const destinations = path.endsWith("/destinations");
  const mailbox = /^\/status\/queue\/mailbox(\/|$)/.test(path);
  return (
    <Tabs
      label={t("nav.queue")}
      tabs={[
        { to: "/status/queue", label: <>{t("queue.tab.messages")}{messages !== undefined && <span className="n">{new Intl.NumberFormat(t.locale).format(messages)}</span>}</>, current: !destinations && !mailbox },
        { to: "/status/queue/destinations", label: t("queue.tab.destinations"), current: destinations },
        ...(mayMail ? [{ to: "/status/queue/mailbox", label: t("queue.tab.mailbox"), current: mailbox }] : []),
      ]}
    />
  );
}
