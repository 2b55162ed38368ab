import { api } from "../../api/client";
import { useText } from "../../i18n";
import { TextDialog } from "../../ui/TextDialog";

/** The message as it will be sent, as text. The look is recorded in the audit. */
export function Content({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useText();
  return (
    <TextDialog
      title={t("queue.content", { id })}
      note={t("queue.content.audited")}
      source={`content ${id}`}
      read={(signal) => api.get("/queue/{name}/messages/{id}/content", { path: { name: "outgoing", id }, signal })}
      onClose={onClose}
    />
  );
}
